//! How other threads reach a reactor.

use std::{net::SocketAddr, sync::Arc};

use super::link::{Link, Socket};
use crate::mailbox;

/// What a reactor is told. Bounded without a count: a connection is in there once at most, see [`Link::ask`], and new ones
/// are counted where they are accepted.
#[derive(Debug)]
pub(super) enum Letter {
    /// A connection to be owned.
    Adopt(Adopt),
    /// Somebody asked something of a connection.
    Asked(Arc<Link>),
    /// There is an earlier timer, or nothing but a reason to look around.
    Look,
    /// It is over.
    Stop,
}

/// A new connection.
#[derive(Debug)]
pub(super) struct Adopt {
    pub(super) socket: Socket,
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    pub(super) kind: Kind,
}

/// What comes first on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// AMQP, or a line of a proxy if those are expected.
    Plain,
    /// TLS, below such a line.
    Tls,
    /// AMQP in any case.
    Local,
}

/// The letters of one reactor.
pub(super) type Mailbox = mailbox::Mailbox<Letter>;
