//! The router against naive models, and the tables of the reference.

use std::collections::BTreeSet;

use proptest::prelude::*;
use trefoil_amqp::{Properties, Table, TableRef, Value};

use super::*;

mod kinds;
mod model;

/// A content header with these headers.
fn header(headers: &Table) -> Vec<u8> {
    let table = headers.to_bytes();
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&table)),
        ..Properties::default()
    };
    let mut out = vec![];
    properties.encode(0, &mut out);
    out
}

fn plain() -> Vec<u8> {
    let mut out = vec![];
    Properties::default().encode(0, &mut out);
    out
}

/// The queues of a message with these keys and headers.
fn routed(
    topology: &Topology,
    exchange: ExchangeId,
    keys: &[&str],
    headers: &Table,
) -> BTreeSet<u32> {
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    let header = header(headers);
    let mut route = Route::new(7);
    topology.route(exchange, &keys, ContentHeader::new(&header), &mut route);
    assert!(
        route.queues().is_sorted_by(|a, b| a < b),
        "a queue is found once"
    );
    route.queues().iter().map(|queue| queue.0).collect()
}

fn declared(
    topology: &mut Topology,
    name: &str,
    kind: ExchangeType,
    arguments: Table,
) -> ExchangeId {
    let declaration = Declaration {
        arguments,
        ..Declaration::durable(kind)
    };
    declaration.check(&topology.resource(name)).unwrap();
    topology.add_exchange(name, declaration)
}

/// A virtual host with queues `q0`, `q1`, …
fn with_queues(count: u32) -> Topology {
    let mut topology = Topology::new("/");
    for id in 0..count {
        topology.add_queue(&format!("q{id}"), QueueId(id));
    }
    topology
}

fn queue(id: u32) -> Destination {
    Destination::Queue(QueueId(id))
}

fn set<const N: usize>(ids: [u32; N]) -> BTreeSet<u32> {
    ids.into()
}

#[test]
fn every_virtual_host_has_its_exchanges() {
    let topology = Topology::new("/");
    let found: Vec<_> = topology
        .exchanges()
        .map(|(_, exchange)| {
            let Declaration {
                kind,
                durable,
                internal,
                ..
            } = exchange.declaration();
            assert!(*durable);
            (exchange.name(), kind.name(), *internal)
        })
        .collect();
    let expected = [
        ("", "direct", false),
        ("amq.direct", "direct", false),
        ("amq.fanout", "fanout", false),
        ("amq.headers", "headers", false),
        ("amq.match", "headers", false),
        ("amq.rabbitmq.trace", "topic", true),
        ("amq.topic", "topic", false),
    ];
    assert_eq!(found, expected);
    assert_eq!(topology.exchange_id(""), Some(ExchangeId::DEFAULT));
}

#[test]
fn the_default_exchange_leads_to_queues_by_name() {
    let mut topology = with_queues(3);
    assert_eq!(
        routed(
            &topology,
            ExchangeId::DEFAULT,
            &["q1", "q2", "q1", "none"],
            &Table::new()
        ),
        set([1, 2])
    );
    topology.remove_queue(QueueId(1));
    assert_eq!(
        routed(&topology, ExchangeId::DEFAULT, &["q1", "q2"], &Table::new()),
        set([2])
    );
    assert_eq!(topology.queue_name(QueueId(2)), Some("q2"));
    assert_eq!(topology.queue_name(QueueId(1)), None);
}

#[test]
fn a_binding_is_known_by_its_four_parts() {
    let mut topology = with_queues(1);
    let direct = topology.exchange_id("amq.direct").unwrap();
    let two = Table::new().with("a", 1i32).with("b", "x");
    let turned = Table::new().with("b", "x").with("a", 1i32);
    let other_type = Table::new().with("a", 1i64).with("b", "x");
    assert!(topology.bind(direct, queue(0), "k", Table::new()).unwrap());
    assert!(
        !topology.bind(direct, queue(0), "k", Table::new()).unwrap(),
        "the same once more"
    );
    assert!(topology.bind(direct, queue(0), "k", two).unwrap());
    assert!(
        !topology
            .bind(direct, queue(0), "k", turned.clone())
            .unwrap(),
        "the order of arguments says nothing"
    );
    assert!(topology.bind(direct, queue(0), "k", other_type).unwrap());
    assert_eq!(topology.binding_count(), 3);
    assert_eq!(topology.bindings_from(direct).count(), 3);
    assert_eq!(topology.bindings_to(queue(0)).count(), 3);
    assert!(
        topology
            .unbind(direct, queue(0), "k", Table::new())
            .is_some()
    );
    assert!(
        topology
            .unbind(direct, queue(0), "k", Table::new())
            .is_none()
    );
    assert_eq!(
        routed(&topology, direct, &["k"], &Table::new()),
        set([0]),
        "others lead there still"
    );
    assert!(topology.unbind(direct, queue(0), "k", turned).is_some());
    let last = topology.remove_queue(QueueId(0));
    assert_eq!(last.bindings.len(), 1);
    assert_eq!(
        (
            &*last.bindings[0].source_name,
            &*last.bindings[0].destination_name
        ),
        ("amq.direct", "q0")
    );
    assert_eq!(topology.binding_count(), 0);
}

