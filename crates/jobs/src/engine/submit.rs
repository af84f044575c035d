//! Accepting jobs.

use std::sync::Arc;

use super::{Engine, IDEMPOTENCY_MS, Outcome, timers::queue_wake};
use crate::{
    EngineError, History, Job, JobId, JobStore, Now, Refusal, Remembered, Spec, State, WaitReason,
};

/// One job that somebody wants.
#[derive(Debug, Clone)]
pub struct Submission {
    /// `key:version`, resolved.
    pub service: Arc<str>,
    /// Who asks.
    pub submitter: Arc<str>,
    /// Higher first, among the jobs of this submitter.
    pub priority: i32,
    /// Not to start before, wall-clock milliseconds.
    pub not_before_ms: Option<u64>,
    /// Refuse rather than wait for a worker that is not there.
    pub strict: bool,
    /// Everything else.
    pub spec: Spec,
}

/// A submission that is safe to repeat.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The caller's key.
    pub key: Arc<str>,
    /// SHA-256 of the canonical request.
    pub fingerprint: [u8; 32],
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The first job.
    pub first: JobId,
    /// All of them; only the first, with its `count`, if this is a replay.
    pub ids: Vec<JobId>,
    /// How many jobs were accepted (a sweep counts as one).
    pub count: u32,
    /// Common to the jobs of one batch.
    pub batch: Option<JobId>,
    /// Nothing was done: the same request came before.
    pub replayed: bool,
}

impl<S: JobStore> Engine<S> {
    /// Accepts jobs: all or none. `batch` marks them as belonging together.
    ///
    /// # Errors
    /// [`Refusal::NeverRunnable`], [`Refusal::NoWorker`] (strict submissions), [`Refusal::KeyReused`], or the store's.
    pub fn submit(
        &mut self,
        now: Now,
        submissions: Vec<Submission>,
        batch: bool,
        idempotency: Option<&Idempotency>,
    ) -> Outcome<Accepted, S> {
        let submitter = submissions
            .first()
            .map(|submission| Arc::clone(&submission.submitter));
        if let (Some(idempotency), Some(submitter)) = (idempotency, &submitter)
            && let Some(accepted) = self.replay(submitter, idempotency)?
        {
            return Ok(accepted);
        }
        for submission in &submissions {
            self.scheduler
                .admits(&submission.service, submission.spec.resources)?;
            if submission.strict && self.explain(&submission.service) == WaitReason::NoWorker {
                return Err(Refusal::NoWorker {
                    service: submission.service.to_string(),
                }
                .into());
            }
        }
        let batch = batch.then(|| self.ids.job(now.wall_ms));
        let mut ids = Vec::with_capacity(submissions.len());
        for (index, submission) in (0..).zip(submissions) {
            ids.push(
                self.accept(now, submission, batch, index)
                    .map_err(EngineError::Store)?,
            );
        }
        let first = ids
            .first()
            .copied()
            .or(batch)
            .unwrap_or_else(|| self.ids.job(now.wall_ms));
        let accepted = Accepted {
            first,
            count: ids.len() as u32,
            ids,
            batch,
            replayed: false,
        };
        if let (Some(idempotency), Some(submitter)) = (idempotency, &submitter) {
            let what = Remembered {
                fingerprint: idempotency.fingerprint,
                first,
                count: accepted.count,
                batch,
            };
            let forget = now.wall_ms.saturating_sub(IDEMPOTENCY_MS);
            self.store
                .remember(submitter, &idempotency.key, &what, now.wall_ms, forget)
                .map_err(EngineError::Store)?;
        }
        Ok(accepted)
    }

    fn replay(
        &mut self,
        submitter: &str,
        idempotency: &Idempotency,
    ) -> Outcome<Option<Accepted>, S> {
        match self
            .store
            .remembered(submitter, &idempotency.key)
            .map_err(EngineError::Store)?
        {
            None => Ok(None),
            Some(what) if what.fingerprint == idempotency.fingerprint => Ok(Some(Accepted {
                first: what.first,
                ids: vec![what.first],
                count: what.count,
                batch: what.batch,
                replayed: true,
            })),
            Some(_) => Err(Refusal::KeyReused {
                key: idempotency.key.to_string(),
            }
            .into()),
        }
    }

    fn accept(
        &mut self,
        now: Now,
        submission: Submission,
        batch: Option<JobId>,
        index: u32,
    ) -> Result<JobId, S::Error> {
        let mut job = self.fresh(now, &submission);
        job.batch = batch;
        job.index = index;
        if submission.spec.sweep.is_some() {
            return self.accept_sweep(now, job, submission.spec);
        }
        self.place(now, &mut job, &submission.spec, submission.not_before_ms)?;
        Ok(job.id)
    }

    pub(super) fn fresh(&mut self, now: Now, submission: &Submission) -> Job {
        let deadline = submission.spec.limits.deadline_ms;
        Job {
            id: self.ids.job(now.wall_ms),
            seq: 0,
            service: Arc::clone(&submission.service),
            submitter: Arc::clone(&submission.submitter),
            state: State::Accepted,
            priority: submission.priority,
            parent: None,
            index: 0,
            batch: None,
            attempt: 0,
            attempt_id: None,
            worker: None,
            failures: 0,
            crashes: 0,
            revision: 1,
            created_ms: now.wall_ms,
            queued_ms: None,
            started_ms: None,
            ended_ms: None,
            wake_ms: None,
            deadline_ms: deadline.map(|deadline| now.wall_ms.saturating_add(deadline)),
            resources: submission.spec.resources,
            history: History::default(),
            failure: None,
            cancel: None,
            counts: None,
        }
    }

    /// Stores a new job that is not a sweep, and queues it unless it is to wait.
    pub(super) fn place(
        &mut self,
        now: Now,
        job: &mut Job,
        spec: &Spec,
        not_before_ms: Option<u64>,
    ) -> Result<(), S::Error> {
        job.record(now);
        match not_before_ms.filter(|at| *at > now.wall_ms) {
            Some(at) => job.wake_ms = Some(job.deadline_ms.map_or(at, |deadline| deadline.min(at))),
            None => {
                job.wake_ms = queue_wake(job, &spec.limits, now);
                job.step(State::Queued, now);
            }
        }
        self.store.insert(job, spec)?;
        if job.state == State::Queued {
            self.enqueue(job);
        }
        if let Some(wake) = job.wake_ms {
            self.next_wake = self.next_wake.map(|next| next.min(wake));
        }
        Ok(())
    }
}
