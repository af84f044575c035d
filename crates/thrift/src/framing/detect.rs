//! What the first bytes of a connection, or of a message, say of what comes.
//!
//! ```text
//! 80 01                 binary, no frames           16 03 0.              TLS
//! 82 .1                 compact, no frames          78 01|5e|9c|da        zlib
//! [1,                   JSON, no frames             GET, POST, PRI, …     HTTP
//! n:u32 80 01           binary, framed              AMQP                  AMQP
//! n:u32 82 .1           compact, framed
//! n:u32 0f ff           header
//! n:u32 [1,             JSON, framed
//! n:u32 m:u32, m << n   old binary, framed
//! n:u32 letter          old binary, no frames: n is the length of the name
//! ```
//! All others begin with a byte that is larger than the first of any frame's length, so one never stands for another.

use super::{Dialect, Protocol, Transport};

/// What begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected<'a> {
    /// A TLS handshake.
    Tls,
    /// HTTP, version 1 or 2.
    Http,
    /// AMQP.
    Amqp,
    /// A zlib stream: Thrift, in a dialect that is seen when it is inflated.
    Zlib,
    /// A message.
    Thrift(Dialect),
    /// That cannot be said yet. Sixteen bytes are enough for anything.
    WaitForMore,
    /// Nothing known; its first bytes.
    Unknown(&'a [u8]),
}

/// Words with which requests of HTTP begin, the space behind them counted, the preface of HTTP/2, and what responses
/// begin with.
const HTTP: [&[u8]; 12] = [
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"OPTIONS ",
    b"PATCH ",
    b"DELETE ",
    b"QUERY ",
    b"CONNECT ",
    b"TRACE ",
    b"PRI * HTTP/2",
    b"HTTP/",
];
const AMQP: &[u8] = b"AMQP";

/// The longest name with which an old message can begin: of longer ones it could not be told from a frame's length.
const OLD_NAME_MAX: u32 = 64 << 10;
/// What an old message has beside its name at least: length, type, sequence and the stop of a struct.
const OLD_OVERHEAD: u32 = 10;
/// The bytes of a header frame before the number of its protocol.
const HEADER_PREFIX: usize = 14;

/// Tells from the first bytes what begins.
#[must_use]
pub fn detect(input: &[u8]) -> Detected<'_> {
    let unknown = Detected::Unknown(&input[..input.len().min(8)]);
    let thrift = |transport, protocol| Detected::Thrift(Dialect::new(transport, protocol));
    match *input {
        [] => Detected::WaitForMore,
        [0..=0x15 | 0x17..=0x3f, ..] => detect_framed(input).unwrap_or(unknown),
        [0x80 | 0x82 | 0x16 | 0x78] | [b'['] | [b'[', b'1'] | [0x16, 3] => Detected::WaitForMore,
        [0x80, 1, ..] => thrift(Transport::Buffered, Protocol::Binary),
        [0x82, second, ..] if second & 0x1f == 1 => thrift(Transport::Buffered, Protocol::Compact),
        [b'[', b'1', b',', ..] => thrift(Transport::Buffered, Protocol::Json),
        [0x16, 3, 0..=4, ..] => Detected::Tls,
        [0x16, ..] => detect_framed(input).unwrap_or(unknown),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Detected::Zlib,
        [b'A'..=b'Z', ..] => {
            let begins = |word: &[u8]| {
                let size = word.len().min(input.len());
                word[..size] == input[..size]
            };
            if let Some(word) = HTTP.iter().find(|word| begins(word)) {
                if input.len() < word.len() {
                    Detected::WaitForMore
                } else {
                    Detected::Http
                }
            } else if begins(AMQP) {
                if input.len() < AMQP.len() {
                    Detected::WaitForMore
                } else {
                    Detected::Amqp
                }
            } else {
                unknown
            }
        }
        _ => unknown,
    }
}

