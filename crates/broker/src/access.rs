//! Users, passwords, permissions, limits and runtime parameters: who may do what.
//!
//! [`Access`] is all of it, as one plain value. A session asks [`Access::authenticate`] once, then
//! [`Access::check_virtual_host`] at `connection.open`, and keeps the [`Permissions`] it got from there: as long as
//! [`Access::generation`] stands, they are still right. Texts of refusals are RabbitMQ's.

mod limits;
mod login;
mod parameters;
mod password;
pub(crate) mod pattern;
mod permissions;
#[cfg(test)]
mod tests;
mod topic;
mod user;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use trefoil_amqp::ReplyCode;

pub use limits::{LimitError, UserLimits, VhostLimits};
pub use login::{AuthenticationError, Mechanism, PeerIdentity, Secret};
pub use parameters::{ParameterError, Parameters};
pub use password::{HashAlgorithm, PasswordHash, PasswordHashError, SALT_SIZE};
pub use pattern::{Pattern, PatternError};
pub use permissions::{Permission, Permissions, PermissionsSource, ResourceKind};
pub use topic::{TopicPermissions, TopicVariables};
pub use user::{User, tags};

/// What the configuration says about logging in.
#[derive(Debug, Clone)]
pub struct AccessSettings {
    /// Users who may come only from this machine.
    pub loopback_users: HashSet<String>,
    /// Whom `ANONYMOUS` logs in, if it is allowed.
    pub anonymous_user: Option<String>,
    /// Whether `EXTERNAL` is offered: the certificate of the client names the user.
    pub external: bool,
}

impl Default for AccessSettings {
    fn default() -> Self {
        Self {
            loopback_users: HashSet::from(["guest".to_owned()]),
            anonymous_user: None,
            external: false,
        }
    }
}

/// A refusal after login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The user has no permissions in the virtual host.
    #[error("access to vhost '{virtual_host}' refused for user '{user}'")]
    VirtualHost {
        /// Where to.
        virtual_host: String,
        /// Who.
        user: String,
    },
    /// The permissions do not cover the queue or exchange.
    #[error(
        "{permission} access to {kind} '{name}' in vhost '{virtual_host}' refused for user '{user}'"
    )]
    Resource {
        /// To do what.
        permission: Permission,
        /// With what.
        kind: ResourceKind,
        /// The name; `amq.default` for the default exchange.
        name: String,
        /// Where.
        virtual_host: String,
        /// Who.
        user: String,
    },
    /// The topic permissions do not cover the routing key.
    #[error(
        "{permission} access to topic '{routing_key}' in exchange '{exchange}' in vhost '{virtual_host}' refused for user '{user}'"
    )]
    Topic {
        /// To do what.
        permission: Permission,
        /// With which key.
        routing_key: String,
        /// The topic exchange.
        exchange: String,
        /// Where.
        virtual_host: String,
        /// Who.
        user: String,
    },
}

impl AccessError {
    /// The code of the close that tells it.
    #[must_use]
    pub fn reply_code(&self) -> ReplyCode {
        match self {
            Self::VirtualHost { .. } => ReplyCode::NotAllowed,
            Self::Resource { .. } | Self::Topic { .. } => ReplyCode::AccessRefused,
        }
    }
}

/// Something was to be changed for a user that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("user '{0}' does not exist")]
pub struct NoSuchUser(pub String);

/// All users and what they may do. Virtual hosts are kept elsewhere; here they are names.
#[derive(Debug, Default)]
pub struct Access {
    settings: AccessSettings,
    users: BTreeMap<String, User>,
    /// By user, then by virtual host: a user with many virtual hosts is rarer than one with many users.
    permissions: HashMap<String, BTreeMap<String, Arc<Permissions>>>,
    /// By user, then by virtual host and exchange.
    topic_permissions: HashMap<String, BTreeMap<(String, String), Arc<TopicPermissions>>>,
    vhost_limits: BTreeMap<String, VhostLimits>,
    generation: u64,
}

impl Access {
    /// Nobody yet.
    #[must_use]
    pub fn new(settings: AccessSettings) -> Self {
        Self {
            settings,
            ..Self::default()
        }
    }

    /// Counts changes. What a session remembers of checks is right while this stands.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The configuration.
    #[must_use]
    pub fn settings(&self) -> &AccessSettings {
        &self.settings
    }

