//! What is published, and why it may be refused.

use std::{collections::BTreeMap, io};

use trefoil_director::{Breaks, CatalogError, Problem, ServiceId};

use crate::store::StoreError;

/// What somebody publishes.
#[derive(Debug, Clone, Default)]
pub struct Publication {
    /// The text of `metadata.yml`. What has a contract may do without.
    pub metadata: Option<String>,
    /// The text of `service.toml`.
    pub service: Option<String>,
    /// Further files: relative name to text.
    pub files: BTreeMap<String, String>,
}

/// What a publication did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// The version is new.
    New,
    /// It replaced another content.
    Replaced,
    /// The same was there already.
    Unchanged,
}

/// Which content a publication may replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MayReplace {
    /// None.
    Nothing,
    /// Whatever is there.
    Anything,
    /// The content with this digest.
    Digest(String),
}

/// What a publication may do to what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// Which content it may replace.
    pub replace: MayReplace,
    /// Its contract may break callers although the version says that it does not.
    pub breaking: bool,
}

/// Why a service was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The files have problems.
    #[error("the service is broken: {} problems", .0.len())]
    Broken(Vec<Problem>),
    /// Key or version of the request are not those of the metadata.
    #[error("the metadata is of `{found}`, the request of `{wanted}`")]
    Mismatch {
        /// Of the request.
        wanted: ServiceId,
        /// Of the metadata.
        found: ServiceId,
    },
    /// Other content is there, and the caller did not say that it may be replaced.
    #[error("`{id}` is published already with other content")]
    AlreadyPublished {
        /// Which.
        id: ServiceId,
        /// What is there.
        digest: String,
    },
    /// The content is not the one that the caller wants to replace.
    #[error("`{id}` has other content than the one to be replaced")]
    Stale {
        /// Which.
        id: ServiceId,
        /// What is there.
        digest: String,
    },
    /// Its contract breaks callers of a version that it claims to be compatible with, or a later one does its own.
    #[error("{0}")]
    Breaking(Box<Breaks>),
    /// The catalog refuses.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The disk fails.
    #[error("cannot keep the service: {0}")]
    Io(#[from] io::Error),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}
