//! What is wrong is answered as stock clients expect it (the error semantics of Apache Thrift's servers).

use super::*;
use ApplicationErrorKind::{
    BadSequenceId, InternalError, InvalidMessageType, InvalidProtocol, InvalidTransform,
    ProtocolError, UnknownMethod, WrongMethodName,
};

/// A call `ping` as it is sent, and who waits for the reply.
fn call(dialect: Dialect) -> (Client, Vec<u8>) {
    let mut client = Client::new(dialect, None, Limits::default());
    let body = body(dialect.protocol, 5);
    client.call_raw(77, "ping", false, &[], &body).unwrap();
    let sent = sent_by_client(&mut client);
    (client, sent)
}

/// The only event, a violation.
fn violation(server: &mut Server, mut input: &[u8]) -> Violation {
    let violation = match server.poll_request(&mut input) {
        Some(ServerEvent::Violation(violation)) => violation,
        other => panic!("{other:?}"),
    };
    assert_eq!(server.is_closed(), violation.is_fatal);
    assert_eq!(server.has_output(), violation.is_answered);
    assert!(server.poll_request(&mut input).is_none());
    violation
}

#[test]
fn an_error_is_answered_with_name_and_sequence() {
    for dialect in dialects() {
        let (mut client, sent) = call(dialect);
        let mut server = Server::new(Limits::default());
        let seen = requests(&mut server, &mut Block::default(), &sent);
        let error = ApplicationError::new(UnknownMethod, "Invalid method name: 'ping'");
        assert!(server.reply_error(seen[0].id.unwrap(), &error));
        assert!(!server.reply_error(seen[0].id.unwrap(), &error));
        assert!(server.wants_input(), "the connection goes on");
        let answers = sent_by_server(&mut server);
        assert_eq!(answer(&mut client, &answers), Some(Ok((77, error))));
        assert!(!client.is_reusable(), "THRIFT-5845");
        assert_eq!(
            client.call_raw(78, "ping", false, &[], &[0]),
            Err(CallError::Unusable)
        );
    }
}

#[test]
fn messages_that_are_no_calls_are_refused() {
    for dialect in dialects() {
        for kind in [2, 3] {
            let (mut client, mut sent) = call(dialect);
            if dialect.is_zlib {
                continue;
            }
            set_kind(dialect, &mut sent, kind);
            let mut server = Server::new(Limits::default());
            let violation = violation(&mut server, &sent);
            assert_eq!(violation.error.kind, InvalidMessageType, "{dialect}");
            assert_eq!(violation.dialect, Some(dialect));
            assert_eq!(violation.header.unwrap().name, "ping");
            assert!(violation.is_answered && violation.is_fatal);
            let answers = sent_by_server(&mut server);
            let (token, error) = answer(&mut client, &answers).unwrap().unwrap();
            assert_eq!((token, error.kind), (77, InvalidMessageType));
        }
    }
}

/// Where the message begins that was sent.
fn message_at(dialect: Dialect) -> usize {
    match dialect.transport {
        Transport::Buffered => 0,
        Transport::Framed => 4,
        Transport::Header => 18,
    }
}

/// Changes the kind of a message `ping`.
fn set_kind(dialect: Dialect, sent: &mut [u8], kind: u8) {
    let message = &mut sent[message_at(dialect)..];
    match dialect.protocol {
        Protocol::Binary => message[3] = kind,
        Protocol::BinaryOld => message[8] = kind,
        Protocol::Compact => message[1] = kind << 5 | 1,
        Protocol::Json => message[10] = b'0' + kind,
    }
}

