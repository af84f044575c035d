use super::*;
use crate::{
    MessageHeader, MessageKind, Reader, Writer,
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
};

fn header() -> MessageHeader<'static> {
    MessageHeader {
        name: "S:method".into(),
        kind: MessageKind::Call,
        sequence: 300,
    }
}

/// A message with every type, in each container.
fn write_message<W: Writer>(writer: &mut W) {
    writer.message_begin(&header());
    let nest = writer.struct_begin();
    let all = [
        WireType::Bool,
        WireType::I8,
        WireType::Double,
        WireType::I16,
        WireType::I32,
        WireType::I64,
        WireType::String,
        WireType::Struct,
        WireType::Map,
        WireType::Set,
        WireType::List,
        WireType::Uuid,
    ];
    let mut id = 0;
    for (at, wire) in all.into_iter().enumerate() {
        // Ids near to the one before and far from it.
        id += if at % 2 == 0 { 1 } else { 100 };
        writer.field_begin(wire, id);
        write_value(writer, wire, 3);
        writer.field_end();
    }
    for (wire, count) in all.into_iter().zip([0, 1, 2, 3, 14, 15, 16, 2, 2, 2, 2, 2]) {
        id += 1;
        writer.field_begin(WireType::List, id);
        writer.list_begin(wire, count);
        for _ in 0..count {
            write_value(writer, wire, 2);
        }
        writer.list_end();
        writer.field_end();
        id += 1;
        writer.field_begin(WireType::Map, id);
        writer.map_begin(WireType::String, wire, count);
        for _ in 0..count {
            writer.string("key");
            write_value(writer, wire, 2);
        }
        writer.map_end();
        writer.field_end();
    }
    writer.struct_end(nest);
    writer.message_end();
}

fn write_value<W: Writer>(writer: &mut W, wire: WireType, depth: u32) {
    match wire {
        WireType::Bool => writer.bool(true),
        WireType::I8 => writer.i8(-5),
        WireType::Double => writer.double(1.5),
        WireType::I16 => writer.i16(-300),
        WireType::I32 => writer.i32(70_000),
        WireType::I64 => writer.i64(i64::MIN),
        WireType::String => writer.string("text with \"quotes\", [brackets} and \\"),
        WireType::Uuid => writer.uuid(&[7; 16]),
        WireType::Struct => {
            let nest = writer.struct_begin();
            if depth > 0 {
                writer.field_begin(WireType::Struct, 1);
                write_value(writer, WireType::Struct, depth - 1);
                writer.field_end();
                writer.field_begin(WireType::Bool, 2);
                writer.bool(false);
                writer.field_end();
                writer.field_begin(WireType::List, 900);
                write_value(writer, WireType::List, depth - 1);
                writer.field_end();
            }
            writer.struct_end(nest);
        }
        WireType::Set | WireType::List if depth == 0 => {
            writer.list_begin(WireType::I64, 2);
            writer.i64(1);
            writer.i64(-1);
            writer.list_end();
        }
        WireType::Set | WireType::List => {
            writer.list_begin(WireType::Struct, 2);
            write_value(writer, WireType::Struct, depth - 1);
            write_value(writer, WireType::Struct, depth - 1);
            writer.list_end();
        }
        WireType::Map if depth == 0 => {
            writer.map_begin(WireType::I32, WireType::Double, 0);
            writer.map_end();
        }
        WireType::Map => {
            writer.map_begin(WireType::I32, WireType::Map, 2);
            for key in 0..2 {
                writer.i32(key);
                write_value(writer, WireType::Map, depth - 1);
            }
            writer.map_end();
        }
    }
}

const PROTOCOLS: [Protocol; 4] = [
    Protocol::Binary,
    Protocol::BinaryOld,
    Protocol::Compact,
    Protocol::Json,
];

fn message(protocol: Protocol) -> Vec<u8> {
    let mut out = Vec::new();
    match protocol {
        Protocol::Binary => write_message(&mut BinaryWriter::new(&mut out)),
        Protocol::BinaryOld => {
            write_message(&mut BinaryWriter::new(&mut out));
            // Length and name, kind, sequence: in another order, and without a version.
            out.drain(..4);
            out.insert(12, 1);
        }
        Protocol::Compact => write_message(&mut CompactWriter::new(&mut out)),
        Protocol::Json => write_message(&mut JsonWriter::new(&mut out)),
    }
    out
}

