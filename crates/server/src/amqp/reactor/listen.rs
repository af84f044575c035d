//! New connections: accepting them, and what comes before AMQP on them.

use std::{
    io,
    sync::{Arc, atomic::Ordering},
};

use mio::Token;
use trefoil_broker::Peer;

use super::{
    super::{
        link::{Link, Socket},
        mailbox::{Adopt, Kind},
        proxy,
        tls::Session,
    },
    Conn, PREAMBLE_MAX_MS, Phase, Reactor, Read,
    conn::Preamble,
};

/// Connections that are accepted before those that are there have a turn again.
const ACCEPTED_MAX: usize = 64;
/// After a failed accept: mostly too many open files, which only time can change.
const ACCEPT_PAUSE_MS: u64 = 100;
/// Bytes that are read at a time before AMQP begins.
const PREAMBLE_READ: usize = 16 << 10;

impl Reactor {
    /// Accepts who waits.
    pub(super) fn accept(&mut self, at: usize) {
        self.accepts[at] = u64::MAX;
        for _ in 0..ACCEPTED_MAX {
            let shared = &self.shared;
            match shared.gate.accept(at) {
                Ok((socket, peer, kind)) => {
                    if shared.connections.load(Ordering::Acquire) >= shared.config.connections_max {
                        // Closed at once, which a client understands; in the backlog it would wait for its time-out.
                        tracing::warn!(%peer, "refused: there are as many connections as may be");
                        continue;
                    }
                    let Ok(local) = socket.local_addr() else {
                        continue;
                    };
                    prepare(&socket);
                    shared.give(Adopt {
                        socket: Socket::Tcp(socket),
                        peer,
                        local,
                        kind,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
                    ) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    self.accepts[at] = shared.clock.steady_ms() + ACCEPT_PAUSE_MS;
                    return;
                }
            }
        }
        self.accepts[at] = 0;
    }

    /// Takes a connection that another reactor, or somebody in this process, made.
    pub(super) fn adopt(&mut self, adopt: Adopt) {
        let Adopt {
            mut socket,
            peer,
            local,
            kind,
        } = adopt;
        let token = self.conns.next();
        let introduced = self.shared.session(kind).and_then(|tls| {
            socket.register(self.poll.registry(), Token(token))?;
            Ok(tls)
        });
        let tls = match introduced {
            Ok(tls) => tls.map(Box::new),
            Err(error) => {
                tracing::warn!(%error, %peer, "a connection was not taken");
                self.shared.forget_one();
                return;
            }
        };
        let is_tls = tls.is_some();
        let link = Arc::new(Link::new(self.index, Token(token), socket, tls));
        let is_proxied = kind != Kind::Local && self.shared.config.proxy_protocol;
        let preamble = Preamble {
            peer,
            local,
            is_proxied,
            bytes: Vec::new(),
        };
        let phase = Phase::Preamble(Box::new(preamble));
        self.conns.insert(Conn::new(link, phase, is_tls));
        if is_tls || is_proxied {
            self.wait(token, PREAMBLE_MAX_MS);
            self.make_ready(token);
        } else {
            self.open(token);
        }
    }

    /// Reads what comes before AMQP.
    pub(super) fn introduce(&mut self, token: usize) {
        match self.try_introduce(token) {
            Ok(true) => self.open(token),
            Ok(false) => {
                self.make_ready(token);
            }
            Err(error) => {
                tracing::debug!(%error, token, "a connection ended before it began");
                if let Some(conn) = self.conns.get(token) {
                    // TLS says why.
                    let link = Arc::clone(&conn.link);
                    self.flush(&link, false);
                }
                self.remove(token);
            }
        }
    }

    /// Whether AMQP may begin.
    fn try_introduce(&mut self, token: usize) -> io::Result<bool> {
        let Some(conn) = self.conns.get(token) else {
            return Ok(false);
        };
        if conn.is_dead {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut piece = [0; PREAMBLE_READ];
        let read = match conn.read_raw(&mut piece) {
            Read::Some { bytes, .. } => &piece[..bytes],
            Read::Nothing => return Ok(false),
            Read::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Read::Broken(error) => return Err(error),
        };
        let Phase::Preamble(preamble) = &mut conn.phase else {
            return Ok(false);
        };
        let mut from = read;
        if preamble.is_proxied {
            preamble.bytes.extend_from_slice(read);
            let header = proxy::parse(&preamble.bytes)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let Some(header) = header else {
                return Ok(false);
            };
            preamble.is_proxied = false;
            if let Some((peer, local)) = header.ends {
                (preamble.peer, preamble.local) = (peer, local);
            }
            from = &preamble.bytes[header.length..];
        }
        if !conn.is_tls {
            conn.rest.extend_from_slice(from);
            return Ok(true);
        }
        // As much as came, and a record.
        let mut plain = vec![0; from.len() + (17 << 10)];
        let decrypted = conn.link.with_tls(|tls| {
            let bytes = tls.decrypt(from, &mut plain)?;
            Ok((bytes, tls.is_handshaking()))
        });
        let (bytes, is_handshaking) = decrypted
            .unwrap_or(Ok((0, true)))
            .map_err(|error: io::Error| error)?;
        conn.rest.extend_from_slice(&plain[..bytes]);
        let link = Arc::clone(&conn.link);
        self.flush(&link, false);
        Ok(!is_handshaking)
    }

    /// Hands a connection to the broker.
    fn open(&mut self, token: usize) {
        self.no_longer_wait(token);
        let Some(conn) = self.conns.get(token) else {
            return;
        };
        let Phase::Preamble(preamble) = &conn.phase else {
            return;
        };
        let peer = Peer {
            address: preamble.peer,
            local: preamble.local,
            tls: conn.link.with_tls(|tls: &mut Session| tls.facts()),
        };
        let link = Arc::clone(&conn.link);
        let shared = Arc::clone(&self.shared);
        let id = shared.turn(&mut self.after, |core, _, now| {
            // It was accepted right before everybody was told to go.
            if core.broker.is_stopped() {
                return None;
            }
            let id = core.broker.connect(peer, now);
            core.join(id, &link);
            Some(id)
        });
        let Some(id) = id else {
            self.remove(token);
            return;
        };
        conn.phase = Phase::Open(id);
        conn.is_rest_fresh = true;
        shared.carry_out(&mut self.after, Some(self.index), false);
        self.make_ready(token);
    }
}

/// Output is whole when it is sent: waiting for more of it only adds delay. And whoever vanished without a word, with
/// heartbeats switched off, is found out some day.
fn prepare(socket: &mio::net::TcpStream) {
    let prepared = socket
        .set_nodelay(true)
        .and_then(|()| Ok(rustix::net::sockopt::set_socket_keepalive(socket, true)?));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a socket option");
    }
}
