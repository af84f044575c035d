//! Tests of the engine: a simulated clock, a store in memory, and workers that the test plays.

mod random;

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::*;
use crate::{
    Axis, FailureClass, Limits, Outcome, Resources, RetryPolicy, RunnerKind, Sweep, SweepMode,
    memory::{Injected, MemoryStore},
};

const SERVICE: &str = "a/b:1.0.0";

pub(super) struct Rig {
    pub(super) engine: Engine<MemoryStore>,
    pub(super) now: Now,
    pub(super) started: Vec<(JobId, AttemptId)>,
    stops: Vec<(JobId, AttemptId, bool)>,
    changes: Vec<Changed>,
}

impl Rig {
    pub(super) fn new(cpus: u32) -> Self {
        let now = Now {
            wall_ms: 1_000_000,
            mono_ms: 50,
        };
        let mut engine = Engine::new(MemoryStore::default(), Seed([3, 4]));
        let total = Resources {
            milli_cpus: cpus * 1_000,
            memory: 1 << 30,
        };
        engine.add_worker(
            now,
            &"w".into(),
            Capacity {
                kind: RunnerKind::Program,
                total,
                slots: 64,
            },
            None,
        );
        let status = ServiceStatus {
            runner: Some(RunnerKind::Program),
            paused: false,
            retired: false,
            slots: None,
        };
        engine.set_service(&SERVICE.into(), status);
        let mut rig = Self {
            engine,
            now,
            started: vec![],
            stops: vec![],
            changes: vec![],
        };
        rig.engine.recover(now).unwrap();
        rig
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now.wall_ms += ms;
        self.now.mono_ms += ms;
        self.round(|_, _| ());
    }

    /// One round of the owner: a command, settle, commit, effects.
    pub(super) fn round<T>(
        &mut self,
        command: impl FnOnce(&mut Engine<MemoryStore>, Now) -> T,
    ) -> T {
        let answer = command(&mut self.engine, self.now);
        self.engine.settle(self.now).unwrap();
        self.engine.store().commit();
        for effect in self.engine.take_effects() {
            match effect {
                Effect::Start { job, .. } => self.started.push((job.id, job.attempt_id.unwrap())),
                Effect::Stop {
                    job, attempt, kill, ..
                } => self.stops.push((job, attempt, kill)),
                Effect::Changed(changed) => self.changes.push(*changed),
                Effect::Progress { .. } => {}
            }
        }
        answer
    }

    pub(super) fn submit(&mut self, change: impl FnOnce(&mut Submission)) -> JobId {
        let mut submission = submission();
        change(&mut submission);
        self.round(|engine, now| engine.submit(now, vec![submission], false, None))
            .unwrap()
            .first
    }

    pub(super) fn finish(&mut self, attempt: (JobId, AttemptId), outcome: Outcome) -> bool {
        self.round(|engine, now| engine.finished(now, attempt.0, attempt.1, None, outcome))
            .unwrap()
    }

    fn begin(&mut self, attempt: (JobId, AttemptId)) {
        assert!(
            self.round(|engine, now| engine.started(now, attempt.0, attempt.1))
                .unwrap()
        );
    }

    pub(super) fn job(&mut self, id: JobId) -> Job {
        self.engine.store().job(id).unwrap().unwrap()
    }

    fn state(&mut self, id: JobId) -> State {
        self.job(id).state
    }

