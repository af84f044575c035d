//! Time limits of attempts, leases of workers, and jobs that wait for an instant.

use std::sync::Arc;

use super::{Active, Effect, Engine, StopCause, Stored, group_of};
use crate::{
    Failure, FailureClass, Job, JobId, JobStore, Now, Outcome, State, TimeLimit, WorkerName,
    policy::GRACE_MS,
};

/// Jobs woken in one go; the rest follow in the next round, so that a great many cannot hold up everything else.
const WAKE_BATCH: u32 = 1_000;

impl<S: JobStore> Engine<S> {
    /// A worker says that it is alive and has these attempts. Returns those that it should drop: they are not current any
    /// more.
    pub fn heartbeat(
        &mut self,
        now: Now,
        worker: &str,
        lease_ms: u64,
        attempts: &[(JobId, crate::AttemptId)],
    ) -> Vec<(JobId, crate::AttemptId)> {
        if let Some(lease) = self.leases.get_mut(worker) {
            *lease = Some(now.mono_ms + lease_ms);
        }
        let current = |id: &JobId, attempt: &crate::AttemptId| {
            self.active
                .get(id)
                .is_some_and(|active| active.job.attempt_id == Some(*attempt))
        };
        attempts
            .iter()
            .filter(|(id, attempt)| !current(id, attempt))
            .copied()
            .collect()
    }

    /// A worker is gone: its attempts are lost.
    ///
    /// # Errors
    /// When the store fails.
    pub fn worker_lost(&mut self, now: Now, worker: &str, why: &str) -> Stored<(), S> {
        self.leases.remove(worker);
        self.scheduler.remove_worker(worker);
        let lost: Vec<_> = self
            .active
            .values()
            .filter(|active| active.job.worker.as_deref() == Some(worker))
            .filter_map(|active| Some((active.job.id, active.job.attempt_id?)))
            .collect();
        for (id, attempt) in lost {
            let message = format!("worker {worker} is gone: {why}");
            self.finished(
                now,
                id,
                attempt,
                None,
                Outcome::Lost {
                    started: true,
                    message,
                },
            )?;
        }
        Ok(())
    }

    /// Arms the timer of an active job for the earliest thing that may happen to it.
    pub(super) fn arm(&mut self, now: Now, id: JobId) {
        let Some(active) = self.active.get_mut(&id) else {
            return;
        };
        if let Some(at) = active.timer.take() {
            self.timers.remove(&(at, id));
        }
        if let Some((at, _)) = next_limit(active, now) {
            active.timer = Some(at);
            self.timers.insert((at, id));
        }
    }

    pub(super) fn disarm(&mut self, active: &Active) {
        if let Some(at) = active.timer {
            self.timers.remove(&(at, active.job.id));
        }
    }

