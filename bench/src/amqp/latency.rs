//! Times of single messages: one after the other, and at a fixed rate.

use super::{
    Session,
    client::{Client, DURABLE},
    consumer::Ack,
    flow::{Flow, Measured},
    publisher::Pace,
    scenarios::{CONFIRMS, ENDS, quantiles},
    target::Kind,
};

/// Messages a second.
const RATE: u64 = 20_000;

/// One message after the other, each confirmed before the next.
pub(super) fn confirm(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "confirm-latency";
    let mut flow = Flow::simple("bench", 100, true, Pace::Window(1), Ack::Each);
    // A consumer would share the processor with what is measured.
    flow.consumers.clear();
    let measured = run(session, kind, &flow)?;
    let results = &mut session.results;
    let rate = measured.published as f64 / measured.seconds;
    results.add(NAME, kind, "messages", "msgs/s", rate);
    quantiles(results, NAME, kind, &CONFIRMS, &measured.confirm);
    Ok(())
}

/// A fixed number of messages a second, whatever the broker does.
pub(super) fn paced(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "fixed-rate";
    let flow = Flow::simple("bench", 100, true, Pace::Rate(RATE), Ack::Each);
    let measured = run(session, kind, &flow)?;
    let results = &mut session.results;
    let (seconds, delivered) = (measured.seconds, measured.delivered as f64);
    results.add(NAME, kind, "messages", "msgs/s", delivered / seconds);
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
    quantiles(results, NAME, kind, &CONFIRMS, &measured.confirm);
    quantiles(results, NAME, kind, &ENDS, &measured.end_to_end);
    Ok(())
}

fn run(session: &mut Session, kind: Kind, flow: &Flow) -> anyhow::Result<Measured> {
    let timing = session.timing;
    let target = session.target(kind)?;
    let mut control = Client::open(target.address())?;
    control.declare("bench", DURABLE)?;
    let measured = flow.run(target, timing)?;
    control.delete("bench")?;
    control.close()?;
    Ok(measured)
}
