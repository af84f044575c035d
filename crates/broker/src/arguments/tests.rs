use proptest::prelude::*;
use trefoil_amqp::{Table, Value};

use super::*;

const QUEUE: QueueDeclaration<'static> = QueueDeclaration {
    virtual_host: "/",
    name: "q",
    durable: true,
    exclusive: false,
    auto_delete: false,
};

fn parse(arguments: &Table) -> Result<QueueArguments, ArgumentError> {
    QueueArguments::parse(&QUEUE, arguments)
}

fn of_type(queue_type: &str) -> Table {
    Table::new().with("x-queue-type", queue_type)
}

/// What RabbitMQ says to the arguments, word for word (asked of 3.10.8, but for what only later versions know).
#[track_caller]
fn check(arguments: &Table, expected: &str) {
    match parse(arguments) {
        Ok(parsed) => assert_eq!(expected, "", "accepted: {parsed:?}"),
        Err(error) => assert_eq!(error.to_string(), expected),
    }
}

/// The complaint about one argument of a classic queue.
#[track_caller]
fn check_value(argument: &str, value: impl Into<Value>, problem: &str) {
    let arguments = Table::new().with(argument, value);
    check(
        &arguments,
        &format!("invalid arg '{argument}' for queue 'q' in vhost '/': {problem}"),
    );
}

#[test]
fn values_are_refused_in_the_words_of_rabbitmq() {
    check_value("x-message-ttl", -1i32, "{value_negative,-1}");
    check_value("x-message-ttl", "10", "\"expected integer, got longstr\"");
    check_value("x-message-ttl", 10.0f64, "\"expected integer, got double\"");
    check_value(
        "x-message-ttl",
        Value::Void,
        "\"expected integer, got void\"",
    );
    check_value(
        "x-message-ttl",
        315_360_000_001i64,
        "{value_too_large,315360000001}",
    );
    check_value("x-expires", 0i64, "{value_zero,0}");
    check_value(
        "x-expires",
        1i64 << 60,
        "{value_too_large,1152921504606846976}",
    );
    check_value("x-max-length", true, "\"expected integer, got bool\"");
    check_value(
        "x-max-length",
        Value::Timestamp(5),
        "\"expected integer, got timestamp\"",
    );
    check_value(
        "x-max-length-bytes",
        Value::Decimal { scale: 1, value: 2 },
        "\"expected integer, got decimal\"",
    );
    check_value("x-max-priority", 256i32, "{max_value_exceeded,256}");
    check_value("x-max-priority", -3i32, "{value_negative,-3}");
    check_value("x-overflow", "zz", "invalid_overflow");
    check_value("x-overflow", 1i32, "{unacceptable_type,signedint}");
    check_value(
        "x-dead-letter-routing-key",
        "rk",
        "routing_key_but_no_dlx_defined",
    );
    check_value("x-queue-mode", "zz", "\"unsupported queue mode 'zz'\"");
    check_value("x-queue-version", 3i32, "\"unsupported queue version '3'\"");
    check_value(
        "x-single-active-consumer",
        "true",
        "{unacceptable_type,longstr}",
    );
    check_value("x-queue-type", "zz", "\"unsupported queue type 'zz'\"");
    check_value("x-queue-type", 1i32, "{unacceptable_type,signedint}");
    check_value("x-confirm-level", "soon", "invalid_confirm_level");
    check_value("x-confirm-level", 1i32, "{unacceptable_type,signedint}");
    check_value(
        "x-consumer-timeout",
        "x",
        "\"expected integer, got longstr\"",
    );
}

#[test]
fn the_name_of_a_dead_letter_exchange_is_looked_at_first() {
    check(
        &Table::new()
            .with("x-message-ttl", -1i32)
            .with("x-dead-letter-exchange", 1i32),
        "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'",
    );
}

