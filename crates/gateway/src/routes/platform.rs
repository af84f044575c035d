//! Whether the platform lives, is ready, and what it is.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use trefoil_server::{Check, Node};

use crate::{
    error::Problem,
    extract::{AcceptJson, Query, accepts},
    view::time,
};

const OPENMETRICS: &str = "application/openmetrics-text";
/// Seconds after which to look again at a platform that is not ready.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

pub(crate) fn router() -> Router<Arc<Node>> {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .route("/openapi.json", get(openapi))
}

async fn livez(query: Query, headers: HeaderMap) -> Result<&'static str, Problem> {
    query.none()?;
    accepts(&headers, &["text/plain"])?;
    Ok("ok")
}

async fn readyz(
    State(node): State<Arc<Node>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query.none()?;
    let kind = accepts(&headers, &["application/json", "text/plain"])?;
    let checks = node.readiness().await;
    let ready = checks.iter().all(|check| check.ok);
    let word = if ready { "ready" } else { "not-ready" };
    let mut response = match kind {
        "text/plain" => {
            let line = |check: &Check| {
                format!(
                    "\n[{}] {}: {}",
                    if check.ok { "+" } else { "-" },
                    check.name,
                    check.detail
                )
            };
            let lines: String = checks.iter().map(line).collect();
            format!("{word}{lines}\n").into_response()
        }
        _ => {
            let check =
                |check: &Check| json!({"name": check.name, "ok": check.ok, "detail": check.detail});
            Json(json!({ "status": word, "checks": checks.iter().map(check).collect::<Vec<_>>() }))
                .into_response()
        }
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !ready {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, RETRY_AFTER);
    }
    Ok(response)
}

async fn metrics(
    State(node): State<Arc<Node>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query.none()?;
    // Some scrapers ask for plain text only; it is readable as such.
    let kind = match accepts(&headers, &[OPENMETRICS, "text/plain"])? {
        OPENMETRICS => {
            HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8")
        }
        _ => HeaderValue::from_static("text/plain; charset=utf-8"),
    };
    let free = node.files.space().ok().map(|space| space.available);
    Ok(([(header::CONTENT_TYPE, kind)], node.metrics.text(free)).into_response())
}

async fn version(
    State(node): State<Arc<Node>>,
    query: Query,
    _: AcceptJson,
) -> Result<Response, Problem> {
    query.none()?;
    let version = json!({
        "name": "trefoil",
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("TREFOIL_COMMIT").unwrap_or("unknown"),
        "started_at": time(node.started_at_ms),
        "pid": std::process::id(),
    });
    Ok(Json(version).into_response())
}

async fn openapi(query: Query, _: AcceptJson) -> Result<Response, Problem> {
    query.none()?;
    let kind = HeaderValue::from_static("application/json");
    Ok((
        [(header::CONTENT_TYPE, kind)],
        include_str!("../openapi.json"),
    )
        .into_response())
}
