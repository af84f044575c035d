//! What is measured: one function a scenario, the same for every broker.

use anyhow::ensure;

use super::{
    Session,
    aims::{
        CONFIRM, END_TO_END_P50, END_TO_END_P99, IN_PER_CPU, LONGEST, MEMORY, OUT_PER_CPU, PER_CPU,
        RATE,
    },
    backlog,
    client::{Client, DURABLE, QueueKind, TRANSIENT, WRITTEN},
    consumer::{Ack, Consume},
    flow::{Flow, Measured},
    histogram::Histogram,
    latency, many, outage,
    publisher::{Pace, Publish},
    results::Results,
    rpc,
    target::{Kind, Target},
    topic,
};

/// How far publishers without confirms may be ahead: enough that nobody waits, little enough that no broker's memory alarm rings.
const AHEAD: Pace = Pace::Ahead(50_000);
/// Messages that are not confirmed.
const WINDOW: Pace = Pace::Window(500);
/// Queues of the fan-out.
const COPIES: usize = 10;
/// Publishers, queues and consumers side by side.
const PAIRS: usize = 4;

/// A scenario: its name, what happens, how it is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    /// A broker is started for this alone: nothing for one that was there before.
    pub(super) own_broker: bool,
    pub(super) measure: fn(&mut Session, Kind) -> anyhow::Result<()>,
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "transient",
        about: "100 B, not persistent, automatic acknowledgement, 1 → 1",
        own_broker: false,
        measure: |session, kind| {
            let flow = Flow::simple("bench", 100, false, AHEAD, Ack::Auto);
            through_queues(session, kind, "transient", &flow, TRANSIENT)
        },
    },
    Scenario {
        name: "confirmed",
        about: "100 B, persistent, at most 500 not confirmed, each acknowledged, 1 → 1",
        own_broker: false,
        measure: |session, kind| {
            let flow = Flow::simple("bench", 100, true, WINDOW, Ack::Each);
            through_queues(session, kind, "confirmed", &flow, DURABLE)
        },
    },
    Scenario {
        name: "confirmed-written",
        about: "the same, confirmed when written (x-confirm-level=written), not synced",
        own_broker: false,
        measure: |session, kind| {
            let flow = Flow::simple("bench", 100, true, WINDOW, Ack::Each);
            through_queues(session, kind, "confirmed-written", &flow, WRITTEN)
        },
    },
    Scenario {
        name: "persistent-4x4",
        about: "1 KB, persistent, 4 publishers, 4 queues, 4 consumers, each acknowledged, no confirms",
        own_broker: false,
        measure: persistent_pairs,
    },
    Scenario {
        name: "persistent-16k",
        about: "16 KB, persistent, at most 500 not confirmed, each acknowledged, 1 → 1",
        own_broker: false,
        measure: |session, kind| {
            let flow = Flow::simple("bench", 16 << 10, true, WINDOW, Ack::Each);
            through_queues(session, kind, "persistent-16k", &flow, DURABLE)
        },
    },
    Scenario {
        name: "fan-out",
        about: "100 B, not persistent, 1 publisher, 10 queues, 10 consumers; deliveries count",
        own_broker: false,
        measure: fan_out,
    },
    Scenario {
        name: "topic-1000",
        about: "100 B, not persistent, 1,000 wildcard bindings, of which each message matches one; 4 queues",
        own_broker: false,
        measure: |session, kind| topic::measure(session, kind, "topic-1000", 1_000),
    },
    Scenario {
        name: "topic-10000",
        about: "the same with 10,000 bindings",
        own_broker: false,
        measure: |session, kind| topic::measure(session, kind, "topic-10000", 10_000),
    },
    Scenario {
        name: "rpc-64",
        about: "100 B requests and answers over direct reply-to, 64 under way",
        own_broker: false,
        measure: |session, kind| rpc::measure(session, kind, "rpc-64", 64),
    },
    Scenario {
        name: "rpc-1",
        about: "the same, one after the other",
        own_broker: false,
        measure: |session, kind| rpc::measure(session, kind, "rpc-1", 1),
    },
    Scenario {
        name: "confirm-latency",
        about: "100 B, persistent, each confirmed before the next, no consumer",
        own_broker: false,
        measure: latency::confirm,
    },
    Scenario {
        name: "fixed-rate",
        about: "100 B, persistent with confirms, each acknowledged, 20,000 a second whatever comes back",
        own_broker: false,
        measure: latency::paced,
    },
    Scenario {
        name: "backlog",
        about: "300,000 × 100 B, persistent, confirmed: all in, then all out",
        own_broker: true,
        measure: backlog::small,
    },
    Scenario {
        name: "million",
        about: "1,000,000 × 1 KB, persistent, confirmed (a tenth for peers): memory, kill -9, start, all out",
        own_broker: true,
        measure: backlog::large,
    },
    Scenario {
        name: "outage",
        about: "kill -9 under persistent load with confirms; every confirmed message must be found",
        own_broker: true,
        measure: outage::measure,
    },
    Scenario {
        name: "connections",
        about: "10,000 connections with a channel each that do nothing",
        own_broker: true,
        measure: many::connections,
    },
    Scenario {
        name: "queues",
        about: "100,000 queues declared (peers: as many as 6 s allow), transient, then durable with a restart",
        own_broker: true,
        measure: many::queues,
    },
    Scenario {
        name: "idle",
        about: "a broker with nothing to do",
        own_broker: true,
        measure: many::idle,
    },
];

