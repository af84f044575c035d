//! Who gets what: turns, priorities, limits, single active consumers, cancelling.

use trefoil_amqp::{
    Method, Table, TableRef,
    method::{basic, queue},
    testing::{Handshake, Received},
};

use super::{
    methods::{ack, cancel, consume, declare, delete, get, nack, one, plain},
    rig::{Rig, Who, bodies, deliveries},
};

/// Consumer tags of deliveries.
fn tags(heard: &[Received]) -> Vec<String> {
    heard
        .iter()
        .filter_map(|one| match one.method() {
            Method::BasicDeliver(deliver) => Some(deliver.consumer_tag.to_owned()),
            _ => None,
        })
        .collect()
}

fn publish(rig: &mut Rig, who: Who, queue: &str, bodies: std::ops::Range<u32>) {
    for body in bodies {
        rig.publish(who, "", queue, &plain(), &body.to_string());
    }
}

fn with_priority(rig: &mut Rig, who: Who, tag: &str, priority: i64) -> Vec<Received> {
    let arguments = one("x-priority", priority);
    let consume = basic::Consume {
        arguments: TableRef::from_bytes(&arguments),
        ..consume("q", tag)
    };
    rig.ask(who, &Method::BasicConsume(consume))
}

#[test]
fn higher_priorities_are_served_while_they_can_take_more() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.prefetch(client, 1, false);
    with_priority(&mut rig, client, "low", -5);
    with_priority(&mut rig, client, "high", 10);
    rig.consume(client, "q", "middle", false);
    publish(&mut rig, client, "q", 0..5);
    assert_eq!(tags(&rig.hear(client)), ["high", "middle", "low"]);
    assert_eq!(tags(&rig.ask(client, &ack(2, false))), ["middle"]);
    assert_eq!(tags(&rig.ask(client, &ack(1, false))), ["high"]);
}

#[test]
fn no_queue_starves_under_the_limit_of_a_channel() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.prefetch(client, 1, true);
    for queue in ["a", "b", "c", "d"] {
        rig.declare(client, queue, false, &Table::new());
        publish(&mut rig, client, queue, 0..40);
        rig.consume(client, queue, queue, false);
    }
    let mut served = std::collections::BTreeMap::new();
    for _ in 0..40 {
        let tag = *rig.held(client, 1).first().expect("somebody is served");
        for tag in tags(&rig.ask(client, &ack(tag, false))) {
            *served.entry(tag).or_insert(0) += 1;
        }
    }
    assert_eq!(served.len(), 4, "{served:?}");
    assert!(served.values().all(|count| *count >= 8), "{served:?}");
}

#[test]
fn a_limit_for_consumers_ends_that_of_the_channel() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    publish(&mut rig, client, "q", 0..5);
    rig.prefetch(client, 1, true);
    assert_eq!(bodies(&rig.consume(client, "q", "c", false)), ["0"]);
    let qos = |prefetch_count, global| {
        Method::BasicQos(basic::Qos {
            prefetch_size: 0,
            prefetch_count,
            global,
        })
    };
    // The limit of each is for consumers to come; this one had none.
    assert_eq!(
        bodies(&rig.ask(client, &qos(2, false))),
        ["1", "2", "3", "4"]
    );
    // Both at once: first that of each, then that of all.
    rig.ask(client, &cancel("c"));
    rig.ask(client, &ack(0, true));
    rig.ask(client, &qos(3, true));
    publish(&mut rig, client, "q", 5..12);
    assert_eq!(bodies(&rig.consume(client, "q", "c1", false)), ["5", "6"]);
    assert_eq!(bodies(&rig.consume(client, "q", "c2", false)), ["7"]);
}

#[test]
fn a_limit_does_not_hold_what_is_got_or_needs_no_acknowledgement() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    publish(&mut rig, client, "q", 0..4);
    rig.prefetch(client, 1, true);
    assert_eq!(bodies(&rig.ask(client, &get("q"))), ["0"]);
    assert_eq!(bodies(&rig.ask(client, &get("q"))), ["1"]);
    assert_eq!(bodies(&rig.consume(client, "q", "c", true)), ["2", "3"]);
}

#[test]
fn a_single_active_consumer_gets_everything_and_is_followed() {
    let mut rig = Rig::new();
    let client = rig.client();
    let other = rig.client();
    let arguments = Table::new().with("x-single-active-consumer", true);
    rig.declare(client, "q", false, &arguments);
    rig.prefetch(other, 1, false);
    rig.consume(other, "q", "first", false);
    rig.consume(client, "q", "second", false);
    rig.consume(client, "q", "third", false);
    publish(&mut rig, client, "q", 0..3);
    assert_eq!(tags(&rig.hear(other)), ["first"]);
    assert_eq!(
        tags(&rig.hear(client)),
        [""; 0],
        "it keeps its place while it is full"
    );
    assert_eq!(tags(&rig.ask(other, &ack(1, false))), ["first"]);
    rig.vanish(other);
    let heard = rig.hear(client);
    assert_eq!(tags(&heard), ["second", "second"]);
    assert_eq!(deliveries(&heard), [(1, true), (2, false)]);
    rig.ask(client, &cancel("second"));
    publish(&mut rig, client, "q", 3..4);
    assert_eq!(tags(&rig.hear(client)), ["third"]);
}

