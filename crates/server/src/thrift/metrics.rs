//! What the endpoint counts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// A method of a service version. Contracts name them, so their number is bounded.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct MethodLabels {
    /// `key:version`.
    pub service: String,
    /// The method.
    pub method: String,
}

/// Counters of the endpoint. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct ThriftMetrics {
    /// Calls that were begun.
    pub calls: Counter,
    /// Those that failed without a reply of an instance.
    pub failures: Counter,
    /// Tries beyond the first.
    pub retries: Counter,
    /// Input that was no request.
    pub violations: Counter,
    /// Calls of methods that should no longer be used.
    pub deprecated: Family<MethodLabels, Counter>,
    /// Connections of callers.
    pub connections: Gauge,
}

impl ThriftMetrics {
    /// Has them shown.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let counters = [
            ("thrift_calls", "Calls of methods", &self.calls),
            (
                "thrift_call_failures",
                "Calls without a reply of an instance",
                &self.failures,
            ),
            (
                "thrift_call_retries",
                "Tries of calls beyond the first",
                &self.retries,
            ),
            (
                "thrift_violations",
                "Input of callers that was no request",
                &self.violations,
            ),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        registry.register(
            "thrift_deprecated_calls",
            "Calls of methods that should no longer be used",
            self.deprecated.clone(),
        );
        let connections = self.connections.clone();
        registry.register("thrift_connections", "Connections of callers", connections);
    }
}
