//! Field tables as JSON, and back.

use serde_json::{Map, Number, Value as Json};
use trefoil_amqp::{Table, TableRef, Value};

use super::answer::Refused;

/// A table as an object. Of members with the same name the last one is shown.
pub(super) fn to_json(table: &Table) -> Json {
    let members = table.iter();
    let members = members.map(|(name, value)| (text(name), value_to_json(value)));
    Json::Object(members.collect())
}

/// The same for a table that is still bytes; what cannot be read is left out.
pub(super) fn ref_to_json(table: TableRef<'_>) -> Json {
    table
        .to_table()
        .map_or_else(|_| Json::Object(Map::new()), |table| to_json(&table))
}

/// Octets that are no text are shown as well as they can be.
pub(super) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn float(value: f64) -> Json {
    // JSON has no infinities.
    Number::from_f64(value).map_or(Json::Null, Json::Number)
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::I8(value) => (*value).into(),
        Value::U8(value) => (*value).into(),
        Value::I16(value) => (*value).into(),
        Value::U16(value) => (*value).into(),
        Value::I32(value) => (*value).into(),
        Value::U32(value) => (*value).into(),
        Value::I64(value) | Value::I64Upper(value) => (*value).into(),
        Value::F32(value) => float(f64::from(*value)),
        Value::F64(value) => float(*value),
        Value::Decimal { scale, value } => float(f64::from(*value) / 10f64.powi(i32::from(*scale))),
        Value::LongString(octets) | Value::Bytes(octets) => text(octets).into(),
        Value::Array(values) => values.iter().map(value_to_json).collect(),
        Value::Timestamp(seconds) => (*seconds).into(),
        Value::Table(table) => to_json(table),
        Value::Void => Json::Null,
    }
}

/// An object as a table: whole numbers are 64 bits wide, others are doubles.
pub(super) fn from_json(object: &Map<String, Json>) -> Result<Table, Refused> {
    let mut table = Table::new();
    for (name, value) in object {
        if name.len() > 255 {
            return Err(Refused::bad_request(format!(
                "name of an argument is longer than 255 bytes: {}…",
                name.chars().take(32).collect::<String>()
            )));
        }
        table.insert(name, value_from_json(value)?);
    }
    Ok(table)
}

fn value_from_json(value: &Json) -> Result<Value, Refused> {
    Ok(match value {
        Json::Null => Value::Void,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::I64(whole),
            None if number.is_f64() => Value::F64(number.as_f64().unwrap_or(0.0)),
            None => {
                return Err(Refused::bad_request(format!(
                    "{number} does not fit an argument"
                )));
            }
        },
        Json::String(text) => Value::LongString(text.clone().into_bytes()),
        Json::Array(values) => Value::Array(
            values
                .iter()
                .map(value_from_json)
                .collect::<Result<_, _>>()?,
        ),
        Json::Object(object) => Value::Table(from_json(object)?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{from_json, to_json};

    #[test]
    fn what_json_can_say_comes_back() {
        let object = json!({
            "x-max-length": 10, "x-f": 1.5, "x-b": true, "x-s": "é", "x-n": null,
            "x-a": [1, "two", {"three": 3}],
        });
        let table = from_json(object.as_object().unwrap()).unwrap();
        assert_eq!(to_json(&table), object);
    }

    #[test]
    fn numbers_beyond_64_bits_are_refused() {
        let object = json!({"x": u64::MAX});
        assert!(from_json(object.as_object().unwrap()).is_err());
    }
}
