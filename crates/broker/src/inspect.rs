//! What management shows: plain owned copies of the broker's state, in the broker's words.
//!
//! A view is made under the broker's lock and formatted outside it, so making one must be cheap: names are shared
//! ([`Name`]), counters are copied. Lists are taken in slices: first the names ([`QueueKey`]), then a few views at a time.
//!
//! Nothing here knows JSON or HTTP.

mod clients;
mod queues;

use core::net::SocketAddr;
use std::sync::Arc;

use trefoil_amqp::Table;

use crate::session::ConnectionCounters;

/// A shared name: of a virtual host, a queue, an exchange, a user.
pub type Name = Arc<str>;

/// A field table: what a client declared, bound or said about itself.
pub type Arguments = Table;

/// What happened to messages, since the start of the thing that counts: a queue, an exchange, a channel, the broker.
/// A counter that does not fit the thing stays 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MessageCounters {
    /// Published by clients.
    pub publish: u64,
    /// Came into an exchange.
    pub publish_in: u64,
    /// Went from an exchange into queues.
    pub publish_out: u64,
    /// Confirmed to publishers.
    pub confirm: u64,
    /// Went nowhere and were returned.
    pub return_unroutable: u64,
    /// Went nowhere and were dropped.
    pub drop_unroutable: u64,
    /// Delivered to consumers that acknowledge.
    pub deliver: u64,
    /// Delivered to consumers that do not.
    pub deliver_no_ack: u64,
    /// Fetched, to be acknowledged.
    pub get: u64,
    /// Fetched, without acknowledgement.
    pub get_no_ack: u64,
    /// Fetches of nothing.
    pub get_empty: u64,
    /// Deliveries and fetches of messages that had been delivered before; counted above too.
    pub redeliver: u64,
    /// Acknowledged.
    pub ack: u64,
}

impl std::ops::AddAssign for MessageCounters {
    fn add_assign(&mut self, other: Self) {
        self.publish += other.publish;
        self.publish_in += other.publish_in;
        self.publish_out += other.publish_out;
        self.confirm += other.confirm;
        self.return_unroutable += other.return_unroutable;
        self.drop_unroutable += other.drop_unroutable;
        self.deliver += other.deliver;
        self.deliver_no_ack += other.deliver_no_ack;
        self.get += other.get;
        self.get_no_ack += other.get_no_ack;
        self.get_empty += other.get_empty;
        self.redeliver += other.redeliver;
        self.ack += other.ack;
    }
}

impl MessageCounters {
    /// All ways of giving a message to a client.
    #[must_use]
    pub const fn deliver_get(&self) -> u64 {
        self.deliver + self.deliver_no_ack + self.get + self.get_no_ack
    }
}

/// How many messages wait, and how much they weigh.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Ready for delivery.
    pub ready: u64,
    /// Delivered and not acknowledged.
    pub unacknowledged: u64,
    /// Bytes of the bodies of the ready ones.
    pub ready_bytes: u64,
    /// Bytes of the bodies of the unacknowledged ones.
    pub unacknowledged_bytes: u64,
    /// Of all of them, persistent.
    pub persistent: u64,
    /// Bytes of the bodies of the persistent ones.
    pub persistent_bytes: u64,
}

impl std::ops::AddAssign for Depth {
    fn add_assign(&mut self, other: Self) {
        self.ready += other.ready;
        self.unacknowledged += other.unacknowledged;
        self.ready_bytes += other.ready_bytes;
        self.unacknowledged_bytes += other.unacknowledged_bytes;
        self.persistent += other.persistent;
        self.persistent_bytes += other.persistent_bytes;
    }
}

/// Comings and goings since the start of the broker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Churn {
    /// Connections accepted.
    pub connection_created: u64,
    /// Connections gone.
    pub connection_closed: u64,
    /// Channels opened.
    pub channel_created: u64,
    /// Channels gone.
    pub channel_closed: u64,
    /// Declares of queues, of those that were there too.
    pub queue_declared: u64,
    /// Queues made.
    pub queue_created: u64,
    /// Queues gone.
    pub queue_deleted: u64,
}

/// What those had counted who are gone: counters of the whole broker never go back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retired {
    /// Of channels.
    pub messages: MessageCounters,
    /// Of connections: bytes read.
    pub received_bytes: u64,
    /// Of connections: bytes sent.
    pub sent_bytes: u64,
    /// Logins that were granted.
    pub logins: u64,
    /// Logins that were refused.
    pub logins_refused: u64,
}

