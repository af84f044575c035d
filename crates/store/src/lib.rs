//! A durable, segmented log with group commit: what the broker must not forget, in the order in which it happened.
//!
//! [`Log`] is the front. It lives inside the lock of its owner, gives every record a [`Position`], keeps what is recent in
//! memory and never waits for a write. [`Writer`] is the back, owned by one thread, which takes a [`Batch`] from the front,
//! writes it, syncs it and tells the front how far it came with a [`Done`]. While one batch is being synced the next gathers.
//!
//! ```text
//!  owner (in its lock)                        sync thread
//!  log.append(kind, parts) -> position
//!  log.take_batch() ------------- Batch ----> writer.commit(&batch, sync)
//!  log.handle_written(done) <---- Done ------
//!  log.durable() >= end after the append: it may be confirmed
//! ```
//!
//! What is still needed is counted by segment ([`Log::retain`], [`Log::release`]). Only the oldest segments are ever removed,
//! so a record that takes something back is never outlived by what it takes back. When rubbish outweighs what lives,
//! [`Log::poll_cleaning`] hands out the oldest segment and the owner appends anew what lives in it.
//!
//! The format of the files is specified in [`mod@format`]; decisions and measurements are in `docs/internals/log.md`.
//!
//! What this crate must never do: call something durable that was not synced; give out bytes whose checksum is wrong;
//! panic on any content of its files; wait for a write in the front.
#![forbid(unsafe_code)]

mod batch;
mod buffers;
pub mod format;
mod log;
mod options;
mod reader;
mod recovery;
mod report;
mod scan;
mod segments;
mod storage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod writer;

pub use batch::{Batch, Done};
pub use format::Position;
pub use log::{Log, Record};
pub use options::{Durability, Options};
pub use reader::ReadError;
pub use recovery::OpenError;
pub use report::{Damage, Loss, Report};
pub use storage::disk::DiskStorage;
pub use storage::{Entry, File, Storage};
pub use writer::{Rest, WriteError, Writer};
