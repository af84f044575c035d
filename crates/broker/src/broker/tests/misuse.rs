//! What clients do wrong, and what they hear: code, text, the method it was, and what is closed.

use trefoil_amqp::{
    Method, MethodId, Properties, Table, TableRef, Value,
    method::{basic, confirm, tx},
    testing::Client,
};

use super::{
    methods::{
        ack, bind, bind_exchange, consume, declare, declare_exchange, delete, delete_exchange, get,
        nack, one, plain, publish, purge,
    },
    rig::{Rig, octets},
};

/// What closes: the channel or the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closes {
    Channel,
    Connection,
}
use Closes::{Channel, Connection};

/// A broker with something of everything, on which a client says `say`.
fn check(say: impl Fn(&mut Client), closes: Closes, code: u16, id: MethodId, text: &str) {
    let mut rig = Rig::new();
    let owner = rig.client();
    rig.ask(owner, &Method::QueueDeclare(with_owner("exclusive")));
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.declare(client, "durable", true, &Table::new());
    rig.declare(
        client,
        "ttl",
        false,
        &Table::new().with("x-message-ttl", 10),
    );
    rig.declare(client, "full", false, &Table::new());
    rig.publish(client, "", "full", &plain(), "m");
    let single = Table::new().with("x-single-active-consumer", true);
    rig.declare(client, "single", false, &single);
    let quorum = Table::new().with("x-queue-type", "quorum");
    rig.declare(client, "quorum", true, &quorum);
    rig.declare_exchange(client, "x", "direct", &Table::new());
    rig.bind(client, "q", "x", "");
    let internal = trefoil_amqp::method::exchange::Declare {
        internal: true,
        ..declare_exchange("internal", "fanout")
    };
    rig.ask(client, &Method::ExchangeDeclare(internal));
    let other = rig.client();
    rig.consume(other, "durable", "o", false);
    let exclusive = basic::Consume {
        exclusive: true,
        ..consume("ttl", "o2")
    };
    rig.ask(other, &Method::BasicConsume(exclusive));
    rig.hear(client);
    say(rig.script(client));
    rig.run();
    let heard = rig.hear(client);
    let (closed, channel) = heard
        .iter()
        .find_map(|one| Some((one.closed()?, one.channel.0)))
        .unwrap_or_else(|| panic!("not refused: {text}; {heard:?}"));
    let scope = if channel == 0 { Connection } else { Channel };
    let found = (scope, closed.code, closed.method, closed.text.as_str());
    let (_, name) = NAMES
        .iter()
        .find(|(number, _)| *number == code)
        .expect("a code");
    let expected = format!("{name} - {text}");
    assert_eq!(found, (closes, code, id, expected.as_str()));
    // Nobody else is the worse for it.
    assert!(rig.hear(other).iter().all(|one| one.closed().is_none()));
    super::invariants::check(&rig.broker, true);
}

const NAMES: [(u16, &str); 6] = [
    (403, "ACCESS_REFUSED"),
    (404, "NOT_FOUND"),
    (405, "RESOURCE_LOCKED"),
    (406, "PRECONDITION_FAILED"),
    (530, "NOT_ALLOWED"),
    (540, "NOT_IMPLEMENTED"),
];

fn with_owner(name: &str) -> trefoil_amqp::method::queue::Declare<'_> {
    trefoil_amqp::method::queue::Declare {
        exclusive: true,
        ..declare(name)
    }
}

fn refused(method: &Method<'_>, closes: Closes, code: u16, text: &str) {
    check(
        |client| client.send(1, method),
        closes,
        code,
        method.id(),
        text,
    );
}

/// A publish to `exchange` with these properties.
fn refused_message(exchange: &str, properties: &Properties<'_>, code: u16, text: &str) {
    let id = MethodId::BASIC_PUBLISH;
    let say = |client: &mut Client| client.publish(1, exchange, "q", properties, b"m");
    check(say, Channel, code, id, text);
}

