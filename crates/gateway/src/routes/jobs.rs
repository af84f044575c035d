//! Jobs: submitting, listing, reading, changing, and what can be done to one.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Value, json};
use trefoil_jobs::{Accepted, EngineError, Job, JobId, State as JobState};
use trefoil_server::{
    JobRequest, Node, SubmitError,
    idempotency::Fingerprint,
    store::{JobView, StoreError},
};

mod batch;
pub(crate) mod list;
pub(crate) mod submission;
mod sweep;

use crate::{
    error::{Problem, batch_problem},
    extract::{
        BodyHead, IfMatch, JobPath, Members, PathText, Prefer, Query, accepts, idempotency_key,
        is_not_modified, json_body, not_found, not_modified, optional_json_body, set_etag,
        submitter,
    },
    layers::Route,
    method_not_allowed_here,
    view::{job_href, job_json, revision_of, tagged_job},
    wait::{find, find_ended},
};
use submission::Common;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
/// Where submissions go, as their fingerprints know it.
const TARGET: &str = "/v1/jobs";
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest reason for canceling a job that is kept.
const REASON_CHARS_MAX: usize = 1_000;

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/jobs", get(list::list).post(submit))
        // A colon ends an id, so what can be done to a job shares the route of the job.
        .route("/v1/jobs/{id}", any(one))
}

/// What `/v1/jobs/{id}` and `/v1/jobs/{id}:{action}` stand for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Cancel,
    Retry,
    Rerun,
}

async fn one(
    State(node): State<Arc<Node>>,
    PathText(segment): PathText,
    method: Method,
    headers: HeaderMap,
    query: Query,
    body: Body,
) -> Response {
    let (id, action, route) = match segment.rsplit_once(':') {
        None => (segment.as_str(), None, "/v1/jobs/{id}"),
        Some((id, "cancel")) => (id, Some(Action::Cancel), "/v1/jobs/{id}:cancel"),
        Some((id, "retry")) => (id, Some(Action::Retry), "/v1/jobs/{id}:retry"),
        Some((id, "rerun")) => (id, Some(Action::Rerun), "/v1/jobs/{id}:rerun"),
        Some(_) => return not_found().into_response(),
    };
    let answer = async {
        let JobPath(id) = JobPath::parse(id)?;
        match (action, method.as_str()) {
            (None, "GET" | "HEAD") => read(&node, id, &headers, query).await,
            (None, "PATCH") => patch(&node, id, &headers, query, body).await,
            (None, "DELETE") => delete(&node, id, query).await,
            (None, _) => Ok(method_not_allowed_here(
                &method,
                "GET, HEAD, PATCH, DELETE, OPTIONS",
            )),
            (Some(action), "POST") => act(&node, id, action, &headers, query, body).await,
            (Some(_), _) => Ok(method_not_allowed_here(&method, "POST, OPTIONS")),
        }
    };
    let mut response = answer.await.unwrap_or_else(Problem::into_response);
    response.extensions_mut().insert(Route(route));
    response
}

