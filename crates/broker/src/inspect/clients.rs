//! Connections, channels and consumers as management shows them, and the broker as a whole.

use std::sync::Arc;

use super::{
    Alarms, ChannelView, ConnectionState, ConnectionView, ConsumerView, Name, OverviewView,
    TlsView, Totals,
};
use crate::{
    Broker,
    queue::Consumer,
    session::{Channel, Mode, Peer, Session},
    slab::Key,
};

impl Peer {
    /// What a connection is called: `127.0.0.1:40000 -> 127.0.0.1:5672`.
    pub(crate) fn name(&self) -> Name {
        format!("{} -> {}", self.address, self.local).into()
    }
}

impl Broker {
    /// The broker as a whole.
    #[must_use]
    pub fn overview(&self) -> OverviewView {
        let mut messages = self.counters;
        let mut received_bytes = self.retired.received_bytes;
        let mut sent_bytes = self.retired.sent_bytes;
        let mut totals = Totals {
            queues: self.queues.len() as u64,
            consumers: self.clients.consumers.len() as u64,
            exchanges: self
                .some_vhosts(None)
                .map(|(_, host)| host.topology.exchanges().count() as u64)
                .sum(),
            ..Totals::default()
        };
        let mut of_channels = self.retired.messages;
        for (_, session) in self.clients.sessions.iter() {
            totals.connections += u64::from(!session.is_released);
            received_bytes += session.counters.received;
            sent_bytes += session.counters.sent;
            for channel in session.channels.iter().flatten() {
                totals.channels += 1;
                of_channels += channel.counters;
            }
        }
        // What the broker counts itself includes what channels count.
        messages.deliver = of_channels.deliver;
        messages.deliver_no_ack = of_channels.deliver_no_ack;
        messages.get = of_channels.get;
        messages.get_no_ack = of_channels.get_no_ack;
        messages.get_empty = of_channels.get_empty;
        messages.redeliver = of_channels.redeliver;
        messages.ack = of_channels.ack;
        OverviewView {
            totals,
            depth: self.total_depth(),
            messages,
            churn: self.churn,
            alarms: Alarms {
                memory: self.alarms.memory,
                disk: self.alarms.disk,
            },
            received_bytes,
            sent_bytes,
            logins: self.retired.logins,
            logins_refused: self.retired.logins_refused,
        }
    }

    /// All connections that have logged in and are not gone.
    #[must_use]
    pub fn connection_views(&self) -> Vec<ConnectionView> {
        let sessions = self.clients.sessions.iter();
        sessions
            .filter(|(_, session)| session.user.is_some() && !session.is_released)
            .map(|(key, session)| self.view_connection(key, session))
            .collect()
    }

    fn vhost_name(&self, session: &Session) -> Name {
        match session.vhost {
            Some(vhost) => Arc::clone(&self.vhost(vhost).name),
            None => "".into(),
        }
    }

    fn view_connection(&self, key: Key, session: &Session) -> ConnectionView {
        let connection = &session.connection;
        let tune = connection.tune();
        let state = if session.is_blocked {
            ConnectionState::Blocked
        } else if connection.is_open() {
            ConnectionState::Running
        } else {
            ConnectionState::Starting
        };
        let tls = session.peer.tls.as_ref().map(|facts| TlsView {
            protocol: facts.protocol.clone(),
            cipher: facts.cipher.clone(),
            certificate: facts.certificate.clone(),
        });
        ConnectionView {
            id: key.number(),
            name: session.peer.name(),
            peer: session.peer.address,
            local: session.peer.local,
            state,
            user: session.user.clone().unwrap_or_else(|| "".into()),
            vhost: self.vhost_name(session),
            mechanism: session.mechanism.as_str().into(),
            client_properties: connection.client_properties().clone(),
            connected_at: session.connected_at,
            heartbeat_s: tune.heartbeat_s,
            frame_max: tune.frame_max,
            channel_max: tune.channel_max,
            channels: u16::try_from(session.channels.iter().flatten().count()).unwrap_or(u16::MAX),
            received_bytes: session.counters.received,
            sent_bytes: session.counters.sent,
            // Of the others nobody tells when the rest is sent.
            send_pending_bytes: if session.is_congested {
                session.unsent as u64
            } else {
                0
            },
            tls,
        }
    }

