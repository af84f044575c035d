//! The memory of the front: the buffer that records are appended to, and the recent ones before it.
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use crate::batch::{Bytes, Piece, Slot};
use crate::format::{RECORD_HEADER, RecordHeader};

/// Length at which a buffer is full.
pub(crate) const CHUNK: usize = 256 << 10;
/// What waits in an unfinished buffer is copied for the writer up to this length, so that many small commits fill one
/// buffer; more is shared, and the buffer is finished.
const COPY_MAX: usize = 16 << 10;
/// Emptied buffers that are kept for use: as much as gathers while a slow sync is under way, for fresh memory costs the kernel
/// more than filling it costs us.
const POOL: usize = 16;

/// A finished buffer.
#[derive(Debug)]
struct Chunk {
    slot: Slot,
    start: u64,
    bytes: Arc<Vec<u8>>,
    /// References into it; counted for spill logs only.
    live: u64,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

/// Consecutive pieces of the log: finished buffers in ascending order, then the current one.
#[derive(Debug)]
pub(crate) struct Buffers {
    finished: VecDeque<Chunk>,
    /// Capacities of the finished buffers.
    finished_bytes: usize,
    current: Vec<u8>,
    current_slot: Slot,
    current_start: u64,
    current_live: u64,
    /// Everything before this was given to the writer.
    taken: u64,
    pool: Vec<Vec<u8>>,
    /// Index of the buffer that was read last.
    last: usize,
}

impl Buffers {
    pub(crate) fn new(slot: Slot, start: u64) -> Buffers {
        Buffers {
            finished: VecDeque::new(),
            finished_bytes: 0,
            current: Vec::new(),
            current_slot: slot,
            current_start: start,
            current_live: 0,
            taken: start,
            pool: Vec::new(),
            last: 0,
        }
    }

    /// Where the next record will be.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.current_start + self.current.len() as u64
    }

    pub(crate) fn slot(&self) -> Slot {
        self.current_slot
    }

    /// The current buffer, with room for `length` more bytes if it is not to become longer than it should.
    #[inline]
    pub(crate) fn current(&mut self, length: usize) -> &mut Vec<u8> {
        if self.current.len() + length > self.current.capacity() {
            self.make_room(length);
        }
        &mut self.current
    }

    #[cold]
    fn make_room(&mut self, length: usize) {
        if !self.current.is_empty() && self.current.len() + length > CHUNK {
            self.finish();
        }
        let wanted = length.max(CHUNK);
        if self.current.capacity() == 0
            && wanted == CHUNK
            && let Some(pooled) = self.pool.pop()
        {
            self.current = pooled;
        } else {
            self.current
                .reserve_exact(wanted - self.current.len().min(wanted));
        }
    }

    /// Finishes the current buffer.
    fn finish(&mut self) {
        let start = self.end();
        let bytes = mem::take(&mut self.current);
        if !bytes.is_empty() {
            self.finished_bytes += bytes.capacity();
            self.finished.push_back(Chunk {
                slot: self.current_slot,
                start: self.current_start,
                bytes: Arc::new(bytes),
                live: self.current_live,
            });
        }
        self.current_live = 0;
        self.current_start = start;
    }

    /// The next record goes to another segment.
    pub(crate) fn begin_segment(&mut self, slot: Slot, start: u64) {
        self.finish();
        self.current_slot = slot;
        self.current_start = start;
    }

    /// Everything before this was given to the writer.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether there is something that was not given to the writer.
    pub(crate) fn waiting(&self) -> bool {
        self.taken < self.end()
    }

    /// Everything that was not given to the writer.
    pub(crate) fn take(&mut self) -> Vec<Piece> {
        let pending = self.end() - self.taken.max(self.current_start);
        if pending as usize > COPY_MAX {
            self.finish();
        }
        let first = self
            .finished
            .partition_point(|chunk| chunk.end() <= self.taken);
        let mut pieces: Vec<Piece> = Vec::new();
        for chunk in self.finished.range(first..) {
            let from = self.taken.saturating_sub(chunk.start) as usize;
            pieces.push(Piece {
                segment: chunk.slot,
                start: chunk.start + from as u64,
                bytes: Bytes::Shared(Arc::clone(&chunk.bytes), from..chunk.bytes.len()),
            });
        }
        let from = self.taken.saturating_sub(self.current_start) as usize;
        if from < self.current.len() {
            pieces.push(Piece {
                segment: self.current_slot,
                start: self.current_start + from as u64,
                bytes: Bytes::Copied(self.current[from..].to_vec()),
            });
        }
        self.taken = self.end();
        pieces
    }

