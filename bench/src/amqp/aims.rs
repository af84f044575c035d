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
    /// At most the time of one `fdatasync` in the same run and so many microseconds, in milliseconds.
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

pub(super) const PER_CPU: &str = "per server-CPU-second";
pub(super) const RATE: &str = "messages";
pub(super) const IN_PER_CPU: &str = "in, per server-CPU-second";
pub(super) const OUT_PER_CPU: &str = "out, per server-CPU-second";
pub(super) const LONGEST: &str = "longest queue at the end";
pub(super) const MEMORY: &str = "memory (RSS)";

/// Scenario, number, aim.
pub(super) const AIMS: &[(&str, &str, Goal)] = &[
    ("transient", PER_CPU, Goal::Times(8.0)),
    ("transient", RATE, Goal::AtLeast(1_000_000.0)),
    ("confirmed", PER_CPU, Goal::Times(16.0)),
    ("confirmed-written", PER_CPU, Goal::Times(20.0)),
    ("persistent-4x4", IN_PER_CPU, Goal::Times(12.0)),
    ("persistent-4x4", OUT_PER_CPU, Goal::Times(12.0)),
    // A tenth of a second of what RabbitMQ is to be exceeded by.
    ("persistent-4x4", LONGEST, Goal::AtMost(50_000.0)),
    ("persistent-16k", PER_CPU, Goal::Times(4.0)),
    ("fan-out", PER_CPU, Goal::Times(12.0)),
    ("topic-1000", PER_CPU, Goal::Times(14.0)),
    ("topic-10000", PER_CPU, Goal::Times(14.0)),
    ("idle", MEMORY, Goal::AtMost(15.0)),
];