    fn path(&mut self, id: JobId) -> String {
        self.job(id)
            .history
            .entries()
            .map(|entry| entry.state.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

pub(super) fn submission() -> Submission {
    Submission {
        service: SERVICE.into(),
        submitter: "alice".into(),
        priority: 0,
        not_before_ms: None,
        strict: false,
        spec: Spec {
            inputs: RawValue::from_string(r#"{"x":1}"#.to_owned()).unwrap(),
            resources: Resources {
                milli_cpus: 1_000,
                memory: 0,
            },
            limits: Limits::default(),
            retry: RetryPolicy {
                jitter: false,
                ..RetryPolicy::default()
            },
            name: None,
            labels: BTreeMap::new(),
            files: vec![],
            origin: None,
            sweep: None,
            swept: None,
        },
    }
}

pub(super) fn done() -> Outcome {
    Outcome::Succeeded {
        outputs: r#"{"y":2}"#.into(),
    }
}

pub(super) fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed(Failure::new(class, "it said so"))
}

#[test]
fn a_job_runs_and_ends_with_its_outputs() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|_| {});
    let attempt = rig.started[0];
    rig.begin(attempt);
    rig.advance(5);
    assert!(rig.finish(attempt, done()));
    assert_eq!(rig.path(id), "accepted queued starting running succeeded");
    assert_eq!(rig.engine.store().result(id), Some(r#"{"y":2}"#));
    let ended = rig.changes.last().unwrap();
    assert_eq!((ended.id, ended.state), (id, State::Succeeded));
    assert_eq!(
        ended.ended.as_ref().unwrap().outputs.as_deref(),
        Some(r#"{"y":2}"#)
    );
    assert_eq!(rig.job(id).ended_ms, Some(1_000_005));
}

#[test]
fn late_and_repeated_reports_change_nothing() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|_| {});
    let first = rig.started[0];
    rig.begin(first);
    rig.finish(
        first,
        Outcome::Lost {
            started: true,
            message: "gone".into(),
        },
    );
    assert_eq!(rig.state(id), State::Retrying);
    assert!(
        !rig.finish(first, done()),
        "the attempt is not current any more"
    );
    rig.advance(2_000);
    let second = rig.started[1];
    assert_eq!(rig.job(id).attempt, 2);
    assert!(!rig.finish(first, done()));
    assert!(rig.finish(second, done()));
    assert!(!rig.finish(second, done()));
    assert_eq!(
        rig.path(id),
        "accepted queued starting running retrying queued starting running succeeded"
    );
    assert_eq!(rig.engine.store().attempts(id).count(), 1);
}

#[test]
fn only_the_named_classes_are_tried_again_and_not_for_ever() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|_| {});
    rig.finish(rig.started[0], failed(FailureClass::Application));
    assert_eq!(rig.state(id), State::Failed);

    let id = rig.submit(|_| {});
    for n in 1..=3 {
        let attempt = *rig.started.last().unwrap();
        assert_eq!(rig.job(id).attempt, n);
        rig.finish(attempt, failed(FailureClass::Temporary));
        if n < 3 {
            let at = rig.engine.poll_timeout(rig.now).unwrap().unwrap();
            rig.advance(at - rig.now.mono_ms);
        }
    }
    let job = rig.job(id);
    assert_eq!((job.state, job.failures), (State::Failed, 3));
}

#[test]
fn crashes_have_their_own_budget() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|submission| submission.spec.retry.max_crashes = 2);
    for _ in 0..3 {
        assert_ne!(rig.state(id), State::Failed);
        let attempt = *rig.started.last().unwrap();
        rig.begin(attempt);
        rig.finish(
            attempt,
            Outcome::Lost {
                started: true,
                message: "host died".into(),
            },
        );
        rig.advance(10_000);
    }
    let job = rig.job(id);
    assert_eq!(
        (job.state, job.crashes, job.failures),
        (State::Failed, 3, 0)
    );
    assert_eq!(job.failure.unwrap().class, FailureClass::Lost);
}

#[test]
fn what_never_began_is_queued_again_at_no_cost() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|_| {});
    for n in 0..20 {
        let attempt = rig.started[n];
        rig.finish(
            attempt,
            Outcome::Lost {
                started: false,
                message: "platform restarted".into(),
            },
        );
    }
    let job = rig.job(id);
    assert_eq!(
        (job.state, job.crashes, job.attempt),
        (State::Starting, 0, 21)
    );
}

#[test]
fn cancel_is_at_once_without_a_worker_and_a_request_with_one() {
    let mut rig = Rig::new(1);
    let running = rig.submit(|_| {});
    let waiting = rig.submit(|_| {});
    rig.begin(rig.started[0]);
    rig.round(|engine, now| engine.cancel(now, waiting, "changed my mind"))
        .unwrap();
    assert_eq!(rig.path(waiting), "accepted queued canceled");
    let job = rig
        .round(|engine, now| engine.cancel(now, running, ""))
        .unwrap();
    assert_eq!(job.state, State::Canceling);
    assert_eq!(rig.stops, [(running, rig.started[0].1, false)]);
    rig.finish(rig.started[0], Outcome::Stopped);
    assert_eq!(rig.state(running), State::Canceled);
    assert_eq!(rig.started.len(), 1, "the canceled one is not started");
    let again = rig
        .round(|engine, now| engine.cancel(now, running, ""))
        .unwrap();
    assert_eq!(again.state, State::Canceled);
}

