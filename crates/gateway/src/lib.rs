//! The HTTP side of the platform: the REST API of `docs/src/rest-api.md`.
//!
//! [`serve`] runs it on a listener, [`router`] is the same without connections. Handlers read requests strictly, ask the
//! [`Node`](trefoil_server::Node), and write answers; errors become problems in one place.
//!
//! This crate must never decide what happens to a job, touch the store or the disk except through the node, or keep a
//! body in memory beyond its limit.
#![forbid(unsafe_code)]

use std::sync::Arc;

use axum::{
    Router,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use trefoil_server::Node;

mod error;
mod extract;
mod layers;
mod routes;
mod serve;
mod view;

/// Strict reading of JSON: every refusal has its place.
pub mod strict_json;

pub use serve::serve;

/// The platform API of a node.
pub fn router(node: Arc<Node>) -> Router {
    Router::new()
        .merge(routes::events::router())
        .merge(routes::files::router())
        .merge(routes::logs::router())
        .merge(routes::platform::router())
        .merge(routes::result::router())
        .merge(routes::uploads::router())
        .fallback(async || extract::not_found())
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&node),
            layers::observe,
        ))
        .with_state(node)
}

/// A path that is there, but not for this method. The router adds `Allow`.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    error::Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        error::Code::Unimplemented,
        format!("this resource has no method {method}"),
    )
    .into_response()
}
