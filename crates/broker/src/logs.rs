//! The two logs: one that survives, one for transient messages that have to wait.

use trefoil_store::{Log, Position};

use crate::{
    message::{self, Message, RecordFacts, Stored},
    queue::{Entry, PERSISTENT, TRANSIENT_LOG},
};

/// Kinds of records. Their numbers are on disks: never change one.
pub(crate) mod kind {
    /// A message, for one or more durable queues.
    pub(crate) const MESSAGE: u8 = 1;
    /// Acknowledgements: a queue and the sequences of messages that it no longer has.
    pub(crate) const ACKNOWLEDGED: u8 = 2;
    /// An entity of the topology was declared or changed.
    pub(crate) const PUT: u8 = 3;
    /// An entity is no more.
    pub(crate) const DELETED: u8 = 4;
    /// The broker was stopped in good order; what follows are sequences of messages that had been delivered.
    pub(crate) const STOPPED: u8 = 5;
    /// A message that waits for its delay: like MESSAGE, and the time at the end of the record.
    pub(crate) const DELAYED: u8 = 6;
    /// A delayed message was routed.
    pub(crate) const DELAY_OVER: u8 = 7;
    /// The broker was started after it had been stopped in good order: from here on anything may have been delivered again.
    pub(crate) const STARTED: u8 = 8;
    /// A message of a stream: like MESSAGE, with its offset and its time (`stream.rs`).
    pub(crate) const STREAMED: u8 = 9;
    /// The beginning of a stream was cut off (`stream.rs`).
    pub(crate) const CUT: u8 = 10;
    /// A message died and stays where it is until somebody takes it: queue, sequence, time, reason (`at_least_once.rs`).
    pub(crate) const DIED: u8 = 11;
}

/// Both logs.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) durable: Log,
    pub(crate) transient: Log,
    /// Something is in the durable log that somebody waits for to be on disk.
    pub(crate) is_sync_wanted: bool,
    /// Messages that could not be read back.
    pub(crate) unreadable: u64,
}

impl Logs {
    /// Keeps a message for `references` entries; `queues` are the ids of the durable queues among them if it is to survive.
    pub(crate) fn keep(
        &mut self,
        facts: RecordFacts,
        queues: &[u64],
        references: u32,
        message: Message<'_>,
    ) -> (Position, u8) {
        if facts.flags & PERSISTENT != 0 {
            let at = message::append(&mut self.durable, kind::MESSAGE, facts, queues, message);
            self.durable.retain(at, references);
            (at, PERSISTENT)
        } else {
            let at = message::append(&mut self.transient, kind::MESSAGE, facts, &[], message);
            self.transient.retain(at, references);
            (at, TRANSIENT_LOG)
        }
    }

    /// An entry no longer needs its message.
    pub(crate) fn release(&mut self, entry: &Entry) {
        if entry.is_in_transient_log() {
            self.transient.release(entry.at, 1);
        } else {
            self.durable.release(entry.at, 1);
        }
    }

    /// The message of an entry. `None` if the disk does not give it back: it is counted and lost.
    pub(crate) fn read(&mut self, entry: &Entry) -> Option<Stored<'_>> {
        let log = if entry.is_in_transient_log() {
            &mut self.transient
        } else {
            &mut self.durable
        };
        let stored = match log.read(entry.at) {
            Ok((_, record)) => Stored::read(record),
            Err(_) => None,
        };
        if stored.is_none() {
            self.unreadable += 1;
        }
        stored
    }
}
