//! Where clients knock: the sockets that listen. An operator may close them and open them again while the broker runs.
//!
//! They are behind a lock of their own and belong to no thread, so that whoever closes them knows, when the call returns,
//! that they are closed. The first reactor is told of those who knock, and accepts them.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use mio::{
    Interest, Registry, Token,
    net::{TcpListener, TcpStream},
};
use rustix::net::Shutdown;

use super::{Listening, mailbox::Kind};

/// An address is not to be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct ListenError {
    /// Which.
    pub address: SocketAddr,
    /// It was to be with TLS.
    pub tls: bool,
    /// Why not.
    pub source: io::Error,
}

/// An address, and the socket that listens on it unless it is closed.
#[derive(Debug)]
pub(super) struct Listener {
    /// With the port that was chosen, if any would do: it stays the same when it is opened again.
    address: SocketAddr,
    kind: Kind,
    socket: Option<TcpListener>,
}

impl Listener {
    /// Takes an address.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn bind(address: SocketAddr, kind: Kind) -> Result<Self, ListenError> {
        // Also while connections of an earlier socket of that address are still there: SO_REUSEADDR is set.
        let bound =
            TcpListener::bind(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
        match bound {
            Ok((address, socket)) => Ok(Self {
                address,
                kind,
                socket: Some(socket),
            }),
            Err(source) => Err(ListenError {
                address,
                tls: kind == Kind::Tls,
                source,
            }),
        }
    }

    pub(super) fn listening(&self) -> Listening {
        Listening {
            address: self.address,
            tls: self.kind == Kind::Tls,
        }
    }

    fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            Some(socket) => registry.register(socket, token, Interest::READABLE),
            None => Ok(()),
        }
    }

    fn close(&mut self, registry: &Registry) {
        let Some(mut socket) = self.socket.take() else {
            return;
        };
        // A program that is being started may for a moment have a copy of the socket, and it would listen on.
        let closed = registry
            .deregister(&mut socket)
            .and_then(|()| Ok(rustix::net::shutdown(&socket, Shutdown::Both)?));
        if let Err(error) = closed {
            tracing::warn!(%error, address = %self.address, "a listener was not closed well");
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Gate {
    registry: Registry,
    /// The name of a listener among the sockets of the first reactor.
    token: fn(usize) -> Token,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    listeners: Vec<Listener>,
    is_open: bool,
    /// It is never opened again.
    is_over: bool,
}

impl Gate {
    /// A gate that is open. The `registry` is the first reactor's.
    ///
    /// # Errors
    /// When the system refuses to watch the sockets.
    pub(super) fn new(
        registry: Registry,
        token: fn(usize) -> Token,
        mut listeners: Vec<Listener>,
    ) -> io::Result<Self> {
        for (at, listener) in listeners.iter_mut().enumerate() {
            listener.register(&registry, token(at))?;
        }
        let inner = Inner {
            listeners,
            is_open: true,
            is_over: false,
        };
        Ok(Self {
            registry,
            token,
            inner: Mutex::new(inner),
        })
    }

    pub(super) fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// From now on whoever knocks is refused by the system.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.is_open = false;
        for listener in &mut inner.listeners {
            listener.close(&self.registry);
        }
    }

    /// The same for good.
    pub(super) fn end(&self) {
        self.close();
        self.lock().is_over = true;
    }

    /// Takes all addresses again, or none.
    ///
    /// # Errors
    /// When one is not to be had.
    pub(super) fn open(&self) -> Result<(), ListenError> {
        let mut inner = self.lock();
        if inner.is_open || inner.is_over {
            return Ok(());
        }
        let mut opened = Vec::with_capacity(inner.listeners.len());
        for (at, old) in inner.listeners.iter().enumerate() {
            let mut listener = Listener::bind(old.address, old.kind)?;
            listener
                .register(&self.registry, (self.token)(at))
                .map_err(|source| ListenError {
                    address: old.address,
                    tls: old.kind == Kind::Tls,
                    source,
                })?;
            opened.push(listener);
        }
        inner.listeners = opened;
        inner.is_open = true;
        Ok(())
    }

    /// Somebody who knocks at the listener with this number.
    ///
    /// # Errors
    /// `WouldBlock` if there is nobody, or it is closed; whatever else the system has to say.
    pub(super) fn accept(&self, at: usize) -> io::Result<(TcpStream, SocketAddr, Kind)> {
        let inner = self.lock();
        let listener = inner.listeners.get(at);
        let open = listener.and_then(|listener| Some((listener.socket.as_ref()?, listener.kind)));
        let (socket, kind) = open.ok_or(io::ErrorKind::WouldBlock)?;
        let (stream, peer) = socket.accept()?;
        Ok((stream, peer, kind))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
