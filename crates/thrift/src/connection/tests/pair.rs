//! What is said arrives.

use super::*;

const HEADERS: &[(&[u8], &[u8])] = &[(b"deadline", b"500"), (b"bytes", b"\0\xff")];

struct Calls {
    client: Client,
    server: Server,
    sent: Vec<u8>,
}

fn client(dialect: Dialect, multiplex: Option<&str>) -> Client {
    let client = Client::new(dialect, multiplex, Limits::default()).with_window(10);
    if dialect.transport == Transport::Header && multiplex.is_some() {
        client.with_transform()
    } else {
        client
    }
}

/// Three calls with a one-way one among them.
fn calls(dialect: Dialect, multiplex: Option<&str>) -> Calls {
    let mut client = client(dialect, multiplex);
    for (token, is_oneway) in [(1, false), (2, true), (3, false), (4, false)] {
        let body = body(dialect.protocol, 10 * token as i32);
        client
            .call_raw(token, &format!("method{token}"), is_oneway, HEADERS, &body)
            .unwrap();
    }
    let sent = sent_by_client(&mut client);
    Calls {
        client,
        server: Server::new(Limits::default()),
        sent,
    }
}

fn check_requests(dialect: Dialect, multiplex: Option<&str>, seen: &[Seen]) {
    let prefix = multiplex.map_or_else(String::new, |service| format!("{service}:"));
    let headers: Vec<_> = match dialect.transport {
        Transport::Header => HEADERS
            .iter()
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect(),
        Transport::Buffered | Transport::Framed => Vec::new(),
    };
    assert_eq!(seen.len(), 4, "{dialect}");
    for (at, request) in seen.iter().enumerate() {
        assert_eq!(request.dialect, dialect);
        assert_eq!(request.name, format!("{prefix}method{}", at + 1));
        assert_eq!(request.number, 10 * (at as i32 + 1));
        assert_eq!(request.headers, headers);
        assert_eq!(request.id.is_none(), at == 1, "only one is one-way");
    }
}

/// Answers all, the last first.
fn reply_to(server: &mut Server, dialect: Dialect, seen: &[Seen]) {
    for request in seen.iter().rev() {
        if let Some(id) = request.id {
            let body = body(dialect.protocol, request.number + 1);
            assert!(server.reply_raw(id, ReplyKind::Reply, HEADERS, &body));
            assert!(
                !server.reply_raw(id, ReplyKind::Reply, HEADERS, &body),
                "a call is answered once"
            );
        }
    }
}

const REPLIES: [(u64, i32); 3] = [(1, 11), (3, 31), (4, 41)];

#[test]
fn calls_and_replies_survive_every_split() {
    for dialect in dialects() {
        for multiplex in [None, Some("simcore/services/sleeper:1.2")] {
            let Calls { sent, .. } = calls(dialect, multiplex);
            let mut answers = Vec::new();
            for split in 0..=sent.len() {
                let mut server = Server::new(Limits::default());
                let mut block = Block::default();
                let mut seen = requests(&mut server, &mut block, &sent[..split]);
                seen.extend(requests(&mut server, &mut block, &sent[split..]));
                check_requests(dialect, multiplex, &seen);
                assert!(block.0.is_empty());
                assert_eq!(server.waiting(), 3);
                reply_to(&mut server, dialect, &seen);
                assert_eq!(server.waiting(), 0);
                answers = sent_by_server(&mut server);
            }
            if !dialect.is_zlib && dialect.transport != Transport::Header {
                let service = b"simcore".as_slice();
                let is_there = answers.windows(service.len()).any(|part| part == service);
                assert!(!is_there, "the service is not repeated");
            }
            for split in 0..=answers.len() {
                let Calls { mut client, .. } = calls(dialect, multiplex);
                let mut block = Block::default();
                let mut seen = replies(&mut client, &mut block, &answers[..split]);
                seen.extend(replies(&mut client, &mut block, &answers[split..]));
                assert_eq!(seen, REPLIES, "{dialect} at {split}");
                assert!(client.is_reusable());
                assert_eq!(client.waiting().count(), 0);
            }
        }
    }
}

