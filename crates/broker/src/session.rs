//! One connection as the broker sees it: who it is, and its channels.

pub(crate) mod unacked;

use core::net::SocketAddr;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use trefoil_amqp::{ChannelNumber, Connection, Method};
use trefoil_store::Position;

use crate::{
    clients::OUTPUT_BUDGET,
    inspect::MessageCounters,
    routing::{ExchangeId, QueueId},
    slab::Key,
    vhost::VhostId,
};
pub(crate) use unacked::{Unacked, UnackedList};

/// What the shell knows of a new connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The client's end.
    pub address: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What TLS says, if it is used.
    pub tls: Option<TlsFacts>,
}

/// A TLS connection's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// Protocol version, as in `TLSv1.3`.
    pub protocol: String,
    /// Cipher suite.
    pub cipher: String,
    /// Name that the verified client certificate stands for; SASL EXTERNAL logs in with it.
    pub identity: Option<String>,
    /// What that certificate says.
    pub certificate: Option<CertificateFacts>,
}

/// What a client certificate says. Names are by RFC 4514.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// From when to when it is valid: `2026-01-01T00:00:00Z - 2027-01-01T00:00:00Z`.
    pub validity: String,
}

/// What went over a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ConnectionCounters {
    /// Bytes read.
    pub(crate) received: u64,
    /// Bytes that were handed to the socket.
    pub(crate) sent: u64,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) peer: Peer,
    pub(crate) connected_at: u64,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) mechanism: String,
    pub(crate) vhost: Option<VhostId>,
    /// By number; most connections have one or two.
    pub(crate) channels: Vec<Option<Box<Channel>>>,
    /// Queues that go when it goes.
    pub(crate) exclusive: Vec<QueueId>,
    /// Its resources have been given back.
    pub(crate) is_released: bool,
    /// Its output waits to be taken.
    pub(crate) is_dirty: bool,
    /// Its output is as large as it may be: consumers wait until the socket took it.
    pub(crate) is_congested: bool,
    /// Bytes that the shell took and that its socket did not, when last heard of.
    pub(crate) unsent: usize,
    /// It published, so an alarm stops it.
    pub(crate) is_publisher: bool,
    /// It is not read because of an alarm.
    pub(crate) is_blocked: bool,
    /// Its input waits until the log is durable up to here.
    pub(crate) waits_for: Option<Position>,
    /// It publishes faster than its queue is consumed, and is not read until then.
    pub(crate) held_until: Option<u64>,
    /// Frames to be sent then.
    pub(crate) held: Vec<u8>,
    /// It may be read again: the shell has to be told.
    pub(crate) is_resumed: bool,
    pub(crate) timer_at: u64,
    pub(crate) counters: ConnectionCounters,
}

impl Session {
    pub(crate) fn channel(&mut self, number: ChannelNumber) -> Option<&mut Channel> {
        self.channels.get_mut(usize::from(number.0))?.as_deref_mut()
    }

    pub(crate) fn send(&mut self, channel: ChannelNumber, method: &Method<'_>) {
        self.connection.send(channel, method);
    }

    /// Its consumers wait when too much waits to be sent; the shell tells when that is over.
    #[inline]
    pub(crate) fn watch_budget(&mut self) {
        self.is_congested |= self.connection.output().len() + self.unsent > OUTPUT_BUDGET;
    }

    /// Whether its socket should be read.
    pub(crate) fn is_reading(&self) -> bool {
        self.waits_for.is_none() && !self.is_blocked && self.held_until.is_none()
    }
}

/// A channel.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) number: ChannelNumber,
    /// Tag of the last delivery.
    pub(crate) delivery_tag: u64,
    pub(crate) unacked: UnackedList,
    pub(crate) consumers: HashMap<Arc<str>, Key>,
    /// Prefetch of consumers to come.
    pub(crate) prefetch: u16,
    /// Prefetch of the channel as a whole.
    pub(crate) prefetch_channel: u16,
    /// Deliveries to consumers that are not acknowledged, for that limit.
    pub(crate) in_flight: u32,
    /// How often that limit let somebody in again: it is a different consumer's turn each time.
    pub(crate) turn: usize,
    pub(crate) mode: Mode,
    /// The queue that the empty name means.
    pub(crate) last_queue: Option<Arc<str>>,
    pub(crate) route: Option<CachedRoute>,
    pub(crate) target: Option<Target>,
    /// Its consumer of `amq.rabbitmq.reply-to`.
    pub(crate) replies: Option<ReplyConsumer>,
    pub(crate) counters: MessageCounters,
}