#[test]
fn a_damaged_message_in_a_frame_is_refused_and_the_next_one_is_not() {
    for dialect in dialects() {
        if dialect.transport == Transport::Buffered || dialect.is_zlib {
            continue;
        }
        let (mut client, good) = call(dialect);
        let mut bad = good.clone();
        set_kind(dialect, &mut bad, 7);
        let mut server = Server::new(Limits::default());
        let violation = violation(&mut server, &bad);
        assert_eq!(violation.error.kind, ProtocolError);
        assert!(violation.is_answered && !violation.is_fatal, "{dialect}");
        let answers = sent_by_server(&mut server);
        let (token, error) = answer(&mut client, &answers).unwrap().unwrap();
        assert_eq!((token, error.kind), (77, ProtocolError));
        let seen = requests(&mut server, &mut Block::default(), &good);
        assert_eq!(seen.len(), 1);
    }
}

#[test]
fn what_has_no_end_is_answered_and_the_connection_closed() {
    let field_of_no_type: [(Dialect, &[u8]); 2] = [
        (Dialect::new(Transport::Buffered, Protocol::Binary), &[1]),
        (Dialect::new(Transport::Buffered, Protocol::Compact), &[0xf]),
    ];
    for (dialect, wrong) in field_of_no_type {
        for (is_oneway, kind) in [(false, 1), (true, 4)] {
            let (mut client, mut sent) = call(dialect);
            set_kind(dialect, &mut sent, kind);
            let body = sent.len() - body(dialect.protocol, 5).len();
            sent.truncate(body);
            sent.extend_from_slice(wrong);
            let mut server = Server::new(Limits::default());
            let violation = violation(&mut server, &sent);
            assert_eq!(violation.error.kind, ProtocolError);
            assert!(violation.is_fatal);
            assert_eq!(
                violation.is_answered, !is_oneway,
                "nobody waits for one-way"
            );
            let answers = sent_by_server(&mut server);
            let outcome = answer(&mut client, &answers);
            let kinds = outcome.map(|outcome| outcome.map(|(token, error)| (token, error.kind)));
            assert_eq!(kinds, (!is_oneway).then_some(Ok((77, ProtocolError))));
        }
    }
}

#[test]
fn what_nobody_speaks_is_not_answered() {
    let inputs: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"AMQP\0\0\x09\x01",
        b"\x16\x03\x01\0\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"SSH-2.0-OpenSSH\r\n",
        b"\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for input in inputs {
        let violation = violation(&mut Server::new(Limits::default()), input);
        assert_eq!(violation.error.kind, ProtocolError);
        assert_eq!(violation.dialect, None);
        assert!(violation.is_fatal && !violation.is_answered);
    }
    // Behind a message it is.
    for dialect in dialects().into_iter().filter(|dialect| !dialect.is_zlib) {
        let (_, sent) = call(dialect);
        let mut server = Server::new(Limits::default());
        requests(&mut server, &mut Block::default(), &sent);
        match server.poll_request(&mut &b"\xff\xff\xff\xff"[..]) {
            Some(ServerEvent::Violation(violation)) => {
                assert_eq!(violation.dialect, Some(dialect));
                assert!(violation.is_fatal && violation.is_answered);
            }
            other => panic!("{other:?}"),
        }
        assert!(!server.is_closed(), "there is a call before it");
    }
}

/// A frame of the header transport with that header.
fn header_frame(header: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let size = 14 + payload.len() as u32;
    let mut frame = size.to_be_bytes().to_vec();
    frame.extend_from_slice(b"\x0f\xff\0\0\0\0\0\x01\0\x01");
    frame.extend_from_slice(header);
    frame.extend_from_slice(payload);
    frame
}

