//! `GET /v1/jobs/{id}/attempts`.

use std::{io, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use trefoil_jobs::{AttemptId, AttemptRecord, Failure, Job, State as JobState};
use trefoil_server::{AttemptReport, Node, program::End};

use crate::{
    error::{Problem, failure_json},
    extract::{AcceptJson, JobPath, Query},
    routes::logs::size_of,
    view::time,
    wait::find,
};

pub(crate) async fn attempts(
    State(node): State<Arc<Node>>,
    JobPath(id): JobPath,
    query: Query,
    _accept: AcceptJson,
) -> Result<Response, Problem> {
    query.none()?;
    let job = find(&node, id).await?.job;
    let mut records = node.readers.attempts(job.seq).await?;
    // The job was read first: it may have gone on since.
    records.retain(|record| record.attempt <= job.attempt);
    let mut attempts: Vec<Attempt> = records.into_iter().map(Attempt::before).collect();
    if attempts.last().is_none_or(|last| last.number < job.attempt) {
        attempts.extend(Attempt::newest(&job));
    }
    let items = tokio::task::spawn_blocking(move || {
        attempts.iter().map(|attempt| attempt.json(&node)).collect()
    });
    let items: io::Result<Vec<Value>> = items.await.map_err(io::Error::other).flatten();
    let items = items.map_err(|error| Problem::internal(&error))?;
    Ok(Json(json!({ "items": items })).into_response())
}

/// What the store knows of an attempt.
struct Attempt {
    number: u32,
    id: AttemptId,
    worker: Option<Arc<str>>,
    state: JobState,
    started_ms: Option<u64>,
    ended_ms: Option<u64>,
    failure: Option<Arc<Failure>>,
}

impl Attempt {
    /// One that was followed by another, or will be: it failed or was lost.
    fn before(record: AttemptRecord) -> Self {
        Self {
            number: record.attempt,
            id: record.id,
            worker: record.worker,
            state: JobState::Failed,
            started_ms: record.started_ms,
            ended_ms: Some(record.ended_ms),
            failure: record.failure,
        }
    }

    /// The one that is under way or was the last.
    fn newest(job: &Job) -> Option<Self> {
        Some(Self {
            number: job.attempt,
            id: job.attempt_id?,
            worker: job.worker.clone(),
            state: job.state,
            started_ms: job.started_ms,
            ended_ms: job.ended_ms,
            failure: job
                .failure
                .clone()
                .filter(|_| job.state == JobState::Failed),
        })
    }

    /// Blocking.
    fn json(&self, node: &Node) -> io::Result<Value> {
        let mut item = json!({
            "attempt": self.number,
            "attempt_id": self.id.to_string(),
            "worker": self.worker.as_deref(),
            "state": self.state.as_str(),
            "started_at": self.started_ms.map(time),
            "ended_at": self.ended_ms.map(time),
            "log_bytes": size_of(&node.attempt_log(self.id))?,
        });
        // While it runs there is no report, and none of a builtin.
        let report = AttemptReport::read(&node.attempt_dir(self.id))?;
        match report.and_then(|report| report.exit).map(|exit| exit.end) {
            Some(End::Exited(code)) => item["exit_code"] = code.into(),
            Some(End::Signaled(signal)) => item["signal"] = signal.into(),
            Some(End::ExecFailed(_) | End::Lost(_)) | None => {}
        }
        if let Some(failure) = &self.failure {
            item["error"] = failure_json(failure);
        }
        Ok(item)
    }
}
