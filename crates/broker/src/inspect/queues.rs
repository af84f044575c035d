//! Queues, exchanges, bindings and virtual hosts as management shows them.

use std::sync::Arc;

use super::{
    BindingView, Depth, DestinationKind, ExchangeView, MessageCounters, Name, QueueKey, QueueKind,
    QueueView, VhostView,
};
use crate::{
    Broker,
    arguments::QueueType,
    policy::{PolicyKind, PolicyTarget, effective_definition},
    queue::Queue,
    routing::{Binding, Destination, Exchange},
    vhost::{Vhost, VhostId},
};

/// What an empty queue takes, about.
const QUEUE_BYTES: u64 = 1_024;
/// What a waiting message takes, about: its body is in the log.
const ENTRY_BYTES: u64 = 48;
/// What a message of a stream takes, about.
const ITEM_BYTES: u64 = 25;

impl Broker {
    /// Virtual hosts: all, or the one that is asked for.
    pub(super) fn some_vhosts(
        &self,
        only: Option<&str>,
    ) -> impl Iterator<Item = (VhostId, &Vhost)> {
        let all = self.vhosts.iter().map(|(id, vhost)| (VhostId(id), vhost));
        all.filter(move |(_, vhost)| only.is_none_or(|only| only == &*vhost.name))
    }

    /// The names of all queues, or of those of a virtual host, in no order.
    #[must_use]
    pub fn queue_keys(&self, vhost: Option<&str>) -> Vec<QueueKey> {
        let hosts = self.some_vhosts(vhost);
        hosts
            .flat_map(|(_, host)| {
                let queues = host.topology.queues().filter_map(|id| self.queues.get(id));
                queues.map(|queue| QueueKey {
                    vhost: Arc::clone(&host.name),
                    name: Arc::clone(&queue.name),
                })
            })
            .collect()
    }

    fn find(&self, vhost: &str, name: &str) -> Option<(&Vhost, &Queue)> {
        let host = self.vhost(*self.vhost_names.get(vhost)?);
        let queue = self.queues.get(host.topology.queue_id(name)?)?;
        Some((host, queue))
    }

    /// A queue; none if it is gone.
    #[must_use]
    pub fn queue_view(&self, key: &QueueKey) -> Option<QueueView> {
        let (host, queue) = self.find(&key.vhost, &key.name)?;
        let owner = queue
            .owner
            .and_then(|owner| self.clients.sessions.get(owner));
        let tag = |key| {
            self.clients
                .consumers
                .get(key)
                .map(|consumer| Arc::clone(&consumer.tag))
        };
        let exclusive = queue
            .consumers
            .all
            .iter()
            .copied()
            .filter(|_| queue.consumers.has_exclusive);
        let target = PolicyTarget::Queue(queue.arguments.queue_type);
        let policy = |kind| {
            self.policies
                .effective(kind, &host.name, target, &queue.name)
        };
        let depth = depth(queue);
        Some(QueueView {
            id: queue.uid,
            vhost: Arc::clone(&host.name),
            name: Arc::clone(&queue.name),
            kind: kind(queue.arguments.queue_type),
            durable: queue.is_durable,
            auto_delete: queue.is_auto_delete,
            owner: owner.map(|session| session.peer.name()),
            arguments: queue.arguments.table().clone(),
            policy: queue.policy.as_deref().map(Name::from),
            operator_policy: queue.operator_policy.as_deref().map(Name::from),
            effective_policy: effective_definition(
                policy(PolicyKind::User),
                policy(PolicyKind::Operator),
            ),
            dead_letters: (queue.letters.len() as u64, queue.letters.bytes()),
            consumers: u32::try_from(queue.consumers.all.len()).unwrap_or(u32::MAX),
            exclusive_consumer_tag: exclusive.map(tag).next().flatten(),
            single_active_consumer_tag: queue.consumers.active.and_then(tag),
            messages: queue.counters,
            idle_since: is_idle(queue).then_some(queue.idle_since.max(queue.last_used)),
            memory: match &queue.stream {
                Some(_) => QUEUE_BYTES + depth.ready * ITEM_BYTES,
                None => QUEUE_BYTES + (depth.ready + depth.unacknowledged) * ENTRY_BYTES,
            },
            depth,
        })
    }

