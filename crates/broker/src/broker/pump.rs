//! From queues to consumers, and what leaves a queue in other ways.

use super::{Broker, consume::delivery_count};
use crate::{
    death::Reason,
    logs::Logs,
    queue::{Entry, Queue},
    routing::QueueId,
    slab::Key,
};

impl Broker {
    /// This queue may have something for somebody: it is looked at before the current input ends.
    pub(super) fn pump_later(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(id)
            && !queue.is_pumped
        {
            queue.is_pumped = true;
            self.pumping.push(id);
        }
    }

    /// Serves all queues that were marked, and dead-letters what that brings.
    pub(super) fn settle_down(&mut self, now: u64) {
        while !self.pumping.is_empty() || !self.dead.is_empty() || self.clients.trace.is_waiting() {
            while let Some(id) = self.pumping.pop() {
                if let Some(queue) = self.queues.get_mut(id) {
                    queue.is_pumped = false;
                }
                self.pump(id, now);
            }
            self.publish_dead_letters(now);
            if self.clients.trace.is_waiting() {
                self.trace_deliveries(now);
            }
        }
    }

    /// Gives what is ready to whoever can take it.
    pub(super) fn pump(&mut self, id: QueueId, now: u64) {
        if self
            .queues
            .get(id)
            .is_some_and(|queue| queue.stream.is_some())
        {
            return self.pump_stream(id, now);
        }
        self.expire(id, now);
        loop {
            let Self {
                queues,
                clients,
                logs,
                ..
            } = self;
            let Some(queue) = queues.get_mut(id) else {
                return;
            };
            if queue.ready.is_empty() {
                break;
            }
            let Some(key) = clients.next_consumer(queue) else {
                break;
            };
            let no_ack = clients
                .consumers
                .get(key)
                .is_some_and(|consumer| consumer.no_ack);
            let Some(entry) = queue.ready.pop() else {
                break;
            };
            match logs.read(&entry) {
                Some(stored) => {
                    let mut message = stored.message;
                    let counted = delivery_count(queue, &entry, message.header);
                    if let Some(header) = &counted {
                        message.header = header;
                    }
                    let kept = (!no_ack).then_some(entry);
                    clients.deliver(queue, id, key, entry.is_redelivered(), kept, message, now);
                    if no_ack {
                        self.discard(id, &entry);
                    }
                }
                None => self.discard(id, &entry),
            }
            // The next one may have expired while it waited behind this one.
            if self
                .queues
                .get(id)
                .and_then(|queue| queue.ready.front())
                .is_some_and(|entry| entry.expires_at <= now)
            {
                self.expire(id, now);
            }
        }
        self.reschedule_expiry(id);
        self.watch_deliveries(id, now);
        self.let_go(id, now);
    }

    /// Takes what has expired from the heads of a queue.
    pub(super) fn expire(&mut self, id: QueueId, now: u64) {
        while let Some(queue) = self.queues.get_mut(id) {
            let Some(entry) = queue.ready.pop_expired(now) else {
                return;
            };
            self.dead_letter(id, &entry, Reason::Expired, now);
        }
    }

    /// Takes what is too much.
    pub(super) fn drop_excess(&mut self, id: QueueId, now: u64) {
        while let Some(queue) = self.queues.get_mut(id) {
            let settings = &queue.settings;
            let too_many = settings
                .max_length
                .is_some_and(|max| queue.ready.len() as u64 > max);
            let too_large = settings
                .max_length_bytes
                .is_some_and(|max| queue.ready.bytes() > max);
            if !too_many && !too_large {
                return;
            }
            // Refusing queues keep what they have: a limit that became lower only lets nothing more in.
            if settings.overflow != crate::arguments::Overflow::DropHead {
                return;
            }
            // The head, whatever its priority: RabbitMQ drops the very message that it would have delivered next.
            let Some(entry) = queue.ready.pop() else {
                return;
            };
            self.dead_letter(id, &entry, Reason::MaxLength, now);
        }
    }

    /// A message leaves a queue for good.
    pub(super) fn discard(&mut self, id: QueueId, entry: &Entry) {
        match self.queues.get_mut(id) {
            Some(queue) => discard(queue, &mut self.logs, &mut self.acknowledging, id, entry),
            None => self.logs.release(entry),
        }
    }

    /// Deliveries to a connection may go on: its socket took everything.
    pub(super) fn unpark_session(&mut self, session: Key) {
        let Some(state) = self.clients.sessions.get(session) else {
            return;
        };
        let consumers: Vec<Key> = state
            .channels
            .iter()
            .flatten()
            .flat_map(|channel| channel.consumers.values().copied())
            .collect();
        for key in consumers {
            self.unpark(key);
        }
    }
}

/// An entry of a queue that is there leaves it for good.
pub(super) fn discard(
    queue: &mut Queue,
    logs: &mut Logs,
    acknowledging: &mut Vec<QueueId>,
    id: QueueId,
    entry: &Entry,
) {
    logs.release(entry);
    if !entry.is_persistent() {
        return;
    }
    queue.acks.push(entry.sequence);
    if !queue.is_in_ack_list {
        queue.is_in_ack_list = true;
        acknowledging.push(id);
    }
}
