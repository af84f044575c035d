//! A provider that costs little: one thread of this tool that gives back what a call brings.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use trefoil_thrift::{
    Limits,
    connection::{ReplyKind, Server, ServerEvent},
};

/// How often it is looked whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// What stands for the listener; connections are numbered from 1.
const LISTENER: u64 = 0;

/// A provider; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct Provider {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<anyhow::Result<()>>>,
}

impl Provider {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("provider".to_owned())
            .spawn(move || {
                let served = serve(&listener, &stopped);
                if let Err(error) = &served {
                    eprintln!("the provider failed: {error:#}");
                }
                served
            })?;
        Ok(Self {
            address,
            stop,
            thread: Some(thread),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // What failed was said.
            let _ = thread.join();
        }
    }
}

struct Connection {
    stream: TcpStream,
    server: Server,
    /// The beginning of a request.
    rest: Vec<u8>,
}

fn serve(listener: &TcpListener, stop: &AtomicBool) -> anyhow::Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let data = epoll::EventData::new_u64;
    epoll::add(&epoll, listener, data(LISTENER), epoll::EventFlags::IN)?;
    let mut connections = HashMap::new();
    let mut next = LISTENER;
    let mut events = Vec::with_capacity(256);
    let (mut input, mut output) = (vec![0; 64 << 10], Vec::new());
    let look = Timespec::try_from(LOOK)?;
    while !stop.load(Ordering::Acquire) {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), Some(&look))?;
        for event in &events {
            let event: epoll::Event = *event;
            match event.data.u64() {
                LISTENER => accept(listener, &epoll, &mut connections, &mut next)?,
                token => {
                    let connection = connections
                        .get_mut(&token)
                        .context("an event of a connection that is gone")?;
                    if !answer(connection, &mut input, &mut output)? {
                        connections.remove(&token);
                    }
                }
            }
        }
    }
    Ok(())
}

fn accept(
    listener: &TcpListener,
    epoll: &OwnedFd,
    connections: &mut HashMap<u64, Connection>,
    next: &mut u64,
) -> anyhow::Result<()> {
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        *next += 1;
        let data = epoll::EventData::new_u64(*next);
        epoll::add(epoll, &stream, data, epoll::EventFlags::IN)?;
        let connection = Connection {
            stream,
            server: Server::new(Limits::default()),
            rest: Vec::new(),
        };
        connections.insert(*next, connection);
    }
    Ok(())
}

/// Answers what has come; whether the connection stays.
fn answer(
    connection: &mut Connection,
    input: &mut [u8],
    output: &mut Vec<u8>,
) -> anyhow::Result<bool> {
    let count = match connection.stream.read(input) {
        Ok(0) => return Ok(false),
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
        Err(_) => return Ok(false),
    };
    let mut all = std::mem::take(&mut connection.rest);
    let mut left = if all.is_empty() {
        &input[..count]
    } else {
        all.extend_from_slice(&input[..count]);
        &all[..]
    };
    let server = &mut connection.server;
    while let Some(event) = server.poll_request(&mut left) {
        let ServerEvent::Request(request) = event else {
            return Ok(false);
        };
        let Some(id) = request.id else { continue };
        server.reply(id, ReplyKind::Reply, &[], |out| {
            let begin = out.len();
            out.extend_from_slice(&request.body);
            // Field 1 is the argument, field 0 what is returned.
            if let [_, 0, number @ 1, ..] = &mut out[begin..] {
                *number = 0;
            }
        });
    }
    connection.rest = left.to_vec();
    output.clear();
    server.take_output(output);
    // Replies to one call a connection: less than what a socket takes.
    connection
        .stream
        .write_all(output)
        .context("cannot send a reply")?;
    Ok(!server.is_closed())
}
