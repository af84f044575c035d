//! What happens at a time: expiry of messages and queues, heartbeats, delays.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::Broker;
use crate::{queue::NEVER, routing::QueueId, slab::Key};

/// Whose time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Queue(QueueId),
    Session(Key),
    Delayed,
}

/// Times to come. One that was put off is left in its place and looked at again when it is due.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, Timer)>>,
}

impl Broker {
    /// When [`Self::handle_timeout`] is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<u64> {
        self.timers.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: u64) {
        while let Some(Reverse((at, timer))) = self.timers.heap.peek().copied()
            && at <= now
        {
            self.timers.heap.pop();
            match timer {
                Timer::Queue(id) => self.queue_due(id, at, now),
                Timer::Session(id) => self.session_due(id, at, now),
                Timer::Delayed => self.delayed_due(now),
            }
        }
        self.finish(now);
    }

    fn queue_due(&mut self, id: QueueId, at: u64, now: u64) {
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if queue.timer_at == at {
            queue.timer_at = NEVER;
        }
        if let Some(lease) = queue.settings.expires_ms
            && queue.consumers.all.is_empty()
            && queue.last_used.saturating_add(lease) <= now
        {
            self.delete_queue(id, now);
            return;
        }
        if queue.stream.is_some() {
            self.stream_due(id, now);
        }
        self.expire(id, now);
        self.expire_deliveries(id, now);
        self.letters_due(id, now);
        self.schedule_letters(id);
        self.reschedule_expiry(id);
        self.schedule_lease(id);
    }

    fn session_due(&mut self, id: Key, at: u64, now: u64) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        if session.timer_at == at {
            session.timer_at = NEVER;
        }
        let is_held_enough = session.held_until.is_some_and(|until| until <= now);
        let before = session.connection.output().len();
        let expired = session.connection.handle_timeout(now).is_some();
        let is_changed = session.connection.output().len() != before;
        if expired {
            self.release_session(id, now);
        }
        if expired || is_changed {
            self.clients.touch(id);
        }
        if is_held_enough {
            self.go_on(id, now);
        }
        self.schedule_session(id);
    }

    /// Has a connection looked at when it next has something to do by itself.
    pub(super) fn schedule_session(&mut self, id: Key) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        let at = session
            .connection
            .poll_timeout()
            .unwrap_or(u64::MAX)
            .min(session.held_until.unwrap_or(u64::MAX));
        if at != u64::MAX && at < session.timer_at {
            session.timer_at = at;
            self.timers.heap.push(Reverse((at, Timer::Session(id))));
        }
    }

    /// Has a queue looked at then, if nothing earlier is planned.
    pub(super) fn schedule_queue(&mut self, id: QueueId, at: u64) {
        if at == NEVER {
            return;
        }
        if let Some(queue) = self.queues.get_mut(id)
            && at < queue.timer_at
        {
            queue.timer_at = at;
            self.timers.heap.push(Reverse((at, Timer::Queue(id))));
        }
    }

    /// The head of a queue changed: its expiry is the next to be looked at.
    pub(super) fn reschedule_expiry(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get(id) {
            let at = queue.ready.next_expiry();
            self.schedule_queue(id, at);
        }
    }

    /// A queue that expires was used, or is about to be unused.
    pub(super) fn schedule_lease(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get(id)
            && let Some(lease) = queue.settings.expires_ms
            && queue.consumers.all.is_empty()
        {
            let at = queue.last_used.saturating_add(lease);
            self.schedule_queue(id, at);
        }
    }

    pub(super) fn schedule_delayed(&mut self, at: u64) {
        self.timers.heap.push(Reverse((at, Timer::Delayed)));
    }
}