const LOCKED: &str = "cannot obtain exclusive access to locked queue 'exclusive' in vhost '/'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.";

#[test]
fn what_is_not_there() {
    let no_exchange = "no exchange 'none' in vhost '/'";
    let no_queue = "no queue 'none' in vhost '/'";
    refused_message("none", &plain(), 404, no_exchange);
    let passive = |name| trefoil_amqp::method::queue::Declare {
        passive: true,
        ..declare(name)
    };
    refused(
        &Method::QueueDeclare(passive("none")),
        Channel,
        404,
        no_queue,
    );
    // The empty name means the last queue everywhere but here.
    refused(
        &Method::QueueDeclare(passive("")),
        Channel,
        404,
        "no queue '' in vhost '/'",
    );
    let exchange = trefoil_amqp::method::exchange::Declare {
        passive: true,
        ..declare_exchange("none", "direct")
    };
    refused(
        &Method::ExchangeDeclare(exchange),
        Channel,
        404,
        no_exchange,
    );
    refused(&bind("none", "x", ""), Channel, 404, no_queue);
    refused(&bind("q", "none", ""), Channel, 404, no_exchange);
    // Of two that are missing, the source is the one that is told of.
    refused(&bind("none", "none", ""), Channel, 404, no_exchange);
    refused(&bind_exchange("none", "x"), Channel, 404, no_exchange);
    refused(&bind_exchange("x", "none"), Channel, 404, no_exchange);
    refused(
        &Method::BasicConsume(consume("none", "c")),
        Channel,
        404,
        no_queue,
    );
    refused(&get("none"), Channel, 404, no_queue);
    refused(&purge("none"), Channel, 404, no_queue);
    let gone = passive("amq.rabbitmq.reply-to.nobody");
    refused(
        &Method::QueueDeclare(gone),
        Channel,
        404,
        "no queue 'amq.rabbitmq.reply-to.nobody' in vhost '/'",
    );
}

#[test]
fn no_queue_was_declared_before() {
    let nothing = "no previously declared queue";
    for method in [
        Method::BasicConsume(consume("", "c")),
        get(""),
        purge(""),
        bind("", "x", "key"),
        bind("", "x", ""),
        Method::QueueDelete(delete("")),
    ] {
        let say = |client: &mut Client| {
            client.open_channel(2);
            client.send(2, &method);
        };
        check(say, Channel, 404, method.id(), nothing);
    }
}

#[test]
fn the_default_exchange_and_reserved_names() {
    let default = "operation not permitted on the default exchange";
    refused(
        &Method::ExchangeDeclare(declare_exchange("", "direct")),
        Channel,
        403,
        default,
    );
    refused(
        &Method::ExchangeDelete(delete_exchange("")),
        Channel,
        403,
        default,
    );
    refused(&bind("q", "", "key"), Channel, 403, default);
    refused(&bind("none", "", "key"), Channel, 403, default);
    refused(&bind_exchange("x", ""), Channel, 403, default);
    refused(&bind_exchange("", "x"), Channel, 403, default);
    refused(
        &Method::ExchangeDelete(delete_exchange("amq.direct")),
        Channel,
        403,
        "deletion of system exchange 'amq.direct' in vhost '/' not allowed",
    );
    refused(
        &Method::QueueDeclare(declare("amq.mine")),
        Channel,
        403,
        "queue name 'amq.mine' contains reserved prefix 'amq.*'",
    );
    refused(
        &Method::ExchangeDeclare(declare_exchange("amq.mine", "direct")),
        Channel,
        403,
        "exchange name 'amq.mine' contains reserved prefix 'amq.*'",
    );
    refused(
        &bind("amq.rabbitmq.reply-to", "x", ""),
        Channel,
        403,
        "cannot bind or unbind to a volatile (direct reply-to) queue",
    );
}

