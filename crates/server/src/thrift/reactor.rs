//! A thread that owns connections of callers and of providers: it waits for their sockets, reads them, and brings calls from
//! one to the other. A call never leaves the thread of its caller.
//!
//! It works in turns, as the reactors of the broker do: what sockets have is read, what comes out of it is written at the
//! end of the turn, so that many small replies are one write.

mod calls;
mod greeting;
mod jobs;
mod links;
mod peers;
mod slab;
mod socket;
mod stream;
mod web;

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hashbrown::HashMap;
use mio::{Events, Poll, Token, event::Event};
use trefoil_director::{Catalog, instances::InstanceKey};

use super::{
    Shared,
    call::{Answer, LocalCall},
    routes::Routes,
};
use calls::Calls;
use jobs::JobAnswer;
use links::{Link, Pool};
use peers::Peer;
use slab::Slab;
pub(super) use socket::Socket;
pub(super) use stream::Door;

/// Sockets that are told of at a time.
const EVENTS: usize = 1_024;
/// The name of the mailbox among the sockets; larger than any connection's.
const WAKE: Token = Token(usize::MAX);
/// What is read from one socket at a time.
const READ_MAX: usize = 256 << 10;
/// A rest that is not longer is copied in front of what comes next.
const REST_COPIED_MAX: usize = 16 << 10;
/// How often deadlines are looked at, while there are any.
const TICK_MS: u64 = 20;
/// After a failed accept: mostly too many open files, which only time can change.
const ACCEPT_PAUSE_MS: u64 = 100;
/// Connections that are accepted before those that are there have a turn again.
const ACCEPTED_MAX: usize = 64;

/// What a reactor is told.
#[derive(Debug)]
pub(super) enum Letter {
    /// A connection to be owned.
    Adopt(Socket),
    /// A call by somebody in this process.
    Call(Box<LocalCall>),
    /// What came of a call of a job.
    Answer(Box<JobAnswer>),
    /// Accept no more; end when calls under way have ended.
    Drain,
    /// It is over.
    Stop,
}

/// See the module.
pub(super) struct Reactor {
    index: usize,
    shared: Arc<Shared>,
    poll: Poll,
    listeners: Vec<Door>,
    /// When each listener is tried again, if it failed.
    accepts: Vec<u64>,
    peers: Slab<Peer>,
    links: Slab<Link>,
    calls: Calls,
    pools: HashMap<InstanceKey, Pool>,
    routes: Arc<Routes>,
    catalog: Catalog,
    routes_revision: u64,
    /// Sockets with something to read, each once.
    ready: VecDeque<Token>,
    /// Sockets with something to write, each once.
    dirty: Vec<Token>,
    block: Vec<u8>,
    scratch: Vec<u8>,
    letters: Vec<Letter>,
    next_tick: u64,
    /// Connections of callers that are dropped at some time.
    due_peers: usize,
    is_draining: bool,
    now: u64,
    /// The same in microseconds: most calls take less than a millisecond.
    now_us: u64,
}

impl Reactor {
    pub(super) fn new(index: usize, shared: Arc<Shared>, poll: Poll, listeners: Vec<Door>) -> Self {
        let now_us = shared.clock.steady_us();
        Self {
            index,
            accepts: vec![u64::MAX; listeners.len()],
            shared,
            poll,
            listeners,
            peers: Slab::default(),
            links: Slab::default(),
            calls: Calls::default(),
            pools: HashMap::new(),
            routes: Arc::default(),
            catalog: Catalog::new(),
            routes_revision: 0,
            ready: VecDeque::new(),
            dirty: Vec::new(),
            block: vec![0; REST_COPIED_MAX + READ_MAX],
            scratch: Vec::new(),
            letters: Vec::new(),
            next_tick: u64::MAX,
            due_peers: 0,
            is_draining: false,
            now: now_us / 1_000,
            now_us,
        }
    }

    pub(super) const fn wake_token() -> Token {
        WAKE
    }

    /// Until it is told to stop.
    pub(super) fn run(mut self) -> io::Result<()> {
        let ended = self.serve();
        self.give_up_all();
        self.shared.mailboxes[self.index].close();
        ended
    }

