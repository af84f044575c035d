//! Calls of a contract's method: JSON in, the wire of whoever provides it, JSON out.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use trefoil_director::ServiceRequest;
use trefoil_server::{
    Node,
    thrift::{Call, CallFailure, Reply, Target, Thrift},
};
use trefoil_thrift::{
    ApplicationError, ApplicationErrorKind,
    connection::ReplyKind,
    framing::Protocol,
    json::{JsonError, JsonErrorKind, JsonOptions, Outcome, UnknownFields, json_to_struct},
    protocol::BinaryWriter,
    schema::{Field, Struct, Type},
};

use super::{TREFOIL_SERVICE, deadline_spent, deprecated};
use crate::{
    error::{Code, Location, Problem},
    extract::{BodyHead, Prefer, Query, call_context, deadline_ms},
};

/// A request that cannot be served now is mostly served a moment later.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Calls a method of a service that has a contract.
pub(super) async fn call(
    node: &Node,
    service: &ServiceRequest,
    method: &str,
    headers: &HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let thrift = node.thrift().ok_or_else(not_served)?;
    let target = thrift
        .target(service, method)
        .map_err(|error| unknown_method(&error))?;
    let answered = call_target(node, thrift, &target, headers, query, body).await;
    let mut response = answered.unwrap_or_else(Problem::into_response);
    let headers = response.headers_mut();
    let service = target.service.to_string();
    deprecated::warn_of(headers, target.deprecation(), &service);
    if let Ok(value) = HeaderValue::try_from(service) {
        headers.insert(TREFOIL_SERVICE, value);
    }
    Ok(response)
}

async fn call_target(
    node: &Node,
    thrift: &Thrift,
    target: &Arc<Target>,
    headers: &HeaderMap,
    query: Query,
    body: Body,
) -> Result<Response, Problem> {
    let head = BodyHead::check(headers, &[("application/json", node.config.json_max)])?;
    query.none()?;
    let deadline = deadline_ms(headers)?;
    if deadline == Some(0) {
        return Err(deadline_spent());
    }
    let timeout = deadline.map(Duration::from_millis);
    let prefer = Prefer::of(headers);
    let text = head.read(body).await?;
    let call = Call {
        target: Arc::clone(target),
        protocol: Protocol::Binary,
        arguments: arguments(thrift, target, &text, prefer.strict)?,
        name: None,
        context: call_context(headers, timeout)?,
    };
    let reply = thrift.call(call).await.map_err(|error| failed(&error))?;
    match reply {
        None => Ok(StatusCode::ACCEPTED.into_response()),
        Some(reply) => answer(thrift, target, &reply),
    }
}

/// The arguments as their struct. No body at all stands for no arguments.
fn arguments(
    thrift: &Thrift,
    target: &Target,
    text: &[u8],
    is_strict: bool,
) -> Result<Vec<u8>, Problem> {
    let options = JsonOptions {
        unknown_fields: if is_strict {
            UnknownFields::Refuse
        } else {
            UnknownFields::Ignore
        },
        ..JsonOptions::default()
    };
    let text = if text.is_empty() { b"{}" } else { text };
    let mut out = Vec::with_capacity(text.len());
    json_to_struct(
        target.contract.schema(),
        target.method().arguments,
        text,
        &options,
        thrift.limits(),
        &mut BinaryWriter::new(&mut out),
    )
    .map_err(|error| invalid(&error))?;
    Ok(out)
}

fn answer(thrift: &Thrift, target: &Target, reply: &Reply) -> Result<Response, Problem> {
    if reply.kind == ReplyKind::Exception {
        let error = reply
            .error(thrift.limits())
            .map_err(|error| bad_reply(&error))?;
        return Err(refused(&error));
    }
    let mut text = Vec::with_capacity(reply.body.len() * 2);
    let outcome = reply
        .result_to_json(target, &JsonOptions::default(), thrift.limits(), &mut text)
        .map_err(|error| bad_reply(&error))?;
    match outcome {
        Outcome::Void => Ok(StatusCode::NO_CONTENT.into_response()),
        Outcome::Returned => {
            let kind = HeaderValue::from_static("application/json");
            Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
        }
        Outcome::Thrown(at) => Err(thrown(target, at, &text)),
        Outcome::Nothing => Err(Problem::new(
            StatusCode::BAD_GATEWAY,
            "bad-provider-reply",
            Code::Internal,
            "the method returned nothing that its contract knows",
        )),
    }
}

