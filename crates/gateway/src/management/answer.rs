//! Answers and refusals in RabbitMQ's form.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use trefoil_amqp::ReplyCode;
use trefoil_broker::admin::Refusal;

/// An answer of this size is sent at once; a longer one as it is made.
const CHUNK: usize = 64 << 10;

/// Chunks of a long answer that wait for a slow reader: then the thread that makes them waits too.
const CHUNKS_WAITING: usize = 4;

/// An answer.
pub(super) enum Answer {
    /// 200 with a document.
    Json(Value),
    /// 200 with pieces of a document.
    Pieces(Box<dyn Iterator<Item = Vec<u8>> + Send>),
    /// 201: it is new. The place is relative.
    Created(Option<String>),
    /// 204: done.
    Done,
    /// Another status with a document.
    Status(StatusCode, Value),
    /// 200 with text of a type.
    Text(&'static str, String),
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    body: Value,
    /// Of a 405.
    allow: Option<&'static str>,
}

impl Refused {
    pub(super) fn new(status: StatusCode, error: &str, reason: impl Into<Value>) -> Self {
        Self {
            status,
            body: json!({"error": error, "reason": reason.into()}),
            allow: None,
        }
    }

    /// With members of its own.
    pub(super) fn with_body(status: StatusCode, body: Value) -> Self {
        Self {
            status,
            body,
            allow: None,
        }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
    }

    pub(super) fn bad_request(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason.into())
    }

    pub(super) fn not_authorized(reason: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorized", reason)
    }

    pub(super) fn internal(reason: &str) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_server_error",
            reason,
        )
    }

    /// The path has other methods.
    pub(super) fn method(allow: &'static str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            body: json!({"error": "method_not_allowed", "reason": "Method Not Allowed"}),
            allow: Some(allow),
        }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status.as_u16()
    }
}

/// What the broker refuses gets the status that RabbitMQ gives to the close of the channel it does it with.
impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.text;
        match refusal.code {
            ReplyCode::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", text),
            ReplyCode::AccessRefused => Self::not_authorized(&text),
            ReplyCode::InternalError => Self::internal(&text),
            _ => Self::bad_request(text),
        }
    }
}

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

const JSON: &str = "application/json";

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = response(self.status, JSON, Body::from(self.body.to_string()));
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Json(document) => {
                response(StatusCode::OK, JSON, Body::from(document.to_string()))
            }
            Self::Pieces(pieces) => response(StatusCode::OK, JSON, stream(pieces)),
            Self::Status(status, document) => {
                response(status, JSON, Body::from(document.to_string()))
            }
            Self::Text(kind, text) => response(StatusCode::OK, kind, Body::from(text)),
            Self::Done => StatusCode::NO_CONTENT.into_response(),
            Self::Created(place) => {
                let mut response = StatusCode::CREATED.into_response();
                if let Some(place) = place.and_then(|place| HeaderValue::try_from(place).ok()) {
                    response.headers_mut().insert(header::LOCATION, place);
                }
                response
            }
        }
    }
}

/// A short answer whole; a long one by a thread that makes it as it is read.
fn stream(mut pieces: Box<dyn Iterator<Item = Vec<u8>> + Send>) -> Body {
    let mut first = Vec::new();
    for piece in pieces.by_ref() {
        first.extend_from_slice(&piece);
        if first.len() >= CHUNK {
            break;
        }
    }
    if first.len() < CHUNK {
        return Body::from(first);
    }
    let (sender, mut receiver) = mpsc::channel::<Bytes>(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let mut chunk = first;
        loop {
            // Nobody reads any more: nothing more is made.
            if sender
                .blocking_send(Bytes::from(std::mem::take(&mut chunk)))
                .is_err()
            {
                return;
            }
            for piece in pieces.by_ref() {
                chunk.extend_from_slice(&piece);
                if chunk.len() >= CHUNK {
                    break;
                }
            }
            if chunk.is_empty() {
                return;
            }
        }
    });
    Body::from_stream(futures_util::stream::poll_fn(move |context| {
        receiver
            .poll_recv(context)
            .map(|chunk| chunk.map(Ok::<_, std::io::Error>))
    }))
}
