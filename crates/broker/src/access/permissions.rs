//! What a user may do with the queues and exchanges of a virtual host.

use std::fmt;

use super::pattern::{Pattern, PatternError};

/// A kind of permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// To make, change and delete.
    Configure,
    /// To put messages in, and to bind a destination.
    Write,
    /// To take messages out, and to bind a source.
    Read,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        })
    }
}

/// What a permission is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResourceKind {
    /// A queue.
    Queue,
    /// An exchange.
    Exchange,
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "queue",
            Self::Exchange => "exchange",
        })
    }
}

/// The name that patterns see: the default exchange has none of its own.
pub(super) fn checked_name(kind: ResourceKind, name: &str) -> &str {
    match (kind, name) {
        (ResourceKind::Exchange, "") => "amq.default",
        _ => name,
    }
}

/// The three patterns as text: how they are told and stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermissionsSource<'a> {
    /// Of names that may be configured.
    pub configure: &'a str,
    /// Of names that may be written to.
    pub write: &'a str,
    /// Of names that may be read from.
    pub read: &'a str,
}

/// What a user may do in a virtual host: a pattern of names for each permission.
#[derive(Debug, Clone, PartialEq)]
pub struct Permissions {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
}

impl Permissions {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// One of them is no regular expression.
    pub fn new(source: PermissionsSource<'_>) -> Result<Self, PatternError> {
        Ok(Self {
            configure: Pattern::permission(source.configure)?,
            write: Pattern::permission(source.write)?,
            read: Pattern::permission(source.read)?,
        })
    }

    /// Everything.
    #[must_use]
    pub fn full() -> Self {
        let all = Pattern::everything();
        Self {
            configure: all.clone(),
            write: all.clone(),
            read: all,
        }
    }

    /// The patterns as text.
    #[must_use]
    pub fn source(&self) -> PermissionsSource<'_> {
        PermissionsSource {
            configure: self.configure.source(),
            write: self.write.source(),
            read: self.read.source(),
        }
    }

    /// Whether a name is covered. The default exchange is named `amq.default` here.
    #[must_use]
    pub fn allow(&self, permission: Permission, name: &str) -> bool {
        self.pattern(permission).matches(name)
    }

    /// Whether every name is covered: then there is nothing to check or to remember.
    #[must_use]
    pub fn allow_all(&self, permission: Permission) -> bool {
        self.pattern(permission).is_everything()
    }

    fn pattern(&self, permission: Permission) -> &Pattern {
        match permission {
            Permission::Configure => &self.configure,
            Permission::Write => &self.write,
            Permission::Read => &self.read,
        }
    }
}
