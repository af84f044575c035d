//! The TLS side of a connection of either direction.

use std::io::{self, Read as _, Write as _};

use rustls::{CommonState, Connection};

/// The longest record there is, with its header and what encryption adds.
pub(crate) const RECORD_MAX: usize = (16 << 10) + 2_048 + 5;

/// Bytes in, bytes out: the socket is somebody else's.
#[derive(Debug)]
pub(crate) struct Stream {
    connection: Connection,
    peer_closed: bool,
}

impl Stream {
    pub(crate) fn new(connection: impl Into<Connection>) -> Self {
        Self {
            connection: connection.into(),
            peer_closed: false,
        }
    }

    /// Takes what came from the socket; how many bytes it says, in `into`, which must have space for as much and a record
    /// more.
    ///
    /// # Errors
    /// When it is no TLS, or none that can be believed. An alert for the peer may be left to be written.
    pub(crate) fn decrypt(&mut self, mut from: &[u8], into: &mut [u8]) -> io::Result<usize> {
        let mut used = 0;
        while !from.is_empty() && !self.peer_closed {
            self.connection.read_tls(&mut from)?;
            let state = self
                .connection
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let end = used + state.plaintext_bytes_to_read();
            let space = into.get_mut(used..end).ok_or(io::ErrorKind::StorageFull)?;
            self.connection.reader().read_exact(space)?;
            used = end;
            self.peer_closed = state.peer_has_closed();
        }
        Ok(used)
    }

    /// Whether the peer said that nothing comes any more.
    pub(crate) fn has_peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether it is not known yet who the peer is: nothing may be said to it.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// What is known of the connection and of the peer.
    pub(crate) fn state(&self) -> &CommonState {
        &self.connection
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Takes as much of what is to be said as it has space for.
    pub(crate) fn encrypt(&mut self, plain: &[u8]) -> io::Result<usize> {
        self.connection.writer().write(plain)
    }

    /// Writes some of what is encrypted.
    pub(crate) fn write(&mut self, socket: &mut dyn io::Write) -> io::Result<()> {
        match self.connection.write_tls(socket)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ => Ok(()),
        }
    }

    /// Nothing comes after what was said.
    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
    }
}
