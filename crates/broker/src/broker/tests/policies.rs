//! Policies: they bite at once, and what they did ends with them.

use serde_json::{Value, json};
use trefoil_amqp::{Method, Properties, Table};

use super::{
    methods::{get, nack, plain},
    rig::{Rig, Who, header, persistent},
};
use crate::policy::{Policy, PolicyKind, PolicySource};

fn set(rig: &mut Rig, kind: PolicyKind, name: &str, pattern: &str, definition: &Value) {
    let source = PolicySource {
        virtual_host: "/",
        name,
        pattern,
        apply_to: None,
        priority: None,
        definition,
    };
    let policy = Policy::new(kind, source).expect("a policy");
    let now = rig.now;
    rig.broker.put_policy(kind, policy, now);
    rig.run();
}

fn clear(rig: &mut Rig, name: &str) {
    let now = rig.now;
    rig.broker.delete_policy(PolicyKind::User, "/", name, now);
    rig.run();
}

pub(super) fn user(rig: &mut Rig, definition: &Value) {
    set(rig, PolicyKind::User, "p", "^q", definition);
}

fn count(rig: &Rig) -> usize {
    let (_, queue) = rig.broker.queues.iter().next().expect("a queue");
    queue.ready.len()
}

fn rig() -> (Rig, Who) {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    (rig, client)
}

#[test]
fn a_lifetime_bites_what_waits_already_and_ends_with_its_policy() {
    let (mut rig, client) = rig();
    let own = |text: &'static str| Properties {
        expiration: Some(text.as_bytes()),
        ..persistent()
    };
    rig.publish(client, "", "q", &plain(), "forever");
    user(&mut rig, &json!({"message-ttl": 100}));
    rig.publish(client, "", "q", &plain(), "forever too");
    rig.publish(client, "", "q", &own("300"), "for a while");
    rig.advance(99);
    clear(&mut rig, "p");
    rig.advance(1_000);
    assert_eq!(count(&rig), 3, "the head stays, and what is behind it");
    assert_eq!(rig.drain(client, "q"), ["forever", "forever too"]);

    rig.publish(client, "", "q", &own("50"), "short");
    user(&mut rig, &json!({"message-ttl": 100}));
    clear(&mut rig, "p");
    rig.advance(49);
    assert_eq!(count(&rig), 1);
    rig.advance(1);
    assert_eq!(count(&rig), 0);

    rig.publish(client, "", "q", &plain(), "old");
    user(&mut rig, &json!({"message-ttl": 100}));
    rig.advance(100);
    assert_eq!(count(&rig), 0);
}

#[test]
fn a_length_bites_at_once_and_the_lower_one_counts() {
    let (mut rig, client) = rig();
    rig.declare(client, "q2", false, &Table::new().with("x-max-length", 1));
    for body in ["1", "2", "3", "4"] {
        rig.publish(client, "", "q", &plain(), body);
        rig.publish(client, "", "q2", &plain(), body);
    }
    user(&mut rig, &json!({"max-length": 2}));
    assert_eq!(rig.drain(client, "q"), ["3", "4"]);
    assert_eq!(rig.drain(client, "q2"), ["4"]);
    set(
        &mut rig,
        PolicyKind::Operator,
        "o",
        ".*",
        &json!({"max-length": 1}),
    );
    for body in ["1", "2", "3"] {
        rig.publish(client, "", "q", &plain(), body);
    }
    assert_eq!(rig.drain(client, "q"), ["3"]);
}

#[test]
fn a_lease_begins_with_its_policy() {
    let (mut rig, _) = rig();
    rig.advance(1_000);
    user(&mut rig, &json!({"expires": 100}));
    rig.advance(99);
    assert_eq!(rig.broker.queues.len(), 1);
    rig.advance(1);
    assert_eq!(rig.broker.queues.len(), 0);
}

#[test]
fn dead_letters_and_alternates_by_policy() {
    let (mut rig, client) = rig();
    rig.declare(client, "dead", false, &Table::new());
    user(
        &mut rig,
        &json!({"dead-letter-exchange": "", "dead-letter-routing-key": "dead"}),
    );
    rig.publish(client, "", "q", &plain(), "m");
    rig.ask(client, &get("q"));
    rig.ask(client, &nack(1, false, false));
    let (_, got) = rig.get(client, "dead").expect("a dead letter");
    assert_eq!(header(&got, "x-first-death-queue"), Some("q".into()));

    set(
        &mut rig,
        PolicyKind::User,
        "a",
        "^amq.direct$",
        &json!({"alternate-exchange": "amq.fanout"}),
    );
    rig.bind(client, "dead", "amq.fanout", "");
    rig.publish(client, "amq.direct", "nowhere", &plain(), "saved");
    assert_eq!(rig.drain(client, "dead"), ["saved"]);
    clear(&mut rig, "a");
    rig.publish(client, "amq.direct", "nowhere", &plain(), "lost");
    assert_eq!(rig.drain(client, "dead"), [""; 0]);
}

#[test]
fn policies_survive_and_find_queues_that_come_later() {
    let (mut rig, _) = rig();
    user(&mut rig, &json!({"max-length": 1}));
    let mut rig = rig.restart();
    let client = rig.client();
    rig.declare(client, "q-later", false, &Table::new());
    for queue in ["q", "q-later"] {
        for body in ["1", "2"] {
            rig.publish(client, "", queue, &plain(), body);
        }
        assert_eq!(rig.drain(client, queue), ["2"]);
    }
    let delivered = rig.ask(client, &get("q"));
    assert!(matches!(delivered[0].method(), Method::BasicGetEmpty(_)));
}
