//! Who may do what, and how many.

use trefoil_amqp::{
    Method, Table, TableRef,
    method::{exchange, queue},
    testing::{Client, Handshake},
};

use super::{
    methods::{
        bind, consume, declare, declare_exchange, delete, delete_exchange, get, one, plain, purge,
    },
    rig::{Rig, Who, octets},
};
use crate::{
    access::{
        PasswordHash, Permissions, PermissionsSource, TopicPermissions, User, UserLimits,
        VhostLimits,
    },
    definitions::VhostDefinition,
};

/// A user who may configure `c…`, write `w…` and read `r…`.
fn limited(rig: &mut Rig) -> Who {
    let hash = PasswordHash::new(b"secret", [1, 2, 3, 4]);
    rig.broker
        .access
        .put_user(User::new("limited", Some(hash), &[]));
    let permissions = Permissions::new(PermissionsSource {
        configure: "^c",
        write: "^w",
        read: "^r",
    });
    rig.broker
        .access
        .set_permissions("limited", "/", permissions.expect("patterns"))
        .expect("a user");
    open(rig, "limited", "secret", "/")
}

fn open(rig: &mut Rig, user: &str, password: &str, vhost: &str) -> Who {
    let who = rig.guest(&Handshake::plain(vhost, user, password));
    rig.script(who).open_channel(1);
    rig.run();
    rig.hear(who);
    who
}

fn refused(say: impl Fn(&mut Client), text: &str) {
    let mut rig = Rig::new();
    let admin = rig.client();
    for name in ["cq", "wq", "rq"] {
        rig.declare(admin, name, false, &Table::new());
    }
    for name in ["cx", "wx", "rx"] {
        rig.declare_exchange(admin, name, "direct", &Table::new());
    }
    let client = limited(&mut rig);
    say(rig.script(client));
    rig.run();
    let heard = rig.hear(client);
    let closed = heard.iter().find_map(|one| one.closed());
    let closed = closed.unwrap_or_else(|| panic!("allowed, and not: {text}"));
    assert_eq!(
        (closed.code, closed.text.as_str()),
        (
            403,
            format!("ACCESS_REFUSED - {text} in vhost '/' refused for user 'limited'").as_str()
        )
    );
    super::invariants::check(&rig.broker, true);
}

fn refused_method(method: &Method<'_>, text: &str) {
    refused(|client| client.send(1, method), text);
}

#[test]
fn each_method_takes_its_rights() {
    refused_method(
        &Method::QueueDeclare(declare("x")),
        "configure access to queue 'x'",
    );
    refused_method(
        &Method::QueueDelete(delete("rq")),
        "configure access to queue 'rq'",
    );
    refused_method(
        &Method::ExchangeDeclare(declare_exchange("x", "direct")),
        "configure access to exchange 'x'",
    );
    refused_method(
        &Method::ExchangeDelete(delete_exchange("rx")),
        "configure access to exchange 'rx'",
    );
    refused_method(&purge("cq"), "read access to queue 'cq'");
    refused_method(&get("cq"), "read access to queue 'cq'");
    refused_method(
        &Method::BasicConsume(consume("wq", "c")),
        "read access to queue 'wq'",
    );
    refused_method(&bind("rq", "rx", "k"), "write access to queue 'rq'");
    refused_method(&bind("wq", "wx", "k"), "read access to exchange 'wx'");
    refused_method(
        &super::methods::bind_exchange("rx", "rx"),
        "write access to exchange 'rx'",
    );
    refused_method(
        &super::methods::unbind_exchange("wx", "wx"),
        "read access to exchange 'wx'",
    );
    refused_method(
        &super::methods::unbind("rq", "rx", "k"),
        "write access to queue 'rq'",
    );
    let publish = |client: &mut Client| client.publish(1, "rx", "k", &plain(), b"m");
    refused(publish, "write access to exchange 'rx'");
    // The default exchange has a name of its own in permissions.
    let publish = |client: &mut Client| client.publish(1, "", "rq", &plain(), b"m");
    refused(publish, "write access to exchange 'amq.default'");
}

