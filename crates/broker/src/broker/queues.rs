//! Queues: declaring, binding, purging, deleting.

use std::sync::Arc;

use trefoil_amqp::{
    ChannelNumber, Method, ReplyCode, Table,
    method::{
        basic,
        queue::{Declare, DeclareOk, Delete, DeleteOk},
    },
};

use super::{Broker, Failure, consume::table, names::strip, publish::REPLY_TO};
use crate::{
    access::{Permission, ResourceKind},
    arguments::{self, QueueArguments, QueueDeclaration, check_field_equivalent, queue_resource},
    inspect::MessageCounters,
    queue::{Consumer, Consumers, NEVER, Queue, Ready},
    routing::QueueId,
    slab::Key,
    vhost::VhostId,
};

impl Broker {
    /// The queue of this name, for a session that may use it.
    pub(super) fn find_queue(
        &self,
        session: Key,
        vhost: VhostId,
        name: &str,
    ) -> Result<QueueId, Failure> {
        let host = self.vhost(vhost);
        let Some(id) = host.topology.queue_id(name) else {
            let text = format!("no {}", queue_resource(&host.name, name));
            return Err(Failure::channel(ReplyCode::NotFound, text));
        };
        match self.queues.get(id).and_then(|queue| queue.owner) {
            Some(owner) if owner != session => Err(locked(&host.name, name)),
            _ => Ok(id),
        }
    }

    /// The name that was meant: the empty one is the queue last declared on the channel.
    pub(super) fn queue_name(
        &mut self,
        session: Key,
        number: ChannelNumber,
        name: &str,
    ) -> Result<Arc<str>, Failure> {
        if !name.is_empty() {
            return Ok(strip(name).as_ref().into());
        }
        self.clients
            .channel(session, number)
            .ok_or(Failure::Gone)?
            .last_queue
            .clone()
            .ok_or_else(|| Failure::channel(ReplyCode::NotFound, "no previously declared queue"))
    }

    /// `queue.declare`.
    pub(super) fn handle_queue_declare(
        &mut self,
        session: Key,
        number: ChannelNumber,
        declare: &Declare<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let given = strip(declare.queue);
        if declare.passive || given.starts_with(REPLY_TO) {
            return self.declare_passively(session, number, vhost, &given, declare.no_wait, now);
        }
        let mut table = table(&declare.arguments)?;
        let host = Arc::clone(&self.vhost(vhost).name);
        let default_type = self.vhost(vhost).default_queue_type;
        if default_type != arguments::QueueType::Classic {
            let declaration = QueueDeclaration {
                virtual_host: &host,
                name: &given,
                durable: declare.durable,
                exclusive: declare.exclusive,
                auto_delete: declare.auto_delete,
            };
            arguments::apply_default_type(&declaration, default_type, &mut table);
        }
        let name: Arc<str> = if given.is_empty() {
            match arguments::server_name_prefix(&host, &table)? {
                Some(prefix) => format!("{prefix}{}", self.random.name()).into(),
                None => format!("amq.gen-{}", self.random.name()).into(),
            }
        } else {
            given.as_ref().into()
        };
        self.check(
            session,
            vhost,
            ResourceKind::Queue,
            &name,
            Permission::Configure,
        )?;
        let existing = self.vhost(vhost).topology.queue_id(&name);
        let (id, is_new) = match existing {
            Some(id) => {
                self.check_equivalent(session, id, &host, &name, declare, &table)?;
                (id, false)
            }
            None => {
                if given.starts_with("amq.") {
                    let text = format!("queue name '{name}' contains reserved prefix 'amq.*'");
                    return Err(Failure::channel(ReplyCode::AccessRefused, text));
                }
                let declaration = QueueDeclaration {
                    virtual_host: &host,
                    name: &name,
                    durable: declare.durable,
                    exclusive: declare.exclusive,
                    auto_delete: declare.auto_delete,
                };
                let parsed = QueueArguments::parse(&declaration, &table)?;
                self.check_dead_letter_rights(session, vhost, &name, &parsed)?;
                self.check_queue_limit(vhost, &name)?;
                let owner = declare.exclusive.then_some(session);
                (
                    self.create_queue(
                        vhost,
                        Arc::clone(&name),
                        declare.durable,
                        declare.auto_delete,
                        owner,
                        parsed,
                        now,
                    ),
                    true,
                )
            }
        };
        if let Some(channel) = self.clients.channel(session, number) {
            channel.last_queue = Some(Arc::clone(&name));
        }
        let queue = self.queues.get_mut(id).ok_or(Failure::Gone)?;
        queue.last_used = now;
        let waits = is_new && queue.keeps();
        let answer = declare_ok(queue, &name);
        if !declare.no_wait {
            self.answer_when_durable(session, number, &Method::QueueDeclareOk(answer), waits);
        }
        Ok(())
    }

