//! What a job may use and how often it may be tried.

use serde::{Deserialize, Serialize};

use crate::FailureClass;

/// What one attempt reserves on its worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Thousandths of a CPU.
    pub milli_cpus: u32,
    /// Bytes.
    pub memory: u64,
}

/// Time limits, all in milliseconds; `None` means none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// From eligible to the first start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<u64>,
    /// From an attempt's start until it is asked to stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_soft_ms: Option<u64>,
    /// From an attempt's start until it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt_ms: Option<u64>,
    /// Without any output of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
    /// From submission to the end of the job, all attempts and waits included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// Between asking an attempt to stop and killing it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
}

/// Grace of an attempt whose limits name none: long enough to write a checkpoint, short enough to wait for.
pub(crate) const GRACE_MS: u64 = 10_000;

/// When a failed attempt is followed by another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryPolicy {
    /// Attempts that may end in a failure of the job's own.
    pub max_attempts: u32,
    /// Attempts that may be lost with their worker; these do not count as attempts of the job's own.
    pub max_crashes: u32,
    /// Wait before the second attempt, in milliseconds.
    pub initial_ms: u64,
    /// Each further wait is this many times the one before.
    pub factor: f64,
    /// Longest wait, in milliseconds.
    pub max_ms: u64,
    /// Whether the wait is drawn between nothing and the computed one ("full jitter").
    pub jitter: bool,
    /// Which classes of failure are tried again.
    pub retry_on: Vec<FailureClass>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            max_crashes: 5,
            initial_ms: 1_000,
            factor: 2.0,
            max_ms: 300_000,
            jitter: true,
            retry_on: vec![FailureClass::Temporary],
        }
    }
}

impl RetryPolicy {
    /// Milliseconds to wait before the attempt after the `failures`-th failure (from 1).
    #[must_use]
    pub fn backoff_ms(&self, failures: u32, random: u64) -> u64 {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        // Saturating: a float beyond u64 casts to u64::MAX and meets the cap.
        let full = (self.initial_ms as f64 * self.factor.powi(exponent)) as u64;
        let full = full.min(self.max_ms);
        if self.jitter && full > 0 {
            random % (full + 1)
        } else {
            full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap_and_jitter_stays_below_it() {
        let policy = RetryPolicy {
            jitter: false,
            ..RetryPolicy::default()
        };
        let waits: Vec<u64> = (1..=10).map(|n| policy.backoff_ms(n, 0)).collect();
        assert_eq!(
            waits,
            [
                1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000
            ]
        );
        assert_eq!(policy.backoff_ms(u32::MAX, 0), 300_000);
        let jittered = RetryPolicy::default();
        assert!((0..100).all(|random| jittered.backoff_ms(1, random * 77) <= 1_000));
    }
}
