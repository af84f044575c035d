//! Calls under way: from a caller to an instance and back.

use std::sync::Arc;

use tokio::sync::oneshot;
use trefoil_director::instances::{CallOutcome, GroupKey, InstanceKey};
use trefoil_thrift::{
    ApplicationErrorKind,
    connection::{ReplyKind, Request, RequestId},
    framing::{Dialect, Protocol},
};

use super::{
    super::{
        builtin,
        call::{Answer, Call, CallFailure, LocalCall, Reply},
        context::{Context, SUBMITTER_KEY},
        deprecated::Deprecated,
        forms,
        jobs::JobCall,
        routes::{Provider, Target},
    },
    Reactor, peer_token,
    slab::Slab,
};

/// Arguments that are not longer are kept until the reply, so that the call can be tried again (as in linkerd).
const REPLAY_MAX: usize = 64 << 10;
/// Tries beyond the first.
const RETRIES_MAX: usize = 2;
/// A call whose time is over when it comes.
pub(super) const SPENT: CallFailure = CallFailure::DeadlineExceeded {
    after_ms: 0,
    place: "it was not begun",
};

/// Who called.
#[derive(Debug)]
pub(super) enum Origin {
    /// A connection.
    Peer {
        at: usize,
        stamp: u32,
        request: RequestId,
        dialect: Dialect,
    },
    /// Somebody in this process.
    Local(oneshot::Sender<Answer>),
    /// Nobody waits: it is one-way.
    Nobody,
}

/// A call that has no answer yet.
#[derive(Debug)]
pub(super) struct CallSlot {
    pub(super) origin: Origin,
    pub(super) target: Arc<Target>,
    pub(super) group: GroupKey,
    /// The arguments, if they are kept, and in what they are written.
    pub(super) arguments: Vec<u8>,
    pub(super) protocol: Protocol,
    /// What the caller said beside the arguments: handed on to instances whose wire can carry it.
    pub(super) context: Context,
    /// When it began, in microseconds.
    pub(super) started_us: u64,
    pub(super) deadline: u64,
    /// Where it was first; most calls are nowhere else.
    first: Option<InstanceKey>,
    /// Where it was then.
    retried: Vec<InstanceKey>,
    /// Where it is now.
    pub(super) instance: Option<InstanceKey>,
    /// The connection that it is on.
    pub(super) link: Option<usize>,
}

/// All calls of a reactor.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Slab<CallSlot>,
    /// Memory of arguments for calls to come.
    buffers: Vec<Vec<u8>>,
}

impl Calls {
    pub(super) fn get(&mut self, at: usize) -> Option<&mut CallSlot> {
        self.slots.get(at)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn keys(&self) -> Vec<usize> {
        self.slots.keys()
    }

    fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    fn remove(&mut self, at: usize) -> Option<CallSlot> {
        let mut call = self.slots.remove(at)?;
        let mut buffer = std::mem::take(&mut call.arguments);
        if buffer.capacity() <= REPLAY_MAX && self.buffers.len() < 1_024 {
            buffer.clear();
            self.buffers.push(buffer);
        }
        Some(call)
    }
}

impl Reactor {
    /// A request of a connection goes to an instance.
    pub(super) fn call_of_peer(
        &mut self,
        at: usize,
        request: &Request<'_>,
        target: &Arc<Target>,
        group: GroupKey,
    ) {
        let protocol = request.dialect.protocol;
        let limits = &self.shared.config.limits;
        let schema = target.contract.schema();
        let checked = forms::check(schema, target.arguments(), protocol, &request.body, limits);
        if let Err(error) = checked {
            let error = CallFailure::Malformed(error.to_string()).to_application_error();
            return self.refuse(at, request, &error);
        }
        let context = Context::of(&request.headers);
        let timeout = self.timeout_of(&context);
        if timeout == 0 {
            return self.refuse(at, request, &SPENT.to_application_error());
        }
        let Some(origin) = self.origin_of(at, request) else {
            return;
        };
        let mut arguments = self.calls.buffer();
        arguments.extend_from_slice(&request.body);
        self.begin(CallSlot {
            origin,
            target: Arc::clone(target),
            group,
            arguments,
            protocol,
            context,
            started_us: self.now_us,
            deadline: self.now + timeout,
            first: None,
            retried: Vec::new(),
            instance: None,
            link: None,
        });
    }

    /// How long a call may take, in milliseconds.
    fn timeout_of(&self, context: &Context) -> u64 {
        let asked = context.timeout.map(|timeout| timeout.as_millis() as u64);
        let longest = self.shared.config.call_timeout_ms;
        longest.min(asked.unwrap_or(u64::MAX))
    }

    /// Who made a request, if the connection is still there.
    pub(super) fn origin_of(&mut self, at: usize, request: &Request<'_>) -> Option<Origin> {
        let peer = self.peers.get(at)?;
        Some(match request.id {
            Some(id) => Origin::Peer {
                at,
                stamp: peer.stamp,
                request: id,
                dialect: request.dialect,
            },
            None => Origin::Nobody,
        })
    }

