//! The front of the log.
use std::ops::Range;
use std::sync::Arc;

use crate::batch::{Batch, Done, Slot};
use crate::buffers::Buffers;
use crate::format::{
    Own, PAYLOAD_MAX, Position, RECORD_HEADER, SEAL_LEN, SEGMENT_HEADER, segment_name,
};
use crate::reader::{ReadError, Reader};
use crate::recovery::{self, OpenError};
use crate::scan::Scanner;
use crate::segments::Segments;
use crate::{Durability, Options, Report, Storage, Writer};

/// A record that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where it is.
    pub at: Position,
    /// Its kind, as given to [`Log::append`].
    pub kind: u8,
    /// All of its parts.
    pub payload: &'a [u8],
}

/// The front of a log: it gives positions to records, keeps the recent ones, finds the old ones, and never waits for a write.
#[derive(Debug)]
pub struct Log {
    options: Options,
    storage: Arc<dyn Storage>,
    buffers: Buffers,
    segments: Segments,
    reader: Reader,
    /// Everything before this is in the files.
    written: u64,
    /// Everything before this is durable.
    durable: u64,
    /// The durable end that the last mark tells.
    marked: u64,
    /// Position and length of the record that was appended last.
    last: (u64, usize),
    /// A batch was taken and is not done.
    in_flight: bool,
}

