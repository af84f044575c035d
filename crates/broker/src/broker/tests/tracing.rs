//! The firehose.

use trefoil_amqp::{Method, Properties, Table, TableRef, Value};

use super::rig::{Rig, Who, bodies, header, octets};
use crate::{broker::admin::VhostChange, slab::Slab};

fn trace(rig: &mut Rig, is_on: bool) {
    let change = VhostChange {
        tracing: Some(is_on),
        ..VhostChange::default()
    };
    let now = rig.now;
    rig.broker.change_vhost("/", &change, now);
}

fn watch(rig: &mut Rig) -> Who {
    let watcher = rig.client();
    rig.declare(watcher, "firehose", false, &Table::new());
    rig.bind(watcher, "firehose", "amq.rabbitmq.trace", "#");
    rig.consume(watcher, "firehose", "w", true);
    watcher
}

#[test]
fn what_is_published_and_delivered_is_told() {
    let mut rig = Rig::new();
    let watcher = watch(&mut rig);
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.publish(client, "", "q", &Properties::default(), "unseen");
    assert_eq!(bodies(&rig.hear(watcher)), [""; 0]);
    trace(&mut rig, true);
    let fields = octets(&Table::new().with("h", 1));
    let properties = Properties {
        headers: Some(TableRef::from_bytes(&fields)),
        delivery_mode: Some(2),
        message_id: Some(b"m"),
        ..Properties::default()
    };
    rig.publish(client, "", "q", &properties, "seen");
    let heard = rig.hear(watcher);
    assert_eq!(bodies(&heard), ["seen"]);
    let Method::BasicDeliver(deliver) = heard[0].method() else {
        panic!("{heard:?}")
    };
    assert_eq!(
        (deliver.exchange, deliver.routing_key),
        ("amq.rabbitmq.trace", "publish.")
    );
    let field = |name| header(&heard[0], name);
    assert_eq!(field("exchange_name"), Some("".into()));
    assert_eq!(field("routing_keys"), Some(Value::Array(vec!["q".into()])));
    assert_eq!(field("routed_queues"), Some(Value::Array(vec!["q".into()])));
    assert_eq!(field("node"), Some("trefoil@test".into()));
    assert_eq!(field("vhost"), Some("/".into()));
    assert_eq!(field("user"), Some("guest".into()));
    assert_eq!(field("channel"), Some(Value::I32(1)));
    assert_eq!(
        field("connection"),
        Some("127.0.0.1:50000 -> 127.0.0.1:5672".into())
    );
    let expected = Table::new()
        .with("headers", Table::new().with("h", 1))
        .with("delivery_mode", Value::I32(2))
        .with("message_id", "m");
    assert_eq!(field("properties"), Some(expected.into()));
    assert_eq!(
        heard[0]
            .content()
            .expect("it has some")
            .properties()
            .message_id,
        None
    );

    rig.consume(client, "q", "c", true);
    let heard = rig.hear(watcher);
    assert_eq!(bodies(&heard), ["unseen", "seen"]);
    for one in &heard {
        let Method::BasicDeliver(deliver) = one.method() else {
            panic!("{one:?}")
        };
        assert_eq!(deliver.routing_key, "deliver.q");
        assert_eq!(header(one, "redelivered"), Some(Value::I32(0)));
    }
    trace(&mut rig, false);
    rig.publish(client, "", "q", &Properties::default(), "unseen");
    assert_eq!(bodies(&rig.hear(watcher)), [""; 0]);
}

#[test]
fn what_is_got_is_told_and_the_firehose_itself_is_not() {
    let mut rig = Rig::new();
    let watcher = watch(&mut rig);
    trace(&mut rig, true);
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.publish(
        client,
        "amq.topic",
        "nowhere",
        &Properties::default(),
        "lost",
    );
    rig.publish(client, "", "q", &Properties::default(), "got");
    rig.drain(client, "q");
    let keys: Vec<String> = rig
        .hear(watcher)
        .iter()
        .filter_map(|one| match one.method() {
            Method::BasicDeliver(deliver) => Some(deliver.routing_key.to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(keys, ["publish.amq.topic", "publish.", "deliver.q"]);
    assert_eq!(Slab::len(&rig.broker.clients.sessions), 2);
}
