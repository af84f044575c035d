//! Publishers, consumers and declarers, until the broker dies.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use trefoil_amqp::{Method, Properties, Table, TableRef, method::basic};

use super::{
    amqp::Amqp,
    ledger::{Id, LEVELS, Ledger, MOVING, Passing, STILL},
};

/// Publishes that may wait for their confirms.
const WINDOW: usize = 64;
/// How many of the passing queues there are at a time.
const PASSING: u32 = 4;

/// What all the threads have.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) ledger: Mutex<Ledger>,
    /// The broker is being killed: from now on connections break.
    pub(crate) is_killed: AtomicBool,
}

/// What survives, and what does not.
pub(crate) fn declare(amqp: &mut Amqp) -> io::Result<()> {
    let none = Table::new();
    for queue in ["one", "two", "three", "late", "dead"] {
        amqp.declare(queue, true, &none)?;
    }
    let levels = Table::new().with("x-max-priority", i32::from(LEVELS));
    amqp.declare("levels", true, &levels)?;
    let short = Table::new()
        .with("x-message-ttl", 40)
        .with("x-dead-letter-exchange", "")
        .with("x-dead-letter-routing-key", "dead");
    amqp.declare("short", true, &short)?;
    amqp.exchange("fan", "fanout", true, &none)?;
    amqp.bind("two", "fan", "")?;
    amqp.bind("three", "fan", "")?;
    let delayed = Table::new().with("x-delayed-type", "direct");
    amqp.exchange("delayed", "x-delayed-message", true, &delayed)?;
    amqp.bind("late", "delayed", "late")?;
    Ok(())
}

/// What does not survive.
pub(crate) fn declare_transient(amqp: &mut Amqp) -> io::Result<()> {
    amqp.declare("gone", false, &Table::new())?;
    amqp.exchange("gone", "fanout", false, &Table::new())?;
    amqp.bind("gone", "gone", "")?;
    amqp.publish("gone", "", &Properties::default(), b"nobody will see this");
    amqp.flush()
}

impl Load {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads the broker until it is killed: `kill` is called when everybody is at work.
    pub(crate) fn run(&self, address: SocketAddr, kill: impl FnOnce()) {
        self.is_killed.store(false, Ordering::Release);
        thread::scope(|scope| {
            for publisher in 0..4 {
                scope.spawn(move || self.until_killed(|| self.publish(address, publisher)));
            }
            for queue in STILL.into_iter().chain(MOVING) {
                scope.spawn(move || self.until_killed(|| self.consume(address, queue)));
            }
            scope.spawn(|| self.until_killed(|| self.pass(address)));
            kill();
        });
    }

    fn until_killed(&self, work: impl FnOnce() -> io::Result<()>) {
        if let Err(error) = work() {
            assert!(
                self.is_killed.load(Ordering::Acquire),
                "the broker closed a connection without being killed: {error}"
            );
        }
    }

    fn publish(&self, address: SocketAddr, publisher: u8) -> io::Result<()> {
        let mut amqp = Amqp::connect(address)?;
        amqp.confirms()?;
        let mut waiting: VecDeque<Id> = VecDeque::new();
        let mut answered = 0;
        loop {
            while waiting.len() < WINDOW {
                let id = self.ledger().next(publisher);
                send(&mut amqp, id);
                waiting.push_back(id);
            }
            amqp.flush()?;
            let mut heard = amqp.poll(Duration::from_secs(30))?;
            assert!(heard.is_some(), "no confirm came for half a minute");
            while let Some(one) = heard {
                let Method::BasicAck(ack) = one.method() else {
                    panic!("a publisher hears {:?}", one.method());
                };
                assert!(
                    ack.multiple || ack.delivery_tag == answered + 1,
                    "confirms of one channel come in order"
                );
                let count = ack.delivery_tag - answered;
                answered = ack.delivery_tag;
                let mut ledger = self.ledger();
                for _ in 0..count {
                    let id = waiting.pop_front().expect("nothing else was published");
                    ledger.confirm(id);
                }
                drop(ledger);
                heard = amqp.poll(Duration::ZERO)?;
            }
        }
    }

