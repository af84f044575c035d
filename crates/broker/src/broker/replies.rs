//! Direct reply-to: answers go straight to the channel that asked.

use std::{collections::HashMap, sync::Arc};

use trefoil_amqp::{
    ChannelNumber, Method, ReplyCode, encode,
    method::basic::{self, Consume},
};

use super::{
    Broker, Failure,
    publish::{Fate, REPLY_TO},
};
use crate::{
    message::Message,
    session::{ReplyConsumer, Until},
    slab::Key,
};

/// Bytes that may wait for a requester whose socket is full. Replies have no queue to wait in, so what comes beyond is not
/// routed: generous, for a requester with many requests under way.
const REPLIES_MAX: usize = 16 << 20;

/// Where replies go, by the name that requests carry.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    by_name: HashMap<String, (Key, ChannelNumber)>,
}

impl Replies {
    pub(super) fn is_alive(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
}

impl Broker {
    /// `basic.consume` from `amq.rabbitmq.reply-to`.
    pub(super) fn consume_replies(
        &mut self,
        session: Key,
        number: ChannelNumber,
        consume: &Consume<'_>,
        tag: Arc<str>,
    ) -> Result<(), Failure> {
        let name = format!("{REPLY_TO}.{}", self.random.name());
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        if !consume.no_ack {
            return Err(Failure::precondition("reply consumer cannot acknowledge"));
        }
        if channel.replies.is_some() {
            return Err(Failure::precondition("reply consumer already set"));
        }
        channel.replies = Some(ReplyConsumer {
            tag: Arc::clone(&tag),
            name: name.clone(),
        });
        self.replies.by_name.insert(name, (session, number));
        if !consume.no_wait {
            self.answer(
                session,
                number,
                &Method::BasicConsumeOk(basic::ConsumeOk { consumer_tag: &tag }),
            );
        }
        Ok(())
    }

    pub(super) fn drop_reply_consumer(&mut self, session: Key, number: ChannelNumber) {
        if let Some(channel) = self.clients.channel(session, number)
            && let Some(replies) = channel.replies.take()
        {
            self.replies.by_name.remove(&replies.name);
        }
    }

    /// The name that stands for this channel in requests.
    pub(super) fn reply_name(
        &mut self,
        session: Key,
        number: ChannelNumber,
    ) -> Result<String, Failure> {
        let channel = self.clients.channel(session, number).ok_or(Failure::Gone)?;
        match &channel.replies {
            Some(replies) => Ok(replies.name.clone()),
            None => Err(Failure::channel(
                ReplyCode::PreconditionFailed,
                "fast reply consumer does not exist",
            )),
        }
    }

    /// A reply: it is delivered now or never.
    pub(super) fn reply(&mut self, message: Message<'_>) -> Fate {
        let Some((key, number)) = self.replies.by_name.get(message.routing_key).copied() else {
            return Fate::Unroutable;
        };
        let Some(session) = self.clients.sessions.get_mut(key) else {
            return Fate::Unroutable;
        };
        let Some(channel) = session
            .channels
            .get_mut(usize::from(number.0))
            .and_then(Option::as_deref_mut)
        else {
            return Fate::Unroutable;
        };
        let Some(replies) = &channel.replies else {
            return Fate::Unroutable;
        };
        if session.connection.output().len() + session.unsent > REPLIES_MAX {
            return Fate::Unroutable;
        }
        channel.delivery_tag += 1;
        channel.counters.deliver_no_ack += 1;
        let frame_max = session.connection.tune().frame_max;
        let output = session.connection.output();
        encode::deliver(
            output,
            number,
            &replies.tag,
            channel.delivery_tag,
            false,
            message.exchange,
            message.routing_key,
        );
        encode::content(output, number, &message.shown(), message.body, frame_max);
        session.watch_budget();
        self.clients.touch(key);
        Fate::Kept(Until::Now)
    }
}
