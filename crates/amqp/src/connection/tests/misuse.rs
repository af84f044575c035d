//! The client breaks the rules: reply code, text, and method of what it hears.

use super::*;
use crate::Tune;
use crate::method::{access, basic, channel, queue, tx};

/// What closes the connection.
#[track_caller]
fn check(code: u16, text: &str, method: MethodId, act: impl FnOnce(&mut Client)) {
    let mut pair = Pair::open();
    act(&mut pair.client);
    let octets = pair.client.take_output();
    pair.feed(&octets);
    pair.deliver_output();
    pair.assert_closed(MethodId::CONNECTION_CLOSE, code, text, method);
    assert!(
        matches!(pair.events.as_slice(), [event] if event.starts_with("Violation")),
        "{:?}",
        pair.events
    );
    assert!(
        !pair.connection.is_closed(),
        "the client has to read the close first"
    );
    assert_eq!(pair.connection.channel_count(), 0);
    // Whatever follows is nobody's business.
    pair.client.open_channel(7);
    pair.client.send_frame(3, 1, b"rest");
    let octets = pair.client.take_output();
    assert_eq!(pair.feed(&octets), 0);
    assert_eq!(pair.events.len(), 1);
    pair.deliver_output();
    assert_eq!(pair.client.next(), None);
}

fn publish(client: &mut Client) {
    let publish = basic::Publish {
        ticket: 0,
        exchange: "x",
        routing_key: "k",
        mandatory: false,
        immediate: false,
    };
    client.send(1, &Method::BasicPublish(publish));
}

fn header(class: u16, weight: u16, size: u64) -> Vec<u8> {
    let mut header = Vec::new();
    Properties::default().encode(size, &mut header);
    header[..2].copy_from_slice(&class.to_be_bytes());
    header[2..4].copy_from_slice(&weight.to_be_bytes());
    header
}

#[test]
fn frames_that_are_none() {
    check(
        501,
        "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,131073,131064}",
        MethodId::NONE,
        |client| client.send_octets(&[1, 0, 1, 0, 2, 0, 1]),
    );
    check(
        501,
        "FRAME_ERROR - type 3, all octets = <<\"ab\">>: {invalid_frame_end_marker,7}",
        MethodId::NONE,
        |client| client.send_octets(&[3, 0, 1, 0, 0, 0, 2, b'a', b'b', 7]),
    );
    check(
        501,
        "FRAME_ERROR - type 9, first 16 octets = <<1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1>>: unknown_frame",
        MethodId::NONE,
        |client| client.send_frame(9, 1, &[1; 17]),
    );
    check(
        501,
        "FRAME_ERROR - type 9, all octets = <<>>: unknown_frame",
        MethodId::NONE,
        |client| {
            client.send_frame(9, 0, b"");
        },
    );
    check(
        501,
        "FRAME_ERROR - type 8, all octets = <<1>>: unknown_frame",
        MethodId::NONE,
        |client| {
            client.send_frame(8, 0, &[1]);
        },
    );
    check(
        501,
        "FRAME_ERROR - type 1, all octets = <<0,60,0>>: unknown_frame",
        MethodId::NONE,
        |client| {
            client.send_frame(1, 1, &[0, 60, 0]);
        },
    );
}

#[test]
fn frames_may_be_a_little_too_large() {
    let mut pair = Pair::open_with(
        Settings::default(),
        &Handshake {
            tune: Tune {
                channel_max: 10,
                frame_max: 4096,
                heartbeat_s: 0,
            },
            ..Handshake::plain("/", "u", "p")
        },
    );
    publish(&mut pair.client);
    pair.client.send_frame(2, 1, &header(60, 0, 4096 + 4097));
    pair.client.send_frame(3, 1, &[1; 4096]);
    pair.exchange();
    pair.client.send_frame(3, 1, &[1; 4097]);
    let octets = pair.client.take_output();
    pair.feed(&octets);
    pair.deliver_output();
    let text = "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4097,4088}";
    pair.assert_closed(MethodId::CONNECTION_CLOSE, 501, text, MethodId::NONE);
}

