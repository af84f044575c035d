//! Dead letters that nobody can take yet.

use serde_json::json;
use trefoil_amqp::{Method, Table, testing::Received};

use super::{
    methods::{delete, get, nack, plain, purge},
    rig::{Rig, Who, header, persistent},
};

/// A queue that loses nothing that dies in it.
fn careful(exchange: &str, key: &str) -> Table {
    Table::new()
        .with("x-queue-type", "quorum")
        .with("x-overflow", "reject-publish")
        .with("x-dead-letter-strategy", "at-least-once")
        .with("x-dead-letter-exchange", exchange)
        .with("x-dead-letter-routing-key", key)
}

/// A queue that takes so many messages.
fn short(length: i64) -> Table {
    Table::new()
        .with("x-max-length", length)
        .with("x-overflow", "reject-publish")
}

/// Messages come into `q` and are rejected.
fn die(rig: &mut Rig, client: Who, bodies: &[&str]) {
    for body in bodies {
        rig.publish(client, "", "q", &persistent(), body);
    }
    for _ in bodies {
        rig.ask(client, &get("q"));
    }
    rig.ask(client, &nack(0, true, false));
    super::invariants::check(&rig.broker, true);
}

fn rig(arguments: &Table) -> (Rig, Who) {
    let mut rig = Rig::with_segments(4 << 10);
    let client = rig.client();
    rig.declare(client, "q", true, arguments);
    (rig, client)
}

const MANY: [&str; 8] = ["1", "2", "3", "4", "5", "6", "7", "8"];

#[test]
fn they_wait_for_their_exchange_and_for_a_way_from_it() {
    let (mut rig, client) = rig(&careful("later", "k"));
    rig.consume(client, "q", "c", false);
    rig.publish(client, "", "q", &persistent(), "0");
    rig.ask(client, &nack(1, false, false));
    // No consumer gets it again.
    rig.advance(10_000);
    assert_eq!(rig.hear(client), []);
    let key = crate::inspect::QueueKey {
        vhost: "/".into(),
        name: "q".into(),
    };
    let view = rig.broker.queue_view(&key).expect("a queue");
    assert_eq!((view.dead_letters, view.depth.ready), ((1, 1), 0));
    rig.ask(client, &super::methods::cancel("c"));
    die(&mut rig, client, &MANY);
    rig.declare_exchange(client, "later", "direct", &Table::new());
    rig.declare(client, "dead", true, &Table::new());
    rig.advance(100);
    assert_eq!(rig.drain(client, "dead"), [""; 0]);
    rig.bind(client, "dead", "later", "k");
    rig.advance(100);
    let (body, got) = rig.get(client, "dead").expect("the first");
    assert_eq!(body, "0");
    assert_eq!(header(&got, "x-last-death-reason"), Some("rejected".into()));
    assert_eq!(rig.drain(client, "dead"), MANY);
    super::invariants::check(&rig.broker, true);
    // And from now on they go at once.
    die(&mut rig, client, &["9"]);
    assert_eq!(rig.drain(client, "dead"), ["9"]);
}

