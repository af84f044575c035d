//! Brokers that have nothing to do, or much to keep.

use std::time::{Duration, Instant};

use super::{Session, aims::MEMORY, target::Kind};
use crate::server::pause;

/// What a start needed and gives back is not what a broker needs.
const CALM: Duration = Duration::from_secs(1);

pub(super) fn idle(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    const NAME: &str = "idle";
    let target = session.fresh(kind)?;
    pause(CALM);
    let (begun, cpu) = (Instant::now(), target.cpu()?);
    pause(session.timing.measured);
    let share = (target.cpu()? - cpu) / begun.elapsed().as_secs_f64();
    let memory = target.memory()?;
    let results = &mut session.results;
    results.add(
        NAME,
        kind,
        "start",
        "ms",
        target.ready_after.as_secs_f64() * 1e3,
    );
    results.add(NAME, kind, MEMORY, "MB", memory.resident);
    results.add(NAME, kind, "CPU", "% of a core", share * 100.0);
    Ok(())
}