#[test]
fn cancelled_consumers_keep_what_they_hold() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.consume(client, "q", "c", false);
    publish(&mut rig, client, "q", 0..2);
    rig.hear(client);
    let heard = rig.ask(client, &cancel("c"));
    assert!(matches!(heard[0].method(), Method::BasicCancelOk(ok) if ok.consumer_tag == "c"));
    assert!(rig.ask(client, &ack(1, false)).is_empty());
    rig.script(client).close_channel(1);
    rig.run();
    rig.hear(client);
    rig.script(client).open_channel(1);
    rig.run();
    rig.hear(client);
    assert_eq!(bodies(&rig.ask(client, &get("q"))), ["1"]);
    // A tag that nobody has is no mistake.
    let heard = rig.ask(client, &cancel("nobody"));
    assert!(matches!(heard[0].method(), Method::BasicCancelOk(_)));
}

#[test]
fn consumers_hear_that_their_queue_is_gone_if_they_asked_to() {
    let mut rig = Rig::new();
    let able = rig.client();
    let unable = rig.guest(&Handshake {
        client_properties: Table::new(),
        ..Handshake::plain("/", "guest", "guest")
    });
    rig.script(unable).open_channel(1);
    rig.run();
    rig.hear(unable);
    rig.declare(able, "q", false, &Table::new());
    rig.consume(able, "q", "able", false);
    rig.consume(unable, "q", "unable", false);
    publish(&mut rig, able, "q", 0..2);
    rig.hear(unable);
    let owner = rig.client();
    let heard = rig.ask(owner, &Method::QueueDelete(delete("q")));
    assert!(matches!(heard[0].method(), Method::QueueDeleteOk(_)));
    let heard = rig.hear(able);
    assert!(
        heard.iter().any(|one| matches!(one.method(), Method::BasicCancel(cancel) if cancel.consumer_tag == "able")),
        "{heard:?}"
    );
    assert_eq!(rig.hear(unable), []);
    // What they hold is of no queue any more, and settled without complaint.
    assert_eq!(rig.ask(able, &ack(1, false)), []);
    assert_eq!(rig.ask(unable, &nack(1, false, true)), []);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn who_deletes_a_queue_hears_of_that_before_its_consumer_is_cancelled() {
    for durable in [false, true] {
        let mut rig = Rig::new();
        let client = rig.client();
        rig.declare(client, "q", durable, &Table::new());
        rig.consume(client, "q", "c", false);
        let heard = rig.ask(client, &Method::QueueDelete(delete("q")));
        assert!(
            matches!(heard[0].method(), Method::QueueDeleteOk(_)),
            "{heard:?}"
        );
        assert!(
            matches!(heard[1].method(), Method::BasicCancel(_)),
            "{heard:?}"
        );
    }
}

#[test]
fn what_was_never_bound_is_unbound_whosever_it_is() {
    let mut rig = Rig::new();
    let owner = rig.client();
    let other = rig.client();
    let exclusive = queue::Declare {
        exclusive: true,
        ..declare("mine")
    };
    rig.ask(owner, &Method::QueueDeclare(exclusive));
    for (queue, exchange) in [
        ("mine", "amq.direct"),
        ("none", "amq.direct"),
        ("mine", "none"),
    ] {
        let heard = rig.ask(other, &super::methods::unbind(queue, exchange, "never"));
        assert!(
            matches!(heard[0].method(), Method::QueueUnbindOk(_)),
            "{heard:?}"
        );
    }
    let heard = rig.ask(
        other,
        &super::methods::unbind_exchange("none", "amq.direct"),
    );
    assert!(
        matches!(heard[0].method(), Method::ExchangeUnbindOk(_)),
        "{heard:?}"
    );
    rig.bind(owner, "mine", "amq.direct", "k");
    let closed = rig.refused(other, &super::methods::unbind("mine", "amq.direct", "k"));
    assert_eq!(closed.code, 405);
}

#[test]
fn a_queue_goes_with_its_last_consumer_and_not_before() {
    let mut rig = Rig::new();
    let client = rig.client();
    let auto = queue::Declare {
        auto_delete: true,
        ..declare("q")
    };
    rig.ask(client, &Method::QueueDeclare(auto));
    rig.declare_exchange(client, "source", "fanout", &Table::new());
    publish(&mut rig, client, "q", 0..1);
    assert_eq!(bodies(&rig.ask(client, &get("q"))), ["0"]);
    rig.consume(client, "q", "a", true);
    let other = rig.client();
    rig.consume(other, "q", "b", true);
    rig.vanish(other);
    assert_eq!(rig.broker.queues.len(), 1);
    rig.ask(client, &cancel("a"));
    assert_eq!(rig.broker.queues.len(), 0);
    assert_eq!(rig.ask(client, &ack(1, false)), []);
}

#[test]
fn an_exchange_goes_with_its_last_binding_and_takes_others_along() {
    let mut rig = Rig::new();
    let client = rig.client();
    for name in ["inner", "outer"] {
        let auto = trefoil_amqp::method::exchange::Declare {
            auto_delete: true,
            ..super::methods::declare_exchange(name, "fanout")
        };
        rig.ask(client, &Method::ExchangeDeclare(auto));
    }
    let exclusive = queue::Declare {
        exclusive: true,
        ..declare("q")
    };
    rig.ask(client, &Method::QueueDeclare(exclusive));
    rig.bind(client, "q", "inner", "");
    rig.ask(client, &super::methods::bind_exchange("inner", "outer"));
    let vhost = rig.broker.vhost_names["/"];
    let is_there = |rig: &Rig, name| rig.broker.vhost(vhost).topology.exchange_id(name).is_some();
    assert!(is_there(&rig, "inner") && is_there(&rig, "outer"));
    rig.vanish(client);
    assert!(!is_there(&rig, "inner") && !is_there(&rig, "outer"));
    super::invariants::check_deserted(&rig.broker);
}

#[test]
fn recovering_gives_everything_back_and_says_so_first() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.consume(client, "q", "c", false);
    publish(&mut rig, client, "q", 0..3);
    rig.hear(client);
    rig.ask(client, &ack(2, false));
    let heard = rig.ask(
        client,
        &Method::BasicRecover(basic::Recover { requeue: true }),
    );
    assert!(
        matches!(heard[0].method(), Method::BasicRecoverOk(_)),
        "{heard:?}"
    );
    assert_eq!(bodies(&heard), ["0", "2"]);
    assert_eq!(deliveries(&heard), [(4, true), (5, true)]);
    let async_ = Method::BasicRecoverAsync(basic::RecoverAsync { requeue: true });
    assert_eq!(
        deliveries(&rig.ask(client, &async_)),
        [(6, true), (7, true)]
    );
}

