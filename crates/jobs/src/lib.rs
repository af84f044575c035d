//! Jobs as values: states, attempts, retries, time limits, leases, sweeps, and the order in which jobs start.
//!
//! [`Engine`] is the whole machine. It takes commands and `now`, keeps every fact in a [`JobStore`] inside the
//! transaction that its caller opened, and gives back [`Effect`]s, which the caller carries out *after* the commit.
//! [`Job`] is one job, [`State`] its state, [`Spec`] what was asked for, [`Outcome`] how an attempt ended.
//!
//! This crate must never open a socket or a file, read a clock, draw a random number, spawn anything, or know how a
//! service is run or described. Time comes in as [`Now`], randomness as [`Seed`].
#![forbid(unsafe_code)]

pub mod engine;
mod error;
mod history;
mod id;
mod job;
mod outcome;
mod policy;
mod scheduler;
mod spec;
mod state;
mod store;
mod sweep;
mod time;

#[cfg(any(test, feature = "testing"))]
pub mod memory;

pub use engine::{
    Accepted, Changed, Effect, Ended, Engine, IDEMPOTENCY_MS, Idempotency, Load, Submission,
};
pub use error::{EngineError, Refusal};
pub use history::{History, HistoryEntry};
pub use id::{AttemptId, IdSource, JobId, ParseIdError, Seed};
pub use job::{AttemptRecord, Counts, Job};
pub use outcome::{Failure, FailureClass, Outcome, TimeLimit};
pub use policy::{Limits, Resources, RetryPolicy};
pub use scheduler::{Capacity, RunnerKind, ServiceStatus, WaitReason, WorkerName};
pub use spec::{Origin, Spec};
pub use state::State;
pub use store::{Candidate, GroupKey, JobStore, Remembered};
pub use sweep::{Axis, Sweep, SweepError, SweepMode};
pub use time::Now;