impl Retired {
    pub(crate) fn add_channel(&mut self, counters: &MessageCounters) {
        self.messages += *counters;
    }

    pub(crate) fn add_connection(&mut self, counters: ConnectionCounters) {
        self.received_bytes += counters.received;
        self.sent_bytes += counters.sent;
    }
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Connections.
    pub connections: u64,
    /// Channels.
    pub channels: u64,
    /// Exchanges, the predeclared ones too.
    pub exchanges: u64,
    /// Queues.
    pub queues: u64,
    /// Consumers.
    pub consumers: u64,
}

/// The alarms that block publishers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Memory is short.
    pub memory: bool,
    /// Disk space is short.
    pub disk: bool,
}

/// The whole broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverviewView {
    /// How many there are of what.
    pub totals: Totals,
    /// Of all queues.
    pub depth: Depth,
    /// Of all channels that are and were.
    pub messages: MessageCounters,
    /// Comings and goings.
    pub churn: Churn,
    /// What is short.
    pub alarms: Alarms,
    /// Bytes received from clients.
    pub received_bytes: u64,
    /// Bytes sent to clients.
    pub sent_bytes: u64,
    /// Logins that were granted.
    pub logins: u64,
    /// Logins that were refused.
    pub logins_refused: u64,
}

/// Where a queue or an exchange is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueKey {
    /// Its virtual host.
    pub vhost: Name,
    /// Its name.
    pub name: Name,
}

/// The kinds of queue that clients can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueueKind {
    /// The usual one.
    #[default]
    Classic,
    /// `x-queue-type=quorum`.
    Quorum,
    /// `x-queue-type=stream`.
    Stream,
}

impl QueueKind {
    /// As `x-queue-type` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// A queue.
#[derive(Debug, Clone)]
pub struct QueueView {
    /// Its number in this broker; never used again.
    pub id: u64,
    /// Its virtual host.
    pub vhost: Name,
    /// Its name.
    pub name: Name,
    /// Its kind.
    pub kind: QueueKind,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// The name of the connection that owns it, if it is exclusive.
    pub owner: Option<Name>,
    /// As declared.
    pub arguments: Arguments,
    /// The policy in effect.
    pub policy: Option<Name>,
    /// The operator policy in effect.
    pub operator_policy: Option<Name>,
    /// What both say together.
    pub effective_policy: serde_json::Map<String, serde_json::Value>,
    /// How many messages there are.
    pub depth: Depth,
    /// Dead letters that stay in it until somebody can take them, and bytes of their bodies. Not part of the depth.
    pub dead_letters: (u64, u64),
    /// How many consumers there are.
    pub consumers: u32,
    /// The tag of the consumer that has the queue for itself.
    pub exclusive_consumer_tag: Option<Name>,
    /// The tag of the single active consumer.
    pub single_active_consumer_tag: Option<Name>,
    /// What happened so far.
    pub messages: MessageCounters,
    /// Since when nothing happened: no consumer, no publish, no get. Milliseconds.
    pub idle_since: Option<u64>,
    /// About how much memory it takes.
    pub memory: u64,
}

/// An exchange.
#[derive(Debug, Clone)]
pub struct ExchangeView {
    /// Its virtual host.
    pub vhost: Name,
    /// Its name; empty: the default exchange.
    pub name: Name,
    /// `direct`, `topic` …
    pub kind: Name,
    /// Survives a restart.
    pub durable: bool,
    /// Goes with its last binding.
    pub auto_delete: bool,
    /// Clients may not publish to it.
    pub internal: bool,
    /// As declared.
    pub arguments: Arguments,
    /// The policy in effect.
    pub policy: Option<Name>,
    /// What happened so far: `publish_in` and `publish_out`.
    pub messages: MessageCounters,
}

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DestinationKind {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

/// A binding.
#[derive(Debug, Clone)]
pub struct BindingView {
    /// Its virtual host.
    pub vhost: Name,
    /// The exchange that it leads from; empty: the default exchange.
    pub source: Name,
    /// What kind of thing it leads to.
    pub destination_kind: DestinationKind,
    /// Where it leads to.
    pub destination: Name,
    /// Its key.
    pub routing_key: Name,
    /// Its arguments.
    pub arguments: Arguments,
}

/// What state a connection is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Shaking hands.
    Starting,
    /// Open.
    Running,
    /// Publishes, and is not read because of an alarm.
    Blocked,
    /// Says goodbye.
    Closing,
}

/// What a certificate said about a connection over TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsView {
    /// `tlsv1.3`
    pub protocol: String,
    /// The cipher suite.
    pub cipher: String,
    /// The peer's certificate.
    pub certificate: Option<crate::CertificateFacts>,
}

