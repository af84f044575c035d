//! Dead letters with the strategy `at-least-once`: none is lost because somebody cannot take it.
//!
//! A letter whose exchange is not there, that finds no queue, or that a queue refuses, stays in the queue that it died in, where no
//! consumer gets it, and is tried again: when something was declared or bound, and after a while. What waits is as large in memory as
//! what is ready, and counts for the limits of its queue, which refuses publishes then. A record says in the log that it died, so
//! that it is not delivered after a restart.

use trefoil_amqp::ContentHeader;
use trefoil_store::Log;

use super::{Broker, dead_letter::bury};
use crate::{
    arguments::DeadLetterStrategy, content::Facts, death::Reason, logs::kind,
    queue::letters::Letter, routing::QueueId,
};

/// After this time without success it is tried again.
const RETRY_MS: u64 = 1_000;
/// How many letters are tried in one hold of the lock. In tests so few that there is more than one turn.
const TURN: usize = if cfg!(test) { 3 } else { 128 };
/// Between two turns.
const PAUSE_MS: u64 = 20;

/// Bytes of a record: queue, sequence, time, reason.
const RECORD: usize = 8 + 8 + 8 + 1;

/// What a record says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Died {
    pub(super) uid: u64,
    pub(super) sequence: u64,
    pub(super) at: u64,
    pub(super) reason: Reason,
}

/// Reasons as they are on disks.
const REASONS: [Reason; 4] = [
    Reason::Rejected,
    Reason::Expired,
    Reason::MaxLength,
    Reason::DeliveryLimit,
];

impl Died {
    pub(super) fn read(record: &[u8]) -> Option<Self> {
        let record: &[u8; RECORD] = record.try_into().ok()?;
        let (numbers, reason) = record.split_at(RECORD - 1);
        let mut numbers = numbers.as_chunks::<8>().0.iter().copied();
        let mut next = || numbers.next().map(u64::from_le_bytes);
        Some(Self {
            uid: next()?,
            sequence: next()?,
            at: next()?,
            reason: *REASONS.get(usize::from(reason[0]))?,
        })
    }

    fn append(self, log: &mut Log) {
        let reason = REASONS.iter().position(|reason| *reason == self.reason);
        let reason = [u8::try_from(reason.unwrap_or_default()).unwrap_or_default()];
        log.append(
            kind::DIED,
            &[
                &self.uid.to_le_bytes(),
                &self.sequence.to_le_bytes(),
                &self.at.to_le_bytes(),
                &reason,
            ],
        );
    }
}

impl Broker {
    /// A message died in a queue that loses none.
    pub(super) fn hand_on(&mut self, id: QueueId, mut letter: Letter, now: u64) {
        if self.try_to_hand_on(id, &mut letter, now) {
            self.discard(id, &letter.entry);
            return;
        }
        self.log_death(id, &letter);
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if queue.letters.is_empty() {
            queue.letters.begin(now + RETRY_MS);
            self.undelivered.push(id);
        }
        queue.letters.insert(letter);
        self.schedule_letters(id);
    }

    /// Says in the log that a message that stays there is dead.
    pub(super) fn log_death(&mut self, id: QueueId, letter: &Letter) {
        if let Some(queue) = self.queues.get(id)
            && letter.entry.is_persistent()
        {
            let died = Died {
                uid: queue.uid,
                sequence: letter.entry.sequence,
                at: letter.died_at,
                reason: letter.reason,
            };
            died.append(&mut self.logs.durable);
        }
    }

    /// Publishes a dead letter to the queues that do not have it yet and can take it. Whether it may be forgotten.
    fn try_to_hand_on(&mut self, id: QueueId, letter: &mut Letter, now: u64) -> bool {
        let Self {
            queues,
            logs,
            vhosts,
            ..
        } = self;
        let Some(queue) = queues.get(id) else {
            return true;
        };
        // A policy may have changed it, or have taken the exchange away.
        let may_lose = queue.settings.dead_letter_strategy == DeadLetterStrategy::AtMostOnce;
        let Some(exchange) = queue.settings.dead_letter_exchange.as_deref() else {
            return true;
        };
        let vhost = queue.vhost;
        let host = vhosts.get(vhost.0);
        let Some(exchange) = host.and_then(|host| host.topology.exchange_id(exchange)) else {
            return may_lose;
        };
        // What cannot be read is lost on the disk, and counted.
        let dead = logs
            .read(&letter.entry)
            .and_then(|stored| bury(queue, stored.message, letter.reason, letter.died_at));
        let Some(dead) = dead else {
            return true;
        };
        let message = dead.message();
        let facts = Facts::of(ContentHeader::new(message.header)).unwrap_or_default();
        if facts.delay.is_some() && self.is_delayed(vhost, exchange) {
            self.publish_internally(vhost, exchange, message, now);
            return true;
        }
        let size = message.body.len();
        let mut open = self.targets(vhost, exchange, message, &facts);
        open.retain(|id| {
            let queue = self.queues.get(*id);
            queue.is_some_and(|queue| !letter.taken_by.contains(&queue.uid))
        });
        let all = open.len();
        open.retain(|id| {
            let queue = self.queues.get(*id);
            queue.is_some_and(|queue| queue.refuses(size).is_none())
        });
        if letter.taken_by.is_empty() && !open.is_empty() {
            self.remember_recent(vhost, message);
        }
        self.put_all(&open, message, &facts, now);
        let uids = open.iter().filter_map(|id| self.queues.get(*id));
        letter.taken_by.extend(uids.map(|queue| queue.uid));
        may_lose || (open.len() == all && !letter.taken_by.is_empty())
    }

    /// Tries the dead letters of a queue again if it is time, one turn of them.
    pub(super) fn letters_due(&mut self, id: QueueId, now: u64) {
        let is_due = |queue: &crate::queue::Queue| {
            !queue.letters.is_empty() && queue.letters.retry_at <= now
        };
        if !self.queues.get(id).is_some_and(is_due) {
            return;
        }
        for _ in 0..TURN {
            let Some(queue) = self.queues.get_mut(id) else {
                return;
            };
            let Some(mut letter) = queue.letters.take_next() else {
                queue.letters.begin(now + RETRY_MS);
                break;
            };
            if self.try_to_hand_on(id, &mut letter, now) {
                self.discard(id, &letter.entry);
            } else if let Some(queue) = self.queues.get_mut(id) {
                queue.letters.insert(letter);
            }
        }
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if queue.letters.is_empty() {
            self.undelivered.retain(|other| *other != id);
        } else if queue.letters.retry_at <= now {
            queue.letters.retry_at = now + PAUSE_MS;
        }
    }

    pub(super) fn schedule_letters(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get(id)
            && !queue.letters.is_empty()
        {
            let at = queue.letters.retry_at;
            self.schedule_queue(id, at);
        }
    }

    /// Something was declared, bound or set: dead letters may find their way now.
    pub(super) fn wake_letters(&mut self) {
        for place in 0..self.undelivered.len() {
            let id = self.undelivered[place];
            if let Some(queue) = self.queues.get_mut(id) {
                queue.letters.begin(0);
            }
            self.schedule_letters(id);
        }
    }

    /// A dead letter that was there when the broker stopped.
    pub(super) fn restore_letter(&mut self, id: QueueId, letter: Letter) {
        if let Some(queue) = self.queues.get_mut(id) {
            if queue.letters.is_empty() {
                queue.letters.begin(0);
                self.undelivered.push(id);
            }
            queue.letters.insert(letter);
        }
    }
}