#[test]
fn transforms_and_protocols_that_nobody_has_are_refused() {
    let dialect = Dialect::new(Transport::Header, Protocol::Binary);
    for (header, kind) in [
        ([0, 1, 2, 0], InvalidTransform),
        ([0, 1, 3, 0], InvalidTransform),
        ([4, 0, 0, 0], InvalidProtocol),
        ([1, 0, 0, 0], InvalidProtocol),
        // Compressed, but not.
        ([0, 1, 1, 0], ProtocolError),
        ([0, 9, 1, 1], ProtocolError),
    ] {
        let (_, good) = call(dialect);
        let mut server = Server::new(Limits::default());
        let violation = violation(&mut server, &header_frame(&header, b"payload"));
        assert_eq!(violation.error.kind, kind);
        assert!(violation.is_answered && !violation.is_fatal);
        let answers = sent_by_server(&mut server);
        // Magic and sequence are there again, and the name cannot be.
        assert_eq!(answers[4..12], *b"\x0f\xff\0\0\0\0\0\x01");
        let message = match header {
            [_, 1, 1, _] => None,
            _ => Some(&answers[18..30]),
        };
        assert!(message.is_none_or(|message| *message == *b"\x80\x01\0\x03\0\0\0\0\0\0\0\x01"));
        assert_eq!(requests(&mut server, &mut Block::default(), &good).len(), 1);
    }
}

#[test]
fn two_hundred_megabytes_are_not_waited_for() {
    let size = 200_000_000_u32.to_be_bytes();
    for dialect in dialects() {
        if dialect.transport == Transport::Buffered || dialect.is_zlib {
            continue;
        }
        let (mut client, mut sent) = call(dialect);
        sent[..4].copy_from_slice(&size);
        // The end is never there.
        sent.truncate(sent.len() - 3);
        let mut server = Server::new(Limits::default());
        let violation = violation(&mut server, &sent);
        assert_eq!(violation.error.kind, ProtocolError);
        assert!(violation.is_fatal && violation.is_answered, "{dialect}");
        let answers = sent_by_server(&mut server);
        let outcome = answer(&mut client, &answers).unwrap();
        assert_eq!(outcome.unwrap().1.kind, ProtocolError);

        // The other way round.
        let (mut client, sent) = call(dialect);
        let mut server = Server::new(Limits::default());
        let seen = requests(&mut server, &mut Block::default(), &sent);
        server.reply_raw(seen[0].id.unwrap(), ReplyKind::Reply, &[], &[0]);
        let mut answers = sent_by_server(&mut server);
        answers[..4].copy_from_slice(&size);
        answers.truncate(20);
        let error = answer(&mut client, &answers).unwrap().unwrap_err();
        assert_eq!(error.kind, ProtocolError, "{dialect}");
    }
}

#[test]
fn bombs_do_not_go_off() {
    let limits = Limits {
        inflated_max: 1 << 20,
        ..Limits::default()
    };
    // A string of ten megabytes, which the other limits allow.
    let mut arguments = vec![11, 0, 2];
    arguments.extend_from_slice(&(10_u32 << 20).to_be_bytes());
    arguments.resize(arguments.len() + (10 << 20), b'x');
    arguments.push(0);
    for dialect in [
        Dialect::new(Transport::Header, Protocol::Binary),
        Dialect::new(Transport::Buffered, Protocol::Binary).zlib(),
    ] {
        let mut client = Client::new(dialect, None, limits).with_transform();
        client.call_raw(1, "ping", false, &[], &arguments).unwrap();
        let sent = sent_by_client(&mut client);
        assert!(sent.len() < 1 << 18, "{} bytes", sent.len());
        let mut server = Server::new(limits);
        let violation = violation(&mut server, &sent);
        assert_eq!(violation.error.kind, ProtocolError);
        let text = &violation.error.text;
        assert!(text.contains("inflated"), "{text}");
        assert!(violation.is_answered);
        assert_eq!(violation.is_fatal, dialect.is_zlib);
        if dialect.is_zlib {
            continue;
        }

        // The other way round.
        let mut client = Client::new(dialect, None, limits).with_transform();
        let arguments = body(Protocol::Binary, 1);
        client.call_raw(1, "ping", false, &[], &arguments).unwrap();
        let sent = sent_by_client(&mut client);
        let mut server = Server::new(limits).with_transform();
        let seen = requests(&mut server, &mut Block::default(), &sent);
        server.reply_raw(
            seen[0].id.unwrap(),
            ReplyKind::Reply,
            &[],
            &vec![0; 2 << 20],
        );
        let answers = sent_by_server(&mut server);
        let error = answer(&mut client, &answers).unwrap().unwrap_err();
        assert_eq!(error.kind, ProtocolError);
    }
}

