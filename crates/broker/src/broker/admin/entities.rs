//! Virtual hosts, users, permissions, limits, policies and parameters: shown, changed and kept.

use serde_json::{Map, Value};

use super::{Broker, Refusal};
use crate::{
    definitions::{
        GlobalParameterDefinition, ParameterDefinition, VhostDefinition, record::Entity,
    },
    policy::{Policy, PolicyKind},
    vhost::VhostId,
};

/// What is to change about a virtual host; what is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VhostChange {
    /// What it is for.
    pub description: Option<String>,
    /// Labels.
    pub tags: Option<Vec<String>>,
    /// What a declare without `x-queue-type` makes.
    pub default_queue_type: Option<String>,
    /// Cannot be deleted.
    pub protected_from_deletion: Option<bool>,
    /// Copies all messages to `amq.rabbitmq.trace`.
    pub tracing: Option<bool>,
}

/// How a user is to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewPassword {
    /// With this.
    Plain(String),
    /// With what this is the hash of.
    Hash {
        /// Base64.
        hash: String,
        /// By which algorithm.
        algorithm: Option<String>,
    },
    /// With no password.
    Nothing,
}

/// A user as it is to be; limits stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserChange {
    /// How it logs in.
    pub password: NewPassword,
    /// Its tags.
    pub tags: Vec<String>,
}

/// Permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionView {
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

/// Topic permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPermissionView {
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

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterView {
    /// Where.
    pub vhost: String,
    /// Of what.
    pub component: String,
    /// Its name.
    pub name: String,
    /// Anything.
    pub value: Value,
}

/// The global parameter that names the cluster.
const CLUSTER_NAME: &str = "cluster_name";

