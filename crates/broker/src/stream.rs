//! A stream: messages that stay when they were read, each under a number of its own, the *offset*.
//!
//! The messages are in the durable log, where cleaning moves them as it moves those of queues. In memory an offset has an
//! [`Item`] of 24 bytes, which says where. Readers are consumers with a place of their own ([`Reader`]).
//!
//! Records, little-endian:
//!
//! ```text
//! kind STREAMED: a record as of `message.rs`, in which
//!   sequence    is the offset,
//!   expires_at  is when the message came, in milliseconds since 1970: no later message of the stream has less,
//!   queues      is the one stream.
//! A message that goes to several streams has a record for each.
//!
//! kind CUT
//! ┌────────┬───────┬──────┐
//! │ stream │ first │ next │   the messages before `first` are gone;
//! │ u64    │ u64   │ u64  │   `next` is the offset that no message had had when this was written
//! └────────┴───────┴──────┘
//! ```
//!
//! A CUT lies behind every record that it is about, copies of cleaning included, so it may go with its segment. The newest
//! message of a stream is never cut away: it is what tells the next offset after a restart.

pub(crate) mod index;
pub(crate) mod reader;

use trefoil_store::Position;

pub(crate) use index::{Index, Item};
pub(crate) use reader::{Filter, Reader};

use crate::arguments::StreamOffset;

/// What a reader finds.
#[derive(Debug)]
pub(crate) enum Found {
    /// A message that it has to look at.
    Message(u64, Item),
    /// Nothing more for now.
    Nothing,
    /// There is more to look at than was allowed.
    TooMuch,
}

/// Bytes of a record of the kind CUT.
pub(crate) const CUT_BYTES: usize = 24;

/// The messages of a stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) index: Index,
    /// The offset of the message that comes next.
    pub(crate) next: u64,
    /// Readers get what is before this offset. What is behind it might be lost with the machine, and its offset given to
    /// another message.
    pub(crate) visible: u64,
    /// In the list of streams that wait for the log.
    pub(crate) is_waiting: bool,
    /// In the list of streams whose cut is not in the log yet.
    pub(crate) is_cut: bool,
}

impl Stream {
    /// A stream as the log tells of it.
    pub(crate) fn restored(index: Index, next: u64) -> Self {
        let behind = index.last().map_or(0, |(offset, _)| offset + 1);
        let next = next.max(behind);
        Self {
            index,
            next,
            visible: next,
            is_waiting: false,
            is_cut: false,
        }
    }

    /// The time that a message gets that comes now: clocks go back when a machine is started with another one.
    pub(crate) fn time(&self, now: u64) -> u64 {
        self.index
            .last()
            .map_or(now, |(_, item)| item.time.max(now))
    }

    /// Takes a message in. Its offset.
    pub(crate) fn push(&mut self, item: Item) -> u64 {
        let offset = self.next;
        self.index.push(offset, item);
        self.next += 1;
        offset
    }

    /// The offset of the oldest message, or of the next one if there is none.
    pub(crate) fn first(&self) -> u64 {
        self.index.first().map_or(self.next, |(offset, _)| offset)
    }

    /// What the log has up to there can be read from now on. Whether anything is left that cannot.
    pub(crate) fn reveal(&mut self, upto: Position) -> bool {
        for (offset, item) in self.index.from(self.visible) {
            if item.at >= upto {
                break;
            }
            self.visible = offset + 1;
        }
        self.visible < self.next
    }

    /// Moves a reader behind the next message that it may want. `work` is how many it may pass over.
    pub(crate) fn seek(&self, reader: &mut Reader, work: &mut u32) -> Found {
        for (offset, item) in self.index.from(reader.next) {
            if offset >= self.visible {
                break;
            }
            if *work == 0 {
                return Found::TooMuch;
            }
            *work -= 1;
            reader.next = offset + 1;
            let filter = reader.filter.as_ref();
            if filter.is_none_or(|filter| filter.may_take(item.fingerprint)) {
                return Found::Message(offset, item);
            }
        }
        Found::Nothing
    }

    /// The offset at which a reader begins that came now.
    pub(crate) fn place(&self, offset: StreamOffset, now: u64) -> u64 {
        match offset {
            StreamOffset::First => self.first(),
            StreamOffset::Next => self.next,
            StreamOffset::Last => self.index.last().map_or(self.next, |(offset, _)| offset),
            StreamOffset::Offset(offset) => offset.max(self.first()),
            StreamOffset::Timestamp(seconds) => self.since(seconds.saturating_mul(1000)),
            StreamOffset::Ago(ms) => self.since(now.saturating_sub(ms)),
        }
    }

    /// The offset of the first message that came then or later.
    fn since(&self, time: u64) -> u64 {
        self.index.since(time).unwrap_or(self.next)
    }
}
