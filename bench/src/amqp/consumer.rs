//! A consumer: counts deliveries, checks their order, length and number, and acknowledges them in batches of frames.

use std::{io::Write as _, sync::atomic::Ordering::Relaxed, time::Duration};

use anyhow::{Context as _, ensure};

use super::{
    client::{CHANNEL, Client, Patience, check_open, timed_out},
    flow::Control,
    histogram::Histogram,
    publisher::STAMP,
    wire::{BODY, Frame, HEADER, METHOD, id},
};

/// How often a consumer looks whether everything has been published when nothing comes.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a consumer does.
#[derive(Debug, Clone)]
pub(super) struct Consume {
    pub(super) queue: String,
    pub(super) ack: Ack,
    /// Messages that may be delivered but not acknowledged; 0 means any number.
    pub(super) prefetch: u16,
    /// Which publisher it hears.
    pub(super) source: usize,
    /// Which of that publisher's keys lead to this queue; empty means all.
    pub(super) keys: Vec<bool>,
    /// Bytes of a body.
    pub(super) body: usize,
    /// The broker was started again: it may say of messages that they perhaps come again.
    pub(super) restarted: bool,
}

/// How deliveries are acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    /// By the broker itself.
    Auto,
    /// One by one.
    Each,
    /// All that one read has brought.
    Batch,
}

impl Consume {
    /// How many of the first `sent` messages belong into this queue.
    pub(super) fn expected(&self, sent: u64) -> u64 {
        if self.keys.is_empty() {
            return sent;
        }
        let all = self.keys.len() as u64;
        let wanted = |keys: &[bool]| keys.iter().filter(|key| **key).count() as u64;
        let rest = &self.keys[..(sent % all) as usize];
        sent / all * wanted(&self.keys) + wanted(rest)
    }
}

/// Takes deliveries apart and checks them.
#[derive(Debug)]
pub(super) struct Deliveries {
    body: usize,
    tag: u64,
    redelivered: bool,
    /// Bytes of the message's body that are not there yet; with its first piece comes the stamp.
    missing: usize,
    last: Option<u64>,
    pub(super) count: u64,
    /// Messages may be marked as delivered again.
    pub(super) marked: bool,
    /// Messages may come again, and so out of order.
    pub(super) repeated: bool,
}

/// A message that is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delivered {
    pub(super) tag: u64,
    pub(super) number: u64,
    pub(super) time: u64,
}

impl Deliveries {
    pub(super) fn new(body: usize) -> Self {
        Self {
            body,
            tag: 0,
            redelivered: false,
            missing: 0,
            last: None,
            count: 0,
            marked: false,
            repeated: false,
        }
    }

    /// Takes a frame; the message that it completes.
    pub(super) fn handle(&mut self, frame: &Frame<'_>) -> anyhow::Result<Option<Delivered>> {
        let payload = frame.payload;
        match frame.kind {
            METHOD if payload.starts_with(&id::BASIC_DELIVER.to_be_bytes()) => {
                let after = 5 + usize::from(payload[4]);
                let tag = payload
                    .get(after..after + 8)
                    .and_then(|tag| tag.try_into().ok());
                self.tag = u64::from_be_bytes(tag.context("a delivery is too short")?);
                self.redelivered = payload.get(after + 8) == Some(&1);
                Ok(None)
            }
            METHOD => check_open(frame).map(|()| None),
            HEADER => {
                let size = payload.get(4..12).and_then(|size| size.try_into().ok());
                let size = u64::from_be_bytes(size.context("a header is too short")?);
                ensure!(size == self.body as u64, "a body of {size} bytes");
                self.missing = self.body;
                Ok(None)
            }
            BODY => self.body(payload),
            _ => Ok(None),
        }
    }

    fn body(&mut self, payload: &[u8]) -> anyhow::Result<Option<Delivered>> {
        ensure!(
            payload.len() == self.body && self.missing == self.body,
            "a body in pieces: {} of {} bytes",
            payload.len(),
            self.body
        );
        self.missing = 0;
        let (number, rest) = payload[..STAMP].split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes);
        let (number, time) = (word(number)?, word(rest)?);
        ensure!(
            self.marked || !self.redelivered,
            "message {number} was delivered again"
        );
        ensure!(
            self.repeated || self.last.is_none_or(|last| last < number),
            "message {number} came after {:?}",
            self.last
        );
        self.last = Some(number);
        self.count += 1;
        Ok(Some(Delivered {
            tag: self.tag,
            number,
            time,
        }))
    }
}

