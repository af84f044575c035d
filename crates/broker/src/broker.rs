//! [`Broker`]: the whole machine.

pub mod admin;
mod at_least_once;
mod confirm;
mod connection;
mod consume;
mod dead_letter;
pub(crate) mod delay;
pub(crate) mod durable;
mod enqueue;
mod entities;
mod failure;
mod flow;
mod names;
mod policies;
mod publish;
mod pump;
mod purge;
mod queue_bindings;
pub(crate) mod queue_table;
mod queues;
pub(crate) mod random;
mod recent;
mod recovery;
mod replies;
mod settle;
mod stream;
mod timeout;
pub(crate) mod timers;
mod topology;
pub(crate) mod trace;
mod transaction;

use std::{collections::HashMap, collections::VecDeque, sync::Arc};

use trefoil_amqp::{ChannelNumber, Connection, Event, Method};
use trefoil_store::{Batch, Done};

pub use connection::OutputStatus;
pub(crate) use failure::Failure;
pub use recovery::{OpenError, OpenReport, Writers};

use crate::{
    access::{Access, AccessSettings, AuthenticationError, Parameters},
    clients::Clients,
    inspect::MessageCounters,
    logs::Logs,
    policy::Policies,
    routing::{QueueId, Route},
    session::{Peer, Session},
    slab::{Key, Slab},
    vhost::{Vhost, VhostId},
};

/// Which connection: stays unique when its place is used again.
pub type ConnectionId = Key;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What connections are offered.
    pub connection: trefoil_amqp::Settings,
    /// Name of this node, as in `rabbit@host`.
    pub node: String,
    /// Name of the cluster that clients are told.
    pub cluster: String,
    /// Options of the durable log.
    pub log: trefoil_store::Options,
    /// Options of the log of transient messages.
    pub transient: trefoil_store::Options,
    /// Who may come in, and how.
    pub access: AccessSettings,
    /// Seed of names that nobody is to guess.
    pub seed: [u64; 2],
    /// Most connections; 0 for any number.
    pub connections_max: u32,
    /// Most consumers of one channel; 0 for any number.
    pub consumers_max: u32,
}

/// The broker. All state of messages is here; whoever has it in hand has it alone.
#[derive(Debug)]
pub struct Broker {
    pub(crate) settings: Settings,
    pub(crate) connection_settings: Arc<trefoil_amqp::Settings>,
    pub(crate) connection_settings_tls: Arc<trefoil_amqp::Settings>,
    pub(crate) access: Access,
    pub(crate) policies: Policies,
    pub(crate) parameters: Parameters,
    pub(crate) vhosts: Slab<Vhost>,
    pub(crate) vhost_names: HashMap<Arc<str>, VhostId>,
    pub(crate) queues: queue_table::Queues,
    pub(crate) clients: Clients,
    pub(crate) logs: Logs,
    /// Where the records of durable entities are.
    pub(crate) catalog: durable::Catalog,
    /// Of the last message that entered.
    pub(crate) sequence: u64,
    /// Of the last queue that was declared.
    pub(crate) uid: u64,
    pub(crate) timers: timers::Timers,
    /// Channels with publishes that wait for their confirm.
    confirming: Vec<(Key, ChannelNumber)>,
    /// Sessions whose input waits for the log.
    waiting: Vec<Key>,
    /// Queues to be served before the current input ends.
    pumping: Vec<QueueId>,
    /// Messages to be dead-lettered before the current input ends.
    dead: VecDeque<dead_letter::Dead>,
    is_burying: bool,
    /// Queues with dead letters that somebody could not take.
    undelivered: Vec<QueueId>,
    /// Queues with acknowledgements that are not in the log yet.
    acknowledging: Vec<QueueId>,
    /// Memory of the last record of acknowledgements.
    ack_record: Vec<u8>,
    replies: replies::Replies,
    pub(crate) delayed: delay::Delayed,
    pub(crate) streams: stream::Streams,
    scratch: Vec<QueueId>,
    /// A queue that is long after the message that is being published.
    grown: Option<QueueId>,
    route: Route,
    random: random::Random,
    /// Logins that were refused, for the operator's log.
    pub(crate) refusals: Vec<AuthenticationError>,
    /// In effect, from either source.
    pub(crate) alarms: Alarms,
    alarms_measured: Alarms,
    alarms_by_hand: Alarms,
    pub(crate) counters: MessageCounters,
    pub(crate) churn: crate::inspect::Churn,
    /// What channels and connections that are gone had counted.
    pub(crate) retired: crate::inspect::Retired,
    /// Listeners are closed on behalf of an operator.
    pub(crate) is_stopped: bool,
}

