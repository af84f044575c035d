//! The whole broker in memory: scripted clients, a clock that stands still until it is moved, storage that forgets on purpose.

mod alarms;
mod at_least_once;
mod basics;
mod cleaning;
mod confirms;
mod consumers;
mod dead_letter;
mod delayed;
mod exchanges;
mod invariants;
mod limits;
mod methods;
mod misuse;
mod model;
mod operations;
mod permissions;
mod policies;
pub(super) mod rig;
mod storage;
mod streams;
mod tracing;
