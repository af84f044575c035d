//! The model: what is in every queue, and what every channel holds.

use std::collections::BTreeMap;

pub(super) const NEVER: u64 = u64::MAX;
/// Dead letters go here. The first, so that its channel is released before the others bury anything.
pub(super) const GRAVEYARD: usize = 0;
/// At most so many are ready in the queue that drops its head, and in the one that refuses.
pub(super) const LENGTH_MAX: usize = 4;
/// How long messages live in the queue that has a limit.
pub(super) const TTL: u64 = 50;
/// The highest priority of the queue that has some.
pub(super) const PRIORITY_MAX: u8 = 3;

/// What a queue is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Drops its head; what it drops, and what is rejected or expires in it, is buried.
    Short,
    /// Everything expires, and is buried.
    Fading,
    Prioritized,
    /// Not durable, and refuses what is too much.
    Refusing,
}

pub(super) const KINDS: [Kind; 5] = [
    Kind::Plain,
    Kind::Short,
    Kind::Fading,
    Kind::Prioritized,
    Kind::Refusing,
];

impl Kind {
    pub(super) fn is_durable(self) -> bool {
        self != Self::Refusing
    }

    fn buries(self) -> bool {
        matches!(self, Self::Short | Self::Fading)
    }

    fn level(self, message: &Message) -> u8 {
        match self {
            Self::Prioritized => message.priority.min(PRIORITY_MAX),
            _ => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) id: u64,
    /// Its place in its queue.
    pub(super) place: u64,
    pub(super) priority: u8,
    pub(super) expires: u64,
    pub(super) is_persistent: bool,
    pub(super) is_redelivered: bool,
    /// It is on the disk for sure.
    pub(super) is_safe: bool,
    /// Somebody was ready for it when it came: it is delivered, whatever its lifetime.
    pub(super) is_direct: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Consumer {
    pub(super) tag: String,
    pub(super) no_ack: bool,
    pub(super) prefetch: u8,
    pub(super) held: usize,
}

/// A delivery that is not settled.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) tag: u64,
    /// `None` for what was got.
    pub(super) consumer: Option<String>,
    /// The queue that it is of is still there.
    pub(super) is_alive: bool,
    pub(super) message: Message,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Acknowledge,
    Requeue,
    Reject,
}

/// A message that left its queue; nobody can be sure that the disk knows.
#[derive(Debug, Clone)]
pub(super) struct Ghost {
    pub(super) message: Message,
    /// It went to the graveyard.
    pub(super) is_buried: bool,
}

#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) consumers: Vec<Consumer>,
    pub(super) held: Vec<Held>,
    pub(super) prefetch: u8,
    pub(super) limit: u8,
    pub(super) last_tag: u64,
    /// Settled in a transaction.
    pub(super) transaction: Option<Vec<(Vec<Held>, How)>>,
}

impl Channel {
    /// Deliveries to consumers, also those that a transaction settled.
    fn in_flight(&self) -> usize {
        let settled = self.transaction.iter().flatten().flat_map(|(held, _)| held);
        let all = self.held.iter().chain(settled);
        all.filter(|held| held.consumer.is_some()).count()
    }

    pub(super) fn is_free(&self, consumer: &Consumer) -> bool {
        consumer.no_ack
            || (consumer.prefetch == 0 || consumer.held < usize::from(consumer.prefetch))
                && (self.limit == 0 || self.in_flight() < usize::from(self.limit))
    }

    pub(super) fn is_any_free(&self) -> bool {
        self.consumers.iter().any(|consumer| self.is_free(consumer))
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) ready: Vec<Message>,
    pub(super) ghosts: Vec<Ghost>,
    pub(super) channel: Channel,
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) queues: Vec<Queue>,
    pub(super) now: u64,
    places: u64,
    /// Messages as they were published.
    pub(super) published: BTreeMap<u64, Message>,
}

impl Model {
    pub(super) fn new(now: u64) -> Self {
        Self {
            queues: KINDS.iter().map(|_| Queue::default()).collect(),
            now,
            places: 0,
            published: BTreeMap::new(),
        }
    }

    /// A message comes in. Whether it was refused.
    pub(super) fn publish(
        &mut self,
        at: usize,
        message: &Message,
        ttl: Option<u64>,
        is_alone: bool,
    ) -> bool {
        let kind = KINDS[at];
        let place = self.next_place();
        let queue = &mut self.queues[at];
        if kind == Kind::Refusing && queue.ready.len() >= LENGTH_MAX {
            return true;
        }
        let ttl = match (kind, ttl) {
            (Kind::Fading, Some(ttl)) => Some(ttl.min(TTL)),
            (Kind::Fading, None) => Some(TTL),
            (_, ttl) => ttl,
        };
        let message = Message {
            place,
            expires: ttl.map_or(NEVER, |ttl| self.now + ttl),
            is_persistent: message.is_persistent && kind.is_durable(),
            is_direct: queue.ready.is_empty() && queue.channel.is_any_free(),
            is_redelivered: false,
            is_safe: false,
            ..message.clone()
        };
        let is_direct = message.is_direct;
        if is_alone && !is_direct && !kind.buries() && message.expires <= self.now {
            // It can never be delivered.
            return false;
        }
        self.insert(at, message);
        if !is_direct {
            self.drop_excess(at);
        }
        false
    }