#[test]
fn other_declarations_of_what_is_there() {
    let inequivalent = |argument: &str, resource: &str, received, current| {
        format!(
            "inequivalent arg '{argument}' for {resource} in vhost '/': received '{received}' but current is '{current}'"
        )
    };
    let durable = trefoil_amqp::method::queue::Declare {
        durable: true,
        ..declare("q")
    };
    let text = inequivalent("durable", "queue 'q'", "true", "false");
    refused(&Method::QueueDeclare(durable), Channel, 406, &text);
    let auto_delete = trefoil_amqp::method::queue::Declare {
        auto_delete: true,
        ..declare("q")
    };
    let text = inequivalent("auto_delete", "queue 'q'", "true", "false");
    refused(&Method::QueueDeclare(auto_delete), Channel, 406, &text);
    let ttl = one("x-message-ttl", 10.0);
    let other = trefoil_amqp::method::queue::Declare {
        arguments: TableRef::from_bytes(&ttl),
        ..declare("ttl")
    };
    refused(
        &Method::QueueDeclare(other),
        Channel,
        406,
        "inequivalent arg 'x-message-ttl' for queue 'ttl' in vhost '/': received '10.0' but current is '10'",
    );
    refused(
        &Method::QueueDeclare(declare("ttl")),
        Channel,
        406,
        "inequivalent arg 'x-message-ttl' for queue 'ttl' in vhost '/': received none but current is the value '10' of type 'signedint'",
    );
    let fanout = trefoil_amqp::method::exchange::Declare {
        durable: true,
        ..declare_exchange("x", "fanout")
    };
    let text = inequivalent("type", "exchange 'x'", "fanout", "direct");
    refused(&Method::ExchangeDeclare(fanout), Channel, 406, &text);
    refused(
        &Method::ExchangeDeclare(declare_exchange("new", "zz")),
        Channel,
        406,
        "unknown exchange type 'zz'",
    );
}

#[test]
fn what_is_locked() {
    let passive = trefoil_amqp::method::queue::Declare {
        passive: true,
        ..declare("exclusive")
    };
    for method in [
        Method::QueueDeclare(declare("exclusive")),
        Method::QueueDeclare(with_owner("exclusive")),
        Method::QueueDeclare(passive),
        bind("exclusive", "x", ""),
        Method::BasicConsume(consume("exclusive", "c")),
        get("exclusive"),
        purge("exclusive"),
        Method::QueueDelete(delete("exclusive")),
    ] {
        refused(&method, Channel, 405, LOCKED);
    }
    // Nor is an open queue declared as exclusive.
    let text = LOCKED.replace("'exclusive' in", "'q' in");
    refused(&Method::QueueDeclare(with_owner("q")), Channel, 405, &text);
    refused(
        &get("single"),
        Channel,
        405,
        "cannot obtain access to locked queue 'single' in vhost '/'. basic.get operations are not supported by classic queues with single active consumer",
    );
}

#[test]
fn what_is_in_use() {
    let unused = trefoil_amqp::method::queue::Delete {
        if_unused: true,
        ..delete("durable")
    };
    refused(
        &Method::QueueDelete(unused),
        Channel,
        406,
        "queue 'durable' in vhost '/' in use",
    );
    let empty = trefoil_amqp::method::queue::Delete {
        if_empty: true,
        ..delete("full")
    };
    refused(
        &Method::QueueDelete(empty),
        Channel,
        406,
        "queue 'full' in vhost '/' not empty",
    );
    let unused = trefoil_amqp::method::exchange::Delete {
        if_unused: true,
        ..delete_exchange("x")
    };
    refused(
        &Method::ExchangeDelete(unused),
        Channel,
        406,
        "exchange 'x' in vhost '/' in use",
    );
    let quorum = trefoil_amqp::method::queue::Delete {
        if_unused: true,
        ..delete("quorum")
    };
    refused(
        &Method::QueueDelete(quorum),
        Connection,
        540,
        "cannot delete queue 'quorum' in vhost '/'. queue.delete operations with if-unused flag set are not supported by quorum queues",
    );
    let text = "queue 'durable' in vhost '/' in exclusive use";
    let exclusive = |queue| basic::Consume {
        exclusive: true,
        ..consume(queue, "c")
    };
    refused(
        &Method::BasicConsume(exclusive("durable")),
        Channel,
        403,
        text,
    );
    let text = "queue 'ttl' in vhost '/' in exclusive use";
    refused(
        &Method::BasicConsume(consume("ttl", "c")),
        Channel,
        403,
        text,
    );
    refused(&Method::BasicConsume(exclusive("ttl")), Channel, 403, text);
    let text = "queue 'single' in vhost '/' in exclusive use";
    refused(
        &Method::BasicConsume(exclusive("single")),
        Channel,
        403,
        text,
    );
}

