//! A store in memory, for tests of the engine: transactions that really roll back, and failures on demand.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use crate::{
    AttemptId, AttemptRecord, Candidate, GroupKey, Job, JobId, JobStore, Remembered, Spec, State,
};

/// The failure that a test asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("injected failure")]
pub struct Injected;

#[derive(Debug, Clone, Default)]
struct Tables {
    jobs: BTreeMap<u64, (Job, Spec, Option<String>)>,
    by_id: HashMap<JobId, u64>,
    attempts: Vec<(JobId, AttemptRecord)>,
    deleted: HashSet<JobId>,
    remembered: HashMap<(String, String), (Remembered, u64)>,
    seq: u64,
}

/// See the module.
#[derive(Default)]
pub struct MemoryStore {
    now: Tables,
    committed: Tables,
    /// Calls until one fails.
    fuse: Option<u32>,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("jobs", &self.now.jobs.len())
            .finish_non_exhaustive()
    }
}

impl MemoryStore {
    /// Makes what was written durable.
    pub fn commit(&mut self) {
        self.committed = self.now.clone();
    }

    /// Forgets what was written since the last commit.
    pub fn rollback(&mut self) {
        self.now = self.committed.clone();
        self.fuse = None;
    }

    /// Lets the `calls`-th write from now fail.
    pub fn fail_after(&mut self, calls: u32) {
        self.fuse = Some(calls);
    }

