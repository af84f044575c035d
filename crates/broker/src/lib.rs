//! The AMQP broker as a value.
//!
//! [`Broker`] is all of it: virtual hosts, exchanges, queues, consumers, channels and the front of the log. Its owner gives it
//! what connections sent ([`Broker::handle_input`]), takes what they are to get ([`Broker::poll_output`],
//! [`Broker::take_output`]), lets another thread write the log ([`Broker::take_batch`], [`Broker::handle_committed`]) and wakes it
//! when something is due ([`Broker::poll_timeout`], [`Broker::handle_timeout`]). `examples/embedded.rs` is the smallest owner,
//! `crates/server/src/amqp` the one of the platform.
//!
//! | Module | What |
//! |---|---|
//! | [`routing`] | the queues of a message: exchanges and bindings |
//! | [`arguments`] | what clients ask for when they declare and consume, checked and typed |
//! | [`access`] | users, passwords, permissions, limits |
//! | [`policy`] | what operators give to queues and exchanges by pattern, merged with arguments |
//! | [`content`], [`death`] | headers of messages: reading what matters, rewriting what must change, `x-death` |
//! | [`definitions`] | all entities as RabbitMQ's JSON, and as records of the log |
//! | [`inspect`], [`admin`] | what operators see and do |
//!
//! The way of a message through the code and what must always hold are in `docs/internals/broker.md`.
//!
//! This crate must never open a socket or a file, read a clock, draw a random number or spawn anything: bytes, commands and
//! `now` (milliseconds that never go back) come in, bytes and events go out. It must never confirm what is
//! less safe than the queue's level says, and never panic on anything that a client sends.
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
mod stream;
mod vhost;

pub use broker::admin;
pub use broker::{
    Alarms, Broker, ConnectionId, OpenError, OpenReport, OutputStatus, Settings, Writers,
};
pub use session::{CertificateFacts, Peer, TlsFacts};
