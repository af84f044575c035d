//! How an attempt ended.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Whose fault a failure was, and with it whether another attempt may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The service says that this job cannot succeed.
    Application,
    /// The service says that another try may succeed.
    Temporary,
    /// A time limit of an attempt or of the job passed.
    TimedOut,
    /// The worker or its host went away.
    Lost,
    /// The worker could not take the job at all.
    Rejected,
    /// The job's time was over before it started.
    Expired,
    /// Another job or service that this one needs failed.
    Upstream,
    /// The service ended well but its outputs do not fit its ports.
    BadOutputs,
}

impl FailureClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::Application,
        Self::Temporary,
        Self::TimedOut,
        Self::Lost,
        Self::Rejected,
        Self::Expired,
        Self::Upstream,
        Self::BadOutputs,
    ];

    /// The word used on every wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Temporary => "temporary",
            Self::TimedOut => "timed_out",
            Self::Lost => "lost",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Upstream => "upstream",
            Self::BadOutputs => "bad_outputs",
        }
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The limit that a timed-out job met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeLimit {
    /// The attempt ran too long.
    Attempt,
    /// The attempt printed nothing for too long.
    Silence,
    /// The job waited too long for a worker.
    Queue,
    /// The job's deadline passed.
    Deadline,
}

impl TimeLimit {
    /// The word used on every wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attempt => "attempt",
            Self::Silence => "silence",
            Self::Queue => "queue",
            Self::Deadline => "deadline",
        }
    }
}

/// Why an attempt or a job failed: what a person needs in order to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault.
    pub class: FailureClass,
    /// What happened, in one sentence without a full stop.
    pub message: String,
    /// The limit that was met, for `timed_out` and `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<TimeLimit>,
    /// The program's exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The last lines of the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
    /// The port that is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure of which only class and message are known.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            limit: None,
            exit_code: None,
            signal: None,
            log_tail: Vec::new(),
            port: None,
            hint: None,
        }
    }

    /// A time limit was met.
    #[must_use]
    pub fn timed_out(limit: TimeLimit, message: impl Into<String>) -> Self {
        Self {
            limit: Some(limit),
            ..Self::new(FailureClass::TimedOut, message)
        }
    }
}

/// How an attempt ended, as its worker reports it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The outputs, one JSON object as text.
    Succeeded {
        /// Port to value.
        outputs: Arc<str>,
    },
    /// It failed.
    Failed(Failure),
    /// It was stopped because the engine asked.
    Stopped,
    /// It is gone and nobody knows how far it came. `started` is false when it is certain that nothing ran.
    Lost {
        /// Whether the program may have run.
        started: bool,
        /// What is known.
        message: String,
    },
}
