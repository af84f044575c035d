//! A message joins its queues: given on at once, or kept and put in line.

use trefoil_store::Position;

use super::{Broker, publish::Fate};
use crate::{
    arguments::{ConfirmLevel, Overflow},
    content::Facts,
    message::{Message, QUEUES_MAX, RecordFacts},
    queue::{Entry, MORTAL, NEVER, PERSISTENT},
    routing::QueueId,
    session::Until,
    slab::Key,
};

impl Broker {
    /// Puts a message into these queues, stored once.
    pub(super) fn put_all(
        &mut self,
        queues: &[QueueId],
        message: Message<'_>,
        facts: &Facts<'_>,
        now: u64,
    ) -> Fate {
        match queues {
            [] => Fate::Unroutable,
            [queue] => Fate::Kept(self.put_one(*queue, message, facts, now)),
            _ => Fate::Kept(self.put_many(queues, message, facts, now)),
        }
    }

    fn put_one(&mut self, id: QueueId, message: Message<'_>, facts: &Facts<'_>, now: u64) -> Until {
        let Self {
            queues,
            clients,
            logs,
            ..
        } = self;
        let Some(queue) = queues.get_mut(id) else {
            return Until::Now;
        };
        queue.counters.publish += 1;
        if queue.stream.is_some() {
            return self.append_to_stream(id, message, now);
        }
        if let Some(overflow) = queue.refuses(message.body.len()) {
            return self.refuse(id, overflow, message, now);
        }
        // Nobody waits before it, and somebody can take it: a consumer that does not acknowledge leaves nothing to keep.
        let consumer = if queue.ready.is_empty() {
            clients.next_consumer(queue)
        } else {
            None
        };
        if let Some(key) = consumer
            && clients
                .consumers
                .get(key)
                .is_some_and(|consumer| consumer.no_ack)
        {
            clients.deliver(queue, id, key, false, None, message, now);
            return Until::Now;
        }
        let expires_at = queue.expiry(facts.expiration, now);
        if expires_at <= now && consumer.is_none() && queue.settings.dead_letter_exchange.is_none()
        {
            return Until::Now;
        }
        let is_kept = facts.persistent && queue.keeps();
        let (uid, level) = (queue.uid, queue.settings.confirm_level);
        self.sequence += 1;
        let record = RecordFacts {
            sequence: self.sequence,
            expires_at,
            returns: 0,
            flags: mortal(facts) | if is_kept { PERSISTENT } else { 0 },
            priority: facts.priority.unwrap_or(0),
        };
        let (at, flags) = logs.keep(record, &[uid], 1, message);
        let entry = entry(at, record, flags, message);
        match consumer {
            Some(key) => {
                clients.deliver(queue, id, key, false, Some(entry), message, now);
                if queue.settings.consumer_timeout_ms.is_some() {
                    self.watch_deliveries(id, now);
                }
            }
            None => {
                queue.ready.insert(entry);
                self.after_insert(id, now);
            }
        }
        if is_kept {
            self.until(level)
        } else {
            Until::Now
        }
    }

    pub(super) fn until(&self, level: ConfirmLevel) -> Until {
        match level {
            ConfirmLevel::Fsync => Until::Durable(self.logs.durable.end()),
            ConfirmLevel::Written => Until::Written(self.logs.durable.end()),
            ConfirmLevel::Memory => Until::Now,
        }
    }

    /// Several queues: the body is kept once, whoever needs it.
    fn put_many(
        &mut self,
        ids: &[QueueId],
        message: Message<'_>,
        facts: &Facts<'_>,
        now: u64,
    ) -> Until {
        let mut keeping: Vec<(QueueId, Option<Key>, u64)> = Vec::with_capacity(ids.len());
        let mut durable: Vec<u64> = Vec::with_capacity(ids.len());
        let mut until = Until::Now;
        let mut refused = Vec::new();
        let mut streams = Vec::new();
        for id in ids {
            let Self {
                queues, clients, ..
            } = self;
            let Some(queue) = queues.get_mut(*id) else {
                continue;
            };
            queue.counters.publish += 1;
            if queue.stream.is_some() {
                until = stricter(until, queue.settings.confirm_level);
                streams.push(*id);
                continue;
            }
            if let Some(overflow) = queue.refuses(message.body.len()) {
                refused.push((*id, overflow));
                continue;
            }
            let consumer = if queue.ready.is_empty() {
                clients.next_consumer(queue)
            } else {
                None
            };
            if let Some(key) = consumer
                && clients
                    .consumers
                    .get(key)
                    .is_some_and(|consumer| consumer.no_ack)
            {
                clients.deliver(queue, *id, key, false, None, message, now);
                continue;
            }
            let expires_at = queue.expiry(facts.expiration, now);
            if facts.persistent && queue.keeps() {
                durable.push(queue.uid);
                until = stricter(until, queue.settings.confirm_level);
            }
            keeping.push((*id, consumer, expires_at));
        }
        if !keeping.is_empty() {
            self.keep_many(&keeping, &durable, message, facts, now);
        }
        for id in streams {
            self.append_to_stream(id, message, now);
        }
        until = match until {
            Until::Durable(_) => Until::Durable(self.logs.durable.end()),
            Until::Written(_) => Until::Written(self.logs.durable.end()),
            other => other,
        };
        for (id, overflow) in refused {
            until = self.refuse(id, overflow, message, now);
        }
        until
    }