    pub(super) fn next_place(&mut self) -> u64 {
        self.places += 1;
        self.places
    }

    pub(super) fn insert(&mut self, at: usize, message: Message) {
        let kind = KINDS[at];
        let ready = &mut self.queues[at].ready;
        let level = kind.level(&message);
        let place = ready.partition_point(|other| {
            let of_other = kind.level(other);
            of_other > level || of_other == level && other.place < message.place
        });
        ready.insert(place, message);
    }

    fn drop_excess(&mut self, at: usize) {
        while KINDS[at] == Kind::Short && self.queues[at].ready.len() > LENGTH_MAX {
            let message = self.queues[at].ready.remove(0);
            self.bury(at, message);
        }
    }

    /// A message leaves its queue for the graveyard, if the queue has one.
    fn bury(&mut self, at: usize, message: Message) {
        let is_buried = KINDS[at].buries();
        if is_buried {
            self.publish(GRAVEYARD, &message, None, true);
        }
        self.leave(at, message, is_buried);
    }

    pub(super) fn leave(&mut self, at: usize, message: Message, is_buried: bool) {
        if message.is_persistent {
            self.queues[at].ghosts.push(Ghost { message, is_buried });
        }
    }

    /// What is old leaves from the head of every line.
    pub(super) fn expire(&mut self, at: usize) {
        let kind = KINDS[at];
        for level in (0..=PRIORITY_MAX).rev() {
            loop {
                let ready = &self.queues[at].ready;
                let first = ready
                    .iter()
                    .position(|message| kind.level(message) == level);
                match first {
                    Some(first) if !ready[first].is_direct && ready[first].expires <= self.now => {
                        let message = self.queues[at].ready.remove(first);
                        self.bury(at, message);
                    }
                    _ => break,
                }
            }
        }
    }

    /// What is old leaves every queue: the one that was due first goes first.
    pub(super) fn expire_all(&mut self) {
        let mut due: Vec<(u64, usize)> = (0..self.queues.len())
            .map(|at| (self.due(at), at))
            .collect();
        due.sort_unstable();
        for (_, at) in due {
            self.expire(at);
        }
    }

    /// When the next message of a queue expires.
    fn due(&self, at: usize) -> u64 {
        let kind = KINDS[at];
        let heads = (0..=PRIORITY_MAX).filter_map(|level| {
            let mut line = self.queues[at].ready.iter();
            line.find(|message| kind.level(message) == level)
        });
        heads.map(|message| message.expires).min().unwrap_or(NEVER)
    }

    /// When the next message of any queue expires.
    pub(super) fn next_expiry(&self) -> u64 {
        (0..self.queues.len())
            .map(|at| self.due(at))
            .min()
            .unwrap_or(NEVER)
    }

    pub(super) fn settle(&mut self, at: usize, deliveries: Vec<Held>, how: How) {
        for held in deliveries {
            if let Some(tag) = &held.consumer
                && let Some(consumer) = self.queues[at]
                    .channel
                    .consumers
                    .iter_mut()
                    .find(|consumer| consumer.tag == *tag)
            {
                consumer.held -= 1;
            }
            if !held.is_alive {
                continue;
            }
            match how {
                How::Acknowledge => self.leave(at, held.message, false),
                How::Requeue => {
                    let message = Message {
                        is_redelivered: true,
                        ..held.message
                    };
                    self.insert(at, message);
                    self.drop_excess(at);
                }
                How::Reject => self.bury(at, held.message),
            }
        }
    }

    /// A channel goes: consumers first, then what they held.
    pub(super) fn release(&mut self, at: usize) {
        let channel = std::mem::take(&mut self.queues[at].channel);
        for (held, _) in channel.transaction.into_iter().flatten() {
            self.settle(at, held, How::Requeue);
        }
        self.settle(at, channel.held, How::Requeue);
    }

    /// Everything that was logged is on the disk.
    pub(super) fn synced(&mut self) {
        for queue in &mut self.queues {
            queue.ghosts.clear();
            let settled = queue.channel.transaction.iter_mut().flatten();
            let held = queue.channel.held.iter_mut();
            let held = held.chain(settled.flat_map(|(held, _)| held));
            let held = held.map(|held| &mut held.message);
            for message in queue.ready.iter_mut().chain(held) {
                message.is_safe = true;
            }
        }
    }

    /// All messages that are in a queue, ready or held.
    pub(super) fn all(&self, at: usize) -> impl Iterator<Item = &Message> {
        let queue = &self.queues[at];
        let settled = queue.channel.transaction.iter().flatten();
        let held = queue.channel.held.iter();
        let held = held.chain(settled.flat_map(|(held, _)| held));
        let alive = held.filter(|held| held.is_alive).map(|held| &held.message);
        queue.ready.iter().chain(alive)
    }
}
