//! Logging in, opening, closing; alarms; output.

use std::sync::Arc;

use trefoil_amqp::{ChannelNumber, CloseReason, MethodId, ReplyCode};

use super::Broker;
use crate::{
    access::PeerIdentity,
    session::{Channel, Peer, Session},
    slab::Key,
    vhost::{Vhost, VhostId},
};

/// What the shell has to do for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputStatus {
    /// Everything is said: the socket is to be closed when the output is sent.
    pub closed: bool,
    /// Whether its socket is to be read. A connection that is not read keeps what the broker did not use.
    pub reading: bool,
    /// Reading just went on: what was kept is to be given again.
    pub resumed: bool,
    /// [`Broker::handle_drained`] is to be called when all output is sent.
    pub notify_when_drained: bool,
}

impl Broker {
    pub(super) fn connection_settings_for(&self, peer: &Peer) -> &Arc<trefoil_amqp::Settings> {
        // EXTERNAL is for those whom it can let in: many clients choose it whenever it is offered.
        let is_known = peer
            .tls
            .as_ref()
            .and_then(|facts| facts.identity.as_deref())
            .is_some_and(|name| self.access.user(name).is_some());
        if is_known {
            &self.connection_settings_tls
        } else {
            &self.connection_settings
        }
    }

    pub(crate) fn vhost(&self, id: VhostId) -> &Vhost {
        self.vhosts
            .get(id.0)
            .expect("sessions and queues of a virtual host go before it does")
    }

    pub(super) fn vhost_of(&self, session: Key) -> Option<VhostId> {
        self.clients.sessions.get(session)?.vhost
    }

