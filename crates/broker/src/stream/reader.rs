//! A consumer's place in a stream, and what of it the consumer wants.

use std::hash::{DefaultHasher, Hash, Hasher};

use trefoil_amqp::{ContentHeader, Property, Table, Value, ValueRef};

/// The header that says under which value a message is to be found.
const FILTER_VALUE: &[u8] = b"x-stream-filter-value";

/// A consumer of a stream.
#[derive(Debug)]
pub(crate) struct Reader {
    /// It has seen, or does not want, what is before this offset.
    pub(crate) next: u64,
    pub(crate) filter: Option<Filter>,
}

/// What a consumer wants to see: messages with one of these values.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    values: Vec<Vec<u8>>,
    /// Of the values, in the same order.
    fingerprints: Vec<u32>,
    /// Messages without a value too.
    takes_unfiltered: bool,
}

impl Filter {
    /// The filter of a consumer's arguments. Like RabbitMQ it passes over what is no string, and an empty list filters nothing.
    pub(crate) fn of(arguments: &Table) -> Option<Self> {
        let text = |value: &Value| match value {
            Value::LongString(text) => Some(text.clone()),
            _ => None,
        };
        let values: Vec<Vec<u8>> = match arguments.get("x-stream-filter")? {
            Value::Array(values) => values.iter().filter_map(text).collect(),
            value => text(value).into_iter().collect(),
        };
        if values.is_empty() {
            return None;
        }
        let takes_unfiltered = matches!(
            arguments.get("x-stream-match-unfiltered"),
            Some(Value::Bool(true))
        );
        Some(Self {
            fingerprints: values.iter().map(|value| fingerprint(value)).collect(),
            values,
            takes_unfiltered,
        })
    }

    /// Whether a message with this fingerprint has to be looked at.
    pub(crate) fn may_take(&self, fingerprint: u32) -> bool {
        match fingerprint {
            0 => self.takes_unfiltered,
            other => self.fingerprints.contains(&other),
        }
    }

    /// Whether the consumer wants this message.
    pub(crate) fn takes(&self, header: ContentHeader<'_>) -> bool {
        match filter_value(header) {
            None => self.takes_unfiltered,
            Some(value) => self.values.iter().any(|wanted| wanted == value),
        }
    }
}

/// The filter value of a message.
fn filter_value<'a>(header: ContentHeader<'a>) -> Option<&'a [u8]> {
    if !header.flags().has(Property::Headers) {
        return None;
    }
    match header.headers()?.get(FILTER_VALUE)? {
        ValueRef::LongString(value) => Some(value),
        _ => None,
    }
}

/// The fingerprint of a message's filter value: 0 is only that of a message without one.
pub(crate) fn fingerprint_of(header: ContentHeader<'_>) -> u32 {
    filter_value(header).map_or(0, fingerprint)
}

fn fingerprint(value: &[u8]) -> u32 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    // It is never stored, so that it may change with the library. Half of the hash is enough to pass over most messages.
    (hasher.finish() as u32).max(1)
}
