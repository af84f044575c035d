//! The firehose: what is published in a traced virtual host, and what is delivered, is also published to one exchange.
//!
//! As in RabbitMQ: with the key `publish.` and the exchange, or `deliver.` and the queue; the body as it is; and everything
//! else as headers. Where nothing is traced, it costs looking at an empty list.

use std::{borrow::Cow, sync::Arc};

use trefoil_amqp::{ChannelNumber, ContentHeader, Properties, Table, Value};

use super::Broker;
use crate::{
    clients::Clients,
    content::{Facts, rewrite},
    message::Message,
    queue::{KEYS_REPLACED, Queue},
    routing::ExchangeId,
    slab::Key,
    vhost::VhostId,
};

/// Where it all goes. What is published there is not traced itself.
const EXCHANGE: &str = "amq.rabbitmq.trace";

/// Which virtual hosts are traced, and the deliveries to be told of.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    vhosts: Vec<VhostId>,
    delivered: Vec<Delivered>,
}

/// A message that was delivered.
#[derive(Debug)]
struct Delivered {
    vhost: VhostId,
    queue: Arc<str>,
    header: Vec<u8>,
    body: Vec<u8>,
}

impl Trace {
    #[inline]
    fn is_on(&self, vhost: VhostId) -> bool {
        !self.vhosts.is_empty() && self.vhosts.contains(&vhost)
    }

    /// Whether there is something to be told.
    pub(super) fn is_waiting(&self) -> bool {
        !self.delivered.is_empty()
    }
}

impl Clients {
    /// A message of a queue goes to a client.
    #[inline]
    pub(crate) fn trace_delivery(
        &mut self,
        queue: &Queue,
        session: Key,
        number: ChannelNumber,
        is_redelivered: bool,
        message: Message<'_>,
    ) {
        if self.trace.is_on(queue.vhost) && message.exchange != EXCHANGE {
            self.note_delivery(queue, session, number, is_redelivered, message);
        }
    }

    #[cold]
    fn note_delivery(
        &mut self,
        queue: &Queue,
        session: Key,
        number: ChannelNumber,
        is_redelivered: bool,
        message: Message<'_>,
    ) {
        let mut fields = described(message);
        fields.insert("redelivered", i32::from(is_redelivered));
        self.describe_client(&mut fields, session, number);
        self.trace.delivered.push(Delivered {
            vhost: queue.vhost,
            queue: Arc::clone(&queue.name),
            header: content_header(fields, message.body.len()),
            body: message.body.to_vec(),
        });
    }

    fn describe_client(&self, fields: &mut Table, session: Key, number: ChannelNumber) {
        let Some(state) = self.sessions.get(session) else {
            return;
        };
        fields
            .insert("connection", &*state.peer.name())
            .insert("channel", i32::from(number.0))
            .insert("user", state.user.as_deref().unwrap_or_default());
    }
}

impl Broker {
    /// Tracing was switched on or off somewhere.
    pub(super) fn note_traced(&mut self) {
        let traced = self.vhosts.iter().filter(|(_, vhost)| vhost.is_traced);
        self.clients.trace.vhosts = traced.map(|(key, _)| VhostId(key)).collect();
    }

