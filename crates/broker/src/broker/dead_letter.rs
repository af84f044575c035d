//! What leaves a queue without being acknowledged, and where it goes.

use std::sync::Arc;

use trefoil_amqp::ContentHeader;

use super::Broker;
use crate::{
    arguments::DeadLetterStrategy::AtLeastOnce,
    content::Facts,
    death::{self, Death, Reason},
    message::Message,
    queue::{DIED, Entry, KEYS_REPLACED, Queue, letters::Letter},
    routing::QueueId,
    vhost::VhostId,
};

/// A message that is to be published again because it died.
#[derive(Debug)]
pub(super) struct Dead {
    vhost: VhostId,
    exchange: Arc<str>,
    routing_key: String,
    header: Vec<u8>,
    body: Vec<u8>,
    history: u8,
}

impl Dead {
    pub(super) fn message(&self) -> Message<'_> {
        Message {
            exchange: &self.exchange,
            routing_key: &self.routing_key,
            header: &self.header,
            body: &self.body,
            history: self.history,
        }
    }
}

impl Broker {
    /// An entry leaves its queue for this reason.
    pub(super) fn dead_letter(&mut self, id: QueueId, entry: &Entry, reason: Reason, now: u64) {
        let settings = self.queues.get(id).map(|queue| &queue.settings);
        if settings.is_some_and(|settings| settings.dead_letter_exchange.is_some()) {
            if settings.is_some_and(|settings| settings.dead_letter_strategy == AtLeastOnce) {
                let letter = Letter {
                    entry: *entry,
                    reason,
                    died_at: now,
                    taken_by: Vec::new(),
                };
                self.hand_on(id, letter, now);
                return;
            }
            let Self {
                logs, queues, dead, ..
            } = self;
            if let Some(queue) = queues.get(id)
                && let Some(stored) = logs.read(entry)
            {
                dead.extend(bury(queue, stored.message, reason, now));
            }
        }
        // The copy enters the log before the acknowledgement does: a crash in between leaves both, never none.
        self.publish_dead_letters(now);
        self.discard(id, entry);
    }

    /// A message that a full queue refused.
    pub(super) fn dead_letter_message(
        &mut self,
        id: QueueId,
        reason: Reason,
        message: Message<'_>,
        now: u64,
    ) {
        if let Some(queue) = self.queues.get(id) {
            self.dead.extend(bury(queue, message, reason, now));
        }
    }

    /// Publishes what died. What a queue of the way drops for it joins the end of the line.
    pub(super) fn publish_dead_letters(&mut self, now: u64) {
        if self.is_burying {
            return;
        }
        self.is_burying = true;
        while let Some(dead) = self.dead.pop_front() {
            let Some(host) = self.vhosts.get(dead.vhost.0) else {
                continue;
            };
            // A dead-letter exchange that is not there drops everything.
            let Some(exchange) = host.topology.exchange_id(&dead.exchange) else {
                continue;
            };
            self.publish_internally(dead.vhost, exchange, dead.message(), now);
        }
        self.is_burying = false;
    }
}

/// The message as its dead-letter exchange gets it. `None` if there is none.
pub(super) fn bury(queue: &Queue, message: Message<'_>, reason: Reason, now: u64) -> Option<Dead> {
    let settings = &queue.settings;
    let exchange = settings.dead_letter_exchange.clone()?;
    let old = ContentHeader::new(message.header);
    let facts = Facts::of(old).unwrap_or_default();
    let mut routing_keys: Vec<&[u8]> = vec![message.routing_key.as_bytes()];
    if message.history & KEYS_REPLACED == 0 {
        routing_keys.extend(facts.copies());
    }
    // As RabbitMQ has it: each hidden key goes once, the first of its name, whether it is that one or another.
    for hidden in facts.hidden_copies() {
        if let Some(place) = routing_keys.iter().position(|key| *key == hidden) {
            routing_keys.remove(place);
        }
    }
    let death = Death {
        reason,
        queue: &queue.name,
        exchange: message.exchange,
        routing_keys: &routing_keys,
        now,
        died_before: message.history & DIED != 0,
    };
    let header = death::record(old, &death);
    let new_key = settings.dead_letter_routing_key.as_deref();
    Some(Dead {
        vhost: queue.vhost,
        exchange,
        routing_key: new_key.unwrap_or(message.routing_key).to_owned(),
        header,
        body: message.body.to_vec(),
        history: message.history | DIED | if new_key.is_some() { KEYS_REPLACED } else { 0 },
    })
}