    fn declare_passively(
        &mut self,
        session: Key,
        number: ChannelNumber,
        vhost: VhostId,
        name: &str,
        no_wait: bool,
        now: u64,
    ) -> Result<(), Failure> {
        let answer = if name == REPLY_TO || self.replies.is_alive(name) {
            DeclareOk {
                queue: name,
                message_count: 0,
                consumer_count: 1,
            }
        } else {
            let id = self.find_queue(session, vhost, name)?;
            let queue = self.queues.get_mut(id).ok_or(Failure::Gone)?;
            queue.last_used = now;
            declare_ok(queue, name)
        };
        if let Some(channel) = self.clients.channel(session, number) {
            channel.last_queue = Some(name.into());
        }
        if !no_wait {
            self.answer(session, number, &Method::QueueDeclareOk(answer));
        }
        Ok(())
    }

    /// In RabbitMQ's order: whose it is, then flags, then arguments.
    fn check_equivalent(
        &self,
        session: Key,
        id: QueueId,
        host: &str,
        name: &str,
        declare: &Declare<'_>,
        table: &Table,
    ) -> Result<(), Failure> {
        let queue = self.queues.get(id).ok_or(Failure::Gone)?;
        let is_mine = match queue.owner {
            Some(owner) => owner == session && declare.exclusive,
            None => !declare.exclusive,
        };
        if !is_mine {
            return Err(locked(host, name));
        }
        let resource = || queue_resource(host, name);
        // An exclusive queue is never durable, whatever is asked.
        let durable = declare.durable && !declare.exclusive;
        check_field_equivalent("durable", queue.is_durable, durable, resource)?;
        check_field_equivalent(
            "auto_delete",
            queue.is_auto_delete,
            declare.auto_delete,
            resource,
        )?;
        queue.arguments.check_equivalent(host, name, table)?;
        Ok(())
    }

    /// A queue with a dead-letter exchange takes rights on both.
    fn check_dead_letter_rights(
        &mut self,
        session: Key,
        vhost: VhostId,
        name: &str,
        arguments: &QueueArguments,
    ) -> Result<(), Failure> {
        let Some(exchange) = arguments.dead_letter_exchange.clone() else {
            return Ok(());
        };
        self.check(session, vhost, ResourceKind::Queue, name, Permission::Read)?;
        self.check(
            session,
            vhost,
            ResourceKind::Exchange,
            &exchange,
            Permission::Write,
        )
    }

    fn check_queue_limit(&self, vhost: VhostId, name: &str) -> Result<(), Failure> {
        let host = self.vhost(vhost);
        let count = host.topology.queue_count() as u64;
        Ok(self.access.check_queues(&host.name, name, count)?)
    }

    /// Makes a queue, and its record if it is to survive.
    #[expect(clippy::too_many_arguments, reason = "the parts of a declaration")]
    pub(crate) fn create_queue(
        &mut self,
        vhost: VhostId,
        name: Arc<str>,
        durable: bool,
        is_auto_delete: bool,
        owner: Option<Key>,
        arguments: QueueArguments,
        now: u64,
    ) -> QueueId {
        self.uid += 1;
        let uid = self.uid;
        let id = self.insert_queue(
            vhost,
            Arc::clone(&name),
            uid,
            durable && owner.is_none(),
            is_auto_delete,
            owner,
            arguments,
            now,
        );
        self.churn.queue_declared += 1;
        self.churn.queue_created += 1;
        if let Some(owner) = owner
            && let Some(state) = self.clients.sessions.get_mut(owner)
        {
            state.exclusive.push(id);
        }
        self.put_queue_record(id);
        self.schedule_lease(id);
        id
    }

