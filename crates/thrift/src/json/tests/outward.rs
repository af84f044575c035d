use super::*;
use crate::{Fault, WireType, Writer};

/// Bytes that a function writes.
fn written(write: impl FnOnce(&mut BinaryWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut BinaryWriter::new(&mut out));
    out
}

/// A struct of fields that are written one after another.
fn structure(writer: &mut BinaryWriter<'_>, fields: impl FnOnce(&mut BinaryWriter<'_>)) {
    let nest = writer.struct_begin();
    fields(writer);
    writer.struct_end(nest);
}

#[track_caller]
fn refuses(ty: Type, binary: &[u8], message: &str) {
    let error = to_json_with(&types(), ty, binary, &JsonOptions::default());
    assert_eq!(error.expect_err("it is wrong").to_string(), message);
}

#[test]
fn switches() {
    let t = types();
    let options = JsonOptions {
        int64: Int64Form::Text,
        enums: EnumForm::Number,
        ..JsonOptions::default()
    };
    for (ty, json, as_number, as_text) in [
        (Type::I64, "5", "5", "\"5\""),
        (Type::I32, "5", "5", "5"),
        (t.color, "\"RED\"", "\"RED\"", "1"),
        (t.color, "77", "77", "77"),
        (t.list_of_long, "[1,2]", "[1,2]", "[\"1\",\"2\"]"),
        (
            t.by_color,
            "{\"RED\":true,\"77\":true}",
            "{\"RED\":true,\"77\":true}",
            "{\"1\":true,\"77\":true}",
        ),
        (
            t.by_point,
            r#"[{"key":{"x":1,"y":2},"value":3}]"#,
            r#"[{"key":{"x":1.0,"y":2.0},"value":3}]"#,
            r#"[{"key":{"x":1.0,"y":2.0},"value":"3"}]"#,
        ),
    ] {
        let binary = to_binary(&t, ty, json).expect(json);
        assert_eq!(to_json(&t, ty, &binary), as_number);
        let text = to_json_with(&t, ty, &binary, &options).expect(json);
        assert_eq!(text, as_text);
        // Whatever the form, it means the same.
        assert_eq!(to_binary(&t, ty, &text), Ok(binary));
    }
}

#[test]
fn text_that_is_not_utf8() {
    let t = types();
    let binary = written(|writer| writer.binary(b"a\"\xffb\n"));
    refuses(Type::String, &binary, "a string is not UTF-8 (at byte 9)");
    let options = JsonOptions {
        is_utf8_lossy: true,
        ..JsonOptions::default()
    };
    let json = to_json_with(&t, Type::String, &binary, &options).expect("it is replaced");
    assert_eq!(json, "\"a\\\"\u{fffd}b\\n\"");
}

#[test]
fn faults_have_their_path() {
    let t = types();
    let point = |writer: &mut BinaryWriter<'_>, label: &[u8]| {
        structure(writer, |writer| {
            writer.field_begin(WireType::Double, 1);
            writer.double(1.0);
            writer.field_begin(WireType::String, 3);
            writer.binary(label);
        });
    };
    let binary = written(|writer| {
        structure(writer, |writer| {
            writer.field_begin(WireType::List, 7);
            writer.list_begin(WireType::Struct, 2);
            point(writer, b"\xff");
        });
    });
    refuses(
        t.order,
        &binary,
        "points[0].label: a string is not UTF-8 (at byte 27)",
    );
    let binary = written(|writer| point(writer, b""));
    refuses(t.point, &binary, "missing required field y (at byte 19)");
    let binary = written(|writer| {
        writer.map_begin(WireType::String, WireType::I32, 1);
        writer.binary(b"\xff");
        writer.i32(1);
    });
    refuses(
        t.by_word,
        &binary,
        "{key 0}: a string is not UTF-8 (at byte 11)",
    );
    let binary = written(|writer| {
        writer.map_begin(WireType::String, WireType::I64, 1);
        writer.binary(b"");
        writer.i64(1);
    });
    refuses(t.by_word, &binary, "expected i32, found i64 (at byte 6)");
    let binary = written(|writer| {
        structure(writer, |writer| {
            for number in [1, 2] {
                writer.field_begin(WireType::I32, 2);
                writer.i32(number);
            }
        });
    });
    refuses(t.order, &binary, "field count is there twice (at byte 10)");
    let binary = written(|writer| {
        structure(writer, |writer| {
            writer.field_begin(WireType::I32, 2);
            writer.i32(1);
            writer.field_begin(WireType::String, 1);
            writer.string("");
        });
    });
    refuses(
        t.either,
        &binary,
        "a union must have exactly one field, not 2 (at byte 15)",
    );
}

