//! Calls of services that run as jobs: handed over, and answered when they come back.

use std::sync::Arc;

use tokio::sync::oneshot;
use trefoil_thrift::connection::{ReplyKind, Request};

use super::{
    super::{
        call::Answer,
        context::{Context, JobHeaders},
        forms,
        jobs::{JobCall, JobMethod, Permit},
        routes::Target,
    },
    Letter, Reactor,
    calls::{Origin, SPENT},
    peer_token,
};

/// What came of a call of a connection.
pub(in super::super) struct JobAnswer {
    origin: Origin,
    answer: Answer,
    /// Held until it is delivered, so that there are only so many letters.
    permit: Permit,
}

impl std::fmt::Debug for JobAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobAnswer")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl Reactor {
    /// A request of a connection becomes a job.
    pub(super) fn job_of_peer(
        &mut self,
        at: usize,
        request: &Request<'_>,
        target: &Arc<Target>,
        method: JobMethod,
    ) {
        self.shared.metrics.calls.inc();
        let context = Context::of(&request.headers);
        if context.timeout.is_some_and(|timeout| timeout.is_zero()) {
            return self.refuse(at, request, &SPENT.to_application_error());
        }
        let permit = match self.shared.jobs.enter(target) {
            Ok(permit) => permit,
            Err(failure) => {
                self.shared.metrics.failures.inc();
                return self.refuse(at, request, &failure.to_application_error());
            }
        };
        let Some(origin) = self.origin_of(at, request) else {
            return;
        };
        let call = JobCall {
            target: Arc::clone(target),
            name: Some(request.header.name.as_ref().to_owned()),
            method,
            protocol: request.dialect.protocol,
            arguments: request.body.to_vec(),
            context,
            limits: self.shared.config.limits,
        };
        let (shared, index) = (Arc::clone(&self.shared), self.index);
        self.shared.jobs.begin(permit, call, move |answer, permit| {
            let answer = JobAnswer {
                origin,
                answer,
                permit,
            };
            shared.mailboxes[index].post(Letter::Answer(Box::new(answer)));
        });
    }

    /// A call of this process becomes a job. Its caller is told on the way: no reactor has a part in that.
    pub(super) fn job_of_local(&self, call: JobCall, answer: oneshot::Sender<Answer>) {
        self.shared.metrics.calls.inc();
        let permit = match self.shared.jobs.enter(&call.target) {
            Ok(permit) => permit,
            Err(failure) => {
                self.shared.metrics.failures.inc();
                return Self::answer_local(answer, Err(failure));
            }
        };
        let shared = Arc::clone(&self.shared);
        self.shared.jobs.begin(permit, call, move |what, _permit| {
            if what.is_err() {
                shared.metrics.failures.inc();
            }
            Self::answer_local(answer, what);
        });
    }

    /// A call of a connection has come to something.
    pub(super) fn handle_answer(&mut self, answered: JobAnswer) {
        let JobAnswer {
            origin,
            answer,
            permit,
        } = answered;
        if answer.is_err() {
            self.shared.metrics.failures.inc();
        }
        if let Origin::Peer {
            at,
            stamp,
            request,
            dialect,
        } = origin
            // Who may have left.
            && let Some(peer) = self.peers.get(at).filter(|peer| peer.stamp == stamp)
        {
            match answer {
                Ok(Some(reply)) => {
                    // It is in the protocol of its caller.
                    let headers = JobHeaders::of(reply.job);
                    let headers = headers.list();
                    peer.server
                        .reply_raw(request, reply.kind, &headers, &reply.body);
                }
                Ok(None) => {}
                Err(failure) => {
                    let headers = JobHeaders::of(failure.job());
                    let error = failure.to_application_error();
                    let (kind, headers) = (ReplyKind::Exception, headers.list());
                    peer.server.reply(request, kind, &headers, |out| {
                        forms::write_error(dialect.protocol, &error, out);
                    });
                }
            }
            self.soil(peer_token(at));
        }
        drop(permit);
    }
}
