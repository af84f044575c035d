use super::*;
use crate::{Fault, Limits, MessageHeader, MessageKind, Reader, Result, Writer};

/// Reads with the default limits, or with others.
fn reader(bytes: &[u8]) -> CompactReader<'_> {
    static LIMITS: std::sync::LazyLock<Limits> = std::sync::LazyLock::new(Limits::default);
    CompactReader::new(bytes, &LIMITS)
}

fn written(write: impl FnOnce(&mut CompactWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut CompactWriter::new(&mut out));
    out
}

/// What a read says is wrong with bytes.
#[track_caller]
fn fault<'a, T: std::fmt::Debug>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut CompactReader<'a>) -> Result<T>,
) -> Fault {
    read(&mut reader(bytes))
        .expect_err("it should be malformed")
        .fault
}

#[test]
fn a_message_is_as_stock_libraries_write_it() {
    let header = MessageHeader {
        name: "add".into(),
        kind: MessageKind::Call,
        sequence: 300,
    };
    let bytes = written(|writer| writer.message_begin(&header));
    assert_eq!(bytes, b"\x82\x21\xac\x02\x03add");
    assert_eq!(reader(&bytes).header().unwrap(), header);
    let negative = b"\x82\x41\xff\xff\xff\xff\x0f\x00";
    assert_eq!(reader(negative).header().unwrap().sequence, -1);
    assert!(matches!(
        fault(b"\x82\x22\x00\x00", |reader| reader.header().map(drop)),
        Fault::NoMessage { .. }
    ));
    assert_eq!(
        fault(b"\x82\xa1\x00\x00", |reader| reader.header().map(drop)),
        Fault::NoMessageKind(5)
    );
}

#[test]
fn ids_of_fields_are_differences_where_they_are_small() {
    let bytes = written(|writer| {
        let nest = writer.struct_begin();
        for id in [1, 16, 32, -5] {
            writer.field_begin(WireType::I8, id);
            writer.i8(7);
        }
        writer.struct_end(nest);
    });
    // 16 is 15 after 1; 32 is too far; -5 is before.
    assert_eq!(
        bytes,
        [0x13, 7, 0xf3, 7, 0x03, 64, 7, 0x03, 9, 7, 0],
        "{bytes:x?}"
    );
    let mut reader = reader(&bytes);
    let nest = reader.struct_begin().unwrap();
    let mut ids = Vec::new();
    while let Some(field) = reader.field_begin().unwrap() {
        ids.push(field.id);
        reader.skip(field.wire).unwrap();
    }
    reader.struct_end(nest).unwrap();
    assert_eq!(ids, [1, 16, 32, -5]);
    assert_eq!(
        fault(b"\x03\xfe\xff\x03\x00\x13", |reader| {
            reader.field_begin()?;
            reader.i8()?;
            reader.field_begin()
        }),
        Fault::OutOfRange {
            found: 32_768,
            ty: "i16"
        }
    );
}

#[test]
fn a_bool_is_in_the_header_of_its_field_and_a_byte_elsewhere() {
    let bytes = written(|writer| {
        let nest = writer.struct_begin();
        writer.field_begin(WireType::Bool, 1);
        writer.bool(true);
        writer.field_begin(WireType::List, 2);
        writer.list_begin(WireType::Bool, 2);
        writer.bool(true);
        writer.bool(false);
        writer.field_begin(WireType::Bool, 3);
        writer.bool(false);
        writer.struct_end(nest);
    });
    assert_eq!(bytes, [0x11, 0x19, 0x21, 1, 2, 0x12, 0]);
    // Elements may be said to be of type 2, and false may be 0: a note of the specification.
    for list in [[0x31, 1, 0, 2], [0x32, 1, 0, 2]] {
        let mut reader = reader(&list);
        assert_eq!(reader.list_begin().unwrap(), (WireType::Bool, 3));
        let values = [(); 3].map(|()| reader.bool().unwrap());
        assert_eq!(values, [true, false, false]);
    }
    // A field's value that nobody wants is no byte.
    let mut reader = reader(&[0x12, 0x13, 5, 0]);
    let nest = reader.struct_begin().unwrap();
    let field = reader.field_begin().unwrap().unwrap();
    reader.skip(field.wire).unwrap();
    reader.field_begin().unwrap().unwrap();
    assert_eq!(reader.i8().unwrap(), 5);
    assert_eq!(reader.field_begin().unwrap(), None);
    reader.struct_end(nest).unwrap();
}