    /// The oldest finished buffers that were not given to the writer, as many as it takes until no more than `budget` bytes wait.
    pub(crate) fn take_oldest(&mut self, budget: usize) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut waiting = self.unwritten_bytes();
        if waiting > budget && self.finished.is_empty() {
            self.finish();
        }
        let first = self
            .finished
            .partition_point(|chunk| chunk.end() <= self.taken);
        for chunk in self.finished.range(first..) {
            if waiting <= budget {
                break;
            }
            waiting -= chunk.bytes.capacity();
            self.taken = chunk.end();
            pieces.push(Piece {
                segment: chunk.slot,
                start: chunk.start,
                bytes: Bytes::Shared(Arc::clone(&chunk.bytes), 0..chunk.bytes.len()),
            });
        }
        pieces
    }

    /// The writer could not write from there on: it is still to be taken.
    pub(crate) fn give_back(&mut self, start: u64) {
        self.taken = self.taken.min(start);
    }

    /// Memory of what was not given to the writer.
    fn unwritten_bytes(&self) -> usize {
        let first = self
            .finished
            .partition_point(|chunk| chunk.end() <= self.taken);
        self.finished
            .range(first..)
            .map(|chunk| chunk.bytes.capacity())
            .sum::<usize>()
            + self.current.capacity()
    }

    /// Whether more than `budget` bytes of memory wait to be written.
    pub(crate) fn exceeds(&self, budget: usize) -> bool {
        self.finished_bytes + self.current.capacity() > budget && self.unwritten_bytes() > budget
    }

    /// Memory in use, spare buffers included.
    pub(crate) fn memory(&self) -> usize {
        self.finished_bytes
            + self.current.capacity()
            + self.pool.iter().map(Vec::capacity).sum::<usize>()
    }

    /// Gives back the oldest buffers that are written, until the rest is no more than `keep` bytes.
    pub(crate) fn evict(&mut self, written: u64, keep: usize) {
        while self.finished_bytes > keep
            && self
                .finished
                .front()
                .is_some_and(|chunk| chunk.end() <= written)
        {
            self.drop_chunk(0);
        }
    }

    /// Gives back the spare buffers.
    pub(crate) fn shrink(&mut self) {
        self.pool = Vec::new();
    }

    fn drop_chunk(&mut self, index: usize) {
        if let Some(chunk) = self.finished.remove(index) {
            self.finished_bytes -= chunk.bytes.capacity();
            if self.last > index {
                self.last -= 1;
            }
            // The writer may still hold it: then it goes when the batch does.
            if let Ok(bytes) = Arc::try_unwrap(chunk.bytes) {
                self.recycle(bytes);
            }
        }
    }

    fn recycle(&mut self, mut bytes: Vec<u8>) {
        if self.pool.len() < POOL && bytes.capacity() == CHUNK {
            bytes.clear();
            self.pool.push(bytes);
        }
    }

    /// Counts `count` more references to the record at `at`, if it is here.
    pub(crate) fn retain(&mut self, at: u64, count: u32) {
        if at >= self.current_start {
            self.current_live += u64::from(count);
        } else if let Some(index) = self.find(at) {
            self.finished[index].live += u64::from(count);
        }
    }

    /// Counts `count` references less. A buffer that nobody needs any more goes at once.
    pub(crate) fn release(&mut self, at: u64, count: u32) {
        if at >= self.current_start {
            self.current_live = self.current_live.saturating_sub(u64::from(count));
            if self.current_live == 0 && self.current.len() >= CHUNK / 2 {
                self.current_start = self.end();
                self.current.clear();
                self.taken = self.taken.max(self.current_start);
            }
        } else if let Some(index) = self.find(at) {
            let live = &mut self.finished[index].live;
            *live = live.saturating_sub(u64::from(count));
            if *live == 0 {
                self.drop_chunk(index);
            }
        }
    }

    #[inline]
    fn find(&mut self, at: u64) -> Option<usize> {
        if self
            .finished
            .get(self.last)
            .is_some_and(|chunk| chunk.start <= at && at < chunk.end())
        {
            return Some(self.last);
        }
        let index = self.finished.partition_point(|chunk| chunk.end() <= at);
        if self
            .finished
            .get(index)
            .is_some_and(|chunk| chunk.start <= at)
        {
            self.last = index;
            return Some(index);
        }
        None
    }

    /// The record at `at`, if it is here: `Some(None)` when there is memory for that position but no record.
    #[inline]
    pub(crate) fn read(&mut self, at: u64) -> Option<Option<(RecordHeader, &[u8])>> {
        let (start, bytes): (u64, &[u8]) = if at >= self.current_start {
            (self.current_start, &self.current)
        } else {
            let chunk = self.find(at).map(|index| &self.finished[index])?;
            (chunk.start, &chunk.bytes)
        };
        Some(record_in(bytes, start, at))
    }
}

#[inline]
fn record_in(bytes: &[u8], start: u64, at: u64) -> Option<(RecordHeader, &[u8])> {
    let bytes = bytes.get((at - start) as usize..)?;
    let header = RecordHeader::decode(bytes, at)?;
    let payload = bytes.get(RECORD_HEADER..header.record_len())?;
    Some((header, payload))
}
