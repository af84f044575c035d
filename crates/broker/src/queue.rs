//! A queue: what waits, who consumes, and the numbers about both.

pub(crate) mod letters;
pub(crate) mod ready;

use std::{collections::VecDeque, sync::Arc};

use trefoil_amqp::{ChannelNumber, Table};

use crate::{
    arguments::QueueArguments,
    inspect::MessageCounters,
    policy::QueueSettings,
    slab::Key,
    stream::{Reader, Stream},
    vhost::VhostId,
};
pub(crate) use ready::{
    DIED, Entry, HAS_BCC, HISTORY, KEYS_REPLACED, MORTAL, NEVER, PERSISTENT, REDELIVERED, Ready,
    TRANSIENT_LOG,
};

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) name: Arc<str>,
    pub(crate) vhost: VhostId,
    /// Its number in the log. Never used again.
    pub(crate) uid: u64,
    pub(crate) is_durable: bool,
    pub(crate) is_auto_delete: bool,
    /// The connection that it is exclusive to.
    pub(crate) owner: Option<Key>,
    pub(crate) arguments: QueueArguments,
    /// Arguments and policies together.
    pub(crate) settings: QueueSettings,
    pub(crate) policy: Option<String>,
    pub(crate) operator_policy: Option<String>,
    /// In the order of delivery. Always empty in a stream.
    pub(crate) ready: Ready,
    /// Only a stream has this.
    pub(crate) stream: Option<Box<Stream>>,
    /// What died here and somebody could not take yet.
    pub(crate) letters: letters::Letters,
    /// Delivered and not acknowledged.
    pub(crate) unacked: usize,
    pub(crate) unacked_bytes: u64,
    pub(crate) consumers: Consumers,
    /// When the queue expires unless it is used, and whether a timer knows.
    pub(crate) last_used: u64,
    pub(crate) timer_at: u64,
    /// Acknowledgements of durable messages that are not in the log yet.
    pub(crate) acks: Vec<u64>,
    pub(crate) is_in_ack_list: bool,
    /// In the list of queues to be served.
    pub(crate) is_pumped: bool,
    /// Publishers that wait until it is shorter.
    pub(crate) held: Vec<Key>,
    /// Deliveries when a publisher was held last.
    pub(crate) taken_when_held: u64,
    pub(crate) counters: MessageCounters,
    /// Milliseconds at which it last became empty of consumers and messages, for management.
    pub(crate) idle_since: u64,
}

impl Queue {
    /// Whether messages with delivery mode 2 must survive here.
    pub(crate) fn keeps(&self) -> bool {
        self.is_durable && self.owner.is_none()
    }

    /// How many messages there are for whoever asks: in a stream all that are kept.
    pub(crate) fn message_count(&self) -> usize {
        match &self.stream {
            Some(stream) => stream.index.len(),
            None => self.ready.len(),
        }
    }
}

/// A consumer.
#[derive(Debug)]
pub(crate) struct Consumer {
    pub(crate) queue: crate::routing::QueueId,
    pub(crate) session: Key,
    pub(crate) channel: ChannelNumber,
    pub(crate) tag: Arc<str>,
    pub(crate) no_ack: bool,
    pub(crate) is_exclusive: bool,
    pub(crate) priority: i64,
    /// Most messages that it may hold unacknowledged; 0 for any number.
    pub(crate) prefetch: u16,
    pub(crate) unacked: u32,
    /// Not in the queue's line because it could not take a message when it was offered one.
    pub(crate) is_parked: bool,
    /// Its place, if the queue is a stream.
    pub(crate) reader: Option<Box<Reader>>,
    pub(crate) arguments: Table,
}

/// The consumers of a queue.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    /// All, in the order in which they came.
    pub(crate) all: Vec<Key>,
    /// Those that may take the next message: by priority, and within one in turn.
    pub(crate) line: VecDeque<(i64, Key)>,
    /// The one that gets everything, if the queue is for a single active consumer.
    pub(crate) active: Option<Key>,
    pub(crate) has_exclusive: bool,
    /// There was a consumer at some time.
    pub(crate) had_any: bool,
}

impl Consumers {
    /// Puts a consumer behind those of its priority.
    pub(crate) fn line_up(&mut self, priority: i64, consumer: Key) {
        let mut place = self.line.len();
        while place > 0 && self.line[place - 1].0 < priority {
            place -= 1;
        }
        if place == self.line.len() {
            self.line.push_back((priority, consumer));
        } else {
            self.line.insert(place, (priority, consumer));
        }
    }

    /// The first in line goes behind the others of its priority.
    pub(crate) fn next_turn(&mut self) {
        if self.line.len() > 1
            && let Some((priority, consumer)) = self.line.pop_front()
        {
            self.line_up(priority, consumer);
        }
    }

    pub(crate) fn remove(&mut self, consumer: Key) {
        self.all.retain(|other| *other != consumer);
        self.line.retain(|(_, other)| *other != consumer);
        if self.active == Some(consumer) {
            self.active = None;
        }
    }
}