/// Runs a flow over queues that are there only for it.
fn through_queues(
    session: &mut Session,
    kind: Kind,
    name: &'static str,
    flow: &Flow,
    queue: QueueKind,
) -> anyhow::Result<()> {
    let timing = session.timing;
    let target = session.target(kind)?;
    let mut control = Client::open(target.address())?;
    for consume in &flow.consumers {
        control.declare(&consume.queue, queue)?;
    }
    let measured = flow.run(target, timing)?;
    let memory = target.memory()?;
    for consume in &flow.consumers {
        control.delete(&consume.queue)?;
    }
    control.close()?;
    let results = &mut session.results;
    rates(results, name, kind, &measured);
    results.add(name, kind, MEMORY, "MB", memory.resident);
    Ok(())
}

/// Notes what a flow gave. Where messages are multiplied, deliveries count.
pub(super) fn rates(results: &mut Results, name: &'static str, kind: Kind, measured: &Measured) {
    let (seconds, cpu) = (measured.seconds, measured.cpu.max(0.01));
    let delivered = measured.delivered as f64;
    results.add(name, kind, RATE, "msgs/s", delivered / seconds);
    results.add(name, kind, PER_CPU, "msgs/s", delivered / cpu);
    results.add(
        name,
        kind,
        "CPU of the broker",
        "cores",
        measured.cpu / seconds,
    );
    results.add(
        name,
        kind,
        "CPU of this tool",
        "cores",
        measured.own_cpu / seconds,
    );
    if measured.confirm.count() > 0 {
        quantiles(results, name, kind, &CONFIRMS, &measured.confirm);
        quantiles(results, name, kind, &ENDS, &measured.end_to_end);
    }
}

pub(super) const CONFIRMS: [(&str, f64); 3] = [
    (CONFIRM, 0.5),
    ("confirm, p99", 0.99),
    ("confirm, p999", 0.999),
];
pub(super) const ENDS: [(&str, f64); 3] = [
    (END_TO_END_P50, 0.5),
    (END_TO_END_P99, 0.99),
    ("end to end, p999", 0.999),
];

