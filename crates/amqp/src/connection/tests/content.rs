use std::borrow::Cow;

use super::*;
use crate::Publish;
use crate::method::basic;

/// The publishes a connection makes of octets that come in one piece.
fn publishes(pair: &mut Pair, octets: &[u8], mut see: impl FnMut(&Publish<'_>)) {
    let mut input = octets;
    while let Some(event) = pair.connection.poll_event(&mut input, pair.now) {
        let Event::Publish(publish) = event else {
            panic!("{event:?}")
        };
        see(&publish);
    }
    assert!(input.is_empty());
}

#[test]
fn whole_message_is_borrowed() {
    let mut pair = Pair::open();
    let publish = basic::Publish {
        ticket: 0,
        exchange: "x",
        routing_key: "kéy",
        mandatory: true,
        immediate: true,
    };
    let properties = Properties {
        delivery_mode: Some(2),
        ..Properties::default()
    };
    pair.client
        .send_with_content(1, &Method::BasicPublish(publish), &properties, b"body");
    pair.client.publish(1, "", "", &Properties::default(), b"");
    let octets = pair.client.take_output();
    let mut seen = Vec::new();
    publishes(&mut pair, &octets, |publish| {
        let is_borrowed = matches!(
            publish,
            Publish {
                exchange: Cow::Borrowed(_),
                routing_key: Cow::Borrowed(_),
                header: Cow::Borrowed(_),
                body: Cow::Borrowed(_),
                ..
            }
        );
        assert!(is_borrowed, "{publish:?}");
        assert_eq!(publish.channel, ChannelNumber(1));
        seen.push((
            publish.exchange.to_string(),
            publish.routing_key.to_string(),
            publish.mandatory,
            publish.immediate,
            publish.body.to_vec(),
            crate::ContentHeader::new(&publish.header).is_persistent(),
        ));
    });
    assert_eq!(
        seen,
        [
            (
                "x".to_owned(),
                "kéy".to_owned(),
                true,
                true,
                b"body".to_vec(),
                true
            ),
            (
                String::new(),
                String::new(),
                false,
                false,
                Vec::new(),
                false
            ),
        ]
    );
}

#[test]
fn long_body_comes_in_many_frames() {
    let tune = Tune {
        channel_max: 10,
        frame_max: 4096,
        heartbeat_s: 0,
    };
    let mut pair = Pair::open_with(
        Settings::default(),
        &Handshake {
            tune,
            ..Handshake::plain("/", "u", "p")
        },
    );
    for len in [4087, 4088, 4089, 8176, 8177, 100_000] {
        let body: Vec<u8> = (0..len).map(|place| place as u8).collect();
        pair.client
            .publish(1, "x", "k", &Properties::default(), &body);
        let octets = pair.client.take_output();
        let mut count = 0;
        publishes(&mut pair, &octets, |publish| {
            assert_eq!(publish.body, body);
            count += 1;
        });
        assert_eq!(count, 1);
    }
}

#[test]
fn body_frames_may_be_empty_and_channels_take_turns() {
    let mut pair = Pair::open();
    pair.client.open_channel(2);
    pair.exchange();
    pair.events.clear();
    let publish = |key| {
        Method::BasicPublish(basic::Publish {
            ticket: 0,
            exchange: "",
            routing_key: key,
            mandatory: false,
            immediate: false,
        })
    };
    let mut header = Vec::new();
    Properties::default().encode(4, &mut header);
    pair.client.send(1, &publish("one"));
    pair.client.send(2, &publish("two"));
    pair.client.send_frame(2, 2, &header);
    pair.client.send_frame(2, 1, &header);
    pair.client.send_frame(3, 1, b"");
    pair.client.send_frame(3, 1, b"ab");
    pair.client.send_frame(3, 2, b"wxyz");
    pair.client.send_frame(3, 1, b"");
    pair.client.send_frame(3, 1, b"cd");
    let octets = pair.client.take_output();
    let mut seen = Vec::new();
    publishes(&mut pair, &octets, |publish| {
        seen.push((
            publish.channel.0,
            publish.routing_key.to_string(),
            publish.body.to_vec(),
        ));
    });
    assert_eq!(
        seen,
        [
            (2, "two".to_owned(), b"wxyz".to_vec()),
            (1, "one".to_owned(), b"abcd".to_vec())
        ]
    );
}

#[test]
fn message_that_is_too_large_closes_its_channel() {
    let settings = Settings {
        message_size_max: 10,
        ..Settings::default()
    };
    let mut pair = Pair::open_with(settings, &Handshake::plain("/", "u", "p"));
    pair.client
        .publish(1, "", "q", &Properties::default(), &[1; 10]);
    pair.exchange();
    assert!(pair.events[0].starts_with("Publish"));
    pair.client
        .publish(1, "", "q", &Properties::default(), &[1; 11]);
    pair.client
        .publish(1, "", "q", &Properties::default(), b"lost");
    pair.exchange();
    let text = "PRECONDITION_FAILED - message size 11 is larger than configured max size 10";
    pair.assert_closed(MethodId::CHANNEL_CLOSE, 406, text, MethodId::BASIC_PUBLISH);
    assert_eq!(pair.events.len(), 2);
    assert!(
        pair.events[1].starts_with("ChannelViolation"),
        "{:?}",
        pair.events
    );
    assert!(pair.connection.is_open());
    pair.client
        .send(1, &Method::ChannelCloseOk(method::channel::CloseOk {}));
    pair.client.open_channel(1);
    pair.exchange();
    assert_eq!(
        pair.events[2..],
        [
            "ChannelClosed(ChannelNumber(1))",
            "ChannelOpened(ChannelNumber(1))"
        ]
    );
}

#[test]
fn memory_is_not_taken_on_trust() {
    let mut pair = Pair::open();
    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "q",
        mandatory: false,
        immediate: false,
    };
    pair.client.send(1, &Method::BasicPublish(publish));
    let mut header = Vec::new();
    Properties::default().encode(16 << 20, &mut header);
    pair.client.send_frame(2, 1, &header);
    pair.client.send_frame(3, 1, b"little");
    pair.exchange();
    let Some(channels::Slot::Content(pending)) = pair.connection.channels.slot(1) else {
        panic!("no content")
    };
    assert!(pending.body_capacity() < 1024);
}
