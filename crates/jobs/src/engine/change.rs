//! What people ask of jobs that were accepted: cancel, retry, rerun, change, delete.

use std::{collections::BTreeMap, sync::Arc};

use super::{Engine, Outcome, StopCause, Stored, Submission, group_of};
use crate::{AttemptId, EngineError, Job, JobId, JobStore, Now, Origin, Refusal, State};

/// States of a task that is with no worker and has not ended.
const WAITING: [State; 5] = [
    State::Created,
    State::Accepted,
    State::Blocked,
    State::Queued,
    State::Retrying,
];
/// States of a task that is with a worker.
const WITH_WORKER: [State; 3] = [State::Starting, State::Running, State::Canceling];
/// Tasks handled between two looks at the store.
const CHUNK: u32 = 1_000;

impl<S: JobStore> Engine<S> {
    /// Cancels a job: at once if no worker has it, otherwise its worker is asked to stop. Canceling a job that has ended
    /// changes nothing. The job as it is afterwards.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`], [`Refusal::Gone`], or the store's.
    pub fn cancel(&mut self, now: Now, id: JobId, reason: &str) -> Outcome<Job, S> {
        let job = self.job_or_refuse(id)?;
        if job.state.is_terminal() {
            return Ok(job);
        }
        let canceled = if job.counts.is_some() {
            self.cancel_sweep(now, job, reason)
        } else {
            self.cancel_one(now, job, reason)
        };
        canceled.map_err(EngineError::Store)
    }

    fn cancel_one(&mut self, now: Now, mut job: Job, reason: &str) -> Stored<Job, S> {
        let id = job.id;
        if job.state == State::Canceling {
            return Ok(job);
        }
        job.cancel = Some(Arc::from(reason));
        if !job.state.is_active() {
            if job.state == State::Queued {
                self.scheduler
                    .dequeue(&group_of(&job), job.priority, job.seq);
            }
            self.step(&mut job, State::Canceled, now)?;
            self.save(&job, now, None)?;
            return Ok(job);
        }
        self.step(&mut job, State::Canceling, now)?;
        self.save(&job, now, None)?;
        if let Some(active) = self.active.get_mut(&id) {
            active.job = job.clone();
            active.stop = Some(StopCause::Cancel);
        }
        self.stop_attempt(id, false);
        self.arm(now, id);
        Ok(job)
    }

    fn cancel_sweep(&mut self, now: Now, mut parent: Job, reason: &str) -> Stored<Job, S> {
        parent.cancel = Some(Arc::from(reason));
        if parent.state == State::Running {
            parent.step(State::Canceling, now);
        } else {
            parent.revision += 1;
        }
        let id = parent.id;
        self.store.save(&parent)?;
        self.parents.insert(id, parent);
        self.dirty_parents.insert(id);
        for states in [WAITING.as_slice(), WITH_WORKER.as_slice()] {
            let mut after = None;
            loop {
                let tasks = self.store.tasks(id, states, after, CHUNK)?;
                let Some(last) = tasks.last() else { break };
                after = Some(last.index);
                for task in tasks {
                    self.cancel_one(now, task, reason)?;
                }
            }
        }
        self.flush_parents(now)?;
        match self.parents.get(&id) {
            Some(parent) => Ok(parent.clone()),
            None => Ok(self
                .store
                .job(id)?
                .expect("it was saved above, in this transaction")),
        }
    }

    /// Accepts a new job like one that failed or was canceled; of a sweep, only the tasks that did not succeed.
    ///
    /// # Errors
    /// [`Refusal::NothingToRetry`], [`Refusal::UnknownJob`], [`Refusal::Gone`], or the store's.
    pub fn retry(&mut self, now: Now, id: JobId) -> Outcome<JobId, S> {
        let old = self.job_or_refuse(id)?;
        if !matches!(old.state, State::Failed | State::Canceled) {
            return Err(Refusal::NothingToRetry {
                id,
                state: old.state,
            }
            .into());
        }
        self.again(now, &old, Origin::RetryOf(id))
            .map_err(EngineError::Store)
    }

