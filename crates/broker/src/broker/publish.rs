//! A message from a publisher to its queues.

use trefoil_amqp::{ChannelNumber, ContentHeader, Method, Publish, ReplyCode, method::basic};

use super::{Broker, Failure, recent::may_be_kept};
use crate::{
    access::{Permission, ResourceKind},
    content::{Facts, rewrite},
    message::Message,
    queue::{DIED, HAS_BCC, KEYS_REPLACED},
    routing::{Exchange, ExchangeId, ExchangeType, QueueId},
    session::{CachedRoute, Channel, Mode, Target, Until, Waiting},
    slab::Key,
    vhost::VhostId,
};

/// Where the names of direct replies begin.
pub(crate) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No queue took it.
    Unroutable,
    /// It is confirmed when this holds.
    Kept(Until),
}

impl Broker {
    /// `basic.publish`.
    pub(super) fn handle_publish(
        &mut self,
        session: Key,
        publish: &Publish<'_>,
        now: u64,
    ) -> Result<(), Failure> {
        if publish.immediate {
            return Err(Failure::connection(
                ReplyCode::NotImplemented,
                "immediate=true",
            ));
        }
        let Some(vhost) = self.vhost_of(session) else {
            return Ok(());
        };
        let exchange = self.resolve_exchange(session, vhost, publish)?;
        let facts = Facts::of(ContentHeader::new(&publish.header))?;
        if let Some(user_id) = facts.user_id {
            self.check_user_id(session, user_id)?;
        }
        let message = Message {
            exchange: &publish.exchange,
            routing_key: &publish.routing_key,
            header: &publish.header,
            body: &publish.body,
            history: 0,
        };
        let named;
        let (message, facts) = if facts.reply_to == Some(REPLY_TO.as_bytes()) {
            let name = self.reply_name(session, publish.channel)?;
            named = rewrite::with_reply_to(ContentHeader::new(message.header), &name);
            let message = Message {
                header: &named,
                ..message
            };
            (message, Facts::of(ContentHeader::new(&named))?)
        } else {
            (message, facts)
        };
        self.counters.publish += 1;
        self.trace_publish(
            session,
            publish.channel,
            vhost,
            exchange,
            message,
            &facts,
            now,
        );
        let channel = self
            .clients
            .channel(session, publish.channel)
            .ok_or(Failure::Gone)?;
        channel.counters.publish += 1;
        if let Mode::Transaction(transaction) = &mut channel.mode {
            return super::transaction::gather(transaction, message, publish.mandatory);
        }
        self.publish(
            session,
            publish.channel,
            vhost,
            exchange,
            message,
            &facts,
            publish.mandatory,
            now,
        )?;
        Ok(())
    }

    /// The name in the message must be the user's own, unless the user may speak for others.
    fn check_user_id(&self, session: Key, user_id: &[u8]) -> Result<(), Failure> {
        let user = self.user_of(session);
        if user.as_bytes() == user_id
            || self
                .access
                .user(user)
                .is_some_and(crate::access::User::may_impersonate)
        {
            return Ok(());
        }
        let text = format!(
            "user_id property set to '{}' but authenticated user was '{user}'",
            String::from_utf8_lossy(user_id)
        );
        Err(Failure::precondition(text))
    }

