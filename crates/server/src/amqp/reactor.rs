//! A thread that owns connections: it waits for their sockets, reads them, and gives what it read to the broker.
//!
//! It works in turns. A turn reads from connections that have input until a block is full, takes the broker's lock once
//! for all of it, and sends what came out. A connection with more input than its share waits for the next turn behind the
//! others.

mod conn;
mod listen;
mod turn;

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mio::{Events, Poll, Token, event::Event};

use super::{
    After, Shared,
    link::{Link, Sent, ask},
    mailbox::Letter,
    monitor,
};
use conn::{Conn, Conns, Phase, Read};
use turn::Input;

/// Sockets that are told of at a time.
const EVENTS: usize = 1_024;
/// The name of the mailbox among the sockets; larger than any connection's.
const WAKE: Token = Token(usize::MAX);
/// A connection's share of a turn: large enough that a lock and a few system calls are nothing beside it, small enough to
/// stay in the cache.
pub(super) const READ_MAX: usize = 256 << 10;
/// With less space than this left in the block, no further connection is read in a turn.
const READ_MIN: usize = 32 << 10;
/// How long proving who one is may take, before AMQP begins.
const PREAMBLE_MAX_MS: u64 = 10_000;
/// How long a connection that is over may take to say so. Closing a socket with unread input would make the system throw
/// away what was sent last, which is the reason why it is over.
const LINGER_MAX_MS: u64 = 5_000;

/// See the module.
pub(super) struct Reactor {
    index: usize,
    shared: Arc<Shared>,
    poll: Poll,
    /// By listener, for the first reactor: when to accept without being told that somebody knocks.
    accepts: Vec<u64>,
    conns: Conns,
    /// Those with something to read, each once.
    ready: VecDeque<usize>,
    /// What a turn reads.
    block: Vec<u8>,
    /// What TLS connections read.
    cipher: Vec<u8>,
    inputs: Vec<Input>,
    letters: Vec<Letter>,
    /// Connections that wait for something else than the broker, by time.
    deadlines: BTreeSet<(u64, usize)>,
    after: After,
}

impl Reactor {
    pub(super) fn new(index: usize, shared: Arc<Shared>, poll: Poll) -> Self {
        // A connection keeps at most a frame; twice that, and reading always makes progress.
        let share = READ_MAX.max(2 * shared.config.frame_max as usize);
        let listeners = if index == 0 {
            shared.listening.len()
        } else {
            0
        };
        Self {
            index,
            shared,
            poll,
            accepts: vec![u64::MAX; listeners],
            conns: Conns::default(),
            ready: VecDeque::new(),
            block: vec![0; share],
            cipher: Vec::new(),
            inputs: Vec::new(),
            letters: Vec::new(),
            deadlines: BTreeSet::new(),
            after: After::default(),
        }
    }

    pub(super) const fn wake_token() -> Token {
        WAKE
    }

