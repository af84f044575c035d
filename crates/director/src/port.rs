//! Ports: the named, typed inputs and outputs of a service.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::schema::ContentSchema;

/// A media type as ports name it: either part may be `*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MediaPattern {
    /// `text` of `text/csv`, lower case.
    pub kind: String,
    /// `csv` of `text/csv`, lower case.
    pub subtype: String,
}

impl MediaPattern {
    /// Reads `text/csv`, `image/*` or `*/*`; parameters after `;` are ignored.
    pub fn parse(text: &str) -> Option<Self> {
        let essence = text.split(';').next().unwrap_or_default().trim();
        let (kind, subtype) = essence.split_once('/')?;
        let token = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&b))
        };
        if !token(kind) || !token(subtype) {
            return None;
        }
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
        })
    }

    /// Whether some media type fits both.
    pub fn intersects(&self, other: &Self) -> bool {
        let part = |a: &str, b: &str| a == b || a == "*" || b == "*";
        part(&self.kind, &other.kind) && part(&self.subtype, &other.subtype)
    }
}

impl fmt::Display for MediaPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.subtype)
    }
}

/// What values a port takes.
#[derive(Debug, Clone, PartialEq)]
pub enum PortKind {
    /// A finite number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// A file of one of these media types.
    Data(Vec<MediaPattern>),
    /// Any JSON value that fits the schema.
    Schema(ContentSchema),
}

impl PortKind {
    /// Whether values are files.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::Data(_))
    }
}

/// The type as `metadata.yml` writes it.
impl fmt::Display for PortKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number => f.write_str("number"),
            Self::Integer => f.write_str("integer"),
            Self::Boolean => f.write_str("boolean"),
            Self::String => f.write_str("string"),
            Self::Schema(_) => f.write_str("ref_contentSchema"),
            Self::Data(patterns) => match patterns.as_slice() {
                [one] => write!(f, "data:{one}"),
                many => {
                    let texts: Vec<String> = many.iter().map(ToString::to_string).collect();
                    write!(f, "data:[{}]", texts.join(","))
                }
            },
        }
    }
}

/// An input or output of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Its key, unique among the inputs or the outputs.
    pub key: String,
    /// Its title for people; the key when there is none.
    pub label: String,
    /// What it means.
    pub description: String,
    /// What values it takes.
    pub kind: PortKind,
    /// The unit of its values: `unit`, or `x_unit` of its schema.
    pub unit: Option<String>,
    /// The value of an input that is not given; `null` means that the program gets nothing for it.
    pub default: Option<Value>,
    /// A schema for the values of a port that has another type than `ref_contentSchema`.
    pub extra_schema: Option<ContentSchema>,
    /// File name → port key, as written.
    pub file_to_key_map: BTreeMap<String, String>,
    /// Where people see it among the others.
    pub display_order: Option<f64>,
    /// Whether a value must be given.
    pub required: bool,
}

impl Port {
    /// The schema that values must fit, if there is one.
    pub fn content_schema(&self) -> Option<&ContentSchema> {
        match &self.kind {
            PortKind::Schema(schema) => Some(schema),
            PortKind::Number
            | PortKind::Integer
            | PortKind::Boolean
            | PortKind::String
            | PortKind::Data(_) => self.extra_schema.as_ref(),
        }
    }

    /// The name of the file of this port in the program's folder, if `fileToKeyMap` gives one. A plain file name.
    pub fn file_name(&self) -> Option<&str> {
        let own = self
            .file_to_key_map
            .iter()
            .find(|(_, key)| **key == self.key);
        own.map(|(name, _)| name.as_str())
    }
}

/// The shape `Port` of the REST API.
impl Serialize for Port {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("label", &self.label)?;
        map.serialize_entry("description", &self.description)?;
        map.serialize_entry("type", &self.kind.to_string())?;
        if let Some(unit) = &self.unit {
            map.serialize_entry("unit", unit)?;
        }
        if let Some(default) = &self.default {
            map.serialize_entry("default", default)?;
        }
        map.serialize_entry("required", &self.required)?;
        if let Some(schema) = self.content_schema() {
            map.serialize_entry("content_schema", schema)?;
        }
        if !self.file_to_key_map.is_empty() {
            map.serialize_entry("file_to_key_map", &self.file_to_key_map)?;
        }
        if let Some(order) = self.display_order {
            map.serialize_entry("display_order", &order)?;
        }
        map.end()
    }
}

/// The inputs, or the outputs, of a service in display order, then by key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ports(Vec<Port>);

impl Ports {
    /// Sorts ports for display. Their keys must differ.
    pub fn new(mut ports: Vec<Port>) -> Self {
        // Ports without a place come last.
        let place = |port: &Port| port.display_order.unwrap_or(f64::INFINITY);
        ports.sort_by(|a, b| {
            place(a)
                .total_cmp(&place(b))
                .then_with(|| a.key.cmp(&b.key))
        });
        Self(ports)
    }

    /// The port with a key.
    pub fn get(&self, key: &str) -> Option<&Port> {
        self.0.iter().find(|port| port.key == key)
    }

    /// All ports in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Port> {
        self.0.iter()
    }

    /// All keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|port| port.key.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Ports {
    type Item = &'a Port;
    type IntoIter = std::slice::Iter<'a, Port>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|port| (&port.key, port)))
    }
}
