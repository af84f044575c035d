//! From a request of any wire to jobs: resolve the service, check the inputs, pin the limits.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Map, Value, value::RawValue};
use tokio::sync::watch;
use trefoil_director::{ResolveError, RunKind, RunSpec, Service, ServiceRequest, Violation, file_refs, validate_inputs};
use trefoil_jobs::{
    Accepted, Axis, FailureClass, Idempotency, Limits, Refusal, Resources, RetryPolicy, Spec, Submission, Sweep,
    SweepMode,
};

use crate::{
    Node,
    engine_thread::CallError,
    files::Sha256,
    hub::Seen,
    store::StoreError,
};

/// Most violations reported at once: more help nobody.
const VIOLATIONS_MAX: usize = 100;
/// Milliseconds and bytes that a job may ask for: what JSON numbers and the store can hold exactly.
const NUMBER_MAX: u64 = 1 << 53;
/// Attempts and crashes that a job may ask for.
const ATTEMPTS_MAX: u32 = 100;

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
    /// See [`RetryPolicy::max_attempts`].
    pub max_attempts: Option<u32>,
    /// See [`RetryPolicy::max_crashes`].
    pub max_crashes: Option<u32>,
    /// See [`RetryPolicy::initial_ms`].
    pub initial_ms: Option<u64>,
    /// See [`RetryPolicy::factor`].
    pub factor: Option<f64>,
    /// See [`RetryPolicy::max_ms`].
    pub max_ms: Option<u64>,
    /// See [`RetryPolicy::jitter`].
    pub jitter: Option<bool>,
    /// See [`RetryPolicy::retry_on`].
    pub retry_on: Option<Vec<FailureClass>>,
}

