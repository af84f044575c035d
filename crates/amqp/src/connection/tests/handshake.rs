use super::*;

#[test]
fn handshake_leads_to_an_open_connection() {
    let settings = Settings {
        server_properties: Table::new().with("product", "Trefoil"),
        ..Settings::default()
    };
    let mut pair = Pair::new(settings);
    pair.client.handshake("vhost", "user", "word");
    pair.exchange();

    let start = pair.client.expect(MethodId::CONNECTION_START);
    let Method::ConnectionStart(start) = start.method() else {
        panic!("{start:?}")
    };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(start.mechanisms, b"PLAIN AMQPLAIN");
    assert_eq!(start.locales, b"en_US");
    assert_eq!(
        start
            .server_properties
            .get("product")
            .and_then(|value| value.as_str()),
        Some("Trefoil")
    );
    let tune = pair.client.expect(MethodId::CONNECTION_TUNE);
    let Method::ConnectionTune(tune) = tune.method() else {
        panic!("{tune:?}")
    };
    assert_eq!(
        (tune.channel_max, tune.frame_max, tune.heartbeat),
        (2047, 131_072, 60)
    );
    pair.client.expect(MethodId::CONNECTION_OPEN_OK);

    assert_eq!(
        pair.events,
        [
            format!(
                "Authenticate {{ mechanism: \"PLAIN\", response: {:?} }}",
                b"\0user\0word"
            ),
            "Open { virtual_host: \"vhost\" }".to_owned(),
        ]
    );
    assert!(pair.connection.is_open());
    assert_eq!(
        pair.connection.tune(),
        Tune {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat_s: 0
        }
    );
    assert!(pair.connection.capabilities().authentication_failure_close);
    assert!(pair.connection.client_properties().get("product").is_some());
}

#[test]
fn protocol_header_of_0_9_is_good_and_others_are_answered_with_ours() {
    let mut pair = Pair::new(Settings::default());
    pair.feed(b"AMQP\x01\x01\x00\x09");
    pair.deliver_output();
    pair.client.expect(MethodId::CONNECTION_START);

    let wrong: [&[u8]; 7] = [
        b"AMQP\x00\x00\x09\x02",
        b"AMQP\x00\x00\x0a\x00",
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        b"AMQP\x01\x01\x08\x00",
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ];
    for header in wrong {
        let mut pair = Pair::new(Settings::default());
        assert_eq!(pair.feed(&header[..7]), 7, "seven octets are not enough");
        assert_eq!(pair.feed(header), 0);
        pair.deliver_output();
        assert_eq!(
            pair.client.refusal(),
            Some(*b"AMQP\x00\x00\x09\x01"),
            "{}",
            header.escape_ascii()
        );
        assert!(pair.connection.is_closed());
        assert!(
            matches!(pair.events.as_slice(), [event] if event.starts_with("Violation")),
            "{:?}",
            pair.events
        );
    }
}

#[test]
fn challenge_is_answered_by_another_response() {
    let settings = Settings {
        mechanisms: vec!["DEMO".to_owned()],
        ..Settings::default()
    };
    let mut pair = Pair::new(settings);
    let handshake = Handshake {
        mechanism: "DEMO",
        ..Handshake::plain("/", "u", "p")
    };
    pair.client.send_octets(crate::testing::PROTOCOL_HEADER);
    pair.client.start_ok(&handshake);
    let octets = pair.client.take_output();
    let mut input = octets.as_slice();
    assert!(matches!(
        pair.connection.poll_event(&mut input, 0),
        Some(Event::Authenticate { .. })
    ));
    pair.connection.challenge(b"password?");
    pair.deliver_output();
    pair.client.expect(MethodId::CONNECTION_START);
    let secure = pair.client.expect(MethodId::CONNECTION_SECURE);
    let Method::ConnectionSecure(secure) = secure.method() else {
        panic!("{secure:?}")
    };
    assert_eq!(secure.challenge, b"password?");

    let secure_ok = method::connection::SecureOk {
        response: b"secret",
    };
    pair.client.send(0, &Method::ConnectionSecureOk(secure_ok));
    pair.exchange();
    assert_eq!(
        pair.events,
        [format!(
            "Authenticate {{ mechanism: \"DEMO\", response: {:?} }}",
            b"secret"
        )]
    );
    pair.client.expect(MethodId::CONNECTION_TUNE);
}