    /// A call of this process.
    pub(super) fn call_local(&mut self, local: LocalCall) {
        let LocalCall { call, answer } = local;
        let Call {
            target,
            name,
            protocol,
            arguments,
            context,
        } = call;
        let limits = &self.shared.config.limits;
        let timeout = self.timeout_of(&context);
        if timeout == 0 {
            return Self::answer_local(answer, Err(SPENT));
        }
        let group = match &target.provider {
            Provider::Instances(group) => *group,
            Provider::Jobs(method) => {
                let call = JobCall {
                    method: *method,
                    target,
                    name,
                    protocol,
                    arguments,
                    context,
                    limits: *limits,
                };
                return self.job_of_local(call, answer);
            }
            Provider::Builtin(builtin) => {
                let shared = &self.shared;
                let mut body = Vec::new();
                let done = builtin::answer(
                    &target,
                    builtin,
                    |service| builtin::health(&shared.instances(), service),
                    (protocol, &arguments),
                    limits,
                    &mut body,
                );
                let kind = ReplyKind::Reply;
                let reply = Reply {
                    kind,
                    protocol,
                    body,
                    job: None,
                };
                let answered = done.map(|()| Some(reply)).map_err(CallFailure::Malformed);
                return Self::answer_local(answer, answered);
            }
        };
        let origin = Origin::Local(answer);
        self.begin(CallSlot {
            origin,
            target,
            group,
            arguments,
            protocol,
            context,
            started_us: self.now_us,
            deadline: self.now + timeout,
            first: None,
            retried: Vec::new(),
            instance: None,
            link: None,
        });
    }

    fn begin(&mut self, call: CallSlot) {
        self.shared.metrics.calls.inc();
        if let Some(deprecated) = call.target.deprecated.clone() {
            self.note_deprecated(&deprecated, &call);
        }
        let group = call.group;
        let at = self.calls.slots.insert(call);
        if self.next_tick == u64::MAX {
            self.next_tick = self.now + super::TICK_MS;
        }
        let picked = {
            let mut instances = self.shared.instances();
            instances.handle_first_try(group, self.now);
            instances.pick(group, &[], self.now)
        };
        let Some(call) = self.calls.get(at) else {
            return;
        };
        match picked {
            Ok(picked) => {
                call.first = Some(picked.key);
                call.instance = Some(picked.key);
                self.send(at, picked.key);
            }
            Err(error) => {
                let service = call.target.service.to_string();
                let reason = error.to_string();
                self.fail(at, CallFailure::NoProvider { service, reason });
            }
        }
    }

    /// A method is called that should no longer be.
    #[cold]
    fn note_deprecated(&mut self, deprecated: &Deprecated, call: &CallSlot) {
        let counters = &self.shared.metrics.deprecated;
        counters.get_or_create(&deprecated.labels).inc();
        let peer = match call.origin {
            Origin::Peer { at, .. } => self.peers.get(at),
            Origin::Local(_) | Origin::Nobody => None,
        };
        match peer {
            Some(peer) => deprecated.note(&call.target, &peer.socket.address, self.now),
            // Of one-way calls too it is not kept on which connection they came.
            None => {
                let submitter = call.context.get(SUBMITTER_KEY).unwrap_or(b"?");
                deprecated.note(&call.target, &submitter.escape_ascii(), self.now);
            }
        }
    }

    /// A reply came. What is wrong with it, if anything is.
    pub(super) fn handle_reply(
        &mut self,
        at: usize,
        kind: ReplyKind,
        protocol: Protocol,
        body: &[u8],
    ) -> Result<(), String> {
        let Some(mut call) = self.calls.remove(at) else {
            return Ok(());
        };
        let limits = self.shared.config.limits;
        let mut outcome = CallOutcome::Success;
        if kind == ReplyKind::Exception {
            let error = forms::read_error(protocol, body, &limits);
            outcome = match error.map(|error| error.kind) {
                // The caller's fault, or a contract that is not the provider's.
                Ok(
                    ApplicationErrorKind::UnknownMethod
                    | ApplicationErrorKind::ProtocolError
                    | ApplicationErrorKind::InvalidMessageType
                    | ApplicationErrorKind::WrongMethodName,
                ) => CallOutcome::Success,
                _ => CallOutcome::Failure,
            };
        }
        let target = Arc::clone(&call.target);
        let result = target.method().result;
        let origin = std::mem::replace(&mut call.origin, Origin::Nobody);
        let answered = match origin {
            Origin::Peer { .. } => {
                let result = result.map(|id| (&target, id));
                let done = self.answer_peer(&origin, kind, (protocol, body), result);
                done.map_err(|reason| (reason, origin))
            }
            Origin::Local(answer) => {
                let checked = match (kind, result) {
                    (ReplyKind::Reply, Some(id)) => {
                        forms::check(target.contract.schema(), id, protocol, body, &limits)
                    }
                    _ => Ok(()),
                };
                match checked {
                    Ok(()) => {
                        let reply = Reply {
                            kind,
                            protocol,
                            body: body.to_vec(),
                            job: None,
                        };
                        Self::answer_local(answer, Ok(Some(reply)));
                        Ok(())
                    }
                    Err(error) => Err((error.to_string(), Origin::Local(answer))),
                }
            }
            Origin::Nobody => Ok(()),
        };
        let answered = answered.map_err(|(reason, origin)| {
            outcome = CallOutcome::Failure;
            let failure = CallFailure::BadReply {
                instance: self.name_of(call.instance),
                reason: reason.clone(),
            };
            self.tell(origin, failure);
            reason
        });
        self.conclude(&call, outcome);
        answered
    }

