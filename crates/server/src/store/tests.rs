//! The store in SQLite does what the store in memory does, which the engine's own tests were made with.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::value::RawValue;
use trefoil_jobs::{
    Axis, Capacity, Effect, Engine, Failure, FailureClass, Idempotency, Job, JobId, JobStore,
    Limits, Now, Outcome, Resources, RetryPolicy, RunnerKind, Seed, ServiceStatus, Spec, State,
    Submission, Sweep, SweepMode, memory::MemoryStore,
};

use super::*;

const SERVICES: [&str; 2] = ["a/b:1.0.0", "c:2.0.0"];

#[derive(Debug, Clone)]
enum Step {
    Submit {
        service: usize,
        submitter: u8,
        priority: i8,
        kind: u8,
        labels: bool,
    },
    Keyed {
        key: u8,
        request: u8,
    },
    Sweep(u8),
    Begin(usize),
    Finish(usize, u8),
    Cancel(usize),
    Retry(usize),
    Patch(usize, i8),
    Delete(usize),
    Advance(u16),
    Recover,
    Abort,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..2usize, 0u8..3, any::<i8>(), 0u8..4, any::<bool>()).prop_map(
            |(service, submitter, priority, kind, labels)| Step::Submit { service, submitter, priority, kind, labels }),
        1 => (0u8..3, 0u8..2).prop_map(|(key, request)| Step::Keyed { key, request }),
        1 => (1u8..5).prop_map(Step::Sweep),
        3 => any::<usize>().prop_map(Step::Begin),
        5 => (any::<usize>(), 0u8..5).prop_map(|(which, how)| Step::Finish(which, how)),
        2 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Retry),
        1 => (any::<usize>(), any::<i8>()).prop_map(|(which, priority)| Step::Patch(which, priority)),
        1 => any::<usize>().prop_map(Step::Delete),
        3 => (0u16..1_500).prop_map(Step::Advance),
        1 => Just(Step::Recover),
        1 => Just(Step::Abort),
    ]
}

