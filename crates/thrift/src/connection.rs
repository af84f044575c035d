//! Both sides of a connection: bytes in, requests or replies out, and the other way round.
//!
//! [`Server`] is the side that is called, [`Client`] the side that calls. Neither reads a socket or a clock. Their shell
//! keeps a block of input, and gives it again with more behind it as long as its front was not taken.
//!
//! ```
//! use trefoil_thrift::{
//!     Limits,
//!     connection::{Client, ClientEvent, ReplyKind, Server, ServerEvent},
//! };
//!
//! let mut client = Client::new("framed/binary".parse()?, Some("Echo"), Limits::default());
//! let arguments = [8, 0, 1, 0, 0, 0, 5, 0]; // { 1: 5 }
//! client.call_raw(42, "say", false, &[], &arguments)?;
//! let mut block = Vec::new();
//! client.take_output(&mut block);
//!
//! let mut server = Server::new(Limits::default());
//! let mut input = &block[..];
//! while let Some(event) = server.poll_request(&mut input) {
//!     match event {
//!         ServerEvent::Request(request) => {
//!             assert_eq!(request.header.name, "Echo:say");
//!             if let Some(id) = request.id {
//!                 server.reply_raw(id, ReplyKind::Reply, &[], &request.body);
//!             }
//!         }
//!         // It has its answer; what the log says of it is left to do.
//!         ServerEvent::Violation(violation) => println!("{}", violation.error),
//!     }
//! }
//! assert!(input.is_empty(), "what is left would be the beginning of the next block");
//! block.clear();
//! server.take_output(&mut block);
//!
//! let Some(ClientEvent::Reply(reply)) = client.poll_reply(&mut &block[..]) else {
//!     panic!("there is a reply");
//! };
//! assert_eq!((reply.token, &reply.body[..]), (42, &arguments[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