    /// A one-way call was sent: that is all there is to it.
    pub(super) fn handle_sent(&mut self, at: usize) {
        if let Some(mut call) = self.calls.remove(at) {
            if let Origin::Local(answer) = std::mem::replace(&mut call.origin, Origin::Nobody) {
                Self::answer_local(answer, Ok(None));
            }
            self.conclude(&call, CallOutcome::Success);
        }
    }

    /// A call got no reply at the instance that it was at. `was_sent`: it may have been done.
    pub(super) fn handle_lost(&mut self, at: usize, failure: CallFailure, was_sent: bool) {
        let now = self.now;
        let retries_left = RETRIES_MAX;
        let Some(call) = self.calls.get(at) else {
            return;
        };
        call.link = None;
        if let Some(instance) = call.instance.take() {
            let took = milliseconds(self.now_us, call.started_us);
            let mut instances = self.shared.instances();
            instances.handle_outcome(instance, CallOutcome::Failure, took, now);
        }
        let is_safe = !was_sent || call.target.is_idempotent;
        let is_kept = call.arguments.len() <= REPLAY_MAX;
        let again = is_safe
            && is_kept
            && !self.is_draining
            && call.retried.len() < retries_left
            && call.deadline > now
            && self.shared.instances().may_retry(call.group, now);
        if !again {
            return self.fail(at, failure);
        }
        self.shared.metrics.retries.inc();
        let group = call.group;
        let tried: Vec<_> = call.first.iter().chain(&call.retried).copied().collect();
        let picked = self.shared.instances().pick(group, &tried, now);
        match (picked, self.calls.get(at)) {
            (Ok(picked), Some(call)) => {
                call.retried.push(picked.key);
                call.instance = Some(picked.key);
                self.send(at, picked.key);
            }
            // The reason why the last one failed says more than that there is no other.
            _ => self.fail(at, failure),
        }
    }

    /// A call has failed for good.
    pub(super) fn fail(&mut self, at: usize, failure: CallFailure) {
        let Some(mut call) = self.calls.remove(at) else {
            return;
        };
        self.shared.metrics.failures.inc();
        let trace = call.context.trace.map(tracing::field::display);
        tracing::debug!(method = call.target.method().name, trace, %failure, "a call failed");
        let origin = std::mem::replace(&mut call.origin, Origin::Nobody);
        self.tell(origin, failure);
        self.conclude(&call, CallOutcome::Failure);
    }

    fn conclude(&mut self, call: &CallSlot, outcome: CallOutcome) {
        if let Some(instance) = call.instance {
            let took = milliseconds(self.now_us, call.started_us);
            self.shared
                .instances()
                .handle_outcome(instance, outcome, took, self.now);
        }
    }

    pub(super) fn tell(&mut self, origin: Origin, failure: CallFailure) {
        match origin {
            Origin::Peer {
                at, stamp, request, ..
            } => {
                if let Some(peer) = self.peers.get(at).filter(|peer| peer.stamp == stamp) {
                    peer.server
                        .reply_error(request, &failure.to_application_error());
                    self.soil(peer_token(at));
                }
            }
            Origin::Local(answer) => Self::answer_local(answer, Err(failure)),
            Origin::Nobody => {}
        }
    }

    pub(super) fn name_of(&self, instance: Option<InstanceKey>) -> String {
        let instances = self.shared.instances();
        let registered = instance.and_then(|key| instances.registered(key));
        registered.map_or_else(|| "?".to_owned(), |known| known.id.name.to_string())
    }

    /// Calls whose time is over.
    pub(super) fn expire_calls(&mut self) {
        for at in self.calls.keys() {
            let now = self.now;
            let Some(call) = self.calls.get(at).filter(|call| call.deadline <= now) else {
                continue;
            };
            let after_ms = self.now_us.saturating_sub(call.started_us) / 1_000;
            let link = call.link.take();
            let place = if link.is_some() {
                "it was sent"
            } else {
                "it waited for a connection"
            };
            if let Some(link) = link {
                self.abandon(link, at);
            }
            self.fail(at, CallFailure::DeadlineExceeded { after_ms, place });
        }
    }
}

fn milliseconds(now_us: u64, since_us: u64) -> f64 {
    now_us.saturating_sub(since_us) as f64 / 1_000.0
}
