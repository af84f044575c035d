//! The services of this platform: those built in, those in watched directories, those published over the API.

mod publication;
mod publish;
mod scan;
mod watch;

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch as changes_watch;
use trefoil_director::{
    Breaks, Catalog, CatalogError, Entry, RunKind, Service, ServiceId, ServiceState, Source,
};
use trefoil_jobs::{RunnerKind, ServiceStatus};

use crate::{
    clock::wall_ms,
    engine_thread::{CallError, EngineHandle, PlatformEngine},
    store::StoreError,
};

use self::publish::{check, write_directory};
pub use publication::{Allowed, MayReplace, Publication, Published, ServiceError};
pub(crate) use publish::directory_name;
pub(crate) use watch::DirectoryWatch;

/// The services of a platform; cheap to clone.
#[derive(Debug, Clone)]
pub struct Services(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Mutex<Catalog>,
    /// Watched directories.
    roots: Vec<PathBuf>,
    /// Where published services are put.
    published: PathBuf,
    engine: Mutex<Option<EngineHandle>>,
    /// Published versions that were retired. Their files stay, because jobs may still run them.
    retired: Mutex<HashSet<String>>,
    /// One change of the published directory at a time.
    changes: tokio::sync::Mutex<()>,
    /// The catalog's revision, for those who watch it.
    revision: changes_watch::Sender<u64>,
}

impl Services {
    /// Reads everything. `states` are the decisions kept from before: paused, retired.
    pub(crate) fn load(
        roots: Vec<PathBuf>,
        published: PathBuf,
        states: &[(String, bool, bool)],
    ) -> io::Result<Self> {
        fs::create_dir_all(&published)?;
        let services = Self(Arc::new(Inner {
            catalog: Mutex::default(),
            roots,
            published,
            engine: Mutex::default(),
            retired: Mutex::new(
                states
                    .iter()
                    .filter(|(_, _, retired)| *retired)
                    .map(|(service, _, _)| service.clone())
                    .collect(),
            ),
            changes: tokio::sync::Mutex::default(),
            revision: changes_watch::Sender::new(0),
        }));
        {
            let mut catalog = services.catalog();
            for builtin in crate::builtin::services() {
                insert(&mut catalog, builtin);
            }
        }
        services.rescan();
        let mut catalog = services.catalog();
        for (service, paused, _) in states.iter().filter(|(_, paused, _)| *paused) {
            if let Ok(id) = service.parse::<ServiceId>()
                && let Err(error) = catalog.pause(&id)
            {
                tracing::debug!(%error, paused, "a service that was paused is not there");
            }
        }
        drop(catalog);
        Ok(services)
    }

    /// Everything known now, as a value.
    #[must_use]
    pub fn snapshot(&self) -> Catalog {
        self.catalog().clone()
    }

    /// Tells of every change of what [`Self::snapshot`] gives.
    #[must_use]
    pub fn watch(&self) -> changes_watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    fn announce(&self) {
        let revision = self.catalog().revision();
        self.0.revision.send_if_modified(|known| {
            let is_new = *known != revision;
            *known = revision;
            is_new
        });
    }

    /// The directories that are watched.
    #[must_use]
    pub fn roots(&self) -> &[PathBuf] {
        &self.0.roots
    }

    fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.0
            .catalog
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn retired(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0
            .retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the engine of every service; from now on it hears of changes.
    pub(crate) fn introduce(&self, engine: &mut PlatformEngine, retired: &[String]) {
        for service in retired {
            let status = ServiceStatus {
                runner: None,
                paused: false,
                retired: true,
                slots: None,
            };
            engine.set_service(&service.as_str().into(), status);
        }
        for entry in self.catalog().iter() {
            engine.set_service(&entry.service.id.to_string().into(), status_of(entry));
        }
    }

    pub(crate) fn attach(&self, engine: EngineHandle) {
        *self.0.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine);
    }

