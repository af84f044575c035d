//! Exchanges as they are declared.

use std::sync::Arc;

use trefoil_amqp::{Table, Value};

use super::{
    Binding, Destination, ExchangeType, Refusal,
    hashing::{self, HashOn},
    headers,
    history::{History, LENGTH_DEFAULT},
    matcher::Matcher,
};
use crate::arguments::term::Term;

/// The argument that names the exchange for what finds no queue.
pub const ALTERNATE_EXCHANGE: &str = "alternate-exchange";
const DELAYED_TYPE: &str = "x-delayed-type";
const HISTORY_LENGTH: &str = "x-recent-history-length";
const HASH_HEADER: &str = "hash-header";
const HASH_PROPERTY: &str = "hash-property";

/// What is asked for in an `exchange.declare`, the name aside.
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// The type.
    pub kind: ExchangeType,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with the last binding that it is the source of.
    pub auto_delete: bool,
    /// Whether only other exchanges may send to it.
    pub internal: bool,
    /// The arguments, all of them.
    pub arguments: Table,
}

impl Declaration {
    /// A durable exchange without arguments.
    #[must_use]
    pub fn durable(kind: ExchangeType) -> Self {
        Self {
            kind,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: Table::default(),
        }
    }

    /// Checks the arguments of an exchange that is to be made. (Those of one that exists are not looked at: see
    /// [`super::Topology::check_same`].) `resource` is as [`super::Topology::resource`] says.
    ///
    /// # Errors
    /// An argument is of the wrong type, impossible, or excludes another.
    pub fn check(&self, resource: &str) -> Result<(), Refusal> {
        if let Some(value) = self.arguments.get(ALTERNATE_EXCHANGE)
            && value.as_str().is_none()
        {
            let found = value.type_name();
            let text =
                format!("invalid type '{found}' for arg '{ALTERNATE_EXCHANGE}' in {resource}");
            return Err(Refusal::precondition(text));
        }
        match self.kind {
            ExchangeType::DelayedMessage => {
                check_arguments(delayed_type(&self.arguments)?, &self.arguments)
            }
            kind => check_arguments(kind, &self.arguments),
        }
    }

    /// The alternate exchange that the arguments name.
    #[must_use]
    pub fn alternate(&self) -> Option<&str> {
        self.arguments.get(ALTERNATE_EXCHANGE)?.as_str()
    }

    /// The type that decides where a message goes: for a delayed exchange, the one inside.
    pub(super) fn routing_kind(&self) -> ExchangeType {
        match self.kind {
            // Checked when it was declared: what a later version left in a log would be direct.
            ExchangeType::DelayedMessage => {
                delayed_type(&self.arguments).unwrap_or(ExchangeType::Direct)
            }
            kind => kind,
        }
    }

    /// What a consistent-hash exchange looks at.
    pub(super) fn hash_on(&self) -> HashOn {
        if let Some(Value::LongString(name)) = self.arguments.get(HASH_HEADER) {
            return HashOn::Header(name.as_slice().into());
        }
        let property = self.arguments.get(HASH_PROPERTY).and_then(Value::as_str);
        property
            .and_then(HashOn::property)
            .unwrap_or(HashOn::RoutingKey)
    }

    /// What the exchange keeps, if it keeps something.
    fn history(&self) -> Option<History> {
        (self.routing_kind() == ExchangeType::RecentHistory).then(|| {
            let length = self.arguments.get(HISTORY_LENGTH).and_then(history_length);
            History::new(length.unwrap_or(LENGTH_DEFAULT))
        })
    }

    pub(super) fn check_same(&self, asked: &Self, resource: &str) -> Result<(), Refusal> {
        let differs = |argument: &str, received: String, current: String| {
            let text = format!(
                "inequivalent arg '{argument}' for {resource}: received {received} but current is {current}"
            );
            Err(Refusal::precondition(text))
        };
        if self.kind != asked.kind {
            return differs("type", asked.kind.quoted(), self.kind.quoted());
        }
        let flags = [
            ("durable", asked.durable, self.durable),
            ("auto_delete", asked.auto_delete, self.auto_delete),
            ("internal", asked.internal, self.internal),
        ];
        if let Some((flag, received, current)) = flags
            .into_iter()
            .find(|(_, received, current)| received != current)
        {
            return differs(flag, format!("'{received}'"), format!("'{current}'"));
        }
        let (received, current) = (
            asked.arguments.get(ALTERNATE_EXCHANGE),
            self.arguments.get(ALTERNATE_EXCHANGE),
        );
        if received == current {
            return Ok(());
        }
        // Types are told where only one of both has a value.
        let is_both = received.is_some() && current.is_some();
        let show = |value: Option<&Value>| match value {
            None => "none".to_owned(),
            Some(value) => match value.as_str() {
                Some(text) if is_both => format!("'{text}'"),
                Some(text) => format!("the value '{text}' of type 'longstr'"),
                None => format!("a value of type '{}'", value.type_name()),
            },
        };
        differs(ALTERNATE_EXCHANGE, show(received), show(current))
    }

