//! A constant's value as one of another type, and values as keys.

use crate::{Schema, Type, Value};

/// A value of type `from` as one of type `to`, if it can be: integers that fit, numbers as doubles, text as bytes, and
/// containers of such.
pub(super) fn convert(schema: &Schema, value: &Value, from: Type, to: Type) -> Option<Value> {
    Some(match (to, value) {
        _ if from == to => value.clone(),
        (Type::Bool, _) => Value::Bool(integer(value)? != 0),
        (Type::I8, _) => Value::I8(integer(value)?.try_into().ok()?),
        (Type::I16, _) => Value::I16(integer(value)?.try_into().ok()?),
        (Type::I32, _) => Value::I32(integer(value)?.try_into().ok()?),
        (Type::I64, _) => Value::I64(integer(value)?),
        (Type::Double, _) => Value::Double(integer(value)? as f64),
        (Type::Enum(id), _) => {
            let number = integer(value)?.try_into().ok()?;
            schema.enumeration(id).name_of(number)?;
            Value::I32(number)
        }
        (Type::String, Value::Binary(bytes)) => {
            Value::String(String::from_utf8(bytes.clone()).ok()?)
        }
        (Type::Binary, Value::String(text)) => Value::Binary(text.clone().into_bytes()),
        (Type::Uuid, Value::String(text)) => Value::Uuid(parse_uuid(text)?),
        (Type::List(to), Value::List(values)) => Value::List(elements(
            schema,
            values,
            element(schema, from)?,
            schema.element(to),
        )?),
        (Type::Set(to), Value::Set(values)) => Value::Set(elements(
            schema,
            values,
            element(schema, from)?,
            schema.element(to),
        )?),
        (Type::Map(to), Value::Map(entries)) => {
            let Type::Map(from) = from else {
                return None;
            };
            let ((from_key, from_value), (to_key, to_value)) = (schema.map(from), schema.map(to));
            let entries = entries.iter().map(|(key, value)| {
                let key = convert(schema, key, from_key, to_key)?;
                Some((key, convert(schema, value, from_value, to_value)?))
            });
            Value::Map(entries.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn element(schema: &Schema, ty: Type) -> Option<Type> {
    match ty {
        Type::List(id) | Type::Set(id) => Some(schema.element(id)),
        _ => None,
    }
}

fn elements(schema: &Schema, values: &[Value], from: Type, to: Type) -> Option<Vec<Value>> {
    let values = values.iter();
    values
        .map(|value| convert(schema, value, from, to))
        .collect()
}

fn integer(value: &Value) -> Option<i64> {
    Some(match value {
        Value::Bool(value) => i64::from(*value),
        Value::I8(value) => i64::from(*value),
        Value::I16(value) => i64::from(*value),
        Value::I32(value) => i64::from(*value),
        Value::I64(value) => *value,
        _ => return None,
    })
}

/// `01234567-89ab-cdef-0123-456789abcdef`, perhaps in braces.
pub(super) fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let inner = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    let text = inner.unwrap_or(text).as_bytes();
    if text.len() != 36 {
        return None;
    }
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (at, byte) in text.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(*byte).to_digit(16)? as u8;
        bytes[digits / 2] = bytes[digits / 2] << 4 | digit;
        digits += 1;
    }
    Some(bytes)
}

/// Bytes that are the same for equal values of a type, and different for others.
pub(super) fn key_of(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    write_key(value, &mut key);
    key
}

fn write_key(value: &Value, key: &mut Vec<u8>) {
    let mut bytes = |bytes: &[u8]| {
        key.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        key.extend_from_slice(bytes);
    };
    match value {
        Value::Bool(value) => bytes(&[u8::from(*value)]),
        Value::I8(value) => bytes(&value.to_be_bytes()),
        Value::I16(value) => bytes(&value.to_be_bytes()),
        Value::I32(value) => bytes(&value.to_be_bytes()),
        Value::I64(value) => bytes(&value.to_be_bytes()),
        Value::Double(value) => bytes(&value.to_bits().to_be_bytes()),
        Value::String(text) => bytes(text.as_bytes()),
        Value::Binary(value) => bytes(value),
        Value::Uuid(value) => bytes(value),
        Value::Struct(fields) => {
            bytes(&fields.len().to_be_bytes());
            for (id, value) in fields {
                key.extend_from_slice(&id.to_be_bytes());
                write_key(value, key);
            }
        }
        Value::List(values) | Value::Set(values) => {
            bytes(&values.len().to_be_bytes());
            for value in values {
                write_key(value, key);
            }
        }
        Value::Map(entries) => {
            bytes(&entries.len().to_be_bytes());
            for (name, value) in entries {
                write_key(name, key);
                write_key(value, key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_read_with_and_without_braces() {
        let bytes = [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab,
            0xcd, 0xef,
        ];
        let text = "01234567-89ab-CDEF-0123-456789abcdef";
        assert_eq!(parse_uuid(text), Some(bytes));
        assert_eq!(parse_uuid(&format!("{{{text}}}")), Some(bytes));
        for wrong in [
            "",
            "{}",
            "01234567-89ab-cdef-0123-456789abcde",
            "01234567-89ab-cdef-0123-456789abcdeg",
            "0123456789abcdef-0123-456789abcdef--",
            "{01234567-89ab-cdef-0123-456789abcdef",
        ] {
            assert_eq!(parse_uuid(wrong), None, "{wrong}");
        }
    }
}
