//! How long it takes to parse messages and acknowledgements, and to encode deliveries. Build it with `--release`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use trefoil_amqp::{ChannelNumber, Connection, Event, Properties, Settings, encode};

const BATCH: usize = 1000;
const ROUNDS: usize = 2000;

fn open_connection() -> Connection {
    let mut connection = Connection::new(&Arc::new(Settings::default()), 0);
    let mut octets = b"AMQP\x00\x00\x09\x01".to_vec();
    let mut frame = |channel: u16, payload: &[u8]| {
        let mut frame = vec![1];
        frame.extend_from_slice(&channel.to_be_bytes());
        frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
        frame.extend_from_slice(payload);
        frame.push(0xCE);
        octets.extend_from_slice(&frame);
    };
    frame(
        0,
        b"\x00\x0a\x00\x0b\x00\x00\x00\x00\x05PLAIN\x00\x00\x00\x04\x00a\x00b\x05en_US",
    );
    frame(0, b"\x00\x0a\x00\x1f\x07\xff\x00\x02\x00\x00\x00\x00");
    frame(0, b"\x00\x0a\x00\x28\x01/\x00\x00");
    frame(1, b"\x00\x14\x00\x0a\x00");
    let mut input = octets.as_slice();
    loop {
        match connection.poll_event(&mut input, 0) {
            Some(Event::Authenticate { .. }) => connection.authenticated(),
            Some(Event::Open { .. }) => connection.open_ok(),
            Some(_) => {}
            None => break,
        }
    }
    assert!(connection.is_channel_open(ChannelNumber(1)));
    connection
}

fn publishes(properties: &Properties<'_>) -> Vec<u8> {
    let publish = trefoil_amqp::method::basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "perf-test-queue",
        mandatory: false,
        immediate: false,
    };
    let body = [7; 100];
    let mut header = Vec::new();
    properties.encode(body.len() as u64, &mut header);
    let mut out = Vec::new();
    for _ in 0..BATCH {
        encode::method(
            &mut out,
            ChannelNumber(1),
            &trefoil_amqp::Method::BasicPublish(publish),
        );
        encode::content(&mut out, ChannelNumber(1), &header, &body, 131_072);
    }
    out
}

fn measure(name: &str, mut work: impl FnMut()) {
    work();
    let start = Instant::now();
    for _ in 0..ROUNDS {
        work();
    }
    let nanoseconds = start.elapsed().as_nanos() as f64 / (ROUNDS * BATCH) as f64;
    println!("{name:<44} {nanoseconds:6.1} ns");
}

fn parse(connection: &mut Connection, octets: &[u8]) {
    let mut input = octets;
    let mut count = 0;
    while let Some(event) = connection.poll_event(&mut input, 1) {
        black_box(&event);
        count += 1;
    }
    assert_eq!(count, BATCH);
}

fn main() {
    let mut connection = open_connection();
    let persistent = Properties {
        delivery_mode: Some(2),
        ..Properties::default()
    };
    let plain = publishes(&Properties::default());
    measure("publish of 100 octets", || parse(&mut connection, &plain));
    let octets = publishes(&persistent);
    measure("the same, persistent", || parse(&mut connection, &octets));
    let headers = trefoil_amqp::Table::new()
        .with("trace", "abcdef")
        .with("attempt", 3)
        .to_bytes();
    let rich = Properties {
        content_type: Some(b"application/json"),
        headers: Some(trefoil_amqp::TableRef::from_bytes(&headers)),
        correlation_id: Some(b"0123456789"),
        ..persistent
    };
    let octets = publishes(&rich);
    measure("the same, with headers", || parse(&mut connection, &octets));

    let mut acks = Vec::new();
    let mut rejects = Vec::new();
    for tag in 0..BATCH as u64 {
        encode::ack(&mut acks, ChannelNumber(1), tag, false);
        encode::method(
            &mut rejects,
            ChannelNumber(1),
            &trefoil_amqp::Method::BasicReject(trefoil_amqp::method::basic::Reject {
                delivery_tag: tag,
                requeue: true,
            }),
        );
    }
    measure("ack", || parse(&mut connection, &acks));
    measure("reject", || parse(&mut connection, &rejects));

    let mut header = Vec::new();
    persistent.encode(100, &mut header);
    let mut out = Vec::new();
    measure("deliver of 100 octets", || {
        out.clear();
        for tag in 0..BATCH as u64 {
            encode::deliver(
                &mut out,
                ChannelNumber(1),
                "amq.ctag-0123456789abcdef",
                tag,
                false,
                "",
                "perf-test-queue",
            );
            encode::content(
                &mut out,
                ChannelNumber(1),
                &header,
                black_box(&[7; 100]),
                131_072,
            );
        }
        black_box(&out);
    });
    let header = trefoil_amqp::ContentHeader::new(&header);
    measure("look-up of the delivery mode", || {
        for _ in 0..BATCH {
            black_box(black_box(header).delivery_mode());
        }
    });
}