#[test]
fn types_of_queues_know_different_arguments() {
    let of =
        |queue_type: &str, argument: &str, value: Value| of_type(queue_type).with(argument, value);
    check(
        &of("quorum", "x-max-priority", Value::I32(1)),
        "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue",
    );
    check(
        &of("quorum", "x-quorum-initial-group-size", Value::I32(0)),
        "invalid arg 'x-quorum-initial-group-size' for queue 'q' in vhost '/': {value_zero,0}",
    );
    check(
        &of("quorum", "x-dead-letter-strategy", "x".into()),
        "invalid arg 'x-dead-letter-strategy' for queue 'q' in vhost '/': invalid_dlx_strategy",
    );
    check(
        &of("quorum", "x-queue-leader-locator", "x".into()),
        "invalid arg 'x-queue-leader-locator' for queue 'q' in vhost '/': invalid_queue_locator_arg",
    );
    check(
        &of("stream", "x-max-age", "1x".into()),
        "invalid arg 'x-max-age' for queue 'q' in vhost '/': invalid_max_age",
    );
    check(
        &of("stream", "x-max-length", Value::I32(1)),
        "invalid arg 'x-max-length' for queue 'q' in vhost '/' of queue type rabbit_stream_queue",
    );
    check(
        &of(
            "stream",
            "x-stream-max-segment-size-bytes",
            Value::I64(4_000_000_000),
        ),
        "Exceeded max value for x-stream-max-segment-size-bytes",
    );
    check(
        &of("stream", "x-stream-filter-size-bytes", Value::I64(15)),
        "Invalid value for x-stream-filter-size-bytes",
    );
    check(
        &Table::new().with("x-delivery-limit", 3i32),
        "invalid arg 'x-delivery-limit' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    );
    check(
        &Table::new().with("x-max-age", "1D"),
        "invalid arg 'x-max-age' for queue 'q' in vhost '/' of queue type rabbit_classic_queue",
    );
    check(&Table::new().with("x-foo", Value::Table(Table::new())), "");
    // Values of arguments that the type knows come before names that it does not.
    check(
        &of_type("quorum")
            .with("x-max-priority", 1i32)
            .with("x-expires", 0i32),
        "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}",
    );
}

#[test]
fn quorum_queues_and_streams_last() {
    let property = |declaration: QueueDeclaration<'_>, queue_type: &str| {
        QueueArguments::parse(&declaration, &of_type(queue_type)).map_err(|error| error.to_string())
    };
    let refused = |property: &str| {
        Err(format!(
            "invalid property '{property}' for queue 'q' in vhost '/'"
        ))
    };
    assert_eq!(
        property(
            QueueDeclaration {
                durable: false,
                ..QUEUE
            },
            "quorum"
        ),
        refused("non-durable")
    );
    assert_eq!(
        property(
            QueueDeclaration {
                auto_delete: true,
                ..QUEUE
            },
            "quorum"
        ),
        refused("auto-delete")
    );
    assert_eq!(
        property(
            QueueDeclaration {
                exclusive: true,
                ..QUEUE
            },
            "stream"
        ),
        refused("exclusive-owner")
    );
    assert!(
        property(
            QueueDeclaration {
                durable: false,
                exclusive: true,
                ..QUEUE
            },
            "classic"
        )
        .is_ok()
    );
}

#[test]
fn values_are_read_in_any_width() {
    let parsed = parse(
        &Table::new()
            .with("x-message-ttl", 10u8)
            .with("x-expires", 20i16)
            .with("x-max-length", 30u32)
            .with("x-max-length-bytes", Value::I64Upper(40))
            .with("x-max-priority", 5i64)
            .with("x-overflow", "reject-publish")
            .with("x-dead-letter-exchange", "")
            .with("x-dead-letter-routing-key", "k")
            .with("x-single-active-consumer", true)
            .with("x-consumer-timeout", 1000i32)
            .with("x-queue-mode", "lazy")
            .with("x-queue-version", 2i32)
            .with("x-confirm-level", "written"),
    )
    .expect("every value is fine");
    assert_eq!(parsed.message_ttl_ms, Some(10));
    assert_eq!(parsed.expires_ms, Some(20));
    assert_eq!(
        (parsed.max_length, parsed.max_length_bytes),
        (Some(30), Some(40))
    );
    assert_eq!(parsed.max_priority, Some(5));
    assert_eq!(parsed.overflow, Some(Overflow::RejectPublish));
    assert_eq!(parsed.dead_letter_exchange.as_deref(), Some(""));
    assert_eq!(parsed.dead_letter_routing_key.as_deref(), Some("k"));
    assert!(parsed.single_active_consumer);
    assert_eq!(parsed.consumer_timeout_ms, Some(1000));
    assert_eq!(parsed.confirm_level, Some(ConfirmLevel::Written));
    let stream =
        parse(&of_type("stream").with("x-max-age", "12h")).expect("a stream may have an age");
    assert_eq!(
        (stream.queue_type, stream.max_age_ms),
        (QueueType::Stream, Some(12 * 3_600_000))
    );
}

/// What is said to somebody who declares a queue again.
#[track_caller]
fn check_again(current: &Table, requested: &Table, difference: &str) {
    let current = parse(current).expect("the queue exists");
    match current.check_equivalent("/", "q", requested) {
        Ok(()) => assert_eq!(difference, ""),
        Err(error) => assert_eq!(error.to_string(), format!("inequivalent arg {difference}")),
    }
}

