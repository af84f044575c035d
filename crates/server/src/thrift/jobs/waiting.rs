//! A call under way: a job is submitted, or one that is there is found, and its end waited for.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{sync::watch, time::Instant};
use trefoil_director::{
    RUN_METHOD, Service, ServiceRequest, Violation, derived_inputs, derived_outputs,
};
use trefoil_jobs::{Failure, Idempotency, Job, JobId, Refusal, State};
use trefoil_thrift::{connection::ReplyKind, json::JsonError};

use super::{
    super::{
        call::{CallFailure, CalledJob, Reply},
        context::{IDEMPOTENCY_KEY, SUBMITTER_KEY},
        forms,
        routes::Target,
    },
    JobCall, JobMethod, cannot,
    files::{self, KeepError},
};
use crate::{
    JobRequest, Node, SubmitError,
    hub::Seen,
    idempotency::{
        ANONYMOUS, Fingerprint, KEY_RULE, SUBMITTER_RULE, idempotency_key, is_submitter,
    },
    store::StoreError,
};

/// How a job ended.
enum End {
    /// Its outputs, one JSON object.
    Succeeded(String),
    /// What the exception has.
    Failed(Map<String, Value>),
}

/// A call under way.
pub(super) struct Waiting {
    /// Held for a moment at a time: a call that waits must not keep a platform from ending.
    pub(super) node: Weak<Node>,
    /// How long the end of the job is waited for.
    pub(super) patience: Duration,
    pub(super) deadline: Instant,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) call: JobCall,
}

impl Waiting {
    /// What comes of it.
    pub(super) async fn answer(mut self) -> Result<Reply, CallFailure> {
        let arguments = self.arguments()?;
        let (job, watch) = match self.call.method {
            JobMethod::Submit => {
                let (job, _) = self.submit(arguments, false).await?;
                let result = json!({ "success": job.id.to_string() }).to_string();
                return self
                    .reply(&result, job)
                    .map_err(|error| self.cannot(all(&error)));
            }
            // There is nobody to wait for if nothing could run it.
            JobMethod::Run => self.submit(arguments, true).await?,
            JobMethod::Result => self.find(&arguments).await?,
        };
        let result = self.result_of(job, watch).await?;
        let reply = self.reply(&result, job).or_else(|error| {
            // A whole number of more than 64 bits, for one: ports may have it.
            let message = format!(
                "the job succeeded, but its outputs do not fit its contract: {}",
                all(&error)
            );
            let mut fields = exception("bad_outputs", &message);
            let hint = format!("GET /v1/jobs/{}/result has them", job.id);
            fields.insert("hint".to_owned(), Value::String(hint));
            self.reply(&thrown(job.id, fields), job)
        });
        reply.map_err(|error| self.cannot(all(&error)))
    }

