//! Consumers, `basic.get`, prefetch.

use std::sync::Arc;

use trefoil_amqp::{
    ChannelNumber, ContentHeader, Method, ReplyCode, Table, encode,
    method::basic::{self, Cancel, Consume, Get, Qos},
};

use super::{Broker, Failure, publish::REPLY_TO, pump::discard};
use crate::{
    access::{Permission, ResourceKind},
    arguments::{ConsumerArguments, queue_resource},
    queue::{Consumer, Queue},
    routing::QueueId,
    session::Unacked,
    slab::Key,
};

impl Broker {
    /// `basic.qos`.
    pub(super) fn handle_qos(
        &mut self,
        session: Key,
        number: ChannelNumber,
        qos: &Qos,
    ) -> Result<(), Failure> {
        if qos.prefetch_size != 0 {
            let text = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(Failure::connection(ReplyCode::NotImplemented, text));
        }
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        if qos.global {
            channel.prefetch_channel = qos.prefetch_count;
        } else {
            // As RabbitMQ has it: a limit for consumers ends the limit of the channel, but not the other way round.
            channel.prefetch = qos.prefetch_count;
            channel.prefetch_channel = 0;
        }
        self.unpark_channel(session, number);
        self.answer(session, number, &Method::BasicQosOk(basic::QosOk {}));
        Ok(())
    }

    /// `basic.consume`.
    pub(super) fn handle_consume(
        &mut self,
        session: Key,
        number: ChannelNumber,
        consume: &Consume<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        let is_taken = channel.consumers.contains_key(consume.consumer_tag)
            || channel
                .replies
                .as_ref()
                .is_some_and(|replies| *replies.tag == *consume.consumer_tag);
        if is_taken && !consume.consumer_tag.is_empty() {
            let text = format!("attempt to reuse consumer tag '{}'", consume.consumer_tag);
            return Err(Failure::connection(ReplyCode::NotAllowed, text));
        }
        let consumers = channel.consumers.len() + usize::from(channel.replies.is_some());
        let max = self.settings.consumers_max;
        if max != 0 && consumers >= max as usize {
            let text = format!("reached maximum ({max}) of consumers per channel");
            return Err(Failure::connection(ReplyCode::NotAllowed, text));
        }
        let tag: Arc<str> = if consume.consumer_tag.is_empty() {
            format!("amq.ctag-{}", self.random.name()).into()
        } else {
            consume.consumer_tag.into()
        };
        if consume.queue == REPLY_TO {
            return self.consume_replies(session, number, consume, tag);
        }
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let name = self.queue_name(session, number, consume.queue)?;
        self.check(session, vhost, ResourceKind::Queue, &name, Permission::Read)?;
        let id = self.find_queue(session, vhost, &name)?;
        let table = table(&consume.arguments)?;
        let host = Arc::clone(&self.vhost(vhost).name);
        let Self {
            queues, clients, ..
        } = self;
        let queue = queues.get_mut(id).ok_or(Failure::Gone)?;
        let arguments = ConsumerArguments::parse(&host, &name, queue.arguments.queue_type, &table)?;
        let channel = clients.channel(session, number).ok_or(Failure::Gone)?;
        let reader = Self::reader(queue, channel, &host, consume, &arguments, &table, now)?;
        let in_exclusive_use = queue.consumers.has_exclusive
            || (consume.exclusive && !queue.consumers.all.is_empty())
            || (consume.exclusive && queue.arguments.single_active_consumer);
        // A stream is read by whoever wants to, as RabbitMQ has it: the flag is noted and excludes nobody.
        if in_exclusive_use && reader.is_none() {
            let text = format!("queue '{name}' in vhost '{host}' in exclusive use");
            return Err(Failure::channel(ReplyCode::AccessRefused, text));
        }
        let is_exclusive = consume.exclusive && reader.is_none();
        let prefetch = if consume.no_ack { 0 } else { channel.prefetch };
        let key = self.clients.consumers.insert(Consumer {
            queue: id,
            session,
            channel: number,
            tag: Arc::clone(&tag),
            no_ack: consume.no_ack,
            is_exclusive,
            priority: arguments.priority,
            prefetch,
            unacked: 0,
            is_parked: false,
            reader,
            arguments: table,
        });
        if let Some(channel) = self.clients.channel(session, number) {
            channel.consumers.insert(Arc::clone(&tag), key);
        }
        let queue = self.queues.get_mut(id).ok_or(Failure::Gone)?;
        queue.consumers.had_any = true;
        queue.consumers.all.push(key);
        queue.consumers.has_exclusive = is_exclusive;
        queue.last_used = now;
        if queue.arguments.single_active_consumer {
            self.choose_active(id);
        } else {
            queue.consumers.line_up(arguments.priority, key);
        }
        if !consume.no_wait {
            self.answer(
                session,
                number,
                &Method::BasicConsumeOk(basic::ConsumeOk { consumer_tag: &tag }),
            );
        }
        self.pump_later(id);
        Ok(())
    }