impl Channel {
    pub(crate) fn new(number: ChannelNumber) -> Self {
        Self {
            number,
            delivery_tag: 0,
            unacked: UnackedList::default(),
            consumers: HashMap::new(),
            prefetch: 0,
            prefetch_channel: 0,
            in_flight: 0,
            turn: 0,
            mode: Mode::Plain,
            last_queue: None,
            route: None,
            target: None,
            replies: None,
            counters: MessageCounters::default(),
        }
    }

    /// All deliveries that refer to a message: those that wait, and those that an open transaction has settled.
    pub(crate) fn held(&self) -> impl Iterator<Item = &Unacked> {
        let settled = match &self.mode {
            Mode::Transaction(transaction) => transaction.settlements.as_slice(),
            Mode::Plain | Mode::Confirm(_) => &[],
        };
        let settled = settled.iter().flat_map(|settlement| &settlement.deliveries);
        self.unacked.iter().chain(settled)
    }

    /// The one of [`Self::held`] with this tag.
    pub(crate) fn held_mut(&mut self, tag: u64) -> Option<&mut Unacked> {
        let settled = match &mut self.mode {
            Mode::Transaction(transaction) => transaction.settlements.as_mut_slice(),
            Mode::Plain | Mode::Confirm(_) => &mut [],
        };
        let settled = settled
            .iter_mut()
            .flat_map(|settlement| &mut settlement.deliveries)
            .find(|delivery| delivery.tag == tag);
        self.unacked.find_mut(tag).or(settled)
    }
}

/// Whether publishes are confirmed, or part of a transaction.
#[derive(Debug)]
pub(crate) enum Mode {
    Plain,
    Confirm(Confirms),
    Transaction(Box<Transaction>),
}

/// Publishes that wait for their confirm.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// Number of the last publish.
    pub(crate) published: u64,
    /// Everything up to here was acknowledged or refused.
    pub(crate) answered: u64,
    /// In the order of publishing.
    pub(crate) waiting: VecDeque<Waiting>,
    /// In the list of channels that are looked at when the log moves on.
    pub(crate) is_listed: bool,
}

/// One publish that waits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) number: u64,
    pub(crate) until: Until,
}

/// What a confirm waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Nothing.
    Now,
    /// The log is on disk up to here.
    Durable(Position),
    /// The log is with the kernel up to here.
    Written(Position),
    /// Nothing: a queue refused the message.
    Refused,
}

/// What a transaction has gathered.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) publishes: Vec<OwnedPublish>,
    /// Memory of the publishes.
    pub(crate) bytes: usize,
    pub(crate) settlements: Vec<Settlement>,
}

/// A publish that waits for `tx.commit`.
#[derive(Debug)]
pub(crate) struct OwnedPublish {
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) mandatory: bool,
    pub(crate) header: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

/// What becomes of deliveries.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) deliveries: Vec<Unacked>,
    pub(crate) how: Settle,
}

/// How a delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settle {
    Acknowledge,
    Requeue,
    Reject,
}

/// The exchange of the last publish, looked up and permitted.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) exchange: String,
    pub(crate) id: ExchangeId,
    /// Generation of access control.
    pub(crate) access: u64,
    /// Generation of the virtual host's topology.
    pub(crate) topology: u64,
}

/// Where the last publish went: the next one most often goes there too.
#[derive(Debug)]
pub(crate) struct CachedRoute {
    pub(crate) exchange: ExchangeId,
    pub(crate) routing_key: String,
    /// Generation of the virtual host's topology.
    pub(crate) generation: u64,
    pub(crate) queues: Vec<QueueId>,
}

/// A consumer of direct replies.
#[derive(Debug)]
pub(crate) struct ReplyConsumer {
    pub(crate) tag: Arc<str>,
    /// The generated name that others reply to.
    pub(crate) name: String,
}
