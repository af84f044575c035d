//! Sessions and consumers: everything a delivery touches on its way out.

mod moving;

use trefoil_amqp::{ChannelNumber, encode};

use crate::{
    broker::trace::Trace,
    message::Message,
    queue::{Consumer, Entry, Queue},
    routing::QueueId,
    session::{Channel, Session, Unacked},
    slab::{Key, Slab},
};

/// Bytes of output that one connection may have waiting before its consumers have to wait. Several times what a reactor reads in
/// a turn: a publisher's block must pass through to a consumer who keeps up without touching the queue.
pub(crate) const OUTPUT_BUDGET: usize = 1 << 20;

/// Everybody that is connected.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub(crate) sessions: Slab<Session>,
    pub(crate) consumers: Slab<Consumer>,
    /// Sessions whose output or state the shell has to look at.
    pub(crate) dirty: Vec<Key>,
    pub(crate) trace: Trace,
    pub(crate) moving: moving::Moving,
}

/// What a consumer may do now.
pub(crate) enum Capacity {
    Free,
    Full,
    Gone,
}

impl Clients {
    /// Tells the shell to look at this session.
    pub(crate) fn touch(&mut self, session: Key) {
        if let Some(state) = self.sessions.get_mut(session)
            && !state.is_dirty
        {
            state.is_dirty = true;
            self.dirty.push(session);
        }
    }

    pub(crate) fn channel(&mut self, session: Key, number: ChannelNumber) -> Option<&mut Channel> {
        self.sessions.get_mut(session)?.channel(number)
    }

    /// The consumer that gets the next message. Those that cannot take one leave the line until they can.
    pub(crate) fn next_consumer(&mut self, queue: &mut Queue) -> Option<Key> {
        loop {
            let (_, key) = *queue.consumers.line.front()?;
            match self.capacity(key) {
                Capacity::Free => return Some(key),
                Capacity::Full => {
                    queue.consumers.line.pop_front();
                    if let Some(consumer) = self.consumers.get_mut(key) {
                        consumer.is_parked = true;
                    }
                }
                Capacity::Gone => {
                    queue.consumers.line.pop_front();
                }
            }
        }
    }

    pub(crate) fn capacity(&mut self, key: Key) -> Capacity {
        let Some(consumer) = self.consumers.get(key) else {
            return Capacity::Gone;
        };
        let Some(session) = self.sessions.get_mut(consumer.session) else {
            return Capacity::Gone;
        };
        if session.is_congested {
            return Capacity::Full;
        }
        if consumer.no_ack {
            return Capacity::Free;
        }
        if consumer.prefetch != 0 && consumer.unacked >= u32::from(consumer.prefetch) {
            return Capacity::Full;
        }
        match session.channel(consumer.channel) {
            Some(channel)
                if channel.prefetch_channel != 0
                    && channel.in_flight >= u32::from(channel.prefetch_channel) =>
            {
                Capacity::Full
            }
            Some(_) => Capacity::Free,
            None => Capacity::Gone,
        }
    }

    /// Sends a message to a consumer that has capacity. `entry` is what is to be kept until it is acknowledged.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one delivery, some of them borrowed"
    )]
    pub(crate) fn deliver(
        &mut self,
        queue: &mut Queue,
        id: QueueId,
        key: Key,
        redelivered: bool,
        entry: Option<Entry>,
        message: Message<'_>,
        now: u64,
    ) {
        queue.consumers.next_turn();
        let Some(consumer) = self.consumers.get_mut(key) else {
            return;
        };
        let Some(session) = self.sessions.get_mut(consumer.session) else {
            return;
        };
        let Some(channel) = session
            .channels
            .get_mut(usize::from(consumer.channel.0))
            .and_then(Option::as_deref_mut)
        else {
            return;
        };
        channel.delivery_tag += 1;
        let frame_max = session.connection.tune().frame_max;
        let output = session.connection.output();
        encode::deliver(
            output,
            consumer.channel,
            &consumer.tag,
            channel.delivery_tag,
            redelivered,
            message.exchange,
            message.routing_key,
        );
        encode::content(
            output,
            consumer.channel,
            &message.shown(),
            message.body,
            frame_max,
        );
        if redelivered {
            channel.counters.redeliver += 1;
            queue.counters.redeliver += 1;
        }
        match entry {
            None => {
                channel.counters.deliver_no_ack += 1;
                queue.counters.deliver_no_ack += 1;
            }
            Some(entry) => {
                channel.counters.deliver += 1;
                queue.counters.deliver += 1;
                channel.in_flight += 1;
                consumer.unacked += 1;
                queue.unacked += 1;
                queue.unacked_bytes += u64::from(entry.size);
                let delivery = Unacked {
                    tag: channel.delivery_tag,
                    queue: id,
                    queue_uid: queue.uid,
                    consumer: key,
                    delivered_at: now,
                    entry,
                };
                self.moving
                    .note(consumer.session, consumer.channel, &delivery);
                channel.unacked.push(delivery);
            }
        }
        session.watch_budget();
        let (session_key, number) = (consumer.session, consumer.channel);
        if !session.is_dirty {
            session.is_dirty = true;
            self.dirty.push(session_key);
        }
        self.trace_delivery(queue, session_key, number, redelivered, message);
    }
}
