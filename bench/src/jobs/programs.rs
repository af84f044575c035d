//! Jobs that are processes: what it costs to prepare, start, watch and conclude one that does nothing.

use std::{fs, path::Path, time::Instant};

use anyhow::Context as _;

use super::{
    Bench,
    load::{batch, flood, until_succeeded},
};

/// Jobs of a round.
const JOBS: usize = 400;
/// Cores for programs, and so programs at a time.
const SLOTS: &str = "2";

const METADATA: &str = "\
key: bench/true
version: 1.0.0
type: computational
name: nothing
description: a program that does nothing and succeeds
contact: nobody@example.org
authors: []
inputs: {}
outputs: {}
";
const SERVICE: &str = "\
[run]
command = [\"/bin/true\"]
[resources]
cpus = 1
memory = \"64MiB\"
";

pub(super) fn measure(bench: &mut Bench) -> anyhow::Result<()> {
    let jobs = bench.count(JOBS);
    let body = batch(r#"{"service":"bench/true"}"#, jobs);
    for _ in 0..bench.rounds {
        let place = bench.launch.place()?;
        let services = place.path().join("services");
        publish(&services.join("true"))?;
        let services = services.to_str().context("a path that is not text")?;
        let server = bench.launch.start(
            place.path(),
            &["--services", services, "--workers-slots", SLOTS],
        )?;
        let mut control = server.connect()?;
        let before = server.cpu()?;
        let begun = Instant::now();
        flood(&server, 1, 1, &body, jobs)?;
        until_succeeded(&mut control, jobs as u64)?;
        let took = begun.elapsed().as_secs_f64();
        let cpu = server.cpu()?.since(before);
        let (jobs, report) = (jobs as f64, &mut bench.report);
        report.add(
            "programs",
            &format!("/bin/true, {SLOTS} at a time"),
            "jobs/s",
            jobs / took,
        );
        report.add(
            "programs",
            "CPU of the server",
            "ms/job",
            cpu.own / jobs * 1e3,
        );
        report.add(
            "programs",
            "CPU of supervisor and program",
            "ms/job",
            cpu.children / jobs * 1e3,
        );
        let plain = spawn_times(if bench.quick { 20 } else { 200 })?;
        report.add("programs", "fork, exec and wait alone", "ms", plain * 1e3);
        server.stop()?;
    }
    Ok(())
}

fn publish(directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("metadata.yml"), METADATA)?;
    fs::write(directory.join("service.toml"), SERVICE)?;
    Ok(())
}

/// Seconds that one program takes without any platform.
fn spawn_times(count: u32) -> anyhow::Result<f64> {
    let begun = Instant::now();
    for _ in 0..count {
        std::process::Command::new("/bin/true").status()?;
    }
    Ok(begun.elapsed().as_secs_f64() / f64::from(count))
}
