//! Calls that go on to a provider: through Trefoil, and through Envoy, to the same one.

use std::{net::SocketAddr, time::Duration};

use anyhow::ensure;

use super::{
    Session,
    echo::{self, CONNECTIONS, kilobyte},
    load::{self, Load, Measured},
    message::Exchange,
    provider::Provider,
    results::{ADDED_P99, ENVOY, TREFOIL},
    target::{Launch, Target, register},
};

const SCENARIO: &str = "relay";
/// What passes messages on without a look at what is in them.
const ENVOY_PASS: &str = "envoy, payload unseen";
const DIRECT: &str = "no relay";
pub(super) const SERVICE: &str = "bench/relay:1.0.0";
pub(super) const METHOD: &str = "reflect";
/// The same types as in `trefoil/mirror`; another name of the method, so that it means one thing.
pub(super) const CONTRACT: &str = "
struct Payload {
  1: optional string text
  2: optional binary data
  3: optional i64 number
  4: optional double value
  5: optional bool flag
  6: optional list<double> values
  7: optional map<string, string> labels
  8: optional list<Payload> parts
}

service Relay {
  Payload reflect(1: Payload payload)
}
";

type Start = fn(&Launch, SocketAddr) -> anyhow::Result<Target>;

/// Peak by CPU, then times at half and at a tenth of the peak, beside those without a relay.
pub(super) fn measure(session: &mut Session) -> anyhow::Result<()> {
    let provider = Provider::start()?;
    let to = provider.address();
    let all: [(&'static str, Start); 3] = [
        (TREFOIL, trefoil),
        (ENVOY, |launch, to| launch.envoy(to, false)),
        (ENVOY_PASS, |launch, to| launch.envoy(to, true)),
    ];
    for (whom, start) in all {
        if whom != TREFOIL && !session.has_peers {
            continue;
        }
        let target = match start(&session.launch, to) {
            Ok(target) => target,
            Err(error) if whom != TREFOIL => {
                session.results.note(format!("skipped {whom}: {error:#}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        let (measured, cpu) = (session.measured, || target.cpu());
        let peak = load::run(&calls(target.address(), None, measured), &cpu)?;
        echo::add(session, SCENARIO, whom, &peak)?;
        let rate = peak.per_second() / 2.0;
        session
            .results
            .add(SCENARIO, whom, "half load", "calls", rate);
        for (rate, names) in [(rate, &HALF), (rate / 5.0, &TENTH)] {
            let direct = load::run(&calls(to, Some(rate), measured), &|| Ok(0.0))?;
            let through = load::run(&calls(target.address(), Some(rate), measured), &cpu)?;
            compare(session, whom, names, &direct, &through)?;
        }
    }
    Ok(())
}

/// What is told of calls at a rate: added p50 and p99, p50 and p99.
type Names = [(&'static str, &'static str, f64); 2];

const HALF: Names = [
    ("added p50 at half load", "p50 at half load", 0.5),
    (ADDED_P99, "p99 at half load", 0.99),
];
/// Where no thread has to wait for a core.
const TENTH: Names = [
    ("added p50 at a tenth", "p50 at a tenth of the peak", 0.5),
    ("added p99 at a tenth", "p99 at a tenth of the peak", 0.99),
];

fn compare(
    session: &mut Session,
    whom: &'static str,
    names: &Names,
    direct: &Measured,
    through: &Measured,
) -> anyhow::Result<()> {
    ensure!(
        direct.failed + through.failed == 0,
        "calls at a fixed rate failed"
    );
    for (added, of_all, share) in *names {
        let (alone, relayed) = (direct.quantile(share), through.quantile(share));
        let results = &mut session.results;
        results.add(SCENARIO, whom, added, "µs", relayed - alone);
        results.add(SCENARIO, whom, of_all, "µs", relayed);
        if whom == TREFOIL {
            results.add(SCENARIO, DIRECT, of_all, "µs", alone);
        }
    }
    Ok(())
}

/// Calls of 1 KB.
pub(super) fn calls(address: SocketAddr, rate: Option<f64>, measured: Duration) -> Load {
    Load {
        address,
        exchange: Exchange::mirror(METHOD, &kilobyte()),
        connections: CONNECTIONS,
        rate,
        warm_up: measured / 3,
        measured,
    }
}

/// Trefoil with a provider.
pub(super) fn trefoil(launch: &Launch, provider: SocketAddr) -> anyhow::Result<Target> {
    let target = launch.trefoil()?;
    register(&target, SERVICE, CONTRACT, provider)?;
    Ok(target)
}
