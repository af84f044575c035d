//! What stock libraries send is understood.
//!
//! All was written by the Python library, 0.25.0, into a `TMemoryBuffer`: the call `ping(5, "hello hello hello")` with
//! sequence 7, and with 8 behind it where there are two. The hexadecimal forms are what the buffer had.

use super::*;

fn check(hex: &str, dialect: &str, name: &str, sequences: &[i32]) {
    let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
    let bytes: Vec<u8> = hex
        .as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect();
    let mut server = Server::new(Limits::default());
    let mut input = &bytes[..];
    for sequence in sequences {
        let Some(ServerEvent::Request(request)) = server.poll_request(&mut input) else {
            panic!("{dialect} is not understood");
        };
        assert_eq!(request.dialect.to_string(), dialect);
        assert_eq!(request.header.name, name);
        assert_eq!(request.header.sequence, *sequence);
        assert_eq!(number_of(request.dialect.protocol, &request.body), 5);
    }
    assert!(server.poll_request(&mut input).is_none());
    assert!(input.is_empty());
}

/// `TZlibTransport`, flushed after each message.
#[test]
fn compressed_connections() {
    check(
        "78da6a6064606460606029c8cc4b07d2ec1c602e2b3703139012cc48cdc9c95740221900000000ffff\
         6a4055cf41483d000000ffff",
        "buffered/binary/zlib",
        "ping",
        &[7, 8],
    );
    // With `TFramedTransport` over it.
    check(
        "78da626060906b52646729c8cc4b17e59210cc48cdc9c95740221900000000ffff\
         6200abe0c0a302000000ffff",
        "framed/compact/zlib",
        "ping",
        &[7, 8],
    );
    check(
        "78da8a36d4512ac8cc4b57d231d431d7a9563254b2aa56ca343652b232add5513202f18a4b8a94ac9432527372\
         f2159048a5dada5800000000ffff8a46d26d41b26e00000000ffff",
        "buffered/json/zlib",
        "ping",
        &[7, 8],
    );
}

/// `strictWrite=False`.
#[test]
fn old_messages() {
    check(
        "0000000470696e670100000007080001000000050b00020000001168656c6c6f2068656c6c6f2068656c6c6f00",
        "buffered/binary-old",
        "ping",
        &[7],
    );
    check(
        "0000002d0000000470696e670100000007080001000000050b00020000001168656c6c6f2068656c6c6f206865\
         6c6c6f00",
        "framed/binary-old",
        "ping",
        &[7],
    );
}

/// The first and the last with `TMultiplexedProtocol`.
#[test]
fn json_and_compact() {
    check(
        "000000435b312c2243616c633a70696e67222c312c372c7b2231223a7b22693332223a357d2c2232223a7b2273\
         7472223a2268656c6c6f2068656c6c6f2068656c6c6f227d7d5d",
        "framed/json",
        "Calc:ping",
        &[7],
    );
    check(
        "5b312c2270696e67222c312c372c7b2231223a7b22693332223a357d2c2232223a7b22737472223a2268656c6c\
         6f2068656c6c6f2068656c6c6f227d7d5d",
        "buffered/json",
        "ping",
        &[7],
    );
    check(
        "8221070943616c633a70696e67150a181168656c6c6f2068656c6c6f2068656c6c6f00",
        "buffered/compact",
        "Calc:ping",
        &[7],
    );
}

/// `THeaderProtocol` over `TMemoryBuffer`, with the zlib transform and a key.
#[test]
fn header_transport() {
    check(
        "000000320fff00000000000700030201010101016b0176000000\
         789c6b52646729c8cc4b17e59210cc48cdc9c9574022190083d50921",
        "header/compact",
        "ping",
        &[7],
    );
}
