//! A socket, and what is to be sent on it.
//!
//! Output goes through two places, so that nobody who holds the broker's lock waits for a system call: `queue` is held
//! only to add to it or to take all of it, `out` while somebody writes to the socket. Whoever finds `out` taken may
//! leave: its holder looks at `queue` again after letting it go.

use std::{
    fmt,
    io::{self, Read, Write as _},
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
};

use mio::{
    Interest, Registry, Token,
    net::{TcpStream, UnixStream},
};

use trefoil_broker::ConnectionId;

use super::{
    pool::{Pool, SMALL},
    tls::Session,
};

/// Plain text that is given to TLS at a time: four records.
const TLS_WRITE: usize = 64 << 10;

/// The end of a connection that is here.
#[derive(Debug)]
pub(super) enum Socket {
    /// From a listener.
    Tcp(TcpStream),
    /// From somebody in this process.
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(socket) => registry.register(socket, token, interest),
            Self::Unix(socket) => registry.register(socket, token, interest),
        }
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.shutdown(how),
            Self::Unix(socket) => socket.shutdown(how),
        }
    }
}

impl Read for &Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Socket::Tcp(socket) => (&*socket).read(into),
                Socket::Unix(socket) => (&*socket).read(into),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl io::Write for &Socket {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self {
                Socket::Tcp(socket) => (&*socket).write(from),
                Socket::Unix(socket) => (&*socket).write(from),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

/// What somebody asks of the reactor that owns a connection. Bits, so that asking twice is asking once.
pub(super) mod ask {
    /// Write what waits.
    pub(crate) const FLUSH: u8 = 1;
    /// Read again: the broker takes input again.
    pub(crate) const RESUME: u8 = 2;
    /// The broker is done with it: let it go when its output is sent.
    pub(crate) const FINISH: u8 = 4;
    /// Its socket takes nothing any more.
    pub(crate) const BROKEN: u8 = 8;
    /// Tell the broker that its output is sent.
    pub(crate) const DRAINED: u8 = 16;
}

/// What came of an attempt to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything that there was.
    All,
    /// The socket is full; its reactor goes on when there is space.
    Full,
    /// Somebody else is at it.
    Busy,
    /// The socket is broken.
    Broken,
}

/// See the module.
pub(super) struct Link {
    /// The reactor that owns it.
    pub(super) reactor: usize,
    /// Its name there.
    pub(super) token: Token,
    socket: Socket,
    queue: Mutex<Vec<u8>>,
    out: Mutex<Out>,
    asked: AtomicU8,
    id: OnceLock<ConnectionId>,
    unsent: AtomicUsize,
    is_awaited: AtomicBool,
    /// The last output was large: the next one may be too.
    is_busy: AtomicBool,
}

struct Out {
    current: Vec<u8>,
    sent: usize,
    /// The socket took no more; only its reactor tries again.
    full: bool,
    broken: bool,
    tls: Option<Box<Session>>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    No,
    AfterOutput,
    Done,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("reactor", &self.reactor)
            .field("token", &self.token)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    pub(super) fn new(
        reactor: usize,
        token: Token,
        socket: Socket,
        tls: Option<Box<Session>>,
    ) -> Self {
        Self {
            reactor,
            token,
            socket,
            queue: Mutex::default(),
            out: Mutex::new(Out {
                current: Vec::new(),
                sent: 0,
                full: false,
                broken: false,
                tls,
                end: End::No,
            }),
            asked: AtomicU8::new(0),
            id: OnceLock::new(),
            unsent: AtomicUsize::new(0),
            is_awaited: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
        }
    }

    /// The broker's name for it, once it has one.
    pub(super) fn id(&self) -> Option<ConnectionId> {
        self.id.get().copied()
    }

    pub(super) fn set_id(&self, id: ConnectionId) {
        // Once for each link: ids are not given twice.
        let _ = self.id.set(id);
    }

    /// A buffer for its next output, with space if the last one was large.
    pub(super) fn buffer(&self, pool: &Pool) -> Vec<u8> {
        match self.is_busy.load(Ordering::Relaxed) {
            true => pool.take(),
            false => Vec::new(),
        }
    }

    /// Takes output. `from` comes back empty.
    pub(super) fn push(&self, from: &mut Vec<u8>) {
        self.is_busy.store(from.len() >= SMALL, Ordering::Relaxed);
        self.unsent.fetch_add(from.len(), Ordering::Relaxed);
        let mut queue = locked(&self.queue);
        if queue.is_empty() {
            std::mem::swap(&mut *queue, from);
        } else {
            queue.extend_from_slice(from);
            from.clear();
        }
    }

    /// Asks something of the owner; true if the owner is to be told, because nobody asked anything before.
    pub(super) fn ask(&self, bits: u8) -> bool {
        self.asked.fetch_or(bits, Ordering::AcqRel) == 0
    }

    /// What was asked for; from now on the owner is told again.
    pub(super) fn asked(&self) -> u8 {
        self.asked.swap(0, Ordering::AcqRel)
    }

    /// No output comes any more: when all is sent, the peer is told.
    pub(super) fn finish(&self) {
        let mut out = locked(&self.out);
        if out.end == End::No {
            out.end = End::AfterOutput;
        }
    }

    /// Bytes that the socket has not taken yet.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.load(Ordering::Relaxed)
    }

    /// The broker wants to know when all is sent.
    pub(super) fn notify(&self) {
        self.is_awaited.store(true, Ordering::Release);
    }

    /// All is sent: whether the broker wants to know, which is told once.
    pub(super) fn is_drained(&self) -> bool {
        self.is_awaited.load(Ordering::Acquire) && self.is_awaited.swap(false, Ordering::AcqRel)
    }

    /// Sends what there is. `writable` is what the owner says who was told that there is space again.
    pub(super) fn flush(&self, pool: &Pool, writable: bool) -> Sent {
        loop {
            let mut out = if writable {
                // Not `try_lock`: whoever holds it may just have found the socket full, before there was space, and relies
                // on this call.
                let mut out = locked(&self.out);
                out.full = false;
                out
            } else {
                match self.out.try_lock() {
                    Ok(out) => out,
                    Err(TryLockError::Poisoned(out)) => out.into_inner(),
                    Err(TryLockError::WouldBlock) => return Sent::Busy,
                }
            };
            let sent = self.write(&mut out, pool);
            drop(out);
            if sent != Sent::All || locked(&self.queue).is_empty() {
                return sent;
            }
        }
    }

    fn write(&self, out: &mut Out, pool: &Pool) -> Sent {
        if out.full {
            return Sent::Full;
        }
        loop {
            if out.sent == out.current.len() {
                out.sent = 0;
                pool.give(std::mem::take(&mut out.current));
                out.current = std::mem::take(&mut *locked(&self.queue));
                if out.current.is_empty() && out.is_sent() {
                    self.end(out);
                    return if out.broken { Sent::Broken } else { Sent::All };
                }
            }
            if out.broken {
                // Nobody will read it.
                let dropped = out.current.len() - out.sent;
                self.unsent.fetch_sub(dropped, Ordering::Relaxed);
                out.sent = out.current.len();
                if let Some(tls) = &mut out.tls {
                    tls.give_up();
                }
                continue;
            }
            match out.step(&self.socket) {
                Ok(sent) => {
                    self.unsent.fetch_sub(sent, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    out.full = true;
                    return Sent::Full;
                }
                Err(error) => {
                    tracing::debug!(%error, token = self.token.0, "a connection takes no more output");
                    out.broken = true;
                }
            }
        }
    }

    /// Everything is sent: says so to the peer if nothing will come after it.
    fn end(&self, out: &mut Out) {
        if out.end == End::AfterOutput {
            out.end = End::Done;
            if let Err(error) = self.socket.shutdown(Shutdown::Write) {
                // It is gone already, which the reactor learns by itself.
                tracing::trace!(%error, "shutdown");
            }
        }
    }

    /// Reads from the socket.
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        (&self.socket).read(into)
    }

    /// Whether bytes of the socket go through TLS.
    pub(super) fn with_tls<T>(&self, f: impl FnOnce(&mut Session) -> T) -> Option<T> {
        locked(&self.out).tls.as_deref_mut().map(f)
    }
}

impl Out {
    /// Whether TLS has nothing to send either, the word that this is the end included.
    fn is_sent(&mut self) -> bool {
        let Some(tls) = &mut self.tls else {
            return true;
        };
        if self.end == End::AfterOutput && !self.broken {
            tls.close();
        }
        !tls.wants_write()
    }

    /// One write; how much of the output it took.
    fn step(&mut self, mut socket: &Socket) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            let written = socket.write(&self.current[self.sent..])?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.sent += written;
            return Ok(written);
        };
        if tls.wants_write() {
            return tls.write(&mut socket).map(|()| 0);
        }
        let end = self.current.len().min(self.sent + TLS_WRITE);
        let encrypted = tls.encrypt(&self.current[self.sent..end])?;
        self.sent += encrypted;
        Ok(encrypted)
    }
}
