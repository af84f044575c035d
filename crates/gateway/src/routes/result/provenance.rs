//! `GET /v1/jobs/{id}/provenance`: everything that made the outputs of a job, with hashes by which each can be checked.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};
use trefoil_director::ServiceId;
use trefoil_jobs::{Job, JobId, Origin, State as JobState};
use trefoil_server::{
    AttemptReport, LogDigest, Node,
    files::Sha256,
    store::{JobView, StoreError},
};

use crate::{
    error::{Code, Problem},
    extract::{AcceptJson, JobPath, Query},
    view::time,
    wait::find,
};

/// The record. Values are the stored texts, byte for byte: their hashes are those of `…/inputs` and `…/result`.
#[derive(Serialize)]
struct Provenance {
    job: JobId,
    service: Value,
    inputs: Values,
    attempt: Value,
    environment: BTreeMap<String, String>,
    host: Value,
    log: LogDigest,
    /// `None` if the job did not succeed.
    outputs: Option<Values>,
    software: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    rerun_of: Option<JobId>,
}

#[derive(Serialize)]
struct Values {
    value: Box<RawValue>,
    sha256: Sha256,
    files: Vec<Value>,
}

pub(crate) async fn provenance(
    State(node): State<Arc<Node>>,
    JobPath(id): JobPath,
    query: Query,
    _accept: AcceptJson,
) -> Result<Response, Problem> {
    query.none()?;
    let JobView { job, spec } = find(&node, id).await?;
    let (attempt, outputs) = ended(&node, &job).await?;
    let report = node
        .attempt_report(attempt)
        .await
        .map_err(|error| Problem::internal(&error))?;
    let is_input = |sha256: &str| spec.files.iter().any(|file| file == sha256);
    let inputs = values(&node, spec.inputs, is_input).await?;
    // What looks like a file among the outputs is one that the platform keeps.
    let outputs = match outputs {
        Some(outputs) => Some(values(&node, outputs, |_| true).await?),
        None => None,
    };
    let rerun_of = match spec.origin {
        Some(Origin::RerunOf(id)) => Some(id),
        Some(Origin::RetryOf(_)) | None => None,
    };
    let attempt = json!({
        "attempt": job.attempt,
        "attempt_id": attempt.to_string(),
        "worker": job.worker.as_deref(),
        "started_at": job.started_ms.map(time),
        "ended_at": job.ended_ms.map(time),
        "command": report.as_ref().map(|report| &report.command),
    });
    let service = service(&node, &job, report.as_ref())?;
    let builtin = || {
        (
            BTreeMap::new(),
            json!({}),
            LogDigest {
                bytes: 0,
                sha256: Sha256::of(b"").to_string(),
            },
        )
    };
    // The version that ran the attempt, which an upgrade since then does not change.
    let ran_by = report
        .as_ref()
        .and_then(|report| report.software.strip_prefix("trefoil "));
    let version = ran_by.unwrap_or(env!("CARGO_PKG_VERSION")).to_owned();
    let software = json!({"name": "trefoil", "version": version});
    let (environment, host, log) = report.map_or_else(builtin, |report| {
        (report.environment, report.host, report.log)
    });
    let provenance = Provenance {
        job: id,
        service,
        inputs,
        attempt,
        environment,
        host,
        log,
        outputs,
        software,
        rerun_of,
    };
    Ok(Json(provenance).into_response())
}

/// The last attempt, and its outputs if it succeeded.
async fn ended(
    node: &Node,
    job: &Job,
) -> Result<(trefoil_jobs::AttemptId, Option<Box<RawValue>>), Problem> {
    let id = job.id;
    if job.counts.is_some() {
        return Err(Problem::conflict(
            "wrong-kind",
            format!("job {id} is a sweep: each of its tasks has its provenance"),
        )
        .hint(format!("GET /v1/jobs/{id}/tasks lists them")));
    }
    if !job.state.is_terminal() {
        return Err(Problem::conflict(
            "job-not-ended",
            format!("job {id} is {} and has no outputs yet", job.state),
        )
        .retry_after(1));
    }
    let Some(attempt) = job.attempt_id else {
        return Err(nothing_recorded(id));
    };
    if job.state != JobState::Succeeded {
        return Ok((attempt, None));
    }
    let outputs = node.readers.result(job.seq).await?;
    let outputs = outputs.and_then(|text| RawValue::from_string(text).ok());
    match outputs {
        Some(outputs) => Ok((attempt, Some(outputs))),
        None => Err(Problem::internal(&format_args!(
            "job {id} succeeded and lacks its outputs"
        ))),
    }
}

/// Nothing ran, or what ran went away with its supervisor.
fn nothing_recorded(id: JobId) -> Problem {
    Problem::new(
        axum::http::StatusCode::CONFLICT,
        "no-report",
        Code::FailedPrecondition,
        format!("nothing was recorded of the last attempt of job {id}"),
    )
    .hint(format!(
        "GET /v1/jobs/{id}/attempts tells how its attempts ended"
    ))
}

fn service(node: &Node, job: &Job, report: Option<&AttemptReport>) -> Result<Value, Problem> {
    let id: ServiceId = job
        .service
        .parse()
        .map_err(|error| Problem::internal(&error))?;
    let digest = match report {
        Some(report) => report.service_digest.clone(),
        // Builtins leave no report, and they change with the platform only.
        None if job.worker.as_deref() != Some("builtin") => return Err(nothing_recorded(job.id)),
        None => match node.services.snapshot().get(&id) {
            Some(entry) => entry.service.digest.to_string(),
            None => return Err(nothing_recorded(job.id)),
        },
    };
    Ok(json!({"key": id.key.to_string(), "version": id.version.to_string(), "digest": digest}))
}

async fn values(
    node: &Node,
    value: Box<RawValue>,
    is_file: impl Fn(&str) -> bool,
) -> Result<Values, StoreError> {
    let ports: BTreeMap<String, Value> = serde_json::from_str(value.get()).unwrap_or_default();
    let mut files = Vec::new();
    for (port, value) in ports {
        let Some(text) = value["sha256"].as_str().filter(|text| is_file(text)) else {
            continue;
        };
        let Ok(sha256) = text.parse() else { continue };
        let known = node.readers.file(sha256).await?;
        let mut file = json!({"port": port, "sha256": text});
        if let Some(size) = value["size"]
            .as_u64()
            .or(known.as_ref().map(|known| known.size))
        {
            file["size"] = size.into();
        }
        if let Some(name) = value["name"]
            .as_str()
            .map(str::to_owned)
            .or(known.and_then(|known| known.name))
        {
            file["name"] = name.into();
        }
        files.push(file);
    }
    Ok(Values {
        sha256: Sha256::of(value.get().as_bytes()),
        value,
        files,
    })
}
