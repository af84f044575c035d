//! Users, permissions and limits: shown, changed and kept.

use super::{
    Broker, Refusal,
    entities::{NewPassword, PermissionView, TopicPermissionView, UserChange},
};
use crate::{
    access::{
        HashAlgorithm, PasswordHash, Permissions, PermissionsSource, TopicPermissions, User,
        UserLimits, VhostLimits,
    },
    definitions::record::Entity,
};

impl Broker {
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
}
