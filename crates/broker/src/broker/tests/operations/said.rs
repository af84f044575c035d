//! Methods from octets.

use trefoil_amqp::{
    Method, Properties, Table, TableRef, Value,
    method::{basic, confirm, exchange, queue, tx},
    testing::Client,
};

use super::STEP;
use crate::broker::tests::rig::octets;

const QUEUES: [&str; 8] = [
    "q1",
    "q2",
    "q3",
    "q4",
    "q1",
    "q2",
    "",
    "amq.rabbitmq.reply-to",
];
const EXCHANGES: [&str; 8] = [
    "x1",
    "x2",
    "x3",
    "",
    "",
    "amq.topic",
    "amq.fanout",
    "amq.match",
];
const KEYS: [&str; 8] = ["q1", "q2", "q3", "q4", "a.b", "#", "*.b", "1"];
const KINDS: [&str; 10] = [
    "direct",
    "fanout",
    "topic",
    "headers",
    "x-consistent-hash",
    "x-modulus-hash",
    "x-random",
    "x-recent-history",
    "x-delayed-message",
    "x-unheard-of",
];
const TAGS: [&str; 4] = ["", "a", "b", "c"];

fn pick<'a>(from: &[&'a str], octet: u8) -> &'a str {
    from[usize::from(octet) % from.len()]
}

fn bit(octet: u8, place: u8) -> bool {
    octet >> place & 1 == 1
}

fn of_queue(octet: u8) -> Table {
    let small = i64::from(octet / 32);
    match octet % 32 {
        0 => Table::new().with("x-message-ttl", small * 5),
        1 => Table::new().with("x-max-length", small),
        2 => Table::new()
            .with("x-max-length", small)
            .with("x-overflow", "reject-publish"),
        3 => Table::new()
            .with("x-max-length", small)
            .with("x-overflow", "reject-publish-dlx")
            .with("x-dead-letter-exchange", "")
            .with("x-dead-letter-routing-key", "q2"),
        4 => Table::new().with("x-dead-letter-exchange", "x1"),
        5 => Table::new()
            .with("x-dead-letter-exchange", "")
            .with("x-message-ttl", small),
        6 => Table::new().with("x-max-priority", small),
        7 => Table::new().with("x-single-active-consumer", true),
        8 => Table::new().with("x-expires", small * 10),
        9 => Table::new().with("x-queue-type", "quorum"),
        10 => Table::new()
            .with("x-queue-type", "quorum")
            .with("x-delivery-limit", small)
            .with("x-dead-letter-exchange", "")
            .with("x-dead-letter-routing-key", "q3"),
        11 => Table::new().with("x-queue-type", "stream"),
        15 => Table::new()
            .with("x-queue-type", "stream")
            .with("x-max-length-bytes", small * 20)
            .with("x-max-age", "1s"),
        12 => Table::new().with("x-message-ttl", "a text"),
        13 => Table::new().with("x-max-length-bytes", small * 20),
        14 => Table::new().with("x-consumer-timeout", small * 20),
        16 => careful()
            .with("x-dead-letter-exchange", "")
            .with("x-dead-letter-routing-key", "q3"),
        17 => careful()
            .with("x-dead-letter-exchange", "x1")
            .with("x-message-ttl", small * 5),
        18 => careful()
            .with("x-dead-letter-exchange", "x2")
            .with("x-max-length", small),
        _ => Table::new(),
    }
}

/// Of a queue that loses no dead letters.
fn careful() -> Table {
    Table::new()
        .with("x-queue-type", "quorum")
        .with("x-overflow", "reject-publish")
        .with("x-dead-letter-strategy", "at-least-once")
}

fn of_exchange(octet: u8) -> Table {
    match octet % 16 {
        0 => Table::new().with("alternate-exchange", "x2"),
        1 => Table::new().with("alternate-exchange", 7),
        2 => Table::new().with("hash-header", "h"),
        3..6 => Table::new().with("x-delayed-type", "direct"),
        6 => Table::new().with("x-delayed-type", "fanout"),
        7 => Table::new().with("x-recent-history-length", i64::from(octet / 16)),
        8 => Table::new().with("x-delayed-type", "x-recent-history"),
        _ => Table::new(),
    }
}

