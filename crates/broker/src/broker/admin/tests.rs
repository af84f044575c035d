use trefoil_amqp::{
    Method, Properties, ReplyCode, Table, TableRef,
    method::queue::{Bind, Declare},
};

use super::{Fetch, NewPassword, UserChange, VhostChange};
use crate::{
    access::{User, UserLimits, VhostLimits},
    broker::tests::rig::Rig,
    inspect::{DestinationKind, QueueKey},
    policy::{Policy, PolicyKind, PolicySource},
};

const ARGUMENTS: TableRef<'static> = TableRef::EMPTY;

fn declare(name: &str, durable: bool) -> Method<'_> {
    Method::QueueDeclare(Declare {
        ticket: 0,
        queue: name,
        passive: false,
        durable,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: ARGUMENTS,
    })
}

fn guest(rig: &Rig) -> User {
    rig.broker.user("guest").unwrap()
}

fn header(persistent: bool, size: usize) -> Vec<u8> {
    let mut header = Vec::new();
    let properties = Properties {
        delivery_mode: Some(if persistent { 2 } else { 1 }),
        ..Properties::default()
    };
    properties.encode(size as u64, &mut header);
    header
}

fn publish(rig: &mut Rig, exchange: &str, key: &str, body: &[u8], persistent: bool) -> bool {
    let (user, now) = (guest(rig), rig.now);
    let header = header(persistent, body.len());
    let routed = rig
        .broker
        .publish_as(&user, "/", exchange, key, &header, body, now);
    rig.run();
    routed.unwrap()
}

fn fetch(rig: &mut Rig, queue: &str, no_ack: bool, requeue: bool) -> Vec<(Vec<u8>, bool)> {
    let (user, now) = (guest(rig), rig.now);
    let fetch = Fetch {
        count: 10,
        no_ack,
        requeue,
    };
    let messages = rig.broker.fetch(&user, "/", queue, fetch, now).unwrap();
    rig.run();
    messages
        .into_iter()
        .map(|message| (message.body, message.redelivered))
        .collect()
}

fn perform(rig: &mut Rig, method: &Method<'_>) {
    let (user, now) = (guest(rig), rig.now);
    rig.broker.perform(&user, "/", method, now).unwrap();
    rig.run();
}

#[test]
fn what_is_fetched_goes_back_or_is_gone() {
    let mut rig = Rig::new();
    perform(&mut rig, &declare("q", true));
    assert!(!publish(&mut rig, "", "nobody", b"x", true));
    assert!(publish(&mut rig, "", "q", b"one", true));
    assert!(publish(&mut rig, "", "q", b"two", true));
    let first = fetch(&mut rig, "q", false, true);
    assert_eq!(first, [(b"one".to_vec(), false), (b"two".to_vec(), false)]);
    let second = fetch(&mut rig, "q", true, false);
    assert_eq!(second, [(b"one".to_vec(), true), (b"two".to_vec(), true)]);
    assert!(fetch(&mut rig, "q", true, false).is_empty());
    // Nothing of the sessions that did it is left.
    let totals = rig.broker.overview().totals;
    assert_eq!((totals.connections, totals.channels), (0, 0));
}

#[test]
fn refusals_have_the_words_of_amqp() {
    let mut rig = Rig::new();
    let (user, now) = (guest(&rig), rig.now);
    perform(&mut rig, &declare("q", true));
    let refusal = rig
        .broker
        .perform(&user, "/", &declare("q", false), now)
        .unwrap_err();
    assert_eq!(refusal.code, ReplyCode::PreconditionFailed);
    assert_eq!(
        refusal.text,
        "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"
    );
    let nobody = User::new("nobody", None, &[]);
    let refusal = rig
        .broker
        .perform(&nobody, "/", &declare("q2", true), now)
        .unwrap_err();
    assert_eq!(refusal.code, ReplyCode::AccessRefused);
    let refusal = rig
        .broker
        .perform(&user, "none", &declare("q2", true), now)
        .unwrap_err();
    assert_eq!(refusal.code, ReplyCode::NotFound);
}

/// A broker with one of everything.
fn furnished() -> Rig {
    let mut rig = Rig::new();
    let now = rig.now;
    let broker = &mut rig.broker;
    let change = VhostChange {
        description: Some("d".to_owned()),
        tags: Some(vec!["t".to_owned()]),
        default_queue_type: Some("quorum".to_owned()),
        protected_from_deletion: Some(true),
        tracing: None,
    };
    assert!(broker.change_vhost("v", &change, now));
    let change = UserChange {
        password: NewPassword::Plain("secret".to_owned()),
        tags: vec!["monitoring".to_owned()],
    };
    assert!(broker.change_user("u", &change).unwrap());
    assert!(broker.set_permissions("u", "v", "^c", "^w", "^r").unwrap());
    assert!(
        broker
            .set_topic_permissions("u", "v", "amq.topic", "w", "r")
            .unwrap()
    );
    broker.set_vhost_limits(
        "v",
        VhostLimits {
            max_connections: None,
            max_queues: Some(7),
        },
    );
    let limits = UserLimits {
        max_connections: Some(3),
        max_channels: None,
    };
    broker.set_user_limits("u", limits).unwrap();
    for kind in [PolicyKind::User, PolicyKind::Operator] {
        let source = PolicySource {
            virtual_host: "/",
            name: "p",
            pattern: "^q",
            apply_to: Some("queues"),
            priority: Some(3),
            definition: &serde_json::json!({"max-length": 5}),
        };
        assert!(broker.put_policy(kind, Policy::new(kind, source).unwrap(), now));
    }
    assert!(
        broker
            .set_parameter("/", "shovel", "s", serde_json::json!({"a": 1}))
            .unwrap()
    );
    assert!(broker.set_global_parameter("g", serde_json::json!([1])));
    perform(&mut rig, &declare("q", true));
    perform(&mut rig, &declare("transient", false));
    let table = Table::new().with("x", 1i64).to_bytes();
    let bind = Method::QueueBind(Bind {
        ticket: 0,
        queue: "q",
        exchange: "amq.topic",
        routing_key: "a.#",
        no_wait: false,
        arguments: TableRef::from_bytes(&table),
    });
    perform(&mut rig, &bind);
    rig
}

