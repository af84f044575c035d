use super::*;
use crate::thrift::web::Kind;

const HEAD: &str =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\n";

fn begin(is_text: bool) -> (WebSocket, String) {
    let target = Target {
        authority: "h:1".to_owned(),
        path: "/x?y".to_owned(),
        kind: Kind::WebSocket,
    };
    let mut output = Vec::new();
    let socket = WebSocket::begin(&target, is_text, &mut output);
    (socket, String::from_utf8(output).unwrap())
}

fn key(request: &str) -> &str {
    let lines = request.lines();
    let mut keys = lines.filter_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    keys.next().unwrap()
}

/// A connection whose handshake has ended.
fn open() -> WebSocket {
    let (mut socket, request) = begin(false);
    let head = format!(
        "{HEAD}Sec-WebSocket-Accept: {}\r\n\r\n",
        accept(key(&request))
    );
    let mut input = head.as_bytes();
    socket
        .handle(&mut input, &mut Vec::new(), &mut Vec::new())
        .unwrap();
    assert!(!socket.is_opening());
    socket
}

/// Takes a frame of a client apart: its first byte, and what it says.
fn unmask(frame: &[u8]) -> (u8, Vec<u8>) {
    assert_eq!(frame[1] & MASKED, MASKED);
    let (size, start) = match frame[1] & !MASKED {
        126 => (usize::from(u16::from_be_bytes([frame[2], frame[3]])), 4),
        127 => (
            u64::from_be_bytes(frame[2..10].try_into().unwrap()) as usize,
            10,
        ),
        size => (usize::from(size), 2),
    };
    let (mask, payload) = frame[start..].split_at(4);
    assert_eq!(payload.len(), size);
    let bytes = payload.iter().zip(mask.iter().cycle());
    (frame[0], bytes.map(|(byte, mask)| byte ^ mask).collect())
}

/// What comes of frames, whole and byte by byte: what they say, and what is answered.
fn check(input: &[u8], expected: Result<&[u8], Unusable>) -> (WebSocket, Vec<u8>) {
    let mut last = None;
    for step in [input.len().max(1), 1] {
        let mut socket = open();
        let (mut kept, mut said, mut output) = (Vec::new(), Vec::new(), Vec::new());
        let mut result = Ok(());
        for bytes in input.chunks(step) {
            kept.extend_from_slice(bytes);
            let mut rest = &kept[..];
            result = socket.handle(&mut rest, &mut said, &mut output);
            let taken = kept.len() - rest.len();
            kept.drain(..taken);
            if result.is_err() {
                break;
            }
        }
        match &expected {
            Ok(expected) => {
                assert_eq!(result, Ok(()), "{input:02x?}");
                assert_eq!(said, *expected, "{input:02x?}");
                assert!(kept.is_empty(), "{input:02x?}");
            }
            Err(error) => assert_eq!(result.as_ref().unwrap_err(), error, "{input:02x?}"),
        }
        last = Some((socket, output));
    }
    last.unwrap()
}

/// RFC 6455 §1.3 has this pair.
#[test]
fn a_key_has_one_answer() {
    assert_eq!(
        accept("dGhlIHNhbXBsZSBub25jZQ=="),
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
}

#[test]
fn nothing_is_said_before_the_server_has_agreed() {
    let (mut socket, request) = begin(true);
    assert!(
        request.starts_with("GET /x?y HTTP/1.1\r\nHost: h:1\r\n") && request.ends_with("\r\n\r\n"),
        "{request}"
    );
    let (_, other) = begin(true);
    assert_ne!(key(&request), key(&other));
    let mut output = Vec::new();
    socket.send(b"[1]", &mut output);
    assert!(output.is_empty() && socket.is_opening());
    let head = format!(
        "{HEAD}Sec-WebSocket-Accept: {}\r\n\r\n",
        accept(key(&request))
    );
    let mut input = &head.as_bytes()[..head.len() - 1];
    socket
        .handle(&mut input, &mut Vec::new(), &mut output)
        .unwrap();
    assert!(output.is_empty() && !input.is_empty());
    let mut input = head.as_bytes();
    socket
        .handle(&mut input, &mut Vec::new(), &mut output)
        .unwrap();
    assert_eq!(unmask(&output), (FINAL | TEXT, b"[1]".to_vec()));
}

#[test]
fn a_server_that_does_not_agree_is_of_no_use() {
    let malformed = |what| Unusable::Malformed(what);
    for (answer, expected) in [
        (
            "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
            Unusable::Status(404),
        ),
        ("HTTP/1.1 200 OK\r\n\r\n".to_owned(), Unusable::Status(200)),
        (
            "SSH-2.0\r\n\r\n".to_owned(),
            malformed("it does not begin with a version"),
        ),
        (
            "HTTP/1.1 101 x\r\nUpgrade: h2c\r\n\r\n".to_owned(),
            malformed("it does not change to WebSocket"),
        ),
        (
            format!("{HEAD}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
            malformed("it has not read the key of the handshake"),
        ),
    ] {
        let (mut socket, _) = begin(false);
        let mut input = answer.as_bytes();
        let handled = socket.handle(&mut input, &mut Vec::new(), &mut Vec::new());
        assert_eq!(handled, Err(expected), "{answer}");
    }
}

#[test]
fn messages_are_masked_whatever_their_length() {
    for size in [0, 1, 125, 126, 65_535, 65_536] {
        let message: Vec<u8> = (0..size).map(|at| at as u8).collect();
        let mut output = Vec::new();
        open().send(&message, &mut output);
        assert_eq!(unmask(&output), (FINAL | BINARY, message));
    }
}

#[test]
fn what_a_server_says_is_put_together() {
    check(b"\x82\x03abc\x81\x00\x82\x01d", Ok(b"abcd"));
    check(b"\x02\x01a\x00\x01b\x80\x01c\x82\x01d", Ok(b"abcd"));
    let mut long = vec![0x82, 126, 0x01, 0x00];
    long.resize(4 + 256, b'x');
    check(&long, Ok(&[b'x'; 256]));
    let mut longer = vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0];
    longer.resize(10 + 65_536, b'x');
    check(&longer, Ok(&vec![b'x'; 65_536]));
}

#[test]
fn pings_are_answered_and_an_end_is_one() {
    let (socket, output) = check(b"\x02\x01a\x89\x02hi\x80\x01b\x8a\x00", Ok(b"ab"));
    assert_eq!(unmask(&output), (FINAL | PONG, b"hi".to_vec()));
    assert!(!socket.is_closed());
    // What comes behind the end is not looked at.
    let (mut socket, output) = check(b"\x82\x01a\x88\x05\x03\xe8bye\xff\xff", Ok(b"a"));
    assert_eq!(unmask(&output), (FINAL | CLOSE, vec![0x03, 0xe8]));
    assert!(socket.is_closed());
    let mut more = Vec::new();
    socket.close(&mut more);
    assert!(more.is_empty(), "it is said once");
}

#[test]
fn frames_that_cannot_be_are_refused() {
    for (input, what) in [
        (&b"\xc2\x01a"[..], "it uses an extension"),
        (b"\x82\x81\0\0\0\0a", "it is masked"),
        (b"\x80\x01a", "it goes on with nothing"),
        (b"\x02\x01a\x82\x01b", "it is in the middle of a message"),
        (b"\x89\x7e\x00\x7e", "it is too long for its kind"),
        (b"\x09\x00", "it is too long for its kind"),
        (b"\x83\x00", "its kind is not known"),
    ] {
        check(input, Err(Unusable::Frame(what)));
    }
}
