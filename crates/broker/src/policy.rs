//! Policies: arguments that operators give to queues and exchanges by pattern of name, and change while these live.
//!
//! [`Policies`] keeps them and finds the one that counts for a name; at most one policy and one operator policy do.
//! [`QueueSettings::merge`] makes of these and of a queue's arguments what the queue goes by. Values are checked when a
//! policy is set, so nothing is left to check when it is applied.

mod definition;
mod settings;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

pub use definition::{PolicyError, PolicyValues};
pub use settings::QueueSettings;

use crate::{access::Pattern, arguments::QueueType};

/// Which of the two kinds a policy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// Of users.
    User,
    /// Of operators: limits that users cannot exceed.
    Operator,
}

/// What a policy is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApplyTo {
    /// Queues and exchanges.
    #[default]
    All,
    /// Exchanges.
    Exchanges,
    /// Queues of all types.
    Queues,
    /// Queues of one type.
    QueuesOf(QueueType),
}

impl ApplyTo {
    /// The name in definitions.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Exchanges => "exchanges",
            Self::Queues => "queues",
            Self::QueuesOf(QueueType::Classic) => "classic_queues",
            Self::QueuesOf(QueueType::Quorum) => "quorum_queues",
            Self::QueuesOf(QueueType::Stream) => "streams",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Self::All,
            "exchanges" => Self::Exchanges,
            "queues" => Self::Queues,
            "classic_queues" => Self::QueuesOf(QueueType::Classic),
            "quorum_queues" => Self::QueuesOf(QueueType::Quorum),
            "streams" => Self::QueuesOf(QueueType::Stream),
            _ => return None,
        })
    }

    fn covers(self, target: PolicyTarget) -> bool {
        match (self, target) {
            (Self::All, _)
            | (Self::Exchanges, PolicyTarget::Exchange)
            | (Self::Queues, PolicyTarget::Queue(_)) => true,
            (Self::QueuesOf(wanted), PolicyTarget::Queue(queue_type)) => wanted == queue_type,
            (Self::Exchanges, PolicyTarget::Queue(_))
            | (Self::Queues | Self::QueuesOf(_), PolicyTarget::Exchange) => false,
        }
    }
}

impl fmt::Display for ApplyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a policy is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyTarget {
    /// An exchange.
    Exchange,
    /// A queue of this type.
    Queue(QueueType),
}

/// A policy, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Where it applies.
    pub virtual_host: String,
    /// Its name, unique among policies of its kind there.
    pub name: String,
    /// Names it applies to.
    pub pattern: Pattern,
    /// Things it applies to.
    pub apply_to: ApplyTo,
    /// The highest wins.
    pub priority: i64,
    definition: Map<String, Value>,
    values: PolicyValues,
}

/// A policy as somebody asks for it.
#[derive(Debug, Clone, Copy)]
pub struct PolicySource<'a> {
    /// Where it is to apply.
    pub virtual_host: &'a str,
    /// Its name.
    pub name: &'a str,
    /// A regular expression.
    pub pattern: &'a str,
    /// `queues`, `exchanges` and so on; all if it is not given.
    pub apply_to: Option<&'a str>,
    /// The highest wins; 0 if it is not given.
    pub priority: Option<i64>,
    /// An object: names without `x-`, and values.
    pub definition: &'a Value,
}

impl Policy {
    /// Checks a policy.
    ///
    /// # Errors
    /// Everything that is wrong with it, in RabbitMQ's words.
    pub fn new(kind: PolicyKind, source: PolicySource<'_>) -> Result<Self, PolicyError> {
        let mut problems = Vec::new();
        let values = PolicyValues::from_json(kind, source.definition)
            .map_err(|problem| problems.push(problem))
            .ok();
        let pattern = Pattern::new(source.pattern)
            .map_err(|error| {
                problems.push(format!(
                    "pattern should be regular expression but is invalid: {}",
                    error.problem
                ));
            })
            .ok();
        let apply_to = match source.apply_to {
            None => ApplyTo::default(),
            Some(name) => ApplyTo::from_name(name).unwrap_or_else(|| {
                problems.push(definition::unrecognised_apply_to(name));
                ApplyTo::default()
            }),
        };
        match (pattern, values, source.definition) {
            (Some(pattern), Some(values), Value::Object(definition)) if problems.is_empty() => {
                Ok(Self {
                    virtual_host: source.virtual_host.to_owned(),
                    name: source.name.to_owned(),
                    pattern,
                    apply_to,
                    priority: source.priority.unwrap_or_default(),
                    definition: definition.clone(),
                    values,
                })
            }
            _ => Err(PolicyError(problems)),
        }
    }

