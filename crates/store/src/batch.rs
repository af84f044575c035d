//! What goes between the front and the back of a log.
use std::ops::Range;
use std::sync::Arc;

use crate::format::Position;

/// What is to be written now. It shares the memory of the front, or has a copy when it is small.
#[derive(Debug)]
pub struct Batch {
    pub(crate) pieces: Vec<Piece>,
    /// Everything of the log before this is written when the batch is.
    pub(crate) end: u64,
    /// Base of the oldest segment that is needed.
    pub(crate) first: u64,
    /// Segments that may go once `end` is durable.
    pub(crate) removals: Vec<u64>,
}

impl Batch {
    /// The end of the log when it was taken: what lies before is durable after a commit with a sync.
    pub fn end(&self) -> Position {
        Position::new(self.end)
    }

    /// How many bytes are to be written.
    pub fn len(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| piece.bytes.as_slice().len())
            .sum()
    }

    /// Whether nothing is to be written: segments go, no more.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Bytes that go to one place in one segment.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) segment: Slot,
    /// Position of the first byte.
    pub(crate) start: u64,
    pub(crate) bytes: Bytes,
}

/// The positions that a segment owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) base: u64,
    pub(crate) span: u64,
}

impl Slot {
    pub(crate) fn end(self) -> u64 {
        self.base.saturating_add(self.span)
    }
}

#[derive(Debug)]
pub(crate) enum Bytes {
    Shared(Arc<Vec<u8>>, Range<usize>),
    Copied(Vec<u8>),
}

impl Bytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Bytes::Shared(bytes, range) => &bytes[range.clone()],
            Bytes::Copied(bytes) => bytes,
        }
    }
}

/// How far the writer has come; for [`Log::handle_written`](crate::Log::handle_written).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    pub(crate) written: u64,
    pub(crate) durable: u64,
    pub(crate) low_on_space: bool,
}

impl Done {
    /// Everything before this was given to the operating system.
    pub fn written(&self) -> Position {
        Position::new(self.written)
    }

    /// Everything before this was synced.
    pub fn durable(&self) -> Position {
        Position::new(self.durable)
    }

    /// Whether there was no space to prepare the next segment. What is prepared already lasts for a while:
    /// long enough for acknowledgements and cleaning, if nobody publishes.
    pub fn is_low_on_space(&self) -> bool {
        self.low_on_space
    }
}