    /// Puts a queue in its place in memory.
    #[expect(clippy::too_many_arguments, reason = "the parts of a declaration")]
    pub(super) fn insert_queue(
        &mut self,
        vhost: VhostId,
        name: Arc<str>,
        uid: u64,
        is_durable: bool,
        is_auto_delete: bool,
        owner: Option<Key>,
        arguments: QueueArguments,
        now: u64,
    ) -> QueueId {
        let host = Arc::clone(&self.vhost(vhost).name);
        let (settings, policy, operator_policy) = self.queue_settings(&host, &name, &arguments);
        let queue = Queue {
            name: Arc::clone(&name),
            vhost,
            uid,
            is_durable,
            is_auto_delete,
            owner,
            ready: Ready::new(settings.max_priority),
            stream: (arguments.queue_type == arguments::QueueType::Stream).then(Box::default),
            arguments,
            settings,
            policy,
            operator_policy,
            letters: Default::default(),
            unacked: 0,
            unacked_bytes: 0,
            consumers: Consumers::default(),
            last_used: now,
            timer_at: NEVER,
            acks: Vec::new(),
            is_in_ack_list: false,
            is_pumped: false,
            held: Vec::new(),
            taken_when_held: 0,
            counters: MessageCounters::default(),
            idle_since: now,
        };
        let id = self.queues.insert(queue);
        if let Some(host) = self.vhosts.get_mut(vhost.0) {
            host.topology.add_queue(&name, id);
        }
        self.wake_letters();
        id
    }

    /// `queue.delete`.
    pub(super) fn handle_queue_delete(
        &mut self,
        session: Key,
        number: ChannelNumber,
        delete: &Delete<'_>,
    ) -> Result<(), Failure> {
        let vhost = self.vhost_of(session).ok_or(Failure::Gone)?;
        let name = self.queue_name(session, number, delete.queue)?;
        self.check(
            session,
            vhost,
            ResourceKind::Queue,
            &name,
            Permission::Configure,
        )?;
        let host = Arc::clone(&self.vhost(vhost).name);
        let mut message_count = 0;
        let mut consumers = Vec::new();
        let mut waits = false;
        match self.find_queue(session, vhost, &name) {
            Ok(id) => {
                let queue = self.queues.get(id).ok_or(Failure::Gone)?;
                let resource = queue_resource(&host, &name);
                if queue.arguments.queue_type == arguments::QueueType::Quorum
                    && (delete.if_unused || delete.if_empty)
                {
                    let flag = if delete.if_unused {
                        "if-unused"
                    } else {
                        "if-empty"
                    };
                    let text = format!(
                        "cannot delete {resource}. queue.delete operations with {flag} flag set are not supported by quorum queues"
                    );
                    return Err(Failure::connection(ReplyCode::NotImplemented, text));
                }
                // RabbitMQ's streams pass over both flags.
                let is_stream = queue.stream.is_some();
                if delete.if_unused && !is_stream && !queue.consumers.all.is_empty() {
                    return Err(Failure::precondition(format!("{resource} in use")));
                }
                if delete.if_empty && !queue.ready.is_empty() {
                    return Err(Failure::precondition(format!("{resource} not empty")));
                }
                waits = queue.keeps();
                (message_count, consumers) = self.remove_queue(id);
            }
            Err(Failure::Refused {
                code: ReplyCode::NotFound,
                ..
            }) => {}
            Err(other) => return Err(other),
        }
        if !delete.no_wait {
            self.answer_when_durable(
                session,
                number,
                &Method::QueueDeleteOk(DeleteOk { message_count }),
                waits,
            );
        }
        self.tell_cancelled(&consumers);
        Ok(())
    }

