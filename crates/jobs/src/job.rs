//! One job: the part that changes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{AttemptId, Failure, History, HistoryEntry, JobId, Now, Resources, State};

/// The changing part of a job; one row of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its identity.
    pub id: JobId,
    /// Order of acceptance, unique and never reused; the store gives it.
    pub seq: u64,
    /// `key:version` of the service, resolved.
    pub service: Arc<str>,
    /// Who asked.
    pub submitter: Arc<str>,
    /// Where it is.
    pub state: State,
    /// Higher first, among the jobs of one submitter.
    pub priority: i32,
    /// The sweep that it is a task of.
    pub parent: Option<JobId>,
    /// Its place among the tasks of its parent or the lines of its batch.
    pub index: u32,
    /// What was accepted together with it.
    pub batch: Option<JobId>,
    /// Number of the current or last attempt; 0 before the first. Only grows.
    pub attempt: u32,
    /// The current or last attempt.
    pub attempt_id: Option<AttemptId>,
    /// Who has or had that attempt.
    pub worker: Option<Arc<str>>,
    /// Attempts that ended in a failure of the job's own.
    pub failures: u32,
    /// Attempts that were lost with their worker.
    pub crashes: u32,
    /// Grows by one with each change.
    pub revision: u32,
    /// When it was accepted; this and the following are wall-clock milliseconds.
    pub created_ms: u64,
    /// When it became eligible, first.
    pub queued_ms: Option<u64>,
    /// When the current or last attempt began.
    pub started_ms: Option<u64>,
    /// When it reached its terminal state.
    pub ended_ms: Option<u64>,
    /// When something must happen although nobody asks: a delay or a wait ends, a limit passes.
    pub wake_ms: Option<u64>,
    /// The end of its time.
    pub deadline_ms: Option<u64>,
    /// What an attempt reserves.
    pub resources: Resources,
    /// Its states so far.
    pub history: History,
    /// Why the last attempt, or the job, failed.
    pub failure: Option<Arc<Failure>>,
    /// Set once somebody asked to cancel: the reason given, which may be empty.
    pub cancel: Option<Arc<str>>,
    /// Of a sweep's parent only.
    pub counts: Option<Counts>,
}

/// How many tasks of a sweep are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub total: u32,
    /// Not with a worker.
    pub waiting: u32,
    /// With a worker.
    pub running: u32,
    /// Ended with outputs.
    pub succeeded: u32,
    /// Ended without.
    pub failed: u32,
    /// Ended because somebody asked.
    pub canceled: u32,
}

impl Counts {
    /// Counts of a sweep whose tasks all wait.
    #[must_use]
    pub fn all_waiting(total: u32) -> Self {
        Self {
            total,
            waiting: total,
            ..Self::default()
        }
    }

    fn slot(&mut self, state: State) -> &mut u32 {
        match state {
            State::Created | State::Accepted | State::Blocked | State::Queued | State::Retrying => {
                &mut self.waiting
            }
            State::Starting | State::Running | State::Canceling => &mut self.running,
            State::Succeeded => &mut self.succeeded,
            State::Failed => &mut self.failed,
            State::Canceled => &mut self.canceled,
        }
    }

    /// A task went from one state to another.
    pub fn moved(&mut self, from: State, to: State) {
        let slot = self.slot(from);
        *slot = slot.saturating_sub(1);
        *self.slot(to) += 1;
    }

    /// Tasks that have not ended.
    #[must_use]
    pub fn unfinished(&self) -> u32 {
        self.waiting + self.running
    }

    /// The terminal state of the parent, once every task has one.
    #[must_use]
    pub fn terminal(&self) -> Option<State> {
        match self {
            counts if counts.unfinished() > 0 => None,
            counts if counts.failed > 0 => Some(State::Failed),
            counts if counts.canceled > 0 => Some(State::Canceled),
            _ => Some(State::Succeeded),
        }
    }
}

impl Job {
    /// Goes to `next`, the only way in which a state changes.
    ///
    /// # Panics
    ///
    /// If the table of [`State::may_become`] does not allow the step: that would be a mistake of the engine, which looks
    /// at the state first, never of a peer.
    pub fn step(&mut self, next: State, now: Now) {
        assert!(
            self.state.may_become(next),
            "job {} cannot go from {} to {next}",
            self.id,
            self.state
        );
        self.state = next;
        self.revision += 1;
        match next {
            State::Queued => self.queued_ms = self.queued_ms.or(Some(now.wall_ms)),
            State::Succeeded | State::Failed | State::Canceled => {
                self.ended_ms = Some(now.wall_ms);
                self.wake_ms = None;
            }
            _ => {}
        }
        self.record(now);
    }

    /// Writes the current state into the history; the first entry of a new job, and the tail of each step.
    pub(crate) fn record(&mut self, now: Now) {
        self.history.push(HistoryEntry {
            revision: self.revision,
            at_ms: now.wall_ms,
            state: self.state,
            attempt: self.attempt,
        });
    }
}

/// A finished attempt that was not the last of its job, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Its number.
    pub attempt: u32,
    /// Its identity.
    pub id: AttemptId,
    /// Who had it.
    pub worker: Option<Arc<str>>,
    /// When it began, if it did.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: u64,
    /// Why it failed.
    pub failure: Option<Arc<Failure>>,
}
