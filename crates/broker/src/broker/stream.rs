//! Streams: messages come in and stay, readers pass over them, and the oldest are cut off.

mod recover;

use trefoil_amqp::{ContentHeader, ReplyCode, Table, method::basic::Consume};
use trefoil_store::Position;

use super::{Broker, Failure};
use crate::{
    arguments::{ConfirmLevel, ConsumerArguments, queue_resource},
    clients::Capacity,
    content::rewrite,
    logs::kind,
    message::{self, Message, RecordFacts, Stored},
    queue::{Entry, NEVER, PERSISTENT, Queue},
    routing::QueueId,
    session::{Channel, Until},
    slab::Key,
    stream::{CUT_BYTES, Filter, Found, Item, Reader, Stream, reader::fingerprint_of},
};

pub(super) use recover::FoundStream;

/// The work of one hold of the lock for the readers of one stream, in messages that are passed over because of a filter.
/// About a millisecond; then others have their turn.
const WORK: u32 = 65_536;
/// What delivering a message costs in that measure.
const WORK_OF_DELIVERY: u32 = 16;
/// When work goes on that was too much for one turn, in milliseconds.
const BREATH_MS: u64 = 1;
/// Messages that are cut off in one hold of the lock.
const CUT_MAX: usize = 8_192;
/// How often a stream is looked at for messages that became too old, in milliseconds: each time costs a record.
const AGE_CHECK_MS: u64 = 1_000;

/// Streams that have something to do.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// They have messages that are not yet as safe as they have to be before anybody reads them.
    waiting: Vec<QueueId>,
    /// Messages were cut off, and the log does not know.
    cut: Vec<QueueId>,
}

/// What became of a reader's turn.
enum Turn {
    /// It has everything that it can have.
    AtEnd,
    /// It can take no more.
    Full,
    /// There was too much to do for one turn.
    Tired,
    Gone,
}

impl Broker {
    /// A message joins a stream, whatever its delivery mode: streams are for keeping.
    pub(super) fn append_to_stream(
        &mut self,
        id: QueueId,
        message: Message<'_>,
        now: u64,
    ) -> Until {
        let Self {
            queues,
            logs,
            streams,
            ..
        } = self;
        let Some(queue) = queues.get_mut(id) else {
            return Until::Now;
        };
        let level = queue.settings.confirm_level;
        let Some(stream) = queue.stream.as_deref_mut() else {
            return Until::Now;
        };
        let facts = RecordFacts {
            sequence: stream.next,
            expires_at: stream.time(now),
            returns: 0,
            flags: PERSISTENT,
            priority: 0,
        };
        let log = &mut logs.durable;
        let at = message::append(log, kind::STREAMED, facts, &[queue.uid], message);
        log.retain(at, 1);
        let item = item(at, facts, message);
        stream.push(item);
        let has_readers = !queue.consumers.all.is_empty();
        match level {
            ConfirmLevel::Memory => {
                stream.visible = stream.next;
            }
            ConfirmLevel::Written | ConfirmLevel::Fsync if stream.is_waiting => {}
            ConfirmLevel::Written | ConfirmLevel::Fsync => {
                stream.is_waiting = true;
                streams.waiting.push(id);
            }
        }
        // Readers wait for it, if no publisher does.
        logs.is_sync_wanted |= level == ConfirmLevel::Fsync;
        if queue.settings.max_length_bytes.is_some() || queue.settings.max_age_ms.is_some() {
            self.watch_limits(id, now);
        }
        if has_readers && level == ConfirmLevel::Memory {
            self.pump_later(id);
        }
        self.until(level)
    }

    /// The log moved on: readers may have what is safe now.
    pub(super) fn reveal_streams(&mut self, now: u64) {
        if self.streams.waiting.is_empty() {
            return;
        }
        let (durable, written) = (self.logs.durable.durable(), self.logs.durable.written());
        let mut waiting = std::mem::take(&mut self.streams.waiting);
        waiting.retain(|id| {
            let Some(queue) = self.queues.get_mut(*id) else {
                return false;
            };
            let upto = match queue.settings.confirm_level {
                ConfirmLevel::Fsync => durable,
                ConfirmLevel::Written => written,
                ConfirmLevel::Memory => Position::new(u64::MAX),
            };
            let Some(stream) = queue.stream.as_deref_mut() else {
                return false;
            };
            let before = stream.visible;
            stream.is_waiting = stream.reveal(upto);
            let (is_waiting, is_new) = (stream.is_waiting, stream.visible != before);
            if is_new && !queue.consumers.all.is_empty() {
                self.pump_later(*id);
            }
            is_waiting
        });
        self.streams.waiting.append(&mut waiting);
        self.finish(now);
    }

