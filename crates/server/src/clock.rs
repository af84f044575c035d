//! The clocks of the machine: the one place that reads them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use trefoil_jobs::Now;

/// Reads the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    origin_wall_ms: u64,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
            origin_wall_ms: wall_ms(),
        }
    }

    /// Milliseconds since the Unix epoch by a clock that nobody sets: the wall clock's at the start, and what has passed since.
    #[must_use]
    pub fn steady_ms(&self) -> u64 {
        let since = self.origin.elapsed().as_millis();
        self.origin_wall_ms
            .saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// The same in microseconds.
    #[must_use]
    pub fn steady_us(&self) -> u64 {
        let since = self.origin.elapsed().as_micros();
        (self.origin_wall_ms.saturating_mul(1_000))
            .saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Now {
        let mono = self.origin.elapsed().as_millis();
        Now {
            wall_ms: wall_ms(),
            mono_ms: u64::try_from(mono).unwrap_or(u64::MAX),
        }
    }
}

/// Milliseconds since the Unix epoch; 0 for a clock set before it.
#[must_use]
pub fn wall_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
