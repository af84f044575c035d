//! Virtual hosts, users, permissions, limits, policies and parameters: shown, changed and kept.

use serde_json::{Map, Value};

use super::{Broker, Refusal};
use crate::{
    access::{
        HashAlgorithm, PasswordHash, Permissions, PermissionsSource, TopicPermissions, User,
        UserLimits, VhostLimits,
    },
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

    /// All users, by name.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        self.access.users().cloned().collect()
    }

    /// A user.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<User> {
        self.access.user(name).cloned()
    }

    /// The hash that a password would be kept as: another one each time.
    #[must_use]
    pub fn hash_password(&mut self, password: &[u8]) -> PasswordHash {
        let random = self.random.bytes();
        let salt = [random[0], random[1], random[2], random[3]];
        PasswordHash::new(password, salt)
    }

    /// Makes or changes a user. Whether it is new.
    ///
    /// # Errors
    /// The hash is none, or of an unknown algorithm.
    pub fn change_user(&mut self, name: &str, change: &UserChange) -> Result<bool, Refusal> {
        let password_hash = match &change.password {
            NewPassword::Plain(password) => Some(self.hash_password(password.as_bytes())),
            NewPassword::Hash { hash, algorithm } => {
                let algorithm = match algorithm {
                    None => HashAlgorithm::default(),
                    Some(name) => HashAlgorithm::from_name(name).ok_or_else(|| {
                        Refusal::invalid(format!("unknown hashing algorithm '{name}'"))
                    })?,
                };
                Some(PasswordHash::from_base64(algorithm, hash).map_err(Refusal::invalid)?)
            }
            NewPassword::Nothing => None,
        };
        let limits = self
            .access
            .user(name)
            .map(|user| user.limits)
            .unwrap_or_default();
        let user = User {
            name: name.to_owned(),
            password_hash,
            tags: change.tags.clone(),
            limits,
        };
        Ok(self.keep_user(user))
    }

    pub(super) fn keep_user(&mut self, user: User) -> bool {
        self.put(&Entity::user(&user));
        self.access.put_user(user)
    }

    /// Sets the limits of a user.
    ///
    /// # Errors
    /// There is no such user.
    pub fn set_user_limits(&mut self, name: &str, limits: UserLimits) -> Result<(), Refusal> {
        let Some(mut user) = self.user(name) else {
            return Err(Refusal::new(
                trefoil_amqp::ReplyCode::NotFound,
                format!("user '{name}' does not exist"),
            ));
        };
        user.limits = limits;
        self.keep_user(user);
        Ok(())
    }

    /// Deletes a user; its connections are closed. Whether there was one.
    pub fn delete_user(&mut self, name: &str, now: u64) -> bool {
        let mut keys = vec![Entity::user_key(name)];
        let permissions = self
            .permissions()
            .into_iter()
            .filter(|view| view.user == name);
        keys.extend(permissions.map(|view| Entity::permission_key(name, &view.vhost)));
        let topics = self
            .topic_permissions()
            .into_iter()
            .filter(|view| view.user == name);
        keys.extend(
            topics.map(|view| Entity::topic_permission_key(name, &view.vhost, &view.exchange)),
        );
        for key in keys {
            self.forget(&key);
        }
        let was_there = self.access.delete_user(name);
        if was_there {
            for key in self.clients.sessions.keys() {
                if self.user_of(key) == name {
                    let reason = format!("user '{name}' is deleted");
                    self.close_connection(key, &reason, now);
                }
            }
        }
        was_there
    }

    /// Virtual hosts that a user may open, by name.
    #[must_use]
    pub fn vhosts_of(&self, user: &str) -> Vec<String> {
        let all = self.access.all_permissions();
        all.filter(|(of, _, _)| *of == user)
            .map(|(_, vhost, _)| vhost.to_owned())
            .collect()
    }

    /// All permissions.
    #[must_use]
    pub fn permissions(&self) -> Vec<PermissionView> {
        let all = self.access.all_permissions();
        all.map(|(user, vhost, permissions)| {
            let source = permissions.source();
            PermissionView {
                user: user.to_owned(),
                vhost: vhost.to_owned(),
                configure: source.configure.to_owned(),
                write: source.write.to_owned(),
                read: source.read.to_owned(),
            }
        })
        .collect()
    }

    /// All topic permissions.
    #[must_use]
    pub fn topic_permissions(&self) -> Vec<TopicPermissionView> {
        let all = self.access.all_topic_permissions();
        all.map(|(user, vhost, exchange, permissions)| TopicPermissionView {
            user: user.to_owned(),
            vhost: vhost.to_owned(),
            exchange: exchange.to_owned(),
            write: permissions.write().to_owned(),
            read: permissions.read().to_owned(),
        })
        .collect()
    }

    /// Sets permissions. Whether there were none before.
    ///
    /// # Errors
    /// A pattern is no regular expression, or there is no such user.
    pub fn set_permissions(
        &mut self,
        user: &str,
        vhost: &str,
        configure: &str,
        write: &str,
        read: &str,
    ) -> Result<bool, Refusal> {
        let source = PermissionsSource {
            configure,
            write,
            read,
        };
        let permissions = Permissions::new(source).map_err(Refusal::invalid)?;
        let is_new = self.access.permissions(user, vhost).is_none();
        let entity = Entity::permission(user, vhost, &permissions);
        self.access
            .set_permissions(user, vhost, permissions)
            .map_err(Refusal::invalid)?;
        self.put(&entity);
        Ok(is_new)
    }

    /// Takes permissions away. Whether there were any.
    pub fn clear_permissions(&mut self, user: &str, vhost: &str) -> bool {
        self.forget(&Entity::permission_key(user, vhost));
        self.access.clear_permissions(user, vhost)
    }

    /// Sets topic permissions. Whether there were none before.
    ///
    /// # Errors
    /// A pattern is no regular expression, or there is no such user.
    pub fn set_topic_permissions(
        &mut self,
        user: &str,
        vhost: &str,
        exchange: &str,
        write: &str,
        read: &str,
    ) -> Result<bool, Refusal> {
        let permissions = TopicPermissions::new(write, read).map_err(Refusal::invalid)?;
        let is_new = self
            .access
            .topic_permissions(user, vhost, exchange)
            .is_none();
        let entity = Entity::topic_permission(user, vhost, exchange, &permissions);
        self.access
            .set_topic_permissions(user, vhost, exchange, permissions)
            .map_err(Refusal::invalid)?;
        self.put(&entity);
        Ok(is_new)
    }

    /// Takes topic permissions away: of one exchange, or all in a virtual host.
    pub fn clear_topic_permissions(
        &mut self,
        user: &str,
        vhost: &str,
        exchange: Option<&str>,
    ) -> bool {
        for view in self.topic_permissions() {
            let fits = view.user == user
                && view.vhost == vhost
                && exchange.is_none_or(|exchange| exchange == view.exchange);
            if fits {
                self.forget(&Entity::topic_permission_key(user, vhost, &view.exchange));
            }
        }
        self.access.clear_topic_permissions(user, vhost, exchange)
    }

    /// The limits of a virtual host.
    #[must_use]
    pub fn vhost_limits(&self, vhost: &str) -> VhostLimits {
        self.access.vhost_limits(vhost)
    }

    /// All virtual hosts with limits.
    #[must_use]
    pub fn all_vhost_limits(&self) -> Vec<(String, VhostLimits)> {
        let all = self.access.all_vhost_limits();
        all.map(|(vhost, limits)| (vhost.to_owned(), limits))
            .collect()
    }

    /// Sets the limits of a virtual host.
    pub fn set_vhost_limits(&mut self, vhost: &str, limits: VhostLimits) {
        if limits == VhostLimits::default() {
            self.forget(&Entity::vhost_limits_key(vhost));
        } else {
            self.put(&Entity::VhostLimits(vhost.to_owned(), limits));
        }
        self.access.set_vhost_limits(vhost, limits);
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
