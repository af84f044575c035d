//! Random schemas and values, and texts that were damaged.

use proptest::prelude::*;

use super::*;
use crate::{
    check_struct,
    protocol::{CompactReader, CompactWriter, JsonReader, JsonWriter},
    schema::StructId,
    value::arbitrary::{Case, cases},
    write_value,
};

/// Empty unions come from newer contracts, and outwards they must be endured.
const OPTIONS: JsonOptions = JsonOptions {
    int64: Int64Form::Number,
    enums: EnumForm::Name,
    unknown_fields: UnknownFields::Ignore,
    is_empty_union_allowed: true,
    is_utf8_lossy: false,
    violations_max: 16,
};

fn binary_of(case: &Case) -> Vec<u8> {
    let mut binary = Vec::new();
    let mut writer = BinaryWriter::new(&mut binary);
    write_value(
        &case.schema,
        Type::Struct(case.root),
        &case.value,
        &mut writer,
    )
    .expect("a value of its type");
    binary
}

fn json_of(schema: &Schema, id: StructId, binary: &[u8]) -> Result<Vec<u8>, Box<Malformed>> {
    let limits = Limits::default();
    let mut reader = BinaryReader::new(binary, &limits);
    let mut json = Vec::new();
    struct_to_json(schema, id, &mut reader, &OPTIONS, &mut json)?;
    Ok(json)
}

fn binary_from(schema: &Schema, id: StructId, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut binary = Vec::new();
    let mut writer = BinaryWriter::new(&mut binary);
    json_to_struct(schema, id, json, &OPTIONS, &Limits::default(), &mut writer)?;
    Ok(binary)
}

/// A text that is the same for values that are the same.
fn canonical(value: &Value) -> String {
    let sorted = |mut texts: Vec<String>| {
        texts.sort();
        texts.join(",")
    };
    match value {
        Value::Double(value) if *value == 0.0 => "Double(0.0)".to_owned(),
        Value::Struct(fields) => {
            let texts = fields
                .iter()
                .map(|(id, value)| format!("{id}:{}", canonical(value)));
            format!("{{{}}}", sorted(texts.collect()))
        }
        Value::List(elements) => {
            let texts: Vec<String> = elements.iter().map(canonical).collect();
            format!("[{}]", texts.join(","))
        }
        Value::Set(elements) => format!("<{}>", sorted(elements.iter().map(canonical).collect())),
        Value::Map(entries) => {
            let texts = entries
                .iter()
                .map(|(key, value)| format!("{}={}", canonical(key), canonical(value)));
            format!("({})", sorted(texts.collect()))
        }
        _ => format!("{value:?}"),
    }
}

/// A set or a map in a value has something twice.
fn has_twice(value: &Value) -> bool {
    let is_twice = |values: &mut dyn Iterator<Item = &Value>| {
        let mut texts: Vec<String> = values.map(canonical).collect();
        texts.sort();
        texts.windows(2).any(|two| two[0] == two[1])
    };
    match value {
        Value::Struct(fields) => fields.iter().any(|(_, value)| has_twice(value)),
        Value::List(elements) => elements.iter().any(has_twice),
        Value::Set(elements) => is_twice(&mut elements.iter()) || elements.iter().any(has_twice),
        Value::Map(entries) => {
            is_twice(&mut entries.iter().map(|(key, _)| key))
                || entries
                    .iter()
                    .any(|(key, value)| has_twice(key) || has_twice(value))
        }
        _ => false,
    }
}

/// Whatever is accepted of a text is what the schema says.
fn endures_json(case: &Case, json: &[u8]) {
    if let Ok(binary) = binary_from(&case.schema, case.root, json) {
        let limits = Limits::default();
        let mut reader = BinaryReader::new(&binary, &limits);
        check_struct(&case.schema, case.root, &mut reader).expect("it was made by the schema");
        assert_eq!(reader.rest(), b"");
    }
}

/// Whatever is accepted of bytes is JSON.
fn endures_binary(case: &Case, binary: &[u8]) {
    if let Ok(json) = json_of(&case.schema, case.root, binary) {
        serde_json::from_slice::<serde_json::Value>(&json).expect("it is JSON");
    }
}

