//! The back of the log: it writes and syncs.
use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::Options;
use crate::batch::{Batch, Done, Slot};
use crate::format::{MARK_LEN, Own, SEAL_LEN, SEGMENT_HEADER, SPARE, SegmentHeader, segment_name};
use crate::storage::{File, Storage, is_full, write_all};

/// How much is filled with zeros at once, when there is nothing else to do.
const FILL_SLICE: u64 = 256 << 10;
/// How far ahead of the writing a file is filled.
const FILL_AHEAD: u64 = 8 << 20;

/// Why a batch was not written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// There is no space. Nothing is lost: the same batch can be committed again when there is some.
    #[error("no space left for the log: {0}")]
    Full(String),
    /// The storage failed, and the writer does nothing any more. What was not durable before is not known to be;
    /// only opening the log again tells what is in the files.
    ///
    /// After a failed sync an operating system may take the pages that it could not write for clean ones, so a second sync that
    /// succeeds proves nothing, and reading shows what is in memory instead of what is on the disk.
    #[error("the log cannot be written any more: {0}")]
    Failed(String),
}

/// What [`Writer::maintain`] did.
#[derive(Debug)]
pub struct Rest {
    /// What became durable, or how the space changed; for [`Log::handle_written`](crate::Log::handle_written).
    pub done: Option<Done>,
    /// There is more to prepare: call again unless there is something to commit.
    pub again: bool,
}

/// A segment file that is written.
#[derive(Debug)]
struct Open {
    slot: Slot,
    file: Arc<dyn File>,
    /// It was written since it was synced.
    dirty: bool,
    /// Up to this offset the blocks are known to be in use, so that overwriting them changes no metadata.
    filled: u64,
}

/// A seal that is to be written where the records of a segment end.
#[derive(Debug)]
pub(crate) struct Seal {
    pub(crate) file: Arc<dyn File>,
    pub(crate) base: u64,
    pub(crate) at: u64,
    pub(crate) next: u64,
}

impl Seal {
    fn write(&self) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(SEAL_LEN);
        Own::Seal { next: self.next }.encode(&mut bytes, self.at);
        let offset = self.at - self.base;
        write_all(self.file.as_ref(), &bytes, offset)?;
        self.file.sync_data()?;
        // The seal is durable before what is behind it goes: a short file without a seal is a damaged one.
        self.file.truncate(offset + bytes.len() as u64)
    }
}

/// The back of a log: one thread owns it, and waits in it.
#[derive(Debug)]
pub struct Writer {
    storage: Arc<dyn Storage>,
    options: Options,
    /// Files that are written or not synced, oldest first.
    open: Vec<Open>,
    /// The file after the last one, made ahead.
    next: Option<Open>,
    /// A file to make a segment of, under its provisional name.
    spare: Option<Arc<dyn File>>,
    /// The seal that the last segment of the recovery needs as soon as the next one is there.
    seal: Option<Seal>,
    slot: Slot,
    written: u64,
    durable: u64,
    /// Where a mark was written behind the last record.
    marked: u64,
    first: u64,
    /// Segments that go when the position before them is durable.
    removals: Vec<(u64, u64)>,
    low_on_space: bool,
    failed: Option<String>,
}