impl Log {
    /// Opens the log in `storage`, or begins one, and gives every record that is in it to `replay`, in the order in which they were appended.
    ///
    /// Nothing is removed before [`Log::handle_recovered`] says that the owner has counted what it needs.
    ///
    /// # Errors
    ///
    /// The storage fails, or a file has a version of the format that this program does not know. Damage is no error: it is in the report.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: Options,
        replay: &mut dyn FnMut(Position, u8, &[u8]),
    ) -> Result<(Log, Writer, Report), OpenError> {
        let recovered = recovery::recover(&storage, &options, replay)?;
        let slot = recovered.writer.slot();
        let start = slot.base + SEGMENT_HEADER as u64;
        let mut segments = Segments::new(
            recovered.segments,
            u64::from(options.segment_size),
            !options.is_spill(),
        );
        segments.begin(slot, start);
        let log = Log {
            buffers: Buffers::new(slot, start),
            segments,
            reader: Reader::new(Arc::clone(&storage), options.read_windows),
            written: start,
            durable: start,
            marked: start,
            last: (0, 0),
            in_flight: false,
            storage,
            options,
        };
        Ok((log, recovered.writer, recovered.report))
    }

    /// The owner has called [`Log::retain`] for everything that the replay showed and that is still needed.
    /// From now on segments without references go.
    pub fn handle_recovered(&mut self) {
        self.segments.handle_recovered();
    }

    /// Appends a record made of `parts`, and tells where it is.
    ///
    /// # Panics
    ///
    /// When the record is longer than [`PAYLOAD_MAX`]: the owner limits the size of messages far below.
    pub fn append(&mut self, kind: u8, parts: &[&[u8]]) -> Position {
        let length = parts.iter().map(|part| part.len()).sum();
        assert!(
            length <= PAYLOAD_MAX,
            "a record of {length} bytes is longer than any limit of messages allows"
        );
        // One mark for every batch that is written after a sync: recovery tells by it what was durable.
        if self.marked < self.durable && !self.options.is_spill() {
            self.append_mark();
        }
        let at = self.make_room(RECORD_HEADER + length);
        let out = self.buffers.current(RECORD_HEADER + length);
        crate::format::encode_record(out, at, false, kind, length, parts);
        self.segments.set_end(self.buffers.end());
        self.last = (at, RECORD_HEADER + length);
        Position::new(at)
    }

    fn append_mark(&mut self) {
        let mark = Own::Mark {
            durable: self.durable,
            first: self.segments.first(),
        };
        let at = self.make_room(mark.record_len());
        mark.encode(self.buffers.current(mark.record_len()), at);
        self.segments.set_end(self.buffers.end());
        self.marked = self.durable;
    }

    /// Begins the next segment if `length` bytes do not fit into this one; tells the end of the log.
    #[inline]
    fn make_room(&mut self, length: usize) -> u64 {
        let end = self.buffers.end();
        if end + (length + SEAL_LEN) as u64 > self.buffers.slot().end() {
            self.begin_segment(length)
        } else {
            end
        }
    }

    #[cold]
    fn begin_segment(&mut self, length: usize) -> u64 {
        let needed = (SEGMENT_HEADER + length + SEAL_LEN) as u64;
        let base = self.buffers.slot().end();
        let slot = Slot {
            base,
            span: needed.max(u64::from(self.options.segment_size)),
        };
        let seal = Own::Seal { next: base };
        let at = self.buffers.end();
        seal.encode(self.buffers.current(SEAL_LEN), at);
        self.segments.set_end(self.buffers.end());
        let start = base + SEGMENT_HEADER as u64;
        self.buffers.begin_segment(slot, start);
        self.segments.begin(slot, start);
        start
    }

    /// The end of the log: a record is durable when [`Log::durable`] is no less than the end was right after its append.
    pub fn end(&self) -> Position {
        Position::new(self.buffers.end())
    }

    /// Everything before this was given to the operating system.
    pub fn written(&self) -> Position {
        Position::new(self.written)
    }

    /// Everything before this was synced.
    pub fn durable(&self) -> Position {
        Position::new(self.durable)
    }

    /// The kind and the payload of the record at `at`.
    ///
    /// # Errors
    ///
    /// There is no such record any more, it is damaged, or the storage fails.
    pub fn read(&mut self, at: Position) -> Result<(u8, &[u8]), ReadError> {
        let position = at.get();
        let (header, payload) = match self.buffers.read(position) {
            Some(found) => found.ok_or(ReadError::Gone(at))?,
            None => {
                let segment = self.segments.find(position).ok_or(ReadError::Gone(at))?;
                self.reader
                    .read(segment.slot, position, segment.end.min(self.written))?
            }
        };
        if header.own {
            Err(ReadError::Gone(at))
        } else {
            Ok((header.kind, payload))
        }
    }

    /// The next record at or after `at` and before `until`, for walking through what [`Log::poll_cleaning`] gave; `at` moves on behind it.
    ///
    /// # Errors
    ///
    /// As of [`Log::read`]; then `at` is behind what cannot be read, and walking can go on.
    pub fn read_next(
        &mut self,
        at: &mut Position,
        until: Position,
    ) -> Result<Option<Record<'_>>, ReadError> {
        loop {
            let here = *at;
            if here >= until {
                return Ok(None);
            }
            match self.record_len(here) {
                Ok((length, own)) => {
                    *at = Position::new(here.get() + length as u64);
                    if !own {
                        let (kind, payload) = self.read(here)?;
                        return Ok(Some(Record {
                            at: here,
                            kind,
                            payload,
                        }));
                    }
                }
                Err(error) => {
                    *at = self.search(here, until);
                    return Err(error);
                }
            }
        }
    }

    fn record_len(&mut self, at: Position) -> Result<(usize, bool), ReadError> {
        let position = at.get();
        let (header, _) = match self.buffers.read(position) {
            Some(found) => found.ok_or(ReadError::Gone(at))?,
            None => {
                let segment = self.segments.find(position).ok_or(ReadError::Gone(at))?;
                self.reader
                    .read(segment.slot, position, segment.end.min(self.written))?
            }
        };
        Ok((header.record_len(), header.own))
    }

    /// The next readable record behind a damaged one, or `until`.
    fn search(&self, after: Position, until: Position) -> Position {
        let found = self.segments.find(after.get()).and_then(|segment| {
            let base = segment.slot.base;
            let file = self.storage.open(&segment_name(base)).ok()?;
            Scanner::new(file, base, until.get() - base).search(after.get() + 1)
        });
        found.map_or(until, Position::new)
    }

    /// Counts `count` more references to the record at `at`. Its segment stays until they are released.
    ///
    /// A record is retained right after its append: a release in between may take it away.
    pub fn retain(&mut self, at: Position, count: u32) {
        let position = at.get();
        let length = match self.last {
            (last, length) if last == position => Some(length),
            _ => self.length_in_memory(position),
        };
        self.segments.retain(position, count, length);
        if self.options.is_spill() {
            self.buffers.retain(position, count);
        }
    }

    #[cold]
    fn length_in_memory(&mut self, position: u64) -> Option<usize> {
        let (header, _) = self.buffers.read(position)??;
        Some(header.record_len())
    }

    /// Counts `count` references less.
    pub fn release(&mut self, at: Position, count: u32) {
        self.segments.release(at.get(), count);
        if self.options.is_spill() {
            self.buffers.release(at.get(), count);
        }
    }

    /// What is to be written now, if there is anything. There is no second batch until the first is done.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.in_flight {
            return None;
        }
        let (pieces, removals) = match self.options.durability {
            Durability::Durable => {
                let removals = self.segments.take_removable();
                if !removals.is_empty() {
                    // Their absence must be known as intended before they go.
                    self.append_mark();
                }
                if !self.buffers.waiting() {
                    return None;
                }
                (self.buffers.take(), removals)
            }
            Durability::Spill { memory_budget } => {
                let removals = self.segments.take_all_removable();
                let full = self.buffers.exceeds(memory_budget);
                let pieces = if full {
                    self.buffers.take_oldest(memory_budget)
                } else {
                    Vec::new()
                };
                if pieces.is_empty() && removals.is_empty() {
                    return None;
                }
                (pieces, removals)
            }
        };
        self.reader.forget(&removals);
        self.in_flight = true;
        Some(Batch {
            pieces,
            end: self.buffers.taken(),
            first: self.segments.first(),
            removals,
        })
    }

    /// The writer is done with the batch that was taken.
    pub fn handle_written(&mut self, done: Done) {
        self.in_flight = false;
        self.written = self.written.max(done.written);
        self.durable = self.durable.max(done.durable);
        let keep = if self.options.is_spill() {
            0
        } else {
            self.options.cache_bytes
        };
        self.buffers.evict(self.written, keep);
    }

    /// For a log that spills: there was no space for the batch. What of it is still needed then waits in memory, whatever its
    /// budget; what is released meanwhile need not be written any more, and segments go.
    pub fn handle_unwritten(&mut self, batch: &Batch) {
        debug_assert!(
            self.options.is_spill(),
            "what must survive has to be written"
        );
        self.in_flight = false;
        if let Some(first) = batch.pieces.first() {
            self.buffers.give_back(first.start);
        }
    }

    /// The records of the oldest segment, when rubbish outweighs what lives. The owner appends what it needs of them anew, in
    /// slices of any size, and releases the old references; the segment then goes by itself. Each segment is given once.
    pub fn poll_cleaning(&mut self) -> Option<Range<Position>> {
        let range = self.segments.poll_cleaning()?;
        Some(Position::new(range.start)..Position::new(range.end))
    }

    /// The disk is short of space, or is not any more. While it is, cleaning begins earlier: a disk that is smaller than the
    /// rubbish that is tolerated otherwise would never have space again.
    pub fn set_tight(&mut self, tight: bool) {
        self.segments.set_tight(tight);
    }

    /// Gives back memory that only speed needs: what is cached of the files.
    pub fn shrink(&mut self) {
        self.buffers.evict(self.written, 0);
        self.buffers.shrink();
        self.reader.clear();
    }

    /// Bytes that were appended and are not written yet: memory that the owner limits by slowing down its sources.
    pub fn waiting_bytes(&self) -> u64 {
        self.buffers.end() - self.written.min(self.buffers.end())
    }

    /// Bytes of memory in buffers and windows.
    pub fn memory(&self) -> usize {
        self.buffers.memory() + self.reader.memory()
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.segments.size()
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }

    /// References that are held.
    pub fn references(&self) -> u64 {
        self.segments.live()
    }
}