    pub(super) fn run_timers(&mut self, now: Now) -> Stored<(), S> {
        let expired: Vec<WorkerName> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.is_some_and(|until| until <= now.mono_ms))
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for worker in expired {
            self.worker_lost(now, &worker, "its lease ran out")?;
        }
        while let Some((at, id)) = self
            .timers
            .first()
            .copied()
            .filter(|(at, _)| *at <= now.mono_ms)
        {
            self.timers.remove(&(at, id));
            let Some(active) = self.active.get_mut(&id) else {
                continue;
            };
            active.timer = None;
            // A sign of life may have moved the limit since the timer was armed.
            if let Some((_, met)) = next_limit(active, now).filter(|(at, _)| *at <= now.mono_ms) {
                active.stop.get_or_insert(StopCause::Limit(met.limit));
                active.killed |= met.hard;
                self.stop_attempt(id, met.hard);
            }
            self.arm(now, id);
        }
        Ok(())
    }

    pub(super) fn stop_attempt(&mut self, id: JobId, kill: bool) {
        let Some(active) = self.active.get(&id) else {
            return;
        };
        if let (Some(worker), Some(attempt)) = (&active.job.worker, active.job.attempt_id) {
            self.effects.push(Effect::Stop {
                worker: Arc::clone(worker),
                job: id,
                attempt,
                kill,
                grace_ms: active.spec.limits.grace_ms.unwrap_or(GRACE_MS),
            });
        }
    }

    /// Moves on the jobs whose instant has come.
    pub(super) fn wake_due(&mut self, now: Now) -> Stored<(), S> {
        if self.next_wake.is_some_and(|wake| wake > now.wall_ms) {
            return Ok(());
        }
        let due = self.store.due(now.wall_ms, WAKE_BATCH)?;
        for job in due {
            self.wake(now, job)?;
        }
        self.next_wake = None;
        Ok(())
    }

    fn wake(&mut self, now: Now, mut job: Job) -> Stored<(), S> {
        let spec = self.store.spec(&job)?;
        let late = job
            .deadline_ms
            .is_some_and(|deadline| deadline <= now.wall_ms);
        let limit = if late {
            TimeLimit::Deadline
        } else {
            TimeLimit::Queue
        };
        match job.state {
            State::Accepted | State::Retrying if !late => {
                job.wake_ms = queue_wake(&job, &spec.limits, now);
                self.step(&mut job, State::Queued, now)?;
                self.save(&job, now, None)?;
                self.enqueue(&job);
            }
            State::Accepted | State::Retrying | State::Queued => {
                if job.state == State::Queued {
                    self.scheduler
                        .dequeue(&group_of(&job), job.priority, job.seq);
                }
                let message = match limit {
                    TimeLimit::Deadline => "the deadline passed before it could start",
                    _ => "no worker took it within its queue limit",
                };
                let class = if job.attempt == 0 {
                    FailureClass::Expired
                } else {
                    FailureClass::TimedOut
                };
                job.failure = Some(Arc::new(Failure {
                    limit: Some(limit),
                    ..Failure::new(class, message)
                }));
                self.step(&mut job, State::Failed, now)?;
                self.save(&job, now, None)?;
            }
            // Nothing else waits for an instant; a stray one is put to rest.
            _ => {
                job.wake_ms = None;
                job.revision += 1;
                self.store.save(&job)?;
            }
        }
        Ok(())
    }
}

/// The instant at which a queued job needs attention.
pub(super) fn queue_wake(job: &Job, limits: &crate::Limits, now: Now) -> Option<u64> {
    let queue = if job.attempt == 0 {
        limits
            .queue_ms
            .map(|queue| now.wall_ms.saturating_add(queue))
    } else {
        None
    };
    [queue, job.deadline_ms].into_iter().flatten().min()
}

struct Limit {
    limit: TimeLimit,
    hard: bool,
}

/// The next limit of an active job: before it was asked to stop, the earliest; afterwards only the hard one.
fn next_limit(active: &Active, now: Now) -> Option<(u64, Limit)> {
    if active.killed {
        return None;
    }
    let limits = &active.spec.limits;
    let soft = |at: u64, limit| (at, Limit { limit, hard: false });
    let after = |base: Option<u64>, wait: Option<u64>| Some(base?.saturating_add(wait?));
    let hard = after(active.began_mono, limits.attempt_ms).map(|at| {
        (
            at,
            Limit {
                limit: TimeLimit::Attempt,
                hard: true,
            },
        )
    });
    if active.stop.is_some() {
        return hard;
    }
    let began = active.began_mono;
    let candidates = [
        after(began, limits.attempt_soft_ms).map(|at| soft(at, TimeLimit::Attempt)),
        began
            .and(after(Some(active.alive_mono), limits.silence_ms))
            .map(|at| soft(at, TimeLimit::Silence)),
        active
            .job
            .deadline_ms
            .map(|at| soft(now.mono_at(at), TimeLimit::Deadline)),
        hard,
    ];
    candidates.into_iter().flatten().min_by_key(|(at, _)| *at)
}
