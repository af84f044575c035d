//! The AMQP broker as a value.
//!
//! [`routing`] finds the queues of a message, [`arguments`] reads what clients ask for at a declare, [`access`] says who may
//! do what, [`policy`] merges what operators want, [`content`] and [`death`] read and rewrite message headers.
//!
//! This crate must never open a socket or a file, read a clock, draw a random number or spawn anything: bytes, commands and
//! `now` (milliseconds) come in, bytes and events go out.
#![forbid(unsafe_code)]

pub mod access;
pub mod arguments;
pub mod content;
pub mod death;
pub mod definitions;
pub mod inspect;
pub mod policy;
pub mod routing;

mod broker;
mod clients;
mod logs;
mod message;
mod queue;
mod session;
mod slab;
mod vhost;

pub use broker::admin;
pub use broker::{
    Alarms, Broker, ConnectionId, OpenError, OpenReport, OutputStatus, Settings, Writers,
};
pub use session::{Peer, TlsFacts};
