//! Acknowledging, rejecting, requeueing.

use trefoil_amqp::{ChannelNumber, Method, ReplyCode, method::basic};

use super::{Broker, Failure};
use crate::{
    death::Reason,
    queue::REDELIVERED,
    session::{Mode, Settle, Settlement, Unacked},
    slab::Key,
};

impl Broker {
    /// `basic.ack`, `basic.nack`, `basic.reject`.
    pub(super) fn handle_settle(
        &mut self,
        session: Key,
        number: ChannelNumber,
        tag: u64,
        is_multiple: bool,
        how: Settle,
        now: u64,
    ) -> Result<(), Failure> {
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        let is_all = is_multiple && tag == 0;
        if !is_all && !channel.unacked.contains(tag) {
            let text = format!("unknown delivery tag {tag}");
            return Err(Failure::channel(ReplyCode::PreconditionFailed, text));
        }
        if !is_multiple && !matches!(channel.mode, Mode::Transaction(_)) {
            if let Some(delivery) = channel.unacked.take(tag) {
                self.settle(session, number, &delivery, how, now);
            }
            return Ok(());
        }
        let deliveries = if is_multiple {
            channel.unacked.take_up_to(tag)
        } else {
            channel.unacked.take(tag).into_iter().collect()
        };
        if let Mode::Transaction(transaction) = &mut channel.mode {
            transaction.settlements.push(Settlement { deliveries, how });
            return Ok(());
        }
        self.settle_all(session, number, &deliveries, how, now);
        Ok(())
    }

    /// Settles in the order of the deliveries; requeued ones find their places by themselves.
    pub(super) fn settle_all(
        &mut self,
        session: Key,
        number: ChannelNumber,
        deliveries: &[Unacked],
        how: Settle,
        now: u64,
    ) {
        for delivery in deliveries {
            self.settle(session, number, delivery, how, now);
        }
    }

    fn settle(
        &mut self,
        session: Key,
        number: ChannelNumber,
        delivery: &Unacked,
        how: Settle,
        now: u64,
    ) {
        let Self {
            queues, clients, ..
        } = self;
        let queue = queues
            .get_mut(delivery.queue)
            .filter(|queue| queue.uid == delivery.queue_uid);
        let mut is_parked_channel = false;
        if delivery.consumer != Key::NONE
            && let Some(channel) = clients.channel(session, number)
        {
            is_parked_channel = channel.prefetch_channel != 0
                && channel.in_flight >= u32::from(channel.prefetch_channel);
            channel.in_flight = channel.in_flight.saturating_sub(1);
            if how == Settle::Acknowledge {
                channel.counters.ack += 1;
            }
        }
        let Some(queue) = queue else {
            // The queue is gone, and its messages with it; the channel's limit has one more place all the same.
            if is_parked_channel {
                self.unpark_channel(session, number);
            }
            return;
        };
        queue.unacked -= 1;
        queue.unacked_bytes -= u64::from(delivery.entry.size);
        if let Some(consumer) = clients.consumers.get_mut(delivery.consumer) {
            consumer.unacked = consumer.unacked.saturating_sub(1);
            if consumer.is_parked {
                consumer.is_parked = false;
                let priority = consumer.priority;
                if queue.is_served(delivery.consumer) {
                    queue.consumers.line_up(priority, delivery.consumer);
                }
            }
        }
        match how {
            // However it is settled: the message stays, and the consumer may have another.
            _ if queue.stream.is_some() => {
                queue.counters.ack += u64::from(how == Settle::Acknowledge);
            }
            Settle::Acknowledge => {
                queue.counters.ack += 1;
                self.discard(delivery.queue, &delivery.entry);
            }
            Settle::Requeue => self.requeue(delivery, now),
            Settle::Reject => {
                self.dead_letter(delivery.queue, &delivery.entry, Reason::Rejected, now)
            }
        }
        self.pump_later(delivery.queue);
        if is_parked_channel {
            self.unpark_channel(session, number);
        }
    }

    /// Puts a delivery back where it was, unless it has come back too often.
    fn requeue(&mut self, delivery: &Unacked, now: u64) {
        let mut entry = delivery.entry;
        entry.flags |= REDELIVERED;
        entry.returns = entry.returns.saturating_add(1);
        let Some(queue) = self.queues.get_mut(delivery.queue) else {
            return;
        };
        if let Some(limit) = queue.settings.delivery_limit
            && u64::from(entry.returns) > limit
        {
            self.dead_letter(delivery.queue, &entry, Reason::DeliveryLimit, now);
            return;
        }
        queue.ready.insert(entry);
        self.after_insert(delivery.queue, now);
    }

    /// Puts all deliveries of a channel back where they were.
    pub(super) fn requeue_channel(&mut self, session: Key, number: ChannelNumber, now: u64) {
        let Some(channel) = self.clients.channel(session, number) else {
            return;
        };
        let deliveries = channel.unacked.take_up_to(0);
        self.settle_all(session, number, &deliveries, Settle::Requeue, now);
    }

    /// `basic.recover` with requeue.
    pub(super) fn handle_recover(
        &mut self,
        session: Key,
        number: ChannelNumber,
        requeue: bool,
        is_answered: bool,
        now: u64,
    ) -> Result<(), Failure> {
        if !requeue {
            return Err(Failure::connection(
                ReplyCode::NotImplemented,
                "requeue=false",
            ));
        }
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        let deliveries = channel.unacked.take_up_to(0);
        self.settle_all(session, number, &deliveries, Settle::Requeue, now);
        if is_answered {
            self.answer(
                session,
                number,
                &Method::BasicRecoverOk(basic::RecoverOk {}),
            );
        }
        Ok(())
    }

    /// A channel has room again: its consumers may be offered messages.
    pub(super) fn unpark_channel(&mut self, session: Key, number: ChannelNumber) {
        let Some(channel) = self.clients.channel(session, number) else {
            return;
        };
        let mut consumers: Vec<Key> = channel.consumers.values().copied().collect();
        // Whoever is looked at first may take all the room there is, so no consumer is the first every time.
        consumers.sort_unstable();
        if !consumers.is_empty() {
            channel.turn = (channel.turn + 1) % consumers.len();
            consumers.rotate_left(channel.turn);
        }
        for key in consumers {
            self.unpark(key);
        }
    }

    /// A consumer may have room again.
    pub(super) fn unpark(&mut self, key: Key) {
        let Some(consumer) = self.clients.consumers.get_mut(key) else {
            return;
        };
        if !consumer.is_parked {
            return;
        }
        consumer.is_parked = false;
        let (id, priority) = (consumer.queue, consumer.priority);
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        if queue.is_served(key) {
            queue.consumers.line_up(priority, key);
            self.pump_later(id);
        }
    }
}

impl crate::queue::Queue {
    /// Whether this consumer gets messages: with a single active consumer, only that one.
    pub(crate) fn is_served(&self, consumer: Key) -> bool {
        !self.arguments.single_active_consumer || self.consumers.active == Some(consumer)
    }
}