#[test]
fn calls_and_replies_survive_byte_by_byte() {
    for dialect in dialects() {
        let Calls {
            mut client,
            mut server,
            sent,
        } = calls(dialect, Some("Calculator"));
        let mut block = Block::default();
        let mut seen = Vec::new();
        for byte in &sent {
            seen.extend(requests(&mut server, &mut block, &[*byte]));
        }
        check_requests(dialect, Some("Calculator"), &seen);
        reply_to(&mut server, dialect, &seen);
        let mut block = Block::default();
        let mut seen = Vec::new();
        for byte in &sent_by_server(&mut server) {
            seen.extend(replies(&mut client, &mut block, &[*byte]));
        }
        assert_eq!(seen, REPLIES, "{dialect}");
    }
}

#[test]
fn whole_messages_are_borrowed() {
    for dialect in dialects() {
        if dialect.is_zlib {
            continue;
        }
        let Calls {
            mut server, sent, ..
        } = calls(dialect, None);
        let mut input = &sent[..];
        while let Some(ServerEvent::Request(request)) = server.poll_request(&mut input) {
            assert!(matches!(request.body, Cow::Borrowed(_)), "{dialect}");
            let is_borrowed = matches!(request.header.name, Cow::Borrowed(_));
            assert_eq!(is_borrowed, dialect.protocol != Protocol::Json);
        }
        assert!(input.is_empty());
    }
}

#[test]
fn replies_are_sent_in_the_order_of_requests() {
    let dialect = Dialect::new(Transport::Framed, Protocol::Binary);
    let Calls {
        mut server, sent, ..
    } = calls(dialect, None);
    let seen = requests(&mut server, &mut Block::default(), &sent);
    let ids: Vec<_> = seen.iter().filter_map(|request| request.id).collect();
    let body = body(Protocol::Binary, 1);
    assert!(server.reply_raw(ids[2], ReplyKind::Reply, &[], &body));
    assert!(!server.has_output());
    assert!(server.reply_raw(ids[0], ReplyKind::Reply, &[], &body));
    let first = sent_by_server(&mut server).len();
    assert!(first > 0);
    assert!(!server.has_output());
    assert!(server.reply_raw(ids[1], ReplyKind::Reply, &[], &body));
    assert_eq!(sent_by_server(&mut server).len(), 2 * first);
    assert_eq!(server.waiting(), 0);
}

#[test]
fn a_full_pipeline_takes_no_input() {
    let dialect = Dialect::new(Transport::Buffered, Protocol::Compact);
    let Calls { sent, .. } = calls(dialect, None);
    let mut server = Server::new(Limits::default()).with_pipeline_max(2);
    let mut block = Block::default();
    let seen = requests(&mut server, &mut block, &sent);
    assert_eq!(seen.len(), 3, "a one-way one takes no place");
    assert!(!server.wants_input());
    assert!(!block.0.is_empty());
    let id = seen[0].id.unwrap();
    server.reply_raw(id, ReplyKind::Reply, &[], &body(Protocol::Compact, 1));
    assert!(server.wants_input());
    assert_eq!(requests(&mut server, &mut block, &[]).len(), 1);
    assert!(block.0.is_empty());
}

#[test]
fn replies_that_are_kept_are_bounded() {
    let dialect = Dialect::new(Transport::Framed, Protocol::Binary);
    let Calls {
        mut server, sent, ..
    } = calls(dialect, None);
    let seen = requests(&mut server, &mut Block::default(), &sent);
    let ids: Vec<_> = seen.iter().filter_map(|request| request.id).collect();
    server.reply_raw(ids[1], ReplyKind::Reply, &[], &vec![0; 3 << 20]);
    assert!(server.wants_input());
    server.reply_raw(ids[2], ReplyKind::Reply, &[], &vec![0; 3 << 20]);
    assert!(!server.wants_input());
    server.reply_raw(ids[0], ReplyKind::Reply, &[], &[0]);
    assert!(server.wants_input());
    assert!(sent_by_server(&mut server).len() > 6 << 20);
}

