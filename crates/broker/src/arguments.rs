//! Arguments of declared queues and of consumers.
//!
//! A queue is declared with a table of `x-…` arguments. [`QueueArguments::parse`] checks them as the type of the queue
//! wants and keeps both: the typed values the broker works with, and the table as it came, which is what
//! [`QueueArguments::check_equivalent`] compares when somebody declares the queue again, and what is stored.
//! Texts of refusals are RabbitMQ's, since clients and people search for them; all are `406 PRECONDITION_FAILED`.

mod check;
mod consumer;
pub(crate) mod term;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use trefoil_amqp::{Table, Value};

pub(crate) use check::parse_age;
pub use consumer::{ConsumerArguments, StreamOffset};

/// The longest expiry and TTL: ten years, in milliseconds. More is a mistake, and would overflow somebody's timer.
pub const EXPIRY_MAX_MS: u64 = 315_360_000_000;
/// The highest `x-max-priority`: a priority is one octet in the message.
pub const PRIORITY_MAX: u64 = 255;
/// The longest `x-name-prefix`, in octets: a generated name with it stays well below the 255 of a short string.
pub const NAME_PREFIX_MAX: usize = 64;
/// How often a message of a quorum queue may be returned when nothing else was asked for.
pub const DELIVERY_LIMIT_DEFAULT: u32 = 20;

/// The kind of a queue. Quorum queues and streams are accepted as declarations; here they are kept by one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum QueueType {
    /// The usual one.
    #[default]
    Classic,
    /// Durable, counts deliveries.
    Quorum,
    /// A log that is read without being consumed.
    Stream,
}

impl QueueType {
    /// The name in `x-queue-type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }

    /// The name that error texts use.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Classic => "rabbit_classic_queue",
            Self::Quorum => "rabbit_quorum_queue",
            Self::Stream => "rabbit_stream_queue",
        }
    }

    /// The type with a name that `x-queue-type` may have, the long form included.
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"classic" | b"rabbit_classic_queue" => Some(Self::Classic),
            b"quorum" | b"rabbit_quorum_queue" => Some(Self::Quorum),
            b"stream" | b"rabbit_stream_queue" => Some(Self::Stream),
            _ => None,
        }
    }

    /// Whether the broker may choose the name of such a queue.
    #[must_use]
    pub fn may_be_server_named(self) -> bool {
        self == Self::Classic
    }
}

impl fmt::Display for QueueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happens when a queue is as long as it may be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest messages go.
    #[default]
    DropHead,
    /// New messages are refused.
    RejectPublish,
    /// New messages are refused and dead-lettered.
    RejectPublishDlx,
}

impl Overflow {
    /// The name in `x-overflow`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::RejectPublish => "reject-publish",
            Self::RejectPublishDlx => "reject-publish-dlx",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"drop-head" => Some(Self::DropHead),
            b"reject-publish" => Some(Self::RejectPublish),
            b"reject-publish-dlx" => Some(Self::RejectPublishDlx),
            _ => None,
        }
    }
}

/// How hard a quorum queue tries to hand on what it dead-letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeadLetterStrategy {
    /// Published once; lost if the target cannot take it.
    #[default]
    AtMostOnce,
    /// Kept until the target has confirmed it.
    AtLeastOnce,
}

impl DeadLetterStrategy {
    /// The name in `x-dead-letter-strategy`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"at-most-once" => Some(Self::AtMostOnce),
            b"at-least-once" => Some(Self::AtLeastOnce),
            _ => None,
        }
    }
}

/// When a persistent message for a queue is confirmed. `x-confirm-level`, which only this broker knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfirmLevel {
    /// When it is in memory.
    Memory,
    /// When it was handed to the operating system: survives the process, not the machine.
    Written,
    /// When it is on disk.
    #[default]
    Fsync,
}

impl ConfirmLevel {
    /// The name in `x-confirm-level`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Written => "written",
            Self::Fsync => "fsync",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"memory" => Some(Self::Memory),
            b"written" => Some(Self::Written),
            b"fsync" => Some(Self::Fsync),
            _ => None,
        }
    }
}