/// Whether a message with a frame, or an old one without, begins.
#[inline]
fn detect_framed(input: &[u8]) -> Option<Detected<'_>> {
    let Some((size, inner)) = input.split_first_chunk::<4>() else {
        return Some(Detected::WaitForMore);
    };
    let size = u32::from_be_bytes(*size);
    let (transport, protocol) = match *inner {
        [] | [0x80 | 0x82 | 0x0f] | [b'['] | [b'[', b'1'] => return Some(Detected::WaitForMore),
        [0x80, 1, ..] => (Transport::Framed, Protocol::Binary),
        [0x82, second, ..] if second & 0x1f == 1 => (Transport::Framed, Protocol::Compact),
        [0x0f, 0xff, ..] => match input.get(HEADER_PREFIX) {
            None if size as usize > HEADER_PREFIX - 4 => return Some(Detected::WaitForMore),
            Some(2) => (Transport::Header, Protocol::Compact),
            // Numbers that no protocol has are refused when the header is read.
            _ => (Transport::Header, Protocol::Binary),
        },
        [b'[', b'1', b',', ..] => (Transport::Framed, Protocol::Json),
        [0, ..] if size >= OLD_OVERHEAD => match inner.first_chunk::<4>() {
            None => return Some(Detected::WaitForMore),
            Some(name) => {
                let name = u32::from_be_bytes(*name);
                if name > OLD_NAME_MAX || name + OLD_OVERHEAD > size {
                    return None;
                }
                (Transport::Framed, Protocol::BinaryOld)
            }
        },
        [letter, ..] if letter.is_ascii_graphic() && (1..=OLD_NAME_MAX).contains(&size) => {
            (Transport::Buffered, Protocol::BinaryOld)
        }
        _ => return None,
    };
    Some(Detected::Thrift(Dialect::new(transport, protocol)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &[u8], expected: Detected<'_>) {
        assert_eq!(detect(input), expected, "{input:02x?}");
        for size in 0..input.len() {
            let early = detect(&input[..size]);
            assert!(
                early == Detected::WaitForMore || early == expected,
                "{:02x?} is {early:?}",
                &input[..size]
            );
        }
    }

    fn thrift(transport: Transport, protocol: Protocol) -> Detected<'static> {
        Detected::Thrift(Dialect::new(transport, protocol))
    }

    #[test]
    fn everything_is_told_from_everything_else() {
        use Protocol::{Binary, BinaryOld, Compact, Json};
        use Transport::{Buffered, Framed, Header};
        check(b"\x16\x03\x01\x02\x00\x01", Detected::Tls);
        check(b"GET /healthz HTTP/1.1\r\n", Detected::Http);
        check(b"POST / HTTP/1.1\r\n", Detected::Http);
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detected::Http);
        check(b"HTTP/1.1 400 Bad Request\r\n", Detected::Http);
        check(b"AMQP\0\0\x09\x01", Detected::Amqp);
        for level in [0x01, 0x5e, 0x9c, 0xda] {
            check(&[0x78, level, 0, 0], Detected::Zlib);
        }
        check(b"\x80\x01\0\x01\0\0\0\x04ping", thrift(Buffered, Binary));
        check(b"\x82\x21\0\x04ping", thrift(Buffered, Compact));
        check(b"\x82\x81\0\x04ping", thrift(Buffered, Compact));
        check(b"[1,\"ping\",1,0,{}]", thrift(Buffered, Json));
        check(b"\0\0\0\x04ping\x01\0\0\0\0\0", thrift(Buffered, BinaryOld));
        check(
            b"\0\0\0\x11\x80\x01\0\x01\0\0\0\x04ping",
            thrift(Framed, Binary),
        );
        check(b"\0\0\0\x11\x82\x21\0\x04ping", thrift(Framed, Compact));
        check(b"\0\0\0\x11[1,\"ping\",1,0,{}]", thrift(Framed, Json));
        check(
            b"\0\0\0\x0e\0\0\0\x04ping\x01\0\0\0\0\0",
            thrift(Framed, BinaryOld),
        );
        check(
            b"\0\0\0\x20\x0f\xff\0\0\0\0\0\0\0\x01\0\0\0\0",
            thrift(Header, Binary),
        );
        check(
            b"\0\0\0\x20\x0f\xff\0\0\0\0\0\0\0\x01\x02\0\0\0",
            thrift(Header, Compact),
        );
    }

    #[test]
    fn what_nobody_speaks_is_unknown() {
        let unknown: [&[u8]; 12] = [
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80\x02\0\0\0\0\0\0",
            b"\x82\x22\0\0\0\0\0\0",
            b"[2,\"ping\"",
            b"HELO me\r\n",
            b"SSH-2.0-x",
            b"ssh-2.0-x",
            b"\0\0\0\0\0\0\0\0\0",
            // A name that does not fit its frame.
            b"\0\0\0\x0d\0\0\0\x04ping\x01",
            // No frame is that large.
            b"\x40\0\0\0\x80\x01\0\x01",
            b"\x78\x02\0\0",
            b"\0\x02\0\0letters",
        ];
        for input in unknown {
            assert_eq!(
                detect(input),
                Detected::Unknown(&input[..input.len().min(8)]),
                "{input:02x?}"
            );
        }
        // What begins like a handshake of TLS and goes on in another way is the length of a frame.
        assert_eq!(
            detect(b"\x16\x04\0\0\x80\x01\0\x01"),
            thrift(Transport::Framed, Protocol::Binary)
        );
    }

    #[test]
    fn sixteen_bytes_are_enough() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for inner in [0, 0x0f, 0x78, 0x80, 0x82, b'[', b'P', b'a'] {
                    let mut input = [inner; 16];
                    input[0] = first;
                    input[1] = second;
                    assert_ne!(detect(&input), Detected::WaitForMore, "{input:02x?}");
                }
            }
        }
    }
}
