//! What operators do, by management and by `trefoil ctl`.
//!
//! What is also an AMQP method is done by that method, in a session that lasts for the one call ([`Broker::perform`]): so
//! permissions, checks and texts are the same. The rest changes entities and keeps them (`entities`, `users`). Whoever needs to
//! know that a change is on disk asks [`Broker::durable_target`] behind it, and [`Broker::is_durable`] until it is.

mod entities;
mod import;
mod messages;
#[cfg(test)]
mod tests;
mod users;

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use trefoil_amqp::{
    ChannelNumber, Connection, Method, ReplyCode, TableRef, encode,
    method::{channel, connection},
};
use trefoil_store::Position;

pub use entities::{
    NewPassword, ParameterView, PermissionView, TopicPermissionView, UserChange, VhostChange,
};
pub use messages::Fetch;

use super::{Broker, Failure};
use crate::{
    access::{Mechanism, Secret, User},
    arguments::queue_resource,
    session::{Channel, Peer, Session},
    slab::Key,
    vhost::VhostId,
};

/// Why something was not done, as AMQP would tell it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// What kind of refusal it is.
    pub code: ReplyCode,
    /// In RabbitMQ's words, without the name of the code.
    pub text: String,
}

impl Refusal {
    fn new(code: ReplyCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }

    /// What was asked for makes no sense.
    fn invalid(text: impl ToString) -> Self {
        Self::new(ReplyCode::PreconditionFailed, text.to_string())
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused { code, text } => Self::new(code, text),
            Failure::Gone => Self::new(ReplyCode::InternalError, "the session is gone"),
        }
    }
}

/// The channel of a session that lasts for one call.
const CHANNEL: ChannelNumber = ChannelNumber(1);

impl Broker {
    /// The user of this name and password, if there is one who may come from there.
    #[must_use]
    pub fn log_in(&mut self, name: &str, password: &[u8], address: IpAddr) -> Option<User> {
        let secret = Secret {
            user: name.as_bytes(),
            password,
        };
        let loopback = address.to_canonical().is_loopback();
        let found = self.access.check_secret(Mechanism::Plain, secret, loopback);
        found.ok().cloned()
    }

    /// Where the log will be on disk when everything is that was done so far.
    pub fn durable_target(&mut self) -> Position {
        self.logs.is_sync_wanted = true;
        self.logs.durable.end()
    }

    /// Whether the log is on disk up to there.
    #[must_use]
    pub fn is_durable(&self, target: Position) -> bool {
        self.logs.durable.durable() >= target
    }

    /// Does what a method says, for a user in a virtual host.
    ///
    /// # Errors
    /// What closes the channel of a client that sends this method, or its connection.
    pub fn perform(
        &mut self,
        user: &User,
        vhost: &str,
        method: &Method<'_>,
        now: u64,
    ) -> Result<(), Refusal> {
        self.as_user(user, vhost, now, |broker, session| {
            broker.handle_method(session, CHANNEL, method, now)
        })
    }

    /// Runs `act` in a session of its own.
    fn as_user<T>(
        &mut self,
        user: &User,
        vhost: &str,
        now: u64,
        act: impl FnOnce(&mut Self, Key) -> Result<T, Failure>,
    ) -> Result<T, Refusal> {
        let Some(vhost) = self.vhost_names.get(vhost).copied() else {
            return Err(Refusal::new(ReplyCode::NotFound, "vhost_not_found"));
        };
        let session = self.enter(user, vhost, now);
        let done = act(self, session);
        self.leave(session, now);
        Ok(done?)
    }

    /// A session like any other, but with nobody at the other end.
    fn enter(&mut self, user: &User, vhost: VhostId, now: u64) -> Key {
        let nowhere = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let peer = Peer {
            address: nowhere,
            local: nowhere,
            tls: None,
        };
        let mut connection = Connection::new(&self.connection_settings, now);
        shake_hands(&mut connection, now);
        let mut session = Session::new(connection, peer, now);
        session.user = Some(user.name.as_str().into());
        session.vhost = Some(vhost);
        session.channels = vec![None, Some(Box::new(Channel::new(CHANNEL)))];
        self.clients.sessions.insert(session)
    }

    fn leave(&mut self, session: Key, now: u64) {
        self.release_session(session, now);
        // It was never opened for the statistics.
        self.churn.channel_closed -= 1;
        self.finish(now);
        self.clients.sessions.remove(session);
        self.clients.dirty.retain(|other| *other != session);
    }

