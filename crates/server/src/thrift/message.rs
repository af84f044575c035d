//! Messages that come whole: bodies of HTTP, frames of WebSocket.

use std::sync::Arc;

use futures_util::future::join_all;
use trefoil_director::ServiceRequest;
use trefoil_thrift::{
    connection::{ReplyKind, RequestId, Server, ServerEvent},
    deprecation::Deprecation,
    framing::Dialect,
};

use super::{
    Call, CalledJob, Context, Reply, Target, Thrift, context::JobHeaders, deprecated::Deprecated,
    forms,
};

/// What came of messages.
#[derive(Debug, Default)]
pub struct Answered {
    /// The answers, in the order of the calls; nothing for those that are one-way.
    pub output: Vec<u8>,
    /// In what the messages came.
    pub dialect: Option<Dialect>,
    /// Bytes at the end that are no whole message.
    pub left_over: usize,
    /// The job that a call was, if there is no other call.
    pub job: Option<CalledJob>,
    /// What is said of the method, if there is no other call.
    pub deprecation: Option<Deprecation>,
}

struct Asked {
    id: Option<RequestId>,
    dialect: Dialect,
    call: Call,
}

impl Thrift {
    /// Answers what is in `input`: one message or more, of whatever dialect. With a `service`, names are methods of that
    /// service; else they mean what they mean on the port. `context` is what came around it.
    ///
    /// # Cancel safety
    ///
    /// Dropped, calls go on, and nobody is told what came of them.
    pub async fn answer(
        &self,
        input: &[u8],
        service: Option<&ServiceRequest>,
        context: &Context,
    ) -> Answered {
        let mut server = Server::new(*self.limits());
        let mut rest = input;
        let mut asked = Vec::new();
        while let Some(event) = server.poll_request(&mut rest) {
            let ServerEvent::Request(request) = event else {
                // It is answered, where that was possible.
                continue;
            };
            let name = &*request.header.name;
            let name = match service {
                Some(service) => {
                    let method = name.rsplit(':').next().unwrap_or(name);
                    format!("{service}:{method}")
                }
                None => name.to_owned(),
            };
            match (self.find(&name), request.id) {
                (Ok(target), id) => asked.push(Asked {
                    id,
                    dialect: request.dialect,
                    call: Call {
                        target,
                        name: Some(name),
                        protocol: request.dialect.protocol,
                        arguments: request.body.into_owned(),
                        context: Context::of(&request.headers).within(context),
                    },
                }),
                (Err(error), Some(id)) => {
                    server.reply_error(id, &error);
                }
                (Err(error), None) => tracing::debug!(%error, "a one-way call of nothing"),
            }
        }
        let dialect = server.dialect();
        let calls = asked.into_iter().map(|asked| async move {
            let target = Arc::clone(&asked.call.target);
            let checked = self.check(&asked.call);
            let reply = match checked {
                Ok(()) => self.call(asked.call).await,
                Err(error) => Err(error),
            };
            (asked.id, asked.dialect, target, reply)
        });
        let answers = join_all(calls).await;
        let job = match &*answers {
            [(_, _, _, Ok(Some(reply)))] => reply.job,
            [(_, _, _, Err(failure))] => failure.job(),
            _ => None,
        };
        let deprecation = match &*answers {
            [(_, _, target, _)] => target.deprecation().cloned(),
            _ => None,
        };
        for (id, dialect, target, reply) in answers {
            let Some(id) = id else {
                continue;
            };
            match reply {
                Ok(Some(reply)) => self.reply(&mut server, id, dialect, &target, &reply),
                // A one-way method that was called as others are: nothing comes back.
                Ok(None) => server.forget(id),
                Err(failure) => {
                    let headers = JobHeaders::of(failure.job());
                    let error = failure.to_application_error();
                    server.reply(id, ReplyKind::Exception, &headers.list(), |out| {
                        forms::write_error(dialect.protocol, &error, out);
                    });
                }
            }
        }
        let mut output = Vec::new();
        server.take_output(&mut output);
        Answered {
            output,
            dialect,
            left_over: rest.len(),
            job,
            deprecation,
        }
    }

    fn check(&self, call: &Call) -> Result<(), super::CallFailure> {
        let schema = call.target.contract.schema();
        let id = call.target.arguments();
        forms::check(schema, id, call.protocol, &call.arguments, self.limits())
            .map_err(|error| super::CallFailure::Malformed(error.to_string()))
    }

    fn reply(
        &self,
        server: &mut Server,
        id: RequestId,
        dialect: Dialect,
        target: &Target,
        reply: &Reply,
    ) {
        let mut body = Vec::with_capacity(reply.body.len());
        let limits = self.limits();
        let from = (reply.protocol, &*reply.body);
        let written = match (reply.kind, target.method().result) {
            (ReplyKind::Reply, Some(result)) => {
                let schema = target.contract.schema();
                forms::transcode(schema, result, from, dialect.protocol, limits, &mut body)
            }
            _ => reply
                .error(limits)
                .map(|error| forms::write_error(dialect.protocol, &error, &mut body)),
        };
        match written {
            Ok(()) => {
                let job = JobHeaders::of(reply.job);
                let mut headers = job.list();
                let deprecated = target.deprecated.as_deref();
                headers.extend(deprecated.into_iter().flat_map(Deprecated::headers));
                server.reply_raw(id, reply.kind, &headers, &body);
            }
            Err(error) => {
                let failure = super::CallFailure::BadReply {
                    instance: "?".to_owned(),
                    reason: error.to_string(),
                };
                server.reply_error(id, &failure.to_application_error());
            }
        }
    }
}
