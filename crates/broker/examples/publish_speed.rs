//! What the broker itself costs for a message, without sockets: `cargo run --release -p trefoil-broker --example publish_speed`.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use trefoil_amqp::{
    Method, Properties, TableRef,
    method::{basic, confirm, queue},
    testing::{Client, Handshake},
};
use trefoil_broker::{Broker, ConnectionId, Peer, Settings};
use trefoil_store::testing::MemoryStorage;

const BODY: usize = 100;
const BLOCK: usize = 1_500;
const ROUNDS: usize = 2_000;

fn main() {
    for (name, persistent, confirms, acks) in [
        ("transient, no acks", false, false, false),
        ("transient, acks", false, false, true),
        ("persistent, confirms, no acks", true, true, false),
        ("persistent, confirms, acks", true, true, true),
    ] {
        measure(name, persistent, confirms, acks);
    }
}

fn connect(broker: &mut Broker, setup: impl FnOnce(&mut Client)) -> ConnectionId {
    let peer = Peer {
        address: SocketAddr::from(([127, 0, 0, 1], 50_000)),
        local: SocketAddr::from(([127, 0, 0, 1], 5672)),
        tls: None,
    };
    let id = broker.connect(peer, 0);
    let mut client = Client::new();
    client.handshake_with(&Handshake::plain("/", "guest", "guest"));
    client.open_channel(1);
    setup(&mut client);
    let mut input = client.take_output();
    let mut writers = 0;
    while !input.is_empty() {
        let used = broker.handle_input(id, &input, 0);
        input.drain(..used);
        writers += 1;
        assert!(writers < 100, "the handshake ends");
    }
    id
}

fn measure(name: &str, persistent: bool, confirms: bool, acks: bool) {
    let settings = Settings {
        connection: trefoil_amqp::Settings::default(),
        access: Default::default(),
        node: "trefoil@bench".to_owned(),
        cluster: "bench".to_owned(),
        log: trefoil_store::Options::durable(),
        transient: trefoil_store::Options::spill(8 << 20),
        seed: [1, 2],
        connections_max: 0,
        consumers_max: 0,
    };
    let storage = Arc::new(MemoryStorage::new());
    let (mut broker, mut writers, _) =
        Broker::open(settings, storage, Arc::new(MemoryStorage::new()), 0).expect("it opens");
    let publisher = connect(&mut broker, |client| {
        client.send(
            1,
            &Method::QueueDeclare(queue::Declare {
                ticket: 0,
                queue: "q",
                passive: false,
                durable: true,
                exclusive: false,
                auto_delete: false,
                no_wait: true,
                arguments: TableRef::default(),
            }),
        );
        if confirms {
            client.send(1, &Method::ConfirmSelect(confirm::Select { no_wait: true }));
        }
    });
    let consumer = connect(&mut broker, |client| {
        client.send(
            1,
            &Method::BasicConsume(basic::Consume {
                ticket: 0,
                queue: "q",
                consumer_tag: "c",
                no_local: false,
                no_ack: !acks,
                exclusive: false,
                no_wait: true,
                arguments: TableRef::default(),
            }),
        );
    });
    let mut client = Client::new();
    let properties = Properties {
        delivery_mode: Some(if persistent { 2 } else { 1 }),
        ..Properties::default()
    };
    for _ in 0..BLOCK {
        client.publish(1, "", "q", &properties, &[b'x'; BODY]);
    }
    let input = client.take_output();
    let mut output = Vec::new();
    let mut delivered = 0;
    let mut bytes = 0;
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        let used = broker.handle_input(publisher, &input, 1);
        assert_eq!(used, input.len());
        if let Some((batch, sync)) = broker.take_batch() {
            let done = writers
                .durable
                .commit(&batch, sync)
                .expect("memory takes it");
            broker.handle_committed(done, 1);
        }
        while let Some(id) = broker.poll_output() {
            output.clear();
            let status = broker.take_output(id, &mut output, 0);
            bytes += output.len();
            if status.notify_when_drained {
                broker.handle_drained(id, 1);
            }
        }
        delivered += BLOCK as u64;
        if acks {
            client.send(
                1,
                &Method::BasicAck(basic::Ack {
                    delivery_tag: delivered,
                    multiple: true,
                }),
            );
            let acks = client.take_output();
            broker.handle_input(consumer, &acks, 1);
        }
    }
    let count = (ROUNDS * BLOCK) as f64;
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{name}: {:.0} ns a message, {:.2} million/s, {:.0} bytes out a message",
        seconds * 1e9 / count,
        count / seconds / 1e6,
        bytes as f64 / count
    );
}
