//! SIGTERM as a flag, and waits that end when it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use crate::Stop;

/// Whether the program was asked to end. Cheap to look at in a computing loop.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Listens for SIGTERM from now on; the calling thread is the one that [`Cancel::wait`]s.
    ///
    /// # Errors
    ///
    /// [`Stop::Signals`] when the handler cannot be installed.
    pub fn on_sigterm() -> Result<Self, Stop> {
        let cancel = Self::default();
        let mut signals = Signals::new([SIGTERM]).map_err(Stop::Signals)?;
        let (flag, waiter) = (cancel.clone(), thread::current());
        thread::Builder::new()
            .name("sigterm".into())
            .spawn(move || {
                for _ in signals.forever() {
                    flag.ask(&waiter);
                }
            })
            .map_err(Stop::Signals)?;
        Ok(cancel)
    }

    fn ask(&self, waiter: &Thread) {
        self.0.store(true, Ordering::Release);
        waiter.unpark();
    }

    /// Whether SIGTERM came.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// [`Stop::Cancelled`] once SIGTERM came.
    ///
    /// # Errors
    ///
    /// As said.
    pub fn check(&self) -> Result<(), Stop> {
        if self.asked() {
            return Err(Stop::Cancelled);
        }
        Ok(())
    }

    /// Waits until `until`, or until SIGTERM comes.
    ///
    /// # Errors
    ///
    /// [`Stop::Cancelled`] when SIGTERM came first.
    pub fn wait(&self, until: Instant) -> Result<(), Stop> {
        loop {
            self.check()?;
            match left(until) {
                Some(rest) => thread::park_timeout(rest),
                None => return Ok(()),
            }
        }
    }

    /// Waits until `until`, whatever signal comes.
    pub fn wait_deaf(&self, until: Instant) {
        while let Some(rest) = left(until) {
            thread::park_timeout(rest);
        }
    }
}

/// The time left until `until`, if any.
fn left(until: Instant) -> Option<Duration> {
    let rest = until.saturating_duration_since(Instant::now());
    (!rest.is_zero()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_at_its_time_or_when_cancelled() {
        let cancel = Cancel::default();
        let start = Instant::now();
        let until = start + Duration::from_millis(20);
        cancel.wait(until).unwrap();
        assert!(Instant::now() >= until);

        let (flag, waiter) = (cancel.clone(), thread::current());
        let asker = thread::spawn(move || flag.ask(&waiter));
        let ended = cancel.wait(Instant::now() + Duration::from_secs(600));
        assert!(matches!(ended, Err(Stop::Cancelled)), "{ended:?}");
        assert!(start.elapsed() < Duration::from_secs(60));
        asker.join().unwrap();

        let until = Instant::now() + Duration::from_millis(20);
        cancel.wait_deaf(until);
        assert!(Instant::now() >= until);
    }
}