    fn serve(&mut self) -> io::Result<()> {
        for at in 0..self.listeners.len() {
            let token = Token(WAKE.0 - 1 - at);
            self.listeners[at].register(self.poll.registry(), token)?;
        }
        let mut events = Events::with_capacity(EVENTS);
        loop {
            self.look_at_clock();
            let busy = !self.ready.is_empty();
            self.shared.mailboxes[self.index].take(&mut self.letters, busy);
            let busy = busy || !self.letters.is_empty();
            if !self.read_letters() {
                return Ok(());
            }
            let timeout = if busy {
                Some(Duration::ZERO)
            } else {
                self.patience()
            };
            self.flush_dirty();
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.shared.mailboxes[self.index].stay_awake();
            self.look_at_clock();
            self.look_at_routes();
            for event in &events {
                self.handle_event(event);
            }
            for _ in 0..self.ready.len() {
                let Some(token) = self.ready.pop_front() else {
                    break;
                };
                match side(token) {
                    Side::Peer(at) => self.read_peer(at),
                    Side::Link(at) => self.read_link(at),
                }
            }
            self.flush_dirty();
            self.tick();
        }
    }

    fn look_at_clock(&mut self) {
        self.now_us = self.shared.clock.steady_us();
        self.now = self.now_us / 1_000;
    }

    /// A buffer that begins with the rest of a connection and has space behind it for what it has now. The rest of a large
    /// message stays where it is: copied with each piece that comes, it would cost the square of its length.
    fn lend(&mut self, mut rest: Vec<u8>) -> Lent {
        let kept = rest.len();
        if kept > REST_COPIED_MAX {
            rest.resize(kept + READ_MAX, 0);
            return Lent {
                bytes: rest,
                kept,
                small: None,
            };
        }
        let mut bytes = std::mem::take(&mut self.block);
        bytes[..kept].copy_from_slice(&rest);
        rest.clear();
        Lent {
            bytes,
            kept,
            small: Some(rest),
        }
    }

    /// Takes a buffer back of which the bytes up to `end` are there and those up to `taken` were understood; the rest.
    fn give_back(&mut self, lent: Lent, end: usize, taken: usize) -> Vec<u8> {
        let Lent {
            mut bytes, small, ..
        } = lent;
        match small {
            Some(mut rest) => {
                rest.extend_from_slice(&bytes[taken..end]);
                self.block = bytes;
                rest
            }
            None => {
                bytes.truncate(end);
                bytes.drain(..taken);
                if bytes.len() <= REST_COPIED_MAX {
                    bytes.shrink_to_fit();
                }
                bytes
            }
        }
    }

    /// Takes the newest meaning of names.
    fn look_at_routes(&mut self) {
        let revision = self.shared.routes_revision.load(Ordering::Acquire);
        if revision != self.routes_revision {
            let (routes, catalog) = self.shared.routes();
            // Counting references to what other threads count too would cost more than the rest of the look-up.
            self.routes = Arc::new(routes.for_another_thread());
            self.catalog = catalog;
            self.routes_revision = revision;
        }
    }

    fn patience(&self) -> Option<Duration> {
        let accept = self.accepts.iter().copied().min().unwrap_or(u64::MAX);
        let due = self.next_tick.min(accept);
        (due != u64::MAX).then(|| Duration::from_millis(due.saturating_sub(self.now)))
    }

    fn handle_event(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKE {
            return;
        }
        if let Some(at) = (WAKE.0 - 1).checked_sub(token.0)
            && at < self.listeners.len()
        {
            self.accept(at);
            return;
        }
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        let (is_ready, socket) = match side(token) {
            Side::Peer(at) => match self.peers.get(at) {
                Some(peer) => (&mut peer.is_ready, &mut peer.socket),
                None => return,
            },
            Side::Link(at) => match self.links.get(at) {
                Some(link) => {
                    link.is_connecting &= !(event.is_writable() || readable);
                    (&mut link.is_ready, &mut link.socket)
                }
                None => return,
            },
        };
        if event.is_writable() {
            socket.is_writable = true;
        }
        if event.is_read_closed() {
            socket.is_ending = true;
        }
        if readable {
            socket.is_readable = true;
            if !std::mem::replace(is_ready, true) {
                self.ready.push_back(token);
            }
        }
        if event.is_writable() {
            self.soil(token);
        }
    }

