//! The words of a contract: comments, literals, constants, types.

use serde_json::Value;

use crate::port::PortKind;

/// Deeper lists become JSON text: nobody wants `list<list<list<list<…>>>>`.
const LIST_DEPTH_MAX: usize = 3;

/// How values of a port are written in Thrift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// `double`
    Double,
    /// `i64`
    I64,
    /// `bool`
    Bool,
    /// `string`
    Text,
    /// `File`
    File,
    /// `list<…>`
    List(Box<Self>),
    /// `string` with JSON text in it: what Thrift has no type for.
    Json,
}

impl Form {
    pub(super) fn of(kind: &PortKind) -> Self {
        match kind {
            PortKind::Number => Self::Double,
            PortKind::Integer => Self::I64,
            PortKind::Boolean => Self::Bool,
            PortKind::String => Self::Text,
            PortKind::Data(_) => Self::File,
            PortKind::Schema(schema) => {
                Self::of_schema(schema.source(), LIST_DEPTH_MAX).unwrap_or(Self::Json)
            }
        }
    }

    /// The type that every value has that fits a schema, if Thrift has one. Other keywords only make fewer values fit.
    fn of_schema(schema: &Value, lists: usize) -> Option<Self> {
        Some(match schema.get("type")?.as_str()? {
            "number" => Self::Double,
            "integer" => Self::I64,
            "boolean" => Self::Bool,
            "string" => Self::Text,
            // Items of a tuple have schemas of their own, which `items` says nothing about.
            "array" if lists > 0 && schema.get("prefixItems").is_none() => {
                let items = Self::of_schema(schema.get("items")?, lists - 1)?;
                Self::List(Box::new(items))
            }
            _ => return None,
        })
    }

    /// The type.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Double => "double".to_owned(),
            Self::I64 => "i64".to_owned(),
            Self::Bool => "bool".to_owned(),
            Self::Text | Self::Json => "string".to_owned(),
            Self::File => "File".to_owned(),
            Self::List(items) => format!("list<{}>", items.name()),
        }
    }

    /// A value of it; `None` for those that cannot be written down.
    pub(super) fn constant(&self, value: &Value) -> Option<String> {
        match self {
            // Through a double, which is what the value will be; `2` becomes `2.0`.
            Self::Double => {
                serde_json::Number::from_f64(value.as_f64()?).map(|number| number.to_string())
            }
            Self::I64 => Some(value.as_i64()?.to_string()),
            Self::Bool => Some(value.as_bool()?.to_string()),
            Self::Text => exact_literal(value.as_str()?),
            Self::Json => exact_literal(&value.to_string()),
            Self::List(items) => {
                let constants: Option<Vec<String>> = value
                    .as_array()?
                    .iter()
                    .map(|item| items.constant(item))
                    .collect();
                Some(format!("[{}]", constants?.join(", ")))
            }
            // A file that is there today may be gone tomorrow; the platform fills it in.
            Self::File => None,
        }
    }
}

/// A literal; characters that no literal can have become blanks.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            c if c.is_control() => literal.push(' '),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

/// A literal, if there is one for exactly this text.
fn exact_literal(text: &str) -> Option<String> {
    let is_exact = text
        .chars()
        .all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    is_exact.then(|| literal(text))
}

/// Writes a documentation comment, or nothing if there is nothing to say.
pub(super) fn comment(out: &mut String, indentation: &str, text: &str) {
    let text: String = text
        .replace("\r\n", "\n")
        .chars()
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect();
    // The end of a comment cannot be in it.
    let text = text.replace("*/", "* /");
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    match lines.as_slice() {
        [] => {}
        [line] => out.push_str(&format!("{indentation}/** {line} */\n")),
        lines => {
            out.push_str(&format!("{indentation}/**\n"));
            for line in lines {
                out.push_str(format!("{indentation} * {line}").trim_end());
                out.push('\n');
            }
            out.push_str(&format!("{indentation} */\n"));
        }
    }
}

/// Annotations behind something.
pub(super) fn annotations(all: &[(&str, String)]) -> String {
    let all: Vec<String> = all
        .iter()
        .map(|(key, value)| format!("{key} = {}", literal(value)))
        .collect();
    if all.is_empty() {
        String::new()
    } else {
        format!(" ({})", all.join(", "))
    }
}
