//! What the broker's shell is told, and its listeners.

use std::{io, net::SocketAddr, path::PathBuf};

use super::{
    Listening,
    gate::{ListenError, Listener},
    mailbox::Kind,
    open::BrokerError,
    tls::{Certificates, TlsConfig, TlsError},
};

/// Settings of [`super::Amqp`].
#[derive(Debug, Clone)]
pub struct AmqpConfig {
    /// Where AMQP is spoken.
    pub listen: Vec<SocketAddr>,
    /// Where it is spoken over TLS.
    pub tls_listen: Vec<SocketAddr>,
    /// With which certificates.
    pub tls: Option<TlsConfig>,
    /// Whether a proxy says first, on every connection, for whom it speaks.
    pub proxy_protocol: bool,
    /// Reactors.
    pub threads: usize,
    /// Most connections at a time.
    pub connections_max: usize,
    /// Largest frame, bytes.
    pub frame_max: u32,
    /// Most channels of a connection.
    pub channel_max: u16,
    /// Largest message, bytes.
    pub message_max: u64,
    /// Heartbeat interval that clients are offered, seconds; 0 for none.
    pub heartbeat_s: u16,
    /// As what the broker introduces itself.
    pub advertise: Advertise,
    /// Everything is kept in `broker` below this directory, and its disk is watched.
    pub data: PathBuf,
    /// Bytes of memory above which publishers wait; 0 for never.
    pub memory_high: u64,
    /// Bytes of disk below which publishers wait.
    pub disk_free_min: u64,
}

/// As what the broker introduces itself to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advertise {
    /// As the RabbitMQ that it behaves like.
    RabbitMq,
    /// As Trefoil.
    Own,
}

impl AmqpConfig {
    /// Defaults for everything but the data directory; see `docs/src/configuration.md`. It listens nowhere.
    #[must_use]
    pub fn new(data: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            listen: Vec::new(),
            tls_listen: Vec::new(),
            tls: None,
            proxy_protocol: false,
            threads: cores.min(4),
            connections_max: 100_000,
            frame_max: 128 << 10,
            channel_max: 2_047,
            message_max: 16 << 20,
            heartbeat_s: 60,
            advertise: Advertise::RabbitMq,
            data,
            memory_high: crate::total_memory() / 10 * 4,
            disk_free_min: 50_000_000,
        }
    }

    /// The name of this node, as RabbitMQ writes such names.
    #[must_use]
    pub fn node(&self) -> String {
        let about = rustix::system::uname();
        let host = about.nodename().to_string_lossy();
        let host = host.split('.').next().unwrap_or_default();
        format!(
            "rabbit@{}",
            if host.is_empty() { "localhost" } else { host }
        )
    }
}

/// Addresses that are taken. Before the broker is opened: whoever cannot have its port need not recover anything.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(super) sockets: Vec<Listener>,
    pub(super) listening: Vec<Listening>,
    pub(super) tls: Option<Certificates>,
}

/// Why the broker is not served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is not to be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS was asked for, and cannot be spoken.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener with TLS has no certificate.
    #[error("TLS needs a certificate and its key")]
    NoCertificate,
    /// The broker does not open.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The system refuses threads, or what they need.
    #[error("cannot serve AMQP: {0}")]
    Io(#[from] io::Error),
}

impl Listeners {
    /// Takes the addresses of `config`, and reads its certificates.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn bind(config: &AmqpConfig) -> Result<Self, StartError> {
        let mut listeners = Self::default();
        for address in &config.listen {
            listeners.add(*address, Kind::Plain)?;
        }
        if !config.tls_listen.is_empty() {
            let tls = config.tls.as_ref().ok_or(StartError::NoCertificate)?;
            listeners.tls = Some(Certificates::read(tls)?);
        }
        for address in &config.tls_listen {
            listeners.add(*address, Kind::Tls)?;
        }
        Ok(listeners)
    }

    /// What was taken: with the ports that stand for port 0.
    #[must_use]
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    fn add(&mut self, address: SocketAddr, kind: Kind) -> Result<(), StartError> {
        let listener = Listener::bind(address, kind)?;
        self.listening.push(listener.listening());
        self.sockets.push(listener);
        Ok(())
    }
}
