//! Messages that broke other implementations of Thrift, one test for each class, by the number of the weakness; and every
//! limit, at its edge.
//!
//! Classes that are none of a codec's: a generator that runs a shell (CVE-2016-5397; nothing here runs anything), checks
//! behind `assert` (CVE-2018-1320; there are no such checks), files served beside calls (CVE-2018-11798), TLS
//! (CVE-2026-43869) and headers of HTTP (CVE-2026-43870).

use std::fmt::Debug;

use trefoil_thrift::{
    Fault, Limits, Malformed, Reader, Result, Schema, Type, Value, WireType, Writer, check_struct,
    json::{JsonOptions, json_to_struct, struct_to_json},
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
    read_value,
    schema::{Annotations, Builder, NewField, StructId, StructKind},
    transcode_struct,
};

/// `struct Node { 1: Node next, 2: list<Node> nodes, 3: map<string, Node> by_name, 4: list<i8> bytes }`.
fn node() -> (Schema, StructId) {
    let mut builder = Builder::new();
    let node = builder.declare_struct("Node", StructKind::Struct, None, Annotations::new());
    let ty = Type::Struct(node);
    let nodes = builder.list(ty);
    let by_name = builder.map(Type::String, ty);
    let bytes = builder.list(Type::I8);
    let fields = vec![
        NewField::new(1, "next", ty),
        NewField::new(2, "nodes", nodes),
        NewField::new(3, "by_name", by_name),
        NewField::new(4, "bytes", bytes),
    ];
    builder
        .define_struct(node, fields)
        .expect("ids and names differ");
    (builder.build(), node)
}

/// A message in each protocol, of what is written.
struct Messages {
    binary: Vec<u8>,
    compact: Vec<u8>,
    json: Vec<u8>,
}

macro_rules! messages {
    (|$writer:ident| $write:expr) => {{
        let mut messages = Messages {
            binary: Vec::new(),
            compact: Vec::new(),
            json: Vec::new(),
        };
        {
            let $writer = &mut BinaryWriter::new(&mut messages.binary);
            $write;
        }
        {
            let $writer = &mut CompactWriter::new(&mut messages.compact);
            $write;
        }
        {
            let $writer = &mut JsonWriter::new(&mut messages.json);
            $write;
        }
        messages
    }};
}

impl Messages {
    /// Reads a `Node` from each in every way: jumping over it, checking, making a tree, transcoding.
    #[track_caller]
    fn read(&self, limits: &Limits, judge: impl Fn(Result<()>)) {
        read_binary(&self.binary, limits, &judge);
        read_compact(&self.compact, limits, &judge);
        read_json(&self.json, limits, &judge);
    }

    #[track_caller]
    fn are_good(&self, limits: &Limits) {
        self.read(limits, |result| result.expect("it should be read"));
    }

    #[track_caller]
    fn are_refused(&self, limits: &Limits, is_it: impl Fn(&Fault) -> bool) {
        self.read(limits, |result| {
            let error = result.expect_err("it should be refused");
            assert!(is_it(&error.fault), "{error}");
        });
    }
}

macro_rules! reads {
    ($name:ident, $reader:ident) => {
        #[track_caller]
        fn $name(bytes: &[u8], limits: &Limits, judge: &impl Fn(Result<()>)) {
            let (schema, node) = node();
            judge($reader::new(bytes, limits).skip(WireType::Struct));
            judge(check_struct(
                &schema,
                node,
                &mut $reader::new(bytes, limits),
            ));
            let value = read_value(
                &schema,
                Type::Struct(node),
                &mut $reader::new(bytes, limits),
            );
            judge(value.map(drop));
            let mut out = Vec::new();
            let writer = &mut BinaryWriter::new(&mut out);
            let mut reader = $reader::new(bytes, limits);
            judge(transcode_struct(&schema, node, &mut reader, writer));
            let (empty, id) = empty();
            let mut out = Vec::new();
            let writer = &mut CompactWriter::new(&mut out);
            let mut reader = $reader::new(bytes, limits);
            judge(transcode_struct(&empty, id, &mut reader, writer));
        }
    };
}
reads!(read_binary, BinaryReader);
reads!(read_compact, CompactReader);
reads!(read_json, JsonReader);

