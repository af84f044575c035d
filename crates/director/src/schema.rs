//! Content schemas of ports: JSON Schema, compiled once, without any reference.

use std::{fmt, sync::Arc};

use jsonschema::{PatternOptions, Validator};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Longest message of a violation: a message may quote a large value.
const MESSAGE_CHARS_MAX: usize = 300;
/// Most violations reported of one value: more do not help to mend it.
const VIOLATIONS_MAX: usize = 50;

/// Most values in a schema, and largest compiled pattern: together they bound what compiling costs.
const SCHEMA_VALUES_MAX: usize = 5000;
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// A compiled JSON Schema and the text it came from.
#[derive(Clone)]
pub struct ContentSchema {
    source: Arc<Value>,
    validator: Arc<Validator>,
}

/// One violation of a schema: JSON pointer into the value, keyword, message.
pub(crate) type SchemaViolation = (String, String, String);

impl ContentSchema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// The reason, when it is not a JSON Schema or contains a reference.
    pub fn compile(source: Value) -> Result<Self, String> {
        if !source.is_object() {
            return Err("a content schema is a map".to_owned());
        }
        if let Some(keyword) = find_reference(&source) {
            return Err(format!(
                "`{keyword}` is not allowed: a content schema stands alone"
            ));
        }
        if count_values(&source) > SCHEMA_VALUES_MAX {
            return Err(format!("has more than {SCHEMA_VALUES_MAX} values"));
        }
        // Linear-time patterns: a schema's author must not be able to stall who validates a value.
        let options = jsonschema::options()
            .offline()
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX));
        let validator = options.build(&source).map_err(|error| {
            let place = error.instance_path().to_string();
            let place = if place.is_empty() {
                String::new()
            } else {
                format!(" at `{place}`")
            };
            format!(
                "not a valid JSON Schema{place}: {}",
                shorten(&error.to_string())
            )
        })?;
        Ok(Self {
            source: Arc::new(source),
            validator: Arc::new(validator),
        })
    }

    /// The schema as it was written.
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Every way in which `value` violates the schema.
    pub(crate) fn violations(&self, value: &Value) -> Vec<SchemaViolation> {
        self.validator
            .iter_errors(value)
            .take(VIOLATIONS_MAX)
            .map(|error| {
                let pointer = error.instance_path().to_string();
                (
                    pointer,
                    error.kind().keyword().to_owned(),
                    shorten(&error.to_string()),
                )
            })
            .collect()
    }
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// The first keyword that refers to another schema. A property that has such a name is refused too, for simplicity.
fn find_reference(schema: &Value) -> Option<&'static str> {
    match schema {
        Value::Object(members) => ["$ref", "$dynamicRef", "$recursiveRef"]
            .into_iter()
            .find(|keyword| members.contains_key(*keyword))
            .or_else(|| members.values().find_map(find_reference)),
        Value::Array(items) => items.iter().find_map(find_reference),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn count_values(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(count_values).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(count_values).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

impl fmt::Debug for ContentSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContentSchema").field(&self.source).finish()
    }
}

impl PartialEq for ContentSchema {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Serialize for ContentSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.source.serialize(serializer)
    }
}
