//! Submitting while jobs run, until all have ended.

use std::time::Instant;

use super::{
    Bench,
    load::{NOOP, batch, flood, until_succeeded},
};
use crate::report::Aim;

/// Lines of a batch.
const LINES: usize = 1_000;
/// Connections that submit.
const CONNECTIONS: usize = 2;
/// Jobs of a round.
const JOBS: usize = 100_000;

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let lines = bench.count(LINES);
    let batches = bench.count(JOBS) / lines / CONNECTIONS;
    let jobs = (lines * batches * CONNECTIONS) as f64;
    let body = batch(NOOP, lines);
    for _ in 0..bench.rounds {
        let place = bench.launch.place()?;
        let server = bench.launch.start(place.path(), &[])?;
        let mut control = server.connect()?;
        let before = server.cpu()?;
        let begun = Instant::now();
        flood(&server, CONNECTIONS, batches, &body, lines)?;
        until_succeeded(&mut control, jobs as u64)?;
        let took = begun.elapsed().as_secs_f64();
        let cpu = server.cpu()?.since(before).own;
        let aim = Some(Aim::AtLeast(10_000.0));
        let what = format!("no-op, batches of {lines}, submit to ended");
        bench
            .report
            .aimed("end to end", &what, "jobs/s", aim, jobs / took);
        bench.report.add(
            "end to end",
            "CPU of the server",
            "µs/job",
            cpu / jobs * 1e6,
        );
        server.stop()?;
    }
    Ok(())
}
