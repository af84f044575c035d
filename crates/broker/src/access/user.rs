//! Users.

use super::{PasswordHash, UserLimits};

/// Tags that mean something; users may have others.
pub mod tags {
    /// May do everything in management.
    pub const ADMINISTRATOR: &str = "administrator";
    /// May see everything in management.
    pub const MONITORING: &str = "monitoring";
    /// May set policies and parameters of virtual hosts they may open.
    pub const POLICYMAKER: &str = "policymaker";
    /// May use management for virtual hosts they may open.
    pub const MANAGEMENT: &str = "management";
    /// May publish under another user's name.
    pub const IMPERSONATOR: &str = "impersonator";

    /// Reads tags as older definitions and command lines have them: with commas between.
    #[must_use]
    pub fn parse(text: &str) -> Vec<String> {
        text.split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// Without one the user logs in by certificate only.
    pub password_hash: Option<PasswordHash>,
    /// In the order given.
    pub tags: Vec<String>,
    /// How much the user may have open.
    pub limits: UserLimits,
}

impl User {
    /// A user with a password and tags.
    #[must_use]
    pub fn new(name: &str, password_hash: Option<PasswordHash>, tags: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            password_hash,
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            limits: UserLimits::default(),
        }
    }

    /// Whether the user has a tag.
    #[must_use]
    pub fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// Whether the user may publish under another's name.
    #[must_use]
    pub fn may_impersonate(&self) -> bool {
        self.has_tag(tags::IMPERSONATOR)
    }
}