    /// A queue that has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn need_queue(&self, vhost: &str, name: &str) -> Result<(), Refusal> {
        let found = self.vhost_names.get(vhost).copied();
        match found.and_then(|vhost| self.vhost(vhost).topology.queue_id(name)) {
            Some(_) => Ok(()),
            None => {
                let text = format!("no {}", queue_resource(vhost, name));
                Err(Refusal::new(ReplyCode::NotFound, text))
            }
        }
    }

    /// An exchange that has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn need_exchange(&self, vhost: &str, name: &str) -> Result<(), Refusal> {
        let found = self.vhost_names.get(vhost).copied();
        match found.and_then(|vhost| self.vhost(vhost).topology.exchange_id(name)) {
            Some(_) => Ok(()),
            None => {
                let text = format!("no exchange '{name}' in vhost '{vhost}'");
                Err(Refusal::new(ReplyCode::NotFound, text))
            }
        }
    }

    /// Closes the connection with this number of [`crate::inspect::ConnectionView`]. Whether it is still there.
    pub fn close_connection_by_number(&mut self, number: u64, reason: &str, now: u64) -> bool {
        let keys = self.clients.sessions.keys();
        let Some(key) = keys.into_iter().find(|key| key.number() == number) else {
            return false;
        };
        self.close_connection(key, reason, now);
        true
    }

    /// Whether [`Broker::stop_app`] was called, and [`Broker::start_app`] was not since.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Closes everything that a restart of the broker would close, and drops what it would drop: connections, exclusive and
    /// transient queues, transient messages, alarms that were raised by hand. The shell closes its listeners before.
    pub fn stop_app(&mut self, now: u64) {
        self.is_stopped = true;
        self.close_all_connections(
            "broker forced connection closure with reason 'shutdown'",
            now,
        );
        let transient: Vec<_> = self
            .queues
            .iter()
            .filter(|(_, queue)| !queue.keeps())
            .map(|(id, _)| id)
            .collect();
        for id in transient {
            self.delete_queue(id, now);
        }
        self.drop_transient_messages();
        self.set_operator_alarm(Some(false), Some(false), now);
        self.finish(now);
    }

    /// Durable queues keep what is persistent.
    fn drop_transient_messages(&mut self) {
        let Self { queues, logs, .. } = self;
        for (_, queue) in queues.iter_mut() {
            let mut kept = Vec::new();
            while let Some(entry) = queue.ready.pop() {
                match entry.is_persistent() {
                    true => kept.push(entry),
                    false => logs.release(&entry),
                }
            }
            for entry in kept {
                queue.ready.insert(entry);
            }
        }
    }

    /// Connections may come again. The shell opens its listeners behind.
    pub fn start_app(&mut self, _now: u64) {
        self.is_stopped = false;
    }

    /// How many channels a new connection may have; 0 is no limit.
    #[must_use]
    pub fn channel_max(&self) -> u16 {
        self.connection_settings.channel_max
    }

    /// Sets that, for connections to come.
    pub fn set_channel_max(&mut self, channel_max: u16) {
        for settings in [
            &mut self.connection_settings,
            &mut self.connection_settings_tls,
        ] {
            Arc::make_mut(settings).channel_max = channel_max;
        }
    }

    /// Users who may come from this machine only.
    #[must_use]
    pub fn loopback_users(&self) -> Vec<String> {
        let mut users: Vec<String> = self
            .access
            .settings()
            .loopback_users
            .iter()
            .cloned()
            .collect();
        users.sort();
        users
    }

    /// Sets who may come from this machine only.
    pub fn set_loopback_users(&mut self, users: Vec<String>) {
        self.access.set_loopback_users(users.into_iter().collect());
    }
}

/// Brings a connection that nobody reads to where methods may be sent on it.
fn shake_hands(connection: &mut Connection, now: u64) {
    let tune = connection.tune();
    let mut input = b"AMQP\0\0\x09\x01".to_vec();
    let mut say = |number: u16, method: &Method<'_>| {
        encode::method(&mut input, ChannelNumber(number), method)
    };
    say(
        0,
        &Method::ConnectionStartOk(connection::StartOk {
            client_properties: TableRef::EMPTY,
            mechanism: "PLAIN",
            response: b"",
            locale: "en_US",
        }),
    );
    say(
        0,
        &Method::ConnectionTuneOk(connection::TuneOk {
            channel_max: tune.channel_max,
            frame_max: tune.frame_max,
            heartbeat: 0,
        }),
    );
    say(
        0,
        &Method::ConnectionOpen(connection::Open {
            virtual_host: "/",
            capabilities: "",
            insist: false,
        }),
    );
    say(
        CHANNEL.0,
        &Method::ChannelOpen(channel::Open { out_of_band: "" }),
    );
    let mut rest = input.as_slice();
    while let Some(event) = connection.poll_event(&mut rest, now) {
        // Who it is and where was found out before.
        match event {
            trefoil_amqp::Event::Authenticate { .. } => connection.authenticated(),
            trefoil_amqp::Event::Open { .. } => connection.open_ok(),
            _ => {}
        }
    }
    debug_assert!(connection.is_open(), "the handshake is what a client does");
    connection.output().clear();
}
