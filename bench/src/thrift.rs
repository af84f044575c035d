//! Thrift under load, beside typed peers: the same calls in the same run, in turn.
//!
//! [`target::Target`] is a server in a process of its own, [`load::Load`] the callers, [`results::Results`] what was found
//! beside what was aimed at. The tool calls in raw frames that are built once, and compares every reply with the only right
//! one, byte by byte.

mod codec;
mod contract;
mod echo;
mod load;
mod message;
mod provider;
mod relay;
mod results;
mod target;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

use self::{results::Results, target::Launch};
use crate::{jobs, server};

/// What is measured, and how thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Measure only these scenarios
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    only: Vec<String>,
    /// Seconds that each server is measured, after a third of it as warm-up
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often each scenario is repeated
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Threads of each server
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Measure Trefoil alone
    #[arg(long)]
    no_peers: bool,
    /// Run the tool and all servers in the real-time class (needs root): times without those of other programs
    #[arg(long)]
    realtime: bool,
    /// The binary to measure; without it, `trefoil` is built next to this tool
    #[arg(long)]
    trefoil: Option<PathBuf>,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Only say which scenarios there are
    #[arg(long)]
    list: bool,
}

/// A scenario: its name, what happens, how it is measured.
struct Scenario {
    name: &'static str,
    about: &'static str,
    measure: fn(&mut Session) -> anyhow::Result<()>,
}

const SCENARIOS: [Scenario; 6] = [
    Scenario {
        name: "codec",
        about: "a message of 4 to 6 KB: checked, skipped, JSON to Thrift and back, binary to compact and back",
        measure: codec::measure,
    },
    Scenario {
        name: "echo-200",
        about: "framed binary, calls of about 200 bytes, answered by the built-in handler",
        measure: echo::small,
    },
    Scenario {
        name: "echo-1k",
        about: "the same with 1 KB",
        measure: echo::large,
    },
    Scenario {
        name: "relay",
        about: "calls of 1 KB that go on to a provider, through Trefoil and through Envoy",
        measure: relay::measure,
    },
    Scenario {
        name: "load",
        about: "a contract of 10,000 lines, text to checked schema",
        measure: contract::load,
    },
    Scenario {
        name: "reload",
        about: "a contract that changes 20 times a second while its provider is called",
        measure: contract::reload,
    },
];

/// A run.
struct Session {
    launch: Launch,
    measured: Duration,
    has_peers: bool,
    results: Results,
}

/// Measures what the options ask for and prints it.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.list {
        for scenario in &SCENARIOS {
            println!("{:<10}  {}", scenario.name, scenario.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    for name in &options.only {
        ensure!(
            SCENARIOS.iter().any(|scenario| scenario.name == name),
            "no scenario {name}; --list says which there are"
        );
    }
    let own = std::env::current_exe().context("cannot find this program")?;
    let binaries = own.parent().context("this program is nowhere")?;
    let target = binaries.parent().unwrap_or(binaries);
    let trefoil = match &options.trefoil {
        Some(path) => std::path::absolute(path)?,
        None => jobs::built(binaries)?,
    };
    if options.realtime {
        be_realtime()?;
    }
    let scratch = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(target)?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut session = Session {
        launch: Launch {
            server: server::Launch {
                binary: trefoil,
                scratch: scratch.path().to_owned(),
            },
            target: target.to_owned(),
            threads: options.threads,
        },
        measured: Duration::from_secs_f64(options.seconds),
        has_peers: !options.no_peers,
        results: Results::default(),
    };
    if options.realtime {
        let note = "the tool and all servers ran in the real-time class (SCHED_RR)";
        session.results.note(note);
    }
    let begun = Instant::now();
    for round in 0..options.rounds.max(1) {
        for scenario in &SCENARIOS {
            if !options.only.is_empty() && !options.only.iter().any(|name| name == scenario.name) {
                continue;
            }
            let seconds = begun.elapsed().as_secs();
            eprintln!("{seconds:>4} s  {}, round {}", scenario.name, round + 1);
            (scenario.measure)(&mut session).with_context(|| scenario.name)?;
        }
    }
    let machine = jobs::machine(&session.launch.server.binary, &load, options.rounds, false);
    if options.json {
        let json = session.results.json(&machine);
        println!("{}", serde_json::to_string_pretty(&json)?);
    } else {
        let line = crate::report::machine_line(&machine);
        println!("{line}\n\n{}", session.results.text());
    }
    if cfg!(debug_assertions) {
        eprintln!("this tool was built without optimisation: it may be slower than the servers");
    }
    Ok(ExitCode::SUCCESS)
}

/// Has this process, and all that it starts from now on, scheduled before every ordinary one.
///
/// With fewer cores than busy threads the fair scheduler keeps a thread waiting for milliseconds while another core is
/// about to be free; in this class whoever waits goes to the next free core at once. Then the times are those of the work.
fn be_realtime() -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let status = Command::new("chrt")
        .args(["--rr", "--pid", "1", &own])
        .status()
        .context("cannot run chrt, which is part of util-linux")?;
    ensure!(status.success(), "--realtime needs root, or CAP_SYS_NICE");
    Ok(())
}
