//! What streams refuse, in RabbitMQ's words.

use trefoil_amqp::{
    Method, Table, TableRef, Value,
    method::{basic, queue},
};

use super::{
    super::{
        methods::{self, consume, get, purge},
        rig::{Rig, Who, octets},
    },
    attach, read, rig,
};

/// Code and text of the close that answers, and whether it is the connection's.
fn refused(rig: &mut Rig, who: Who, method: &Method<'_>) -> (u16, String, bool) {
    let heard = rig.ask(who, method);
    let found = heard
        .iter()
        .find_map(|one| Some((one.closed()?, one.channel.0 == 0)));
    let (closed, is_connection) = found.unwrap_or_else(|| panic!("not refused: {heard:?}"));
    assert_eq!(closed.method, method.id());
    (closed.code, closed.text, is_connection)
}

fn declaration(declare: queue::Declare<'_>, arguments: &Table) -> (u16, String, bool) {
    let mut rig = Rig::new();
    let client = rig.client();
    let octets = octets(&arguments.clone().with("x-queue-type", "stream"));
    let declare = queue::Declare {
        arguments: TableRef::from_bytes(&octets),
        ..declare
    };
    refused(&mut rig, client, &Method::QueueDeclare(declare))
}

fn durable(name: &str) -> queue::Declare<'_> {
    queue::Declare {
        durable: true,
        ..methods::declare(name)
    }
}

fn precondition(text: &str) -> (u16, String, bool) {
    (406, format!("PRECONDITION_FAILED - {text}"), false)
}

fn not_implemented(text: &str) -> (u16, String, bool) {
    (540, format!("NOT_IMPLEMENTED - {text}"), true)
}

#[test]
fn properties_that_no_stream_has() {
    let none = Table::new();
    let cases = [
        (methods::declare("s"), "non-durable"),
        (
            queue::Declare {
                exclusive: true,
                ..durable("s")
            },
            "exclusive-owner",
        ),
        (
            queue::Declare {
                auto_delete: true,
                ..durable("s")
            },
            "auto-delete",
        ),
    ];
    for (declare, property) in cases {
        let text = format!("invalid property '{property}' for queue 's' in vhost '/'");
        assert_eq!(declaration(declare, &none), precondition(&text));
    }
    let text = "Cannot declare a server-named queue for type rabbit_stream_queue";
    assert_eq!(declaration(durable(""), &none), precondition(text));
}

#[test]
fn arguments_that_no_stream_has() {
    let invalid = |name: &str, value: Value, problem: &str| {
        let text = format!("invalid arg '{name}' for queue 's' in vhost '/': {problem}");
        let table = Table::new().with(name, value);
        assert_eq!(declaration(durable("s"), &table), precondition(&text));
    };
    for age in ["1x", "", "D", "-1D", "1.5h", "7d", "0s"] {
        invalid("x-max-age", age.into(), "invalid_max_age");
    }
    let negative = "{value_negative,-1}";
    invalid("x-max-length-bytes", Value::I32(-1), negative);
    invalid("x-stream-max-segment-size-bytes", Value::I32(-1), negative);
    invalid("x-initial-cluster-size", Value::I32(0), "{value_zero,0}");
    let locator = "invalid_queue_locator_arg";
    invalid("x-queue-leader-locator", "here".into(), locator);

    let exact = |name: &str, value: i64, text: &str| {
        let table = Table::new().with(name, value);
        assert_eq!(declaration(durable("s"), &table), precondition(text));
    };
    let segment = "Exceeded max value for x-stream-max-segment-size-bytes";
    exact("x-stream-max-segment-size-bytes", 3_000_000_001, segment);
    let filter = "Invalid value for x-stream-filter-size-bytes";
    exact("x-stream-filter-size-bytes", 15, filter);
    exact("x-stream-filter-size-bytes", 256, filter);

    for (name, value) in [
        ("x-max-length", Value::I32(1)),
        ("x-message-ttl", Value::I32(1)),
        ("x-expires", Value::I32(1)),
        ("x-max-priority", Value::I32(1)),
        ("x-overflow", Value::from("drop-head")),
        ("x-dead-letter-exchange", Value::from("")),
        ("x-single-active-consumer", Value::Bool(true)),
        ("x-delivery-limit", Value::I32(1)),
    ] {
        let text = format!(
            "invalid arg '{name}' for queue 's' in vhost '/' of queue type rabbit_stream_queue"
        );
        let table = Table::new().with(name, value);
        assert_eq!(declaration(durable("s"), &table), precondition(&text));
    }
}