#[test]
fn differences_are_told_in_the_words_of_rabbitmq() {
    let none = Table::new();
    let ttl = |value: Value| Table::new().with("x-message-ttl", value);
    let ten = ttl(Value::I32(10));
    for same in [
        Value::I8(10),
        Value::U16(10),
        Value::U32(10),
        Value::I64(10),
        Value::Timestamp(10),
    ] {
        check_again(&ten, &ttl(same), "");
    }
    check_again(
        &ten,
        &ttl(Value::F64(10.0)),
        "'x-message-ttl' for queue 'q' in vhost '/': received '10.0' but current is '10'",
    );
    check_again(
        &ten,
        &ttl(Value::I64(11)),
        "'x-message-ttl' for queue 'q' in vhost '/': received '11' but current is '10'",
    );
    check_again(
        &ten,
        &none,
        "'x-message-ttl' for queue 'q' in vhost '/': received none but current is the value '10' of type 'signedint'",
    );
    check_again(
        &none,
        &Table::new().with("x-dead-letter-exchange", "a"),
        "'x-dead-letter-exchange' for queue 'q' in vhost '/': \
         received the value 'a' of type 'longstr' but current is none",
    );
    let dlx = Table::new().with("x-dead-letter-exchange", "b");
    check_again(
        &dlx,
        &Table::new().with("x-dead-letter-exchange", Table::new().with("a", 1i64)),
        "'x-dead-letter-exchange' for queue 'q' in vhost '/': received '[{<<\"a\">>,long,1}]' but current is 'b'",
    );
    let sac = Table::new().with("x-single-active-consumer", true);
    check_again(
        &sac,
        &Table::new().with("x-single-active-consumer", vec![Value::I64(1), "xx".into()]),
        "'x-single-active-consumer' for queue 'q' in vhost '/': \
         received '[{long,1},{longstr,<<\"xx\">>}]' but current is 'true'",
    );
    check_again(
        &sac,
        &Table::new().with("x-single-active-consumer", Value::Void),
        "'x-single-active-consumer' for queue 'q' in vhost '/': received none but current is 'true'",
    );
    check_again(&none, &of_type("classic"), "");
    check_again(&of_type("classic"), &none, "");
    check_again(
        &none,
        &of_type("quorum"),
        "'x-queue-type' for queue 'q' in vhost '/': received the value 'quorum' of type 'longstr' but current is none",
    );
    // Nobody's arguments, and those that only another type has.
    check_again(
        &none,
        &Table::new()
            .with("x-mine", 1i32)
            .with("x-delivery-limit", 1i32),
        "",
    );
}

#[test]
fn flags_are_compared() {
    let compare = |current, requested| {
        check_field_equivalent("durable", current, requested, || queue_resource("/", "q"))
            .map_err(|error| error.to_string())
    };
    assert_eq!(compare(true, true), Ok(()));
    assert_eq!(
        compare(true, false),
        Err("inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'".to_owned())
    );
}

#[test]
fn only_classic_queues_get_a_name() {
    let prefix = |table: &Table| {
        server_name_prefix("/", table)
            .map(|prefix| prefix.map(str::to_owned))
            .map_err(|error| error.to_string())
    };
    assert_eq!(prefix(&Table::new()), Ok(None));
    assert_eq!(
        prefix(&Table::new().with("x-name-prefix", "app.")),
        Ok(Some("app.".to_owned()))
    );
    let long = "p".repeat(65);
    assert_eq!(
        prefix(&Table::new().with("x-name-prefix", long.as_str())),
        Err(format!(
            "Queue name prefix '{long}' exceeds the 64-byte limit"
        ))
    );
    assert_eq!(
        prefix(&of_type("quorum")),
        Err("Cannot declare a server-named queue for type rabbit_quorum_queue".to_owned())
    );
}

#[test]
fn a_virtual_host_has_a_default_type_where_it_can() {
    let applied = |declaration: QueueDeclaration<'_>, mut table: Table| {
        apply_default_type(&declaration, QueueType::Quorum, &mut table);
        table
            .get("x-queue-type")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    assert_eq!(applied(QUEUE, Table::new()).as_deref(), Some("quorum"));
    assert_eq!(applied(QUEUE, of_type("stream")).as_deref(), Some("stream"));
    assert_eq!(
        applied(
            QueueDeclaration {
                exclusive: true,
                ..QUEUE
            },
            Table::new()
        ),
        None
    );
    assert_eq!(
        applied(
            QueueDeclaration {
                durable: false,
                ..QUEUE
            },
            Table::new()
        ),
        None
    );
}