/// What stops publishers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Too much memory is in use.
    pub memory: bool,
    /// Too little of the disk is free.
    pub disk: bool,
}

impl Alarms {
    /// Whether publishers have to wait.
    #[must_use]
    pub fn any(self) -> bool {
        self.memory || self.disk
    }

    /// Those of both.
    fn or(self, other: Self) -> Self {
        Self {
            memory: self.memory || other.memory,
            disk: self.disk || other.disk,
        }
    }

    fn reason(self) -> &'static str {
        match (self.memory, self.disk) {
            (true, true) => "low on memory & disk",
            (false, true) => "low on disk",
            _ => "low on memory",
        }
    }
}

impl Broker {
    /// A connection was accepted.
    pub fn connect(&mut self, peer: Peer, now: u64) -> ConnectionId {
        let connection = Connection::new(self.connection_settings_for(&peer), now);
        let session = Session::new(connection, peer, now);
        let id = self.clients.sessions.insert(session);
        self.churn.connection_created += 1;
        self.schedule_session(id);
        id
    }

    /// Takes what a connection sent and does it. Gives how many bytes were used: the rest is an incomplete frame, or waits
    /// because the connection does, and is to be given again.
    pub fn handle_input(&mut self, id: ConnectionId, input: &[u8], now: u64) -> usize {
        let mut rest = input;
        loop {
            let Some(session) = self.clients.sessions.get_mut(id) else {
                return input.len();
            };
            if !session.is_reading() {
                break;
            }
            let Some(event) = session.connection.poll_event(&mut rest, now) else {
                break;
            };
            self.handle_event(id, event, now);
        }
        self.finish(now);
        let used = input.len() - rest.len();
        if let Some(session) = self.clients.sessions.get_mut(id) {
            session.counters.received += used as u64;
            if session.connection.has_output() || session.connection.is_closed() {
                self.clients.touch(id);
            }
        }
        self.schedule_session(id);
        used
    }

    fn handle_event(&mut self, id: ConnectionId, event: Event<'_>, now: u64) {
        match event {
            Event::Publish(publish) => {
                self.block_publisher(id, now);
                if let Err(failure) = self.handle_publish(id, &publish, now) {
                    self.fail(
                        id,
                        publish.channel,
                        failure,
                        trefoil_amqp::MethodId::BASIC_PUBLISH,
                        now,
                    );
                }
            }
            Event::Method { channel, method } => {
                if let Err(failure) = self.handle_method(id, channel, &method, now) {
                    self.fail(id, channel, failure, method.id(), now);
                }
            }
            Event::ChannelOpened(channel) => self.open_channel(id, channel, now),
            Event::ChannelCloseRequested(channel) => {
                // What is safe already is confirmed, however soon the channel is closed.
                self.flush_confirms();
                self.release_channel(id, channel, now);
                self.settle_down(now);
                if let Some(session) = self.clients.sessions.get_mut(id) {
                    session.connection.channel_close_ok(channel);
                }
            }
            Event::ChannelClosed(_) => {}
            Event::ChannelViolation { channel, .. } => self.release_channel(id, channel, now),
            Event::CloseRequested { .. } => {
                self.flush_confirms();
                self.release_session(id, now);
                self.settle_down(now);
                if let Some(session) = self.clients.sessions.get_mut(id) {
                    session.connection.close_ok(now);
                }
            }
            Event::Violation(_) => self.release_session(id, now),
            Event::Authenticate {
                mechanism,
                response,
            } => self.authenticate(id, &mechanism, response, now),
            Event::UpdateSecret { secret, .. } => self.update_secret(id, secret, now),
            Event::Open { virtual_host } => self.open_vhost(id, virtual_host, now),
        }
    }