fn of_consumer(octet: u8) -> Table {
    match octet % 8 {
        0 => Table::new().with("x-priority", i64::from(octet / 8) - 10),
        1 => Table::new().with("x-priority", "high"),
        2 => Table::new().with("x-stream-offset", i64::from(octet / 8)),
        3 => Table::new()
            .with("x-stream-offset", "first")
            .with("x-stream-filter", "red"),
        _ => Table::new(),
    }
}

fn headers(octet: u8) -> Option<Table> {
    let list = |key: &str| Value::Array(vec![Value::LongString(key.as_bytes().to_vec())]);
    match octet % 16 {
        0 => Some(Table::new().with("CC", list("q2"))),
        1 => Some(Table::new().with("BCC", list("q3"))),
        2 => Some(Table::new().with("CC", "q2")),
        3..6 => Some(Table::new().with("x-delay", i64::from(octet / 16) * 3)),
        6 => Some(Table::new().with("x-death", Value::Array(vec![]))),
        7 => Some(Table::new().with("h", 1)),
        8 => Some(Table::new().with("x-stream-filter-value", "red")),
        _ => None,
    }
}

fn publish(client: &mut Client, number: u16, step: &[u8; STEP]) {
    let table = headers(step[5]);
    let octets = table.as_ref().map(octets);
    let expiration = (step[4] / 32).to_string();
    let properties = Properties {
        headers: octets.as_deref().map(TableRef::from_bytes),
        delivery_mode: bit(step[4], 0).then_some(2),
        priority: bit(step[4], 1).then_some(step[6]),
        expiration: bit(step[4], 2).then_some(expiration.as_bytes()),
        reply_to: (step[6].is_multiple_of(32)).then_some(b"amq.rabbitmq.reply-to"),
        user_id: (step[6] % 32 == 1).then_some(b"guest"),
        ..Properties::default()
    };
    let publish = basic::Publish {
        ticket: 0,
        exchange: pick(&EXCHANGES, step[2]),
        routing_key: pick(&KEYS, step[3]),
        mandatory: bit(step[4], 3),
        immediate: step[6] == 77,
    };
    let body = vec![b'.'; usize::from(step[7]).pow(2) / 4];
    client.send_with_content(number, &Method::BasicPublish(publish), &properties, &body);
}

