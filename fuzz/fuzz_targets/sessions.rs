//! Two clients of a broker that do anything, in any order, with disconnects, timers, commits and restarts.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use trefoil_amqp::{
    Method, Properties, Table, TableRef, Value,
    method::{basic, confirm, exchange, queue, tx},
    testing::Client,
};
use trefoil_broker::{Broker, ConnectionId, Peer, Settings, Writers};
use trefoil_store::{Options, testing::MemoryStorage};

const NAMES: [&str; 4] = ["", "a", "b", "amq.direct"];
const KINDS: [&str; 5] = ["direct", "fanout", "topic", "headers", "x-delayed-message"];

struct Machine {
    broker: Broker,
    writers: Writers,
    storage: MemoryStorage,
    clients: [Option<(ConnectionId, Client, Vec<u8>)>; 2],
    now: u64,
}

impl Machine {
    fn open(storage: MemoryStorage, now: u64) -> Self {
        let small = |options: Options| Options {
            segment_size: 2 << 10,
            preallocate: false,
            ..options
        };
        let settings = Settings {
            connection: trefoil_amqp::Settings::default(),
            node: "n".to_owned(),
            cluster: "c".to_owned(),
            log: small(Options::durable()),
            transient: small(Options::spill(8 << 10)),
            access: Default::default(),
            seed: [1, 2],
            connections_max: 0,
            consumers_max: 0,
        };
        let transient = Arc::new(MemoryStorage::new());
        let (broker, writers, _) =
            Broker::open(settings, Arc::new(storage.clone()), transient, now)
                .expect("it opens what it wrote");
        Self {
            broker,
            writers,
            storage,
            clients: [None, None],
            now,
        }
    }

    fn connect(&mut self, who: usize) {
        let peer = Peer {
            address: ([127, 0, 0, 1], 5000).into(),
            local: ([127, 0, 0, 1], 5672).into(),
            tls: None,
        };
        let id = self.broker.connect(peer, self.now);
        let mut client = Client::new();
        client.handshake("/", "guest", "guest");
        client.open_channel(1);
        self.clients[who] = Some((id, client, Vec::new()));
    }

    fn run(&mut self) {
        for _ in 0..3 {
            for slot in &mut self.clients {
                if let Some((id, client, rest)) = slot {
                    rest.extend(client.take_output());
                    let used = self.broker.handle_input(*id, rest, self.now);
                    rest.drain(..used);
                }
            }
            while let Some(id) = self.broker.poll_output() {
                let mut output = Vec::new();
                let status = self.broker.take_output(id, &mut output, 0);
                for slot in &mut self.clients {
                    if let Some((at, client, _)) = slot
                        && *at == id
                    {
                        client.receive(&output);
                        client.drain();
                        if status.closed {
                            *slot = None;
                        }
                    }
                }
                if status.closed {
                    self.broker.handle_disconnect(id, self.now);
                } else if status.notify_when_drained {
                    self.broker.handle_drained(id, self.now);
                }
            }
        }
    }

    fn commit(&mut self) {
        while let Some((batch, sync)) = self.broker.take_batch() {
            let done = self.writers.durable.commit(&batch, sync).expect("it works");
            self.broker.handle_committed(done, self.now);
        }
        if let Some(batch) = self.broker.take_transient_batch() {
            let done = self
                .writers
                .transient
                .commit(&batch, false)
                .expect("it works");
            self.broker.handle_transient_written(done);
        }
    }
}

fn arguments(bits: u8) -> Vec<u8> {
    let mut table = Table::new();
    let all: [(&str, Value); 8] = [
        ("x-message-ttl", (i32::from(bits) * 3).into()),
        ("x-dead-letter-exchange", "".into()),
        ("x-dead-letter-routing-key", "a".into()),
        ("x-max-length", i32::from(bits % 4).into()),
        ("x-max-priority", 3.into()),
        ("x-expires", 500.into()),
        ("x-single-active-consumer", true.into()),
        ("x-delayed-type", "fanout".into()),
    ];
    for (place, (name, value)) in all.into_iter().enumerate() {
        if bits >> place & 1 == 1 {
            table = table.with(name, value);
        }
    }
    table.to_bytes()
}