#[test]
fn they_wait_for_a_queue_that_is_full() {
    let (mut rig, client) = rig(&careful("", "dead"));
    rig.declare(client, "dead", true, &short(3));
    die(&mut rig, client, &MANY);
    assert_eq!(rig.drain(client, "dead"), ["1", "2", "3"]);
    rig.advance(2_000);
    assert_eq!(rig.drain(client, "dead"), ["4", "5", "6"]);
    rig.advance(2_000);
    assert_eq!(rig.drain(client, "dead"), ["7", "8"]);
    rig.advance(10_000);
    assert_eq!(rig.drain(client, "dead"), [""; 0]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn who_has_one_does_not_get_it_again() {
    let (mut rig, client) = rig(&careful("x", ""));
    rig.declare_exchange(client, "x", "fanout", &Table::new());
    for (queue, arguments) in [("takes", Table::new()), ("full", short(0))] {
        rig.declare(client, queue, true, &arguments);
        rig.bind(client, queue, "x", "");
    }
    die(&mut rig, client, &["m"]);
    rig.advance(5_000);
    assert_eq!(rig.drain(client, "takes"), ["m"]);
    // The way to the full one ends: all who should have it do.
    assert_eq!(rig.broker.undelivered.len(), 1);
    rig.ask(client, &Method::QueueDelete(delete("full")));
    rig.advance(2_000);
    assert_eq!(rig.broker.undelivered.len(), 0);
    assert_eq!(rig.drain(client, "takes"), [""; 0]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn they_stay_dead_over_restarts_and_when_the_log_is_cleaned() {
    let (mut rig, client) = rig(&careful("", "dead").with("x-message-ttl", 50));
    rig.publish(client, "", "q", &persistent(), "fades");
    rig.advance(50);
    rig.declare(client, "stays", true, &Table::new());
    rig.declare(client, "passing", true, &Table::new());
    for stop in [false, true, false] {
        for _ in 0..100 {
            rig.publish(client, "", "stays", &persistent(), "");
            rig.publish(client, "", "passing", &persistent(), &"x".repeat(600));
            rig.drain(client, "passing");
        }
        super::invariants::check(&rig.broker, true);
        rig = if stop { rig.restart() } else { rig.killed() };
        let client = rig.client();
        assert_eq!(rig.waiting("q"), Some(vec![]));
        assert_eq!(rig.get(client, "q"), None);
    }
    let client = rig.client();
    rig.declare(client, "dead", true, &Table::new());
    rig.advance(100);
    let (body, got) = rig.get(client, "dead").expect("a dead letter");
    assert_eq!(body, "fades");
    assert_eq!(header(&got, "x-last-death-reason"), Some("expired".into()));
    let mut rig = rig.killed();
    let client = rig.client();
    rig.advance(5_000);
    assert_eq!(rig.drain(client, "dead"), [""; 0]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn they_count_for_the_length_of_their_queue() {
    let (mut rig, client) = rig(&careful("", "dead").with("x-max-length", 2));
    die(&mut rig, client, &["1", "2"]);
    let publisher = rig.client();
    rig.confirms(publisher);
    rig.publish(publisher, "", "q", &plain(), "3");
    let refused = |heard: &[Received]| matches!(heard[0].method(), Method::BasicNack(_));
    assert!(refused(&rig.hear(publisher)));
    rig.declare(client, "dead", false, &Table::new());
    rig.advance(100);
    assert_eq!(rig.drain(client, "dead"), ["1", "2"]);
    rig.publish(publisher, "", "q", &plain(), "3");
    assert!(!refused(&rig.hear(publisher)));
    assert_eq!(rig.drain(client, "q"), ["3"]);
}

#[test]
fn they_go_with_their_queue_and_are_purged_with_it() {
    let (mut rig, client) = rig(&careful("", "dead"));
    die(&mut rig, client, &MANY);
    rig.publish(client, "", "q", &plain(), "ready");
    let heard = rig.ask(client, &purge("q"));
    assert!(
        matches!(heard[0].method(), Method::QueuePurgeOk(ok) if ok.message_count == 9),
        "{heard:?}"
    );
    die(&mut rig, client, &MANY);
    rig.ask(client, &Method::QueueDelete(delete("q")));
    super::invariants::check(&rig.broker, true);
    rig.declare(client, "dead", true, &Table::new());
    rig.advance(5_000);
    assert_eq!(rig.drain(client, "dead"), [""; 0]);
}

#[test]
fn a_policy_may_give_them_up() {
    let arguments = Table::new()
        .with("x-queue-type", "quorum")
        .with("x-overflow", "reject-publish");
    let (mut rig, client) = rig(&arguments);
    let set = |rig: &mut Rig, strategy: &str| {
        let definition = json!({
            "dead-letter-exchange": "later",
            "dead-letter-strategy": strategy,
        });
        super::policies::user(rig, &definition);
    };
    set(&mut rig, "at-least-once");
    die(&mut rig, client, &MANY);
    assert_eq!(rig.broker.undelivered.len(), 1);
    set(&mut rig, "at-most-once");
    rig.advance(1_000);
    assert_eq!(rig.broker.undelivered.len(), 0);
    super::invariants::check(&rig.broker, true);
}