impl JobRequest {
    /// A request with nothing but a service and its inputs.
    #[must_use]
    pub fn new(service: ServiceRequest, inputs: Map<String, Value>) -> Self {
        Self {
            service,
            inputs,
            submitter: Arc::from("anonymous"),
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
        let submissions = self.resolve(requests, batch).await?;
        let service = submissions.first().map_or_else(|| Arc::from(""), |first| Arc::clone(&first.service));
        let hub = (!batch).then(|| self.hub.clone());
        let (accepted, watch) = self
            .engine
            .call(move |engine, now| {
                let accepted = engine.submit(now, submissions, batch, idempotency.as_ref())?;
                // Here nothing can have happened to the job yet, so the watch misses nothing.
                let watch = hub.map(|hub| hub.watch(accepted.first));
                Ok::<_, CallError>((accepted, watch))
            })
            .await?;
        Ok(Submitted { accepted, service, watch })
    }

    /// Checks requests without accepting anything.
    ///
    /// # Errors
    /// As [`Self::submit`] would.
    pub async fn check(&self, requests: Vec<JobRequest>, batch: bool) -> Result<(), SubmitError> {
        let submissions = self.resolve(requests, batch).await?;
        self.engine
            .call(move |engine, _| {
                submissions.iter().try_for_each(|submission| {
                    engine.admits(&submission.service, submission.spec.resources).map_err(CallError::from)
                })
            })
            .await?;
        Ok(())
    }

    async fn resolve(&self, requests: Vec<JobRequest>, batch: bool) -> Result<Vec<Submission>, SubmitError> {
        let catalog = self.services.snapshot();
        let mut submissions = Vec::with_capacity(requests.len());
        let mut violations = Vec::new();
        let mut wanted: BTreeMap<Sha256, (usize, String)> = BTreeMap::new();
        for (index, request) in requests.into_iter().enumerate() {
            let prefix = if batch { format!("/{index}") } else { String::new() };
            let service = catalog
                .resolve(&request.service)
                .map_err(|error| SubmitError::Resolve { index, error })?;
            match self.prepare(&service, request) {
                Ok(submission) => {
                    for sha256 in &submission.spec.files {
                        if let Ok(sha256) = sha256.parse() {
                            wanted.entry(sha256).or_insert((index, prefix.clone()));
                        }
                    }
                    submissions.push(submission);
                }
                Err(found) => violations.extend(found.into_iter().map(|mut violation| {
                    violation.pointer.insert_str(0, &prefix);
                    violation
                })),
            }
            if violations.len() >= VIOLATIONS_MAX {
                break;
            }
        }
        if !wanted.is_empty() && violations.is_empty() {
            for sha256 in self.readers.missing_files(wanted.keys().copied().collect()).await? {
                let prefix = wanted.get(&sha256).map(|(_, prefix)| prefix.as_str()).unwrap_or_default();
                violations.push(Violation {
                    pointer: format!("{prefix}/inputs"),
                    rule: "file".to_owned(),
                    detail: format!("there is no file {sha256}: upload it first (POST /v1/files)"),
                });
            }
        }
        if violations.is_empty() { Ok(submissions) } else { Err(SubmitError::Invalid(violations)) }
    }

    fn prepare(&self, service: &Service, request: JobRequest) -> Result<Submission, Vec<Violation>> {
        let mut violations = Vec::new();
        let run = service.run.as_ref();
        let limits = merge_limits(run, &request.limits, &mut violations);
        let retry = merge_retry(run, &request.retry, &mut violations);
        let resources = resources(run, &request);
        if resources.memory > NUMBER_MAX {
            violations.push(violation("/resources/memory", "range", format!("must be at most {NUMBER_MAX} bytes")));
        }
        if request.not_before_ms.is_some_and(|at| at > NUMBER_MAX) {
            violations.push(violation("/not_before", "range", "is too far away".to_owned()));
        }
        let (inputs, sweep, files) = match self.inputs(service, request.inputs, request.sweep) {
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

    /// Checks inputs, every swept value included; returns the text, the sweep and the files of all of them.
    #[expect(clippy::type_complexity, reason = "three parts of one spec, used once")]
    fn inputs(
        &self,
        service: &Service,
        inputs: Map<String, Value>,
        sweep: Option<(SweepMode, Vec<Axis>)>,
    ) -> Result<(Box<RawValue>, Option<Sweep>, Vec<String>), Vec<Violation>> {
        let Some((mode, axes)) = sweep else {
            let inputs = validate_inputs(service, inputs).map_err(|found| below("/inputs", found))?;
            let files = files_of(service, &inputs);
            return Ok((raw(&inputs), None, files));
        };
        let sweep = Sweep::new(mode, axes, self.config.sweep_tasks_max)
            .map_err(|error| vec![violation("/sweep", "sweep", error.to_string())])?;
        let both = sweep.axes().iter().filter(|axis| inputs.contains_key(&axis.port));
        let mut violations: Vec<Violation> = both
            .map(|axis| violation(&format!("/inputs/{}", axis.port), "swept", "is swept: give it once".to_owned()))
            .collect();
        // Ports are checked one by one, so each swept value needs to be looked at only once, whatever the combinations.
        let mut base = inputs;
        base.extend(sweep.task(0).map(|(port, value)| (port.to_owned(), value.clone())));
        let checked = validate_inputs(service, base.clone());
        let mut files = Vec::new();
        let mut axes = sweep.axes().to_vec();
        match checked {
            Err(found) => violations.extend(below("/inputs", found)),
            Ok(checked) => {
                files.extend(files_of(service, &checked));
                for axis in &mut axes {
                    for (i, value) in axis.values.iter_mut().enumerate() {
                        let mut one = checked.clone();
                        one.insert(axis.port.clone(), value.clone());
                        match validate_inputs(service, one) {
                            Ok(one) => {
                                files.extend(files_of(service, &one));
                                if let Some(normal) = one.get(&axis.port) {
                                    *value = normal.clone();
                                }
                            }
                            Err(found) => {
                                let pointer = format!("/sweep/values/{}/{i}", axis.port);
                                violations.extend(found.into_iter().map(|v| Violation { pointer: pointer.clone(), ..v }));
                            }
                        }
                        if violations.len() >= VIOLATIONS_MAX {
                            return Err(violations);
                        }
                    }
                }
                base = checked;
            }
        }
        if !violations.is_empty() {
            return Err(violations);
        }
        files.sort_unstable();
        files.dedup();
        let sweep = Sweep::new(mode, axes, self.config.sweep_tasks_max)
            .map_err(|error| vec![violation("/sweep", "sweep", error.to_string())])?;
        for axis in sweep.axes() {
            base.remove(&axis.port);
        }
        Ok((raw(&base), Some(sweep), files))
    }
}

fn violation(pointer: &str, rule: &str, detail: String) -> Violation {
    Violation { pointer: pointer.to_owned(), rule: rule.to_owned(), detail }
}

fn below(place: &str, mut found: Vec<Violation>) -> Vec<Violation> {
    found.iter_mut().for_each(|violation| violation.pointer.insert_str(0, place));
    found
}

fn files_of(service: &Service, inputs: &Map<String, Value>) -> Vec<String> {
    let mut files: Vec<String> = file_refs(service, inputs).into_iter().map(|file| file.sha256).collect();
    files.sort_unstable();
    files.dedup();
    files
}

fn raw(value: &Map<String, Value>) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).expect("a JSON tree always has a text")
}

fn resources(run: Option<&RunSpec>, request: &JobRequest) -> Resources {
    // Functions of the platform cost a moment of its own time, not a slot of a worker.
    let (milli_cpus, memory) = match run {
        Some(RunSpec { kind: RunKind::Builtin { .. }, .. }) | None => (0, 0),
        Some(run) => (run.resources.milli_cpus, run.resources.memory),
    };
    Resources {
        milli_cpus: request.milli_cpus.unwrap_or(milli_cpus),
        memory: request.memory.unwrap_or(memory),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn merge_limits(run: Option<&RunSpec>, asked: &Limits, violations: &mut Vec<Violation>) -> Limits {
    let own = run.map(|run| run.limits);
    let pick = |asked: Option<u64>, own: Option<Duration>| asked.or(own.map(ms));
    let merged = Limits {
        queue_ms: pick(asked.queue_ms, own.and_then(|own| own.queue)),
        attempt_soft_ms: pick(asked.attempt_soft_ms, own.and_then(|own| own.attempt_soft)),
        attempt_ms: pick(asked.attempt_ms, own.and_then(|own| own.attempt)),
        silence_ms: pick(asked.silence_ms, own.and_then(|own| own.silence)),
        deadline_ms: asked.deadline_ms,
        grace_ms: pick(asked.grace_ms, own.map(|own| own.grace)),
    };
    let members = [
        ("queue", asked.queue_ms),
        ("attempt_soft", asked.attempt_soft_ms),
        ("attempt", asked.attempt_ms),
        ("silence", asked.silence_ms),
        ("grace", asked.grace_ms),
        ("deadline", asked.deadline_ms),
    ];
    for (member, _) in members.iter().filter(|(_, value)| value.is_some_and(|value| value > NUMBER_MAX)) {
        violations.push(violation(&format!("/limits/{member}"), "range", "is too long".to_owned()));
    }
    if let (Some(soft), Some(hard)) = (merged.attempt_soft_ms, merged.attempt_ms)
        && soft > hard
        && asked.attempt_soft_ms.is_some()
    {
        let detail = format!("the soft limit of {soft} ms is beyond the hard one of {hard} ms");
        violations.push(violation("/limits/attempt_soft", "limits", detail));
    }
    merged
}

fn merge_retry(run: Option<&RunSpec>, asked: &RetryPatch, violations: &mut Vec<Violation>) -> RetryPolicy {
    let own = run.map(|run| &run.retry).map_or_else(RetryPolicy::default, |own| RetryPolicy {
        max_attempts: own.max_attempts,
        max_crashes: own.max_crashes,
        initial_ms: ms(own.initial),
        factor: own.factor,
        max_ms: ms(own.max),
        jitter: own.jitter,
        retry_on: own.retry_on.iter().filter_map(|class| class_of(class.name())).collect(),
    });
    let merged = RetryPolicy {
        max_attempts: asked.max_attempts.unwrap_or(own.max_attempts),
        max_crashes: asked.max_crashes.unwrap_or(own.max_crashes),
        initial_ms: asked.initial_ms.unwrap_or(own.initial_ms),
        factor: asked.factor.unwrap_or(own.factor),
        max_ms: asked.max_ms.unwrap_or(own.max_ms),
        jitter: asked.jitter.unwrap_or(own.jitter),
        retry_on: asked.retry_on.clone().unwrap_or(own.retry_on),
    };
    let mut refuse = |member: &str, detail: String| {
        violations.push(violation(&format!("/retry/{member}"), "range", detail));
    };
    if !(1..=ATTEMPTS_MAX).contains(&merged.max_attempts) {
        refuse("max_attempts", format!("must be 1 to {ATTEMPTS_MAX}"));
    }
    if merged.max_crashes > ATTEMPTS_MAX {
        refuse("max_crashes", format!("must be 0 to {ATTEMPTS_MAX}"));
    }
    if !(1.0..=100.0).contains(&merged.factor) {
        refuse("factor", "must be 1 to 100".to_owned());
    }
    merged
}

fn class_of(name: &str) -> Option<FailureClass> {
    FailureClass::ALL.into_iter().find(|class| class.as_str() == name)
}
