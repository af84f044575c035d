//! The HTTP side of the platform: the REST API of `docs/src/rest-api.md`.
//!
//! [`serve`] runs it on a listener, [`router`] is the same without connections. Handlers read requests strictly, ask the
//! [`trefoil_server::Node`], and write answers; errors become problems in one place.
//!
//! This crate must never decide what happens to a job, touch the store or the disk except through the node, or keep a
//! body in memory beyond its limit.
#![forbid(unsafe_code)]

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use trefoil_server::Node;

use error::{Code, Problem};

mod error;
mod extract;
mod layers;
mod management;
mod routes;
mod serve;
mod view;
mod wait;
mod websocket;

/// Strict reading of JSON: every refusal has its place.
pub mod strict_json;

pub use management::{ManagementConfig, service as management};
pub use routes::amqp_websocket::router as amqp_websocket;
pub use serve::{serve, serve_router, serve_streams};

/// The platform API of a node.
pub fn router(node: Arc<Node>) -> Router {
    router_with(node, Router::new())
}

/// The platform API of a node, and more routes beside it.
pub fn router_with(node: Arc<Node>, more: Router) -> Router {
    let api = Router::new()
        .merge(routes::contracts::router())
        .merge(routes::events::router())
        .merge(routes::files::router())
        .merge(routes::logs::router())
        .merge(routes::platform::router())
        .merge(routes::services::router())
        .merge(routes::call::router())
        .merge(routes::jobs::router())
        .merge(routes::result::router())
        .merge(routes::thrift::router())
        .merge(routes::uploads::router())
        .merge(more.with_state(()))
        .fallback(routes::thrift::anywhere)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&node),
            layers::observe,
        ))
        .with_state(node);
    // The router writes `Allow` when all layers of its routes are done, so this is a layer of a router around it.
    Router::new()
        .fallback_service(api)
        .layer(axum::middleware::map_response(layers::allow_options))
}

/// A path that is there, but not for this method. The router adds `Allow`.
async fn method_not_allowed(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("this resource has no method {method}");
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method-not-allowed",
        Code::Unimplemented,
        detail,
    )
    .into_response()
}

/// The same for a route that looks at the method itself and says which there are. Answers `OPTIONS` too.
fn method_not_allowed_here(method: &Method, allowed: &'static str) -> Response {
    let allowed = HeaderValue::from_static(allowed);
    let mut response = if *method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let detail = format!("this resource has no method {method}");
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            Code::Unimplemented,
            detail,
        )
        .into_response()
    };
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}