    /// What only streams ask of a consumer, and where it begins to read.
    pub(super) fn reader(
        queue: &mut Queue,
        channel: &Channel,
        host: &str,
        consume: &Consume<'_>,
        arguments: &ConsumerArguments,
        table: &Table,
        now: u64,
    ) -> Result<Option<Box<Reader>>, Failure> {
        let Some(stream) = queue.stream.as_deref() else {
            return Ok(None);
        };
        let resource = || queue_resource(host, &queue.name);
        if channel.prefetch == 0 {
            let text = format!(
                "consumer prefetch count is not set for stream {}",
                resource()
            );
            return Err(Failure::precondition(text));
        }
        if consume.no_ack {
            let text = format!(
                "automatic acknowledgement not supported by stream {}",
                resource()
            );
            return Err(Failure::connection(ReplyCode::NotImplemented, text));
        }
        if channel.prefetch_channel != 0 {
            let text = format!("{} does not support global qos", resource());
            return Err(Failure::connection(ReplyCode::NotImplemented, text));
        }
        let next = stream.place(arguments.stream_offset.unwrap_or_default(), now);
        let filter = Filter::of(table);
        Ok(Some(Box::new(Reader { next, filter })))
    }

    /// Gives readers what they have not read, as far as they can take it.
    pub(super) fn pump_stream(&mut self, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        let mut line = std::mem::take(&mut queue.consumers.line);
        let mut work = WORK;
        let mut is_tired = false;
        for _ in 0..line.len() {
            let Some((priority, key)) = line.pop_front() else {
                break;
            };
            match self.serve_reader(id, key, &mut work, now) {
                Turn::AtEnd => line.push_back((priority, key)),
                Turn::Full => {
                    if let Some(consumer) = self.clients.consumers.get_mut(key) {
                        consumer.is_parked = true;
                    }
                }
                Turn::Gone => {}
                Turn::Tired => {
                    // Those behind it are the first of the next turn.
                    line.push_back((priority, key));
                    is_tired = true;
                    break;
                }
            }
        }
        if let Some(queue) = self.queues.get_mut(id) {
            queue.consumers.line = line;
        }
        if is_tired {
            self.schedule_queue(id, now + BREATH_MS);
        }
        self.watch_deliveries(id, now);
    }

    fn serve_reader(&mut self, id: QueueId, key: Key, work: &mut u32, now: u64) -> Turn {
        let Self {
            queues,
            clients,
            logs,
            ..
        } = self;
        let Some(queue) = queues.get_mut(id) else {
            return Turn::Gone;
        };
        loop {
            match clients.capacity(key) {
                Capacity::Free => {}
                Capacity::Full => return Turn::Full,
                Capacity::Gone => return Turn::Gone,
            }
            let consumer = clients.consumers.get_mut(key);
            let (Some(reader), Some(stream)) = (
                consumer.and_then(|consumer| consumer.reader.as_deref_mut()),
                queue.stream.as_deref(),
            ) else {
                return Turn::Gone;
            };
            let (offset, item) = match stream.seek(reader, work) {
                Found::Message(offset, item) => (offset, item),
                Found::Nothing => return Turn::AtEnd,
                Found::TooMuch => return Turn::Tired,
            };
            *work = work.saturating_sub(WORK_OF_DELIVERY);
            let entry = entry(offset, item);
            let Some(stored) = logs.read(&entry) else {
                // Lost on the disk, and counted: the next one may be well.
                continue;
            };
            let header = ContentHeader::new(stored.message.header);
            if let Some(filter) = &reader.filter
                && !filter.takes(header)
            {
                continue;
            }
            let header = rewrite::with_stream_offset(header, offset);
            let message = Message {
                header: &header,
                ..stored.message
            };
            clients.deliver(queue, id, key, false, Some(entry), message, now);
        }
    }

    /// A time has come that a stream waited for.
    pub(super) fn stream_due(&mut self, id: QueueId, now: u64) {
        self.cut_stream(id, now);
        self.pump_later(id);
    }

    /// A message joined a stream with limits.
    fn watch_limits(&mut self, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get(id) else {
            return;
        };
        let bytes = queue
            .stream
            .as_ref()
            .map_or(0, |stream| stream.index.bytes());
        match queue.settings.max_length_bytes {
            Some(max) if bytes > max => self.cut_stream(id, now),
            // Only the first message has to be watched for its age.
            _ if queue.timer_at == NEVER => self.schedule_age(id, now),
            _ => {}
        }
    }