/// A struct without fields, so that all is unknown.
fn empty() -> (Schema, StructId) {
    let mut builder = Builder::new();
    let id = builder.declare_struct("Empty", StructKind::Struct, None, Annotations::new());
    (builder.build(), id)
}

/// So many nodes within each other, by field 1.
fn chain<W: Writer>(depth: u32, writer: &mut W) {
    let nest = writer.struct_begin();
    if depth > 1 {
        writer.field_begin(WireType::Struct, 1);
        chain(depth - 1, writer);
        writer.field_end();
    }
    writer.struct_end(nest);
}

/// A node in lists of nodes: two levels of depth each.
fn nodes<W: Writer>(pairs: u32, writer: &mut W) {
    let nest = writer.struct_begin();
    if pairs > 0 {
        writer.field_begin(WireType::List, 2);
        writer.list_begin(WireType::Struct, 1);
        nodes(pairs - 1, writer);
        writer.list_end();
        writer.field_end();
    }
    writer.struct_end(nest);
}

/// A node in maps of nodes: two levels of depth each.
fn maps<W: Writer>(pairs: u32, writer: &mut W) {
    let nest = writer.struct_begin();
    if pairs > 0 {
        writer.field_begin(WireType::Map, 3);
        writer.map_begin(WireType::String, WireType::Struct, 1);
        writer.string("k");
        maps(pairs - 1, writer);
        writer.map_end();
        writer.field_end();
    }
    writer.struct_end(nest);
}

/// A node with so many bytes in its list.
fn bytes<W: Writer>(count: u32, writer: &mut W) {
    let nest = writer.struct_begin();
    writer.field_begin(WireType::List, 4);
    writer.list_begin(WireType::I8, count);
    (0..count).for_each(|_| writer.i8(1));
    writer.list_end();
    writer.field_end();
    writer.struct_end(nest);
}

#[track_caller]
fn fault<T: Debug>(result: Result<T>) -> Fault {
    let error: Box<Malformed> = result.expect_err("it should be refused");
    error.fault
}

#[test]
fn cve_2015_3254_recursion_has_an_end() {
    let limits = Limits::default();
    messages!(|writer| chain(64, writer)).are_good(&limits);
    messages!(|writer| nodes(31, writer)).are_good(&limits);
    messages!(|writer| maps(31, writer)).are_good(&limits);
    let is_it = |fault: &Fault| *fault == Fault::TooDeep(64);
    messages!(|writer| chain(65, writer)).are_refused(&limits, is_it);
    messages!(|writer| nodes(32, writer)).are_refused(&limits, is_it);
    messages!(|writer| maps(32, writer)).are_refused(&limits, is_it);
}

#[test]
fn cve_2015_3254_no_limit_lets_the_stack_overflow() {
    let limits = Limits {
        depth_max: u32::MAX,
        ..Limits::default()
    };
    messages!(|writer| chain(256, writer)).are_good(&limits);
    messages!(|writer| nodes(127, writer)).are_good(&limits);
    let is_it = |fault: &Fault| *fault == Fault::TooDeep(256);
    messages!(|writer| chain(257, writer)).are_refused(&limits, is_it);
    messages!(|writer| nodes(128, writer)).are_refused(&limits, is_it);
    // JSON of values, in and out.
    let (schema, id) = node();
    let text = |depth: usize| r#"{"next":"#.repeat(depth - 1) + "{}" + &"}".repeat(depth - 1);
    let options = JsonOptions::default();
    let read = |text: &str, out: &mut Vec<u8>| {
        let mut writer = BinaryWriter::new(out);
        json_to_struct(&schema, id, text.as_bytes(), &options, &limits, &mut writer)
    };
    let mut message = Vec::new();
    read(&text(256), &mut message).expect("it is not too deep");
    let mut written = Vec::new();
    let mut reader = BinaryReader::new(&message, &limits);
    struct_to_json(&schema, id, &mut reader, &options, &mut written).expect("it is not too deep");
    assert_eq!(String::from_utf8(written), Ok(text(256)));
    assert!(read(&text(257), &mut Vec::new()).is_err());
}

