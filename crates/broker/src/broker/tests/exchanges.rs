//! What exchanges count and keep.

use trefoil_amqp::{Method, Properties, Table, TableRef, Value, method::exchange};

use super::{
    methods::{bind, bind_exchange, get, nack, one, plain},
    rig::{Rig, Who, bodies, header, octets, persistent},
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

const HISTORY: &str = "x-recent-history";

/// An exchange with a history of this length, and what was published to it.
fn chronicle(rig: &mut Rig, client: Who, length: i64, bodies: &[&str]) {
    let arguments = Table::new().with("x-recent-history-length", length);
    rig.declare_exchange(client, "h", HISTORY, &arguments);
    for body in bodies {
        rig.publish(client, "h", "k", &plain(), body);
    }
}

#[test]
fn a_new_binding_gets_the_last_messages() {
    let (mut rig, client) = rig();
    chronicle(&mut rig, client, 3, &["1", "2", "3", "4", "5"]);
    rig.bind(client, "a", "h", "");
    rig.publish(client, "h", "k", &plain(), "6");
    assert_eq!(rig.drain(client, "a"), ["3", "4", "5", "6"]);
    // The same binding is no new one; another of the same queue is.
    rig.bind(client, "a", "h", "");
    assert_eq!(rig.drain(client, "a"), [""; 0]);
    rig.bind(client, "a", "h", "other");
    assert_eq!(rig.drain(client, "a"), ["4", "5", "6"]);
    // Who consumes already has them at once, as if they had been published now.
    rig.consume(client, "b", "c", true);
    let heard = rig.ask(client, &bind("b", "h", ""));
    assert_eq!(bodies(&heard), ["4", "5", "6"]);
    let view = rig.broker.exchange_view("/", "h").expect("it is there");
    assert_eq!(view.messages.publish_in, 6);
    super::invariants::check(&rig.broker, true);
    // It goes with its exchange, and does not outlive the broker.
    let mut rig = rig.killed();
    let client = rig.client();
    rig.declare(client, "new", false, &Table::new());
    rig.bind(client, "new", "h", "");
    assert_eq!(rig.drain(client, "new"), [""; 0]);
}

#[test]
fn a_history_has_twenty_messages_and_none_that_does_not_want_to_be_in_it() {
    let (mut rig, client) = rig();
    rig.declare_exchange(client, "h", HISTORY, &Table::new());
    let bodies: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    for body in &bodies {
        rig.publish(client, "h", "", &plain(), body);
    }
    for (value, body) in [(Value::Bool(true), "secret"), ("true".into(), "no secret")] {
        let headers = one("x-recent-history-no-store", value);
        let properties = Properties {
            headers: Some(TableRef::from_bytes(&headers)),
            ..plain()
        };
        rig.publish(client, "h", "", &properties, body);
    }
    rig.bind(client, "a", "h", "");
    let mut expected = bodies[11..].to_vec();
    expected.push("no secret".to_owned());
    assert_eq!(rig.drain(client, "a"), expected);
}

#[test]
fn a_history_takes_so_much_memory() {
    let (mut rig, client) = rig();
    let large = ["x"; 3_000].concat();
    chronicle(&mut rig, client, i64::MAX, &[large.as_str(); 10]);
    rig.bind(client, "a", "h", "");
    assert_eq!(rig.drain(client, "a").len(), 3);
    // Messages of nothing take some too; and the last one is there, whatever its size.
    for _ in 0..1_000 {
        rig.publish(client, "h", "", &plain(), "");
    }
    rig.drain(client, "a");
    rig.bind(client, "b", "h", "");
    let count = rig.drain(client, "b").len();
    assert!((20..100).contains(&count), "{count}");
    let huge = ["x"; 50_000].concat();
    rig.publish(client, "h", "", &plain(), &huge);
    rig.bind(client, "c", "h", "");
    assert_eq!(rig.drain(client, "c"), [huge]);
}

#[test]
fn exchanges_before_and_behind_a_history() {
    let (mut rig, client) = rig();
    chronicle(&mut rig, client, 5, &[]);
    rig.declare_exchange(client, "before", "fanout", &Table::new());
    rig.ask(client, &bind_exchange("h", "before"));
    for (key, body) in [("a", "1"), ("b", "2"), ("a", "3")] {
        rig.publish(client, "before", key, &plain(), body);
    }
    // The one behind routes what it gets, by the keys of old.
    rig.declare_exchange(client, "behind", "direct", &Table::new());
    rig.bind(client, "a", "behind", "a");
    rig.bind(client, "b", "behind", "b");
    rig.ask(client, &bind_exchange("behind", "h"));
    assert_eq!(rig.drain(client, "a"), ["1", "3"]);
    assert_eq!(rig.drain(client, "b"), ["2"]);
    // A circle changes nothing.
    rig.ask(client, &bind_exchange("h", "h"));
    rig.bind(client, "c", "h", "");
    assert_eq!(rig.drain(client, "c"), ["1", "2", "3"]);
}

#[test]
fn a_message_of_a_history_is_as_it_was_published() {
    let (mut rig, client) = rig();
    rig.declare(client, "kept", true, &Table::new());
    chronicle(&mut rig, client, 5, &[]);
    let list = |key: &str| Value::Array(vec![key.into()]);
    let copies = octets(&Table::new().with("CC", list("b")).with("BCC", list("c")));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&copies)),
        ..persistent()
    };
    rig.publish(client, "h", "k", &properties, "m");
    rig.bind(client, "kept", "h", "");
    let mut rig = rig.killed();
    let client = rig.client();
    let heard = rig.ask(client, &get("kept"));
    let Method::BasicGetOk(got) = heard[0].method() else {
        panic!("the binding was answered when its messages were on disk: {heard:?}")
    };
    assert_eq!((got.exchange, got.routing_key), ("h", "k"));
    assert_eq!(header(&heard[0], "CC"), Some(list("b")));
    assert_eq!(header(&heard[0], "BCC"), None);
}
