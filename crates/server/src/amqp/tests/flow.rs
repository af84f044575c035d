//! Messages in quantity: order, slow readers, confirms, alarms.

use std::{sync::Arc, thread};

use trefoil_amqp::MethodId;
use trefoil_broker::Broker;
use trefoil_store::testing::MemoryStorage;

use super::{
    super::{Amqp, Listeners, open},
    Server,
    client::until,
};
use crate::clock::Clock;

/// Publishes `count` messages whose bodies begin with their numbers.
fn publish_all(client: &mut super::Client, queue: &str, persistent: bool, count: u32, size: usize) {
    for number in 0..count {
        let mut body = number.to_be_bytes().to_vec();
        body.resize(size.max(4), 7);
        client.publish(queue, persistent, &body);
        if number % 500 == 499 {
            client.send();
        }
    }
    client.send();
}

fn expect_all(client: &mut super::Client, count: u32) {
    for number in 0..count {
        let body = client.delivered();
        assert_eq!(body[..4], number.to_be_bytes());
    }
}

#[test]
fn order_is_kept_from_a_hasty_publisher() {
    let server = Server::start();
    for persistent in [false, true] {
        let mut consumer = server.client();
        let name = format!("q-{persistent}");
        consumer.declare(&name, persistent);
        consumer.consume(&name);
        let mut publisher = server.client();
        let publishing = thread::spawn(move || {
            publish_all(&mut publisher, &name, persistent, 50_000, 100);
            publisher
        });
        expect_all(&mut consumer, 50_000);
        publishing.join().unwrap();
    }
}

#[test]
fn a_slow_reader_costs_others_nothing() {
    let server = Server::start();
    let mut slow = server.client();
    slow.declare("slow", false);
    slow.consume("slow");
    let mut publisher = server.client();
    // Far more than sockets and budgets take.
    publish_all(&mut publisher, "slow", false, 20_000, 1_000);
    let mut quick = server.client();
    quick.declare("quick", false);
    quick.consume("quick");
    publish_all(&mut publisher, "quick", false, 2_000, 1_000);
    expect_all(&mut quick, 2_000);
    // And it gets everything when it reads at last.
    expect_all(&mut slow, 20_000);
}

#[test]
fn a_message_of_many_frames_goes_through() {
    let server = Server::start();
    let mut client = server.client();
    client.declare("large", false);
    client.consume("large");
    let body: Vec<u8> = (0..5_000_000u32).map(|at| at as u8).collect();
    client.publish("large", false, &body);
    client.send();
    assert_eq!(client.delivered(), body);
}

#[test]
fn confirms_come_for_what_is_on_disk() {
    let server = Server::start();
    let mut client = server.client();
    client.declare("q", true);
    client.confirm();
    for number in 1..=50 {
        client.publish("q", true, b"one at a time");
        client.send();
        let ack = client.expect(MethodId::BASIC_ACK);
        match ack.method() {
            trefoil_amqp::Method::BasicAck(ack) => assert_eq!(ack.delivery_tag, number),
            method => panic!("{method:?}"),
        }
    }
    let server = server.restart();
    let mut client = server.client();
    client.consume("q");
    for _ in 0..50 {
        assert_eq!(client.delivered(), b"one at a time");
    }
}

#[test]
fn a_full_disk_stops_publishers_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let config = super::config(directory.path(), |_| ());
    let disk = MemoryStorage::new();
    let mut settings = open::settings(&config).unwrap();
    settings.log.segment_size = 64 << 10;
    let clock = Clock::start();
    let (broker, writers, _) = Broker::open(
        settings,
        Arc::new(disk.clone()),
        Arc::new(MemoryStorage::new()),
        clock.steady_ms(),
    )
    .unwrap();
    let listeners = Listeners::bind(&config).unwrap();
    let amqp = Amqp::start(config, listeners, broker, writers, clock).unwrap();
    let server = Server { amqp, directory };

    let mut publisher = server.client();
    publisher.declare("q", true);
    publisher.confirm();
    disk.set_capacity(Some(disk.used()));
    // One that shows who publishes, and more than what is prepared has room for.
    publish_all(&mut publisher, "q", true, 1_000, 1_000);
    publisher.until(MethodId::CONNECTION_BLOCKED);
    // Consumers are served, with what is not on disk too.
    let mut consumer = server.client();
    consumer.consume("q");
    let body = consumer.delivered();
    assert_eq!(body[..4], 0u32.to_be_bytes());
    disk.set_capacity(None);
    publisher.until(MethodId::CONNECTION_UNBLOCKED);
    // The first were confirmed before, all the others are now.
    publisher.until_confirmed(1_000);
    for number in 1..1_000u32 {
        assert_eq!(consumer.delivered()[..4], number.to_be_bytes());
    }
}

#[test]
fn publishers_wait_while_memory_is_short() {
    let server = Server::start();
    let mut publisher = server.client();
    let mut consumer = server.client();
    consumer.declare("q", false);
    consumer.consume("q");
    server.amqp.set_memory_high(1);
    // The publish that shows it to be a publisher still counts.
    publisher.publish("q", false, b"first");
    publisher.send();
    publisher.expect(MethodId::CONNECTION_BLOCKED);
    assert_eq!(consumer.delivered(), b"first");
    publisher.publish("q", false, b"second");
    publisher.send();
    // Others are served.
    consumer.declare("other", false);
    server.amqp.set_memory_high(u64::MAX);
    publisher.expect(MethodId::CONNECTION_UNBLOCKED);
    assert_eq!(consumer.delivered(), b"second");
}

#[test]
fn silent_clients_are_dropped_when_they_promised_to_speak() {
    let server = Server::start();
    let mut client = super::Client::connect(&server.amqp);
    let mut handshake = trefoil_amqp::testing::Handshake::plain("/", "guest", "guest");
    handshake.tune.heartbeat_s = 1;
    client.script.handshake_with(&handshake);
    client.send();
    let began = std::time::Instant::now();
    while client.next().is_some() {}
    let silence = began.elapsed().as_millis();
    assert!((1_900..15_000).contains(&silence), "{silence} ms");
    assert!(client.script.heartbeats() >= 2);
    drop(client);
    until(|| server.amqp.connections() == 0);
}