#[test]
fn cve_2015_3254_recursion_of_a_megabyte_has_an_end() {
    // Headers of fields or lists without end, as they fit into a frame.
    let limits = Limits::default();
    let repeated = |part: &[u8]| part.repeat((1 << 20) / part.len());
    let messages = Messages {
        binary: repeated(b"\x0c\0\x01"),
        compact: repeated(b"\x1c"),
        json: repeated(b"{\"1\":{\"rec\":"),
    };
    messages.are_refused(&limits, |fault| *fault == Fault::TooDeep(64));
    let lists = repeated(b"\x0f\0\0\0\x01");
    let mut reader = BinaryReader::new(&lists, &limits);
    assert_eq!(fault(reader.skip(WireType::List)), Fault::TooDeep(64));
    let lists = repeated(b"\x19");
    let mut reader = CompactReader::new(&lists, &limits);
    assert_eq!(fault(reader.skip(WireType::List)), Fault::TooDeep(64));
    let lists = repeated(b"[\"lst\",1,");
    let mut reader = JsonReader::new(&lists, &limits);
    assert_eq!(fault(reader.skip(WireType::List)), Fault::TooDeep(64));
}

#[test]
fn cve_2019_0205_types_without_bytes_are_no_types() {
    // Two thousand million elements of type `stop` or `void`, which other readers went through one by one.
    let limits = Limits::default();
    for ty in [0, 1, 5, 7, 9, 17, 255] {
        let list = [ty, 0x7f, 0xff, 0xff, 0xff];
        let found = fault(BinaryReader::new(&list, &limits).skip(WireType::List));
        assert_eq!(found, Fault::NoType(ty));
        let map = [ty, ty, 0x7f, 0xff, 0xff, 0xff];
        let found = fault(BinaryReader::new(&map, &limits).skip(WireType::Map));
        assert_eq!(found, Fault::NoType(ty));
    }
    for ty in [0, 14, 15] {
        let list = [0xf0 | ty, 0xff, 0xff, 0xff, 0xff, 0x07];
        let found = fault(CompactReader::new(&list, &limits).skip(WireType::List));
        assert_eq!(found, Fault::NoType(ty));
        let map = [0xff, 0xff, 0xff, 0xff, 0x07, ty << 4 | ty];
        let found = fault(CompactReader::new(&map, &limits).skip(WireType::Map));
        assert_eq!(found, Fault::NoType(ty));
    }
    for list in ["[\"\",2147483647]", "[\"void\",2147483647]"] {
        let found = fault(JsonReader::new(list.as_bytes(), &limits).skip(WireType::List));
        assert!(matches!(found, Fault::Json(_)), "{found}");
    }
}

#[test]
fn cve_2019_0205_smallest_elements_are_counted_by_their_bytes() {
    // Empty structs have a byte each, so there are never more than bytes.
    let limits = Limits::default();
    let list = [0x0c, 0x00, 0x10, 0x00, 0x00, 0, 0, 0];
    let found = fault(BinaryReader::new(&list, &limits).skip(WireType::List));
    assert_eq!(
        found,
        Fault::TooManyElements {
            count: 1 << 20,
            left: 3
        }
    );
    let list = [0x0c, 0, 0, 0, 3, 0, 0, 0];
    BinaryReader::new(&list, &limits)
        .skip(WireType::List)
        .expect("three empty structs");
}

#[test]
fn cve_2019_0205_every_cut_ends() {
    // Nothing waits for what is not there, and nothing goes on behind the end.
    let limits = Limits::default();
    let whole = messages!(|writer| maps(3, writer));
    let cut = |bytes: &[u8], at: usize| bytes[..at].to_vec();
    for at in 0..whole.json.len() {
        let messages = Messages {
            binary: cut(&whole.binary, at.min(whole.binary.len() - 1)),
            compact: cut(&whole.compact, at.min(whole.compact.len() - 1)),
            json: cut(&whole.json, at),
        };
        messages.are_refused(&limits, |fault| {
            matches!(
                fault,
                Fault::Truncated { .. } | Fault::TooManyElements { .. } | Fault::Json(_)
            )
        });
    }
}

