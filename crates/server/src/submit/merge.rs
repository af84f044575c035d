//! What a job asks for, over what its service says.

use std::time::Duration;

use trefoil_director::{RunKind, RunSpec, Violation};
use trefoil_jobs::{FailureClass, Limits, Resources, RetryPolicy};

use super::{JobRequest, RetryPatch, violation};

/// Milliseconds and bytes that a job may ask for: what JSON numbers and the store can hold exactly.
pub(super) const NUMBER_MAX: u64 = 1 << 53;
/// Attempts and crashes that a job may ask for.
const ATTEMPTS_MAX: u32 = 100;

pub(super) fn resources(run: Option<&RunSpec>, request: &JobRequest) -> Resources {
    // Functions of the platform cost a moment of its own time, not a slot of a worker.
    let (milli_cpus, memory) = match run {
        Some(RunSpec {
            kind: RunKind::Builtin { .. },
            ..
        })
        | None => (0, 0),
        Some(run) => (run.resources.milli_cpus, run.resources.memory),
    };
    Resources {
        milli_cpus: request.milli_cpus.unwrap_or(milli_cpus),
        memory: request.memory.unwrap_or(memory),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn merge_limits(
    run: Option<&RunSpec>,
    asked: &Limits,
    violations: &mut Vec<Violation>,
) -> Limits {
    let own = run.map(|run| run.limits);
    let pick = |asked: Option<u64>, own: Option<Duration>| asked.or(own.map(ms));
    let merged = Limits {
        queue_ms: pick(asked.queue_ms, own.and_then(|own| own.queue)),
        attempt_soft_ms: pick(asked.attempt_soft_ms, own.and_then(|own| own.attempt_soft)),
        attempt_ms: pick(asked.attempt_ms, own.and_then(|own| own.attempt)),
        silence_ms: pick(asked.silence_ms, own.and_then(|own| own.silence)),
        deadline_ms: asked.deadline_ms,
        grace_ms: pick(asked.grace_ms, own.map(|own| own.grace)),
    };
    let members = [
        ("queue", asked.queue_ms),
        ("attempt_soft", asked.attempt_soft_ms),
        ("attempt", asked.attempt_ms),
        ("silence", asked.silence_ms),
        ("grace", asked.grace_ms),
        ("deadline", asked.deadline_ms),
    ];
    for (member, _) in members
        .iter()
        .filter(|(_, value)| value.is_some_and(|value| value > NUMBER_MAX))
    {
        violations.push(violation(
            &format!("/limits/{member}"),
            "range",
            "is too long".to_owned(),
        ));
    }
    if let (Some(soft), Some(hard)) = (merged.attempt_soft_ms, merged.attempt_ms)
        && soft > hard
        && asked.attempt_soft_ms.is_some()
    {
        let detail = format!("the soft limit of {soft} ms is beyond the hard one of {hard} ms");
        violations.push(violation("/limits/attempt_soft", "limits", detail));
    }
    merged
}

pub(super) fn merge_retry(
    run: Option<&RunSpec>,
    asked: &RetryPatch,
    violations: &mut Vec<Violation>,
) -> RetryPolicy {
    let own = run
        .map(|run| &run.retry)
        .map_or_else(RetryPolicy::default, |own| RetryPolicy {
            max_attempts: own.max_attempts,
            max_crashes: own.max_crashes,
            initial_ms: ms(own.initial),
            factor: own.factor,
            max_ms: ms(own.max),
            jitter: own.jitter,
            retry_on: own
                .retry_on
                .iter()
                .filter_map(|class| class_of(class.name()))
                .collect(),
        });
    let merged = RetryPolicy {
        max_attempts: asked.max_attempts.unwrap_or(own.max_attempts),
        max_crashes: asked.max_crashes.unwrap_or(own.max_crashes),
        initial_ms: asked.initial_ms.unwrap_or(own.initial_ms),
        factor: asked.factor.unwrap_or(own.factor),
        max_ms: asked.max_ms.unwrap_or(own.max_ms),
        jitter: asked.jitter.unwrap_or(own.jitter),
        retry_on: asked.retry_on.clone().unwrap_or(own.retry_on),
    };
    let mut refuse = |member: &str, detail: String| {
        violations.push(violation(&format!("/retry/{member}"), "range", detail));
    };
    if !(1..=ATTEMPTS_MAX).contains(&merged.max_attempts) {
        refuse("max_attempts", format!("must be 1 to {ATTEMPTS_MAX}"));
    }
    if merged.max_crashes > ATTEMPTS_MAX {
        refuse("max_crashes", format!("must be 0 to {ATTEMPTS_MAX}"));
    }
    if !(1.0..=100.0).contains(&merged.factor) {
        refuse("factor", "must be 1 to 100".to_owned());
    }
    merged
}

fn class_of(name: &str) -> Option<FailureClass> {
    FailureClass::ALL
        .into_iter()
        .find(|class| class.as_str() == name)
}
