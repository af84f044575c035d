//! Turns: reading what there is, giving it to the broker, sending what comes out.

use std::sync::Arc;

use super::{
    super::mailbox::Letter,
    READ_MAX, READ_MIN, Reactor,
    conn::{Phase, Read},
};

/// What was read from one connection.
pub(super) struct Input {
    token: usize,
    start: usize,
    end: usize,
    /// There is more where it came from.
    full: bool,
    eof: bool,
}

impl Reactor {
    /// Reads, gives it to the broker, sends what comes out.
    pub(super) fn turn(&mut self) {
        self.gather();
        if self.inputs.is_empty() && self.after.drained.is_empty() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut inputs = std::mem::take(&mut self.inputs);
        let mut drained = std::mem::take(&mut self.after.drained);
        if shared.monitor.saw_traffic(shared.clock.steady_ms()) && self.index != 0 {
            shared.mailboxes[0].post(Letter::Look);
        }
        shared.turn(&mut self.after, |core, after, now| {
            for id in drained.drain(..) {
                core.broker.handle_drained(id, now);
            }
            for input in &mut inputs {
                let Some(conn) = self.conns.get(input.token) else {
                    continue;
                };
                let Phase::Open(id) = conn.phase else {
                    continue;
                };
                let bytes = &self.block[input.start..input.end];
                input.start += core.broker.handle_input(id, bytes, now);
                conn.is_paused = !shared.take(core, after, id);
                if input.eof && !conn.is_paused {
                    core.disconnect(id, now);
                    conn.phase = Phase::Gone;
                }
            }
        });
        let leave = inputs.iter().any(|input| input.full);
        self.after.drained = drained;
        for input in inputs.drain(..) {
            self.keep_rest(&input);
        }
        self.inputs = inputs;
        self.shared
            .carry_out(&mut self.after, Some(self.index), leave);
    }

    /// Reads what there is, one share a connection, until the block is full.
    fn gather(&mut self) {
        let mut used = 0;
        for _ in 0..self.ready.len() {
            let Some(token) = self.ready.pop_front() else {
                break;
            };
            let Some(conn) = self.conns.get(token) else {
                continue;
            };
            conn.is_ready = false;
            match conn.phase {
                Phase::Preamble(_) => {
                    self.introduce(token);
                    // What came with the introduction is input: it has its turn with the others.
                    self.make_ready(token);
                }
                Phase::Open(_) => {
                    let need = conn.rest.len() + READ_MIN;
                    if used > 0 && self.block.len() - used < need {
                        conn.is_ready = true;
                        self.ready.push_front(token);
                        break;
                    }
                    if let Some(input) = self.read(token, used) {
                        used = input.end;
                        self.inputs.push(input);
                    }
                }
                Phase::Lingering => self.discard(token),
                Phase::Gone => self.remove(token),
            }
        }
    }

    /// Reads from an open connection, behind what is left of its last turn.
    fn read(&mut self, token: usize, start: usize) -> Option<Input> {
        let conn = self.conns.get(token)?;
        if conn.is_paused {
            if conn.is_dead {
                self.lose(token);
            }
            return None;
        }
        if !conn.has_work() {
            return None;
        }
        let kept = conn.rest.len();
        let end = start + kept;
        self.block[start..end].copy_from_slice(&conn.rest);
        conn.is_rest_fresh = false;
        let read = conn.read(&mut self.block[end..], &mut self.cipher);
        let writes = conn.is_tls;
        let link = writes.then(|| Arc::clone(&conn.link));
        let (end, full, eof) = match read {
            Read::Some { bytes, full } => (end + bytes, full, false),
            // Broken, and it does not say so when it is read.
            Read::Nothing if conn.is_dead && !conn.is_readable => (end, false, true),
            Read::Nothing => (end, false, false),
            Read::End => (end, false, true),
            Read::Broken(error) => {
                tracing::debug!(%error, token, "a connection broke");
                if let Some(link) = link {
                    // TLS says why.
                    self.flush(&link, false);
                }
                self.lose(token);
                return None;
            }
        };
        if let Some(link) = link {
            // TLS answers by itself: key updates, tickets.
            self.flush(&link, false);
        }
        Some(Input {
            token,
            start,
            end,
            full,
            eof,
        })
    }

    /// After the broker had it: keeps what it did not take, and asks for more.
    fn keep_rest(&mut self, input: &Input) {
        let Some(conn) = self.conns.get(input.token) else {
            return;
        };
        let rest = &self.block[input.start..input.end];
        match conn.phase {
            Phase::Gone => {
                self.remove(input.token);
                return;
            }
            Phase::Open(_) => {
                if rest.is_empty() {
                    // Silent connections keep nothing.
                    conn.rest = Vec::new();
                } else {
                    conn.rest.clear();
                    conn.rest.extend_from_slice(rest);
                }
                // An end that cannot be told yet, because the connection is paused, is read again.
                conn.is_readable |= input.eof;
            }
            Phase::Preamble(_) | Phase::Lingering => {}
        }
        if rest.len() == self.block.len() && !conn.is_paused {
            tracing::error!(token = input.token, "a frame is larger than any may be");
            self.lose(input.token);
            return;
        }
        self.make_ready(input.token);
    }

    /// The socket is gone: the broker is told.
    pub(super) fn lose(&mut self, token: usize) {
        if let Some(conn) = self.conns.get(token)
            && let Phase::Open(id) = conn.phase
        {
            let shared = Arc::clone(&self.shared);
            shared.turn(&mut self.after, |core, _, now| core.disconnect(id, now));
            shared.carry_out(&mut self.after, Some(self.index), false);
        }
        self.remove(token);
    }

    pub(super) fn remove(&mut self, token: usize) {
        self.no_longer_wait(token);
        if self.conns.remove(token).is_some() {
            self.shared.forget_one();
        }
    }

    /// What is over only has to end.
    fn discard(&mut self, token: usize) {
        let Some(conn) = self.conns.get(token) else {
            return;
        };
        if conn.is_dead {
            self.remove(token);
            return;
        }
        let mut left = READ_MAX;
        let read = loop {
            match conn.read_raw(&mut self.block[..READ_MIN]) {
                Read::Some { bytes, .. } if bytes < left => left -= bytes,
                read => break read,
            }
        };
        match read {
            Read::Nothing => {}
            Read::Some { .. } => self.make_ready(token),
            Read::End | Read::Broken(_) => self.remove(token),
        }
    }
}
