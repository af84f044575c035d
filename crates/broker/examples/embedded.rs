//! A broker inside another program: `cargo run -p trefoil-broker --example embedded -- DIRECTORY [ADDRESS]`.
//!
//! The crate is bytes in, bytes out; sockets, threads, disk and clock are the program's. Here two threads serve a connection,
//! one reading and one writing, and one thread writes the log and looks after timers. That is the simplest shell there is.
//! The one of `trefoil` (`crates/server/src/amqp`) has a few reactors instead, for speed.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use trefoil_amqp::Table;
use trefoil_broker::{Broker, ConnectionId, Peer, Settings, Writers};
use trefoil_store::{Batch, DiskStorage, Done, Options, WriteError};

/// Transient messages that wait may have so much memory before they go to disk.
const TRANSIENT_MEMORY: usize = 8 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("usage: embedded DIRECTORY [ADDRESS]")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let clock = Clock::start();
    let (broker, writers) = open(Path::new(&directory), &clock)?;
    let shared = Arc::new(Shared {
        clock,
        core: Mutex::new(Core {
            broker,
            links: HashMap::new(),
        }),
        changed: Condvar::new(),
    });
    let keeper = Arc::clone(&shared);
    thread::spawn(move || keep(&keeper, writers));
    let listener = TcpListener::bind(address)?;
    println!("amqp://guest:guest@{}", listener.local_addr()?);
    for socket in listener.incoming() {
        if let Err(error) = socket.and_then(|socket| accept(&shared, socket)) {
            eprintln!("a connection could not be served: {error}");
        }
    }
    Ok(())
}

/// Opens the broker: whatever an earlier run confirmed is there.
fn open(directory: &Path, clock: &Clock) -> Result<(Broker, Writers), Box<dyn std::error::Error>> {
    // Clients use only what a server says it can do.
    let capabilities = [
        "publisher_confirms",
        "basic.nack",
        "consumer_cancel_notify",
        "authentication_failure_close",
    ];
    let capabilities = capabilities
        .into_iter()
        .fold(Table::new(), |table, name| table.with(name, true));
    let connection = trefoil_amqp::Settings {
        server_properties: Table::new()
            .with("product", "embedded")
            .with("capabilities", capabilities),
        ..trefoil_amqp::Settings::default()
    };
    // Keyed by the system's randomness.
    let random = || RandomState::new().build_hasher().finish();
    let settings = Settings {
        connection,
        node: "rabbit@embedded".to_owned(),
        cluster: "embedded".to_owned(),
        log: Options::durable(),
        transient: Options::spill(TRANSIENT_MEMORY),
        access: Default::default(),
        seed: [random(), random()],
        connections_max: 0,
        consumers_max: 0,
    };
    let durable = Arc::new(DiskStorage::open(&directory.join("log"))?);
    let transient = Arc::new(DiskStorage::open(&directory.join("transient"))?);
    let (broker, writers, report) = Broker::open(settings, durable, transient, clock.now())?;
    println!("{report}");
    Ok((broker, writers))
}

/// Milliseconds since 1970 that never go back.
struct Clock {
    epoch: u64,
    begin: Instant,
}

