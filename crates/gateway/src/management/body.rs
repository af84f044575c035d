//! Members of a body, read with RabbitMQ's words for what is wrong.

use serde_json::{Map, Value};

use super::answer::Refused;

/// Whether all of these members are there.
pub(super) fn need(object: &Map<String, Value>, names: &[&str]) -> Result<(), Refused> {
    let missing: Vec<String> = names
        .iter()
        .filter(|name| !object.contains_key(**name))
        .map(|name| format!("{{key_missing,{name}}}"))
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Refused::bad_request(format!("[{}]", missing.join(",")))),
    }
}

/// A text, or nothing.
pub(super) fn text<'o>(
    object: &'o Map<String, Value>,
    name: &str,
) -> Result<Option<&'o str>, Refused> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refused::bad_request(format!("{name} is a text"))),
    }
}

/// A truth value. Old clients write it as a text.
pub(super) fn flag(object: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refused> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(Value::String(text)) if text == "true" => Ok(Some(true)),
        Some(Value::String(text)) if text == "false" => Ok(Some(false)),
        Some(other) => Err(Refused::bad_request(format!("[{{not_boolean,{other}}}]"))),
    }
}

/// A whole number. Old clients write it as a text.
pub(super) fn integer(object: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refused> {
    let wrong =
        |value: &Value| Refused::bad_request(format!("{name} is a whole number, not {value}"));
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value @ Value::String(text)) => text.parse().map(Some).map_err(|_| wrong(value)),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong(value)),
    }
}

/// Arguments of a declaration or a binding. Old clients write none of them as a list.
pub(super) fn arguments(object: &Map<String, Value>) -> Result<Map<String, Value>, Refused> {
    match object.get("arguments") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(arguments)) => Ok(arguments.clone()),
        Some(Value::Array(arguments)) if arguments.is_empty() => Ok(Map::new()),
        Some(_) => Err(Refused::bad_request("arguments is an object")),
    }
}

/// Tags: a list, or a text with commas between.
pub(super) fn tags(value: &Value) -> Result<Vec<String>, Refused> {
    let split = |text: &str| -> Vec<String> {
        let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        tags.map(str::to_owned).collect()
    };
    match value {
        Value::String(text) => Ok(split(text)),
        Value::Array(items) => {
            let tag = |item: &Value| item.as_str().map(str::to_owned);
            let tags: Option<Vec<String>> = items.iter().map(tag).collect();
            tags.ok_or_else(|| Refused::bad_request("tags are texts"))
        }
        _ => Err(Refused::bad_request("tags are a list of texts")),
    }
}
