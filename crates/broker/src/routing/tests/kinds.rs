//! What each type of exchange does.

use super::*;

/// An exchange with these bindings to `q0`, `q1`, …, and the queues it finds for a key.
fn check_topic(patterns: &[&str], key: &str, expected: &[u32]) {
    let mut topology = with_queues(patterns.len() as u32);
    let topic = topology.exchange_id("amq.topic").unwrap();
    for (id, pattern) in (0..).zip(patterns) {
        topology
            .bind(topic, queue(id), pattern, Table::new())
            .unwrap();
    }
    let expected: BTreeSet<u32> = expected.iter().copied().collect();
    assert_eq!(
        routed(&topology, topic, &[key], &Table::new()),
        expected,
        "{patterns:?} for {key:?}"
    );
}

#[test]
fn topics_match_words() {
    // The examples of RabbitMQ's own test of topic exchanges, and its corners.
    let patterns = [
        "a.b.c",
        "a.*.c",
        "a.#.b",
        "a.b.b.c",
        "#",
        "#.#",
        "*",
        "#.b",
        "*.#",
        "#.a",
        "a.*.#",
        "a.#.*",
        "#.#.#",
        "*.#.a",
        "*.#.b",
        "b.b.c",
        "",
        "*.*",
        "vodka.martini",
        "a.b.*",
        "#.*.#",
    ];
    check_topic(&patterns, "a.b.c", &[0, 1, 4, 5, 8, 10, 11, 12, 19, 20]);
    check_topic(&patterns, "a.b", &[2, 4, 5, 7, 8, 10, 11, 12, 14, 17, 20]);
    check_topic(&patterns, "a.b.b", &[2, 4, 5, 7, 8, 10, 11, 12, 14, 19, 20]);
    check_topic(&patterns, "", &[4, 5, 12, 16]);
    check_topic(&patterns, "b.c.a", &[4, 5, 8, 9, 12, 13, 20]);
    check_topic(&patterns, "b", &[4, 5, 6, 7, 8, 12, 20]);
    check_topic(&patterns, "vodka.martini", &[4, 5, 8, 12, 17, 18, 20]);
    check_topic(&patterns, "nothing.here.at.all", &[4, 5, 8, 12, 20]);
    check_topic(&["*", "*.*", "#", "", "."], ".", &[1, 2, 4]);
    check_topic(&["a.", "a.*", "a", "a.#"], "a.", &[0, 1, 3]);
    // Words that look like wildcards in a key are words.
    check_topic(&["a", "#", "*", "a.#"], "#", &[1, 2]);
}

#[test]
fn many_wildcards_do_not_take_exponential_time() {
    let pattern = format!("{}b", "#.a.".repeat(50));
    let key = vec!["a"; 127].join(".");
    check_topic(&[&pattern, "#.a"], &key, &[1]);
}

#[test]
fn a_trie_gives_nodes_back() {
    let mut trie = topic::Trie::default();
    let patterns = ["a.b.c", "a.b.*", "a.#", "#.#.x", "", "a.b"];
    for pattern in patterns {
        trie.add(pattern.as_bytes(), queue(1));
        trie.add(pattern.as_bytes(), queue(2));
    }
    assert_eq!(trie.len(), 8);
    for pattern in patterns {
        trie.remove(pattern.as_bytes(), queue(1));
    }
    assert_eq!(trie.len(), 8);
    trie.remove(b"not.there", queue(2));
    for pattern in patterns {
        trie.remove(pattern.as_bytes(), queue(2));
    }
    assert_eq!(trie.len(), 1);
}

fn check_headers(arguments: Table, headers: Table, expected: bool) {
    let mut topology = with_queues(1);
    let exchange = topology.exchange_id("amq.headers").unwrap();
    topology
        .bind(exchange, queue(0), "ignored", arguments.clone())
        .unwrap();
    let found = routed(&topology, exchange, &["k"], &headers);
    assert_eq!(!found.is_empty(), expected, "{arguments:?} for {headers:?}");
}

