//! Content headers: reading what the broker needs, rewriting what it must.
//!
//! A header stays the bytes that the publisher sent. [`Facts`] are what a publish looks at; the functions of [`rewrite`]
//! make a copy in which one thing is different and every other byte the same.

use trefoil_amqp::{ArrayRef, ContentHeader, Property, PropertyFlags, ValueRef};

use crate::routing::{Refusal, erlang_string};

pub mod rewrite;

#[cfg(test)]
mod tests;

/// Routing keys beside the one of the publish. Consumers see them.
pub(crate) const CC: &[u8] = b"CC";
/// Routing keys beside the one of the publish. Consumers must not see them.
pub(crate) const BCC: &[u8] = b"BCC";
/// How long a delayed exchange keeps the message, in milliseconds.
pub(crate) const DELAY: &[u8] = b"x-delay";
/// By what the message is known to have been published before.
const DEDUPLICATION: &[u8] = b"x-deduplication-header";
/// The longest lifetime: ten years, in milliseconds. RabbitMQ's limit.
const EXPIRATION_MAX: u64 = 315_360_000_000;

/// What the broker needs to know of a message that comes in.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Facts<'a> {
    /// Whether it is to outlive the broker.
    pub persistent: bool,
    /// The priority, if one was given.
    pub priority: Option<u8>,
    /// The lifetime in milliseconds.
    pub expiration: Option<u64>,
    /// Where a reply is to go.
    pub reply_to: Option<&'a [u8]>,
    /// Who says to have published it.
    pub user_id: Option<&'a [u8]>,
    /// The header `CC`.
    pub cc: Option<ArrayRef<'a>>,
    /// The header `BCC`. Deliveries must be without it: [`rewrite::without_bcc`].
    pub bcc: Option<ArrayRef<'a>>,
    /// The header `x-delay`, in milliseconds, if it is a whole number above 0.
    pub delay: Option<u64>,
    /// The header `x-deduplication-header`.
    pub deduplication: Option<ValueRef<'a>>,
}

/// The properties that [`Facts`] are about and that are not at a fixed cost.
const LOOKED_AT: [Property; 6] = [
    Property::Headers,
    Property::DeliveryMode,
    Property::Priority,
    Property::ReplyTo,
    Property::Expiration,
    Property::UserId,
];

impl<'a> Facts<'a> {
    /// Reads a header that is known to be well-formed.
    ///
    /// # Errors
    /// The expiration is no time, or `CC` or `BCC` is no array.
    #[inline]
    pub fn of(header: ContentHeader<'a>) -> Result<Self, Refusal> {
        let flags = header.flags();
        if !LOOKED_AT.iter().any(|property| flags.has(*property)) {
            return Ok(Self::default());
        }
        Self::look(header, flags)
    }

    #[inline]
    fn look(header: ContentHeader<'a>, flags: PropertyFlags) -> Result<Self, Refusal> {
        let mut facts = Self {
            persistent: flags.has(Property::DeliveryMode) && header.is_persistent(),
            priority: header.priority(),
            expiration: header.expiration().map(parse_expiration).transpose()?,
            reply_to: header.reply_to(),
            user_id: header.user_id(),
            ..Self::default()
        };
        let Some(headers) = header.headers() else {
            return Ok(facts);
        };
        // Of several headers of one name RabbitMQ looks at the first.
        for (name, value) in headers.iter().map_while(Result::ok) {
            match name {
                CC if facts.cc.is_none() => facts.cc = Some(copies("CC", value)?),
                BCC if facts.bcc.is_none() => facts.bcc = Some(copies("BCC", value)?),
                DELAY if facts.delay.is_none() => {
                    facts.delay = value
                        .as_integer()
                        .and_then(|delay| u64::try_from(delay).ok())
                        .filter(|ms| *ms > 0);
                }
                DEDUPLICATION if facts.deduplication.is_none() => facts.deduplication = Some(value),
                _ => {}
            }
        }
        Ok(facts)
    }

    /// The routing keys of `CC` and then of `BCC`. What is no long string in them is passed over.
    pub fn copies(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        keys(self.cc).chain(keys(self.bcc))
    }

    /// The routing keys of `BCC`: those that nobody is told of.
    pub fn hidden_copies(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        keys(self.bcc)
    }
}

fn keys(array: Option<ArrayRef<'_>>) -> impl Iterator<Item = &[u8]> {
    let values = array.unwrap_or_default().iter().map_while(Result::ok);
    values.filter_map(|value| value.as_bytes())
}

fn copies<'a>(name: &str, value: ValueRef<'a>) -> Result<ArrayRef<'a>, Refusal> {
    value.as_array().ok_or_else(|| {
        let found = value.type_name();
        let text = format!("invalid message: {{unacceptable_type_in_header,\"{name}\",{found}}}");
        Refusal::precondition(text)
    })
}

/// The lifetime that the property `expiration` says, in milliseconds: decimal digits, and a sign if need be.
///
/// # Errors
/// It is something else, negative, or longer than ten years.
pub fn parse_expiration(expiration: &[u8]) -> Result<u64, Refusal> {
    let text = String::from_utf8_lossy(expiration);
    let invalid = |reason: String| {
        Err(Refusal::precondition(format!(
            "invalid expiration '{text}': {reason}"
        )))
    };
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(unsigned.len());
    let (digits, rest) = unsigned.split_at(end);
    if digits.is_empty() {
        return invalid("no_integer".to_owned());
    }
    if !rest.is_empty() {
        return invalid(format!("{{leftover_string,{}}}", erlang_string(rest)));
    }
    let digits = match digits.trim_start_matches('0') {
        "" => return Ok(0),
        digits => digits,
    };
    if negative {
        return invalid(format!("{{value_negative,-{digits}}}"));
    }
    match digits.parse() {
        Ok(ms) if ms <= EXPIRATION_MAX => Ok(ms),
        _ => invalid(format!("{{value_too_large,{digits}}}")),
    }
}
