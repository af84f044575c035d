//! Messages of delayed exchanges, until their time comes.
//!
//! A persistent message for a durable exchange waits in the durable log, and survives. Any number may wait: in memory there are
//! only a time and a position for each.

use std::{collections::BTreeMap, sync::Arc};

use trefoil_store::Position;

use super::{Broker, publish::Fate};
use crate::{
    content::Facts,
    logs::{Logs, kind},
    message::{self, Message, RecordFacts},
    queue::PERSISTENT,
    routing::ExchangeId,
    session::Until,
    vhost::VhostId,
};

/// All that wait, by time and then by arrival.
#[derive(Debug, Default)]
pub(crate) struct Delayed {
    waiting: BTreeMap<(u64, u64), Waiting>,
}

#[derive(Debug)]
struct Waiting {
    vhost: VhostId,
    exchange: Arc<str>,
    at: Position,
    is_persistent: bool,
}

impl Delayed {
    /// How many wait in the durable log, and how many in the other.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64) {
        let durable = self
            .waiting
            .values()
            .filter(|waiting| waiting.is_persistent);
        let durable = durable.count();
        (durable as u64, (self.waiting.len() - durable) as u64)
    }

    /// Whether a record of the durable log is one that waits.
    pub(super) fn is_live(&self, due: u64, sequence: u64, at: Position) -> bool {
        self.waiting
            .get(&(due, sequence))
            .is_some_and(|waiting| waiting.is_persistent && waiting.at == at)
    }

    /// Where the persistent ones are.
    #[cfg(test)]
    pub(crate) fn places(&self) -> Vec<Position> {
        let persistent = self
            .waiting
            .values()
            .filter(|waiting| waiting.is_persistent);
        persistent.map(|waiting| waiting.at).collect()
    }

    /// The record of one that waits was moved.
    pub(super) fn moved(&mut self, due: u64, sequence: u64, to: Position) {
        if let Some(waiting) = self.waiting.get_mut(&(due, sequence)) {
            waiting.at = to;
        }
    }
}

impl Broker {
    /// Keeps a message until its time comes.
    pub(super) fn delay(
        &mut self,
        vhost: VhostId,
        exchange: ExchangeId,
        message: Message<'_>,
        facts: &Facts<'_>,
        delay_ms: u64,
        now: u64,
    ) -> Fate {
        self.sequence += 1;
        let host = self.vhost(vhost);
        let is_durable = host
            .topology
            .exchange(exchange)
            .is_some_and(|exchange| exchange.declaration().durable);
        let is_persistent = is_durable && facts.persistent;
        let due = now.saturating_add(delay_ms);
        let record = RecordFacts {
            sequence: self.sequence,
            expires_at: due,
            returns: 0,
            flags: if is_persistent { PERSISTENT } else { 0 },
            priority: 0,
        };
        let name = Arc::clone(&host.name);
        let log = if is_persistent {
            &mut self.logs.durable
        } else {
            &mut self.logs.transient
        };
        let at = message::append_delayed(log, kind::DELAYED, record, &name, message);
        log.retain(at, 1);
        let until = if is_persistent {
            Until::Durable(self.logs.durable.end())
        } else {
            Until::Now
        };
        self.wait(vhost, message.exchange.into(), record, at);
        Fate::Kept(until)
    }

    /// Notes a message that waits; at a restart, from its record.
    pub(super) fn wait(
        &mut self,
        vhost: VhostId,
        exchange: Arc<str>,
        facts: RecordFacts,
        at: Position,
    ) {
        let waiting = Waiting {
            vhost,
            exchange,
            at,
            is_persistent: facts.flags & PERSISTENT != 0,
        };
        let key = (facts.expires_at, facts.sequence);
        let is_next = self
            .delayed
            .waiting
            .first_key_value()
            .is_none_or(|(first, _)| key < *first);
        self.delayed.waiting.insert(key, waiting);
        if is_next {
            self.schedule_delayed(facts.expires_at);
        }
    }

    /// Drops what waits for an exchange that is gone.
    pub(super) fn forget_delayed(&mut self, vhost: VhostId, exchange: &str) {
        let Self { delayed, logs, .. } = self;
        delayed.waiting.retain(|(_, sequence), waiting| {
            let stays = waiting.vhost != vhost || *waiting.exchange != *exchange;
            if !stays {
                done(logs, *sequence, waiting);
            }
            stays
        });
    }

    /// Routes the messages whose time has come.
    pub(super) fn delayed_due(&mut self, now: u64) {
        while let Some(first) = self.delayed.waiting.first_entry()
            && first.key().0 <= now
        {
            let ((_, sequence), waiting) = first.remove_entry();
            let log = if waiting.is_persistent {
                &mut self.logs.durable
            } else {
                &mut self.logs.transient
            };
            // The copy makes room for the broker, which the log is part of.
            let record = log.read(waiting.at).ok().map(|(_, record)| record.to_vec());
            if let Some((_, stored)) = record.as_deref().and_then(message::read_delayed)
                && let Some(host) = self.vhosts.get(waiting.vhost.0)
                && let Some(exchange) = host.topology.exchange_id(&waiting.exchange)
            {
                self.publish_internally(waiting.vhost, exchange, stored.message, now);
            }
            done(&mut self.logs, sequence, &waiting);
        }
        if let Some(((due, _), _)) = self.delayed.waiting.first_key_value() {
            let due = *due;
            self.schedule_delayed(due);
        }
    }
}

/// A message waits no longer.
fn done(logs: &mut Logs, sequence: u64, waiting: &Waiting) {
    if waiting.is_persistent {
        logs.durable
            .append(kind::DELAY_OVER, &[&sequence.to_le_bytes()]);
        logs.durable.release(waiting.at, 1);
    } else {
        logs.transient.release(waiting.at, 1);
    }
}