impl Writer {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        options: Options,
        slot: Slot,
        seal: Option<Seal>,
    ) -> Writer {
        let start = slot.base + SEGMENT_HEADER as u64;
        Writer {
            storage,
            options,
            open: Vec::new(),
            next: None,
            spare: None,
            seal,
            slot,
            written: start,
            durable: start,
            marked: start,
            first: slot.base,
            removals: Vec::new(),
            low_on_space: false,
            failed: None,
        }
    }

    /// The segment that is written.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// Makes the first segment.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        self.ensure(self.slot)?;
        let span = self.slot.span;
        match self.open.last_mut() {
            Some(open) if self.options.preallocate => fill(open, FILL_SLICE.min(span)),
            _ => Ok(()),
        }
    }

    /// Writes the batch, and syncs it and everything before it if `sync` says so.
    ///
    /// The caller hands the result to the front at once, and then calls [`Writer::tidy`]; otherwise the next commit does what is left to tidy.
    ///
    /// # Errors
    ///
    /// [`WriteError::Full`]: the batch is kept by the caller and committed again later. [`WriteError::Failed`]: never again.
    pub fn commit(&mut self, batch: &Batch, sync: bool) -> Result<Done, WriteError> {
        self.check()?;
        self.tidy();
        self.first = batch.first;
        if self.options.is_spill() {
            // Nothing is ever replayed, so what goes makes room for what comes, also on a disk that is full.
            self.removals
                .extend(batch.removals.iter().map(|base| (batch.end, *base)));
            self.remove_released();
        }
        // All files first: a seal must not be written before the file that it points to is there.
        for piece in &batch.pieces {
            self.ensure(piece.segment)
                .map_err(|error| self.failure("make a segment", error))?;
        }
        for piece in &batch.pieces {
            let offset = piece.start - piece.segment.base;
            let bytes = piece.bytes.as_slice();
            let Some(open) = self
                .open
                .iter_mut()
                .rev()
                .find(|open| open.slot.base == piece.segment.base)
            else {
                continue;
            };
            open.dirty = true;
            open.filled = open.filled.max(offset + bytes.len() as u64);
            let written = write_all(open.file.as_ref(), bytes, offset);
            written.map_err(|error| self.failure("write", error))?;
        }
        self.written = self.written.max(batch.end);
        if !self.options.is_spill() {
            self.removals
                .extend(batch.removals.iter().map(|base| (batch.end, *base)));
        }
        if sync {
            self.sync()?;
        }
        self.close_finished();
        Ok(self.done())
    }

    /// To be called after every commit whose result was handed over: removes the segments that nobody needs any more, and makes the next
    /// one when it is time. Most of the time there is nothing to do; confirms need not wait when there is.
    pub fn tidy(&mut self) {
        if self.failed.is_none() {
            self.remove_released();
            self.prepare_if_due();
        }
    }

    /// To be called when there is nothing to commit: makes durable what was only written, and prepares the next segment in small steps.
    ///
    /// # Errors
    ///
    /// As of [`Writer::commit`].
    pub fn maintain(&mut self) -> Result<Rest, WriteError> {
        self.check()?;
        if self.options.is_spill() {
            self.tidy();
            return Ok(Rest {
                done: None,
                again: false,
            });
        }
        let before = self.done();
        if self.durable < self.written {
            self.sync()?;
            self.close_finished();
        }
        self.tidy();
        if self.marked < self.durable {
            self.mark()?;
        }
        let again = self.prepare_slice();
        let done = (self.done() != before).then(|| self.done());
        Ok(Rest { done, again })
    }

    fn check(&self) -> Result<(), WriteError> {
        self.failed
            .as_ref()
            .map_or(Ok(()), |why| Err(WriteError::Failed(why.clone())))
    }

    fn done(&self) -> Done {
        Done {
            written: self.written,
            durable: self.durable,
            low_on_space: self.low_on_space,
        }
    }

    fn failure(&mut self, action: &str, error: io::Error) -> WriteError {
        let text = format!("cannot {action}: {error}");
        if is_full(&error) {
            self.low_on_space = true;
            return WriteError::Full(text);
        }
        self.failed = Some(text.clone());
        WriteError::Failed(text)
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        if self.options.is_spill() {
            return Ok(());
        }
        for open in self.open.iter_mut().filter(|open| open.dirty) {
            if let Err(error) = open.file.sync_data() {
                // Even when space was short: what the system did with the pages is not known.
                let text = format!("cannot sync {}: {error}", segment_name(open.slot.base));
                self.failed = Some(text.clone());
                return Err(WriteError::Failed(text));
            }
            open.dirty = false;
        }
        self.durable = self.written;
        Ok(())
    }

    /// Closes the files that are behind what is written, when they are synced or never will be.
    fn close_finished(&mut self) {
        let (written, spill) = (self.written, self.options.is_spill());
        self.open
            .retain(|open| (open.dirty && !spill) || open.slot.end() > written);
    }

    /// Has the segment's file open, and made if it is not there.
    fn ensure(&mut self, slot: Slot) -> io::Result<()> {
        if !self.open.iter().any(|open| open.slot.base == slot.base) {
            let open = match self.next.take() {
                Some(next) if next.slot == slot => next,
                _ => self.make(slot)?,
            };
            self.slot = slot;
            self.open.push(open);
        }
        if let Some(seal) = &self.seal {
            seal.write()?;
            self.seal = None;
        }
        Ok(())
    }

    /// Makes the file of a segment: full length, header, synced, and only then its name.
    fn make(&mut self, slot: Slot) -> io::Result<Open> {
        let name = segment_name(slot.base);
        if self.options.is_spill() {
            return Ok(Open {
                slot,
                file: self.storage.create(&name)?,
                dirty: false,
                filled: 0,
            });
        }
        if self.options.free_min > 0 && self.spare.is_none() {
            let free = self.storage.free_space()?;
            if free < self.options.free_min.saturating_add(slot.span) {
                let text = format!(
                    "{free} bytes are free, and {} are to stay free",
                    self.options.free_min
                );
                return Err(io::Error::new(io::ErrorKind::StorageFull, text));
            }
        }
        let file = match self.spare.take() {
            Some(file) => file,
            None => self.storage.create(SPARE)?,
        };
        match self.dress(slot, &file, &name) {
            Ok(filled) => {
                self.low_on_space = false;
                Ok(Open {
                    slot,
                    file,
                    dirty: false,
                    filled,
                })
            }
            Err(error) => {
                // Its blocks are needed more than it is.
                let _ = self.storage.remove(SPARE);
                Err(error)
            }
        }
    }

    fn dress(&self, slot: Slot, file: &Arc<dyn File>, name: &str) -> io::Result<u64> {
        let filled = file.length()?.min(slot.span);
        if self.options.preallocate {
            match file.allocate(slot.span) {
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
                outcome => outcome?,
            }
        }
        file.truncate(slot.span)?;
        write_all(
            file.as_ref(),
            &SegmentHeader {
                base: slot.base,
                span: slot.span,
            }
            .encode(),
            0,
        )?;
        file.sync_data()?;
        self.storage.rename(SPARE, name)?;
        self.storage.sync_directory()?;
        Ok(filled)
    }

    /// Removes the segments that were waiting for what is durable now. One of them becomes the next segment.
    fn remove_released(&mut self) {
        let durable = if self.options.is_spill() {
            u64::MAX
        } else {
            self.durable
        };
        let mut index = 0;
        while let Some(&(barrier, base)) = self.removals.get(index) {
            if barrier > durable {
                index += 1;
                continue;
            }
            self.removals.remove(index);
            self.open.retain(|open| open.slot.base != base);
            // A file that cannot be removed is removed by the next recovery: it is older than the first segment that the mark names.
            let name = segment_name(base);
            let recycled =
                self.options.preallocate && self.spare.is_none() && self.recycle(&name).is_ok();
            if !recycled {
                let _ = self.storage.remove(&name);
            }
            self.low_on_space = false;
        }
    }

    fn recycle(&mut self, name: &str) -> io::Result<()> {
        let file = self.storage.open(name)?;
        if file.length()? != u64::from(self.options.segment_size) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.storage.rename(name, SPARE)?;
        self.spare = Some(file);
        Ok(())
    }

    /// Makes the next segment when half of the current one is used.
    fn prepare_if_due(&mut self) {
        if self.written.saturating_sub(self.slot.base) > self.slot.span / 2 {
            self.prepare();
        }
    }

    /// Makes the next segment. Whether that failed for lack of space is told in [`Done`].
    fn prepare(&mut self) {
        if self.next.is_some() || !self.options.preallocate || self.options.is_spill() {
            return;
        }
        let slot = Slot {
            base: self.slot.end(),
            span: u64::from(self.options.segment_size),
        };
        match self.make(slot) {
            Ok(open) => {
                self.next = Some(open);
            }
            // Any other failure will come again when the segment is needed.
            Err(error) => self.low_on_space = is_full(&error),
        }
    }

    /// A small step of preparation. Whether there is more to do.
    fn prepare_slice(&mut self) -> bool {
        if !self.options.preallocate {
            return false;
        }
        let used = self.written.saturating_sub(self.slot.base);
        let base = self.slot.base;
        if let Some(open) = self.open.iter_mut().find(|open| open.slot.base == base) {
            let until = (used + FILL_AHEAD).min(open.slot.span);
            if used > 0 && open.filled < until {
                // A failure costs speed only: everything that was written before is durable, and what comes here later is
                // written over these zeros and synced anew.
                return fill(open, until.min(open.filled + FILL_SLICE)).is_ok();
            }
        }
        match &mut self.next {
            Some(next) if next.filled < FILL_AHEAD.min(next.slot.span) => {
                let until = next.slot.span.min(next.filled + FILL_SLICE);
                fill(next, until).is_ok()
            }
            _ => false,
        }
    }

    /// Writes a mark behind the last record. It is not synced: it is for a process that dies, and for damage.
    fn mark(&mut self) -> Result<(), WriteError> {
        let at = self.written;
        self.marked = self.durable;
        // After a commit that found no space the last file may be one that holds nothing yet.
        let holds = |open: &&mut Open| {
            open.slot.base < at && at + (MARK_LEN + SEAL_LEN) as u64 <= open.slot.end()
        };
        let Some(open) = self.open.iter_mut().find(holds) else {
            return Ok(());
        };
        let mut mark = Vec::with_capacity(MARK_LEN);
        Own::Mark {
            durable: self.durable,
            first: self.first,
        }
        .encode(&mut mark, at);
        let offset = at - open.slot.base;
        open.filled = open.filled.max(offset + mark.len() as u64);
        let written = write_all(open.file.as_ref(), &mark, offset);
        written.map_err(|error| self.failure("write", error))
    }
}

/// Fills a file with zeros up to `until`, and syncs it.
fn fill(open: &mut Open, until: u64) -> io::Result<()> {
    let from = open.filled.max(SEGMENT_HEADER as u64);
    if from < until {
        write_all(open.file.as_ref(), &vec![0; (until - from) as usize], from)?;
        open.file.sync_data()?;
        open.filled = until;
    }
    Ok(())
}
