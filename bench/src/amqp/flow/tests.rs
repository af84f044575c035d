//! Flows through a broker that is as small as can be and makes the mistakes it is told to.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{Flow, Measured, Timing};
use crate::amqp::{
    consumer::Ack,
    publisher::Pace,
    target::Target,
    wire::{BODY, FRAME_MAX, HEADER, Input, METHOD, Method, id, push_frame, take, take_text},
};

/// The message with which it goes wrong.
const WRONG: u64 = 100;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    Lost,
    Twice,
    Late,
    Longer,
    NotConfirmed,
    ConfirmedTwice,
}

#[derive(Debug, Default)]
struct Queue {
    consumer: Option<TcpStream>,
    delivered: u64,
    published: u64,
    held: Vec<u8>,
}

type Queues = Arc<Mutex<HashMap<String, Queue>>>;

fn broker(fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let queues = Queues::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, queues) = (stream.unwrap(), queues.clone());
            // A client that found a mistake goes without a word.
            thread::spawn(move || serve(stream, &queues, fault).unwrap_or_default());
        }
    });
    address
}

fn serve(mut stream: TcpStream, queues: &Queues, fault: Fault) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    stream.read_exact(&mut [0; 8])?;
    let mut out = Vec::new();
    Method::new(id::CONNECTION_START)
        .short(9)
        .table(&[])
        .long_text(b"PLAIN")
        .long_text(b"en_US")
        .frame(0, &mut out);
    let mut input = Input::new();
    let (mut key, mut message, mut tag, mut before) = (String::new(), Vec::new(), 0_u64, 0);
    loop {
        stream.write_all(&out)?;
        out.clear();
        input.fill(&mut stream)?;
        while let Some(frame) = input.next()? {
            match frame.kind {
                METHOD => {}
                HEADER => {
                    message.clear();
                    push_frame(&mut message, HEADER, 1, frame.payload);
                    continue;
                }
                BODY => {
                    tag += 1;
                    let mut queues = queues.lock().unwrap();
                    let queue = queues.get_mut(&key).unwrap();
                    deliver(queue, &message, frame.payload, fault)?;
                    continue;
                }
                _ => continue,
            }
            let (method, mut rest) = frame.method().unwrap();
            match method {
                id::CONNECTION_START_OK => Method::new(id::CONNECTION_TUNE)
                    .short(1)
                    .long(FRAME_MAX)
                    .short(0)
                    .frame(0, &mut out),
                id::CONNECTION_OPEN => Method::new(id::CONNECTION_OPEN_OK)
                    .text("")
                    .frame(0, &mut out),
                id::CHANNEL_OPEN => Method::new(id::CHANNEL_OPEN_OK).long(0).frame(1, &mut out),
                id::CONFIRM_SELECT => Method::new(id::CONFIRM_SELECT_OK).frame(1, &mut out),
                id::QUEUE_DECLARE => {
                    take::<2>(&mut rest)?;
                    let name = text(&mut rest)?;
                    queues.lock().unwrap().entry(name.clone()).or_default();
                    Method::new(id::QUEUE_DECLARE_OK)
                        .text(&name)
                        .long(0)
                        .long(0)
                        .frame(1, &mut out);
                }
                id::BASIC_CONSUME => {
                    take::<2>(&mut rest)?;
                    let name = text(&mut rest)?;
                    let mut queues = queues.lock().unwrap();
                    queues.get_mut(&name).unwrap().consumer = Some(stream.try_clone()?);
                    Method::new(id::BASIC_CONSUME_OK)
                        .text("c")
                        .frame(1, &mut out);
                }
                id::BASIC_PUBLISH => {
                    take::<2>(&mut rest)?;
                    take_text(&mut rest)?;
                    key = text(&mut rest)?;
                }
                id::CONNECTION_CLOSE => {
                    Method::new(id::CONNECTION_CLOSE_OK).frame(0, &mut out);
                    stream.write_all(&out)?;
                    return Ok(());
                }
                _ => {}
            }
        }
        // As some brokers do, and others do not: one confirm for all that one read has brought.
        let reached = before < WRONG && tag >= WRONG;
        let last = match fault {
            Fault::NotConfirmed => tag.min(WRONG),
            _ => tag,
        };
        if last > before {
            Method::new(id::BASIC_ACK)
                .long(0)
                .long(u32::try_from(last)?)
                .octet(1)
                .frame(1, &mut out);
            if reached && fault == Fault::ConfirmedTwice {
                out.extend_from_within(out.len() - 21..);
            }
            before = last;
        }
    }
}

