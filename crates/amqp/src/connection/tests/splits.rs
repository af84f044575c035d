//! The same octets in other pieces are the same events.

use proptest::prelude::*;

use super::*;
use crate::method::{basic, queue};

/// A session with a bit of everything.
fn session() -> Vec<u8> {
    let mut client = Client::new();
    client.handshake("/", "guest", "guest");
    client.open_channel(1);
    client.open_channel(2);
    let arguments = Table::new().with("x-max-length", 10).to_bytes();
    let declare = queue::Declare {
        ticket: 0,
        queue: "queue",
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: crate::TableRef::from_bytes(&arguments),
    };
    client.send(1, &Method::QueueDeclare(declare));
    let properties = Properties {
        delivery_mode: Some(2),
        message_id: Some(b"m"),
        ..Properties::default()
    };
    client.publish(1, "exchange", "key", &properties, b"body");
    client.publish(2, "", "", &Properties::default(), b"");
    client.heartbeat();
    client.send(
        1,
        &Method::BasicAck(basic::Ack {
            delivery_tag: 1,
            multiple: false,
        }),
    );
    for (first, second) in [(false, true), (true, false)] {
        client.send(
            1,
            &Method::BasicNack(basic::Nack {
                delivery_tag: 2,
                multiple: first,
                requeue: second,
            }),
        );
        client.send(
            1,
            &Method::BasicReject(basic::Reject {
                delivery_tag: 3,
                requeue: first,
            }),
        );
    }
    let publish = basic::Publish {
        ticket: 0,
        exchange: "e",
        routing_key: "k",
        mandatory: true,
        immediate: false,
    };
    client.send(2, &Method::BasicPublish(publish));
    let mut header = Vec::new();
    Properties::default().encode(5, &mut header);
    client.send_frame(2, 2, &header);
    client.send_frame(3, 2, b"he");
    client.send_frame(3, 2, b"llo");
    client.close_channel(2);
    client.close();
    client.take_output()
}

fn run(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
    let mut pair = Pair::new(Settings::default());
    let mut kept = Vec::new();
    for piece in pieces {
        kept.extend_from_slice(piece);
        let left = pair.feed(&kept);
        kept.drain(..kept.len() - left);
    }
    assert!(kept.is_empty());
    (pair.events, std::mem::take(pair.connection.output()))
}

#[test]
fn every_split_gives_the_same_events_and_output() {
    let octets = session();
    let whole = run(&[&octets]);
    assert_eq!(whole.0.len(), 15, "{:?}", whole.0);
    for at in 1..octets.len() {
        let (first, second) = octets.split_at(at);
        assert_eq!(run(&[first, second]), whole, "split at {at}");
    }
    let single: Vec<&[u8]> = octets.chunks(1).collect();
    assert_eq!(run(&single), whole);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also after a good handshake, nothing makes the connection panic, and what it answers is well-formed.
    #[test]
    fn anything_may_come(pieces in prop::collection::vec(piece(), 0..12)) {
        let mut pair = Pair::open();
        for piece in &pieces {
            pair.client.send_octets(piece);
        }
        let octets = pair.client.take_output();
        pair.feed(&octets);
        pair.deliver_output();
        let violations = pair.events.iter().filter(|event| event.starts_with("Violation")).count();
        prop_assert!(violations <= 1);
        let closes = pair.client.drain().iter().filter(|r: &&Received| r.id() == MethodId::CONNECTION_CLOSE).count();
        prop_assert_eq!(closes, violations);
    }

    #[test]
    fn anything_may_come_first(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut pair = Pair::new(Settings::default());
        pair.feed(&octets);
    }

    #[test]
    fn damage_does_no_harm(place in 8_usize..600, octet: u8, cut in 0_usize..600) {
        let mut octets = session();
        let len = octets.len();
        octets[place % len] = octet;
        let (first, second) = octets.split_at(cut % len);
        let mut pair = Pair::new(Settings::default());
        let left = pair.feed(first);
        let rest = [&first[first.len() - left..], second].concat();
        pair.feed(&rest);
        pair.deliver_output();
    }
}

/// Frames of all sorts, good ones and others, and octets that are no frames.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        (
            prop::sample::select(vec![10_u8, 20, 30, 40, 50, 60, 85, 90]),
            prop::sample::select(vec![
                10_u8, 11, 20, 21, 30, 40, 41, 50, 60, 70, 80, 90, 100, 110, 120
            ]),
            prop::collection::vec(0_u8..6, 0..30),
        )
            .prop_map(|(class, method, tail)| [vec![0, class, 0, method], tail].concat()),
        Just({
            let mut header = Vec::new();
            Properties::default().encode(3, &mut header);
            header
        }),
    ];
    let frame = (
        prop::sample::select(vec![1_u8, 1, 1, 2, 3, 8, 9]),
        0_u16..3,
        payload,
    )
        .prop_map(|(kind, channel, payload)| {
            let mut client = Client::new();
            client.send_frame(kind, channel, &payload);
            client.take_output()
        });
    let publish = prop::collection::vec(any::<u8>(), 0..10).prop_map(|body| {
        let mut client = Client::new();
        client.publish(1, "x", "k", &Properties::default(), &body);
        client.take_output()
    });
    prop_oneof![6 => frame, 3 => publish, 1 => prop::collection::vec(any::<u8>(), 0..20)]
}
