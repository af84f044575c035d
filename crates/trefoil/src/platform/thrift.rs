//! The Thrift endpoint of a platform.

use anyhow::Context as _;
use tokio::sync::mpsc;
use trefoil_server::{
    amqp::Amqp,
    clock::Clock,
    thrift::{
        HandOver, Handed, HandedOver, HandedStream, Listener, Thrift, ThriftConfig, ThriftMetrics,
        UnixSocket,
    },
    tls::TlsFiles,
};

use super::bind;
use crate::{
    config::{Settings, settings::ThriftSettings},
    failure::Failure,
};

/// Connections of HTTP that came to the Thrift port and are not served yet; more are closed.
const HANDED_MAX: usize = 256;

/// What is bound before anything is started.
pub(super) struct Listeners(Vec<Listener>);

impl Listeners {
    /// Takes the addresses.
    pub(super) async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        for address in &settings.thrift.listen {
            let listener = bind(settings, *address, "thrift.listen").await?;
            let listener = listener.into_std().context("cannot use a listener")?;
            listeners.push(Listener::Tcp(listener));
        }
        if let Some(path) = &settings.thrift.unix_listen {
            let socket = UnixSocket::bind(path).map_err(|error| {
                Failure::invalid(
                    format!("cannot listen on {}: {error}", path.display()),
                    "check thrift.unix_listen",
                )
            })?;
            listeners.push(Listener::Unix(socket));
        }
        Ok(Self(listeners))
    }

    /// Serves them. What comes back beside it are connections that speak HTTP.
    pub(super) fn serve(
        self,
        settings: &ThriftSettings,
        amqp: Option<Amqp>,
        metrics: ThriftMetrics,
    ) -> anyhow::Result<(Thrift, mpsc::Receiver<HandedOver>)> {
        let (http, handed) = mpsc::channel(HANDED_MAX);
        let seed = Clock::start().steady_ms() ^ u64::from(std::process::id()) << 32;
        let thrift = Thrift::start(
            ThriftConfig {
                metrics,
                ..config(settings)
            },
            self.0,
            Clock::start(),
            seed,
            hand_over(http, amqp),
        );
        Ok((thrift.context("cannot start the Thrift endpoint")?, handed))
    }
}

fn config(settings: &ThriftSettings) -> ThriftConfig {
    let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let mut config = ThriftConfig {
        threads: count(settings.threads),
        connections_max: count(settings.connections_max),
        call_timeout_ms: settings.call_timeout.as_millis() as u64,
        tls: tls(settings),
        tls_directory: settings.tls_directory.clone(),
        tls_required: settings.tls_required,
        ..ThriftConfig::default()
    };
    config.limits.message_max = count(settings.message_max);
    config.limits.frame_max = count(settings.frame_max);
    config
}

fn tls(settings: &ThriftSettings) -> Option<TlsFiles> {
    Some(TlsFiles {
        certificate: settings.tls_certificate.clone()?,
        key: settings.tls_key.clone()?,
        client_ca: settings.tls_client_ca.clone(),
        client_required: settings.tls_client_required,
    })
}

/// Gives connections to who speaks what they speak.
fn hand_over(http: mpsc::Sender<HandedOver>, amqp: Option<Amqp>) -> HandOver {
    Box::new(move |handed: HandedOver| {
        let peer = handed.peer;
        match (handed.speaks, &amqp) {
            (Handed::Http, _) => {
                if http.try_send(handed).is_err() {
                    tracing::warn!(%peer, "too many connections of HTTP on the Thrift port");
                }
            }
            (Handed::Amqp, Some(amqp)) => {
                // What carries it from within TLS ends with it.
                let taken = match handed.stream {
                    HandedStream::Tcp(socket) => amqp.adopt(socket),
                    HandedStream::Unix(socket) => amqp.adopt_local(socket, peer, handed.local),
                };
                if let Err(error) = taken {
                    tracing::debug!(%error, %peer, "a connection was not taken");
                }
            }
            (Handed::Amqp, None) => {
                tracing::warn!(%peer, "a client speaks AMQP, which is not served");
            }
        }
    })
}