impl Broker {
    /// What clients are told of the cluster.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        let named = self.parameters.global(CLUSTER_NAME).and_then(Value::as_str);
        named.unwrap_or(&self.settings.cluster)
    }

    /// Sets that.
    pub fn set_cluster_name(&mut self, name: &str) {
        self.set_global_parameter(CLUSTER_NAME, name.into());
        for settings in [
            &mut self.connection_settings,
            &mut self.connection_settings_tls,
        ] {
            let properties = &mut std::sync::Arc::make_mut(settings).server_properties;
            properties.remove(CLUSTER_NAME);
            properties.insert(
                CLUSTER_NAME,
                trefoil_amqp::Value::LongString(name.as_bytes().to_vec()),
            );
        }
    }

    /// Whether there is such a virtual host.
    #[must_use]
    pub fn has_vhost(&self, name: &str) -> bool {
        self.vhost_names.contains_key(name)
    }

    /// A virtual host as it is kept.
    pub(crate) fn vhost_definition(&self, id: VhostId) -> VhostDefinition {
        let vhost = self.vhost(id);
        let kind = vhost.default_queue_type.name().to_owned();
        let mut metadata = Map::new();
        metadata.insert("description".to_owned(), vhost.description.clone().into());
        metadata.insert("tags".to_owned(), vhost.tags.clone().into());
        metadata.insert("default_queue_type".to_owned(), kind.clone().into());
        if vhost.is_protected {
            metadata.insert("protected_from_deletion".to_owned(), true.into());
        }
        VhostDefinition {
            name: vhost.name.to_string(),
            description: vhost.description.clone(),
            tags: vhost.tags.clone(),
            default_queue_type: Some(kind),
            tracing: vhost.is_traced,
            metadata,
        }
    }

    /// Makes or changes a virtual host. Whether it is new.
    pub fn change_vhost(&mut self, name: &str, change: &VhostChange, now: u64) -> bool {
        let mut definition = match self.vhost_names.get(name) {
            Some(id) => self.vhost_definition(*id),
            None => VhostDefinition {
                name: name.to_owned(),
                ..VhostDefinition::default()
            },
        };
        let VhostChange {
            description,
            tags,
            default_queue_type,
            protected_from_deletion,
            tracing,
        } = change.clone();
        let metadata = &mut definition.metadata;
        if let Some(description) = description {
            metadata.insert("description".to_owned(), description.clone().into());
            definition.description = description;
        }
        if let Some(tags) = tags {
            metadata.insert("tags".to_owned(), tags.clone().into());
            definition.tags = tags;
        }
        if let Some(kind) = default_queue_type {
            metadata.insert("default_queue_type".to_owned(), kind.clone().into());
            definition.default_queue_type = Some(kind);
        }
        if let Some(is_protected) = protected_from_deletion {
            metadata.insert("protected_from_deletion".to_owned(), is_protected.into());
        }
        if let Some(tracing) = tracing {
            definition.tracing = tracing;
        }
        self.put_vhost(&definition, now)
    }

    /// Deletes a virtual host with everything in it; its connections are closed. Whether there was one.
    pub fn delete_vhost(&mut self, name: &str, now: u64) -> bool {
        let Some(id) = self.vhost_names.get(name).copied() else {
            return false;
        };
        for key in self.clients.sessions.keys() {
            if self.vhost_of(key) == Some(id) {
                self.close_connection(key, &format!("vhost '{name}' is deleted"), now);
                // Its place goes before its socket does.
                if let Some(session) = self.clients.sessions.get_mut(key) {
                    session.vhost = None;
                }
            }
        }
        let queues: Vec<_> = self.vhost(id).topology.queues().collect();
        for queue in queues {
            self.delete_queue(queue, now);
        }
        let exchanges: Vec<_> = self
            .vhost(id)
            .topology
            .exchanges()
            .map(|(exchange, _)| exchange)
            .collect();
        for exchange in exchanges {
            self.delete_exchange(id, exchange);
        }
        self.forget_entities_of(name);
        self.finish(now);
        self.vhost_names.remove(name);
        self.vhosts.remove(id.0);
        self.note_traced();
        true
    }

    /// Takes the records of what is said about a virtual host, and what is said.
    fn forget_entities_of(&mut self, name: &str) {
        let mut keys = vec![Entity::vhost_key(name), Entity::vhost_limits_key(name)];
        for view in self.permissions() {
            if view.vhost == name {
                keys.push(Entity::permission_key(&view.user, name));
            }
        }
        for view in self.topic_permissions() {
            if view.vhost == name {
                keys.push(Entity::topic_permission_key(
                    &view.user,
                    name,
                    &view.exchange,
                ));
            }
        }
        for kind in [PolicyKind::User, PolicyKind::Operator] {
            let policies = self.policies.of_virtual_host(kind, name);
            keys.extend(policies.map(|policy| Entity::policy_key(kind, name, &policy.name)));
        }
        for (vhost, component, parameter, _) in self.parameters.all() {
            if vhost == name {
                keys.push(Entity::parameter_key(name, component, parameter));
            }
        }
        for key in keys {
            self.forget(&key);
        }
        self.access.delete_virtual_host(name);
        self.policies.delete_virtual_host(name);
        self.parameters.delete_virtual_host(name);
    }

    /// All policies of a kind.
    #[must_use]
    pub fn policies(&self, kind: PolicyKind) -> Vec<Policy> {
        self.policies.all(kind).cloned().collect()
    }

    /// Sets a policy; queues and exchanges go by it at once. Whether it is new.
    pub fn put_policy(&mut self, kind: PolicyKind, policy: Policy, now: u64) -> bool {
        self.put(&Entity::policy(kind, &policy));
        let vhost = self.vhost_names.get(policy.virtual_host.as_str()).copied();
        let is_new = self.policies.set(kind, policy);
        if let Some(vhost) = vhost {
            self.apply_policies(vhost, now);
        }
        is_new
    }

    /// Removes a policy. Whether there was one.
    pub fn delete_policy(&mut self, kind: PolicyKind, vhost: &str, name: &str, now: u64) -> bool {
        self.forget(&Entity::policy_key(kind, vhost, name));
        let was_there = self.policies.clear(kind, vhost, name);
        if let Some(vhost) = self.vhost_names.get(vhost).copied() {
            self.apply_policies(vhost, now);
        }
        was_there
    }

    /// All parameters of virtual hosts.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterView> {
        let all = self.parameters.all();
        all.map(|(vhost, component, name, value)| ParameterView {
            vhost: vhost.to_owned(),
            component: component.to_owned(),
            name: name.to_owned(),
            value: value.clone(),
        })
        .collect()
    }

    /// Sets a parameter. Whether it is new.
    ///
    /// # Errors
    /// Policies have their own way.
    pub fn set_parameter(
        &mut self,
        vhost: &str,
        component: &str,
        name: &str,
        value: Value,
    ) -> Result<bool, Refusal> {
        let is_new = self
            .parameters
            .set(vhost, component, name, value.clone())
            .map_err(Refusal::invalid)?;
        self.put(&Entity::Parameter(ParameterDefinition {
            vhost: Some(vhost.to_owned()),
            component: component.to_owned(),
            name: name.to_owned(),
            value,
        }));
        Ok(is_new)
    }

    /// Removes a parameter. Whether there was one.
    pub fn clear_parameter(&mut self, vhost: &str, component: &str, name: &str) -> bool {
        self.forget(&Entity::parameter_key(vhost, component, name));
        self.parameters.clear(vhost, component, name)
    }

    /// All global parameters.
    #[must_use]
    pub fn global_parameters(&self) -> Vec<(String, Value)> {
        let all = self.parameters.all_global();
        all.map(|(name, value)| (name.to_owned(), value.clone()))
            .collect()
    }

    /// Sets a global parameter. Whether it is new.
    pub fn set_global_parameter(&mut self, name: &str, value: Value) -> bool {
        self.put(&Entity::GlobalParameter(GlobalParameterDefinition {
            name: name.to_owned(),
            value: value.clone(),
        }));
        self.parameters.set_global(name, value)
    }

    /// Removes a global parameter. Whether there was one.
    pub fn clear_global_parameter(&mut self, name: &str) -> bool {
        self.forget(&Entity::global_parameter_key(name));
        self.parameters.clear_global(name)
    }
}
