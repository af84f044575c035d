//! A socket and what is to be written to it.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
};

use mio::{Interest, Registry, Token, net::TcpStream};

/// A buffer that grew beyond this is given back when it is empty.
const KEPT_MAX: usize = 256 << 10;

/// A socket that does not block.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    pub(super) address: SocketAddr,
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
    /// What is to be written, from `sent` on.
    pub(super) output: Vec<u8>,
    sent: usize,
    /// Bytes that were written since it is there.
    pub(super) written: u64,
}

/// What reading gave.
#[derive(Debug)]
pub(super) enum Read {
    /// So many bytes.
    Some(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
    /// It is broken.
    Broken(io::Error),
}

impl Socket {
    pub(super) fn tcp(stream: TcpStream, address: SocketAddr) -> Self {
        Self {
            stream,
            address,
            // Readiness is told on changes only, and what was there before the registration may be told or not.
            is_readable: true,
            is_writable: true,
            output: Vec::new(),
            sent: 0,
            written: 0,
        }
    }

    /// Begins to connect.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        let _ = stream.set_nodelay(true);
        Ok(Self {
            is_readable: false,
            is_writable: false,
            ..Self::tcp(stream, address)
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(
            &mut self.stream,
            token,
            Interest::READABLE | Interest::WRITABLE,
        )
    }

    /// What it failed with, if it did.
    pub(super) fn take_error(&self) -> Option<io::Error> {
        self.stream.take_error().ok().flatten()
    }

    /// Looks at what comes without taking it.
    pub(super) fn peek(&mut self, into: &mut [u8]) -> Read {
        let peeked = self.stream.peek(into);
        self.came(peeked)
    }

    pub(super) fn read(&mut self, into: &mut [u8]) -> Read {
        if !self.is_readable {
            return Read::Nothing;
        }
        let read = self.stream.read(into);
        self.came(read)
    }

    fn came(&mut self, came: io::Result<usize>) -> Read {
        match came {
            Ok(0) => Read::End,
            Ok(bytes) => Read::Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.is_readable = false;
                Read::Nothing
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Read::Nothing,
            Err(error) => Read::Broken(error),
        }
    }

    /// Bytes that are not written yet.
    pub(super) fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Writes as much as it takes; an error if it is broken.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.is_writable && self.sent < self.output.len() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.sent += bytes;
                    self.written += bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_writable = false;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.sent == self.output.len() {
            self.sent = 0;
            self.output.clear();
            self.output.shrink_to(KEPT_MAX);
        }
        Ok(())
    }

    /// The socket itself, to be served by somebody else.
    pub(super) fn into_std(self) -> std::net::TcpStream {
        std::net::TcpStream::from(self.stream)
    }

    /// Nothing more will be written.
    pub(super) fn shutdown(&self) {
        // Who is gone need not be told.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        let _ = registry.deregister(&mut self.stream);
    }
}
