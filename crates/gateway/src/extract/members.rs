//! Members of a JSON object: each is known, each is what it must be, and everything that is wrong is found.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::{Map, Value};
use trefoil_director::{Violation, near_names};

use crate::error::ERRORS_MAX;

/// An object that is being read. Ask for each member that the contract knows, then call [`Self::end`].
#[derive(Debug)]
pub(crate) struct Members<'v> {
    object: Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
    violations: &'v mut Vec<Violation>,
}

impl<'v> Members<'v> {
    /// Reads `value`, which is at `pointer` of its document; `None`, and a violation, if it is no object.
    pub(crate) fn of(
        value: Value,
        pointer: impl Into<String>,
        violations: &'v mut Vec<Violation>,
    ) -> Option<Self> {
        let pointer = pointer.into();
        match value {
            Value::Object(object) => Some(Self {
                object,
                pointer,
                known: Vec::new(),
                violations,
            }),
            other => {
                add(
                    violations,
                    pointer,
                    "type",
                    format!("expected an object, found {}", noun(&other)),
                );
                None
            }
        }
    }

    /// The pointer of a member.
    pub(crate) fn pointer(&self, name: &str) -> String {
        format!("{}/{}", self.pointer, escape(name))
    }

    /// Notes what is wrong with a member.
    pub(crate) fn wrong(&mut self, name: &str, rule: &str, detail: impl Into<String>) {
        let pointer = self.pointer(name);
        add(self.violations, pointer, rule, detail);
    }

    /// Notes what is wrong further below; `path` is part of a pointer already.
    pub(crate) fn wrong_at(&mut self, path: &str, rule: &str, detail: impl Into<String>) {
        add(
            self.violations,
            format!("{}/{path}", self.pointer),
            rule,
            detail,
        );
    }

    /// A member as it is. `null` is no value, as many clients write what they do not set.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.remove(name).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        expected: &str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Option<T> {
        match read(self.take(name)?) {
            Ok(value) => Some(value),
            Err(other) => {
                self.wrong(
                    name,
                    "type",
                    format!("expected {expected}, found {}", noun(&other)),
                );
                None
            }
        }
    }

    /// Text.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        self.typed(name, "text", |value| match value {
            Value::String(text) => Ok(text),
            other => Err(other),
        })
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.typed(name, "true or false", |value| value.as_bool().ok_or(value))
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        self.typed(name, "an object", |value| match value {
            Value::Object(object) => Ok(object),
            other => Err(other),
        })
    }

    /// A list.
    pub(crate) fn list(&mut self, name: &'static str) -> Option<Vec<Value>> {
        self.typed(name, "a list", |value| match value {
            Value::Array(items) => Ok(items),
            other => Err(other),
        })
    }

    /// A number in a range.
    pub(crate) fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        let number = self.typed(name, "a number", |value| value.as_f64().ok_or(value))?;
        if range.contains(&number) {
            return Some(number);
        }
        self.wrong(
            name,
            "range",
            format!("must be {} to {}", range.start(), range.end()),
        );
        None
    }

    /// A whole number in a range.
    pub(crate) fn integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Option<i64> {
        let number = self.typed(name, "a whole number", |value| match value {
            Value::Number(number) if whole(&number).is_some() => Ok(whole(&number)),
            other => Err(other),
        })??;
        if range.contains(&number) {
            return Some(number);
        }
        self.wrong(
            name,
            "range",
            format!("must be {} to {}", range.start(), range.end()),
        );
        None
    }

    /// An object whose members are all text.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<BTreeMap<String, String>> {
        let object = self.object(name)?;
        let mut texts = BTreeMap::new();
        for (key, value) in object {
            match value {
                Value::String(text) => {
                    texts.insert(key, text);
                }
                other => {
                    let pointer = format!("{}/{}", self.pointer(name), escape(&key));
                    add(
                        self.violations,
                        pointer,
                        "type",
                        format!("expected text, found {}", noun(&other)),
                    );
                }
            }
        }
        Some(texts)
    }

    /// A member that is an object of its own contract.
    pub(crate) fn inner(&mut self, name: &'static str) -> Option<Members<'_>> {
        let value = self.take(name)?;
        let pointer = self.pointer(name);
        Members::of(value, pointer, self.violations)
    }

    /// Refuses what nobody asked for.
    pub(crate) fn end(self) {
        for key in self.object.keys().take(ERRORS_MAX) {
            let hint = match near_names(key, self.known.iter().copied()).first() {
                Some(near) => format!("; did you mean `{near}`?"),
                None => String::new(),
            };
            let detail = format!("unknown member `{}`{hint}", shown(key));
            add(
                self.violations,
                format!("{}/{}", self.pointer, escape(shown(key))),
                "unknown",
                detail,
            );
        }
    }
}

fn add(violations: &mut Vec<Violation>, pointer: String, rule: &str, detail: impl Into<String>) {
    if violations.len() < ERRORS_MAX {
        violations.push(Violation {
            pointer,
            rule: rule.to_owned(),
            detail: detail.into(),
        });
    }
}

/// JSON does not tell `3.0` from `3`, so neither do we.
fn whole(number: &serde_json::Number) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number
            .as_f64()
            .filter(|float| float.fract() == 0.0 && float.abs() <= EXACT_MAX)?;
        Some(float as i64)
    })
}

/// A value in a message.
pub(crate) fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// One segment of a JSON pointer (RFC 6901).
pub(crate) fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// A client gets back only so much of what it sent.
fn shown(text: &str) -> &str {
    text.char_indices()
        .nth(64)
        .map_or(text, |(end, _)| &text[..end])
}