    /// `basic.cancel`.
    pub(super) fn handle_cancel(
        &mut self,
        session: Key,
        number: ChannelNumber,
        cancel: &Cancel<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        if channel
            .replies
            .as_ref()
            .is_some_and(|replies| *replies.tag == *cancel.consumer_tag)
        {
            self.drop_reply_consumer(session, number);
        } else if let Some(key) = channel.consumers.remove(cancel.consumer_tag) {
            self.remove_consumer(key, now);
        }
        if !cancel.no_wait {
            let consumer_tag = cancel.consumer_tag;
            self.answer(
                session,
                number,
                &Method::BasicCancelOk(basic::CancelOk { consumer_tag }),
            );
        }
        Ok(())
    }

    /// Takes a consumer out of its queue. The last one takes an auto-delete queue with it.
    pub(super) fn remove_consumer(&mut self, key: Key, now: u64) {
        if let Some(id) = self.detach_consumer(key) {
            self.consumer_gone(id, now);
        }
    }

    /// Takes a consumer out of its queue, and leaves what that means for the queue to [`Self::consumer_gone`].
    pub(super) fn detach_consumer(&mut self, key: Key) -> Option<QueueId> {
        let consumer = self.clients.consumers.remove(key)?;
        let queue = self.queues.get_mut(consumer.queue)?;
        queue.consumers.remove(key);
        if consumer.is_exclusive {
            queue.consumers.has_exclusive = false;
        }
        Some(consumer.queue)
    }

    /// A queue has one consumer less.
    pub(super) fn consumer_gone(&mut self, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        queue.last_used = now;
        if queue.consumers.all.is_empty() {
            queue.idle_since = now;
            if queue.is_auto_delete {
                self.delete_queue(id, now);
                return;
            }
            self.schedule_lease(id);
        } else if queue.arguments.single_active_consumer {
            self.choose_active(id);
            self.pump_later(id);
        }
    }

    /// With a single active consumer: the first that came is it, or the one with the highest priority when none is.
    pub(super) fn choose_active(&mut self, id: QueueId) {
        let Self {
            queues, clients, ..
        } = self;
        let Some(queue) = queues.get_mut(id) else {
            return;
        };
        if queue.consumers.active.is_some() {
            return;
        }
        let mut best: Option<(i64, Key)> = None;
        for key in &queue.consumers.all {
            if let Some(consumer) = clients.consumers.get(*key)
                && best.is_none_or(|(priority, _)| consumer.priority > priority)
            {
                best = Some((consumer.priority, *key));
            }
        }
        if let Some((priority, key)) = best {
            queue.consumers.active = Some(key);
            queue.consumers.line.clear();
            queue.consumers.line_up(priority, key);
            if let Some(consumer) = clients.consumers.get_mut(key) {
                consumer.is_parked = false;
            }
        }
    }

