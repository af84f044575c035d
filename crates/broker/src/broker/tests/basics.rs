//! One of everything: declare, publish, consume, settle, confirm, survive.

use trefoil_amqp::{
    Method, Properties, Table, TableRef,
    method::{basic, queue},
    testing::Received,
};

use super::rig::{Rig, bodies, declare, deliveries, header, persistent};

fn plain() -> Properties<'static> {
    Properties::default()
}

fn ack(delivery_tag: u64, multiple: bool) -> Method<'static> {
    Method::BasicAck(basic::Ack {
        delivery_tag,
        multiple,
    })
}

#[test]
fn a_message_goes_from_a_publisher_to_a_consumer() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.publish(client, "", "q", &plain(), "first");
    let heard = rig.consume(client, "q", "c", false);
    assert!(matches!(heard[0].method(), Method::BasicConsumeOk(_)));
    assert_eq!(bodies(&heard), ["first"]);
    rig.publish(client, "", "q", &plain(), "second");
    let heard = rig.hear(client);
    assert_eq!(deliveries(&heard), [(2, false)]);
    assert!(rig.ask(client, &ack(2, true)).is_empty());
    assert_eq!(
        rig.refused(client, &ack(2, false)).text,
        "PRECONDITION_FAILED - unknown delivery tag 2"
    );
}

#[test]
fn what_a_channel_held_goes_back_where_it_was() {
    let mut rig = Rig::new();
    let one = rig.client();
    let two = rig.client();
    rig.declare(one, "q", false, &Table::new());
    for body in ["a", "b", "c", "d"] {
        rig.publish(one, "", "q", &plain(), body);
    }
    rig.prefetch(one, 3, false);
    assert_eq!(bodies(&rig.consume(one, "q", "c", false)), ["a", "b", "c"]);
    rig.ask(one, &ack(2, false));
    rig.hear(one);
    rig.vanish(one);
    let heard = rig.consume(two, "q", "c", false);
    assert_eq!(bodies(&heard), ["a", "c", "d"]);
    assert_eq!(deliveries(&heard), [(1, true), (2, true), (3, true)]);
}

#[test]
fn prefetch_holds_back_until_an_acknowledgement() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    for body in ["a", "b", "c"] {
        rig.publish(client, "", "q", &plain(), body);
    }
    rig.prefetch(client, 1, true);
    assert_eq!(bodies(&rig.consume(client, "q", "c", false)), ["a"]);
    assert_eq!(bodies(&rig.ask(client, &ack(1, false))), ["b"]);
    rig.prefetch(client, 0, true);
    assert_eq!(bodies(&rig.hear(client)), [""; 0]);
}

#[test]
fn a_persistent_message_is_confirmed_when_it_is_durable_and_not_before() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    rig.confirms(client);
    rig.commits = false;
    rig.publish(client, "", "q", &persistent(), "kept");
    rig.publish(client, "", "q", &persistent(), "kept too");
    assert!(rig.hear(client).is_empty());
    assert!(rig.commit());
    rig.commits = true;
    rig.run();
    let heard = rig.hear(client);
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].method(), ack(2, true));
}

#[test]
fn a_transient_message_is_confirmed_at_once() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    rig.confirms(client);
    rig.commits = false;
    rig.publish(client, "", "q", &plain(), "gone with the broker");
    assert_eq!(rig.hear(client)[0].method(), ack(1, false));
    // Nowhere to go, and confirmed all the same.
    rig.publish(client, "", "nowhere", &persistent(), "");
    assert_eq!(rig.hear(client)[0].method(), ack(2, false));
}

