//! Entities as keyed records of the log.
//!
//! A record has a key, which says what it is about and which a later record of the same key replaces, and a value.
//! Numbers are little-endian; a name is its length as u16 and its octets.
//!
//! ```text
//! key      tag u8 · names of what it is
//! value    version u8 = 1 · tag u8 · body
//!
//! queue    id u64 · flags u8 (1 auto-delete) · vhost · name · arguments to the end
//! exchange flags u8 (1 auto-delete, 2 internal) · vhost · name · type · arguments to the end
//! binding  flags u8 (1 the destination is an exchange) · vhost · source · destination · key · arguments to the end
//! others   JSON, as in definitions
//! ```
//!
//! Arguments are a field table without its length, octet by octet as the client sent it: a queue that is declared again
//! after a restart must find the types it was made with. Everything kept is durable, so no record says so.

mod codec;

use trefoil_amqp::Table;

use super::{
    DefinitionsError, GlobalParameterDefinition, ParameterDefinition, PermissionDefinition,
    PolicyDefinition, TopicPermissionDefinition, UserDefinition, VhostDefinition,
};
use crate::{
    access::{Permissions, TopicPermissions, User, VhostLimits},
    policy::{Policy, PolicyKind},
    routing::{Binding, Declaration, Destination},
};

/// The version that is written.
const VERSION: u8 = 1;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Vhost = 1,
    User = 2,
    Permission = 3,
    TopicPermission = 4,
    Policy = 5,
    OperatorPolicy = 6,
    Parameter = 7,
    GlobalParameter = 8,
    VhostLimits = 9,
    Exchange = 10,
    Queue = 11,
    Binding = 12,
}

/// A durable queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueRecord {
    /// The number that messages and acknowledgements in the log name it by; never used again.
    pub id: u64,
    /// Where.
    pub virtual_host: String,
    /// The name.
    pub name: String,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// The arguments as they were given.
    pub arguments: Table,
}

/// A durable exchange.
#[derive(Debug, Clone, PartialEq)]
pub struct ExchangeRecord {
    /// Where.
    pub virtual_host: String,
    /// The name.
    pub name: String,
    /// What was declared.
    pub declaration: Declaration,
}

/// A binding between durable ends.
#[derive(Debug, Clone, PartialEq)]
pub struct BindingRecord {
    /// Where.
    pub virtual_host: String,
    /// From this exchange.
    pub source: String,
    /// To this.
    pub destination: String,
    /// Whether that is an exchange.
    pub to_exchange: bool,
    /// The key.
    pub routing_key: String,
    /// The arguments as they were given.
    pub arguments: Table,
}

/// Something that survives a restart.
#[derive(Debug, Clone, PartialEq)]
pub enum Entity {
    /// A virtual host.
    Vhost(VhostDefinition),
    /// A user.
    User(UserDefinition),
    /// Permissions.
    Permission(PermissionDefinition),
    /// Topic permissions.
    TopicPermission(TopicPermissionDefinition),
    /// A policy.
    Policy(PolicyDefinition),
    /// An operator policy.
    OperatorPolicy(PolicyDefinition),
    /// A runtime parameter.
    Parameter(ParameterDefinition),
    /// A global parameter.
    GlobalParameter(GlobalParameterDefinition),
    /// Limits of a virtual host, by name.
    VhostLimits(String, VhostLimits),
    /// An exchange.
    Exchange(ExchangeRecord),
    /// A queue.
    Queue(QueueRecord),
    /// A binding.
    Binding(BindingRecord),
}

/// Why a record cannot be read: it was written by another version, or it is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Written by a version that is not known here.
    #[error("record of an entity has version {0}; this is {VERSION}")]
    Version(u8),
    /// Of a kind that is not known here.
    #[error("record of an entity has the unknown tag {0}")]
    Tag(u8),
    /// It ends too early, or is no text where there should be some.
    #[error("record of an entity is malformed: {0}")]
    Malformed(String),
}