#[test]
fn exchanges_in_arguments_take_rights_too() {
    let alternate = octets(&Table::new().with("alternate-exchange", "rx"));
    let declare_it = exchange::Declare {
        arguments: TableRef::from_bytes(&alternate),
        ..declare_exchange("c", "direct")
    };
    refused_method(
        &Method::ExchangeDeclare(declare_it),
        "read access to exchange 'c'",
    );
    let dead = one("x-dead-letter-exchange", "rx");
    let declare_it = queue::Declare {
        arguments: TableRef::from_bytes(&dead),
        ..declare("c")
    };
    refused_method(
        &Method::QueueDeclare(declare_it),
        "read access to queue 'c'",
    );
}

#[test]
fn rights_that_are_taken_away_are_gone_at_once() {
    let mut rig = Rig::new();
    let admin = rig.client();
    rig.declare_exchange(admin, "wx", "fanout", &Table::new());
    rig.declare(admin, "q", false, &Table::new());
    rig.bind(admin, "q", "wx", "");
    let client = limited(&mut rig);
    rig.publish(client, "wx", "", &plain(), "may");
    rig.broker.access.clear_permissions("limited", "/");
    rig.publish(client, "wx", "", &plain(), "may not");
    assert!(rig.hear(client).iter().any(|one| one.closed().is_some()));
    assert_eq!(rig.drain(admin, "q"), ["may"]);
}

#[test]
fn topics_have_rights_of_their_own() {
    let mut rig = Rig::new();
    let admin = rig.client();
    rig.declare(admin, "q", false, &Table::new());
    rig.bind(admin, "q", "amq.topic", "#");
    let permissions = TopicPermissions::new("^{username}\\.", "^public\\.");
    rig.broker
        .access
        .set_topic_permissions("guest", "/", "amq.topic", permissions.expect("patterns"))
        .expect("a user");
    let client = rig.client();
    rig.publish(client, "amq.topic", "guest.a", &plain(), "may");
    rig.publish(client, "amq.topic", "guest.b", &plain(), "may too");
    rig.publish(client, "amq.topic", "other.a", &plain(), "may not");
    let heard = rig.hear(client);
    let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
    assert_eq!(
        closed.text,
        "ACCESS_REFUSED - write access to topic 'other.a' in exchange 'amq.topic' in vhost '/' refused for user 'guest'"
    );
    assert_eq!(rig.drain(admin, "q"), ["may", "may too"]);
    rig.bind(admin, "q", "amq.topic", "public.a");
    let closed = rig.refused(admin, &bind("q", "amq.topic", "private.a"));
    assert_eq!(
        closed.text,
        "ACCESS_REFUSED - read access to topic 'private.a' in exchange 'amq.topic' in vhost '/' refused for user 'guest'"
    );
}

#[test]
fn a_virtual_host_that_one_may_not_enter() {
    let mut rig = Rig::new();
    let now = rig.now;
    let other = VhostDefinition {
        name: "other".to_owned(),
        ..VhostDefinition::default()
    };
    rig.broker.put_vhost(&other, now);
    for (vhost, text) in [
        (
            "other",
            "NOT_ALLOWED - access to vhost 'other' refused for user 'guest'",
        ),
        ("none", "NOT_ALLOWED - vhost none not found"),
    ] {
        let who = rig.guest(&Handshake::plain(vhost, "guest", "guest"));
        let heard = rig.hear(who);
        let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
        assert_eq!((closed.code, closed.text.as_str()), (530, text));
    }
    let who = rig.guest(&Handshake::plain("/", "guest", "wrong"));
    let heard = rig.hear(who);
    let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
    assert_eq!(closed.code, 403);
    assert_eq!(
        closed.text,
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile."
    );
}