/// Consumes until everything that was published is there; the times from publishing to here.
pub(super) fn run(
    client: &mut Client,
    consume: &Consume,
    index: usize,
    control: &Control,
) -> anyhow::Result<Histogram> {
    client.stream.set_read_timeout(Some(LOOK_EVERY))?;
    let mut times = Histogram::default();
    let mut deliveries = Deliveries::new(consume.body);
    deliveries.marked = consume.restarted;
    let (mut acks, mut patience) = (Vec::new(), Patience::new(control.patience));
    loop {
        let expected = control
            .published(consume.source)
            .map(|sent| consume.expected(sent));
        if control.failed() || expected == Some(deliveries.count) {
            return Ok(times);
        }
        if let Some(expected) = expected {
            ensure!(
                deliveries.count < expected,
                "{} deliveries of {expected} messages",
                deliveries.count
            );
        }
        match client.input.fill(&mut client.stream) {
            Err(error) if timed_out(&error) => {
                // While messages are being published, those who publish notice that nothing goes on.
                match expected {
                    None => patience.progress(),
                    Some(expected) => patience.check(|| {
                        let missing = expected - deliveries.count;
                        format!("{} messages of {expected} are missing", missing)
                    })?,
                }
                continue;
            }
            result => result.context("cannot read deliveries")?,
        };
        patience.progress();
        let (now, counted) = (control.now(), control.counted());
        let mut last = None;
        while let Some(frame) = client.input.next()? {
            let Some(delivered) = deliveries.handle(&frame)? else {
                continue;
            };
            last = Some(delivered.tag);
            if counted {
                times.record(now.saturating_sub(delivered.time));
            }
            if consume.ack == Ack::Each {
                ack(&mut acks, delivered.tag, false);
            }
        }
        if let (Ack::Batch, Some(tag)) = (consume.ack, last) {
            ack(&mut acks, tag, true);
        }
        if !acks.is_empty() {
            client
                .stream
                .write_all(&acks)
                .context("cannot acknowledge")?;
            acks.clear();
        }
        control.received[index].store(deliveries.count, Relaxed);
    }
}

/// Adds an acknowledgement to what is to be sent.
pub(super) fn ack(out: &mut Vec<u8>, tag: u64, multiple: bool) {
    // 21 bytes, for some benchmarks a million times a second.
    const FRAME: [u8; 21] = {
        let mut frame = [0; 21];
        frame[0] = METHOD;
        frame[2] = CHANNEL as u8;
        frame[6] = 13;
        frame[8] = (id::BASIC_ACK >> 16) as u8;
        frame[10] = id::BASIC_ACK as u8;
        frame[20] = super::wire::FRAME_END;
        frame
    };
    let start = out.len();
    out.extend_from_slice(&FRAME);
    out[start + 11..start + 19].copy_from_slice(&tag.to_be_bytes());
    out[start + 19] = u8::from(multiple);
}

/// Takes so many messages from a queue, which must be all there are, and acknowledges them as `consume` says.
pub(super) fn drain(
    client: &mut Client,
    consume: &Consume,
    control: &Control,
) -> anyhow::Result<f64> {
    let begun = std::time::Instant::now();
    client.consume(&consume.queue, consume.prefetch, consume.ack == Ack::Auto)?;
    run(client, consume, 0, control)?;
    let took = begun.elapsed().as_secs_f64();
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::{Ack, Consume, Deliveries, ack, id};
    use crate::amqp::wire::{BODY, Frame, HEADER, Method};

    #[test]
    fn an_ack_is_the_frame_that_the_protocol_says() {
        let (mut quick, mut slow) = (Vec::new(), Vec::new());
        ack(&mut quick, 0x0102_0304_0506_0708, true);
        Method::new(id::BASIC_ACK)
            .long(0x0102_0304)
            .long(0x0506_0708)
            .octet(1)
            .frame(1, &mut slow);
        assert_eq!(quick, slow);
    }

    #[test]
    fn a_queue_gets_what_its_keys_say() {
        let mut consume = Consume {
            queue: "q".to_owned(),
            ack: Ack::Auto,
            prefetch: 0,
            source: 0,
            keys: Vec::new(),
            body: 100,
            restarted: false,
        };
        assert_eq!(consume.expected(7), 7);
        consume.keys = vec![true, false, true];
        assert_eq!(
            [0, 1, 2, 3, 7].map(|sent| consume.expected(sent)),
            [0, 1, 1, 2, 5]
        );
    }

    fn deliver(deliveries: &mut Deliveries, number: u64, redelivered: u8) -> anyhow::Result<u64> {
        let mut method = id::BASIC_DELIVER.to_be_bytes().to_vec();
        method.extend_from_slice(b"\x01c");
        method.extend_from_slice(&(number + 1).to_be_bytes());
        method.push(redelivered);
        let mut header = vec![0, 60, 0, 0];
        header.extend_from_slice(&20_u64.to_be_bytes());
        let mut body = number.to_be_bytes().to_vec();
        body.resize(20, 0);
        let mut done = None;
        for (kind, payload) in [(1, &method), (HEADER, &header), (BODY, &body)] {
            done = deliveries.handle(&Frame { kind, payload })?;
        }
        Ok(done.unwrap().tag)
    }

    #[test]
    fn deliveries_must_be_in_order_and_new() {
        let mut deliveries = Deliveries::new(20);
        assert_eq!(deliver(&mut deliveries, 0, 0).unwrap(), 1);
        assert_eq!(deliver(&mut deliveries, 2, 0).unwrap(), 3);
        assert!(deliver(&mut deliveries, 1, 0).is_err());
        assert!(deliver(&mut deliveries, 3, 1).is_err());
        assert!(deliver(&mut Deliveries::new(21), 0, 0).is_err());
    }
}
