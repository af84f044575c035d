//! Lifetimes, lengths, priorities, leases: of messages and of queues.

use trefoil_amqp::{Method, Properties, Table, method::queue::Declare};

use super::{
    methods::{ack, cancel, declare, get, nack, plain},
    rig::{Rig, Who, bodies, persistent},
};

fn with_expiration(text: &str) -> Properties<'_> {
    Properties {
        expiration: Some(text.as_bytes()),
        ..plain()
    }
}

fn with_priority(priority: u8) -> Properties<'static> {
    Properties {
        priority: Some(priority),
        ..plain()
    }
}

/// How many messages are ready, and how many consumers there are.
fn count(rig: &mut Rig, who: Who, name: &str) -> (u32, u32) {
    let passive = Declare {
        passive: true,
        ..declare(name)
    };
    let heard = rig.ask(who, &Method::QueueDeclare(passive));
    match heard[0].method() {
        Method::QueueDeclareOk(ok) => (ok.message_count, ok.consumer_count),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_shorter_lifetime_counts_and_is_kept_to_the_millisecond() {
    for (of_queue, of_message, expected) in [
        (Some(100), None, 100),
        (None, Some("70"), 70),
        (Some(100), Some("70"), 70),
        (Some(100), Some("200"), 100),
    ] {
        let mut rig = Rig::new();
        let client = rig.client();
        let arguments = of_queue.map_or(Table::new(), |ttl: i32| {
            Table::new().with("x-message-ttl", ttl)
        });
        rig.declare(client, "q", false, &arguments);
        let properties = of_message.map_or(plain(), with_expiration);
        rig.publish(client, "", "q", &properties, "m");
        rig.advance(expected - 1);
        assert_eq!(count(&mut rig, client, "q").0, 1);
        rig.advance(1);
        assert_eq!(count(&mut rig, client, "q").0, 0);
    }
}

#[test]
fn a_message_expires_when_what_is_before_it_has_gone() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.publish(client, "", "q", &plain(), "stays");
    rig.publish(client, "", "q", &with_expiration("10"), "goes");
    rig.publish(client, "", "q", &plain(), "stays too");
    rig.advance(50);
    assert_eq!(count(&mut rig, client, "q").0, 3);
    let heard = rig.ask(client, &get("q"));
    assert!(
        matches!(heard[0].method(), Method::BasicGetOk(ok) if ok.message_count == 1),
        "what it hid is not counted any more: {heard:?}"
    );
    assert_eq!(rig.drain(client, "q"), ["stays too"]);
}

#[test]
fn a_lifetime_of_nothing_is_enough_for_who_waits_already() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new().with("x-message-ttl", 0));
    rig.publish(client, "", "q", &plain(), "too early");
    assert_eq!(count(&mut rig, client, "q").0, 0);
    rig.consume(client, "q", "c", false);
    rig.publish(client, "", "q", &plain(), "in time");
    assert_eq!(bodies(&rig.hear(client)), ["in time"]);
    // Back in the queue, it is old.
    rig.ask(client, &cancel("c"));
    rig.ask(client, &nack(1, false, true));
    assert_eq!(count(&mut rig, client, "q").0, 0);
}

#[test]
fn what_is_delivered_does_not_expire_and_what_comes_back_may() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new().with("x-message-ttl", 50));
    rig.publish(client, "", "q", &plain(), "m");
    rig.ask(client, &get("q"));
    rig.advance(100);
    assert_eq!(rig.held(client, 1), [1]);
    rig.ask(client, &nack(1, false, true));
    assert_eq!(rig.get(client, "q"), None);
}

#[test]
fn too_much_goes_from_the_head_or_is_refused() {
    let (max, bytes) = ("x-max-length", "x-max-length-bytes");
    let check = |arguments: Table, expected: &[&str]| {
        let mut rig = Rig::new();
        let client = rig.client();
        rig.declare(client, "q", false, &arguments);
        for body in ["aaaa", "bb", "cccccc", "d"] {
            rig.publish(client, "", "q", &plain(), body);
        }
        assert_eq!(rig.drain(client, "q"), expected, "{arguments:?}");
    };
    check(Table::new().with(max, 2), &["cccccc", "d"]);
    check(Table::new().with(max, 0), &[]);
    check(Table::new().with(bytes, 7), &["cccccc", "d"]);
    check(Table::new().with(bytes, 3), &["d"]);
    check(Table::new().with(max, 3).with(bytes, 7), &["cccccc", "d"]);
    let refusing = Table::new().with("x-overflow", "reject-publish");
    check(refusing.clone().with(max, 2), &["aaaa", "bb"]);
    check(refusing.with(bytes, 7), &["aaaa", "bb", "d"]);
}

#[test]
fn only_what_is_ready_counts_for_the_length() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new().with("x-max-length", 1));
    rig.consume(client, "q", "c", false);
    for body in ["1", "2", "3"] {
        rig.publish(client, "", "q", &plain(), body);
    }
    assert_eq!(bodies(&rig.hear(client)), ["1", "2", "3"]);
    rig.ask(client, &cancel("c"));
    // What comes back is too much, and goes from the head.
    rig.ask(client, &nack(0, true, true));
    assert_eq!(rig.drain(client, "q"), ["3"]);
}