#[test]
fn frames_out_of_place() {
    check(
        505,
        "UNEXPECTED_FRAME - type 8, all octets = <<>>",
        MethodId::NONE,
        |client| {
            client.send_frame(8, 1, b"");
        },
    );
    check(
        505,
        "UNEXPECTED_FRAME - type 3, all octets = <<\"body\">>",
        MethodId::NONE,
        |client| {
            client.send_frame(3, 0, b"body");
        },
    );
    check(
        505,
        r#"UNEXPECTED_FRAME - type 3, all octets = <<"bo\"dy\n">>"#,
        MethodId::NONE,
        |client| client.send_frame(3, 0, b"bo\"dy\n"),
    );
    let text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    check(505, text, MethodId::NONE, |client| {
        client.send_frame(3, 1, b"body")
    });
    check(505, text, MethodId::NONE, |client| {
        client.send_frame(2, 1, &header(60, 0, 0))
    });
    check(505, text, MethodId::NONE, |client| {
        client.send_frame(3, 2, b"body")
    });
}

#[test]
fn content_out_of_order() {
    let text = "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead";
    check(505, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        client.send_frame(3, 1, b"body");
    });
    check(505, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        publish(client);
    });
    check(505, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        client.send_frame(2, 1, &header(60, 1, 0));
    });
    let text =
        "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead";
    check(505, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        client.send_frame(2, 1, &header(50, 0, 0));
    });
    let text = "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    check(505, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        client.send_frame(2, 1, &header(60, 0, 4));
        publish(client);
    });
    let text = "FRAME_ERROR - content body frame exceeds remaining content size";
    check(501, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        client.send_frame(2, 1, &header(60, 0, 4));
        client.send_frame(3, 1, b"12345");
    });
    check(501, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        client.send_frame(2, 1, &header(60, 0, 4));
        client.send_frame(3, 1, b"12");
        client.send_frame(3, 1, b"345");
    });
    let text =
        "FRAME_ERROR - content body size 1099511627776 exceeds maximum allowed size 536870912";
    check(501, text, MethodId::BASIC_PUBLISH, |client| {
        publish(client);
        client.send_frame(2, 1, &header(60, 0, 1 << 40));
    });
}

#[test]
fn malformed_content_headers() {
    let malformed = |text: &str, tail: &[u8], flags: u16| {
        let text = format!("FRAME_ERROR - cannot decode content header: {text}");
        check(501, &text, MethodId::BASIC_PUBLISH, |client| {
            publish(client);
            let mut header = header(60, 0, 0);
            header[12..].copy_from_slice(&flags.to_be_bytes());
            header.extend_from_slice(tail);
            client.send_frame(2, 1, &header);
        });
    };
    malformed(
        "content header announces properties that do not exist",
        b"",
        1,
    );
    malformed("field at offset 14 runs over the end", b"\x05text", 0x8000);
    malformed(
        "octets from offset 15 on belong to no field",
        b"\x02x",
        0x1000,
    );
    malformed(
        "value at offset 20 has the unknown type tag 122",
        b"\0\0\0\x03\x01kz",
        0x2000,
    );
}