/// Where a reader of the protocol sees the end.
fn end_by_reader(protocol: Protocol, message: &[u8]) -> usize {
    fn read<R: Reader>(mut reader: R) -> usize {
        reader.message_begin().unwrap();
        reader.skip(WireType::Struct).unwrap();
        reader.message_end().unwrap();
        reader.offset()
    }
    let limits = Limits::default();
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => read(BinaryReader::new(message, &limits)),
        Protocol::Compact => read(CompactReader::new(message, &limits)),
        Protocol::Json => read(JsonReader::new(message, &limits)),
    }
}

#[test]
fn the_end_is_found_whatever_the_split() {
    let limits = Limits::default();
    for protocol in PROTOCOLS {
        let message = message(protocol);
        let size = message.len();
        let mut input = message.clone();
        input.extend_from_slice(&message[..20]);
        assert_eq!(end_by_reader(protocol, &input), size, "{protocol}");

        let mut skipper = Skipper::new(protocol);
        assert_eq!(skipper.advance(&input, &limits), Ok(Some(size)));
        for split in 0..size {
            skipper.restart(protocol);
            assert_eq!(
                skipper.advance(&input[..split], &limits),
                Ok(None),
                "{protocol} at {split}"
            );
            assert_eq!(skipper.advance(&input, &limits), Ok(Some(size)));
        }
        skipper.restart(protocol);
        let mut before = 0;
        for come in 0..size {
            assert_eq!(skipper.advance(&input[..come], &limits), Ok(None));
            assert!(skipper.wanted() >= before, "nothing is gone over twice");
            before = skipper.wanted();
        }
        assert_eq!(skipper.advance(&input[..size], &limits), Ok(Some(size)));
    }
}

fn fault(protocol: Protocol, limits: &Limits, input: &[u8]) -> Fault {
    let whole = Skipper::new(protocol).advance(input, limits).unwrap_err();
    let mut skipper = Skipper::new(protocol);
    let first = (0..=input.len())
        .find_map(|come| skipper.advance(&input[..come], limits).err())
        .unwrap();
    assert_eq!(whole.fault, first.fault, "{input:02x?}");
    whole.fault
}

const BINARY: &[u8] = b"\x80\x01\0\x01\0\0\0\x01m\0\0\0\x05";
const COMPACT: &[u8] = b"\x82\x21\x05\x01m";

fn binary(inside: &[u8]) -> Vec<u8> {
    [BINARY, inside].concat()
}

fn compact(inside: &[u8]) -> Vec<u8> {
    [COMPACT, inside].concat()
}

