//! A publisher: blocks of messages made once, in which only sequence numbers and times change.

use std::{
    io::Write as _,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use super::{
    client::{CHANNEL, Client, Patience, check_open, timed_out},
    confirms::Confirms,
    flow::Control,
    histogram::Histogram,
    wire::Message,
};
use crate::server::pause;

/// Large enough that a system call costs little for each message, small enough to stay in a core's cache.
const BLOCK_BYTES: usize = 64 << 10;
/// Large messages too are sent several at a time.
const BLOCK_MESSAGES: usize = 16;
/// How long a publisher waits for its consumers when they are too far behind.
const WAIT: Duration = Duration::from_micros(200);
/// A part of the window has to be free before more is sent: a refill of one message would cost both sides a system call each.
const REFILL: u64 = 4;
/// Sequence number and time at the beginning of each body.
pub(super) const STAMP: usize = 16;

/// What a publisher sends.
#[derive(Debug, Clone)]
pub(super) struct Publish {
    pub(super) exchange: &'static str,
    /// Routing keys, all of one length, used in turn.
    pub(super) keys: Vec<String>,
    /// Bytes of a body.
    pub(super) body: usize,
    pub(super) persistent: bool,
    pub(super) pace: Pace,
    /// Queues that get a copy of each message.
    pub(super) copies: u64,
    /// Where answers are expected.
    pub(super) reply_to: Option<&'static str>,
}

/// When a publisher sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// As fast as the connection takes it.
    Free,
    /// As fast as the connection takes it, but at most so many messages before the consumers.
    Ahead(u64),
    /// With confirms; at most so many messages are not confirmed.
    Window(u64),
    /// With confirms; so many a second, whatever comes back.
    Rate(u64),
}

/// Messages of one size, one after the other.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Bytes of a message with its frames.
    size: usize,
    /// Where in a message its body begins.
    body: usize,
    /// Messages in the block.
    count: usize,
}

impl Block {
    pub(super) fn new(publish: &Publish) -> anyhow::Result<Self> {
        ensure!(publish.body >= STAMP, "a body has no room for its stamp");
        let mut block = Self {
            bytes: Vec::new(),
            size: 0,
            body: 0,
            count: 0,
        };
        while block.bytes.len() < BLOCK_BYTES || block.count < BLOCK_MESSAGES {
            for key in &publish.keys {
                let start = block.bytes.len();
                let message = Message {
                    exchange: publish.exchange,
                    key,
                    persistent: publish.persistent,
                    reply_to: publish.reply_to,
                    body: publish.body,
                };
                let body = message.frames(CHANNEL, &mut block.bytes) - start;
                let size = block.bytes.len() - start;
                ensure!(
                    block.count == 0 || (size, body) == (block.size, block.body),
                    "messages of different sizes"
                );
                (block.size, block.body) = (size, body);
                block.count += 1;
            }
        }
        Ok(block)
    }

    /// Up to `most` messages that begin with number `first`, and how many they are.
    pub(super) fn messages(&mut self, first: u64, most: u64, time: u64) -> (&[u8], u64) {
        let place = (first % self.count as u64) as usize;
        let count = (self.count - place).min(usize::try_from(most).unwrap_or(usize::MAX));
        for (index, number) in (place..place + count).zip(first..) {
            let start = index * self.size + self.body;
            let (sequence, rest) = self.bytes[start..start + STAMP].split_at_mut(8);
            sequence.copy_from_slice(&number.to_be_bytes());
            rest.copy_from_slice(&time.to_be_bytes());
        }
        (
            &self.bytes[place * self.size..(place + count) * self.size],
            count as u64,
        )
    }
}

/// Publishes until it is told to stop, then waits for what is not confirmed; the times of confirms.
pub(super) fn run(
    client: &mut Client,
    publish: &Publish,
    index: usize,
    control: &Control,
) -> anyhow::Result<Histogram> {
    let mut block = Block::new(publish)?;
    client.stream.set_read_timeout(Some(control.patience / 2))?;
    match publish.pace {
        Pace::Free => free(client, &mut block, index, control, || true)?,
        Pace::Ahead(most) => {
            let near = || {
                let consumed = control.received_from(index) / publish.copies;
                control.sent[index].load(Relaxed) < consumed + most
            };
            free(client, &mut block, index, control, near)?;
        }
        Pace::Window(window) => return windowed(client, &mut block, window, index, control),
        Pace::Rate(rate) => return super::paced::run(client, &mut block, rate, index, control),
    }
    Ok(Histogram::default())
}

fn free(
    client: &mut Client,
    block: &mut Block,
    index: usize,
    control: &Control,
    may_send: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let mut sent = 0;
    while !control.stopping() {
        if !may_send() {
            pause(WAIT);
            continue;
        }
        sent += send(client, block, sent, u64::MAX, control)?;
        control.sent[index].store(sent, Relaxed);
    }
    Ok(())
}

