//! Checks: when one is due, and what it says.

use std::sync::Arc;

use super::{InstanceKey, Instances};
use crate::instance::{InstanceState, NewInstance};

/// Time between checks of an instance that is called.
const INTERVAL_MS: u64 = 10_000;
/// Of one that is not called.
const QUIET_INTERVAL_MS: u64 = 60_000;
/// After a check that said something else than the one before, and while an instance starts.
const EDGE_INTERVAL_MS: u64 = 1_000;
/// How long a check may take; the caller is who measures it.
pub(super) const TIMEOUT_MS: u64 = 2_000;
/// Failures in a row that make an instance unhealthy.
const FAILURES_MAX: u32 = 3;
/// Passes in a row that make it healthy again.
const PASSES_MIN: u32 = 2;
/// Changes within the last twenty checks that are too many.
const CHANGES_MAX: u32 = 4;
/// The last twenty checks.
const HISTORY: u32 = (1 << 20) - 1;

/// A check to be made.
#[derive(Debug, Clone)]
pub struct ProbeOrder {
    /// Of which instance; the answer goes to [`Instances::handle_probe`].
    pub key: InstanceKey,
    /// How it registered.
    pub instance: Arc<NewInstance>,
    /// How long it may take.
    pub timeout_ms: u64,
}

#[derive(Debug)]
pub(super) struct Checks {
    /// When the next is due; none while one is under way.
    due: Option<u64>,
    /// When the one under way is given up.
    under_way_until: u64,
    passes: u32,
    failures: u32,
    /// A bit for each check that said something else than the one before; the latest is the lowest.
    changes: u32,
    last: Option<bool>,
    calls_seen: u64,
}

impl Checks {
    pub(super) const fn new(now: u64) -> Self {
        Self {
            due: Some(now),
            under_way_until: 0,
            passes: 0,
            failures: 0,
            changes: 0,
            last: None,
            calls_seen: 0,
        }
    }

    pub(super) const fn due(&self) -> u64 {
        match self.due {
            Some(due) => due,
            // Somebody forgot to answer.
            None => self.under_way_until + INTERVAL_MS,
        }
    }

    const fn flaps(&self) -> bool {
        (self.changes & HISTORY).count_ones() > CHANGES_MAX
    }
}

impl Instances {
    /// The next check that is due.
    pub fn poll_probe(&mut self) -> Option<ProbeOrder> {
        while let Some(key) = self.probes.pop_front() {
            if let Some(member) = self.get(key) {
                return Some(ProbeOrder {
                    key,
                    instance: Arc::clone(&member.registered),
                    timeout_ms: TIMEOUT_MS,
                });
            }
        }
        None
    }

    pub(super) fn start_probe(&mut self, key: InstanceKey, now: u64) {
        let checks = &mut self.member_mut(key).checks;
        checks.due = None;
        checks.under_way_until = now + TIMEOUT_MS;
        self.probes.push_back(key);
    }

    /// A check passed, or failed for a reason.
    pub fn handle_probe(&mut self, key: InstanceKey, outcome: Result<(), &str>, now: u64) {
        let jitter = self.next_random();
        let Some(member) = self.get_mut(key) else {
            return;
        };
        if matches!(member.state, InstanceState::Draining | InstanceState::Gone) {
            return;
        }
        let passed = outcome.is_ok();
        let checks = &mut member.checks;
        let changed = checks.last.is_some_and(|last| last != passed);
        checks.last = Some(passed);
        checks.changes = checks.changes << 1 | u32::from(changed);
        if passed {
            checks.passes = checks.passes.saturating_add(1);
            checks.failures = 0;
        } else {
            checks.failures = checks.failures.saturating_add(1);
            checks.passes = 0;
        }
        let is_called = member.calls != checks.calls_seen || member.load.pending > 0;
        checks.calls_seen = member.calls;
        let (passes, failures, flaps) = (checks.passes, checks.failures, checks.flaps());
        let to = match member.state {
            InstanceState::Starting if passed => InstanceState::Healthy,
            InstanceState::Unhealthy if passes >= PASSES_MIN => InstanceState::Healthy,
            InstanceState::Healthy | InstanceState::Degraded if failures >= FAILURES_MAX => {
                InstanceState::Unhealthy
            }
            InstanceState::Healthy if flaps => InstanceState::Degraded,
            InstanceState::Degraded if !flaps && passed => InstanceState::Healthy,
            state => state,
        };
        let settled = match to {
            InstanceState::Healthy => passes >= PASSES_MIN,
            InstanceState::Unhealthy => failures >= FAILURES_MAX,
            _ => false,
        };
        let interval = if changed || !settled {
            EDGE_INTERVAL_MS
        } else if is_called || to != InstanceState::Healthy {
            INTERVAL_MS
        } else {
            QUIET_INTERVAL_MS
        };
        // A tenth more or less, so that checks do not march in step.
        let spread = interval / 5;
        member.checks.due = Some(now + interval - spread / 2 + jitter % (spread + 1));
        if passed {
            // An active check that passes ends an ejection.
            if member.breaker.is_open() {
                member.breaker.close();
            }
        } else if let Err(reason) = outcome
            && to == member.state
        {
            reason.clone_into(&mut member.reason);
        }
        let reason = match outcome {
            Ok(()) if to == InstanceState::Degraded => "its checks come and go".to_owned(),
            Ok(()) => "its checks pass".to_owned(),
            Err(reason) => reason.to_owned(),
        };
        self.change(key, to, &reason, now);
        self.schedule(key);
    }
}
