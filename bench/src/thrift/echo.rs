//! Calls that are answered where they arrive: the handler that is built into Trefoil, and typed ones of its peers.

use super::{
    Session,
    load::{self, Load, Measured},
    message::{Exchange, payload},
    results::{CPP, PER_CPU, TREFOIL, VOLO},
    target::{Launch, Target},
};

/// Connections, with a call under way on each.
pub(super) const CONNECTIONS: usize = 64;

/// About 200 bytes.
pub(super) fn small(session: &mut Session) -> anyhow::Result<()> {
    measure(session, "echo-200", &payload(40, 28, 4, 0))
}

/// 1 KB.
pub(super) fn large(session: &mut Session) -> anyhow::Result<()> {
    measure(session, "echo-1k", &kilobyte())
}

/// A payload with which a call has 1,024 bytes.
pub(super) fn kilobyte() -> Vec<u8> {
    payload(200, 289, 20, 2)
}

type Start = fn(&Launch) -> anyhow::Result<Target>;

fn measure(session: &mut Session, scenario: &'static str, payload: &[u8]) -> anyhow::Result<()> {
    let exchange = Exchange::mirror("echo", payload);
    session.results.note(format!(
        "{scenario}: calls of {} bytes, replies of {}, {CONNECTIONS} connections, servers on {} thread(s)",
        exchange.len(),
        exchange.reply_len(),
        session.launch.threads,
    ));
    let all: [(&str, Start); 3] = [
        (TREFOIL, Launch::trefoil),
        (CPP, Launch::cpp_echo),
        (VOLO, Launch::volo_echo),
    ];
    for (whom, start) in all {
        if whom != TREFOIL && !session.has_peers {
            continue;
        }
        let target = match start(&session.launch) {
            Ok(target) => target,
            Err(error) if whom != TREFOIL => {
                session.results.note(format!("skipped {whom}: {error:#}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        let load = Load {
            address: target.address(),
            exchange: exchange.clone(),
            connections: CONNECTIONS,
            rate: None,
            warm_up: session.measured / 3,
            measured: session.measured,
        };
        let measured = load::run(&load, &|| target.cpu())?;
        add(session, scenario, whom, &measured)?;
    }
    Ok(())
}

/// Notes what a closed loop has shown.
pub(super) fn add(
    session: &mut Session,
    scenario: &'static str,
    whom: &'static str,
    measured: &Measured,
) -> anyhow::Result<()> {
    anyhow::ensure!(
        measured.failed == 0,
        "{} calls of {whom} failed",
        measured.failed
    );
    let results = &mut session.results;
    results.add(
        scenario,
        whom,
        PER_CPU,
        "calls/s",
        measured.per_cpu_second(),
    );
    let per_call = 1e6 / measured.per_cpu_second();
    results.add(scenario, whom, "server CPU per call", "µs", per_call);
    results.add(scenario, whom, "calls", "calls/s", measured.per_second());
    for (what, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        results.add(scenario, whom, what, "µs", measured.quantile(share));
    }
    let share = measured.own_cpu / measured.cpu;
    results.add(
        scenario,
        whom,
        "CPU of this tool beside the server's",
        "×",
        share,
    );
    Ok(())
}
