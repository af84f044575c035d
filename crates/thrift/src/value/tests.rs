mod stock;

use proptest::prelude::*;

use super::{
    arbitrary::{Case, cases},
    *,
};
use crate::{
    Limits,
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
    schema::{Annotations, Builder, NewField, Requiredness, StructKind},
};

/// Values are compared by their texts, in which `NaN` equals `NaN` and `-0.0` is not `0.0`.
fn text(value: &Value) -> String {
    format!("{value:?}")
}

/// What a protocol makes of a case: the bytes, and what is read from them.
macro_rules! through {
    ($case:expr, $writer:ident, $reader:ident) => {{
        let case: &Case = $case;
        let ty = Type::Struct(case.root);
        let mut bytes = Vec::new();
        write_value(&case.schema, ty, &case.value, &mut $writer::new(&mut bytes)).unwrap();
        let limits = Limits::default();
        let mut reader = $reader::new(&bytes, &limits);
        let read = read_value(&case.schema, ty, &mut reader).unwrap();
        assert!(reader.rest().is_empty(), "nothing is left");
        let mut reader = $reader::new(&bytes, &limits);
        crate::check_struct(&case.schema, case.root, &mut reader).unwrap();
        assert!(reader.rest().is_empty(), "nothing is left");
        let mut reader = $reader::new(&bytes, &limits);
        reader.skip(WireType::Struct).unwrap();
        assert!(reader.rest().is_empty(), "nothing is left");
        (bytes, read)
    }};
}

/// Reads damaged bytes in every way that there is. None may panic, and what they accept may not be larger than the input
/// allows.
macro_rules! endure {
    ($case:expr, $bytes:expr, $reader:ident) => {{
        let case: &Case = $case;
        let bytes: &[u8] = $bytes;
        let limits = Limits::default();
        let ty = Type::Struct(case.root);
        if let Ok(value) = read_value(&case.schema, ty, &mut $reader::new(bytes, &limits)) {
            assert!(nodes(&value) <= 1 + 2 * bytes.len());
        }
        let _ = crate::check_struct(&case.schema, case.root, &mut $reader::new(bytes, &limits));
        let mut reader = $reader::new(bytes, &limits);
        let _ = reader.skip(WireType::Struct);
        assert!(reader.offset() <= bytes.len());
    }};
}

/// How many values there are in a value.
fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Struct(fields) => fields.iter().map(|(_, value)| nodes(value)).sum(),
        Value::List(elements) | Value::Set(elements) => elements.iter().map(nodes).sum(),
        Value::Map(entries) => entries
            .iter()
            .map(|(key, value)| nodes(key) + nodes(value))
            .sum(),
        _ => 0_usize,
    }
}

/// Every beginning of a message, and the message with a bit turned over, or a byte set to what makes sizes large. Of long
/// messages only some, chosen evenly.
fn damage(bytes: &[u8], mut endure: impl FnMut(&[u8])) {
    let step = 1 + bytes.len() / 60;
    for size in (0..bytes.len()).step_by(step) {
        endure(&bytes[..size]);
    }
    let mut damaged = bytes.to_vec();
    for at in (0..bytes.len()).step_by(step) {
        for mask in (0..8)
            .map(|bit| 1 << bit)
            .chain([bytes[at] ^ 0x7f, bytes[at] ^ 0xff])
        {
            damaged[at] ^= mask;
            endure(&damaged);
            damaged[at] ^= mask;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn values_survive_every_protocol(case in cases()) {
        let expected = text(&case.value);
        prop_assert_eq!(text(&through!(&case, BinaryWriter, BinaryReader).1), &*expected);
        prop_assert_eq!(text(&through!(&case, CompactWriter, CompactReader).1), &*expected);
        prop_assert_eq!(text(&through!(&case, JsonWriter, JsonReader).1), &*expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn damaged_messages_are_endured(case in cases()) {
        let (bytes, _) = through!(&case, BinaryWriter, BinaryReader);
        damage(&bytes, |bytes| endure!(&case, bytes, BinaryReader));
        let (bytes, _) = through!(&case, CompactWriter, CompactReader);
        damage(&bytes, |bytes| endure!(&case, bytes, CompactReader));
        let (bytes, _) = through!(&case, JsonWriter, JsonReader);
        damage(&bytes, |bytes| endure!(&case, bytes, JsonReader));
    }

    #[test]
    fn noise_is_endured(case in cases(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        endure!(&case, &bytes, BinaryReader);
        endure!(&case, &bytes, CompactReader);
        endure!(&case, &bytes, JsonReader);
        let limits = Limits::default();
        let _ = BinaryReader::new(&bytes, &limits).header();
        let _ = CompactReader::new(&bytes, &limits).header();
        let _ = JsonReader::new(&bytes, &limits).message_begin();
    }
}

fn point() -> (Schema, Type) {
    let mut builder = Builder::new();
    let id = builder.declare_struct("Point", StructKind::Struct, None, Annotations::new());
    let required = NewField::new(2, "y", Type::I32).requiredness(Requiredness::Required);
    let fields = vec![NewField::new(1, "x", Type::I32), required];
    builder.define_struct(id, fields).unwrap();
    (builder.build(), Type::Struct(id))
}

#[track_caller]
fn refused(value: &Value) -> String {
    let (schema, point) = point();
    let mut out = Vec::new();
    let error = write_value(&schema, point, value, &mut BinaryWriter::new(&mut out));
    error.unwrap_err().to_string()
}

#[test]
fn values_of_another_type_are_not_written() {
    let x = (1, Value::I64(1));
    assert_eq!(
        refused(&Value::Struct(vec![x])),
        "x: expected i32, found i64 (at byte 0)"
    );
    assert_eq!(
        refused(&Value::Struct(vec![(1, Value::I32(1))])),
        "missing required field y (at byte 0)"
    );
    assert_eq!(
        refused(&Value::Struct(vec![(7, Value::I32(1))])),
        "Point has no field 7 (at byte 0)"
    );
}

#[test]
fn of_two_fields_with_one_id_the_last_counts() {
    let (schema, point) = point();
    let mut bytes = Vec::new();
    let mut writer = BinaryWriter::new(&mut bytes);
    for (id, value) in [(2, 5), (1, 3), (2, 6)] {
        writer.field_begin(WireType::I32, id);
        writer.i32(value);
    }
    bytes.push(0);
    let limits = Limits::default();
    let value = read_value(&schema, point, &mut BinaryReader::new(&bytes, &limits)).unwrap();
    assert_eq!(value.field(1), Some(&Value::I32(3)));
    assert_eq!(value.field(2), Some(&Value::I32(6)));
    assert_eq!(value.field(3), None);
}
