//! Any bytes, in pieces of any size, against both sides of a connection; and what the server's side answers, against the
//! client's.
#![no_main]

mod everything;

use std::collections::VecDeque;

use everything::LIMITS;
use libfuzzer_sys::fuzz_target;
use trefoil_thrift::{
    ApplicationError, ApplicationErrorKind,
    connection::{Client, ClientEvent, ReplyKind, RequestId, Server, ServerEvent},
    framing::{Dialect, Protocol},
};

/// A struct without fields.
const fn nothing(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Json => b"{}",
        Protocol::Binary | Protocol::BinaryOld | Protocol::Compact => &[0],
    }
}

/// Answers calls, at once or late, in another order than they came. Returns what was sent.
fn serve<'a>(pieces: impl Iterator<Item = &'a [u8]>, how: u8) -> Vec<u8> {
    let mut server = Server::new(LIMITS).with_pipeline_max(usize::from(how >> 4));
    let mut late: VecDeque<(RequestId, Protocol)> = VecDeque::new();
    let mut input: Vec<u8> = Vec::new();
    let mut output = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let mut rest = input.as_slice();
            while let Some(event) = server.poll_request(&mut rest) {
                let ServerEvent::Request(request) = event else {
                    continue;
                };
                let Some(id) = request.id else {
                    continue;
                };
                let protocol = request.dialect.protocol;
                match request.header.sequence & 3 {
                    0 => late.push_back((id, protocol)),
                    1 => late.push_front((id, protocol)),
                    2 => {
                        let error =
                            ApplicationError::new(ApplicationErrorKind::InternalError, "no");
                        assert!(server.reply_error(id, &error));
                    }
                    _ => assert!(server.reply_raw(id, ReplyKind::Reply, &[], nothing(protocol))),
                }
            }
            let used = input.len() - rest.len();
            input.drain(..used);
            // It may have stopped because too many wait.
            let Some((id, protocol)) = late.pop_front() else {
                break;
            };
            assert!(server.reply_raw(id, ReplyKind::Reply, &[(b"k", b"v")], nothing(protocol)));
            assert!(
                !server.reply_raw(id, ReplyKind::Reply, &[], nothing(protocol)),
                "answered twice"
            );
        }
        server.take_output(&mut output);
    }
    output
}

fn receive<'a>(pieces: impl Iterator<Item = &'a [u8]>, dialect: Dialect) {
    let mut client = Client::new(dialect, Some("S"), LIMITS).with_window(4);
    for token in 0..4 {
        let sent = client.call_raw(token, "method", false, &[], nothing(dialect.protocol));
        sent.expect("there is room");
    }
    client.abandon(1);
    let mut answered = 0;
    let mut input: Vec<u8> = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        let mut rest = input.as_slice();
        while let Some(event) = client.poll_reply(&mut rest) {
            match event {
                ClientEvent::Reply(reply) => {
                    answered += 1;
                    assert!(answered <= 4, "more replies than calls");
                    let _ = reply.read_error(&LIMITS);
                }
                ClientEvent::Broken(broken) => {
                    let _ = broken.error.to_string();
                    return;
                }
            }
        }
        let used = input.len() - rest.len();
        input.drain(..used);
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(([how, piece], data)) = data.split_first_chunk::<2>() else {
        return;
    };
    let pieces = || data.chunks(usize::from(*piece) + 1);
    let output = serve(pieces(), *how);
    let dialect = Dialect::PROBES[usize::from(how & 15) % Dialect::PROBES.len()];
    receive(pieces(), dialect);
    receive(output.chunks(usize::from(*piece) + 1), dialect);
});