#[test]
fn headers_match_all_or_any() {
    let t = Table::new;
    check_headers(t(), t(), true);
    check_headers(t(), t().with("a", 1i32), true);
    check_headers(t().with("x-match", "any"), t().with("a", 1i32), false);
    check_headers(t().with("a", 1i32), t(), false);
    check_headers(
        t().with("a", 1i32).with("b", "x"),
        t().with("b", "x").with("a", 1i32),
        true,
    );
    check_headers(
        t().with("a", 1i32).with("b", "x"),
        t().with("a", 1i32),
        false,
    );
    check_headers(
        t().with("x-match", "any").with("a", 1i32).with("b", "x"),
        t().with("b", "x"),
        true,
    );
    check_headers(
        t().with("x-match", "any").with("a", 1i32),
        t().with("a", 2i32),
        false,
    );
    // Keys with `x-` count only with `-with-x`, `x-match` never.
    check_headers(t().with("x-a", 1i32), t(), true);
    check_headers(
        t().with("x-match", "any").with("x-a", 1i32),
        t().with("x-a", 1i32),
        false,
    );
    check_headers(
        t().with("x-match", "all-with-x").with("x-a", 1i32),
        t(),
        false,
    );
    check_headers(
        t().with("x-match", "all-with-x").with("x-a", 1i32),
        t().with("x-a", 1i32),
        true,
    );
    check_headers(
        t().with("x-match", "any-with-x")
            .with("x-a", 1i32)
            .with("b", 1i32),
        t().with("x-a", 1i32),
        true,
    );
    // Void asks for presence.
    check_headers(t().with("a", Value::Void), t().with("a", "anything"), true);
    check_headers(t().with("a", Value::Void), t().with("b", 1i32), false);
    check_headers(
        t().with("x-match", "any")
            .with("a", Value::Void)
            .with("b", 2i32),
        t().with("a", Value::Void),
        true,
    );
    check_headers(t().with("a", 1i32), t().with("a", Value::Void), false);
    // A number is a number, and nothing is nothing.
    check_headers(t().with("a", 1i8), t().with("a", 1i64), true);
    check_headers(t().with("a", 1.5f32), t().with("a", 1.5f64), true);
    check_headers(t().with("a", 1i32), t().with("a", 1.0f64), true);
    check_headers(t().with("a", 1i32), t().with("a", 1.5f64), false);
    check_headers(
        t().with("a", 9i32),
        t().with("a", Value::Timestamp(9)),
        true,
    );
    check_headers(
        t().with("a", Table::new()),
        t().with("a", Value::Array(Vec::new())),
        true,
    );
    check_headers(t().with("a", "1"), t().with("a", 1i32), false);
    check_headers(
        t().with("a", "1"),
        t().with("a", Value::Bytes(b"1".to_vec())),
        true,
    );
    check_headers(t().with("a", true), t().with("a", true), true);
    check_headers(
        t().with("a", Value::Timestamp(9)),
        t().with("a", Value::Timestamp(9)),
        true,
    );
    // Of a name that is there twice the last counts.
    check_headers(
        t().with("a", 1i32),
        t().with("a", 1i32).with("a", 2i32),
        false,
    );
    check_headers(
        t().with("a", 2i32),
        t().with("a", 1i32).with("a", 2i32),
        true,
    );
}

#[test]
fn bindings_are_checked_by_the_type_of_their_source() {
    let check = |kind: &str, key: &str, arguments: Table, expected: &str| {
        let mut topology = with_queues(1);
        let arguments_of_exchange = Table::new().with("x-delayed-type", "headers");
        let exchange = declared(
            &mut topology,
            "x",
            ExchangeType::parse(kind).unwrap(),
            arguments_of_exchange,
        );
        let found = topology
            .bind(exchange, queue(0), key, arguments)
            .map_err(|refusal| refusal.text);
        let expected = if expected.is_empty() {
            Ok(true)
        } else {
            Err(expected.to_owned())
        };
        assert_eq!(found, expected);
    };
    let matching = |value: Value| Table::new().with("x-match", value);
    let words = "expected all, any, all-with-x, or any-with-x";
    check("headers", "", matching("any".into()), "");
    check(
        "headers",
        "",
        matching("bogus".into()),
        &format!("Invalid x-match field value <<\"bogus\">>; {words}"),
    );
    check(
        "headers",
        "",
        matching("b\"ü".into()),
        &format!("Invalid x-match field value <<\"b\\\"ü\"/utf8>>; {words}"),
    );
    check(
        "headers",
        "",
        matching(1i8.into()),
        "Invalid x-match field type byte (value 1); expected longstr",
    );
    check(
        "x-delayed-message",
        "",
        matching(1i8.into()),
        "Invalid x-match field type byte (value 1); expected longstr",
    );
    check("topic", "", matching(1i8.into()), "");
    check("x-consistent-hash", "10", Table::new(), "");
    check(
        "x-consistent-hash",
        "0",
        Table::new(),
        "The binding key must be greater than 0",
    );
    check(
        "x-consistent-hash",
        "-3",
        Table::new(),
        "The binding key must be greater than 0",
    );
    check(
        "x-consistent-hash",
        "",
        Table::new(),
        "The binding key must be an integer: <<>>",
    );
    check(
        "x-consistent-hash",
        "1.5",
        Table::new(),
        "The binding key must be an integer: <<\"1.5\">>",
    );
    check("x-local-random", "", Table::new(), "");
    check(
        "x-local-random",
        "k",
        Table::new(),
        "Non empty binding 'k' key not permitted",
    );
}

