//! The broker of a platform, and its management.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use axum::Router;
use tokio::net::TcpListener;
use trefoil_gateway::ManagementConfig;
use trefoil_server::amqp::{
    Advertise, Amqp, AmqpConfig, Listeners as AmqpListeners, LoginFrom, StartError, TlsConfig,
};

use super::{bind, cannot_listen};
use crate::{
    config::{Settings, settings::AmqpSettings, value},
    failure::Failure,
};

/// How long clients may take to answer that the broker closes their connections.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// What is bound before anything is started.
pub(super) struct Listeners {
    amqp: AmqpListeners,
    config: AmqpConfig,
    management: Vec<TcpListener>,
}

/// A broker that runs.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) amqp: Amqp,
    pub(super) management: Vec<SocketAddr>,
}

/// What HTTP has to do with it.
pub(super) struct Served {
    /// For the platform's own listener.
    pub(super) beside: Router,
    /// For management's.
    pub(super) alone: Router,
    pub(super) listeners: Vec<TcpListener>,
}

impl Listeners {
    /// Takes the addresses of the broker and its management.
    pub(super) async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let config = config(settings);
        let amqp = AmqpListeners::bind(&config).map_err(|error| match error {
            StartError::Listen(error) => {
                let key = if error.tls {
                    "amqp.tls_listen"
                } else {
                    "amqp.listen"
                };
                cannot_listen(settings, error.address, key, &error.source)
            }
            error => Failure::invalid(
                error.to_string(),
                "check amqp.tls_certificate, amqp.tls_key and amqp.tls_client_ca",
            )
            .into(),
        })?;
        let mut management = Vec::new();
        for address in &settings.amqp.management_listen {
            management.push(bind(settings, *address, "management.listen").await?);
        }
        Ok(Self {
            amqp,
            config,
            management,
        })
    }
}

impl Broker {
    /// Opens the broker and serves it. What HTTP shows of it is to be served by the caller.
    pub(super) async fn start(
        settings: &Settings,
        listeners: Listeners,
    ) -> anyhow::Result<(Self, Served)> {
        let Listeners {
            amqp,
            config,
            management: listeners,
        } = listeners;
        raise_open_files();
        let (product, version) = config.advertise.product();
        let node = config.node();
        // Recovery reads the whole log.
        let amqp = tokio::task::spawn_blocking(move || Amqp::open(config, amqp))
            .await
            .context("opening the broker failed")?
            .map_err(|error| {
                let hint = "`trefoil doctor` looks at the usual causes";
                Failure::unavailable(error.to_string(), hint)
            })?;
        let mut management = Vec::new();
        for listener in &listeners {
            management.push(
                listener
                    .local_addr()
                    .context("cannot tell the address of the listener")?,
            );
        }
        let config = ManagementConfig {
            node,
            rabbitmq_version: Advertise::RabbitMq.product().1.to_owned(),
            product: (product.to_owned(), version.to_owned()),
            listen: management.clone(),
            data: settings.data.clone(),
            config_files: Vec::new(),
            certificates: settings.amqp.tls_certificate.iter().cloned().collect(),
        };
        let api = trefoil_gateway::management(amqp.clone(), config);
        let origins = settings.amqp.websocket_origins.clone();
        let websocket = trefoil_gateway::amqp_websocket(amqp.clone(), origins);
        let served = Served {
            beside: Router::new()
                .route_service("/api", api.clone())
                .route_service("/api/", api.clone())
                .route_service("/api/{*rest}", api.clone())
                .merge(websocket.clone()),
            alone: websocket.fallback_service(api),
            listeners,
        };
        Ok((Self { amqp, management }, served))
    }

    /// Tells clients that it is over, and returns when everything is on disk.
    pub(super) async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || self.amqp.stop(CLOSE_MAX)).await;
        if let Err(error) = stopped {
            tracing::error!(%error, "stopping the broker failed");
        }
    }
}

fn config(settings: &Settings) -> AmqpConfig {
    let amqp: &AmqpSettings = &settings.amqp;
    let tls = match (&amqp.tls_certificate, &amqp.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsConfig {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: amqp.tls_client_ca.clone(),
            client_required: amqp.tls_client_required,
            login_from: match amqp.tls_login_from {
                value::LoginFrom::Subject => LoginFrom::DistinguishedName,
                value::LoginFrom::CommonName => LoginFrom::CommonName,
                value::LoginFrom::AlternativeName => {
                    LoginFrom::AlternativeName(amqp.tls_login_san_type)
                }
            },
        }),
        _ => None,
    };
    let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let short = |value: u64| u16::try_from(value).unwrap_or(u16::MAX);
    AmqpConfig {
        listen: amqp.listen.clone(),
        tls_listen: amqp.tls_listen.clone(),
        tls,
        proxy_protocol: amqp.proxy_protocol,
        threads: count(amqp.threads),
        connections_max: count(amqp.connections_max),
        frame_max: u32::try_from(amqp.frame_max).unwrap_or(u32::MAX),
        channel_max: short(amqp.channel_max),
        message_max: amqp.message_max,
        // What is not whole seconds is rounded up, so that a little is not nothing.
        heartbeat_s: short(amqp.heartbeat.as_millis().div_ceil(1_000) as u64),
        advertise: match amqp.advertise {
            value::Advertise::RabbitMq => Advertise::RabbitMq,
            value::Advertise::Own => Advertise::Own,
        },
        memory_high: amqp.memory_high,
        disk_free_min: amqp.disk_free_min,
        ..AmqpConfig::new(settings.data.clone())
    }
}

/// Every connection is a file. The limit that is usual, 1024, is for programs that use `select`, and may be raised up to
/// what the administrator allows.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}