    /// The arguments as JSON, checked.
    fn arguments(&self) -> Result<Map<String, Value>, CallFailure> {
        let JobCall {
            target,
            protocol,
            arguments,
            limits,
            ..
        } = &self.call;
        let schema = target.contract.schema();
        let text = forms::to_json(schema, target.arguments(), (*protocol, arguments), limits)
            .map_err(|error| CallFailure::Malformed(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| CallFailure::Malformed(error.to_string()))
    }

    /// Submits a job.
    async fn submit(
        &self,
        mut arguments: Map<String, Value>,
        strict: bool,
    ) -> Result<(CalledJob, Option<watch::Receiver<Seen>>), CallFailure> {
        let target = &self.call.target;
        let node = self.node.upgrade().ok_or(CallFailure::Stopping)?;
        let inputs = match arguments.remove("inputs") {
            Some(Value::Object(inputs)) => inputs,
            _ => Map::new(),
        };
        let wrong = |violations: Vec<Violation>| malformed("/inputs", &violations);
        let described = service(&node, target)?;
        let mut inputs = derived_inputs(&described, inputs).map_err(wrong)?;
        let contents = files::take(&described, &mut inputs).map_err(wrong)?;
        files::keep(&node, contents)
            .await
            .map_err(|error| match error {
                KeepError::Invalid(violations) => wrong(violations),
                KeepError::File(_) | KeepError::Store(_) => cannot(target, error.to_string()),
            })?;
        let idempotency = self.idempotency(&inputs)?;
        let exact = target.service.to_string().parse();
        let exact = exact.map_err(|error| cannot(target, format!("{error}")))?;
        let mut request = JobRequest::new(exact, inputs);
        request.strict = strict;
        request.submitter = self.submitter()?;
        let submitted = node.submit(vec![request], false, idempotency).await;
        let submitted = submitted.map_err(|error| match error {
            SubmitError::Invalid(violations) => malformed("", &violations),
            SubmitError::Draining => CallFailure::Stopping,
            // The caller's fault, which no other try mends.
            SubmitError::Refused(refusal @ Refusal::KeyReused { .. }) => {
                CallFailure::Malformed(refusal.to_string())
            }
            error @ (SubmitError::Resolve { .. }
            | SubmitError::Refused(_)
            | SubmitError::Store(_)
            | SubmitError::DiskFull { .. }) => cannot(target, error.to_string()),
        })?;
        let job = CalledJob {
            id: submitted.accepted.first,
            is_replayed: submitted.accepted.replayed,
        };
        // The job of a repeated call may have ended long ago; then there is nothing more to watch.
        let has_ended = job.is_replayed
            && read_job(&node, target, job.id)
                .await?
                .ok_or_else(|| {
                    let id = job.id;
                    CallFailure::Malformed(format!(
                        "job {id}, which this idempotency key stands for, was deleted"
                    ))
                })?
                .state
                .is_terminal();
        Ok((job, submitted.watch.filter(|_| !has_ended)))
    }

    /// Who submits.
    fn submitter(&self) -> Result<Arc<str>, CallFailure> {
        let Some(text) = self.call.context.get(SUBMITTER_KEY) else {
            return Ok(ANONYMOUS.into());
        };
        let text = str::from_utf8(text).ok().filter(|text| is_submitter(text));
        let text = text.ok_or_else(|| bad_header(SUBMITTER_KEY, SUBMITTER_RULE))?;
        Ok(text.into())
    }

    /// What makes the call the same as another, as over HTTP: whether its job is waited for makes no difference.
    fn idempotency(&self, inputs: &Map<String, Value>) -> Result<Option<Idempotency>, CallFailure> {
        let Some(text) = self.call.context.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        let key = str::from_utf8(text).ok().and_then(idempotency_key);
        let key = key.ok_or_else(|| bad_header(IDEMPOTENCY_KEY, KEY_RULE))?;
        let key_of = &self.call.target.service.key;
        // As it was asked for, if that was by the key: `key:1:run` goes on to mean the same job when there is a 1.1.
        let name = self.call.name.as_deref().unwrap_or_default();
        let asked = name.rsplit_once(':').map(|(service, _)| service);
        let asked = asked.filter(|asked| {
            let parsed = asked.parse::<ServiceRequest>();
            parsed.is_ok_and(|parsed| parsed.key == *key_of)
        });
        let service = asked.unwrap_or(key_of.as_str());
        let path = format!("/v1/call/{service}/{RUN_METHOD}");
        let mut fingerprint = Fingerprint::new(key.into(), &path);
        fingerprint.add(&Value::Object(inputs.clone()));
        Ok(Some(fingerprint.finish()))
    }

    /// The job that the arguments name, which must be one of the service.
    async fn find(
        &self,
        arguments: &Map<String, Value>,
    ) -> Result<(CalledJob, Option<watch::Receiver<Seen>>), CallFailure> {
        let text = arguments
            .get("job")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let id: JobId = text
            .parse()
            .map_err(|_| CallFailure::Malformed("/job: expected the id of a job".to_owned()))?;
        let node = self.node.upgrade().ok_or(CallFailure::Stopping)?;
        // Before it is looked at, so that its end is not missed.
        let watch = node.hub.watch(id);
        let target = &self.call.target;
        let job = read_job(&node, target, id).await?;
        let job = job.ok_or_else(|| no_such_job(id))?;
        let of = job
            .service
            .rsplit_once(':')
            .map_or(&*job.service, |(key, _)| key);
        if of != target.service.key.as_str() {
            let reason = format!(
                "/job: job {id} is one of {}, not of {}",
                job.service, target.service.key
            );
            return Err(CallFailure::Malformed(reason));
        }
        let watch = (!job.state.is_terminal()).then_some(watch);
        let job = CalledJob {
            id,
            is_replayed: false,
        };
        Ok((job, watch))
    }

    /// Waits for the end of a job and gives the JSON of the method's result. Without a `watch` it has ended.
    async fn result_of(
        &mut self,
        job: CalledJob,
        watch: Option<watch::Receiver<Seen>>,
    ) -> Result<String, CallFailure> {
        let over = match watch {
            Some(watch) => self.wait(watch).await,
            None => Over::Ended(None),
        };
        let end = match over {
            Over::Ended(Some(end)) => end,
            Over::Ended(None) => self.stored(job, "the job goes on").await?,
            Over::Time => {
                let waited = self.patience.as_millis();
                self.stored(
                    job,
                    &format!("the time of the call, {waited} ms, is over, and the job goes on"),
                )
                .await?
            }
            Over::Stopping => {
                let reason = "the platform stops; the job goes on when it is back".to_owned();
                return Err(CallFailure::Unfinished { job, reason });
            }
        };
        match end {
            End::Succeeded(outputs) => {
                let target = &self.call.target;
                let node = self.node.upgrade().ok_or(CallFailure::Stopping)?;
                let outputs = derived_outputs(&*service(&node, target)?, &outputs);
                let outputs = outputs.map_err(|error| cannot(target, error.to_string()))?;
                Ok(format!("{{\"success\":{outputs}}}"))
            }
            End::Failed(failed) => Ok(thrown(job.id, failed)),
        }
    }

    fn cannot(&self, reason: String) -> CallFailure {
        cannot(&self.call.target, reason)
    }

    async fn wait(&mut self, mut watch: watch::Receiver<Seen>) -> Over {
        let has_ended = |seen: &Seen| {
            seen.changed
                .as_ref()
                .is_some_and(|changed| changed.ended.is_some())
        };
        // All of them can be dropped without loss: the job does not know who waits.
        tokio::select! {
            seen = watch.wait_for(has_ended) => Over::Ended(seen.ok().and_then(|seen| end_of(&seen))),
            () = tokio::time::sleep_until(self.deadline) => Over::Time,
            _ = self.stopping.wait_for(|stopping| *stopping) => Over::Stopping,
        }
    }

    /// How a job ended by what is on disk; if it has not, `reason` is why nobody waits any longer.
    async fn stored(&self, called: CalledJob, reason: &str) -> Result<End, CallFailure> {
        let target = &self.call.target;
        let node = self.node.upgrade().ok_or(CallFailure::Stopping)?;
        let job = read_job(&node, target, called.id).await?;
        let job = job.ok_or_else(|| no_such_job(called.id))?;
        match job.state {
            State::Succeeded => {
                let outputs = node
                    .readers
                    .result(job.seq)
                    .await
                    .map_err(|error| unreadable(target, &error))?;
                Ok(End::Succeeded(outputs.unwrap_or_else(|| "{}".to_owned())))
            }
            State::Failed => Ok(failed(job.failure.as_deref())),
            State::Canceled => Ok(canceled(job.cancel.as_deref())),
            State::Created
            | State::Accepted
            | State::Blocked
            | State::Queued
            | State::Starting
            | State::Running
            | State::Retrying
            | State::Canceling => {
                let waits_for = node.reason(&job).await;
                let waits_for = waits_for.map(|(_, words)| format!("; it waits: {words}"));
                Err(CallFailure::Unfinished {
                    job: called,
                    reason: format!("{reason}{}", waits_for.unwrap_or_default()),
                })
            }
        }
    }

    /// The reply with a result that is given as JSON.
    fn reply(&self, result: &str, job: CalledJob) -> Result<Reply, JsonError> {
        let JobCall {
            target,
            protocol,
            limits,
            ..
        } = &self.call;
        let mut body = Vec::with_capacity(result.len());
        if let Some(id) = target.method().result {
            let schema = target.contract.schema();
            forms::of_json(schema, id, result.as_bytes(), *protocol, limits, &mut body)?;
        }
        Ok(Reply {
            kind: ReplyKind::Reply,
            protocol: *protocol,
            body,
            job: Some(job),
        })
    }
}

/// Why nobody waits any longer.
enum Over {
    /// The job has ended. How, if it was told.
    Ended(Option<End>),
    Time,
    Stopping,
}

fn end_of(seen: &Seen) -> Option<End> {
    let changed = seen.changed.as_ref()?;
    let ended = changed.ended.as_ref()?;
    match (changed.state, &ended.outputs, &ended.failure) {
        (State::Succeeded, Some(outputs), _) => Some(End::Succeeded(outputs.to_string())),
        (State::Failed, _, Some(failure)) => Some(failed(Some(failure))),
        _ => None,
    }
}

fn failed(failure: Option<&Failure>) -> End {
    let fields = failure.and_then(|failure| serde_json::to_value(failure).ok());
    End::Failed(match fields {
        Some(Value::Object(fields)) => fields,
        _ => exception("lost", "nothing is known of how it failed"),
    })
}

fn canceled(reason: Option<&str>) -> End {
    let reason = reason.filter(|reason| !reason.is_empty());
    End::Failed(exception(
        "canceled",
        reason.unwrap_or("the job was canceled"),
    ))
}

/// The result of a method that threw.
fn thrown(id: JobId, mut fields: Map<String, Value>) -> String {
    fields.insert("job".to_owned(), Value::String(id.to_string()));
    json!({ "failed": fields }).to_string()
}

fn exception(class: &str, message: &str) -> Map<String, Value> {
    let field = |name: &str, value: &str| (name.to_owned(), Value::String(value.to_owned()));
    [field("class", class), field("message", message)]
        .into_iter()
        .collect()
}

fn service(node: &Node, target: &Target) -> Result<Arc<Service>, CallFailure> {
    let catalog = node.services.snapshot();
    let entry = catalog.get(&target.service);
    entry
        .map(|entry| Arc::clone(&entry.service))
        .ok_or_else(|| cannot(target, "it is not there any more".to_owned()))
}

async fn read_job(node: &Node, target: &Target, id: JobId) -> Result<Option<Job>, CallFailure> {
    node.readers
        .job(id)
        .await
        .map_err(|error| unreadable(target, &error))
}

fn no_such_job(id: JobId) -> CallFailure {
    CallFailure::Malformed(format!("/job: there is no job {id}"))
}

fn bad_header(key: &str, rule: &str) -> CallFailure {
    CallFailure::Malformed(format!("the header `{key}`: {rule}"))
}

fn unreadable(target: &Target, error: &StoreError) -> CallFailure {
    cannot(target, error.to_string())
}

/// All violations, in one text; it is all that the error of a call can have.
fn malformed(place: &str, violations: &[Violation]) -> CallFailure {
    let texts: Vec<String> = violations
        .iter()
        .map(|found| format!("{place}{}: {}", found.pointer, found.detail))
        .collect();
    CallFailure::Malformed(texts.join("; "))
}

fn all(error: &JsonError) -> String {
    let texts: Vec<String> = error
        .all()
        .map(|found| format!("{}: {}", found.pointer, found.kind))
        .collect();
    texts.join("; ")
}
