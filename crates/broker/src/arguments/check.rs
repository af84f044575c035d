//! The checks of a queue's arguments: which type of queue knows which, and what their values may be.

use std::sync::Arc;

use trefoil_amqp::{Table, Value};

use super::{
    ArgumentError, ConfirmLevel, DeadLetterStrategy, EXPIRY_MAX_MS, Overflow, PRIORITY_MAX,
    QueueArguments, QueueDeclaration, QueueType, queue_resource,
};

/// The largest segment a stream may ask for.
const STREAM_SEGMENT_MAX: u64 = 3_000_000_000;
/// Sizes of a stream's filter, in octets.
const STREAM_FILTER: std::ops::RangeInclusive<u64> = 16..=255;

/// Arguments that a classic queue knows, in the order in which they are compared.
const CLASSIC: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-queue-mode",
    "x-queue-version",
    "x-single-active-consumer",
    "x-queue-type",
    "x-queue-master-locator",
    "x-queue-leader-locator",
    "x-confirm-level",
];
const QUORUM: &[&str] = &[
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-overflow",
    "x-single-active-consumer",
    "x-queue-type",
    "x-quorum-initial-group-size",
    "x-delivery-limit",
    "x-message-ttl",
    "x-queue-leader-locator",
    "x-confirm-level",
];
const STREAM: &[&str] = &[
    "x-max-length-bytes",
    "x-queue-type",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    "x-initial-cluster-size",
    "x-queue-leader-locator",
    "x-confirm-level",
];

/// The arguments that are compared when a queue of this type is declared again.
pub(super) fn compared(queue_type: QueueType) -> &'static [&'static str] {
    match queue_type {
        QueueType::Classic => CLASSIC,
        QueueType::Quorum => QUORUM,
        QueueType::Stream => STREAM,
    }
}

/// Whether some type of queue knows the argument. What none knows is nobody's business.
fn is_known(argument: &str) -> bool {
    [CLASSIC, QUORUM, STREAM]
        .iter()
        .any(|known| known.contains(&argument))
}

/// `{unacceptable_type,longstr}`
pub(super) fn unacceptable_type(value: &Value) -> String {
    format!("{{unacceptable_type,{}}}", value.type_name())
}

pub(super) fn queue(
    declaration: &QueueDeclaration<'_>,
    table: &Table,
) -> Result<QueueArguments, ArgumentError> {
    let resource = || queue_resource(declaration.virtual_host, declaration.name);
    if let Some(value) = table.get("x-dead-letter-exchange")
        && value.as_str().is_none()
    {
        return Err(ArgumentError::NotAName {
            argument: "x-dead-letter-exchange",
            resource: resource(),
            found: value.type_name(),
        });
    }
    let mut queue = QueueArguments {
        table: table.clone(),
        ..QueueArguments::default()
    };
    if let Some(value) = table.get("x-queue-type") {
        queue.queue_type =
            queue_type(value).map_err(|problem| invalid("x-queue-type", resource(), problem))?;
    }
    // Values before names, and values in one fixed order: the first complaint is the one people have seen elsewhere.
    let of_type = compared(queue.queue_type);
    for &(argument, read) in READERS {
        if (of_type.contains(&argument) || !is_known(argument))
            && let Some(value) = table.get(argument)
        {
            read(&mut queue, value).map_err(|problem| invalid(argument, resource(), problem))?;
        }
    }
    for (name, _) in table.iter() {
        if let Ok(name) = std::str::from_utf8(name)
            && is_known(name)
            && !of_type.contains(&name)
        {
            return Err(ArgumentError::NotOfType {
                argument: name.to_owned(),
                resource: resource(),
                module: queue.queue_type.module(),
            });
        }
    }
    properties(declaration, queue.queue_type)?;
    if queue.queue_type == QueueType::Stream {
        stream_limits(table)?;
    }
    Ok(queue)
}

fn invalid(argument: &str, resource: String, problem: String) -> ArgumentError {
    ArgumentError::Invalid {
        argument: argument.to_owned(),
        resource,
        problem,
    }
}

