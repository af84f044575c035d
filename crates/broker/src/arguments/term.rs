//! Values as Erlang terms: how they are compared and how they are printed in texts that clients know by heart.

use std::fmt::{self, Write as _};

use serde_json::Value as Json;
use trefoil_amqp::{Table, Value};

/// Whether two arguments are the same to somebody who declares again: integers of any width by value, floats of both
/// widths by value, strings by octets, and so on. What is nested must have the same types too.
pub(crate) fn equivalent(one: &Value, other: &Value) -> bool {
    if let (Some(one), Some(other)) = (whole(one), whole(other)) {
        return one == other;
    }
    if let (Some(one), Some(other)) = (float(one), float(other)) {
        return one == other;
    }
    match (octets(one), octets(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::Timestamp(seconds) => Some(i128::from(*seconds)),
        other => other.as_integer().map(i128::from),
    }
}

fn float(value: &Value) -> Option<f64> {
    match *value {
        Value::F32(n) => Some(n.into()),
        Value::F64(n) => Some(n),
        _ => None,
    }
}

fn octets(value: &Value) -> Option<&[u8]> {
    match value {
        Value::LongString(bytes) | Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// `the value '10' of type 'signedint'`, or `none`.
pub(crate) fn with_type(value: Option<&Value>) -> String {
    match value {
        None => "none".to_owned(),
        Some(value) => format!(
            "the value '{}' of type '{}'",
            Plain(value),
            value.type_name()
        ),
    }
}

/// `'10'`; nothing at all for the void.
pub(crate) fn without_type(value: &Value) -> String {
    match value {
        Value::Void => "none".to_owned(),
        value => format!("'{}'", Plain(value)),
    }
}

/// A value where strings stand for themselves.
pub(crate) struct Plain<'a>(pub(crate) &'a Value);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match octets(self.0) {
            Some(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            None => term(f, self.0),
        }
    }
}

/// A value as Erlang prints it: strings as binaries.
pub(crate) struct Term<'a>(pub(crate) &'a Value);

impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        term(f, self.0)
    }
}

/// A value with its type: `{longstr,<<"x">>}`.
pub(crate) struct Typed<'a>(pub(crate) &'a Value);

impl fmt::Display for Typed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{},", self.0.type_name())?;
        term(f, self.0)?;
        f.write_char('}')
    }
}

fn term(f: &mut fmt::Formatter<'_>, value: &Value) -> fmt::Result {
    match value {
        Value::Bool(truth) => write!(f, "{truth}"),
        Value::F32(n) => f.write_str(&float_term(f64::from(*n))),
        Value::F64(n) => f.write_str(&float_term(*n)),
        Value::Decimal { scale, value } => write!(f, "{{{scale},{value}}}"),
        Value::LongString(bytes) | Value::Bytes(bytes) => f.write_str(&binary_term(bytes)),
        Value::Timestamp(seconds) => write!(f, "{seconds}"),
        Value::Void => f.write_str("undefined"),
        Value::Array(values) => {
            f.write_char('[')?;
            for (n, value) in values.iter().enumerate() {
                write!(f, "{}{}", comma(n), Typed(value))?;
            }
            f.write_char(']')
        }
        Value::Table(table) => table_term(f, table),
        Value::I8(_)
        | Value::U8(_)
        | Value::I16(_)
        | Value::U16(_)
        | Value::I32(_)
        | Value::U32(_)
        | Value::I64(_)
        | Value::I64Upper(_) => write!(f, "{}", value.as_integer().unwrap_or_default()),
    }
}

fn table_term(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    f.write_char('[')?;
    for (n, (name, value)) in table.iter().enumerate() {
        write!(
            f,
            "{}{{{},{},",
            comma(n),
            binary_term(name),
            value.type_name()
        )?;
        term(f, value)?;
        f.write_char('}')?;
    }
    f.write_char(']')
}

fn comma(n: usize) -> &'static str {
    if n == 0 { "" } else { "," }
}

/// `<<"text">>`, or the octets if they are no text.
pub(crate) fn binary_term(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) && !text.is_empty() => {
            format!(
                "<<\"{}\">>",
                text.replace('\\', "\\\\").replace('"', "\\\"")
            )
        }
        _ => format!(
            "<<{}>>",
            bytes
                .iter()
                .map(u8::to_string)
                .collect::<Vec<_>>()
                .join(",")
        ),
    }
}

/// A JSON value as RabbitMQ prints it.
pub(crate) fn json_term(value: &Json) -> String {
    let list = |items: Vec<String>| items.join(",");
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float_term(float),
            _ => number.to_string(),
        },
        Json::String(text) => binary_term(text.as_bytes()),
        Json::Array(values) => format!("[{}]", list(values.iter().map(json_term).collect())),
        Json::Object(members) => {
            let member = |(key, value): (&String, &Json)| {
                format!("{} => {}", binary_term(key.as_bytes()), json_term(value))
            };
            format!("#{{{}}}", list(members.iter().map(member).collect()))
        }
    }
}

/// The shortest digits that read back as the number; with an exponent where that is shorter, or where the number is so
/// large that its digits would not all be meant.
fn float_term(n: f64) -> String {
    if !n.is_finite() {
        return n.to_string();
    }
    let plain = format!("{n:?}");
    let scientific = format!("{n:e}");
    let scientific = match scientific.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => scientific,
    };
    let is_exact = n.abs() < 9_007_199_254_740_992.0; // 2^53
    if is_exact && !plain.contains('e') && plain.len() <= scientific.len() {
        plain
    } else {
        scientific
    }
}