    /// Accepts a new job like one that succeeded, so that their outputs can be compared.
    ///
    /// # Errors
    /// [`Refusal::NothingToRerun`], [`Refusal::UnknownJob`], [`Refusal::Gone`], or the store's.
    pub fn rerun(&mut self, now: Now, id: JobId) -> Outcome<JobId, S> {
        let old = self.job_or_refuse(id)?;
        if old.state != State::Succeeded {
            return Err(Refusal::NothingToRerun {
                id,
                state: old.state,
            }
            .into());
        }
        self.again(now, &old, Origin::RerunOf(id))
            .map_err(EngineError::Store)
    }

    fn again(&mut self, now: Now, old: &Job, origin: Origin) -> Stored<JobId, S> {
        let mut spec = self.store.spec(old)?;
        spec.origin = Some(origin);
        let submission = Submission {
            service: Arc::clone(&old.service),
            submitter: Arc::clone(&old.submitter),
            priority: old.priority,
            not_before_ms: None,
            strict: false,
            spec,
        };
        let mut job = self.fresh(now, &submission);
        let spec = submission.spec;
        if old.counts.is_some() {
            return self.repeat_sweep(now, old, job, spec, origin);
        }
        self.place(now, &mut job, &spec, None)?;
        Ok(job.id)
    }

    /// Changes priority and labels. `expected` is the revision that the caller saw.
    ///
    /// # Errors
    /// [`Refusal::Stale`], [`Refusal::UnknownJob`], [`Refusal::Gone`], or the store's.
    pub fn patch(
        &mut self,
        now: Now,
        id: JobId,
        expected: Option<u32>,
        priority: Option<i32>,
        labels: Option<BTreeMap<String, String>>,
    ) -> Outcome<Job, S> {
        let mut job = self.job_or_refuse(id)?;
        if let Some(expected) = expected.filter(|expected| *expected != job.revision) {
            return Err(Refusal::Stale {
                id,
                expected,
                actual: job.revision,
            }
            .into());
        }
        let requeue =
            job.state == State::Queued && priority.is_some_and(|priority| priority != job.priority);
        if requeue {
            self.scheduler
                .dequeue(&group_of(&job), job.priority, job.seq);
        }
        job.priority = priority.unwrap_or(job.priority);
        job.revision += 1;
        self.save(&job, now, None).map_err(EngineError::Store)?;
        if let Some(labels) = labels {
            let mut spec = self.store.spec(&job).map_err(EngineError::Store)?;
            spec.labels = labels;
            self.store
                .save_labels(&job, &spec)
                .map_err(EngineError::Store)?;
        }
        if requeue {
            self.enqueue(&job);
        }
        if let Some(active) = self.active.get_mut(&id) {
            active.job = job.clone();
        }
        if let Some(parent) = self.parents.get_mut(&id) {
            *parent = job.clone();
        }
        Ok(job)
    }

    /// Removes a job that has ended, with its tasks. Returns all their attempts, whose files the owner removes.
    ///
    /// # Errors
    /// [`Refusal::NotEnded`], [`Refusal::WrongKind`] for a task whose parent still counts it, [`Refusal::UnknownJob`],
    /// [`Refusal::Gone`], or the store's.
    pub fn delete(&mut self, now: Now, id: JobId) -> Outcome<Vec<AttemptId>, S> {
        let job = self.job_or_refuse(id)?;
        if !job.state.is_terminal() {
            return Err(Refusal::NotEnded {
                id,
                state: job.state,
            }
            .into());
        }
        if job.parent.is_some() {
            return Err(Refusal::WrongKind("a task is deleted with its parent").into());
        }
        let mut attempts = match job.counts {
            Some(_) => self
                .store
                .delete_tasks(id, now.wall_ms)
                .map_err(EngineError::Store)?,
            None => Vec::new(),
        };
        attempts.extend(
            self.store
                .delete(&job, now.wall_ms)
                .map_err(EngineError::Store)?,
        );
        Ok(attempts)
    }
}