    /// `basic.get`.
    pub(super) fn handle_get(
        &mut self,
        session: Key,
        number: ChannelNumber,
        get: &Get<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let name = self.queue_name(session, number, get.queue)?;
        self.check(session, vhost, ResourceKind::Queue, &name, Permission::Read)?;
        let id = self.find_queue(session, vhost, &name)?;
        let host = Arc::clone(&self.vhost(vhost).name);
        let queue = self.queues.get_mut(id).ok_or(Failure::Gone)?;
        queue.last_used = now;
        if queue.arguments.single_active_consumer {
            let kind = queue.arguments.queue_type.name();
            let text = format!(
                "cannot obtain access to locked queue '{name}' in vhost '{host}'. basic.get operations are not supported by {kind} queues with single active consumer"
            );
            return Err(Failure::channel(ReplyCode::ResourceLocked, text));
        }
        if queue.stream.is_some() {
            let resource = queue_resource(&host, &name);
            let text = format!("basic.get not supported by stream queues {resource}");
            return Err(Failure::connection(ReplyCode::NotImplemented, text));
        }
        self.expire(id, now);
        loop {
            let popped = self.queues.get_mut(id).and_then(|queue| queue.ready.pop());
            // What was behind it may have expired there, and is not counted any more.
            self.expire(id, now);
            let Self {
                queues,
                clients,
                logs,
                acknowledging,
                ..
            } = self;
            let queue = queues.get_mut(id).ok_or(Failure::Gone)?;
            let state = clients.sessions.get_mut(session).ok_or(Failure::Gone)?;
            let Some(entry) = popped else {
                queue.counters.get_empty += 1;
                state.send(
                    number,
                    &Method::BasicGetEmpty(basic::GetEmpty { cluster_id: "" }),
                );
                clients.touch(session);
                return Ok(());
            };
            let Some(stored) = logs.read(&entry) else {
                // Lost on the disk, and counted: the next one may be well.
                discard(queue, logs, acknowledging, id, &entry);
                continue;
            };
            let frame_max = state.connection.tune().frame_max;
            let channel = state
                .channels
                .get_mut(usize::from(number.0))
                .and_then(Option::as_deref_mut)
                .ok_or(Failure::Gone)?;
            channel.delivery_tag += 1;
            let is_redelivered = entry.is_redelivered();
            queue.counters.redeliver += u64::from(is_redelivered);
            channel.counters.redeliver += u64::from(is_redelivered);
            let got = basic::GetOk {
                delivery_tag: channel.delivery_tag,
                redelivered: is_redelivered,
                exchange: stored.message.exchange,
                routing_key: stored.message.routing_key,
                message_count: u32::try_from(queue.ready.len()).unwrap_or(u32::MAX),
            };
            if get.no_ack {
                queue.counters.get_no_ack += 1;
                channel.counters.get_no_ack += 1;
            } else {
                queue.counters.get += 1;
                channel.counters.get += 1;
                let delivery = keep(queue, channel, id, entry, now);
                clients.moving.note(session, number, &delivery);
            }
            let header = stored.message.shown();
            let counted = delivery_count(queue, &entry, &header);
            let header = counted.as_deref().unwrap_or(&header);
            state.connection.send(number, &Method::BasicGetOk(got));
            encode::content(
                state.connection.output(),
                number,
                header,
                stored.message.body,
                frame_max,
            );
            clients.touch(session);
            clients.trace_delivery(queue, session, number, is_redelivered, stored.message);
            if get.no_ack {
                self.discard(id, &entry);
            }
            self.reschedule_expiry(id);
            return Ok(());
        }
    }
}

fn keep(
    queue: &mut Queue,
    channel: &mut crate::session::Channel,
    id: QueueId,
    entry: crate::queue::Entry,
    now: u64,
) -> Unacked {
    queue.unacked += 1;
    queue.unacked_bytes += u64::from(entry.size);
    let delivery = Unacked {
        tag: channel.delivery_tag,
        queue: id,
        queue_uid: queue.uid,
        consumer: Key::NONE,
        delivered_at: now,
        entry,
    };
    channel.unacked.push(delivery);
    delivery
}

/// The header with `x-delivery-count`, for queues that count, when there is something to count.
pub(super) fn delivery_count(
    queue: &Queue,
    entry: &crate::queue::Entry,
    header: &[u8],
) -> Option<Vec<u8>> {
    (queue.arguments.queue_type == crate::arguments::QueueType::Quorum && entry.returns > 0).then(
        || {
            crate::content::rewrite::with_delivery_count(
                ContentHeader::new(header),
                u64::from(entry.returns),
            )
        },
    )
}

/// Arguments of a method, owned.
pub(super) fn table(arguments: &trefoil_amqp::TableRef<'_>) -> Result<Table, Failure> {
    Table::try_from(*arguments)
        .map_err(|error| Failure::connection(ReplyCode::FrameError, error.to_string()))
}