/// The fields of a `queue.declare` that its arguments are checked against.
#[derive(Debug, Clone, Copy)]
pub struct QueueDeclaration<'a> {
    /// Where.
    pub virtual_host: &'a str,
    /// The final name: what the broker chose if the client chose none.
    pub name: &'a str,
    /// As declared.
    pub durable: bool,
    /// As declared.
    pub exclusive: bool,
    /// As declared.
    pub auto_delete: bool,
}

/// The arguments of a queue: checked, typed, and as they came.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueArguments {
    table: Table,
    /// `x-queue-type`.
    pub queue_type: QueueType,
    /// `x-message-ttl`.
    pub message_ttl_ms: Option<u64>,
    /// `x-expires`.
    pub expires_ms: Option<u64>,
    /// `x-max-length`.
    pub max_length: Option<u64>,
    /// `x-max-length-bytes`.
    pub max_length_bytes: Option<u64>,
    /// `x-overflow`.
    pub overflow: Option<Overflow>,
    /// `x-dead-letter-exchange`.
    pub dead_letter_exchange: Option<Arc<str>>,
    /// `x-dead-letter-routing-key`.
    pub dead_letter_routing_key: Option<Arc<str>>,
    /// `x-dead-letter-strategy`.
    pub dead_letter_strategy: Option<DeadLetterStrategy>,
    /// `x-max-priority`; 0 is as good as none.
    pub max_priority: Option<u8>,
    /// `x-single-active-consumer`.
    pub single_active_consumer: bool,
    /// `x-delivery-limit`; negative means no limit.
    pub delivery_limit: Option<i64>,
    /// `x-consumer-timeout`.
    pub consumer_timeout_ms: Option<u64>,
    /// `x-confirm-level`.
    pub confirm_level: Option<ConfirmLevel>,
    /// `x-max-age` of a stream.
    pub max_age_ms: Option<u64>,
}

/// Why arguments were not accepted. Always `406 PRECONDITION_FAILED`; the text is what the client gets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// A value cannot be what it is.
    #[error("invalid arg '{argument}' for {resource}: {problem}")]
    Invalid {
        /// The name of the argument.
        argument: String,
        /// Of what.
        resource: String,
        /// What is wrong with the value, as an Erlang term.
        problem: String,
    },
    /// The type of the queue has no such argument.
    #[error("invalid arg '{argument}' for {resource} of queue type {module}")]
    NotOfType {
        /// The name of the argument.
        argument: String,
        /// Of what.
        resource: String,
        /// The type of the queue.
        module: &'static str,
    },
    /// The name of an exchange is not a string.
    #[error("invalid type '{found}' for arg '{argument}' in {resource}")]
    NotAName {
        /// The name of the argument.
        argument: &'static str,
        /// Of what.
        resource: String,
        /// The type of the value.
        found: &'static str,
    },
    /// The type of the queue cannot be so.
    #[error("invalid property '{property}' for {resource}")]
    Property {
        /// `non-durable`, `auto-delete` or `exclusive-owner`.
        property: &'static str,
        /// Of what.
        resource: String,
    },
    /// The queue, stream or binding exists and is different.
    #[error(
        "inequivalent arg '{argument}' for {resource}: received {received} but current is {current}"
    )]
    Inequivalent {
        /// The name of the argument or field.
        argument: String,
        /// Of what.
        resource: String,
        /// What was asked for, printed.
        received: String,
        /// What there is, printed.
        current: String,
    },
    /// Such a queue must be named by its client.
    #[error("Cannot declare a server-named queue for type {0}")]
    ServerNamed(&'static str),
    /// The prefix of a name to be generated is too long.
    #[error("Queue name prefix '{0}' exceeds the 64-byte limit")]
    PrefixTooLong(String),
    /// A stream's limit is out of range.
    #[error("{0}")]
    Stream(&'static str),
}

/// `queue 'q' in vhost '/'`, as every text names it.
#[must_use]
pub fn queue_resource(virtual_host: &str, name: &str) -> String {
    format!("queue '{name}' in vhost '{virtual_host}'")
}

/// Whether the broker may choose the name of a queue with these arguments, and what it is to begin with instead of
/// `amq.gen-`.
///
/// # Errors
/// The type of the queue must be named, or the prefix is no string or too long.
pub fn server_name_prefix<'a>(
    virtual_host: &str,
    arguments: &'a Table,
) -> Result<Option<&'a str>, ArgumentError> {
    let queue_type = match arguments.get("x-queue-type") {
        Some(Value::LongString(name)) => QueueType::from_name(name).unwrap_or_default(),
        _ => QueueType::Classic,
    };
    if !queue_type.may_be_server_named() {
        return Err(ArgumentError::ServerNamed(queue_type.module()));
    }
    match arguments.get("x-name-prefix") {
        None => Ok(None),
        Some(Value::LongString(prefix)) if prefix.len() > NAME_PREFIX_MAX => Err(
            ArgumentError::PrefixTooLong(String::from_utf8_lossy(prefix).into_owned()),
        ),
        Some(value) => match value.as_str() {
            Some(prefix) => Ok(Some(prefix)),
            None => Err(ArgumentError::Invalid {
                argument: "x-name-prefix".to_owned(),
                resource: queue_resource(virtual_host, ""),
                problem: check::unacceptable_type(value),
            }),
        },
    }
}