fn submission(service: usize, submitter: u8, priority: i8, kind: u8) -> Submission {
    let limits = match kind {
        1 => Limits {
            queue_ms: Some(900),
            deadline_ms: Some(2_000),
            ..Limits::default()
        },
        2 => Limits {
            attempt_soft_ms: Some(300),
            attempt_ms: Some(500),
            ..Limits::default()
        },
        _ => Limits::default(),
    };
    Submission {
        service: SERVICES[service].into(),
        submitter: format!("s{submitter}").into(),
        priority: priority.into(),
        not_before_ms: (kind == 3).then_some(1_000_900),
        strict: false,
        spec: Spec {
            inputs: RawValue::from_string(r#"{"x":"ä\u0000"}"#.to_owned()).unwrap(),
            resources: Resources {
                milli_cpus: 1_000,
                memory: 5,
            },
            limits,
            retry: RetryPolicy {
                factor: 1.5,
                ..RetryPolicy::default()
            },
            name: None,
            labels: BTreeMap::new(),
            files: vec!["ab".repeat(32)],
            origin: None,
            sweep: None,
            swept: None,
        },
    }
}

fn outcome(how: u8) -> Outcome {
    match how {
        0 | 1 => Outcome::Succeeded {
            outputs: r#"{"y":1}"#.into(),
        },
        2 => Outcome::Failed(Failure::new(FailureClass::Temporary, "later")),
        3 => Outcome::Failed(Failure {
            exit_code: Some(3),
            ..Failure::new(FailureClass::Application, "no")
        }),
        _ => Outcome::Lost {
            started: true,
            message: "gone".into(),
        },
    }
}

/// An engine on some store, and what a worker of it holds.
struct Side<S> {
    engine: Engine<S>,
    held: Vec<(JobId, trefoil_jobs::AttemptId)>,
}

fn side<S: JobStore>(store: S) -> Side<S>
where
    S::Error: std::fmt::Debug,
{
    let mut engine = Engine::new(store, Seed([5, 6]));
    let now = Now {
        wall_ms: 1_000_000,
        mono_ms: 0,
    };
    let total = Resources {
        milli_cpus: 2_000,
        memory: 100,
    };
    engine.add_worker(
        now,
        &"w".into(),
        Capacity {
            kind: RunnerKind::Program,
            total,
            slots: 9,
        },
        None,
    );
    for (service, slots) in SERVICES.into_iter().zip([None, Some(1)]) {
        let status = ServiceStatus {
            runner: Some(RunnerKind::Program),
            paused: false,
            retired: false,
            slots,
        };
        engine.set_service(&service.into(), status);
    }
    engine.recover(now).unwrap();
    Side {
        engine,
        held: Vec::new(),
    }
}

impl<S: JobStore> Side<S>
where
    S::Error: std::fmt::Debug,
{
    /// Carries out one step and settles; what it answered, as text to compare.
    fn step(&mut self, step: &Step, ids: &[JobId], now: Now) -> String {
        let which = |which: usize| (!ids.is_empty()).then(|| ids[which % ids.len()]);
        let engine = &mut self.engine;
        let answer = match step {
            Step::Submit {
                service,
                submitter,
                priority,
                kind,
                labels,
            } => {
                let mut submission = submission(*service, *submitter, *priority, *kind);
                if *labels {
                    submission.spec.labels = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
                }
                format!("{:?}", engine.submit(now, vec![submission], false, None))
            }
            Step::Keyed { key, request } => {
                let idempotency = Idempotency {
                    key: format!("k{key}").into(),
                    fingerprint: [*request; 32],
                };
                let two = vec![submission(0, 0, 0, 0), submission(1, 0, 0, 0)];
                format!("{:?}", engine.submit(now, two, true, Some(&idempotency)))
            }
            Step::Sweep(tasks) => {
                let mut submission = submission(0, 1, 0, 0);
                let axis = Axis {
                    port: "x".into(),
                    values: (0..*tasks).map(Into::into).collect(),
                };
                submission.spec.sweep = Some(Sweep::new(SweepMode::Zip, vec![axis], 100).unwrap());
                format!("{:?}", engine.submit(now, vec![submission], false, None))
            }
            Step::Begin(which) if !self.held.is_empty() => {
                let (job, attempt) = self.held[which % self.held.len()];
                format!("{:?}", engine.started(now, job, attempt))
            }
            Step::Finish(which, how) if !self.held.is_empty() => {
                let (job, attempt) = self.held.remove(which % self.held.len());
                format!(
                    "{:?}",
                    engine.finished(now, job, attempt, Some(now.wall_ms), outcome(*how))
                )
            }
            Step::Cancel(n) => format!("{:?}", which(*n).map(|id| engine.cancel(now, id, "why"))),
            Step::Retry(n) => format!("{:?}", which(*n).map(|id| engine.retry(now, id))),
            Step::Patch(n, priority) => {
                let labels = BTreeMap::from([("l".to_owned(), "w".to_owned())]);
                let priority = Some(i32::from(*priority));
                format!(
                    "{:?}",
                    which(*n).map(|id| engine.patch(now, id, None, priority, Some(labels)))
                )
            }
            Step::Delete(n) => format!("{:?}", which(*n).map(|id| engine.delete(now, id))),
            Step::Recover => {
                engine.recover(now).unwrap();
                String::new()
            }
            Step::Begin(_) | Step::Finish(..) | Step::Advance(_) | Step::Abort => String::new(),
        };
        engine.settle(now).unwrap();
        let due = engine.poll_timeout(now).unwrap();
        format!("{answer} next {due:?}")
    }

    fn effects(&mut self) -> String {
        let effects = self.engine.take_effects();
        for effect in &effects {
            if let Effect::Start { job, .. } = effect {
                self.held.push((job.id, job.attempt_id.unwrap()));
            }
        }
        format!("{effects:?}")
    }

    fn facts(&mut self, ids: &[JobId]) -> String {
        let store = self.engine.store();
        let jobs: Vec<Option<Job>> = ids.iter().map(|id| store.job(*id).unwrap()).collect();
        let specs: Vec<_> = jobs
            .iter()
            .flatten()
            .map(|job| store.spec(job).unwrap())
            .collect();
        let deleted: Vec<_> = ids
            .iter()
            .map(|id| store.is_deleted(*id).unwrap())
            .collect();
        let mut backlog = store.backlog().unwrap();
        backlog.sort();
        let windows: Vec<_> = backlog
            .iter()
            .map(|(group, _)| store.window(group, 3).unwrap())
            .collect();
        let tasks: Vec<_> = ids
            .iter()
            .map(|id| {
                store
                    .tasks(*id, &[State::Queued, State::Failed], Some(0), 2)
                    .unwrap()
            })
            .collect();
        let mut active = store.active().unwrap();
        active.sort_by_key(|job| job.seq);
        let wake = store.next_wake().unwrap();
        format!(
            "{jobs:?} {specs:?} {deleted:?} {backlog:?} {windows:?} {tasks:?} {active:?} {wake:?}"
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn sqlite_and_memory_agree(steps in prop::collection::vec(step(), 1..50)) {
        let directory = tempfile::tempdir().unwrap();
        let conn = open_writer(&directory.path().join("jobs.db")).unwrap();
        // Nothing of this test is about the disk.
        conn.pragma_update(None, "synchronous", "OFF").unwrap();
        let mut sqlite = side(SqliteStore::new(conn));
        let mut memory = side(MemoryStore::default());
        let mut now = Now { wall_ms: 1_000_000, mono_ms: 0 };
        let mut ids: Vec<JobId> = Vec::new();
        for step in steps {
            if let Step::Advance(ms) = step {
                now.wall_ms += u64::from(ms);
                now.mono_ms += u64::from(ms);
            }
            sqlite.engine.store().begin().unwrap();
            let one = sqlite.step(&step, &ids, now);
            let other = memory.step(&step, &ids, now);
            prop_assert_eq!(one, other);
            if matches!(step, Step::Abort) {
                sqlite.engine.store().rollback();
                memory.engine.store().rollback();
                sqlite.engine.recover(now).unwrap();
                memory.engine.recover(now).unwrap();
            } else {
                sqlite.engine.store().commit().unwrap();
                memory.engine.store().commit();
                prop_assert_eq!(sqlite.effects(), memory.effects());
            }
            ids.extend(memory.engine.store().jobs().map(|job| job.id));
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(sqlite.facts(&ids), memory.facts(&ids));
        }
    }
}

#[test]
fn a_damaged_database_is_an_error_that_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs.db");
    std::fs::write(&path, [7; 8_192]).unwrap();
    let error = open_writer(&path).unwrap_err().to_string();
    assert!(error.contains("not a database"), "{error}");
}

#[test]
fn an_outdated_write_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::new(open_writer(&directory.path().join("jobs.db")).unwrap());
    store.begin().unwrap();
    let mut engine = Engine::new(store, Seed([1, 1]));
    let now = Now {
        wall_ms: 1,
        mono_ms: 1,
    };
    let id = engine
        .submit(now, vec![submission(0, 0, 0, 0)], false, None)
        .unwrap()
        .first;
    let mut job = engine.store().job(id).unwrap().unwrap();
    job.revision += 1;
    engine.store().save(&job).unwrap();
    assert!(
        matches!(engine.store().save(&job), Err(StoreError::Outdated(outdated)) if outdated == id)
    );
}
