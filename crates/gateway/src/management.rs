//! RabbitMQ's management API over the broker: `/api`, and `/metrics` for Prometheus.
//!
//! [`service`] is the entry. A request is read into a [`request::Request`], its sender becomes a [`caller::Caller`], and
//! [`routes`] answers. Handlers are plain functions that take views of the broker in its lock, in slices, and format them
//! outside it; they run on threads that may block, never on those of the runtime. [`rates`] remembers samples of counters
//! while somebody looks at them.
//!
//! Paths are taken apart here and not by a router: `%2F` is a virtual host, and a trailing slash is no difference.

mod answer;
mod arguments;
mod body;
mod caller;
mod definitions;
mod format;
mod listing;
mod metrics;
mod node;
mod properties;
mod properties_key;
mod rates;
mod request;
mod routes;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    body::Body,
    extract::{Request as HttpRequest, State},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, any},
};
use trefoil_server::amqp::Amqp;

use answer::Refused;
use rates::Rates;
use request::Request;

/// Largest body of a request: definitions of a hundred thousand queues.
const BODY_MAX: usize = 64 << 20;

/// What management tells about the node, and what it was configured with.
#[derive(Debug, Clone)]
pub struct ManagementConfig {
    /// Name of the node, as in `rabbit@host`.
    pub node: String,
    /// The version of RabbitMQ that clients are to believe in.
    pub rabbitmq_version: String,
    /// Name and version of the product.
    pub product: (String, String),
    /// Where this API is served, for the list of listeners.
    pub listen: Vec<SocketAddr>,
    /// Where the data is.
    pub data: PathBuf,
    /// Files that the configuration came from.
    pub config_files: Vec<String>,
    /// Certificates of TLS listeners, PEM: for the check of when they end.
    pub certificates: Vec<PathBuf>,
}

/// Everything a handler needs.
#[derive(Clone)]
struct Api {
    amqp: Amqp,
    config: Arc<ManagementConfig>,
    rates: Arc<Mutex<Rates>>,
    started_at: u64,
}

impl Api {
    /// The same for a list that is still being sent when its handler is done.
    fn shared(&self) -> Self {
        self.clone()
    }

    /// The samples.
    fn rates(&self) -> std::sync::MutexGuard<'_, Rates> {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The management API of a broker: a service that answers what is below `/api`, and `/metrics` and `/metrics/per-object`. It
/// takes paths as they come, so it may be mounted anywhere, and beside something else.
pub fn service(amqp: Amqp, config: ManagementConfig) -> MethodRouter {
    any(handle).with_state(Api::new(amqp, config))
}

impl Api {
    fn new(amqp: Amqp, config: ManagementConfig) -> Self {
        let started_at = amqp.now_ms();
        Self {
            amqp,
            config: Arc::new(config),
            rates: Arc::default(),
            started_at,
        }
    }
}

async fn handle(State(api): State<Api>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, BODY_MAX).await {
        Ok(body) => body,
        Err(error) => {
            return Refused::bad_request(format!("cannot read the body: {error}")).into_response();
        }
    };
    let request = match Request::new(&parts, body) {
        Ok(request) => request,
        Err(refused) => return refused.into_response(),
    };
    let is_head = parts.method == axum::http::Method::HEAD;
    // The broker's lock may be held for a moment, and long lists take long to format.
    let answered = tokio::task::spawn_blocking(move || routes::answer(&api, &request)).await;
    let response = match answered {
        Ok(response) => response,
        Err(panic) => {
            tracing::error!(%panic, "a request to the management API failed");
            Refused::internal("the broker failed; its log has the reason").into_response()
        }
    };
    match is_head {
        true => response.map(|_| Body::empty()),
        false => response,
    }
}
