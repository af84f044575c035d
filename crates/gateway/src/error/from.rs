//! From the errors of the crates below to problems. No `_` arms: a new variant has to find its status here.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use trefoil_director::{CatalogError, KeyError, MatchError, ResolveError, Violation};
use trefoil_jobs::{Failure, FailureClass, JobId, Refusal};
use trefoil_server::files::FileError;

use super::{Code, Location, Problem};
use crate::strict_json::JsonError;

/// The offset at which an upload goes on.
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        Self::malformed_json(format!("the body is not JSON as it must be: {error}"))
            .entry(json_entry(&error, ""))
    }
}

/// An entry of `errors[]` for a syntax error; `prefix` is the pointer of the document.
pub(crate) fn json_entry(error: &JsonError, prefix: &str) -> Value {
    json!({
        "pointer": format!("{prefix}{}", error.pointer),
        "location": "body",
        "detail": error.reason,
        "rule": error.rule.name(),
        "offset": error.offset,
        "line": error.line,
        "column": error.column,
    })
}

impl From<Vec<Violation>> for Problem {
    fn from(violations: Vec<Violation>) -> Self {
        let detail = match violations.as_slice() {
            [one] => format!("{}: {}", one.pointer, one.detail),
            many => format!("{} violations, see `errors`", many.len()),
        };
        let add = |problem: Self, found: Violation| {
            problem.error(found.pointer, Location::Body, found.detail, found.rule)
        };
        violations.into_iter().fold(Self::invalid(detail), add)
    }
}

/// A text in a path that cannot be a service: there is none of that name.
impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        let detail = error.to_string();
        Self::new(
            StatusCode::NOT_FOUND,
            "service-not-found",
            Code::NotFound,
            detail.clone(),
        )
        .error("service", Location::Path, detail, "service-id")
        .hint("a service is addressed as key, key:1, key:1.2 or key:1.2.0")
    }
}

/// A service that the path names.
impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Self {
        resolve(StatusCode::NOT_FOUND, error)
    }
}

