//! A publisher that keeps its own time: an open loop, so that a slow answer delays nothing that comes after it.
//!
//! Each message carries the time at which it was due, not the one at which it could be sent: a broker that stops for a
//! while is charged for every message that had to wait, not for one.

use std::{
    num::NonZeroU64,
    sync::atomic::Ordering::{Acquire, Relaxed, Release},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::{
    client::{Client, Patience},
    confirms::Confirms,
    flow::{Control, guarded},
    histogram::Histogram,
    publisher::{Block, read, take},
};
use crate::server::pause;

/// Steps in a second: a message is at most this part of a second late against an even stream.
const STEPS: u64 = 5_000;

pub(super) fn run(
    client: &mut Client,
    block: &mut Block,
    rate: u64,
    index: usize,
    control: &Control,
) -> anyhow::Result<Histogram> {
    ensure!(
        rate.is_multiple_of(STEPS),
        "{rate} is no multiple of {STEPS}"
    );
    let each = rate / STEPS;
    let begun = control.now();
    let due = |number: u64| begun + number / each * (1_000_000_000 / STEPS);
    let mut reader = client.reader()?;
    thread::scope(|scope| {
        let confirms =
            scope.spawn(|| guarded(control, || confirms(&mut reader, due, index, control)));
        send(client, block, each, due, index, control)?;
        let times = confirms.join();
        times.or_else(|_| anyhow::bail!("the reader of confirms failed"))
    })
}

fn send(
    client: &mut Client,
    block: &mut Block,
    each: u64,
    due: impl Fn(u64) -> u64,
    index: usize,
    control: &Control,
) -> anyhow::Result<()> {
    use std::io::Write as _;
    // The kernel may otherwise wake a thread 50 µs late to save power, which would be charged to the broker.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1)).context("no precise timer")?;
    let mut sent = 0;
    while !control.stopping() {
        let time = due(sent);
        if let Some(early) = time.checked_sub(control.now()).filter(|early| *early > 0) {
            pause(Duration::from_nanos(early));
        }
        let mut left = each;
        // Counted before they are sent: their confirms may be there at once.
        control.sent[index].store(sent + each, Release);
        while left > 0 {
            let (bytes, count) = block.messages(sent, left, time);
            client.stream.write_all(bytes).context("cannot publish")?;
            sent += count;
            left -= count;
        }
    }
    control.paused.store(true, Release);
    Ok(())
}

fn confirms(
    reader: &mut Client,
    due: impl Fn(u64) -> u64,
    index: usize,
    control: &Control,
) -> anyhow::Result<Histogram> {
    reader
        .stream
        .set_read_timeout(Some(Duration::from_millis(20)))?;
    let (mut confirms, mut times) = (Confirms::default(), Histogram::default());
    let (mut known, mut patience) = (0, Patience::new(control.patience));
    loop {
        if read(reader)? {
            patience.progress();
        }
        let done = control.paused.load(Acquire);
        // After the read: whatever it confirms was counted before it was sent.
        let sent = control.sent[index].load(Acquire);
        (known..sent).for_each(|number| confirms.sent(due(number)));
        known = sent;
        take(reader, &mut confirms, &mut times, control)?;
        if control.failed() || done && confirms.open() == 0 {
            return Ok(times);
        }
        patience.check(|| format!("{} messages not confirmed", confirms.open()))?;
        control.confirmed[index].store(confirms.done(), Relaxed);
    }
}
