//! Confirms and transactions.

use trefoil_amqp::{
    Method, Properties, Table,
    method::{basic, tx},
    testing::Received,
};

use super::{
    methods::{ack, consume, get, nack, plain, publish},
    rig::{Rig, bodies, persistent},
};

/// Acknowledgements and refusals of publishes: number, for all up to it, and which of both.
fn answers(heard: &[Received]) -> Vec<(u64, bool, bool)> {
    heard
        .iter()
        .filter_map(|one| match one.method() {
            Method::BasicAck(ack) => Some((ack.delivery_tag, ack.multiple, true)),
            Method::BasicNack(nack) => Some((nack.delivery_tag, nack.multiple, false)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_level_says_what_a_confirm_waits_for() {
    for (level, when_published, when_written, when_synced) in [
        ("fsync", 0, 0, 1),
        ("written", 0, 1, 0),
        ("memory", 1, 0, 0),
    ] {
        let mut rig = Rig::new();
        let client = rig.client();
        let arguments = Table::new().with("x-confirm-level", level);
        rig.declare(client, "q", true, &arguments);
        rig.confirms(client);
        rig.commits = false;
        rig.publish(client, "", "q", &persistent(), "m");
        assert_eq!(answers(&rig.hear(client)).len(), when_published, "{level}");
        rig.write();
        rig.run();
        assert_eq!(answers(&rig.hear(client)).len(), when_written, "{level}");
        rig.publish(client, "", "q", &persistent(), "m");
        rig.hear(client);
        rig.commits = true;
        rig.run();
        assert!(answers(&rig.hear(client)).len() >= when_synced, "{level}");
    }
}

#[test]
fn a_message_for_several_queues_is_confirmed_when_the_last_has_it() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare_exchange(client, "x", "fanout", &Table::new());
    rig.declare(client, "transient", false, &Table::new());
    rig.declare(client, "durable", true, &Table::new());
    for queue in ["transient", "durable"] {
        rig.bind(client, queue, "x", "");
    }
    rig.confirms(client);
    rig.commits = false;
    rig.publish(client, "x", "", &persistent(), "m");
    assert_eq!(rig.hear(client), []);
    rig.commits = true;
    rig.run();
    assert_eq!(answers(&rig.hear(client)), [(1, false, true)]);
}

#[test]
fn one_queue_that_refuses_is_a_refusal_whoever_else_took_it() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare_exchange(client, "x", "fanout", &Table::new());
    let full = Table::new()
        .with("x-max-length", 0)
        .with("x-overflow", "reject-publish");
    rig.declare(client, "full", false, &full);
    rig.declare(client, "q", false, &Table::new());
    for queue in ["full", "q"] {
        rig.bind(client, queue, "x", "");
    }
    rig.confirms(client);
    rig.publish(client, "x", "", &plain(), "m");
    assert_eq!(answers(&rig.hear(client)), [(1, false, false)]);
    assert_eq!(rig.drain(client, "q"), ["m"]);
}

#[test]
fn what_is_returned_comes_before_its_confirm_also_through_an_alternate_exchange() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare_exchange(client, "last", "direct", &Table::new());
    rig.declare(client, "q", false, &Table::new());
    rig.bind(client, "q", "last", "known");
    let alternate = Table::new().with("alternate-exchange", "last");
    rig.declare_exchange(client, "first", "direct", &alternate);
    rig.confirms(client);
    for (key, is_returned) in [("known", false), ("unknown", true)] {
        let mandatory = basic::Publish {
            mandatory: true,
            ..publish("first", key)
        };
        rig.script(client)
            .send_with_content(1, &Method::BasicPublish(mandatory), &plain(), b"m");
        rig.run();
        let heard = rig.hear(client);
        let returned = matches!(heard[0].method(), Method::BasicReturn(_));
        assert_eq!(returned, is_returned, "{heard:?}");
        assert_eq!(heard.len(), 1 + usize::from(is_returned));
    }
    assert_eq!(rig.drain(client, "q"), ["m"]);
}

#[test]
fn blind_copies_are_not_returned() {
    let mut rig = Rig::new();
    let client = rig.client();
    let blind = trefoil_amqp::Value::Array(vec!["nobody".into()]);
    let headers = super::methods::one("BCC", blind);
    let properties = Properties {
        headers: Some(trefoil_amqp::TableRef::from_bytes(&headers)),
        ..plain()
    };
    let mandatory = basic::Publish {
        mandatory: true,
        ..publish("amq.direct", "nowhere")
    };
    rig.script(client)
        .send_with_content(1, &Method::BasicPublish(mandatory), &properties, b"m");
    rig.run();
    let heard = rig.hear(client);
    assert_eq!(heard.len(), 1);
    assert_eq!(super::rig::header(&heard[0], "BCC"), None);
}

#[test]
fn a_queue_that_is_deleted_before_it_is_written_is_no_reason_not_to_confirm() {
    let mut rig = Rig::new();
    let client = rig.client();
    let other = rig.client();
    rig.declare(client, "q", true, &Table::new());
    rig.confirms(client);
    rig.commits = false;
    rig.publish(client, "", "q", &persistent(), "m");
    rig.script(other)
        .send(1, &Method::QueueDelete(super::methods::delete("q")));
    rig.run();
    rig.commits = true;
    rig.run();
    assert_eq!(answers(&rig.hear(client)), [(1, false, true)]);
}

fn select(rig: &mut Rig, who: super::rig::Who) {
    let heard = rig.ask(who, &Method::TxSelect(tx::Select {}));
    assert!(
        matches!(heard[0].method(), Method::TxSelectOk(_)),
        "{heard:?}"
    );
}

#[test]
fn a_transaction_happens_when_it_is_committed() {
    let mut rig = Rig::new();
    let client = rig.client();
    let other = rig.client();
    rig.declare(client, "q", true, &Table::new());
    for body in ["a", "b", "c"] {
        rig.publish(other, "", "q", &persistent(), body);
    }
    select(&mut rig, client);
    for _ in 0..3 {
        rig.ask(client, &get("q"));
    }
    rig.ask(client, &ack(1, false));
    rig.ask(client, &nack(2, false, true));
    rig.publish(client, "", "q", &persistent(), "d");
    assert_eq!(rig.drain(other, "q"), [""; 0], "nothing happens before");
    let heard = rig.ask(client, &Method::TxCommit(tx::Commit {}));
    assert!(
        matches!(heard[0].method(), Method::TxCommitOk(_)),
        "{heard:?}"
    );
    assert_eq!(rig.drain(other, "q"), ["b", "d"]);
    assert_eq!(rig.held(client, 1), [3]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn a_commit_is_answered_when_it_is_on_the_disk() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    select(&mut rig, client);
    rig.publish(client, "", "q", &persistent(), "m");
    rig.commits = false;
    assert_eq!(rig.ask(client, &Method::TxCommit(tx::Commit {})), []);
    rig.commits = true;
    rig.run();
    assert!(matches!(
        rig.hear(client)[0].method(),
        Method::TxCommitOk(_)
    ));
    let mut rig = rig.crash(5);
    let client = rig.client();
    assert_eq!(rig.drain(client, "q"), ["m"]);
}

#[test]
fn what_is_rolled_back_or_abandoned_never_was() {
    for is_rolled_back in [true, false] {
        let mut rig = Rig::new();
        let client = rig.client();
        let other = rig.client();
        rig.declare(client, "q", false, &Table::new());
        for body in ["a", "b"] {
            rig.publish(other, "", "q", &plain(), body);
        }
        select(&mut rig, client);
        rig.ask(client, &get("q"));
        rig.ask(client, &get("q"));
        rig.ask(client, &ack(0, true));
        rig.publish(client, "", "q", &plain(), "c");
        if is_rolled_back {
            rig.ask(client, &Method::TxRollback(tx::Rollback {}));
            assert_eq!(rig.held(client, 1), [1, 2]);
            rig.ask(client, &ack(1, false));
            rig.ask(client, &Method::TxCommit(tx::Commit {}));
        }
        super::invariants::check(&rig.broker, true);
        rig.vanish(client);
        let expected: &[&str] = if is_rolled_back { &["b"] } else { &["a", "b"] };
        assert_eq!(rig.drain(other, "q"), expected);
    }
}

#[test]
fn a_refusal_in_a_transaction_is_told_at_its_end() {
    let mut rig = Rig::new();
    let client = rig.client();
    let full = Table::new()
        .with("x-max-length", 0)
        .with("x-overflow", "reject-publish");
    rig.declare(client, "full", false, &full);
    select(&mut rig, client);
    rig.publish(client, "", "full", &plain(), "m");
    let closed = rig.refused(client, &Method::TxCommit(tx::Commit {}));
    assert_eq!(
        (closed.code, closed.text.as_str()),
        (406, "PRECONDITION_FAILED - partial tx completion")
    );
}

#[test]
fn a_transaction_has_a_limit_of_memory() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    select(&mut rig, client);
    // One message may be as large as it likes; each transaction begins anew.
    let large = "x".repeat(100_000);
    for _ in 0..2 {
        rig.publish(client, "", "q", &plain(), &large);
        let heard = rig.ask(client, &Method::TxCommit(tx::Commit {}));
        assert!(matches!(heard[0].method(), Method::TxCommitOk(_)));
    }
    // Messages of nothing take memory too.
    let closed = (0..10_000).find_map(|_| {
        rig.publish(client, "", "q", &plain(), "");
        rig.hear(client).iter().find_map(Received::closed)
    });
    let closed = closed.expect("the limit is below all of them");
    assert_eq!(
        (closed.code, closed.text.as_str()),
        (
            406,
            "PRECONDITION_FAILED - transaction is larger than the maximum of 65536 bytes"
        )
    );
    let other = rig.client();
    assert_eq!(rig.drain(other, "q").len(), 2);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn a_queue_that_goes_while_a_transaction_holds_its_messages() {
    let mut rig = Rig::new();
    let client = rig.client();
    let other = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.publish(other, "", "q", &plain(), "a");
    select(&mut rig, client);
    rig.ask(client, &Method::BasicConsume(consume("q", "c")));
    rig.ask(client, &nack(1, false, true));
    rig.ask(other, &Method::QueueDelete(super::methods::delete("q")));
    super::invariants::check(&rig.broker, true);
    rig.declare(other, "q", false, &Table::new());
    rig.ask(client, &Method::TxCommit(tx::Commit {}));
    assert_eq!(rig.drain(other, "q"), [""; 0]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn transient_messages_leave_no_trace_in_memory() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    let body = "x".repeat(1_000);
    let properties = Properties::default();
    for _ in 0..12_000 {
        rig.publish(client, "", "q", &properties, &body);
    }
    let full = rig.broker.logs.transient.memory();
    assert!(full > 12_000_000, "{full}");
    rig.ask(client, &super::methods::purge("q"));
    assert_eq!(rig.broker.logs.transient.references(), 0);
    let spare = rig.broker.logs.transient.memory();
    assert!(spare < full / 2, "{spare} of {full}");
    assert_eq!(bodies(&rig.ask(client, &get("q"))), [""; 0]);
}
