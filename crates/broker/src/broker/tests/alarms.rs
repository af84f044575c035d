//! Alarms stop publishers and nobody else; a slow consumer holds back nobody but itself; closing gives everything back.

use trefoil_amqp::{
    Method, Table,
    method::{basic, connection, queue},
    testing::Handshake,
};

use super::{
    methods::{ack, consume, declare, delete, plain},
    rig::{Rig, bodies},
};

#[test]
fn publishers_are_stopped_and_told_if_they_can_hear_it() {
    let mut rig = Rig::new();
    let publisher = rig.client();
    let consumer = rig.client();
    let deaf = rig.guest(&Handshake {
        client_properties: Table::new(),
        ..Handshake::plain("/", "guest", "guest")
    });
    rig.script(deaf).open_channel(1);
    rig.run();
    rig.hear(deaf);
    rig.declare(consumer, "q", false, &Table::new());
    rig.publish(publisher, "", "q", &plain(), "1");
    let now = rig.now;
    rig.broker.set_memory_alarm(true, now);
    rig.run();
    let heard = rig.hear(publisher);
    assert!(
        matches!(heard[0].method(), Method::ConnectionBlocked(blocked) if blocked.reason == "low on memory"),
        "{heard:?}"
    );
    // What has not published yet is stopped when it does.
    rig.publish(deaf, "", "q", &plain(), "2");
    rig.publish(deaf, "", "q", &plain(), "3");
    rig.publish(publisher, "", "q", &plain(), "4");
    assert_eq!(rig.hear(deaf), []);
    assert_eq!(bodies(&rig.consume(consumer, "q", "c", false)), ["1", "2"]);
    assert_eq!(rig.ask(consumer, &ack(2, true)), []);
    rig.broker.set_disk_alarm(true, now);
    rig.broker.set_memory_alarm(false, now);
    rig.run();
    assert_eq!(rig.hear(publisher), [], "still blocked, for another reason");
    rig.broker.set_disk_alarm(false, now);
    rig.run();
    let heard = rig.hear(publisher);
    assert!(
        matches!(heard[0].method(), Method::ConnectionUnblocked(_)),
        "{heard:?}"
    );
    assert_eq!(rig.hear(deaf), []);
    let mut rest = bodies(&rig.hear(consumer));
    rest.sort_unstable();
    assert_eq!(rest, ["3", "4"]);
}

/// What clients of suites for RabbitMQ rely on: an alarm that they raise is theirs to clear.
#[test]
fn alarms_by_hand_and_measured_ones_are_apart() {
    let mut rig = Rig::new();
    let publisher = rig.client();
    rig.publish(publisher, "", "q", &plain(), "1");
    rig.hear(publisher);
    let now = rig.now;
    let mut check = |change: &dyn Fn(&mut crate::Broker), expected: Option<bool>, overview| {
        change(&mut rig.broker);
        rig.run();
        let heard = rig.hear(publisher);
        let told = heard.iter().map(|one| match one.method() {
            Method::ConnectionBlocked(_) => true,
            Method::ConnectionUnblocked(_) => false,
            method => panic!("{method:?}"),
        });
        assert_eq!(told.collect::<Vec<_>>(), Vec::from_iter(expected));
        let alarms = rig.broker.overview().alarms;
        assert_eq!((alarms.memory, alarms.disk), overview);
    };
    let both = (true, true);
    let none = (false, false);
    check(
        &|b| b.set_operator_alarm(Some(true), None, now),
        Some(true),
        (true, false),
    );
    // The monitor finds enough memory, and too little of it, and enough.
    check(&|b| b.set_memory_alarm(false, now), None, (true, false));
    check(&|b| b.set_memory_alarm(true, now), None, (true, false));
    check(&|b| b.set_memory_alarm(false, now), None, (true, false));
    check(&|b| b.set_disk_alarm(true, now), None, both);
    check(
        &|b| b.set_operator_alarm(None, Some(false), now),
        None,
        both,
    );
    check(
        &|b| b.set_operator_alarm(Some(false), None, now),
        None,
        (false, true),
    );
    check(&|b| b.set_disk_alarm(false, now), Some(false), none);
    // By hand neither is what is measured taken back.
    check(
        &|b| b.set_memory_alarm(true, now),
        Some(true),
        (true, false),
    );
    check(
        &|b| b.set_operator_alarm(Some(false), Some(false), now),
        None,
        (true, false),
    );
    check(&|b| b.set_memory_alarm(false, now), Some(false), none);
    // A restart knows nothing of them.
    check(
        &|b| b.set_operator_alarm(Some(true), Some(true), now),
        Some(true),
        both,
    );
    rig.broker.stop_app(now);
    let alarms = rig.broker.overview().alarms;
    assert_eq!((alarms.memory, alarms.disk), none);
}