    /// Checks a binding from an exchange that was declared like this.
    pub(super) fn check_binding(&self, binding: &Binding) -> Result<(), Refusal> {
        match self.routing_kind() {
            ExchangeType::Headers => headers::check(&binding.arguments),
            ExchangeType::ConsistentHash => hashing::weight(&binding.key)
                .map(drop)
                .map_err(Refusal::precondition),
            ExchangeType::LocalRandom if !binding.key.is_empty() => {
                let text = format!("Non empty binding '{}' key not permitted", binding.key);
                Err(Refusal::precondition(text))
            }
            ExchangeType::LocalRandom
                if matches!(binding.destination, Destination::Exchange(_)) =>
            {
                Err(Refusal::precondition("Destination not found".to_owned()))
            }
            ExchangeType::Direct
            | ExchangeType::Fanout
            | ExchangeType::Topic
            | ExchangeType::ModulusHash
            | ExchangeType::Random
            | ExchangeType::LocalRandom
            | ExchangeType::RecentHistory
            | ExchangeType::DelayedMessage => Ok(()),
        }
    }
}

/// How many messages are to be kept. RabbitMQ takes signed numbers only.
fn history_length(argument: &Value) -> Option<usize> {
    match argument {
        Value::I8(_) | Value::I16(_) | Value::I32(_) | Value::I64(_) | Value::I64Upper(_) => {
            let length = argument.as_integer()?;
            (length > 0).then_some(usize::try_from(length).unwrap_or(usize::MAX))
        }
        _ => None,
    }
}

/// The type inside a delayed exchange.
fn delayed_type(arguments: &Table) -> Result<ExchangeType, Refusal> {
    let invalid = |reason: &str| Err(Refusal::precondition(format!("Invalid argument, {reason}")));
    match arguments.get(DELAYED_TYPE).and_then(Value::as_str) {
        None => invalid("'x-delayed-type' must be an existing exchange type"),
        Some("x-delayed-message") => {
            invalid("'x-delayed-message' can't be used for 'x-delayed-type'")
        }
        Some(name) => ExchangeType::parse(name),
    }
}

/// Checks the arguments that only exchanges of one type look at.
fn check_arguments(kind: ExchangeType, arguments: &Table) -> Result<(), Refusal> {
    match kind {
        ExchangeType::ConsistentHash => {
            match (arguments.get(HASH_HEADER), arguments.get(HASH_PROPERTY)) {
                (Some(_), Some(_)) => Err(Refusal::precondition(
                    "hash-header and hash-property are mutually exclusive".to_owned(),
                )),
                (None, Some(property)) => match property.as_str() {
                    Some(name) if HashOn::property(name).is_some() => Ok(()),
                    name => Err(Refusal::precondition(format!(
                        "Unsupported property: {}",
                        name.unwrap_or_default()
                    ))),
                },
                (Some(header), None) if header.as_str().is_none() => {
                    let found = header.type_name();
                    Err(Refusal::precondition(format!(
                        "invalid type '{found}' for arg '{HASH_HEADER}'"
                    )))
                }
                (_, None) => Ok(()),
            }
        }
        ExchangeType::RecentHistory => match arguments.get(HISTORY_LENGTH) {
            Some(length) if history_length(length).is_none() => {
                let found = Term(length);
                let text = format!(
                    "Invalid argument {found}, '{HISTORY_LENGTH}' must be a positive integer"
                );
                Err(Refusal::precondition(text))
            }
            _ => Ok(()),
        },
        ExchangeType::Direct
        | ExchangeType::Fanout
        | ExchangeType::Topic
        | ExchangeType::Headers
        | ExchangeType::ModulusHash
        | ExchangeType::Random
        | ExchangeType::LocalRandom
        | ExchangeType::DelayedMessage => Ok(()),
    }
}

/// An exchange: how it was declared, and what it has come to.
#[derive(Debug)]
pub struct Exchange {
    name: Arc<str>,
    declaration: Declaration,
    alternate: Option<Box<str>>,
    pub(super) traffic: Traffic,
    pub(super) history: Option<Box<History>>,
    pub(super) matcher: Matcher,
}

/// What clients published to an exchange.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages.
    pub published: u64,
    /// Queues that they went to, through whatever other exchanges.
    pub routed: u64,
}

impl Exchange {
    pub(super) fn new(name: &str, declaration: Declaration) -> Self {
        Self {
            name: name.into(),
            alternate: declaration.alternate().map(Into::into),
            traffic: Traffic::default(),
            history: declaration.history().map(Box::new),
            matcher: Matcher::new(&declaration),
            declaration,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// What was declared.
    #[must_use]
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// The exchange for what finds no queue, of the arguments or of a policy. It need not exist.
    #[must_use]
    pub fn alternate(&self) -> Option<&str> {
        self.alternate.as_deref()
    }

    pub(super) fn set_alternate(&mut self, name: Option<&str>) {
        self.alternate = name.map(Into::into);
    }

    /// What clients published to it.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Whether messages with a header `x-delay` wait before they are routed. That is for the caller to do.
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.declaration.kind == ExchangeType::DelayedMessage
    }
}
