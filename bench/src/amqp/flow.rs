//! Messages that flow: publishers and consumers on threads of their own, measured in a window of time.

use std::{
    net::SocketAddr,
    sync::{
        Barrier, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use super::{
    client::{Client, PATIENCE},
    consumer::{self, Ack, Consume},
    histogram::Histogram,
    publisher::{self, Pace, Publish},
    target::Target,
};
use crate::{process::Cpu, server::pause};

/// A number of published messages that is not final.
const UNKNOWN: u64 = u64::MAX;

/// Who publishes and who consumes.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) publishers: Vec<Publish>,
    pub(super) consumers: Vec<Consume>,
}

/// How long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
    /// How long nothing may happen that has to.
    pub(super) patience: Duration,
}

/// What was seen in the window.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) seconds: f64,
    /// Messages that publishers sent, or that were confirmed to them.
    pub(super) published: u64,
    /// Messages that consumers got.
    pub(super) delivered: u64,
    /// CPU seconds of the broker.
    pub(super) cpu: f64,
    /// CPU seconds of this tool.
    pub(super) own_cpu: f64,
    /// Messages in the longest queue when the window ended.
    pub(super) longest: u64,
    /// By how much all queues together have grown meanwhile.
    pub(super) growth: f64,
    pub(super) confirm: Histogram,
    pub(super) end_to_end: Histogram,
}

/// What the threads of a run share.
#[derive(Debug)]
pub(super) struct Control {
    begun: Instant,
    pub(super) patience: Duration,
    stop: AtomicBool,
    failed: AtomicBool,
    first: Mutex<Option<anyhow::Error>>,
    counted: AtomicBool,
    /// A paced publisher sends no more.
    pub(super) paused: AtomicBool,
    /// Messages of each publisher.
    pub(super) sent: Vec<AtomicU64>,
    pub(super) confirmed: Vec<AtomicU64>,
    /// Messages of each publisher when it has ended.
    ended: Vec<AtomicU64>,
    /// Messages of each consumer.
    pub(super) received: Vec<AtomicU64>,
    /// The publisher of each consumer.
    sources: Vec<usize>,
}

impl Control {
    pub(super) fn new(publishers: usize, sources: Vec<usize>) -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            begun: Instant::now(),
            patience: PATIENCE,
            stop: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            first: Mutex::new(None),
            counted: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            sent: zeros(publishers),
            confirmed: zeros(publishers),
            ended: (0..publishers).map(|_| AtomicU64::new(UNKNOWN)).collect(),
            received: zeros(sources.len()),
            sources,
        }
    }

    /// Publishers are to end.
    pub(super) fn stop(&self) {
        self.stop.store(true, Relaxed);
    }

    /// For one consumer of messages that are all there.
    pub(super) fn ended(messages: u64) -> Self {
        let control = Self::new(1, vec![0]);
        control.ended[0].store(messages, Release);
        control
    }

    /// Nanoseconds since the run began.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).expect("a run takes less than 500 years")
    }

    /// Whether publishers are to end.
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Relaxed)
    }

    /// Whether times count now.
    pub(super) fn counted(&self) -> bool {
        self.counted.load(Relaxed)
    }

    /// Whether nothing that is still under way matters.
    pub(super) fn failed(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// Ends everything.
    fn fail(&self, error: anyhow::Error) {
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(error);
        self.failed.store(true, Relaxed);
        self.stop.store(true, Relaxed);
    }

    /// What went wrong first: what the other threads say follows from it.
    pub(super) fn verdict(&mut self) -> anyhow::Result<()> {
        let first = self.first.get_mut().unwrap_or_else(PoisonError::into_inner);
        first.take().map_or(Ok(()), Err)
    }

    /// What a publisher has sent, once that is final.
    pub(super) fn published(&self, publisher: usize) -> Option<u64> {
        Some(self.ended[publisher].load(Acquire)).filter(|count| *count != UNKNOWN)
    }

    /// What all consumers of a publisher have got.
    pub(super) fn received_from(&self, publisher: usize) -> u64 {
        let mine = self.sources.iter().zip(&self.received);
        mine.filter(|(source, _)| **source == publisher)
            .map(|(_, count)| count.load(Relaxed))
            .sum()
    }
}

impl Flow {
    /// One publisher to one queue with one consumer.
    pub(super) fn simple(queue: &str, body: usize, persistent: bool, pace: Pace, ack: Ack) -> Self {
        Self {
            publishers: vec![Publish {
                exchange: "",
                keys: vec![queue.to_owned()],
                body,
                persistent,
                pace,
                copies: 1,
                reply_to: None,
            }],
            consumers: vec![Consume {
                queue: queue.to_owned(),
                ack,
                prefetch: 0,
                source: 0,
                keys: Vec::new(),
                body,
                restarted: false,
            }],
        }
    }

