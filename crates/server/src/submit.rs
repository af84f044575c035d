//! From a request of any wire to jobs: resolve the service, check the inputs, pin the limits.

mod inputs;
mod merge;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};
use tokio::sync::watch;
use trefoil_director::{Catalog, ResolveError, Service, ServiceRequest, Violation};
use trefoil_jobs::{
    Accepted, Axis, FailureClass, Idempotency, Limits, Refusal, Spec, Submission, SweepMode,
};

use self::inputs::check_inputs;
use self::merge::{NUMBER_MAX, merge_limits, merge_retry, resources};
use crate::{
    Node,
    engine_thread::{CallError, PlatformEngine},
    files::Sha256,
    hub::Seen,
    idempotency::ANONYMOUS,
    store::StoreError,
};

/// Most violations reported at once: more help nobody.
const VIOLATIONS_MAX: usize = 100;
/// From so many requests on they are checked where nobody else waits.
const BATCH_LARGE: usize = 256;

/// What somebody wants, in no wire's words.
#[derive(Debug, Clone)]
pub struct JobRequest {
    /// Which service.
    pub service: ServiceRequest,
    /// Port to value; for a sweep, those that are not swept.
    pub inputs: Map<String, Value>,
    /// Who asks.
    pub submitter: Arc<str>,
    /// Higher first, among this submitter's jobs.
    pub priority: i32,
    /// A name for people.
    pub name: Option<String>,
    /// For filters.
    pub labels: BTreeMap<String, String>,
    /// Not to start before, wall-clock milliseconds.
    pub not_before_ms: Option<u64>,
    /// Instead of what the service reserves.
    pub milli_cpus: Option<u32>,
    /// Instead of what the service reserves, bytes.
    pub memory: Option<u64>,
    /// Instead of the service's own, where set; `deadline_ms` is only here.
    pub limits: Limits,
    /// Instead of the service's own, where set.
    pub retry: RetryPatch,
    /// A sweep: how, and over what.
    pub sweep: Option<(SweepMode, Vec<Axis>)>,
    /// Refuse rather than wait for a worker that is not there.
    pub strict: bool,
}

/// A retry policy of which only some is given.
#[derive(Debug, Clone, Default)]
pub struct RetryPatch {
    /// See [`trefoil_jobs::RetryPolicy::max_attempts`].
    pub max_attempts: Option<u32>,
    /// See [`trefoil_jobs::RetryPolicy::max_crashes`].
    pub max_crashes: Option<u32>,
    /// See [`trefoil_jobs::RetryPolicy::initial_ms`].
    pub initial_ms: Option<u64>,
    /// See [`trefoil_jobs::RetryPolicy::factor`].
    pub factor: Option<f64>,
    /// See [`trefoil_jobs::RetryPolicy::max_ms`].
    pub max_ms: Option<u64>,
    /// See [`trefoil_jobs::RetryPolicy::jitter`].
    pub jitter: Option<bool>,
    /// See [`trefoil_jobs::RetryPolicy::retry_on`].
    pub retry_on: Option<Vec<FailureClass>>,
}

impl JobRequest {
    /// A request with nothing but a service and its inputs.
    #[must_use]
    pub fn new(service: ServiceRequest, inputs: Map<String, Value>) -> Self {
        Self {
            service,
            inputs,
            submitter: Arc::from(ANONYMOUS),
            priority: 0,
            name: None,
            labels: BTreeMap::new(),
            not_before_ms: None,
            milli_cpus: None,
            memory: None,
            limits: Limits::default(),
            retry: RetryPatch::default(),
            sweep: None,
            strict: false,
        }
    }
}

/// What became of requests.
#[derive(Debug)]
pub struct Submitted {
    /// The jobs.
    pub accepted: Accepted,
    /// `key:version` that was resolved, of the first.
    pub service: Arc<str>,
    /// A watch on the job, begun before it could change; for a single request.
    pub watch: Option<watch::Receiver<Seen>>,
}

/// Why nothing was accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// There is no such service.
    #[error("{error}")]
    Resolve {
        /// Which of the requests.
        index: usize,
        /// Why not.
        error: ResolveError,
    },
    /// The requests do not fit: pointers begin at the request (`/inputs/x`), or with its index in a batch
    /// (`/3/inputs/x`).
    #[error("{} violations", .0.len())]
    Invalid(Vec<Violation>),
    /// The engine refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The platform is stopping.
    #[error("the platform is shutting down")]
    Draining,
    /// There is not enough space left to promise anything.
    #[error("only {free} bytes are free, fewer than the {min} that are kept (disk.free_min)")]
    DiskFull {
        /// What is left.
        free: u64,
        /// What is kept.
        min: u64,
    },
}

