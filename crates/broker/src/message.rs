//! A message: as it comes in, and as a record of a log.
//!
//! ```text
//! record (kind MESSAGE), little-endian
//! ┌──────────┬────────────┬─────────┬─────────┬─────────┬──────────┬──────────┬───────┬────────────┐
//! │ sequence │ expires_at │ returns │ queues  │ header  │ exchange │ key      │ flags │ priority   │
//! │ u64      │ u64 ms     │ u16     │ n: u16  │ len u32 │ len u8   │ len u8   │ u8    │ u8         │
//! └──────────┴────────────┴─────────┴─────────┴─────────┴──────────┴──────────┴───────┴────────────┘
//!   n × u64 ids of the durable queues it waits in, then the exchange, the key, the content header, the body
//! ```

use std::borrow::Cow;

use trefoil_amqp::ContentHeader;
use trefoil_store::{Log, Position};

use crate::{
    content::rewrite,
    queue::{HAS_BCC, HISTORY},
};

/// Queues that one record can name. Tests have so few that they need more than one.
pub(crate) const QUEUES_MAX: usize = if cfg!(test) { 3 } else { u16::MAX as usize };

/// Bytes before the ids of queues.
const FIXED: usize = 8 + 8 + 2 + 2 + 4 + 1 + 1 + 1 + 1;

/// A message on its way through the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    /// Where it was published to.
    pub(crate) exchange: &'a str,
    pub(crate) routing_key: &'a str,
    /// The payload of the content header frame.
    pub(crate) header: &'a [u8],
    pub(crate) body: &'a [u8],
    /// What the broker knows of it beside that: [`crate::queue::HISTORY`].
    pub(crate) history: u8,
}

impl<'a> Message<'a> {
    /// The header as receivers see it. `BCC` is kept with a message, for it may have to be routed by it once more, when it dies.
    #[inline]
    pub(crate) fn shown(&self) -> Cow<'a, [u8]> {
        if self.history & HAS_BCC == 0 {
            return Cow::Borrowed(self.header);
        }
        Cow::Owned(rewrite::without_bcc(ContentHeader::new(self.header)))
    }
}

/// What a record says beside the message itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordFacts {
    pub(crate) sequence: u64,
    /// Milliseconds; [`crate::queue::NEVER`] if it does not.
    pub(crate) expires_at: u64,
    pub(crate) returns: u16,
    pub(crate) flags: u8,
    pub(crate) priority: u8,
}

/// A record, read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) facts: RecordFacts,
    queues: &'a [u8],
    pub(crate) message: Message<'a>,
}

impl<'a> Stored<'a> {
    /// Reads a record. `None` if it is not one: the log's checksum was right, so another program wrote it.
    pub(crate) fn read(record: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = record.split_at_checked(FIXED)?;
        let sequence = u64::from_le_bytes(fixed[..8].try_into().ok()?);
        let expires_at = u64::from_le_bytes(fixed[8..16].try_into().ok()?);
        let returns = u16::from_le_bytes(fixed[16..18].try_into().ok()?);
        let queues = u16::from_le_bytes(fixed[18..20].try_into().ok()?);
        let header = u32::from_le_bytes(fixed[20..24].try_into().ok()?);
        let (queues, rest) = rest.split_at_checked(usize::from(queues) * 8)?;
        let (exchange, rest) = rest.split_at_checked(usize::from(fixed[24]))?;
        let (key, rest) = rest.split_at_checked(usize::from(fixed[25]))?;
        let (header, body) = rest.split_at_checked(header as usize)?;
        Some(Self {
            facts: RecordFacts {
                sequence,
                expires_at,
                returns,
                flags: fixed[26],
                priority: fixed[27],
            },
            queues,
            message: Message {
                exchange: std::str::from_utf8(exchange).ok()?,
                routing_key: std::str::from_utf8(key).ok()?,
                header,
                body,
                history: fixed[26] & HISTORY,
            },
        })
    }

    /// Ids of the durable queues that it was put into.
    pub(crate) fn queues(&self) -> impl Iterator<Item = u64> + use<'a> {
        self.queues
            .chunks_exact(8)
            .map(|id| u64::from_le_bytes(id.try_into().expect("chunks of eight")))
    }
}

/// Appends a message for the durable queues with these ids.
pub(crate) fn append(
    log: &mut Log,
    kind: u8,
    facts: RecordFacts,
    queues: &[u64],
    message: Message<'_>,
) -> Position {
    let fixed = fixed(facts, queues.len(), message);
    let (exchange, key) = (message.exchange.as_bytes(), message.routing_key.as_bytes());
    if let [queue] = queues {
        let id = queue.to_le_bytes();
        return log.append(
            kind,
            &[&fixed, &id, exchange, key, message.header, message.body],
        );
    }
    let ids: Vec<u8> = queues
        .iter()
        .take(usize::from(u16::MAX))
        .flat_map(|id| id.to_le_bytes())
        .collect();
    log.append(
        kind,
        &[&fixed, &ids, exchange, key, message.header, message.body],
    )
}

/// Appends a message that waits in a virtual host, for an exchange: its name's length and name, then the record as above.
pub(crate) fn append_delayed(
    log: &mut Log,
    kind: u8,
    facts: RecordFacts,
    virtual_host: &str,
    message: Message<'_>,
) -> Position {
    let name = [length(virtual_host)];
    let fixed = fixed(facts, 0, message);
    let parts: [&[u8]; 7] = [
        &name,
        virtual_host.as_bytes(),
        &fixed,
        message.exchange.as_bytes(),
        message.routing_key.as_bytes(),
        message.header,
        message.body,
    ];
    log.append(kind, &parts)
}

/// Reads what [`append_delayed`] wrote: the virtual host and the message.
pub(crate) fn read_delayed(record: &[u8]) -> Option<(&str, Stored<'_>)> {
    let (length, rest) = record.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(name).ok()?, Stored::read(rest)?))
}

fn fixed(facts: RecordFacts, queues: usize, message: Message<'_>) -> [u8; FIXED] {
    let mut fixed = [0; FIXED];
    fixed[..8].copy_from_slice(&facts.sequence.to_le_bytes());
    fixed[8..16].copy_from_slice(&facts.expires_at.to_le_bytes());
    fixed[16..18].copy_from_slice(&facts.returns.to_le_bytes());
    fixed[18..20].copy_from_slice(&u16::try_from(queues).unwrap_or(u16::MAX).to_le_bytes());
    let header = u32::try_from(message.header.len())
        .expect("a header frame is shorter than the largest frame");
    fixed[20..24].copy_from_slice(&header.to_le_bytes());
    fixed[24] = length(message.exchange);
    fixed[25] = length(message.routing_key);
    fixed[26] = facts.flags | message.history;
    fixed[27] = facts.priority;
    fixed
}

/// Names on the wire are short strings; those of virtual hosts are no longer.
fn length(name: &str) -> u8 {
    u8::try_from(name.len()).expect("a short string has at most 255 bytes")
}