#[test]
fn properties_keys_are_names_in_a_path() {
    let check = |key: &str, arguments: Table| {
        let mut topology = with_queues(1);
        let direct = topology.exchange_id("amq.direct").unwrap();
        topology.bind(direct, queue(0), key, arguments).unwrap();
        topology.bindings().next().unwrap().properties_key()
    };
    assert_eq!(check("", Table::new()), "~");
    assert_eq!(check("a.b_c-1", Table::new()), "a.b_c-1");
    assert_eq!(check("a b~/ü", Table::new()), "a+b%7E%2F%C3%BC");
    let hashed = check("k", Table::new().with("a", 1i32).with("b", 2i32));
    assert_eq!(
        hashed,
        check("k", Table::new().with("b", 2i32).with("a", 1i32))
    );
    assert_ne!(hashed, check("k", Table::new().with("b", 2i32)));
    let (key, hash) = hashed.split_once('~').unwrap();
    assert_eq!((key, hash.len()), ("k", 6));
}

#[test]
fn an_auto_delete_exchange_goes_with_its_last_binding_as_a_source() {
    let mut topology = with_queues(1);
    let auto = |topology: &mut Topology, name| {
        let declaration = Declaration {
            auto_delete: true,
            ..Declaration::durable(ExchangeType::Fanout)
        };
        topology.add_exchange(name, declaration)
    };
    let (a, b, c) = (
        auto(&mut topology, "a"),
        auto(&mut topology, "b"),
        auto(&mut topology, "c"),
    );
    topology
        .bind(a, Destination::Exchange(b), "", Table::new())
        .unwrap();
    topology
        .bind(b, Destination::Exchange(c), "", Table::new())
        .unwrap();
    topology.bind(c, queue(0), "", Table::new()).unwrap();
    assert_eq!(routed(&topology, a, &[""], &Table::new()), set([0]));
    // `d` was never a source, so it stays.
    let d = auto(&mut topology, "d");
    topology
        .bind(a, Destination::Exchange(d), "", Table::new())
        .unwrap();
    topology
        .unbind(a, Destination::Exchange(d), "", Table::new())
        .unwrap();
    assert!(topology.exchange(d).is_some());

    let removed = topology.remove_queue(QueueId(0));
    let mut names: Vec<_> = removed.exchanges.iter().map(Exchange::name).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(removed.bindings.len(), 3);
    assert_eq!(topology.binding_count(), 0);
    assert_eq!(topology.exchange_id("b"), None);
}

#[test]
fn deleting_a_destination_deletes_an_auto_delete_source() {
    let mut topology = with_queues(0);
    let declaration = Declaration {
        auto_delete: true,
        ..Declaration::durable(ExchangeType::Topic)
    };
    let source = topology.add_exchange("source", declaration);
    let target = declared(&mut topology, "target", ExchangeType::Fanout, Table::new());
    topology
        .bind(source, Destination::Exchange(target), "#", Table::new())
        .unwrap();
    topology
        .bind(source, Destination::Exchange(target), "a", Table::new())
        .unwrap();
    assert!(topology.is_in_use(source) && !topology.is_in_use(target));
    let removed = topology.delete_exchange(target);
    assert_eq!((removed.exchanges.len(), removed.bindings.len()), (2, 2));
}