/// Quorum queues and streams outlive their connection and the broker.
fn properties(
    declaration: &QueueDeclaration<'_>,
    queue_type: QueueType,
) -> Result<(), ArgumentError> {
    let property = match declaration {
        _ if queue_type == QueueType::Classic => return Ok(()),
        QueueDeclaration {
            auto_delete: true, ..
        } => "auto-delete",
        QueueDeclaration {
            exclusive: true, ..
        } => "exclusive-owner",
        QueueDeclaration { durable: false, .. } => "non-durable",
        _ => return Ok(()),
    };
    let resource = queue_resource(declaration.virtual_host, declaration.name);
    Err(ArgumentError::Property { property, resource })
}

fn stream_limits(table: &Table) -> Result<(), ArgumentError> {
    let size = |name| table.get(name).and_then(|value| non_negative(value).ok());
    if size("x-stream-max-segment-size-bytes").is_some_and(|size| size > STREAM_SEGMENT_MAX) {
        return Err(ArgumentError::Stream(
            "Exceeded max value for x-stream-max-segment-size-bytes",
        ));
    }
    if size("x-stream-filter-size-bytes").is_some_and(|size| !STREAM_FILTER.contains(&size)) {
        return Err(ArgumentError::Stream(
            "Invalid value for x-stream-filter-size-bytes",
        ));
    }
    Ok(())
}

/// Takes one value into the arguments, or says what is wrong with it.
type Reader = fn(&mut QueueArguments, &Value) -> Result<(), String>;

const READERS: &[(&str, Reader)] = &[
    ("x-expires", |queue, value| {
        queue.expires_ms = Some(match expiry(value)? {
            0 => return Err("{value_zero,0}".to_owned()),
            expires => expires,
        });
        Ok(())
    }),
    ("x-message-ttl", |queue, value| {
        queue.message_ttl_ms = Some(expiry(value)?);
        Ok(())
    }),
    ("x-dead-letter-exchange", |queue, value| {
        queue.dead_letter_exchange = Some(string(value)?);
        Ok(())
    }),
    ("x-dead-letter-routing-key", |queue, value| {
        queue.dead_letter_routing_key = Some(string(value)?);
        if queue.dead_letter_exchange.is_none() {
            return Err("routing_key_but_no_dlx_defined".to_owned());
        }
        Ok(())
    }),
    ("x-dead-letter-strategy", |queue, value| {
        queue.dead_letter_strategy = Some(one_of(
            value,
            DeadLetterStrategy::from_name,
            "invalid_dlx_strategy",
        )?);
        Ok(())
    }),
    ("x-max-length", |queue, value| {
        queue.max_length = Some(non_negative(value)?);
        Ok(())
    }),
    ("x-max-length-bytes", |queue, value| {
        queue.max_length_bytes = Some(non_negative(value)?);
        Ok(())
    }),
    // How much of a queue was kept in memory once; accepted, since all of it is on disk.
    ("x-max-in-memory-length", |_, value| {
        non_negative(value).map(drop)
    }),
    ("x-max-in-memory-bytes", |_, value| {
        non_negative(value).map(drop)
    }),
    ("x-max-priority", |queue, value| {
        match non_negative(value)? {
            priority if priority > PRIORITY_MAX => {
                Err(format!("{{max_value_exceeded,{priority}}}"))
            }
            priority => {
                queue.max_priority = u8::try_from(priority).ok();
                Ok(())
            }
        }
    }),
    ("x-overflow", |queue, value| {
        queue.overflow = Some(one_of(value, Overflow::from_name, "invalid_overflow")?);
        Ok(())
    }),
    ("x-queue-mode", |_, value| match value {
        Value::LongString(mode) if matches!(mode.as_slice(), b"default" | b"lazy") => Ok(()),
        Value::LongString(mode) => Err(unsupported("mode", &String::from_utf8_lossy(mode))),
        other => Err(unacceptable_type(other)),
    }),
    ("x-queue-version", |_, value| match non_negative(value)? {
        1 | 2 => Ok(()),
        version => Err(unsupported("version", &version.to_string())),
    }),
    ("x-single-active-consumer", |queue, value| match value {
        Value::Bool(single) => {
            queue.single_active_consumer = *single;
            Ok(())
        }
        other => Err(unacceptable_type(other)),
    }),
    ("x-quorum-initial-group-size", |_, value| {
        positive(value).map(drop)
    }),
    ("x-initial-cluster-size", |_, value| {
        positive(value).map(drop)
    }),
    ("x-max-age", |queue, value| {
        let Value::LongString(age) = value else {
            return Err(unacceptable_type(value));
        };
        queue.max_age_ms = Some(parse_age(age).ok_or("invalid_max_age")?);
        Ok(())
    }),
    ("x-stream-max-segment-size-bytes", |_, value| {
        non_negative(value).map(drop)
    }),
    ("x-stream-filter-size-bytes", |_, value| {
        non_negative(value).map(drop)
    }),
    ("x-queue-leader-locator", |_, value| {
        let known = |name: &[u8]| {
            matches!(
                name,
                b"client-local" | b"balanced" | b"random" | b"least-leaders"
            )
            .then_some(())
        };
        one_of(value, known, "invalid_queue_locator_arg")
    }),
    ("x-delivery-limit", |queue, value| {
        queue.delivery_limit = Some(integer(value)?);
        Ok(())
    }),
    ("x-consumer-timeout", |queue, value| {
        queue.consumer_timeout_ms = Some(non_negative(value)?);
        Ok(())
    }),
    ("x-confirm-level", |queue, value| {
        queue.confirm_level = Some(one_of(
            value,
            ConfirmLevel::from_name,
            "invalid_confirm_level",
        )?);
        Ok(())
    }),
];