fuzz_target!(|data: &[u8]| {
    let mut machine = Machine::open(MemoryStorage::new(), 1_000_000);
    machine.commit();
    for [what, x, y] in data.as_chunks::<3>().0.iter().take(300).copied() {
        let who = usize::from(what >> 7);
        if machine.clients[who].is_none() {
            machine.connect(who);
        }
        let name = NAMES[usize::from(x % 4)];
        let other = NAMES[usize::from(x / 4 % 4)];
        let bytes = arguments(y);
        let table = TableRef::from_bytes(&bytes);
        let flag = |bit: u8| x >> bit & 1 == 1;
        let tag = u64::from(y % 16);
        let send = |machine: &mut Machine, method: &Method<'_>| {
            if let Some((_, client, _)) = &mut machine.clients[who] {
                client.send(1, method);
            }
        };
        match what % 24 {
            0..3 => send(
                &mut machine,
                &Method::QueueDeclare(queue::Declare {
                    ticket: 0,
                    queue: name,
                    passive: false,
                    durable: flag(4),
                    exclusive: flag(5),
                    auto_delete: flag(6),
                    no_wait: flag(7),
                    arguments: table,
                }),
            ),
            3 => send(
                &mut machine,
                &Method::ExchangeDeclare(exchange::Declare {
                    ticket: 0,
                    exchange: name,
                    kind: KINDS[usize::from(x / 16 % 5)],
                    passive: false,
                    durable: flag(4),
                    auto_delete: flag(5),
                    internal: flag(6),
                    no_wait: flag(7),
                    arguments: table,
                }),
            ),
            4 => send(
                &mut machine,
                &Method::QueueBind(queue::Bind {
                    ticket: 0,
                    queue: name,
                    exchange: other,
                    routing_key: "a",
                    no_wait: flag(7),
                    arguments: TableRef::default(),
                }),
            ),
            5 => send(
                &mut machine,
                &Method::ExchangeBind(exchange::Bind {
                    ticket: 0,
                    destination: name,
                    source: other,
                    routing_key: "a",
                    no_wait: flag(7),
                    arguments: TableRef::default(),
                }),
            ),
            6 => send(
                &mut machine,
                &Method::QueueDelete(queue::Delete {
                    ticket: 0,
                    queue: name,
                    if_unused: flag(4),
                    if_empty: flag(5),
                    no_wait: flag(6),
                }),
            ),
            7 => send(
                &mut machine,
                &Method::ExchangeDelete(exchange::Delete {
                    ticket: 0,
                    exchange: name,
                    if_unused: flag(4),
                    no_wait: flag(6),
                }),
            ),
            8..12 => {
                let properties = Properties {
                    delivery_mode: Some(if flag(4) { 2 } else { 1 }),
                    priority: flag(5).then_some(y),
                    expiration: flag(6).then_some(b"100".as_slice()),
                    headers: flag(7).then_some(table),
                    ..Properties::default()
                };
                if let Some((_, client, _)) = &mut machine.clients[who] {
                    client.publish(1, other, name, &properties, &vec![x; usize::from(y) * 8]);
                }
            }
            12 | 13 => send(
                &mut machine,
                &Method::BasicConsume(basic::Consume {
                    ticket: 0,
                    queue: name,
                    consumer_tag: "",
                    no_local: false,
                    no_ack: flag(4),
                    exclusive: flag(5),
                    no_wait: flag(6),
                    arguments: TableRef::default(),
                }),
            ),
            14 | 15 => send(
                &mut machine,
                &Method::BasicAck(basic::Ack {
                    delivery_tag: tag,
                    multiple: flag(4),
                }),
            ),
            16 => send(
                &mut machine,
                &Method::BasicNack(basic::Nack {
                    delivery_tag: tag,
                    multiple: flag(4),
                    requeue: flag(5),
                }),
            ),
            17 => send(
                &mut machine,
                &Method::BasicGet(basic::Get {
                    ticket: 0,
                    queue: name,
                    no_ack: flag(4),
                }),
            ),
            18 => match y % 5 {
                0 => send(
                    &mut machine,
                    &Method::ConfirmSelect(confirm::Select { no_wait: flag(4) }),
                ),
                1 => send(&mut machine, &Method::TxSelect(tx::Select {})),
                2 => send(&mut machine, &Method::TxCommit(tx::Commit {})),
                3 => send(&mut machine, &Method::TxRollback(tx::Rollback {})),
                _ => send(
                    &mut machine,
                    &Method::BasicRecover(basic::Recover { requeue: flag(4) }),
                ),
            },
            19 => send(
                &mut machine,
                &Method::BasicQos(basic::Qos {
                    prefetch_size: 0,
                    prefetch_count: u16::from(y % 4),
                    global: flag(4),
                }),
            ),
            20 => {
                if let Some((_, client, _)) = &mut machine.clients[who] {
                    client.close_channel(1);
                    client.open_channel(1);
                }
            }
            21 => {
                if let Some((id, ..)) = machine.clients[who].take() {
                    machine.broker.handle_disconnect(id, machine.now);
                }
            }
            22 => {
                machine.now += u64::from(y) * 4;
                machine.broker.handle_timeout(machine.now);
            }
            _ if x < 32 => {
                let image = machine.storage.copy();
                machine = Machine::open(image, machine.now + 10);
            }
            _ => machine.commit(),
        }
        machine.run();
    }
});
