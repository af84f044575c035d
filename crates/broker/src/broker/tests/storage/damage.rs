//! Single accidents, one test each.

use trefoil_amqp::{Method, Table, method::queue};
use trefoil_store::testing::{MemoryStorage, Tear};

use super::super::rig::{Rig, SEGMENT, START, deliveries, persistent};
use super::model::Machine;

#[test]
fn a_machine_without_accidents_keeps_its_book() {
    let machine = Machine::new();
    machine.check_references();
    machine.run(&[]);
}

/// The number of a deleted queue must not be given to another while the log still has its messages.
#[test]
fn a_new_queue_does_not_inherit_the_messages_of_one_that_was_deleted() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "old", true, &Table::new());
    rig.publish(client, "", "old", &persistent(), "of the old queue");
    let delete = queue::Delete {
        ticket: 0,
        queue: "old",
        if_unused: false,
        if_empty: false,
        no_wait: false,
    };
    rig.ask(client, &Method::QueueDelete(delete));
    let mut rig = rig.restart();
    let client = rig.client();
    rig.declare(client, "new", true, &Table::new());
    let mut rig = rig.restart();
    let client = rig.client();
    assert!(rig.drain(client, "new").is_empty());
}

/// A message that the cleaning moved twice, while the queue was otherwise empty, must not come back twice.
#[test]
fn a_message_that_was_moved_twice_is_one_message() {
    let mut rig = Rig::with_segments(1 << 10);
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    rig.declare(client, "other", true, &Table::new());
    rig.publish(client, "", "q", &persistent(), "stays");
    let body = "x".repeat(300);
    for round in 0..60 {
        rig.publish(client, "", "q", &persistent(), &body);
        rig.publish(client, "", "other", &persistent(), &body);
        rig.drain(client, "other");
        // The one that stays is the first again and again; those behind it go.
        let mut taken = Vec::new();
        for _ in 0..2 {
            taken.extend(rig.get_unacknowledged(client, "q"));
        }
        for (tag, text) in taken {
            let stays = text == "stays";
            rig.settle(client, tag, !stays);
        }
        let mut copy = Rig::on(rig.storage.copy(), rig.now, 1 << 10);
        let reader = copy.client();
        assert_eq!(copy.drain(reader, "q"), ["stays"], "in round {round}");
    }
}

/// The power fails at any moment of the very first start.
#[test]
fn a_first_start_that_was_cut_off_is_done_again() {
    for seed in 0..300 {
        let storage = MemoryStorage::new();
        let rig = Rig::on(storage.clone(), START, SEGMENT);
        drop(rig);
        // As if nothing had been synced: a prefix of what was written.
        let whole = storage.contents();
        let cut = MemoryStorage::new();
        for (name, bytes) in &whole {
            let used = bytes
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| last + 1);
            let keep = 32.max(used * seed / 300);
            let mut bytes = bytes.clone();
            bytes[keep..].fill(0);
            cut.put(name, &bytes);
        }
        let mut rig = Rig::on(cut, START + 1_000, SEGMENT);
        let client = rig.client();
        rig.declare(client, "q", true, &Table::new());
    }
}

/// The log ends in the middle of what one deletion wrote: an exchange or a queue is gone, a binding of it is not yet.
#[test]
fn deletions_that_were_cut_off_do_not_keep_the_broker_from_starting() {
    for seed in 0..400 {
        let mut rig = Rig::with_segments(16 << 10);
        let client = rig.client();
        for name in ["q1", "q2"] {
            rig.declare(client, name, true, &Table::new());
        }
        for name in ["x1", "x2"] {
            rig.declare_exchange(client, name, "topic", &Table::new());
        }
        for (queue, exchange) in [("q1", "x1"), ("q1", "x2"), ("q2", "x1"), ("q2", "x2")] {
            for key in ["a.*", "b.#"] {
                rig.bind(client, queue, exchange, key);
            }
        }
        rig.commits = false;
        let delete = queue::Delete {
            ticket: 0,
            queue: "q1",
            if_unused: false,
            if_empty: false,
            no_wait: true,
        };
        rig.ask(client, &Method::QueueDelete(delete));
        let delete = trefoil_amqp::method::exchange::Delete {
            ticket: 0,
            exchange: "x2",
            if_unused: false,
            no_wait: true,
        };
        let other = rig.client();
        rig.ask(other, &Method::ExchangeDelete(delete));
        rig.write();
        let mut rig = rig.crash_torn(seed, Tear::Byte);
        let client = rig.client();
        rig.bind(client, "q2", "x1", "c");
    }
}

/// One flipped bit, anywhere: the broker starts, and of the messages at most one is missing.
#[test]
fn a_flipped_bit_costs_no_more_than_the_record_that_it_hits() {
    let mut rig = Rig::with_segments(4 << 10);
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    rig.declare_exchange(client, "x", "direct", &Table::new());
    rig.bind(client, "q", "x", "key");
    rig.confirms(client);
    let sent: Vec<String> = (0..12)
        .map(|n| format!("message {n} {}", "y".repeat(n * 40)))
        .collect();
    for body in &sent {
        rig.publish(client, "x", "key", &persistent(), body);
    }
    rig.maintain().expect("the storage works");
    let whole = rig.storage.contents();
    for (name, bytes) in &whole {
        let used = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        for at in 0..used {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let image = MemoryStorage::new();
            for (name, bytes) in &whole {
                image.put(name, bytes);
            }
            image.put(name, &bytes);
            // Not with a client: the user may be what was hit.
            let mut rig = Rig::on(image, rig.now, SEGMENT);
            let report = rig.report.to_string();
            let left = rig.waiting("q");
            let lost_queue = left.is_none();
            let left = left.unwrap_or_default();
            let mut rest = sent.iter();
            for body in &left {
                assert!(
                    rest.any(|sent| sent == body),
                    "{body:?} was never sent, or not then: {report}"
                );
            }
            let missing = sent.len() - left.len();
            assert!(
                missing <= 1 || lost_queue,
                "{name}, byte {at}: {missing} are missing: {report}"
            );
            if missing > 0 {
                assert!(!rig.report.log.is_intact(), "{name}, byte {at}: {report}");
            }
        }
    }
}

/// Stopped in good order, started, killed before anything was written: what was delivered in between counts as delivered.
#[test]
fn a_good_end_counts_for_one_start_only() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    rig.publish(client, "", "q", &persistent(), "once");
    let mut rig = rig.restart();
    let client = rig.client();
    let heard = rig.consume(client, "q", "c", false);
    assert_eq!(deliveries(&heard), [(1, false)]);
    let mut rig = rig.killed();
    let client = rig.client();
    let heard = rig.consume(client, "q", "c", false);
    assert_eq!(deliveries(&heard), [(1, true)]);
}
