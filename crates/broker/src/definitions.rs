//! Definitions: what a broker is made of, as RabbitMQ's JSON ([`Definitions`]) and as records of the log
//! ([`record::Entity`]).
//!
//! The JSON comes in two forms: of a whole broker, and of one virtual host, where members have no `vhost`. Reading is
//! lenient where RabbitMQ's own exports differ between versions, and exact about what is wrong: every error names the
//! member (`queues[3].durable`).

pub mod arguments;
mod convert;
mod fields;
mod foreign;
mod read;
pub mod record;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::{Map, Value};

pub use arguments::{octets_to_text, table_from_json, table_to_json, value_to_json};
pub use convert::ParameterMeaning;

/// What is wrong with definitions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionsError {
    /// The text is no JSON.
    #[error("not JSON: {problem} at line {line}, column {column}")]
    Syntax {
        /// What the parser says.
        problem: String,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A member is not what it should be.
    #[error("{path}: {problem}")]
    Member {
        /// Such as `queues[3].durable`.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl DefinitionsError {
    pub(crate) fn member(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Member {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

/// A broker, or a virtual host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Definitions {
    /// The version that made them; says how older password hashes are to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rabbit_version: Option<String>,
    /// The same, under the name that newer readers look for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rabbitmq_version: Option<String>,
    /// What made them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_version: Option<String>,
    /// `cluster` or `single_virtual_host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rabbitmq_definition_format: Option<String>,
    /// The broker they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_cluster_name: Option<String>,
    /// The virtual host they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_vhost_name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// Of the virtual host they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of the virtual host they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_queue_type: Option<String>,
    /// Of the virtual host they are of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Users. Like the next three, missing in the definitions of one virtual host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserDefinition>>,
    /// Virtual hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vhosts: Option<Vec<VhostDefinition>>,
    /// Permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<PermissionDefinition>>,
    /// Topic permissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic_permissions: Option<Vec<TopicPermissionDefinition>>,
    /// Runtime parameters; limits of virtual hosts and operator policies are among them.
    pub parameters: Vec<ParameterDefinition>,
    /// Global parameters. Missing in the definitions of one virtual host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_parameters: Option<Vec<GlobalParameterDefinition>>,
    /// Policies.
    pub policies: Vec<PolicyDefinition>,
    /// Queues that are not exclusive.
    pub queues: Vec<QueueDefinition>,
    /// Exchanges that clients declared.
    pub exchanges: Vec<ExchangeDefinition>,
    /// Bindings that clients made.
    pub bindings: Vec<BindingDefinition>,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UserDefinition {
    /// The name.
    pub name: String,
    /// Base64; empty if the user has no password.
    pub password_hash: String,
    /// Missing in old definitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hashing_algorithm: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// `max-connections`, `max-channels`.
    pub limits: Map<String, Value>,
}

/// A virtual host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VhostDefinition {
    /// The name.
    pub name: String,
    /// For people.
    pub description: String,
    /// For people.
    pub tags: Vec<String>,
    /// Of queues declared without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_queue_type: Option<String>,
    /// Whether what happens is published to `amq.rabbitmq.trace`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tracing: bool,
    /// Description, tags and default queue type again, and whatever else.
    pub metadata: Map<String, Value>,
}

/// Permissions of a user in a virtual host.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PermissionDefinition {
    /// Whose.
    pub user: String,
    /// Where.
    pub vhost: String,
    /// A pattern of names.
    pub configure: String,
    /// A pattern of names.
    pub write: String,
    /// A pattern of names.
    pub read: String,
}

/// Topic permissions of a user at an exchange.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TopicPermissionDefinition {
    /// Whose.
    pub user: String,
    /// Where.
    pub vhost: String,
    /// At which exchange.
    pub exchange: String,
    /// A pattern of routing keys.
    pub write: String,
    /// A pattern of routing keys.
    pub read: String,
}

/// A runtime parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ParameterDefinition {
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    /// Of what.
    pub component: String,
    /// The name.
    pub name: String,
    /// Anything.
    pub value: Value,
}

/// A global parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GlobalParameterDefinition {
    /// The name.
    pub name: String,
    /// Anything.
    pub value: Value,
}

/// A policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PolicyDefinition {
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    /// The name.
    pub name: String,
    /// A pattern of names.
    pub pattern: String,
    /// To what.
    #[serde(rename = "apply-to", skip_serializing_if = "Option::is_none")]
    pub apply_to: Option<String>,
    /// What it sets.
    pub definition: Map<String, Value>,
    /// The highest wins.
    pub priority: i64,
}

