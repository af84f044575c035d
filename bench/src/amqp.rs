//! The broker under load, and a real RabbitMQ beside it: the same scenarios in the same run, in turn.
//!
//! [`target::Target`] is a broker, [`flow::Flow`] publishers and consumers that are measured for a while,
//! [`results::Results`] what was found beside [`aims::AIMS`]. The tool speaks AMQP in raw frames: messages are built once and
//! sent in blocks, deliveries are skipped by length; yet every message is numbered, and its number, order and length are
//! checked. A message too few or too many ends the run with an error.

mod aims;
mod backlog;
mod client;
mod confirms;
mod consumer;
mod flow;
mod latency;
mod many;
mod outage;
mod paced;
mod processes;
mod publisher;
mod results;
mod rpc;
mod scenarios;
mod target;
mod topic;
mod wire;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use self::{
    flow::Timing,
    results::Results,
    scenarios::{SCENARIOS, Scenario},
    target::{Kind, Launch, Target},
};
use crate::{disk, histogram, jobs};

/// Writes by which the disk is measured before each scenario.
const SYNCS: usize = 100;

/// What is measured, and how thoroughly.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Measure only these scenarios
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    only: Vec<String>,
    /// Seconds that each scenario is measured, after a third of it as warm-up
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How often each scenario is repeated
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Brokers to measure, in turn
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    brokers: Vec<Kind>,
    /// Measure Trefoil alone
    #[arg(long, conflicts_with = "brokers")]
    no_peers: bool,
    /// The binary to measure; without it, `trefoil` is built next to this tool
    #[arg(long)]
    trefoil: Option<PathBuf>,
    /// Also a broker that runs already (guest, guest), as host:port; scenarios that need a broker of their own leave it out
    #[arg(long, requires = "pid")]
    url: Option<String>,
    /// The process of that broker
    #[arg(long, requires = "url")]
    pid: Option<u32>,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// Only say which scenarios there are
    #[arg(long)]
    list: bool,
}

/// A run: brokers that are up, and what was found.
#[derive(Debug)]
pub(crate) struct Session {
    launch: Launch,
    timing: Timing,
    running: BTreeMap<Kind, Target>,
    results: Results,
}

impl Session {
    /// A broker that serves one scenario after the other, at rest.
    fn target(&mut self, kind: Kind) -> anyhow::Result<&Target> {
        let target = match self.running.entry(kind) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(self.launch.start(kind)?)
            }
        };
        target.settle()?;
        Ok(target)
    }

    /// A broker of one scenario's own, for what the past of a broker would change.
    fn fresh(&mut self, kind: Kind) -> anyhow::Result<Target> {
        // Those of other scenarios would only be in the way.
        self.running.clear();
        self.launch.start(kind)
    }
}

/// Measures what the options ask for and prints it.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.list {
        for scenario in SCENARIOS {
            println!("{:<18}  {}", scenario.name, scenario.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = chosen(&options.only)?;
    let mut results = Results::default();
    let rabbitmq = target::find_rabbitmq();
    let kinds = kinds(options, rabbitmq.is_some(), &mut results);
    let own = std::env::current_exe().context("cannot find this program")?;
    let binaries = own.parent().context("this program is nowhere")?;
    let trefoil = match &options.trefoil {
        Some(path) => std::path::absolute(path)?,
        None if kinds.contains(&Kind::Trefoil) => jobs::built(binaries)?,
        None => binaries.join("trefoil"),
    };
    let scratch = tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(binaries.parent().unwrap_or(binaries))?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let measured = Duration::from_secs_f64(options.seconds);
    let mut session = Session {
        launch: Launch {
            trefoil,
            rabbitmq,
            other: other(options)?,
            scratch: scratch.path().to_owned(),
        },
        timing: Timing {
            warm_up: measured / 3,
            measured,
            patience: client::PATIENCE,
        },
        running: BTreeMap::new(),
        results,
    };
    measure(&mut session, &chosen, &kinds, options.rounds)?;
    let machine = jobs::machine(&session.launch.trefoil, &load, options.rounds, false);
    session.running.clear();
    print(&session.results, &machine, options.json)?;
    Ok(ExitCode::SUCCESS)
}

fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Scenario>> {
    for name in only {
        ensure!(
            SCENARIOS.iter().any(|scenario| scenario.name == name),
            "no scenario {name}; --list says which there are"
        );
    }
    let wanted =
        |scenario: &&Scenario| only.is_empty() || only.iter().any(|name| name == scenario.name);
    Ok(SCENARIOS.iter().filter(wanted).collect())
}

fn kinds(options: &Options, rabbitmq: bool, results: &mut Results) -> Vec<Kind> {
    let mut kinds = match &options.brokers[..] {
        [] if options.no_peers => vec![Kind::Trefoil],
        [] => vec![Kind::Trefoil, Kind::Rabbitmq],
        some => some.to_vec(),
    };
    if options.url.is_some() {
        kinds.push(Kind::Other);
    }
    let all = kinds.len();
    kinds.retain(|kind| rabbitmq || matches!(kind, Kind::Trefoil | Kind::Other));
    if kinds.len() < all {
        results.note("skipped RabbitMQ: no rabbitmq-server in the search path (Debian: apt-get install rabbitmq-server)");
    }
    kinds
}

fn other(options: &Options) -> anyhow::Result<Option<(SocketAddr, u32)>> {
    let (Some(url), Some(pid)) = (&options.url, options.pid) else {
        return Ok(None);
    };
    let address = url.trim_start_matches("amqp://").trim_end_matches('/');
    let address = address
        .parse()
        .with_context(|| format!("not an address with a port: {url}"))?;
    Ok(Some((address, pid)))
}

fn measure(
    session: &mut Session,
    scenarios: &[&Scenario],
    kinds: &[Kind],
    rounds: u32,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    for scenario in scenarios {
        for _ in 0..rounds.max(1) {
            let syncs = disk::overwrite_times(&session.launch.scratch, SYNCS)?;
            session.results.disk(scenario.name, syncs);
            for kind in brokers(scenario, kinds) {
                eprintln!(
                    "{:>4} s  {} {}",
                    begun.elapsed().as_secs(),
                    scenario.name,
                    kind.name()
                );
                (scenario.measure)(session, kind)
                    .with_context(|| format!("{} of {}", scenario.name, kind.name()))?;
            }
        }
    }
    Ok(())
}

/// The comparison that is meant for it needs the second version of RabbitMQ's queues.
fn brokers(scenario: &Scenario, kinds: &[Kind]) -> Vec<Kind> {
    let mut brokers = kinds.to_vec();
    brokers.retain(|kind| *kind != Kind::Other || !scenario.own_broker);
    let both = [Kind::Trefoil, Kind::Rabbitmq];
    if scenario.name == "confirmed-written" && both.iter().all(|kind| kinds.contains(kind)) {
        brokers.push(Kind::RabbitmqCqv2);
        brokers.dedup();
    }
    brokers
}

fn print(results: &Results, machine: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(&results.json(machine))?);
    } else {
        println!(
            "{}\n\n{}",
            crate::report::machine_line(machine),
            results.text()
        );
    }
    if cfg!(debug_assertions) {
        eprintln!("this tool was built without optimisation: it may be slower than the broker");
    }
    Ok(())
}
