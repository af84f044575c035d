//! What workers report about attempts. Only the current attempt of a job is listened to.

use std::sync::Arc;

use super::{Active, Effect, Engine, StopCause, Stored};
use crate::{
    AttemptId, AttemptRecord, Failure, FailureClass, Job, JobId, JobStore, Now, Outcome, Spec,
    State, TimeLimit,
};

impl<S: JobStore> Engine<S> {
    /// An attempt began to compute. Returns whether it is the current one; if not, the worker must drop it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn started(&mut self, now: Now, id: JobId, attempt: AttemptId) -> Stored<bool, S> {
        let Some(mut active) = self.take_current(id, attempt) else {
            return Ok(false);
        };
        if active.began_mono.is_none() {
            active.began_mono = Some(now.mono_ms);
            active.alive_mono = now.mono_ms;
            active.job.started_ms = Some(now.wall_ms);
            if active.job.state == State::Starting {
                self.step(&mut active.job, State::Running, now)?;
            } else {
                active.job.revision += 1;
            }
            self.save(&active.job, now, None)?;
        }
        self.active.insert(id, active);
        self.arm(now, id);
        Ok(true)
    }

    /// An attempt showed a sign of life, and perhaps how far it is. Not stored.
    pub fn progress(
        &mut self,
        now: Now,
        id: JobId,
        attempt: AttemptId,
        progress: Option<(f32, Option<Arc<str>>)>,
    ) {
        let Some(active) = self
            .active
            .get_mut(&id)
            .filter(|active| active.job.attempt_id == Some(attempt))
        else {
            return;
        };
        active.alive_mono = now.mono_ms;
        if active.spec.limits.silence_ms.is_some() {
            self.arm(now, id);
        }
        if let Some((fraction, message)) = progress {
            self.effects.push(Effect::Progress {
                job: id,
                fraction,
                message,
            });
        }
    }

    /// An attempt ended. Returns whether this decided anything: a late or repeated report changes nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub fn finished(
        &mut self,
        now: Now,
        id: JobId,
        attempt: AttemptId,
        started_ms: Option<u64>,
        outcome: Outcome,
    ) -> Stored<bool, S> {
        let Some(active) = self.take_current(id, attempt) else {
            return Ok(false);
        };
        self.disarm(&active);
        if let Some(worker) = &active.job.worker {
            self.scheduler
                .release(&active.group(), worker, active.job.resources);
        }
        let Active {
            mut job,
            spec,
            stop,
            ..
        } = active;
        // A worker that is quick reports the end only; the start is part of it.
        let began = !matches!(outcome, Outcome::Lost { started: false, .. });
        if began && job.state == State::Starting {
            job.started_ms = started_ms.or(Some(now.wall_ms));
            self.step(&mut job, State::Running, now)?;
        }
        match self.verdict(now, &mut job, &spec, stop, outcome) {
            Verdict::Succeed(outputs) => {
                job.failure = None;
                self.step(&mut job, State::Succeeded, now)?;
                self.save(&job, now, Some(&outputs))?;
            }
            Verdict::Cancel => {
                if job.state == State::Starting {
                    self.step(&mut job, State::Canceling, now)?;
                }
                job.failure = None;
                self.step(&mut job, State::Canceled, now)?;
                self.save(&job, now, None)?;
            }
            Verdict::Fail(failure) => {
                job.failure = Some(Arc::new(failure));
                self.step(&mut job, State::Failed, now)?;
                self.save(&job, now, None)?;
            }
            Verdict::Retry { failure, wait_ms } => self.retry_later(now, job, failure, wait_ms)?,
            Verdict::Requeue(failure) => {
                self.keep_attempt(now, &mut job, failure)?;
                job.wake_ms = job.deadline_ms;
                self.step(&mut job, State::Queued, now)?;
                self.save(&job, now, None)?;
                self.enqueue(&job);
            }
        }
        Ok(true)
    }

    fn take_current(&mut self, id: JobId, attempt: AttemptId) -> Option<Active> {
        match self.active.entry(id) {
            std::collections::hash_map::Entry::Occupied(entry)
                if entry.get().job.attempt_id == Some(attempt) =>
            {
                Some(entry.remove())
            }
            _ => None,
        }
    }

    fn retry_later(
        &mut self,
        now: Now,
        mut job: Job,
        failure: Failure,
        wait_ms: u64,
    ) -> Stored<(), S> {
        self.keep_attempt(now, &mut job, failure)?;
        let at = now.wall_ms.saturating_add(wait_ms);
        job.wake_ms = Some(job.deadline_ms.map_or(at, |deadline| deadline.min(at)));
        self.step(&mut job, State::Retrying, now)?;
        self.save(&job, now, None)
    }

    /// The row of a job knows its last attempt only; one that is followed by another is kept apart.
    fn keep_attempt(&mut self, now: Now, job: &mut Job, failure: Failure) -> Stored<(), S> {
        let failure = Arc::new(failure);
        job.failure = Some(Arc::clone(&failure));
        let Some(id) = job.attempt_id else {
            return Ok(());
        };
        let record = AttemptRecord {
            attempt: job.attempt,
            id,
            worker: job.worker.clone(),
            started_ms: job.started_ms,
            ended_ms: now.wall_ms,
            failure: Some(failure),
        };
        self.store.save_attempt(job, &record)
    }

    /// What becomes of a job whose attempt ended so.
    fn verdict(
        &mut self,
        now: Now,
        job: &mut Job,
        spec: &Spec,
        stop: Option<StopCause>,
        outcome: Outcome,
    ) -> Verdict {
        let failure = match (outcome, stop) {
            // Work that is done is accepted, whatever was asked for meanwhile.
            (Outcome::Succeeded { outputs }, _) => return Verdict::Succeed(outputs),
            (_, Some(StopCause::Cancel)) => return Verdict::Cancel,
            (Outcome::Failed(failure), None) => failure,
            (Outcome::Failed(failure), Some(StopCause::Limit(limit))) => {
                limit_failure(limit, spec, failure.log_tail)
            }
            // Stopped in good order, or torn down because it would not stop: the limit is the cause either way.
            (
                Outcome::Stopped | Outcome::Lost { started: true, .. },
                Some(StopCause::Limit(limit)),
            ) => limit_failure(limit, spec, Vec::new()),
            // Handed back, or never begun: no fault of the job's, so it costs neither an attempt nor a crash.
            (Outcome::Stopped, None) => {
                return Verdict::Requeue(Failure::new(
                    FailureClass::Lost,
                    "its worker handed it back while stopping",
                ));
            }
            (
                Outcome::Lost {
                    started: false,
                    message,
                },
                _,
            ) => {
                return Verdict::Requeue(Failure::new(FailureClass::Lost, message));
            }
            (
                Outcome::Lost {
                    started: true,
                    message,
                },
                None,
            ) => Failure::new(FailureClass::Lost, message),
        };
        let crashed = failure.class == FailureClass::Lost;
        let (count, max) = if crashed {
            job.crashes += 1;
            // So many crashes are survived; the next one is the last.
            (job.crashes, spec.retry.max_crashes.saturating_add(1))
        } else {
            job.failures += 1;
            (job.failures, spec.retry.max_attempts)
        };
        let again = (crashed || spec.retry.retry_on.contains(&failure.class))
            && failure.limit != Some(TimeLimit::Deadline)
            && count < max
            && job
                .deadline_ms
                .is_none_or(|deadline| deadline > now.wall_ms);
        if again {
            let wait_ms = spec.retry.backoff_ms(count, self.ids.random());
            Verdict::Retry { failure, wait_ms }
        } else {
            Verdict::Fail(failure)
        }
    }
}

enum Verdict {
    Succeed(Arc<str>),
    Cancel,
    Fail(Failure),
    Retry { failure: Failure, wait_ms: u64 },
    Requeue(Failure),
}

fn limit_failure(limit: TimeLimit, spec: &Spec, log_tail: Vec<String>) -> Failure {
    let seconds = |ms: Option<u64>| ms.unwrap_or_default() as f64 / 1000.0;
    let message = match limit {
        TimeLimit::Attempt => {
            let limit = spec.limits.attempt_soft_ms.or(spec.limits.attempt_ms);
            format!(
                "the attempt ran longer than its limit of {} s",
                seconds(limit)
            )
        }
        TimeLimit::Silence => format!(
            "the program printed nothing for {} s",
            seconds(spec.limits.silence_ms)
        ),
        TimeLimit::Queue | TimeLimit::Deadline => {
            "the deadline of the job passed while it ran".to_owned()
        }
    };
    Failure {
        log_tail,
        ..Failure::timed_out(limit, message)
    }
}