#[test]
fn what_has_no_end_is_refused_at_once() {
    let limits = Limits::default();
    let stated = 200_000_000;
    let over = |what, limit| Fault::OverLimit {
        what,
        found: stated,
        limit,
    };
    let check = |protocol, input: Vec<u8>, expected: Fault| {
        assert_eq!(fault(protocol, &limits, &input), expected, "{input:02x?}");
    };
    let size = (stated as u32).to_be_bytes();
    let varint = [0x80, 0x84, 0xaf, 0x5f];
    let b = |front: &[u8]| binary(&[front, &size].concat());
    let c = |front: &[u8]| compact(&[front, &varint].concat());

    // Two hundred megabytes are stated, and not there.
    let string = over("a string", limits.string_max);
    let container = over("a container", limits.container_max as usize);
    check(Protocol::Binary, b(&[11, 0, 1]), string.clone());
    check(Protocol::Compact, c(&[0x18]), string);
    check(Protocol::Binary, b(&[15, 0, 1, 12]), container.clone());
    check(Protocol::Binary, b(&[13, 0, 1, 3, 3]), container.clone());
    check(Protocol::Compact, c(&[0x19, 0xfc]), container.clone());
    check(
        Protocol::Compact,
        c(&[0x1b]).into_iter().chain([0x33]).collect(),
        container,
    );
    let name = over("a method's name", limits.name_max);
    check(
        Protocol::Binary,
        [b"\x80\x01\0\x01", &size[..]].concat(),
        name.clone(),
    );
    check(Protocol::BinaryOld, size.to_vec(), name.clone());
    check(
        Protocol::Compact,
        [b"\x82\x21\x05", &varint[..]].concat(),
        name,
    );

    // Elements of known size are not looked at, but counted: sixteen bytes times sixteen million.
    let count = limits.container_max;
    let uuids = [&[15, 0, 1, 16][..], &count.to_be_bytes()].concat();
    let found = BINARY.len() + 8 + count as usize * 16;
    check(
        Protocol::Binary,
        binary(&uuids),
        Fault::OverLimit {
            what: "a message",
            found,
            limit: limits.message_max,
        },
    );

    // What means nothing.
    check(
        Protocol::Binary,
        binary(&[11, 0, 1, 0xff, 0xff, 0xff, 0xff]),
        Fault::NegativeSize(-1),
    );
    check(Protocol::Binary, binary(&[1, 0, 1]), Fault::NoType(1));
    check(Protocol::Binary, binary(&[17]), Fault::NoType(17));
    check(
        Protocol::Binary,
        binary(&[15, 0, 1, 0, 0, 0, 0, 1]),
        Fault::NoType(0),
    );
    check(Protocol::Compact, compact(&[0x1e]), Fault::NoType(14));
    check(
        Protocol::Compact,
        compact(&[
            0x16, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ]),
        Fault::LongVarint(10),
    );
    check(
        Protocol::Compact,
        compact(&[0x18, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        Fault::NegativeSize(-1),
    );
}

#[test]
fn what_does_not_begin_like_a_message_is_not_waited_for() {
    let limits = Limits::default();
    for protocol in PROTOCOLS {
        for input in [
            &b"HTTP/1.1 400 Bad Request"[..],
            b"\x81",
            b"\x82\x22",
            b"\x80\x02",
            b" [",
        ] {
            let fault = match Skipper::new(protocol).advance(input, &limits) {
                Err(malformed) => malformed.fault,
                // The length of a name begins with anything.
                Ok(end) => {
                    assert_eq!((protocol, end), (Protocol::BinaryOld, None));
                    continue;
                }
            };
            let is_name = protocol == Protocol::BinaryOld && input.len() > 4;
            assert_eq!(
                matches!(fault, Fault::NoMessage { .. }),
                !is_name,
                "{fault:?}"
            );
        }
    }
}

#[test]
fn depth_is_bounded() {
    let limits = Limits::default();
    let deep = Fault::TooDeep(limits.depth_max);
    let input = binary(&[12, 0, 1].repeat(100_000));
    let compact_input = compact(&[0x1c; 1000]);
    assert_eq!(fault(Protocol::Binary, &limits, &input[..1000]), deep);
    assert_eq!(
        Skipper::new(Protocol::Binary)
            .advance(&input, &limits)
            .unwrap_err()
            .fault,
        deep
    );
    assert_eq!(fault(Protocol::Compact, &limits, &compact_input), deep);
    for bracket in [b"[", b"{"] {
        let input = [&b"["[..], &bracket.repeat(1000)].concat();
        assert_eq!(fault(Protocol::Json, &limits, &input), deep);
    }

    // What a reader takes, a skipper does.
    let depth = limits.depth_max as usize;
    let inside = [[12, 0, 1].repeat(depth - 1), vec![0; depth]].concat();
    let input = binary(&inside);
    assert_eq!(end_by_reader(Protocol::Binary, &input), input.len());
    assert_eq!(
        Skipper::new(Protocol::Binary).advance(&input, &limits),
        Ok(Some(input.len()))
    );
    let mut input = b"[1,\"m\",1,5,{".to_vec();
    input.extend(b"\"1\":{\"rec\":{".repeat(depth - 1));
    input.extend(b"}}".repeat(depth - 1));
    input.extend(b"}]");
    assert_eq!(end_by_reader(Protocol::Json, &input), input.len());
    assert_eq!(
        Skipper::new(Protocol::Json).advance(&input, &limits),
        Ok(Some(input.len()))
    );
}

#[test]
fn messages_are_bounded() {
    let limits = Limits {
        message_max: 100,
        ..Limits::default()
    };
    let over = |found| Fault::OverLimit {
        what: "a message",
        found,
        limit: 100,
    };
    // The end is 101 bytes away, and stated.
    let string = [&[11, 0, 1][..], &81_u32.to_be_bytes()].concat();
    assert_eq!(
        fault(Protocol::Binary, &limits, &binary(&string)),
        over(101)
    );
    // It is nowhere.
    let input = [b"[1,\"m\",1,5,\"".to_vec(), vec![b'x'; 200]].concat();
    assert_eq!(fault(Protocol::Json, &limits, &input), over(101));
    // What comes behind the limit is not looked at.
    let input = binary(&[2, 0, 1, 1].repeat(10_000));
    let mut skipper = Skipper::new(Protocol::Binary);
    let malformed = skipper.advance(&input, &limits).unwrap_err();
    assert_eq!(malformed.fault, over(101));
}