fn queue_type(value: &Value) -> Result<QueueType, String> {
    match value {
        Value::LongString(name) => QueueType::from_name(name)
            .ok_or_else(|| unsupported("type", &String::from_utf8_lossy(name))),
        other => Err(unacceptable_type(other)),
    }
}

/// `"unsupported queue mode 'x'"`: a string inside of a term, hence in quotes.
fn unsupported(what: &str, value: &str) -> String {
    format!("\"unsupported queue {what} '{value}'\"")
}

/// An integer of any width.
pub(super) fn integer(value: &Value) -> Result<i64, String> {
    value
        .as_integer()
        .ok_or_else(|| format!("\"expected integer, got {}\"", value.type_name()))
}

fn non_negative(value: &Value) -> Result<u64, String> {
    let number = integer(value)?;
    u64::try_from(number).map_err(|_| format!("{{value_negative,{number}}}"))
}

fn positive(value: &Value) -> Result<u64, String> {
    match non_negative(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        number => Ok(number),
    }
}

fn expiry(value: &Value) -> Result<u64, String> {
    match non_negative(value)? {
        ms if ms > EXPIRY_MAX_MS => Err(format!("{{value_too_large,{ms}}}")),
        ms => Ok(ms),
    }
}

fn string(value: &Value) -> Result<Arc<str>, String> {
    value
        .as_str()
        .map(Arc::from)
        .ok_or_else(|| unacceptable_type(value))
}

fn one_of<T>(
    value: &Value,
    read: impl FnOnce(&[u8]) -> Option<T>,
    problem: &str,
) -> Result<T, String> {
    match value {
        Value::LongString(name) => read(name).ok_or_else(|| problem.to_owned()),
        other => Err(unacceptable_type(other)),
    }
}

/// `7D`, `12h`: a number and a unit, in milliseconds.
pub(crate) fn parse_age(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let seconds: u64 = match unit {
        "Y" => 365 * 24 * 3600,
        "M" => 30 * 24 * 3600,
        "D" => 24 * 3600,
        "h" => 3600,
        "m" => 60,
        "s" => 1,
        _ => return None,
    };
    let ms = number.parse::<u64>().ok()?.checked_mul(seconds * 1000)?;
    (ms > 0).then_some(ms)
}
