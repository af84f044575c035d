//! What happens when nothing happens.

use super::{Connection, Phase};
use crate::encode;

/// How long a peer may take to answer `connection.close`, unless its heartbeats are faster.
pub(super) const CLOSE_TIMEOUT_MS: u64 = 30_000;
/// The same before heartbeats are agreed on.
pub(super) const HANDSHAKE_CLOSE_TIMEOUT_MS: u64 = 3_000;
/// How long the socket of a peer we no longer talk to stays open: time to read our last words, and a brake on those who
/// guess passwords.
pub(super) const SILENT_CLOSE_MS: u64 = 3_000;

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The client did not get to `connection.open` in time. Everything is to be released.
    Handshake,
    /// The client sent neither frames nor heartbeats. Everything is to be released.
    PeerSilent,
    /// The time for last words is over. The broker released everything before.
    Close,
}

/// Heartbeats of both directions. Costs one store a read of the socket; the rest is for timers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeats {
    /// 0: none.
    interval_ms: u64,
    received_at: u64,
    /// When it is looked whether something was sent.
    check_at: u64,
    /// How many octets there were to send when it was looked last.
    produced: u64,
    is_paused: bool,
}

impl Heartbeats {
    pub(super) fn new(now: u64) -> Self {
        Self {
            interval_ms: 0,
            received_at: now,
            check_at: now,
            produced: 0,
            is_paused: false,
        }
    }

    pub(super) fn start(&mut self, interval_s: u16, now: u64) {
        self.interval_ms = u64::from(interval_s) * 1000;
        self.check_at = now.saturating_add(self.interval_ms / 2);
    }

    #[inline]
    pub(super) fn handle_input(&mut self, now: u64) {
        self.received_at = now;
    }

    /// When the peer is given up: two intervals without an octet, and half of one for the way and for timers that are
    /// late here and there.
    fn dead_at(&self) -> u64 {
        if self.interval_ms == 0 || self.is_paused {
            return u64::MAX;
        }
        self.received_at.saturating_add(self.interval_ms * 5 / 2)
    }

    fn check_at(&self) -> u64 {
        if self.interval_ms == 0 {
            u64::MAX
        } else {
            self.check_at
        }
    }
}

impl Connection {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called. Input and answers change it, mostly to later; a
    /// call that comes too early does nothing.
    pub fn poll_timeout(&self) -> Option<u64> {
        let heartbeats = self.heartbeats.dead_at().min(self.heartbeats.check_at());
        let at = match self.phase {
            Phase::Header | Phase::Starting | Phase::Securing { .. } | Phase::Tuning => {
                self.handshake_deadline
            }
            Phase::Opening | Phase::OpenRequested => self.handshake_deadline.min(heartbeats),
            Phase::Running => heartbeats,
            Phase::Closing { deadline } | Phase::Silent { deadline } => deadline,
            Phase::CloseRequested | Phase::Closed => return None,
        };
        (at != u64::MAX).then_some(at)
    }

    /// Sends the heartbeats that are due and sees what took too long. `Some`: the connection is closed now.
    pub fn handle_timeout(&mut self, now: u64) -> Option<Expiry> {
        let expiry = match self.phase {
            Phase::Header | Phase::Starting | Phase::Securing { .. } | Phase::Tuning
                if now >= self.handshake_deadline =>
            {
                Expiry::Handshake
            }
            Phase::Opening | Phase::OpenRequested if now >= self.handshake_deadline => {
                Expiry::Handshake
            }
            Phase::Opening | Phase::OpenRequested | Phase::Running
                if now >= self.heartbeats.dead_at() =>
            {
                Expiry::PeerSilent
            }
            Phase::Opening | Phase::OpenRequested | Phase::Running => {
                self.send_heartbeat(now);
                return None;
            }
            Phase::Closing { deadline } | Phase::Silent { deadline } if now >= deadline => {
                Expiry::Close
            }
            _ => return None,
        };
        self.phase = Phase::Closed;
        self.channels.clear();
        Some(expiry)
    }

    /// Twice an interval, if nothing was sent since the last time.
    fn send_heartbeat(&mut self, now: u64) {
        if now < self.heartbeats.check_at() {
            return;
        }
        // Output that nobody takes is a full socket: the peer gets enough to read, and more would only pile up.
        if self.output.is_empty() && self.taken == self.heartbeats.produced {
            encode::heartbeat(&mut self.output);
        }
        self.heartbeats.produced = self.taken + self.output.len() as u64;
        self.heartbeats.check_at = now.saturating_add(self.heartbeats.interval_ms / 2);
    }

    /// While the socket is not read, nobody can tell whether the peer sends heartbeats, so it is not given up.
    pub fn set_reading_paused(&mut self, is_paused: bool, now: u64) {
        if self.heartbeats.is_paused && !is_paused {
            self.heartbeats.handle_input(now);
        }
        self.heartbeats.is_paused = is_paused;
    }
}