    /// Whether there is a queue that is neither durable nor exclusive: RabbitMQ wants to be rid of those.
    #[must_use]
    pub fn has_transient_shared_queue(&self) -> bool {
        let mut queues = self.queues.iter();
        queues.any(|(_, queue)| !queue.is_durable && queue.owner.is_none())
    }

    /// All exchanges, or those of a virtual host.
    #[must_use]
    pub fn exchange_views(&self, vhost: Option<&str>) -> Vec<ExchangeView> {
        let hosts = self.some_vhosts(vhost);
        hosts
            .flat_map(|(_, host)| {
                host.topology
                    .exchanges()
                    .map(|(_, exchange)| self.view_exchange(host, exchange))
            })
            .collect()
    }

    /// An exchange; none if there is none.
    #[must_use]
    pub fn exchange_view(&self, vhost: &str, name: &str) -> Option<ExchangeView> {
        let host = self.vhost(*self.vhost_names.get(vhost)?);
        let exchange = host.topology.exchange(host.topology.exchange_id(name)?)?;
        Some(self.view_exchange(host, exchange))
    }

    fn view_exchange(&self, host: &Vhost, exchange: &Exchange) -> ExchangeView {
        let declaration = exchange.declaration();
        let traffic = exchange.traffic();
        let policy = self.policies.effective(
            PolicyKind::User,
            &host.name,
            PolicyTarget::Exchange,
            exchange.name(),
        );
        ExchangeView {
            vhost: Arc::clone(&host.name),
            name: exchange.name().into(),
            kind: declaration.kind.name().into(),
            durable: declaration.durable,
            auto_delete: declaration.auto_delete,
            internal: declaration.internal,
            arguments: declaration.arguments.clone(),
            policy: policy.map(|policy| policy.name.as_str().into()),
            messages: MessageCounters {
                publish_in: traffic.published,
                publish_out: traffic.routed,
                ..MessageCounters::default()
            },
        }
    }

    /// All bindings, or those of a virtual host; those that every queue has to the default exchange too.
    #[must_use]
    pub fn binding_views(&self, vhost: Option<&str>) -> Vec<BindingView> {
        let mut views = Vec::new();
        for (_, host) in self.some_vhosts(vhost) {
            views.extend(
                host.topology
                    .bindings()
                    .map(|binding| view_binding(host, binding)),
            );
            let queues = host.topology.queues().filter_map(|id| self.queues.get(id));
            views.extend(queues.map(|queue| default_binding(host, queue)));
        }
        views
    }

    /// The bindings to a queue or an exchange; none if it is not there.
    #[must_use]
    pub fn bindings_to(
        &self,
        vhost: &str,
        kind: DestinationKind,
        name: &str,
    ) -> Option<Vec<BindingView>> {
        let host = self.vhost(*self.vhost_names.get(vhost)?);
        let topology = &host.topology;
        let mut views = Vec::new();
        let destination = match kind {
            DestinationKind::Queue => {
                let id = topology.queue_id(name)?;
                views.extend(
                    self.queues
                        .get(id)
                        .map(|queue| default_binding(host, queue)),
                );
                Destination::Queue(id)
            }
            DestinationKind::Exchange => Destination::Exchange(topology.exchange_id(name)?),
        };
        views.extend(
            topology
                .bindings_to(destination)
                .map(|binding| view_binding(host, binding)),
        );
        Some(views)
    }

    /// The bindings from an exchange; none if it is not there.
    #[must_use]
    pub fn bindings_from(&self, vhost: &str, name: &str) -> Option<Vec<BindingView>> {
        let host = self.vhost(*self.vhost_names.get(vhost)?);
        let id = host.topology.exchange_id(name)?;
        if name.is_empty() {
            let queues = host.topology.queues().filter_map(|id| self.queues.get(id));
            return Some(queues.map(|queue| default_binding(host, queue)).collect());
        }
        let bindings = host.topology.bindings_from(id);
        Some(
            bindings
                .map(|binding| view_binding(host, binding))
                .collect(),
        )
    }