#[test]
fn numbers_are_zigzag_and_little_endian() {
    let bytes = written(|writer| {
        writer.i16(-1);
        writer.i32(i32::MIN);
        writer.i64(i64::MAX);
        writer.double(1.0);
    });
    let mut expected = vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xfe];
    expected.extend([0xff; 8]);
    expected.push(1);
    expected.extend(1.0_f64.to_le_bytes());
    assert_eq!(bytes, expected);
    let mut reader = reader(&bytes);
    assert_eq!(reader.i16().unwrap(), -1);
    assert_eq!(reader.i32().unwrap(), i32::MIN);
    assert_eq!(reader.i64().unwrap(), i64::MAX);
    assert!((reader.double().unwrap() - 1.0).abs() < f64::EPSILON);
    assert!(reader.rest().is_empty());
}

#[test]
fn varints_have_a_last_byte() {
    for value in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, u32::MAX] {
        let bytes = written(|writer| writer.varint32(value));
        assert_eq!(reader(&bytes).varint32().unwrap(), value);
        let bytes = written(|writer| writer.varint64(u64::from(value) << 32));
        assert_eq!(reader(&bytes).varint64().unwrap(), u64::from(value) << 32);
    }
    // THRIFT-6084: caps of five and ten bytes.
    assert_eq!(fault(&[0x80; 6], Reader::i32), Fault::LongVarint(5));
    assert_eq!(fault(&[0x80; 11], Reader::i64), Fault::LongVarint(10));
    assert_eq!(
        fault(&[0x80; 3], Reader::i64),
        Fault::Truncated { missing: 1 }
    );
    let large = [0xff, 0xff, 0xff, 0xff, 0x1f];
    assert!(matches!(
        fault(&large, Reader::i32),
        Fault::OutOfRange { .. }
    ));
    let large = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
    assert!(matches!(
        fault(&large, Reader::i64),
        Fault::OutOfRange { .. }
    ));
    assert!(matches!(
        fault(&[0x80, 0x80, 0x04], Reader::i16),
        Fault::OutOfRange { ty: "i16", .. }
    ));
}

#[test]
fn containers_that_are_opened_end_up_as_those_that_are_begun() {
    for count in [0_u32, 1, 14, 15, 127, 128, 20_000] {
        let opened = written(|writer| {
            let outer = writer.list_open(WireType::List);
            let list = writer.list_open(WireType::I8);
            (0..count).for_each(|_| writer.i8(1));
            writer.list_close(list, count);
            writer.list_close(outer, 1);
            let map = writer.map_open(WireType::I8, WireType::Bool);
            (0..count).for_each(|_| {
                writer.i8(1);
                writer.bool(true);
            });
            writer.map_close(map, count);
            writer.i8(42);
        });
        let begun = written(|writer| {
            writer.list_begin(WireType::List, 1);
            writer.list_begin(WireType::I8, count);
            (0..count).for_each(|_| writer.i8(1));
            writer.map_begin(WireType::I8, WireType::Bool, count);
            (0..count).for_each(|_| {
                writer.i8(1);
                writer.bool(true);
            });
            writer.i8(42);
        });
        assert_eq!(opened, begun, "{count}");
    }
}

#[test]
fn an_empty_map_has_no_types() {
    assert_eq!(reader(&[0]).map_begin().unwrap(), (None, 0));
}

#[test]
fn uuids_are_sixteen_bytes_of_type_13() {
    let uuid = *b"0123456789abcdef";
    let bytes = written(|writer| {
        writer.field_begin(WireType::Uuid, 1);
        writer.uuid(&uuid);
    });
    assert_eq!(bytes[0], 0x1d);
    let mut reader = reader(&bytes);
    reader.field_begin().unwrap();
    assert_eq!(reader.uuid().unwrap(), uuid);
}

#[test]
fn sizes_are_compared_with_what_is_left() {
    // CVE-2020-13949 and CVE-2026-43868: a few bytes that say that there are two thousand millions.
    let huge = [0xff, 0xff, 0xff, 0xff, 0x07];
    let with = |first: &[u8], rest: &[u8]| [first, &huge, rest].concat();
    assert!(matches!(
        fault(&with(&[0xfc], &[]), Reader::list_begin),
        Fault::TooManyElements { left: 0, .. }
    ));
    assert!(matches!(
        fault(&with(&[], &[0x88]), Reader::map_begin),
        Fault::TooManyElements { left: 0, .. }
    ));
    assert!(matches!(
        fault(&with(&[], &[]), |reader| reader.bytes().map(<[u8]>::len)),
        Fault::OverLimit { .. }
    ));
    // 2,000,000,000 doubles are 16e9 bytes, which are 4e9 fewer in 32 bits: THRIFT-6091.
    assert!(matches!(
        fault(&with(&[0xf7], &[0; 64]), Reader::list_begin),
        Fault::TooManyElements { left: 64, .. }
    ));
    let negative = [0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(
        fault(&negative, |reader| reader.bytes().map(<[u8]>::len)),
        Fault::NegativeSize(-1)
    );
}
