//! `kill -9` under load: how long nothing is confirmed, and whether everything that was is still there.

use std::{
    io::Write as _,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use super::{
    Session,
    aims::OUTAGE,
    client::{Client, DURABLE, PATIENCE, Patience, timed_out},
    confirms::Confirms,
    consumer::{self, Deliveries},
    flow::Control,
    publisher::{Block, Pace, Publish, send},
    target::Kind,
};
use crate::server::pause;

const NAME: &str = "outage";
const QUEUE: &str = "bench";
const BODY: usize = 100;
const WINDOW: u64 = 500;
/// The time before the kill and the time after the outage in which the rate is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// Load before that.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long nothing has to come after the end until nothing more is expected.
const SILENCE: Duration = Duration::from_millis(500);

/// What both lives of the broker have in common.
#[derive(Debug)]
struct Ledger {
    /// Publishing is to end.
    stop: AtomicBool,
    confirmed: AtomicU64,
    next: AtomicU64,
    /// One flag a message: confirmed, seen by a consumer.
    messages: Mutex<Vec<[bool; 2]>>,
}

impl Ledger {
    fn mark(&self, numbers: &[u64], which: usize) {
        let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        for number in numbers {
            let index = *number as usize;
            if messages.len() <= index {
                messages.resize(index + 1, [false; 2]);
            }
            messages[index][which] = true;
        }
    }

    /// Confirmed, and of these never seen.
    fn lost(&self) -> (usize, usize) {
        let messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        let confirmed = messages.iter().filter(|message| message[0]);
        let lost = confirmed.clone().filter(|message| !message[1]);
        (confirmed.count(), lost.count())
    }

    /// Confirms a second in the next while.
    fn rate(&self) -> f64 {
        let (begun, before) = (Instant::now(), self.confirmed.load(Relaxed));
        pause(MEASURED);
        (self.confirmed.load(Relaxed) - before) as f64 / begun.elapsed().as_secs_f64()
    }
}

pub(super) fn measure(session: &mut Session, kind: Kind) -> anyhow::Result<()> {
    let mut target = session.fresh(kind)?;
    let mut control = Client::open(target.address())?;
    control.declare(QUEUE, DURABLE)?;
    control.close()?;
    let ledger = Ledger {
        stop: AtomicBool::new(false),
        confirmed: AtomicU64::new(0),
        next: AtomicU64::new(0),
        messages: Mutex::new(Vec::new()),
    };
    // The first life ends with errors of both connections, which is no failure.
    let address = target.address();
    let (before, killed) = thread::scope(|scope| {
        scope.spawn(|| publish(address, &ledger));
        scope.spawn(|| consume(address, &ledger));
        pause(WARM_UP);
        let before = ledger.rate();
        let killed = Instant::now();
        target.kill().map(|()| (before, killed))
    })?;
    ensure!(before > 0.0, "nothing was confirmed before the kill");
    let confirmed = ledger.confirmed.load(Relaxed);
    target.restart()?;
    let address = target.address();
    let (outage, after) = thread::scope(|scope| {
        let publisher = scope.spawn(|| publish(address, &ledger));
        let consumer = scope.spawn(|| consume(address, &ledger));
        while ledger.confirmed.load(Relaxed) == confirmed && !publisher.is_finished() {
            pause(Duration::from_micros(200));
        }
        let outage = killed.elapsed();
        let after = ledger.rate();
        ledger.stop.store(true, Relaxed);
        for thread in [publisher, consumer] {
            thread
                .join()
                .unwrap_or_else(|_| bail!("a connection's thread failed"))?;
        }
        anyhow::Ok((outage, after))
    })?;
    let (confirmed, lost) = ledger.lost();
    ensure!(
        lost == 0,
        "{lost} of {confirmed} confirmed messages are lost"
    );
    let results = &mut session.results;
    results.add(NAME, kind, OUTAGE, "s", outage.as_secs_f64());
    results.add(
        NAME,
        kind,
        "of that the start",
        "s",
        target.ready_after.as_secs_f64(),
    );
    results.add(
        NAME,
        kind,
        "confirms in the second before",
        "msgs/s",
        before,
    );
    results.add(NAME, kind, "confirms in the second after", "msgs/s", after);
    results.add(
        NAME,
        kind,
        "confirmed, all of them found",
        "messages",
        confirmed as f64,
    );
    Ok(())
}

/// Publishes until it is told to stop and all is confirmed.
fn publish(address: SocketAddr, ledger: &Ledger) -> anyhow::Result<()> {
    let mut client = Client::open(address)?;
    client.confirm()?;
    let mut block = Block::new(&Publish {
        exchange: "",
        keys: vec![QUEUE.to_owned()],
        body: BODY,
        persistent: true,
        pace: Pace::Window(WINDOW),
        copies: 1,
        reply_to: None,
    })?;
    let control = Control::new(0, Vec::new());
    let (mut confirms, mut numbers) = (Confirms::default(), Vec::new());
    loop {
        let stopping = ledger.stop.load(Relaxed);
        if stopping && confirms.open() == 0 {
            return client.close();
        }
        if !stopping && confirms.open() <= WINDOW * 3 / 4 {
            // A message that may be under way when the broker is killed keeps its number for itself.
            let first = ledger.next.load(Relaxed);
            let most = WINDOW - confirms.open();
            ledger.next.store(first + most, Relaxed);
            let mut sent = 0;
            while sent < most {
                let count = send(&mut client, &mut block, first + sent, most - sent, &control)?;
                (first + sent..first + sent + count).for_each(|number| confirms.sent(number));
                sent += count;
            }
        }
        client
            .input
            .fill(&mut client.stream)
            .context("cannot read confirms")?;
        while let Some(frame) = client.input.next()? {
            super::client::check_open(&frame)?;
            confirms.handle(&frame, |number| numbers.push(number))?;
        }
        ledger.mark(&numbers, 0);
        ledger.confirmed.fetch_add(numbers.len() as u64, Relaxed);
        numbers.clear();
    }
}

/// Consumes until everything that is confirmed was seen and nothing more comes.
fn consume(address: SocketAddr, ledger: &Ledger) -> anyhow::Result<()> {
    let mut client = Client::open(address)?;
    client.consume(QUEUE, 1_000, false)?;
    client.stream.set_read_timeout(Some(SILENCE))?;
    let mut deliveries = Deliveries::new(BODY);
    (deliveries.marked, deliveries.repeated) = (true, true);
    let (mut acks, mut numbers) = (Vec::new(), Vec::new());
    let patience = Patience::new(PATIENCE);
    loop {
        let stopping = ledger.stop.load(Relaxed);
        match client.input.fill(&mut client.stream) {
            Err(error) if timed_out(&error) && stopping => return client.close(),
            Err(error) if timed_out(&error) => {
                patience.check(|| "the consumer gets nothing".to_owned())?;
                continue;
            }
            result => result.context("cannot read deliveries")?,
        };
        while let Some(frame) = client.input.next()? {
            if let Some(delivered) = deliveries.handle(&frame)? {
                numbers.push(delivered.number);
                consumer::ack(&mut acks, delivered.tag, false);
            }
        }
        ledger.mark(&numbers, 1);
        numbers.clear();
        client
            .stream
            .write_all(&acks)
            .context("cannot acknowledge")?;
        acks.clear();
    }
}