#[test]
fn cycles_of_exchanges_end_and_give_each_queue_once() {
    let mut topology = with_queues(2);
    let a = declared(&mut topology, "a", ExchangeType::Fanout, Table::new());
    let b = declared(&mut topology, "b", ExchangeType::Direct, Table::new());
    topology
        .bind(a, Destination::Exchange(b), "", Table::new())
        .unwrap();
    topology
        .bind(b, Destination::Exchange(a), "k", Table::new())
        .unwrap();
    topology
        .bind(a, Destination::Exchange(a), "", Table::new())
        .unwrap();
    topology.bind(a, queue(1), "", Table::new()).unwrap();
    topology.bind(b, queue(1), "k", Table::new()).unwrap();
    topology.bind(b, queue(0), "k", Table::new()).unwrap();
    assert_eq!(routed(&topology, a, &["k"], &Table::new()), set([0, 1]));
    assert_eq!(routed(&topology, b, &["k"], &Table::new()), set([0, 1]));
    assert_eq!(routed(&topology, b, &["l"], &Table::new()), set([]));
}

#[test]
fn alternate_exchanges_take_what_finds_nothing() {
    let mut topology = with_queues(3);
    let alternate = |name: &str| Table::new().with(ALTERNATE_EXCHANGE, name);
    let a = declared(&mut topology, "a", ExchangeType::Direct, alternate("b"));
    let b = declared(&mut topology, "b", ExchangeType::Direct, alternate("c"));
    // A loop, and one that does not exist yet.
    assert_eq!(routed(&topology, a, &["k"], &Table::new()), set([]));
    let c = declared(&mut topology, "c", ExchangeType::Direct, alternate("a"));
    assert_eq!(routed(&topology, a, &["k"], &Table::new()), set([]));
    topology.bind(c, queue(2), "k", Table::new()).unwrap();
    assert_eq!(routed(&topology, a, &["k"], &Table::new()), set([2]));
    topology.bind(b, queue(1), "k", Table::new()).unwrap();
    assert_eq!(routed(&topology, a, &["k"], &Table::new()), set([1]));
    topology.bind(a, queue(0), "k", Table::new()).unwrap();
    assert_eq!(routed(&topology, a, &["k"], &Table::new()), set([0]));
    // A policy is as good as an argument; to the default exchange, too.
    let before = topology.generation();
    topology.set_alternate(b, Some(""));
    assert_ne!(topology.generation(), before);
    assert_eq!(routed(&topology, b, &["q2"], &Table::new()), set([2]));
    topology.set_alternate(b, None);
    assert_eq!(routed(&topology, b, &["q2"], &Table::new()), set([]));
}

#[test]
fn unknown_types_are_refused() {
    let refusal = ExchangeType::parse("zz").unwrap_err();
    assert_eq!(refusal.code, trefoil_amqp::ReplyCode::PreconditionFailed);
    assert_eq!(refusal.text, "unknown exchange type 'zz'");
    for kind in ExchangeType::ALL {
        assert_eq!(ExchangeType::parse(kind.name()), Ok(kind));
    }
}

#[test]
fn arguments_of_exchanges_are_checked() {
    let check = |kind, arguments: Table, expected: &str| {
        let declaration = Declaration {
            arguments,
            ..Declaration::durable(kind)
        };
        let found = declaration
            .check("exchange 'x' in vhost '/'")
            .map_err(|refusal| refusal.text);
        let expected = if expected.is_empty() {
            Ok(())
        } else {
            Err(expected.to_owned())
        };
        assert_eq!(found, expected);
    };
    let with = |name: &str, value: Value| Table::new().with(name, value);
    let mutually = with("hash-header", "h".into()).with("hash-property", "message_id");
    check(
        ExchangeType::Direct,
        with("alternate-exchange", "a".into()),
        "",
    );
    check(
        ExchangeType::Direct,
        with("alternate-exchange", 1i32.into()),
        "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'",
    );
    check(ExchangeType::Direct, mutually.clone(), "");
    check(
        ExchangeType::ConsistentHash,
        mutually,
        "hash-header and hash-property are mutually exclusive",
    );
    check(
        ExchangeType::ConsistentHash,
        with("hash-property", "message_id".into()),
        "",
    );
    check(
        ExchangeType::ConsistentHash,
        with("hash-property", "priority".into()),
        "Unsupported property: priority",
    );
    check(
        ExchangeType::ConsistentHash,
        with("hash-header", "h".into()),
        "",
    );
    check(
        ExchangeType::DelayedMessage,
        Table::new(),
        "Invalid argument, 'x-delayed-type' must be an existing exchange type",
    );
    check(
        ExchangeType::DelayedMessage,
        with("x-delayed-type", "x-delayed-message".into()),
        "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
    );
    check(
        ExchangeType::DelayedMessage,
        with("x-delayed-type", "zz".into()),
        "unknown exchange type 'zz'",
    );
    check(
        ExchangeType::DelayedMessage,
        with("x-delayed-type", "topic".into()),
        "",
    );
    check(
        ExchangeType::RecentHistory,
        with("x-recent-history-length", 0i32.into()),
        "Invalid argument 0, 'x-recent-history-length' must be a positive integer",
    );
    check(
        ExchangeType::RecentHistory,
        with("x-recent-history-length", "all".into()),
        "Invalid argument <<\"all\">>, 'x-recent-history-length' must be a positive integer",
    );
    check(
        ExchangeType::RecentHistory,
        with("x-recent-history-length", Value::U32(7)),
        "Invalid argument 7, 'x-recent-history-length' must be a positive integer",
    );
    check(
        ExchangeType::RecentHistory,
        with("x-recent-history-length", Value::I8(7)),
        "",
    );
}

