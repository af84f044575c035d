//! Calls: a service's outputs for inputs, at once or later, and methods of contracts.

mod contract;
pub(super) mod deprecated;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::Value;
use trefoil_director::{RUN_METHOD, ResolveError, ServiceId, ServiceRequest, Violation};
use trefoil_jobs::{Failure, FailureClass, JobId, State as JobState};
use trefoil_server::{JobRequest, Node, SubmitError, Submitted, idempotency::Fingerprint};

use super::jobs::{accepted_job, replayed, submission::PRIORITY};
use crate::{
    error::{Code, Problem, failure_problem},
    extract::{
        BodyHead, PathText, Prefer, Query, deadline_ms, idempotency_key, not_found, noun,
        submitter, whole_header,
    },
    layers::Route,
    method_not_allowed_here,
    wait::{ended, find, granted},
};

const TREFOIL_JOB: HeaderName = HeaderName::from_static("trefoil-job");
const TREFOIL_SERVICE: HeaderName = HeaderName::from_static("trefoil-service");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What is broken for a while is seldom whole again sooner.
const RETRY_AFTER_SECONDS: u32 = 5;

pub(crate) fn router() -> Router<Arc<Node>> {
    // Keys have slashes, so the rest of the path is read by hand.
    Router::new().route("/v1/call/{*path}", any(call))
}

async fn call(
    State(node): State<Arc<Node>>,
    PathText(path): PathText,
    method: Method,
    headers: HeaderMap,
    query: Query,
    body: Body,
) -> Response {
    let answer = async {
        if let Some((service, name)) = of_contract(&node, &path) {
            if method != Method::POST {
                return Ok(method_not_allowed_here(&method, "POST, OPTIONS"));
            }
            return contract::call(&node, &service, name, &headers, query, body).await;
        }
        let (service, known) = resolve(&node, &path)?;
        // A repeated call is answered as it was before, even if its service is gone by now; whether it is one, is known
        // when its body was read.
        if method != Method::POST || !headers.contains_key(IDEMPOTENCY_KEY) {
            known?;
        }
        if method != Method::POST {
            return Ok(method_not_allowed_here(&method, "POST, OPTIONS"));
        }
        run(&node, service, &path, &headers, query, body).await
    };
    let mut response = answer.await.unwrap_or_else(Problem::into_response);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Prefer"));
    response
        .extensions_mut()
        .insert(Route("/v1/call/{service}/{method}"));
    response
}

/// The service and the method that a path names, if the service has a contract and is not run as a job.
fn of_contract<'p>(node: &Node, path: &'p str) -> Option<(ServiceRequest, &'p str)> {
    let (service, method) = path.rsplit_once('/')?;
    let request: ServiceRequest = service.parse().ok()?;
    let found = node.services.snapshot().resolve(&request).ok()?;
    let contract = found.contract.as_ref()?;
    // A derived contract is another form of what is a job.
    (!contract.is_derived() && found.run.is_none()).then_some((request, method))
}

/// The service that `{key}[:{version}]/run` names, and whether there is one.
fn resolve(node: &Node, path: &str) -> Result<(ServiceRequest, Result<(), ResolveError>), Problem> {
    let (service, method) = path.rsplit_once('/').ok_or_else(not_found)?;
    let catalog = node.services.snapshot();
    if method != RUN_METHOD {
        // A service without a method behind it.
        let whole = path.parse::<ServiceRequest>();
        if whole.is_ok_and(|request| catalog.resolve(&request).is_ok()) {
            return Err(not_found().hint(format!("a call is POST /v1/call/{path}/{RUN_METHOD}")));
        }
        let request: ServiceRequest = service.parse()?;
        let found = catalog.resolve(&request)?;
        return Err(only_run(&found.id, method));
    }
    let request: ServiceRequest = service.parse()?;
    let known = catalog.resolve(&request);
    Ok((request, known.map(drop)))
}

/// A service that is run has one method in JSON.
fn only_run(id: &ServiceId, method: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "method-not-found",
        Code::NotFound,
        format!("`{id}` has no method `{method}` here"),
    )
    .hint(format!(
        "it is run as a job: POST /v1/call/{id}/{RUN_METHOD}"
    ))
}