#[test]
fn methods_that_cannot_be_read() {
    let text = "FRAME_ERROR - cannot decode <<0,0,5,113>>";
    check(501, text, MethodId::QUEUE_DECLARE, |client| {
        client.send_frame(1, 1, &[0, 50, 0, 10, 0, 0, 5, b'q']);
    });
    check(
        501,
        "FRAME_ERROR - cannot decode <<1>>",
        MethodId::TX_SELECT,
        |client| {
            client.send_frame(1, 1, &[0, 90, 0, 10, 1]);
        },
    );
    let text = "FRAME_ERROR - cannot decode: no method has the class 60 and the number 41";
    check(501, text, MethodId::NONE, |client| {
        client.send_frame(1, 1, &[0, 60, 0, 41])
    });
    check(501, text, MethodId::NONE, |client| {
        client.send_frame(1, 0, &[0, 60, 0, 41])
    });
    let text = "FRAME_ERROR - Malformed UTF-8 in shortstr";
    check(501, text, MethodId::QUEUE_PURGE, |client| {
        client.send_frame(1, 1, &[0, 50, 0, 30, 0, 0, 1, 0xFF, 0]);
    });
    check(501, text, MethodId::BASIC_PUBLISH, |client| {
        client.send_frame(1, 1, &[0, 60, 0, 40, 0, 0, 1, 0xC3, 0, 0]);
        client.send_frame(2, 1, &header(60, 0, 0));
    });
    let text = "FRAME_ERROR - cannot decode: value at offset 15 has the unknown type tag 63";
    check(501, text, MethodId::QUEUE_DECLARE, |client| {
        client.send_frame(
            1,
            1,
            &[0, 50, 0, 10, 0, 0, 0, 0, 0, 0, 0, 4, 2, b'a', b'b', b'?'],
        );
    });
}

#[test]
fn methods_out_of_place() {
    check(
        504,
        "CHANNEL_ERROR - second 'channel.open' seen",
        MethodId::CHANNEL_OPEN,
        |client| {
            client.open_channel(1);
        },
    );
    check(
        504,
        "CHANNEL_ERROR - expected 'channel.open'",
        MethodId::TX_SELECT,
        |client| {
            client.send(2, &Method::TxSelect(tx::Select {}));
        },
    );
    check(
        504,
        "CHANNEL_ERROR - expected 'channel.open'",
        MethodId::BASIC_PUBLISH,
        |client| {
            client.publish(2, "", "q", &Properties::default(), b"body");
        },
    );
    let text = "CHANNEL_ERROR - unexpected method in connection state running";
    check(504, text, MethodId::CHANNEL_OPEN, |client| {
        client.open_channel(0)
    });
    check(504, text, MethodId::CONNECTION_OPEN, |client| {
        client.open("/")
    });
    check(504, text, MethodId::CONNECTION_CLOSE_OK, |client| {
        client.send(
            0,
            &Method::ConnectionCloseOk(method::connection::CloseOk {}),
        );
    });
    check(
        540,
        "NOT_IMPLEMENTED - active=false",
        MethodId::CHANNEL_FLOW,
        |client| {
            client.send(1, &Method::ChannelFlow(channel::Flow { active: false }));
        },
    );
    let text = "COMMAND_INVALID - unimplemented method";
    check(503, text, MethodId::BASIC_QOS_OK, |client| {
        client.send(1, &Method::BasicQosOk(basic::QosOk {}))
    });
    check(503, text, MethodId::CHANNEL_CLOSE_OK, |client| {
        client.send(1, &Method::ChannelCloseOk(channel::CloseOk {}));
    });
    check(503, text, MethodId::CONNECTION_CLOSE, |client| {
        let close = method::connection::Close {
            reply_code: 200,
            reply_text: "",
            class_id: 0,
            method_id: 0,
        };
        client.send(1, &Method::ConnectionClose(close));
    });
    check(503, text, MethodId::BASIC_DELIVER, |client| {
        let deliver = basic::Deliver {
            consumer_tag: "c",
            delivery_tag: 1,
            redelivered: false,
            exchange: "",
            routing_key: "",
        };
        client.send_with_content(
            1,
            &Method::BasicDeliver(deliver),
            &Properties::default(),
            b"body",
        );
    });
}