#[test]
fn redeclarations_must_say_the_same() {
    let base = Declaration::durable(ExchangeType::Direct);
    let check = |current: &Declaration, asked: Declaration, expected: &str| {
        let mut topology = Topology::new("v");
        let id = topology.add_exchange("x", current.clone());
        let found = topology
            .check_same(id, &asked)
            .map_err(|refusal| refusal.text);
        let expected = if expected.is_empty() {
            Ok(())
        } else {
            Err(format!("inequivalent arg {expected}"))
        };
        assert_eq!(found, expected);
    };
    let named = |name: &str| Declaration {
        arguments: Table::new().with(ALTERNATE_EXCHANGE, name),
        ..base.clone()
    };
    check(&base, base.clone(), "");
    check(
        &base,
        Declaration {
            kind: ExchangeType::Topic,
            ..base.clone()
        },
        "'type' for exchange 'x' in vhost 'v': received 'topic' but current is 'direct'",
    );
    check(
        &base,
        Declaration {
            kind: ExchangeType::Random,
            ..base.clone()
        },
        "'type' for exchange 'x' in vhost 'v': received ''x-random'' but current is 'direct'",
    );
    check(
        &base,
        Declaration {
            durable: false,
            ..base.clone()
        },
        "'durable' for exchange 'x' in vhost 'v': received 'false' but current is 'true'",
    );
    check(
        &base,
        Declaration {
            auto_delete: true,
            internal: true,
            ..base.clone()
        },
        "'auto_delete' for exchange 'x' in vhost 'v': received 'true' but current is 'false'",
    );
    check(
        &base,
        Declaration {
            internal: true,
            ..base.clone()
        },
        "'internal' for exchange 'x' in vhost 'v': received 'true' but current is 'false'",
    );
    check(
        &base,
        named("a"),
        "'alternate-exchange' for exchange 'x' in vhost 'v': received the value 'a' of type 'longstr' but current is none",
    );
    check(&named("a"), named("a"), "");
    check(
        &named("a"),
        named("b"),
        "'alternate-exchange' for exchange 'x' in vhost 'v': received 'b' but current is 'a'",
    );
    // All other arguments are ignored.
    check(
        &base,
        Declaration {
            arguments: Table::new().with("x-nonsense", 1i32),
            ..base.clone()
        },
        "",
    );
}

#[test]
fn every_change_changes_the_generation() {
    let mut topology = with_queues(1);
    let mut last = topology.generation();
    let mut changed = |topology: &Topology| {
        let now = topology.generation();
        assert_ne!(std::mem::replace(&mut last, now), now);
    };
    topology.add_queue("q1", QueueId(1));
    changed(&topology);
    let x = declared(&mut topology, "x", ExchangeType::Fanout, Table::new());
    changed(&topology);
    topology.bind(x, queue(0), "", Table::new()).unwrap();
    changed(&topology);
    topology.unbind(x, queue(0), "", Table::new()).unwrap();
    changed(&topology);
    topology.remove_queue(QueueId(1));
    changed(&topology);
    topology.delete_exchange(x);
    changed(&topology);
}
