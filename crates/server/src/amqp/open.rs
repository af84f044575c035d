//! From the configuration to a broker with its logs.

use std::{
    io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use trefoil_amqp::Table;
use trefoil_broker::{Broker, OpenError, Settings, Writers, access::AccessSettings};
use trefoil_store::{DiskStorage, Options, Storage};

use super::{Advertise, AmqpConfig};
use crate::clock::Clock;

/// Transient messages that wait may have so much memory before they go to disk.
const TRANSIENT_MEMORY: usize = 32 << 20;
/// How long a lock is waited for that nobody alive should hold, see `lock.rs`.
const MOMENT: Duration = Duration::from_secs(2);
/// How long a client may take until it has opened a virtual host.
const HANDSHAKE_MAX_MS: u64 = 10_000;
/// The RabbitMQ whose behaviour is ours: clients look at the version to know what they may rely on.
const RABBITMQ_VERSION: &str = "4.2.1";

/// Why a broker does not open.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Its directory.
    #[error("cannot use {}: {source}", path.display())]
    Directory {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is in there.
    #[error("cannot open the broker's log: {0}")]
    Open(#[from] OpenError),
    /// The system has no randomness.
    #[error("cannot seed the broker: {0}")]
    Seed(io::Error),
}

/// Opens the broker in the data directory.
pub(super) fn open(config: &AmqpConfig, clock: &Clock) -> Result<(Broker, Writers), BrokerError> {
    let directory = config.data.join("broker");
    let durable = storage(&directory.join("log"))?;
    let transient = storage(&directory.join("transient"))?;
    let settings = settings(config)?;
    let (broker, writers, report) = Broker::open(settings, durable, transient, clock.steady_ms())?;
    if report.log.is_intact() {
        tracing::info!(%report, "the broker is open");
    } else {
        tracing::error!(%report, "the broker's log was damaged; everything else in it is there");
    }
    Ok((broker, writers))
}

fn storage(path: &Path) -> Result<Arc<dyn Storage>, BrokerError> {
    let deadline = Instant::now() + MOMENT;
    loop {
        match DiskStorage::open(path) {
            Ok(storage) => return Ok(Arc::new(storage)),
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline =>
            {
                thread::park_timeout(Duration::from_millis(5));
            }
            Err(source) => {
                return Err(BrokerError::Directory {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
}

pub(super) fn settings(config: &AmqpConfig) -> Result<Settings, BrokerError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| BrokerError::Seed(io::Error::other(error)))?;
    let half = |at: usize| {
        bytes[at..at + 8]
            .iter()
            .fold(0, |all, byte| (all << 8) | u64::from(*byte))
    };
    let node = config.node();
    let connection = trefoil_amqp::Settings {
        channel_max: config.channel_max,
        frame_max: config.frame_max,
        heartbeat_s: config.heartbeat_s,
        server_properties: server_properties(config.advertise, &node),
        message_size_max: config.message_max,
        handshake_timeout_ms: HANDSHAKE_MAX_MS,
        ..trefoil_amqp::Settings::default()
    };
    Ok(Settings {
        connection,
        cluster: node.clone(),
        node,
        log: Options::durable(),
        transient: Options::spill(TRANSIENT_MEMORY),
        access: AccessSettings {
            external: config
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_ca.is_some()),
            ..AccessSettings::default()
        },
        seed: [half(0), half(8)],
        // Refused where they are accepted.
        connections_max: 0,
        consumers_max: 0,
    })
}

/// What clients are told before they log in. Trefoil is named in any case; `product` and `version` are what programs look
/// at to know how a broker behaves.
fn server_properties(advertise: Advertise, node: &str) -> Table {
    let ours = concat!("Trefoil ", env!("CARGO_PKG_VERSION"));
    let (product, version) = advertise.product();
    let capabilities = [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ]
    .into_iter()
    .fold(Table::new(), |table, name| table.with(name, true));
    Table::new()
        .with("capabilities", capabilities)
        .with("cluster_name", node)
        .with("copyright", "MIT OR Apache-2.0")
        .with("information", "AMQP 0-9-1 broker of Trefoil")
        .with("platform", ours)
        .with("product", product)
        .with("version", version)
}

impl Advertise {
    /// Product and version.
    #[must_use]
    pub fn product(self) -> (&'static str, &'static str) {
        match self {
            Self::RabbitMq => ("RabbitMQ", RABBITMQ_VERSION),
            Self::Own => ("Trefoil", env!("CARGO_PKG_VERSION")),
        }
    }
}