#[test]
fn consumers_have_arguments_too() {
    let consumer = |queue_type, table: &Table| {
        ConsumerArguments::parse("/", "q", queue_type, table).map_err(|error| error.to_string())
    };
    let priority = |value: Value| Table::new().with("x-priority", value);
    assert_eq!(
        consumer(QueueType::Classic, &priority(Value::I8(-5))).map(|arguments| arguments.priority),
        Ok(-5)
    );
    for (value, found) in [
        (Value::Void, "void"),
        (Value::Table(Table::new()), "table"),
        (Value::Array(Vec::new()), "array"),
        ("1".into(), "longstr"),
    ] {
        assert_eq!(
            consumer(QueueType::Quorum, &priority(value)),
            Err(format!(
                "invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got {found}\""
            ))
        );
    }
    assert_eq!(
        consumer(QueueType::Stream, &priority(Value::I8(1))),
        Err(
            "invalid arg 'x-priority' for queue 'q' in vhost '/' of queue type rabbit_stream_queue"
                .to_owned()
        )
    );
    let failover = Table::new().with("x-cancel-on-ha-failover", "yes");
    assert_eq!(
        consumer(QueueType::Classic, &failover),
        Ok(ConsumerArguments::default())
    );

    let offset = |value: Value| {
        let table = Table::new().with("x-stream-offset", value);
        consumer(QueueType::Stream, &table).map(|arguments| arguments.stream_offset)
    };
    assert_eq!(offset("first".into()), Ok(Some(StreamOffset::First)));
    assert_eq!(offset("last".into()), Ok(Some(StreamOffset::Last)));
    assert_eq!(offset("next".into()), Ok(Some(StreamOffset::Next)));
    assert_eq!(offset(Value::I32(7)), Ok(Some(StreamOffset::Offset(7))));
    assert_eq!(
        offset(Value::Timestamp(8)),
        Ok(Some(StreamOffset::Timestamp(8)))
    );
    assert_eq!(offset("2m".into()), Ok(Some(StreamOffset::Ago(120_000))));
    assert_eq!(
        offset("foo".into()),
        Err("invalid arg 'x-stream-offset' for queue 'q' in vhost '/': \
             {invalid_stream_offset_arg,{longstr,<<\"foo\">>}}"
            .to_owned())
    );
    assert!(
        consumer(
            QueueType::Classic,
            &Table::new().with("x-stream-offset", "first")
        )
        .is_err()
    );
}

/// Printed by Erlang/OTP 25 with `~p`.
#[test]
fn floats_print_as_erlang_prints_them() {
    for (number, text) in [
        (0.0, "0.0"),
        (0.0001, "0.0001"),
        (0.00012, "1.2e-4"),
        (1.0e-7, "1.0e-7"),
        (0.012, "0.012"),
        (0.1, "0.1"),
        (100.0, "100.0"),
        (1000.0, "1.0e3"),
        (1234.0, "1234.0"),
        (12000.0, "1.2e4"),
        (120.5, "120.5"),
        (-3.5, "-3.5"),
        (10000.5, "10000.5"),
        (123_456_789_012.0, "123456789012.0"),
        (1.0e15, "1.0e15"),
        (1.5e16, "1.5e16"),
        (1.0e22, "1.0e22"),
    ] {
        assert_eq!(term::Plain(&Value::F64(number)).to_string(), text);
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_map(Value::F64),
        any::<u64>().prop_map(Value::Timestamp),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::LongString),
        Just(Value::Void),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{1,4}", inner), 0..4).prop_map(|fields| {
                Value::Table(
                    fields
                        .into_iter()
                        .map(|(name, value)| (name.into_bytes(), value))
                        .collect(),
                )
            }),
        ]
    })
}

proptest! {
    /// Whatever a client sends, there is an answer; and what was accepted once is accepted again.
    #[test]
    fn every_table_has_an_answer(fields in prop::collection::vec((prop::sample::select(NAMES), value()), 0..6)) {
        let table: Table = fields.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).collect();
        if let Ok(queue) = parse(&table) {
            prop_assert_eq!(queue.table(), &table);
            prop_assert_eq!(queue.check_equivalent("/", "q", &table), Ok(()));
        }
        for queue_type in [QueueType::Classic, QueueType::Quorum, QueueType::Stream] {
            let _ = ConsumerArguments::parse("/", "q", queue_type, &table);
        }
    }
}

const NAMES: &[&str] = &[
    "x-message-ttl",
    "x-expires",
    "x-max-length",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-queue-type",
    "x-max-priority",
    "x-max-age",
    "x-priority",
    "x-stream-offset",
    "other",
];
