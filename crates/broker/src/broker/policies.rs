//! Policies and live queues: what changes for them when a policy does.

use std::sync::Arc;

use super::Broker;
use crate::{
    arguments::QueueArguments,
    policy::{Policy, PolicyKind, PolicyTarget, QueueSettings},
    queue::NEVER,
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
            // A message that waits already counts its time from now on: when it came is not kept with it.
            let ttl = queue.settings.message_ttl_ms;
            let limit = ttl.map_or(NEVER, |ttl| now.saturating_add(ttl));
            for entry in queue.ready.iter_mut() {
                entry.expires_at = match ttl {
                    Some(_) => entry.expires_at.min(limit),
                    None => NEVER,
                };
            }
        }
        if before.expires_ms != queue.settings.expires_ms {
            queue.last_used = now;
        }
        self.drop_excess(id, now);
        self.reschedule_expiry(id);
        self.schedule_lease(id);
    }
}
