//! What a reactor knows of a connection, and how it is read.

use std::{io, net::SocketAddr, sync::Arc};

use trefoil_broker::ConnectionId;

use super::super::{link::Link, tls::Session};

/// Cipher text that is read at a time: a few records.
const CIPHER_READ: usize = 64 << 10;

/// Where a connection is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Before AMQP: a proxy says for whom it speaks, TLS shakes hands.
    Preamble(Box<Preamble>),
    /// The broker has it.
    Open(ConnectionId),
    /// The broker is done with it; the peer has to close.
    Lingering,
    /// To be removed.
    Gone,
}

/// See [`Phase::Preamble`].
#[derive(Debug)]
pub(super) struct Preamble {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
    /// A proxy has not said yet who is there.
    pub(super) is_proxied: bool,
    /// What came so far and was not understood yet.
    pub(super) bytes: Vec<u8>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) link: Arc<Link>,
    pub(super) phase: Phase,
    /// What the broker has not taken.
    pub(super) rest: Vec<u8>,
    pub(super) is_tls: bool,
    /// The broker takes no input now.
    pub(super) is_paused: bool,
    /// The broker may take the rest, though nothing new came.
    pub(super) is_rest_fresh: bool,
    /// The socket may have something.
    pub(super) is_readable: bool,
    /// The system said that the end is near, and will not say so again.
    pub(super) is_ending: bool,
    /// The socket is broken. What came before may still be in it, and was perhaps meant to be the last.
    pub(super) is_dead: bool,
    /// In the list of those with something to do.
    pub(super) is_ready: bool,
    /// Until when its phase may last.
    pub(super) deadline: u64,
}

/// What reading gave.
#[derive(Debug)]
pub(super) enum Read {
    /// So much; `full` if there was no space for more.
    Some {
        bytes: usize,
        full: bool,
    },
    Nothing,
    End,
    Broken(io::Error),
}

impl Conn {
    pub(super) fn new(link: Arc<Link>, phase: Phase, is_tls: bool) -> Self {
        Self {
            link,
            phase,
            rest: Vec::new(),
            is_tls,
            is_paused: false,
            is_rest_fresh: false,
            // Readiness is told on changes only, and what was there before the registration may be told or not.
            is_readable: true,
            is_ending: false,
            is_dead: false,
            is_ready: false,
            deadline: u64::MAX,
        }
    }

    /// Whether a turn would do something for it.
    pub(super) fn has_work(&self) -> bool {
        match self.phase {
            Phase::Gone => true,
            Phase::Preamble(_) | Phase::Lingering => self.is_readable || self.is_dead,
            Phase::Open(_) => {
                let input = self.is_readable || (self.is_rest_fresh && !self.rest.is_empty());
                if self.is_paused { self.is_dead } else { input }
            }
        }
    }

    /// Reads plain text. `cipher` is a buffer that all connections share.
    pub(super) fn read(&mut self, into: &mut [u8], cipher: &mut Vec<u8>) -> Read {
        if !self.is_tls {
            return self.read_raw(into);
        }
        // Plain text is never longer than its cipher text, but what earlier cipher text left in TLS may come with it: that
        // is less than a record.
        let space = into.len().saturating_sub(CIPHER_READ / 2).min(CIPHER_READ);
        cipher.resize(CIPHER_READ, 0);
        match self.read_raw(&mut cipher[..space]) {
            Read::Some { bytes, .. } => {
                let decrypt = |tls: &mut Session| {
                    let plain = tls.decrypt(&cipher[..bytes], into)?;
                    Ok((plain, tls.has_peer_closed()))
                };
                match self.link.with_tls(decrypt) {
                    Some(Ok((0, true))) => Read::End,
                    Some(Ok((plain, _))) => Read::Some {
                        bytes: plain,
                        full: bytes == space,
                    },
                    Some(Err(error)) => Read::Broken(error),
                    None => Read::Broken(io::ErrorKind::NotConnected.into()),
                }
            }
            read => read,
        }
    }

    /// Reads what the socket has.
    pub(super) fn read_raw(&mut self, into: &mut [u8]) -> Read {
        if !self.is_readable || into.is_empty() {
            return Read::Nothing;
        }
        match self.link.read(into) {
            Ok(0) => {
                self.is_readable = false;
                Read::End
            }
            Ok(bytes) => {
                let full = bytes == into.len();
                // Less than there was space for is all there was; only the end does not announce itself twice.
                self.is_readable = full || self.is_ending;
                Read::Some { bytes, full }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                Read::Nothing
            }
            Err(error) => Read::Broken(error),
        }
    }
}

/// All connections of a reactor, by token.
#[derive(Debug, Default)]
pub(super) struct Conns {
    places: Vec<Option<Conn>>,
    free: Vec<usize>,
}

impl Conns {
    /// The token of the next connection that is inserted.
    pub(super) fn next(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    pub(super) fn insert(&mut self, conn: Conn) {
        match self.free.pop() {
            Some(at) => self.places[at] = Some(conn),
            None => self.places.push(Some(conn)),
        }
    }

    pub(super) fn get(&mut self, token: usize) -> Option<&mut Conn> {
        self.places.get_mut(token)?.as_mut()
    }

    pub(super) fn remove(&mut self, token: usize) -> Option<Conn> {
        let conn = self.places.get_mut(token)?.take()?;
        self.free.push(token);
        Some(conn)
    }
}
