//! Calls of services that run as jobs: the arguments become the inputs of a job, and its end the reply.
//!
//! A reactor only hands them over. What takes time happens on the runtime, in a task for each call, and there are only so
//! many. Who leaves before the end leaves the job running.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use trefoil_director::{
    RESULT_METHOD, RUN_METHOD, SUBMIT_METHOD, Service, Violation, derived_inputs, derived_outputs,
};
use trefoil_jobs::{Failure, Job, JobId, State};
use trefoil_thrift::{Limits, connection::ReplyKind, framing::Protocol, json::JsonError};

use super::{
    call::{Answer, CallFailure, Reply},
    forms,
    routes::Target,
};
use crate::{JobRequest, Node, SubmitError, hub::Seen, store::StoreError};

/// Calls that wait for jobs at a time. Each is a task of a few kilobytes, so memory would bear many more; but who has so
/// many jobs submits them and asks for their results later.
const CALLS_MAX: u32 = 10_000;
/// Calls that are told that the platform stops should be told before their connections are closed.
const FAREWELL: Duration = Duration::from_secs(1);

/// The methods of derived contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobMethod {
    /// Inputs in, outputs out.
    Run,
    /// Inputs in, the id of a job out.
    Submit,
    /// The id of a job in, outputs out.
    Result,
}

impl JobMethod {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            RUN_METHOD => Some(Self::Run),
            SUBMIT_METHOD => Some(Self::Submit),
            RESULT_METHOD => Some(Self::Result),
            _ => None,
        }
    }
}

/// What calls of jobs need of the platform.
pub(super) struct Jobs {
    runtime: Handle,
    /// Not owned: the node owns the endpoint.
    node: OnceLock<Weak<Node>>,
    calls: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

/// A call that was checked by nobody yet.
pub(super) struct JobCall {
    pub(super) target: Arc<Target>,
    pub(super) method: JobMethod,
    pub(super) protocol: Protocol,
    pub(super) arguments: Vec<u8>,
    pub(super) timeout: Duration,
    pub(super) limits: Limits,
}

/// The right to make a call, until it is answered.
pub(super) type Permit = OwnedSemaphorePermit;

impl Jobs {
    pub(super) fn new(runtime: Handle) -> Self {
        Self {
            runtime,
            node: OnceLock::new(),
            calls: Arc::new(Semaphore::new(CALLS_MAX as usize)),
            stopping: watch::Sender::new(false),
        }
    }

    /// From now on jobs are those of this node. The first one counts.
    pub(super) fn serve(&self, node: Weak<Node>) {
        let _ = self.node.set(node);
    }

    /// The right to make a call.
    pub(super) fn enter(&self, target: &Target) -> Result<Permit, CallFailure> {
        if *self.stopping.borrow() {
            return Err(CallFailure::Stopping);
        }
        let permit = Arc::clone(&self.calls).try_acquire_owned();
        permit.map_err(|_| {
            cannot(
                target,
                format!("{CALLS_MAX} calls wait for jobs, which is the limit"),
            )
        })
    }

    /// Makes a call, and gives what comes of it.
    pub(super) fn begin(
        &self,
        permit: Permit,
        call: JobCall,
        give: impl FnOnce(Answer, Permit) + Send + 'static,
    ) {
        let waiting = Waiting {
            node: self.node.get().cloned().unwrap_or_default(),
            deadline: Instant::now() + call.timeout,
            stopping: self.stopping.subscribe(),
            call,
        };
        self.runtime.spawn(async move {
            let answer = waiting.answer().await;
            give(answer.map(Some), permit);
        });
    }