/// The reply `{}` to `ping` from a server that sees the call changed by `change`.
fn reply_after(
    dialect: Dialect,
    change: impl FnOnce(&mut Vec<u8>),
) -> Option<Result<(u64, ApplicationError), ApplicationError>> {
    let (mut client, mut sent) = call(dialect);
    change(&mut sent);
    let mut server = Server::new(Limits::default());
    let seen = requests(&mut server, &mut Block::default(), &sent);
    server.reply_raw(
        seen[0].id.unwrap(),
        ReplyKind::Reply,
        &[],
        &body(dialect.protocol, 1),
    );
    let outcome = answer(&mut client, &sent_by_server(&mut server));
    assert!(!client.is_reusable());
    assert_eq!(client.waiting().collect::<Vec<_>>(), [77]);
    outcome
}

#[test]
fn replies_to_other_calls_break_a_client() {
    for dialect in dialects() {
        if dialect.is_zlib {
            continue;
        }
        let at = message_at(dialect);
        // The number of the call, 1.
        let sequence = at
            + match dialect.protocol {
                Protocol::Binary => 15,
                Protocol::BinaryOld => 12,
                Protocol::Compact => 2,
                Protocol::Json => 12,
            };
        let error = reply_after(dialect, |sent| sent[sequence] ^= 2).unwrap();
        assert_eq!(error.unwrap_err().kind, BadSequenceId, "{dialect}");
        let error = reply_after(dialect, |sent| {
            let name = sent.windows(4).position(|four| four == b"ping").unwrap();
            sent[name + 1] = b'o';
        });
        let error = error.unwrap().unwrap_err();
        assert_eq!(error.kind, WrongMethodName);
        assert!(error.text.contains("`pong`"), "{}", error.text);
    }
}

#[test]
fn replies_that_are_none_break_a_client() {
    for dialect in dialects().into_iter().filter(|dialect| !dialect.is_zlib) {
        // A call comes back.
        let (mut client, sent) = call(dialect);
        let error = answer(&mut client, &sent).unwrap().unwrap_err();
        assert_eq!(error.kind, InvalidMessageType, "{dialect}");
        // Nobody called.
        let (_, mut sent) = call(dialect);
        set_kind(dialect, &mut sent, 2);
        let mut client = Client::new(dialect, None, Limits::default());
        let mut input = &sent[..];
        match client.poll_reply(&mut input) {
            Some(ClientEvent::Broken(broken)) => {
                assert_eq!(broken.token, None);
                assert_eq!(broken.error.kind, BadSequenceId);
            }
            other => panic!("{other:?}"),
        }
        assert!(!client.is_reusable());
        // What comes behind is dropped.
        let mut input = &sent[..];
        assert!(client.poll_reply(&mut input).is_none());
        assert!(input.is_empty());
    }
}