impl From<DefinitionsError> for RecordError {
    fn from(error: DefinitionsError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl Entity {
    /// A user.
    #[must_use]
    pub fn user(user: &User) -> Self {
        Self::User(user.into())
    }

    /// Permissions.
    #[must_use]
    pub fn permission(user: &str, virtual_host: &str, permissions: &Permissions) -> Self {
        Self::Permission(PermissionDefinition::new(user, virtual_host, permissions))
    }

    /// Topic permissions.
    #[must_use]
    pub fn topic_permission(
        user: &str,
        virtual_host: &str,
        exchange: &str,
        permissions: &TopicPermissions,
    ) -> Self {
        Self::TopicPermission(TopicPermissionDefinition::new(
            user,
            virtual_host,
            exchange,
            permissions,
        ))
    }

    /// A policy of either kind.
    #[must_use]
    pub fn policy(kind: PolicyKind, policy: &Policy) -> Self {
        match kind {
            PolicyKind::User => Self::Policy(policy.into()),
            PolicyKind::Operator => Self::OperatorPolicy(policy.into()),
        }
    }

    /// A queue.
    #[must_use]
    pub fn queue(
        id: u64,
        virtual_host: &str,
        name: &str,
        auto_delete: bool,
        arguments: &Table,
    ) -> Self {
        Self::Queue(QueueRecord {
            id,
            virtual_host: virtual_host.to_owned(),
            name: name.to_owned(),
            auto_delete,
            arguments: arguments.clone(),
        })
    }

    /// An exchange.
    #[must_use]
    pub fn exchange(virtual_host: &str, name: &str, declaration: &Declaration) -> Self {
        Self::Exchange(ExchangeRecord {
            virtual_host: virtual_host.to_owned(),
            name: name.to_owned(),
            declaration: declaration.clone(),
        })
    }

    /// A binding.
    #[must_use]
    pub fn binding(virtual_host: &str, binding: &Binding) -> Self {
        Self::Binding(BindingRecord {
            virtual_host: virtual_host.to_owned(),
            source: binding.source_name.to_string(),
            destination: binding.destination_name.to_string(),
            to_exchange: matches!(binding.destination, Destination::Exchange(_)),
            routing_key: binding.key.to_string(),
            arguments: binding.arguments.clone(),
        })
    }

    /// The key of a virtual host's record.
    #[must_use]
    pub fn vhost_key(name: &str) -> Vec<u8> {
        key(Tag::Vhost, &[name])
    }

    /// The key of a user's record.
    #[must_use]
    pub fn user_key(name: &str) -> Vec<u8> {
        key(Tag::User, &[name])
    }

    /// The key of permissions.
    #[must_use]
    pub fn permission_key(user: &str, virtual_host: &str) -> Vec<u8> {
        key(Tag::Permission, &[virtual_host, user])
    }

    /// The key of topic permissions.
    #[must_use]
    pub fn topic_permission_key(user: &str, virtual_host: &str, exchange: &str) -> Vec<u8> {
        key(Tag::TopicPermission, &[virtual_host, user, exchange])
    }

    /// The key of a policy.
    #[must_use]
    pub fn policy_key(kind: PolicyKind, virtual_host: &str, name: &str) -> Vec<u8> {
        let tag = match kind {
            PolicyKind::User => Tag::Policy,
            PolicyKind::Operator => Tag::OperatorPolicy,
        };
        key(tag, &[virtual_host, name])
    }

    /// The key of a parameter.
    #[must_use]
    pub fn parameter_key(virtual_host: &str, component: &str, name: &str) -> Vec<u8> {
        key(Tag::Parameter, &[virtual_host, component, name])
    }

    /// The key of a global parameter.
    #[must_use]
    pub fn global_parameter_key(name: &str) -> Vec<u8> {
        key(Tag::GlobalParameter, &[name])
    }

    /// The key of a virtual host's limits.
    #[must_use]
    pub fn vhost_limits_key(virtual_host: &str) -> Vec<u8> {
        key(Tag::VhostLimits, &[virtual_host])
    }

    /// The key of an exchange.
    #[must_use]
    pub fn exchange_key(virtual_host: &str, name: &str) -> Vec<u8> {
        key(Tag::Exchange, &[virtual_host, name])
    }

    /// The key of a queue.
    #[must_use]
    pub fn queue_key(virtual_host: &str, name: &str) -> Vec<u8> {
        key(Tag::Queue, &[virtual_host, name])
    }

    /// The key: equal for records of which the later replaces the earlier.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        match self {
            Self::Vhost(vhost) => Self::vhost_key(&vhost.name),
            Self::User(user) => Self::user_key(&user.name),
            Self::Permission(of) => Self::permission_key(&of.user, &of.vhost),
            Self::TopicPermission(of) => {
                Self::topic_permission_key(&of.user, &of.vhost, &of.exchange)
            }
            Self::Policy(policy) => {
                Self::policy_key(PolicyKind::User, place(&policy.vhost), &policy.name)
            }
            Self::OperatorPolicy(policy) => {
                Self::policy_key(PolicyKind::Operator, place(&policy.vhost), &policy.name)
            }
            Self::Parameter(of) => Self::parameter_key(place(&of.vhost), &of.component, &of.name),
            Self::GlobalParameter(parameter) => Self::global_parameter_key(&parameter.name),
            Self::VhostLimits(vhost, _) => Self::vhost_limits_key(vhost),
            Self::Exchange(exchange) => Self::exchange_key(&exchange.virtual_host, &exchange.name),
            Self::Queue(queue) => Self::queue_key(&queue.virtual_host, &queue.name),
            Self::Binding(binding) => {
                let kind = if binding.to_exchange { "e" } else { "q" };
                let names = [
                    &*binding.virtual_host,
                    &*binding.source,
                    kind,
                    &*binding.destination,
                    &*binding.routing_key,
                ];
                let mut key = key(Tag::Binding, &names);
                // Bindings that differ in their arguments are different ones.
                binding.arguments.encode(&mut key);
                key
            }
        }
    }
}

/// The virtual host of something that is kept: it has one.
fn place(virtual_host: &Option<String>) -> &str {
    virtual_host.as_deref().unwrap_or_default()
}

fn key(tag: Tag, names: &[&str]) -> Vec<u8> {
    let mut key = vec![tag as u8];
    put_names(&mut key, names);
    key
}

fn put_names(out: &mut Vec<u8>, names: &[&str]) {
    for name in names {
        // Names of AMQP end at 255 octets; those of policies and users come from JSON, and nobody writes 64 KiB.
        let length = u16::try_from(name.len()).unwrap_or(u16::MAX);
        out.extend(length.to_le_bytes());
        out.extend(&name.as_bytes()[..usize::from(length)]);
    }
}