    fn handle_method(
        &mut self,
        id: Key,
        channel: ChannelNumber,
        method: &Method<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        use crate::session::Settle;
        match method {
            Method::BasicAck(ack) => self.handle_settle(
                id,
                channel,
                ack.delivery_tag,
                ack.multiple,
                Settle::Acknowledge,
                now,
            ),
            Method::BasicNack(nack) => self.handle_settle(
                id,
                channel,
                nack.delivery_tag,
                nack.multiple,
                how(nack.requeue),
                now,
            ),
            Method::BasicReject(reject) => self.handle_settle(
                id,
                channel,
                reject.delivery_tag,
                false,
                how(reject.requeue),
                now,
            ),
            Method::BasicRecover(recover) => {
                self.handle_recover(id, channel, recover.requeue, true, now)
            }
            Method::BasicRecoverAsync(recover) => {
                self.handle_recover(id, channel, recover.requeue, false, now)
            }
            Method::BasicGet(get) => self.handle_get(id, channel, get, now),
            Method::BasicQos(qos) => self.handle_qos(id, channel, qos),
            Method::BasicConsume(consume) => self.handle_consume(id, channel, consume, now),
            Method::BasicCancel(cancel) => self.handle_cancel(id, channel, cancel, now),
            Method::QueueDeclare(declare) => self.handle_queue_declare(id, channel, declare, now),
            Method::QueueBind(bind) => self.handle_queue_bind(id, channel, bind, now),
            Method::QueueUnbind(unbind) => self.handle_queue_unbind(id, channel, unbind, now),
            Method::QueuePurge(purge) => self.handle_purge(id, channel, purge, now),
            Method::QueueDelete(delete) => self.handle_queue_delete(id, channel, delete),
            Method::ExchangeDeclare(declare) => self.handle_exchange_declare(id, channel, declare),
            Method::ExchangeDelete(delete) => self.handle_exchange_delete(id, channel, delete),
            Method::ExchangeBind(bind) => self.handle_exchange_bind(id, channel, bind, now),
            Method::ExchangeUnbind(unbind) => self.handle_exchange_unbind(id, channel, unbind),
            Method::ConfirmSelect(select) => {
                self.handle_confirm_select(id, channel, select.no_wait)
            }
            Method::TxSelect(_) => self.handle_tx_select(id, channel),
            Method::TxCommit(_) => self.handle_tx_commit(id, channel, now),
            Method::TxRollback(_) => self.handle_tx_rollback(id, channel),
            _ => Err(Failure::connection(
                trefoil_amqp::ReplyCode::CommandInvalid,
                "unimplemented method",
            )),
        }
    }

    /// Sends an answer.
    pub(crate) fn answer(&mut self, session: Key, channel: ChannelNumber, method: &Method<'_>) {
        if let Some(state) = self.clients.sessions.get_mut(session) {
            state.send(channel, method);
        }
        self.clients.touch(session);
    }

    /// What is to be written to disk now, and whether it has to be synced.
    pub fn take_batch(&mut self) -> Option<(Batch, bool)> {
        self.clean_slice();
        let batch = self.logs.durable.take_batch()?;
        Some((batch, std::mem::take(&mut self.logs.is_sync_wanted)))
    }

    /// What of the transient messages is to be written, because memory has no more room for them.
    pub fn take_transient_batch(&mut self) -> Option<Batch> {
        self.logs.transient.take_batch()
    }

    /// A batch of the durable log is written: confirms and answers that waited for it go out.
    pub fn handle_committed(&mut self, done: Done, now: u64) {
        self.logs.durable.handle_written(done);
        self.resume_durable(now);
        self.flush_confirms();
        self.reveal_streams(now);
    }

    /// There was no space for a batch of the transient log: its messages stay in memory until there is.
    pub fn handle_transient_unwritten(&mut self, batch: &Batch) {
        self.logs.transient.handle_unwritten(batch);
    }

    /// A batch of the transient log is written.
    pub fn handle_transient_written(&mut self, done: Done) {
        self.logs.transient.handle_written(done);
    }
}

fn how(requeue: bool) -> crate::session::Settle {
    if requeue {
        crate::session::Settle::Requeue
    } else {
        crate::session::Settle::Reject
    }
}

#[cfg(test)]
mod tests;
