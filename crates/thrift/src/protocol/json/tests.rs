use super::*;
use crate::{Fault, Limits, MessageHeader, MessageKind, Reader, Result, Writer};

fn reader(text: &str) -> JsonReader<'_> {
    static LIMITS: std::sync::LazyLock<Limits> = std::sync::LazyLock::new(Limits::default);
    JsonReader::new(text.as_bytes(), &LIMITS)
}

fn written(write: impl FnOnce(&mut JsonWriter<'_>)) -> String {
    let mut out = Vec::new();
    write(&mut JsonWriter::new(&mut out));
    String::from_utf8(out).unwrap()
}

/// What a read says is wrong with a text.
#[track_caller]
fn fault<'a, T: std::fmt::Debug>(
    text: &'a str,
    read: impl FnOnce(&mut JsonReader<'a>) -> Result<T>,
) -> Fault {
    read(&mut reader(text))
        .expect_err("it should be malformed")
        .fault
}

fn string(text: &str) -> Result<String> {
    let mut reader = reader(text);
    let bytes = reader.bytes()?;
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn a_message_is_as_stock_libraries_write_it() {
    let header = MessageHeader {
        name: "add".into(),
        kind: MessageKind::Call,
        sequence: -7,
    };
    let text = written(|writer| {
        writer.message_begin(&header);
        let nest = writer.struct_begin();
        writer.field_begin(WireType::I32, 1);
        writer.i32(5);
        writer.field_end();
        writer.field_begin(WireType::List, 2);
        writer.list_begin(WireType::String, 2);
        writer.string("a");
        writer.string("b");
        writer.list_end();
        writer.field_end();
        writer.field_begin(WireType::Map, 3);
        writer.map_begin(WireType::I32, WireType::Bool, 2);
        writer.i32(5);
        writer.bool(true);
        writer.i32(6);
        writer.bool(false);
        writer.map_end();
        writer.field_end();
        writer.struct_end(nest);
        writer.message_end();
    });
    assert_eq!(
        text,
        r#"[1,"add",1,-7,{"1":{"i32":5},"2":{"lst":["str",2,"a","b"]},"3":{"map":["i32","tf",2,{"5":1,"6":0}]}}]"#
    );
    let mut reader = reader(&text);
    assert_eq!(reader.message_begin().unwrap(), header);
    reader.skip(WireType::Struct).unwrap();
    reader.message_end().unwrap();
    assert!(reader.rest().is_empty());
}

#[test]
fn whitespace_may_be_anywhere_between() {
    let text = " [ 1 , \"add\" , 1 , 0 , { \"1\" : { \"map\" : [ \"str\" , \"dbl\" ,\t1 ,\r\n{ \"k\" : 1.5 } ] } } ] ";
    let mut reader = reader(text);
    assert_eq!(reader.message_begin().unwrap().name, "add");
    reader.skip(WireType::Struct).unwrap();
    reader.message_end().unwrap();
    assert_eq!(reader.rest(), b" ");
}

#[test]
fn other_versions_and_kinds_are_none() {
    assert!(matches!(
        fault("[2,\"a\",1,0,{}]", |reader| reader
            .message_begin()
            .map(drop)),
        Fault::Json(_)
    ));
    assert!(matches!(
        fault("[1,\"a\",9,0,{}]", |reader| reader
            .message_begin()
            .map(drop)),
        Fault::NoMessageKind(9)
    ));
    // 257 is not 1.
    assert!(matches!(
        fault("[1,\"a\",257,0,{}]", |reader| reader
            .message_begin()
            .map(drop)),
        Fault::NoMessageKind(255)
    ));
}

#[test]
fn strings_are_escaped_as_every_library_reads_it() {
    let text = "\"\\/\u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}äé€😀";
    let quoted = written(|writer| writer.string(text));
    assert_eq!(
        quoted,
        "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\u{7f}äé€😀\""
    );
    assert_eq!(string(&quoted).unwrap(), text);
}

#[test]
fn escapes_of_all_kinds_are_read() {
    assert_eq!(string(r#""\/\u00e4\u20AC""#).unwrap(), "/ä€");
    assert_eq!(string(r#""x\ud83d\uDE00y""#).unwrap(), "x😀y");
    assert_eq!(string("\"\u{1}\n\"").unwrap(), "\u{1}\n");
    for wrong in [
        r#""\ud83d""#,
        r#""\ud83dx""#,
        r#""\ud83d\u0041""#,
        r#""\ude00""#,
        r#""\ud83d\ud83d""#,
        r#""\u12""#,
        r#""\u+123""#,
        r#""\x""#,
    ] {
        assert!(
            matches!(string(wrong).unwrap_err().fault, Fault::Json(_)),
            "{wrong}"
        );
    }
    for short in ["\"", "\"abc", "\"abc\\", "\"abc\\\"", ""] {
        assert!(
            matches!(string(short).unwrap_err().fault, Fault::Truncated { .. }),
            "{short}"
        );
    }
}

#[test]
fn doubles_that_are_no_numbers_have_names() {
    let double = |text| reader(text).double();
    for (value, text) in [
        (f64::INFINITY, "\"Infinity\""),
        (f64::NEG_INFINITY, "\"-Infinity\""),
        (f64::NAN, "\"NaN\""),
    ] {
        assert_eq!(written(|writer| writer.double(value)), text);
        assert_eq!(double(text).unwrap().to_bits(), value.to_bits());
    }
    // Node.js writes names without quotes, Python other names.
    for (value, text) in [
        (f64::INFINITY, "Infinity"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
        (f64::NAN, "NaN"),
        (1e300, "1e300"),
        (1e300, "1E+300"),
        (-0.5, "-0.5"),
        (3.0, "3"),
    ] {
        assert_eq!(double(text).unwrap().to_bits(), value.to_bits(), "{text}");
    }
    for wrong in ["\"1.5\"", "1e400", "1.2.3", "", "e", "true", "\"\""] {
        assert!(double(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn keys_of_maps_are_in_quotes_whatever_they_are() {
    let text = written(|writer| {
        writer.map_begin(WireType::Double, WireType::Double, 2);
        writer.double(1.5);
        writer.double(2.5);
        writer.double(f64::NAN);
        writer.double(f64::NAN);
        writer.map_end();
    });
    assert_eq!(text, r#"["dbl","dbl",2,{"1.5":2.5,"NaN":"NaN"}]"#);
    let mut reader = reader(&text);
    let types = Some((WireType::Double, WireType::Double));
    assert_eq!(reader.map_begin().unwrap(), (types, 2));
    assert!((reader.double().unwrap() - 1.5).abs() < f64::EPSILON);
    assert!((reader.double().unwrap() - 2.5).abs() < f64::EPSILON);
    assert!(reader.double().unwrap().is_nan());
    assert!(reader.double().unwrap().is_nan());
    reader.map_end().unwrap();
    for wrong in [
        r#"["i32","i32",1,{5:5}]"#,
        r#"["dbl","i32",1,{5:5}]"#,
        r#"["i32","i32",1,{"5":"5"}]"#,
        r#"["i32","i32",1,{"5":5,"6":6}]"#,
        r#"["i32","i32",2,{"5":5}      ]"#,
    ] {
        fault(wrong, |reader| reader.skip(WireType::Map));
    }
}

#[test]
fn integers_keep_their_ranges() {
    assert_eq!(reader("-128").i8().unwrap(), -128);
    assert_eq!(reader("9223372036854775807").i64().unwrap(), i64::MAX);
    assert_eq!(
        fault("128", Reader::i8),
        Fault::OutOfRange {
            found: 128,
            ty: "i8"
        }
    );
    for wrong in ["9223372036854775808", "1.0", "1e3", "--1", "\"1\"", "null"] {
        assert!(
            matches!(fault(wrong, Reader::i64), Fault::Json(_)),
            "{wrong}"
        );
    }
}

#[test]
fn base64_is_read_with_and_without_padding() {
    for (value, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
        let quoted = written(|writer| writer.binary(value.as_bytes()));
        assert_eq!(quoted, format!("\"{text}\""));
        for text in [text, text.trim_end_matches('=')] {
            let quoted = format!("\"{text}\"");
            assert_eq!(reader(&quoted).binary().unwrap(), value.as_bytes());
        }
    }
    assert_eq!(reader(r#""\/\/\/\/""#).binary().unwrap(), [0xff; 3]);
    assert!(matches!(
        fault("\"Zg=x\"", |reader| reader.binary().map(<[u8]>::len)),
        Fault::Json(_)
    ));
}

#[test]
fn uuids_are_text() {
    let uuid = *b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff";
    let text = written(|writer| writer.uuid(&uuid));
    assert_eq!(text, "\"00112233-4455-6677-8899-aabbccddeeff\"");
    assert_eq!(reader(&text).uuid().unwrap(), uuid);
    assert_eq!(reader(&text.to_uppercase()).uuid().unwrap(), uuid);
    for wrong in [
        "\"00112233-4455-6677-8899-aabbccddeef\"",
        "\"001122334455-6677-8899-aabbccddeeff-\"",
        "\"00112233-4455-6677-8899-aabbccddeefg\"",
    ] {
        assert!(matches!(fault(wrong, Reader::uuid), Fault::Json(_)));
    }
}

#[test]
fn containers_that_are_opened_end_up_as_those_that_are_begun() {
    for count in [0_u32, 1, 9, 10, 100] {
        let fill = |writer: &mut JsonWriter<'_>| (0..count).for_each(|_| writer.i8(1));
        let opened = written(|writer| {
            let outer = writer.map_open(WireType::I8, WireType::List);
            writer.i8(3);
            let list = writer.list_open(WireType::I8);
            fill(writer);
            writer.list_close(list, count);
            writer.map_close(outer, 1);
        });
        let begun = written(|writer| {
            writer.map_begin(WireType::I8, WireType::List, 1);
            writer.i8(3);
            writer.list_begin(WireType::I8, count);
            fill(writer);
            writer.list_end();
            writer.map_end();
        });
        assert_eq!(opened, begun);
    }
}

#[test]
fn numbers_of_elements_are_compared_with_what_is_left() {
    assert!(matches!(
        fault("[\"i8\",2147483647,1]", Reader::list_begin),
        Fault::TooManyElements { .. }
    ));
    assert_eq!(
        fault("[\"i8\",-1]", Reader::list_begin),
        Fault::NegativeSize(-1)
    );
    assert!(matches!(
        fault("[\"i8\",99999999999]", Reader::list_begin),
        Fault::OutOfRange { .. }
    ));
    // The smallest elements that there are fit exactly.
    for list in [
        r#"["tf",2,0,1]"#,
        r#"["str",2,"",""]"#,
        r#"["rec",2,{},{}]"#,
        r#"["lst",2,["i8",0],["i8",0]]"#,
        r#"["map",2,["tf","tf",0,{}],["tf","tf",0,{}]]"#,
    ] {
        let mut reader = reader(list);
        reader.skip(WireType::List).unwrap();
        assert!(reader.rest().is_empty());
    }
    let map = r#"["map","tf",2,{["tf","tf",0,{}]:0,["tf","tf",0,{}]:0}]"#;
    reader(map).skip(WireType::Map).unwrap();
}

#[test]
fn unknown_types_are_named() {
    let fault = fault(r#"{"1":{"blob":1}}"#, |reader| {
        reader.skip(WireType::Struct)
    });
    assert_eq!(fault, Fault::Json("there is no type \"blob\"".to_owned()));
}
