//! What of the broker is in the durable log: entities, acknowledgements, and the cleaning of the log's oldest part.

use std::collections::HashMap;

use trefoil_amqp::{ChannelNumber, Method, Table, encode};
use trefoil_store::{Position, ReadError};

use super::Broker;
use crate::{
    definitions::record::Entity,
    logs::kind,
    message::{self, Stored},
    queue::Entry,
    routing::{Binding, Destination, ExchangeId, QueueId},
    slab::Key,
    vhost::VhostId,
};

/// Bytes of the log that are looked at for cleaning between two batches: a few milliseconds. In tests, where segments are small,
/// a segment is several slices too.
const CLEANING_SLICE: u64 = if cfg!(test) { 512 } else { 1 << 20 };

/// Where the record of every durable entity is.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    pub(super) positions: HashMap<Vec<u8>, Position>,
    /// The places of durable queues, by their numbers in the log.
    pub(super) queues: HashMap<u64, QueueId>,
    /// The log has the mark of a stop in good order: nothing is to come after it.
    pub(super) is_closed: bool,
    /// Where cleaning of the oldest segment goes on.
    cleaning: Option<std::ops::Range<Position>>,
}

impl Broker {
    /// Keeps an entity, in the place of an older form of it.
    pub(crate) fn put(&mut self, entity: &Entity) {
        let key = entity.key();
        let mut value = Vec::new();
        entity.encode(&mut value);
        let at = append_entity(&mut self.logs.durable, &key, &value);
        self.logs.durable.retain(at, 1);
        if let Some(old) = self.catalog.positions.insert(key, at) {
            self.logs.durable.release(old, 1);
        }
        self.logs.is_sync_wanted = true;
    }

    /// Forgets an entity. Whether there was one.
    pub(crate) fn forget(&mut self, key: &[u8]) -> bool {
        let Some(old) = self.catalog.positions.remove(key) else {
            return false;
        };
        self.logs.durable.append(kind::DELETED, &[key]);
        self.logs.durable.release(old, 1);
        self.logs.is_sync_wanted = true;
        true
    }

    /// The record of a queue that survives.
    pub(super) fn put_queue_record(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get(id) else {
            return;
        };
        if !queue.keeps() {
            return;
        }
        self.catalog.queues.insert(queue.uid, id);
        let entity = Entity::queue(
            queue.uid,
            &self.vhost(queue.vhost).name,
            &queue.name,
            queue.is_auto_delete,
            queue.arguments.table(),
        );
        self.put(&entity);
    }

    pub(super) fn delete_queue_record(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if !queue.keeps() {
            return;
        }
        // What was acknowledged does not matter any more.
        queue.acks = Vec::new();
        let (uid, vhost, name) = (queue.uid, queue.vhost, queue.name.clone());
        let key = Entity::queue_key(&self.vhost(vhost).name, &name);
        self.forget(&key);
        self.catalog.queues.remove(&uid);
    }

    pub(super) fn put_exchange_record(&mut self, vhost: VhostId, id: ExchangeId) {
        let host = self.vhost(vhost);
        if let Some(exchange) = host.topology.exchange(id) {
            let entity = Entity::exchange(&host.name, exchange.name(), exchange.declaration());
            self.put(&entity);
        }
    }

    pub(super) fn delete_exchange_record(&mut self, vhost: VhostId, name: &str) -> bool {
        let key = Entity::exchange_key(&self.vhost(vhost).name, name);
        self.forget(&key)
    }

    /// The record of a binding whose ends both survive. Whether there is one.
    pub(super) fn put_binding_record(
        &mut self,
        vhost: VhostId,
        source: ExchangeId,
        destination: Destination,
        key: &str,
        arguments: &Table,
    ) -> bool {
        let host = self.vhost(vhost);
        let is_source_durable = host
            .topology
            .exchange(source)
            .is_some_and(|exchange| exchange.declaration().durable);
        let is_destination_durable = match destination {
            Destination::Queue(id) => self.queues.get(id).is_some_and(crate::queue::Queue::keeps),
            Destination::Exchange(id) => host
                .topology
                .exchange(id)
                .is_some_and(|exchange| exchange.declaration().durable),
        };
        if !is_source_durable || !is_destination_durable {
            return false;
        }
        let Some(binding) = host.topology.bindings_to(destination).find(|binding| {
            binding.source == source && &*binding.key == key && binding.arguments == *arguments
        }) else {
            return false;
        };
        let entity = Entity::binding(&host.name, binding);
        self.put(&entity);
        true
    }

