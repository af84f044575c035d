//! The Thrift endpoint: one port for all protocols and transports, and the way of calls to instances.
//!
//! Reactor threads (`reactor`) own connections of callers and of instances, each its own; a call stays on the thread that it
//! came in on. What they share is what names mean (`routes`), where instances are and which of them is next
//! ([`trefoil_director::Instances`], behind one lock that is held for a choice), and counters.

mod address;
mod builtin;
mod call;
mod context;
mod deprecated;
mod forms;
mod handover;
mod jobs;
mod listen;
mod message;
mod metrics;
mod post;
mod probe;
mod processes;
mod providers;
mod reactor;
mod routes;
#[cfg(test)]
mod tests;
mod web;
mod websocket;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use tokio::sync::oneshot;
use trefoil_director::{
    Catalog, InstanceId, Instances, NewInstance, ServiceRequest,
    instances::{Heartbeat, InstanceKey, InstanceView, RegisterError, Registered, UnknownInstance},
};
use trefoil_thrift::{ApplicationError, Limits, framing::Dialect};

use crate::{
    Node,
    clock::Clock,
    mailbox::{self, Mailbox},
    tls::{Authorities, Certificates, TlsFiles},
};
use address::Address;
use call::LocalCall;
pub use call::{Call, CallFailure, CalledJob, Reply};
pub use context::{
    Context, DEADLINE_KEY, HeaderPair, IDEMPOTENCY_KEY, JOB_KEY, REPLAYED_KEY, SUBMITTER_KEY,
};
pub use handover::{HandOver, Handed, HandedOver, HandedStream};
use jobs::Jobs;
pub use listen::{Listener, UnixSocket};
pub use message::Answered;
pub use metrics::ThriftMetrics;
use providers::Providers;
use reactor::{Door, Letter, Reactor, Socket};
use routes::Routes;
pub use routes::Target;

/// How the endpoint is configured. Every number has its reason in `docs/src/configuration.md`.
#[derive(Debug, Clone)]
pub struct ThriftConfig {
    /// Reactor threads.
    pub threads: usize,
    /// Bounds of messages.
    pub limits: Limits,
    /// Connections of callers.
    pub connections_max: usize,
    /// The longest wait for a reply, in milliseconds.
    pub call_timeout_ms: u64,
    /// The longest wait for a connection to an instance, in milliseconds.
    pub connect_timeout_ms: u64,
    /// How long a caller may take from its first byte to where it is known what it speaks, TLS included, in milliseconds.
    pub handshake_timeout_ms: u64,
    /// How long a connection to an instance is kept without a call, in milliseconds.
    pub idle_ms: u64,
    /// Connections to an instance, of each thread.
    pub pool_max: usize,
    /// Calls that wait for a connection to an instance, of each thread.
    pub queue_max: usize,
    /// Where it counts.
    pub metrics: ThriftMetrics,
    /// With it, callers may speak TLS.
    pub tls: Option<TlsFiles>,
    /// Where files for TLS to instances may be that register themselves. Without it they may name none.
    pub tls_directory: Option<PathBuf>,
    /// Callers that come over a network must speak TLS. Those of whom a certificate is required must anyway.
    pub tls_required: bool,
}

impl Default for ThriftConfig {
    fn default() -> Self {
        Self {
            threads: thread::available_parallelism().map_or(1, |count| count.get().min(4)),
            limits: Limits::default(),
            connections_max: 50_000,
            call_timeout_ms: 30_000,
            connect_timeout_ms: 1_000,
            handshake_timeout_ms: 10_000,
            idle_ms: 60_000,
            pool_max: 64,
            queue_max: 1_000,
            metrics: ThriftMetrics::default(),
            tls: None,
            tls_directory: None,
            tls_required: false,
        }
    }
}

/// The endpoint, running. Clones are the same one.
#[derive(Clone)]
pub struct Thrift {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Thrift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thrift")
            .field("listening", &self.shared.listening)
            .finish_non_exhaustive()
    }
}

/// How to get to an instance.
#[derive(Debug, Clone, PartialEq)]
struct Way {
    address: Address,
    tls: Option<TlsWay>,
    /// Calls are within HTTP or WebSocket.
    web: Option<web::Target>,
    dialect: Dialect,
    multiplex: Option<String>,
    is_pipelined: bool,
    window: usize,
}

/// Whom to believe that it is an instance.
#[derive(Debug, Clone)]
struct TlsWay {
    config: Arc<rustls::ClientConfig>,
    name: rustls::pki_types::ServerName<'static>,
}

