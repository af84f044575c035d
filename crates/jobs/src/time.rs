//! Time as an argument.

/// The two clocks a decision may need. Leases and limits run on `mono_ms`, so that a stepped wall clock neither kills
/// nor prolongs anything; stored instants use `wall_ms`, so that they mean something after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Milliseconds of a clock that never goes back, from an arbitrary origin.
    pub mono_ms: u64,
}

impl Now {
    /// The monotonic instant that corresponds to a wall-clock instant, as far as can be told now.
    #[must_use]
    pub fn mono_at(&self, wall_ms: u64) -> u64 {
        self.mono_ms
            .saturating_add(wall_ms.saturating_sub(self.wall_ms))
    }
}
