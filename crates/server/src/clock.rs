//! The clocks of the machine: the one place that reads them.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use trefoil_jobs::Now;

/// Reads the clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
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
