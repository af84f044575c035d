//! Calls of services that run as jobs: the arguments become the inputs of a job, and its end the reply.
//!
//! A reactor only hands them over. What takes time happens on the runtime, in a task for each call, and there are only so
//! many. Who leaves before the end leaves the job running.

mod files;
mod waiting;

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};
use trefoil_director::{RESULT_METHOD, RUN_METHOD, SUBMIT_METHOD};
use trefoil_thrift::{Limits, framing::Protocol};

use super::{
    call::{Answer, CallFailure},
    context::Context,
    routes::Target,
};
use crate::Node;
use waiting::Waiting;

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
    /// As it was called.
    pub(super) name: Option<String>,
    pub(super) method: JobMethod,
    pub(super) protocol: Protocol,
    pub(super) arguments: Vec<u8>,
    pub(super) context: Context,
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
        let node = self.node.get().cloned().unwrap_or_default();
        let longest = node.upgrade().map(|node| node.config.call_max_wait);
        let longest = longest.unwrap_or_default();
        let patience = call.context.timeout.unwrap_or(longest).min(longest);
        let waiting = Waiting {
            node,
            patience,
            deadline: Instant::now() + patience,
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

fn cannot(target: &Target, reason: String) -> CallFailure {
    CallFailure::NoProvider {
        service: target.service.to_string(),
        reason,
    }
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