#[test]
fn a_channel_number_is_used_again() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.declare(client, "q", false, &Table::new());
    rig.consume(client, "q", "c", false);
    publish(&mut rig, client, "q", 0..1);
    rig.hear(client);
    let closed = rig.refused(client, &ack(9, false));
    assert_eq!(closed.code, 406);
    rig.script(client).send(
        1,
        &Method::ChannelCloseOk(trefoil_amqp::method::channel::CloseOk {}),
    );
    rig.script(client).open_channel(1);
    rig.run();
    rig.hear(client);
    let heard = rig.consume(client, "q", "c", false);
    assert_eq!(deliveries(&heard), [(1, true)]);
}

#[test]
fn replies_go_to_the_channel_while_it_consumes_them() {
    let mut rig = Rig::new();
    let asking = rig.client();
    let serving = rig.client();
    rig.declare(serving, "service", false, &Table::new());
    rig.consume(asking, "amq.rabbitmq.reply-to", "r", true);
    let request = trefoil_amqp::Properties {
        reply_to: Some(b"amq.rabbitmq.reply-to"),
        ..plain()
    };
    rig.publish(asking, "", "service", &request, "?");
    let (_, got) = rig.get(serving, "service").expect("the request");
    let to = got.content().expect("content").properties().reply_to;
    let to = String::from_utf8(to.expect("a name").to_vec()).expect("text");
    let passive = queue::Declare {
        passive: true,
        ..declare(&to)
    };
    let heard = rig.ask(serving, &Method::QueueDeclare(passive));
    assert!(
        matches!(heard[0].method(), Method::QueueDeclareOk(ok) if (ok.queue, ok.message_count, ok.consumer_count) == (to.as_str(), 0, 1)),
        "{heard:?}"
    );
    // Declaring is asking there, whatever is declared.
    let heard = rig.ask(
        serving,
        &Method::QueueDeclare(declare("amq.rabbitmq.reply-to")),
    );
    assert!(
        matches!(heard[0].method(), Method::QueueDeclareOk(_)),
        "{heard:?}"
    );
    rig.ask(asking, &cancel("r"));
    let mandatory = basic::Publish {
        mandatory: true,
        ..super::methods::publish("", &to)
    };
    rig.script(serving)
        .send_with_content(1, &Method::BasicPublish(mandatory), &plain(), b"!");
    rig.run();
    let heard = rig.hear(serving);
    assert!(
        matches!(heard[0].method(), Method::BasicReturn(_)),
        "{heard:?}"
    );
    assert_eq!(rig.hear(asking), []);
    assert_eq!(
        rig.refused(serving, &Method::QueueDeclare(passive)).code,
        404
    );
}
