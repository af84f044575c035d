//! Field tables as JSON, as the management API and definitions have them.
//!
//! JSON has fewer types: on the way out, widths of integers and the difference of strings and octets are lost. On the way
//! in integers become `long`, fractions `double`, texts `longstr`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value as Json};
use trefoil_amqp::{Table, Value};

use super::DefinitionsError;

/// How deep JSON arguments may be nested: as deep as tables.
const DEPTH_MAX: u32 = 64;
/// Length of a line of base64, by MIME.
const BASE64_LINE: usize = 76;

/// A table as a JSON object. Of fields with the same name the last one is left.
#[must_use]
pub fn table_to_json(table: &Table) -> Map<String, Json> {
    table
        .iter()
        .map(|(name, value)| (octets_to_text(name), value_to_json(value)))
        .collect()
}

/// A value as JSON.
#[must_use]
pub fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Bool(truth) => Json::Bool(*truth),
        Value::F32(number) => float(f64::from(*number)),
        Value::F64(number) => float(*number),
        Value::Decimal { scale, value } => float(f64::from(*value) / 10f64.powi(i32::from(*scale))),
        Value::LongString(octets) | Value::Bytes(octets) => Json::String(octets_to_text(octets)),
        Value::Array(values) => Json::Array(values.iter().map(value_to_json).collect()),
        Value::Timestamp(seconds) => Json::from(*seconds),
        Value::Table(table) => Json::Object(table_to_json(table)),
        Value::Void => Json::Null,
        Value::I8(_)
        | Value::U8(_)
        | Value::I16(_)
        | Value::U16(_)
        | Value::I32(_)
        | Value::U32(_)
        | Value::I64(_)
        | Value::I64Upper(_) => value.as_integer().map_or(Json::Null, Json::from),
    }
}

/// Infinity and what is no number have no JSON.
fn float(number: f64) -> Json {
    Number::from_f64(number).map_or(Json::Null, Json::Number)
}

/// Octets as text; as base64 with a remark if they are none.
#[must_use]
pub fn octets_to_text(octets: &[u8]) -> String {
    match std::str::from_utf8(octets) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let encoded = STANDARD.encode(octets);
            let mut text = String::from("Not UTF-8, base64 is: ");
            for (n, digit) in encoded.chars().enumerate() {
                if n > 0 && n % BASE64_LINE == 0 {
                    text.push('\n');
                }
                text.push(digit);
            }
            text
        }
    }
}

/// A JSON object as a table, ordered by name. `path` is where it is, for errors.
///
/// # Errors
/// Null, integers beyond 64 bits, names beyond 255 octets, nesting beyond 64.
pub fn table_from_json(members: &Map<String, Json>, path: &str) -> Result<Table, DefinitionsError> {
    read_table(members, path, DEPTH_MAX)
}

fn read_table(
    members: &Map<String, Json>,
    path: &str,
    depth: u32,
) -> Result<Table, DefinitionsError> {
    let mut fields: Vec<(&String, &Json)> = members.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    let mut table = Table::new();
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        if name.len() > usize::from(u8::MAX) {
            return Err(DefinitionsError::member(
                path,
                "the name is longer than 255 octets",
            ));
        }
        table.insert(name, read_value(value, &path, depth)?);
    }
    Ok(table)
}

fn read_value(json: &Json, path: &str, depth: u32) -> Result<Value, DefinitionsError> {
    let fail = |problem: &str| Err(DefinitionsError::member(path, problem));
    let deeper = depth.checked_sub(1);
    match (json, deeper) {
        (Json::Null, _) => fail("null is not allowed"),
        (Json::Bool(truth), _) => Ok(Value::Bool(*truth)),
        (Json::String(text), _) => Ok(Value::from(text.as_str())),
        (Json::Number(number), _) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(Value::I64(integer)),
            (None, Some(float)) if number.is_f64() => Ok(Value::F64(float)),
            (None, _) => fail("the number is too large"),
        },
        (Json::Array(_) | Json::Object(_), None) => fail("nested too deep"),
        (Json::Array(values), Some(depth)) => values
            .iter()
            .enumerate()
            .map(|(n, value)| read_value(value, &format!("{path}[{n}]"), depth))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        (Json::Object(members), Some(depth)) => read_table(members, path, depth).map(Value::Table),
    }
}