    fn consume(&self, address: SocketAddr, queue: &'static str) -> io::Result<()> {
        let mut amqp = Amqp::connect(address)?;
        amqp.consume(queue, 100)?;
        let mut held: Vec<Id> = Vec::new();
        loop {
            let Some(heard) = amqp.poll(Duration::from_secs(1))? else {
                continue;
            };
            let Method::BasicDeliver(deliver) = heard.method() else {
                panic!("a consumer hears {:?}", heard.method());
            };
            let id = Id::of(&heard);
            let tag = deliver.delivery_tag;
            let mut ledger = self.ledger();
            ledger.deliver(queue, id, deliver.redelivered);
            match id.dice(u64::from(ledger.life)) % 16 {
                0 | 1 if !deliver.redelivered => {
                    drop(ledger);
                    amqp.send(&Method::BasicNack(basic::Nack {
                        delivery_tag: tag,
                        multiple: false,
                        requeue: true,
                    }))?;
                }
                2 => {
                    ledger.settle(queue, id);
                    drop(ledger);
                    amqp.send(&Method::BasicReject(basic::Reject {
                        delivery_tag: tag,
                        requeue: false,
                    }))?;
                }
                3..8 => {
                    held.push(id);
                    if held.len() >= 30 {
                        for id in held.drain(..) {
                            ledger.settle(queue, id);
                        }
                        drop(ledger);
                        amqp.ack(tag, true)?;
                    }
                }
                _ => {
                    ledger.settle(queue, id);
                    drop(ledger);
                    amqp.ack(tag, false)?;
                }
            }
        }
    }

    /// Declares and deletes.
    fn pass(&self, address: SocketAddr) -> io::Result<()> {
        let mut amqp = Amqp::connect(address)?;
        loop {
            let next = {
                let mut ledger = self.ledger();
                let next = ledger
                    .passing
                    .last_key_value()
                    .map_or(0, |(last, _)| last + 1);
                ledger.passing.insert(next, Passing::Doubtful);
                next
            };
            let name = passing_name(next);
            amqp.declare(&name, true, &Table::new())?;
            amqp.exchange(&name, "fanout", true, &Table::new())?;
            amqp.bind(&name, &name, "")?;
            let old = {
                let mut ledger = self.ledger();
                ledger.passing.insert(next, Passing::There);
                let old: Vec<u32> = ledger
                    .passing
                    .range(..next.saturating_sub(PASSING))
                    .filter(|(_, state)| **state == Passing::There)
                    .map(|(old, _)| *old)
                    .collect();
                for old in &old {
                    ledger.passing.insert(*old, Passing::Doubtful);
                }
                old
            };
            for old in old {
                amqp.delete_exchange(&passing_name(old))?;
                amqp.delete_queue(&passing_name(old))?;
                self.ledger().passing.insert(old, Passing::Gone);
            }
        }
    }
}

pub(crate) fn passing_name(number: u32) -> String {
    format!("passing-{number}")
}

/// Puts a message into the output.
pub(crate) fn send(amqp: &mut Amqp, id: Id) {
    let (exchange, key) = match id.roots() {
        ["two", ..] => ("fan", ""),
        ["late"] => ("delayed", "late"),
        [queue, ..] => ("", *queue),
        [] => panic!("every message is for some queue"),
    };
    let delay = i32::try_from(id.dice(3) % 150).expect("small");
    let headers = (exchange == "delayed").then(|| Table::new().with("x-delay", delay).to_bytes());
    let name = id.name();
    let properties = Properties {
        delivery_mode: Some(2),
        priority: Some(id.priority()),
        message_id: Some(name.as_bytes()),
        headers: headers.as_deref().map(TableRef::from_bytes),
        ..Properties::default()
    };
    amqp.publish(exchange, key, &properties, &id.body());
}