/// A service that a body names at `pointer`. A single job without service is not found; in a batch it is one of
/// several violations.
pub(crate) fn resolve_in_body(error: ResolveError, pointer: &str) -> Problem {
    let status = if pointer == "/service" {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let detail = error.to_string();
    resolve(status, error).error(pointer, Location::Body, detail, "service")
}

fn resolve(status: StatusCode, error: ResolveError) -> Problem {
    let detail = error.to_string();
    let problem = |name| Problem::new(status, name, Code::NotFound, detail);
    match error {
        ResolveError::UnknownKey { near, .. } => {
            let problem = problem("service-not-found");
            let problem = match near.is_empty() {
                true => problem.hint("GET /v1/services lists what there is"),
                false => problem.hint(format!("did you mean {}?", near.join(" or "))),
            };
            problem.with("near", near)
        }
        ResolveError::NoMatchingVersion { available, .. } => {
            let available: Vec<String> = available.iter().map(ToString::to_string).collect();
            problem("no-matching-version")
                .hint(match available.as_slice() {
                    [] => "it has no version that is not retired".to_owned(),
                    some => format!("available: {}", some.join(", ")),
                })
                .with("available", available)
        }
        ResolveError::Retired { .. } => {
            problem("service-retired").hint("publish it again, or use another version")
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        let detail = error.to_string();
        match error {
            CatalogError::Unknown(_) => Self::new(
                StatusCode::NOT_FOUND,
                "service-not-found",
                Code::NotFound,
                detail,
            ),
            CatalogError::Retired(_) => {
                Self::conflict("service-retired", detail).hint("publish it again to make it active")
            }
            CatalogError::Builtin(_) => Self::conflict("builtin-service", detail)
                .hint("pause it instead: POST /v1/services/{key}:{version}:pause"),
            CatalogError::Supplied { label, .. } => Self::conflict("supplied-by-directory", detail)
                .hint(format!("remove `{label}` instead")),
        }
    }
}

impl From<MatchError> for Problem {
    fn from(error: MatchError) -> Self {
        let detail = error.to_string();
        let port = match error {
            MatchError::UnknownOutput { port, .. } | MatchError::UnknownInput { port, .. } => port,
        };
        Self::new(
            StatusCode::NOT_FOUND,
            "port-not-found",
            Code::NotFound,
            detail.clone(),
        )
        .error(port, Location::Query, detail, "port")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::UnknownJob(_) => Self::new(
                StatusCode::NOT_FOUND,
                "job-not-found",
                Code::NotFound,
                detail,
            ),
            Refusal::Gone(_) => Self::new(StatusCode::GONE, "job-deleted", Code::NotFound, detail),
            Refusal::NeverRunnable { .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "never-runnable",
                Code::FailedPrecondition,
                detail.clone(),
            )
            .error("/resources", Location::Body, detail, "never-runnable")
            .hint("ask for fewer CPUs or less memory, or add a larger worker"),
            Refusal::NoWorker { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no-worker",
                Code::Unavailable,
                detail,
            )
            .retry_after(5)
            .hint("without `Prefer: handling=strict` the job would wait for a worker"),
            Refusal::KeyReused { .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                Code::InvalidArgument,
                detail.clone(),
            )
            .error("Idempotency-Key", Location::Header, detail, "reused")
            .hint("send the same request again, or use a new key for a new one"),
            Refusal::NotEnded { .. } => {
                Self::conflict("job-not-ended", detail).hint("cancel it first")
            }
            Refusal::NothingToRetry { .. } => Self::conflict("nothing-to-retry", detail)
                .hint("only a job that failed or was canceled can be retried"),
            Refusal::NothingToRerun { .. } => Self::conflict("nothing-to-rerun", detail)
                .hint("only a job that succeeded can be run again for comparison"),
            Refusal::WrongKind(_) => Self::conflict("wrong-kind", detail),
            Refusal::Stale { actual, .. } => Self::new(
                StatusCode::PRECONDITION_FAILED,
                "precondition-failed",
                Code::FailedPrecondition,
                detail,
            )
            .with("revision", actual)
            .hint("read the job again and decide with what it is now"),
        }
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        let detail = error.to_string();
        match &error {
            FileError::TooLarge { limit } => Self::too_large(detail).with("limit", *limit),
            FileError::Mismatch { .. } => Self::new(
                StatusCode::BAD_REQUEST,
                "digest-mismatch",
                Code::InvalidArgument,
                detail,
            ),
            FileError::NotFound(_) => Self::new(
                StatusCode::NOT_FOUND,
                "file-not-found",
                Code::NotFound,
                detail,
            ),
            FileError::InUse(_) => Self::conflict("file-in-use", detail),
            FileError::UploadNotFound(_) => Self::new(
                StatusCode::NOT_FOUND,
                "upload-not-found",
                Code::NotFound,
                detail,
            ),
            FileError::UploadBusy(_) => Self::conflict("upload-busy", detail).retry_after(1),
            FileError::UploadCompleted(_) => Self::conflict("upload-completed", detail),
            FileError::UploadOffset { actual, .. } => Self::conflict("upload-offset", detail)
                .header(UPLOAD_OFFSET, HeaderValue::from(*actual)),
            FileError::UploadIncomplete { offset, .. } => {
                Self::conflict("upload-incomplete", detail)
                    .header(UPLOAD_OFFSET, HeaderValue::from(*offset))
            }
            FileError::TooManyUploads { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too-many-uploads",
                Code::ResourceExhausted,
                detail,
            )
            .retry_after(60)
            .hint("complete uploads that are open; one that is left alone is removed after a day"),
            // Where it is full is for the log: the client learns no paths of the server.
            FileError::NoSpace { .. } => {
                tracing::warn!(%error, "a file was refused");
                Self::storage_full(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "no space is left for files",
                )
            }
            FileError::Closed => Self::shutting_down(),
            FileError::NotRegular { .. }
            | FileError::Corrupt { .. }
            | FileError::Format { .. }
            | FileError::Locked { .. }
            | FileError::Io { .. } => Self::internal(&error),
            // The enum may grow in another crate; what is new is our failure until it has a row here.
            _ => Self::internal(&error),
        }
    }
}

impl Problem {
    /// A 400 for a body that is not JSON.
    pub(crate) fn malformed_json(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "malformed-json",
            Code::InvalidArgument,
            detail,
        )
    }

    /// A 409.
    pub(crate) fn conflict(name: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, name, Code::FailedPrecondition, detail)
    }

    /// A 413.
    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body-too-large",
            Code::ResourceExhausted,
            detail,
        )
    }

    /// For want of space: 503 for jobs, 507 for what is to be kept as it is sent.
    pub(crate) fn storage_full(status: StatusCode, detail: impl Into<String>) -> Self {
        Self::new(
            status,
            "storage-full",
            Code::ResourceExhausted,
            detail,
        )
        .retry_after(60)
        .hint("delete jobs and files that are not needed any more, or give the platform a larger disk")
    }

    /// A 503 while the platform stops.
    pub(crate) fn shutting_down() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "shutting-down",
            Code::Unavailable,
            "the platform is shutting down",
        )
        .retry_after(5)
    }
}

/// The problem that a job which failed is, as the answer of a call and of `GET …/result`.
pub(crate) fn failure_problem(job: JobId, failure: &Failure) -> Problem {
    let (status, code) = match failure.class {
        FailureClass::Application => (StatusCode::UNPROCESSABLE_ENTITY, Code::Aborted),
        FailureClass::Temporary | FailureClass::Lost => {
            (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable)
        }
        FailureClass::TimedOut | FailureClass::Expired => {
            (StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded)
        }
        FailureClass::Rejected => (StatusCode::UNPROCESSABLE_ENTITY, Code::FailedPrecondition),
        FailureClass::BadOutputs | FailureClass::Upstream => {
            (StatusCode::BAD_GATEWAY, Code::Internal)
        }
    };
    let problem = Problem::new(status, "job-failed", code, failure.message.clone())
        .with("job", job.to_string())
        .with("error", failure_json(failure));
    match &failure.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}

/// The member `error` of a Job.
pub(crate) fn failure_json(failure: &Failure) -> Value {
    serde_json::to_value(failure).expect("plain data always has a JSON value")
}