/// Adds the queue type that a virtual host has as its default to arguments that name none, where such a queue can be.
pub fn apply_default_type(
    declaration: &QueueDeclaration<'_>,
    default: QueueType,
    arguments: &mut Table,
) {
    let possible = default == QueueType::Classic
        || (declaration.durable && !declaration.exclusive && !declaration.auto_delete);
    if possible && arguments.get("x-queue-type").is_none() {
        arguments.insert("x-queue-type", default.name());
    }
}

impl QueueArguments {
    /// Checks the arguments of a queue to be made.
    ///
    /// # Errors
    /// The first thing that RabbitMQ would complain about, in its words.
    pub fn parse(
        declaration: &QueueDeclaration<'_>,
        arguments: &Table,
    ) -> Result<Self, ArgumentError> {
        check::queue(declaration, arguments)
    }

    /// The arguments as they came.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Compares with what somebody else asks for under the same name. Only arguments that the existing queue's type
    /// knows count; `durable` and so on come before this ([`check_field_equivalent`]).
    ///
    /// # Errors
    /// The first difference.
    pub fn check_equivalent(
        &self,
        virtual_host: &str,
        name: &str,
        requested: &Table,
    ) -> Result<(), ArgumentError> {
        for argument in check::compared(self.queue_type) {
            check_argument_equivalent(
                argument,
                self.table.get(argument),
                requested.get(argument),
                || queue_resource(virtual_host, name),
            )?;
        }
        Ok(())
    }
}

/// Compares one flag of a queue or an exchange that exists with the one asked for.
///
/// # Errors
/// They differ.
pub fn check_field_equivalent(
    field: &str,
    current: bool,
    requested: bool,
    resource: impl FnOnce() -> String,
) -> Result<(), ArgumentError> {
    if current == requested {
        return Ok(());
    }
    Err(ArgumentError::Inequivalent {
        argument: field.to_owned(),
        resource: resource(),
        received: format!("'{requested}'"),
        current: format!("'{current}'"),
    })
}

/// Compares one argument of something that exists with the one asked for: equal if value and class of type are
/// (all widths of integers are one class, both widths of floats another).
///
/// # Errors
/// They differ.
pub fn check_argument_equivalent(
    argument: &str,
    current: Option<&Value>,
    requested: Option<&Value>,
    resource: impl FnOnce() -> String,
) -> Result<(), ArgumentError> {
    let (received, current) = match (requested, current) {
        (None, None) => return Ok(()),
        (Some(new), Some(old)) if term::equivalent(new, old) => return Ok(()),
        // Types are told only where one side has none: so does RabbitMQ, all versions.
        (Some(new), Some(old)) => (term::without_type(new), term::without_type(old)),
        (one, other) if argument == "x-queue-type" && is_classic(one) && is_classic(other) => {
            return Ok(());
        }
        (one, other) => (term::with_type(one), term::with_type(other)),
    };
    Err(ArgumentError::Inequivalent {
        argument: argument.to_owned(),
        resource: resource(),
        received,
        current,
    })
}

/// A queue without a type is a classic one.
fn is_classic(value: Option<&Value>) -> bool {
    match value {
        None => true,
        Some(Value::LongString(name)) => name.as_slice() == b"classic",
        Some(_) => false,
    }
}
