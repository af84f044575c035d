//! Policies and live queues: what changes for them when a policy does.

use std::sync::Arc;

use trefoil_amqp::ContentHeader;

use super::Broker;
use crate::{
    arguments::QueueArguments,
    content::Facts,
    logs::Logs,
    policy::{Policy, PolicyKind, PolicyTarget, QueueSettings},
    queue::{Entry, MORTAL, NEVER},
    routing::{ExchangeId, QueueId},
    vhost::VhostId,
};

impl Broker {
    /// What a queue of this name goes by, and the names of the policies that have a part in it.
    pub(super) fn queue_settings(
        &self,
        host: &str,
        name: &str,
        arguments: &QueueArguments,
    ) -> (QueueSettings, Option<String>, Option<String>) {
        let target = PolicyTarget::Queue(arguments.queue_type);
        let policy = self
            .policies
            .effective(PolicyKind::User, host, target, name);
        let operator = self
            .policies
            .effective(PolicyKind::Operator, host, target, name);
        let settings = QueueSettings::merge(arguments, policy, operator);
        let named = |policy: Option<&Policy>| policy.map(|policy| policy.name.clone());
        (settings, named(policy), named(operator))
    }

    /// The alternate exchange that arguments or a policy say.
    pub(super) fn apply_exchange_policy(&mut self, vhost: VhostId, id: ExchangeId) {
        let Some(host) = self.vhosts.get_mut(vhost.0) else {
            return;
        };
        let Some(exchange) = host.topology.exchange(id) else {
            return;
        };
        let argument = exchange.declaration().alternate();
        let policy = self
            .policies
            .alternate_exchange(&host.name, exchange.name());
        let name = argument.or(policy).map(str::to_owned);
        if exchange.alternate() != name.as_deref() {
            host.topology.set_alternate(id, name.as_deref());
        }
    }

    /// The policies of a virtual host changed: everything in it goes by the new ones at once.
    pub(crate) fn apply_policies(&mut self, vhost: VhostId, now: u64) {
        let host = Arc::clone(&self.vhost(vhost).name);
        let exchanges: Vec<ExchangeId> = self
            .vhost(vhost)
            .topology
            .exchanges()
            .map(|(id, _)| id)
            .collect();
        for id in exchanges {
            self.apply_exchange_policy(vhost, id);
        }
        let queues: Vec<QueueId> = self.vhost(vhost).topology.queues().collect();
        for id in queues {
            self.apply_queue_policy(&host, id, now);
        }
        self.wake_letters();
        self.finish(now);
    }

    fn apply_queue_policy(&mut self, host: &str, id: QueueId, now: u64) {
        let Some(queue) = self.queues.get(id) else {
            return;
        };
        let (settings, policy, operator_policy) =
            self.queue_settings(host, &queue.name, &queue.arguments);
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        queue.policy = policy;
        queue.operator_policy = operator_policy;
        let before = std::mem::replace(&mut queue.settings, settings);
        if before == queue.settings {
            return;
        }
        if before.message_ttl_ms != queue.settings.message_ttl_ms {
            match queue.settings.message_ttl_ms {
                // A message that waits already counts its time from now on: when it came is not kept with it.
                Some(ttl) => {
                    let limit = now.saturating_add(ttl);
                    for entry in queue.ready.iter_mut() {
                        entry.expires_at = entry.expires_at.min(limit);
                    }
                }
                None => {
                    let of_queue = before.message_ttl_ms.unwrap_or(0);
                    for entry in queue.ready.iter_mut() {
                        entry.expires_at = own_expiry(&mut self.logs, entry, of_queue);
                    }
                }
            }
        }
        if before.expires_ms != queue.settings.expires_ms {
            queue.last_used = now;
        }
        self.drop_excess(id, now);
        self.cut_stream(id, now);
        self.reschedule_expiry(id);
        self.schedule_lease(id);
    }
}

/// When a message expires where the queue has no limit any more, having had one of `of_queue` milliseconds.
fn own_expiry(logs: &mut Logs, entry: &Entry, of_queue: u64) -> u64 {
    if entry.flags & MORTAL == 0 {
        return NEVER;
    }
    let header = logs.read(entry).map(|stored| stored.message.header);
    let facts = header.and_then(|header| Facts::of(ContentHeader::new(header)).ok());
    match facts.and_then(|facts| facts.expiration) {
        Some(own) => {
            let came = entry.expires_at.saturating_sub(own.min(of_queue));
            came.saturating_add(own)
        }
        // It cannot be read; whoever is to get it will find out.
        None => entry.expires_at,
    }
}
