//! From the errors of the server.

use axum::http::StatusCode;
use serde_json::{Value, json};
use trefoil_director::{Breaks, Direction, Problem as FileProblem};
use trefoil_server::{
    SubmitError, engine_thread::CallError, services::ServiceError, store::StoreError,
};

use super::{Code, Location, Problem, resolve_in_body};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Full => {
                tracing::warn!(%error, "a request was refused");
                Self::storage_full(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            StoreError::Closed => Self::shutting_down(),
            // Whatever made the round fail may be over with the next one.
            StoreError::Round(_) => {
                tracing::warn!(%error, "a request was not kept");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "not-kept",
                    Code::Unavailable,
                    "the store could not keep this; nothing was changed",
                )
                .retry_after(1)
            }
            StoreError::Sqlite(_)
            | StoreError::Damaged(_)
            | StoreError::Outdated(_)
            | StoreError::Newer { .. } => Self::internal(&error),
        }
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Store(error) => error.into(),
            CallError::Refused(refusal) => refusal.into(),
        }
    }
}

/// Of a single submission; see [`batch_problem`] for several.
impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        submit_problem(error, |_| "/service".to_owned())
    }
}

/// Of a batch: a service that is not there is a violation of its line.
pub(crate) fn batch_problem(error: SubmitError) -> Problem {
    submit_problem(error, |index| format!("/{index}/service"))
}

fn submit_problem(error: SubmitError, pointer: impl FnOnce(usize) -> String) -> Problem {
    match error {
        SubmitError::Resolve { index, error } => resolve_in_body(error, &pointer(index)),
        SubmitError::Invalid(violations) => violations.into(),
        SubmitError::Refused(refusal) => refusal.into(),
        SubmitError::Store(error) => error.into(),
        SubmitError::Draining => Problem::shutting_down(),
        SubmitError::DiskFull { .. } => {
            Problem::storage_full(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let detail = error.to_string();
        match error {
            ServiceError::Broken(problems) => {
                let problem = Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "broken-service",
                    Code::InvalidArgument,
                    detail,
                );
                problems
                    .iter()
                    .fold(problem, |problem, found| problem.entry(file_problem(found)))
            }
            ServiceError::Mismatch { .. } => {
                Self::invalid(detail.clone()).error("/metadata", Location::Body, detail, "identity")
            }
            ServiceError::AlreadyPublished { .. } => Self::new(
                StatusCode::CONFLICT,
                "already-published",
                Code::AlreadyExists,
                detail,
            )
            .hint("publish a new version, or replace this one with `If-Match: *`"),
            ServiceError::Stale { .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                Code::FailedPrecondition,
                detail,
            )
            .hint("read the service again and decide with what it is now"),
            ServiceError::Breaking(breaks) => breaking(&breaks, detail),
            ServiceError::Catalog(error) => error.into(),
            ServiceError::Store(error) => error.into(),
            ServiceError::Io(error) => match error.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    Self::storage_full(
                        StatusCode::INSUFFICIENT_STORAGE,
                        "no space is left for services",
                    )
                }
                _ => Self::internal(&error),
            },
        }
    }
}

/// A contract that breaks callers: each break with what was and what is.
fn breaking(breaks: &Breaks, detail: String) -> Problem {
    let problem = Problem::new(
        StatusCode::CONFLICT,
        "breaking-change",
        Code::FailedPrecondition,
        detail,
    )
    .with("base", breaks.base.to_string())
    .with("required", breaks.required.to_string())
    .hint(format!(
        "publish it as version {} or higher, or with `?force=true` if nobody calls what it breaks",
        breaks.required
    ));
    // Places are shown in what was sent.
    let own = match breaks.direction {
        Direction::OfEarlier => "new",
        Direction::ByLater => "old",
    };
    let changes = breaks.to_json();
    let changes = changes.as_array().into_iter().flatten();
    changes.fold(problem, |problem, change| {
        let text = |member: &str| change[member].as_str().unwrap_or_default();
        let mut entry = json!({
            "pointer": text("place"),
            "location": "body",
            "detail": text("message"),
            "rule": text("kind"),
        });
        for side in ["old", "new"] {
            if let Some(found) = change.get(side) {
                entry[side] = found.clone();
            }
        }
        let place = change.get(own).unwrap_or(&Value::Null);
        for member in ["file", "line", "column"] {
            if let Some(found) = place.get(member) {
                entry[member] = found.clone();
            }
        }
        problem.entry(entry)
    })
}

/// A problem of a file of a service, as an entry of `errors[]`.
fn file_problem(found: &FileProblem) -> Value {
    let mut entry = json!({
        "pointer": found.field,
        "location": "body",
        "detail": found.reason,
        "rule": "service-file",
        "severity": found.severity,
    });
    if !found.file.is_empty() {
        entry["file"] = found.file.as_str().into();
    }
    // What is wrong with a file as a whole has no line.
    if found.line > 0 {
        entry["line"] = found.line.into();
        entry["column"] = found.column.max(1).into();
    }
    if let Some(hint) = &found.hint {
        entry["hint"] = hint.as_str().into();
    }
    entry
}
