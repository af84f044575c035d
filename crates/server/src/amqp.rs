//! The AMQP broker with its sockets, clock and disk: see `docs/adr/0009-broker-threads.md`.
//!
//! [`trefoil_broker::Broker`] is one value behind one lock. A few reactor threads (`reactor`) own the connections, one
//! thread (`commit`) writes the logs, and anybody else comes in through [`Amqp::with`]. Whoever had the lock collects what
//! is to be sent (`Shared::turn`) and, after giving it back, sends it (`Shared::carry_out`).
//!
//! The order of locks: the broker, then a connection's. Nobody waits for a socket or the disk with the broker's lock.

mod commit;
mod config;
mod gate;
mod link;
mod mailbox;
mod monitor;
mod open;
mod pool;
mod proxy;
mod reactor;
mod readiness;
mod shared;
mod tls;

use std::{
    io,
    net::SocketAddr,
    os::unix::net::UnixStream,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use trefoil_broker::{Broker, Writers};

use crate::clock::Clock;
use commit::{Committer, Desk};
pub use config::{Advertise, AmqpConfig, Listeners, StartError};
use gate::Gate;
pub use gate::ListenError;
use link::Socket;
use mailbox::{Adopt, Kind, Letter};
use monitor::Monitor;
pub use open::BrokerError;
use pool::Pool;
use reactor::Reactor;
use shared::{After, Core, Shared, Threads};
pub use tls::{AlternativeName, LoginFrom, TlsConfig, TlsError};

/// What clients are told when the process ends.
const SHUTDOWN: &str = "broker forced connection closure with reason 'shutdown'";

/// The broker, running. Clones are the same one.
#[derive(Clone)]
pub struct Amqp {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Amqp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Amqp")
            .field("listening", &self.shared.listening)
            .finish_non_exhaustive()
    }
}

/// Where somebody may knock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// The address.
    pub address: SocketAddr,
    /// With TLS.
    pub tls: bool,
}