impl TlsWay {
    fn begin(&self) -> Result<rustls::ClientConnection, rustls::Error> {
        rustls::ClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

impl PartialEq for TlsWay {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

/// What the threads share.
struct Shared {
    config: ThriftConfig,
    certificates: Option<Certificates>,
    authorities: Arc<Authorities>,
    clock: Clock,
    mailboxes: Vec<Mailbox<Letter>>,
    listening: Vec<SocketAddr>,
    routes: Mutex<(Arc<Routes>, Catalog)>,
    routes_revision: AtomicU64,
    instances: Mutex<Instances>,
    /// Something was registered or asked for: whoever makes checks looks again.
    instances_changed: tokio::sync::Notify,
    ways: Mutex<HashMap<InstanceKey, Arc<Way>>>,
    jobs: Jobs,
    providers: Providers,
    connections: AtomicUsize,
    next: AtomicUsize,
    stamp: AtomicU32,
    metrics: ThriftMetrics,
    hand_over: HandOver,
    /// That of who started it.
    runtime: tokio::runtime::Handle,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Thrift {
    /// Serves `listeners`, and starts checking instances on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// When the system refuses threads or what they need, or when certificates cannot be used.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(
        config: ThriftConfig,
        listeners: impl IntoIterator<Item = impl Into<Listener>>,
        clock: Clock,
        seed: u64,
        hand_over: HandOver,
    ) -> io::Result<Self> {
        let count = config.threads.max(1);
        let (polls, mailboxes) = mailbox::polls(count, Reactor::wake_token())?;
        let mut listening = Vec::new();
        let mut sockets = Vec::new();
        for listener in listeners {
            let listener = listener.into();
            if let Listener::Tcp(listener) = &listener {
                listening.push(listener.local_addr()?);
            }
            sockets.push(Door::new(listener)?);
        }
        let certificates = config.tls.as_ref().map(Certificates::read).transpose();
        let certificates = certificates.map_err(io::Error::other)?;
        let metrics = config.metrics.clone();
        let shared = Arc::new(Shared {
            config,
            certificates,
            authorities: Arc::default(),
            clock,
            mailboxes,
            listening,
            routes: Mutex::default(),
            routes_revision: AtomicU64::new(0),
            instances: Mutex::new(Instances::new(seed)),
            instances_changed: tokio::sync::Notify::new(),
            ways: Mutex::default(),
            jobs: Jobs::new(tokio::runtime::Handle::current()),
            providers: Providers::default(),
            connections: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            stamp: AtomicU32::new(0),
            metrics,
            hand_over,
            runtime: tokio::runtime::Handle::current(),
            threads: Mutex::default(),
        });
        let mut threads = Vec::with_capacity(count);
        for (index, poll) in polls.into_iter().enumerate() {
            let sockets = std::mem::take(&mut sockets);
            let reactor = Reactor::new(index, Arc::clone(&shared), poll, sockets);
            let run = move || {
                if let Err(error) = reactor.run() {
                    tracing::error!(%error, "a thread of the Thrift endpoint failed");
                }
            };
            threads.push(
                thread::Builder::new()
                    .name(format!("thrift-{index}"))
                    .spawn(run)?,
            );
        }
        *shared.lock(&shared.threads) = threads;
        tokio::spawn(probe::run(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// Where it listens in networks.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.shared.listening
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &ThriftMetrics {
        &self.shared.metrics
    }

    /// The bounds of messages.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.config.limits
    }

    /// Where files for TLS may be that somebody names who registers an instance.
    #[must_use]
    pub fn tls_directory(&self) -> Option<&Path> {
        self.shared.config.tls_directory.as_deref()
    }

    /// From now on names mean what this catalog says. Calls under way end as they began.
    pub fn set_catalog(&self, catalog: &Catalog) {
        let routes = Routes::of(catalog, &mut self.shared.instances());
        *self.shared.lock(&self.shared.routes) = (Arc::new(routes), catalog.clone());
        self.shared.routes_revision.fetch_add(1, Ordering::Release);
        self.shared.providers.follow(self, catalog);
    }

    /// From now on processes that services want as their providers are started: through `supervisor`, with their logs below
    /// `data`. The first call counts.
    pub(crate) fn start_providers(&self, supervisor: PathBuf, data: PathBuf) -> io::Result<()> {
        let (_, catalog) = self.shared.routes();
        let shared = Arc::downgrade(&self.shared);
        self.shared
            .providers
            .start(shared, catalog, supervisor, data)
    }

    /// From now on calls of services that run as jobs are jobs of this node. The first one counts.
    pub(crate) fn serve_jobs(&self, node: Weak<Node>) {
        self.shared.jobs.serve(node);
    }

    /// What a name means: `add`, `Calculator:add`, `math/calc:1.2:add`.
    ///
    /// # Errors
    ///
    /// If it means nothing, or more than one thing.
    pub fn find(&self, name: &str) -> Result<Arc<Target>, ApplicationError> {
        let (routes, catalog) = self.shared.routes();
        routes.find(name, &catalog)
    }

    /// A method of a service.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn target(
        &self,
        service: &ServiceRequest,
        method: &str,
    ) -> Result<Arc<Target>, ApplicationError> {
        self.find(&format!("{service}:{method}"))
    }

    /// Calls a method. Nothing comes back of a one-way method, as soon as it was sent.
    ///
    /// # Errors
    ///
    /// If there is no reply.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the call goes on, and nobody is told what came of it.
    pub async fn call(&self, call: Call) -> Result<Option<Reply>, CallFailure> {
        let (answer, answered) = oneshot::channel();
        let at = self.shared.next.fetch_add(1, Ordering::Relaxed) % self.shared.mailboxes.len();
        self.shared.mailboxes[at].post(Letter::Call(Box::new(LocalCall { call, answer })));
        answered.await.unwrap_or(Err(CallFailure::Stopping))
    }

    /// Registers an instance.
    ///
    /// # Errors
    ///
    /// If its service has too many.
    pub fn register(&self, new: NewInstance) -> Result<Registered, RegisterError> {
        let now = self.shared.clock.steady_ms();
        let registered = self.shared.instances().register(new, now)?;
        // It may be elsewhere now.
        self.shared.lock(&self.shared.ways).remove(&registered.key);
        self.shared.instances_changed.notify_one();
        Ok(registered)
    }

    /// An instance lives.
    ///
    /// # Errors
    ///
    /// If it is unknown.
    pub fn renew(
        &self,
        id: &InstanceId,
        heartbeat: Heartbeat,
    ) -> Result<Option<u64>, UnknownInstance> {
        let now = self.shared.clock.steady_ms();
        let renewed = self.shared.instances().renew(id, heartbeat, now);
        self.shared.instances_changed.notify_one();
        renewed
    }

    /// An instance takes no more calls.
    ///
    /// # Errors
    ///
    /// If it is unknown.
    pub fn drain_instance(&self, id: &InstanceId) -> Result<(), UnknownInstance> {
        let now = self.shared.clock.steady_ms();
        self.shared.instances().drain(id, now)
    }

    /// An instance leaves.
    ///
    /// # Errors
    ///
    /// If it is unknown.
    pub fn deregister(&self, id: &InstanceId, reason: &str) -> Result<(), UnknownInstance> {
        let now = self.shared.clock.steady_ms();
        let left = self.shared.instances().deregister(id, reason, now);
        self.shared.instances_changed.notify_one();
        left
    }

    /// Looks at the instances.
    pub fn instances<T>(&self, f: impl FnOnce(&Instances) -> T) -> T {
        f(&self.shared.instances())
    }

    /// An instance.
    #[must_use]
    pub fn instance(&self, id: &InstanceId) -> Option<InstanceView> {
        self.shared.instances().view(id)
    }

    /// Accepts no more, answers what was asked for at most `patience`, ends.
    pub async fn stop(&self, patience: std::time::Duration) {
        for mailbox in &self.shared.mailboxes {
            mailbox.post(Letter::Drain);
        }
        let deadline = tokio::time::Instant::now() + patience;
        let mut every = tokio::time::interval(std::time::Duration::from_millis(10));
        while self.shared.connections.load(Ordering::Acquire) > 0
            && tokio::time::Instant::now() < deadline
        {
            every.tick().await;
        }
        self.shared.jobs.stop().await;
        self.shared.providers.stop().await;
        for mailbox in &self.shared.mailboxes {
            mailbox.post(Letter::Stop);
        }
        let threads = std::mem::take(&mut *self.shared.lock(&self.shared.threads));
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| {
                if thread.join().is_err() {
                    tracing::error!("a thread of the Thrift endpoint panicked");
                }
            });
        });
        let _ = joined.await;
    }
}

impl Shared {
    #[expect(clippy::unused_self, reason = "reads as what it does")]
    fn lock<'a, T>(&self, mutex: &'a Mutex<T>) -> MutexGuard<'a, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn instances(&self) -> MutexGuard<'_, Instances> {
        self.lock(&self.instances)
    }

