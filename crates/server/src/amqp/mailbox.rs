//! How other threads reach a reactor.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use mio::{Registry, Token, Waker};

use super::link::{Link, Socket};

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
#[derive(Debug)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Inner {
    letters: Vec<Letter>,
    /// The reactor looks into its mailbox before it waits for anything else.
    is_awake: bool,
}

impl Mailbox {
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        Ok(Self {
            inner: Mutex::default(),
            waker: Waker::new(registry, token)?,
        })
    }

    /// Tells the reactor something. Wakes it if it sleeps, once.
    pub(super) fn post(&self, letter: Letter) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.letters.push(letter);
        let wake = !std::mem::replace(&mut inner.is_awake, true);
        drop(inner);
        if wake && let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a reactor cannot be woken");
        }
    }

    /// Takes all letters. Unless there are some, or it is `busy`, the reactor may now sleep, and is woken by the next.
    pub(super) fn take(&self, into: &mut Vec<Letter>, busy: bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut inner.letters);
        inner.is_awake = busy || !into.is_empty();
    }

    /// The reactor has woken up by itself.
    pub(super) fn stay_awake(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.is_awake = true;
    }
}