#[test]
fn unknown_hidden_and_mistyped_fields_are_left_out() {
    let t = types();
    let binary = written(|writer| {
        structure(writer, |writer| {
            writer.field_begin(WireType::String, 6);
            writer.string("secret");
            writer.field_begin(WireType::I64, 1);
            writer.i64(1);
            writer.field_begin(WireType::String, 2);
            writer.string("not an i32");
            writer.field_begin(WireType::I64, 500);
            writer.i64(1);
            writer.field_begin(WireType::String, 9);
            writer.string("me");
            writer.field_begin(WireType::I8, 12);
            writer.i8(1);
        });
    });
    assert_eq!(to_json(&t, t.order, &binary), r#"{"id":1,"who":"me"}"#);
    // A field of a newer contract leaves a union with none.
    let binary = written(|writer| {
        structure(writer, |writer| {
            writer.field_begin(WireType::I64, 3);
            writer.i64(1);
        });
    });
    assert_eq!(to_json(&t, t.either, &binary), "{}");
}

#[test]
fn empty_containers_may_be_of_any_type() {
    let t = types();
    let list = written(|writer| writer.list_begin(WireType::String, 0));
    assert_eq!(to_json(&t, t.numbers, &list), "[]");
    let map = [0; 6];
    assert_eq!(to_json(&t, t.by_word, &map), "{}");
    assert_eq!(to_json(&t, t.by_point, &map), "[]");
}

#[test]
fn results() {
    let t = types();
    let result_of = |method: &[u8]| {
        let service = t.schema.service(t.service);
        let method = service.method(method).expect("it is there");
        method.result.expect("it is no one-way method")
    };
    let read = |method: &[u8], binary: &[u8]| {
        let limits = Limits::default();
        let mut reader = BinaryReader::new(binary, &limits);
        let mut json = b">".to_vec();
        let outcome = result_to_json(
            &t.schema,
            result_of(method),
            &mut reader,
            &JsonOptions::default(),
            &mut json,
        )?;
        Ok::<_, Box<Malformed>>((outcome, String::from_utf8(json).expect("JSON is UTF-8")))
    };
    let success = |writer: &mut BinaryWriter<'_>| {
        writer.field_begin(WireType::Struct, 0);
        structure(writer, |writer| {
            for id in [1, 2] {
                writer.field_begin(WireType::Double, id);
                writer.double(0.5);
            }
        });
    };
    let lost = |writer: &mut BinaryWriter<'_>| {
        writer.field_begin(WireType::Struct, 1);
        structure(writer, |writer| {
            writer.field_begin(WireType::String, 1);
            writer.string("rain");
        });
    };
    let unknown = |writer: &mut BinaryWriter<'_>| {
        writer.field_begin(WireType::Struct, 7);
        structure(writer, |_| {});
    };
    let bytes = |fields: &dyn Fn(&mut BinaryWriter<'_>)| {
        written(|writer| structure(writer, |writer| fields(writer)))
    };
    let returned = (Outcome::Returned, r#">{"x":0.5,"y":0.5}"#.to_owned());
    assert_eq!(read(b"find", &bytes(&success)), Ok(returned));
    let thrown = (Outcome::Thrown(1), r#">{"why":"rain"}"#.to_owned());
    assert_eq!(read(b"find", &bytes(&lost)), Ok(thrown));
    let thrown = (Outcome::Thrown(0), r#">{"why":"rain"}"#.to_owned());
    assert_eq!(read(b"forget", &bytes(&lost)), Ok(thrown));
    assert_eq!(read(b"forget", &[0]), Ok((Outcome::Void, ">".to_owned())));
    assert_eq!(read(b"find", &[0]), Ok((Outcome::Nothing, ">".to_owned())));
    assert_eq!(
        read(b"find", &bytes(&unknown)),
        Ok((Outcome::Nothing, ">".to_owned()))
    );
    let both = bytes(&|writer| {
        success(writer);
        lost(writer);
    });
    let error = read(b"find", &both).expect_err("there are two");
    assert_eq!(error.fault, Fault::Union(2));
}

#[test]
fn what_is_in_the_buffer_stays() {
    let t = types();
    let limits = Limits::default();
    let mut out = b"1,".to_vec();
    for _ in 0..2 {
        let mut reader = BinaryReader::new(&[15, 0, 0, 0, 0], &limits);
        value_to_json(
            &t.schema,
            t.numbers,
            &mut reader,
            &JsonOptions::default(),
            &mut out,
        )
        .expect("an empty list");
        out.push(b',');
    }
    assert_eq!(out, b"1,[],[],");
}