    /// Has something written at the end of the turn.
    fn soil(&mut self, token: Token) {
        let is_dirty = match side(token) {
            Side::Peer(at) => self.peers.get(at).map(|peer| &mut peer.is_dirty),
            Side::Link(at) => self.links.get(at).map(|link| &mut link.is_dirty),
        };
        if let Some(is_dirty) = is_dirty
            && !std::mem::replace(is_dirty, true)
        {
            self.dirty.push(token);
        }
    }

    fn flush_dirty(&mut self) {
        while let Some(token) = self.dirty.pop() {
            match side(token) {
                Side::Peer(at) => self.flush_peer(at),
                Side::Link(at) => self.flush_link(at),
            }
        }
    }

    /// False if it is over.
    fn read_letters(&mut self) -> bool {
        let mut letters = std::mem::take(&mut self.letters);
        let mut goes_on = true;
        for letter in letters.drain(..) {
            match letter {
                Letter::Adopt(socket) => self.adopt(socket),
                Letter::Call(call) => {
                    self.look_at_routes();
                    self.call_local(*call);
                }
                Letter::Answer(answer) => self.handle_answer(*answer),
                Letter::Drain => self.drain(),
                Letter::Stop => goes_on = false,
            }
        }
        self.letters = letters;
        goes_on
    }

    /// Accepts no more, and reads no more from callers; what they asked is answered.
    fn drain(&mut self) {
        self.is_draining = true;
        for mut listener in self.listeners.drain(..) {
            listener.deregister(self.poll.registry());
        }
        self.accepts.clear();
        for at in self.peers.keys() {
            if let Some(peer) = self.peers.get(at) {
                peer.server.close();
                self.soil(peer_token(at));
            }
        }
    }

    fn accept(&mut self, at: usize) {
        let Some(listener) = self.listeners.get(at) else {
            return;
        };
        self.accepts[at] = u64::MAX;
        for _ in 0..ACCEPTED_MAX {
            match listener.accept() {
                Ok((stream, address)) => {
                    if self.shared.connections.load(Ordering::Acquire)
                        >= self.shared.config.connections_max
                    {
                        tracing::warn!(peer = %address, "refused: there are as many connections as may be");
                        continue;
                    }
                    self.shared.give(Socket::new(stream, address));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    self.accepts[at] = self.now + ACCEPT_PAUSE_MS;
                    return;
                }
            }
        }
        self.accepts[at] = 0;
    }

    /// What is due.
    fn tick(&mut self) {
        for at in 0..self.accepts.len() {
            if self.accepts[at] <= self.now {
                self.accept(at);
            }
        }
        if self.next_tick > self.now && self.next_tick != u64::MAX {
            return;
        }
        self.expire_calls();
        self.expire_links();
        self.expire_peers();
        let busy = !self.calls.is_empty() || !self.links.is_empty() || self.due_peers > 0;
        self.next_tick = if busy { self.now + TICK_MS } else { u64::MAX };
    }

    fn give_up_all(&mut self) {
        for at in self.calls.keys() {
            self.fail(at, super::call::CallFailure::Stopping);
        }
        self.flush_dirty();
    }

    /// Tells somebody in this process.
    fn answer_local(answer: tokio::sync::oneshot::Sender<Answer>, what: Answer) {
        // Who left is told nothing.
        let _ = answer.send(what);
    }
}

/// See [`Reactor::lend`].
struct Lent {
    bytes: Vec<u8>,
    /// Bytes of the rest in front.
    kept: usize,
    /// Where a short rest was.
    small: Option<Vec<u8>>,
}

/// Which of the two kinds of connections a token names.
enum Side {
    Peer(usize),
    Link(usize),
}

const fn side(token: Token) -> Side {
    if token.0.is_multiple_of(2) {
        Side::Peer(token.0 / 2)
    } else {
        Side::Link(token.0 / 2)
    }
}

const fn peer_token(at: usize) -> Token {
    Token(at * 2)
}

const fn link_token(at: usize) -> Token {
    Token(at * 2 + 1)
}
