//! A platform in a temporary directory, and requests to it without a socket.

use std::{path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use trefoil_server::{Node, NodeConfig};

pub(crate) const ECHO: &str = "trefoil/echo:1.0.0";

pub(crate) struct Api {
    pub(crate) node: Arc<Node>,
    router: TowerToHyperService<Router>,
    _data: tempfile::TempDir,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Programs are never run: their jobs wait, which is what most tests of waiting want.
    pub(crate) async fn start_with(change: impl FnOnce(&mut NodeConfig)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::new(data.path().join("data"), PathBuf::from("no-supervisor"));
        config.workers_enabled = false;
        config.disk_free_min = 0;
        change(&mut config);
        let node = Node::start(config).await.unwrap();
        let router = TowerToHyperService::new(trefoil_gateway::router(Arc::clone(&node)));
        Self {
            node,
            router,
            _data: data,
        }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let answer = tokio::time::timeout(Duration::from_secs(60), self.router.call(request)).await;
        let response = answer
            .unwrap_or_else(|_| panic!("no answer to {method} {uri}"))
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 64 << 20).await.unwrap().to_vec();
        let answer = Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        };
        answer.check(&method, &uri.to_string());
        answer
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    /// A request with a JSON body.
    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.request(method, path, &all, body.to_string()).await
    }

    pub(crate) async fn submit(&self, body: Value) -> Value {
        let answer = self.json("POST", "/v1/jobs", &[], body).await;
        answer.expect(202).json()
    }

    /// A service that is published but that nothing here runs: its jobs wait.
    pub(crate) async fn publish_stuck(&self) -> &'static str {
        let service = "[run]\ncommand = [\"never\"]\n";
        let body = json!({ "metadata": metadata("test/stuck", "1.0.0"), "service": service });
        self.json("PUT", "/v1/services/test/stuck:1.0.0", &[], body)
            .await
            .expect(201);
        "test/stuck:1.0.0"
    }

    /// The job, once it has ended.
    pub(crate) async fn ended(&self, id: &str) -> Value {
        let path = format!("/v1/jobs/{id}");
        let job = self
            .request("GET", &path, &[("prefer", "wait=30")], "")
            .await
            .expect(200)
            .json();
        assert!(
            matches!(
                job["state"].as_str(),
                Some("succeeded" | "failed" | "canceled")
            ),
            "{job}"
        );
        job
    }
}

/// The text of a `metadata.yml` with an input and an output of each simple kind.
pub(crate) fn metadata(key: &str, version: &str) -> String {
    format!(
        "name: Test\nkey: {key}\nversion: {version}\ntype: computational\ndescription: d\ncontact: c\n\
         inputs:\n  x:\n    label: X\n    description: x\n    type: number\n    defaultValue: 1\n  \
         n:\n    label: N\n    description: n\n    type: integer\n    defaultValue: 2\n\
         outputs:\n  y:\n    label: Y\n    description: y\n    type: number\n"
    )
}

impl Answer {
    /// What is true of every answer.
    fn check(&self, method: &Method, path: &str) {
        let place = format!(
            "{method} {path} → {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        let id = self
            .headers
            .get("x-request-id")
            .unwrap_or_else(|| panic!("no request id: {place}"));
        if self.status.is_client_error() || self.status.is_server_error() {
            if self.status == StatusCode::SERVICE_UNAVAILABLE && path.ends_with('z') {
                return;
            }
            assert_eq!(
                self.headers["content-type"], "application/problem+json",
                "{place}"
            );
            if method != Method::HEAD {
                let body = self.json();
                assert_eq!(body["status"], self.status.as_u16(), "{place}");
                assert_eq!(
                    body["instance"].as_str().unwrap().as_bytes(),
                    id.as_bytes(),
                    "{place}"
                );
                for member in ["type", "title", "detail", "code"] {
                    assert!(
                        body[member].as_str().is_some_and(|text| !text.is_empty()),
                        "{member}: {place}"
                    );
                }
            }
        }
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            assert!(self.headers.contains_key("allow"), "{place}");
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        self
    }

    /// A problem of a type.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, name: &str) -> Value {
        let body = self.expect(status).json();
        assert_eq!(
            body["type"],
            format!("urn:trefoil:problem:{name}"),
            "{body}"
        );
        body
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// The pointers of a problem's errors.
pub(crate) fn pointers(problem: &Value) -> Vec<&str> {
    let errors = problem["errors"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect()
}
