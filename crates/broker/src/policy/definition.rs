//! What policies may set: names, types and ranges, and the words for what is wrong.

use std::sync::Arc;

use serde_json::Value;

use super::PolicyKind;
use crate::arguments::{
    ConfirmLevel, DeadLetterStrategy, Overflow, QueueType, parse_age,
    term::{binary_term, json_term},
};

/// Everything that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Validation failed\n\n{}\n", .0.join("\n"))]
pub struct PolicyError(pub Vec<String>);

/// What a policy sets, typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyValues {
    /// `message-ttl`
    pub message_ttl_ms: Option<u64>,
    /// `expires`
    pub expires_ms: Option<u64>,
    /// `max-length`
    pub max_length: Option<u64>,
    /// `max-length-bytes`
    pub max_length_bytes: Option<u64>,
    /// `overflow`
    pub overflow: Option<Overflow>,
    /// `dead-letter-exchange`
    pub dead_letter_exchange: Option<Arc<str>>,
    /// `dead-letter-routing-key`
    pub dead_letter_routing_key: Option<Arc<str>>,
    /// `dead-letter-strategy`
    pub dead_letter_strategy: Option<DeadLetterStrategy>,
    /// `delivery-limit`; negative means no limit.
    pub delivery_limit: Option<i64>,
    /// `consumer-timeout`
    pub consumer_timeout_ms: Option<u64>,
    /// `confirm-level`
    pub confirm_level: Option<ConfirmLevel>,
    /// `max-age`
    pub max_age_ms: Option<u64>,
    /// `alternate-exchange`
    pub alternate_exchange: Option<Arc<str>>,
}

/// What operator policies may set: limits.
const OPERATOR: &[&str] = &[
    "expires",
    "message-ttl",
    "max-length",
    "max-length-bytes",
    "max-in-memory-length",
    "max-in-memory-bytes",
    "delivery-limit",
    "target-group-size",
    "overflow",
];

/// Policies that set any of these are not for queues of that type. (`ha-…` is left out: it says nothing to one node.)
pub(super) fn unsupported(queue_type: QueueType) -> &'static [&'static str] {
    match queue_type {
        QueueType::Classic => &[
            "max-age",
            "stream-max-segment-size-bytes",
            "stream-filter-size-bytes",
            "queue-leader-locator",
            "initial-cluster-size",
            "target-group-size",
            "delivery-limit",
            "dead-letter-strategy",
            "max-in-memory-length",
            "max-in-memory-bytes",
        ],
        QueueType::Quorum => &[
            "queue-mode",
            "queue-master-locator",
            "max-age",
            "stream-max-segment-size-bytes",
            "stream-filter-size-bytes",
            "initial-cluster-size",
        ],
        QueueType::Stream => &[
            "expires",
            "message-ttl",
            "dead-letter-exchange",
            "dead-letter-routing-key",
            "dead-letter-strategy",
            "max-length",
            "max-in-memory-length",
            "max-in-memory-bytes",
            "overflow",
            "queue-mode",
            "queue-master-locator",
            "delivery-limit",
            "consumer-timeout",
            "target-group-size",
        ],
    }
}

pub(super) fn unrecognised_apply_to(name: &str) -> String {
    // The two blanks are in the original.
    format!(
        "apply-to '{name}' unrecognised; should be one of: 'queues', 'classic_queues',  'quorum_queues', 'streams', \
         'exchanges', or 'all'"
    )
}

/// Whether a policy allows more than an operator does.
pub(super) fn exceeds(key: &str, value: &Value, limit: &Value) -> bool {
    match (value.as_i64(), limit.as_i64()) {
        (Some(value), Some(limit)) if key == "delivery-limit" => {
            stricter_limit(value, limit) != value
        }
        (Some(value), Some(limit)) => value > limit,
        _ => true,
    }
}

/// The lower of two limits of which negative ones are none.
pub(super) fn stricter_limit(one: i64, other: i64) -> i64 {
    if one < 0 || other < 0 {
        one.max(other)
    } else {
        one.min(other)
    }
}

impl PolicyValues {
    pub(super) fn from_json(kind: PolicyKind, definition: &Value) -> Result<Self, String> {
        let members = match definition {
            Value::Object(members) if members.is_empty() => {
                return Err("no policy provided".to_owned());
            }
            Value::Object(members) => members,
            other => {
                return Err(format!(
                    "definition must be a dictionary: {}",
                    json_term(other)
                ));
            }
        };
        let mut values = Self::default();
        let mut unknown = Vec::new();
        for (key, value) in members {
            let known = kind == PolicyKind::User || OPERATOR.contains(&key.as_str());
            match known.then(|| values.set(key, value)).flatten() {
                None => unknown.push(format!(
                    "{{{},{}}}",
                    binary_term(key.as_bytes()),
                    json_term(value)
                )),
                Some(Ok(())) => {}
                Some(Err(what)) => {
                    return Err(format!("{} is not a valid {what}", json_term(value)));
                }
            }
        }
        if unknown.is_empty() {
            return Ok(values);
        }
        Err(format!(
            "[{}] are not recognised policy settings",
            unknown.join(",")
        ))
    }