/// Says something on a channel, on which these deliveries wait.
pub(super) fn say(client: &mut Client, number: u16, step: &[u8; STEP], tags: &[u64]) {
    let no_wait = step[7].is_multiple_of(16);
    let queue = pick(&QUEUES, step[2]);
    let exchange = pick(&EXCHANGES, step[3]);
    let key = pick(&KEYS, step[4]);
    let empty = TableRef::default();
    let delivery_tag = match tags.get(usize::from(step[2]) % tags.len().max(1)) {
        Some(tag) if step[5] > 3 => *tag,
        // Settling nothing is no more than a mistake: seldom.
        None if step[5] > 3 && (21..25).contains(&(step[1] % 32)) => return,
        _ => u64::from(step[2] % 8),
    };
    let multiple = bit(step[3], 0);
    match step[1] % 32 {
        0..9 => publish(client, number, step),
        9..12 => {
            let octets = octets(&of_queue(step[5]));
            let declare = queue::Declare {
                ticket: 0,
                queue,
                passive: step[6].is_multiple_of(16),
                durable: bit(step[4], 0),
                exclusive: step[4] % 16 == 2,
                auto_delete: step[4] % 16 == 4,
                no_wait,
                arguments: TableRef::from_bytes(&octets),
            };
            client.send(number, &Method::QueueDeclare(declare));
        }
        12 => {
            let octets = octets(&of_exchange(step[5]));
            let declare = exchange::Declare {
                ticket: 0,
                exchange,
                kind: pick(&KINDS, step[4]),
                passive: step[6].is_multiple_of(16),
                durable: bit(step[6], 0),
                auto_delete: step[6] % 16 == 3,
                internal: step[6] % 16 == 5,
                no_wait,
                arguments: TableRef::from_bytes(&octets),
            };
            client.send(number, &Method::ExchangeDeclare(declare));
        }
        13 | 14 => {
            let bind = queue::Bind {
                ticket: 0,
                queue,
                exchange,
                routing_key: key,
                no_wait,
                arguments: empty,
            };
            client.send(number, &Method::QueueBind(bind));
        }
        15 => {
            let unbind = queue::Unbind {
                ticket: 0,
                queue,
                exchange,
                routing_key: key,
                arguments: empty,
            };
            client.send(number, &Method::QueueUnbind(unbind));
        }
        16 => {
            let (destination, source) = (pick(&EXCHANGES, step[2]), exchange);
            if bit(step[5], 0) {
                let bind = exchange::Bind {
                    ticket: 0,
                    destination,
                    source,
                    routing_key: key,
                    no_wait,
                    arguments: empty,
                };
                client.send(number, &Method::ExchangeBind(bind));
            } else {
                let unbind = exchange::Unbind {
                    ticket: 0,
                    destination,
                    source,
                    routing_key: key,
                    no_wait,
                    arguments: empty,
                };
                client.send(number, &Method::ExchangeUnbind(unbind));
            }
        }
        17 | 18 => {
            let octets = octets(&of_consumer(step[5]));
            let consume = basic::Consume {
                ticket: 0,
                queue,
                consumer_tag: pick(&TAGS, step[4]),
                no_local: false,
                no_ack: bit(step[6], 0) || queue.starts_with("amq."),
                exclusive: step[6] % 16 == 2,
                no_wait,
                arguments: TableRef::from_bytes(&octets),
            };
            client.send(number, &Method::BasicConsume(consume));
        }
        19 => {
            let cancel = basic::Cancel {
                consumer_tag: pick(&TAGS, step[4]),
                no_wait,
            };
            client.send(number, &Method::BasicCancel(cancel));
        }
        20 => {
            let get = basic::Get {
                ticket: 0,
                queue,
                no_ack: bit(step[3], 0),
            };
            client.send(number, &Method::BasicGet(get));
        }
        21 | 22 => {
            let ack = basic::Ack {
                delivery_tag,
                multiple,
            };
            client.send(number, &Method::BasicAck(ack));
        }
        23 | 24 => {
            let nack = basic::Nack {
                delivery_tag,
                multiple,
                requeue: bit(step[3], 1),
            };
            client.send(number, &Method::BasicNack(nack));
        }
        25 => {
            let qos = basic::Qos {
                prefetch_size: u32::from(step[5] == 9),
                prefetch_count: u16::from(step[2] % 4),
                global: bit(step[3], 0),
            };
            client.send(number, &Method::BasicQos(qos));
        }
        26 => client.send(
            number,
            &Method::BasicRecover(basic::Recover {
                requeue: step[2] != 0,
            }),
        ),
        27 => client.send(number, &Method::TxSelect(tx::Select {})),
        28 | 29 => {
            if step[2] > 9 {
                client.send(number, &Method::TxSelect(tx::Select {}));
            }
            if step[1] % 32 == 28 {
                client.send(number, &Method::TxCommit(tx::Commit {}));
            } else {
                client.send(number, &Method::TxRollback(tx::Rollback {}));
            }
        }
        30 => client.send(number, &Method::ConfirmSelect(confirm::Select { no_wait })),
        _ if bit(step[4], 0) => {
            let delete = queue::Delete {
                ticket: 0,
                queue,
                if_unused: step[3].is_multiple_of(4),
                if_empty: step[3] % 8 == 1,
                no_wait,
            };
            client.send(number, &Method::QueueDelete(delete));
        }
        _ if bit(step[4], 1) => {
            let delete = exchange::Delete {
                ticket: 0,
                exchange,
                if_unused: step[2].is_multiple_of(4),
                no_wait,
            };
            client.send(number, &Method::ExchangeDelete(delete));
        }
        _ => {
            let purge = queue::Purge {
                ticket: 0,
                queue,
                no_wait,
            };
            client.send(number, &Method::QueuePurge(purge));
        }
    }
}
