//! `GET /v1/jobs`: which jobs, in which order.

use std::sync::Arc;

use axum::{extract::State, http::Uri, response::Response};
use jiff::Timestamp;
use trefoil_director::{ServiceId, ServiceKey};
use trefoil_jobs::{JobId, State as JobState};
use trefoil_server::{Node, store::JobFilter};

use crate::{
    error::Problem,
    extract::{AcceptJson, Page, Query},
    view::jobs_json,
};

pub(super) async fn list(
    State(node): State<Arc<Node>>,
    uri: Uri,
    _: AcceptJson,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = filter(&mut query)?;
    let page = query.page()?;
    query.end()?;
    let found = node.readers.jobs(filter, page.cursor, page.limit).await?;
    Ok(Page::answer(
        &uri,
        jobs_json(&node, &found.items).await?,
        found.next,
    ))
}

fn filter(query: &mut Query) -> Result<JobFilter, Problem> {
    Ok(JobFilter {
        states: states(query)?,
        service: query.one("service")?.map(service).transpose()?,
        submitter: query.one("submitter")?,
        parent: match query.one("parent")?.as_deref() {
            None => None,
            Some("none") => Some(None),
            Some(text) => Some(Some(id("parent", text)?)),
        },
        batch: query
            .one("batch")?
            .map(|text| id("batch", &text))
            .transpose()?,
        labels: query
            .many("label")
            .into_iter()
            .map(label)
            .collect::<Result<_, _>>()?,
        // After is not at: the store's bound takes what is equal.
        created_from_ms: instant(query, "created_after")?.map(|ms| ms.saturating_add(1)),
        created_to_ms: instant(query, "created_before")?,
        ascending: match query.one("order")?.as_deref() {
            None | Some("desc") => false,
            Some("asc") => true,
            Some(_) => {
                return Err(Problem::query(
                    "order",
                    "`order` must be asc or desc",
                    "enum",
                ));
            }
        },
    })
}

/// The parameter `state`, which may come several times.
pub(crate) fn states(query: &mut Query) -> Result<Vec<JobState>, Problem> {
    let state = |name: String| {
        JobState::from_name(&name).ok_or_else(|| {
            let names = JobState::ALL.map(JobState::as_str).join(", ");
            Problem::query("state", format!("`state` must be one of {names}"), "enum")
        })
    };
    query.many("state").into_iter().map(state).collect()
}

fn id(name: &str, text: &str) -> Result<JobId, Problem> {
    text.parse()
        .map_err(|error| Problem::query(name, format!("`{name}` is {error}"), "uuid"))
}

/// A job is of one version, so a range of versions would find none.
fn service(text: String) -> Result<String, Problem> {
    let known = match text.contains(':') {
        true => text.parse::<ServiceId>().is_ok(),
        false => text.parse::<ServiceKey>().is_ok(),
    };
    if known {
        return Ok(text);
    }
    let detail = "`service` must be a key, or a key with a whole version such as `key:1.2.0`";
    Err(Problem::query("service", detail, "service-id"))
}

fn label(text: String) -> Result<(String, String), Problem> {
    match text.split_once(':') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Problem::query(
            "label",
            "`label` must be key:value",
            "format",
        )),
    }
}

fn instant(query: &mut Query, name: &'static str) -> Result<Option<u64>, Problem> {
    let at = query.parsed::<Timestamp>(name, "a time as RFC 3339, such as 2026-01-01T00:00:00Z")?;
    Ok(at.map(|at| u64::try_from(at.as_millisecond()).unwrap_or(0)))
}