    /// Routes, returns, and notes the confirm.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one publish, borrowed from a read buffer"
    )]
    pub(super) fn publish(
        &mut self,
        session: Key,
        number: ChannelNumber,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        facts: &Facts<'_>,
        is_mandatory: bool,
        now: u64,
    ) -> Result<Fate, Failure> {
        let fate = self.route(session, number, vhost, exchange, message, facts, now)?;
        if let Some(id) = self.grown.take() {
            self.hold_back(session, id, now);
        }
        let until = match fate {
            Fate::Unroutable => {
                self.unroutable(session, number, is_mandatory, hiding(message, facts));
                Until::Now
            }
            Fate::Kept(until) => until,
        };
        self.note_confirm(session, number, until);
        Ok(fate)
    }

    fn note_confirm(&mut self, session: Key, number: ChannelNumber, until: Until) {
        let Some(channel) = self.clients.channel(session, number) else {
            return;
        };
        let Mode::Confirm(confirms) = &mut channel.mode else {
            return;
        };
        confirms.published += 1;
        confirms.waiting.push_back(Waiting {
            number: confirms.published,
            until,
        });
        if matches!(until, Until::Durable(_)) {
            self.logs.is_sync_wanted = true;
        }
        if !confirms.is_listed {
            confirms.is_listed = true;
            self.confirming.push((session, number));
        }
    }

    fn unroutable(
        &mut self,
        session: Key,
        number: ChannelNumber,
        is_mandatory: bool,
        message: Message<'_>,
    ) {
        let Some(state) = self.clients.sessions.get_mut(session) else {
            return;
        };
        if let Some(channel) = state.channel(number) {
            channel.counters.return_unroutable += u64::from(is_mandatory);
            channel.counters.drop_unroutable += u64::from(!is_mandatory);
        }
        self.counters.return_unroutable += u64::from(is_mandatory);
        self.counters.drop_unroutable += u64::from(!is_mandatory);
        if !is_mandatory {
            return;
        }
        state.send(
            number,
            &Method::BasicReturn(basic::Return {
                reply_code: 312,
                reply_text: "NO_ROUTE",
                exchange: message.exchange,
                routing_key: message.routing_key,
            }),
        );
        let frame_max = state.connection.tune().frame_max;
        trefoil_amqp::encode::content(
            state.connection.output(),
            number,
            &message.shown(),
            message.body,
            frame_max,
        );
        self.clients.touch(session);
    }

    /// The exchange of a publish, if it may be published to.
    #[inline]
    fn resolve_exchange(
        &mut self,
        session: Key,
        vhost: VhostId,
        publish: &Publish<'_>,
    ) -> Result<ExchangeId, Failure> {
        let access = self.access.generation();
        let topology = self.vhost(vhost).topology.generation();
        let channel = self
            .clients
            .channel(session, publish.channel)
            .ok_or(Failure::Gone)?;
        match &channel.target {
            Some(target)
                if target.access == access
                    && target.topology == topology
                    && is_same(&target.exchange, &publish.exchange) =>
            {
                Ok(target.id)
            }
            _ => self.look_up_exchange(session, vhost, publish),
        }
    }

    fn look_up_exchange(
        &mut self,
        session: Key,
        vhost: VhostId,
        publish: &Publish<'_>,
    ) -> Result<ExchangeId, Failure> {
        let name = &*publish.exchange;
        self.check(
            session,
            vhost,
            ResourceKind::Exchange,
            name,
            Permission::Write,
        )?;
        let id = self.find_exchange(vhost, name)?;
        let topology = &self.vhost(vhost).topology;
        let Some(declaration) = topology.exchange(id).map(Exchange::declaration) else {
            return Ok(id);
        };
        if declaration.internal {
            let text = format!("cannot publish to internal {}", topology.resource(name));
            return Err(Failure::channel(ReplyCode::AccessRefused, text));
        }
        let has_topics = || {
            let host = &self.vhost(vhost).name;
            self.access
                .topic_permissions(self.user_of(session), host, name)
                .is_some()
        };
        if declaration.kind == ExchangeType::Topic && has_topics() {
            // They depend on the key, so they are looked at for every message.
            self.check_topic(
                session,
                vhost,
                name,
                &publish.routing_key,
                Permission::Write,
            )?;
            return Ok(id);
        }
        let target = Target {
            exchange: name.to_owned(),
            id,
            access: self.access.generation(),
            topology: topology.generation(),
        };
        if let Some(channel) = self.clients.channel(session, publish.channel) {
            channel.target = Some(target);
            channel.route = None;
        }
        Ok(id)
    }

    /// Finds the queues and puts the message there.
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one publish, borrowed from a read buffer"
    )]
    fn route(
        &mut self,
        session: Key,
        number: ChannelNumber,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        facts: &Facts<'_>,
        now: u64,
    ) -> Result<Fate, Failure> {
        if message.exchange.is_empty()
            && message.routing_key.len() > REPLY_TO.len()
            && message.routing_key.starts_with(REPLY_TO)
        {
            let fate = self.reply(hiding(message, facts));
            self.count_publish(vhost, exchange, usize::from(fate != Fate::Unroutable));
            return Ok(fate);
        }
        if let Some(delay) = facts.delay
            && self.is_delayed(vhost, exchange)
        {
            let header = rewrite::with_delay_past(ContentHeader::new(message.header));
            let message = Message {
                header: &header,
                ..message
            };
            self.count_publish(vhost, exchange, 0);
            return Ok(self.delay(vhost, exchange, message, facts, delay, now));
        }
        if facts.cc.is_some() || facts.bcc.is_some() {
            return Ok(self.publish_copies(vhost, exchange, message, facts, now));
        }
        let host = self.vhosts.get_mut(vhost.0).ok_or(Failure::Gone)?;
        let generation = host.topology.generation();
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        let mut queues = std::mem::take(&mut self.scratch);
        queues.clear();
        match &channel.route {
            Some(route)
                if route.generation == generation
                    && route.exchange == exchange
                    && route.routing_key == message.routing_key =>
            {
                queues.extend_from_slice(&route.queues);
            }
            _ => {
                let keys = [message.routing_key.as_bytes()];
                let header = ContentHeader::new(message.header);
                host.topology
                    .route(exchange, &keys, header, &mut self.route);
                queues.extend_from_slice(self.route.queues());
                if !self.route.keepers().is_empty() && may_be_kept(header) {
                    host.topology.remember(self.route.keepers(), message);
                }
                if self.route.is_by_key() {
                    remember(channel, exchange, generation, message.routing_key, &queues);
                }
            }
        }
        host.topology.count(exchange, queues.len());
        let fate = self.put_all(&queues, message, facts, now);
        self.scratch = queues;
        Ok(fate)
    }

    fn count_publish(&mut self, vhost: VhostId, exchange: ExchangeId, queues: usize) {
        if let Some(host) = self.vhosts.get_mut(vhost.0) {
            host.topology.count(exchange, queues);
        }
    }

    pub(super) fn is_delayed(&self, vhost: VhostId, exchange: ExchangeId) -> bool {
        self.vhost(vhost)
            .topology
            .exchange(exchange)
            .is_some_and(|exchange| exchange.declaration().kind == ExchangeType::DelayedMessage)
    }

    /// A message with CC or BCC: several keys, and BCC is not for the receivers' eyes.
    fn publish_copies(
        &mut self,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        facts: &Facts<'_>,
        now: u64,
    ) -> Fate {
        let mut keys: Vec<&[u8]> = vec![message.routing_key.as_bytes()];
        keys.extend(facts.copies());
        let header = ContentHeader::new(message.header);
        let queues = self.find_queues(vhost, exchange, &keys, header);
        self.count_publish(vhost, exchange, queues.len());
        let message = hiding(message, facts);
        self.remember_recent(vhost, message);
        self.put_all(&queues, message, facts, now)
    }

    pub(super) fn find_queues(
        &mut self,
        vhost: VhostId,
        exchange: ExchangeId,
        keys: &[&[u8]],
        header: ContentHeader<'_>,
    ) -> Vec<QueueId> {
        let Some(host) = self.vhosts.get(vhost.0) else {
            return Vec::new();
        };
        host.topology.route(exchange, keys, header, &mut self.route);
        self.route.queues().to_vec()
    }

    /// Publishes what the broker itself has to: what died, what was delayed, what an operator sends. Whether a queue took it.
    pub(crate) fn publish_internally(
        &mut self,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        now: u64,
    ) -> bool {
        let header = ContentHeader::new(message.header);
        let Ok(facts) = Facts::of(header) else {
            return false;
        };
        if let Some(delay) = facts.delay
            && self.is_delayed(vhost, exchange)
        {
            let past = rewrite::with_delay_past(header);
            let message = Message {
                header: &past,
                ..message
            };
            self.delay(vhost, exchange, message, &facts, delay, now);
            return true;
        }
        let message = hiding(message, &facts);
        let queues = self.targets(vhost, exchange, message, &facts);
        self.remember_recent(vhost, message);
        self.put_all(&queues, message, &facts, now) != Fate::Unroutable
    }

    /// Where a message goes that the broker publishes: not to where it would go round for ever.
    pub(super) fn targets(
        &mut self,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        facts: &Facts<'_>,
    ) -> Vec<QueueId> {
        let header = ContentHeader::new(message.header);
        let mut keys: Vec<&[u8]> = vec![message.routing_key.as_bytes()];
        if message.history & KEYS_REPLACED == 0 {
            keys.extend(facts.copies());
        }
        let mut queues = self.find_queues(vhost, exchange, &keys, header);
        if message.history & DIED != 0 {
            queues.retain(|id| {
                self.queues
                    .get(*id)
                    .is_some_and(|queue| !crate::death::is_cycle(header, &queue.name))
            });
        }
        queues
    }
}

/// The message, which is known to have a `BCC` if it has one.
fn hiding<'a>(message: Message<'a>, facts: &Facts<'_>) -> Message<'a> {
    let hidden = if facts.bcc.is_some() { HAS_BCC } else { 0 };
    Message {
        history: message.history | hidden,
        ..message
    }
}

/// Whether two names are equal. The default exchange has an empty one, and comparing empty strings by `memcmp` costs 100 ns
/// where it is done with masked loads: an empty string's address is not mapped (docs/internals/performance.md).
fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

fn remember(
    channel: &mut Channel,
    exchange: ExchangeId,
    generation: u64,
    routing_key: &str,
    queues: &[QueueId],
) {
    let route = channel.route.get_or_insert_with(|| CachedRoute {
        exchange,
        routing_key: String::new(),
        generation,
        queues: Vec::new(),
    });
    route.exchange = exchange;
    route.generation = generation;
    route.routing_key.clear();
    route.routing_key.push_str(routing_key);
    route.queues.clear();
    route.queues.extend_from_slice(queues);
}
