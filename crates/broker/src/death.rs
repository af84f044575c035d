//! Dead-lettering: `x-death` and its companions.
//!
//! As RabbitMQ 3.13 and later show it to AMQP 0-9-1 clients. There, the history of a message is kept beside the message,
//! and shown as headers when it is delivered; so what a publisher writes into a header `x-death` is handed through until
//! the first death, and counts for nothing. Here the history is in the headers themselves, and whoever keeps the message
//! remembers in one bit whether the broker wrote it ([`Death::died_before`]).
//!
//! The broker also remembers whether the message's `CC` and `BCC` are still routing keys of it: a queue with a dead-letter
//! routing key replaces all keys, yet leaves the header `CC` where it is.

use trefoil_amqp::{ContentHeader, Table, TableRef, Value, ValueRef};

use crate::content::rewrite;

#[cfg(test)]
mod tests;

const HISTORY: &str = "x-death";
const FIRST_EXCHANGE: &str = "x-first-death-exchange";
const FIRST_QUEUE: &str = "x-first-death-queue";
const FIRST_REASON: &str = "x-first-death-reason";
const LAST_EXCHANGE: &str = "x-last-death-exchange";
const LAST_QUEUE: &str = "x-last-death-queue";
const LAST_REASON: &str = "x-last-death-reason";

/// Why a message left its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A consumer did not want it.
    Rejected,
    /// It was too old.
    Expired,
    /// There was no room.
    MaxLength,
    /// It had been given back too often.
    DeliveryLimit,
}

impl Reason {
    /// The word in the headers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

/// How a message left a queue that has a dead-letter exchange.
#[derive(Debug, Clone, Copy)]
pub struct Death<'a> {
    /// Why.
    pub reason: Reason,
    /// The queue it left.
    pub queue: &'a str,
    /// The exchange that it came to this queue from: it was published, or dead-lettered, to that one.
    pub exchange: &'a str,
    /// The keys it came with: routing key and `CC`, never `BCC`.
    pub routing_keys: &'a [&'a [u8]],
    /// Milliseconds since 1970.
    pub now: u64,
    /// Whether the header's history was written by [`record`], not by a publisher.
    pub died_before: bool,
}

/// The header of a message that dies: with this death as the newest of its history, and without its expiration, whatever
/// the reason was.
#[must_use]
pub fn record(header: ContentHeader<'_>, death: &Death<'_>) -> Vec<u8> {
    let is_old = |name: &[u8]| {
        [HISTORY, LAST_EXCHANGE, LAST_QUEUE, LAST_REASON]
            .iter()
            .any(|old| old.as_bytes() == name)
            || !death.died_before
                && [FIRST_EXCHANGE, FIRST_QUEUE, FIRST_REASON]
                    .iter()
                    .any(|old| old.as_bytes() == name)
    };
    let mut fields = Table::new().with(HISTORY, history(header, death));
    let reason = death.reason.name();
    if !death.died_before {
        fields
            .insert(FIRST_EXCHANGE, death.exchange)
            .insert(FIRST_QUEUE, death.queue)
            .insert(FIRST_REASON, reason);
    }
    fields
        .insert(LAST_EXCHANGE, death.exchange)
        .insert(LAST_QUEUE, death.queue)
        .insert(LAST_REASON, reason);
    rewrite::with_headers_without_expiration(header, &fields, is_old)
}

/// Whether a message that [`record`] wrote the header of must not go to this queue: it was there, and since then no
/// consumer rejected it, so it would go round for ever.
#[must_use]
pub fn is_cycle(header: ContentHeader<'_>, queue: &str) -> bool {
    for death in deaths(header) {
        if is(death, "reason", Reason::Rejected.name()) {
            return false;
        }
        if is(death, "queue", queue) {
            return true;
        }
    }
    false
}

/// The new history: one entry for a queue and a reason, the newest first.
fn history(header: ContentHeader<'_>, death: &Death<'_>) -> Vec<Value> {
    let mut newest = None;
    let mut older = vec![];
    for entry in deaths(header).take_while(|_| death.died_before) {
        let Ok(table) = entry.to_table() else { break };
        if is(entry, "queue", death.queue) && is(entry, "reason", death.reason.name()) {
            newest = Some(again(table));
        } else {
            older.push(Value::Table(table));
        }
    }
    let newest = newest.unwrap_or_else(|| first(header, death));
    std::iter::once(Value::Table(newest)).chain(older).collect()
}

/// An entry of a queue and a reason that are not in the history.
fn first(header: ContentHeader<'_>, death: &Death<'_>) -> Table {
    let mut entry = Table::new();
    if let Some(expiration) = header.expiration() {
        entry.insert(
            "original-expiration",
            Value::LongString(expiration.to_vec()),
        );
    }
    let keys = death
        .routing_keys
        .iter()
        .map(|key| Value::LongString(key.to_vec()))
        .collect::<Vec<_>>();
    entry
        .insert("count", 1i64)
        .insert("reason", death.reason.name())
        .insert("queue", death.queue)
        .insert("time", Value::Timestamp(death.now / 1000))
        .insert("exchange", death.exchange)
        .insert("routing-keys", keys);
    entry
}

/// An entry for one more time: all but the count stays as it was the first time.
fn again(entry: Table) -> Table {
    let count = |(name, value): (Vec<u8>, Value)| match value.as_integer() {
        Some(count) if name == b"count" => (name, Value::I64(count.saturating_add(1))),
        _ => (name, value),
    };
    entry.into_iter().map(count).collect()
}

fn deaths(header: ContentHeader<'_>) -> impl Iterator<Item = TableRef<'_>> {
    let history = header
        .headers()
        .and_then(|headers| headers.get(HISTORY)?.as_array());
    history
        .unwrap_or_default()
        .iter()
        .map_while(Result::ok)
        .filter_map(|entry| entry.as_table())
}

fn is(entry: TableRef<'_>, field: &str, text: &str) -> bool {
    entry
        .get(field)
        .and_then(|value: ValueRef<'_>| value.as_bytes())
        == Some(text.as_bytes())
}
