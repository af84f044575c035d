//! What holds between two inputs, whatever came in.

use std::collections::HashMap;

use crate::{broker::Broker, queue::Entry, slab::Key};

/// Checks a broker that has settled down.
///
/// `is_served`: all sockets are taking their output, so that nobody waits for what is there.
pub(super) fn check(broker: &Broker, is_served: bool) {
    let mut held: HashMap<u64, (usize, u64)> = HashMap::new();
    let mut of_consumer: HashMap<Key, u32> = HashMap::new();
    let (mut durable, mut transient) = (broker.catalog.positions.len() as u64, 0);
    let mut count = |entry: &Entry| {
        *(if entry.is_in_transient_log() {
            &mut transient
        } else {
            &mut durable
        }) += 1;
    };
    let mut consumers = 0;
    let mut streamed = 0;
    for (key, session) in broker.clients.sessions.iter() {
        for channel in session.channels.iter().flatten() {
            assert!(
                !session.is_released,
                "channels of a connection that is gone"
            );
            let mut in_flight = 0;
            for delivery in channel.held() {
                let queue = broker.queues.get(delivery.queue);
                if queue.is_some_and(|queue| queue.uid == delivery.queue_uid) {
                    let sum = held.entry(delivery.queue_uid).or_default();
                    sum.0 += 1;
                    sum.1 += u64::from(delivery.entry.size);
                    // Those of a stream refer to nothing: the stream does.
                    if queue.is_some_and(|queue| queue.stream.is_none()) {
                        count(&delivery.entry);
                    }
                }
                if delivery.consumer != Key::NONE {
                    in_flight += 1;
                    *of_consumer.entry(delivery.consumer).or_default() += 1;
                }
            }
            assert_eq!(channel.in_flight, in_flight, "deliveries of a channel");
            for (tag, consumer) in &channel.consumers {
                let state = broker.clients.consumers.get(*consumer);
                let state = state.expect("a channel's consumer is there");
                assert!(state.session == key && state.channel == channel.number);
                assert_eq!(state.tag, *tag);
                let queue = broker.queues.get(state.queue).expect("it has a queue");
                assert!(queue.consumers.all.contains(consumer));
                consumers += 1;
            }
        }
    }
    assert_eq!(broker.clients.consumers.len(), consumers, "consumers");
    for (id, queue) in broker.queues.iter() {
        let name = &queue.name;
        if let Some(stream) = &queue.stream {
            assert_eq!(queue.ready.len(), 0, "{name} is a stream");
            assert_eq!(stream.index.len(), stream.index.from(0).count());
            assert!(stream.visible <= stream.next && stream.first() <= stream.next);
            streamed += stream.index.len() as u64;
        }
        assert_eq!(broker.vhost(queue.vhost).topology.queue_id(name), Some(id));
        let (length, bytes) = held.get(&queue.uid).copied().unwrap_or_default();
        assert_eq!(queue.unacked, length, "deliveries of {name}");
        assert_eq!(queue.unacked_bytes, bytes, "bytes of deliveries of {name}");
        assert_eq!(queue.ready.len(), queue.ready.iter().count());
        let bytes: u64 = queue.ready.iter().map(|entry| u64::from(entry.size)).sum();
        assert_eq!(queue.ready.bytes(), bytes, "bytes of {name}");
        queue.letters.iter().for_each(|letter| count(&letter.entry));
        let letters = queue.letters.iter().map(|letter| letter.entry.size);
        let bytes: u64 = letters.map(u64::from).sum();
        assert_eq!(queue.letters.bytes(), bytes, "bytes of letters of {name}");
        let listed = broker.undelivered.iter().filter(|other| **other == id);
        assert_eq!(listed.count(), usize::from(!queue.letters.is_empty()));
        queue.ready.iter().for_each(&mut count);
        if let Some(owner) = queue.owner {
            let session = broker.clients.sessions.get(owner);
            let session = session.expect("an exclusive queue has its connection");
            assert!(session.exclusive.contains(&id));
        }
        for key in &queue.consumers.all {
            let consumer = broker.clients.consumers.get(*key).expect("it is there");
            assert_eq!(consumer.queue, id);
            let count = of_consumer.get(key).copied().unwrap_or_default();
            assert_eq!(consumer.unacked, count, "deliveries of {}", consumer.tag);
            let lines = queue
                .consumers
                .line
                .iter()
                .filter(|(_, other)| other == key);
            let is_served_here = queue.is_served(*key);
            assert_eq!(
                lines.count(),
                usize::from(is_served_here && !consumer.is_parked),
                "{} is in line or parked",
                consumer.tag
            );
            let is_behind = match (&queue.stream, &consumer.reader) {
                (Some(stream), Some(reader)) => {
                    let next = stream.index.from(reader.next).next();
                    next.is_some_and(|(offset, _)| offset < stream.visible)
                }
                _ => !queue.ready.is_empty(),
            };
            if is_served && is_served_here && is_behind {
                let session = broker.clients.sessions.get(consumer.session);
                let channel = session.and_then(|session| {
                    session.channels[usize::from(consumer.channel.0)].as_deref()
                });
                let channel = channel.expect("a consumer has a channel");
                let is_free = consumer.no_ack
                    || (consumer.prefetch == 0 || consumer.unacked < u32::from(consumer.prefetch))
                        && (channel.prefetch_channel == 0
                            || channel.in_flight < u32::from(channel.prefetch_channel));
                assert!(!is_free, "{} waits, and {name} has messages", consumer.tag);
            }
        }
    }
    let (waiting_durable, waiting_transient) = broker.delayed.counts();
    durable += waiting_durable + streamed;
    transient += waiting_transient;
    assert_eq!(broker.logs.durable.references(), durable, "durable log");
    assert_eq!(
        broker.logs.transient.references(),
        transient,
        "transient log"
    );
    assert_eq!(broker.logs.unreadable, 0);
}

/// Checks a broker whose clients are all gone.
pub(super) fn check_deserted(broker: &Broker) {
    check(broker, true);
    assert_eq!(broker.clients.sessions.len(), 0);
    assert_eq!(broker.clients.consumers.len(), 0);
    assert!(
        broker
            .queues
            .iter()
            .all(|(_, queue)| queue.owner.is_none() && queue.unacked == 0)
    );
}
