//! Random orders of events never break the promises.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Submit {
        submitter: u8,
        priority: i8,
        delay: bool,
        limits: bool,
    },
    Sweep {
        tasks: u8,
    },
    Begin(u8),
    Finish(u8, u8),
    /// A report about any attempt that ever was, current or not.
    Stray(u8, u8),
    Cancel(u8),
    Retry(u8),
    Advance(u16),
    Pause(bool),
    /// The process dies between commit and effects, or at any other time: memory is gone, the store stays.
    Crash {
        lose_effects: bool,
    },
    /// The store fails in the middle of a round.
    StoreFails(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3, any::<i8>(), any::<bool>(), any::<bool>())
            .prop_map(|(submitter, priority, delay, limits)| Step::Submit { submitter, priority, delay, limits }),
        1 => (1u8..6).prop_map(|tasks| Step::Sweep { tasks }),
        4 => any::<u8>().prop_map(Step::Begin),
        6 => (any::<u8>(), 0u8..6).prop_map(|(which, how)| Step::Finish(which, how)),
        1 => (any::<u8>(), 0u8..6).prop_map(|(which, how)| Step::Stray(which, how)),
        2 => any::<u8>().prop_map(Step::Cancel),
        1 => any::<u8>().prop_map(Step::Retry),
        3 => (0u16..2_000).prop_map(Step::Advance),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => any::<bool>().prop_map(|lose_effects| Step::Crash { lose_effects }),
        1 => (0u8..4).prop_map(Step::StoreFails),
    ]
}

fn outcome(how: u8) -> Outcome {
    match how {
        0 | 1 => done(),
        2 => failed(FailureClass::Application),
        3 => failed(FailureClass::Temporary),
        4 => Outcome::Stopped,
        _ => Outcome::Lost {
            started: how.is_multiple_of(2),
            message: "gone".into(),
        },
    }
}

/// What a worker holds: attempts that the engine started and that were not reported as ended.
#[derive(Default)]
struct Held {
    live: Vec<(JobId, AttemptId)>,
    ever: Vec<(JobId, AttemptId)>,
}

impl Held {
    fn absorb(&mut self, rig: &mut Rig) {
        self.ever.extend(&rig.started);
        self.live.append(&mut rig.started);
    }
}

fn restart(rig: &mut Rig, held: &mut Held) {
    let now = rig.now;
    rig.engine.recover(now).unwrap();
    // The owner asks the worker about every active attempt, as after a restart: those that it has go on; of those that it
    // never got, nothing ran.
    let active: Vec<_> = rig
        .engine
        .active()
        .filter_map(|(job, _)| Some((job.id, job.attempt_id?)))
        .collect();
    let current: HashSet<_> = active.iter().copied().collect();
    held.live.retain(|attempt| current.contains(attempt));
    for attempt in active {
        if !held.live.contains(&attempt) {
            rig.finish(
                attempt,
                Outcome::Lost {
                    started: false,
                    message: "never started".into(),
                },
            );
        }
    }
}

