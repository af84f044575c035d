//! What a node does before it is one: entropy, workers, and the attempts that an earlier one left.

use std::{io, path::Path};

use trefoil_jobs::{Capacity, Job, Outcome, Resources, RunnerKind, Seed, WorkerName};

use super::{BUILTIN_SLOTS, PROGRAM_SLOTS};
use crate::{
    clock::Clock,
    config::NodeConfig,
    engine_thread::PlatformEngine,
    program::{self, AdoptError, Adoption, AttemptDir},
    store::StoreError,
    worker::{self, AttemptReport, BUILTINS, PROGRAMS, Resumed},
};

pub(super) fn seed() -> io::Result<Seed> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let half = |range: std::ops::Range<usize>| {
        bytes[range]
            .iter()
            .fold(0u64, |value, byte| (value << 8) | u64::from(*byte))
    };
    Ok(Seed([half(0..8), half(8..16)]))
}

pub(super) fn add_workers(engine: &mut PlatformEngine, config: &NodeConfig, clock: &Clock) {
    let now = clock.now();
    let builtins: WorkerName = BUILTINS.into();
    let unlimited = Resources {
        milli_cpus: u32::MAX,
        memory: u64::MAX / 2,
    };
    let capacity = Capacity {
        kind: RunnerKind::Builtin,
        total: unlimited,
        slots: BUILTIN_SLOTS,
    };
    engine.add_worker(now, &builtins, capacity, None);
    if config.workers_enabled {
        let total = Resources {
            milli_cpus: config.worker_slots.saturating_mul(1_000),
            memory: config.worker_memory,
        };
        let capacity = Capacity {
            kind: RunnerKind::Program,
            total,
            slots: PROGRAM_SLOTS,
        };
        engine.add_worker(now, &PROGRAMS.into(), capacity, None);
    }
}

/// Finds out what became of the attempts that were active when the last platform ended.
pub(super) async fn adopt(
    engine: &mut PlatformEngine,
    data: &Path,
    clock: &Clock,
) -> Result<Result<Vec<Resumed>, StoreError>, AdoptError> {
    let active: Vec<Job> = engine.active().map(|(job, _)| job.clone()).collect();
    let mut resumed = Vec::new();
    let mut ended = Vec::new();
    for job in active {
        let Some(attempt) = job.attempt_id else {
            continue;
        };
        if job.worker.as_deref() == Some(BUILTINS) {
            // Builtins are pure, so it makes no difference whether one was in the middle.
            ended.push((job.id, attempt, never_started()));
            continue;
        }
        let dir = AttemptDir::new(data, attempt);
        if let Ok(Some(report)) = AttemptReport::read(&dir) {
            ended.push((job.id, attempt, report.outcome));
            continue;
        }
        tracing::info!(job = %job.id, %attempt, "looking for an attempt of the last run");
        let found = match program::adopt(&dir).await? {
            Adoption::NeverStarted => {
                ended.push((job.id, attempt, never_started()));
                continue;
            }
            Adoption::Vanished => {
                worker::clear(&dir);
                let message = "it was gone when the platform came back".to_owned();
                ended.push((
                    job.id,
                    attempt,
                    Outcome::Lost {
                        started: true,
                        message,
                    },
                ));
                continue;
            }
            Adoption::Running(running) => worker::Found::Running(running),
            Adoption::Ended(report) => worker::Found::Ended(report),
        };
        resumed.push(Resumed {
            job: Box::new(job),
            attempt,
            found,
        });
    }
    let now = clock.now();
    let settle = |engine: &mut PlatformEngine| {
        engine.store().begin()?;
        for (job, attempt, outcome) in ended {
            engine.finished(now, job, attempt, None, outcome)?;
        }
        engine.store().commit()
    };
    // The effects (attempts to be stopped that were to be stopped before) are carried out with those of the first round.
    Ok(settle(engine).map(|()| resumed))
}

fn never_started() -> Outcome {
    Outcome::Lost {
        started: false,
        message: "the platform ended before it was started".to_owned(),
    }
}
