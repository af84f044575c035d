//! One job at a time, and a few at a time.

use std::{thread, time::Instant};

use anyhow::bail;

use super::{Bench, load::NOOP};
use crate::{
    disk,
    http::Connection,
    report::{Aim, quantile},
    server::Server,
};

/// Appends by which the disk is measured.
const SYNCS: usize = 500;
/// Requests one after the other.
const SEQUENTIAL: usize = 2_000;
/// Requests over several connections, in all.
const CONCURRENT: usize = 20_000;
/// What an answer may take beyond the disk.
const BEYOND_DISK: f64 = 1e-3;

/// A request that is repeated.
#[derive(Debug, Clone, Copy)]
struct Request {
    path: &'static str,
    body: &'static str,
    status: u16,
}

/// Accepted: on disk, and running or soon to run.
const ACCEPT: Request = Request {
    path: "/v1/jobs",
    body: NOOP,
    status: 202,
};
/// The whole job: accepted, run, its result on disk and in the answer.
const CALL: Request = Request {
    path: "/v1/call/trefoil/noop/run",
    body: "{}",
    status: 200,
};

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    for _ in 0..bench.rounds {
        // As close in time to what it is compared with as can be: other load on the disk changes both.
        let syncs = disk::sync_times(&bench.launch.scratch, bench.count(SYNCS))?;
        let floor = (quantile(&syncs, 0.5), quantile(&syncs, 0.99));
        bench
            .report
            .add("disk", "append 4 KiB and sync, p50", "ms", floor.0 * 1e3);
        bench
            .report
            .add("disk", "append 4 KiB and sync, p99", "ms", floor.1 * 1e3);
        let place = bench.launch.place()?;
        let server = bench.launch.start(place.path(), &[])?;
        times(&server, CALL, 1, bench.count(SEQUENTIAL) / 10)?;
        for (what, request) in [("accepted (202)", ACCEPT), ("called, result (200)", CALL)] {
            let (seconds, _) = times(&server, request, 1, bench.count(SEQUENTIAL))?;
            let (p50, p99) = (quantile(&seconds, 0.5), quantile(&seconds, 0.99));
            let report = &mut bench.report;
            let aim = |floor: f64| Some(Aim::AtMost((floor + BEYOND_DISK) * 1e3));
            report.aimed(
                "one job",
                &format!("{what}, p50"),
                "ms",
                aim(floor.0),
                p50 * 1e3,
            );
            report.aimed(
                "one job",
                &format!("{what}, p99"),
                "ms",
                aim(floor.1),
                p99 * 1e3,
            );
            report.add(
                "one job",
                &format!("{what}, p999"),
                "ms",
                quantile(&seconds, 0.999) * 1e3,
            );
            report.add(
                "one job",
                &format!("{what}, p50 in syncs"),
                "×",
                p50 / floor.0,
            );
        }
        for connections in [16, 64] {
            let each = bench.count(CONCURRENT) / connections;
            let before = server.cpu()?;
            let (seconds, took) = times(&server, CALL, connections, each)?;
            let cpu = server.cpu()?.since(before).own / seconds.len() as f64;
            let report = &mut bench.report;
            let what = |what: &str| format!("{connections} connections, {what}");
            report.add(
                "calls",
                &what("calls"),
                "jobs/s",
                seconds.len() as f64 / took,
            );
            for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
                report.add("calls", &what(name), "ms", quantile(&seconds, share) * 1e3);
            }
            report.add("calls", &what("CPU of the server"), "µs/job", cpu * 1e6);
        }
        server.stop()?;
    }
    Ok(())
}

/// Seconds of each request, and of all of them together.
fn times(
    server: &Server,
    request: Request,
    connections: usize,
    each: usize,
) -> anyhow::Result<(Vec<f64>, f64)> {
    let open: Vec<Connection> = (0..connections)
        .map(|_| server.connect())
        .collect::<Result<_, _>>()?;
    let begun = Instant::now();
    let seconds = thread::scope(|scope| {
        let loads: Vec<_> = open
            .into_iter()
            .map(|connection| scope.spawn(move || sequence(connection, request, each)))
            .collect();
        let mut all = Vec::with_capacity(connections * each);
        for load in loads {
            all.extend(
                load.join()
                    .unwrap_or_else(|_| bail!("a connection's thread failed"))?,
            );
        }
        anyhow::Ok(all)
    })?;
    Ok((seconds, begun.elapsed().as_secs_f64()))
}

fn sequence(
    mut connection: Connection,
    request: Request,
    count: usize,
) -> anyhow::Result<Vec<f64>> {
    let mut seconds = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = Instant::now();
        let answer = connection.ask(
            "POST",
            request.path,
            "Content-Type: application/json\r\n",
            request.body.as_bytes(),
        )?;
        seconds.push(begun.elapsed().as_secs_f64());
        answer.expect(request.status)?;
    }
    Ok(seconds)
}
