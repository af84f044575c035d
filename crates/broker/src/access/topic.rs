//! What a user may do with the routing keys of a topic exchange.

use super::{
    Permission,
    pattern::{Pattern, PatternError},
};

/// What stands for the placeholders of a pattern.
#[derive(Debug, Clone, Copy)]
pub struct TopicVariables<'a> {
    /// `{username}`
    pub user: &'a str,
    /// `{vhost}`
    pub virtual_host: &'a str,
    /// `{client_id}`: the client's name for itself, which AMQP 0-9-1 clients have not.
    pub client_id: Option<&'a str>,
}

/// Patterns of routing keys that may be published with (write) and bound (read).
#[derive(Debug, Clone, PartialEq)]
pub struct TopicPermissions {
    write: TopicPattern,
    read: TopicPattern,
}

/// A pattern that may have to be completed before it can be used.
#[derive(Debug, Clone, PartialEq)]
enum TopicPattern {
    Fixed(Pattern),
    Template(String),
}

impl TopicPattern {
    fn new(source: &str) -> Result<Self, PatternError> {
        let checked = Pattern::permission(source)?;
        let template = ["{username}", "{vhost}", "{client_id}"]
            .iter()
            .any(|name| source.contains(name));
        Ok(if template {
            Self::Template(source.to_owned())
        } else {
            Self::Fixed(checked)
        })
    }

    fn source(&self) -> &str {
        match self {
            Self::Fixed(pattern) => pattern.source(),
            Self::Template(source) => source,
        }
    }

    fn matches(&self, variables: &TopicVariables<'_>, routing_key: &str) -> bool {
        match self {
            Self::Fixed(pattern) => pattern.matches(routing_key),
            // Names are put in as they are, as RabbitMQ does: an administrator may count on a name being a pattern.
            // What comes out may be no pattern at all; then it covers nothing.
            Self::Template(source) => {
                let mut source = source
                    .replace("{username}", variables.user)
                    .replace("{vhost}", variables.virtual_host);
                if let Some(client_id) = variables.client_id {
                    source = source.replace("{client_id}", client_id);
                }
                Pattern::permission(&source).is_ok_and(|pattern| pattern.matches(routing_key))
            }
        }
    }
}

impl TopicPermissions {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// One of them is no regular expression.
    pub fn new(write: &str, read: &str) -> Result<Self, PatternError> {
        Ok(Self {
            write: TopicPattern::new(write)?,
            read: TopicPattern::new(read)?,
        })
    }

    /// The pattern of keys that may be published with.
    #[must_use]
    pub fn write(&self) -> &str {
        self.write.source()
    }

    /// The pattern of keys that may be bound.
    #[must_use]
    pub fn read(&self) -> &str {
        self.read.source()
    }

    /// Whether a key is covered.
    #[must_use]
    pub fn allow(
        &self,
        permission: Permission,
        variables: &TopicVariables<'_>,
        routing_key: &str,
    ) -> bool {
        match permission {
            Permission::Write => self.write.matches(variables, routing_key),
            Permission::Read => self.read.matches(variables, routing_key),
            // Keys are not made or deleted.
            Permission::Configure => true,
        }
    }
}
