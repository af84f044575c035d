//! The machine: commands and `now` in, facts into the store, effects out.
//!
//! The owner of an engine works in rounds: open a transaction on the store, call any number of command methods, call
//! [`Engine::settle`], commit, and only then carry out [`Engine::take_effects`] and answer its callers. If anything in the round
//! fails, roll back and call [`Engine::recover`]: the engine keeps nothing that the store does not have.

mod attempts;
mod change;
mod submit;
mod sweeps;
mod timers;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

pub use submit::{Accepted, Idempotency, Submission};

use crate::{
    AttemptId, Capacity, Counts, EngineError, Failure, GroupKey, IdSource, Job, JobId, JobStore,
    Now, Refusal, Seed, ServiceStatus, Spec, State, TimeLimit, WaitReason, WorkerName,
    scheduler::{Pick, Scheduler},
};

/// How long an idempotency key is remembered, in milliseconds: a day, as the documents promise.
pub const IDEMPOTENCY_MS: u64 = 24 * 3_600_000;

/// What the owner does after the commit.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Have the worker start this attempt of this job.
    Start {
        /// Who.
        worker: WorkerName,
        /// The job as stored; `attempt_id` is set.
        job: Box<Job>,
        /// What was asked for.
        spec: Arc<Spec>,
    },
    /// Have the worker stop this attempt.
    Stop {
        /// Who.
        worker: WorkerName,
        /// Which job.
        job: JobId,
        /// Which attempt.
        attempt: AttemptId,
        /// Kill at once; otherwise ask, and kill after the grace.
        kill: bool,
        /// Milliseconds between asking and killing.
        grace_ms: u64,
    },
    /// A job changed: tell whoever watches it.
    Changed(Box<Changed>),
    /// An attempt got further. Not durable.
    Progress {
        /// Which job.
        job: JobId,
        /// 0 to 1.
        fraction: f32,
        /// What it is doing.
        message: Option<Arc<str>>,
    },
}

/// A change that was stored.
#[derive(Debug, Clone)]
pub struct Changed {
    /// Which job.
    pub id: JobId,
    /// Its revision now.
    pub revision: u32,
    /// Its state now.
    pub state: State,
    /// Its attempt now.
    pub attempt: u32,
    /// When, by the wall clock.
    pub at_ms: u64,
    /// For a sweep.
    pub counts: Option<Counts>,
    /// Set when the state is terminal.
    pub ended: Option<Ended>,
}

/// How a job ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The outputs of a job that succeeded, one JSON object.
    pub outputs: Option<Arc<str>>,
    /// Why it failed.
    pub failure: Option<Arc<Failure>>,
}

/// Why the engine asked an attempt to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopCause {
    Cancel,
    Limit(TimeLimit),
}

/// A job whose attempt is with a worker.
#[derive(Debug)]
struct Active {
    job: Job,
    spec: Arc<Spec>,
    stop: Option<StopCause>,
    killed: bool,
    /// Monotonic time of the attempt's start; limits count from here.
    began_mono: Option<u64>,
    /// Monotonic time of the last sign of life of the program.
    alive_mono: u64,
    timer: Option<u64>,
}

impl Active {
    fn group(&self) -> GroupKey {
        group_of(&self.job)
    }
}

pub(crate) fn group_of(job: &Job) -> GroupKey {
    GroupKey {
        service: Arc::clone(&job.service),
        submitter: Arc::clone(&job.submitter),
    }
}

/// How many jobs are where; for metrics and readiness.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Queued.
    pub queued: u64,
    /// With a worker.
    pub active: u64,
}

/// All jobs of a platform.
#[derive(Debug)]
pub struct Engine<S> {
    store: S,
    ids: IdSource,
    scheduler: Scheduler,
    active: HashMap<JobId, Active>,
    timers: BTreeSet<(u64, JobId)>,
    leases: HashMap<WorkerName, Option<u64>>,
    /// Earliest wall-clock instant at which a job that is with no worker needs something; `None` = look it up.
    next_wake: Option<u64>,
    parents: HashMap<JobId, Job>,
    dirty_parents: BTreeSet<JobId>,
    effects: Vec<Effect>,
}

type Outcome<T, S> = Result<T, EngineError<<S as JobStore>::Error>>;
type Stored<T, S> = Result<T, <S as JobStore>::Error>;

impl<S: JobStore> Engine<S> {
    /// An engine without services and workers. Add those, then call [`Self::recover`].
    pub fn new(store: S, seed: Seed) -> Self {
        Self {
            store,
            ids: IdSource::new(seed),
            scheduler: Scheduler::default(),
            active: HashMap::new(),
            timers: BTreeSet::new(),
            leases: HashMap::new(),
            next_wake: None,
            parents: HashMap::new(),
            dirty_parents: BTreeSet::new(),
            effects: Vec::new(),
        }
    }

