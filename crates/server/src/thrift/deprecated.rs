//! Calls of methods that should no longer be used: counted, and said in the log once in a while.

use std::{
    fmt::Display,
    sync::atomic::{AtomicU64, Ordering},
};

use trefoil_thrift::deprecation::Deprecation;

use super::{metrics::MethodLabels, routes::Target};

/// How often the log names a method, in milliseconds: enough to find who calls it, too little to fill a disk.
const SAID_EVERY_MS: u64 = 3_600_000;

/// What is known of a deprecated method. All threads share it.
#[derive(Debug)]
pub(super) struct Deprecated {
    pub(super) said: Deprecation,
    /// What replies say of it.
    headers: Vec<(&'static str, String)>,
    pub(super) labels: MethodLabels,
    /// When the log may name it again.
    next_ms: AtomicU64,
}

impl Deprecated {
    pub(super) fn new(said: Deprecation, labels: MethodLabels) -> Self {
        Self {
            headers: said.headers(),
            said,
            labels,
            next_ms: AtomicU64::new(0),
        }
    }

    /// What a reply says, if its transport has headers.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let headers = self.headers.iter();
        headers.map(|(key, value)| (key.as_bytes(), value.as_bytes()))
    }

    /// It was called; whether the log says so this time.
    fn is_said(&self, now_ms: u64) -> bool {
        let next = self.next_ms.load(Ordering::Relaxed);
        // Of two threads one says it.
        now_ms >= next
            && self
                .next_ms
                .compare_exchange(
                    next,
                    now_ms.saturating_add(SAID_EVERY_MS),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok()
    }

    /// Says that it was called, unless it was said not long ago.
    pub(super) fn note(&self, target: &Target, caller: &dyn Display, now_ms: u64) {
        if !self.is_said(now_ms) {
            return;
        }
        tracing::info!(
            service = %target.service,
            method = target.method().name,
            %caller,
            why = self.said.why.as_deref().unwrap_or_default(),
            "a deprecated method is called; further calls of this hour are only counted"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_once_an_hour() {
        let labels = MethodLabels {
            service: "a/b:1.0.0".to_owned(),
            method: "old".to_owned(),
        };
        let deprecated = Deprecated::new(Deprecation::default(), labels);
        let said = [0, 1, SAID_EVERY_MS - 1, SAID_EVERY_MS, SAID_EVERY_MS + 1];
        let said = said.map(|now| deprecated.is_said(now));
        assert_eq!(said, [true, false, false, true, false]);
    }
}