async fn submit(
    State(node): State<Arc<Node>>,
    headers: HeaderMap,
    mut query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let config = &node.config;
    let head = BodyHead::check(
        &headers,
        &[(JSON, config.json_max), (NDJSON, config.ndjson_max)],
    )?;
    let dry_run = query.flag("dry_run")?;
    query.end()?;
    let prefer = Prefer::of(&headers);
    let mut common = Common {
        submitter: submitter(&headers)?,
        strict: prefer.strict,
        now_ms: node.clock.now().wall_ms,
        tasks_max: None,
    };
    let mut fingerprint = idempotency_key(&headers)?.map(|key| Fingerprint::new(key, TARGET));
    let mut response = if head.kind == NDJSON {
        let limits = batch::BatchLimits {
            lines: config.batch_max,
            line: config.json_max,
        };
        let batch = batch::read(&head, body, &common, limits, fingerprint.as_mut()).await?;
        if !batch.violations.is_empty() {
            return Err(batch.refusal(&node).await);
        }
        let requests = batch.requests;
        if dry_run {
            node.check(requests, true).await.map_err(batch_problem)?;
            return Ok(Json(json!({ "valid": true })).into_response());
        }
        submit_batch(&node, requests, fingerprint).await?
    } else {
        common.tasks_max = Some(config.sweep_tasks_max);
        let value = head.json(body).await?;
        if let Some(fingerprint) = &mut fingerprint {
            fingerprint.add(&value);
        }
        let request = read_one(&node, value, &common).await?;
        if dry_run {
            node.check(vec![request], false).await?;
            return Ok(Json(json!({ "valid": true })).into_response());
        }
        let submitted = node
            .submit(vec![request], false, fingerprint.map(Fingerprint::finish))
            .await?;
        let view = find(&node, submitted.accepted.first).await?;
        let mut response = accepted_job(&node, &view).await?;
        replayed(&mut response, &submitted.accepted);
        response
    };
    // Whether anybody waits is not asked here: a submission never does.
    Prefer {
        wait: None,
        respond_async: false,
        ..prefer
    }
    .applied(response.headers_mut());
    Ok(response)
}

/// Reads a single submission. If something is wrong with it, its inputs are looked at all the same: who repairs a request
/// wants to know everything.
async fn read_one(node: &Node, value: Value, common: &Common) -> Result<JobRequest, Problem> {
    let mut violations = Vec::new();
    let request = submission::read(value, "", common, &mut violations);
    match request {
        Some(request) if violations.is_empty() => Ok(request),
        Some(request) => {
            match node.check(vec![request], false).await {
                Err(SubmitError::Invalid(more)) => violations.extend(more),
                // A service that is not there goes before what is wrong with the rest.
                Err(error @ SubmitError::Resolve { .. }) => return Err(error.into()),
                Ok(()) | Err(_) => {}
            }
            Err(violations.into())
        }
        None => Err(violations.into()),
    }
}

async fn submit_batch(
    node: &Node,
    requests: Vec<JobRequest>,
    fingerprint: Option<Fingerprint>,
) -> Result<Response, Problem> {
    let submitted = node
        .submit(requests, true, fingerprint.map(Fingerprint::finish))
        .await
        .map_err(batch_problem)?;
    let accepted = submitted.accepted;
    let ids = match accepted.batch.filter(|_| accepted.replayed) {
        Some(batch) => node.readers.batch(batch).await?,
        None => accepted.ids.clone(),
    };
    let items: Vec<Value> = ids
        .iter()
        .map(|id| json!({ "id": id.to_string() }))
        .collect();
    let body = json!({
        "count": accepted.count,
        "batch": accepted.batch.map(|batch| batch.to_string()),
        "items": items,
    });
    let mut response = (StatusCode::ACCEPTED, Json(body)).into_response();
    replayed(&mut response, &accepted);
    Ok(response)
}