    fn routes(&self) -> (Arc<Routes>, Catalog) {
        self.lock(&self.routes).clone()
    }

    fn way(&self, instance: InstanceKey) -> Option<Arc<Way>> {
        self.lock(&self.ways).get(&instance).cloned()
    }

    /// Gives a new connection to the next thread.
    fn give(&self, socket: Socket) {
        self.connections.fetch_add(1, Ordering::AcqRel);
        self.metrics.connections.inc();
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.mailboxes.len();
        self.mailboxes[at].post(Letter::Adopt(socket));
    }

    fn forget_one(&self) {
        self.connections.fetch_sub(1, Ordering::AcqRel);
        self.metrics.connections.dec();
    }

    /// What a new connection that speaks TLS is served with, if it may.
    fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        let certificates = self.certificates.as_ref()?;
        Some(certificates.current(self.clock.steady_ms()))
    }

    /// Whether what is said in networks must be said in TLS.
    fn requires_tls(&self) -> bool {
        let config = &self.config;
        config.tls_required || config.tls.as_ref().is_some_and(|tls| tls.client_required)
    }

    fn next_stamp(&self) -> u32 {
        self.stamp.fetch_add(1, Ordering::Relaxed)
    }

    fn hand_over(&self, handed: HandedOver) {
        (self.hand_over)(handed);
    }
}
