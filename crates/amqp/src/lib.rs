//! AMQP 0-9-1 as values: frames, methods, field tables, and the server's side of a connection.
//!
//! [`Connection`] is the entry: bytes go in through [`Connection::poll_event`], [`Event`]s come out, and what is to be
//! sent gathers in [`Connection::output`]. [`Method`], [`TableRef`] and [`Properties`] borrow from the bytes they were
//! read from; [`Table`] and [`Value`] are their owned mirrors. [`encode`] has the encoders of the hot path.
//!
//! Nothing here opens a socket, reads a clock, starts a thread, or knows of queues and users. `now` is everywhere a
//! number of milliseconds that never goes back. Nothing that a peer sends makes this crate panic, and no length from
//! the wire sizes a buffer before its octets are there.
#![forbid(unsafe_code)]

mod connection;
pub mod encode;
mod event;
mod frame;
mod malformed;
pub mod method;
mod properties;
mod reply;
mod settings;
mod table;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod wire;

pub use connection::{Capabilities, Connection, Expiry};
pub use event::{Event, Publish};
pub use frame::{FRAME_MAX_MIN, FRAME_OVERHEAD};
pub use malformed::Malformed;
pub use method::{Method, MethodId};
pub use properties::{ContentHeader, Properties, Property, PropertyFlags};
pub use reply::{CloseReason, ReplyCode};
pub use settings::{Settings, Tune};
pub use table::{ArrayRef, FieldType, Table, TableRef, TypeClass, Value, ValueRef};

/// The number of a channel. 0 is the connection itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(pub u16);

impl std::fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
