//! Sockets of the kinds that there are, as one.

use std::io::{self, Read, Write};

use mio::{
    Interest, Registry, Token,
    event::Source,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
};
use rustix::net::RecvFlags;

use super::super::{address::Address, listen::Listener};

/// A connection of a network, or of this machine.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Begins to connect.
    pub(super) fn connect(address: &Address) -> io::Result<Self> {
        match address {
            Address::Ip(address) => {
                let stream = TcpStream::connect(*address)?;
                let _ = stream.set_nodelay(true);
                Ok(Self::Tcp(stream))
            }
            Address::Unix(path) => UnixStream::connect(path).map(Self::Unix),
        }
    }

    /// Looks at what came without taking it.
    pub(super) fn peek(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.peek(into),
            Self::Unix(stream) => Ok(rustix::net::recv(stream, into, RecvFlags::PEEK)?.0),
        }
    }

    pub(super) fn take_error(&self) -> Option<io::Error> {
        let error = match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        };
        error.ok().flatten()
    }

    /// Nothing more will be written.
    pub(super) fn shutdown(&self) {
        let how = std::net::Shutdown::Write;
        // Who is gone need not be told.
        let _ = match self {
            Self::Tcp(stream) => stream.shutdown(how),
            Self::Unix(stream) => stream.shutdown(how),
        };
    }

    pub(super) fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(stream) => stream,
            Self::Unix(stream) => stream,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where connections come from.
#[derive(Debug)]
pub(in super::super) enum Door {
    Tcp(TcpListener),
    /// With the file that goes when this does.
    Unix(UnixListener, super::super::listen::SocketFile),
}

impl Door {
    pub(in super::super) fn new(listener: Listener) -> io::Result<Self> {
        match listener {
            Listener::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Ok(Self::Tcp(TcpListener::from_std(listener)))
            }
            Listener::Unix(socket) => {
                let (listener, file) = socket.into_parts();
                listener.set_nonblocking(true)?;
                Ok(Self::Unix(UnixListener::from_std(listener), file))
            }
        }
    }

    pub(super) fn accept(&self) -> io::Result<(Stream, Address)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept()?;
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Address::Ip(address)))
            }
            Self::Unix(listener, file) => {
                let (stream, _) = listener.accept()?;
                Ok((Stream::Unix(stream), Address::Unix(file.path().to_owned())))
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(self.source(), token, Interest::READABLE)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) {
        let _ = registry.deregister(self.source());
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Self::Tcp(listener) => listener,
            Self::Unix(listener, _) => listener,
        }
    }
}