#[test]
fn what_was_confirmed_survives_a_crash_and_what_was_acknowledged_stays_gone() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", true, &Table::new());
    rig.declare_exchange(client, "x", "direct", &Table::new());
    rig.bind(client, "q", "x", "key");
    rig.confirms(client);
    for body in ["a", "b", "c"] {
        rig.publish(client, "x", "key", &persistent(), body);
    }
    rig.publish(client, "x", "key", &plain(), "transient");
    assert_eq!(rig.drain(client, "q")[0], "a");
    for body in ["d", "e"] {
        rig.publish(client, "x", "key", &persistent(), body);
    }
    let mut rig = rig.crash(1);
    let client = rig.client();
    assert_eq!(rig.drain(client, "q"), ["d", "e"]);
    rig.publish(client, "x", "key", &persistent(), "f");
    let mut rig = rig.restart();
    let client = rig.client();
    let (body, got) = rig.get(client, "q").expect("a message");
    assert_eq!(body, "f");
    let Method::BasicGetOk(ok) = got.method() else {
        panic!("{got:?}")
    };
    assert!(
        !ok.redelivered,
        "nobody had it before the broker was stopped in good order"
    );
}

#[test]
fn a_message_for_more_queues_than_a_record_names_survives_in_all() {
    let mut rig = Rig::new();
    let client = rig.client();
    let names: Vec<String> = (0..3 * crate::message::QUEUES_MAX + 1)
        .map(|number| format!("q{number}"))
        .collect();
    for (number, name) in names.iter().enumerate() {
        rig.declare(client, name, number != 4, &Table::new());
        rig.bind(client, name, "amq.fanout", "");
    }
    rig.confirms(client);
    rig.publish(client, "amq.fanout", "", &persistent(), "for all");
    assert_eq!(rig.hear(client).len(), 1);
    crate::broker::tests::invariants::check(&rig.broker, true);
    let mut rig = rig.crash(17);
    let client = rig.client();
    for (number, name) in names.iter().enumerate() {
        if number != 4 {
            assert_eq!(rig.drain(client, name), ["for all"], "{name}");
        }
    }
    crate::broker::tests::invariants::check(&rig.broker, true);
}

#[test]
fn mandatory_returns_before_the_confirm() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.confirms(client);
    let publish = basic::Publish {
        ticket: 0,
        exchange: "",
        routing_key: "nowhere",
        mandatory: true,
        immediate: false,
    };
    rig.script(client)
        .send_with_content(1, &Method::BasicPublish(publish), &plain(), b"back");
    rig.run();
    let heard = rig.hear(client);
    let Method::BasicReturn(returned) = heard[0].method() else {
        panic!("{heard:?}")
    };
    assert_eq!(
        (returned.reply_code, returned.reply_text),
        (312, "NO_ROUTE")
    );
    assert_eq!(heard[0].body(), Some(b"back".as_slice()));
    assert_eq!(heard[1].method(), ack(1, false));
}

#[test]
fn an_exclusive_queue_is_locked_and_goes_with_its_connection() {
    let mut rig = Rig::new();
    let one = rig.client();
    let two = rig.client();
    let declare = queue::Declare {
        exclusive: true,
        ..declare("mine", false, TableRef::default())
    };
    rig.ask(one, &Method::QueueDeclare(declare));
    let closed = rig.refused(two, &Method::QueueDeclare(declare));
    assert_eq!(closed.code, 405);
    assert!(
        closed.text.starts_with(
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'."
        ),
        "{}",
        closed.text
    );
    rig.vanish(one);
    let two = rig.client();
    let passive = queue::Declare {
        passive: true,
        ..declare
    };
    let closed = rig.refused(two, &Method::QueueDeclare(passive));
    assert_eq!(closed.text, "NOT_FOUND - no queue 'mine' in vhost '/'");
}

#[test]
fn messages_expire_on_time_and_are_dead_lettered() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "graveyard", false, &Table::new());
    let arguments = Table::new()
        .with("x-message-ttl", 200)
        .with("x-dead-letter-exchange", "")
        .with("x-dead-letter-routing-key", "graveyard");
    rig.declare(client, "q", false, &arguments);
    rig.publish(client, "", "q", &plain(), "old");
    rig.advance(199);
    assert_eq!(rig.get(client, "graveyard"), None);
    rig.advance(1);
    let (body, got) = rig.get(client, "graveyard").expect("it died on time");
    assert_eq!(body, "old");
    let death = header(&got, "x-death").expect("a history");
    let trefoil_amqp::Value::Array(deaths) = death else {
        panic!("{death:?}")
    };
    assert!(
        matches!(&deaths[0], trefoil_amqp::Value::Table(table) if table.get("reason") == Some(&"expired".into())),
        "{deaths:?}"
    );
    assert_eq!(rig.get(client, "q"), None);
}