    /// Changes who may come only from this machine. Those who are in stay in.
    pub fn set_loopback_users(&mut self, users: HashSet<String>) {
        self.settings.loopback_users = users;
    }

    /// The mechanisms to offer, best first. `EXTERNAL` needs TLS.
    #[must_use]
    pub fn mechanisms(&self, tls: bool) -> Vec<Mechanism> {
        let mut offered = vec![Mechanism::Plain, Mechanism::AmqPlain];
        if self.settings.external && tls {
            offered.push(Mechanism::External);
        }
        if self.settings.anonymous_user.is_some() {
            offered.push(Mechanism::Anonymous);
        }
        offered
    }

    /// A user.
    #[must_use]
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// All users, by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &User> {
        self.users.values()
    }

    /// Makes or replaces a user. True if it is new.
    pub fn put_user(&mut self, user: User) -> bool {
        self.generation += 1;
        self.users.insert(user.name.clone(), user).is_none()
    }

    /// Removes a user with all permissions. Whether there was one.
    pub fn delete_user(&mut self, name: &str) -> bool {
        self.generation += 1;
        self.permissions.remove(name);
        self.topic_permissions.remove(name);
        self.users.remove(name).is_some()
    }

    /// Sets what a user may do in a virtual host. The caller knows that the virtual host exists.
    ///
    /// # Errors
    /// There is no such user.
    pub fn set_permissions(
        &mut self,
        user: &str,
        virtual_host: &str,
        permissions: Permissions,
    ) -> Result<(), NoSuchUser> {
        self.known(user)?;
        self.generation += 1;
        let of_user = self.permissions.entry(user.to_owned()).or_default();
        of_user.insert(virtual_host.to_owned(), Arc::new(permissions));
        Ok(())
    }

    /// Takes a user's permissions in a virtual host away. Whether there were any.
    pub fn clear_permissions(&mut self, user: &str, virtual_host: &str) -> bool {
        self.generation += 1;
        self.permissions
            .get_mut(user)
            .is_some_and(|of_user| of_user.remove(virtual_host).is_some())
    }

    /// What a user may do in a virtual host; none is no access at all.
    #[must_use]
    pub fn permissions(&self, user: &str, virtual_host: &str) -> Option<&Arc<Permissions>> {
        self.permissions.get(user)?.get(virtual_host)
    }

    /// All permissions as (user, virtual host, permissions), by user, then virtual host.
    pub fn all_permissions(&self) -> impl Iterator<Item = (&str, &str, &Permissions)> {
        self.users
            .keys()
            .filter_map(|user| Some((user, self.permissions.get(user)?)))
            .flat_map(|(user, of_user)| {
                of_user
                    .iter()
                    .map(move |(vhost, set)| (user.as_str(), vhost.as_str(), &**set))
            })
    }

    /// Sets what a user may do with the keys of a topic exchange.
    ///
    /// # Errors
    /// There is no such user.
    pub fn set_topic_permissions(
        &mut self,
        user: &str,
        virtual_host: &str,
        exchange: &str,
        permissions: TopicPermissions,
    ) -> Result<(), NoSuchUser> {
        self.known(user)?;
        self.generation += 1;
        let of_user = self.topic_permissions.entry(user.to_owned()).or_default();
        of_user.insert(
            (virtual_host.to_owned(), exchange.to_owned()),
            Arc::new(permissions),
        );
        Ok(())
    }

    /// Takes topic permissions away: those of one exchange, or all in the virtual host. Whether there were any.
    pub fn clear_topic_permissions(
        &mut self,
        user: &str,
        virtual_host: &str,
        exchange: Option<&str>,
    ) -> bool {
        self.generation += 1;
        let Some(of_user) = self.topic_permissions.get_mut(user) else {
            return false;
        };
        let before = of_user.len();
        of_user.retain(|(vhost, of), _| {
            vhost != virtual_host || exchange.is_some_and(|exchange| of != exchange)
        });
        of_user.len() < before
    }

    /// What a user may do with the keys of an exchange; none is everything.
    #[must_use]
    pub fn topic_permissions(
        &self,
        user: &str,
        virtual_host: &str,
        exchange: &str,
    ) -> Option<&Arc<TopicPermissions>> {
        // Most users have none, and then there is nothing to allocate for.
        let of_user = self.topic_permissions.get(user)?;
        of_user.get(&(virtual_host.to_owned(), exchange.to_owned()))
    }

    /// All topic permissions as (user, virtual host, exchange, permissions), by user, virtual host and exchange.
    pub fn all_topic_permissions(
        &self,
    ) -> impl Iterator<Item = (&str, &str, &str, &TopicPermissions)> {
        self.users
            .keys()
            .filter_map(|user| Some((user, self.topic_permissions.get(user)?)))
            .flat_map(|(user, of_user)| {
                of_user.iter().map(move |((vhost, exchange), set)| {
                    (user.as_str(), vhost.as_str(), exchange.as_str(), &**set)
                })
            })
    }

    /// Forgets everything about a virtual host that is gone.
    pub fn delete_virtual_host(&mut self, virtual_host: &str) {
        self.generation += 1;
        for of_user in self.permissions.values_mut() {
            of_user.remove(virtual_host);
        }
        for of_user in self.topic_permissions.values_mut() {
            of_user.retain(|(vhost, _), _| vhost != virtual_host);
        }
        self.vhost_limits.remove(virtual_host);
    }

    /// The limits of a virtual host.
    #[must_use]
    pub fn vhost_limits(&self, virtual_host: &str) -> VhostLimits {
        self.vhost_limits
            .get(virtual_host)
            .copied()
            .unwrap_or_default()
    }

    /// All virtual hosts that have limits, by name.
    pub fn all_vhost_limits(&self) -> impl Iterator<Item = (&str, VhostLimits)> {
        self.vhost_limits
            .iter()
            .map(|(vhost, limits)| (vhost.as_str(), *limits))
    }

    /// Sets the limits of a virtual host; the default takes them away.
    pub fn set_vhost_limits(&mut self, virtual_host: &str, limits: VhostLimits) {
        if limits == VhostLimits::default() {
            self.vhost_limits.remove(virtual_host);
        } else {
            self.vhost_limits.insert(virtual_host.to_owned(), limits);
        }
    }

    /// Whether a user may open a virtual host that exists; a session keeps the answer.
    ///
    /// # Errors
    /// The user has no permissions there.
    pub fn check_virtual_host(
        &self,
        user: &str,
        virtual_host: &str,
    ) -> Result<&Arc<Permissions>, AccessError> {
        self.permissions(user, virtual_host)
            .filter(|_| self.users.contains_key(user))
            .ok_or_else(|| AccessError::VirtualHost {
                virtual_host: virtual_host.to_owned(),
                user: user.to_owned(),
            })
    }

    /// Whether a user may do something with a queue or an exchange.
    ///
    /// # Errors
    /// The permissions do not cover it.
    pub fn check_resource(
        &self,
        user: &str,
        virtual_host: &str,
        kind: ResourceKind,
        name: &str,
        permission: Permission,
    ) -> Result<(), AccessError> {
        let name = permissions::checked_name(kind, name);
        if self
            .permissions(user, virtual_host)
            .is_some_and(|set| set.allow(permission, name))
        {
            return Ok(());
        }
        Err(AccessError::Resource {
            permission,
            kind,
            name: name.to_owned(),
            virtual_host: virtual_host.to_owned(),
            user: user.to_owned(),
        })
    }

    /// Whether a user may publish with, or bind, a routing key at a topic exchange. Whoever has no topic permissions
    /// there may.
    ///
    /// # Errors
    /// The topic permissions do not cover the key.
    pub fn check_topic(
        &self,
        variables: &TopicVariables<'_>,
        exchange: &str,
        routing_key: &str,
        permission: Permission,
    ) -> Result<(), AccessError> {
        let TopicVariables {
            user, virtual_host, ..
        } = *variables;
        let covered = match self.topic_permissions(user, virtual_host, exchange) {
            None => true,
            Some(set) => set.allow(permission, variables, routing_key),
        };
        if covered {
            return Ok(());
        }
        Err(AccessError::Topic {
            permission,
            routing_key: routing_key.to_owned(),
            exchange: exchange.to_owned(),
            virtual_host: virtual_host.to_owned(),
            user: user.to_owned(),
        })
    }

    fn known(&self, user: &str) -> Result<(), NoSuchUser> {
        if self.users.contains_key(user) {
            Ok(())
        } else {
            Err(NoSuchUser(user.to_owned()))
        }
    }
}