#[test]
fn a_closing_server_answers_what_waits() {
    let dialect = Dialect::new(Transport::Framed, Protocol::Json);
    let Calls {
        mut client,
        mut server,
        sent,
    } = calls(dialect, None);
    let mut block = Block::default();
    let seen = requests(&mut server, &mut block, &sent);
    server.close();
    assert!(!server.wants_input() && !server.is_closed());
    assert_eq!(requests(&mut server, &mut block, &sent), []);
    assert!(block.0.is_empty(), "what comes is dropped");
    reply_to(&mut server, dialect, &seen);
    assert!(server.is_closed());
    let answers = sent_by_server(&mut server);
    assert_eq!(
        replies(&mut client, &mut Block::default(), &answers),
        REPLIES
    );
}

#[test]
fn one_connection_may_speak_many_dialects() {
    // A server of the header transport has to take frames and bare messages too; here all mix.
    let mut server = Server::new(Limits::default());
    for dialect in dialects().into_iter().filter(|dialect| !dialect.is_zlib) {
        let Calls {
            mut client, sent, ..
        } = calls(dialect, None);
        let seen = requests(&mut server, &mut Block::default(), &sent);
        check_requests(dialect, None, &seen);
        assert_eq!(server.dialect(), Some(dialect));
        reply_to(&mut server, dialect, &seen);
        let answers = sent_by_server(&mut server);
        assert_eq!(
            replies(&mut client, &mut Block::default(), &answers),
            REPLIES
        );
    }
}

#[test]
fn replies_have_headers_and_if_wanted_transforms() {
    let dialect = Dialect::new(Transport::Header, Protocol::Compact);
    for (multiplex, is_wanted) in [
        (None, false),
        (None, true),
        (Some("Transformed"), false),
        (Some("Transformed"), true),
    ] {
        let Calls {
            mut client, sent, ..
        } = calls(dialect, multiplex);
        let mut server = Server::new(Limits::default());
        if is_wanted {
            server = server.with_transform();
        }
        let seen = requests(&mut server, &mut Block::default(), &sent);
        reply_to(&mut server, dialect, &seen);
        let answers = sent_by_server(&mut server);
        let transforms = answers[15];
        assert_eq!(transforms, u8::from(is_wanted && multiplex.is_some()));
        let Some(ClientEvent::Reply(reply)) = client.poll_reply(&mut &answers[..]) else {
            panic!("there is a reply");
        };
        let headers: Vec<_> = reply.headers.iter().collect();
        assert_eq!(headers, HEADERS);
        assert_eq!(number_of(Protocol::Compact, &reply.body), 11);
    }
}

#[test]
fn a_large_reply_passes_in_every_dialect() {
    for dialect in dialects() {
        let mut client = client(dialect, None);
        let mut server = Server::new(Limits::default());
        let arguments = body(dialect.protocol, 7);
        for round in 0..3 {
            client.call_raw(round, "m", false, &[], &arguments).unwrap();
            let sent = sent_by_client(&mut client);
            let seen = requests(&mut server, &mut Block::default(), &sent);
            // A list of a hundred thousand numbers, in each protocol.
            let mut large = Vec::new();
            write_large(dialect.protocol, &mut large);
            server.reply_raw(seen[0].id.unwrap(), ReplyKind::Reply, &[], &large);
            let answers = sent_by_server(&mut server);
            let mut block = Block::default();
            let mut got = None;
            for part in answers.chunks(10_000) {
                got = block.with(part, |input| {
                    let event = client.poll_reply(input)?;
                    match event {
                        ClientEvent::Reply(reply) => Some(reply.body.into_owned()),
                        ClientEvent::Broken(broken) => panic!("{broken:?}"),
                    }
                });
            }
            assert!(got == Some(large), "{dialect}");
        }
    }
}

fn write_large(protocol: Protocol, out: &mut Vec<u8>) {
    fn write<W: Writer>(mut writer: W) {
        let nest = writer.struct_begin();
        writer.field_begin(WireType::List, 1);
        writer.list_begin(WireType::I32, 100_000);
        for number in 0..100_000 {
            writer.i32(number);
        }
        writer.list_end();
        writer.field_end();
        writer.struct_end(nest);
    }
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => write(BinaryWriter::new(out)),
        Protocol::Compact => write(CompactWriter::new(out)),
        Protocol::Json => write(JsonWriter::new(out)),
    }
}