fn play(steps: Vec<Step>) {
    let mut rig = Rig::new(2);
    let mut held = Held::default();
    let mut ids: Vec<JobId> = vec![];
    for step in steps {
        match step {
            Step::Submit {
                submitter,
                priority,
                delay,
                limits,
            } => ids.push(rig.submit(|submission| {
                submission.submitter = format!("s{submitter}").into();
                submission.priority = priority.into();
                submission.not_before_ms =
                    delay.then_some(submission.not_before_ms.unwrap_or(1_000_500));
                if limits {
                    submission.spec.limits = Limits {
                        queue_ms: Some(3_000),
                        attempt_soft_ms: Some(500),
                        attempt_ms: Some(700),
                        deadline_ms: Some(5_000),
                        ..Limits::default()
                    };
                }
            })),
            Step::Sweep { tasks } => {
                ids.push(
                    rig.submit(|submission| submission.spec.sweep = Some(sweep(tasks.into()))),
                );
            }
            Step::Begin(which) if !held.live.is_empty() => {
                let attempt = held.live[usize::from(which) % held.live.len()];
                rig.round(|engine, now| engine.started(now, attempt.0, attempt.1))
                    .unwrap();
            }
            Step::Finish(which, how) if !held.live.is_empty() => {
                let attempt = held.live.remove(usize::from(which) % held.live.len());
                rig.finish(attempt, outcome(how));
            }
            Step::Stray(which, how) if !held.ever.is_empty() => {
                let attempt = held.ever[usize::from(which) % held.ever.len()];
                if !held.live.contains(&attempt) {
                    assert!(
                        !rig.finish(attempt, outcome(how)),
                        "a report of an old attempt decided something"
                    );
                }
            }
            Step::Cancel(which) if !ids.is_empty() => {
                let id = ids[usize::from(which) % ids.len()];
                rig.round(|engine, now| engine.cancel(now, id, "")).unwrap();
            }
            Step::Retry(which) if !ids.is_empty() => {
                let id = ids[usize::from(which) % ids.len()];
                if let Ok(new) = rig.round(|engine, now| engine.retry(now, id)) {
                    ids.push(new);
                }
            }
            Step::Advance(ms) => rig.advance(ms.into()),
            Step::Pause(paused) => {
                let status = ServiceStatus {
                    runner: Some(RunnerKind::Program),
                    paused,
                    retired: false,
                    slots: None,
                };
                rig.round(|engine, _| engine.set_service(&SERVICE.into(), status));
            }
            Step::Crash { lose_effects } => {
                let now = rig.now;
                rig.engine
                    .submit(now, vec![submission()], false, None)
                    .unwrap();
                rig.engine.settle(now).unwrap();
                if lose_effects {
                    // Committed, but nobody was told.
                    rig.engine.store().commit();
                } else {
                    rig.engine.store().rollback();
                }
                restart(&mut rig, &mut held);
            }
            Step::StoreFails(calls) => {
                rig.engine.store().fail_after(calls.into());
                let now = rig.now;
                let submitted = rig
                    .engine
                    .submit(now, vec![submission()], false, None)
                    .is_ok();
                if submitted && rig.engine.settle(now).is_ok() {
                    let _ = rig.engine.take_effects();
                }
                rig.engine.store().rollback();
                restart(&mut rig, &mut held);
            }
            _ => {}
        }
        held.absorb(&mut rig);
        check(&mut rig, &held);
    }
    finish_everything(&mut rig, &mut held);
}

/// Whatever happened: attempts are unique, one live attempt a job, no more at work than fits, counts of parents add up.
fn check(rig: &mut Rig, held: &Held) {
    let unique: HashSet<_> = held.ever.iter().map(|(_, attempt)| attempt).collect();
    assert_eq!(
        unique.len(),
        held.ever.len(),
        "an attempt was started twice"
    );
    let active: HashMap<_, _> = rig
        .engine
        .active()
        .map(|(job, _)| (job.id, job.attempt_id))
        .collect();
    assert!(active.len() <= 2, "more at work than the worker can take");
    let jobs: Vec<Job> = rig.engine.store().jobs().cloned().collect();
    for job in &jobs {
        assert_eq!(
            job.state.is_active() && job.counts.is_none(),
            active.contains_key(&job.id),
            "{job:?}"
        );
        let history: Vec<_> = job.history.entries().collect();
        assert!(history.is_sorted_by_key(|entry| (entry.revision, entry.attempt)));
        assert_eq!(
            history
                .iter()
                .filter(|entry| entry.state.is_terminal())
                .count(),
            usize::from(job.state.is_terminal())
        );
        assert_eq!(history.last().unwrap().state, job.state);
        assert!(
            history
                .windows(2)
                .all(|pair| pair[0].state.may_become(pair[1].state))
        );
        if let Some(counts) = job.counts {
            let tasks: Vec<_> = jobs
                .iter()
                .filter(|task| task.parent == Some(job.id))
                .collect();
            assert_eq!(counts.total as usize, tasks.len());
            assert_eq!(
                counts.unfinished() as usize,
                tasks
                    .iter()
                    .filter(|task| !task.state.is_terminal())
                    .count()
            );
            assert_eq!(
                counts.terminal().is_some(),
                job.state.is_terminal(),
                "{job:?}"
            );
        }
    }
}

/// Every job reaches exactly one terminal state once workers work and nothing is paused.
fn finish_everything(rig: &mut Rig, held: &mut Held) {
    let status = ServiceStatus {
        runner: Some(RunnerKind::Program),
        paused: false,
        retired: false,
        slots: None,
    };
    rig.round(|engine, _| engine.set_service(&SERVICE.into(), status));
    for _ in 0..10_000 {
        held.absorb(rig);
        if let Some(attempt) = held.live.pop() {
            rig.finish(attempt, done());
        } else if let Some(at) = rig.engine.poll_timeout(rig.now).unwrap() {
            rig.advance(at.saturating_sub(rig.now.mono_ms).max(1));
        } else {
            break;
        }
    }
    check(rig, held);
    let open: Vec<_> = rig
        .engine
        .store()
        .jobs()
        .filter(|job| !job.state.is_terminal())
        .cloned()
        .collect();
    assert!(open.is_empty(), "never ended: {open:#?}");
    assert_eq!(rig.engine.load(), Load::default());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_events_keeps_the_promises(steps in prop::collection::vec(step(), 1..60)) {
        play(steps);
    }
}
