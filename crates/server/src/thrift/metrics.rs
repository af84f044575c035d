//! What the endpoint counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    pub(super) fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How much it is now.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of the endpoint, since it started.
#[derive(Debug, Default)]
pub struct ThriftMetrics {
    /// Calls that were begun.
    pub calls: Count,
    /// Those that failed without a reply of an instance.
    pub failures: Count,
    /// Tries beyond the first.
    pub retries: Count,
    /// Input that was no request.
    pub violations: Count,
}