    pub(super) fn delete_binding_record(&mut self, vhost: VhostId, binding: &Binding) -> bool {
        let key = Entity::binding(&self.vhost(vhost).name, binding).key();
        self.forget(&key)
    }

    /// Writes what was acknowledged since the last time into the log.
    pub(super) fn log_acknowledgements(&mut self) {
        for id in std::mem::take(&mut self.acknowledging) {
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            queue.is_in_ack_list = false;
            if queue.acks.is_empty() {
                continue;
            }
            let mut record = std::mem::take(&mut self.ack_record);
            record.clear();
            for sequence in queue.acks.drain(..) {
                record.extend_from_slice(&sequence.to_le_bytes());
            }
            self.logs
                .durable
                .append(kind::ACKNOWLEDGED, &[&queue.uid.to_le_bytes(), &record]);
            self.ack_record = record;
        }
    }

    /// Answers now, or when the log is on disk as it stands if the answer promises something that is not there yet.
    pub(super) fn answer_when_durable(
        &mut self,
        session: Key,
        channel: ChannelNumber,
        method: &Method<'_>,
        waits: bool,
    ) {
        if !waits {
            self.answer(session, channel, method);
            return;
        }
        let end = self.logs.durable.end();
        self.logs.is_sync_wanted = true;
        let Some(state) = self.clients.sessions.get_mut(session) else {
            return;
        };
        encode::method(&mut state.held, channel, method);
        if state.waits_for.replace(end).is_none() {
            self.waiting.push(session);
        }
        // What was answered before must go out even so.
        self.clients.touch(session);
    }

    /// Sends the answers that waited for the log, and lets their connections go on.
    pub(super) fn resume_durable(&mut self, _now: u64) {
        let durable = self.logs.durable.durable();
        let clients = &mut self.clients;
        self.waiting.retain(|key| {
            let Some(session) = clients.sessions.get_mut(*key) else {
                return false;
            };
            match session.waits_for {
                Some(end) if end > durable => return true,
                None => return false,
                Some(_) => {}
            }
            session.waits_for = None;
            session.is_resumed = true;
            let held = std::mem::take(&mut session.held);
            session.connection.output().extend_from_slice(&held);
            if !session.is_dirty {
                session.is_dirty = true;
                clients.dirty.push(*key);
            }
            false
        });
    }

    /// Moves what lives in the oldest part of the log to its end, a slice at a time.
    pub(super) fn clean_slice(&mut self) {
        if self.catalog.is_closed {
            return;
        }
        let range = match self.catalog.cleaning.take() {
            Some(range) => range,
            None => match self.logs.durable.poll_cleaning() {
                Some(range) => range,
                None => return,
            },
        };
        let mut at = range.start;
        let slice = Position::new(at.get().saturating_add(CLEANING_SLICE)).min(range.end);
        while at < slice {
            let (kind, record, here) = match self.logs.durable.read_next(&mut at, range.end) {
                Ok(Some(record)) => (record.kind, record.payload.to_vec(), record.at),
                Ok(None) => break,
                // Its last message was settled since the last slice, and the segment went.
                Err(ReadError::Gone(_)) => {
                    at = range.end;
                    break;
                }
                // What cannot be read cannot be moved: recovery or a delivery has reported it, or will.
                Err(_) => {
                    self.logs.unreadable += 1;
                    break;
                }
            };
            self.move_record(kind, here, &record, range.end);
        }
        if at < range.end {
            self.catalog.cleaning = Some(at..range.end);
        } else {
            self.clients.forget_moving();
        }
    }