async fn run(
    node: &Node,
    service: ServiceRequest,
    path: &str,
    headers: &HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let head = BodyHead::check(headers, &[("application/json", node.config.json_max)])?;
    query.none()?;
    let prefer = Prefer::of(headers);
    let mut request = JobRequest::new(service, serde_json::Map::new());
    request.submitter = submitter(headers)?;
    request.strict = prefer.strict;
    // The range fits.
    request.priority = whole_header(headers, "Trefoil-Priority", PRIORITY)?.unwrap_or(0) as i32;
    let deadline = deadline_ms(headers)?;
    request.limits.deadline_ms = deadline;
    let key = idempotency_key(headers)?;

    let inputs = head.json(body).await?;
    if deadline == Some(0) {
        return Err(deadline_spent());
    }
    let fingerprint = key.map(|key| {
        let mut fingerprint = Fingerprint::new(key, &format!("/v1/call/{path}"));
        fingerprint.add(&inputs);
        fingerprint
    });
    request.inputs = match inputs {
        Value::Object(inputs) => inputs,
        other => {
            let detail = format!("the inputs are one object, this is {}", noun(&other));
            let violation = Violation {
                pointer: String::new(),
                rule: "type".to_owned(),
                detail,
            };
            return Err(vec![violation].into());
        }
    };
    let submitted = node
        .submit(vec![request], false, fingerprint.map(Fingerprint::finish))
        .await
        .map_err(inputs_problem)?;
    let accepted = submitted.accepted.clone();
    let id = accepted.first;
    // A replay is of the version that was newest then.
    let resolved = match accepted.replayed {
        true => find(node, id).await?.job.service,
        false => Arc::clone(&submitted.service),
    };
    let mut response = match answer(node, submitted, prefer).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    replayed(&mut response, &accepted);
    let headers = response.headers_mut();
    prefer.applied(headers);
    for (name, value) in [
        (TREFOIL_JOB, id.to_string()),
        (TREFOIL_SERVICE, resolved.to_string()),
    ] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Waits as long as is asked for and granted. If the caller leaves, this is dropped and the job goes on.
async fn answer(node: &Node, submitted: Submitted, prefer: Prefer) -> Result<Response, Problem> {
    let Submitted {
        accepted, watch, ..
    } = submitted;
    let id = accepted.first;
    let wait = match prefer {
        // Both: it may be asynchronous, but not before so many seconds.
        Prefer {
            wait: Some(wait), ..
        } => Some(granted(node, wait)),
        Prefer {
            respond_async: true,
            ..
        } => None,
        Prefer { .. } => Some(node.config.call_max_wait),
    };
    match wait {
        Some(wait) => {
            // The job of a replay may have ended long ago; then there is nothing more to watch.
            let is_over = accepted.replayed && find(node, id).await?.job.state.is_terminal();
            let changed = match watch {
                Some(mut watch) if !is_over => ended(&mut watch, wait).await,
                Some(_) | None => None,
            };
            let seen = changed
                .as_ref()
                .and_then(|changed| Some((changed.state, changed.ended.as_ref()?)));
            match seen {
                Some((JobState::Succeeded, end)) if end.outputs.is_some() => Ok(outputs(
                    end.outputs.as_deref().unwrap_or_default().to_owned(),
                )),
                Some((JobState::Failed, end)) if end.failure.is_some() => {
                    Err(failed(id, end.failure.as_deref()))
                }
                Some(_) | None => stored(node, id).await,
            }
        }
        None => later(node, id).await,
    }
}

/// What the store says about the job: its result if it has ended, otherwise that it goes on.
async fn stored(node: &Node, id: JobId) -> Result<Response, Problem> {
    let job = find(node, id).await?.job;
    match job.state {
        JobState::Succeeded => {
            let text = node.readers.result(job.seq).await?;
            Ok(outputs(text.unwrap_or_else(|| "{}".to_owned())))
        }
        JobState::Failed => Err(failed(id, job.failure.as_deref())),
        JobState::Canceled => Err(canceled(id, job.cancel.as_deref())),
        JobState::Created
        | JobState::Accepted
        | JobState::Blocked
        | JobState::Queued
        | JobState::Starting
        | JobState::Running
        | JobState::Retrying
        | JobState::Canceling => later(node, id).await,
    }
}

fn outputs(text: String) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        text,
    )
        .into_response()
}

fn failed(id: JobId, failure: Option<&Failure>) -> Problem {
    let unknown = || Failure::new(FailureClass::Lost, "nothing is known of how it failed");
    let problem = failure.map_or_else(
        || failure_problem(id, &unknown()),
        |failure| failure_problem(id, failure),
    );
    // The job has failed for good; the same call later is another one, which may go well.
    match problem.status() {
        StatusCode::SERVICE_UNAVAILABLE => problem.retry_after(RETRY_AFTER_SECONDS),
        _ => problem,
    }
}

/// A job that somebody canceled, as the answer of a call and of `GET …/result`.
pub(crate) fn canceled(id: JobId, reason: Option<&str>) -> Problem {
    let reason = reason
        .filter(|reason| !reason.is_empty())
        .map(|reason| format!(": {reason}"));
    Problem::new(
        StatusCode::CONFLICT,
        "job-canceled",
        Code::Aborted,
        format!("job {id} was canceled{}", reason.unwrap_or_default()),
    )
    .with("job", id.to_string())
    .hint(format!("POST /v1/jobs/{id}:retry submits it again"))
}

async fn later(node: &Node, id: JobId) -> Result<Response, Problem> {
    let view = find(node, id).await?;
    let mut response = accepted_job(node, &view).await?;
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    Ok(response)
}

fn deadline_spent() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "deadline-spent",
        Code::DeadlineExceeded,
        "the deadline had passed when the call came; nothing was started",
    )
}

/// The body of a call is the inputs themselves, so its pointers begin one level lower than those of a submission.
fn inputs_problem(error: SubmitError) -> Problem {
    match error {
        SubmitError::Invalid(mut violations) => {
            for violation in &mut violations {
                if let Some(inner) = violation.pointer.strip_prefix("/inputs") {
                    violation.pointer = inner.to_owned();
                }
            }
            violations.into()
        }
        SubmitError::Resolve { error, .. } => error.into(),
        error @ (SubmitError::Refused(_)
        | SubmitError::Store(_)
        | SubmitError::Draining
        | SubmitError::DiskFull { .. }) => error.into(),
    }
}