    /// Stores a message once for its durable queues and once for the others, and puts it into all of them.
    fn keep_many(
        &mut self,
        keeping: &[(QueueId, Option<Key>, u64)],
        durable: &[u64],
        message: Message<'_>,
        facts: &Facts<'_>,
        now: u64,
    ) {
        self.sequence += 1;
        let record = RecordFacts {
            sequence: self.sequence,
            // The message's own; each queue's limit is applied again when it is read back.
            expires_at: facts
                .expiration
                .map_or(NEVER, |ttl| now.saturating_add(ttl)),
            returns: 0,
            flags: mortal(facts),
            priority: facts.priority.unwrap_or(0),
        };
        let count = |queues: usize| u32::try_from(queues).unwrap_or(u32::MAX);
        let mut keep = |queues: &[u64]| {
            let record = RecordFacts {
                flags: record.flags | PERSISTENT,
                ..record
            };
            self.logs.keep(record, queues, count(queues.len()), message)
        };
        // One record, but for a fan-out to more queues than a record can name.
        let mut records = durable.chunks(QUEUES_MAX);
        let first = records.next().map(&mut keep);
        let more: Vec<(Position, u8)> = records.map(keep).collect();
        let others = keeping.len() - durable.len();
        let passing = (others != 0).then(|| self.logs.keep(record, &[], count(others), message));
        let mut durable = durable.iter().enumerate().peekable();
        for (id, consumer, expires_at) in keeping {
            let Self {
                queues, clients, ..
            } = self;
            let Some(queue) = queues.get_mut(*id) else {
                continue;
            };
            let kept = match durable.next_if(|(_, uid)| **uid == queue.uid) {
                Some((place, _)) if place < QUEUES_MAX => first,
                Some((place, _)) => more.get(place / QUEUES_MAX - 1).copied(),
                None => passing,
            };
            let Some((at, flags)) = kept else {
                continue;
            };
            let entry = Entry {
                expires_at: *expires_at,
                ..entry(at, record, flags, message)
            };
            // Somebody may have taken the consumer's last place in the meantime: a channel's limit is for all its queues.
            match consumer.and_then(|_| clients.next_consumer(queue)) {
                Some(key) => {
                    let no_ack = clients
                        .consumers
                        .get(key)
                        .is_some_and(|consumer| consumer.no_ack);
                    let kept = (!no_ack).then_some(entry);
                    clients.deliver(queue, *id, key, false, kept, message, now);
                    if no_ack {
                        self.discard(*id, &entry);
                    } else {
                        self.watch_deliveries(*id, now);
                    }
                }
                None => {
                    queue.ready.insert(entry);
                    self.after_insert(*id, now);
                }
            }
        }
    }

    /// A full queue that refuses: the publisher hears of it, and the message may be dead-lettered.
    fn refuse(&mut self, id: QueueId, overflow: Overflow, message: Message<'_>, now: u64) -> Until {
        if overflow == Overflow::RejectPublishDlx {
            self.dead_letter_message(id, crate::death::Reason::MaxLength, message, now);
        }
        Until::Refused
    }

    /// Limits and timers, after a message joined a queue.
    pub(super) fn after_insert(&mut self, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get(id) else {
            return;
        };
        if queue.is_long() {
            self.grown = Some(id);
        }
        if queue.settings.max_length.is_some() || queue.settings.max_length_bytes.is_some() {
            self.drop_excess(id, now);
        }
        let Some(queue) = self.queues.get(id) else {
            return;
        };
        let expiry = queue.ready.next_expiry();
        if expiry < queue.timer_at {
            self.schedule_queue(id, expiry);
        }
    }
}

impl crate::queue::Queue {
    /// How the queue refuses one more message of this size, if it does.
    pub(super) fn refuses(&self, size: usize) -> Option<Overflow> {
        let overflow = self.settings.overflow;
        if overflow == Overflow::DropHead {
            return None;
        }
        let too_many = self
            .settings
            .max_length
            .is_some_and(|max| (self.ready.len() + self.letters.len()) as u64 + 1 > max);
        let too_large = self
            .settings
            .max_length_bytes
            .is_some_and(|max| self.ready.bytes() + self.letters.bytes() + size as u64 > max);
        (too_many || too_large).then_some(overflow)
    }

    /// When a message that comes now expires here.
    pub(crate) fn expiry(&self, expiration_ms: Option<u64>, now: u64) -> u64 {
        let ttl = match (expiration_ms, self.settings.message_ttl_ms) {
            (Some(message), Some(queue)) => message.min(queue),
            (Some(ttl), None) | (None, Some(ttl)) => ttl,
            (None, None) => return NEVER,
        };
        now.saturating_add(ttl)
    }
}

fn mortal(facts: &Facts<'_>) -> u8 {
    if facts.expiration.is_some() {
        MORTAL
    } else {
        0
    }
}

fn entry(at: Position, record: RecordFacts, flags: u8, message: Message<'_>) -> Entry {
    Entry {
        at,
        sequence: record.sequence,
        expires_at: record.expires_at,
        size: u32::try_from(message.body.len()).unwrap_or(u32::MAX),
        returns: record.returns,
        flags: flags | message.history | (record.flags & MORTAL),
        priority: record.priority,
    }
}

fn stricter(until: Until, level: ConfirmLevel) -> Until {
    match (until, level) {
        (_, ConfirmLevel::Fsync) | (Until::Durable(_), _) => Until::Durable(Position::default()),
        (_, ConfirmLevel::Written) | (Until::Written(_), _) => Until::Written(Position::default()),
        (other, ConfirmLevel::Memory) => other,
    }
}
