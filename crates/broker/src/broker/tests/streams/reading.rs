//! Publishing and reading.

use trefoil_amqp::{Method, Properties, Table, TableRef, Value, method::queue, testing::Received};

use super::{
    super::{
        methods::{ack, cancel, nack},
        rig::{Rig, Who, deliveries, header, octets},
    },
    attach, counts, declare, messages, publish, read, rig, these,
};
use crate::broker::tests::invariants;

fn first() -> Table {
    Table::new().with("x-stream-offset", "first")
}

fn hear(rig: &mut Rig, who: Who) -> Vec<(i64, String)> {
    messages(&rig.hear(who))
}

#[test]
fn what_is_read_stays_and_everybody_reads_it() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a", "b", "c"]);
    let all = these(&[(0, "a"), (1, "b"), (2, "c")]);
    for _ in 0..2 {
        let reader = rig.client();
        assert_eq!(attach(&mut rig, reader, "r", 10, &first()), all);
        rig.ask(reader, &ack(0, true));
        invariants::check(&rig.broker, true);
    }
    assert_eq!(counts(&mut rig, client, "s"), (3, 2));
    publish(&mut rig, client, &["d"]);
    assert_eq!(read(&mut rig, "first").len(), 4);
}

#[test]
fn a_consumer_begins_where_it_says() {
    let (mut rig, client) = rig(&Table::new());
    let empty = ["first", "last", "next"].map(|offset| read(&mut rig, offset));
    assert!(empty.iter().all(Vec::is_empty));
    publish(&mut rig, client, &["a"]);
    rig.advance(10_000);
    let middle = rig.now;
    publish(&mut rig, client, &["b"]);
    rig.advance(10_000);
    publish(&mut rig, client, &["c"]);
    rig.advance(3_000);
    let all = these(&[(0, "a"), (1, "b"), (2, "c")]);
    let seconds = |ms: u64| Value::Timestamp(ms / 1000);
    for (offset, from) in [
        (Value::from("first"), 0),
        (Value::from("last"), 2),
        (Value::from("next"), 3),
        (Value::I32(0), 0),
        (Value::I32(-1), 0),
        (Value::I64(1), 1),
        (Value::U8(2), 2),
        (Value::I16(7), 3),
        (seconds(0), 0),
        (seconds(middle), 1),
        (seconds(middle + 1_000), 2),
        (seconds(middle + 11_000), 3),
        (Value::from("1h"), 0),
        (Value::from("14s"), 1),
        (Value::from("13s"), 1),
        (Value::from("12s"), 2),
        (Value::from("2s"), 3),
    ] {
        assert_eq!(read(&mut rig, offset.clone()), all[from..], "{offset:?}");
    }
    // Without an argument, and with an offset that is still to come.
    let next = rig.client();
    assert!(attach(&mut rig, next, "r", 9, &Table::new()).is_empty());
    let later = rig.client();
    let fifth = Table::new().with("x-stream-offset", 4);
    assert!(attach(&mut rig, later, "r", 9, &fifth).is_empty());
    publish(&mut rig, client, &["d", "e"]);
    assert_eq!(hear(&mut rig, next), these(&[(3, "d"), (4, "e")]));
    assert_eq!(hear(&mut rig, later), these(&[(4, "e")]));
}

#[test]
fn every_way_of_settling_gives_credit_and_nothing_comes_back() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a", "b", "c", "d", "e", "f", "g"]);
    let reader = rig.client();
    let got = attach(&mut rig, reader, "r", 2, &first());
    assert_eq!(got, these(&[(0, "a"), (1, "b")]));
    let c = rig.ask(reader, &ack(1, false));
    assert_eq!(messages(&c), these(&[(2, "c")]));
    let d = rig.ask(reader, &nack(2, false, true));
    assert_eq!(messages(&d), these(&[(3, "d")]));
    assert_eq!(deliveries(&d), [(4, false)]);
    let e = rig.ask(reader, &nack(3, false, false));
    assert_eq!(messages(&e), these(&[(4, "e")]));
    let recover = trefoil_amqp::method::basic::Recover { requeue: true };
    let rest = rig.ask(reader, &Method::BasicRecover(recover));
    assert_eq!(messages(&rest), these(&[(5, "f"), (6, "g")]));
    assert_eq!(counts(&mut rig, client, "s"), (7, 1));
    invariants::check(&rig.broker, true);
    // The channel goes with two unacknowledged: nobody gets them for that.
    let other = rig.client();
    assert!(attach(&mut rig, other, "r", 2, &Table::new()).is_empty());
    rig.vanish(reader);
    assert!(rig.hear(other).is_empty());
    invariants::check(&rig.broker, true);
}

