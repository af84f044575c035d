//! Apache Thrift by schema: contracts are read at run time, and messages are checked and transcoded without generated code.
//!
//! Entry types, from the text to the wire:
//!
//! - [`idl::parse`] reads the interface definition language, with the place of everything it says;
//! - [`model::load`] finds out what it means, with everything that it includes;
//! - [`diff::diff`] says what changed between two of them, [`describe::to_json`] what one offers;
//! - [`Schema`] is what a contract means, in the form in which the codecs want it;
//! - [`protocol`] has the protocols, a [`Reader`] and a [`Writer`] for each;
//! - [`check_struct`] says whether bytes are what the schema says.
//!
//! This crate must never do I/O, read a clock or spawn anything. It must never panic on what a peer or an author wrote,
//! never allocate by a size that the wire states before it was compared with the bytes that are there, and never loop
//! without consuming input.
#![forbid(unsafe_code)]

mod check;
pub mod connection;
pub mod deprecation;
pub mod describe;
pub mod diff;
pub mod framing;
pub mod idl;
pub mod json;
mod limits;
mod malformed;
mod message;
pub mod model;
pub mod protocol;
pub mod rules;
pub mod schema;
mod transcode;
mod value;

pub use check::check_struct;
pub use limits::Limits;
pub use malformed::{Fault, Malformed, Result, Step};
pub use message::{ApplicationError, ApplicationErrorKind, MessageHeader, MessageKind};
pub use protocol::{FieldHeader, Reader, WireType, Writer};
pub use schema::{Schema, Type};
pub use transcode::transcode_struct;
pub use value::{Value, read_value, write_value};
