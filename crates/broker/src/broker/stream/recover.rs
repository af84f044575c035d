//! Streams as the log tells of them.

use std::collections::HashMap;

use trefoil_store::Position;

use super::{CUT_BYTES, item};
use crate::{
    broker::Broker,
    message::{Message, Stored},
    queue::Entry,
    routing::QueueId,
    stream::{Index, Item, Stream},
};

/// Items that are gathered before it is worth while to drop those that were cut off.
const PRUNE_MIN: usize = 65_536;

/// The records of one stream.
#[derive(Debug, Default)]
pub(in crate::broker) struct FoundStream {
    /// In the order of the log: what was moved is there twice, and behind newer ones.
    items: Vec<(u64, Item)>,
    first: u64,
    next: u64,
    prune_at: usize,
}

impl FoundStream {
    /// A message of a stream.
    pub(in crate::broker) fn streamed(
        found: &mut HashMap<u64, Self>,
        at: Position,
        record: &[u8],
    ) -> Option<()> {
        let stored = Stored::read(record)?;
        let stream = found.entry(stored.queues().next()?).or_default();
        let offset = stored.facts.sequence;
        stream.next = stream.next.max(offset + 1);
        let item = item(at, stored.facts, stored.message);
        stream.items.push((offset, item));
        Some(())
    }

    /// The beginning of a stream was cut off.
    pub(in crate::broker) fn cut(found: &mut HashMap<u64, Self>, record: &[u8]) -> Option<()> {
        let record: &[u8; CUT_BYTES] = record.try_into().ok()?;
        let (uid, rest) = record.split_first_chunk::<8>()?;
        let (first, next) = rest.split_first_chunk::<8>()?;
        let stream = found.entry(u64::from_le_bytes(*uid)).or_default();
        let first = u64::from_le_bytes(*first);
        stream.first = stream.first.max(first);
        let next = u64::from_le_bytes(next.try_into().ok()?);
        stream.next = stream.next.max(next);
        if stream.items.len() >= stream.prune_at.max(PRUNE_MIN) {
            let first = stream.first;
            stream.items.retain(|(offset, _)| *offset >= first);
            stream.prune_at = stream.items.len() * 2;
        }
        Some(())
    }

    fn into_stream(mut self) -> Stream {
        // Of several records with one offset the last in the log counts: the others were moved from. In place, for there may
        // be millions.
        self.items
            .sort_unstable_by_key(|(offset, item)| (*offset, item.at));
        let mut index = Index::default();
        let mut items = self.items.into_iter().peekable();
        while let Some((offset, item)) = items.next() {
            let is_last = items.peek().is_none_or(|(other, _)| *other != offset);
            if is_last && offset >= self.first {
                index.push(offset, item);
            }
        }
        Stream::restored(index, self.next)
    }
}

impl Broker {
    /// Puts streams where they were. How many messages they have.
    pub(in crate::broker) fn restore_streams(
        &mut self,
        found: HashMap<u64, FoundStream>,
        now: u64,
    ) -> usize {
        let mut messages = 0;
        for (uid, stream) in found {
            // Of a queue that is gone: its messages went with it.
            let Some(id) = self.catalog.queues.get(&uid).copied() else {
                continue;
            };
            let Some(queue) = self
                .queues
                .get_mut(id)
                .filter(|queue| queue.stream.is_some())
            else {
                continue;
            };
            let stream = stream.into_stream();
            for (_, item) in stream.index.from(0) {
                self.logs.durable.retain(item.at, 1);
            }
            messages += stream.index.len();
            queue.stream = Some(Box::new(stream));
            self.cut_stream(id, now);
        }
        messages
    }

    /// A stream of a version that had none has its messages as a queue has them: they become the first of the stream.
    pub(in crate::broker) fn adopt(&mut self, id: QueueId, entries: &[Entry], now: u64) {
        for entry in entries {
            if let Some(stored) = self.logs.read(entry) {
                let message = stored.message;
                let (exchange, key) = (message.exchange.to_owned(), message.routing_key.to_owned());
                let (header, body) = (message.header.to_vec(), message.body.to_vec());
                let message = Message {
                    exchange: &exchange,
                    routing_key: &key,
                    header: &header,
                    body: &body,
                    history: message.history,
                };
                self.append_to_stream(id, message, now);
            }
            self.discard(id, entry);
        }
        self.log_acknowledgements();
    }
}
