//! Arguments of `basic.consume`.

use trefoil_amqp::{Table, Value};

use super::{ArgumentError, QueueType, check, queue_resource, term};

/// Where a consumer of a stream begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamOffset {
    /// With what is oldest.
    First,
    /// With the last chunk.
    Last,
    /// With what comes from now on.
    #[default]
    Next,
    /// With the message at this offset, or the next there is.
    Offset(u64),
    /// With what was stored at this time, in seconds since 1970, or later.
    Timestamp(u64),
    /// With what was stored this many milliseconds ago, or later.
    Ago(u64),
}

/// The arguments of a consumer, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerArguments {
    /// `x-priority`; higher is served first.
    pub priority: i64,
    /// `x-stream-offset`; none if it was not given.
    pub stream_offset: Option<StreamOffset>,
}

/// What consumers of this type of queue may ask for, among [`TYPED`].
fn of_type(queue_type: QueueType) -> &'static [&'static str] {
    match queue_type {
        QueueType::Classic | QueueType::Quorum => &TYPED[..1],
        QueueType::Stream => &TYPED[1..],
    }
}

/// What some type of queue knows and another has to refuse. `x-cancel-on-ha-failover` is no such thing: there is nothing
/// to fail over, so everybody may ask for it.
const TYPED: &[&str] = &[
    "x-priority",
    "x-stream-offset",
    "x-stream-filter",
    "x-stream-match-unfiltered",
];

impl ConsumerArguments {
    /// Checks the arguments of a consumer of a queue.
    ///
    /// # Errors
    /// A value of the wrong type, or an argument that this type of queue cannot honour.
    pub fn parse(
        virtual_host: &str,
        queue: &str,
        queue_type: QueueType,
        arguments: &Table,
    ) -> Result<Self, ArgumentError> {
        let of_type = of_type(queue_type);
        let invalid = |argument: &str, problem| ArgumentError::Invalid {
            argument: argument.to_owned(),
            resource: queue_resource(virtual_host, queue),
            problem,
        };
        let mut consumer = Self::default();
        if let Some(value) = arguments.get("x-priority")
            && of_type.contains(&"x-priority")
        {
            consumer.priority =
                check::integer(value).map_err(|problem| invalid("x-priority", problem))?;
        }
        if let Some(value) = arguments.get("x-stream-offset")
            && queue_type == QueueType::Stream
        {
            let offset = stream_offset(value).ok_or_else(|| {
                let value = term::Typed(value);
                invalid(
                    "x-stream-offset",
                    format!("{{invalid_stream_offset_arg,{value}}}"),
                )
            })?;
            consumer.stream_offset = Some(offset);
        }
        for (name, _) in arguments.iter() {
            if let Ok(name) = std::str::from_utf8(name)
                && TYPED.contains(&name)
                && !of_type.contains(&name)
            {
                return Err(ArgumentError::NotOfType {
                    argument: name.to_owned(),
                    resource: queue_resource(virtual_host, queue),
                    module: queue_type.module(),
                });
            }
        }
        Ok(consumer)
    }
}

fn stream_offset(value: &Value) -> Option<StreamOffset> {
    match value {
        Value::LongString(name) => match name.as_slice() {
            b"first" => Some(StreamOffset::First),
            b"last" => Some(StreamOffset::Last),
            b"next" => Some(StreamOffset::Next),
            age => check::parse_age(age).map(StreamOffset::Ago),
        },
        Value::Timestamp(seconds) => Some(StreamOffset::Timestamp(*seconds)),
        // An offset before all others is no mistake in RabbitMQ: it means the first.
        other => other
            .as_integer()
            .map(|offset| StreamOffset::Offset(u64::try_from(offset).unwrap_or(0))),
    }
}