impl From<CallError> for SubmitError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Store(StoreError::Closed) => Self::Draining,
            CallError::Store(error) => Self::Store(error),
            CallError::Refused(refusal) => Self::Refused(refusal),
        }
    }
}

impl Node {
    /// Accepts jobs, all or none; durable when this returns. `batch` marks them as one, and puts their index before pointers.
    ///
    /// # Errors
    /// [`SubmitError`]; then nothing was accepted.
    ///
    /// # Cancel safety
    /// If dropped, the jobs may be accepted or not; an idempotency key tells.
    pub async fn submit(
        &self,
        requests: Vec<JobRequest>,
        batch: bool,
        idempotency: Option<Idempotency>,
    ) -> Result<Submitted, SubmitError> {
        if self.is_draining() {
            return Err(SubmitError::Draining);
        }
        self.check_space()?;
        if let Some(known) = self.replay(&requests, idempotency.as_ref()).await? {
            return Ok(known);
        }
        let Resolved { submissions, files } = self.resolve(requests, batch).await?;
        let service = submissions
            .first()
            .map_or_else(|| Arc::from(""), |first| Arc::clone(&first.service));
        let hub = (!batch).then(|| self.hub.clone());
        let accepted = self.engine.call(move |engine, now| {
            // In the same transaction that makes the files used, so that none can be deleted in between.
            let mut violations = missing_files(engine, &files)?;
            if batch {
                violations.extend(never_runnable(engine, &submissions));
            }
            if !violations.is_empty() {
                return Ok(Err(violations));
            }
            let accepted = engine.submit(now, submissions, batch, idempotency.as_ref())?;
            // Here nothing can have happened to the job yet, so the watch misses nothing.
            let watch = hub.map(|hub| hub.watch(accepted.first));
            Ok::<_, CallError>(Ok((accepted, watch)))
        });
        let (accepted, watch) = accepted.await?.map_err(SubmitError::Invalid)?;
        Ok(Submitted {
            accepted,
            service,
            watch,
        })
    }

    /// What a repeated request was answered before; so that it is answered the same even if its service is gone by now.
    async fn replay(
        &self,
        requests: &[JobRequest],
        idempotency: Option<&Idempotency>,
    ) -> Result<Option<Submitted>, SubmitError> {
        let (Some(idempotency), Some(first)) = (idempotency, requests.first()) else {
            return Ok(None);
        };
        let (submitter, key) = (Arc::clone(&first.submitter), Arc::clone(&idempotency.key));
        let known = self.readers.remembered(submitter, key).await?;
        let Some(known) = known.filter(|known| known.fingerprint == idempotency.fingerprint) else {
            return Ok(None);
        };
        let Some(job) = self.readers.job(known.first).await? else {
            return Ok(None);
        };
        let watch = known.batch.is_none().then(|| self.hub.watch(known.first));
        let accepted = Accepted {
            first: known.first,
            ids: vec![known.first],
            count: known.count,
            batch: known.batch,
            replayed: true,
        };
        Ok(Some(Submitted {
            accepted,
            service: job.service,
            watch,
        }))
    }

    /// Checks requests without accepting anything.
    ///
    /// # Errors
    /// As [`Self::submit`] would.
    pub async fn check(&self, requests: Vec<JobRequest>, batch: bool) -> Result<(), SubmitError> {
        let Resolved { submissions, files } = self.resolve(requests, batch).await?;
        let checked = self.engine.call(move |engine, _| {
            let mut violations = missing_files(engine, &files)?;
            if batch {
                violations.extend(never_runnable(engine, &submissions));
            } else {
                for submission in &submissions {
                    engine.admits(&submission.service, submission.spec.resources)?;
                }
            }
            Ok::<_, CallError>(violations)
        });
        let violations = checked.await?;
        if violations.is_empty() {
            Ok(())
        } else {
            Err(SubmitError::Invalid(violations))
        }
    }

    /// Resolves and checks; a large batch on a thread for blocking work, since it takes long enough to be felt.
    async fn resolve(
        &self,
        requests: Vec<JobRequest>,
        batch: bool,
    ) -> Result<Resolved, SubmitError> {
        let (catalog, tasks_max) = (self.services.snapshot(), self.config.sweep_tasks_max);
        if requests.len() < BATCH_LARGE {
            return resolve(&catalog, tasks_max, requests, batch);
        }
        tokio::task::spawn_blocking(move || resolve(&catalog, tasks_max, requests, batch))
            .await
            .map_err(|error| StoreError::Damaged(error.to_string()))?
    }
}