#[test]
fn a_cancelled_consumer_gets_nothing_more_and_its_tag_may_begin_again() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a", "b"]);
    let reader = rig.client();
    attach(&mut rig, reader, "r", 1, &first());
    rig.ask(reader, &cancel("r"));
    assert!(rig.ask(reader, &ack(1, false)).is_empty());
    let again = attach(&mut rig, reader, "r", 9, &first());
    assert_eq!(again, these(&[(0, "a"), (1, "b")]));
    invariants::check(&rig.broker, true);
}

#[test]
fn headers_and_properties_stay_and_the_offset_joins_them() {
    let (mut rig, client) = rig(&Table::new());
    let table = octets(&Table::new().with("h", "v").with("x-stream-offset", "mine"));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&table)),
        content_type: Some(b"text/plain"),
        expiration: Some(b"1"),
        ..Properties::default()
    };
    rig.publish(client, "", "s", &properties, "a");
    rig.advance(1_000);
    let reader = rig.client();
    rig.prefetch(reader, 1, false);
    let from = octets(&first());
    let consume = trefoil_amqp::method::basic::Consume {
        arguments: TableRef::from_bytes(&from),
        ..super::consume("s", "r")
    };
    let heard = rig.ask(reader, &Method::BasicConsume(consume));
    // A lifetime means nothing here, and is told as it came.
    let got = heard
        .iter()
        .find(|one| one.body().is_some())
        .expect("a message");
    assert_eq!(header(got, "h"), Some(Value::from("v")));
    assert_eq!(header(got, "x-stream-offset"), Some(Value::I64(0)));
    let content = got.content().expect("content");
    let read = trefoil_amqp::ContentHeader::new(&content.header);
    assert_eq!(read.expiration(), Some(&b"1"[..]));
    let Method::BasicDeliver(deliver) = got.method() else {
        panic!("{got:?}");
    };
    assert_eq!((deliver.exchange, deliver.routing_key), ("", "s"));
    assert!(!deliver.redelivered);
}

#[test]
fn nothing_is_read_before_it_is_safe() {
    let (mut rig, client) = rig(&Table::new());
    rig.confirms(client);
    let reader = rig.client();
    attach(&mut rig, reader, "r", 10, &first());
    rig.commits = false;
    publish(&mut rig, client, &["a"]);
    assert!(rig.hear(reader).is_empty() && rig.hear(client).is_empty());
    rig.write();
    rig.run();
    assert!(rig.hear(reader).is_empty() && rig.hear(client).is_empty());
    publish(&mut rig, client, &["b"]);
    rig.commit();
    rig.run();
    assert_eq!(hear(&mut rig, reader), these(&[(0, "a"), (1, "b")]));
    assert_eq!(rig.hear(client).len(), 1, "one confirm for both");
}

#[test]
fn a_lower_level_of_safety_is_read_earlier() {
    for (level, after_write) in [("written", true), ("memory", false)] {
        let (mut rig, client) = rig(&Table::new().with("x-confirm-level", level));
        let reader = rig.client();
        attach(&mut rig, reader, "r", 10, &first());
        rig.commits = false;
        publish(&mut rig, client, &["a"]);
        assert_eq!(rig.hear(reader).is_empty(), after_write, "{level}");
        rig.write();
        rig.run();
        assert_eq!(rig.hear(reader).is_empty(), !after_write, "{level}");
    }
}

#[test]
fn streams_are_beside_other_queues() {
    let (mut rig, client) = rig(&Table::new());
    declare(&mut rig, client, "s2", &Table::new());
    rig.declare(client, "q", true, &Table::new());
    for name in ["s", "s2", "q"] {
        rig.bind(client, name, "amq.fanout", "");
    }
    rig.confirms(client);
    rig.publish(client, "", "s", &Properties::default(), "only here");
    rig.publish(
        client,
        "amq.fanout",
        "k",
        &super::super::rig::persistent(),
        "all",
    );
    let acks = rig.hear(client);
    assert_eq!(acks.len(), 2, "{acks:?}");
    assert_eq!(rig.drain(client, "q"), ["all"]);
    assert_eq!(
        read(&mut rig, "first"),
        these(&[(0, "only here"), (1, "all")])
    );
    assert_eq!(counts(&mut rig, client, "s2"), (1, 0));
    invariants::check(&rig.broker, true);
}

