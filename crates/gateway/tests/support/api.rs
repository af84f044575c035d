//! A platform in this process and its API without connections.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use trefoil_server::{Node, NodeConfig};

/// Longer than anything takes on a busy machine; only a test that fails waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A platform.
pub(crate) struct Api {
    pub(crate) node: Arc<Node>,
    pub(crate) router: TowerToHyperService<Router>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON, if the answer has this status.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// A problem with this status and name.
    pub(crate) fn refused(&self, status: u16, name: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json()["type"], format!("urn:trefoil:problem:{name}"));
    }
}

/// This executable, by the name that it had first: it may be built anew while tests run.
fn supervisor() -> PathBuf {
    static SUPERVISOR: OnceLock<PathBuf> = OnceLock::new();
    SUPERVISOR
        .get_or_init(|| std::env::current_exe().unwrap())
        .clone()
}

impl Api {
    pub(crate) async fn start(data: &Path, services: Option<&Path>) -> Self {
        let mut config = NodeConfig::new(data.to_owned(), supervisor());
        config.disk_free_min = 0;
        config.services = services.map(Path::to_owned).into_iter().collect();
        let node = Node::start(config).await.unwrap();
        let router = TowerToHyperService::new(trefoil_gateway::router(Arc::clone(&node)));
        Self { node, router }
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router
            .call(request.body(body.into()).unwrap())
            .await
            .unwrap()
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let answer = async {
            let (head, body) = self.open(method, path, headers, body).await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            }
        };
        tokio::time::timeout(PATIENCE, answer)
            .await
            .expect("an answer in time")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Body::empty()).await
    }
}