    /// Runs it: warm-up, window, then until the last message is accounted for.
    pub(super) fn run(&self, target: &Target, timing: Timing) -> anyhow::Result<Measured> {
        let address = target.address();
        let mut watch = Client::open(address)?;
        let sources = self
            .consumers
            .iter()
            .map(|consume| consume.source)
            .collect();
        let mut control = Control::new(self.publishers.len(), sources);
        control.patience = timing.patience;
        let ready = Barrier::new(self.publishers.len() + self.consumers.len() + 1);
        let (confirm, end_to_end, measured) = thread::scope(|scope| {
            let consumers: Vec<_> = self
                .consumers
                .iter()
                .enumerate()
                .map(|(index, consume)| {
                    let (control, ready) = (&control, &ready);
                    scope.spawn(move || {
                        guarded(control, || {
                            consumer_thread(address, consume, index, control, ready)
                        })
                    })
                })
                .collect();
            let publishers: Vec<_> = self
                .publishers
                .iter()
                .enumerate()
                .map(|(index, publish)| {
                    let (control, ready) = (&control, &ready);
                    scope.spawn(move || {
                        guarded(control, || {
                            publisher_thread(address, publish, index, control, ready)
                        })
                    })
                })
                .collect();
            ready.wait();
            let measured = self.window(&control, &mut watch, target, timing);
            control.stop();
            // Publishers first: consumers end when they know how many messages there are.
            let confirm = joined(publishers);
            let end_to_end = joined(consumers);
            anyhow::Ok((confirm?, end_to_end?, measured))
        })?;
        control.verdict()?;
        let mut measured = measured?;
        for consume in &self.consumers {
            let left = watch.ready(&consume.queue)?;
            ensure!(left == 0, "{left} messages too many in {}", consume.queue);
        }
        watch.close()?;
        (measured.confirm, measured.end_to_end) = (confirm, end_to_end);
        Ok(measured)
    }

    fn window(
        &self,
        control: &Control,
        watch: &mut Client,
        target: &Target,
        timing: Timing,
    ) -> anyhow::Result<Measured> {
        let counts = || -> (u64, u64) {
            let published = self.publishers.iter().enumerate().map(|(index, publish)| {
                let counters = match publish.pace {
                    Pace::Free | Pace::Ahead(_) => &control.sent,
                    Pace::Window(_) | Pace::Rate(_) => &control.confirmed,
                };
                counters[index].load(Relaxed)
            });
            let received = control.received.iter().map(|count| count.load(Relaxed));
            (published.sum(), received.sum())
        };
        let mut waiting = || -> anyhow::Result<Vec<u64>> {
            let queues = self.consumers.iter();
            queues.map(|consume| watch.ready(&consume.queue)).collect()
        };
        wait(control, timing.warm_up);
        let before = waiting()?;
        let mut measured = observe(control, target, timing.measured, counts)?;
        let after = waiting()?;
        measured.longest = after.iter().copied().max().unwrap_or(0);
        measured.growth = after.iter().sum::<u64>() as f64 - before.iter().sum::<u64>() as f64;
        Ok(measured)
    }
}

/// Lets a run go on, unless it fails.
pub(super) fn wait(control: &Control, time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time && !control.failed() {
        let left = time.saturating_sub(begun.elapsed());
        pause(left.min(Duration::from_millis(100)));
    }
}

/// What happens in a window of time; `counts` gives the numbers of published and delivered messages so far.
pub(super) fn observe(
    control: &Control,
    target: &Target,
    time: Duration,
    counts: impl Fn() -> (u64, u64),
) -> anyhow::Result<Measured> {
    control.counted.store(true, Relaxed);
    let (begun, own, cpu, before) = (Instant::now(), Cpu::of_self()?.own, target.cpu()?, counts());
    wait(control, time);
    let (seconds, own, cpu, after) = (
        begun.elapsed().as_secs_f64(),
        Cpu::of_self()?.own - own,
        target.cpu()? - cpu,
        counts(),
    );
    control.counted.store(false, Relaxed);
    Ok(Measured {
        seconds,
        published: after.0 - before.0,
        delivered: after.1 - before.1,
        cpu,
        own_cpu: own,
        longest: 0,
        growth: 0.0,
        confirm: Histogram::default(),
        end_to_end: Histogram::default(),
    })
}

/// Ends all threads when one fails, so that none waits for it; nothing is what a failed one gives.
pub(super) fn guarded<T: Default>(
    control: &Control,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> T {
    work().unwrap_or_else(|error| {
        control.fail(error);
        T::default()
    })
}

fn joined(threads: Vec<thread::ScopedJoinHandle<'_, Histogram>>) -> anyhow::Result<Histogram> {
    let mut all = Histogram::default();
    for thread in threads {
        let Ok(times) = thread.join() else {
            anyhow::bail!("a connection's thread failed");
        };
        all.merge(&times);
    }
    Ok(all)
}

fn consumer_thread(
    address: SocketAddr,
    consume: &Consume,
    index: usize,
    control: &Control,
    ready: &Barrier,
) -> anyhow::Result<Histogram> {
    let client = Client::open(address).and_then(|mut client| {
        client.consume(&consume.queue, consume.prefetch, consume.ack == Ack::Auto)?;
        Ok(client)
    });
    ready.wait();
    let mut client = client?;
    let times = consumer::run(&mut client, consume, index, control)?;
    client.close()?;
    Ok(times)
}

fn publisher_thread(
    address: SocketAddr,
    publish: &Publish,
    index: usize,
    control: &Control,
    ready: &Barrier,
) -> anyhow::Result<Histogram> {
    let client = Client::open(address).and_then(|mut client| {
        if matches!(publish.pace, Pace::Window(_) | Pace::Rate(_)) {
            client.confirm()?;
        }
        Ok(client)
    });
    ready.wait();
    let mut client = client?;
    let times = publisher::run(&mut client, publish, index, control)?;
    control.ended[index].store(control.sent[index].load(Relaxed), Release);
    client.close().context("cannot end a publisher")?;
    Ok(times)
}

#[cfg(test)]
mod tests;