/// A connection.
#[derive(Debug, Clone)]
pub struct ConnectionView {
    /// Its id in this broker.
    pub id: u64,
    /// `127.0.0.1:40000 -> 127.0.0.1:5672`, unique while it lasts.
    pub name: Name,
    /// The client's end.
    pub peer: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
    /// What state it is in.
    pub state: ConnectionState,
    /// Who logged in; empty before that.
    pub user: Name,
    /// The virtual host; empty before it is opened.
    pub vhost: Name,
    /// How the client logged in.
    pub mechanism: Name,
    /// What the client said about itself.
    pub client_properties: Arguments,
    /// When it came, in milliseconds.
    pub connected_at: u64,
    /// Negotiated heartbeat, in seconds.
    pub heartbeat_s: u16,
    /// Negotiated largest frame.
    pub frame_max: u32,
    /// Negotiated number of channels.
    pub channel_max: u16,
    /// Open channels.
    pub channels: u16,
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes that wait for the socket.
    pub send_pending_bytes: u64,
    /// With TLS.
    pub tls: Option<TlsView>,
}

/// What happened between a channel and one queue or exchange.
#[derive(Debug, Clone)]
pub struct ChannelView {
    /// The connection's id.
    pub connection: u64,
    /// The connection's name.
    pub connection_name: Name,
    /// The client's end.
    pub peer: SocketAddr,
    /// Its number.
    pub number: u16,
    /// Who.
    pub user: Name,
    /// Where.
    pub vhost: Name,
    /// Transactional.
    pub transactional: bool,
    /// Confirms publishes.
    pub confirm: bool,
    /// Consumers.
    pub consumers: u32,
    /// Deliveries that are not acknowledged.
    pub unacknowledged: u64,
    /// Publishes that are not confirmed.
    pub unconfirmed: u64,
    /// Publishes of an open transaction.
    pub uncommitted: u64,
    /// Acknowledgements of an open transaction.
    pub acks_uncommitted: u64,
    /// What later consumers get.
    pub prefetch_count: u32,
    /// What all consumers share.
    pub global_prefetch_count: u32,
    /// What happened so far.
    pub messages: MessageCounters,
    /// Since when nothing happened, in milliseconds.
    pub idle_since: Option<u64>,
}

/// A consumer.
#[derive(Debug, Clone)]
pub struct ConsumerView {
    /// The virtual host of its queue.
    pub vhost: Name,
    /// Its queue.
    pub queue: Name,
    /// Its tag.
    pub tag: Name,
    /// Acknowledges.
    pub ack_required: bool,
    /// Has the queue for itself.
    pub exclusive: bool,
    /// Gets messages: not so the waiting ones of a queue with a single active consumer.
    pub active: bool,
    /// At most so many unacknowledged.
    pub prefetch_count: u32,
    /// As given.
    pub arguments: Arguments,
    /// The id of its connection.
    pub connection: u64,
    /// The name of its connection.
    pub connection_name: Name,
    /// The client's end.
    pub peer: SocketAddr,
    /// The number of its channel.
    pub channel: u16,
    /// Who.
    pub user: Name,
    /// After what time without acknowledgement its channel is closed, in milliseconds; 0: never.
    pub timeout_ms: u64,
}

/// A virtual host.
#[derive(Debug, Clone, Default)]
pub struct VhostView {
    /// Its name.
    pub name: Name,
    /// What it is for.
    pub description: String,
    /// Labels.
    pub tags: Vec<String>,
    /// What a declare without `x-queue-type` makes.
    pub default_queue_type: Option<String>,
    /// Cannot be deleted until this is taken back.
    pub protected_from_deletion: bool,
    /// Copies all messages to `amq.rabbitmq.trace`.
    pub tracing: bool,
    /// Of all its queues.
    pub depth: Depth,
    /// Of all its queues and channels.
    pub messages: MessageCounters,
    /// Bytes received from its clients.
    pub received_bytes: u64,
    /// Bytes sent to its clients.
    pub sent_bytes: u64,
}

/// A message as management fetches it.
#[derive(Debug, Clone)]
pub struct FetchedMessage {
    /// Was delivered before.
    pub redelivered: bool,
    /// The exchange it was published to.
    pub exchange: Name,
    /// Its routing key.
    pub routing_key: Name,
    /// How many are ready behind it.
    pub remaining: u64,
    /// The whole content header.
    pub header: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}