    /// Takes one value. None: nobody knows the key; else what the value should have been.
    fn set(&mut self, key: &str, value: &Value) -> Option<Result<(), &'static str>> {
        fn put<T>(
            field: &mut Option<T>,
            value: Option<T>,
            what: &'static str,
        ) -> Result<(), &'static str> {
            *field = Some(value.ok_or(what)?);
            Ok(())
        }
        let number = value.as_u64();
        let text = || value.as_str().map(Arc::from);
        let bytes = value.as_str().unwrap_or_default().as_bytes();
        let accept = |is_fine: bool, what| if is_fine { Ok(()) } else { Err(what) };
        Some(match key {
            "alternate-exchange" => put(
                &mut self.alternate_exchange,
                text(),
                "alternate exchange name",
            ),
            "dead-letter-exchange" => put(
                &mut self.dead_letter_exchange,
                text(),
                "dead letter exchange name",
            ),
            "dead-letter-routing-key" => put(
                &mut self.dead_letter_routing_key,
                text(),
                "dead letter routing key",
            ),
            "dead-letter-strategy" => put(
                &mut self.dead_letter_strategy,
                DeadLetterStrategy::from_name(bytes),
                "dead letter strategy",
            ),
            "message-ttl" => put(&mut self.message_ttl_ms, number, "message TTL"),
            "expires" => put(
                &mut self.expires_ms,
                number.filter(|&ms| ms > 0),
                "queue expiry",
            ),
            "max-length" => put(&mut self.max_length, number, "maximum length"),
            "max-length-bytes" => put(
                &mut self.max_length_bytes,
                number,
                "maximum length in bytes",
            ),
            "overflow" => put(
                &mut self.overflow,
                Overflow::from_name(bytes),
                "overflow value",
            ),
            "delivery-limit" => put(&mut self.delivery_limit, value.as_i64(), "delivery limit"),
            "consumer-timeout" => put(&mut self.consumer_timeout_ms, number, "consumer timeout"),
            "confirm-level" => put(
                &mut self.confirm_level,
                ConfirmLevel::from_name(bytes),
                "confirm level",
            ),
            "max-age" => put(&mut self.max_age_ms, parse_age(bytes), "max age"),
            "queue-mode" => accept(matches!(bytes, b"default" | b"lazy"), "queue-mode value"),
            "queue-version" => accept(matches!(number, Some(1 | 2)), "queue-version value"),
            "max-in-memory-length" | "max-in-memory-bytes" => {
                accept(number.is_some(), "maximum memory in bytes")
            }
            "queue-leader-locator" => accept(
                matches!(
                    bytes,
                    b"client-local" | b"balanced" | b"random" | b"least-leaders"
                ),
                "queue leader locator value",
            ),
            "initial-cluster-size" => accept(number.is_some(), "cluster size"),
            "target-group-size" => accept(number.is_some_and(|size| size > 0), "target group size"),
            "stream-max-segment-size-bytes" | "max-segment-size" => {
                accept(number.is_some(), "segment size")
            }
            "stream-filter-size-bytes" => accept(matches!(number, Some(16..=255)), "filter size"),
            // Where queues are and how many copies there are: nothing to decide here, but nothing to refuse either,
            // for the sake of definitions from clusters.
            "queue-master-locator"
            | "ha-mode"
            | "ha-params"
            | "ha-sync-mode"
            | "ha-sync-batch-size"
            | "ha-promote-on-shutdown"
            | "ha-promote-on-failure" => Ok(()),
            _ => return None,
        })
    }

    /// What is left of a policy under an operator's limits.
    #[must_use]
    pub fn limited_by(mut self, operator: &Self) -> Self {
        fn lower(field: &mut Option<u64>, limit: Option<u64>) {
            *field = lowest(*field, limit);
        }
        lower(&mut self.message_ttl_ms, operator.message_ttl_ms);
        lower(&mut self.expires_ms, operator.expires_ms);
        lower(&mut self.max_length, operator.max_length);
        lower(&mut self.max_length_bytes, operator.max_length_bytes);
        self.delivery_limit = stricter(self.delivery_limit, operator.delivery_limit);
        self.overflow = operator.overflow.or(self.overflow);
        self
    }
}

/// The lower of two limits that may be missing.
pub(super) fn lowest(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The stricter of two delivery limits that may be missing.
pub(super) fn stricter(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(stricter_limit(one, other)),
        (one, other) => one.or(other),
    }
}
