//! A disk that fills up under the broker: publishers are told and wait, consumers go on, nothing that was confirmed is lost,
//! and publishing goes on by itself when there is space again. Needs root for a small file system of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/amqp.rs"]
#[expect(dead_code, reason = "this program needs only a part of it")]
mod amqp;
#[path = "support/broker.rs"]
#[expect(dead_code, reason = "this program needs only a part of it")]
mod broker;
#[path = "support/disk.rs"]
mod disk;

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use amqp::{Amqp, PATIENCE};
use broker::Broker;
use disk::SmallDisk;
use trefoil_amqp::{Method, Properties, Table, testing::Received};

/// Bytes of a message.
const SIZE: usize = 100_000;
/// More than fits on any disk of these tests.
const MANY: u32 = 20_000;
/// Publishes that may wait for their confirms.
const WINDOW: usize = 10;

fn start(disk: &Path, free_min: &str) -> Broker {
    let log = disk.with_extension("stderr");
    Broker::start(
        &disk.join("data"),
        &log,
        &["--amqp-disk-free-min", free_min],
    )
}

fn body(number: u32) -> Vec<u8> {
    let mut body = number.to_le_bytes().repeat(SIZE / 4);
    body.truncate(SIZE);
    body
}

fn number(body: &[u8]) -> u32 {
    let number = u32::from_le_bytes(*body.first_chunk().unwrap());
    assert!(
        body == self::body(number),
        "the body of {number} is another"
    );
    number
}

/// A publisher with confirms.
struct Publisher {
    amqp: Amqp,
    delivery_mode: u8,
    next: u32,
    waiting: VecDeque<u32>,
    answered: u64,
    confirmed: BTreeSet<u32>,
    blocked: Option<String>,
}

impl Publisher {
    fn new(address: SocketAddr, delivery_mode: u8) -> Self {
        let mut amqp = Amqp::connect(address).unwrap();
        amqp.confirms().unwrap();
        Self {
            amqp,
            delivery_mode,
            next: 0,
            waiting: VecDeque::new(),
            answered: 0,
            confirmed: BTreeSet::new(),
            blocked: None,
        }
    }

    fn publish(&mut self) {
        let properties = Properties {
            delivery_mode: Some(self.delivery_mode),
            ..Properties::default()
        };
        let body = body(self.next);
        self.amqp.publish("", "q", &properties, &body);
        self.waiting.push_back(self.next);
        self.next += 1;
    }

    /// Hears what there is to hear; waits a moment if nothing more may be sent.
    fn listen(&mut self) {
        // Not to be waited for: a blocked publisher cannot send.
        self.amqp.try_flush().unwrap();
        let patience = if self.waiting.len() < WINDOW { 0 } else { 20 };
        let mut heard = self.amqp.poll(Duration::from_millis(patience)).unwrap();
        while let Some(one) = heard {
            self.hear(&one);
            heard = self.amqp.poll(Duration::ZERO).unwrap();
        }
    }

    fn hear(&mut self, heard: &Received) {
        match heard.method() {
            Method::BasicAck(ack) => {
                for _ in self.answered..ack.delivery_tag {
                    self.confirmed.insert(self.waiting.pop_front().unwrap());
                }
                self.answered = ack.delivery_tag;
            }
            Method::ConnectionBlocked(blocked) => self.blocked = Some(blocked.reason.to_owned()),
            Method::ConnectionUnblocked(_) => self.blocked = None,
            other => panic!("{other:?}"),
        }
    }

    /// Publishes until the broker says that the disk is full.
    fn fill(&mut self) {
        while self.next < MANY {
            if self.waiting.len() < WINDOW {
                self.publish();
            }
            self.listen();
            if let Some(reason) = &self.blocked {
                assert_eq!(reason, "low on disk");
                println!("blocked after {} confirms", self.confirmed.len());
                return;
            }
        }
        panic!(
            "{} messages were confirmed, and the disk is not full",
            self.confirmed.len()
        );
    }