#[test]
fn cve_2019_0210_json_of_every_kind_is_endured() {
    let limits = Limits::default();
    for text in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "\"",
        ":",
        ",",
        "{}}",
        "{\"",
        "{\"1",
        "{\"1\"",
        "{\"1\":",
        "{\"1\":{",
        "{\"1\":{\"",
        "{\"1\":{\"rec\"",
        "{\"1\":{\"rec\":",
        "{\"1\":{\"rec\":{}",
        "{\"1\":{\"rec\":{}}",
        "{\"1\":{}}",
        "{\"1\":{\"rec\":null}}",
        "{\"1\":null}",
        "{1:{}}",
        "{\"99999\":{\"i8\":1}}",
        "{\"-99999999999999999999\":{\"i8\":1}}",
        "{\"\":{\"i8\":1}}",
        "{\"1\":{\"i8\":}}",
        "{\"1\":{\"i8\":-}}",
        "{\"1\":{\"i8\":1e}}",
        "{\"1\":{\"dbl\":.}}",
        "{\"1\":{\"dbl\":\"\"}}",
        "{\"1\":{\"lst\":[]}}",
        "{\"1\":{\"lst\":[\"i8\"]}}",
        "{\"1\":{\"lst\":[\"i8\",]}}",
        "{\"1\":{\"lst\":[\"i8\",-1]}}",
        "{\"1\":{\"lst\":[\"i8\",1]}}",
        "{\"1\":{\"lst\":[\"i8\",0,1]}}",
        "{\"1\":{\"map\":[\"i8\",\"i8\",0]}}",
        "{\"1\":{\"map\":[\"i8\",\"i8\",1,{}]}}",
        "{\"1\":{\"map\":[\"i8\",\"i8\",0,{\"1\":1}]}}",
        "{\"1\":{\"str\":\"\\u\"}}",
        "{\"1\":{\"str\":\"\\ud800\"}}",
        "{\"1\":{\"str\":\"\\",
        "{\"1\":{\"uid\":\"0\"}}",
        "{\"1\":{\"tf\":true}}",
        "\u{feff}{}",
        "\0",
        "nul",
        "{\"1\":{\"rec\":{}},}",
        "{,}",
    ] {
        read_json(text.as_bytes(), &limits, &|result| {
            // Text that is not looked into by those who jump over it may pass there, but nothing panics.
            if let Err(error) = result {
                assert!(error.offset <= text.len(), "{text}: {error}");
            }
        });
        let mut reader = JsonReader::new(text.as_bytes(), &limits);
        let value = reader.skip(WireType::Struct);
        let is_whole = value.is_ok() && reader.rest().is_empty();
        assert!(!is_whole || text.contains("\\u"), "{text}");
        assert!(
            JsonReader::new(text.as_bytes(), &limits)
                .message_begin()
                .is_err()
        );
    }
}