    /// Forgets the way to the engine, which ends when nobody knows it any more.
    pub(crate) fn detach(&self) {
        *self.0.engine.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Reads the watched and the published directories again, and returns what is not supplied any more; blocking.
    pub(crate) fn rescan(&self) -> Vec<ServiceId> {
        let known = known(&self.snapshot());
        let mut found = Vec::new();
        for root in &self.0.roots {
            let source = |dir| Source::Directory { dir };
            found.extend(scan::services(root, &known, &source));
        }
        let source = |dir| Source::Published { dir };
        found.extend(scan::services(&self.0.published, &known, &source));
        let mut catalog = self.catalog();
        let labels: HashMap<&str, ()> = found.iter().map(|one| (one.label.as_str(), ())).collect();
        let gone: Vec<String> = catalog
            .iter()
            .filter(|entry| {
                entry.service.source != Source::Builtin && entry.state != ServiceState::Retired
            })
            .map(|entry| entry.service.label.clone())
            .chain(catalog.broken().map(|(label, _)| label.to_owned()))
            .filter(|label| !labels.contains_key(label.as_str()))
            .collect();
        let mut lost = Vec::new();
        for label in gone {
            for id in catalog.remove_directory(&label) {
                tracing::info!(service = %id, directory = label, "its directory is gone: retired");
                lost.push(id);
            }
        }
        // Lower versions first, so that each finds those that it claims to be compatible with. Of equal ones the order
        // stays: who comes first supplies the version.
        let changed = found
            .into_iter()
            .filter_map(|one| Some((one.label, one.service?)));
        let mut changed: Vec<_> = changed.collect();
        changed.sort_by(|(_, a), (_, b)| {
            let version =
                |one: &Result<Service, _>| one.as_ref().ok().map(|it| it.id.version.clone());
            version(a).cmp(&version(b))
        });
        let retired = self.retired();
        for (label, mut service) in changed {
            if let Ok(service) = &mut service {
                warn_of_breaks(&catalog, service);
            }
            match service {
                Ok(service)
                    if matches!(service.source, Source::Published { .. })
                        && retired.contains(&service.id.to_string()) =>
                {
                    // Known, so that jobs that run it can be concluded; whoever supplies the version now goes first.
                    if catalog.get(&service.id).is_none() {
                        let id = service.id.clone();
                        insert(&mut catalog, service);
                        let _ = catalog.retire(&id);
                    }
                }
                Ok(service) => insert(&mut catalog, service),
                Err(problems) => {
                    let known = catalog
                        .broken()
                        .any(|(known, old)| known == label && old == problems.as_slice());
                    if !known {
                        for problem in &problems {
                            tracing::warn!(%problem, "a service is broken");
                        }
                        catalog.set_broken(&label, problems);
                    }
                }
            }
        }
        lost.retain(|id| {
            catalog
                .get(id)
                .is_some_and(|entry| entry.state == ServiceState::Retired)
        });
        lost
    }

    /// Publishes one version.
    ///
    /// # Errors
    /// [`ServiceError`]; then nothing was changed.
    pub async fn publish(
        &self,
        wanted: ServiceId,
        publication: Publication,
        allowed: Allowed,
    ) -> Result<Published, ServiceError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let this = self.clone();
        let id = wanted.clone();
        let done =
            tokio::task::spawn_blocking(move || this.publish_files(&id, &publication, &allowed))
                .await
                .map_err(|error| io::Error::other(error.to_string()))??;
        self.retired().remove(&wanted.to_string());
        self.keep_state(&wanted).await?;
        Ok(done)
    }

    fn publish_files(
        &self,
        wanted: &ServiceId,
        publication: &Publication,
        allowed: &Allowed,
    ) -> Result<Published, ServiceError> {
        let dir = self.0.published.join(directory_name(wanted));
        let files = check(publication, &dir)?;
        let mut service = Service::load_as(&files, Some(wanted)).map_err(ServiceError::Broken)?;
        service.written_at = Some(wall_ms() / 1_000);
        if service.id != *wanted {
            return Err(ServiceError::Mismatch {
                wanted: wanted.clone(),
                found: service.id,
            });
        }
        let before = self
            .catalog()
            .get(wanted)
            .filter(|entry| entry.state != ServiceState::Retired)
            .cloned();
        if let Some(before) = &before {
            let digest = before.service.digest.clone();
            if let Source::Directory { .. } | Source::Builtin = before.service.source {
                let label = before.service.label.clone();
                return Err(CatalogError::Supplied {
                    id: wanted.clone(),
                    label,
                }
                .into());
            }
            match &allowed.replace {
                MayReplace::Digest(expected) if *expected != digest => {
                    return Err(ServiceError::Stale {
                        id: wanted.clone(),
                        digest,
                    });
                }
                _ if digest == service.digest => return Ok(Published::Unchanged),
                MayReplace::Nothing => {
                    return Err(ServiceError::AlreadyPublished {
                        id: wanted.clone(),
                        digest,
                    });
                }
                MayReplace::Anything | MayReplace::Digest(_) => {}
            }
        } else if let MayReplace::Digest(_) = allowed.replace {
            return Err(ServiceError::Stale {
                id: wanted.clone(),
                digest: String::new(),
            });
        }
        if !allowed.breaking {
            // Two contracts are compared, which takes a while: not under the lock.
            let catalog = self.snapshot();
            if let Some(breaks) = Breaks::of(&catalog, &service) {
                return Err(ServiceError::Breaking(Box::new(breaks)));
            }
        }
        write_directory(&dir, publication)?;
        let mut catalog = self.catalog();
        catalog
            .insert(service)
            .map_err(|problem| ServiceError::Broken(vec![problem]))?;
        Ok(if before.is_some() {
            Published::Replaced
        } else {
            Published::New
        })
    }

    /// Retires a published version: no new jobs, and those that wait say so.
    ///
    /// # Errors
    /// [`ServiceError::Catalog`] if it is not there or a directory supplies it.
    pub async fn retire(&self, id: &ServiceId) -> Result<(), ServiceError> {
        let _one_at_a_time = self.0.changes.lock().await;
        self.catalog().retire(id)?;
        // The files stay where they are: jobs that run may still need them.
        self.retired().insert(id.to_string());
        self.keep_state(id).await
    }