/// Sends one piece of a block; how many messages that were.
pub(super) fn send(
    client: &mut Client,
    block: &mut Block,
    first: u64,
    most: u64,
    control: &Control,
) -> anyhow::Result<u64> {
    let (bytes, count) = block.messages(first, most, control.now());
    let Err(error) = client.stream.write_all(bytes) else {
        return Ok(count);
    };
    // What the broker said before it closed explains more than the socket's error.
    while client.input.fill(&mut client.stream).is_ok() {
        while let Some(frame) = client.input.next()? {
            check_open(&frame)?;
        }
    }
    Err(error).context("cannot publish")
}

fn windowed(
    client: &mut Client,
    block: &mut Block,
    window: u64,
    index: usize,
    control: &Control,
) -> anyhow::Result<Histogram> {
    let mut times = Histogram::default();
    let mut confirms = Confirms::default();
    let refill = (window / REFILL).max(1);
    let (mut sent, mut patience) = (0, Patience::new(control.patience));
    loop {
        let stopping = control.stopping();
        if stopping && (confirms.open() == 0 || control.failed()) {
            return Ok(times);
        }
        while !stopping && window - confirms.open() >= refill {
            let count = send(client, block, sent, window - confirms.open(), control)?;
            let now = control.now();
            (0..count).for_each(|_| confirms.sent(now));
            sent += count;
            control.sent[index].store(sent, Relaxed);
            if window - confirms.open() < refill {
                break;
            }
        }
        receive(client, &mut confirms, &mut times, control)
            .and_then(|progress| {
                if progress {
                    patience.progress();
                }
                patience.check(|| format!("{} messages not confirmed", confirms.open()))
            })
            .with_context(|| format!("publisher {index} after {sent} messages"))?;
        control.confirmed[index].store(confirms.done(), Relaxed);
    }
}

/// Reads once and takes the confirms that came; whether any did.
fn receive(
    client: &mut Client,
    confirms: &mut Confirms,
    times: &mut Histogram,
    control: &Control,
) -> anyhow::Result<bool> {
    let read = read(client)?;
    take(client, confirms, times, control)?;
    Ok(read)
}

/// Reads once; `false` when nothing came in time.
pub(super) fn read(client: &mut Client) -> anyhow::Result<bool> {
    match client.input.fill(&mut client.stream) {
        Err(error) if timed_out(&error) => Ok(false),
        result => result.map(|_| true).context("cannot read confirms"),
    }
}

/// Takes the confirms that were read.
pub(super) fn take(
    client: &mut Client,
    confirms: &mut Confirms,
    times: &mut Histogram,
    control: &Control,
) -> anyhow::Result<()> {
    let (now, counted) = (control.now(), control.counted());
    while let Some(frame) = client.input.next()? {
        check_open(&frame)?;
        confirms.handle(&frame, |sent| {
            if counted {
                times.record(now.saturating_sub(sent));
            }
        })?;
    }
    Ok(())
}

/// Publishes exactly so many messages with confirms, as many at a time as the connection takes; the seconds until the last is confirmed.
pub(super) fn batch(
    client: &mut Client,
    publish: &Publish,
    count: u64,
    control: &Control,
) -> anyhow::Result<f64> {
    let Pace::Window(window) = publish.pace else {
        bail!("a batch is published with confirms");
    };
    let mut block = Block::new(publish)?;
    let (mut confirms, mut times) = (Confirms::default(), Histogram::default());
    let mut patience = Patience::new(control.patience);
    let begun = Instant::now();
    let mut sent = 0;
    while confirms.done() < count {
        let room = (window - confirms.open()).min(count - sent);
        if room >= window / REFILL || room > 0 && room == count - sent {
            let more = send(client, &mut block, sent, room, control)?;
            (0..more).for_each(|_| confirms.sent(1));
            sent += more;
            continue;
        }
        if receive(client, &mut confirms, &mut times, control)? {
            patience.progress();
        }
        patience.check(|| format!("{} messages not confirmed", confirms.open()))?;
    }
    Ok(begun.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Block, Pace, Publish};

    #[test]
    fn a_block_goes_round() {
        let publish = Publish {
            exchange: "topic",
            keys: vec!["a.1".to_owned(), "b.2".to_owned(), "c.3".to_owned()],
            body: 16,
            persistent: false,
            pace: Pace::Free,
            copies: 1,
            reply_to: None,
        };
        let mut block = Block::new(&publish).unwrap();
        let (count, size, body) = (block.count as u64, block.size, block.body);
        assert_eq!(count % 3, 0);
        let (bytes, taken) = block.messages(count + 1, 2, 7);
        assert_eq!((taken, bytes.len()), (2, 2 * size));
        assert_eq!(bytes[size + body..][..8], (count + 2).to_be_bytes());
        assert_eq!(bytes[size + body + 8..][..8], 7_u64.to_be_bytes());
        // The rest of the block, then its beginning.
        assert_eq!(block.messages(count - 1, 9, 0).1, 1);
    }
}