/// What passed all checks that need no store.
struct Resolved {
    submissions: Vec<Submission>,
    /// Every file that is wanted, and the pointer to the inputs that want it first.
    files: BTreeMap<Sha256, String>,
}

/// The lines of a batch that no worker could ever run.
fn never_runnable(engine: &PlatformEngine, submissions: &[Submission]) -> Vec<Violation> {
    let refused = submissions
        .iter()
        .enumerate()
        .filter_map(|(index, submission)| {
            let refusal = engine
                .admits(&submission.service, submission.spec.resources)
                .err()?;
            Some(violation(
                &format!("/{index}/resources"),
                "never-runnable",
                refusal.to_string(),
            ))
        });
    refused.take(VIOLATIONS_MAX).collect()
}

fn missing_files(
    engine: &mut PlatformEngine,
    wanted: &BTreeMap<Sha256, String>,
) -> Result<Vec<Violation>, StoreError> {
    let mut missing = Vec::new();
    for (sha256, pointer) in wanted {
        if missing.len() < VIOLATIONS_MAX && engine.store().file(sha256)?.is_none() {
            let detail = format!("there is no file {sha256}: upload it first (POST /v1/files)");
            missing.push(violation(pointer, "file", detail));
        }
    }
    Ok(missing)
}

fn resolve(
    catalog: &Catalog,
    tasks_max: u32,
    requests: Vec<JobRequest>,
    batch: bool,
) -> Result<Resolved, SubmitError> {
    let mut submissions = Vec::with_capacity(requests.len());
    let mut violations = Vec::new();
    let mut files = BTreeMap::new();
    for (index, request) in requests.into_iter().enumerate() {
        let prefix = if batch {
            format!("/{index}")
        } else {
            String::new()
        };
        let service = catalog
            .resolve(&request.service)
            .map_err(|error| SubmitError::Resolve { index, error })?;
        match prepare(&service, tasks_max, request) {
            Ok(submission) => {
                let hashes = submission
                    .spec
                    .files
                    .iter()
                    .filter_map(|sha256| sha256.parse().ok());
                for sha256 in hashes {
                    files
                        .entry(sha256)
                        .or_insert_with(|| format!("{prefix}/inputs"));
                }
                submissions.push(submission);
            }
            Err(found) => violations.extend(below(&prefix, found)),
        }
        if violations.len() >= VIOLATIONS_MAX {
            break;
        }
    }
    if violations.is_empty() {
        Ok(Resolved { submissions, files })
    } else {
        Err(SubmitError::Invalid(violations))
    }
}

fn prepare(
    service: &Service,
    tasks_max: u32,
    request: JobRequest,
) -> Result<Submission, Vec<Violation>> {
    let mut violations = Vec::new();
    let run = service.run.as_ref();
    let limits = merge_limits(run, &request.limits, &mut violations);
    let retry = merge_retry(run, &request.retry, &mut violations);
    let resources = resources(run, &request);
    if resources.memory > NUMBER_MAX {
        violations.push(violation(
            "/resources/memory",
            "range",
            format!("must be at most {NUMBER_MAX} bytes"),
        ));
    }
    if request.not_before_ms.is_some_and(|at| at > NUMBER_MAX) {
        violations.push(violation(
            "/not_before",
            "range",
            "is too far away".to_owned(),
        ));
    }
    let (inputs, sweep, files) =
        match check_inputs(service, tasks_max, request.inputs, request.sweep) {
            Ok(checked) => checked,
            Err(found) => {
                violations.extend(found);
                return Err(violations);
            }
        };
    if !violations.is_empty() {
        return Err(violations);
    }
    Ok(Submission {
        service: service.id.to_string().into(),
        submitter: request.submitter,
        priority: request.priority,
        not_before_ms: request.not_before_ms,
        strict: request.strict,
        spec: Spec {
            inputs,
            resources,
            limits,
            retry,
            name: request.name,
            labels: request.labels,
            files,
            origin: None,
            sweep,
            swept: None,
        },
    })
}

fn violation(pointer: &str, rule: &str, detail: String) -> Violation {
    Violation {
        pointer: pointer.to_owned(),
        rule: rule.to_owned(),
        detail,
    }
}

fn below(place: &str, mut found: Vec<Violation>) -> Vec<Violation> {
    found
        .iter_mut()
        .for_each(|violation| violation.pointer.insert_str(0, place));
    found
}