#[test]
fn cve_2020_13949_and_cve_2026_43868_stated_sizes_meet_what_is_there() {
    // A dozen bytes that claim two thousand million elements, of every type, and strings of two gigabytes.
    let limits = Limits {
        string_max: usize::MAX,
        container_max: u32::MAX,
        ..Limits::default()
    };
    for ty in [2, 3, 4, 6, 8, 10, 11, 12, 13, 14, 15, 16] {
        let list = [ty, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        let found = fault(BinaryReader::new(&list, &limits).skip(WireType::List));
        assert!(matches!(found, Fault::TooManyElements { left: 4, .. }));
        let map = [ty, ty, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3, 4];
        let found = fault(BinaryReader::new(&map, &limits).skip(WireType::Map));
        assert!(matches!(found, Fault::TooManyElements { left: 4, .. }));
    }
    for ty in 1..=13 {
        let list = [0xf0 | ty, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2];
        let found = fault(CompactReader::new(&list, &limits).skip(WireType::List));
        assert!(matches!(found, Fault::TooManyElements { left: 2, .. }));
        let map = [0xff, 0xff, 0xff, 0xff, 0x07, ty << 4 | ty, 1, 2];
        let found = fault(CompactReader::new(&map, &limits).skip(WireType::Map));
        assert!(matches!(found, Fault::TooManyElements { left: 2, .. }));
    }
    for ty in [
        "tf", "i8", "i16", "i32", "i64", "dbl", "str", "rec", "map", "set", "lst", "uid",
    ] {
        let list = format!("[\"{ty}\",2147483647,1,2]");
        let found = fault(JsonReader::new(list.as_bytes(), &limits).skip(WireType::Set));
        assert!(matches!(found, Fault::TooManyElements { .. }));
        let map = format!("[\"str\",\"{ty}\",2147483647,{{}}]");
        let found = fault(JsonReader::new(map.as_bytes(), &limits).skip(WireType::Map));
        assert!(matches!(found, Fault::TooManyElements { .. }));
    }
    let string = [0x7f, 0xff, 0xff, 0xff, b'x'];
    let found = fault(BinaryReader::new(&string, &limits).skip(WireType::String));
    assert_eq!(
        found,
        Fault::Truncated {
            missing: 0x7fff_fffe
        }
    );
    let string = [0xff, 0xff, 0xff, 0xff, 0x07, b'x'];
    let found = fault(CompactReader::new(&string, &limits).skip(WireType::String));
    assert_eq!(
        found,
        Fault::Truncated {
            missing: 0x7fff_fffe
        }
    );
}

#[test]
fn cve_2020_13949_names_of_methods_have_a_size_too() {
    let limits = Limits::default();
    let strict = b"\x80\x01\0\x01\x7f\xff\xff\xffadd";
    assert!(BinaryReader::new(strict, &limits).message_begin().is_err());
    let compact = b"\x82\x21\0\xff\xff\xff\xff\x07add";
    assert!(
        CompactReader::new(compact, &limits)
            .message_begin()
            .is_err()
    );
    // The first four bytes of a non-strict message are a size; a frame's length or an HTTP request look like one.
    let found = fault(BinaryReader::new(b"GET / HTTP/1.1", &limits).message_begin());
    assert!(matches!(found, Fault::NoMessage { .. }));
}

#[test]
fn thrift_6091_products_have_64_bits() {
    // 0x20000001 doubles are 8 bytes more than 32 bits can say.
    let limits = Limits {
        container_max: u32::MAX,
        ..Limits::default()
    };
    let list = [4, 0x20, 0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0];
    let found = fault(BinaryReader::new(&list, &limits).skip(WireType::List));
    assert!(matches!(found, Fault::TooManyElements { left: 8, .. }));
    let map = [16, 16, 0x08, 0x00, 0x00, 0x00, 0, 0];
    let found = fault(BinaryReader::new(&map, &limits).skip(WireType::Map));
    assert!(matches!(found, Fault::TooManyElements { left: 2, .. }));
    let list = [0xf7, 0x81, 0x80, 0x80, 0x80, 0x02, 0, 0, 0, 0, 0, 0, 0, 0];
    let found = fault(CompactReader::new(&list, &limits).skip(WireType::List));
    assert!(matches!(found, Fault::TooManyElements { left: 8, .. }));
}

#[test]
fn negative_sizes_are_refused() {
    // arrow-rs #9874 and the generated code of pilota: a negative size that becomes a huge one.
    let limits = Limits::default();
    let list = [8, 0xff, 0xff, 0xff, 0xff];
    let found = fault(BinaryReader::new(&list, &limits).skip(WireType::List));
    assert_eq!(found, Fault::NegativeSize(-1));
    let map = [8, 8, 0x80, 0, 0, 0];
    let found = fault(BinaryReader::new(&map, &limits).skip(WireType::Map));
    assert_eq!(found, Fault::NegativeSize(i32::MIN));
    let string = [0xff, 0xff, 0xff, 0xfe];
    let found = fault(BinaryReader::new(&string, &limits).skip(WireType::String));
    assert_eq!(found, Fault::NegativeSize(-2));
    let list = [0xf5, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let found = fault(CompactReader::new(&list, &limits).skip(WireType::List));
    assert_eq!(found, Fault::NegativeSize(-1));
    let found = fault(JsonReader::new(b"[\"i8\",-1]", &limits).skip(WireType::List));
    assert_eq!(found, Fault::NegativeSize(-1));
}

#[test]
fn thrift_6084_varints_have_an_end() {
    let limits = Limits::default();
    let endless = [0xff; 64];
    let reader = || CompactReader::new(&endless, &limits);
    assert_eq!(fault(reader().skip(WireType::I16)), Fault::LongVarint(5));
    assert_eq!(fault(reader().skip(WireType::I32)), Fault::LongVarint(5));
    assert_eq!(fault(reader().skip(WireType::I64)), Fault::LongVarint(10));
    assert_eq!(fault(reader().skip(WireType::String)), Fault::LongVarint(5));
    assert_eq!(fault(reader().skip(WireType::Map)), Fault::LongVarint(5));
}

#[test]
fn strings_that_are_not_utf8_never_become_text() {
    // pilota takes such bytes for a `str`, which is undefined behaviour.
    let mut builder = Builder::new();
    let id = builder.declare_struct("S", StructKind::Struct, None, Annotations::new());
    let fields = vec![NewField::new(1, "text", Type::String)];
    builder.define_struct(id, fields).expect("one field");
    let schema = builder.build();
    let limits = Limits::default();
    for text in [
        &b"\xff"[..],
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"abc\x80",
        &[0xf0; 100],
    ] {
        let mut message = b"\x0b\0\x01\0\0\0".to_vec();
        message.push(text.len() as u8);
        message.extend_from_slice(text);
        message.push(0);
        let reader = || BinaryReader::new(&message, &limits);
        assert_eq!(
            fault(check_struct(&schema, id, &mut reader())),
            Fault::NotUtf8
        );
        let value: Result<Value> = read_value(&schema, Type::Struct(id), &mut reader());
        assert_eq!(fault(value), Fault::NotUtf8);
        let mut out = Vec::new();
        let done = transcode_struct(&schema, id, &mut reader(), &mut JsonWriter::new(&mut out));
        assert_eq!(fault(done), Fault::NotUtf8);
        let mut out = Vec::new();
        let done = transcode_struct(
            &schema,
            id,
            &mut reader(),
            &mut CompactWriter::new(&mut out),
        );
        assert_eq!(fault(done), Fault::NotUtf8);
    }
}

#[test]
fn containers_have_a_limit_of_their_own() {
    let limits = Limits {
        container_max: 100,
        ..Limits::default()
    };
    messages!(|writer| bytes(100, writer)).are_good(&limits);
    messages!(|writer| bytes(101, writer)).are_refused(&limits, |fault| {
        *fault
            == Fault::OverLimit {
                what: "a container",
                found: 101,
                limit: 100,
            }
    });
}

#[test]
fn strings_have_a_limit_of_their_own() {
    let limits = Limits {
        string_max: 10,
        ..Limits::default()
    };
    let text = |size: usize| messages!(|writer| writer.string(&"x".repeat(size)));
    let good = text(10);
    let bad = text(11);
    let over = Fault::OverLimit {
        what: "a string",
        found: 11,
        limit: 10,
    };
    BinaryReader::new(&good.binary, &limits)
        .bytes()
        .expect("ten are allowed");
    assert_eq!(fault(BinaryReader::new(&bad.binary, &limits).bytes()), over);
    CompactReader::new(&good.compact, &limits)
        .bytes()
        .expect("ten are allowed");
    assert_eq!(
        fault(CompactReader::new(&bad.compact, &limits).bytes()),
        over
    );
    JsonReader::new(&good.json, &limits)
        .bytes()
        .expect("ten are allowed");
    assert_eq!(fault(JsonReader::new(&bad.json, &limits).bytes()), over);
}

#[test]
fn names_of_methods_have_a_limit_of_their_own() {
    let limits = Limits {
        name_max: 3,
        ..Limits::default()
    };
    for (name, is_good) in [("add", true), ("adds", false)] {
        let header = trefoil_thrift::MessageHeader {
            name: name.into(),
            kind: trefoil_thrift::MessageKind::Call,
            sequence: 1,
        };
        let messages = messages!(|writer| writer.message_begin(&header));
        let mut binary = BinaryReader::new(&messages.binary, &limits);
        assert_eq!(binary.message_begin().is_ok(), is_good);
        let mut compact = CompactReader::new(&messages.compact, &limits);
        assert_eq!(compact.message_begin().is_ok(), is_good);
        let mut json = JsonReader::new(&messages.json, &limits);
        assert_eq!(json.message_begin().is_ok(), is_good);
    }
}
