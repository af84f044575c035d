//! Reading members of JSON objects, with their paths in errors.

use serde_json::{Map, Value};

use super::DefinitionsError;

/// An object that is read, and where it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    path: &'a str,
    members: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(json: &'a Value, path: &'a str) -> Result<Self, DefinitionsError> {
        match json {
            Value::Object(members) => Ok(Self { path, members }),
            other => Err(DefinitionsError::member(path, expected("an object", other))),
        }
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A member that is there and not null.
    pub(super) fn value(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A member that is there, null or not.
    pub(super) fn any(&self, name: &str) -> Result<Value, DefinitionsError> {
        self.members
            .get(name)
            .cloned()
            .ok_or_else(|| self.missing(name))
    }

    fn wrong<T>(&self, name: &str, what: &str, value: &Value) -> Result<T, DefinitionsError> {
        Err(DefinitionsError::member(
            self.path(name),
            expected(what, value),
        ))
    }

    pub(super) fn missing(&self, name: &str) -> DefinitionsError {
        DefinitionsError::member(self.path(name), "is missing")
    }

    pub(super) fn text(&self, name: &str) -> Result<String, DefinitionsError> {
        self.optional_text(name)?.ok_or_else(|| self.missing(name))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, DefinitionsError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(other) => self.wrong(name, "a string", other),
        }
    }

    /// A truth value; tools write them as strings too.
    pub(super) fn optional_truth(&self, name: &str) -> Result<Option<bool>, DefinitionsError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(other) => self.wrong(name, "true or false", other),
        }
    }

    pub(super) fn truth(&self, name: &str) -> Result<bool, DefinitionsError> {
        self.optional_truth(name).map(Option::unwrap_or_default)
    }

    /// A whole number, which tools write as strings too.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, DefinitionsError> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let number = match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => Ok(Some(number)),
            None => self.wrong(name, "a whole number", value),
        }
    }

    /// An object; also as an array of names with values, which is how RabbitMQ prints some of them.
    pub(super) fn object(&self, name: &str) -> Result<Map<String, Value>, DefinitionsError> {
        match self.value(name) {
            None => Ok(Map::new()),
            Some(Value::Object(members)) => Ok(members.clone()),
            Some(Value::Array(pairs)) => pairs
                .iter()
                .map(|pair| match pair.as_array().map(Vec::as_slice) {
                    Some([Value::String(name), value]) => Ok((name.clone(), value.clone())),
                    _ => self.wrong(name, "an object", pair),
                })
                .collect(),
            Some(other) => self.wrong(name, "an object", other),
        }
    }

    pub(super) fn array(&self, name: &str) -> Result<Option<&'a Vec<Value>>, DefinitionsError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(other) => self.wrong(name, "an array", other),
        }
    }

    /// Tags: an array of strings, or one string with commas.
    pub(super) fn tags(&self, name: &str) -> Result<Vec<String>, DefinitionsError> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(crate::access::tags::parse(text)),
            Some(Value::Array(values)) => values
                .iter()
                .enumerate()
                .map(|(n, value)| match value {
                    Value::String(text) => Ok(text.clone()),
                    other => self.wrong(&format!("{name}[{n}]"), "a string", other),
                })
                .collect(),
            Some(other) => self.wrong(name, "an array of strings", other),
        }
    }
}

/// `expected a string, found 5`
fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::String(_) => "a string".to_owned(),
        other => other.to_string(),
    };
    format!("expected {what}, found {found}")
}