#[test]
fn readers_do_not_wait_for_one_that_is_full() {
    let (mut rig, client) = rig(&Table::new());
    let (slow, fast) = (rig.client(), rig.client());
    attach(&mut rig, slow, "slow", 1, &first());
    attach(&mut rig, fast, "fast", 100, &first());
    publish(&mut rig, client, &["a", "b", "c"]);
    assert_eq!(hear(&mut rig, slow), these(&[(0, "a")]));
    assert_eq!(hear(&mut rig, fast).len(), 3);
    // Two consumers of one channel have places of their own too.
    let more = attach(&mut rig, fast, "more", 2, &first());
    assert_eq!(more, these(&[(0, "a"), (1, "b")]));
    let next = rig.ask(slow, &ack(1, false));
    assert_eq!(messages(&next), these(&[(1, "b")]));
    invariants::check(&rig.broker, true);
}

#[test]
fn a_socket_that_is_full_holds_its_reader_and_nobody_else() {
    let (mut rig, client) = rig(&Table::new());
    let body = "x".repeat(100_000);
    for _ in 0..40 {
        publish(&mut rig, client, &[&body]);
    }
    let (stalled, other) = (rig.client(), rig.client());
    rig.prefetch(stalled, 1_000, false);
    rig.hear(stalled);
    rig.stall(stalled);
    let from = octets(&first());
    let consume = trefoil_amqp::method::basic::Consume {
        arguments: TableRef::from_bytes(&from),
        ..super::consume("s", "r")
    };
    rig.script(stalled).send(1, &Method::BasicConsume(consume));
    rig.run();
    assert_eq!(attach(&mut rig, other, "r", 1_000, &first()).len(), 40);
    rig.unstall(stalled);
    assert_eq!(hear(&mut rig, stalled).len(), 40);
}

fn filtered(rig: &mut Rig, client: Who, value: Option<&str>, body: &str) {
    let table = value.map(|value| octets(&Table::new().with("x-stream-filter-value", value)));
    let properties = Properties {
        headers: table.as_deref().map(TableRef::from_bytes),
        ..Properties::default()
    };
    rig.publish(client, "", "s", &properties, body);
}

#[test]
fn filters_take_exactly_what_they_say() {
    let (mut rig, client) = rig(&Table::new());
    for (value, body) in [
        (Some("red"), "r1"),
        (Some("green"), "g1"),
        (None, "plain"),
        (Some("blue"), "b1"),
        (Some("red"), "r2"),
        (Some(""), "empty"),
    ] {
        filtered(&mut rig, client, value, body);
    }
    let list = |values: &[&str]| Value::Array(values.iter().map(|one| Value::from(*one)).collect());
    let seen = |rig: &mut Rig, filter: Value, unfiltered: Option<bool>| {
        let mut arguments = first().with("x-stream-filter", filter);
        if let Some(unfiltered) = unfiltered {
            arguments.insert("x-stream-match-unfiltered", unfiltered);
        }
        let reader = rig.client();
        // One at a time: what is passed over takes no credit.
        let mut found = attach(rig, reader, "r", 1, &arguments);
        let mut tag = 0;
        loop {
            tag += 1;
            let heard = rig.ask(reader, &ack(tag, false));
            if heard.iter().all(|one| one.body().is_none()) {
                break;
            }
            found.extend(messages(&heard));
        }
        rig.vanish(reader);
        found.into_iter().map(|(_, body)| body).collect::<Vec<_>>()
    };
    assert_eq!(seen(&mut rig, "red".into(), None), ["r1", "r2"]);
    assert_eq!(seen(&mut rig, "red".into(), Some(false)), ["r1", "r2"]);
    assert_eq!(
        seen(&mut rig, "red".into(), Some(true)),
        ["r1", "plain", "r2"]
    );
    let two = list(&["red", "blue"]);
    assert_eq!(seen(&mut rig, two, None), ["r1", "b1", "r2"]);
    assert_eq!(seen(&mut rig, "".into(), None), ["empty"]);
    // What is no string counts for nothing, and what is left is no filter.
    let all = ["r1", "g1", "plain", "b1", "r2", "empty"];
    assert_eq!(seen(&mut rig, list(&[]), None), all);
    assert_eq!(seen(&mut rig, Value::I32(1), None), all);
}

