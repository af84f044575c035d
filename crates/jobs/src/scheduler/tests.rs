use super::*;
use crate::{IdSource, Seed};

const SERVICE: &str = "a/b:1.0.0";

struct Rig {
    scheduler: Scheduler,
    ids: IdSource,
    seq: u64,
}

impl Rig {
    fn new(milli_cpus: u32) -> Self {
        let mut scheduler = Scheduler::default();
        let total = Resources {
            milli_cpus,
            memory: 1_000,
        };
        scheduler.add_worker(
            "w".into(),
            Capacity {
                kind: RunnerKind::Program,
                total,
                slots: 1_000,
            },
        );
        let mut rig = Self {
            scheduler,
            ids: IdSource::new(Seed([1, 2])),
            seq: 0,
        };
        rig.service(|_| {});
        rig
    }

    fn service(&mut self, change: impl FnOnce(&mut ServiceStatus)) {
        let mut status = ServiceStatus {
            runner: Some(RunnerKind::Program),
            paused: false,
            retired: false,
            slots: None,
        };
        change(&mut status);
        self.scheduler.set_service(&SERVICE.into(), status);
    }

    fn key(submitter: &str) -> GroupKey {
        GroupKey {
            service: SERVICE.into(),
            submitter: submitter.into(),
        }
    }

    fn candidate(&mut self, priority: i32, milli_cpus: u32) -> Candidate {
        self.seq += 1;
        let resources = Resources {
            milli_cpus,
            memory: 0,
        };
        Candidate {
            id: self.ids.job(self.seq),
            seq: self.seq,
            priority,
            resources,
        }
    }

    fn add(&mut self, submitter: &str, priority: i32, milli_cpus: u32) -> u64 {
        let candidate = self.candidate(priority, milli_cpus);
        self.scheduler.enqueue(&Self::key(submitter), candidate);
        candidate.seq
    }

    /// Starts what can start at `mono_ms`; the submitters and sequence numbers in order.
    fn start(&mut self, mono_ms: u64) -> Vec<(String, u64)> {
        let mut started = Vec::new();
        while let Pick::Start(key, candidate, worker) = self.scheduler.pick(mono_ms) {
            self.scheduler.occupy(&key, &worker, candidate.resources);
            started.push((key.submitter.to_string(), candidate.seq));
        }
        started
    }

    fn end(&mut self, submitter: &str, milli_cpus: u32) {
        self.scheduler.release(
            &Self::key(submitter),
            "w",
            Resources {
                milli_cpus,
                memory: 0,
            },
        );
    }
}

fn submitters(started: &[(String, u64)]) -> String {
    started
        .iter()
        .map(|(submitter, _)| submitter.as_str())
        .collect()
}

#[test]
fn submitters_take_turns_however_many_jobs_one_has() {
    let mut rig = Rig::new(2_000);
    (0..50).for_each(|_| {
        rig.add("a", 0, 1_000);
    });
    assert_eq!(submitters(&rig.start(0)), "aa");
    rig.add("b", 0, 1_000);
    rig.add("b", 0, 1_000);
    rig.add("c", 0, 1_000);
    let mut order = String::new();
    for _ in 0..4 {
        rig.end("a", 1_000);
        let started = submitters(&rig.start(0));
        order.push_str(&started);
        if started != "a" {
            rig.end(&started, 1_000);
            order.push_str(&submitters(&rig.start(0)));
        }
    }
    // Both newcomers are served at once although a's jobs are older.
    assert!(order.starts_with("bc"), "{order}");
}

#[test]
fn priority_orders_the_jobs_of_one_submitter_only() {
    let mut rig = Rig::new(1_000);
    let low = rig.add("a", 0, 1_000);
    let high = rig.add("a", 5, 1_000);
    rig.add("b", 1_000, 1_000);
    assert_eq!(rig.start(0), [("a".to_owned(), high)]);
    rig.end("a", 1_000);
    assert_eq!(submitters(&rig.start(0)), "b");
    rig.end("b", 1_000);
    assert_eq!(rig.start(0), [("a".to_owned(), low)]);
}

