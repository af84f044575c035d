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

/// Peak by CPU, then times at half of the slowest peak, beside those without a relay.
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
        let direct = load::run(&calls(to, Some(rate), measured), &|| Ok(0.0))?;
        let through = load::run(&calls(target.address(), Some(rate), measured), &cpu)?;
        half(session, whom, &direct, &through)?;
    }
    Ok(())
}

fn half(
    session: &mut Session,
    whom: &'static str,
    direct: &Measured,
    through: &Measured,
) -> anyhow::Result<()> {
    ensure!(
        direct.failed + through.failed == 0,
        "calls failed at half load"
    );
    for (what, share) in [("added p50 at half load", 0.5), (ADDED_P99, 0.99)] {
        let added = through.quantile(share) - direct.quantile(share);
        session.results.add(SCENARIO, whom, what, "µs", added);
    }
    for (what, share) in [("p50 at half load", 0.5), ("p99 at half load", 0.99)] {
        session
            .results
            .add(SCENARIO, whom, what, "µs", through.quantile(share));
        if whom == TREFOIL {
            session
                .results
                .add(SCENARIO, DIRECT, what, "µs", direct.quantile(share));
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
