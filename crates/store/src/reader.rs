//! Reading from the disk by large windows, so that a backlog drains with few reads.
use std::fmt;
use std::io;
use std::mem;
use std::sync::Arc;

use thiserror::Error;

use crate::Options;
use crate::batch::Slot;
use crate::format::{Position, RECORD_HEADER, RecordHeader, segment_name};
use crate::storage::{File, Storage, read_full};

/// What the first read at a place fetches: it may be for one record only.
const FIRST: usize = 32 << 10;
/// Files that are kept open.
const FILES: usize = 16;

/// Why a record cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The segment is gone, or the position was never used: a fault of the caller.
    #[error("no record at {0}: its segment is gone or was never written")]
    Gone(Position),
    /// What is there is no record, or not what was written.
    #[error("the record at {0} is damaged")]
    Damaged(Position),
    /// The storage failed.
    #[error("cannot read the record at {at}: {source}")]
    Storage {
        /// Where.
        at: Position,
        /// What it said.
        source: io::Error,
    },
}

struct Window {
    start: u64,
    bytes: Vec<u8>,
    used: u64,
}

/// Windows into the files, least recently used out first.
pub(crate) struct Reader {
    storage: Arc<dyn Storage>,
    windows: Vec<Window>,
    windows_max: usize,
    files: Vec<(u64, Arc<dyn File>)>,
    uses: u64,
    last: usize,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("windows", &self.windows.len())
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn new(storage: Arc<dyn Storage>, windows_max: usize) -> Reader {
        Reader {
            storage,
            windows: Vec::new(),
            windows_max: windows_max.max(1),
            files: Vec::new(),
            uses: 0,
            last: 0,
        }
    }

    /// The record at `at` in the segment, of which the bytes before `until` are in the file.
    pub(crate) fn read(
        &mut self,
        slot: Slot,
        at: u64,
        until: u64,
    ) -> Result<(RecordHeader, &[u8]), ReadError> {
        let storage_error = |source| ReadError::Storage {
            at: Position::new(at),
            source,
        };
        let damaged = || ReadError::Damaged(Position::new(at));
        let mut wanted = RECORD_HEADER;
        // Once for the window, once more when the record turns out to be longer than what is in it.
        let (index, header) = loop {
            let index = match self.find(at, wanted) {
                Some(index) => index,
                None => self.load(slot, at, until, wanted).map_err(storage_error)?,
            };
            let window = &self.windows[index];
            let bytes = &window.bytes[(at - window.start) as usize..];
            let header = RecordHeader::decode(bytes, at).ok_or_else(damaged)?;
            if bytes.len() >= header.record_len() {
                break (index, header);
            }
            if wanted >= header.record_len()
                || at.saturating_add(header.record_len() as u64) > until
            {
                return Err(damaged());
            }
            wanted = header.record_len();
        };
        let window = &mut self.windows[index];
        self.uses += 1;
        window.used = self.uses;
        self.last = index;
        let from = (at - window.start) as usize;
        let payload = &window.bytes[from + RECORD_HEADER..from + header.record_len()];
        if header.matches(payload) {
            Ok((header, payload))
        } else {
            Err(damaged())
        }
    }

    fn find(&self, at: u64, wanted: usize) -> Option<usize> {
        let covers = |window: &Window| {
            window.start <= at && at + wanted as u64 <= window.start + window.bytes.len() as u64
        };
        if self.windows.get(self.last).is_some_and(covers) {
            return Some(self.last);
        }
        self.windows.iter().position(covers)
    }

    /// Reads at least `wanted` bytes from `at` on, if there are so many, into the window that goes on there, or else into the one
    /// that was not used for the longest time.
    fn load(&mut self, slot: Slot, at: u64, until: u64, wanted: usize) -> io::Result<usize> {
        let file = self.file(slot.base)?;
        let (index, length) = self.choose(at);
        let length = wanted.max(length).min(until.saturating_sub(at) as usize);
        let window = &mut self.windows[index];
        window.start = at;
        let mut bytes = mem::take(&mut window.bytes);
        if bytes.capacity() > 2 * Options::WINDOW && length <= Options::WINDOW {
            bytes = Vec::new();
        }
        bytes.resize(length, 0);
        let read = read_full(file.as_ref(), &mut bytes, at - slot.base)?;
        bytes.truncate(read);
        self.windows[index].bytes = bytes;
        Ok(index)
    }

    /// The window to read into, and how much to read.
    fn choose(&mut self, at: u64) -> (usize, usize) {
        // Whoever reads on a little behind the end of a window is draining a backlog: that window moves on and grows.
        let goes_on = |window: &Window| {
            let length = window.bytes.len() as u64;
            window.start <= at && at <= window.start + 2 * length
        };
        if let Some(index) = self.windows.iter().position(goes_on) {
            let length = (2 * self.windows[index].bytes.len()).clamp(FIRST, Options::WINDOW);
            return (index, length);
        }
        if self.windows.len() < self.windows_max {
            self.windows.push(Window {
                start: 0,
                bytes: Vec::new(),
                used: 0,
            });
            return (self.windows.len() - 1, FIRST);
        }
        let windows = self.windows.iter().enumerate();
        let oldest = windows.min_by_key(|(_, window)| window.used);
        (oldest.map_or(0, |(index, _)| index), FIRST)
    }

    fn file(&mut self, base: u64) -> io::Result<Arc<dyn File>> {
        if let Some(index) = self.files.iter().position(|(b, _)| *b == base) {
            let entry = self.files.remove(index);
            let file = Arc::clone(&entry.1);
            self.files.push(entry);
            return Ok(file);
        }
        let file = self.storage.open(&segment_name(base))?;
        if self.files.len() >= FILES {
            self.files.remove(0);
        }
        self.files.push((base, Arc::clone(&file)));
        Ok(file)
    }

    /// Forgets segments that are gone.
    pub(crate) fn forget(&mut self, bases: &[u64]) {
        self.files.retain(|(base, _)| !bases.contains(base));
    }

    /// Gives back the memory of all windows.
    pub(crate) fn clear(&mut self) {
        self.windows = Vec::new();
        self.last = 0;
    }

    pub(crate) fn memory(&self) -> usize {
        self.windows
            .iter()
            .map(|window| window.bytes.capacity())
            .sum()
    }
}