    /// All jobs, oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.now.jobs.values().map(|(job, _, _)| job)
    }

    /// The outputs of a job.
    #[must_use]
    pub fn result(&self, id: JobId) -> Option<&str> {
        self.now.jobs[self.now.by_id.get(&id)?].2.as_deref()
    }

    /// The attempts that were kept apart, oldest first.
    pub fn attempts(&self, id: JobId) -> impl Iterator<Item = &AttemptRecord> {
        self.now
            .attempts
            .iter()
            .filter(move |(job, _)| *job == id)
            .map(|(_, attempt)| attempt)
    }

    fn burn(&mut self) -> Result<(), Injected> {
        match &mut self.fuse {
            Some(0) => Err(Injected),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn row(&mut self, id: JobId) -> Option<&mut (Job, Spec, Option<String>)> {
        self.now.jobs.get_mut(self.now.by_id.get(&id)?)
    }

    fn collect(&self, keep: impl Fn(&Job) -> bool) -> Vec<Job> {
        self.jobs().filter(|job| keep(job)).cloned().collect()
    }
}

impl JobStore for MemoryStore {
    type Error = Injected;

    fn insert(&mut self, job: &mut Job, spec: &Spec) -> Result<(), Injected> {
        self.burn()?;
        self.now.seq += 1;
        job.seq = self.now.seq;
        assert!(
            self.now.by_id.insert(job.id, job.seq).is_none(),
            "ids are unique"
        );
        self.now
            .jobs
            .insert(job.seq, (job.clone(), spec.clone(), None));
        Ok(())
    }

    fn save(&mut self, job: &Job) -> Result<(), Injected> {
        self.burn()?;
        let row = self.row(job.id).expect("only stored jobs are saved");
        assert!(row.0.revision < job.revision, "revisions grow");
        assert!(
            !row.0.state.is_terminal() || row.0.state == job.state,
            "terminal states never change"
        );
        assert!(row.0.attempt <= job.attempt, "attempts grow");
        row.0 = job.clone();
        Ok(())
    }

    fn save_result(&mut self, job: &Job, outputs: &str) -> Result<(), Injected> {
        self.burn()?;
        let row = self.row(job.id).expect("only stored jobs have results");
        assert!(
            row.2.replace(outputs.to_owned()).is_none(),
            "a result is written once"
        );
        Ok(())
    }

    fn save_attempt(&mut self, job: &Job, attempt: &AttemptRecord) -> Result<(), Injected> {
        self.burn()?;
        self.now.attempts.push((job.id, attempt.clone()));
        Ok(())
    }

    fn save_labels(&mut self, job: &Job, spec: &Spec) -> Result<(), Injected> {
        self.burn()?;
        self.row(job.id).expect("only stored jobs have labels").1 = spec.clone();
        Ok(())
    }

    fn job(&mut self, id: JobId) -> Result<Option<Job>, Injected> {
        Ok(self.row(id).map(|row| row.0.clone()))
    }

    fn spec(&mut self, job: &Job) -> Result<Spec, Injected> {
        Ok(self.row(job.id).expect("a stored job has a spec").1.clone())
    }

    fn is_deleted(&mut self, id: JobId) -> Result<bool, Injected> {
        Ok(self.now.deleted.contains(&id))
    }

    fn delete(&mut self, job: &Job, _wall_ms: u64) -> Result<Vec<AttemptId>, Injected> {
        self.burn()?;
        self.now.jobs.remove(&job.seq);
        self.now.by_id.remove(&job.id);
        self.now.deleted.insert(job.id);
        let mut kept: Vec<AttemptId> = self.attempts(job.id).map(|attempt| attempt.id).collect();
        kept.extend(job.attempt_id.filter(|last| !kept.contains(last)));
        Ok(kept)
    }

    fn delete_tasks(&mut self, parent: JobId, wall_ms: u64) -> Result<Vec<AttemptId>, Injected> {
        let mut attempts = Vec::new();
        for task in self.collect(|job| job.parent == Some(parent)) {
            attempts.extend(self.delete(&task, wall_ms)?);
        }
        attempts.sort_unstable();
        Ok(attempts)
    }

    fn backlog(&mut self) -> Result<Vec<(GroupKey, u64)>, Injected> {
        let mut groups: BTreeMap<GroupKey, u64> = BTreeMap::new();
        for job in self.jobs().filter(|job| job.state == State::Queued) {
            *groups.entry(super::engine::group_of(job)).or_default() += 1;
        }
        Ok(groups.into_iter().collect())
    }

    fn window(&mut self, group: &GroupKey, limit: u32) -> Result<Vec<Candidate>, Injected> {
        let mut jobs: Vec<&Job> = self
            .jobs()
            .filter(|job| job.state == State::Queued && super::engine::group_of(job) == *group)
            .collect();
        jobs.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.seq));
        Ok(jobs
            .into_iter()
            .take(limit as usize)
            .map(super::engine::candidate)
            .collect())
    }

    fn active(&mut self) -> Result<Vec<Job>, Injected> {
        Ok(self.collect(|job| job.state.is_active() && job.counts.is_none()))
    }

    fn due(&mut self, wall_ms: u64, limit: u32) -> Result<Vec<Job>, Injected> {
        let mut due = self.collect(|job| {
            !job.state.is_active() && job.wake_ms.is_some_and(|wake| wake <= wall_ms)
        });
        due.sort_by_key(|job| job.wake_ms);
        due.truncate(limit as usize);
        Ok(due)
    }

    fn next_wake(&mut self) -> Result<Option<u64>, Injected> {
        Ok(self
            .jobs()
            .filter(|job| !job.state.is_active())
            .filter_map(|job| job.wake_ms)
            .min())
    }

    fn tasks(
        &mut self,
        parent: JobId,
        states: &[State],
        after: Option<u32>,
        limit: u32,
    ) -> Result<Vec<Job>, Injected> {
        let mut tasks = self.collect(|job| {
            job.parent == Some(parent)
                && states.contains(&job.state)
                && after.is_none_or(|after| job.index > after)
        });
        tasks.sort_by_key(|job| job.index);
        tasks.truncate(limit as usize);
        Ok(tasks)
    }

    fn remembered(&mut self, submitter: &str, key: &str) -> Result<Option<Remembered>, Injected> {
        Ok(self
            .now
            .remembered
            .get(&(submitter.to_owned(), key.to_owned()))
            .map(|(what, _)| what.clone()))
    }

    fn remember(
        &mut self,
        submitter: &str,
        key: &str,
        what: &Remembered,
        wall_ms: u64,
        forget_before_ms: u64,
    ) -> Result<(), Injected> {
        self.burn()?;
        self.now
            .remembered
            .retain(|_, (_, at)| *at >= forget_before_ms);
        self.now.remembered.insert(
            (submitter.to_owned(), key.to_owned()),
            (what.clone(), wall_ms),
        );
        Ok(())
    }
}
