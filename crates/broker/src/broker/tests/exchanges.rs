//! What exchanges count and keep.

use trefoil_amqp::{Method, Properties, Table, TableRef, Value, method::exchange};

use super::{
    methods::{bind_exchange, get, nack, one, plain},
    rig::{Rig, Who},
};

/// What management says of an exchange: messages in, and out to queues.
fn counts(rig: &Rig, exchange: &str) -> (u64, u64) {
    let view = rig.broker.exchange_view("/", exchange);
    let messages = view.expect("the exchange is there").messages;
    (messages.publish_in, messages.publish_out)
}

fn rig() -> (Rig, Who) {
    let mut rig = Rig::new();
    let client = rig.client();
    for queue in ["a", "b", "c"] {
        rig.declare(client, queue, false, &Table::new());
    }
    (rig, client)
}

#[test]
fn publishes_are_counted_where_they_came_in() {
    let (mut rig, client) = rig();
    rig.declare_exchange(client, "x", "fanout", &Table::new());
    rig.declare_exchange(client, "behind", "fanout", &Table::new());
    rig.bind(client, "a", "x", "");
    rig.bind(client, "b", "x", "");
    rig.bind(client, "c", "behind", "");
    rig.ask(client, &bind_exchange("behind", "x"));
    // The second goes the way that the channel remembers, the third by its copies.
    rig.publish(client, "x", "k", &plain(), "1");
    rig.publish(client, "x", "k", &plain(), "2");
    let copies = one("CC", Value::Array(vec!["other".into()]));
    let with_copies = Properties {
        headers: Some(TableRef::from_bytes(&copies)),
        ..plain()
    };
    rig.publish(client, "x", "k", &with_copies, "3");
    assert_eq!(counts(&rig, "x"), (3, 9));
    // RabbitMQ counts at the exchange that the client named, and nowhere behind it.
    assert_eq!(counts(&rig, "behind"), (0, 0));
    rig.publish(client, "", "a", &plain(), "4");
    rig.publish(client, "", "nowhere", &plain(), "5");
    assert_eq!(counts(&rig, ""), (2, 1));
}

#[test]
fn what_the_broker_publishes_itself_is_not_counted() {
    let (mut rig, client) = rig();
    rig.declare_exchange(client, "grave", "fanout", &Table::new());
    rig.bind(client, "b", "grave", "");
    let arguments = Table::new().with("x-dead-letter-exchange", "grave");
    rig.declare(client, "dies", false, &arguments);
    rig.publish(client, "", "dies", &plain(), "m");
    rig.ask(client, &get("dies"));
    rig.ask(client, &nack(0, true, false));
    assert_eq!(rig.drain(client, "b"), ["m"]);
    assert_eq!(counts(&rig, "grave"), (0, 0));
    // An exchange that is made anew begins at 0, in whatever place.
    rig.declare_exchange(client, "x", "fanout", &Table::new());
    rig.publish(client, "x", "", &plain(), "m");
    assert_eq!(counts(&rig, "x"), (1, 0));
    let delete = exchange::Delete {
        ticket: 0,
        exchange: "x",
        if_unused: false,
        no_wait: false,
    };
    rig.ask(client, &Method::ExchangeDelete(delete));
    rig.declare_exchange(client, "x", "fanout", &Table::new());
    assert_eq!(counts(&rig, "x"), (0, 0));
}
