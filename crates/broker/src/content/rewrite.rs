//! Copies of content headers with one thing changed.
//!
//! All functions take a header that is well-formed and give the payload of the new one. The size of the body, all other
//! properties and all other entries of the headers keep their bytes and their order.

use std::borrow::Cow;

use trefoil_amqp::{ContentHeader, Property, Table, TableRef, ValueRef};

use super::{BCC, DELAY};

/// Class, weight and body size: what precedes the flags.
const FIXED: usize = 12;

/// Without the header `BCC`, which no consumer may see. (Only the first: RabbitMQ leaves others.)
#[must_use]
pub fn without_bcc(header: ContentHeader<'_>) -> Vec<u8> {
    let mut found = false;
    with_table(header, |headers, out| {
        retain(headers, out, |name| {
            name != BCC || std::mem::replace(&mut found, true)
        });
    })
}

/// Without the property `expiration`.
#[must_use]
pub fn without_expiration(header: ContentHeader<'_>) -> Vec<u8> {
    copy(header, |property, octets| {
        octets
            .filter(|_| property != Property::Expiration)
            .map(Cow::Borrowed)
    })
}

/// With this property `reply-to`. Of a name that is too long for the wire the end is cut.
#[must_use]
pub fn with_reply_to(header: ContentHeader<'_>, reply_to: &str) -> Vec<u8> {
    let reply_to = &reply_to.as_bytes()[..reply_to.len().min(usize::from(u8::MAX))];
    let mut short = vec![reply_to.len() as u8];
    short.extend_from_slice(reply_to);
    copy(header, |property, octets| match property {
        Property::ReplyTo => Some(Cow::Borrowed(&short)),
        _ => octets.map(Cow::Borrowed),
    })
}

/// With these headers, after those that are there. Headers of the same names go.
#[must_use]
pub fn with_headers(header: ContentHeader<'_>, fields: &Table) -> Vec<u8> {
    with_table(header, |headers, out| {
        retain(headers, out, |name| fields.get(name).is_none());
        fields.encode(out);
    })
}

/// With the header `x-delivery-count`: how often the message has been given back before.
#[must_use]
pub fn with_delivery_count(header: ContentHeader<'_>, count: u64) -> Vec<u8> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    with_headers(header, &Table::new().with("x-delivery-count", count))
}

/// With the header `x-stream-offset`: the message's number in its stream.
#[must_use]
pub fn with_stream_offset(header: ContentHeader<'_>, offset: u64) -> Vec<u8> {
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    with_headers(header, &Table::new().with("x-stream-offset", offset))
}

/// With the header `x-delay` negated: as a delayed exchange hands a message on, so that it does not wait again.
#[must_use]
pub fn with_delay_past(header: ContentHeader<'_>) -> Vec<u8> {
    let delay = header
        .headers()
        .and_then(|headers| headers.get(DELAY)?.as_integer());
    let past = delay.map_or(0, |delay| delay.saturating_abs().saturating_neg());
    with_headers(header, &Table::new().with(DELAY, past))
}

/// What dead-lettering needs: [`with_headers`] and [`without_expiration`] in one.
pub(crate) fn with_headers_without_expiration(
    header: ContentHeader<'_>,
    fields: &Table,
    drop: impl Fn(&[u8]) -> bool,
) -> Vec<u8> {
    let mut table = vec![];
    retain(header.headers().unwrap_or_default(), &mut table, |name| {
        !drop(name)
    });
    fields.encode(&mut table);
    let table = sized(&table);
    copy(header, |property, octets| match property {
        Property::Expiration => None,
        Property::Headers => Some(Cow::Borrowed(&table)),
        _ => octets.map(Cow::Borrowed),
    })
}

/// Copies a header whose table is what `write` makes of it.
fn with_table(
    header: ContentHeader<'_>,
    write: impl FnOnce(TableRef<'_>, &mut Vec<u8>),
) -> Vec<u8> {
    let mut table = vec![];
    write(header.headers().unwrap_or_default(), &mut table);
    let table = sized(&table);
    copy(header, |property, octets| match property {
        Property::Headers => Some(Cow::Borrowed(&table)),
        _ => octets.map(Cow::Borrowed),
    })
}

fn sized(table: &[u8]) -> Vec<u8> {
    let len =
        u32::try_from(table.len()).expect("a table is made of one in a frame and a little more");
    [&len.to_be_bytes(), table].concat()
}

/// Writes the entries whose name `keep` takes, byte by byte as they are.
fn retain(headers: TableRef<'_>, out: &mut Vec<u8>, mut keep: impl FnMut(&[u8]) -> bool) {
    let mut rest = headers.as_bytes();
    for (name, value) in headers.iter().map_while(Result::ok) {
        let (entry, after) = rest.split_at(1 + name.len() + 1 + encoded_len(value));
        if keep(name) {
            out.extend_from_slice(entry);
        }
        rest = after;
    }
}

/// How many bytes a value has on the wire after its tag.
fn encoded_len(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Void => 0,
        ValueRef::Bool(_) | ValueRef::I8(_) | ValueRef::U8(_) => 1,
        ValueRef::I16(_) | ValueRef::U16(_) => 2,
        ValueRef::I32(_) | ValueRef::U32(_) | ValueRef::F32(_) => 4,
        ValueRef::Decimal { .. } => 5,
        ValueRef::I64(_) | ValueRef::I64Upper(_) | ValueRef::F64(_) | ValueRef::Timestamp(_) => 8,
        ValueRef::LongString(bytes) | ValueRef::Bytes(bytes) => 4 + bytes.len(),
        ValueRef::Array(array) => 4 + array.as_bytes().len(),
        ValueRef::Table(table) => 4 + table.as_bytes().len(),
    }
}

/// Copies a header. `change` is asked for every property, present or not, and gives its bytes (with their length).
fn copy<'a>(
    header: ContentHeader<'a>,
    mut change: impl FnMut(Property, Option<&'a [u8]>) -> Option<Cow<'a, [u8]>>,
) -> Vec<u8> {
    let bytes = header.as_bytes();
    let mut out = Vec::with_capacity(bytes.len() + 64);
    out.extend_from_slice(&bytes[..FIXED]);
    out.extend_from_slice(&[0; 2]);
    let mut flags = 0;
    for property in Property::ALL {
        let octets = header.range(property).map(|range| &bytes[range]);
        if let Some(octets) = change(property, octets) {
            out.extend_from_slice(&octets);
            flags |= property.bit();
        }
    }
    out[FIXED..FIXED + 2].copy_from_slice(&u16::to_be_bytes(flags));
    out
}
