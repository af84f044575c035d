//! The states of a job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a job is. The numbers are stored; they never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum State {
    /// Stored, not started by its submitter.
    Created = 0,
    /// Durable, not yet eligible (for example delayed).
    Accepted = 1,
    /// Waits for other jobs.
    Blocked = 2,
    /// Eligible: waits for a worker.
    Queued = 3,
    /// Given to a worker that has not said that it began.
    Starting = 4,
    /// A worker computes.
    Running = 5,
    /// An attempt ended; the next one has its time.
    Retrying = 6,
    /// A stop is asked for and durable; the worker has not stopped yet.
    Canceling = 7,
    /// Ended with outputs.
    Succeeded = 8,
    /// Ended without.
    Failed = 9,
    /// Ended because somebody asked.
    Canceled = 10,
}

impl State {
    /// Every state, in the order of the stored numbers.
    pub const ALL: [Self; 11] = [
        Self::Created,
        Self::Accepted,
        Self::Blocked,
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Retrying,
        Self::Canceling,
        Self::Succeeded,
        Self::Failed,
        Self::Canceled,
    ];

    /// Whether the job has ended. A job that has ended never changes its state again.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }

    /// Whether an attempt is with a worker.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Canceling)
    }

    /// The word used on every wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Accepted => "accepted",
            Self::Blocked => "blocked",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Canceling => "canceling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// The state of a stored number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Whether a job may go from `self` to `next` in one step. This table is the whole truth about job states.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use State::*;
        match self {
            Created => matches!(next, Accepted | Blocked | Queued | Failed | Canceled),
            // A sweep's parent goes from accepted to running with its first task, and may end without any having run.
            Accepted => matches!(next, Queued | Running | Succeeded | Failed | Canceled),
            Blocked => matches!(next, Accepted | Queued | Failed | Canceled),
            Queued => matches!(next, Starting | Failed | Canceled),
            Starting => matches!(next, Running | Queued | Retrying | Canceling | Failed),
            Running => matches!(
                next,
                Retrying | Queued | Canceling | Succeeded | Failed | Canceled
            ),
            Retrying => matches!(next, Queued | Failed | Canceled),
            Canceling => matches!(next, Succeeded | Failed | Canceled),
            Succeeded | Failed | Canceled => false,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_round_trip() {
        for (number, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(State::from_name(state.as_str()), Some(state));
            assert_eq!(State::from_number(number as u8), Some(state));
            assert_eq!(state as usize, number);
        }
    }

    #[test]
    fn terminal_states_are_final_and_every_state_can_reach_one() {
        for state in State::ALL {
            assert_eq!(
                state.is_terminal(),
                State::ALL.iter().all(|next| !state.may_become(*next))
            );
            assert!(
                state.is_terminal()
                    || state.may_become(State::Canceled)
                    || state.may_become(State::Canceling)
            );
        }
    }
}