#[test]
fn too_many_channels() {
    let limited = || {
        let tune = Tune {
            channel_max: 2,
            frame_max: 131_072,
            heartbeat_s: 0,
        };
        Pair::open_with(
            Settings::default(),
            &Handshake {
                tune,
                ..Handshake::plain("/", "u", "p")
            },
        )
    };
    let text =
        "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)";
    let mut pair = limited();
    // It is how many are open that counts, not their numbers.
    pair.client.open_channel(65_535);
    pair.exchange();
    assert_eq!(pair.heard(), ["channel.open-ok@65535"]);
    pair.client.open_channel(3);
    pair.exchange();
    pair.assert_closed(MethodId::CONNECTION_CLOSE, 530, text, MethodId::NONE);
}

#[test]
fn before_the_connection_is_open_mistakes_end_in_silence() {
    let mistakes: [fn(&mut Client); 4] = [
        |client| client.open("/"),
        |client| client.open_channel(1),
        |client| client.send_frame(1, 0, &[0, 10, 0, 11, 1]),
        // Too large for a frame before limits are agreed on.
        |client| client.send_octets(&[1, 0, 0, 0, 0, 0x20, 1]),
    ];
    for act in mistakes {
        let mut pair = Pair::new(Settings::default());
        pair.client.send_octets(crate::testing::PROTOCOL_HEADER);
        act(&mut pair.client);
        pair.exchange();
        assert_eq!(pair.heard(), ["connection.start@0"]);
        assert!(
            matches!(pair.events.as_slice(), [event] if event.starts_with("Violation")),
            "{:?}",
            pair.events
        );
        assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 3000));
    }
}

#[test]
fn old_clients_get_a_ticket_and_flow_is_on() {
    let mut pair = Pair::open();
    let request = access::Request {
        realm: "/data",
        exclusive: false,
        passive: true,
        active: true,
        write: true,
        read: true,
    };
    pair.client.send(1, &Method::AccessRequest(request));
    pair.client
        .send(1, &Method::ChannelFlow(channel::Flow { active: true }));
    pair.exchange();
    let granted = pair.client.expect(MethodId::ACCESS_REQUEST_OK);
    assert_eq!(
        granted.method(),
        Method::AccessRequestOk(access::RequestOk { ticket: 1 })
    );
    let flow = pair.client.expect(MethodId::CHANNEL_FLOW_OK);
    assert_eq!(
        flow.method(),
        Method::ChannelFlowOk(channel::FlowOk { active: true })
    );
    assert!(pair.events.is_empty());
}

#[test]
fn long_texts_are_cut() {
    let mut pair = Pair::open();
    let reason = CloseReason::new(
        ReplyCode::NotFound,
        format!("no queue '{}'", "ü".repeat(200)),
        MethodId::QUEUE_BIND,
    );
    pair.connection.close_channel(ChannelNumber(1), &reason);
    pair.deliver_output();
    let closed = pair
        .client
        .expect(MethodId::CHANNEL_CLOSE)
        .closed()
        .unwrap();
    assert!(
        closed.text.len() <= 255 && closed.text.ends_with("ü..."),
        "{}",
        closed.text
    );
}

#[test]
fn requests_reach_the_broker() {
    let mut pair = Pair::open();
    let purge = queue::Purge {
        ticket: 0,
        queue: "q",
        no_wait: false,
    };
    pair.client.send(1, &Method::QueuePurge(purge));
    let ack = basic::Ack {
        delivery_tag: 7,
        multiple: true,
    };
    pair.client.send(1, &Method::BasicAck(ack));
    pair.client.send(
        1,
        &Method::BasicNack(basic::Nack {
            delivery_tag: 8,
            multiple: false,
            requeue: true,
        }),
    );
    pair.exchange();
    let seen = |method: Method<'_>| {
        format!(
            "{:?}",
            Event::Method {
                channel: ChannelNumber(1),
                method
            }
        )
    };
    assert_eq!(
        pair.events,
        [
            seen(Method::QueuePurge(purge)),
            seen(Method::BasicAck(ack)),
            seen(Method::BasicNack(basic::Nack {
                delivery_tag: 8,
                multiple: false,
                requeue: true
            })),
        ]
    );
}
