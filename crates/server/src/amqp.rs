//! The AMQP broker with its sockets, clock and disk: see `docs/adr/0009-broker-threads.md`.
//!
//! [`trefoil_broker::Broker`] is one value behind one lock. A few reactor threads ([`reactor`]) own the connections, one
//! thread ([`commit`]) writes the logs, and anybody else comes in through [`Amqp::with`]. Whoever had the lock collects what
//! is to be sent ([`Shared::turn`]) and, after giving it back, sends it ([`Shared::carry_out`]).
//!
//! The order of locks: the broker, then a connection's. Nobody waits for a socket or the disk with the broker's lock.

mod commit;
mod config;
mod link;
mod mailbox;
mod monitor;
mod open;
mod pool;
mod proxy;
mod reactor;
mod tls;

use std::{
    io,
    net::SocketAddr,
    os::unix::net::UnixStream,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use mio::Poll;
use rustls::ServerConfig;
use trefoil_broker::{Broker, ConnectionId, Writers};

use crate::clock::Clock;
use commit::{Committer, Desk, Work};
pub use config::{Advertise, AmqpConfig, Listeners, StartError};
use link::{Link, Sent, Socket, ask};
use mailbox::{Adopt, Kind, Letter, Mailbox};
use monitor::Monitor;
pub use open::BrokerError;
use pool::Pool;
use reactor::Reactor;
pub use tls::{TlsConfig, TlsError};

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

/// What all threads share.
struct Shared {
    config: AmqpConfig,
    clock: Clock,
    core: Mutex<Core>,
    mailboxes: Vec<Mailbox>,
    desk: Desk,
    pool: Pool,
    monitor: Monitor,
    tls: Option<Arc<ServerConfig>>,
    listening: Vec<Listening>,
    /// When the broker's next timer is due; the first reactor sleeps no longer.
    timer: AtomicU64,
    /// Connections that are there, those before AMQP too.
    connections: AtomicUsize,
    /// Told when there are none any more.
    empty: (Mutex<()>, Condvar),
    /// Of the reactors, in turn.
    next: AtomicUsize,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    reactors: Vec<thread::JoinHandle<()>>,
    committer: Option<thread::JoinHandle<()>>,
}

/// What is behind the lock.
struct Core {
    broker: Broker,
    /// By the index of their id.
    links: Vec<Option<Arc<Link>>>,
    /// The committer is at work, and looks for more when it is done.
    is_committing: bool,
}

impl Core {
    /// A connection has an id.
    fn join(&mut self, id: ConnectionId, link: &Arc<Link>) {
        link.set_id(id);
        let at = id.index();
        if self.links.len() <= at {
            self.links.resize(at + 1, None);
        }
        self.links[at] = Some(Arc::clone(link));
    }

    /// The socket of a connection is gone.
    fn disconnect(&mut self, id: ConnectionId, now: u64) {
        self.broker.handle_disconnect(id, now);
        if self.link(id).is_some() {
            self.links[id.index()] = None;
        }
    }

    fn link(&self, id: ConnectionId) -> Option<&Arc<Link>> {
        let link = self.links.get(id.index())?.as_ref()?;
        (link.id() == Some(id)).then_some(link)
    }
}

/// What is to be done when the lock is given back.
#[derive(Default)]
struct After {
    links: Vec<(Arc<Link>, u8)>,
    work: Option<Work>,
    is_timer_earlier: bool,
    /// Connections whose output is sent, to be told to the broker with the next turn.
    drained: Vec<ConnectionId>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        match self.core.lock() {
            Ok(core) => core,
            Err(poisoned) => give_up("the broker", &poisoned),
        }
    }

    /// Does something with the broker, and collects what comes out.
    fn turn<T>(
        &self,
        after: &mut After,
        f: impl FnOnce(&mut Core, &mut After, u64) -> T,
    ) -> T {
        let mut core = self.lock();
        let done = f(&mut core, after, self.clock.steady_ms());
        self.collect(&mut core, after);
        if !core.is_committing {
            after.work = Work::of(&mut core);
            core.is_committing = after.work.is_some();
        }
        done
    }

    /// The same for the committer, who takes the next work with it.
    fn turn_of_committer(
        &self,
        after: &mut After,
        f: impl FnOnce(&mut Core, u64),
    ) -> Option<Work> {
        let mut core = self.lock();
        f(&mut core, self.clock.steady_ms());
        self.collect(&mut core, after);
        let work = Work::of(&mut core);
        core.is_committing = work.is_some();
        work
    }

    fn collect(&self, core: &mut Core, after: &mut After) {
        while let Some(id) = core.broker.poll_output() {
            self.take(core, after, id);
        }
        let due = core.broker.poll_timeout().unwrap_or(u64::MAX);
        if due < self.timer.load(Ordering::Relaxed) {
            self.timer.store(due, Ordering::Release);
            after.is_timer_earlier = true;
        }
    }

    /// Takes the output of a connection. Whether it is to be read.
    fn take(&self, core: &mut Core, after: &mut After, id: ConnectionId) -> bool {
        let Some(link) = core.link(id).map(Arc::clone) else {
            return false;
        };
        let mut output = link.buffer(&self.pool);
        let status = core.broker.take_output(id, &mut output, link.unsent());
        let mut asks = 0;
        if status.resumed {
            asks |= ask::RESUME;
        }
        if status.closed {
            asks |= ask::FINISH;
            core.disconnect(id, self.clock.steady_ms());
        }
        if !output.is_empty() {
            link.push(&mut output);
        } else if asks == 0 {
            return status.reading;
        }
        self.pool.give(output);
        if status.notify_when_drained {
            link.notify();
        }
        after.links.push((link, asks));
        status.reading
    }

    /// Sends what was collected. `me` is the reactor that does it, if one does; if it `leaves` sending to the others,
    /// because it has more to read itself, they do it at the same time on their cores.
    fn carry_out(&self, after: &mut After, me: Option<usize>, leaves: bool) {
        // First the disk, which takes longest.
        if let Some(work) = after.work.take() {
            self.desk.give(work);
        }
        if std::mem::take(&mut after.is_timer_earlier) && me != Some(0) {
            self.mailboxes[0].post(Letter::Look);
        }
        for (link, mut asks) in after.links.drain(..) {
            if asks & ask::FINISH != 0 {
                link.finish();
            }
            if leaves && Some(link.reactor) != me {
                asks |= ask::FLUSH;
            } else {
                match link.flush(&self.pool, false) {
                    Sent::All if !link.is_drained() => {}
                    Sent::All if me.is_some() => after.drained.extend(link.id()),
                    // It is for reactors to tell, which have other things to do than this one's consumers.
                    Sent::All => asks |= ask::DRAINED,
                    Sent::Full | Sent::Busy => {}
                    Sent::Broken => asks |= ask::BROKEN,
                }
            }
            if asks != 0 {
                self.ask(&link, asks);
            }
        }
    }

    /// Asks something of the reactor that owns a connection.
    fn ask(&self, link: &Arc<Link>, bits: u8) {
        if link.ask(bits) {
            self.mailboxes[link.reactor].post(Letter::Asked(Arc::clone(link)));
        }
    }

    /// Does what the broker's timers say.
    fn expire(&self, after: &mut After) {
        let mut core = self.lock();
        let now = self.clock.steady_ms();
        core.broker.handle_timeout(now);
        // From here on earlier timers are found by whoever makes them.
        self.timer.store(u64::MAX, Ordering::Release);
        self.collect(&mut core, after);
        if !core.is_committing {
            after.work = Work::of(&mut core);
            core.is_committing = after.work.is_some();
        }
    }

    /// Gives a new connection to a reactor.
    fn give(&self, adopt: Adopt) {
        self.connections.fetch_add(1, Ordering::AcqRel);
        let next = self.next.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
        self.mailboxes[next].post(Letter::Adopt(adopt));
    }

    /// A connection is gone.
    fn forget_one(&self) {
        if self.connections.fetch_sub(1, Ordering::AcqRel) == 1 {
            let _told = self.empty.0.lock().unwrap_or_else(PoisonError::into_inner);
            self.empty.1.notify_all();
        }
    }

    /// The TLS side of a new connection.
    fn session(&self, kind: Kind) -> io::Result<Option<tls::Session>> {
        match (&self.tls, kind) {
            (Some(config), Kind::Tls) => tls::Session::new(config)
                .map(Some)
                .map_err(io::Error::other),
            _ => Ok(None),
        }
    }

    /// Whether the committer found the disk full; true if that is news.
    fn set_disk_full(&self, full: bool) -> bool {
        if self.monitor.full.swap(full, Ordering::AcqRel) == full {
            return false;
        }
        self.monitor.look_now();
        self.mailboxes[0].post(Letter::Look);
        true
    }
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
        let mut polls = Vec::with_capacity(count);
        let mut mailboxes = Vec::with_capacity(count);
        for _ in 0..count {
            let poll = Poll::new()?;
            mailboxes.push(Mailbox::new(poll.registry(), Reactor::wake_token())?);
            polls.push(poll);
        }
        let monitor = Monitor::new(config.data.clone(), config.memory_high, config.disk_free_min);
        let core = Core {
            broker,
            links: Vec::new(),
            is_committing: false,
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
            timer: AtomicU64::new(u64::MAX),
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
        };
        let committer = spawn("amqp-log".to_owned(), move || committer.run())?;
        let mut reactors = Vec::with_capacity(count);
        let mut sockets = listeners.sockets;
        for (index, poll) in polls.into_iter().enumerate() {
            let listeners = std::mem::take(&mut sockets);
            let reactor = Reactor::new(index, Arc::clone(&amqp.shared), poll, listeners);
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

    /// Where it listens.
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

    /// Stops or starts accepting connections; those that are there stay.
    pub fn listen(&self, open: bool) {
        self.shared.mailboxes[0].post(Letter::Listen(open));
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
    /// When the system has no more sockets, or there are as many connections as may be.
    pub fn open_local(&self, peer: SocketAddr, local: SocketAddr) -> io::Result<UnixStream> {
        if self.connections() >= self.shared.config.connections_max {
            return Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                "there are as many AMQP connections as may be",
            ));
        }
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        theirs.set_nonblocking(true)?;
        self.shared.give(Adopt {
            socket: Socket::Unix(mio::net::UnixStream::from_std(ours)),
            peer,
            local,
            kind: Kind::Local,
        });
        Ok(theirs)
    }

    /// Accepts nothing more, tells clients, waits for them for at most `patience`, and returns when everything is on disk.
    /// Blocks.
    pub fn stop(&self, patience: Duration) {
        self.listen(false);
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
            tracing::info!(connections = self.connections(), "clients that did not leave are cut");
        }
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.shared.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread whose panic ends the process.
fn spawn(
    name: String,
    run: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
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