    /// Starts no more jobs of a version until it is resumed; durable.
    ///
    /// # Errors
    /// [`ServiceError::Catalog`] if it is not there or retired.
    pub async fn pause(&self, id: &ServiceId) -> Result<(), ServiceError> {
        self.catalog().pause(id)?;
        self.keep_state(id).await
    }

    /// Undoes [`Self::pause`].
    ///
    /// # Errors
    /// [`ServiceError::Catalog`] if it is not there or retired.
    pub async fn resume(&self, id: &ServiceId) -> Result<(), ServiceError> {
        self.catalog().resume(id)?;
        self.keep_state(id).await
    }

    /// Keeps the state of one service and tells the engine.
    async fn keep_state(&self, id: &ServiceId) -> Result<(), ServiceError> {
        self.announce();
        let Some(entry) = self.catalog().get(id).cloned() else {
            return Ok(());
        };
        let engine = self
            .0
            .engine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(engine) = engine else {
            return Err(StoreError::Closed.into());
        };
        let name = id.to_string();
        let status = status_of(&entry);
        let kept = engine.call(move |engine, _| {
            engine
                .store()
                .set_service_state(&name, status.paused, status.retired)?;
            engine.set_service(&name.into(), status);
            Ok::<_, StoreError>(())
        });
        match kept.await {
            Ok(()) => Ok(()),
            Err(CallError::Store(error)) => Err(error.into()),
            Err(CallError::Refused(refusal)) => Err(io::Error::other(refusal.to_string()).into()),
        }
    }

    /// Reads the directories again and tells the engine of everything; after a change of a watched directory.
    pub(crate) async fn refresh(&self) {
        let _one_at_a_time = self.0.changes.lock().await;
        let this = self.clone();
        let Ok(gone) = tokio::task::spawn_blocking(move || this.rescan()).await else {
            return;
        };
        self.announce();
        let engine = self
            .0
            .engine
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(engine) = engine else { return };
        let statuses: Vec<_> = self
            .snapshot()
            .iter()
            .map(|entry| (entry.service.id.to_string(), status_of(entry)))
            .collect();
        let told = engine.call(move |engine, _| {
            for id in gone {
                // So that jobs that wait for it say so after a restart too.
                engine
                    .store()
                    .set_service_state(&id.to_string(), false, true)?;
            }
            for (name, status) in statuses {
                engine.set_service(&name.into(), status);
            }
            Ok::<_, StoreError>(())
        });
        if let Err(error) = told.await {
            tracing::warn!(%error, "the engine was not told of changed services");
        }
    }
}

/// What directories supply now: read anew only when something in them is.
fn known(catalog: &Catalog) -> scan::Known {
    let broken: HashSet<&str> = catalog.broken().map(|(label, _)| label).collect();
    let supplied = catalog.iter().filter(|entry| {
        entry.state != ServiceState::Retired && !broken.contains(&*entry.service.label)
    });
    supplied
        .filter_map(|Entry { service, .. }| {
            let dir = service.source.dir()?.to_owned();
            Some((service.label.clone(), (service.digest.clone(), dir)))
        })
        .collect()
}

/// What a watched directory supplies is served even if it breaks callers: whoever changes files there is not asked for more,
/// and a platform that starts without a service would break all of them.
fn warn_of_breaks(catalog: &Catalog, service: &mut Service) {
    let is_known = catalog
        .get(&service.id)
        .is_some_and(|entry| entry.service.digest == service.digest);
    if is_known || !matches!(service.source, Source::Directory { .. }) {
        return;
    }
    if let Some(breaks) = Breaks::of(catalog, service) {
        let warning = breaks.warning(&service.label);
        tracing::warn!(service = %service.id, problem = %warning, "a contract breaks callers");
        service.warnings.push(warning);
    }
}

fn insert(catalog: &mut Catalog, service: Service) {
    let id = service.id.clone();
    for warning in &service.warnings {
        tracing::debug!(%warning, "a service has a warning");
    }
    let known = catalog.broken().any(|(label, _)| label == service.label);
    match catalog.insert(service) {
        Ok(trefoil_director::Inserted::Unchanged) => {}
        Ok(what) => tracing::info!(service = %id, ?what, "service"),
        Err(_) if known => {}
        Err(problem) => tracing::warn!(%problem, "a service is broken"),
    }
}

fn status_of(entry: &Entry) -> ServiceStatus {
    let run = entry.service.run.as_ref();
    ServiceStatus {
        runner: run.map(|run| match run.kind {
            RunKind::Program { .. } => RunnerKind::Program,
            RunKind::Builtin { .. } => RunnerKind::Builtin,
        }),
        paused: entry.state == ServiceState::Paused,
        retired: entry.state == ServiceState::Retired,
        slots: run.and_then(|run| run.slots),
    }
}
