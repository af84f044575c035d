//! The log is cleaned while its messages are delivered.

use trefoil_amqp::Table;
use trefoil_store::Position;

use super::rig::{Rig, Who, persistent};

/// Messages that come and go, and one that stays: a segment of the log that has some rubbish.
fn litter(rig: &mut Rig, client: Who) {
    rig.publish(client, "", "stays", &persistent(), "");
    for _ in 0..5 {
        rig.publish(client, "", "passing", &persistent(), &"x".repeat(600));
        rig.drain(client, "passing");
    }
}

/// Where the messages are that were delivered: the oldest and the newest.
fn places(rig: &Rig) -> (Position, Position) {
    let sessions = rig.broker.clients.sessions.iter();
    let channels = sessions.flat_map(|(_, session)| session.channels.iter().flatten());
    let held = channels.flat_map(|channel| channel.held());
    let places: Vec<Position> = held.map(|delivery| delivery.entry.at).collect();
    let (oldest, newest) = (places.iter().min(), places.iter().max());
    (*oldest.expect("some"), *newest.expect("some"))
}

#[test]
fn deliveries_are_moved_whenever_they_are_made() {
    let bodies: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
    for before in 1..20 {
        let mut rig = Rig::with_segments(4 << 10);
        let client = rig.client();
        for queue in ["q", "passing", "stays"] {
            rig.declare(client, queue, true, &Table::new());
        }
        for body in &bodies {
            rig.publish(client, "", "q", &persistent(), body);
        }
        let first = rig.broker.logs.durable.end();
        // Some are held from the beginning. The others are delivered while their segment is cleaned, slice by slice.
        let mut held = Vec::new();
        while held.len() < before {
            held.extend(rig.get_unacknowledged(client, "q"));
        }
        rig.commits = false;
        let mut rounds = 0;
        while places(&rig).0 < first && rounds < 30 {
            litter(&mut rig, client);
            // The first slices have been moved as soon as one of the first deliveries has.
            while rig.commit() {
                if places(&rig).1 > first {
                    held.extend(rig.get_unacknowledged(client, "q"));
                }
            }
            rounds += 1;
        }
        rig.commits = true;
        // What nobody moves stays where it was, and cleaning never comes to what is behind it.
        assert!(places(&rig).0 > first, "after {before} messages");
        super::invariants::check(&rig.broker, true);
        let mut left = bodies.clone();
        for (tag, body) in held.iter().step_by(2) {
            rig.settle(client, *tag, true);
            left.retain(|other| other != body);
        }
        let mut rig = rig.killed();
        let client = rig.client();
        assert_eq!(rig.drain(client, "q"), left);
    }
}
