//! Publishers that are faster than the consumers of their queue: they are read more slowly, so that the queue stays short.
//!
//! It is a brake and never a wall. A publisher waits until the queue is half as long as it may get, and for [`PATIENCE_MS`] at
//! most; and only where consumers are taking messages fast right now. A queue that nobody takes from grows as fast as it is
//! filled. Connections that consume are never held: their acknowledgements come the same way as their publishes.

use super::Broker;
use crate::{queue::Queue, routing::QueueId, slab::Key};

/// Longer than this, and a queue that is being consumed holds its publishers.
const LENGTH_MAX: usize = 4_096;
/// The same in bytes of bodies.
const BYTES_MAX: u64 = 8 << 20;
/// How long a publisher is held at most, in milliseconds.
const PATIENCE_MS: u64 = 20;
/// Consumers are fast if they took as many since a publisher was held last.
const FAST: u64 = 256;

impl Queue {
    /// Longer than a queue that is consumed should be.
    pub(super) fn is_long(&self) -> bool {
        self.ready.len() > LENGTH_MAX || self.ready.bytes() > BYTES_MAX
    }

    fn is_short_again(&self) -> bool {
        self.ready.len() <= LENGTH_MAX / 2 && self.ready.bytes() <= BYTES_MAX / 2
    }

    fn taken(&self) -> u64 {
        self.counters.deliver + self.counters.deliver_no_ack
    }
}

impl Broker {
    /// A session published to this queue: it may have to wait before it publishes more.
    pub(super) fn hold_back(&mut self, session: Key, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if !queue.is_long() || queue.consumers.all.is_empty() {
            return;
        }
        let taken = queue.taken();
        if taken < queue.taken_when_held + FAST {
            return;
        }
        let Some(state) = self.clients.sessions.get_mut(session) else {
            return;
        };
        let consumes = state
            .channels
            .iter()
            .flatten()
            .any(|channel| !channel.consumers.is_empty());
        if consumes || state.held_until.is_some() {
            return;
        }
        queue.taken_when_held = taken;
        queue.held.push(session);
        state.held_until = Some(now + PATIENCE_MS);
        state.connection.set_reading_paused(true, now);
        self.schedule_session(session);
    }

    /// A queue was served: publishers that it held may go on when it is short.
    pub(super) fn let_go(&mut self, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if queue.held.is_empty() || !queue.is_short_again() {
            return;
        }
        for session in std::mem::take(&mut queue.held) {
            self.go_on(session, now);
        }
    }

    /// A publisher was held for long enough.
    pub(super) fn go_on(&mut self, session: Key, now: u64) {
        if let Some(state) = self.clients.sessions.get_mut(session)
            && state.held_until.take().is_some()
        {
            state.is_resumed = true;
            state.connection.set_reading_paused(false, now);
            self.clients.touch(session);
        }
    }
}
