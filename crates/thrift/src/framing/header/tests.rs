//! The frames were written by the Python library, 0.25.0: a `THeaderProtocol` over a `TMemoryBuffer`, and the call
//! `ping(5, "hello hello hello")`. Their hexadecimal forms are what the buffer had.

use super::*;
use crate::framing::{Detected, Transport, detect};

pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    let digits: Vec<u8> = hex
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// Sequence 7.
const BINARY: &str = "0000003e 0fff 0000 00000007 0001 00000000
    80010001 00000004 70696e67 00000007
    08000100000005 0b000200000011 68656c6c6f2068656c6c6f2068656c6c6f 00";
/// Sequence 300.
const COMPACT: &str = "0000002d 0fff 0000 0000012c 0001 02000000
    8221ac02 0470696e67 150a 1811 68656c6c6f2068656c6c6f2068656c6c6f 00";
/// Flags 5, and `set_header` of three keys, one of them empty.
const KEYS: &str = "0000005e 0fff 0005 00000007 0009
    0000 01 03 08646561646c696e65 03353030 0874726163652d6964 05ff00616263 00 00 000000
    80010001 00000004 70696e67 00000007
    08000100000005 0b000200000011 68656c6c6f2068656c6c6f2068656c6c6f 00";
/// With `add_transform` of zlib, and one key.
const ZLIB: &str = "00000032 0fff 0000 00000007 0003 02 01 01 01 01 016b 0176 000000
    789c6b52646729c8cc4b17e59210cc48cdc9c9574022190083d50921";

fn check(hex: &str, protocol: Protocol, wrap_expected: Wrap, headers: &[(&[u8], &[u8])]) {
    let frame = bytes(hex);
    let Detected::Thrift(dialect) = detect(&frame) else {
        panic!("{frame:02x?} is not detected");
    };
    assert_eq!(dialect.transport, Transport::Header);
    assert_eq!(dialect.protocol, protocol);
    assert!(is_header(&frame[4..]));
    let unwrapped = unwrap(&frame[4..], &Limits::default()).unwrap();
    assert_eq!(unwrapped.protocol, protocol);
    assert_eq!(unwrapped.wrap, wrap_expected);
    assert_eq!(unwrapped.zlib_count, u32::from(wrap_expected.is_zlib));
    let found: Vec<_> = unwrapped.headers.iter().collect();
    assert_eq!(found, headers);
    assert_eq!(unwrapped.headers.is_empty(), headers.is_empty());

    // What is written is the same to the byte.
    let mut out = Vec::new();
    wrap(&mut out, protocol, wrap_expected, headers);
    out.extend_from_slice(unwrapped.payload);
    assert_eq!(out[4..], frame[4..]);

    // Every truncation is refused, or is of the payload.
    for size in 0..frame.len() - 4 {
        match unwrap(&frame[4..4 + size], &Limits::default()) {
            Ok(cut) => assert!(unwrapped.payload.starts_with(cut.payload)),
            Err(refused) => assert_eq!(refused.kind, ApplicationErrorKind::ProtocolError),
        }
    }
}

#[test]
fn frames_of_stock_libraries_are_read_and_written() {
    let wrap = |flags, sequence, is_zlib| Wrap {
        flags,
        sequence,
        is_zlib,
    };
    check(BINARY, Protocol::Binary, wrap(0, 7, false), &[]);
    check(COMPACT, Protocol::Compact, wrap(0, 300, false), &[]);
    check(
        KEYS,
        Protocol::Binary,
        wrap(5, 7, false),
        &[
            (b"deadline", b"500"),
            (b"trace-id", b"\xff\0abc"),
            (b"", b""),
        ],
    );
    check(ZLIB, Protocol::Compact, wrap(0, 7, true), &[(b"k", b"v")]);
}

/// A frame with that header, padded, and no payload.
fn frame(header: &[u8]) -> Vec<u8> {
    let mut frame = b"\x0f\xff\0\x01\0\0\0\x09\0\0".to_vec();
    frame.extend_from_slice(header);
    frame.resize(10 + header.len().next_multiple_of(4), 0);
    frame[9] = ((frame.len() - 10) / 4) as u8;
    frame
}