#[test]
fn messages_that_are_not_taken() {
    refused_message(
        "internal",
        &plain(),
        403,
        "cannot publish to internal exchange 'internal' in vhost '/'",
    );
    let expiration = |text: &'static str| Properties {
        expiration: Some(text.as_bytes()),
        ..plain()
    };
    refused_message(
        "x",
        &expiration("abc"),
        406,
        "invalid expiration 'abc': no_integer",
    );
    refused_message(
        "x",
        &expiration("12x"),
        406,
        "invalid expiration '12x': {leftover_string,\"x\"}",
    );
    refused_message(
        "x",
        &expiration("-1"),
        406,
        "invalid expiration '-1': {value_negative,-1}",
    );
    let foreign = Properties {
        user_id: Some(b"somebody"),
        ..plain()
    };
    refused_message(
        "x",
        &foreign,
        406,
        "user_id property set to 'somebody' but authenticated user was 'guest'",
    );
    let copies = one("CC", "q");
    let copied = Properties {
        headers: Some(TableRef::from_bytes(&copies)),
        ..plain()
    };
    refused_message(
        "x",
        &copied,
        406,
        "invalid message: {unacceptable_type_in_header,\"CC\",longstr}",
    );
    let asking = Properties {
        reply_to: Some(b"amq.rabbitmq.reply-to"),
        ..plain()
    };
    refused_message("x", &asking, 406, "fast reply consumer does not exist");
    let immediate = basic::Publish {
        immediate: true,
        ..publish("x", "q")
    };
    let say = |client: &mut Client| {
        client.send_with_content(1, &Method::BasicPublish(immediate), &plain(), b"m");
    };
    check(
        say,
        Connection,
        540,
        MethodId::BASIC_PUBLISH,
        "immediate=true",
    );
}

#[test]
fn deliveries_that_nobody_has() {
    let unknown = |tag| format!("unknown delivery tag {tag}");
    for method in [ack(7, false), ack(7, true), nack(7, true, true)] {
        refused(&method, Channel, 406, &unknown(7));
    }
    refused(&ack(0, false), Channel, 406, &unknown(0));
    let reject = Method::BasicReject(basic::Reject {
        delivery_tag: 9,
        requeue: false,
    });
    refused(&reject, Channel, 406, &unknown(9));
    // What was acknowledged already, and what needs no acknowledgement.
    let twice = |client: &mut Client| {
        client.send(1, &get("full"));
        client.send(1, &ack(1, false));
        client.send(1, &ack(1, false));
    };
    check(twice, Channel, 406, MethodId::BASIC_ACK, &unknown(1));
    let automatic = |client: &mut Client| {
        let no_ack = basic::Consume {
            no_ack: true,
            ..consume("full", "c")
        };
        client.send(1, &Method::BasicConsume(no_ack));
        client.send(1, &ack(1, false));
    };
    check(automatic, Channel, 406, MethodId::BASIC_ACK, &unknown(1));
}