    /// The store, for the owner to begin and end transactions on.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// Tells what is known of a service. Unknown services wait with `no-worker`.
    pub fn set_service(&mut self, service: &Arc<str>, status: ServiceStatus) {
        self.scheduler.set_service(service, status);
    }

    /// A worker joins. `lease_ms` is how long it may be silent; `None` for one that lives in this process.
    pub fn add_worker(
        &mut self,
        now: Now,
        name: &WorkerName,
        capacity: Capacity,
        lease_ms: Option<u64>,
    ) {
        self.leases.insert(
            Arc::clone(name),
            lease_ms.map(|lease_ms| now.mono_ms + lease_ms),
        );
        self.scheduler.add_worker(Arc::clone(name), capacity);
    }

    /// Starts nothing more; what runs may end.
    pub fn drain(&mut self) {
        self.scheduler.drain();
    }

    /// Why a queued job of this service waits.
    pub fn explain(&self, service: &str) -> WaitReason {
        self.scheduler.explain(service)
    }

    /// Whether a job of this service that asks for so much could ever run here.
    ///
    /// # Errors
    /// [`Refusal::NeverRunnable`].
    pub fn admits(&self, service: &str, asked: crate::Resources) -> Result<(), Refusal> {
        self.scheduler.admits(service, asked)
    }

    /// How many jobs are where.
    pub fn load(&self) -> Load {
        Load {
            queued: self.scheduler.backlog(),
            active: self.active.len() as u64,
        }
    }

    /// Jobs with an active attempt and the worker that has it.
    pub fn active(&self) -> impl Iterator<Item = (&Job, &Arc<Spec>)> {
        self.active
            .values()
            .map(|active| (&active.job, &active.spec))
    }

    /// Forgets everything and reads it again from the store: after a start, and after a round that failed. Workers are
    /// asked again to stop what is to be canceled.
    ///
    /// Returns the attempts that the forgotten round started and nobody was told of. A round that failed should have
    /// started nothing, but a store may fail after it kept it: those that are active now never began, and the owner
    /// reports them as such ([`Outcome::Lost`](crate::Outcome::Lost)) in the next round.
    ///
    /// # Errors
    /// When the store fails: then this has to be called again before anything else.
    pub fn recover(&mut self, now: Now) -> Stored<Vec<(JobId, AttemptId)>, S> {
        let untold = self.effects.iter().filter_map(|effect| match effect {
            Effect::Start { job, .. } => Some((job.id, job.attempt_id?)),
            Effect::Stop { .. } | Effect::Changed(_) | Effect::Progress { .. } => None,
        });
        let untold: Vec<_> = untold.collect();
        let (groups, jobs) = (self.store.backlog()?, self.store.active()?);
        let mut active = Vec::with_capacity(jobs.len());
        for job in jobs {
            let spec = Arc::new(self.store.spec(&job)?);
            active.push((job, spec));
        }
        // From here on nothing can fail, so the effects of the forgotten round are looked at exactly once.
        self.scheduler.clear_jobs();
        self.active.clear();
        self.timers.clear();
        self.parents.clear();
        self.dirty_parents.clear();
        self.effects.clear();
        self.next_wake = None;
        for (group, count) in groups {
            self.scheduler.add_backlog(group, count);
        }
        for (job, spec) in active {
            let began_mono = job.started_ms.map(|started| {
                now.mono_ms
                    .saturating_sub(now.wall_ms.saturating_sub(started))
            });
            let (id, canceling) = (job.id, job.cancel.is_some());
            self.activate(now, job, spec, began_mono);
            if canceling {
                self.stop_attempt(id, false);
            }
        }
        Ok(untold
            .into_iter()
            .filter(|(id, attempt)| self.is_current(*id, *attempt))
            .collect())
    }

    fn is_current(&self, id: JobId, attempt: AttemptId) -> bool {
        self.active
            .get(&id)
            .is_some_and(|active| active.job.attempt_id == Some(attempt))
    }

    /// Does what is due, starts what can start, and closes the books of sweeps. The last call of every round.
    ///
    /// # Errors
    /// When the store fails.
    pub fn settle(&mut self, now: Now) -> Stored<(), S> {
        self.run_timers(now)?;
        self.wake_due(now)?;
        self.start_jobs(now)?;
        self.flush_parents(now)
    }

