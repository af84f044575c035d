//! The seam between the engine and whatever keeps its facts.

use std::sync::Arc;

use crate::{AttemptId, AttemptRecord, Job, JobId, Resources, Spec, State};

/// Jobs that compete only with each other: those of one submitter for one service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// `key:version`.
    pub service: Arc<str>,
    /// Who asked.
    pub submitter: Arc<str>,
}

/// As much of a queued job as the choice of the next one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which job.
    pub id: JobId,
    /// Its order of acceptance.
    pub seq: u64,
    /// Higher first.
    pub priority: i32,
    /// What an attempt reserves.
    pub resources: Resources,
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remembered {
    /// SHA-256 of the canonical request.
    pub fingerprint: [u8; 32],
    /// The first job that was accepted with it.
    pub first: JobId,
    /// How many there were.
    pub count: u32,
    /// Their batch, if the request was one.
    pub batch: Option<JobId>,
}

/// Keeps jobs. All calls of one engine happen inside transactions that the engine's owner begins and commits; a call sees
/// what earlier calls of the same transaction wrote.
pub trait JobStore {
    /// Why a call failed. After any failure the owner rolls the transaction back and recovers the engine.
    type Error;

    /// Adds a job; gives it its `seq`.
    ///
    /// # Errors
    /// When the store fails.
    fn insert(&mut self, job: &mut Job, spec: &Spec) -> Result<(), Self::Error>;

    /// Overwrites the row of a job, whose stored revision must be lower.
    ///
    /// # Errors
    /// When the store fails, or the stored revision is not lower (another writer was faster).
    fn save(&mut self, job: &Job) -> Result<(), Self::Error>;

    /// Keeps the outputs of a job, one JSON object.
    ///
    /// # Errors
    /// When the store fails.
    fn save_result(&mut self, job: &Job, outputs: &str) -> Result<(), Self::Error>;

    /// Keeps an attempt that is not its job's last.
    ///
    /// # Errors
    /// When the store fails.
    fn save_attempt(&mut self, job: &Job, attempt: &AttemptRecord) -> Result<(), Self::Error>;

    /// Replaces the labels of a job.
    ///
    /// # Errors
    /// When the store fails.
    fn save_labels(&mut self, job: &Job, spec: &Spec) -> Result<(), Self::Error>;

    /// Reads a job.
    ///
    /// # Errors
    /// When the store fails.
    fn job(&mut self, id: JobId) -> Result<Option<Job>, Self::Error>;

    /// Reads what was asked for.
    ///
    /// # Errors
    /// When the store fails, or the job is not there.
    fn spec(&mut self, job: &Job) -> Result<Spec, Self::Error>;

    /// Whether a job of that id was deleted not long ago.
    ///
    /// # Errors
    /// When the store fails.
    fn is_deleted(&mut self, id: JobId) -> Result<bool, Self::Error>;

    /// Removes a job and all that belongs to it, leaving a tombstone. Returns its attempts, the last one included.
    ///
    /// # Errors
    /// When the store fails.
    fn delete(&mut self, job: &Job, wall_ms: u64) -> Result<Vec<AttemptId>, Self::Error>;

    /// Removes all tasks of a sweep like [`Self::delete`]. Returns all their attempts.
    ///
    /// # Errors
    /// When the store fails.
    fn delete_tasks(&mut self, parent: JobId, wall_ms: u64) -> Result<Vec<AttemptId>, Self::Error>;

    /// How many jobs are queued in each group.
    ///
    /// # Errors
    /// When the store fails.
    fn backlog(&mut self) -> Result<Vec<(GroupKey, u64)>, Self::Error>;

    /// The first `limit` queued jobs of a group, by priority (highest first), then age.
    ///
    /// # Errors
    /// When the store fails.
    fn window(&mut self, group: &GroupKey, limit: u32) -> Result<Vec<Candidate>, Self::Error>;

    /// Jobs with an active attempt, sweeps' parents excluded.
    ///
    /// # Errors
    /// When the store fails.
    fn active(&mut self) -> Result<Vec<Job>, Self::Error>;

    /// Jobs without an active attempt whose `wake_ms` has come, earliest first.
    ///
    /// # Errors
    /// When the store fails.
    fn due(&mut self, wall_ms: u64, limit: u32) -> Result<Vec<Job>, Self::Error>;

    /// The earliest `wake_ms` of all jobs without an active attempt.
    ///
    /// # Errors
    /// When the store fails.
    fn next_wake(&mut self) -> Result<Option<u64>, Self::Error>;

    /// Tasks of a sweep in one of `states`, by index, after the index `after`.
    ///
    /// # Errors
    /// When the store fails.
    fn tasks(
        &mut self,
        parent: JobId,
        states: &[State],
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Job>, Self::Error>;

    /// What an idempotency key of a submitter stands for.
    ///
    /// # Errors
    /// When the store fails.
    fn remembered(&mut self, submitter: &str, key: &str)
    -> Result<Option<Remembered>, Self::Error>;

    /// Keeps what an idempotency key stands for, and forgets those older than `forget_before_ms`.
    ///
    /// # Errors
    /// When the store fails.
    fn remember(
        &mut self,
        submitter: &str,
        key: &str,
        what: &Remembered,
        wall_ms: u64,
        forget_before_ms: u64,
    ) -> Result<(), Self::Error>;
}
