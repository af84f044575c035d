//! Nothing that comes makes a machine panic, or go on for ever.

use super::*;

/// Small enough that what is stated wrongly is often over a limit.
fn limits() -> Limits {
    Limits {
        message_max: 4096,
        frame_max: 4096,
        inflated_max: 4096,
        ..Limits::default()
    }
}

fn serve(parts: &[&[u8]]) -> usize {
    let mut server = Server::new(limits());
    let mut block = Block::default();
    let mut events = 0;
    for part in parts {
        block.with(part, |input| {
            while let Some(event) = server.poll_request(input) {
                events += 1;
                assert!(events < 100, "there is no end");
                if let ServerEvent::Request(request) = event
                    && let Some(id) = request.id
                {
                    server.reply_raw(id, ReplyKind::Reply, &[], &[0]);
                }
            }
        });
    }
    events
}

fn receive(dialect: Dialect, sent: &[u8]) {
    let mut client = Client::new(dialect, None, limits()).with_window(3);
    for token in 0..3 {
        client.call_raw(token, "method", false, &[], &[0]).unwrap();
    }
    let mut events = 0;
    let mut input = sent;
    while client.poll_reply(&mut input).is_some() {
        events += 1;
        assert!(events < 100, "there is no end");
    }
}

/// Three calls, and what answers them.
fn both(dialect: Dialect) -> (Vec<u8>, Vec<u8>) {
    let mut client = Client::new(dialect, None, limits()).with_window(3);
    if dialect.protocol == Protocol::Compact {
        client = client.with_transform();
    }
    let arguments = body(dialect.protocol, 5);
    for token in 0..3 {
        let headers: &[(&[u8], &[u8])] = &[(b"key", b"value")];
        client
            .call_raw(token, "method", false, headers, &arguments)
            .unwrap();
    }
    let sent = sent_by_client(&mut client);
    let mut server = Server::new(limits()).with_transform();
    for request in requests(&mut server, &mut Block::default(), &sent) {
        server.reply_raw(request.id.unwrap(), ReplyKind::Reply, &[], &arguments);
    }
    let answers = sent_by_server(&mut server);
    (sent, answers)
}

#[test]
fn no_truncation_is_more_than_its_whole_messages() {
    for dialect in dialects() {
        let (sent, answers) = both(dialect);
        assert_eq!(serve(&[&sent]), 3);
        for size in 0..sent.len() {
            assert!(serve(&[&sent[..size]]) < 3 || dialect.is_zlib, "{dialect}");
        }
        for size in 0..answers.len() {
            receive(dialect, &answers[..size]);
        }
    }
}

#[test]
fn every_bit_may_flip() {
    for dialect in dialects() {
        let (sent, answers) = both(dialect);
        for bit in 0..8 {
            for at in 0..sent.len() {
                let mut damaged = sent.clone();
                damaged[at] ^= 1 << bit;
                serve(&[&damaged]);
            }
            for at in 0..answers.len() {
                let mut damaged = answers.clone();
                damaged[at] ^= 1 << bit;
                receive(dialect, &damaged);
            }
        }
    }
}

#[test]
fn every_byte_may_be_an_extreme() {
    for dialect in dialects() {
        let (sent, answers) = both(dialect);
        for extreme in [0, 0x7f, 0x80, 0xff] {
            for at in 0..sent.len() {
                let mut damaged = sent.clone();
                damaged[at] = extreme;
                serve(&[&damaged]);
                let (front, back) = damaged.split_at(at);
                serve(&[front, back]);
                // Missing, and behind the end as well.
                damaged.remove(at);
                serve(&[&damaged, &sent]);
            }
            for at in 0..answers.len() {
                let mut damaged = answers.clone();
                damaged[at] = extreme;
                receive(dialect, &damaged);
                damaged.remove(at);
                receive(dialect, &damaged);
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn anything_may_come(
        start in proptest::sample::select(vec![
            &b""[..], b"\x80\x01\0\x01", b"\x82\x21", b"[1,", b"\0\0\0\x30\x80\x01\0\x01\0\0\0\x01m",
            b"\0\0\0\x30\x82\x21\0\x01m", b"\0\0\0\x30\x0f\xff\0\0\0\0\0\0\0\x01", b"\0\0\0\x30[1,\"m\",",
            b"\0\0\0\x04ping", b"\0\0\0\x30\0\0\0\x04ping", b"\x78\x01",
        ]),
        rest in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        split in 0_usize..200,
    ) {
        let input = [start, &rest[..]].concat();
        let (front, back) = input.split_at(split.min(input.len()));
        let whole = serve(&[&input]);
        let parts = serve(&[front, back]);
        proptest::prop_assert_eq!(whole, parts);
        for dialect in dialects() {
            receive(dialect, &input);
        }
    }
}
