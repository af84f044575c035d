//! What a job was given and what it gave: `result`, `inputs`, `attempts` and `tasks` below `/v1/jobs/{id}`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Map, Value, value::RawValue};
use trefoil_jobs::{Job, JobId, State as JobState};
use trefoil_server::{Node, store::JobView};

use crate::{
    error::{Code, Problem, failure_json, failure_problem},
    extract::{AcceptJson, JobPath, Page, Prefer, Query},
    view::jobs_json,
    wait::{find, find_ended},
};

mod attempts;
mod provenance;

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/v1/jobs/{id}/result", get(result))
        .route("/v1/jobs/{id}/inputs", get(inputs))
        .route("/v1/jobs/{id}/attempts", get(attempts::attempts))
        .route("/v1/jobs/{id}/tasks", get(tasks))
        .route("/v1/jobs/{id}/provenance", get(provenance::provenance))
}

async fn result(
    State(node): State<Arc<Node>>,
    JobPath(id): JobPath,
    mut query: Query,
    _accept: AcceptJson,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let with_inputs = query.flag("swept")?;
    let page = query.page()?;
    query.end()?;
    let prefer = Prefer {
        respond_async: false,
        strict: false,
        ..Prefer::of(&headers)
    };
    let view = find_ended(&node, id, prefer.wait).await?;
    let mut response = if view.job.counts.is_some() {
        of_tasks(&node, id, with_inputs, page, &uri).await
    } else {
        of_job(&node, &view.job).await
    }
    .unwrap_or_else(Problem::into_response);
    prefer.applied(response.headers_mut());
    Ok(response)
}

async fn of_job(node: &Node, job: &Job) -> Result<Response, Problem> {
    let id = job.id;
    match job.state {
        JobState::Succeeded => match node.readers.result(job.seq).await? {
            Some(outputs) => Ok(raw_json(outputs)),
            None => Err(Problem::internal(&format_args!(
                "job {id} succeeded and has no outputs"
            ))),
        },
        JobState::Failed => match &job.failure {
            Some(failure) => Err(failure_problem(id, failure)),
            None => Err(Problem::internal(&format_args!(
                "job {id} failed and nobody knows why"
            ))),
        },
        JobState::Canceled => {
            let why = job.cancel.as_deref().filter(|why| !why.is_empty());
            let detail = match why {
                Some(why) => format!("job {id} was canceled: {why}"),
                None => format!("job {id} was canceled"),
            };
            Err(Problem::conflict("job-canceled", detail)
                .hint(format!("POST /v1/jobs/{id}:retry runs it again")))
        }
        JobState::Created
        | JobState::Accepted
        | JobState::Blocked
        | JobState::Queued
        | JobState::Starting
        | JobState::Running
        | JobState::Retrying
        | JobState::Canceling => {
            let detail = format!("job {id} is {} and has no result yet", job.state);
            Err(Problem::new(
                StatusCode::NOT_FOUND,
                "result-not-ready",
                Code::NotFound,
                detail,
            )
            .with("state", job.state.as_str())
            .retry_after(1)
            .hint("`Prefer: wait=30` waits for it"))
        }
    }
}

/// Results of the tasks of a sweep, those that are there already.
async fn of_tasks(
    node: &Node,
    id: JobId,
    with_inputs: bool,
    page: Page,
    uri: &Uri,
) -> Result<Response, Problem> {
    let tasks = node
        .readers
        .tasks(id, Vec::new(), page.cursor.unwrap_or(0), page.limit)
        .await?;
    let item = |(JobView { job, spec }, outputs): (JobView, Option<String>)| {
        let mut item = Map::new();
        item.insert("index".to_owned(), job.index.into());
        item.insert("id".to_owned(), job.id.to_string().into());
        item.insert("state".to_owned(), job.state.as_str().into());
        if let Some(swept) = spec.swept.filter(|_| with_inputs) {
            item.insert("inputs".to_owned(), stored_json(swept.get())?);
        }
        if let Some(outputs) = outputs {
            item.insert("outputs".to_owned(), stored_json(&outputs)?);
        }
        if let (JobState::Failed, Some(failure)) = (job.state, &job.failure) {
            item.insert("error".to_owned(), failure_json(failure));
        }
        Ok(Value::Object(item))
    };
    let items = tasks
        .items
        .into_iter()
        .map(item)
        .collect::<Result<_, Problem>>()?;
    Ok(Page::answer(uri, items, tasks.next))
}

async fn inputs(
    State(node): State<Arc<Node>>,
    JobPath(id): JobPath,
    query: Query,
    _accept: AcceptJson,
) -> Result<Response, Problem> {
    query.none()?;
    let inputs: Box<RawValue> = find(&node, id).await?.spec.inputs;
    Ok(raw_json(inputs.get().to_owned()))
}

async fn tasks(
    State(node): State<Arc<Node>>,
    JobPath(id): JobPath,
    mut query: Query,
    _accept: AcceptJson,
    uri: Uri,
) -> Result<Response, Problem> {
    let states = query.many("state").into_iter().map(|text| {
        JobState::from_name(&text).ok_or_else(|| {
            let all = JobState::ALL.map(JobState::as_str).join(", ");
            Problem::query("state", format!("`state` must be one of {all}"), "enum")
        })
    });
    let states = states.collect::<Result<Vec<_>, _>>()?;
    let page = query.page()?;
    query.end()?;
    if find(&node, id).await?.job.counts.is_none() {
        return Err(Problem::conflict(
            "wrong-kind",
            format!("job {id} is no sweep and has no tasks"),
        ));
    }
    let tasks = node
        .readers
        .tasks(id, states, page.cursor.unwrap_or(0), page.limit)
        .await?;
    let views: Vec<JobView> = tasks.items.into_iter().map(|(view, _)| view).collect();
    Ok(Page::answer(
        &uri,
        jobs_json(&node, &views).await?,
        tasks.next,
    ))
}

/// JSON that is stored as text goes out as it is.
fn raw_json(text: String) -> Response {
    (
        [(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        )],
        text,
    )
        .into_response()
}

fn stored_json(text: &str) -> Result<Value, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::internal(&error))
}
