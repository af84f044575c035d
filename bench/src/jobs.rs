//! The job engine under load, case by case.

mod end_to_end;
mod fairness;
mod latency;
pub(crate) mod load;
mod million;
mod programs;
mod submit;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::{
    Options, peers,
    report::Report,
    server::{Launch, pause},
};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Case {
    /// Memory of a platform with nothing to do.
    Idle,
    /// Durable batches into a paused service, then the way out of that backlog.
    Submit,
    /// Submitting while jobs run.
    EndToEnd,
    /// One job at a time, and a few at a time.
    Latency,
    /// Jobs that are processes.
    Programs,
    /// A few jobs of one submitter behind very many of another.
    Fairness,
    /// A million jobs in the store: memory, restart, lists.
    Million,
    /// The same work by Trefoil and by other job engines.
    Peers,
}

/// One run of the tool.
#[derive(Debug)]
pub(crate) struct Bench {
    launch: Launch,
    quick: bool,
    rounds: u32,
    report: Report,
}

impl Bench {
    /// A number of jobs, fewer when it is only to be seen whether all works.
    fn count(&self, full: usize) -> usize {
        if self.quick {
            (full / 20).max(20)
        } else {
            full
        }
    }
}

/// Measures what the options ask for and prints it.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let binaries = own.parent().context("this program is nowhere")?;
    let target = binaries.parent().unwrap_or(binaries);
    let binary = match &options.trefoil {
        Some(path) => std::path::absolute(path)?,
        None => built(binaries)?,
    };
    let scratch = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(target)?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut bench = Bench {
        launch: Launch {
            binary,
            scratch: scratch.path().to_owned(),
        },
        quick: options.quick,
        rounds: if options.quick {
            1
        } else {
            options.rounds.max(1)
        },
        report: Report::default(),
    };
    let begun = Instant::now();
    for (case, measure) in CASES {
        if options.only.is_empty() || options.only.contains(&case) {
            eprintln!("{:>4} s  {case:?}", begun.elapsed().as_secs());
            measure(&mut bench).with_context(|| format!("case {case:?}"))?;
        }
    }
    if options.only.is_empty() && !options.no_peers || options.only.contains(&Case::Peers) {
        eprintln!("{:>4} s  Peers", begun.elapsed().as_secs());
        peers::trefoil(&bench.launch, bench.count(peers::JOBS), &mut bench.report)?;
        peers::others(target, scratch.path(), bench.quick, &mut bench.report);
    }
    if cfg!(debug_assertions) {
        bench
            .report
            .note("this tool was built without optimisation: it may be slower than the server");
    }
    let machine = machine(&bench.launch.binary, &load, bench.rounds, bench.quick);
    if options.json {
        println!(
            "{}",
            serde_json::to_string_pretty(&bench.report.json(machine))?
        );
    } else {
        print!("{}", bench.report.text(&machine));
    }
    Ok(ExitCode::SUCCESS)
}

type Measure = fn(&mut Bench) -> anyhow::Result<()>;

const CASES: [(Case, Measure); 7] = [
    (Case::Idle, idle),
    (Case::Submit, submit::measure),
    (Case::EndToEnd, end_to_end::measure),
    (Case::Latency, latency::measure),
    (Case::Programs, programs::measure),
    (Case::Fairness, fairness::measure),
    (Case::Million, million::measure),
];

/// The `trefoil` of this source tree, built as this tool was.
pub(crate) fn built(binaries: &Path) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .args(["build", "--quiet", "--package", "trefoil"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    let status = build
        .status()
        .context("cannot run cargo; give the binary with --trefoil")?;
    ensure!(status.success(), "trefoil could not be built");
    Ok(binaries.join("trefoil"))
}

/// The machine and the binary, for the head of a report.
pub(crate) fn machine(binary: &Path, load: &str, rounds: u32, quick: bool) -> Value {
    let read = |path: &str| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let cpus = read("/proc/cpuinfo");
    let cpu = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let version = Command::new(binary).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    json!({
        "cores": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "cpu": cpu.map_or("unknown CPU", |(_, name)| name.trim()),
        "kernel": read("/proc/sys/kernel/osrelease"),
        "load": load.split(' ').next(),
        "rounds": rounds,
        "quick": quick,
        "trefoil": version.unwrap_or_default().trim_start_matches("trefoil "),
    })
}

/// A platform that has nothing to do.
fn idle(bench: &mut Bench) -> anyhow::Result<()> {
    for _ in 0..bench.rounds {
        let place = bench.launch.place()?;
        let server = bench.launch.start(place.path(), &[])?;
        bench.report.add(
            "idle",
            "start of an empty platform to ready",
            "ms",
            server.ready_after.as_secs_f64() * 1e3,
        );
        // What the start needed and gave back is not what the platform needs.
        pause(Duration::from_secs(1));
        let aim = crate::report::Aim::AtMost(20.0);
        let memory = server.memory()?;
        bench
            .report
            .aimed("idle", "memory (RSS)", "MB", Some(aim), memory.resident);
        bench.report.add(
            "idle",
            "of that not pages of the program",
            "MB",
            memory.anonymous,
        );
        server.stop()?;
    }
    Ok(())
}
