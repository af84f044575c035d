use proptest::prelude::*;

use super::*;
use crate::{
    Limits, Value,
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
    read_value,
    schema::{Annotations, Builder, NewField, Requiredness, StructKind},
    value::arbitrary::{Case, cases},
    write_value,
};

/// A value in a protocol.
macro_rules! written {
    ($case:expr, $writer:ident) => {{
        let case: &Case = $case;
        let mut bytes = Vec::new();
        let ty = Type::Struct(case.root);
        write_value(&case.schema, ty, &case.value, &mut $writer::new(&mut bytes)).unwrap();
        bytes
    }};
}

/// Bytes of a protocol in another.
macro_rules! transcoded {
    ($schema:expr, $root:expr, $bytes:expr, $reader:ident, $writer:ident) => {{
        let limits = Limits::default();
        let mut out = Vec::new();
        let mut reader = $reader::new($bytes, &limits);
        transcode_struct($schema, $root, &mut reader, &mut $writer::new(&mut out)).map(|()| {
            assert!(reader.rest().is_empty(), "nothing is left");
            out
        })
    }};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_protocol_becomes_every_other(case in cases()) {
        let binary = written!(&case, BinaryWriter);
        let compact = written!(&case, CompactWriter);
        let json = written!(&case, JsonWriter);
        macro_rules! check {
            ($bytes:expr, $reader:ident) => {
                let out = transcoded!(&case.schema, case.root, $bytes, $reader, BinaryWriter);
                prop_assert_eq!(out.unwrap(), &*binary);
                let out = transcoded!(&case.schema, case.root, $bytes, $reader, CompactWriter);
                prop_assert_eq!(out.unwrap(), &*compact);
                let out = transcoded!(&case.schema, case.root, $bytes, $reader, JsonWriter);
                prop_assert_eq!(out.unwrap(), &*json);
            };
        }
        check!(&binary, BinaryReader);
        check!(&compact, CompactReader);
        check!(&json, JsonReader);
    }

    /// A contract that knows nothing of a value keeps it between protocols of bytes.
    #[test]
    fn unknown_fields_are_kept(case in cases()) {
        let mut builder = Builder::new();
        let empty = builder.declare_struct("Empty", StructKind::Struct, None, Annotations::new());
        let schema = builder.build();
        let limits = Limits::default();
        let binary = written!(&case, BinaryWriter);
        let compact = transcoded!(&schema, empty, &binary, BinaryReader, CompactWriter).unwrap();
        let again = transcoded!(&schema, empty, &compact, CompactReader, BinaryWriter).unwrap();
        let read = |bytes: &[u8]| {
            let mut reader = BinaryReader::new(bytes, &limits);
            let value = read_value(&case.schema, Type::Struct(case.root), &mut reader);
            format!("{:?}", value.unwrap())
        };
        // Not the same bytes: types of empty maps are lost.
        prop_assert_eq!(read(&again), read(&binary));
        let json = transcoded!(&schema, empty, &binary, BinaryReader, JsonWriter).unwrap();
        prop_assert_eq!(json, b"{}");
        let json = written!(&case, JsonWriter);
        let nothing = transcoded!(&schema, empty, &json, JsonReader, BinaryWriter).unwrap();
        prop_assert_eq!(nothing, [0]);
    }
}

fn person() -> (Schema, StructId) {
    let mut builder = Builder::new();
    let id = builder.declare_struct("Person", StructKind::Struct, None, Annotations::new());
    let names = builder.list(Type::String);
    let name = NewField::new(1, "name", Type::String).requiredness(Requiredness::Required);
    let fields = vec![name, NewField::new(2, "others", names)];
    builder.define_struct(id, fields).unwrap();
    (builder.build(), id)
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let (schema, person) = person();
    let limits = Limits::default();
    let checked =
        crate::check_struct(&schema, person, &mut BinaryReader::new(bytes, &limits)).unwrap_err();
    let error = transcoded!(&schema, person, bytes, BinaryReader, CompactWriter).unwrap_err();
    assert_eq!(checked, error, "both say the same");
    error.to_string()
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    assert_eq!(refused(b"\0"), "missing required field name (at byte 1)");
    assert_eq!(
        refused(b"\x0b\0\x01\0\0\0\x01\xff\0"),
        "name: a string is not UTF-8 (at byte 8)"
    );
    assert_eq!(
        refused(b"\x0f\0\x02\x0b\0\0\0\x02\0\0\0\0\0\0\0\x01\xff\0"),
        "others[1]: a string is not UTF-8 (at byte 17)"
    );
    assert_eq!(
        refused(b"\x0f\0\x02\x08\0\0\0\x01\0\0\0\0\0"),
        "others: expected string, found i32 (at byte 8)"
    );
    // A known field of another type counts as absent.
    assert_eq!(
        refused(b"\x08\0\x01\0\0\0\x01\0"),
        "missing required field name (at byte 8)"
    );
}

#[test]
fn a_field_of_another_type_is_dropped() {
    let (schema, person) = person();
    let bytes = b"\x0b\0\x01\0\0\0\x01x\x08\0\x02\0\0\0\x01\0";
    let out = transcoded!(&schema, person, bytes, BinaryReader, BinaryWriter).unwrap();
    assert_eq!(out, b"\x0b\0\x01\0\0\0\x01x\0");
    let limits = Limits::default();
    let mut reader = BinaryReader::new(&out, &limits);
    let value = read_value(&schema, Type::Struct(person), &mut reader).unwrap();
    assert_eq!(value.field(1), Some(&Value::String("x".to_owned())));
}
