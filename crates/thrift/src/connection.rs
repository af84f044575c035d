//! Both sides of a connection: bytes in, requests or replies out, and the other way round.
//!
//! [`Server`] is the side that is called, [`Client`] the side that calls. Neither reads a socket or a clock. Their shell
//! keeps a block of input, and gives it again with more behind it as long as its front was not taken.

mod client;
mod server;

pub use client::{Broken, CallError, Client, ClientEvent, Reply};
pub use server::{Request, RequestId, Server, ServerEvent, Violation};

use crate::MessageKind;

/// How many calls may wait for their replies on a connection, unless it is said otherwise.
const PIPELINE_MAX: usize = 128;

/// What answers a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyKind {
    /// What the method returned, or an exception that it declares.
    Reply,
    /// An [`ApplicationError`](crate::ApplicationError).
    Exception,
}

impl From<ReplyKind> for MessageKind {
    fn from(kind: ReplyKind) -> Self {
        match kind {
            ReplyKind::Reply => Self::Reply,
            ReplyKind::Exception => Self::Exception,
        }
    }
}

#[cfg(test)]
mod tests;