    /// All channels.
    #[must_use]
    pub fn channel_views(&self) -> Vec<ChannelView> {
        let mut views = Vec::new();
        for (key, session) in self.clients.sessions.iter() {
            let channels = session.channels.iter().flatten();
            views.extend(channels.map(|channel| self.view_channel(key, session, channel)));
        }
        views
    }

    fn view_channel(&self, key: Key, session: &Session, channel: &Channel) -> ChannelView {
        let (mut unconfirmed, mut uncommitted, mut acks_uncommitted) = (0, 0, 0);
        match &channel.mode {
            Mode::Plain => {}
            Mode::Confirm(confirms) => unconfirmed = confirms.waiting.len() as u64,
            Mode::Transaction(transaction) => {
                uncommitted = transaction.publishes.len() as u64;
                let settled = transaction.settlements.iter();
                acks_uncommitted = settled
                    .map(|settlement| settlement.deliveries.len() as u64)
                    .sum();
            }
        }
        ChannelView {
            connection: key.number(),
            connection_name: session.peer.name(),
            peer: session.peer.address,
            number: channel.number.0,
            user: session.user.clone().unwrap_or_else(|| "".into()),
            vhost: self.vhost_name(session),
            transactional: matches!(channel.mode, Mode::Transaction(_)),
            confirm: matches!(channel.mode, Mode::Confirm(_)),
            consumers: u32::try_from(channel.consumers.len()).unwrap_or(u32::MAX),
            unacknowledged: channel.unacked.len() as u64,
            unconfirmed,
            uncommitted,
            acks_uncommitted,
            prefetch_count: channel.prefetch.into(),
            global_prefetch_count: channel.prefetch_channel.into(),
            messages: channel.counters,
            idle_since: None,
        }
    }

    /// All consumers, or those of a virtual host.
    #[must_use]
    pub fn consumer_views(&self, vhost: Option<&str>) -> Vec<ConsumerView> {
        let consumers = self.clients.consumers.iter();
        let views = consumers.filter_map(|(key, consumer)| self.view_consumer(key, consumer));
        views
            .filter(|view| vhost.is_none_or(|vhost| vhost == &*view.vhost))
            .collect()
    }

    /// The consumers of a queue.
    #[must_use]
    pub fn consumers_of_queue(&self, vhost: &str, name: &str) -> Vec<ConsumerView> {
        let host = self.vhost_names.get(vhost).map(|id| self.vhost(*id));
        let queue = host.and_then(|host| self.queues.get(host.topology.queue_id(name)?));
        let keys = queue
            .map(|queue| queue.consumers.all.as_slice())
            .unwrap_or_default();
        keys.iter()
            .filter_map(|key| self.view_consumer(*key, self.clients.consumers.get(*key)?))
            .collect()
    }

    fn view_consumer(&self, key: Key, consumer: &Consumer) -> Option<ConsumerView> {
        let session = self.clients.sessions.get(consumer.session)?;
        let queue = self.queues.get(consumer.queue)?;
        let is_single = queue.arguments.single_active_consumer;
        Some(ConsumerView {
            vhost: Arc::clone(&self.vhost(queue.vhost).name),
            queue: Arc::clone(&queue.name),
            tag: Arc::clone(&consumer.tag),
            ack_required: !consumer.no_ack,
            exclusive: consumer.is_exclusive,
            active: !is_single || queue.consumers.active == Some(key),
            prefetch_count: consumer.prefetch.into(),
            arguments: consumer.arguments.clone(),
            connection: consumer.session.number(),
            connection_name: session.peer.name(),
            peer: session.peer.address,
            channel: consumer.channel.0,
            user: session.user.clone().unwrap_or_else(|| "".into()),
            timeout_ms: queue.settings.consumer_timeout_ms.unwrap_or(0),
        })
    }
}