/// What a broker is made of, as text.
fn exported(rig: &Rig) -> String {
    let mut definitions = rig.broker.definitions(None);
    definitions.sort();
    serde_json::to_string_pretty(&definitions).unwrap()
}

#[test]
fn everything_that_is_set_survives() {
    let mut rig = furnished();
    rig.broker.stop_app(rig.now);
    let before = exported(&rig);
    let mut rig = rig.restart();
    assert_eq!(exported(&rig), before);
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    assert!(rig.broker.log_in("u", b"secret", local).is_some());
    assert!(rig.broker.log_in("u", b"other", local).is_none());
    assert!(rig.broker.vhost_view("v").unwrap().protected_from_deletion);
    assert_eq!(rig.broker.vhosts_of("u"), ["v"]);
}

#[test]
fn definitions_make_the_same_broker_again() {
    let rig = furnished();
    let text = exported(&rig);
    let definitions = crate::definitions::Definitions::parse(text.as_bytes()).unwrap();
    let mut other = Rig::new();
    let now = other.now;
    other.broker.import(&definitions, now).unwrap();
    assert_eq!(exported(&other), text);
    // A second time changes nothing.
    other.broker.import(&definitions, now).unwrap();
    assert_eq!(exported(&other), text);
}

#[test]
fn what_is_deleted_is_gone_after_a_restart_too() {
    let mut rig = furnished();
    let now = rig.now;
    let broker = &mut rig.broker;
    assert!(broker.delete_vhost("v", now));
    assert!(!broker.delete_vhost("v", now));
    assert!(broker.delete_user("u", now));
    assert!(broker.delete_policy(PolicyKind::User, "/", "p", now));
    assert!(broker.delete_policy(PolicyKind::Operator, "/", "p", now));
    assert!(broker.clear_parameter("/", "shovel", "s"));
    assert!(broker.clear_global_parameter("g"));
    let user = guest(&rig);
    let delete = Method::QueueDelete(trefoil_amqp::method::queue::Delete {
        ticket: 0,
        queue: "q",
        if_unused: false,
        if_empty: false,
        no_wait: false,
    });
    rig.broker.perform(&user, "/", &delete, now).unwrap();
    rig.broker.stop_app(now);
    rig.run();
    let empty = exported(&Rig::new());
    let only_guest = |text: &str| {
        let mut json: serde_json::Value = serde_json::from_str(text).unwrap();
        json["users"][0]["password_hash"] = "".into();
        json
    };
    assert_eq!(only_guest(&exported(&rig)), only_guest(&empty));
    let rig = rig.restart();
    assert_eq!(only_guest(&exported(&rig)), only_guest(&empty));
}

#[test]
fn stopping_drops_what_is_transient() {
    let mut rig = furnished();
    publish(&mut rig, "", "q", b"kept", true);
    publish(&mut rig, "", "q", b"dropped", false);
    let client = rig.client();
    let now = rig.now;
    rig.broker.stop_app(now);
    rig.run();
    assert!(rig.broker.is_stopped());
    assert_eq!(rig.broker.queue_keys(None).len(), 1);
    assert_eq!(rig.broker.overview().totals.connections, 0);
    rig.broker.start_app(now);
    assert!(!rig.broker.is_stopped());
    assert_eq!(
        fetch(&mut rig, "q", true, false),
        [(b"kept".to_vec(), false)]
    );
    let _ = client;
}

#[test]
fn views_show_what_is_there() {
    let mut rig = furnished();
    publish(&mut rig, "amq.topic", "a.b", b"four", true);
    let key = QueueKey {
        vhost: "/".into(),
        name: "q".into(),
    };
    let view = rig.broker.queue_view(&key).unwrap();
    assert_eq!((view.depth.ready, view.depth.ready_bytes), (1, 4));
    assert_eq!(view.policy.as_deref(), Some("p"));
    assert_eq!(view.operator_policy.as_deref(), Some("p"));
    assert_eq!(view.effective_policy["max-length"], 5);
    assert_eq!(view.messages.publish, 1);
    let bindings = rig
        .broker
        .bindings_to("/", DestinationKind::Queue, "q")
        .unwrap();
    let mut found: Vec<(&str, &str)> = bindings
        .iter()
        .map(|binding| (&*binding.source, &*binding.routing_key))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("", "q"), ("amq.topic", "a.#")]);
    assert!(
        rig.broker
            .bindings_to("/", DestinationKind::Queue, "none")
            .is_none()
    );
    let client = rig.client();
    let connections = rig.broker.connection_views();
    assert_eq!(connections.len(), 1);
    assert_eq!(&*connections[0].user, "guest");
    assert_eq!(connections[0].channels, 1);
    assert_eq!(rig.broker.channel_views().len(), 1);
    let now = rig.now;
    assert!(
        rig.broker
            .close_connection_by_number(connections[0].id, "bye", now)
    );
    assert!(!rig.broker.close_connection_by_number(12_345, "bye", now));
    rig.run();
    let _ = client;
}
