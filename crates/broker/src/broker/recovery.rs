//! Opening: from what the log says to a broker as it was.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use trefoil_store::{Log, Position, Report, Storage, Writer};

use super::{Alarms, Broker, Settings, at_least_once::Died, random::Random, stream::FoundStream};
use crate::{
    access::Access,
    logs::{Logs, kind},
    message::{self, RecordFacts, Stored},
    policy::Policies,
    queue::{Entry, HISTORY, MORTAL, NEVER, PERSISTENT, REDELIVERED, letters::Letter},
    routing::{QueueId, Route},
    slab::Slab,
};

/// The writing ends of both logs, for the thread that syncs.
#[derive(Debug)]
pub struct Writers {
    /// Of what survives.
    pub durable: Writer,
    /// Of transient messages that memory has no room for.
    pub transient: Writer,
}

/// What opening found.
#[derive(Debug)]
pub struct OpenReport {
    /// Of the durable log: damage, and how much was read.
    pub log: Report,
    /// Durable queues.
    pub queues: usize,
    /// Messages in them.
    pub messages: usize,
    /// The broker was stopped in good order the last time.
    pub is_clean: bool,
    /// Records that were read and mean nothing to this broker: written by a later one.
    pub unknown: usize,
    /// What led to entities that are not there: deletions that were cut off, or damage that the log's report tells of.
    pub mended: Vec<String>,
}

impl fmt::Display for OpenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} durable queues, {} messages; {}",
            self.queues, self.messages, self.log
        )?;
        if self.unknown > 0 {
            write!(
                f,
                "; {} records of another version were passed over",
                self.unknown
            )?;
        }
        for mended in &self.mended {
            write!(f, "; {mended}")?;
        }
        Ok(())
    }
}