/// How many of 10,000 different keys each queue gets.
fn shares(topology: &Topology, exchange: ExchangeId) -> Vec<usize> {
    let mut counts = vec![0; 16];
    for key in 0..10_000 {
        let found = routed(topology, exchange, &[&format!("key-{key}")], &Table::new());
        assert_eq!(found.len(), 1);
        counts[*found.first().unwrap() as usize] += 1;
    }
    counts
}

#[test]
fn consistent_hashing_gives_shares_by_weight_and_moves_little() {
    let mut topology = with_queues(4);
    let exchange = declared(
        &mut topology,
        "h",
        ExchangeType::ConsistentHash,
        Table::new(),
    );
    for (id, weight) in [(0, "1"), (1, "1"), (2, "2")] {
        topology
            .bind(exchange, queue(id), weight, Table::new())
            .unwrap();
    }
    let before = shares(&topology, exchange);
    for (id, share) in [(0, 2500), (1, 2500), (2, 5000)] {
        assert!(before[id].abs_diff(share) < 250, "{before:?}");
    }
    // A new queue takes from all; nothing moves between the others.
    let keys: Vec<String> = (0..1000).map(|key| format!("key-{key}")).collect();
    let place = |topology: &Topology, key: &str| routed(topology, exchange, &[key], &Table::new());
    let places: Vec<_> = keys.iter().map(|key| place(&topology, key)).collect();
    topology
        .bind(exchange, queue(3), "1", Table::new())
        .unwrap();
    for (key, before) in keys.iter().zip(&places) {
        let now = place(&topology, key);
        assert!(now == *before || now == set([3]));
    }
    // A second binding to a queue does not count, nor does its going.
    topology
        .bind(exchange, queue(0), "100", Table::new())
        .unwrap();
    assert!(shares(&topology, exchange)[0] < 2500);
    topology
        .unbind(exchange, queue(0), "100", Table::new())
        .unwrap();
    topology
        .unbind(exchange, queue(3), "1", Table::new())
        .unwrap();
    assert_eq!(shares(&topology, exchange), before);
}

#[test]
fn consistent_hashing_of_headers_and_properties() {
    let mut topology = with_queues(5);
    let by_header = Table::new().with("hash-header", "h");
    let exchange = declared(&mut topology, "h", ExchangeType::ConsistentHash, by_header);
    for id in 0..5 {
        topology
            .bind(exchange, queue(id), "1", Table::new())
            .unwrap();
    }
    let with = |value: i32| Table::new().with("h", value);
    let places: BTreeSet<_> = (0..100)
        .map(|i| routed(&topology, exchange, &["k"], &with(i)))
        .collect();
    assert_eq!(places.len(), 5);
    assert_eq!(
        routed(&topology, exchange, &["a"], &with(1)),
        routed(&topology, exchange, &["b"], &with(1)),
        "the key does not matter"
    );
    let by_property = Table::new().with("hash-property", "message_id");
    let exchange = declared(
        &mut topology,
        "p",
        ExchangeType::ConsistentHash,
        by_property,
    );
    for id in 0..5 {
        topology
            .bind(exchange, queue(id), "1", Table::new())
            .unwrap();
    }
    let mut route = Route::new(1);
    let places: BTreeSet<_> = (0..100)
        .map(|i: u32| {
            let id = i.to_string();
            let properties = Properties {
                message_id: Some(id.as_bytes()),
                ..Properties::default()
            };
            let mut header = vec![];
            properties.encode(0, &mut header);
            topology.route(exchange, &[b"k"], ContentHeader::new(&header), &mut route);
            route.queues().to_vec()
        })
        .collect();
    assert_eq!(places.len(), 5);
}

