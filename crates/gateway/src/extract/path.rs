//! Parts of paths.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{StatusCode, request::Parts},
};
use trefoil_jobs::JobId;

use crate::error::{Code, Location, Problem};

/// The parameter `id` of a path as the id of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobPath(pub(crate) JobId);

impl JobPath {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        text.parse().map(Self).map_err(|error| {
            let detail = format!("a job is addressed by its id, and this is {error}");
            Problem::new(
                StatusCode::NOT_FOUND,
                "job-not-found",
                Code::NotFound,
                detail.clone(),
            )
            .error("id", Location::Path, detail, "uuid")
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| not_found())?;
        let id = params
            .iter()
            .find(|(name, _)| *name == "id")
            .map_or("", |(_, value)| value);
        Self::parse(id)
    }
}

/// The one parameter of a route, percent-decoded.
#[derive(Debug, Clone)]
pub(crate) struct PathText(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathText {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| not_found())?;
        let text = params.iter().next().map_or("", |(_, value)| value);
        Ok(Self(text.to_owned()))
    }
}

/// A 404 for a path that nothing is at.
pub(crate) fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-such-resource",
        Code::NotFound,
        "nothing has this path",
    )
    .hint("GET /openapi.json lists what there is")
}