impl Amqp {
    /// Opens the broker in the data directory and serves it on `listeners`. Blocks while it recovers.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn open(config: AmqpConfig, listeners: Listeners) -> Result<Self, StartError> {
        let clock = Clock::start();
        let (broker, writers) = open::open(&config, &clock)?;
        Ok(Self::start(config, listeners, broker, writers, clock)?)
    }

    /// Serves a broker on `listeners`. `clock` is the one that `broker` was opened with.
    ///
    /// # Errors
    /// When the system refuses threads or what they need.
    pub fn start(
        config: AmqpConfig,
        listeners: Listeners,
        broker: Broker,
        writers: Writers,
        clock: Clock,
    ) -> io::Result<Self> {
        let count = config.threads.max(1);
        let (polls, mailboxes) = crate::mailbox::polls(count, Reactor::wake_token())?;
        let registry = polls[0].registry().try_clone()?;
        let gate = Gate::new(registry, Reactor::listener_token, listeners.sockets)?;
        let monitor = Monitor::new(
            config.data.clone(),
            config.memory_high,
            config.disk_free_min,
        );
        let core = Core {
            broker,
            links: Vec::new(),
            is_committing: false,
            transient_paused: None,
        };
        let shared = Arc::new(Shared {
            config,
            clock,
            core: Mutex::new(core),
            mailboxes,
            desk: Desk::default(),
            pool: Pool::default(),
            monitor,
            tls: listeners.tls,
            listening: listeners.listening,
            gate,
            timer: AtomicU64::new(u64::MAX),
            writing_since: AtomicU64::new(u64::MAX),
            connections: AtomicUsize::new(0),
            empty: Default::default(),
            next: AtomicUsize::new(0),
            threads: Mutex::default(),
        });
        let amqp = Self { shared };
        let committer = Committer {
            shared: Arc::clone(&amqp.shared),
            durable: writers.durable,
            transient: writers.transient,
            is_transient_full: false,
        };
        let committer = spawn("amqp-log".to_owned(), move || committer.run())?;
        let mut reactors = Vec::with_capacity(count);
        for (index, poll) in polls.into_iter().enumerate() {
            let reactor = Reactor::new(index, Arc::clone(&amqp.shared), poll);
            reactors.push(spawn(format!("amqp-{index}"), move || {
                if let Err(error) = reactor.run() {
                    give_up("a reactor failed", &error);
                }
            })?);
        }
        // Recovery may have left something to be written, and timers.
        amqp.with(|_, _| ());
        *amqp.threads() = Threads {
            reactors,
            committer: Some(committer),
        };
        Ok(amqp)
    }

    /// Does something with the broker, in its lock: not for long, for everybody waits. What it causes to be sent is sent
    /// before this returns.
    pub fn with<T>(&self, f: impl FnOnce(&mut Broker, u64) -> T) -> T {
        let mut after = After::default();
        let done = self
            .shared
            .turn(&mut after, |core, _, now| f(&mut core.broker, now));
        self.shared.carry_out(&mut after, None, false);
        done
    }

    /// Where it listens, or would if it were not suspended.
    #[must_use]
    pub fn listening(&self) -> &[Listening] {
        &self.shared.listening
    }

    /// Milliseconds since the Unix epoch, as the broker counts them.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.steady_ms()
    }

    /// Bytes of memory above which publishers wait, and how many were in use at the last look.
    #[must_use]
    pub fn memory(&self) -> (u64, u64) {
        let monitor = &self.shared.monitor;
        (
            monitor.memory_high.load(Ordering::Relaxed),
            monitor.used.load(Ordering::Relaxed),
        )
    }

    /// Bytes of the disk below which publishers wait, and how many were free at the last look.
    #[must_use]
    pub fn disk(&self) -> (u64, u64) {
        let monitor = &self.shared.monitor;
        (
            monitor.disk_free_min.load(Ordering::Relaxed),
            monitor.free.load(Ordering::Relaxed),
        )
    }

    /// From now on publishers wait when the process has more than `bytes` in memory.
    pub fn set_memory_high(&self, bytes: u64) {
        let monitor = &self.shared.monitor;
        monitor.memory_high.store(bytes.max(1), Ordering::Relaxed);
        monitor::look(&self.shared, self.now_ms());
    }

    /// From now on publishers wait when the disk has less than `bytes` free.
    pub fn set_disk_free_min(&self, bytes: u64) {
        let monitor = &self.shared.monitor;
        monitor.disk_free_min.store(bytes, Ordering::Relaxed);
        monitor::look(&self.shared, self.now_ms());
    }

    /// Closes the sockets that listen: from now on new connections are refused, those that are there stay.
    pub fn suspend(&self) {
        self.shared.gate.close();
    }

    /// Listens again, on the same addresses and ports.
    ///
    /// # Errors
    /// When one of them is not to be had: then it listens on none.
    pub fn resume(&self) -> Result<(), ListenError> {
        self.shared.gate.open()
    }

    /// Whether new connections are taken.
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.shared.gate.is_open()
    }

    /// How it was configured.
    #[must_use]
    pub fn config(&self) -> &AmqpConfig {
        &self.shared.config
    }

    /// Connections that are there.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// A connection without a network: AMQP is spoken over the socket that comes back, which does not block. `peer` and
    /// `local` are the addresses that the connection is listed with.
    ///
    /// # Errors
    /// When the system has no more sockets, there are as many connections as may be, or none are taken.
    pub fn open_local(&self, peer: SocketAddr, local: SocketAddr) -> io::Result<UnixStream> {
        self.check_room()?;
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        self.give_local(ours, peer, local);
        Ok(theirs)
    }

    /// Serves a connection without a network that is there already, and does not block.
    ///
    /// # Errors
    /// As of [`open_local`](Self::open_local).
    pub fn adopt_local(
        &self,
        socket: UnixStream,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> io::Result<()> {
        self.check_room()?;
        self.give_local(socket, peer, local);
        Ok(())
    }

    fn give_local(&self, socket: UnixStream, peer: SocketAddr, local: SocketAddr) {
        self.shared.give(Adopt {
            socket: Socket::Unix(mio::net::UnixStream::from_std(socket)),
            peer,
            local,
            kind: Kind::Local,
        });
    }

    fn check_room(&self) -> io::Result<()> {
        if !self.is_accepting() {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionRefused,
                "the listeners are suspended",
            ));
        }
        if self.connections() >= self.shared.config.connections_max {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "there are as many AMQP connections as may be",
            ));
        }
        Ok(())
    }

    /// Serves a connection that was accepted elsewhere, if connections are taken now.
    ///
    /// # Errors
    /// When the socket is none any more, or connections are not taken.
    pub fn adopt(&self, socket: std::net::TcpStream) -> io::Result<()> {
        self.check_room()?;
        let (peer, local) = (socket.peer_addr()?, socket.local_addr()?);
        socket.set_nonblocking(true)?;
        self.shared.give(Adopt {
            socket: Socket::Tcp(mio::net::TcpStream::from_std(socket)),
            peer,
            local,
            kind: Kind::Plain,
        });
        Ok(())
    }

    /// Accepts nothing more, tells clients, waits for them for at most `patience`, and returns when everything is on disk.
    /// Blocks.
    pub fn stop(&self, patience: Duration) {
        self.shared.gate.end();
        self.with(|broker, now| broker.close_all_connections(SHUTDOWN, now));
        self.wait_until_empty(patience);
        let threads = std::mem::take(&mut *self.threads());
        for mailbox in &self.shared.mailboxes {
            mailbox.post(Letter::Stop);
        }
        for reactor in threads.reactors {
            // A thread that panicked has ended the process.
            let _ = reactor.join();
        }
        self.with(|broker, now| broker.stop(now));
        self.shared.desk.stop();
        if let Some(committer) = threads.committer {
            let _ = committer.join();
        }
    }

    fn wait_until_empty(&self, patience: Duration) {
        let (lock, empty) = &self.shared.empty;
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = empty.wait_timeout_while(guard, patience, |()| self.connections() > 0);
        if waited.is_ok_and(|(_, waited)| waited.timed_out()) {
            tracing::info!(
                connections = self.connections(),
                "clients that did not leave are cut"
            );
        }
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.shared
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread whose panic ends the process.
fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(move || {
        let _guard = EndOfProcess;
        run();
    })
}

/// See [`give_up`].
struct EndOfProcess;

impl Drop for EndOfProcess {
    fn drop(&mut self) {
        if thread::panicking() {
            give_up("a thread of the broker panicked", &"see above");
        }
    }
}

/// What is in memory cannot be trusted any more. What is on disk can: the next start goes on from there.
fn give_up(what: &str, why: &dyn std::fmt::Display) -> ! {
    tracing::error!(%why, "{what}: the process ends, and recovers when it is started again");
    std::process::abort()
}

#[cfg(test)]
mod tests;
