//! A million jobs in the store: memory, restart, lists.

use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::{
    Bench,
    load::{NOOP, batch, command, counts, flood},
};
use crate::{
    report::{Aim, quantile},
    server::Server,
};

/// Jobs.
const JOBS: usize = 1_000_000;
/// Lines of a batch.
const LINES: usize = 10_000;
/// Lists asked for.
const LISTS: usize = 50;
/// Connections that submit.
const CONNECTIONS: usize = 2;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let lines = bench.count(LINES);
    let batches = bench.count(JOBS) / lines / CONNECTIONS;
    let jobs = lines * batches * CONNECTIONS;
    let body = batch(NOOP, lines);
    let place = bench.launch.place()?;
    let server = bench.launch.start(place.path(), &[])?;
    command(&mut server.connect()?, "trefoil/noop:1.0.0", "pause")?;
    let took = flood(&server, CONNECTIONS, batches, &body, lines)?.as_secs_f64();
    expect_queued(&server, jobs)?;

    let memory = server.memory()?;
    let report = &mut bench.report;
    report.add("million", "jobs in the store", "jobs", jobs as f64);
    report.add("million", "submitted at", "jobs/s", jobs as f64 / took);
    report.aimed(
        "million",
        "memory (RSS), all queued",
        "MB",
        Some(Aim::AtMost(300.0)),
        memory.resident,
    );
    report.add(
        "million",
        "memory at most while submitting",
        "MB",
        memory.peak,
    );
    report.add("million", "store", "MB", server.store_bytes() as f64 / 1e6);
    lists(bench, &server)?;

    let report = &mut bench.report;
    report.add(
        "million",
        "stop (SIGTERM)",
        "ms",
        server.stop()?.as_secs_f64() * 1e3,
    );
    let aim = Some(Aim::AtMost(1_000.0));
    for _ in 0..bench.rounds {
        let server = bench.launch.start(place.path(), &[])?;
        let ready = server.ready_after.as_secs_f64() * 1e3;
        report.aimed("million", "start to ready, after a stop", "ms", aim, ready);
        report.add(
            "million",
            "memory (RSS) after a start",
            "MB",
            server.memory()?.resident,
        );
        expect_queued(&server, jobs)?;
        server.stop()?;
    }
    for round in 1..=bench.rounds as usize {
        let server = bench.launch.start(place.path(), &[])?;
        flood(&server, 1, 1, &body, lines)?;
        server.kill()?;
        let server = bench.launch.start(place.path(), &[])?;
        let ready = server.ready_after.as_secs_f64() * 1e3;
        report.aimed("million", "start to ready, after kill -9", "ms", aim, ready);
        // Everything that was accepted is there, and nothing twice.
        expect_queued(&server, jobs + round * lines)?;
        server.stop()?;
    }
    Ok(())
}

fn expect_queued(server: &Server, jobs: usize) -> anyhow::Result<()> {
    let queued = counts(&mut server.connect()?)?.queued;
    ensure!(
        queued == jobs as u64,
        "{queued} jobs are queued, {jobs} were accepted"
    );
    Ok(())
}

/// How long a page of jobs takes, wherever it is.
fn lists(bench: &mut Bench, server: &Server) -> anyhow::Result<()> {
    let mut connection = server.connect()?;
    let newest = connection.get("/v1/jobs?limit=100")?.json(200)?;
    let cursor = newest["next"]
        .as_str()
        .context("a million jobs fit no page")?;
    let paths = [
        ("newest 100", "/v1/jobs?limit=100".to_owned()),
        (
            "newest 100 that are queued",
            "/v1/jobs?limit=100&state=queued".to_owned(),
        ),
        (
            "100 that failed, of none",
            "/v1/jobs?limit=100&state=failed".to_owned(),
        ),
        (
            "next 100 by cursor",
            format!("/v1/jobs?limit=100&cursor={cursor}"),
        ),
        ("oldest 100", "/v1/jobs?limit=100&order=asc".to_owned()),
    ];
    for (what, path) in paths {
        let mut seconds = Vec::with_capacity(LISTS);
        for _ in 0..LISTS {
            let begun = Instant::now();
            connection.get(&path)?.expect(200)?;
            seconds.push(begun.elapsed().as_secs_f64());
        }
        bench.report.add(
            "million",
            &format!("list: {what}, p50"),
            "ms",
            quantile(&seconds, 0.5) * 1e3,
        );
        bench.report.add(
            "million",
            &format!("list: {what}, slowest of {LISTS}"),
            "ms",
            quantile(&seconds, 1.0) * 1e3,
        );
    }
    Ok(())
}