    pub(super) fn authenticate(&mut self, id: Key, mechanism: &str, response: &[u8], now: u64) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        let identity = PeerIdentity {
            loopback: session.peer.address.ip().to_canonical().is_loopback(),
            tls: session.peer.tls.is_some(),
            certificate_user: session
                .peer
                .tls
                .as_ref()
                .and_then(|facts| facts.identity.as_deref()),
        };
        match self.access.authenticate(mechanism, response, identity) {
            Ok(user) => {
                session.user = Some(user.name.as_str().into());
                self.retired.logins += 1;
                mechanism.clone_into(&mut session.mechanism);
                session.connection.authenticated();
            }
            Err(error) => {
                self.retired.logins_refused += 1;
                self.refusals.push(error.clone());
                match error.reply_code() {
                    ReplyCode::AccessRefused => {
                        session
                            .connection
                            .refuse_authentication(&error.to_string(), now);
                    }
                    code => {
                        let reason = CloseReason::new(code, error.to_string(), MethodId::NONE);
                        session.connection.close(&reason, now);
                    }
                }
            }
        }
        self.clients.touch(id);
    }

    pub(super) fn update_secret(&mut self, id: Key, _secret: &[u8], now: u64) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        let stands = session
            .user
            .as_deref()
            .is_some_and(|user| self.access.accept_secret(user));
        if stands {
            session.connection.secret_updated();
            self.clients.touch(id);
        } else {
            let reason = CloseReason::new(
                ReplyCode::NotAllowed,
                "New secret was refused by one of the backends",
                MethodId::CONNECTION_UPDATE_SECRET,
            );
            self.close_session(id, &reason, now);
        }
    }

    pub(super) fn open_vhost(&mut self, id: Key, virtual_host: &str, now: u64) {
        match self.may_open(id, virtual_host) {
            Ok(vhost) => {
                if let Some(session) = self.clients.sessions.get_mut(id) {
                    session.vhost = Some(vhost);
                    session.connection.open_ok();
                }
                self.clients.touch(id);
            }
            Err(text) => {
                let reason =
                    CloseReason::new(ReplyCode::NotAllowed, text, MethodId::CONNECTION_OPEN);
                self.close_session(id, &reason, now);
            }
        }
    }

    fn may_open(&self, id: Key, virtual_host: &str) -> Result<VhostId, String> {
        let max = self.settings.connections_max;
        if max != 0 && self.clients.sessions.len() > max as usize {
            return Err(format!(
                "connection refused: node connection limit ({max}) is reached"
            ));
        }
        let vhost = *self
            .vhost_names
            .get(virtual_host)
            .ok_or_else(|| format!("vhost {virtual_host} not found"))?;
        let user = self
            .clients
            .sessions
            .get(id)
            .and_then(|session| session.user.clone())
            .unwrap_or_else(|| "".into());
        self.access
            .check_virtual_host(&user, virtual_host)
            .map_err(|error| error.to_string())?;
        let count = |counts: &dyn Fn(&Session) -> bool| {
            let open = |session: &Session| session.vhost.is_some() && !session.is_released;
            let sessions = self.clients.sessions.iter();
            sessions
                .filter(|(_, session)| open(session) && counts(session))
                .count() as u64
        };
        let of_user = || count(&|session| session.user.as_deref() == Some(&*user));
        let of_vhost = || count(&|session| session.vhost == Some(vhost));
        self.access
            .check_connections(&user, of_user, virtual_host, of_vhost)
            .map_err(|error| error.to_string())?;
        Ok(vhost)
    }

    pub(super) fn open_channel(&mut self, id: Key, number: ChannelNumber, now: u64) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        let place = usize::from(number.0);
        if session.channels.len() <= place {
            session.channels.resize_with(place + 1, || None);
        }
        session.channels[place] = Some(Box::new(Channel::new(number)));
        self.churn.channel_created += 1;
        let Some(user) = session.user.clone() else {
            return;
        };
        let others = || {
            let open: usize = self
                .clients
                .sessions
                .iter()
                .filter(|(_, session)| session.user.as_deref() == Some(&*user))
                .map(|(_, session)| session.channels.iter().flatten().count())
                .sum();
            // This one is among them.
            open.saturating_sub(1) as u64
        };
        if let Err(error) = self.access.check_channels(&user, others) {
            let reason = CloseReason::new(
                error.reply_code(),
                error.to_string(),
                MethodId::CHANNEL_OPEN,
            );
            self.close_session(id, &reason, now);
        }
    }

    /// Gives back what a channel held: its consumers end, its deliveries return to their queues.
    pub(super) fn release_channel(&mut self, id: Key, number: ChannelNumber, now: u64) {
        if self.clients.channel(id, number).is_none() {
            return;
        }
        self.drop_reply_consumer(id, number);
        // Consumers first, so that nothing is delivered to them again.
        let consumers: Vec<Key> = self
            .clients
            .channel(id, number)
            .map(|channel| channel.consumers.drain().map(|(_, key)| key).collect())
            .unwrap_or_default();
        let mut kept = Vec::new();
        for key in consumers {
            kept.extend(self.detach_consumer(key));
        }
        self.abandon_transaction(id, number, now);
        self.requeue_channel(id, number, now);
        for consumer in kept {
            self.consumer_gone(consumer, now);
        }
        if let Some(session) = self.clients.sessions.get_mut(id)
            && let Some(channel) = session.channels[usize::from(number.0)].take()
        {
            self.retired.add_channel(&channel.counters);
        }
        self.churn.channel_closed += 1;
    }

    /// Gives back what a connection held, exclusive queues included.
    pub(super) fn release_session(&mut self, id: Key, now: u64) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut session.is_released, true) {
            return;
        }
        self.clients.touch(id);
        let count = self
            .clients
            .sessions
            .get(id)
            .map_or(0, |session| session.channels.len());
        for number in 0..count {
            let number = ChannelNumber(u16::try_from(number).unwrap_or(u16::MAX));
            self.release_channel(id, number, now);
        }
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        // What the shell kept for later is read now, up to the client's close-ok.
        session.is_resumed |= !session.is_reading();
        session.waits_for = None;
        session.held_until = None;
        session.held = Vec::new();
        session.is_blocked = false;
        session.connection.set_reading_paused(false, now);
        for queue in std::mem::take(&mut session.exclusive) {
            self.delete_queue(queue, now);
        }
    }

    /// Closes a connection for a reason of ours.
    pub(crate) fn close_session(&mut self, id: Key, reason: &CloseReason, now: u64) {
        self.release_session(id, now);
        if let Some(session) = self.clients.sessions.get_mut(id) {
            session.connection.close(reason, now);
        }
        self.clients.touch(id);
        self.schedule_session(id);
    }

    /// Closes a connection on behalf of an operator.
    pub fn close_connection(&mut self, id: Key, text: &str, now: u64) {
        let reason = CloseReason::new(ReplyCode::ConnectionForced, text.to_owned(), MethodId::NONE);
        self.close_session(id, &reason, now);
        self.finish(now);
    }

    /// Closes all connections on behalf of an operator, or because the broker stops.
    pub fn close_all_connections(&mut self, text: &str, now: u64) {
        for id in self.clients.sessions.keys() {
            self.close_connection(id, text, now);
        }
    }

    /// The socket is gone.
    pub fn handle_disconnect(&mut self, id: Key, now: u64) {
        self.release_session(id, now);
        self.finish(now);
        if let Some(session) = self.clients.sessions.remove(id) {
            self.churn.connection_closed += 1;
            self.retired.add_connection(session.counters);
        }
    }

    /// The socket took all output: deliveries go on.
    pub fn handle_drained(&mut self, id: Key, now: u64) {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        session.unsent = 0;
        if std::mem::take(&mut session.is_congested) {
            self.unpark_session(id);
            self.finish(now);
        }
    }

    /// A connection that the shell has to look at.
    pub fn poll_output(&mut self) -> Option<Key> {
        self.clients.dirty.pop()
    }

    /// Takes what is to be sent. `unsent` is how much of what was taken before has not been sent yet.
    pub fn take_output(&mut self, id: Key, into: &mut Vec<u8>, unsent: usize) -> OutputStatus {
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return OutputStatus {
                closed: true,
                reading: false,
                resumed: false,
                notify_when_drained: false,
            };
        };
        session.is_dirty = false;
        let added = session.connection.output().len();
        session.counters.sent += added as u64;
        session.unsent = unsent + added;
        session.connection.take_output(into);
        OutputStatus {
            closed: session.connection.is_closed(),
            reading: session.is_reading(),
            resumed: std::mem::take(&mut session.is_resumed),
            notify_when_drained: session.is_congested,
        }
    }

    /// What every input and every timer ends with.
    pub(super) fn finish(&mut self, now: u64) {
        self.settle_down(now);
        self.flush_confirms();
        self.log_acknowledgements();
        self.log_cuts();
    }

    /// A connection publishes for the first time, or again: an alarm stops it.
    pub(super) fn block_publisher(&mut self, id: Key, now: u64) {
        let alarms = self.alarms;
        let Some(session) = self.clients.sessions.get_mut(id) else {
            return;
        };
        session.is_publisher = true;
        if alarms.any() && !session.is_blocked {
            session.is_blocked = true;
            session.connection.set_reading_paused(true, now);
            session.connection.blocked(alarms.reason());
            self.clients.touch(id);
        }
    }

    /// Memory is scarce, or is not any more.
    pub fn set_memory_alarm(&mut self, is_on: bool, now: u64) {
        self.alarms_measured.memory = is_on;
        self.apply_alarms(now);
    }

    /// The disk is full, or is not any more.
    pub fn set_disk_alarm(&mut self, is_on: bool, now: u64) {
        self.alarms_measured.disk = is_on;
        self.apply_alarms(now);
    }

    /// Raises or takes back alarms by hand; those that are not given stay as they are. What is measured neither takes them
    /// back nor is taken back by this: an alarm is on while either says so.
    pub fn set_operator_alarm(&mut self, memory: Option<bool>, disk: Option<bool>, now: u64) {
        let by_hand = &mut self.alarms_by_hand;
        by_hand.memory = memory.unwrap_or(by_hand.memory);
        by_hand.disk = disk.unwrap_or(by_hand.disk);
        self.apply_alarms(now);
    }

    /// What stops publishers now.
    #[must_use]
    pub fn alarms(&self) -> super::Alarms {
        self.alarms
    }

    fn apply_alarms(&mut self, now: u64) {
        let alarms = self.alarms_measured.or(self.alarms_by_hand);
        let before = std::mem::replace(&mut self.alarms, alarms);
        if before.disk != alarms.disk {
            self.logs.durable.set_tight(alarms.disk);
        }
        if before.any() == alarms.any() {
            return;
        }
        for id in self.clients.sessions.keys() {
            let Some(session) = self.clients.sessions.get_mut(id) else {
                continue;
            };
            if alarms.any() {
                if session.is_publisher {
                    self.block_publisher(id, now);
                }
            } else if session.is_blocked {
                session.is_blocked = false;
                session.is_resumed = true;
                session.connection.set_reading_paused(false, now);
                session.connection.unblocked();
                self.clients.touch(id);
            }
        }
    }
}

impl Session {
    pub(super) fn new(connection: trefoil_amqp::Connection, peer: Peer, now: u64) -> Self {
        Self {
            connection,
            peer,
            connected_at: now,
            user: None,
            mechanism: String::new(),
            vhost: None,
            channels: Vec::new(),
            exclusive: Vec::new(),
            is_released: false,
            is_dirty: false,
            is_congested: false,
            unsent: 0,
            is_publisher: false,
            is_blocked: false,
            is_resumed: false,
            waits_for: None,
            held_until: None,
            held: Vec::new(),
            timer_at: u64::MAX,
            counters: Default::default(),
        }
    }
}