/// Bytes with each of them changed in some ways; of long ones only some of them, chosen evenly.
fn damaged(bytes: &[u8], mut endure: impl FnMut(&[u8])) {
    let step = 1 + bytes.len() / 100;
    let mut damaged = bytes.to_vec();
    for at in (0..bytes.len()).step_by(step) {
        for byte in [
            0,
            b'"',
            b'\\',
            b',',
            b':',
            b'{',
            b'}',
            b'[',
            b']',
            b'0',
            b'-',
            b'n',
            b'e',
            0x1f,
            0x80,
            0xff,
            bytes[at] ^ 1,
            bytes[at] ^ 0x20,
        ] {
            damaged[at] = byte;
            endure(&damaged);
        }
        damaged[at] = bytes[at];
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 2_048 }))]

    #[test]
    fn values_survive_the_way_through_json(case in cases()) {
        let binary = binary_of(&case);
        let json = json_of(&case.schema, case.root, &binary).expect("a value of its type");
        serde_json::from_slice::<serde_json::Value>(&json).expect("it is JSON");
        match binary_from(&case.schema, case.root, &json) {
            Ok(again) => {
                prop_assert!(!has_twice(&case.value));
                prop_assert_eq!(again, binary, "{}", String::from_utf8_lossy(&json));
            }
            Err(error) => {
                // Nothing else is refused that the wire has.
                let is_twice = error.all().all(|error| matches!(error.kind, JsonErrorKind::Twice(_)));
                prop_assert!(is_twice, "{}", error);
                prop_assert!(has_twice(&case.value), "{}", String::from_utf8_lossy(&json));
            }
        }
    }

    #[test]
    fn it_is_the_same_with_other_protocols(case in cases()) {
        prop_assume!(!has_twice(&case.value));
        let limits = Limits::default();
        let json = json_of(&case.schema, case.root, &binary_of(&case)).expect("a value of its type");
        macro_rules! through {
            ($writer:ident, $reader:ident) => {
                let mut bytes = Vec::new();
                let mut writer = $writer::new(&mut bytes);
                json_to_struct(&case.schema, case.root, &json, &OPTIONS, &limits, &mut writer)
                    .expect("its JSON");
                let mut again = Vec::new();
                let mut reader = $reader::new(&bytes, &limits);
                struct_to_json(&case.schema, case.root, &mut reader, &OPTIONS, &mut again)
                    .expect("its bytes");
                prop_assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&json));
            };
        }
        through!(CompactWriter, CompactReader);
        through!(JsonWriter, JsonReader);
    }

    #[test]
    fn damaged_text_is_endured(case in cases()) {
        let json = json_of(&case.schema, case.root, &binary_of(&case)).expect("a value of its type");
        let step = 1 + json.len() / 300;
        for length in (0..json.len()).step_by(step) {
            prop_assert!(binary_from(&case.schema, case.root, &json[..length]).is_err());
        }
        damaged(&json, |json| endures_json(&case, json));
    }

    #[test]
    fn damaged_bytes_are_endured(case in cases()) {
        let binary = binary_of(&case);
        let step = 1 + binary.len() / 300;
        for length in (0..binary.len()).step_by(step) {
            prop_assert!(json_of(&case.schema, case.root, &binary[..length]).is_err());
        }
        damaged(&binary, |binary| endures_binary(&case, binary));
    }

    #[test]
    fn any_bytes_are_endured(case in cases(), bytes: Vec<u8>) {
        endures_json(&case, &bytes);
        endures_binary(&case, &bytes);
    }

    /// What is jumped over is JSON as another library has it, which also says that numbers have a range.
    #[test]
    fn syntax_is_that_of_json(
        parts in prop::collection::vec(
            prop::sample::select(&[
                "{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\u00e9\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"",
                "\"\\x\"", "\"", "0", "1", "-", "-1", "01", "1.5", ".5", "1.", "1e5", "1E+5", "1e", "e", "true",
                "false", "null", "nul", " ", "\n", "\t", "\r", "\u{b}", "\u{a0}", "\"\t\"", "[1,2]", "{\"a\":1}", "//",
            ][..]),
            0..8,
        ),
    ) {
        let text = parts.concat();
        let types = types();
        let json = format!("{{\"zzz\":{text}}}");
        let ours = to_binary(&types, types.tree, &json).map(drop);
        match (serde_json::from_str::<serde_json::Value>(&json), ours) {
            (Ok(_), ours) => prop_assert_eq!(ours, Ok(()), "{}", json),
            (Err(error), Ok(())) => {
                prop_assert!(error.to_string().contains("out of range"), "{}: {}", json, error);
            }
            (Err(_), Err(_)) => {}
        }
    }
}