#[test]
fn work_that_is_done_beats_a_cancel() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|_| {});
    rig.begin(rig.started[0]);
    rig.round(|engine, now| engine.cancel(now, id, "")).unwrap();
    rig.finish(rig.started[0], done());
    assert_eq!(rig.state(id), State::Succeeded);
}

#[test]
fn limits_ask_first_and_then_kill() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|submission| {
        submission.spec.limits = Limits {
            attempt_soft_ms: Some(100),
            attempt_ms: Some(150),
            ..Limits::default()
        };
    });
    rig.advance(1_000);
    let attempt = rig.started[0];
    rig.begin(attempt);
    rig.advance(99);
    assert!(rig.stops.is_empty());
    rig.advance(1);
    assert_eq!(rig.stops, [(id, attempt.1, false)]);
    rig.advance(50);
    assert_eq!(rig.stops[1..], [(id, attempt.1, true)]);
    rig.finish(attempt, Outcome::Stopped);
    let failure = rig.job(id).failure.unwrap();
    assert_eq!(
        (failure.class, failure.limit),
        (FailureClass::TimedOut, Some(TimeLimit::Attempt))
    );
    assert_eq!(
        failure.message,
        "the attempt ran longer than its limit of 0.1 s"
    );
}

#[test]
fn silence_is_counted_from_the_last_sign_of_life() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|submission| submission.spec.limits.silence_ms = Some(100));
    let attempt = rig.started[0];
    rig.begin(attempt);
    for _ in 0..5 {
        rig.advance(90);
        rig.round(|engine, now| engine.progress(now, attempt.0, attempt.1, Some((0.5, None))));
    }
    assert!(rig.stops.is_empty());
    rig.advance(100);
    assert_eq!(rig.stops, [(id, attempt.1, false)]);
    rig.finish(attempt, Outcome::Stopped);
    assert_eq!(rig.job(id).failure.unwrap().limit, Some(TimeLimit::Silence));
}

#[test]
fn deadlines_and_queue_limits_end_jobs_that_wait() {
    let mut rig = Rig::new(1);
    let running = rig.submit(|submission| submission.spec.limits.deadline_ms = Some(500));
    rig.begin(rig.started[0]);
    let queued = rig.submit(|submission| submission.spec.limits.queue_ms = Some(100));
    let late = rig.submit(|submission| submission.spec.limits.deadline_ms = Some(200));
    let delayed = rig.submit(|submission| {
        submission.not_before_ms = Some(1_000_000 + 10_000);
        submission.spec.limits.deadline_ms = Some(300);
    });
    rig.advance(99);
    assert_eq!(rig.state(queued), State::Queued);
    rig.advance(1);
    assert_eq!(
        rig.job(queued).failure.as_ref().unwrap().limit,
        Some(TimeLimit::Queue)
    );
    rig.advance(100);
    assert_eq!(
        rig.job(late).failure.as_ref().unwrap().class,
        FailureClass::Expired
    );
    rig.advance(100);
    assert_eq!(rig.state(delayed), State::Failed);
    rig.advance(200);
    assert_eq!(rig.stops.len(), 1);
    rig.finish(rig.started[0], Outcome::Stopped);
    assert_eq!(
        rig.job(running).failure.unwrap().limit,
        Some(TimeLimit::Deadline)
    );
}

#[test]
fn a_delayed_job_starts_at_its_time() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|submission| submission.not_before_ms = Some(1_000_000 + 700));
    assert_eq!(rig.state(id), State::Accepted);
    assert_eq!(rig.engine.poll_timeout(rig.now).unwrap(), Some(750));
    rig.advance(699);
    assert_eq!(rig.started.len(), 0);
    rig.advance(1);
    assert_eq!(rig.started.len(), 1);
}

