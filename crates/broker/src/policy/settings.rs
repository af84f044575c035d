//! What a queue goes by: its arguments and the policies for it, merged.

use std::sync::Arc;

use super::{
    Policy,
    definition::{lowest, stricter},
};
use crate::arguments::{
    ConfirmLevel, DELIVERY_LIMIT_DEFAULT, DeadLetterStrategy, Overflow, QueueArguments, QueueType,
};

/// The settings of a queue in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a message may wait.
    pub message_ttl_ms: Option<u64>,
    /// How long the queue may be unused.
    pub expires_ms: Option<u64>,
    /// How many messages may wait.
    pub max_length: Option<u64>,
    /// How many octets of bodies may wait.
    pub max_length_bytes: Option<u64>,
    /// What happens beyond.
    pub overflow: Overflow,
    /// Where dead letters go.
    pub dead_letter_exchange: Option<Arc<str>>,
    /// With which key; their own if there is none.
    pub dead_letter_routing_key: Option<Arc<str>>,
    /// How hard they are handed on.
    pub dead_letter_strategy: DeadLetterStrategy,
    /// The highest priority of messages; 0 is none.
    pub max_priority: u8,
    /// Whether only one consumer at a time is served.
    pub single_active_consumer: bool,
    /// How often a message may come back.
    pub delivery_limit: Option<u64>,
    /// How long a consumer may hold a delivery.
    pub consumer_timeout_ms: Option<u64>,
    /// When a persistent message is confirmed.
    pub confirm_level: ConfirmLevel,
    /// How old a stream's messages may get.
    pub max_age_ms: Option<u64>,
}

impl QueueSettings {
    /// Merges. Of numbers the lowest counts; of other things the argument, then the policy.
    #[must_use]
    pub fn merge(
        arguments: &QueueArguments,
        policy: Option<&Policy>,
        operator: Option<&Policy>,
    ) -> Self {
        let policy = policy
            .map(|policy| policy.values().clone())
            .unwrap_or_default();
        let policy = match operator {
            Some(operator) => policy.limited_by(operator.values()),
            None => policy,
        };
        let is_quorum = arguments.queue_type == QueueType::Quorum;
        // Classic queues heed their argument, quorum queues their policy. So it is, and so it is documented.
        let overflow = match (is_quorum, arguments.overflow, policy.overflow) {
            (true, argument, policy) => match policy.or(argument).unwrap_or_default() {
                // Quorum queues have no such mode; they do not refuse the declaration either.
                Overflow::RejectPublishDlx => Overflow::DropHead,
                other => other,
            },
            (false, argument, policy) => argument.or(policy).unwrap_or_default(),
        };
        let dead_letter_exchange = arguments
            .dead_letter_exchange
            .clone()
            .or(policy.dead_letter_exchange);
        let strategy = arguments
            .dead_letter_strategy
            .or(policy.dead_letter_strategy)
            .unwrap_or_default();
        // A queue that keeps dead letters until they are taken must be able to refuse more.
        let dead_letter_strategy =
            if is_quorum && overflow == Overflow::RejectPublish && dead_letter_exchange.is_some() {
                strategy
            } else {
                DeadLetterStrategy::AtMostOnce
            };
        let delivery_limit = match stricter(arguments.delivery_limit, policy.delivery_limit) {
            Some(limit) => u64::try_from(limit).ok(),
            None => is_quorum.then_some(u64::from(DELIVERY_LIMIT_DEFAULT)),
        };
        // What a stream keeps is for the policy to say, if it says something; of other queues the lower limit counts.
        let limit = match arguments.queue_type {
            QueueType::Stream => |argument: Option<u64>, policy: Option<u64>| policy.or(argument),
            QueueType::Classic | QueueType::Quorum => lowest,
        };
        Self {
            message_ttl_ms: lowest(arguments.message_ttl_ms, policy.message_ttl_ms),
            expires_ms: lowest(arguments.expires_ms, policy.expires_ms),
            max_length: lowest(arguments.max_length, policy.max_length),
            max_length_bytes: limit(arguments.max_length_bytes, policy.max_length_bytes),
            overflow,
            dead_letter_exchange,
            dead_letter_routing_key: arguments
                .dead_letter_routing_key
                .clone()
                .or(policy.dead_letter_routing_key),
            dead_letter_strategy,
            max_priority: arguments.max_priority.unwrap_or_default(),
            single_active_consumer: arguments.single_active_consumer,
            delivery_limit,
            consumer_timeout_ms: lowest(arguments.consumer_timeout_ms, policy.consumer_timeout_ms),
            confirm_level: arguments
                .confirm_level
                .or(policy.confirm_level)
                .unwrap_or_default(),
            max_age_ms: limit(arguments.max_age_ms, policy.max_age_ms),
        }
    }
}