    /// The effects of the round that was committed, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The monotonic instant at which [`Self::settle`] must be called even if nobody asks for anything.
    ///
    /// # Errors
    /// When the store fails.
    pub fn poll_timeout(&mut self, now: Now) -> Stored<Option<u64>, S> {
        if self.next_wake.is_none() {
            self.next_wake = Some(self.store.next_wake()?.unwrap_or(u64::MAX));
        }
        let wake = self
            .next_wake
            .filter(|wake| *wake != u64::MAX)
            .map(|wake| now.mono_at(wake));
        let timer = self.timers.first().map(|(at, _)| *at);
        let lease = self.leases.values().filter_map(|lease| *lease).min();
        Ok([wake, timer, lease].into_iter().flatten().min())
    }

    fn job_or_refuse(&mut self, id: JobId) -> Outcome<Job, S> {
        if let Some(parent) = self.parents.get(&id) {
            return Ok(parent.clone());
        }
        if let Some(active) = self.active.get(&id) {
            return Ok(active.job.clone());
        }
        match self.store.job(id).map_err(EngineError::Store)? {
            Some(job) => Ok(job),
            None if self.store.is_deleted(id).map_err(EngineError::Store)? => {
                Err(Refusal::Gone(id).into())
            }
            None => Err(Refusal::UnknownJob(id).into()),
        }
    }

    /// The one way in which the state of a job changes: the step, its parent's counts, the wake-up list.
    fn step(&mut self, job: &mut Job, next: State, now: Now) -> Stored<(), S> {
        let from = job.state;
        job.step(next, now);
        if let Some(parent) = job.parent {
            self.count(parent, from, next)?;
        }
        Ok(())
    }

    /// Stores a job after its step and tells its watchers.
    fn save(&mut self, job: &Job, now: Now, outputs: Option<&Arc<str>>) -> Stored<(), S> {
        self.store.save(job)?;
        if let Some(outputs) = outputs {
            self.store.save_result(job, outputs)?;
        }
        if let Some(wake) = job.wake_ms
            && !job.state.is_active()
        {
            self.next_wake = self.next_wake.map(|next| next.min(wake));
        }
        self.announce(job, now, outputs);
        Ok(())
    }

    fn announce(&mut self, job: &Job, now: Now, outputs: Option<&Arc<str>>) {
        let ended = job.state.is_terminal().then(|| Ended {
            outputs: outputs.cloned(),
            failure: job.failure.clone(),
        });
        self.effects.push(Effect::Changed(Box::new(Changed {
            id: job.id,
            revision: job.revision,
            state: job.state,
            attempt: job.attempt,
            at_ms: now.wall_ms,
            counts: job.counts,
            ended,
        })));
    }

    fn enqueue(&mut self, job: &Job) {
        self.scheduler.enqueue(&group_of(job), candidate(job));
    }

    fn start_jobs(&mut self, now: Now) -> Stored<(), S> {
        loop {
            match self.scheduler.pick(now.mono_ms) {
                Pick::Nothing => return Ok(()),
                Pick::Refill(group) => {
                    let candidates = self.store.window(&group, crate::scheduler::WINDOW)?;
                    self.scheduler.refill(&group, candidates);
                }
                Pick::Start(_, candidate, worker) => {
                    let Some(job) = self
                        .store
                        .job(candidate.id)?
                        .filter(|job| job.state == State::Queued)
                    else {
                        continue;
                    };
                    self.start_job(now, job, worker)?;
                }
            }
        }
    }

    fn start_job(&mut self, now: Now, mut job: Job, worker: WorkerName) -> Stored<(), S> {
        let spec = Arc::new(self.store.spec(&job)?);
        job.attempt += 1;
        job.attempt_id = Some(self.ids.attempt(now.wall_ms));
        job.worker = Some(Arc::clone(&worker));
        job.started_ms = None;
        job.wake_ms = None;
        self.step(&mut job, State::Starting, now)?;
        self.save(&job, now, None)?;
        self.effects.push(Effect::Start {
            worker,
            job: Box::new(job.clone()),
            spec: Arc::clone(&spec),
        });
        self.activate(now, job, spec, None);
        Ok(())
    }

    /// Puts a job among the active ones and arms its timer.
    fn activate(&mut self, now: Now, job: Job, spec: Arc<Spec>, began_mono: Option<u64>) {
        let id = job.id;
        let active = Active {
            stop: job.cancel.is_some().then_some(StopCause::Cancel),
            killed: false,
            began_mono,
            alive_mono: now.mono_ms,
            timer: None,
            job,
            spec,
        };
        if let Some(worker) = &active.job.worker {
            self.scheduler
                .occupy(&active.group(), worker, active.job.resources);
        }
        self.active.insert(id, active);
        self.arm(now, id);
    }
}

pub(crate) fn candidate(job: &Job) -> crate::Candidate {
    crate::Candidate {
        id: job.id,
        seq: job.seq,
        priority: job.priority,
        resources: job.resources,
    }
}

#[cfg(test)]
mod tests;