    /// Takes off what is too old or too much, message by message from the oldest. The newest stays in any case: it is the one
    /// that a consumer who asks for the last message wants.
    pub(super) fn cut_stream(&mut self, id: QueueId, now: u64) {
        let Self {
            queues,
            logs,
            streams,
            ..
        } = self;
        let Some(queue) = queues.get_mut(id) else {
            return;
        };
        let Some(stream) = queue.stream.as_deref_mut() else {
            return;
        };
        let oldest = queue
            .settings
            .max_age_ms
            .map_or(0, |age| now.saturating_sub(age));
        let max = queue.settings.max_length_bytes.unwrap_or(u64::MAX);
        let mut count = 0;
        while stream.index.len() > 1
            && let Some((_, first)) = stream.index.first()
            && (first.time < oldest || stream.index.bytes() > max)
        {
            if count == CUT_MAX {
                self.schedule_queue(id, now + BREATH_MS);
                return;
            }
            count += 1;
            stream.index.pop_first();
            logs.durable.release(first.at, 1);
            if !stream.is_cut {
                stream.is_cut = true;
                streams.cut.push(id);
            }
        }
        self.schedule_age(id, now);
    }

    /// Plans the look at the oldest message when it is too old.
    fn schedule_age(&mut self, id: QueueId, now: u64) {
        if let Some(queue) = self.queues.get(id)
            && let Some(age) = queue.settings.max_age_ms
            && let Some(stream) = &queue.stream
            && stream.index.len() > 1
            && let Some((_, first)) = stream.index.first()
        {
            let end = first.time.saturating_add(age).saturating_add(1);
            self.schedule_queue(id, end.max(now + AGE_CHECK_MS));
        }
    }

    /// Tells the log what was cut off since the last time, one record a stream.
    pub(super) fn log_cuts(&mut self) {
        if self.catalog.is_closed {
            // Nothing comes after a stop in good order; whoever opens the log cuts again.
            return;
        }
        while let Some(id) = self.streams.cut.pop() {
            let Some(queue) = self.queues.get_mut(id) else {
                continue;
            };
            if let Some(stream) = queue.stream.as_deref_mut() {
                stream.is_cut = false;
                let record = cut(queue.uid, stream);
                self.logs.durable.append(kind::CUT, &[&record]);
            }
        }
    }

    /// A stream is deleted: what it had is needed no more.
    pub(super) fn drop_stream(&mut self, id: QueueId, mut stream: Stream) {
        self.streams.waiting.retain(|other| *other != id);
        self.streams.cut.retain(|other| *other != id);
        while let Some((_, item)) = stream.index.pop_first() {
            self.logs.durable.release(item.at, 1);
        }
    }

    /// Cleaning moves what is still in its stream.
    pub(super) fn move_streamed(&mut self, at: Position, record: &[u8]) {
        let Some(stored) = Stored::read(record) else {
            return;
        };
        let Some(uid) = stored.queues().next() else {
            return;
        };
        let stream = self
            .catalog
            .queues
            .get(&uid)
            .and_then(|id| self.queues.get_mut(*id))
            .and_then(|queue| queue.stream.as_deref_mut());
        let item = stream.and_then(|stream| stream.index.find_mut(stored.facts.sequence));
        let Some(item) = item.filter(|item| item.at == at) else {
            return;
        };
        let log = &mut self.logs.durable;
        let to = message::append(log, kind::STREAMED, stored.facts, &[uid], stored.message);
        log.retain(to, 1);
        log.release(at, 1);
        item.at = to;
    }
}

fn item(at: Position, facts: RecordFacts, message: Message<'_>) -> Item {
    let size = message.header.len() + message.body.len();
    Item {
        at,
        time: facts.expires_at,
        size: u32::try_from(size).unwrap_or(u32::MAX),
        fingerprint: fingerprint_of(ContentHeader::new(message.header)),
    }
}

/// What a delivery keeps of a message: nothing that refers to the log, for the stream does that.
fn entry(offset: u64, item: Item) -> Entry {
    Entry {
        at: item.at,
        sequence: offset,
        expires_at: NEVER,
        size: item.size,
        returns: 0,
        flags: 0,
        priority: 0,
    }
}

fn cut(uid: u64, stream: &Stream) -> [u8; CUT_BYTES] {
    let mut record = [0; CUT_BYTES];
    record[..8].copy_from_slice(&uid.to_le_bytes());
    record[8..16].copy_from_slice(&stream.first().to_le_bytes());
    record[16..].copy_from_slice(&stream.next.to_le_bytes());
    record
}