/// Why the broker did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A log.
    #[error(transparent)]
    Log(#[from] trefoil_store::OpenError),
    /// What the log keeps about the topology cannot be understood.
    #[error("cannot read what the log keeps about {entity}: {problem}")]
    Entity {
        /// What it is about.
        entity: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Messages of a queue as the log tells of them.
#[derive(Debug, Default)]
struct Line {
    /// In the order of their sequences. `None`: gone.
    entries: VecDeque<(u64, Option<Entry>)>,
    /// Those that were moved to the end of the log, whose sequences are older than what is before them.
    moved: BTreeMap<u64, Entry>,
}

impl Line {
    fn push(&mut self, entry: Entry) {
        match self.entries.back() {
            Some((last, _)) if *last >= entry.sequence => {
                self.remove(entry.sequence);
                self.moved.insert(entry.sequence, entry);
            }
            _ => {
                // It may have been moved before, when something newer was in front of it.
                self.moved.remove(&entry.sequence);
                self.entries.push_back((entry.sequence, Some(entry)));
            }
        }
    }

    fn remove(&mut self, sequence: u64) {
        if let Some((first, _)) = self.entries.front()
            && *first == sequence
        {
            self.entries.pop_front();
        } else if let Ok(place) = self
            .entries
            .binary_search_by_key(&sequence, |(sequence, _)| *sequence)
        {
            self.entries[place].1 = None;
        }
        if !self.moved.is_empty() {
            self.moved.remove(&sequence);
        }
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
        }
    }

    /// What is left, in order.
    fn into_entries(self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self
            .entries
            .into_iter()
            .filter_map(|(_, entry)| entry)
            .chain(self.moved.into_values())
            .collect();
        entries.sort_by_key(|entry| entry.sequence);
        entries
    }
}

/// Everything that the log tells of.
#[derive(Debug, Default)]
struct Found {
    entities: BTreeMap<Vec<u8>, (Position, Vec<u8>)>,
    lines: HashMap<u64, Line>,
    streams: HashMap<u64, FoundStream>,
    delayed: BTreeMap<u64, (Position, String, String, RecordFacts)>,
    /// Of what died and stayed: queue and sequence.
    died: HashMap<(u64, u64), Died>,
    /// What had been delivered when the broker was stopped in good order: queue and sequence.
    stopped: Option<HashMap<(u64, u64), u16>>,
    sequence: u64,
    unknown: usize,
}

impl Found {
    fn record(&mut self, at: Position, kind: u8, record: &[u8]) {
        if kind != kind::STOPPED {
            self.stopped = None;
        }
        let is_known = match kind {
            kind::MESSAGE => self.message(at, record),
            kind::ACKNOWLEDGED => self.acknowledged(record),
            kind::PUT => self.put(at, record),
            kind::DELETED => {
                self.entities.remove(record);
                Some(())
            }
            kind::STOPPED => {
                let number = |octets: &[u8]| {
                    octets
                        .try_into()
                        .map(u64::from_le_bytes)
                        .unwrap_or_default()
                };
                let returns = |octets: &[u8]| {
                    octets
                        .try_into()
                        .map(u16::from_le_bytes)
                        .unwrap_or_default()
                };
                let delivered = record.chunks_exact(18).map(|one| {
                    (
                        (number(&one[..8]), number(&one[8..16])),
                        returns(&one[16..]),
                    )
                });
                self.stopped = Some(delivered.collect());
                Some(())
            }
            kind::DELAYED => self.delayed(at, record),
            kind::DELAY_OVER => record.try_into().ok().map(|sequence| {
                self.delayed.remove(&u64::from_le_bytes(sequence));
            }),
            kind::STARTED => Some(()),
            kind::DIED => Died::read(record).map(|died| {
                self.died.insert((died.uid, died.sequence), died);
            }),
            kind::STREAMED => FoundStream::streamed(&mut self.streams, at, record),
            kind::CUT => FoundStream::cut(&mut self.streams, record),
            _ => None,
        };
        self.unknown += usize::from(is_known.is_none());
    }

    fn message(&mut self, at: Position, record: &[u8]) -> Option<()> {
        let stored = Stored::read(record)?;
        let facts = stored.facts;
        self.sequence = self.sequence.max(facts.sequence);
        let entry = Entry {
            at,
            sequence: facts.sequence,
            expires_at: facts.expires_at,
            size: u32::try_from(stored.message.body.len()).unwrap_or(u32::MAX),
            returns: facts.returns,
            flags: PERSISTENT | (facts.flags & (HISTORY | MORTAL)),
            priority: facts.priority,
        };
        for uid in stored.queues() {
            self.lines.entry(uid).or_default().push(entry);
        }
        Some(())
    }

    fn acknowledged(&mut self, record: &[u8]) -> Option<()> {
        let (uid, sequences) = record.split_first_chunk::<8>()?;
        let uid = u64::from_le_bytes(*uid);
        if let Some(line) = self.lines.get_mut(&uid) {
            for sequence in sequences.chunks_exact(8) {
                let sequence = u64::from_le_bytes(sequence.try_into().ok()?);
                line.remove(sequence);
                if !self.died.is_empty() {
                    self.died.remove(&(uid, sequence));
                }
            }
        }
        Some(())
    }

    fn put(&mut self, at: Position, record: &[u8]) -> Option<()> {
        let (key, value) = super::durable::read_entity(record)?;
        self.entities.insert(key.to_vec(), (at, value.to_vec()));
        Some(())
    }

    fn delayed(&mut self, at: Position, record: &[u8]) -> Option<()> {
        let (virtual_host, stored) = message::read_delayed(record)?;
        self.sequence = self.sequence.max(stored.facts.sequence);
        let waiting = (
            at,
            virtual_host.to_owned(),
            stored.message.exchange.to_owned(),
            stored.facts,
        );
        self.delayed.insert(stored.facts.sequence, waiting);
        Some(())
    }
}

impl Broker {
    /// Opens the logs and puts everything where it was. An empty storage gives a broker with the virtual host `/` and the user
    /// `guest`, who may come from this machine alone.
    ///
    /// # Errors
    /// The storage cannot be read, or was written by a version that this one does not understand.
    pub fn open(
        settings: Settings,
        storage: Arc<dyn Storage>,
        transient: Arc<dyn Storage>,
        now: u64,
    ) -> Result<(Self, Writers, OpenReport), OpenError> {
        let mut found = Found::default();
        let (durable, durable_writer, report) =
            Log::open(storage, settings.log.clone(), &mut |at, kind, record| {
                found.record(at, kind, record);
            })?;
        let (transient, transient_writer, _) =
            Log::open(transient, settings.transient.clone(), &mut |_, _, _| {})?;
        let mut random = Random::new(settings.seed);
        let seed = u64::from_le_bytes(random.bytes()[..8].try_into().unwrap_or_default());
        let access = Access::new(settings.access.clone());
        let mechanisms = |tls| {
            access
                .mechanisms(tls)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let connection = |tls| {
            Arc::new(trefoil_amqp::Settings {
                mechanisms: mechanisms(tls),
                ..settings.connection.clone()
            })
        };
        let mut broker = Self {
            connection_settings: connection(false),
            connection_settings_tls: connection(true),
            access,
            policies: Policies::default(),
            parameters: crate::access::Parameters::default(),
            vhosts: Slab::default(),
            vhost_names: HashMap::new(),
            queues: super::queue_table::Queues::default(),
            clients: crate::clients::Clients::default(),
            logs: Logs {
                durable,
                transient,
                is_sync_wanted: false,
                unreadable: 0,
            },
            catalog: super::durable::Catalog::default(),
            sequence: found.sequence,
            uid: 0,
            timers: super::timers::Timers::default(),
            confirming: Vec::new(),
            waiting: Vec::new(),
            pumping: Vec::new(),
            dead: VecDeque::new(),
            is_burying: false,
            undelivered: Vec::new(),
            acknowledging: Vec::new(),
            ack_record: Vec::new(),
            replies: super::replies::Replies::default(),
            delayed: super::delay::Delayed::default(),
            streams: super::stream::Streams::default(),
            scratch: Vec::new(),
            grown: None,
            route: Route::new(seed),
            random,
            alarms: Alarms::default(),
            alarms_measured: Alarms::default(),
            alarms_by_hand: Alarms::default(),
            refusals: Vec::new(),
            counters: Default::default(),
            churn: Default::default(),
            retired: Default::default(),
            is_stopped: false,
            settings,
        };
        // Also if the very first start was cut off before it had written everything.
        let is_new = report.records < super::entities::FIRST_ENTITIES;
        let entities = std::mem::take(&mut found.entities);
        let mended = broker.restore_entities(entities, now)?;
        // Queues that are gone count: their messages are in the log, and must not become those of a new queue.
        let used = found.lines.keys().chain(found.streams.keys());
        let used = used.copied().max().unwrap_or(0);
        broker.uid = broker.uid.max(used);
        if is_new {
            broker.put_first_entities(now);
        }
        let mut messages = broker.restore_streams(found.streams, now);
        let (restored, adopted) =
            broker.restore_messages(found.lines, found.stopped.as_ref(), &found.died, now);
        messages += restored;
        for (_, (at, virtual_host, exchange, facts)) in found.delayed {
            if let Some(vhost) = broker.vhost_names.get(virtual_host.as_str()).copied() {
                broker.logs.durable.retain(at, 1);
                broker.wait(vhost, exchange.into(), facts, at);
            }
        }
        broker.logs.durable.handle_recovered();
        for (id, entries) in adopted {
            broker.adopt(id, &entries, now);
        }
        if found.stopped.is_some() {
            // Otherwise a broker that is killed before it writes anything else would count as one stopped in good order.
            broker.logs.durable.append(kind::STARTED, &[]);
            broker.logs.is_sync_wanted = true;
        }
        let report = OpenReport {
            log: report,
            queues: broker.queues.len(),
            messages,
            is_clean: found.stopped.is_some(),
            unknown: found.unknown,
            mended,
        };
        let writers = Writers {
            durable: durable_writer,
            transient: transient_writer,
        };
        Ok((broker, writers, report))
    }

    /// How many there are, and what has to become part of a stream.
    fn restore_messages(
        &mut self,
        lines: HashMap<u64, Line>,
        stopped: Option<&HashMap<(u64, u64), u16>>,
        died: &HashMap<(u64, u64), Died>,
        now: u64,
    ) -> (usize, Vec<(QueueId, Vec<Entry>)>) {
        let mut messages = 0;
        let mut adopted = Vec::new();
        for (uid, line) in lines {
            // Of a queue that is gone: its messages went with it.
            let Some(id) = self.catalog.queues.get(&uid).copied() else {
                continue;
            };
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            if queue.stream.is_some() {
                let entries = line.into_entries();
                for entry in &entries {
                    self.logs.durable.retain(entry.at, 1);
                }
                messages += entries.len();
                adopted.push((id, entries));
                continue;
            }
            let mut letters = Vec::new();
            for mut entry in line.into_entries() {
                let ttl = queue.settings.message_ttl_ms;
                let limit = ttl.map_or(NEVER, |ttl| now.saturating_add(ttl));
                entry.expires_at = entry.expires_at.min(limit);
                match stopped {
                    // Nobody knows who got it before the end.
                    None => entry.flags |= REDELIVERED,
                    Some(delivered) => {
                        if let Some(returns) = delivered.get(&(uid, entry.sequence)) {
                            entry.flags |= REDELIVERED;
                            entry.returns = *returns;
                        }
                    }
                }
                self.logs.durable.retain(entry.at, 1);
                messages += 1;
                match died.get(&(uid, entry.sequence)) {
                    None => queue.ready.insert(entry),
                    Some(died) => letters.push(Letter {
                        entry,
                        reason: died.reason,
                        died_at: died.at,
                        taken_by: Vec::new(),
                    }),
                }
            }
            for letter in letters {
                self.restore_letter(id, letter);
            }
            self.schedule_letters(id);
            self.drop_excess(id, now);
            self.reschedule_expiry(id);
        }
        (messages, adopted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_moved_twice_is_there_once() {
        let entry = |sequence, at| Entry {
            at: Position::new(at),
            sequence,
            expires_at: NEVER,
            size: 0,
            returns: 0,
            flags: PERSISTENT,
            priority: 0,
        };
        let mut line = Line::default();
        line.push(entry(5, 10));
        line.push(entry(7, 20));
        // Moved behind a newer one, which goes; and moved again when nothing is before it.
        line.push(entry(5, 30));
        line.remove(7);
        line.push(entry(5, 40));
        assert_eq!(line.into_entries(), [entry(5, 40)]);
    }
}