    /// Deletes a queue with everything in it; consumers are told. How many messages were ready.
    pub(crate) fn delete_queue(&mut self, id: QueueId, _now: u64) -> u32 {
        let (count, consumers) = self.remove_queue(id);
        self.tell_cancelled(&consumers);
        count
    }

    /// The same, and leaves it to [`Self::tell_cancelled`] to tell the consumers.
    fn remove_queue(&mut self, id: QueueId) -> (u32, Vec<Consumer>) {
        self.delete_queue_record(id);
        let Some(mut queue) = self.queues.remove(id) else {
            return (0, Vec::new());
        };
        self.churn.queue_deleted += 1;
        // Of a stream RabbitMQ always says 0.
        let count = u32::try_from(queue.ready.len()).unwrap_or(u32::MAX);
        if let Some(host) = self.vhosts.get_mut(queue.vhost.0) {
            let removed = host.topology.remove_queue(id);
            self.forget_removed(queue.vhost, &removed);
        }
        let mut consumers = Vec::new();
        for key in std::mem::take(&mut queue.consumers.all) {
            consumers.extend(self.forget_consumer(key));
        }
        if let Some(owner) = queue.owner
            && let Some(state) = self.clients.sessions.get_mut(owner)
        {
            state.exclusive.retain(|other| *other != id);
        }
        // The record of the deletion says it for all of them: none is acknowledged one by one.
        while let Some(entry) = queue.ready.pop() {
            self.logs.release(&entry);
        }
        while let Some(letter) = queue.letters.pop() {
            self.logs.release(&letter.entry);
        }
        self.undelivered.retain(|other| *other != id);
        match queue.stream.take() {
            Some(stream) => self.drop_stream(id, *stream),
            None => self.release_unacked_of(id, queue.uid, queue.unacked),
        }
        (count, consumers)
    }

    /// Deliveries of a queue that is gone still refer to their messages.
    fn release_unacked_of(&mut self, id: QueueId, uid: u64, expected: usize) {
        if expected == 0 {
            return;
        }
        let Self { clients, logs, .. } = self;
        for (_, session) in clients.sessions.iter() {
            for channel in session.channels.iter().flatten() {
                for delivery in channel.held() {
                    if delivery.queue == id && delivery.queue_uid == uid {
                        logs.release(&delivery.entry);
                    }
                }
            }
        }
    }

    fn forget_consumer(&mut self, key: Key) -> Option<Consumer> {
        let consumer = self.clients.consumers.remove(key)?;
        if let Some(channel) = self.clients.channel(consumer.session, consumer.channel) {
            channel.consumers.remove(&consumer.tag);
        }
        Some(consumer)
    }

    /// The queue of these consumers went: their clients are told, if they want to be. Behind what waits for the disk, for
    /// whoever deletes a queue hears of that first.
    fn tell_cancelled(&mut self, consumers: &[Consumer]) {
        for consumer in consumers {
            let Some(state) = self.clients.sessions.get_mut(consumer.session) else {
                continue;
            };
            if !state.connection.capabilities().consumer_cancel_notify {
                continue;
            }
            let cancel = Method::BasicCancel(basic::Cancel {
                consumer_tag: &consumer.tag,
                no_wait: true,
            });
            if state.waits_for.is_some() {
                trefoil_amqp::encode::method(&mut state.held, consumer.channel, &cancel);
            } else {
                state.send(consumer.channel, &cancel);
                self.clients.touch(consumer.session);
            }
        }
    }
}

fn declare_ok<'a>(queue: &Queue, name: &'a str) -> DeclareOk<'a> {
    DeclareOk {
        queue: name,
        message_count: u32::try_from(queue.message_count()).unwrap_or(u32::MAX),
        consumer_count: u32::try_from(queue.consumers.all.len()).unwrap_or(u32::MAX),
    }
}

fn locked(host: &str, name: &str) -> Failure {
    let text = format!(
        "cannot obtain exclusive access to locked {}. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.",
        queue_resource(host, name)
    );
    Failure::channel(ReplyCode::ResourceLocked, text)
}