impl Clock {
    fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            epoch: millis(since.unwrap_or_default()),
            begin: Instant::now(),
        }
    }

    fn now(&self) -> u64 {
        self.epoch + millis(self.begin.elapsed())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The broker behind its lock.
struct Shared {
    clock: Clock,
    core: Mutex<Core>,
    /// Somebody had the broker: there may be something to write, or an earlier timer.
    changed: Condvar,
}

struct Core {
    broker: Broker,
    links: HashMap<ConnectionId, Arc<Link>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Core> {
        locked(&self.core)
    }

    /// Does something with the broker, and hands what it has to say to the threads that write.
    fn turn<T>(&self, f: impl FnOnce(&mut Broker, u64) -> T) -> T {
        let mut core = self.lock();
        let done = f(&mut core.broker, self.clock.now());
        self.collect(&mut core);
        done
    }

    fn collect(&self, core: &mut Core) {
        while let Some(id) = core.broker.poll_output() {
            if let Some(link) = core.links.get(&id) {
                link.take(&mut core.broker, id);
            }
        }
        self.changed.notify_one();
    }
}

/// What is to be sent on a connection, and whether it is to be read. Bounded by the broker, which stops delivering to a
/// connection that has too much waiting.
#[derive(Default)]
struct Link {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    output: Vec<u8>,
    sending: usize,
    is_paused: bool,
    is_closed: bool,
    is_awaited: bool,
}

impl Link {
    fn take(&self, broker: &mut Broker, id: ConnectionId) {
        let mut state = locked(&self.state);
        let unsent = state.output.len() + state.sending;
        let status = broker.take_output(id, &mut state.output, unsent);
        state.is_paused = !status.reading;
        state.is_closed |= status.closed;
        state.is_awaited |= status.notify_when_drained;
        self.changed.notify_all();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(shared: &Arc<Shared>, socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let peer = Peer {
        address: socket.peer_addr()?,
        local: socket.local_addr()?,
        tls: None,
    };
    let writing = socket.try_clone()?;
    let link = Arc::new(Link::default());
    let id = {
        let mut core = shared.lock();
        let id = core.broker.connect(peer, shared.clock.now());
        core.links.insert(id, Arc::clone(&link));
        id
    };
    let (ours, theirs) = (Arc::clone(shared), Arc::clone(&link));
    thread::spawn(move || write(&ours, &theirs, id, writing));
    let shared = Arc::clone(shared);
    thread::spawn(move || read(&shared, &link, id, socket));
    Ok(())
}

/// From the socket to the broker. What the broker does not use now, it gets again with more behind it.
fn read(shared: &Shared, link: &Link, id: ConnectionId, mut socket: TcpStream) {
    let mut input = Vec::new();
    let mut block = vec![0; 64 << 10];
    'reading: while let Ok(read) = socket.read(&mut block) {
        if read == 0 {
            break;
        }
        input.extend_from_slice(&block[..read]);
        loop {
            let used = shared.turn(|broker, now| {
                let used = broker.handle_input(id, &input, now);
                link.take(broker, id);
                used
            });
            input.drain(..used);
            let state = locked(&link.state);
            let was_paused = state.is_paused;
            // Waiting for the disk, for an alarm to end, or for consumers: nothing is read meanwhile.
            let is_waiting = |state: &mut State| state.is_paused && !state.is_closed;
            let state = link.changed.wait_while(state, is_waiting);
            if state.unwrap_or_else(PoisonError::into_inner).is_closed {
                break 'reading;
            }
            if !was_paused {
                break;
            }
        }
    }
    let mut core = shared.lock();
    core.broker.handle_disconnect(id, shared.clock.now());
    core.links.remove(&id);
    shared.collect(&mut core);
    locked(&link.state).is_closed = true;
    link.changed.notify_all();
}

/// From the broker to the socket.
fn write(shared: &Shared, link: &Link, id: ConnectionId, mut socket: TcpStream) {
    loop {
        let (output, is_awaited) = {
            let has_nothing = |state: &mut State| state.output.is_empty() && !state.is_closed;
            let state = link.changed.wait_while(locked(&link.state), has_nothing);
            let mut state = state.unwrap_or_else(PoisonError::into_inner);
            let output = std::mem::take(&mut state.output);
            state.sending = output.len();
            (output, std::mem::take(&mut state.is_awaited))
        };
        if output.is_empty() || socket.write_all(&output).is_err() {
            break;
        }
        locked(&link.state).sending = 0;
        if is_awaited {
            shared.turn(|broker, now| broker.handle_drained(id, now));
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
}

/// Writes the log, and does what is due. While one batch is being synced the next one gathers: group commit.
fn keep(shared: &Shared, mut writers: Writers) {
    loop {
        let (durable, transient) = next_batches(shared);
        if let Some((batch, sync)) = durable {
            let done = writers.durable.commit(&batch, sync).unwrap_or_else(give_up);
            shared.turn(|broker, now| broker.handle_committed(done, now));
            writers.durable.tidy();
        }
        if let Some(batch) = transient {
            let done = writers
                .transient
                .commit(&batch, false)
                .unwrap_or_else(give_up);
            shared.turn(|broker, _| broker.handle_transient_written(done));
        }
    }
}

/// What is not on disk was not confirmed; the next start goes on from what is.
fn give_up(error: WriteError) -> Done {
    eprintln!("cannot write the log: {error}");
    std::process::exit(1)
}

type Batches = (Option<(Batch, bool)>, Option<Batch>);

fn next_batches(shared: &Shared) -> Batches {
    let mut core = shared.lock();
    loop {
        let now = shared.clock.now();
        if core.broker.poll_timeout().is_some_and(|due| due <= now) {
            core.broker.handle_timeout(now);
            shared.collect(&mut core);
        }
        let batches = (core.broker.take_batch(), core.broker.take_transient_batch());
        if batches.0.is_some() || batches.1.is_some() {
            return batches;
        }
        let patience = core
            .broker
            .poll_timeout()
            .map(|due| due.saturating_sub(now));
        let patience = Duration::from_millis(patience.unwrap_or(60_000).max(1));
        let waited = shared.changed.wait_timeout(core, patience);
        core = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