/// Notes the quantiles of times.
pub(super) fn quantiles(
    results: &mut Results,
    name: &'static str,
    kind: Kind,
    shares: &[(&'static str, f64); 3],
    times: &Histogram,
) {
    for (what, share) in shares {
        if let Some(time) = times.quantile(*share) {
            results.add(name, kind, what, "ms", time.as_secs_f64() * 1e3);
        }
    }
}

fn persistent_pairs(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "persistent-4x4";
    let mut flow = Flow {
        publishers: Vec::new(),
        consumers: Vec::new(),
    };
    for pair in 0..PAIRS {
        let one = Flow::simple(&format!("bench-{pair}"), 1_000, true, Pace::Free, Ack::Each);
        flow.publishers.extend(one.publishers);
        flow.consumers
            .extend(one.consumers.into_iter().map(|consume| Consume {
                source: pair,
                prefetch: 500,
                ..consume
            }));
    }
    let timing = session.timing;
    let target = session.target(kind)?;
    let mut control = Client::open(target.address())?;
    for consume in &flow.consumers {
        control.declare(&consume.queue, DURABLE)?;
    }
    let measured = flow.run(target, timing)?;
    for consume in &flow.consumers {
        control.delete(&consume.queue)?;
    }
    control.close()?;
    let (seconds, cpu) = (measured.seconds, measured.cpu.max(0.01));
    // What publishers have sent may still be in the sockets: what came in is what went out and what stayed.
    let delivered = measured.delivered as f64;
    let published = delivered + measured.growth;
    let results = &mut session.results;
    results.add(NAME, kind, "in", "msgs/s", published / seconds);
    results.add(NAME, kind, "out", "msgs/s", delivered / seconds);
    results.add(NAME, kind, IN_PER_CPU, "msgs/s", published / cpu);
    results.add(NAME, kind, OUT_PER_CPU, "msgs/s", delivered / cpu);
    results.add(NAME, kind, LONGEST, "messages", measured.longest as f64);
    results.add(
        NAME,
        kind,
        "CPU of the broker",
        "cores",
        measured.cpu / seconds,
    );
    results.add(
        NAME,
        kind,
        "CPU of this tool",
        "cores",
        measured.own_cpu / seconds,
    );
    Ok(())
}

fn fan_out(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const EXCHANGE: &str = "bench-fanout";
    let timing = session.timing;
    let target = session.target(kind)?;
    let flow = Flow {
        publishers: vec![Publish {
            exchange: EXCHANGE,
            keys: vec![String::new()],
            body: 100,
            persistent: false,
            pace: Pace::Ahead(10_000),
            copies: COPIES as u64,
            reply_to: None,
        }],
        consumers: (0..COPIES)
            .map(|queue| Consume {
                queue: format!("bench-{queue}"),
                ack: Ack::Auto,
                prefetch: 0,
                source: 0,
                keys: Vec::new(),
                body: 100,
                restarted: false,
            })
            .collect(),
    };
    let measured = over_exchange(
        target,
        &flow,
        EXCHANGE,
        "fanout",
        |control| {
            let queues = flow.consumers.iter().map(|consume| &consume.queue);
            queues
                .into_iter()
                .try_for_each(|queue| control.bind_later(queue, EXCHANGE, ""))
        },
        timing,
    )?;
    ensure!(measured.delivered > 0, "nothing was delivered");
    rates(&mut session.results, "fan-out", kind, &measured);
    Ok(())
}

/// Runs a flow over an exchange and transient queues that are there only for it.
pub(super) fn over_exchange(
    target: &Target,
    flow: &Flow,
    exchange: &str,
    kind: &str,
    bind: impl FnOnce(&mut Client) -> anyhow::Result<()>,
    timing: super::flow::Timing,
) -> anyhow::Result<Measured> {
    let mut control = Client::open(target.address())?;
    control.exchange(exchange, kind)?;
    for consume in &flow.consumers {
        control.declare(&consume.queue, TRANSIENT)?;
    }
    bind(&mut control)?;
    // Waits until the bindings are there.
    control.ready(&flow.consumers[0].queue)?;
    let measured = flow.run(target, timing)?;
    for consume in &flow.consumers {
        control.delete(&consume.queue)?;
    }
    control.delete_exchange(exchange)?;
    control.close()?;
    Ok(measured)
}
