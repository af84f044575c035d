//! Thrift over HTTP and WebSocket: a message in a body, or in a frame, of whatever protocol and transport.
//!
//! Stock clients post to the path that their user gave them, often `/`; so a body that says that it is Thrift is one
//! anywhere that nothing else is. `/thrift/{key}[:{version}]` has methods of that service alone.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::any,
};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use trefoil_director::ServiceRequest;
use trefoil_server::{
    Node,
    thrift::{Context, JOB_KEY, REPLAYED_KEY, Thrift},
};

use super::call::deprecated;
use crate::{
    error::{Code, Problem},
    extract::{BodyHead, call_context, connection_context, deadline_ms, not_found},
    layers::Route,
    method_not_allowed_here,
    websocket::{check_origin, handshake, switching},
};

/// What stock clients say that a body is. Which protocol it has is seen by its first byte, whatever is said.
const TYPES: [&str; 5] = [
    "application/x-thrift",
    "application/vnd.apache.thrift.binary",
    "application/vnd.apache.thrift.compact",
    "application/vnd.apache.thrift.json",
    "application/octet-stream",
];
/// Where Thrift is expected.
const ROOT: &str = "/thrift";

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route(ROOT, any(here))
        .route("/thrift/{*service}", any(here))
}

/// A request for a path below `/thrift`.
async fn here(State(node): State<Arc<Node>>, request: Request) -> Response {
    let path = request.uri().path().strip_prefix(ROOT).unwrap_or_default();
    let text = percent_encoding::percent_decode_str(path.trim_matches('/')).decode_utf8_lossy();
    let service = match &*text {
        "" => Ok(None),
        text => text.parse::<ServiceRequest>().map(Some),
    };
    let answer = async {
        let service = service?;
        if let Some(service) = &service {
            node.services.snapshot().resolve(service)?;
        }
        if request.headers().contains_key(header::UPGRADE) {
            return upgrade(&node, service, request);
        }
        if request.method() != Method::POST {
            let method = request.method();
            return Ok(method_not_allowed_here(method, "POST, OPTIONS"));
        }
        post(&node, service, request).await
    };
    let mut response = answer.await.unwrap_or_else(Problem::into_response);
    response.extensions_mut().insert(Route(ROOT));
    response
}

/// A request for a path that nothing else is at.
pub(crate) async fn anywhere(State(node): State<Arc<Node>>, request: Request) -> Response {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_thrift = kind.starts_with("application/x-thrift")
        || kind.starts_with("application/vnd.apache.thrift");
    if request.method() != Method::POST || !is_thrift {
        return not_found().into_response();
    }
    let answer = post(&node, None, request).await;
    let mut response = answer.unwrap_or_else(Problem::into_response);
    response.extensions_mut().insert(Route(ROOT));
    response
}

fn endpoint(node: &Node) -> Result<&Thrift, Problem> {
    node.thrift().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "thrift-not-served",
            Code::Unavailable,
            "the Thrift endpoint is switched off",
        )
        .hint("set thrift.enabled")
    })
}

async fn post(
    node: &Node,
    service: Option<ServiceRequest>,
    request: Request,
) -> Result<Response, Problem> {
    let thrift = endpoint(node)?;
    let (head, body) = request.into_parts();
    let headers = &head.headers;
    let limit = thrift.limits().message_max as u64;
    // Stock clients of some languages ask for nothing but what they send.
    let taken = TYPES.map(|kind| (kind, limit));
    let bytes = read(headers, &taken, body).await?;
    let timeout = deadline_ms(headers)?.map(Duration::from_millis);
    let context = call_context(headers, timeout)?;
    let answered = thrift.answer(&bytes, service.as_ref(), &context).await;
    if answered.dialect.is_none() {
        let detail = match answered.left_over {
            0 => "the body is no Thrift message".to_owned(),
            left => format!("the body is no whole Thrift message: {left} bytes are left over"),
        };
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "malformed-message",
            Code::InvalidArgument,
            detail,
        ));
    }
    let kind = headers.get(header::CONTENT_TYPE).cloned();
    let kind = kind.unwrap_or_else(|| HeaderValue::from_static(TYPES[0]));
    let mut response = ([(header::CONTENT_TYPE, kind)], answered.output).into_response();
    let headers = response.headers_mut();
    deprecated::warn(headers, answered.deprecation.as_ref());
    if let Some(job) = answered.job {
        if let Ok(id) = HeaderValue::try_from(job.id.to_string()) {
            headers.insert(JOB_KEY, id);
        }
        if job.is_replayed {
            headers.insert(REPLAYED_KEY, HeaderValue::from_static("true"));
        }
    }
    Ok(response)
}

/// The body, whose sender need not accept JSON.
async fn read(
    headers: &HeaderMap,
    taken: &[(&'static str, u64)],
    body: Body,
) -> Result<Vec<u8>, Problem> {
    let mut accepting = headers.clone();
    accepting.remove(header::ACCEPT);
    BodyHead::check(&accepting, taken)?.read(body).await
}

/// Each message of WebSocket is one of Thrift, or more.
fn upgrade(
    node: &Arc<Node>,
    service: Option<ServiceRequest>,
    mut request: Request,
) -> Result<Response, Problem> {
    let thrift = endpoint(node)?.clone();
    let headers = request.headers();
    check_origin(headers, &[], "nothing yet: serve the page from here")?;
    let context = connection_context(headers);
    let (accept, _) = handshake(request.version(), headers, None)?;
    let upgrade = hyper::upgrade::on(&mut request);
    // It ends when the peer leaves, or with the runtime.
    tokio::spawn(async move {
        let done = match upgrade.await {
            Ok(upgraded) => talk(upgraded, &thrift, service.as_ref(), &context).await,
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a WebSocket connection ended badly");
        }
    });
    Ok(switching(accept, None))
}

async fn talk(
    upgraded: Upgraded,
    thrift: &Thrift,
    service: Option<&ServiceRequest>,
    context: &Context,
) -> Result<(), String> {
    let limit = thrift.limits().message_max;
    let config = WebSocketConfig::default()
        .max_message_size(Some(limit))
        .max_frame_size(Some(limit));
    let socket = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, Some(config)).await;
    let text = |error: tungstenite::Error| error.to_string();
    while let Some(message) = socket.next().await {
        let (input, is_text) = match message {
            Ok(Message::Binary(bytes)) => (bytes, false),
            // The JSON protocol.
            Ok(Message::Text(text)) => (text.into(), true),
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => continue,
            Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => break,
            Err(error) => return Err(error.to_string()),
        };
        let answered = thrift.answer(&input, service, context).await;
        if answered.dialect.is_none() || answered.left_over > 0 {
            let goodbye = CloseFrame {
                code: CloseCode::Invalid,
                reason: "no whole Thrift message".into(),
            };
            return socket.close(Some(goodbye)).await.map_err(text);
        }
        if answered.output.is_empty() {
            continue;
        }
        let output = match String::from_utf8(answered.output) {
            Ok(output) if is_text => Message::text(output),
            Ok(output) => Message::binary(output.into_bytes()),
            Err(error) => Message::binary(error.into_bytes()),
        };
        socket.send(output).await.map_err(text)?;
    }
    Ok(())
}