    /// Waits until it may publish again, and does.
    fn goes_on(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let last = self.next;
        self.publish();
        while !self.confirmed.contains(&last) || self.blocked.is_some() {
            assert!(
                Instant::now() < deadline,
                "publishing does not go on; blocked: {:?}",
                self.blocked
            );
            self.listen();
        }
    }
}

/// Takes messages and acknowledges them, at least until all of `expected` have come.
fn drain(address: SocketAddr, expected: &BTreeSet<u32>) {
    let mut amqp = Amqp::connect(address).unwrap();
    amqp.consume("q", 50).unwrap();
    let mut missing = expected.clone();
    while !missing.is_empty() {
        let heard = amqp.next().unwrap();
        let Method::BasicDeliver(deliver) = heard.method() else {
            panic!("{:?}", heard.method());
        };
        missing.remove(&number(heard.body().unwrap()));
        amqp.ack(deliver.delivery_tag, false).unwrap();
    }
    amqp.close().unwrap();
}

fn declare(address: SocketAddr) {
    let mut amqp = Amqp::connect(address).unwrap();
    amqp.declare("q", true, &Table::new()).unwrap();
}

#[test]
fn at_the_reserve_publishers_wait_and_consumers_make_space() {
    let Some(disk) = SmallDisk::new("300m") else {
        return;
    };
    let broker = start(disk.path(), "40MiB");
    declare(broker.address);
    let mut publisher = Publisher::new(broker.address, 2);
    for _ in 0..2 {
        publisher.fill();
        drain(broker.address, &publisher.confirmed);
        publisher.confirmed.clear();
        // Nothing but the consumer made the space.
        publisher.goes_on();
    }
    broker.stop();
}

#[test]
fn a_disk_that_is_full_to_the_last_byte_loses_nothing() {
    let Some(disk) = SmallDisk::new("200m") else {
        return;
    };
    fs::write(disk.path().join("ballast"), vec![0; 80 << 20]).unwrap();
    let broker = start(disk.path(), "0");
    declare(broker.address);
    let mut publisher = Publisher::new(broker.address, 2);
    publisher.fill();
    let confirmed = std::mem::take(&mut publisher.confirmed);
    broker.kill();
    // It starts on a full disk, and consumers get everything.
    let broker = start(disk.path(), "0");
    drain(broker.address, &confirmed);
    fs::remove_file(disk.path().join("ballast")).unwrap();
    let mut publisher = Publisher::new(broker.address, 2);
    publisher.goes_on();
    broker.stop();
}

#[test]
fn space_on_a_full_disk_lets_publishers_go_on() {
    let Some(disk) = SmallDisk::new("200m") else {
        return;
    };
    fs::write(disk.path().join("ballast"), vec![0; 80 << 20]).unwrap();
    let broker = start(disk.path(), "0");
    declare(broker.address);
    let mut publisher = Publisher::new(broker.address, 2);
    publisher.fill();
    fs::remove_file(disk.path().join("ballast")).unwrap();
    publisher.goes_on();
    drain(broker.address, &publisher.confirmed);
    broker.stop();
}

#[test]
fn transient_messages_that_fill_the_disk_make_space_when_they_are_consumed() {
    let Some(disk) = SmallDisk::new("200m") else {
        return;
    };
    let broker = start(disk.path(), "30MiB");
    declare(broker.address);
    let mut publisher = Publisher::new(broker.address, 1);
    publisher.fill();
    drain(broker.address, &publisher.confirmed);
    publisher.confirmed.clear();
    publisher.goes_on();
    broker.stop();
}

#[test]
fn transient_messages_on_a_disk_that_is_full_to_the_last_byte() {
    let Some(disk) = SmallDisk::new("200m") else {
        return;
    };
    let broker = start(disk.path(), "0");
    declare(broker.address);
    let mut publisher = Publisher::new(broker.address, 1);
    publisher.fill();
    drain(broker.address, &publisher.confirmed);
    publisher.confirmed.clear();
    publisher.goes_on();
    broker.stop();
}
