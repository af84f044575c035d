//! A virtual host: a name space of exchanges and queues.

use std::sync::Arc;

use crate::{arguments::QueueType, routing::Topology, slab::Key};

/// A virtual host's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct VhostId(pub(crate) Key);

/// A virtual host.
#[derive(Debug)]
pub(crate) struct Vhost {
    pub(crate) name: Arc<str>,
    pub(crate) topology: Topology,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    /// Type of queues that are declared without one.
    pub(crate) default_queue_type: QueueType,
    /// Everything that happens is also published to `amq.rabbitmq.trace`.
    pub(crate) is_traced: bool,
    /// It is not deleted until this is taken back.
    pub(crate) is_protected: bool,
}

impl Vhost {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            topology: Topology::new(name),
            description: String::new(),
            tags: Vec::new(),
            default_queue_type: QueueType::Classic,
            is_traced: false,
            is_protected: false,
        }
    }
}
