//! Very many things that do nothing: connections, queues; and a broker that has nothing at all.

use std::{
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{
    Session,
    aims::{IDLE_CPU, MEMORY, START},
    client::{Client, DURABLE, QueueKind, TRANSIENT},
    results::Results,
    target::{Kind, Target},
};
use crate::server::pause;

/// What a start needed and gives back is not what a broker needs.
const CALM: Duration = Duration::from_secs(1);
const CONNECTIONS: usize = 10_000;
/// Threads that open connections.
const OPENERS: usize = 2;
/// What RabbitMQ proposes. Nothing is sent to keep them alive: a scenario is over before twice this time.
const HEARTBEAT_S: u16 = 60;
const QUEUES: usize = 100_000;
/// Queues that are declared without an answer between them.
const UNANSWERED: usize = 1_000;
/// A broker that needs longer gets fewer queues.
const DECLARING: Duration = Duration::from_secs(6);

pub(super) fn idle(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "idle";
    let target = session.fresh(kind)?;
    pause(CALM);
    let share = idle_cpu(&target, session.timing.measured)?;
    let results = &mut session.results;
    results.add(
        NAME,
        kind,
        "start",
        "ms",
        target.ready_after.as_secs_f64() * 1e3,
    );
    results.add(NAME, kind, MEMORY, "MB", target.memory()?.resident);
    results.add(NAME, kind, IDLE_CPU, "% of a core", share);
    Ok(())
}

fn idle_cpu(target: &Target, time: Duration) -> anyhow::Result<f64> {
    let (begun, cpu) = (Instant::now(), target.cpu()?);
    pause(time);
    Ok((target.cpu()? - cpu) / begun.elapsed().as_secs_f64() * 100.0)
}

pub(super) fn connections(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "connections";
    let mut limit = getrlimit(Resource::Nofile);
    // The broker inherits it.
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, Rlimit { ..limit })?;
    let target = session.fresh(kind)?;
    let (empty, cpu) = (target.memory()?.resident, target.cpu()?);
    let begun = Instant::now();
    let address = target.address();
    let open = thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS)
            .map(|_| scope.spawn(move || open(address, CONNECTIONS / OPENERS)))
            .collect();
        let mut all = Vec::with_capacity(CONNECTIONS);
        for opener in openers {
            all.extend(opener.join().unwrap_or_else(|_| bail!("a thread failed"))?);
        }
        anyhow::Ok(all)
    })?;
    let took = begun.elapsed().as_secs_f64();
    let cpu = target.cpu()? - cpu;
    target.settle()?;
    let share = idle_cpu(&target, session.timing.measured)?;
    let memory = target.memory()?.resident;
    let count = open.len() as f64;
    let results = &mut session.results;
    results.add(
        NAME,
        kind,
        "opened with a channel",
        "connections/s",
        count / took,
    );
    results.add(NAME, kind, "CPU to open one", "µs", cpu / count * 1e6);
    results.add(NAME, kind, MEMORY, "MB", memory);
    results.add(
        NAME,
        kind,
        "memory of one",
        "KB",
        (memory - empty) / count * 1e3,
    );
    results.add(NAME, kind, IDLE_CPU, "% of a core", share);
    // They must all be alive: each still answers.
    for (number, mut client) in open.into_iter().enumerate().step_by(CONNECTIONS / 10) {
        client
            .confirm()
            .with_context(|| format!("connection {number}"))?;
    }
    Ok(())
}

fn open(address: SocketAddr, count: usize) -> anyhow::Result<Vec<Client>> {
    (0..count)
        .map(|number| {
            let stream = TcpStream::connect(address)
                .with_context(|| format!("cannot connect after {number} connections"))?;
            let mut client = Client::over(stream, HEARTBEAT_S)?;
            client.input.shrink();
            Ok(client)
        })
        .collect()
}

pub(super) fn queues(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "queues";
    let target = session.fresh(kind)?;
    let results = &mut session.results;
    declare(
        results,
        NAME,
        kind,
        &target,
        TRANSIENT,
        &["transient", "transient, declared", "transient, CPU for one"],
    )?;
    drop(target);
    let mut target = session.fresh(kind)?;
    let results = &mut session.results;
    let empty = target.memory()?.resident;
    let count = declare(
        results,
        NAME,
        kind,
        &target,
        DURABLE,
        &["durable", "durable, declared", "durable, CPU for one"],
    )?;
    target.settle()?;
    let memory = target.memory()?.resident;
    let results = &mut session.results;
    results.add(NAME, kind, MEMORY, "MB", memory);
    results.add(
        NAME,
        kind,
        "memory of one",
        "KB",
        (memory - empty) / count as f64 * 1e3,
    );
    let stopped = target.stop()?.as_secs_f64();
    target.restart()?;
    let ready = target.ready_after.as_secs_f64();
    results.add(NAME, kind, "stop", "ms", stopped * 1e3);
    results.add(NAME, kind, START, "ms", ready * 1e3);
    let mut client = Client::open(target.address())?;
    for number in (0..count).step_by(UNANSWERED) {
        let left = client.ready(&queue(number)).context("after a restart")?;
        ensure!(left == 0, "messages in an empty queue");
    }
    client.close()
}

fn queue(number: usize) -> String {
    format!("bench-{number}")
}

/// Declares as many queues as there is time for; how many that were.
fn declare(
    results: &mut Results,
    name: &'static str,
    kind: Kind,
    target: &Target,
    queue_kind: QueueKind,
    [total, rate, cost]: &[&'static str; 3],
) -> anyhow::Result<usize> {
    let mut client = Client::open(target.address())?;
    let (begun, cpu) = (Instant::now(), target.cpu()?);
    let mut count = 0;
    while count < QUEUES && begun.elapsed() < DECLARING {
        for number in count..count + UNANSWERED {
            client.declare_later(&queue(number), queue_kind)?;
        }
        count += UNANSWERED;
        // An answer to the last means that all before it are done.
        client.ready(&queue(count - 1))?;
    }
    let took = begun.elapsed().as_secs_f64();
    let cpu = target.cpu()? - cpu;
    results.add(name, kind, total, "queues", count as f64);
    results.add(name, kind, rate, "queues/s", count as f64 / took);
    results.add(name, kind, cost, "µs", cpu / count as f64 * 1e6);
    client.close()?;
    Ok(count)
}