    /// What it sets, as it was given.
    #[must_use]
    pub fn definition(&self) -> &Map<String, Value> {
        &self.definition
    }

    /// What it sets.
    #[must_use]
    pub fn values(&self) -> &PolicyValues {
        &self.values
    }

    /// Whether it counts for something. A policy that sets what a type of queue cannot do is not for queues of that
    /// type, not even in part.
    #[must_use]
    pub fn matches(&self, target: PolicyTarget, name: &str) -> bool {
        self.apply_to.covers(target)
            && match target {
                PolicyTarget::Exchange => true,
                PolicyTarget::Queue(queue_type) => !self
                    .definition
                    .keys()
                    .any(|key| definition::unsupported(queue_type).contains(&key.as_str())),
            }
            && self.pattern.matches(name)
    }
}

/// All policies and operator policies.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    /// By virtual host, then by name.
    user: BTreeMap<String, BTreeMap<String, Policy>>,
    operator: BTreeMap<String, BTreeMap<String, Policy>>,
}

impl Policies {
    fn of_kind(&self, kind: PolicyKind) -> &BTreeMap<String, BTreeMap<String, Policy>> {
        match kind {
            PolicyKind::User => &self.user,
            PolicyKind::Operator => &self.operator,
        }
    }

    fn of_kind_mut(&mut self, kind: PolicyKind) -> &mut BTreeMap<String, BTreeMap<String, Policy>> {
        match kind {
            PolicyKind::User => &mut self.user,
            PolicyKind::Operator => &mut self.operator,
        }
    }

    /// Sets a policy. True if it is new.
    pub fn set(&mut self, kind: PolicyKind, policy: Policy) -> bool {
        let of_vhost = self
            .of_kind_mut(kind)
            .entry(policy.virtual_host.clone())
            .or_default();
        of_vhost.insert(policy.name.clone(), policy).is_none()
    }

    /// Removes a policy. Whether there was one.
    pub fn clear(&mut self, kind: PolicyKind, virtual_host: &str, name: &str) -> bool {
        self.of_kind_mut(kind)
            .get_mut(virtual_host)
            .is_some_and(|of_vhost| of_vhost.remove(name).is_some())
    }

    /// Forgets the policies of a virtual host that is gone.
    pub fn delete_virtual_host(&mut self, virtual_host: &str) {
        self.user.remove(virtual_host);
        self.operator.remove(virtual_host);
    }

    /// A policy.
    #[must_use]
    pub fn get(&self, kind: PolicyKind, virtual_host: &str, name: &str) -> Option<&Policy> {
        self.of_kind(kind).get(virtual_host)?.get(name)
    }

    /// All policies of a kind, by virtual host and name.
    pub fn all(&self, kind: PolicyKind) -> impl Iterator<Item = &Policy> {
        self.of_kind(kind).values().flat_map(BTreeMap::values)
    }

    /// The policies of a virtual host, by name.
    pub fn of_virtual_host(
        &self,
        kind: PolicyKind,
        virtual_host: &str,
    ) -> impl Iterator<Item = &Policy> {
        self.of_kind(kind)
            .get(virtual_host)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// The policy that counts: the one with the highest priority, and of several such the first by name.
    #[must_use]
    pub fn effective(
        &self,
        kind: PolicyKind,
        virtual_host: &str,
        target: PolicyTarget,
        name: &str,
    ) -> Option<&Policy> {
        let mut best: Option<&Policy> = None;
        for policy in self.of_virtual_host(kind, virtual_host) {
            if best.is_none_or(|best| policy.priority > best.priority)
                && policy.matches(target, name)
            {
                best = Some(policy);
            }
        }
        best
    }

    /// Where a policy says that messages go which an exchange has no queue for.
    #[must_use]
    pub fn alternate_exchange(&self, virtual_host: &str, exchange: &str) -> Option<&str> {
        let policy = self.effective(
            PolicyKind::User,
            virtual_host,
            PolicyTarget::Exchange,
            exchange,
        )?;
        policy.values.alternate_exchange.as_deref()
    }
}

/// What a policy and an operator policy come to together, as management shows it.
#[must_use]
pub fn effective_definition(
    policy: Option<&Policy>,
    operator: Option<&Policy>,
) -> Map<String, Value> {
    let mut merged = policy
        .map(|policy| policy.definition.clone())
        .unwrap_or_default();
    for (key, limit) in operator.iter().flat_map(|operator| &operator.definition) {
        let exceeds = merged
            .get(key)
            .is_none_or(|value| definition::exceeds(key, value, limit));
        if exceeds {
            merged.insert(key.clone(), limit.clone());
        }
    }
    merged
}
