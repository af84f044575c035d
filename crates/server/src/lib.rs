//! Every task, socket, timer, thread and file of a platform: the store, the engine's thread, workers, programs, services,
//! drain.
//!
//! [`amqp::Amqp`] is the AMQP broker with its sockets, clock and disk.
//!
//! [`thrift::Thrift`] is the Thrift endpoint: one port for all protocols and transports, and the way of calls to instances.
//!
//! [`Node`] is a whole platform without its HTTP side: [`Node::start`], [`Node::submit`], [`Node::stop`]. What may happen
//! to a job is decided by `trefoil-jobs`; this crate gives it time, a disk and processes, and carries out its effects.
//!
//! This crate must never speak HTTP, parse flags, or decide what state a job goes to.
#![forbid(unsafe_code)]

pub mod amqp;
mod builtin;
pub mod clock;
mod config;
pub mod engine_thread;
pub mod files;
pub mod hub;
pub mod idempotency;
mod lock;
mod mailbox;
pub mod metrics;
mod node;
pub mod program;
pub mod services;
pub mod store;
mod submit;
pub mod thrift;
pub mod tls;
pub mod trace;
mod worker;

pub use config::{NodeConfig, total_memory};
pub use lock::{DataLock, LockError};
pub use node::{Check, Node, StartError};
pub use submit::{JobRequest, RetryPatch, SubmitError, Submitted};
pub use worker::{AttemptReport, LogDigest};
