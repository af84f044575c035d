//! What every request goes through: an id, a trace, a span of time, a net for panics, and the headers of every answer.

use std::{
    any::Any,
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt as _;
use trefoil_server::{
    Node,
    metrics::RequestLabels,
    trace::{self, Trace},
};

use crate::{
    error::{Problem, REQUEST_ID, TRACE},
    extract::trace_of,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static(trace::TRACEPARENT);
/// Longest request id that is echoed; a longer one is replaced.
const REQUEST_ID_MAX: usize = 128;
/// The route of a request that none matches.
const NO_ROUTE: &str = "none";

/// The pattern of a request that its route alone does not tell: an extension of the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route(pub(crate) &'static str);

/// The layer itself.
pub(crate) async fn observe(
    State(node): State<Arc<Node>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(&request, &node);
    let trace = trace_of(request.headers()).map_or_else(Trace::begin, Trace::next);
    let method = method_label(request.method());
    let pattern = request
        .extensions()
        .get::<MatchedPath>()
        .map_or(NO_ROUTE, |path| intern(path.as_str()));
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    let answer = async { answer.await.unwrap_or_else(|panic| panicked(&panic)) };
    let answer = TRACE.scope(trace, answer);
    let mut response = REQUEST_ID.scope(id.clone(), answer).await;

    let route = response
        .extensions()
        .get::<Route>()
        .map_or(pattern, |route| route.0);
    let status = response.status();
    let seconds = started.elapsed().as_secs_f64();
    node.metrics.request(
        &RequestLabels {
            method,
            route,
            status: status.as_u16(),
        },
        seconds,
    );
    tracing::debug!(method, route, status = status.as_u16(), seconds, request = ?id, %trace, "request");
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id);
    if let Ok(value) = HeaderValue::from_bytes(&trace.traceparent()) {
        headers.insert(TRACEPARENT, value);
    }
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// Completes `Allow` as the router writes it: that does not know that every resource answers `OPTIONS`.
pub(crate) async fn allow_options(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let allowed = headers.get(header::ALLOW);
    if let Some(allowed) = allowed.and_then(|allowed| with_options(allowed.to_str().ok()?)) {
        headers.insert(header::ALLOW, allowed);
    }
    response
}

fn with_options(allowed: &str) -> Option<HeaderValue> {
    let methods = allowed.split(',').map(str::trim);
    let mut methods: Vec<&str> = methods.filter(|method| !method.is_empty()).collect();
    if !methods.contains(&"OPTIONS") {
        methods.push("OPTIONS");
    }
    HeaderValue::try_from(methods.join(", ")).ok()
}

/// The sender's id, or a new one.
fn request_id(request: &Request, node: &Node) -> HeaderValue {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let sent = request.headers().get(X_REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    sent.cloned().unwrap_or_else(|| {
        // Unique as long as no two platforms start in the same millisecond; it is a name for logs, not a secret.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{:x}-{count:x}", node.started_at_ms);
        HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

fn panicked(panic: &(dyn Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Problem::internal(&format!("panic: {}", text.unwrap_or("of unknown kind"))).into_response()
}

/// Methods that have a label of their own; a client may invent others without end.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The pattern as a text that lives forever; there are as many as routes.
fn intern(pattern: &str) -> &'static str {
    static PATTERNS: RwLock<Option<HashSet<&'static str>>> = RwLock::new(None);
    let find = |known: &Option<HashSet<&'static str>>| {
        known.as_ref().and_then(|known| known.get(pattern).copied())
    };
    let known = find(&PATTERNS.read().unwrap_or_else(PoisonError::into_inner));
    known.unwrap_or_else(|| {
        let mut patterns = PATTERNS.write().unwrap_or_else(PoisonError::into_inner);
        find(&patterns).unwrap_or_else(|| {
            let pattern: &'static str = pattern.to_owned().leak();
            patterns.get_or_insert_default().insert(pattern);
            pattern
        })
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use axum::{
        Router, body::Body, http::StatusCode, middleware::from_fn_with_state, routing::get,
    };
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use trefoil_server::NodeConfig;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_500_that_names_its_request_and_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::new(data.path().to_owned(), PathBuf::from("none"));
        config.workers_enabled = false;
        let node = Node::start(config).await.unwrap();
        async fn bug() -> &'static str {
            panic!("a secret of the platform")
        }
        let router = Router::new()
            .route("/bug", get(bug))
            .layer(from_fn_with_state(Arc::clone(&node), observe));
        let router = TowerToHyperService::new(router.with_state::<()>(()));
        let request = Request::get("/bug")
            .header("x-request-id", "r-9")
            .body(Body::empty())
            .unwrap();
        let response = router.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = axum::body::to_bytes(response.into_body(), 10_000)
            .await
            .unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.contains("r-9") && !text.contains("secret"), "{text}");
        assert!(
            node.metrics
                .text(None)
                .contains("route=\"/bug\",status=\"500\"")
        );
    }

    #[test]
    fn a_pattern_is_kept_once() {
        let (one, two) = (intern("/v1/x/{id}"), intern(&String::from("/v1/x/{id}")));
        assert!(std::ptr::eq(one, two));
    }
}