#[test]
fn higher_priorities_go_first() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new().with("x-max-priority", 5));
    rig.publish(client, "", "q", &plain(), "none");
    for priority in [0, 3, 9, 5, 3] {
        rig.publish(
            client,
            "",
            "q",
            &with_priority(priority),
            &priority.to_string(),
        );
    }
    // What is more than the most is the most.
    assert_eq!(rig.drain(client, "q"), ["9", "5", "3", "3", "none", "0"]);
    for priority in [1, 4] {
        rig.publish(
            client,
            "",
            "q",
            &with_priority(priority),
            &priority.to_string(),
        );
    }
    rig.ask(client, &get("q"));
    rig.publish(client, "", "q", &with_priority(4), "4 later");
    let tag = rig.held(client, 1)[0];
    rig.ask(client, &nack(tag, false, true));
    assert_eq!(rig.drain(client, "q"), ["4", "4 later", "1"]);
}

#[test]
fn what_is_too_much_goes_from_the_head_whatever_its_priority() {
    let mut rig = Rig::new();
    let client = rig.client();
    let arguments = Table::new()
        .with("x-max-priority", 2)
        .with("x-max-length", 2);
    rig.declare(client, "q", false, &arguments);
    for (priority, body) in [(2, "high"), (0, "low 1"), (0, "low 2")] {
        rig.publish(client, "", "q", &with_priority(priority), body);
    }
    assert_eq!(rig.drain(client, "q"), ["low 1", "low 2"]);
}

#[test]
fn an_expired_message_is_found_under_one_of_a_higher_priority() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new().with("x-max-priority", 2));
    rig.publish(client, "", "q", &with_priority(2), "high");
    rig.publish(client, "", "q", &with_expiration("10"), "low");
    rig.advance(10);
    assert_eq!(count(&mut rig, client, "q").0, 1);
}

#[test]
fn an_unused_queue_goes_and_every_use_counts() {
    let mut rig = Rig::new();
    let client = rig.client();
    let is_there = |rig: &Rig| rig.broker.queues.len() == 1;
    let again = |rig: &mut Rig| {
        rig.declare(client, "q", false, &Table::new().with("x-expires", 100));
    };
    again(&mut rig);
    for use_it in [
        |rig: &mut Rig, who| assert_eq!(count(rig, who, "q"), (0, 0)),
        |rig: &mut Rig, who| drop(rig.ask(who, &get("q"))),
        |rig: &mut Rig, who| rig.declare(who, "q", false, &Table::new().with("x-expires", 100)),
        |rig: &mut Rig, who| {
            rig.consume(who, "q", "c", true);
            rig.advance(500);
            rig.ask(who, &cancel("c"));
        },
    ] {
        rig.advance(90);
        use_it(&mut rig, client);
        rig.advance(99);
        assert!(is_there(&rig));
        use_it(&mut rig, client);
    }
    // A publish is no use of it.
    rig.advance(50);
    rig.publish(client, "", "q", &plain(), "m");
    rig.advance(49);
    assert!(is_there(&rig));
    rig.advance(1);
    assert!(!is_there(&rig));
    super::invariants::check(&rig.broker, true);
}

#[test]
fn a_restart_renews_a_lease_and_keeps_lifetimes() {
    let mut rig = Rig::new();
    let client = rig.client();
    let arguments = Table::new()
        .with("x-expires", 10_000)
        .with("x-message-ttl", 5_000);
    rig.declare(client, "q", true, &arguments);
    rig.publish(client, "", "q", &persistent(), "old");
    rig.advance(3_500);
    rig.publish(client, "", "q", &persistent(), "new");
    let mut rig = rig.restart();
    let client = rig.client();
    rig.advance(600);
    assert_eq!(rig.drain(client, "q"), ["new"]);
}

#[test]
fn deliveries_that_nobody_acknowledges_close_their_channel_where_that_is_wanted() {
    let mut rig = Rig::new();
    let client = rig.client();
    let other = rig.client();
    rig.declare(
        client,
        "q",
        false,
        &Table::new().with("x-consumer-timeout", 1_000),
    );
    rig.declare(client, "patient", false, &Table::new());
    for queue in ["q", "patient"] {
        rig.consume(client, queue, queue, false);
        rig.publish(other, "", queue, &plain(), queue);
    }
    rig.advance(900);
    rig.hear(client);
    rig.ask(client, &ack(1, false));
    rig.publish(other, "", "q", &plain(), "again");
    rig.hear(client);
    rig.advance(999);
    assert_eq!(rig.hear(client), []);
    rig.advance(1);
    let heard = rig.hear(client);
    let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
    assert_eq!(closed.code, 406);
    assert_eq!(
        closed.text,
        "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 1000 ms. This timeout value can be configured, see consumers doc guide to learn more"
    );
    assert_eq!(rig.drain(other, "q"), ["again"]);
}

#[test]
fn a_queue_that_is_exclusive_is_not_durable_whatever_is_asked() {
    let mut rig = Rig::new();
    let client = rig.client();
    let exclusive = Declare {
        exclusive: true,
        durable: true,
        ..declare("")
    };
    let heard = rig.ask(client, &Method::QueueDeclare(exclusive));
    let name = match heard[0].method() {
        Method::QueueDeclareOk(ok) => ok.queue.to_owned(),
        other => panic!("{other:?}"),
    };
    assert!(name.starts_with("amq.gen-") && name.len() == 30, "{name}");
    // Its name may be said again by its owner.
    let again = Declare {
        exclusive: true,
        durable: true,
        ..declare(&name)
    };
    let heard = rig.ask(client, &Method::QueueDeclare(again));
    assert!(
        matches!(heard[0].method(), Method::QueueDeclareOk(_)),
        "{heard:?}"
    );
    rig.publish(client, "", &name, &persistent(), "m");
    let rig = rig.crash(3);
    assert_eq!(rig.broker.queues.len(), 0);
    super::invariants::check(&rig.broker, true);
}
