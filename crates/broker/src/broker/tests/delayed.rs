//! Exchanges that keep messages for a while.

use trefoil_amqp::{Method, Properties, Table, TableRef, Value, testing::Received};

use super::{
    methods::{delete_exchange, plain},
    rig::{Rig, Who, bodies, header, octets},
};

fn delayed(rig: &mut Rig, who: Who, ms: i64, mode: u8, body: &str) {
    let headers = octets(&Table::new().with("x-delay", ms));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&headers)),
        delivery_mode: Some(mode),
        ..plain()
    };
    rig.publish(who, "later", "key", &properties, body);
}

fn rig() -> (Rig, Who) {
    let mut rig = Rig::new();
    let client = rig.client();
    prepare(&mut rig, client);
    (rig, client)
}

fn prepare(rig: &mut Rig, client: Who) {
    let kind = Table::new().with("x-delayed-type", "direct");
    rig.declare_exchange(client, "later", "x-delayed-message", &kind);
    rig.declare(client, "q", true, &Table::new());
    rig.bind(client, "q", "later", "key");
}

#[test]
fn a_message_comes_when_its_time_has_come() {
    let (mut rig, client) = rig();
    rig.consume(client, "q", "c", true);
    for (ms, body) in [
        (30, "third"),
        (10, "first"),
        (10, "second"),
        (0, "at once"),
        (-5, "at once too"),
    ] {
        delayed(&mut rig, client, ms, 1, body);
    }
    rig.publish(client, "later", "key", &plain(), "at once as well");
    assert_eq!(
        bodies(&rig.hear(client)),
        ["at once", "at once too", "at once as well"]
    );
    rig.advance(9);
    assert_eq!(bodies(&rig.hear(client)), [""; 0]);
    rig.advance(1);
    let heard: Vec<Received> = rig.hear(client);
    assert_eq!(bodies(&heard), ["first", "second"]);
    // How long it took, with the sign that it is over.
    assert_eq!(
        header(&heard[0], "x-delay").and_then(|value| value.as_integer()),
        Some(-10)
    );
    rig.advance(20);
    assert_eq!(bodies(&rig.hear(client)), ["third"]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn what_is_persistent_waits_through_a_crash() {
    let (mut rig, client) = rig();
    rig.confirms(client);
    delayed(&mut rig, client, 5_000, 2, "kept");
    delayed(&mut rig, client, 5_000, 1, "transient");
    assert_eq!(rig.hear(client).len(), 2);
    let mut rig = rig.crash(11);
    let client = rig.client();
    rig.advance(3_999);
    assert_eq!(rig.drain(client, "q"), [""; 0]);
    rig.advance(1);
    assert_eq!(rig.drain(client, "q"), ["kept"]);
    // It came, and does not come again.
    rig.declare(client, "synced", true, &Table::new());
    let mut rig = rig.crash(12);
    let client = rig.client();
    rig.advance(10_000);
    assert_eq!(rig.drain(client, "q"), [""; 0]);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn a_confirm_waits_for_the_disk() {
    let (mut rig, client) = rig();
    rig.confirms(client);
    rig.commits = false;
    delayed(&mut rig, client, 100, 2, "m");
    assert_eq!(rig.hear(client), []);
    rig.commits = true;
    rig.run();
    assert!(matches!(rig.hear(client)[0].method(), Method::BasicAck(_)));
}

#[test]
fn what_waits_goes_with_its_exchange() {
    let (mut rig, client) = rig();
    for mode in [1, 2] {
        delayed(&mut rig, client, 100, mode, "m");
    }
    assert_eq!(rig.broker.delayed.counts(), (1, 1));
    rig.ask(client, &Method::ExchangeDelete(delete_exchange("later")));
    assert_eq!(rig.broker.delayed.counts(), (0, 0));
    super::invariants::check(&rig.broker, true);
    prepare(&mut rig, client);
    let mut rig = rig.crash(13);
    let client = rig.client();
    rig.advance(1_000);
    assert_eq!(rig.drain(client, "q"), [""; 0]);
}

#[test]
fn copies_and_dead_letters_are_delayed_like_others() {
    let (mut rig, client) = rig();
    let to = Table::new()
        .with("x-dead-letter-exchange", "later")
        .with("x-dead-letter-routing-key", "key")
        .with("x-message-ttl", 10);
    rig.declare(client, "dying", false, &to);
    rig.declare(client, "blind", false, &Table::new());
    rig.bind(client, "blind", "later", "blind");
    let blind = Value::Array(vec!["blind".into()]);
    let headers = octets(&Table::new().with("x-delay", 20).with("BCC", blind));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&headers)),
        ..plain()
    };
    rig.publish(client, "later", "key", &properties, "both");
    rig.advance(20);
    for queue in ["q", "blind"] {
        let (body, got) = rig.get(client, queue).expect("a message");
        assert_eq!((body.as_str(), header(&got, "BCC")), ("both", None));
    }
    let headers = octets(&Table::new().with("x-delay", 20));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&headers)),
        ..plain()
    };
    rig.publish(client, "", "dying", &properties, "dead");
    rig.advance(29);
    assert_eq!(rig.drain(client, "q"), [""; 0]);
    rig.advance(1);
    assert_eq!(rig.drain(client, "q"), ["dead"]);
}
