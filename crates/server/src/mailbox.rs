//! How other threads reach a thread that waits for sockets.

use std::{
    io,
    sync::{Mutex, PoisonError},
};

use mio::{Poll, Registry, Token, Waker};

/// What so many reactors wait with, and how they are reached. `token` is the name of a mailbox among the sockets.
pub(crate) fn polls<L>(count: usize, token: Token) -> io::Result<(Vec<Poll>, Vec<Mailbox<L>>)> {
    let mut polls = Vec::with_capacity(count);
    let mut mailboxes = Vec::with_capacity(count);
    for _ in 0..count {
        let poll = Poll::new()?;
        mailboxes.push(Mailbox::new(poll.registry(), token)?);
        polls.push(poll);
    }
    Ok((polls, mailboxes))
}

/// The letters of one reactor. Who posts bounds how many there are.
#[derive(Debug)]
pub(crate) struct Mailbox<L> {
    inner: Mutex<Inner<L>>,
    waker: Waker,
}

#[derive(Debug)]
struct Inner<L> {
    letters: Vec<L>,
    /// The reactor looks into its mailbox before it waits for anything else.
    is_awake: bool,
    /// Nobody reads any more.
    is_closed: bool,
}

impl<L> Mailbox<L> {
    fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let inner = Inner {
            letters: Vec::new(),
            is_awake: false,
            is_closed: false,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            waker: Waker::new(registry, token)?,
        })
    }

    /// Tells the reactor something. Wakes it if it sleeps, once. When nobody reads any more, the letter is dropped.
    pub(crate) fn post(&self, letter: L) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.is_closed {
            return;
        }
        inner.letters.push(letter);
        let wake = !std::mem::replace(&mut inner.is_awake, true);
        drop(inner);
        if wake && let Err(error) = self.waker.wake() {
            tracing::error!(%error, "a reactor cannot be woken");
        }
    }

    /// Takes all letters. Unless there are some, or it is `busy`, the reactor may now sleep, and is woken by the next.
    pub(crate) fn take(&self, into: &mut Vec<L>, busy: bool) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        into.append(&mut inner.letters);
        inner.is_awake = busy || !into.is_empty();
    }

    /// Nobody will read any more: what is there is dropped, and what comes.
    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.is_closed = true;
        let dropped = std::mem::take(&mut inner.letters);
        drop(inner);
        drop(dropped);
    }

    /// The reactor has woken up by itself.
    pub(crate) fn stay_awake(&self) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.is_awake = true;
    }
}