/// A connection whose client has sent its response, with or without the capability to hear that it was refused.
fn awaiting_authentication(is_told: bool) -> Pair {
    let mut pair = Pair::new(Settings::default());
    let mut handshake = Handshake::plain("/", "guest", "wrong");
    if !is_told {
        handshake.client_properties = Table::new();
    }
    pair.client.send_octets(crate::testing::PROTOCOL_HEADER);
    pair.client.start_ok(&handshake);
    let octets = pair.client.take_output();
    let mut input = octets.as_slice();
    assert!(matches!(
        pair.connection.poll_event(&mut input, pair.now),
        Some(Event::Authenticate { .. })
    ));
    pair.deliver_output();
    pair.client.expect(MethodId::CONNECTION_START);
    pair
}

#[test]
fn refused_client_is_told_if_it_can_be() {
    const TEXT: &str = "Login was refused using authentication mechanism PLAIN. For details see the broker logfile.";
    let mut pair = awaiting_authentication(true);
    pair.connection.refuse_authentication(TEXT, pair.now);
    pair.deliver_output();
    pair.assert_closed(
        MethodId::CONNECTION_CLOSE,
        403,
        &format!("ACCESS_REFUSED - {TEXT}"),
        MethodId::NONE,
    );
    assert!(
        !pair.connection.is_closed(),
        "the client has to read it first"
    );
    pair.client.send(
        0,
        &Method::ConnectionCloseOk(method::connection::CloseOk {}),
    );
    pair.exchange();
    assert!(pair.connection.is_closed());

    let mut pair = awaiting_authentication(false);
    pair.connection.refuse_authentication(TEXT, pair.now);
    assert!(!pair.connection.has_output());
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 3000));
    assert_eq!(pair.connection.handle_timeout(pair.now + 2999), None);
    assert_eq!(
        pair.connection.handle_timeout(pair.now + 3000),
        Some(Expiry::Close)
    );
    assert!(pair.connection.is_closed());
}

#[test]
fn malformed_response_and_unknown_mechanism_end_in_silence() {
    let mut pair = awaiting_authentication(true);
    let reason = CloseReason::new(
        ReplyCode::SyntaxError,
        "response without a password",
        MethodId::NONE,
    );
    pair.connection.close(&reason, pair.now);
    assert!(!pair.connection.has_output());
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 3000));

    let mut pair = Pair::new(Settings::default());
    let handshake = Handshake {
        mechanism: "EXTERNAL",
        ..Handshake::plain("/", "u", "p")
    };
    pair.client.handshake_with(&handshake);
    pair.exchange();
    assert_eq!(pair.heard(), ["connection.start@0"]);
    assert!(
        pair.events[0].contains("unknown authentication mechanism 'EXTERNAL'"),
        "{:?}",
        pair.events
    );
    assert_eq!(pair.connection.poll_timeout(), Some(pair.now + 3000));
}

#[test]
fn limits_may_be_lowered_but_not_raised() {
    let offered = Tune {
        channel_max: 2047,
        frame_max: 131_072,
        heartbeat_s: 60,
    };
    let check = |asked: Tune, refusal: Option<&str>| {
        let mut pair = Pair::new(Settings::default());
        pair.client.handshake_with(&Handshake {
            tune: asked,
            ..Handshake::plain("/", "u", "p")
        });
        pair.exchange();
        pair.client.expect(MethodId::CONNECTION_START);
        pair.client.expect(MethodId::CONNECTION_TUNE);
        match refusal {
            None => {
                pair.client.expect(MethodId::CONNECTION_OPEN_OK);
                assert_eq!(pair.connection.tune(), asked);
            }
            Some(text) => {
                let text = format!("NOT_ALLOWED - negotiated {text}");
                pair.assert_closed(
                    MethodId::CONNECTION_CLOSE,
                    530,
                    &text,
                    MethodId::CONNECTION_TUNE,
                );
                assert!(!pair.connection.is_closed());
            }
        }
    };
    check(offered, None);
    check(
        Tune {
            channel_max: 1,
            frame_max: 4096,
            heartbeat_s: 0,
        },
        None,
    );
    check(
        Tune {
            heartbeat_s: 600,
            ..offered
        },
        None,
    );
    check(
        Tune {
            frame_max: 0,
            ..offered
        },
        Some("frame_max = 0 (no limit) is higher than the maximum allowed value (131072)"),
    );
    check(
        Tune {
            frame_max: 131_073,
            ..offered
        },
        Some("frame_max = 131073 is higher than the maximum allowed value (131072)"),
    );
    check(
        Tune {
            frame_max: 4095,
            ..offered
        },
        Some("frame_max = 4095 is lower than the minimum allowed value (4096)"),
    );
    check(
        Tune {
            channel_max: 0,
            ..offered
        },
        Some("channel_max = 0 (no limit) is higher than the maximum allowed value (2047)"),
    );
    check(
        Tune {
            channel_max: 2048,
            ..offered
        },
        Some("channel_max = 2048 is higher than the maximum allowed value (2047)"),
    );
}