#[test]
fn a_modulus_does_not_depend_on_the_order_of_bindings() {
    let places = |order: [u32; 3]| {
        let mut topology = with_queues(3);
        let exchange = declared(&mut topology, "m", ExchangeType::ModulusHash, Table::new());
        for id in order {
            topology
                .bind(exchange, queue(id), "any", Table::new())
                .unwrap();
        }
        shares(&topology, exchange)
    };
    let found = places([0, 1, 2]);
    assert_eq!(found, places([2, 0, 1]));
    assert!(
        found[..3].iter().all(|count| count.abs_diff(3333) < 300),
        "{found:?}"
    );
}

#[test]
fn chance_is_fair() {
    for kind in [ExchangeType::Random, ExchangeType::LocalRandom] {
        let mut topology = with_queues(4);
        let exchange = declared(&mut topology, "r", kind, Table::new());
        for id in 0..4 {
            topology
                .bind(exchange, queue(id), "", Table::new())
                .unwrap();
        }
        let header = plain();
        let mut route = Route::new(99);
        let mut counts = [0u32; 4];
        for _ in 0..4000 {
            topology.route(exchange, &[b"k"], ContentHeader::new(&header), &mut route);
            assert_eq!(route.queues().len(), 1);
            counts[route.queues()[0].0 as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| count.abs_diff(1000) < 200),
            "{counts:?}"
        );
        topology.remove_queue(QueueId(2));
        topology.route(exchange, &[b"k"], ContentHeader::new(&header), &mut route);
        assert_ne!(route.queues(), [QueueId(2)]);
    }
}

#[test]
fn delayed_exchanges_route_as_the_type_inside() {
    let mut topology = with_queues(1);
    let inside = Table::new().with("x-delayed-type", "topic");
    let exchange = declared(&mut topology, "d", ExchangeType::DelayedMessage, inside);
    assert!(topology.exchange(exchange).unwrap().is_delayed());
    topology
        .bind(exchange, queue(0), "a.*", Table::new())
        .unwrap();
    assert_eq!(
        routed(&topology, exchange, &["a.b"], &Table::new()),
        set([0])
    );
    assert_eq!(
        routed(&topology, exchange, &["b.b"], &Table::new()),
        set([])
    );
}

#[test]
fn carbon_copies_add_keys() {
    let mut topology = with_queues(3);
    for (name, patterns) in [
        ("amq.direct", ["a", "b", "c"]),
        ("amq.topic", ["a.#", "*", "c"]),
    ] {
        let exchange = topology.exchange_id(name).unwrap();
        for (id, pattern) in (0..).zip(patterns) {
            topology
                .bind(exchange, queue(id), pattern, Table::new())
                .unwrap();
        }
    }
    let direct = topology.exchange_id("amq.direct").unwrap();
    let topic = topology.exchange_id("amq.topic").unwrap();
    assert_eq!(
        routed(&topology, direct, &["a", "c", "none", "a"], &Table::new()),
        set([0, 2])
    );
    assert_eq!(
        routed(&topology, topic, &["a.x", "c"], &Table::new()),
        set([0, 1, 2])
    );
}

#[test]
fn a_route_tells_whether_keys_alone_decided() {
    let mut topology = with_queues(1);
    let named = |topology: &Topology, name: &str| topology.exchange_id(name).unwrap();
    let (direct, fanout, headers) = (
        named(&topology, "amq.direct"),
        named(&topology, "amq.fanout"),
        named(&topology, "amq.headers"),
    );
    let random = declared(&mut topology, "r", ExchangeType::Random, Table::new());
    let by_header = Table::new().with("hash-header", "h");
    let hashed = declared(&mut topology, "h", ExchangeType::ConsistentHash, by_header);
    topology
        .bind(direct, Destination::Exchange(headers), "h", Table::new())
        .unwrap();
    topology.set_alternate(fanout, Some("r"));
    let header = plain();
    let check = |exchange, key: &[u8], expected| {
        let mut route = Route::new(1);
        topology.route(exchange, &[key], ContentHeader::new(&header), &mut route);
        assert_eq!(route.is_by_key(), expected);
    };
    check(ExchangeId::DEFAULT, b"q0", true);
    check(direct, b"k", true);
    check(direct, b"h", false);
    check(headers, b"k", false);
    check(random, b"k", false);
    check(fanout, b"k", false);
    check(hashed, b"k", false);
}
