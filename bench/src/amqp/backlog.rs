//! Messages that nobody wants yet: how fast they go in and out, and what they cost meanwhile.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::Duration,
};

use super::{
    Session,
    aims::{DRAIN_PER_CPU, MILLION, PUBLISH_PER_CPU},
    client::{Client, DURABLE},
    consumer::{self, Ack},
    flow::{Control, Flow},
    publisher::{self, Pace},
    results::Results,
    target::{Kind, Target},
};
use crate::server::pause;

/// Messages that may be on their way: as good as no limit, but their confirms fit into a socket's buffers.
const WINDOW: Pace = Pace::Window(10_000);
/// How often memory is looked at: the kernel walks all pages of the process for it.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const QUEUE: &str = "bench";

/// Many small messages: in, then out.
pub(super) fn small(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "backlog";
    const MESSAGES: u64 = 300_000;
    let target = session.fresh(kind)?;
    let flow = Flow::simple(QUEUE, 100, true, WINDOW, Ack::Batch);
    let results = &mut session.results;
    fill(results, NAME, kind, &target, &flow, MESSAGES)?;
    drain(results, NAME, kind, &target, &flow, MESSAGES)
}

/// A million messages of 1 KB: memory, start, and all of them back.
pub(super) fn large(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "million";
    const MESSAGES: u64 = 1_000_000;
    // What a peer needs grows with their number, too; all of them would take it a minute.
    let messages = if kind == Kind::Trefoil {
        MESSAGES
    } else {
        MESSAGES / 10
    };
    let mut target = session.fresh(kind)?;
    let mut flow = Flow::simple(QUEUE, 1_000, true, WINDOW, Ack::Batch);
    let results = &mut session.results;
    let empty = target.memory()?.resident;
    results.add(
        NAME,
        kind,
        "messages in the queue",
        "messages",
        messages as f64,
    );
    let peak = fill(results, NAME, kind, &target, &flow, messages)?;
    let million = MESSAGES as f64 / messages as f64;
    let resident = target.memory()?.resident;
    results.add(NAME, kind, MILLION, "MB", (resident - empty) * million);
    let memory = "memory (PSS) at most while publishing, for 1,000,000";
    results.add(NAME, kind, memory, "MB", (peak - empty) * million);
    target.kill()?;
    target.restart()?;
    let ready = target.ready_after.as_secs_f64();
    results.add(NAME, kind, "start after kill -9", "ms", ready * 1e3);
    for consume in &mut flow.consumers {
        consume.restarted = true;
    }
    drain(results, NAME, kind, &target, &flow, messages)
}

/// Publishes into a queue that nobody consumes; the most memory meanwhile.
fn fill(
    results: &mut Results,
    name: &'static str,
    kind: Kind,
    target: &Target,
    flow: &Flow,
    messages: u64,
) -> anyhow::Result<f64> {
    let mut client = Client::open(target.address())?;
    client.declare(QUEUE, DURABLE)?;
    client.confirm()?;
    let control = Control::new(1, Vec::new());
    let before = target.cpu()?;
    let done = AtomicBool::new(false);
    let (took, peak) = thread::scope(|scope| {
        let peak = scope.spawn(|| peak(target, &done));
        let took = publisher::batch(&mut client, &flow.publishers[0], messages, &control);
        done.store(true, Relaxed);
        let peak = peak
            .join()
            .unwrap_or_else(|_| anyhow::bail!("a thread failed"));
        anyhow::Ok((took?, peak?))
    })?;
    let cpu = (target.cpu()? - before).max(0.01);
    let messages = messages as f64;
    results.add(name, kind, "publish", "msgs/s", messages / took);
    results.add(name, kind, PUBLISH_PER_CPU, "msgs/s", messages / cpu);
    results.add(
        name,
        kind,
        "memory (RSS) when all are there",
        "MB",
        target.memory()?.resident,
    );
    results.add(
        name,
        kind,
        "memory (PSS) at most while publishing",
        "MB",
        peak,
    );
    client.close()?;
    Ok(peak)
}

fn peak(target: &Target, done: &AtomicBool) -> anyhow::Result<f64> {
    let mut most = target.proportional()?;
    while !done.load(Relaxed) {
        pause(LOOK_EVERY);
        most = most.max(target.proportional()?);
    }
    Ok(most)
}

/// Consumes everything and checks that it is everything.
fn drain(
    results: &mut Results,
    name: &'static str,
    kind: Kind,
    target: &Target,
    flow: &Flow,
    messages: u64,
) -> anyhow::Result<()> {
    let mut client = Client::open(target.address())?;
    let before = target.cpu()?;
    let took = consumer::drain(&mut client, &flow.consumers[0], &Control::ended(messages))?;
    let cpu = (target.cpu()? - before).max(0.01);
    client.close()?;
    let mut watch = Client::open(target.address())?;
    let left = watch.ready(QUEUE)?;
    anyhow::ensure!(left == 0, "{left} messages too many");
    let messages = messages as f64;
    results.add(name, kind, "drain", "msgs/s", messages / took);
    results.add(name, kind, DRAIN_PER_CPU, "msgs/s", messages / cpu);
    let memory = target.memory()?;
    results.add(
        name,
        kind,
        "memory (RSS) when all are gone",
        "MB",
        memory.resident,
    );
    results.add(name, kind, "memory (RSS) at most", "MB", memory.peak);
    watch.close()
}