    /// Tells all who wait that they wait in vain, and gives that time to arrive.
    pub(super) async fn stop(&self) {
        self.stopping.send_replace(true);
        let all_told = self.calls.acquire_many(CALLS_MAX);
        let _ = tokio::time::timeout(FAREWELL, all_told).await;
    }
}

/// How a job ended.
enum End {
    /// Its outputs, one JSON object.
    Succeeded(String),
    /// What the exception has.
    Failed(Map<String, Value>),
}

/// A call under way.
struct Waiting {
    node: Weak<Node>,
    deadline: Instant,
    stopping: watch::Receiver<bool>,
    call: JobCall,
}

impl Waiting {
    async fn answer(mut self) -> Result<Reply, CallFailure> {
        let arguments = self.arguments()?;
        let (id, watch) = match self.call.method {
            JobMethod::Submit => {
                let (id, _) = self.submit(arguments, false).await?;
                let result = json!({ "success": id.to_string() }).to_string();
                return self
                    .reply(&result)
                    .map_err(|error| self.cannot(all(&error)));
            }
            // There is nobody to wait for if nothing could run it.
            JobMethod::Run => self.submit(arguments, true).await?,
            JobMethod::Result => self.find(&arguments).await?,
        };
        let result = self.result_of(id, watch).await?;
        let reply = self.reply(&result).or_else(|error| {
            // A whole number of more than 64 bits, for one: ports may have it.
            let message = format!(
                "the job succeeded, but its outputs do not fit its contract: {}",
                all(&error)
            );
            let mut fields = exception("bad_outputs", &message);
            let hint = format!("GET /v1/jobs/{id}/result has them");
            fields.insert("hint".to_owned(), Value::String(hint));
            self.reply(&thrown(id, fields))
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

    /// Submits a job. Its node is not held for longer: a call that waits must not keep a platform from ending.
    async fn submit(
        &self,
        mut arguments: Map<String, Value>,
        strict: bool,
    ) -> Result<(JobId, Option<watch::Receiver<Seen>>), CallFailure> {
        let target = &self.call.target;
        let node = self.node.upgrade().ok_or(CallFailure::Stopping)?;
        let inputs = match arguments.remove("inputs") {
            Some(Value::Object(inputs)) => inputs,
            _ => Map::new(),
        };
        let inputs = derived_inputs(&*service(&node, target)?, inputs)
            .map_err(|violations| malformed("/inputs", &violations))?;
        let exact = target.service.to_string().parse();
        let exact = exact.map_err(|error| cannot(target, format!("{error}")))?;
        let mut request = JobRequest::new(exact, inputs);
        request.strict = strict;
        let submitted = node.submit(vec![request], false, None).await;
        let submitted = submitted.map_err(|error| match error {
            SubmitError::Invalid(violations) => malformed("", &violations),
            SubmitError::Draining => CallFailure::Stopping,
            error @ (SubmitError::Resolve { .. }
            | SubmitError::Refused(_)
            | SubmitError::Store(_)
            | SubmitError::DiskFull { .. }) => cannot(target, error.to_string()),
        })?;
        Ok((submitted.accepted.first, submitted.watch))
    }

    /// The job that the arguments name, which must be one of the service.
    async fn find(
        &self,
        arguments: &Map<String, Value>,
    ) -> Result<(JobId, Option<watch::Receiver<Seen>>), CallFailure> {
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
        Ok((id, (!job.state.is_terminal()).then_some(watch)))
    }

    /// Waits for the end of a job and gives the JSON of the method's result. Without a `watch` it has ended.
    async fn result_of(
        &mut self,
        id: JobId,
        watch: Option<watch::Receiver<Seen>>,
    ) -> Result<String, CallFailure> {
        let over = match watch {
            Some(watch) => self.wait(watch).await,
            None => Over::Ended(None),
        };
        let end = match over {
            Over::Ended(Some(end)) => end,
            Over::Ended(None) => self.stored(id, "the job goes on").await?,
            Over::Time => {
                let waited = self.call.timeout.as_millis();
                self.stored(
                    id,
                    &format!("the time of the call, {waited} ms, is over, and the job goes on"),
                )
                .await?
            }
            Over::Stopping => {
                let reason = "the platform stops; the job goes on when it is back".to_owned();
                return Err(CallFailure::Unfinished {
                    job: id.to_string(),
                    reason,
                });
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
            End::Failed(failed) => Ok(thrown(id, failed)),
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
    async fn stored(&self, id: JobId, reason: &str) -> Result<End, CallFailure> {
        let target = &self.call.target;
        let node = self.node.upgrade().ok_or(CallFailure::Stopping)?;
        let job = read_job(&node, target, id).await?;
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
                    job: id.to_string(),
                    reason: format!("{reason}{}", waits_for.unwrap_or_default()),
                })
            }
        }
    }

    /// The reply with a result that is given as JSON.
    fn reply(&self, result: &str) -> Result<Reply, JsonError> {
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

async fn read_job(node: &Node, target: &Target, id: JobId) -> Result<Job, CallFailure> {
    let job = node
        .readers
        .job(id)
        .await
        .map_err(|error| unreadable(target, &error))?;
    job.ok_or_else(|| CallFailure::Malformed(format!("/job: there is no job {id}")))
}

fn unreadable(target: &Target, error: &StoreError) -> CallFailure {
    cannot(target, error.to_string())
}

fn cannot(target: &Target, reason: String) -> CallFailure {
    CallFailure::NoProvider {
        service: target.service.to_string(),
        reason,
    }
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

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs")
            .field("calls", &self.calls.available_permits())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use trefoil_director::{Catalog, Instances};

    use super::*;
    use crate::thrift::routes::Routes;

    #[tokio::test]
    async fn only_so_many_calls_wait() {
        let mut catalog = Catalog::new();
        for service in crate::builtin::services() {
            catalog.insert(service).unwrap();
        }
        let routes = Routes::of(&catalog, &mut Instances::new(1));
        let target = routes.find("Echo:run", &catalog).unwrap();
        let jobs = Jobs::new(Handle::current());
        let mut permits: Vec<Permit> = (0..CALLS_MAX)
            .map(|_| jobs.enter(&target).unwrap())
            .collect();
        let failure = jobs.enter(&target).unwrap_err();
        let words =
            "`trefoil/echo:1.0.0` cannot be called: 10000 calls wait for jobs, which is the limit";
        assert_eq!(failure.to_string(), words);
        permits.pop();
        permits.push(jobs.enter(&target).unwrap());
        drop(permits);
        jobs.stop().await;
        assert_eq!(jobs.enter(&target).unwrap_err(), CallFailure::Stopping);
    }
}