    /// All virtual hosts, by name.
    #[must_use]
    pub fn vhost_views(&self) -> Vec<VhostView> {
        let mut views: Vec<VhostView> = self
            .some_vhosts(None)
            .map(|(id, _)| self.view_vhost(id))
            .collect();
        views.sort_by(|left, right| left.name.cmp(&right.name));
        views
    }

    /// A virtual host; none if there is none.
    #[must_use]
    pub fn vhost_view(&self, name: &str) -> Option<VhostView> {
        Some(self.view_vhost(*self.vhost_names.get(name)?))
    }

    fn view_vhost(&self, id: VhostId) -> VhostView {
        let vhost = self.vhost(id);
        let mut view = VhostView {
            name: Arc::clone(&vhost.name),
            description: vhost.description.clone(),
            tags: vhost.tags.clone(),
            default_queue_type: Some(vhost.default_queue_type.name().to_owned()),
            protected_from_deletion: vhost.is_protected,
            tracing: vhost.is_traced,
            ..VhostView::default()
        };
        for queue in vhost.topology.queues().filter_map(|id| self.queues.get(id)) {
            view.depth += depth(queue);
            view.messages += queue.counters;
        }
        for (_, session) in self.clients.sessions.iter() {
            if session.vhost == Some(id) {
                view.received_bytes += session.counters.received;
                view.sent_bytes += session.counters.sent;
            }
        }
        view
    }

    /// Of all queues.
    pub(super) fn total_depth(&self) -> Depth {
        let mut total = Depth::default();
        for (_, queue) in self.queues.iter() {
            total += depth(queue);
        }
        total
    }
}

fn depth(queue: &Queue) -> Depth {
    if let Some(stream) = &queue.stream {
        // Deliveries take nothing out, so all messages are ready and none is anywhere else.
        let (ready, ready_bytes) = (stream.index.len() as u64, stream.index.bytes());
        return Depth {
            ready,
            ready_bytes,
            persistent: ready,
            persistent_bytes: ready_bytes,
            ..Depth::default()
        };
    }
    let (ready, unacknowledged) = (queue.ready.len() as u64, queue.unacked as u64);
    let (ready_bytes, unacknowledged_bytes) = (queue.ready.bytes(), queue.unacked_bytes);
    // Which of the messages are persistent is not counted; a queue that survives is for those that do.
    let (persistent, persistent_bytes) = match queue.keeps() {
        true => (ready + unacknowledged, ready_bytes + unacknowledged_bytes),
        false => (0, 0),
    };
    Depth {
        ready,
        unacknowledged,
        ready_bytes,
        unacknowledged_bytes,
        persistent,
        persistent_bytes,
    }
}

fn is_idle(queue: &Queue) -> bool {
    queue.consumers.all.is_empty()
}

fn kind(kind: QueueType) -> QueueKind {
    match kind {
        QueueType::Classic => QueueKind::Classic,
        QueueType::Quorum => QueueKind::Quorum,
        QueueType::Stream => QueueKind::Stream,
    }
}

fn view_binding(host: &Vhost, binding: &Binding) -> BindingView {
    BindingView {
        vhost: Arc::clone(&host.name),
        source: Arc::clone(&binding.source_name),
        destination_kind: match binding.destination {
            Destination::Queue(_) => DestinationKind::Queue,
            Destination::Exchange(_) => DestinationKind::Exchange,
        },
        destination: Arc::clone(&binding.destination_name),
        routing_key: (*binding.key).into(),
        arguments: binding.arguments.clone(),
    }
}

/// The one that every queue has by its name.
fn default_binding(host: &Vhost, queue: &Queue) -> BindingView {
    BindingView {
        vhost: Arc::clone(&host.name),
        source: "".into(),
        destination_kind: DestinationKind::Queue,
        destination: Arc::clone(&queue.name),
        routing_key: Arc::clone(&queue.name),
        arguments: trefoil_amqp::Table::new(),
    }
}
