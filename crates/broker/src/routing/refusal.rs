//! A request that the broker turns down.

use trefoil_amqp::{ReplyCode, Value};

/// What a client asked for and may not have: the reply code and the text that RabbitMQ gives (without the name of the code).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    /// Says whether the channel or the connection is closed.
    pub code: ReplyCode,
    /// What follows `NAME - ` in the reply.
    pub text: String,
}

impl Refusal {
    /// A 406: the arguments, or what exists already, do not allow it.
    #[must_use]
    pub fn precondition(text: String) -> Self {
        Self {
            code: ReplyCode::PreconditionFailed,
            text,
        }
    }
}

/// A value as Erlang prints the term, nested ones in outline.
pub(crate) fn erlang_value(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I8(value) => value.to_string(),
        Value::U8(value) => value.to_string(),
        Value::I16(value) => value.to_string(),
        Value::U16(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::I64(value) | Value::I64Upper(value) => value.to_string(),
        Value::F32(value) => format!("{value:?}"),
        Value::F64(value) => format!("{value:?}"),
        Value::Timestamp(value) => value.to_string(),
        Value::Decimal { scale, value } => format!("{{{scale},{value}}}"),
        Value::LongString(bytes) | Value::Bytes(bytes) => erlang_binary(bytes),
        Value::Void => "undefined".to_owned(),
        Value::Array(_) | Value::Table(_) => "[...]".to_owned(),
    }
}

/// A byte string as Erlang prints the term: `<<"text">>`, or numbers if it is not printable.
pub(crate) fn erlang_binary(bytes: &[u8]) -> String {
    let printable = |text: &str| {
        text.chars()
            .all(|c| !c.is_control() || "\n\r\t\u{b}\u{8}\u{c}\u{1b}".contains(c))
    };
    match std::str::from_utf8(bytes) {
        Ok("") => "<<>>".to_owned(),
        Ok(text) if printable(text) => {
            let kind = if text.is_ascii() { "" } else { "/utf8" };
            format!("<<{}{kind}>>", erlang_string(text))
        }
        _ => {
            let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
            format!("<<{}>>", numbers.join(","))
        }
    }
}

/// A string as Erlang prints the term: in quotes, with escapes.
pub(crate) fn erlang_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