#[test]
fn consumers_that_cannot_be() {
    let twice = |client: &mut Client| {
        client.send(1, &Method::BasicConsume(consume("q", "t")));
        client.send(1, &Method::BasicConsume(consume("durable", "t")));
    };
    check(
        twice,
        Connection,
        530,
        MethodId::BASIC_CONSUME,
        "attempt to reuse consumer tag 't'",
    );
    let replies = |tag| basic::Consume {
        no_ack: true,
        ..consume("amq.rabbitmq.reply-to", tag)
    };
    let twice = move |client: &mut Client| {
        client.send(1, &Method::BasicConsume(replies("a")));
        client.send(1, &Method::BasicConsume(replies("b")));
    };
    check(
        twice,
        Channel,
        406,
        MethodId::BASIC_CONSUME,
        "reply consumer already set",
    );
    refused(
        &Method::BasicConsume(consume("amq.rabbitmq.reply-to", "c")),
        Channel,
        406,
        "reply consumer cannot acknowledge",
    );
    let priority = one("x-priority", Value::Void);
    let consume = basic::Consume {
        arguments: TableRef::from_bytes(&priority),
        ..consume("q", "c")
    };
    let text =
        "invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got void\"";
    refused(&Method::BasicConsume(consume), Channel, 406, text);
}

#[test]
fn modes_that_exclude_each_other() {
    let select = Method::ConfirmSelect(confirm::Select { no_wait: false });
    refused(
        &Method::TxCommit(tx::Commit {}),
        Channel,
        406,
        "channel is not transactional",
    );
    refused(
        &Method::TxRollback(tx::Rollback {}),
        Channel,
        406,
        "channel is not transactional",
    );
    let tx_after_confirm = |client: &mut Client| {
        client.send(1, &select);
        client.send(1, &Method::TxSelect(tx::Select {}));
    };
    check(
        tx_after_confirm,
        Channel,
        406,
        MethodId::TX_SELECT,
        "cannot switch from confirm to tx mode",
    );
    let confirm_after_tx = |client: &mut Client| {
        client.send(1, &Method::TxSelect(tx::Select {}));
        client.send(1, &select);
    };
    check(
        confirm_after_tx,
        Channel,
        406,
        MethodId::CONFIRM_SELECT,
        "cannot switch from tx to confirm mode",
    );
    // Also in a transaction, a missing exchange is heard of at once.
    let publish_in_tx = |client: &mut Client| {
        client.send(1, &Method::TxSelect(tx::Select {}));
        client.publish(1, "none", "q", &plain(), b"m");
    };
    check(
        publish_in_tx,
        Channel,
        404,
        MethodId::BASIC_PUBLISH,
        "no exchange 'none' in vhost '/'",
    );
}

#[test]
fn what_is_not_implemented() {
    let qos = Method::BasicQos(basic::Qos {
        prefetch_size: 10,
        prefetch_count: 1,
        global: false,
    });
    refused(&qos, Connection, 540, "prefetch_size!=0 (10)");
    let recover = Method::BasicRecover(basic::Recover { requeue: false });
    refused(&recover, Connection, 540, "requeue=false");
    let recover = Method::BasicRecoverAsync(basic::RecoverAsync { requeue: false });
    refused(&recover, Connection, 540, "requeue=false");
}

#[test]
fn arguments_of_the_wrong_kind() {
    for (name, value, text) in [
        (
            "x-message-ttl",
            Value::I32(-1),
            "invalid arg 'x-message-ttl' for queue 'new' in vhost '/': {value_negative,-1}",
        ),
        (
            "x-max-priority",
            Value::I32(256),
            "invalid arg 'x-max-priority' for queue 'new' in vhost '/': {max_value_exceeded,256}",
        ),
        (
            "x-expires",
            Value::I32(0),
            "invalid arg 'x-expires' for queue 'new' in vhost '/': {value_zero,0}",
        ),
    ] {
        let arguments = octets(&Table::new().with(name, value));
        let declare = trefoil_amqp::method::queue::Declare {
            arguments: TableRef::from_bytes(&arguments),
            ..declare("new")
        };
        refused(&Method::QueueDeclare(declare), Channel, 406, text);
    }
}
