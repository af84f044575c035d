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
use trefoil_thrift::Limits;

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
    ThriftConfig {
        threads: count(settings.threads),
        connections_max: count(settings.connections_max),
        call_timeout_ms: settings.call_timeout.as_millis() as u64,
        tls: tls(settings),
        tls_directory: settings.tls_directory.clone(),
        tls_required: settings.tls_required,
        handshake_timeout_ms: settings.handshake_timeout.as_millis() as u64,
        connect_timeout_ms: settings.connect_timeout.as_millis() as u64,
        idle_ms: settings.idle_timeout.as_millis() as u64,
        pool_max: count(settings.pool_max),
        queue_max: count(settings.queue_max),
        limits: limits(settings),
        ..ThriftConfig::default()
    }
}

fn limits(settings: &ThriftSettings) -> Limits {
    let bytes = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Limits {
        message_max: bytes(settings.message_max),
        frame_max: bytes(settings.frame_max),
        depth_max: count(settings.depth_max),
        container_max: count(settings.container_max),
        string_max: bytes(settings.string_max),
        headers_max: bytes(settings.headers_max),
        inflated_max: bytes(settings.inflated_max),
        name_max: bytes(settings.name_max),
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Inputs, load};

    fn configured(pairs: &[(&'static str, &str)]) -> ThriftConfig {
        let dir = tempfile::tempdir().unwrap();
        let flags = pairs
            .iter()
            .map(|(name, text)| (*name, vec![(*text).to_owned()]));
        let loaded = load(&Inputs {
            file: None,
            directory: dir.path().to_path_buf(),
            environment: Vec::new(),
            flags: flags.collect::<BTreeMap<_, _>>(),
        });
        config(&loaded.unwrap().settings.thrift)
    }

    /// Defaults are in the table of keys and in the endpoint, which others use as well.
    #[test]
    fn defaults_are_those_of_the_endpoint() {
        let (found, expected) = (configured(&[]), ThriftConfig::default());
        assert_eq!(found.limits, expected.limits);
        assert_eq!(found.connections_max, expected.connections_max);
        let times = |config: &ThriftConfig| {
            (
                config.call_timeout_ms,
                config.handshake_timeout_ms,
                config.connect_timeout_ms,
                config.idle_ms,
            )
        };
        assert_eq!(times(&found), times(&expected));
        let counts = |config: &ThriftConfig| (config.pool_max, config.queue_max);
        assert_eq!(counts(&found), counts(&expected));
    }

    #[test]
    fn every_limit_can_be_set() {
        let found = configured(&[
            ("thrift.message_max", "1KiB"),
            ("thrift.frame_max", "2KiB"),
            ("thrift.depth_max", "3"),
            ("thrift.container_max", "4"),
            ("thrift.string_max", "5KiB"),
            ("thrift.headers_max", "6KiB"),
            ("thrift.inflated_max", "7KiB"),
            ("thrift.name_max", "8KiB"),
            ("thrift.handshake_timeout", "8s"),
            ("thrift.connect_timeout", "9s"),
            ("thrift.idle_timeout", "10s"),
            ("thrift.pool_max", "11"),
            ("thrift.queue_max", "12"),
        ]);
        let expected = Limits {
            message_max: 1 << 10,
            frame_max: 2 << 10,
            depth_max: 3,
            container_max: 4,
            string_max: 5 << 10,
            headers_max: 6 << 10,
            inflated_max: 7 << 10,
            name_max: 8 << 10,
        };
        assert_eq!(found.limits, expected);
        assert_eq!(found.handshake_timeout_ms, 8_000);
        assert_eq!((found.connect_timeout_ms, found.idle_ms), (9_000, 10_000));
        assert_eq!((found.pool_max, found.queue_max), (11, 12));
    }
}
