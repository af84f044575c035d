//! Which outputs of one service can feed which inputs of another.

use serde::Serialize;
use serde_json::Value;

use crate::{
    key::ServiceId,
    near::did_you_mean,
    port::{Port, PortKind, Ports},
    service::Service,
    units::{Conversion, convert},
};

/// One port of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The service.
    pub service: ServiceId,
    /// The key of the port.
    pub port: String,
}

/// An output and an input that it can feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// The output.
    pub from: Endpoint,
    /// The input.
    pub to: Endpoint,
    /// What to know about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// An output and an input that it cannot feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The output.
    pub from: Endpoint,
    /// The input.
    pub to: Endpoint,
    /// `type`, `media-type`, `unit` or `schema`.
    pub rule: &'static str,
    /// Why, for people.
    pub reason: String,
}

/// The answer for all pairs of the ports that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Matching {
    /// What fits.
    pub pairs: Vec<Pair>,
    /// What does not.
    pub refused: Vec<Refused>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// The first service has no such output.
    #[error("`{service}` has no output `{port}`{}", .hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    UnknownOutput {
        /// The service.
        service: ServiceId,
        /// What was asked for.
        port: String,
        /// Near names.
        hint: Option<String>,
    },
    /// The second service has no such input.
    #[error("`{service}` has no input `{port}`{}", .hint.as_deref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    UnknownInput {
        /// The service.
        service: ServiceId,
        /// What was asked for.
        port: String,
        /// Near names.
        hint: Option<String>,
    },
}

/// Compares outputs of `from` with inputs of `to`; without a port, all of them.
///
/// # Errors
/// When a port that is named is not there.
pub fn match_ports(
    from: &Service,
    from_port: Option<&str>,
    to: &Service,
    to_port: Option<&str>,
) -> Result<Matching, MatchError> {
    let outputs = select(&from.metadata.outputs, from_port).map_err(|(port, hint)| {
        MatchError::UnknownOutput {
            service: from.id.clone(),
            port,
            hint,
        }
    })?;
    let inputs =
        select(&to.metadata.inputs, to_port).map_err(|(port, hint)| MatchError::UnknownInput {
            service: to.id.clone(),
            port,
            hint,
        })?;
    let mut matching = Matching::default();
    for output in &outputs {
        for input in &inputs {
            let source = Endpoint {
                service: from.id.clone(),
                port: output.key.clone(),
            };
            let target = Endpoint {
                service: to.id.clone(),
                port: input.key.clone(),
            };
            match fits(output, input) {
                Ok(note) => matching.pairs.push(Pair {
                    from: source,
                    to: target,
                    note,
                }),
                Err((rule, reason)) => matching.refused.push(Refused {
                    from: source,
                    to: target,
                    rule,
                    reason,
                }),
            }
        }
    }
    Ok(matching)
}

fn select<'p>(
    ports: &'p Ports,
    wanted: Option<&str>,
) -> Result<Vec<&'p Port>, (String, Option<String>)> {
    match wanted {
        None => Ok(ports.iter().collect()),
        Some(key) => match ports.get(key) {
            Some(port) => Ok(vec![port]),
            None => Err((key.to_owned(), did_you_mean(key, ports.keys()))),
        },
    }
}

type Refusal = (&'static str, String);

/// A note when it fits, rule and reason when it does not.
fn fits(from: &Port, to: &Port) -> Result<Option<String>, Refusal> {
    let mut notes = Vec::new();
    notes.extend(kinds_fit(&from.kind, &to.kind)?);
    if !from.kind.is_file() {
        notes.extend(units_fit(from.unit.as_deref(), to.unit.as_deref())?);
    }
    Ok((!notes.is_empty()).then(|| notes.join("; ")))
}

fn kinds_fit(from: &PortKind, to: &PortKind) -> Result<Option<String>, Refusal> {
    if let (PortKind::Data(given), PortKind::Data(taken)) = (from, to) {
        let common = given.iter().any(|a| taken.iter().any(|b| a.intersects(b)));
        return if common {
            Ok(None)
        } else {
            Err((
                "media-type",
                format!("`{from}` has no media type in common with `{to}`"),
            ))
        };
    }
    if from.is_file() || to.is_file() {
        let (file, value) = if from.is_file() {
            ("the output", "the input")
        } else {
            ("the input", "the output")
        };
        return Err(("type", format!("{file} is a file, {value} is a value")));
    }
    let with_schema = matches!(from, PortKind::Schema(_)) || matches!(to, PortKind::Schema(_));
    if let (PortKind::Schema(a), PortKind::Schema(b)) = (from, to)
        && same_values(a.source(), b.source())
    {
        return Ok(None);
    }
    let rule = if with_schema { "schema" } else { "type" };
    let (Some(given), Some(taken)) = (Primitive::of(from), Primitive::of(to)) else {
        return Err((
            rule,
            "the content schemas differ and are not both of one simple type".to_owned(),
        ));
    };
    let checked =
        with_schema.then(|| "values are checked against the schema when they arrive".to_owned());
    match (given, taken) {
        (Primitive::Integer, Primitive::Number) => Ok(Some(
            std::iter::once("widened".to_owned())
                .chain(checked)
                .collect::<Vec<_>>()
                .join("; "),
        )),
        (given, taken) if given == taken => Ok(checked),
        (given, taken) => Err((
            rule,
            format!("{} does not fit {}", given.noun(), taken.noun()),
        )),
    }
}

/// Titles, descriptions and units say nothing about which values a schema takes; units are compared elsewhere.
fn same_values(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_object(), b.as_object()) else {
        return a == b;
    };
    let telling = |key: &str| {
        !matches!(
            key,
            "title" | "description" | "x_unit" | "$schema" | "$id" | "default" | "examples"
        )
    };
    let count =
        |schema: &serde_json::Map<String, Value>| schema.keys().filter(|key| telling(key)).count();
    count(a) == count(b)
        && a.iter()
            .filter(|(key, _)| telling(key))
            .all(|(key, value)| b.get(key) == Some(value))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Primitive {
    Number,
    Integer,
    Boolean,
    String,
}

impl Primitive {
    fn of(kind: &PortKind) -> Option<Self> {
        match kind {
            PortKind::Number => Some(Self::Number),
            PortKind::Integer => Some(Self::Integer),
            PortKind::Boolean => Some(Self::Boolean),
            PortKind::String => Some(Self::String),
            PortKind::Data(_) => None,
            PortKind::Schema(schema) => {
                match schema.source().get("type").and_then(Value::as_str)? {
                    "number" => Some(Self::Number),
                    "integer" => Some(Self::Integer),
                    "boolean" => Some(Self::Boolean),
                    "string" => Some(Self::String),
                    _ => None,
                }
            }
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
            Self::String => "a string",
        }
    }
}

fn units_fit(from: Option<&str>, to: Option<&str>) -> Result<Option<String>, Refusal> {
    let (from, to) = match (from, to) {
        (None, None) => return Ok(None),
        (Some(from), None) => return Ok(Some(format!("only the output has a unit ({from})"))),
        (None, Some(to)) => return Ok(Some(format!("only the input has a unit ({to})"))),
        (Some(from), Some(to)) => (from, to),
    };
    match convert(from, to) {
        Conversion::Same => Ok(None),
        Conversion::Factor(factor) => Ok(Some(format!("multiply by {factor} ({from} to {to})"))),
        Conversion::None => Err(("unit", format!("`{from}` cannot be converted to `{to}`"))),
    }
}

#[cfg(test)]
mod tests;