#[test]
fn a_silent_worker_loses_its_attempts_and_a_beating_one_does_not() {
    let mut rig = Rig::new(1);
    let worker: WorkerName = "remote".into();
    let total = Resources {
        milli_cpus: 1_000,
        memory: 0,
    };
    let capacity = Capacity {
        kind: RunnerKind::Builtin,
        total,
        slots: 1,
    };
    rig.engine
        .add_worker(rig.now, &worker, capacity, Some(30_000));
    let status = ServiceStatus {
        runner: Some(RunnerKind::Builtin),
        paused: false,
        retired: false,
        slots: None,
    };
    rig.engine.set_service(&SERVICE.into(), status);
    let id = rig.submit(|_| {});
    let attempt = rig.started[0];
    rig.begin(attempt);
    for _ in 0..10 {
        rig.advance(10_000);
        let stale = rig.round(|engine, now| engine.heartbeat(now, "remote", 30_000, &[attempt]));
        assert_eq!(stale, []);
    }
    rig.advance(30_000);
    assert_eq!(rig.state(id), State::Retrying);
    let stale = rig.round(|engine, now| engine.heartbeat(now, "remote", 30_000, &[attempt]));
    assert_eq!(
        stale,
        [attempt],
        "it must drop what is not its own any more"
    );
}

fn sweep(count: i64) -> Sweep {
    let values = (0..count).map(serde_json::Value::from).collect();
    Sweep::new(
        SweepMode::Product,
        vec![Axis {
            port: "x".into(),
            values,
        }],
        1_000,
    )
    .unwrap()
}

#[test]
fn a_sweep_counts_its_tasks_and_ends_when_they_have() {
    let mut rig = Rig::new(2);
    let parent = rig.submit(|submission| submission.spec.sweep = Some(sweep(3)));
    assert_eq!(rig.state(parent), State::Running);
    assert_eq!(rig.started.len(), 2);
    rig.finish(rig.started[0], done());
    rig.finish(rig.started[1], failed(FailureClass::Application));
    rig.finish(rig.started[2], done());
    let job = rig.job(parent);
    assert_eq!(rig.path(parent), "accepted running failed");
    let counts = job.counts.unwrap();
    assert_eq!(
        (
            counts.total,
            counts.succeeded,
            counts.failed,
            counts.unfinished()
        ),
        (3, 2, 1, 0)
    );
    assert_eq!(job.failure.unwrap().message, "1 of 3 tasks failed");

    let retry = rig.round(|engine, now| engine.retry(now, parent)).unwrap();
    assert_eq!(rig.job(retry).counts.unwrap().total, 1);
    let task = rig.started[3];
    let spec = {
        let job = rig.job(task.0);
        rig.engine.store().spec(&job).unwrap()
    };
    assert_eq!(spec.inputs.get(), r#"{"x":1}"#);
    rig.finish(task, done());
    assert_eq!(rig.state(retry), State::Succeeded);
    assert_eq!(
        rig.state(parent),
        State::Failed,
        "terminal states never change"
    );
    let rerun = rig.round(|engine, now| engine.rerun(now, retry)).unwrap();
    assert_eq!(rig.job(rerun).counts.unwrap().total, 1);
}

#[test]
fn canceling_a_sweep_cancels_every_task() {
    let mut rig = Rig::new(1);
    let parent = rig.submit(|submission| submission.spec.sweep = Some(sweep(5)));
    rig.begin(rig.started[0]);
    let job = rig
        .round(|engine, now| engine.cancel(now, parent, "enough"))
        .unwrap();
    assert_eq!(job.state, State::Canceling);
    assert_eq!(rig.stops.len(), 1);
    rig.finish(rig.started[0], Outcome::Stopped);
    assert_eq!(rig.state(parent), State::Canceled);
    assert_eq!(rig.job(parent).counts.unwrap().canceled, 5);
    assert_eq!(rig.started.len(), 1);
}

#[test]
fn the_same_key_gives_the_same_job_and_another_request_is_refused() {
    let mut rig = Rig::new(1);
    let mut ask = |fingerprint| {
        let idempotency = Idempotency {
            key: "k".into(),
            fingerprint: [fingerprint; 32],
        };
        rig.round(|engine, now| engine.submit(now, vec![submission()], false, Some(&idempotency)))
    };
    let first = ask(1).unwrap();
    let second = ask(1).unwrap();
    assert_eq!((first.first, true), (second.first, second.replayed));
    assert!(matches!(
        ask(2),
        Err(EngineError::Refused(Refusal::KeyReused { .. }))
    ));
    assert_eq!(rig.engine.store().jobs().count(), 1);
}

#[test]
fn deleted_jobs_leave_a_tombstone_and_running_ones_cannot_be_deleted() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|_| {});
    let refused = rig.round(|engine, now| engine.delete(now, id)).unwrap_err();
    assert!(matches!(
        refused,
        EngineError::Refused(Refusal::NotEnded { .. })
    ));
    rig.finish(rig.started[0], done());
    rig.round(|engine, now| engine.delete(now, id)).unwrap();
    assert!(matches!(
        rig.round(|engine, now| engine.cancel(now, id, "")),
        Err(EngineError::Refused(Refusal::Gone(_)))
    ));
}

