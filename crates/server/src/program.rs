//! Local programs as attempts of jobs. Linux only: it leans on pidfds, child subreapers, `/proc` and inotify.
//!
//! Every attempt runs below a small supervisor process of its own, so that the platform may be killed at any moment: the
//! program goes on, its log grows on in the attempt's directory, its exit status is kept, and the platform that comes up
//! next adopts it ([`adopt`]).
//!
//! ```text
//! platform ──starts──▶ trefoil supervise DIR ──starts──▶ trefoil supervise --exec DIR ──becomes──▶ the program
//!    │                  own session, subreaper,            own process group, dies with the
//!    │                  writes `claim`, `exit.json`        supervisor, limits, environment
//!    └─ watches a pidfd of the supervisor, sends it SIGTERM (stop) or SIGUSR1 (kill)
//! ```
//!
//! - [`AttemptDir`]: the directory of an attempt and the format of the files in it.
//! - [`Supervisor::start`], [`Running`], [`adopt`]: the platform's side.
//! - [`supervise`]: the two hidden subcommands.
//! - [`folder`]: what a program finds in its directories, and what is read from them when it ended.
//! - [`progress`]: progress lines in a log. [`tail`]: following a log that grows.
//! - [`cpus`]: which processors an attempt may use.
//!
//! A program cannot gain privileges (`no_new_privs`): one that changed its user could not be killed any more.
//!
//! Nothing here knows about jobs' states, retries or ports' types: that is for the caller.

mod adopt;
mod attempt_dir;
pub mod cpus;
pub mod folder;
mod process;
pub mod progress;
mod running;
pub mod supervise;
pub mod tail;

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

pub use adopt::{AdoptError, Adoption, adopt};
pub use attempt_dir::AttemptDir;
pub(crate) use folder::DEFAULT_PATH;
pub use running::{Running, StartError, Supervisor};
pub(crate) use running::{open_child, watched};

/// The variable by which every process of an attempt is known, even one that left its session and parent.
pub const ATTEMPT_ID_VARIABLE: &str = "TREFOIL_ATTEMPT_ID";

/// A program to run: the content of `program.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments. Without a slash the program is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment; nothing is inherited. [`ATTEMPT_ID_VARIABLE`] is added.
    pub env: BTreeMap<String, String>,
    /// The working directory.
    pub cwd: PathBuf,
    /// What the program may use.
    #[serde(default)]
    pub limits: Limits,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub grace_ms: u64,
}

/// What a program may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of data of each process (`RLIMIT_DATA`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The processors it may run on; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Vec<usize>>,
    /// Bytes of its log. A program that prints more is killed, and its log has one byte more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
}

/// How an attempt ended: the content of `exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// How the program ended.
    #[serde(flatten)]
    pub end: End,
    /// What the supervisor did to end it, if it was asked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// When the program was started, in milliseconds since 1970. Zero if unknown.
    pub started_ms: u64,
    /// When it had ended, in milliseconds since 1970. Zero if unknown.
    pub ended_ms: u64,
    /// Processor time in user mode of the program and of all its descendants that were waited for.
    pub cpu_user_ms: u64,
    /// Processor time in the kernel, likewise.
    pub cpu_system_ms: u64,
}

impl ExitReport {
    /// The report of an attempt whose supervisor went away without one.
    pub(crate) fn lost(reason: String) -> Self {
        Self {
            end: End::Lost(reason),
            stopped_by: None,
            started_ms: 0,
            ended_ms: 0,
            cpu_user_ms: 0,
            cpu_system_ms: 0,
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// It exited with this code.
    #[serde(rename = "exit_code")]
    Exited(i32),
    /// This signal ended it.
    #[serde(rename = "signal")]
    Signaled(i32),
    /// It could not be started at all; why.
    #[serde(rename = "exec_error")]
    ExecFailed(String),
    /// Its supervisor went away without telling, or its log is not whole; why. All processes of the attempt were killed.
    #[serde(rename = "lost")]
    Lost(String),
}

/// What a supervisor that was asked to end its program had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoppedBy {
    /// SIGTERM was enough.
    Term,
    /// The grace was over, or a kill was asked for.
    Kill,
}
