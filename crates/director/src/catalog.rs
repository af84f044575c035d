//! All services that are known, and which of them a request means.

use std::{collections::BTreeMap, sync::Arc};

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::{
    key::{ServiceId, ServiceKey, ServiceRequest},
    near::near_names,
    problem::Problem,
    service::{Service, Source},
};

/// Whether jobs of a service are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// Yes.
    Active,
    /// Not now: jobs are taken and wait.
    Paused,
    /// Never again: new jobs are refused.
    Retired,
}

/// One version in the catalog.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The service.
    pub service: Arc<Service>,
    /// Whether its jobs are started.
    pub state: ServiceState,
}

/// What [`Catalog::insert`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// The version was not there, or was retired.
    New,
    /// The version was there with other files.
    Replaced,
    /// The version was there with the same files.
    Unchanged,
}

/// Why a request has no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No service has the key.
    #[error("no service has the key `{key}`")]
    UnknownKey {
        /// The key.
        key: ServiceKey,
        /// Keys that are nearly the same.
        near: Vec<String>,
    },
    /// The service has no version that the request accepts.
    #[error("no version of the service matches `{request}`")]
    NoMatchingVersion {
        /// The request.
        request: String,
        /// Its versions that are not retired, newest first.
        available: Vec<Version>,
    },
    /// Only retired versions match.
    #[error("`{id}` is retired")]
    Retired {
        /// The newest of them.
        id: ServiceId,
    },
}

/// Why the state of a service was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// It is not in the catalog.
    #[error("there is no service `{0}`")]
    Unknown(ServiceId),
    /// A retired service has no other state; publish it again.
    #[error("`{0}` is retired")]
    Retired(ServiceId),
    /// It is part of the platform.
    #[error("`{0}` is part of the platform: it can be paused, not retired")]
    Builtin(ServiceId),
    /// Its directory supplies it and would bring it back.
    #[error("`{id}` is supplied by the directory `{label}`: remove that instead")]
    Supplied {
        /// The service.
        id: ServiceId,
        /// The directory.
        label: String,
    },
}

type Versions = BTreeMap<Version, Entry>;

/// All services, and the directories that are broken. A clone is a cheap snapshot.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    services: Arc<BTreeMap<ServiceKey, Versions>>,
    broken: Arc<BTreeMap<String, Vec<Problem>>>,
    revision: u64,
}