#[test]
fn a_stream_is_declared_again_as_it_is() {
    let age = Table::new().with("x-max-age", "7D");
    let (mut rig, client) = rig(&age);
    super::declare(&mut rig, client, "s", &age);
    let again = |rig: &mut Rig, arguments: &Table| {
        let client = rig.client();
        let octets = octets(arguments);
        let declare = queue::Declare {
            arguments: TableRef::from_bytes(&octets),
            ..durable("s")
        };
        refused(rig, client, &Method::QueueDeclare(declare))
    };
    let stream = Table::new().with("x-queue-type", "stream");
    assert_eq!(
        again(&mut rig, &stream.clone().with("x-max-age", "8D")),
        precondition(
            "inequivalent arg 'x-max-age' for queue 's' in vhost '/': received '8D' but current is '7D'"
        )
    );
    assert_eq!(
        again(&mut rig, &stream),
        precondition(
            "inequivalent arg 'x-max-age' for queue 's' in vhost '/': received none but current is the value '7D' of type 'longstr'"
        )
    );
    // The order in which a type's arguments are compared is that of RabbitMQ.
    let (code, text, _) = again(&mut rig, &age);
    assert_eq!(code, 406);
    assert!(text.contains("inequivalent arg 'x-queue-type'"), "{text}");
}

#[test]
fn what_cannot_be_done_with_a_stream() {
    let (mut rig, _) = rig(&Table::new());
    let client = rig.client();
    let text = "basic.get not supported by stream queues queue 's' in vhost '/'";
    assert_eq!(refused(&mut rig, client, &get("s")), not_implemented(text));
    let client = rig.client();
    let text = "queue.purge not supported by stream queues queue 's' in vhost '/'";
    assert_eq!(
        refused(&mut rig, client, &purge("s")),
        not_implemented(text)
    );
}

#[test]
fn how_a_stream_cannot_be_consumed() {
    let (mut rig, _) = rig(&Table::new());
    let plain = Method::BasicConsume(consume("s", "r"));
    let client = rig.client();
    let text = "consumer prefetch count is not set for stream queue 's' in vhost '/'";
    assert_eq!(refused(&mut rig, client, &plain), precondition(text));
    // Prefetch is the first that is looked at.
    let no_ack = Method::BasicConsume(basic::Consume {
        no_ack: true,
        ..consume("s", "r")
    });
    let client = rig.client();
    assert_eq!(refused(&mut rig, client, &no_ack), precondition(text));
    let client = rig.client();
    rig.prefetch(client, 1, false);
    let text = "automatic acknowledgement not supported by stream queue 's' in vhost '/'";
    assert_eq!(refused(&mut rig, client, &no_ack), not_implemented(text));
    let client = rig.client();
    rig.prefetch(client, 1, false);
    rig.prefetch(client, 1, true);
    let text = "queue 's' in vhost '/' does not support global qos";
    assert_eq!(refused(&mut rig, client, &plain), not_implemented(text));

    let mut with = |name: &str, value: Value| {
        let client = rig.client();
        rig.prefetch(client, 1, false);
        let octets = octets(&Table::new().with(name, value));
        let consume = basic::Consume {
            arguments: TableRef::from_bytes(&octets),
            ..consume("s", "r")
        };
        refused(&mut rig, client, &Method::BasicConsume(consume))
    };
    assert_eq!(
        with("x-stream-offset", "foo".into()),
        precondition(
            "invalid arg 'x-stream-offset' for queue 's' in vhost '/': {invalid_stream_offset_arg,{longstr,<<\"foo\">>}}"
        )
    );
    assert_eq!(
        with("x-priority", Value::I32(1)),
        precondition(
            "invalid arg 'x-priority' for queue 's' in vhost '/' of queue type rabbit_stream_queue"
        )
    );
}

/// RabbitMQ's streams pass over the flag: a stream has no single owner.
#[test]
fn an_exclusive_consumer_of_a_stream_is_not_alone() {
    let (mut rig, client) = rig(&Table::new());
    super::publish(&mut rig, client, &["a"]);
    let alone = Method::BasicConsume(basic::Consume {
        exclusive: true,
        ..consume("s", "alone")
    });
    for _ in 0..2 {
        let client = rig.client();
        rig.prefetch(client, 1, false);
        let heard = rig.ask(client, &alone);
        assert!(heard.iter().all(|one| one.closed().is_none()), "{heard:?}");
    }
    let client = rig.client();
    assert!(attach(&mut rig, client, "r", 1, &Table::new()).is_empty());
    assert_eq!(read(&mut rig, "first").len(), 1);
}
