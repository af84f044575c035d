//! What Trefoil is to reach: the best AMQP broker known, measured against RabbitMQ on this kind of machine, and more.

/// What a number should be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// So many times better than RabbitMQ in the same run.
    Times(f64),
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
    /// At most the time of one `fdatasync` just before and so many microseconds, in milliseconds.
    SyncAnd(f64),
}

impl Goal {
    pub(super) fn relation(self) -> &'static str {
        match self {
            Self::Times(_) | Self::AtLeast(_) => ">=",
            Self::AtMost(_) | Self::SyncAnd(_) => "<=",
        }
    }
}

// Names of numbers: here, so that an aim cannot be about a number that does not exist.
pub(super) const PER_CPU: &str = "per server-CPU-second";
pub(super) const RATE: &str = "messages";
pub(super) const IN_PER_CPU: &str = "in, per server-CPU-second";
pub(super) const OUT_PER_CPU: &str = "out, per server-CPU-second";
pub(super) const LONGEST: &str = "longest queue at the end";
pub(super) const ROUND_TRIP: &str = "round trip, p50";
pub(super) const CONFIRM: &str = "confirm, p50";
pub(super) const END_TO_END_P50: &str = "end to end, p50";
pub(super) const END_TO_END_P99: &str = "end to end, p99";
pub(super) const PUBLISH_PER_CPU: &str = "publish, per server-CPU-second";
pub(super) const DRAIN_PER_CPU: &str = "drain, per server-CPU-second";
pub(super) const MILLION: &str = "memory (RSS) for 1,000,000 messages";
pub(super) const OUTAGE: &str = "from kill -9 to the first confirm";
pub(super) const START: &str = "start with the durable queues";
pub(super) const IDLE_CPU: &str = "CPU at rest";
pub(super) const MEMORY: &str = "memory (RSS)";

/// Scenario, number, aim.
pub(super) const AIMS: &[(&str, &str, Goal)] = &[
    ("transient", PER_CPU, Goal::Times(8.0)),
    ("transient", RATE, Goal::AtLeast(1_000_000.0)),
    ("confirmed", PER_CPU, Goal::Times(16.0)),
    ("confirmed-written", PER_CPU, Goal::Times(20.0)),
    ("persistent-4x4", IN_PER_CPU, Goal::Times(12.0)),
    ("persistent-4x4", OUT_PER_CPU, Goal::Times(12.0)),
    // Short: what one publisher sends in a tenth of a second.
    ("persistent-4x4", LONGEST, Goal::AtMost(10_000.0)),
    ("persistent-16k", PER_CPU, Goal::Times(4.0)),
    ("fan-out", PER_CPU, Goal::Times(12.0)),
    ("topic-1000", PER_CPU, Goal::Times(14.0)),
    ("topic-10000", PER_CPU, Goal::Times(14.0)),
    ("rpc-64", PER_CPU, Goal::Times(8.0)),
    ("rpc-1", ROUND_TRIP, Goal::AtMost(0.06)),
    ("confirm-latency", CONFIRM, Goal::SyncAnd(60.0)),
    ("fixed-rate", END_TO_END_P50, Goal::AtMost(0.4)),
    ("fixed-rate", END_TO_END_P99, Goal::AtMost(1.0)),
    ("backlog", PUBLISH_PER_CPU, Goal::Times(50.0)),
    ("backlog", DRAIN_PER_CPU, Goal::Times(9.0)),
    ("million", MILLION, Goal::AtMost(64.0)),
    ("outage", OUTAGE, Goal::AtMost(0.3)),
    ("connections", MEMORY, Goal::AtMost(100.0)),
    ("queues", START, Goal::AtMost(2_000.0)),
    ("idle", MEMORY, Goal::AtMost(15.0)),
    // About nothing.
    ("idle", IDLE_CPU, Goal::AtMost(0.5)),
];
