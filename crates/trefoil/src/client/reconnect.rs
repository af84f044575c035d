//! How long and how often a stream that broke is taken up again.

use std::time::{Duration, Instant};

use super::ClientError;

/// A restart of the platform takes seconds; after this long somebody has to look.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Pauses that double until something arrives again.
#[derive(Debug)]
pub(crate) struct Reconnect {
    pause_first: Duration,
    pause: Duration,
    broken_since: Option<Instant>,
}

impl Reconnect {
    /// Starts with `pause`.
    pub(crate) fn new(pause: Duration) -> Reconnect {
        Reconnect {
            pause_first: pause,
            pause,
            broken_since: None,
        }
    }

    /// The server's own wish (`retry:` of an event stream).
    pub(crate) fn set_pause(&mut self, pause: Duration) {
        self.pause_first = pause.min(PAUSE_MAX);
        self.pause = self.pause_first;
    }

    /// Something arrived.
    pub(crate) fn healthy(&mut self) {
        self.pause = self.pause_first;
        self.broken_since = None;
    }

    /// Waits before the next attempt, at most until `deadline`.
    ///
    /// # Errors
    ///
    /// `error`, when it has been broken for too long.
    pub(crate) fn pause(
        &mut self,
        error: ClientError,
        deadline: Option<Instant>,
    ) -> Result<(), ClientError> {
        let now = Instant::now();
        let since = *self.broken_since.get_or_insert(now);
        if now.duration_since(since) >= GIVE_UP_AFTER {
            return Err(error);
        }
        let left = deadline.map_or(self.pause, |deadline| deadline.duration_since(now));
        tracing::debug!(%error, pause = ?self.pause, "stream broke, trying again");
        pause_for(self.pause.min(left));
        self.pause = (self.pause * 2).clamp(Duration::from_millis(50), PAUSE_MAX);
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a platform that is away sends no event to wait for"
)]
fn pause_for(pause: Duration) {
    std::thread::sleep(pause);
}