    fn move_record(&mut self, kind: u8, at: Position, record: &[u8], until: Position) {
        match kind {
            kind::PUT => {
                if let Some((key, value)) = read_entity(record)
                    && self.catalog.positions.get(key) == Some(&at)
                {
                    let to = append_entity(&mut self.logs.durable, key, value);
                    self.logs.durable.retain(to, 1);
                    self.logs.durable.release(at, 1);
                    self.catalog.positions.insert(key.to_vec(), to);
                }
            }
            kind::MESSAGE => self.move_message(at, record, until),
            kind::STREAMED => self.move_streamed(at, record),
            kind::DELAYED => {
                if let Some((virtual_host, stored)) = message::read_delayed(record)
                    && self
                        .delayed
                        .is_live(stored.facts.expires_at, stored.facts.sequence, at)
                {
                    let to = message::append_delayed(
                        &mut self.logs.durable,
                        kind,
                        stored.facts,
                        virtual_host,
                        stored.message,
                    );
                    self.logs.durable.retain(to, 1);
                    self.logs.durable.release(at, 1);
                    self.delayed
                        .moved(stored.facts.expires_at, stored.facts.sequence, to);
                }
            }
            _ => {}
        }
    }

    fn move_message(&mut self, at: Position, record: &[u8], until: Position) {
        let Some(stored) = Stored::read(record) else {
            return;
        };
        let sequence = stored.facts.sequence;
        let uids: Vec<u64> = stored
            .queues()
            .filter(|uid| {
                self.entry_mut(*uid, sequence, until)
                    .is_some_and(|entry| entry.at == at)
            })
            .collect();
        if uids.is_empty() {
            return;
        }
        let to = message::append(
            &mut self.logs.durable,
            kind::MESSAGE,
            stored.facts,
            &uids,
            stored.message,
        );
        let mut moved = 0;
        for uid in uids {
            if let Some(entry) = self.entry_mut(uid, sequence, until) {
                entry.at = to;
                moved += 1;
            }
            // What is said of it must come after it again.
            if let Some(id) = self.catalog.queues.get(&uid).copied()
                && let Some(queue) = self.queues.get_mut(id)
                && let Some(letter) = queue.letters.get_mut(sequence)
            {
                let letter = letter.clone();
                self.log_death(id, &letter);
            }
        }
        self.logs.durable.retain(to, moved);
        self.logs.durable.release(at, moved);
    }

    /// The message of a durable queue, ready or delivered, whose record is in the part of the log that ends at `until`.
    fn entry_mut(&mut self, uid: u64, sequence: u64, until: Position) -> Option<&mut Entry> {
        let Self {
            catalog,
            queues,
            clients,
            ..
        } = self;
        let queue = queues.get_mut(*catalog.queues.get(&uid)?)?;
        if queue.letters.get_mut(sequence).is_some() {
            return queue
                .letters
                .get_mut(sequence)
                .map(|letter| &mut letter.entry);
        }
        if queue.unacked == 0 || queue.ready.find(sequence).is_some() {
            return queue.ready.find_mut(sequence);
        }
        clients.held_mut(uid, sequence, until)
    }

    /// Says in the log that the broker was stopped in good order, and which messages had been delivered.
    pub fn stop(&mut self, now: u64) {
        self.close_all_connections(
            "broker forced connection closure with reason 'shutdown'",
            now,
        );
        let mut record = Vec::new();
        for (_, queue) in self.queues.iter() {
            for entry in queue.ready.iter() {
                if entry.is_persistent() && entry.is_redelivered() {
                    record.extend_from_slice(&queue.uid.to_le_bytes());
                    record.extend_from_slice(&entry.sequence.to_le_bytes());
                    record.extend_from_slice(&entry.returns.to_le_bytes());
                }
            }
        }
        // Records have a limit, and so many redelivered messages are rare: without the marker they all count as redelivered.
        if record.len() < 32 << 20 {
            self.logs.durable.append(kind::STOPPED, &[&record]);
            self.catalog.is_closed = true;
        }
        self.logs.is_sync_wanted = true;
    }
}

/// A record that keeps an entity: the key's length and the key, then the value.
fn append_entity(log: &mut trefoil_store::Log, key: &[u8], value: &[u8]) -> Position {
    let length = u32::try_from(key.len()).expect("keys are made of a few short names");
    log.append(kind::PUT, &[&length.to_le_bytes(), key, value])
}

/// Key and value of such a record.
pub(super) fn read_entity(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = record.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}
