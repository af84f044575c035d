//! Callers: many connections on one thread, with a call under way on each of them at a time.
//!
//! In a closed loop a connection calls again as soon as it has its reply. With a rate, calls are due at fixed times, whether
//! a connection is free or not, and their time counts from then on.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use super::message::{Exchange, LENGTH};
use crate::{histogram::Histogram, process::Cpu};

/// How long a connection may have no reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether one has none.
const LOOK: Duration = Duration::from_millis(200);

/// What is called, how, and for how long.
#[derive(Debug, Clone)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) exchange: Exchange,
    pub(super) connections: usize,
    /// Calls per second; none for a closed loop.
    pub(super) rate: Option<f64>,
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What was seen in the window.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) seconds: f64,
    /// Right replies.
    pub(super) calls: u64,
    /// Other replies, and connections that were closed.
    pub(super) failed: u64,
    /// CPU seconds of the server.
    pub(super) cpu: f64,
    /// CPU seconds of this tool.
    pub(super) own_cpu: f64,
    pub(super) times: Histogram,
}

impl Measured {
    pub(super) fn per_second(&self) -> f64 {
        self.calls as f64 / self.seconds
    }

    pub(super) fn per_cpu_second(&self) -> f64 {
        self.calls as f64 / self.cpu
    }

    /// Microseconds.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        self.times
            .quantile(share)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
    }
}

struct Line {
    stream: TcpStream,
    sequence: u32,
    /// When the call under way began, or was due; none without one.
    begun: Option<Instant>,
    /// The beginning of a reply.
    rest: Vec<u8>,
}

struct Caller<'l> {
    load: &'l Load,
    exchange: Exchange,
    epoll: OwnedFd,
    lines: Vec<Line>,
    free: VecDeque<usize>,
    input: Vec<u8>,
    calls: u64,
    failed: u64,
    times: Histogram,
}

/// Calls, and measures meanwhile what the server uses.
pub(super) fn run(load: &Load, cpu: &dyn Fn() -> anyhow::Result<f64>) -> anyhow::Result<Measured> {
    let mut caller = Caller::open(load)?;
    let begun = Instant::now();
    let from = begun + load.warm_up;
    let interval = load.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
    let mut due = begun;
    caller.until(from, interval, &mut due)?;
    // What failed during the warm-up failed nevertheless.
    (caller.calls, caller.times) = (0, Histogram::default());
    let (start, own, used) = (Instant::now(), Cpu::of_self()?, cpu()?);
    caller.until(start + load.measured, interval, &mut due)?;
    Ok(Measured {
        seconds: start.elapsed().as_secs_f64(),
        calls: caller.calls,
        failed: caller.failed,
        cpu: cpu()? - used,
        own_cpu: Cpu::of_self()?.since(own).own,
        times: caller.times,
    })
}

impl<'l> Caller<'l> {
    fn open(load: &'l Load) -> anyhow::Result<Self> {
        let mut caller = Self {
            load,
            exchange: load.exchange.clone(),
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            lines: Vec::with_capacity(load.connections),
            free: (0..load.connections).collect(),
            input: vec![0; 64 << 10],
            calls: 0,
            failed: 0,
            times: Histogram::default(),
        };
        for at in 0..load.connections {
            let line = caller.connect(at)?;
            caller.lines.push(line);
        }
        Ok(caller)
    }

    fn connect(&self, at: usize) -> anyhow::Result<Line> {
        let address = self.load.address;
        let stream =
            TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(at as u64);
        epoll::add(&self.epoll, &stream, data, epoll::EventFlags::IN)?;
        Ok(Line {
            stream,
            sequence: 0,
            begun: None,
            rest: Vec::new(),
        })
    }

    fn until(
        &mut self,
        end: Instant,
        interval: Option<Duration>,
        due: &mut Instant,
    ) -> anyhow::Result<()> {
        let mut events = Vec::with_capacity(self.load.connections);
        let mut looked = Instant::now();
        loop {
            let mut now = Instant::now();
            if now >= end {
                return Ok(());
            }
            if now - looked > LOOK {
                looked = now;
                self.look(now)?;
            }
            let mut wait = (end - now).min(LOOK);
            match interval {
                None => {
                    while let Some(at) = self.free.pop_front() {
                        self.call(at, now)?;
                    }
                }
                Some(interval) => {
                    while *due <= now
                        && let Some(at) = self.free.pop_front()
                    {
                        self.call(at, *due)?;
                        *due += interval;
                        now = Instant::now();
                    }
                    if !self.free.is_empty() {
                        wait = wait.min(due.saturating_duration_since(now));
                    }
                }
            }
            events.clear();
            let wait = Timespec::try_from(wait)?;
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait))?;
            for event in &events {
                let event: epoll::Event = *event;
                self.receive(event.data.u64() as usize)?;
            }
        }
    }

    fn look(&self, now: Instant) -> anyhow::Result<()> {
        let waits = |line: &&Line| line.begun.is_some_and(|begun| now > begun + PATIENCE);
        let count = self.lines.iter().filter(waits).count();
        ensure!(
            count == 0,
            "{count} connections had no reply for {PATIENCE:?}"
        );
        Ok(())
    }

    fn call(&mut self, at: usize, begun: Instant) -> anyhow::Result<()> {
        let line = &mut self.lines[at];
        line.sequence = line.sequence.wrapping_add(1);
        line.begun = Some(begun);
        // One call is far less than what a socket takes while nothing else is under way.
        line.stream
            .write_all(self.exchange.request(line.sequence))
            .or_else(|error| match error.kind() {
                // Reading will tell.
                ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Ok(()),
                _ => Err(error),
            })
            .context("cannot send a call")
    }

    fn receive(&mut self, at: usize) -> anyhow::Result<()> {
        let line = &mut self.lines[at];
        let count = match line.stream.read(&mut self.input) {
            Ok(0) => return self.lost(at),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return self.lost(at),
            Err(error) => return Err(error).context("cannot read a reply"),
        };
        let input = &self.input[..count];
        let frame = if line.rest.is_empty() && is_whole(input) {
            input
        } else {
            line.rest.extend_from_slice(input);
            if !is_whole(&line.rest) {
                return Ok(());
            }
            &line.rest
        };
        let Some(begun) = line.begun.take() else {
            bail!("a reply that no call has: {} bytes", frame.len());
        };
        if self.exchange.is_answered(line.sequence, frame) {
            self.calls += 1;
        } else {
            self.failed += 1;
        }
        line.rest.clear();
        self.times.record(begun.elapsed().as_nanos() as u64);
        self.free.push_back(at);
        Ok(())
    }

    fn lost(&mut self, at: usize) -> anyhow::Result<()> {
        self.failed += 1;
        self.lines[at] = self.connect(at)?;
        self.free.push_back(at);
        Ok(())
    }
}

/// Whether a frame is there, and nothing behind it: more than one reply is none.
fn is_whole(input: &[u8]) -> bool {
    input
        .first_chunk::<LENGTH>()
        .is_some_and(|length| u32::from_be_bytes(*length) as usize <= input.len() - LENGTH)
}