#[test]
fn there_may_be_so_many() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "one", false, &Table::new());
    let limits = VhostLimits {
        max_connections: Some(1),
        max_queues: Some(1),
    };
    rig.broker.access.set_vhost_limits("/", limits);
    rig.declare(client, "one", false, &Table::new());
    assert_eq!(
        rig.refused(client, &Method::QueueDeclare(declare("two")))
            .text,
        "PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost '/' (1) is reached"
    );
    let who = rig.guest(&Handshake::plain("/", "guest", "guest"));
    let heard = rig.hear(who);
    let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
    assert_eq!(
        closed.text,
        "NOT_ALLOWED - access to vhost '/' refused for user 'guest': connection limit (1) is reached"
    );
    rig.broker
        .access
        .set_vhost_limits("/", VhostLimits::default());
    let of_user = UserLimits {
        max_connections: None,
        max_channels: Some(2),
    };
    rig.broker
        .set_user_limits("guest", of_user)
        .expect("a user");
    let client = rig.client();
    rig.script(client).open_channel(2);
    rig.run();
    assert!(rig.hear(client).iter().all(|one| one.closed().is_none()));
    rig.script(client).open_channel(3);
    rig.run();
    let heard = rig.hear(client);
    let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
    assert_eq!(closed.code, 530);
    assert_eq!(
        closed.text,
        "NOT_ALLOWED - number of channels opened for user 'guest' has reached the maximum allowed user limit of (2)"
    );
}

#[test]
fn a_virtual_host_is_deleted_with_everything_in_it() {
    let mut rig = Rig::new();
    let now = rig.now;
    let other = VhostDefinition {
        name: "other".to_owned(),
        default_queue_type: Some("quorum".to_owned()),
        ..VhostDefinition::default()
    };
    rig.broker.put_vhost(&other, now);
    let all = Permissions::full();
    rig.broker
        .access
        .set_permissions("guest", "other", all)
        .expect("a user");
    let client = open(&mut rig, "guest", "guest", "other");
    let kind = Table::new().with("x-delayed-type", "fanout");
    rig.declare_exchange(client, "later", "x-delayed-message", &kind);
    // Where queues are quorum queues unless something else is said; of those that cannot be, the usual.
    rig.declare(client, "q", true, &Table::new());
    rig.declare(client, "transient", false, &Table::new());
    let type_of = |rig: &Rig, name: &str| {
        let (_, queue) = rig
            .broker
            .queues
            .iter()
            .find(|(_, queue)| &*queue.name == name)
            .expect("it is there");
        queue.arguments.queue_type.name()
    };
    assert_eq!(
        (type_of(&rig, "q"), type_of(&rig, "transient")),
        ("quorum", "classic")
    );
    let delay = one("x-delay", 1_000);
    let properties = trefoil_amqp::Properties {
        headers: Some(TableRef::from_bytes(&delay)),
        ..super::rig::persistent()
    };
    rig.publish(client, "later", "", &properties, "m");
    rig.publish(client, "", "q", &super::rig::persistent(), "m");
    rig.consume(client, "q", "c", false);
    rig.consume(client, "amq.rabbitmq.reply-to", "r", true);
    rig.hear(client);
    let now = rig.now;
    assert!(rig.broker.delete_vhost("other", now));
    rig.run();
    let heard = rig.hear(client);
    let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
    assert_eq!(
        (closed.code, closed.text.as_str()),
        (320, "CONNECTION_FORCED - vhost 'other' is deleted")
    );
    assert_eq!(rig.broker.queues.len(), 0);
    super::invariants::check(&rig.broker, true);
    // Whatever the client says before it hears of it.
    rig.publish(client, "", "q", &plain(), "too late");
    rig.advance(2_000);
    let mut rig = rig.crash(7);
    assert!(!rig.broker.has_vhost("other"));
    rig.advance(2_000);
    super::invariants::check(&rig.broker, true);
}