#[test]
fn a_full_queue_drops_its_head_or_refuses() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "drop", false, &Table::new().with("x-max-length", 2));
    let refuse = Table::new()
        .with("x-max-length", 1)
        .with("x-overflow", "reject-publish");
    rig.declare(client, "refuse", false, &refuse);
    rig.confirms(client);
    for body in ["a", "b", "c"] {
        rig.publish(client, "", "drop", &plain(), body);
    }
    rig.hear(client);
    assert_eq!(rig.drain(client, "drop"), ["b", "c"]);
    rig.publish(client, "", "refuse", &plain(), "in");
    rig.publish(client, "", "refuse", &plain(), "out");
    let heard = rig.hear(client);
    assert!(matches!(heard[0].method(), Method::BasicAck(_)));
    assert!(
        matches!(heard[1].method(), Method::BasicNack(nack) if nack.delivery_tag == 5),
        "{heard:?}"
    );
}

#[test]
fn replies_go_straight_to_the_channel_that_asked() {
    let mut rig = Rig::new();
    let asking = rig.client();
    let serving = rig.client();
    rig.declare(serving, "service", false, &Table::new());
    rig.consume(serving, "service", "s", true);
    rig.consume(asking, "amq.rabbitmq.reply-to", "r", true);
    let request = Properties {
        reply_to: Some(b"amq.rabbitmq.reply-to"),
        ..plain()
    };
    rig.publish(asking, "", "service", &request, "question");
    let heard = rig.hear(serving);
    let to = heard[0]
        .content()
        .expect("content")
        .properties()
        .reply_to
        .expect("a name")
        .to_vec();
    let to = String::from_utf8(to).expect("a name");
    assert!(to.starts_with("amq.rabbitmq.reply-to."), "{to}");
    rig.publish(serving, "", &to, &plain(), "answer");
    assert_eq!(bodies(&rig.hear(asking)), ["answer"]);
}

#[test]
fn replies_to_a_requester_that_does_not_read_do_not_pile_up() {
    let mut rig = Rig::new();
    let asking = rig.client();
    let serving = rig.client();
    rig.declare(serving, "service", false, &Table::new());
    rig.consume(serving, "service", "s", true);
    rig.consume(asking, "amq.rabbitmq.reply-to", "r", true);
    let request = Properties {
        reply_to: Some(b"amq.rabbitmq.reply-to"),
        ..plain()
    };
    rig.publish(asking, "", "service", &request, "question");
    let heard = rig.hear(serving);
    let to = heard[0].content().expect("content").properties().reply_to;
    let to = String::from_utf8(to.expect("a name").to_vec()).expect("a name");
    // All in one input: nothing of it is taken before the end.
    let body = vec![b'x'; 1 << 20];
    for _ in 0..20 {
        rig.script(serving).publish(1, "", &to, &plain(), &body);
    }
    rig.run();
    let count = rig.hear(asking).len();
    assert!((15..=17).contains(&count), "{count} of 20 MiB came through");
    rig.publish(serving, "", &to, &plain(), "again");
    assert_eq!(bodies(&rig.hear(asking)), ["again"]);
}

#[test]
fn consumers_take_turns_and_priorities_go_first() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.consume(client, "q", "a", true);
    rig.consume(client, "q", "b", true);
    for body in ["1", "2", "3", "4"] {
        rig.publish(client, "", "q", &plain(), body);
    }
    let heard: Vec<Received> = rig.hear(client);
    let tags: Vec<String> = heard
        .iter()
        .filter_map(|one| match one.method() {
            Method::BasicDeliver(deliver) => Some(deliver.consumer_tag.to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(tags, ["a", "b", "a", "b"]);
}