#[test]
fn priority_can_be_changed_while_waiting() {
    let mut rig = Rig::new(1);
    rig.submit(|_| {});
    let older = rig.submit(|_| {});
    let newer = rig.submit(|_| {});
    let revision = rig.job(newer).revision;
    let stale = rig
        .round(|engine, now| engine.patch(now, newer, Some(99), Some(9), None))
        .unwrap_err();
    assert!(matches!(stale, EngineError::Refused(Refusal::Stale { .. })));
    rig.round(|engine, now| engine.patch(now, newer, Some(revision), Some(9), None))
        .unwrap();
    rig.finish(rig.started[0], done());
    rig.finish(rig.started[1], done());
    assert_eq!(
        rig.started[1..]
            .iter()
            .map(|(id, _)| *id)
            .collect::<Vec<_>>(),
        [newer, older]
    );
}

#[test]
fn a_round_that_fails_leaves_no_trace() {
    for fuse in 0..6 {
        let mut rig = Rig::new(2);
        let id = rig.submit(|_| {});
        rig.engine.store().fail_after(fuse);
        let now = rig.now;
        let outcome = rig
            .engine
            .submit(
                now,
                vec![submission(), submission(), submission()],
                false,
                None,
            )
            .map_err(|_| Injected)
            .and_then(|_| rig.engine.settle(now));
        if outcome.is_ok() {
            continue;
        }
        rig.engine.store().rollback();
        rig.engine.recover(now).unwrap();
        assert_eq!(rig.engine.take_effects().len(), 0);
        assert_eq!(rig.engine.store().jobs().count(), 1);
        assert_eq!(
            rig.engine.load(),
            Load {
                queued: 0,
                active: 1
            }
        );
        rig.finish(rig.started[0], done());
        assert_eq!(rig.state(id), State::Succeeded);
    }
}

#[test]
fn a_round_that_was_kept_although_it_failed_starts_nothing_unnoticed() {
    let mut rig = Rig::new(1);
    let now = rig.now;
    let id = rig
        .engine
        .submit(now, vec![submission()], false, None)
        .unwrap()
        .first;
    rig.engine.settle(now).unwrap();
    rig.engine.store().commit();
    // The commit said that it failed: the effects are forgotten.
    let untold = rig.engine.recover(now).unwrap();
    assert_eq!(untold.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id]);
    assert!(rig.started.is_empty());
    rig.finish(
        untold[0],
        Outcome::Lost {
            started: false,
            message: "nobody was told".into(),
        },
    );
    assert_eq!(rig.started.len(), 1);
    assert_eq!((rig.job(id).attempt, rig.job(id).crashes), (2, 0));
}

#[test]
fn a_cancel_is_asked_for_again_after_a_restart() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|_| {});
    rig.begin(rig.started[0]);
    rig.round(|engine, now| engine.cancel(now, id, "")).unwrap();
    rig.stops.clear();
    rig.round(|engine, now| engine.recover(now)).unwrap();
    assert_eq!(rig.stops, [(id, rig.started[0].1, false)]);
}

#[test]
fn an_attempt_that_had_to_be_torn_down_at_its_limit_met_its_limit() {
    let mut rig = Rig::new(1);
    let id = rig.submit(|submission| submission.spec.limits.attempt_ms = Some(100));
    rig.begin(rig.started[0]);
    rig.advance(100);
    rig.finish(
        rig.started[0],
        Outcome::Lost {
            started: true,
            message: "its supervisor did not answer".into(),
        },
    );
    let job = rig.job(id);
    assert_eq!(job.state, State::Failed);
    assert_eq!(job.failure.unwrap().limit, Some(TimeLimit::Attempt));
}