#[test]
fn a_large_job_is_passed_over_but_not_for_ever() {
    let mut rig = Rig::new(2_000);
    rig.add("small", 0, 1_000);
    rig.start(0);
    rig.add("large", 0, 2_000);
    (0..10).for_each(|_| {
        rig.add("small", 0, 1_000);
    });
    assert_eq!(submitters(&rig.start(1)), "small");
    rig.end("small", 1_000);
    assert_eq!(
        submitters(&rig.start(HOLD_AFTER_MS + 2)),
        "",
        "the free CPU is kept for the large one"
    );
    rig.end("small", 1_000);
    assert_eq!(submitters(&rig.start(HOLD_AFTER_MS + 3)), "large");
}

#[test]
fn waiting_has_a_reason() {
    let mut rig = Rig::new(1_000);
    assert_eq!(rig.scheduler.explain("x:1.0.0"), WaitReason::NoWorker);
    rig.service(|status| status.paused = true);
    rig.add("a", 0, 1_000);
    assert_eq!(rig.start(0), []);
    assert_eq!(rig.scheduler.explain(SERVICE), WaitReason::Paused);
    rig.service(|status| status.retired = true);
    assert_eq!(rig.scheduler.explain(SERVICE), WaitReason::Retired);
    rig.service(|status| status.runner = None);
    assert_eq!(rig.scheduler.explain(SERVICE), WaitReason::NoWorker);
    rig.service(|status| status.slots = Some(1));
    rig.add("a", 0, 1_000);
    assert_eq!(rig.start(0).len(), 1);
    assert_eq!(rig.scheduler.explain(SERVICE), WaitReason::Slots);
    rig.service(|_| {});
    assert_eq!(rig.scheduler.explain(SERVICE), WaitReason::Resources);
    rig.scheduler.drain();
    assert_eq!(rig.scheduler.explain(SERVICE), WaitReason::Draining);
}

#[test]
fn what_no_worker_could_run_is_refused() {
    let rig = Rig::new(2_000);
    let ask = |milli_cpus, memory| {
        rig.scheduler
            .admits(SERVICE, Resources { milli_cpus, memory })
    };
    assert_eq!(ask(2_000, 1_000), Ok(()));
    assert_eq!(
        ask(2_500, 0).unwrap_err().to_string(),
        "no worker could ever run this: it asks for 2.5 CPUs, the largest worker has 2"
    );
    assert!(
        ask(1, 1_001)
            .unwrap_err()
            .to_string()
            .contains("1001 bytes of memory, the largest worker has 1000")
    );
    assert_eq!(
        rig.scheduler.admits(
            "x:1.0.0",
            Resources {
                milli_cpus: 9_000,
                memory: 0
            }
        ),
        Ok(())
    );
}

#[test]
fn only_a_window_is_in_memory_and_order_survives_refills() {
    let mut rig = Rig::new(1_000);
    let stored: Vec<Candidate> = (0..WINDOW + 100).map(|_| rig.candidate(0, 1_000)).collect();
    for candidate in &stored {
        rig.scheduler.enqueue(&Rig::key("a"), *candidate);
    }
    assert_eq!(
        rig.scheduler.groups[&Rig::key("a")].window.len(),
        WINDOW as usize
    );
    let mut started = Vec::new();
    let mut rest = stored
        .iter()
        .copied()
        .collect::<std::collections::VecDeque<_>>();
    while started.len() < stored.len() {
        match rig.scheduler.pick(0) {
            Pick::Start(key, candidate, worker) => {
                rig.scheduler.occupy(&key, &worker, candidate.resources);
                rest.retain(|other| other.id != candidate.id);
                started.push(candidate.seq);
                rig.end("a", 1_000);
            }
            Pick::Refill(key) => {
                rig.scheduler
                    .refill(&key, rest.iter().take(WINDOW as usize).copied().collect());
            }
            Pick::Nothing => panic!("stuck after {}", started.len()),
        }
    }
    assert_eq!(
        started,
        stored
            .iter()
            .map(|candidate| candidate.seq)
            .collect::<Vec<_>>()
    );
    assert!(
        rig.scheduler.groups.is_empty()
            && rig.scheduler.order.is_empty()
            && rig.scheduler.shares.is_empty()
    );
}