/// A declared exception: the caller's business, with the status that the contract says.
fn thrown(target: &Target, at: usize, text: &[u8]) -> Problem {
    let schema = target.contract.schema();
    let service = &schema.service(target.method.service).name;
    let result = target.method().result.map(|id| schema.structure(id));
    let field = result.and_then(|result: &Struct| result.fields.get(at));
    let exception = field.and_then(|field: &Field| match field.ty {
        Type::Struct(id) => Some(schema.structure(id)),
        _ => None,
    });
    let status = exception
        .and_then(|exception| exception.annotations.get("api.http_code")?.first())
        .and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok())
        .unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
    let name = exception.map_or("", |exception| &exception.name);
    let fields: Value = serde_json::from_slice(text).unwrap_or_default();
    let message = fields.get("message").and_then(Value::as_str);
    let detail = message.map_or_else(|| format!("the method threw {name}"), str::to_owned);
    Problem::new(status, "exception", Code::FailedPrecondition, detail)
        .with(
            "exception",
            json!({ "name": name, "type": format!("urn:trefoil:exception:{service}.{name}"), "fields": fields }),
        )
}

/// What is wrong with the text of the arguments.
fn invalid(error: &JsonError) -> Problem {
    let is_syntax = matches!(
        error.kind,
        JsonErrorKind::Syntax(_) | JsonErrorKind::NotUtf8 | JsonErrorKind::TooDeep(_)
    );
    let mut problem = if is_syntax {
        Problem::malformed_json(format!(
            "the body is not JSON as it must be: {}",
            error.kind
        ))
    } else {
        let all = error.all().count();
        Problem::invalid(match all {
            1 => format!("{}: {}", error.pointer, error.kind),
            many => format!("{many} violations, see `errors`"),
        })
    };
    for found in error.all() {
        problem = problem.entry(json!({
            "pointer": found.pointer,
            "location": Location::Body.as_str(),
            "detail": found.kind.to_string(),
            "offset": found.offset,
        }));
    }
    problem
}

fn unknown_method(error: &ApplicationError) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "method-not-found",
        Code::NotFound,
        error.text.clone(),
    )
}

fn not_served() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "thrift-not-served",
        Code::Unavailable,
        "the Thrift endpoint, through which methods are called, is switched off",
    )
    .hint("set thrift.enabled")
}

fn bad_reply(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "bad-provider-reply",
        Code::Internal,
        format!("the reply is not what the contract says: {error}"),
    )
}

/// The provider said that it cannot: `TApplicationException`.
fn refused(error: &ApplicationError) -> Problem {
    let (status, name, code) = match error.kind {
        ApplicationErrorKind::UnknownMethod => (
            StatusCode::NOT_IMPLEMENTED,
            "provider-unknown-method",
            Code::Unimplemented,
        ),
        ApplicationErrorKind::ProtocolError => (
            StatusCode::BAD_REQUEST,
            "provider-protocol-error",
            Code::InvalidArgument,
        ),
        ApplicationErrorKind::Unknown
        | ApplicationErrorKind::InvalidMessageType
        | ApplicationErrorKind::WrongMethodName
        | ApplicationErrorKind::BadSequenceId
        | ApplicationErrorKind::MissingResult
        | ApplicationErrorKind::InternalError
        | ApplicationErrorKind::InvalidTransform
        | ApplicationErrorKind::InvalidProtocol
        | ApplicationErrorKind::UnsupportedClientType => {
            (StatusCode::BAD_GATEWAY, "provider-error", Code::Internal)
        }
    };
    Problem::new(status, name, code, error.text.clone())
        .with("applicationError", error.kind.number())
}

fn failed(failure: &CallFailure) -> Problem {
    let unavailable = |name| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            name,
            Code::Unavailable,
            failure.to_string(),
        )
        .retry_after(RETRY_AFTER_SECONDS)
    };
    match failure {
        CallFailure::NoProvider { service, .. } => unavailable("no-provider").hint(format!(
            "see `trefoil instances ls {service}`; one is added with PUT /v1/services/{service}/instances/{{name}}"
        )),
        CallFailure::Unreachable { .. } => unavailable("provider-unreachable"),
        CallFailure::Overloaded { .. } => unavailable("overloaded"),
        CallFailure::Stopping => unavailable("stopping"),
        CallFailure::Disconnected { .. } => Problem::new(
            StatusCode::BAD_GATEWAY,
            "provider-disconnected",
            Code::Internal,
            failure.to_string(),
        ),
        CallFailure::BadReply { .. } => bad_reply(failure),
        CallFailure::DeadlineExceeded { .. } | CallFailure::Unfinished { .. } => Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "deadline-exceeded",
            Code::DeadlineExceeded,
            failure.to_string(),
        ),
        CallFailure::Malformed(reason) => Problem::invalid(reason.clone()),
    }
}