#[test]
fn a_blocked_connection_can_be_closed_by_an_operator() {
    let mut rig = Rig::new();
    let publisher = rig.client();
    let now = rig.now;
    rig.broker.set_disk_alarm(true, now);
    for body in ["1", "2", "3"] {
        rig.publish(publisher, "", "q", &plain(), body);
    }
    rig.hear(publisher);
    rig.broker.close_all_connections("enough", now);
    rig.run();
    let heard = rig.hear(publisher);
    let closed = heard.iter().find_map(|one| one.closed()).expect("a close");
    assert_eq!(closed.text, "CONNECTION_FORCED - enough");
    rig.script(publisher)
        .send(0, &Method::ConnectionCloseOk(connection::CloseOk {}));
    rig.run();
    super::invariants::check_deserted(&rig.broker);
}

#[test]
fn a_socket_that_is_full_waits_and_the_others_go_on() {
    let mut rig = Rig::new();
    let slow = rig.client();
    let fast = rig.client();
    let publisher = rig.client();
    rig.declare(publisher, "q", false, &Table::new());
    rig.consume(slow, "q", "slow", true);
    rig.consume(fast, "q", "fast", true);
    rig.stall(slow);
    let body = "x".repeat(60_000);
    for _ in 0..100 {
        rig.publish(publisher, "", "q", &plain(), &body);
    }
    let to_fast = bodies(&rig.hear(fast)).len();
    assert!(to_fast > 75, "{to_fast}");
    assert_eq!(rig.drain(publisher, "q"), [""; 0]);
    rig.unstall(slow);
    let to_slow = bodies(&rig.hear(slow)).len();
    assert_eq!(to_fast + to_slow, 100);
    rig.publish(publisher, "", "q", &plain(), "a");
    rig.publish(publisher, "", "q", &plain(), "b");
    let both = bodies(&rig.hear(slow)).len() + bodies(&rig.hear(fast)).len();
    assert_eq!(both, 2);
    assert_eq!(bodies(&rig.hear(slow)).len(), 0);
    super::invariants::check(&rig.broker, true);
}

#[test]
fn exclusive_queues_are_gone_before_their_owner_hears_that_it_is_closed() {
    let mut rig = Rig::new();
    let owner = rig.client();
    let other = rig.client();
    let exclusive = queue::Declare {
        exclusive: true,
        ..declare("mine")
    };
    rig.ask(owner, &Method::QueueDeclare(exclusive));
    rig.declare(other, "shared", false, &Table::new());
    rig.publish(other, "", "shared", &plain(), "m");
    rig.ask(owner, &Method::BasicConsume(consume("shared", "c")));
    rig.hear(owner);
    rig.script(owner).close();
    rig.run();
    let heard = rig.hear(owner);
    assert!(
        matches!(heard[0].method(), Method::ConnectionCloseOk(_)),
        "{heard:?}"
    );
    let passive = queue::Declare {
        passive: true,
        ..declare("shared")
    };
    let heard = rig.ask(other, &Method::QueueDeclare(passive));
    assert!(
        matches!(heard[0].method(), Method::QueueDeclareOk(ok) if (ok.message_count, ok.consumer_count) == (1, 0)),
        "{heard:?}"
    );
    let heard = rig.ask(other, &Method::QueueDeclare(exclusive));
    assert!(
        matches!(heard[0].method(), Method::QueueDeclareOk(_)),
        "{heard:?}"
    );
    rig.vanish(other);
    rig.vanish(owner);
    super::invariants::check_deserted(&rig.broker);
}

#[test]
fn an_owner_may_do_everything_with_its_exclusive_queue() {
    let mut rig = Rig::new();
    let owner = rig.client();
    let exclusive = queue::Declare {
        exclusive: true,
        ..declare("mine")
    };
    rig.ask(owner, &Method::QueueDeclare(exclusive));
    rig.ask(owner, &Method::QueueDeclare(exclusive));
    rig.bind(owner, "mine", "amq.fanout", "");
    let anybody = rig.client();
    rig.publish(anybody, "amq.fanout", "", &plain(), "for mine");
    assert_eq!(rig.drain(owner, "mine"), ["for mine"]);
    let only = basic::Consume {
        exclusive: true,
        ..consume("mine", "c")
    };
    rig.ask(owner, &Method::BasicConsume(only));
    let heard = rig.ask(owner, &Method::QueueDelete(delete("mine")));
    assert!(
        heard
            .iter()
            .any(|one| matches!(one.method(), Method::QueueDeleteOk(_))),
        "{heard:?}"
    );
    rig.vanish(anybody);
    rig.vanish(owner);
    super::invariants::check_deserted(&rig.broker);
}