impl Catalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// Grows with every change, and only then.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Puts a service in, or in the place of the same version from the same source. A paused service stays paused,
    /// a retired one becomes active. Other versions that its directory supplied before are retired, and what was
    /// broken about the directory is forgotten.
    ///
    /// # Errors
    /// The problem (recorded as broken under the service's label), when another source supplies the version.
    pub fn insert(&mut self, service: Service) -> Result<Inserted, Problem> {
        if let Some(holder) = self
            .get(&service.id)
            .filter(|entry| entry.state != ServiceState::Retired)
            && !may_replace(&holder.service, &service)
        {
            let reason = format!(
                "`{}` is already supplied by {}",
                service.id,
                describe(&holder.service)
            );
            let file = format!("{}/metadata.yml", service.label);
            let problem = Problem::error(&file, (1, 1), "version", reason)
                .with_hint("change the key or the version of one of them".to_owned());
            self.set_broken(&service.label, vec![problem.clone()]);
            return Err(problem);
        }
        self.clear_broken(&service.label);
        if matches!(service.source, Source::Directory { .. }) {
            self.retire_supplied_by(&service.label, Some(&service.id));
        }
        let state = match self.get(&service.id) {
            Some(Entry {
                state: ServiceState::Retired,
                ..
            })
            | None => ServiceState::Active,
            Some(entry) => entry.state,
        };
        let inserted = match self.get(&service.id) {
            None
            | Some(Entry {
                state: ServiceState::Retired,
                ..
            }) => Inserted::New,
            Some(entry)
                if entry.service.digest == service.digest
                    && entry.service.source == service.source =>
            {
                return Ok(Inserted::Unchanged);
            }
            Some(_) => Inserted::Replaced,
        };
        let ServiceId { key, version } = service.id.clone();
        let entry = Entry {
            service: Arc::new(service),
            state,
        };
        Arc::make_mut(&mut self.services)
            .entry(key)
            .or_default()
            .insert(version, entry);
        self.revision += 1;
        Ok(inserted)
    }

    /// Records what is wrong with a directory. Services that it supplied before stay as they were: a slip of the
    /// pen in a file must not stop a service that runs.
    pub fn set_broken(&mut self, label: &str, problems: Vec<Problem>) {
        if self.broken.get(label) != Some(&problems) {
            Arc::make_mut(&mut self.broken).insert(label.to_owned(), problems);
            self.revision += 1;
        }
    }

    fn clear_broken(&mut self, label: &str) {
        if self.broken.contains_key(label) {
            Arc::make_mut(&mut self.broken).remove(label);
            self.revision += 1;
        }
    }

    /// A directory is gone: its services are retired (and returned), its problems forgotten.
    pub fn remove_directory(&mut self, label: &str) -> Vec<ServiceId> {
        self.clear_broken(label);
        self.retire_supplied_by(label, None)
    }

    fn retire_supplied_by(&mut self, label: &str, except: Option<&ServiceId>) -> Vec<ServiceId> {
        let supplied = |entry: &&Entry| {
            matches!(entry.service.source, Source::Directory { .. })
                && entry.service.label == label
                && entry.state != ServiceState::Retired
                && Some(&entry.service.id) != except
        };
        let ids: Vec<ServiceId> = self
            .iter()
            .filter(supplied)
            .map(|entry| entry.service.id.clone())
            .collect();
        for id in &ids {
            // The ids were just found.
            let _ = self.set_state(id, ServiceState::Retired);
        }
        ids
    }

    /// Retires a service that was published. `false` when it was retired already.
    ///
    /// # Errors
    /// When it is unknown, built in, or a watched directory supplies it.
    pub fn retire(&mut self, id: &ServiceId) -> Result<bool, CatalogError> {
        let entry = self
            .get(id)
            .ok_or_else(|| CatalogError::Unknown(id.clone()))?;
        if entry.service.source == Source::Builtin {
            return Err(CatalogError::Builtin(id.clone()));
        }
        if entry.state != ServiceState::Retired
            && matches!(entry.service.source, Source::Directory { .. })
        {
            return Err(CatalogError::Supplied {
                id: id.clone(),
                label: entry.service.label.clone(),
            });
        }
        self.set_state(id, ServiceState::Retired)
    }

    /// Stops starting jobs of a service. `false` when it was paused already.
    ///
    /// # Errors
    /// When it is unknown or retired.
    pub fn pause(&mut self, id: &ServiceId) -> Result<bool, CatalogError> {
        self.set_state(id, ServiceState::Paused)
    }

    /// Starts jobs of a service again. `false` when it was not paused.
    ///
    /// # Errors
    /// When it is unknown or retired.
    pub fn resume(&mut self, id: &ServiceId) -> Result<bool, CatalogError> {
        self.set_state(id, ServiceState::Active)
    }

    fn set_state(&mut self, id: &ServiceId, state: ServiceState) -> Result<bool, CatalogError> {
        let now = self
            .get(id)
            .ok_or_else(|| CatalogError::Unknown(id.clone()))?
            .state;
        if now == state {
            return Ok(false);
        }
        if now == ServiceState::Retired {
            return Err(CatalogError::Retired(id.clone()));
        }
        let versions = Arc::make_mut(&mut self.services).get_mut(&id.key);
        if let Some(entry) = versions.and_then(|versions| versions.get_mut(&id.version)) {
            entry.state = state;
            self.revision += 1;
        }
        Ok(true)
    }

    /// One version.
    pub fn get(&self, id: &ServiceId) -> Option<&Entry> {
        self.services.get(&id.key)?.get(&id.version)
    }

    /// The newest version that a request accepts. Paused services count, retired ones do not.
    ///
    /// # Errors
    /// [`ResolveError`] with what there is instead.
    pub fn resolve(&self, request: &ServiceRequest) -> Result<Arc<Service>, ResolveError> {
        let Some(versions) = self.services.get(&request.key) else {
            let near = near_names(request.key.as_str(), self.live_keys());
            return Err(ResolveError::UnknownKey {
                key: request.key.clone(),
                near,
            });
        };
        let accepted = || {
            versions
                .iter()
                .rev()
                .filter(|(version, _)| request.wanted.accepts(version))
        };
        if let Some((_, entry)) = accepted().find(|(_, entry)| entry.state != ServiceState::Retired)
        {
            return Ok(Arc::clone(&entry.service));
        }
        if let Some((_, entry)) = accepted().next() {
            return Err(ResolveError::Retired {
                id: entry.service.id.clone(),
            });
        }
        let live = versions
            .iter()
            .rev()
            .filter(|(_, entry)| entry.state != ServiceState::Retired);
        let available = live.map(|(version, _)| version.clone()).collect();
        Err(ResolveError::NoMatchingVersion {
            request: request.to_string(),
            available,
        })
    }

    fn live_keys(&self) -> impl Iterator<Item = &str> {
        let live = |versions: &Versions| {
            versions
                .values()
                .any(|entry| entry.state != ServiceState::Retired)
        };
        self.services
            .iter()
            .filter(move |(_, versions)| live(versions))
            .map(|(key, _)| key.as_str())
    }

    /// All versions of all services, retired ones too: by key, the newest version first.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.services
            .values()
            .flat_map(|versions| versions.values().rev())
    }

    /// All versions of one service, retired ones too, newest first.
    pub fn versions(&self, key: &ServiceKey) -> impl Iterator<Item = &Entry> {
        self.services
            .get(key)
            .into_iter()
            .flat_map(|versions| versions.values().rev())
    }

    /// The directories that are broken, by label, with what is wrong.
    pub fn broken(&self) -> impl Iterator<Item = (&str, &[Problem])> {
        self.broken
            .iter()
            .map(|(label, problems)| (label.as_str(), problems.as_slice()))
    }
}

/// A version belongs to who supplied it first; publishing replaces what was published.
fn may_replace(holder: &Service, service: &Service) -> bool {
    match (&holder.source, &service.source) {
        (Source::Directory { dir: a }, Source::Directory { dir: b }) => a == b,
        (Source::Published { .. }, Source::Published { .. })
        | (Source::Builtin, Source::Builtin) => true,
        (Source::Directory { .. } | Source::Published { .. } | Source::Builtin, _) => false,
    }
}

fn describe(service: &Service) -> String {
    match &service.source {
        Source::Directory { .. } => format!("the directory `{}`", service.label),
        Source::Published { .. } => "a published service".to_owned(),
        Source::Builtin => "a builtin".to_owned(),
    }
}

#[cfg(test)]
mod tests;
