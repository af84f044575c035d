//! Dead letters: why, where to, with what history.

use trefoil_amqp::{Method, Properties, Table, TableRef, Value, testing::Received};

use super::{
    methods::{ack, consume, declare, get, nack, one, plain},
    rig::{Rig, Who, bodies, header, octets},
};

fn to(exchange: &str, key: Option<&str>) -> Table {
    let table = Table::new().with("x-dead-letter-exchange", exchange);
    match key {
        Some(key) => table.with("x-dead-letter-routing-key", key),
        None => table,
    }
}

/// The entries of `x-death`: queue, reason, count.
fn deaths(received: &Received) -> Vec<(String, String, i64)> {
    let Some(Value::Array(entries)) = header(received, "x-death") else {
        return Vec::new();
    };
    let text = |value: Option<&Value>| match value {
        Some(Value::LongString(text)) => String::from_utf8(text.clone()).expect("text"),
        other => panic!("{other:?}"),
    };
    entries
        .iter()
        .map(|entry| {
            let Value::Table(entry) = entry else {
                panic!("{entry:?}")
            };
            let count = entry.get("count").and_then(Value::as_integer);
            (
                text(entry.get("queue")),
                text(entry.get("reason")),
                count.expect("a count"),
            )
        })
        .collect()
}

fn death(queue: &str, reason: &str, count: i64) -> (String, String, i64) {
    (queue.to_owned(), reason.to_owned(), count)
}

fn rig() -> (Rig, Who) {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "dead", false, &Table::new());
    (rig, client)
}

#[test]
fn every_reason_is_told() {
    let (mut rig, client) = rig();
    let grave = to("", Some("dead"));
    rig.declare(client, "rejecting", false, &grave);
    rig.declare(
        client,
        "fading",
        false,
        &grave.clone().with("x-message-ttl", 100),
    );
    rig.declare(
        client,
        "short",
        false,
        &grave.clone().with("x-max-length", 1),
    );
    let refusing = grave
        .clone()
        .with("x-max-length", 0)
        .with("x-overflow", "reject-publish-dlx");
    rig.declare(client, "refusing", false, &refusing);
    let quorum = grave
        .with("x-queue-type", "quorum")
        .with("x-delivery-limit", 1);
    rig.declare(client, "limited", true, &quorum);
    let next = |rig: &mut Rig| deaths(&rig.get(client, "dead").expect("a dead letter").1);

    rig.publish(client, "", "rejecting", &plain(), "m");
    rig.ask(client, &get("rejecting"));
    rig.ask(client, &nack(1, false, false));
    assert_eq!(next(&mut rig), [death("rejecting", "rejected", 1)]);

    rig.publish(client, "", "fading", &plain(), "m");
    rig.advance(99);
    assert_eq!(rig.get(client, "dead"), None);
    rig.advance(1);
    assert_eq!(next(&mut rig), [death("fading", "expired", 1)]);

    rig.publish(client, "", "short", &plain(), "old");
    rig.publish(client, "", "short", &plain(), "new");
    assert_eq!(next(&mut rig), [death("short", "maxlen", 1)]);
    assert_eq!(rig.drain(client, "short"), ["new"]);

    rig.publish(client, "", "refusing", &plain(), "m");
    assert_eq!(next(&mut rig), [death("refusing", "maxlen", 1)]);

    rig.publish(client, "", "limited", &plain(), "m");
    let count = |rig: &mut Rig| {
        let heard = rig.ask(client, &get("limited"));
        header(&heard[0], "x-delivery-count")
    };
    let last = |rig: &Rig| *rig.held(client, 1).last().expect("a delivery");
    assert_eq!(count(&mut rig), None);
    let tag = last(&rig);
    rig.ask(client, &nack(tag, false, true));
    assert_eq!(count(&mut rig), Some(Value::I64(1)));
    let tag = last(&rig);
    rig.ask(client, &nack(tag, false, true));
    assert_eq!(next(&mut rig), [death("limited", "delivery_limit", 1)]);
}

#[test]
fn the_history_has_an_entry_for_each_queue_and_reason() {
    let (mut rig, client) = rig();
    rig.declare(client, "a", false, &to("", Some("b")));
    rig.declare(
        client,
        "b",
        false,
        &to("", Some("a")).with("x-message-ttl", 10),
    );
    rig.publish(client, "", "a", &plain(), "round and round");
    for round in 1..=3 {
        let heard = rig.ask(client, &get("a"));
        let expected: &[_] = match round {
            1 => &[],
            2 => &[death("b", "expired", 1), death("a", "rejected", 1)],
            _ => &[death("b", "expired", 2), death("a", "rejected", 2)],
        };
        assert_eq!(deaths(&heard[0]), expected);
        let tag = rig.held(client, 1)[0];
        rig.ask(client, &nack(tag, false, false));
        rig.advance(10);
    }
    let (_, got) = rig.get(client, "a").expect("it is back");
    let first = |name| header(&got, name);
    assert_eq!(first("x-first-death-queue"), Some("a".into()));
    assert_eq!(first("x-first-death-reason"), Some("rejected".into()));
    assert_eq!(first("x-first-death-exchange"), Some("".into()));
    assert_eq!(first("x-last-death-queue"), Some("b".into()));
    assert_eq!(first("x-last-death-reason"), Some("expired".into()));
}