#[test]
fn a_provider_that_speaks_something_else_is_told_from_a_broken_one() {
    let plain = || dialects().into_iter().filter(|dialect| !dialect.is_zlib);
    let text = |dialect, answers: &[u8]| {
        let (mut client, _) = call(dialect);
        match answer(&mut client, answers) {
            Some(Err(error)) => Some(error.text),
            Some(Ok(reply)) => panic!("{dialect}: {reply:?}"),
            None => None,
        }
    };
    for declared in plain() {
        let expected = Some(format!("the peer speaks HTTP, and not {declared}"));
        assert_eq!(
            text(declared, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            expected
        );
        for spoken in plain() {
            let protocol = |dialect: Dialect| match dialect.protocol {
                Protocol::BinaryOld => Protocol::Binary,
                protocol => protocol,
            };
            let transports = (declared.transport, spoken.transport);
            let (_, mut answers) = call(spoken);
            set_kind(spoken, &mut answers, 2);
            // Headers say of each message what it is in.
            let is_same = protocol(declared) == protocol(spoken) && transports.0 == transports.1;
            let is_header = transports.0 == Transport::Header;
            let is_without = protocol(declared) == protocol(spoken)
                && is_header
                && match transports.1 {
                    Transport::Framed => true,
                    // As Node.js servers answer.
                    Transport::Buffered => {
                        matches!(spoken.protocol, Protocol::Binary | Protocol::Compact)
                    }
                    Transport::Header => false,
                };
            if is_same || is_without || (is_header && transports.1 == Transport::Header) {
                let (mut client, _) = call(declared);
                assert!(matches!(
                    client.poll_reply(&mut &answers[..]),
                    Some(ClientEvent::Reply(_))
                ));
            } else if let Some(text) = text(declared, &answers) {
                // What looks like a short name at first may come without an end.
                let expected = format!("the peer speaks {spoken}, and not {declared}");
                assert_eq!(text, expected);
            } else {
                assert_eq!(declared.transport, Transport::Buffered, "{spoken}");
            }
        }
    }
}

#[test]
fn an_anonymous_error_is_for_the_oldest_call() {
    // As servers send it that cannot read a call: no name, and 0.
    let dialect = Dialect::new(Transport::Framed, Protocol::Binary);
    let (mut client, _) = call(dialect);
    let mut message = b"\0\0\0\0\x80\x01\0\x03\0\0\0\0\0\0\0\0".to_vec();
    let error = ApplicationError::new(InternalError, "sorry");
    error.write(&mut BinaryWriter::new(&mut message));
    message[3] = message.len() as u8 - 4;
    assert_eq!(answer(&mut client, &message), Some(Ok((77, error))));
}

#[test]
fn an_abandoned_call_spoils_its_connection() {
    for dialect in dialects() {
        let mut client = Client::new(dialect, None, Limits::default()).with_window(3);
        let arguments = body(dialect.protocol, 5);
        for token in [5, 6, 7] {
            client.call_raw(token, "m", false, &[], &arguments).unwrap();
        }
        assert_eq!(
            client.call_raw(8, "m", false, &[], &arguments),
            Err(CallError::Full)
        );
        let sent = sent_by_client(&mut client);
        client.abandon(6);
        client.abandon(9);
        assert!(!client.is_reusable());
        assert_eq!(
            client.call_raw(8, "m", false, &[], &arguments),
            Err(CallError::Unusable)
        );
        assert_eq!(client.waiting().collect::<Vec<_>>(), [5, 7]);
        let mut server = Server::new(Limits::default());
        for request in requests(&mut server, &mut Block::default(), &sent) {
            server.reply_raw(
                request.id.unwrap(),
                ReplyKind::Reply,
                &[],
                &body(dialect.protocol, 9),
            );
        }
        let answers = sent_by_server(&mut server);
        let seen = replies(&mut client, &mut Block::default(), &answers);
        assert_eq!(seen, [(5, 9), (7, 9)]);
    }
}

#[test]
fn headers_without_room_are_refused_or_left_out() {
    let long = vec![b'x'; 0x1_0000];
    let headers: &[(&[u8], &[u8])] = &[(b"long", &long)];
    let dialect = Dialect::new(Transport::Header, Protocol::Binary);
    let mut client = Client::new(dialect, None, Limits::default());
    assert_eq!(
        client.call_raw(1, "m", false, headers, &[0]),
        Err(CallError::Unsendable(crate::framing::Unsendable::Headers))
    );
    assert!(client.is_reusable() && !client.has_output());
    let (mut client, sent) = call(dialect);
    let mut server = Server::new(Limits::default());
    let seen = requests(&mut server, &mut Block::default(), &sent);
    let body = body(Protocol::Binary, 3);
    server.reply_raw(seen[0].id.unwrap(), ReplyKind::Reply, headers, &body);
    let answers = sent_by_server(&mut server);
    assert_eq!(
        replies(&mut client, &mut Block::default(), &answers),
        [(77, 3)]
    );
}
