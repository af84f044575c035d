//! Durable batches into a paused service, and the way out of that backlog.

use std::time::Instant;

use super::{
    Bench,
    load::{NOOP, batch, command, flood, until_succeeded},
};
use crate::{process::Cpu, report::Aim};

/// Lines of a batch.
const LINES: usize = 10_000;
/// Connections that submit: one parses while the other one's jobs are on their way to the disk.
const CONNECTIONS: usize = 2;
/// Jobs of a round.
const JOBS: usize = 100_000;

/// A job with inputs of the size that inputs have: 200 bytes.
const ECHO: &str = concat!(
    r#"{"service":"trefoil/echo","inputs":{"value":{"diameter":476.0,"temperature":18.5,"length":0.05,"#,
    r#""stimulus":{"current":1.5e-6,"duration":0.0002},"label":"squid giant axon, control, fourth preparation","#,
    r#""seed":123456789,"tolerance":1e-9}}}"#,
);

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    for _ in 0..bench.rounds {
        round(bench, "no-op", "trefoil/noop:1.0.0", NOOP)?;
        round(bench, "200 B inputs", "trefoil/echo:1.0.0", ECHO)?;
    }
    Ok(())
}

fn round(bench: &mut Bench, what: &str, service: &str, line: &str) -> anyhow::Result<()> {
    let lines = bench.count(LINES);
    let batches = bench.count(JOBS) / lines / CONNECTIONS;
    let jobs = (lines * batches * CONNECTIONS) as f64;
    let body = batch(line, lines);
    let place = bench.launch.place()?;
    let server = bench.launch.start(place.path(), &[])?;
    let mut control = server.connect()?;
    command(&mut control, service, "pause")?;

    let (before, own) = (server.cpu()?, Cpu::of_self()?);
    let took = flood(&server, CONNECTIONS, batches, &body, lines)?.as_secs_f64();
    let (cpu, own) = (
        server.cpu()?.since(before).own,
        Cpu::of_self()?.since(own).own,
    );
    let report = &mut bench.report;
    let aim = Some(Aim::AtLeast(50_000.0));
    report.aimed(
        "submit",
        &format!("{what}, batches of {lines}"),
        "jobs/s",
        aim,
        jobs / took,
    );
    report.add(
        "submit",
        &format!("{what}, CPU of the server"),
        "µs/job",
        cpu / jobs * 1e6,
    );
    report.add(
        "submit",
        &format!("{what}, CPU of this tool"),
        "µs/job",
        own / jobs * 1e6,
    );
    report.add(
        "submit",
        &format!("{what}, store"),
        "bytes/job",
        server.store_bytes() as f64 / jobs,
    );

    let before = server.cpu()?;
    let begun = Instant::now();
    command(&mut control, service, "resume")?;
    until_succeeded(&mut control, jobs as u64)?;
    let took = begun.elapsed().as_secs_f64();
    let cpu = server.cpu()?.since(before).own;
    report.add("drain", what, "jobs/s", jobs / took);
    report.add(
        "drain",
        &format!("{what}, CPU of the server"),
        "µs/job",
        cpu / jobs * 1e6,
    );
    server.stop()?;
    Ok(())
}