#[test]
fn a_circle_without_a_rejection_ends() {
    let (mut rig, client) = rig();
    rig.declare(
        client,
        "a",
        false,
        &to("", Some("b")).with("x-message-ttl", 10),
    );
    rig.declare(
        client,
        "b",
        false,
        &to("", Some("a")).with("x-message-ttl", 10),
    );
    rig.publish(client, "", "a", &plain(), "m");
    rig.advance(10);
    assert_eq!(rig.drain(client, "a"), [""; 0]);
    rig.advance(10);
    assert_eq!(rig.drain(client, "a"), [""; 0]);
    assert_eq!(rig.drain(client, "b"), [""; 0]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn a_queue_that_is_its_own_grave_and_too_short() {
    let (mut rig, client) = rig();
    let own = to("", Some("a")).with("x-max-length", 1);
    rig.declare(client, "a", false, &own);
    for body in ["1", "2", "3"] {
        rig.publish(client, "", "a", &plain(), body);
    }
    // The first comes back once, is a circle then, and is dropped; so with the others.
    assert_eq!(rig.drain(client, "a").len(), 1);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn where_it_goes() {
    let (mut rig, client) = rig();
    rig.declare_exchange(client, "x", "direct", &Table::new());
    rig.bind(client, "dead", "x", "own");
    rig.bind(client, "dead", "x", "copy");
    rig.declare(client, "keeps", false, &to("x", None));
    rig.declare_exchange(client, "in", "fanout", &Table::new());
    rig.bind(client, "keeps", "in", "");
    let reject = |rig: &mut Rig| {
        rig.ask(client, &get("keeps"));
        let tag = rig.held(client, 1)[0];
        rig.ask(client, &nack(tag, false, false));
    };
    // Its own key, or one of its copies; where both lead to the same queue, once.
    let copies = one("CC", Value::Array(vec!["copy".into()]));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&copies)),
        ..plain()
    };
    for key in ["own", "other"] {
        rig.publish(client, "in", key, &properties, key);
        reject(&mut rig);
        let (body, got) = rig.get(client, "dead").expect("a dead letter");
        assert_eq!(body, key);
        let Some(Value::Array(deaths)) = header(&got, "x-death") else {
            panic!("{got:?}")
        };
        let Value::Table(death) = &deaths[0] else {
            panic!("{deaths:?}")
        };
        let keys = Value::Array(vec![key.into(), "copy".into()]);
        assert_eq!(death.get("routing-keys"), Some(&keys));
        assert_eq!(death.get("exchange"), Some(&"in".into()));
        assert_eq!(rig.get(client, "dead"), None);
    }
    // An exchange that is not there takes nothing, and nobody is the worse for it.
    rig.declare(client, "lost", false, &to("gone", None));
    rig.publish(client, "", "lost", &plain(), "m");
    rig.ask(client, &get("lost"));
    let tag = rig.held(client, 1)[0];
    assert_eq!(rig.ask(client, &nack(tag, false, false)), []);
    super::invariants::check(&rig.broker, true);
}

/// The keys of the newest death.
fn keys_of_death(got: &Received) -> Option<Value> {
    let Some(Value::Array(deaths)) = header(got, "x-death") else {
        return None;
    };
    let Value::Table(death) = deaths.first()? else {
        return None;
    };
    death.get("routing-keys").cloned()
}