    /// Until it is told to stop.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let busy = !self.ready.is_empty() || !self.after.drained.is_empty();
            let mailbox = &self.shared.mailboxes[self.index];
            mailbox.take(&mut self.letters, busy);
            let busy = busy || !self.letters.is_empty();
            if !self.read_letters() {
                return Ok(());
            }
            let timeout = if busy {
                Some(Duration::ZERO)
            } else {
                self.patience()
            };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.shared.mailboxes[self.index].stay_awake();
            for event in &events {
                self.handle_event(event);
            }
            self.turn();
            self.expire();
        }
    }

    /// Names of listeners come right below the mailbox's.
    pub(super) fn listener_token(at: usize) -> Token {
        Token(WAKE.0 - 1 - at)
    }

    /// How long nothing has to be done unless something happens.
    fn patience(&self) -> Option<Duration> {
        let mut due = self.deadlines.first().map_or(u64::MAX, |(at, _)| *at);
        if self.index == 0 {
            due = due
                .min(self.shared.timer.load(Ordering::Acquire))
                .min(self.shared.monitor.due())
                .min(self.accepts.iter().copied().min().unwrap_or(u64::MAX));
        }
        let now = self.shared.clock.steady_ms();
        (due != u64::MAX).then(|| Duration::from_millis(due.saturating_sub(now)))
    }

    fn handle_event(&mut self, event: &Event) {
        let token = event.token();
        if token == WAKE {
            return;
        }
        if let Some(at) = (WAKE.0 - 1).checked_sub(token.0)
            && at < self.accepts.len()
        {
            self.accept(at);
            return;
        }
        let Some(conn) = self.conns.get(token.0) else {
            return;
        };
        if event.is_error() || (event.is_read_closed() && event.is_write_closed()) {
            conn.is_dead = true;
        }
        if event.is_read_closed() {
            conn.is_ending = true;
        }
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        if readable {
            conn.is_readable = true;
        }
        let link = event.is_writable().then(|| Arc::clone(&conn.link));
        if readable {
            self.make_ready(token.0);
        }
        if let Some(link) = link {
            self.flush(&link, true);
        }
    }

    fn make_ready(&mut self, token: usize) {
        if let Some(conn) = self.conns.get(token)
            && conn.has_work()
            && !std::mem::replace(&mut conn.is_ready, true)
        {
            self.ready.push_back(token);
        }
    }

    /// False if it is over.
    fn read_letters(&mut self) -> bool {
        let mut letters = std::mem::take(&mut self.letters);
        for letter in letters.drain(..) {
            match letter {
                Letter::Adopt(adopt) => self.adopt(adopt),
                Letter::Asked(link) => self.handle_asked(&link),
                Letter::Look => {}
                Letter::Stop => return false,
            }
        }
        self.letters = letters;
        true
    }

    fn handle_asked(&mut self, link: &Arc<Link>) {
        let asked = link.asked();
        let token = link.token.0;
        let Some(conn) = self
            .conns
            .get(token)
            .filter(|conn| Arc::ptr_eq(&conn.link, link))
        else {
            return;
        };
        if asked & ask::BROKEN != 0 {
            conn.is_dead = true;
            conn.is_readable = true;
        }
        if asked & ask::FINISH != 0 && matches!(conn.phase, Phase::Open(_)) {
            conn.phase = Phase::Lingering;
            conn.rest = Vec::new();
            self.wait(token, LINGER_MAX_MS);
        }
        if asked & (ask::RESUME | ask::BROKEN | ask::FINISH) != 0 {
            if let Some(conn) = self.conns.get(token) {
                conn.is_paused = false;
                conn.is_rest_fresh = true;
            }
            self.make_ready(token);
        }
        if asked & ask::DRAINED != 0
            && let Some(id) = link.id()
        {
            self.after.drained.push(id);
        }
        if asked & ask::FLUSH != 0 {
            self.flush(link, false);
        }
    }

    fn flush(&mut self, link: &Arc<Link>, writable: bool) {
        match link.flush(&self.shared.pool, writable) {
            Sent::All if link.is_drained() => self.after.drained.extend(link.id()),
            Sent::All | Sent::Full | Sent::Busy => {}
            Sent::Broken => self.shared.ask(link, ask::BROKEN),
        }
    }

    /// Gives a connection so long for what it is at.
    fn wait(&mut self, token: usize, patience_ms: u64) {
        let at = self.shared.clock.steady_ms() + patience_ms;
        if let Some(conn) = self.conns.get(token) {
            if conn.deadline != u64::MAX {
                self.deadlines.remove(&(conn.deadline, token));
            }
            conn.deadline = at;
            self.deadlines.insert((at, token));
        }
    }

    fn no_longer_wait(&mut self, token: usize) {
        if let Some(conn) = self.conns.get(token) {
            self.deadlines.remove(&(conn.deadline, token));
            conn.deadline = u64::MAX;
        }
    }

    /// Does what is due.
    fn expire(&mut self) {
        let now = self.shared.clock.steady_ms();
        while let Some((at, token)) = self.deadlines.first().copied().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, token));
            if self
                .conns
                .get(token)
                .is_some_and(|conn| conn.deadline == at)
            {
                self.remove(token);
            }
        }
        for at in 0..self.accepts.len() {
            if self.accepts[at] <= now {
                self.accept(at);
            }
        }
        if self.index == 0 {
            if self.shared.timer.load(Ordering::Acquire) <= now {
                let shared = Arc::clone(&self.shared);
                shared.expire(&mut self.after);
                shared.carry_out(&mut self.after, Some(self.index), false);
            }
            if self.shared.monitor.due() <= now {
                monitor::look(&self.shared, now);
            }
        }
    }
}
