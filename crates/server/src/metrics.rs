//! What the platform counts, in the names and units of OpenMetrics.

use std::sync::{Arc, atomic::AtomicU64};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use trefoil_jobs::{Effect, Load, State};

use crate::thrift::ThriftMetrics;

/// Buckets of OpenTelemetry's semantic conventions for HTTP and RPC durations, in seconds.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// Labels of a request: the route's pattern, never its path, so that their number is bounded.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct RequestLabels {
    /// HTTP method.
    pub method: &'static str,
    /// Pattern of the route.
    pub route: &'static str,
    /// Status code.
    pub status: u16,
}

/// All metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    changes: Family<StateLabel, Counter>,
    attempts: Counter,
    queued: Gauge,
    active: Gauge,
    failed_rounds: Counter,
    requests: Family<RequestLabels, Histogram>,
    storage_free: Gauge<f64, AtomicU64>,
    thrift: ThriftMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("trefoil");
        let changes = Family::default();
        registry.register("job_changes", "Jobs that entered a state", changes.clone());
        let attempts = Counter::default();
        registry.register("job_attempts", "Attempts started", attempts.clone());
        let queued = Gauge::default();
        registry.register("jobs_queued", "Jobs waiting for a worker", queued.clone());
        let active = Gauge::default();
        registry.register("jobs_active", "Jobs with a worker", active.clone());
        let failed_rounds = Counter::default();
        registry.register(
            "store_failed_rounds",
            "Transactions that could not be kept",
            failed_rounds.clone(),
        );
        let requests =
            Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        registry.register_with_unit(
            "http_server_request_duration",
            "Time from the head of a request to the head of its answer",
            Unit::Seconds,
            requests.clone(),
        );
        let storage_free = Gauge::default();
        registry.register_with_unit(
            "storage_free",
            "Space left for data",
            Unit::Bytes,
            storage_free.clone(),
        );
        let thrift = ThriftMetrics::default();
        thrift.register(&mut registry);
        let inner = Inner {
            registry,
            changes,
            attempts,
            queued,
            active,
            failed_rounds,
            requests,
            storage_free,
            thrift,
        };
        Self(Arc::new(inner))
    }
}

impl Metrics {
    pub(crate) fn load(&self, load: Load) {
        self.0.queued.set(load.queued.cast_signed());
        self.0.active.set(load.active.cast_signed());
    }

    pub(crate) fn effect(&self, effect: &Effect) {
        match effect {
            Effect::Start { .. } => {
                self.0.attempts.inc();
            }
            Effect::Changed(changed) => self.state(changed.state),
            Effect::Stop { .. } | Effect::Progress { .. } => {}
        }
    }

    fn state(&self, state: State) {
        self.0
            .changes
            .get_or_create(&StateLabel {
                state: state.as_str(),
            })
            .inc();
    }

    pub(crate) fn round_failed(&self) {
        self.0.failed_rounds.inc();
    }

    /// Where the Thrift endpoint counts.
    #[must_use]
    pub fn thrift(&self) -> &ThriftMetrics {
        &self.0.thrift
    }

    /// A request was answered.
    pub fn request(&self, labels: &RequestLabels, seconds: f64) {
        self.0.requests.get_or_create(labels).observe(seconds);
    }

    /// The text of all metrics, OpenMetrics 1.0. `storage_free` is looked up by the caller, as of now.
    #[must_use]
    pub fn text(&self, storage_free: Option<u64>) -> String {
        if let Some(free) = storage_free {
            self.0.storage_free.set(free as f64);
        }
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}