#[test]
fn virtual_host_is_refused_with_a_close() {
    let mut pair = Pair::new(Settings::default());
    pair.client.handshake("nowhere", "u", "p");
    let octets = pair.client.take_output();
    let mut input = octets.as_slice();
    while let Some(event) = pair.connection.poll_event(&mut input, pair.now) {
        match event {
            Event::Authenticate { .. } => pair.connection.authenticated(),
            _ => {
                let reason = CloseReason::new(
                    ReplyCode::NotAllowed,
                    "vhost nowhere not found",
                    MethodId::CONNECTION_OPEN,
                );
                pair.connection.close(&reason, pair.now);
            }
        }
    }
    pair.deliver_output();
    pair.client.expect(MethodId::CONNECTION_START);
    pair.client.expect(MethodId::CONNECTION_TUNE);
    let text = "NOT_ALLOWED - vhost nowhere not found";
    pair.assert_closed(
        MethodId::CONNECTION_CLOSE,
        530,
        text,
        MethodId::CONNECTION_OPEN,
    );
}

#[test]
fn no_input_is_taken_while_the_broker_thinks() {
    let mut pair = Pair::new(Settings::default());
    pair.client.handshake("/", "u", "p");
    pair.client.open_channel(1);
    let octets = pair.client.take_output();
    let mut input = octets.as_slice();
    assert!(matches!(
        pair.connection.poll_event(&mut input, 0),
        Some(Event::Authenticate { .. })
    ));
    let left = input.len();
    assert_eq!(pair.connection.poll_event(&mut input, 0), None);
    assert_eq!(input.len(), left);
    pair.connection.authenticated();
    assert!(matches!(
        pair.connection.poll_event(&mut input, 0),
        Some(Event::Open { .. })
    ));
    assert_eq!(pair.connection.poll_event(&mut input, 0), None);
    pair.connection.open_ok();
    assert_eq!(
        pair.connection.poll_event(&mut input, 0),
        Some(Event::ChannelOpened(ChannelNumber(1)))
    );
    assert!(input.is_empty());
}

#[test]
fn secret_is_updated() {
    let mut pair = Pair::open();
    let update = method::connection::UpdateSecret {
        new_secret: b"new",
        reason: "expires",
    };
    pair.client.send(0, &Method::ConnectionUpdateSecret(update));
    pair.exchange();
    assert_eq!(
        pair.events,
        [format!(
            "UpdateSecret {{ secret: {:?}, reason: \"expires\" }}",
            b"new"
        )]
    );
    assert_eq!(pair.heard(), ["connection.update-secret-ok@0"]);
}

#[test]
fn only_clients_that_can_are_told_that_they_are_blocked() {
    let mut pair = Pair::open();
    pair.connection.blocked("low on memory");
    pair.connection.unblocked();
    pair.deliver_output();
    let blocked = pair.client.expect(MethodId::CONNECTION_BLOCKED);
    assert_eq!(
        blocked.method(),
        Method::ConnectionBlocked(method::connection::Blocked {
            reason: "low on memory"
        })
    );
    pair.client.expect(MethodId::CONNECTION_UNBLOCKED);

    let handshake = Handshake {
        client_properties: Table::new(),
        ..Handshake::plain("/", "u", "p")
    };
    let mut pair = Pair::open_with(Settings::default(), &handshake);
    pair.connection.blocked("low on memory");
    pair.connection.unblocked();
    assert!(!pair.connection.has_output());
}