#[test]
fn hidden_keys_lead_dead_letters_too_and_nobody_sees_them() {
    let (mut rig, client) = rig();
    for queue in ["other", "hidden"] {
        rig.declare(client, queue, true, &Table::new());
    }
    rig.declare_exchange(client, "in", "fanout", &Table::new());
    rig.declare(client, "keeps", true, &to("", None));
    rig.declare(client, "sends", true, &to("", Some("other")));
    for queue in ["keeps", "sends"] {
        rig.bind(client, queue, "in", "");
    }
    let list = |keys: &[&str]| Value::Array(keys.iter().map(|key| (*key).into()).collect());
    let copies = octets(
        &Table::new()
            .with("CC", list(&["dead"]))
            .with("BCC", list(&["hidden", "dead"])),
    );
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&copies)),
        ..super::rig::persistent()
    };
    let reject = |rig: &mut Rig, client: Who, queue: &str| {
        let heard = rig.ask(client, &get(queue));
        assert_eq!(header(&heard[0], "BCC"), None);
        assert_eq!(header(&heard[0], "CC"), Some(list(&["dead"])));
        rig.ask(client, &nack(0, true, false));
    };
    rig.publish(client, "in", "other", &properties, "m");
    // What is hidden is so on the disk as well.
    let mut rig = rig.killed();
    let client = rig.client();
    rig.declare(client, "dead", false, &Table::new());
    reject(&mut rig, client, "keeps");
    for queue in ["other", "hidden", "dead"] {
        let (_, got) = rig.get(client, queue).expect("a dead letter");
        assert_eq!(header(&got, "BCC"), None);
        assert_eq!(keys_of_death(&got), Some(list(&["other", "dead"])));
        assert_eq!(rig.get(client, queue), None, "{queue} has it once");
    }
    // A key for dead letters takes the place of all of them.
    reject(&mut rig, client, "sends");
    let (_, got) = rig.get(client, "other").expect("a dead letter");
    assert_eq!(
        (header(&got, "BCC"), rig.get(client, "hidden")),
        (None, None)
    );
    assert_eq!(rig.get(client, "dead"), None);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn a_hidden_key_that_is_also_an_open_one_is_left_out_once() {
    let (mut rig, client) = rig();
    rig.declare(client, "q", false, &to("", Some("dead")));
    let copies = octets(
        &Table::new()
            .with("CC", vec![Value::from("b")])
            .with("BCC", vec![Value::from("q")]),
    );
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&copies)),
        ..plain()
    };
    rig.publish(client, "", "q", &properties, "m");
    rig.ask(client, &get("q"));
    rig.ask(client, &nack(0, true, false));
    let (_, got) = rig.get(client, "dead").expect("a dead letter");
    let keys = vec![Value::from("b"), Value::from("q")];
    assert_eq!(keys_of_death(&got), Some(Value::Array(keys)));
}

#[test]
fn an_expiration_is_kept_in_the_history_and_does_not_count_again() {
    let (mut rig, client) = rig();
    rig.declare(client, "q", false, &to("", Some("dead")));
    let properties = Properties {
        expiration: Some(b"20"),
        ..plain()
    };
    rig.publish(client, "", "q", &properties, "m");
    rig.advance(20);
    rig.advance(1_000);
    let (_, got) = rig.get(client, "dead").expect("a dead letter");
    let content = got.content().expect("it has some");
    assert_eq!(content.properties().expiration, None);
    let Some(Value::Array(deaths)) = header(&got, "x-death") else {
        panic!("{got:?}")
    };
    let Value::Table(death) = &deaths[0] else {
        panic!("{deaths:?}")
    };
    assert_eq!(death.get("original-expiration"), Some(&"20".into()));
}

#[test]
fn a_history_that_a_publisher_made_up_counts_for_nothing() {
    let (mut rig, client) = rig();
    rig.declare(
        client,
        "q",
        false,
        &to("", Some("dead")).with("x-message-ttl", 5),
    );
    let made_up = Table::new()
        .with("count", 7i64)
        .with("queue", "dead")
        .with("reason", "expired");
    let headers = octets(&Table::new().with("x-death", vec![Value::Table(made_up)]));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&headers)),
        ..plain()
    };
    rig.publish(client, "", "q", &properties, "m");
    rig.advance(5);
    let (_, got) = rig
        .get(client, "dead")
        .expect("no circle: it was never there");
    assert_eq!(deaths(&got), [death("q", "expired", 1)]);
}

#[test]
fn dead_letters_wake_their_consumers_and_keep_their_order() {
    let (mut rig, client) = rig();
    rig.declare(client, "q", false, &to("", Some("dead")));
    let other = rig.client();
    rig.consume(other, "dead", "c", false);
    for body in ["1", "2", "3"] {
        rig.publish(client, "", "q", &plain(), body);
        rig.ask(client, &get("q"));
    }
    rig.ask(client, &nack(0, true, false));
    assert_eq!(bodies(&rig.hear(other)), ["1", "2", "3"]);
    rig.ask(other, &ack(0, true));
    super::invariants::check(&rig.broker, true);
}

#[test]
fn messages_of_deleted_and_purged_queues_are_not_dead_letters() {
    let (mut rig, client) = rig();
    for name in ["deleted", "purged", "leased"] {
        let arguments = to("", Some("dead")).with("x-expires", 50);
        rig.declare(client, name, false, &arguments);
        rig.publish(client, "", name, &plain(), name);
    }
    rig.ask(
        client,
        &Method::QueueDelete(super::methods::delete("deleted")),
    );
    rig.ask(client, &super::methods::purge("purged"));
    rig.advance(50);
    let passive = trefoil_amqp::method::queue::Declare {
        passive: true,
        ..declare("dead")
    };
    let heard = rig.ask(client, &Method::QueueDeclare(passive));
    assert!(
        matches!(heard[0].method(), Method::QueueDeclareOk(ok) if ok.message_count == 0),
        "{heard:?}"
    );
    rig.ask(client, &Method::BasicConsume(consume("dead", "c")));
    super::invariants::check(&rig.broker, true);
}
