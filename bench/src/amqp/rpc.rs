//! Requests and answers over direct reply-to, with a number of requests under way.

use std::{
    io::Write as _,
    sync::{Barrier, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use super::{
    Session, aims,
    client::{CHANNEL, Client, Patience, TRANSIENT, timed_out},
    consumer::Deliveries,
    flow::{Control, guarded, observe, wait},
    histogram::Histogram,
    publisher::{Block, Pace, Publish, send},
    scenarios::{quantiles, rates},
    target::Kind,
    wire::{BODY, HEADER, Message},
};

const QUEUE: &str = "bench-rpc";
/// The pseudo-queue whose consumer gets the answers.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
const BODY_BYTES: usize = 100;
/// How often a connection on which nothing comes looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// From request to answer.
const ROUND_TRIPS: [(&str, f64); 3] = [
    (aims::ROUND_TRIP, 0.5),
    ("round trip, p99", 0.99),
    ("round trip, p999", 0.999),
];

pub(super) fn measure(
    session: &mut Session,
    kind: Kind,
    name: &'static str,
    outstanding: u64,
) -> anyhow::Result<()> {
    let timing = session.timing;
    let target = session.target(kind)?;
    let address = target.address();
    let mut watch = Client::open(address)?;
    watch.declare(QUEUE, TRANSIENT)?;
    let mut control = Control::new(1, vec![0]);
    let ready = Barrier::new(3);
    let (times, measured) = thread::scope(|scope| {
        let (control, ready) = (&control, &ready);
        let answers = scope.spawn(move || {
            guarded(control, || answer(Client::open(address), control, ready));
        });
        let asks = scope.spawn(move || {
            guarded(control, || {
                ask(Client::open(address), outstanding, control, ready)
            })
        });
        ready.wait();
        wait(control, timing.warm_up);
        let received = || {
            let count = control.received[0].load(Relaxed);
            (count, count)
        };
        let measured = observe(control, target, timing.measured, received);
        control.stop();
        let times = asks.join();
        // Only now nobody waits for an answer.
        control.paused.store(true, Relaxed);
        match (answers.join(), times) {
            (Ok(()), Ok(times)) => Ok((times, measured)),
            _ => bail!("a connection's thread failed"),
        }
    })?;
    control.verdict()?;
    let measured = measured?;
    watch.delete(QUEUE)?;
    watch.close()?;
    let results = &mut session.results;
    rates(results, name, kind, &measured);
    quantiles(results, name, kind, &ROUND_TRIPS, &times);
    Ok(())
}

fn ask(
    client: anyhow::Result<Client>,
    outstanding: u64,
    control: &Control,
    ready: &Barrier,
) -> anyhow::Result<Histogram> {
    let client = client.and_then(|mut client| {
        client.consume(REPLY_TO, 0, true)?;
        client.stream.set_read_timeout(Some(control.patience / 2))?;
        Ok(client)
    });
    ready.wait();
    let mut client = client?;
    let mut block = Block::new(&Publish {
        exchange: "",
        keys: vec![QUEUE.to_owned()],
        body: BODY_BYTES,
        persistent: false,
        pace: Pace::Window(outstanding),
        copies: 1,
        reply_to: Some(REPLY_TO),
    })?;
    let (mut deliveries, mut times) = (Deliveries::new(BODY_BYTES), Histogram::default());
    let (mut sent, mut patience) = (0, Patience::new(control.patience));
    loop {
        while !control.stopping() && sent - deliveries.count < outstanding {
            let most = outstanding - (sent - deliveries.count);
            sent += send(&mut client, &mut block, sent, most, control)?;
        }
        if sent == deliveries.count || control.failed() {
            break;
        }
        match client.input.fill(&mut client.stream) {
            Err(error) if timed_out(&error) => {}
            result => {
                result.context("cannot read answers")?;
                patience.progress();
            }
        }
        patience.check(|| format!("{} requests without an answer", sent - deliveries.count))?;
        let (now, counted) = (control.now(), control.counted());
        while let Some(frame) = client.input.next()? {
            let Some(delivered) = deliveries.handle(&frame)? else {
                continue;
            };
            let wanted = deliveries.count - 1;
            ensure!(
                delivered.number == wanted,
                "answer {} instead of {wanted}",
                delivered.number
            );
            if counted {
                times.record(now.saturating_sub(delivered.time));
            }
        }
        control.received[0].store(deliveries.count, Relaxed);
    }
    client.close()?;
    Ok(times)
}

/// Sends every body back to where its request says.
fn answer(
    client: anyhow::Result<Client>,
    control: &Control,
    ready: &Barrier,
) -> anyhow::Result<()> {
    let client = client.and_then(|mut client| {
        client.consume(QUEUE, 0, true)?;
        client.stream.set_read_timeout(Some(LOOK_EVERY))?;
        Ok(client)
    });
    ready.wait();
    let mut client = client?;
    let mut answer = Answer::default();
    let mut out = Vec::new();
    while !control.paused.load(Relaxed) && !control.failed() {
        match client.input.fill(&mut client.stream) {
            Err(error) if timed_out(&error) => continue,
            result => result.context("cannot read requests")?,
        };
        while let Some(frame) = client.input.next()? {
            match frame.kind {
                HEADER => answer.address(frame.payload)?,
                BODY => answer.add(frame.payload, &mut out)?,
                _ => super::client::check_open(&frame)?,
            }
        }
        client.stream.write_all(&out).context("cannot answer")?;
        out.clear();
    }
    client.close()
}

/// The answer to the requests of one client: the same frames but for the body.
#[derive(Debug, Default)]
struct Answer {
    reply_to: Vec<u8>,
    frames: Vec<u8>,
    body: usize,
}

impl Answer {
    /// Takes the content header of a request.
    fn address(&mut self, header: &[u8]) -> anyhow::Result<()> {
        // Class, weight and size, then delivery mode and reply-to, as this tool has set them.
        let flags = header.get(12..14).context("a header is too short")?;
        ensure!(flags == [0x12, 0x00], "a request with flags {flags:?}");
        let mut rest = header.get(15..).context("a header is too short")?;
        let reply_to = super::wire::take_text(&mut rest)?;
        if self.reply_to != reply_to {
            self.reply_to = reply_to.to_vec();
            self.frames.clear();
            self.body = Message {
                exchange: "",
                key: std::str::from_utf8(reply_to).context("a reply-to that is no text")?,
                persistent: false,
                reply_to: None,
                body: BODY_BYTES,
            }
            .frames(CHANNEL, &mut self.frames);
        }
        Ok(())
    }

    fn add(&self, body: &[u8], out: &mut Vec<u8>) -> anyhow::Result<()> {
        ensure!(
            body.len() == BODY_BYTES && !self.frames.is_empty(),
            "not a request"
        );
        let start = out.len() + self.body;
        out.extend_from_slice(&self.frames);
        out[start..start + BODY_BYTES].copy_from_slice(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, BODY_BYTES, CHANNEL, HEADER, Message};
    use crate::amqp::wire::Input;

    #[test]
    fn an_answer_goes_where_its_request_says() {
        let mut request = Vec::new();
        Message {
            exchange: "",
            key: "q",
            persistent: false,
            reply_to: Some("amq.rabbitmq.reply-to.xyz"),
            body: BODY_BYTES,
        }
        .frames(CHANNEL, &mut request);
        let mut input = Input::new();
        input.fill(&mut &request[..]).unwrap();
        let (mut answer, mut out) = (Answer::default(), Vec::new());
        while let Some(frame) = input.next().unwrap() {
            if frame.kind == HEADER {
                answer.address(frame.payload).unwrap();
            }
        }
        answer.add(&[7; BODY_BYTES], &mut out).unwrap();
        assert!(out.ends_with(&[7, 7, super::super::wire::FRAME_END]));
        assert!(
            out.windows(25)
                .any(|bytes| bytes == b"amq.rabbitmq.reply-to.xyz")
        );
        assert!(answer.add(&[7; 5], &mut out).is_err());
    }
}