/// A queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct QueueDefinition {
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    /// The name.
    pub name: String,
    /// `classic`, `quorum` or `stream`. On reading, the argument counts where there is one.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub queue_type: Option<String>,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// The arguments ([`arguments::table_from_json`]).
    pub arguments: Map<String, Value>,
}

/// An exchange.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ExchangeDefinition {
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    /// The name.
    pub name: String,
    /// The type.
    #[serde(rename = "type")]
    pub exchange_type: String,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether only exchanges may send to it.
    pub internal: bool,
    /// The arguments ([`arguments::table_from_json`]).
    pub arguments: Map<String, Value>,
}

/// A binding.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BindingDefinition {
    /// From this exchange.
    pub source: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vhost: Option<String>,
    /// To this.
    pub destination: String,
    /// `queue` or `exchange`.
    pub destination_type: String,
    /// The key.
    pub routing_key: String,
    /// The arguments ([`arguments::table_from_json`]).
    pub arguments: Map<String, Value>,
}

impl Definitions {
    /// Reads definitions. Members that nobody knows are passed over, as RabbitMQ does.
    ///
    /// # Errors
    /// The first thing that is wrong, and where.
    pub fn parse(text: &[u8]) -> Result<Self, DefinitionsError> {
        // An empty body is how a client asks for nothing to be imported.
        if text.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let json = serde_json::from_slice(text).map_err(|error| DefinitionsError::Syntax {
            // The position is told apart from the problem.
            problem: error
                .to_string()
                .split(" at line ")
                .next()
                .unwrap_or_default()
                .to_owned(),
            line: error.line(),
            column: error.column(),
        })?;
        Self::from_json(&json)
    }

    /// Gives those definitions that say no virtual host this one.
    pub fn set_virtual_host(&mut self, virtual_host: &str) {
        for vhost in self.vhosts_mut() {
            vhost.get_or_insert_with(|| virtual_host.to_owned());
        }
    }

    /// Makes definitions of one virtual host of those of a broker: the names of virtual hosts go.
    pub fn clear_virtual_host(&mut self) {
        for vhost in self.vhosts_mut() {
            *vhost = None;
        }
    }

    fn vhosts_mut(&mut self) -> impl Iterator<Item = &mut Option<String>> {
        let policies = self.policies.iter_mut().map(|policy| &mut policy.vhost);
        let parameters = self
            .parameters
            .iter_mut()
            .map(|parameter| &mut parameter.vhost);
        let queues = self.queues.iter_mut().map(|queue| &mut queue.vhost);
        let exchanges = self
            .exchanges
            .iter_mut()
            .map(|exchange| &mut exchange.vhost);
        let bindings = self.bindings.iter_mut().map(|binding| &mut binding.vhost);
        policies
            .chain(parameters)
            .chain(queues)
            .chain(exchanges)
            .chain(bindings)
    }

    /// Puts everything in an order of its own, so that the same broker always exports the same text.
    pub fn sort(&mut self) {
        if let Some(users) = &mut self.users {
            users.sort_by(|a, b| a.name.cmp(&b.name));
        }
        if let Some(vhosts) = &mut self.vhosts {
            vhosts.sort_by(|a, b| a.name.cmp(&b.name));
        }
        if let Some(permissions) = &mut self.permissions {
            permissions.sort_by(|a, b| (&a.vhost, &a.user).cmp(&(&b.vhost, &b.user)));
        }
        if let Some(permissions) = &mut self.topic_permissions {
            permissions.sort_by(|a, b| {
                (&a.vhost, &a.user, &a.exchange).cmp(&(&b.vhost, &b.user, &b.exchange))
            });
        }
        if let Some(parameters) = &mut self.global_parameters {
            parameters.sort_by(|a, b| a.name.cmp(&b.name));
        }
        self.parameters.sort_by(|a, b| {
            (&a.vhost, &a.component, &a.name).cmp(&(&b.vhost, &b.component, &b.name))
        });
        self.policies
            .sort_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
        self.queues
            .sort_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
        self.exchanges
            .sort_by(|a, b| (&a.vhost, &a.name).cmp(&(&b.vhost, &b.name)));
        // Bindings that differ only in arguments stay as they come: in the order in which they were made.
        self.bindings.sort_by(|a, b| {
            (
                &a.vhost,
                &a.source,
                &a.destination_type,
                &a.destination,
                &a.routing_key,
            )
                .cmp(&(
                    &b.vhost,
                    &b.source,
                    &b.destination_type,
                    &b.destination,
                    &b.routing_key,
                ))
        });
    }
}