/// Says so when nothing was done because the same request came before.
pub(crate) fn replayed(response: &mut Response, accepted: &Accepted) {
    if accepted.replayed {
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
}

/// 202 with a job and where it is.
pub(crate) async fn accepted_job(node: &Node, view: &JobView) -> Result<Response, Problem> {
    let mut response = (StatusCode::ACCEPTED, Json(job_json(node, view).await?)).into_response();
    if let Ok(location) = HeaderValue::try_from(job_href(view.job.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn read(
    node: &Node,
    id: JobId,
    headers: &HeaderMap,
    query: Query,
) -> Result<Response, Problem> {
    find(node, id).await?;
    accepts(headers, &[JSON])?;
    query.none()?;
    let prefer = Prefer::of(headers);
    let view = find_ended(node, id, prefer.wait).await?;
    let (job, tag) = tagged_job(node, &view).await?;
    let mut response = if is_not_modified(headers, &tag) {
        not_modified(&tag)
    } else {
        Json(job).into_response()
    };
    set_etag(response.headers_mut(), &tag);
    Prefer {
        wait: prefer.wait,
        ..Prefer::default()
    }
    .applied(response.headers_mut());
    Ok(response)
}

async fn patch(
    node: &Node,
    id: JobId,
    headers: &HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let found = find(node, id).await?;
    let value = json_body(headers, body, node.config.json_max).await?;
    query.none()?;
    let expected = expected_revision(headers, &found.job)?;
    let mut violations = Vec::new();
    let (mut priority, mut labels) = (None, None);
    if let Some(mut members) = Members::of(value, "", &mut violations) {
        priority = members
            .integer("priority", submission::PRIORITY)
            .map(|priority| priority as i32);
        labels = submission::labels(&mut members);
        members.end();
    }
    if !violations.is_empty() {
        return Err(violations.into());
    }
    if priority.is_none() && labels.is_none() {
        return Err(
            Problem::invalid("nothing is to be changed").hint("give `priority`, `labels` or both")
        );
    }
    node.engine
        .call(move |engine, now| engine.patch(now, id, expected, priority, labels))
        .await?;
    let view = find(node, id).await?;
    let (job, tag) = tagged_job(node, &view).await?;
    let mut response = Json(job).into_response();
    set_etag(response.headers_mut(), &tag);
    Ok(response)
}

/// The revision that `If-Match` asks for. Of several, the one that the job has; else any, which will not match.
fn expected_revision(headers: &HeaderMap, job: &Job) -> Result<Option<u32>, Problem> {
    match IfMatch::of(headers)? {
        IfMatch::Absent | IfMatch::Any => Ok(None),
        IfMatch::Tags(tags) => {
            let revisions: Vec<u32> = tags.iter().filter_map(|tag| revision_of(tag)).collect();
            let current = revisions.iter().find(|revision| **revision == job.revision);
            // No job has revision 0.
            Ok(Some(*current.or(revisions.first()).unwrap_or(&0)))
        }
    }
}

async fn delete(node: &Node, id: JobId, query: Query) -> Result<Response, Problem> {
    query.none()?;
    let attempts = node
        .engine
        .call(move |engine, now| engine.delete(now, id))
        .await?;
    node.forget_attempts(attempts).await;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn act(
    node: &Node,
    id: JobId,
    action: Action,
    headers: &HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    find(node, id).await?;
    let value = optional_json_body(headers, body, node.config.json_max).await?;
    query.none()?;
    let mut violations = Vec::new();
    let mut reason = None;
    if let Some(mut members) = value.and_then(|value| Members::of(value, "", &mut violations)) {
        if action == Action::Cancel {
            reason = members.text("reason");
        }
        members.end();
    }
    if !violations.is_empty() {
        return Err(violations.into());
    }
    match action {
        Action::Cancel => cancel(node, id, reason.unwrap_or_default()).await,
        Action::Retry => again(node, move |engine, now| engine.retry(now, id)).await,
        Action::Rerun => again(node, move |engine, now| engine.rerun(now, id)).await,
    }
}

async fn cancel(node: &Node, id: JobId, reason: String) -> Result<Response, Problem> {
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    let job = node
        .engine
        .call(move |engine, now| engine.cancel(now, id, &reason))
        .await?;
    let status = if job.state == JobState::Canceling {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let view = find(node, id).await?;
    // What is told is what was done, even if the worker has stopped since.
    let view = if status == StatusCode::ACCEPTED {
        JobView { job, ..view }
    } else {
        view
    };
    Ok((status, Json(job_json(node, &view).await?)).into_response())
}

/// Accepts a new job like an old one.
async fn again<F>(node: &Node, command: F) -> Result<Response, Problem>
where
    F: FnOnce(
            &mut trefoil_server::engine_thread::PlatformEngine,
            trefoil_jobs::Now,
        ) -> Result<JobId, EngineError<StoreError>>
        + Send
        + 'static,
{
    if node.is_draining() {
        return Err(Problem::shutting_down());
    }
    let id = node.engine.call(command).await?;
    let view = find(node, id).await?;
    accepted_job(node, &view).await
}