#[test]
fn a_long_search_is_done_in_slices() {
    let (mut rig, client) = rig(&Table::new().with("x-confirm-level", "memory"));
    rig.commits = false;
    for number in 0..150_000 {
        let value = if number == 149_999 { "found" } else { "other" };
        let table = octets(&Table::new().with("x-stream-filter-value", value));
        let properties = Properties {
            headers: Some(TableRef::from_bytes(&table)),
            ..Properties::default()
        };
        rig.script(client).publish(1, "", "s", &properties, b"m");
        if number % 1_000 == 0 {
            rig.run();
        }
    }
    rig.commits = true;
    rig.run();
    let arguments = first().with("x-stream-filter", "found");
    let reader = rig.client();
    assert!(attach(&mut rig, reader, "r", 10, &arguments).is_empty());
    rig.advance(1);
    assert!(rig.hear(reader).is_empty());
    rig.advance(1);
    assert_eq!(hear(&mut rig, reader), these(&[(149_999, "m")]));
}

/// The first reader of a long stream does not keep the broker from serving others: it gets a part and then another.
#[test]
fn a_reader_of_a_long_stream_takes_turns() {
    let (mut rig, client) = rig(&Table::new());
    for _ in 0..20 {
        for _ in 0..500 {
            rig.script(client)
                .publish(1, "", "s", &Properties::default(), b"m");
        }
        rig.run();
    }
    let reader = rig.client();
    let mut found = attach(&mut rig, reader, "r", u16::MAX, &first()).len();
    assert!((1..10_000).contains(&found), "{found} at once");
    for _ in 0..10 {
        rig.advance(1);
        found += hear(&mut rig, reader).len();
    }
    assert_eq!(found, 10_000);
    invariants::check(&rig.broker, true);
}

#[test]
fn a_stream_is_deleted_whatever_is_in_it_and_whoever_reads_it() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a", "b"]);
    let reader = rig.client();
    attach(&mut rig, reader, "r", 1, &first());
    let delete = queue::Delete {
        if_unused: true,
        if_empty: true,
        ..super::super::methods::delete("s")
    };
    let heard = rig.ask(client, &Method::QueueDelete(delete));
    let count = heard.iter().find_map(|one| match one.method() {
        Method::QueueDeleteOk(ok) => Some(ok.message_count),
        _ => None,
    });
    assert_eq!(count, Some(0));
    let told = rig.hear(reader);
    let is_cancel = |one: &Received| matches!(one.method(), Method::BasicCancel(_));
    assert!(told.iter().any(is_cancel), "{told:?}");
    // The delivery may still be settled.
    assert!(rig.ask(reader, &ack(1, false)).is_empty());
    invariants::check(&rig.broker, true);
    // A new stream of the same name begins anew.
    declare(&mut rig, client, "s", &Table::new());
    publish(&mut rig, client, &["new"]);
    assert_eq!(read(&mut rig, "first"), these(&[(0, "new")]));
}

#[test]
fn management_sees_a_stream_as_what_is_kept() {
    let (mut rig, client) = rig(&Table::new());
    publish(&mut rig, client, &["a", "b"]);
    let reader = rig.client();
    attach(&mut rig, reader, "r", 1, &first());
    let key = crate::inspect::QueueKey {
        vhost: "/".into(),
        name: "s".into(),
    };
    let view = rig.broker.queue_view(&key).expect("it is there");
    assert_eq!(view.kind, crate::inspect::QueueKind::Stream);
    let depth = view.depth;
    assert_eq!(
        (depth.ready, depth.unacknowledged, depth.persistent),
        (2, 0, 2)
    );
    // Bodies and headers: what the limit in bytes is about.
    assert_eq!(depth.ready_bytes, 2 * (14 + 1));
    assert_eq!((view.messages.publish, view.messages.deliver), (2, 1));
}
