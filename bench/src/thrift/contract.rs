//! Contracts: how long a large one takes to load, and whether calls notice that theirs changes.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use trefoil_thrift::model;

use super::{
    Session, load,
    provider::Provider,
    relay::{self, CONTRACT, SERVICE},
    results::TREFOIL,
    target::{Target, replace},
};
use crate::{report::median, server::pause};

const LINES: usize = 10_000;
const TIMES: usize = 20;
/// How often a contract changes under traffic.
const EVERY: Duration = Duration::from_millis(50);

/// Text to checked schema, in this process.
pub(super) fn load(session: &mut Session) -> anyhow::Result<()> {
    let text = generated(LINES);
    let bytes = text.len();
    let files = BTreeMap::from([("generated.thrift".to_owned(), text.into_bytes())]);
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        let loaded = model::load("generated.thrift", &files, &[]);
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(
            loaded.contract.is_some(),
            "the generated contract is wrong: {:?}",
            loaded.diagnostics.first()
        );
    }
    let results = &mut session.results;
    results.add("load", TREFOIL, "10,000 lines", "ms", median(&times));
    results.note(format!(
        "load: {LINES} lines, {bytes} bytes, the median of {TIMES} times"
    ));
    Ok(())
}

/// Publishes the contract of a provider anew, with one field more or less each time, while it is called.
pub(super) fn reload(session: &mut Session) -> anyhow::Result<()> {
    let provider = Provider::start()?;
    let target = relay::trefoil(&session.launch, provider.address())?;
    let Target::Trefoil { server, .. } = &target else {
        anyhow::bail!("no Trefoil");
    };
    let calls = relay::calls(target.address(), None, session.measured);
    let stop = AtomicBool::new(false);
    let (measured, times) = std::thread::scope(|scope| {
        let changes = scope.spawn(|| -> anyhow::Result<Vec<f64>> {
            let mut http = server.connect()?;
            let more = CONTRACT.replace("}\n\nservice", "  9: optional string more\n}\n\nservice");
            let mut times = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let contract = if times.len() % 2 == 0 {
                    &more
                } else {
                    CONTRACT
                };
                let begun = Instant::now();
                replace(&mut http, SERVICE, contract)?;
                times.push(begun.elapsed().as_secs_f64() * 1e3);
                pause(EVERY);
            }
            Ok(times)
        });
        let measured = load::run(&calls, &|| target.cpu());
        stop.store(true, Ordering::Release);
        (measured, changes.join())
    });
    let times = times.ok().context("a thread panicked")??;
    let measured = measured?;
    let results = &mut session.results;
    results.add(
        "reload",
        TREFOIL,
        "failed calls",
        "calls",
        measured.failed as f64,
    );
    results.add(
        "reload",
        TREFOIL,
        "right replies",
        "calls",
        measured.calls as f64,
    );
    results.add(
        "reload",
        TREFOIL,
        "changes of the contract",
        "",
        times.len() as f64,
    );
    results.add("reload", TREFOIL, "a change, median", "ms", median(&times));
    results.add("reload", TREFOIL, "calls", "calls/s", measured.per_second());
    results.add(
        "reload",
        TREFOIL,
        "call, p99",
        "µs",
        measured.quantile(0.99),
    );
    Ok(())
}

/// A file as people write them: commented structs, enumerations, exceptions and services.
fn generated(lines: usize) -> String {
    let mut text = String::from("namespace py generated\n");
    let mut written = 1;
    for n in 0.. {
        if written >= lines {
            break;
        }
        let before = text.len();
        let _ = write!(
            text,
            "
/** States of order {n}. */
enum State{n} {{
  OPEN = 1,
  PAID = 2,
  SENT = 5
}}

/**
 * An order of kind {n},
 * as it is stored.
 */
struct Order{n} {{
  1: required i64 id
  2: optional string title = \"none\" (vt.max_size = \"100\")
  /** Where it is. */
  3: State{n} state = State{n}.OPEN
  4: list<map<string, double>> prices
  5: optional Order{n} replaces
  6: set<i32> numbers
}}

// Not found, or not allowed.
exception Missing{n} {{
  1: string reason
}}

service Orders{n} {{
  /** Finds one. */
  Order{n} find(1: i64 id) throws (1: Missing{n} missing)
  list<Order{n}> find_all(1: State{n} state, 2: i32 limit = 20)
  oneway void forget(1: i64 id)
}}
"
        );
        written += text[before..].matches('\n').count();
    }
    text
}
