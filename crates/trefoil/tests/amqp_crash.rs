//! The broker is killed with SIGKILL at random moments under load, again and again; in some rounds the files of its log are
//! damaged before it starts again. Afterwards every message that was confirmed and not settled is there, once a queue,
//! byte for byte, in order; nothing else is; and everything that was declared durable is there.
//!
//! `TREFOIL_AMQP_CRASH_ROUNDS` says how often it is killed (10; 100 under `CI=true`), `TREFOIL_CRASH_SEED` repeats a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/amqp.rs"]
#[expect(dead_code, reason = "this program needs only a part of it")]
mod amqp;
#[path = "support/broker.rs"]
#[expect(dead_code, reason = "this program needs only a part of it")]
mod broker;
#[path = "amqp_crash/check.rs"]
mod check;
#[path = "amqp_crash/damage.rs"]
mod damage;
#[path = "amqp_crash/ledger.rs"]
mod ledger;
#[path = "amqp_crash/load.rs"]
mod load;

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use amqp::Amqp;
use broker::Broker;
use check::{Found, check};
use damage::{Damage, damage, used};
use ledger::Ledger;
use load::{Load, declare, declare_transient};

/// xorshift64*: repeatable, and good enough to choose moments.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % limit
    }
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// What of a check is no sign of damage is a fault; what is must be no more than one record, and be told.
fn judge(round: u64, what: Damage, found: &Found, broker: &Broker) {
    let log = broker.log();
    assert!(!log.contains("panicked"), "round {round}: {log}");
    if what != Damage::Flip {
        assert!(
            found.lost.is_empty(),
            "round {round}, {what:?}: confirmed and lost: {:?}\n{log}",
            found.lost
        );
        assert_eq!(found.wrong, 0, "round {round}, {what:?}\n{log}");
        assert_eq!(
            found.risen, 0,
            "round {round}, {what:?}: settled messages are back\n{log}"
        );
        return;
    }
    assert!(
        found.lost.len() + found.wrong <= 1,
        "round {round}: one bit cost {:?} and {} declarations\n{log}",
        found.lost,
        found.wrong
    );
    assert!(
        log.to_lowercase().contains("damaged") || log.contains("unfinished"),
        "round {round}: the damage is not told\n{log}"
    );
    println!(
        "  cost: {} messages, {} declarations; {} came back",
        found.lost.len(),
        found.wrong,
        found.risen
    );
}

#[test]
fn killed_at_random_moments_it_keeps_every_promise() {
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let rounds = setting("TREFOIL_AMQP_CRASH_ROUNDS").unwrap_or(if ci { 100 } else { 10 });
    let seed =
        setting("TREFOIL_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 20 | 1);
    println!("{rounds} rounds, TREFOIL_CRASH_SEED={seed}");
    let mut random = Random(seed);
    let root = tempfile::tempdir().unwrap();
    let (data, stderr) = (root.path().join("data"), root.path().join("stderr"));
    let log = data.join("broker/log");
    let start = || Broker::start(&data, &stderr, &["--amqp-disk-free-min", "1MiB"]);

    let mut broker = start();
    let mut admin = Amqp::connect(broker.address).unwrap();
    declare(&mut admin).unwrap();
    drop(admin);
    let floor = used(&log) + 1_000;
    let load = Load {
        ledger: Mutex::new(Ledger::default()),
        is_killed: AtomicBool::new(false),
    };
    // Nobody ever sends: receiving with a time-out is a wait.
    let (_keep, moment) = mpsc::channel::<()>();
    let mut times = Vec::new();
    for round in 1..=rounds {
        let address = broker.address;
        declare_transient(&mut Amqp::connect(address).unwrap()).unwrap();
        load.run(address, || {
            // The one wait of this test that is not for an event: the moment of death is what is random.
            let _ = moment.recv_timeout(Duration::from_millis(20 + random.below(400)));
            load.is_killed.store(true, Ordering::Release);
            broker.kill();
        });
        let what = match round {
            1..3 => Damage::None,
            _ => match random.below(12) {
                0 => Damage::Garbage,
                1 => Damage::Cut,
                2 => Damage::Repeated,
                3 => Damage::Flip,
                _ => Damage::None,
            },
        };
        damage(&log, what, floor, &mut random);
        broker = start();
        let mut ledger = load.ledger();
        ledger.life += 1;
        let empties = random.below(3) == 0;
        let found = check(broker.address, &mut ledger, empties).unwrap();
        println!(
            "round {round}: up in {:?} with {} messages, {what:?}; {} confirmed, {} deliveries so far",
            broker.started_in, found.messages, ledger.confirmed, ledger.deliveries
        );
        judge(round, what, &found, &broker);
        times.push(broker.started_in);
    }
    broker.stop();
    times.sort();
    println!(
        "recovery: median {:?}, longest {:?}; {} bytes of log",
        times[times.len() / 2],
        times[times.len() - 1],
        used(&log)
    );
    let ledger = load.ledger();
    assert!(
        ledger.confirmed > rounds * 50,
        "there was no load to speak of: {}",
        ledger.confirmed
    );
    assert!(
        ledger.deliveries > rounds * 50,
        "nobody consumed: {}",
        ledger.deliveries
    );
}
