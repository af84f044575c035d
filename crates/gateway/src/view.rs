//! Jobs and services as the API shows them.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use trefoil_director::{Entry, RunKind, Service};
use trefoil_jobs::{Counts, Job, JobId, Origin, Spec, State, WaitReason};
use trefoil_server::{
    Node,
    hub::Progress,
    store::{JobView, StoreError},
};

mod rerun;
#[cfg(test)]
mod tests;

/// Milliseconds since the epoch as RFC 3339, UTC, with milliseconds.
pub(crate) fn time(ms: u64) -> String {
    let stamp = i64::try_from(ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    // A time beyond the year 9999 can only come from a limit that means "never".
    format!("{:.3}", stamp.unwrap_or(Timestamp::MAX))
}

/// Why jobs wait, asked for once a service: a page of a thousand jobs is one or two questions to the engine.
#[derive(Default)]
pub(crate) struct Reasons(HashMap<Arc<str>, (WaitReason, String)>);

impl Reasons {
    async fn of(&mut self, node: &Node, job: &Job) -> Option<(WaitReason, String)> {
        if job.state != State::Queued || job.counts.is_some() {
            return node.reason(job).await;
        }
        if let Some(known) = self.0.get(&job.service) {
            return Some(known.clone());
        }
        let reason = node.reason(job).await?;
        self.0.insert(Arc::clone(&job.service), reason.clone());
        Some(reason)
    }
}

/// A Job of the API.
pub(crate) async fn job_json(node: &Node, view: &JobView) -> Result<Value, StoreError> {
    let progress = node.hub.progress_of(view.job.id);
    job_with(node, view, progress, &mut Reasons::default()).await
}

/// Jobs of the API, for lists.
pub(crate) async fn jobs_json(node: &Node, views: &[JobView]) -> Result<Vec<Value>, StoreError> {
    let mut reasons = Reasons::default();
    let mut items = Vec::with_capacity(views.len());
    for view in views {
        let progress = node.hub.progress_of(view.job.id);
        items.push(job_with(node, view, progress, &mut reasons).await?);
    }
    Ok(items)
}

/// A Job of the API together with its entity tag; both tell of the same progress.
pub(crate) async fn tagged_job(node: &Node, view: &JobView) -> Result<(Value, String), StoreError> {
    let progress = node.hub.progress_of(view.job.id);
    let told = progress.as_ref().map_or(0, |progress| progress.seq);
    let job = job_with(node, view, progress, &mut Reasons::default()).await?;
    let unknown = job["rerun"]["identical"].is_null() && job.get("rerun").is_some();
    let also = job["reason"]["code"].as_str();
    let also = also.or(unknown.then_some("uncompared"));
    let tag = job_tag(view.job.revision, told, also);
    Ok((job, tag))
}

/// The entity tag of a job, without quotes: its revision, how often its attempt told of progress, and what can change while
/// nothing happens to the job itself: why it waits, or that what it was to be compared with is gone.
fn job_tag(revision: u32, told: u64, also: Option<&str>) -> String {
    match also {
        Some(also) => format!("{revision}-{told}-{also}"),
        None => format!("{revision}-{told}"),
    }
}

/// The revision in an entity tag of a job.
pub(crate) fn revision_of(tag: &str) -> Option<u32> {
    let mut parts = tag.splitn(3, '-');
    let revision = parts.next()?.parse().ok()?;
    parts.next()?.parse::<u64>().ok()?;
    Some(revision)
}

async fn job_with(
    node: &Node,
    view: &JobView,
    progress: Option<Progress>,
    reasons: &mut Reasons,
) -> Result<Value, StoreError> {
    let JobView { job, spec } = view;
    let mut json = plain_job(job, spec, progress.as_ref());
    if let Some((code, detail)) = reasons.of(node, job).await {
        json.insert(
            "reason".to_owned(),
            json!({ "code": code.as_str(), "detail": detail }),
        );
    }
    if let Some(Origin::RerunOf(of)) = spec.origin
        && job.state.is_terminal()
    {
        json.insert("rerun".to_owned(), rerun::comparison(node, job, of).await?);
    }
    Ok(Value::Object(json))
}

/// What job, spec and progress tell by themselves.
fn plain_job(job: &Job, spec: &Spec, progress: Option<&Progress>) -> Map<String, Value> {
    let mut json = Map::new();
    let mut put = |name: &str, value: Value| {
        json.insert(name.to_owned(), value);
    };
    put("id", job.id.to_string().into());
    put("service", (*job.service).into());
    put("method", "run".into());
    put("state", job.state.as_str().into());
    put("submitter", (*job.submitter).into());
    put("priority", job.priority.into());
    put("labels", json!(spec.labels));
    put("attempt", job.attempt.into());
    put("created_at", time(job.created_ms).into());
    put("revision", job.revision.into());
    put("progress", fraction(job, progress));
    put("links", links(job));
    let delayed = job.state == State::Accepted && job.counts.is_none();
    let times = [
        ("not_before", job.wake_ms.filter(|_| delayed)),
        ("queued_at", job.queued_ms),
        ("started_at", job.started_ms),
        ("ended_at", job.ended_ms),
        ("deadline", job.deadline_ms),
    ];
    for (name, ms) in times {
        if let Some(ms) = ms {
            put(name, time(ms).into());
        }
    }
    if let Some(name) = &spec.name {
        put("name", name.as_str().into());
    }
    if let Some(message) = progress.and_then(|progress| progress.message.as_deref()) {
        put("message", message.into());
    }
    if let Some(parent) = job.parent {
        put("parent", parent.to_string().into());
    }
    if let Some(batch) = job.batch {
        put("batch", batch.to_string().into());
    }
    if job.parent.is_some() || job.batch.is_some() {
        put("index", job.index.into());
    }
    if let Some(counts) = job.counts {
        put("tasks", counts_json(counts));
    }
    // What a failed attempt left is not the error of a job that goes on, or went well in the end.
    if let Some(failure) = job
        .failure
        .as_deref()
        .filter(|_| matches!(job.state, State::Failed | State::Retrying))
    {
        put("error", crate::error::failure_json(failure));
    }
    if let Some(why) = job.cancel.as_deref().filter(|why| !why.is_empty()) {
        put("cancel_reason", why.into());
    }
    match spec.origin {
        Some(Origin::RetryOf(of)) => put("retry_of", of.to_string().into()),
        Some(Origin::RerunOf(of)) => put("rerun_of", of.to_string().into()),
        None => {}
    }
    json
}

/// The counts of a sweep's tasks.
pub(crate) fn counts_json(counts: Counts) -> Value {
    json!({
        "total": counts.total,
        "waiting": counts.waiting,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "canceled": counts.canceled,
    })
}

/// 0 to 1: of a sweep, how many tasks have ended.
fn fraction(job: &Job, progress: Option<&Progress>) -> Value {
    if job.state == State::Succeeded {
        return 1.into();
    }
    match (job.counts, progress) {
        (Some(counts), _) if counts.total > 0 => {
            let ended = counts.total.saturating_sub(counts.unfinished());
            (f64::from(ended) / f64::from(counts.total)).into()
        }
        // Through text: 0.1 as a float is 0.1, not 0.10000000149011612.
        (_, Some(progress)) => progress
            .fraction
            .to_string()
            .parse::<f64>()
            .unwrap_or(0.0)
            .clamp(0.0, 1.0)
            .into(),
        (_, None) => 0.into(),
    }
}

/// The address of a job.
pub(crate) fn job_href(id: JobId) -> String {
    format!("/v1/jobs/{id}")
}

fn links(job: &Job) -> Value {
    let own = job_href(job.id);
    let mut links = json!({
        "self": own,
        "result": format!("{own}/result"),
        "logs": format!("{own}/logs"),
        "events": format!("{own}/events"),
        "attempts": format!("{own}/attempts"),
        "inputs": format!("{own}/inputs"),
        "provenance": format!("{own}/provenance"),
    });
    if !job.state.is_terminal() {
        links["cancel"] = format!("{own}:cancel").into();
    }
    if job.counts.is_some() {
        links["tasks"] = format!("{own}/tasks").into();
    }
    links
}

/// The address of one version of a service.
pub(crate) fn service_href(service: &Service) -> String {
    // `+` of build metadata is a blank to some readers of queries, but paths keep it.
    format!("/v1/services/{}", service.id)
}

/// A Service of the API.
pub(crate) fn service_json(node: &Node, entry: &Entry) -> Value {
    let service = &entry.service;
    let own = service_href(service);
    let mut json = service.to_json();
    json["state"] = json!(entry.state);
    json["workers"] = match cannot_run(node, service) {
        None => json!({ "able": true }),
        Some(reason) => json!({ "able": false, "reason": reason }),
    };
    let mut links = vec![
        json!({ "rel": "self", "href": own }),
        json!({ "rel": "versions", "href": format!("/v1/services/{}/versions", service.id.key) }),
        json!({ "rel": "jobs", "href": format!("/v1/jobs?service={}", service.id) }),
    ];
    if service.run.is_some() {
        links.push(json!({ "rel": "run", "href": format!("/v1/call/{}/run", service.id) }));
    }
    json["links"] = Value::Array(links);
    json
}

/// The entity tag of a service, without quotes. It begins with the digest, which is what `If-Match` compares.
pub(crate) fn service_tag(node: &Node, entry: &Entry) -> String {
    let able = if cannot_run(node, &entry.service).is_none() {
        "able"
    } else {
        "unable"
    };
    let state = json!(entry.state);
    format!(
        "{}-{}-{able}",
        entry.service.digest,
        state.as_str().unwrap_or_default()
    )
}

/// The digest in an entity tag of a service.
pub(crate) fn digest_of(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

/// Why no worker of this platform could run a service.
fn cannot_run(node: &Node, service: &Service) -> Option<String> {
    let Some(run) = &service.run else {
        return Some("it has no service.toml, so nothing says how it runs".to_owned());
    };
    let config = &node.config;
    match run.kind {
        RunKind::Builtin { .. } => None,
        RunKind::Program { .. } if !config.workers_enabled => {
            Some("programs are not run here (workers.enabled)".to_owned())
        }
        RunKind::Program { .. }
            if run.resources.milli_cpus > config.worker_slots.saturating_mul(1_000) =>
        {
            Some(format!(
                "it needs {} CPUs, the worker has {}",
                run.resources.cpus(),
                config.worker_slots
            ))
        }
        RunKind::Program { .. } if run.resources.memory > config.worker_memory => Some(format!(
            "it needs {} bytes of memory, the worker has {}",
            run.resources.memory, config.worker_memory
        )),
        RunKind::Program { .. } => None,
    }
}