#[test]
fn headers_that_are_not_understood_are_passed_over() {
    let limits = Limits::default();
    let pairs = |header: &[u8]| {
        let frame = frame(header);
        let unwrapped = unwrap(&frame, &limits).unwrap();
        let pairs = unwrapped.headers.iter();
        pairs
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect::<Vec<_>>()
    };
    let one = vec![(b"k".to_vec(), b"v".to_vec())];
    // Nothing, an info of another kind, one behind the first.
    assert_eq!(pairs(&[0, 0]), []);
    assert_eq!(pairs(&[0, 0, 2, 99, 99, 99, 99]), []);
    assert_eq!(pairs(b"\0\0\x01\x01\x01k\x01v\x02\xff\xff\xff"), one);
    // The same info again, and none in it.
    assert_eq!(pairs(b"\0\0\x01\0\x01\x01\x01k\x01v\x01\0"), one);

    let frame = frame(b"\0\0\x01\x02\x01k\x01v\x01k\x01w");
    let unwrapped = unwrap(&frame, &limits).unwrap();
    assert_eq!(unwrapped.headers.get(b"k"), Some(&b"w"[..]));
    assert_eq!(unwrapped.headers.get(b"v"), None);
}

#[test]
fn wrong_headers_are_refused() {
    use ApplicationErrorKind::{InvalidProtocol, InvalidTransform, ProtocolError};
    let check = |frame: &[u8], kind| {
        let refused = unwrap(frame, &Limits::default()).unwrap_err();
        assert_eq!(refused.kind, kind, "{}", refused.malformed);
        refused
    };
    for protocol in [1, 3, 4, 0x7f] {
        let refused = check(&frame(&[protocol, 0]), InvalidProtocol);
        assert_eq!(refused.protocol, Protocol::Binary);
        assert_eq!(refused.wrap.sequence, 9);
        assert_eq!(refused.wrap.flags, 1);
    }
    for transform in [0, 2, 3, 4, 0x7f] {
        let refused = check(&frame(&[2, 1, transform]), InvalidTransform);
        assert_eq!(refused.protocol, Protocol::Compact);
        check(&frame(&[0, 2, 1, transform]), InvalidTransform);
    }
    check(&frame(&[0, 5, 1, 1, 1, 1, 1]), ProtocolError);
    // Numbers without an end, of more than 32 bits, and behind the header's end.
    check(&frame(&[0xff, 0xff, 0xff, 0xff, 0xff, 1]), ProtocolError);
    check(&frame(&[0xff, 0xff, 0xff, 0xff, 0x1f]), ProtocolError);
    check(&frame(&[]), ProtocolError);
    check(&frame(&[0, 0, 1, 0xff]), ProtocolError);
    // Two hundred million headers, and keys of two hundred megabytes.
    check(&frame(&[0, 0, 1, 0x80, 0x84, 0xaf, 0x5f]), ProtocolError);
    check(&frame(&[0, 0, 1, 1, 0x80, 0x84, 0xaf, 0x5f]), ProtocolError);
    check(&frame(&[0, 0, 1, 1, 1, b'k', 9, b'v']), ProtocolError);
    // A header that is larger than its frame, or than it may be.
    let mut long = frame(&[0, 0]);
    long[9] = 2;
    check(&long, ProtocolError);
    let limits = Limits {
        headers_max: 8,
        ..Limits::default()
    };
    assert!(unwrap(&frame(&[0; 8]), &limits).is_ok());
    assert!(unwrap(&frame(&[0; 9]), &limits).is_err());
}

#[test]
fn headers_without_room_are_left_out() {
    let long = vec![b'x'; 0x1_0000];
    let headers: &[(&[u8], &[u8])] = &[(b"long", &long)];
    assert!(!fit(headers));
    let mut out = Vec::new();
    wrap(&mut out, Protocol::Binary, Wrap::default(), headers);
    assert_eq!(out.len(), 18);

    let almost = vec![b'x'; 0xfff8 - 20 - 4];
    let headers: &[(&[u8], &[u8])] = &[(b"long", &almost)];
    assert!(fit(headers));
    let mut out = Vec::new();
    wrap(&mut out, Protocol::Binary, Wrap::default(), headers);
    let unwrapped = unwrap(&out[4..], &Limits::default()).unwrap();
    assert_eq!(unwrapped.headers.get(b"long"), Some(&almost[..]));
}