fn deliver(queue: &mut Queue, header: &[u8], body: &[u8], fault: Fault) -> anyhow::Result<()> {
    queue.published += 1;
    let wrong = queue.published == WRONG;
    let Some(consumer) = &mut queue.consumer else {
        return Ok(());
    };
    if fault == Fault::Lost && wrong {
        return Ok(());
    }
    queue.delivered += 1;
    let mut out = Vec::new();
    Method::new(id::BASIC_DELIVER)
        .text("c")
        .long(0)
        .long(u32::try_from(queue.delivered)?)
        .octet(0)
        .text("")
        .text("q")
        .frame(1, &mut out);
    out.extend_from_slice(header);
    let longer = [body, b"!"].concat();
    let body = if fault == Fault::Longer && wrong {
        &longer
    } else {
        body
    };
    push_frame(&mut out, BODY, 1, body);
    match fault {
        Fault::Twice if wrong => out.extend_from_within(..),
        Fault::Late if wrong => std::mem::swap(&mut queue.held, &mut out),
        Fault::Late => out.append(&mut queue.held),
        _ => {}
    }
    consumer.write_all(&out)?;
    Ok(())
}

fn text(rest: &mut &[u8]) -> anyhow::Result<String> {
    Ok(String::from_utf8(take_text(rest)?.to_vec())?)
}

fn run(fault: Fault, pace: Pace, ack: Ack) -> anyhow::Result<Measured> {
    let target = Target::foreign(broker(fault), std::process::id());
    let mut control = crate::amqp::client::Client::open(target.address())?;
    control.declare("q", crate::amqp::client::DURABLE)?;
    let timing = Timing {
        warm_up: Duration::from_millis(20),
        measured: Duration::from_millis(50),
        patience: Duration::from_millis(300),
    };
    let measured = Flow::simple("q", 100, true, pace, ack).run(&target, timing)?;
    control.close()?;
    Ok(measured)
}

#[test]
fn every_pace_flows() {
    for (pace, ack) in [
        (Pace::Free, Ack::Auto),
        (Pace::Ahead(1_000), Ack::Each),
        (Pace::Window(500), Ack::Each),
        (Pace::Window(1), Ack::Batch),
        (Pace::Rate(20_000), Ack::Each),
    ] {
        let measured = run(Fault::Nothing, pace, ack).unwrap();
        assert!(measured.published > 0 && measured.delivered > 0, "{pace:?}");
        let confirmed = matches!(pace, Pace::Window(_) | Pace::Rate(_));
        assert_eq!(measured.confirm.count() > 0, confirmed, "{pace:?}");
        assert!(measured.end_to_end.count() > 0, "{pace:?}");
    }
}

#[test]
fn every_mistake_is_found() {
    for (fault, says) in [
        (Fault::Lost, ": 1 messages of"),
        (Fault::Twice, "came after Some(99)"),
        (Fault::Late, "message 99 came after Some(100)"),
        (Fault::Longer, "a body in pieces"),
        (Fault::NotConfirmed, "not confirmed"),
        (Fault::ConfirmedTwice, "confirmed or was never sent"),
    ] {
        let error = run(fault, Pace::Window(500), Ack::Each).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains(says), "{fault:?}: {text}");
    }
}
