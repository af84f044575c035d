//! Refusals and failures as RFC 9457 problems: the one place where an error gets its status.

use std::fmt;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use trefoil_server::trace::Trace;

mod from;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use from::{failure_json, failure_problem, json_entry, resolve_in_body};
pub(crate) use server::batch_problem;

/// Most entries of `errors[]`: an answer must not grow with a hostile body.
pub(crate) const ERRORS_MAX: usize = 100;

tokio::task_local! {
    /// The id of the request that the current task answers.
    pub(crate) static REQUEST_ID: HeaderValue;
    /// Where that is in a trace.
    pub(crate) static TRACE: Trace;
}

/// The canonical codes that every wire of the platform shares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
}

impl Code {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::ResourceExhausted => "resource_exhausted",
            Self::FailedPrecondition => "failed_precondition",
            Self::Aborted => "aborted",
            Self::OutOfRange => "out_of_range",
            Self::Unimplemented => "unimplemented",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Where in a request an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Body,
    Path,
    Query,
    Header,
}

impl Location {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
        }
    }
}

/// Why a request was not answered as its sender hoped.
pub(crate) struct Problem(Box<Inner>);

struct Inner {
    status: StatusCode,
    name: &'static str,
    code: Code,
    detail: String,
    hint: Option<String>,
    errors: Vec<Value>,
    members: Map<String, Value>,
    headers: HeaderMap,
}

impl Problem {
    /// A problem of type `urn:trefoil:problem:<name>`.
    pub(crate) fn new(
        status: StatusCode,
        name: &'static str,
        code: Code,
        detail: impl Into<String>,
    ) -> Self {
        Self(Box::new(Inner {
            status,
            name,
            code,
            detail: detail.into(),
            hint: None,
            errors: Vec::new(),
            members: Map::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// A 422 that lists its violations with [`Self::error`].
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "validation-failed",
            Code::InvalidArgument,
            detail,
        )
    }

    /// A 400 for what is wrong with a query parameter.
    pub(crate) fn query(parameter: &str, detail: impl Into<String>, rule: &str) -> Self {
        let detail = detail.into();
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-query",
            Code::InvalidArgument,
            detail.clone(),
        )
        .error(parameter, Location::Query, detail, rule)
    }

    /// A 400 for what is wrong with a header.
    pub(crate) fn bad_header(name: &'static str, detail: impl Into<String>, rule: &str) -> Self {
        let detail = detail.into();
        Self::new(
            StatusCode::BAD_REQUEST,
            "invalid-header",
            Code::InvalidArgument,
            detail.clone(),
        )
        .error(name, Location::Header, detail, rule)
    }

    /// A failure of ours: the reason goes to the log, not to the client.
    pub(crate) fn internal(error: &dyn fmt::Display) -> Self {
        let request = REQUEST_ID
            .try_with(|id| String::from_utf8_lossy(id.as_bytes()).into_owned())
            .unwrap_or_default();
        let trace = TRACE.try_with(Trace::to_string).unwrap_or_default();
        tracing::error!(%error, request, trace, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            Code::Internal,
            "the platform failed; its log has the reason under this request id",
        )
    }

    /// What to do next.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// One thing that is wrong; `pointer` is a JSON pointer in a body, otherwise the name of the parameter.
    #[must_use]
    pub(crate) fn error(
        self,
        pointer: impl Into<String>,
        location: Location,
        detail: impl Into<String>,
        rule: impl AsRef<str>,
    ) -> Self {
        self.entry(json!({
            "pointer": pointer.into(),
            "location": location.as_str(),
            "detail": detail.into(),
            "rule": rule.as_ref(),
        }))
    }

    /// An entry of `errors[]` with members of its own.
    #[must_use]
    pub(crate) fn entry(mut self, entry: Value) -> Self {
        if self.0.errors.len() < ERRORS_MAX {
            self.0.errors.push(entry);
        }
        self
    }

    /// A member of its own type of problem.
    #[must_use]
    pub(crate) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(member.to_owned(), value.into());
        self
    }

    /// A header of the answer.
    #[must_use]
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// Says when to ask again.
    #[must_use]
    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The body, without an instance when no request is being answered.
    pub(crate) fn to_json(&self) -> Value {
        let inner = &*self.0;
        let mut body = inner.members.clone();
        body.insert(
            "type".to_owned(),
            format!("urn:trefoil:problem:{}", inner.name).into(),
        );
        body.insert("title".to_owned(), title(inner.name).into());
        body.insert("status".to_owned(), inner.status.as_u16().into());
        body.insert("detail".to_owned(), inner.detail.as_str().into());
        if let Ok(id) =
            REQUEST_ID.try_with(|id| String::from_utf8_lossy(id.as_bytes()).into_owned())
        {
            body.insert("instance".to_owned(), id.into());
        }
        if let Ok(trace) = TRACE.try_with(Trace::to_string) {
            body.insert("traceId".to_owned(), trace.into());
        }
        body.insert("code".to_owned(), inner.code.as_str().into());
        if !inner.errors.is_empty() {
            body.insert("errors".to_owned(), Value::Array(inner.errors.clone()));
        }
        if let Some(hint) = &inner.hint {
            body.insert("hint".to_owned(), hint.as_str().into());
        }
        Value::Object(body)
    }
}

/// `job-not-found` → `Job not found`.
fn title(name: &str) -> String {
    let mut title = name.replace('-', " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Problem({} {})", self.0.status, self.to_json())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.to_json().to_string()));
        *response.status_mut() = self.0.status;
        *response.headers_mut() = self.0.headers;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        // What is wrong now may be right in a second.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