    /// A client publishes.
    #[inline]
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one publish, borrowed from a read buffer"
    )]
    pub(super) fn trace_publish(
        &mut self,
        session: Key,
        number: ChannelNumber,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        facts: &Facts<'_>,
        now: u64,
    ) {
        if self.clients.trace.is_on(vhost) && message.exchange != EXCHANGE {
            self.tell_publish(session, number, vhost, exchange, message, facts, now);
        }
    }

    #[cold]
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one publish, borrowed from a read buffer"
    )]
    fn tell_publish(
        &mut self,
        session: Key,
        number: ChannelNumber,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        facts: &Facts<'_>,
        now: u64,
    ) {
        let mut keys: Vec<&[u8]> = vec![message.routing_key.as_bytes()];
        keys.extend(facts.copies());
        let routed = self.find_queues(vhost, exchange, &keys, ContentHeader::new(message.header));
        let routed = routed.iter().filter_map(|id| self.queues.get(*id));
        let routed: Vec<Value> = routed.map(|queue| (&*queue.name).into()).collect();
        let mut fields = described(message);
        fields.insert("routed_queues", routed);
        self.clients.describe_client(&mut fields, session, number);
        let header = content_header(fields, message.body.len());
        let key = format!("publish.{}", message.exchange);
        self.tell(vhost, &key, header, message.body, now);
    }

    /// Tells of the deliveries since the last time.
    pub(super) fn trace_deliveries(&mut self, now: u64) {
        for delivered in std::mem::take(&mut self.clients.trace.delivered) {
            let Delivered {
                vhost,
                queue,
                header,
                body,
            } = delivered;
            self.tell(vhost, &format!("deliver.{queue}"), header, &body, now);
        }
    }

    fn tell(&mut self, vhost: VhostId, key: &str, header: Vec<u8>, body: &[u8], now: u64) {
        let Some(host) = self.vhosts.get(vhost.0) else {
            return;
        };
        let Some(exchange) = host.topology.exchange_id(EXCHANGE) else {
            return;
        };
        let place = Table::new()
            .with("node", &*self.settings.node)
            .with("vhost", &*host.name);
        let header = rewrite::with_headers(ContentHeader::new(&header), &place);
        // A queue's name and the word before it can be longer than a routing key: RabbitMQ's cannot be sent then.
        let end = (0..=key.len().min(255))
            .rev()
            .find(|end| key.is_char_boundary(*end));
        let message = Message {
            exchange: EXCHANGE,
            routing_key: &key[..end.unwrap_or(0)],
            header: &header,
            body,
            history: 0,
        };
        self.publish_internally(vhost, exchange, message, now);
    }
}

/// What is said of every message.
fn described(message: Message<'_>) -> Table {
    let facts = Facts::of(ContentHeader::new(message.header)).unwrap_or_default();
    let mut keys: Vec<Value> = vec![message.routing_key.into()];
    if message.history & KEYS_REPLACED == 0 {
        keys.extend(facts.copies().map(|key| Value::LongString(key.to_vec())));
    }
    let header = match facts.bcc {
        Some(_) => rewrite::without_bcc(ContentHeader::new(message.header)).into(),
        None => Cow::Borrowed(message.header),
    };
    Table::new()
        .with("exchange_name", message.exchange)
        .with("routing_keys", keys)
        .with("properties", properties(&header))
}

fn properties(header: &[u8]) -> Table {
    let mut table = Table::new();
    let Ok(all) = Properties::parse(header) else {
        return table;
    };
    if let Some(headers) = all.headers.and_then(|headers| headers.to_table().ok()) {
        table.insert("headers", headers);
    }
    let numbers = [
        ("delivery_mode", all.delivery_mode.map(i64::from)),
        ("priority", all.priority.map(i64::from)),
        (
            "timestamp",
            all.timestamp.and_then(|at| i64::try_from(at).ok()),
        ),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            // RabbitMQ says signedint, whatever it was; what is too long for it stays what it is.
            let value = i32::try_from(number).map_or(Value::I64(number), Value::I32);
            table.insert(name, value);
        }
    }
    let texts = [
        ("content_type", all.content_type),
        ("content_encoding", all.content_encoding),
        ("correlation_id", all.correlation_id),
        ("reply_to", all.reply_to),
        ("expiration", all.expiration),
        ("message_id", all.message_id),
        ("type", all.kind),
        ("user_id", all.user_id),
        ("app_id", all.app_id),
        ("cluster_id", all.cluster_id),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            table.insert(name, Value::LongString(text.to_vec()));
        }
    }
    table
}

fn content_header(fields: Table, body: usize) -> Vec<u8> {
    let mut headers = Vec::new();
    fields.encode(&mut headers);
    let properties = Properties {
        headers: Some(trefoil_amqp::TableRef::from_bytes(&headers)),
        ..Properties::default()
    };
    let mut header = Vec::new();
    properties.encode(body as u64, &mut header);
    header
}
