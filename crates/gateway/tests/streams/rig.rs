//! A platform whose services are shell scripts that wait where a test wants them to.

use std::{
    fs::{self, OpenOptions},
    future::Future,
    io::Write as _,
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
    pin::Pin,
    process::Command,
    time::Duration,
};

use axum::body::{Body, Bytes};
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use trefoil_jobs::JobId;
use trefoil_server::JobRequest;

use crate::api::{Api, PATIENCE};

/// One test.
pub(crate) type Case = fn(Rig) -> Pin<Box<dyn Future<Output = ()>>>;

/// A platform, its services and a place for gates.
pub(crate) struct Rig {
    pub(crate) api: Api,
    dir: tempfile::TempDir,
}

/// Runs a case on a platform of its own.
pub(crate) fn run(case: Case) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let outcome = runtime.block_on(async {
        let rig = Rig::new().await;
        let node = rig.api.node.clone();
        let outcome = AssertUnwindSafe(tokio::time::timeout(PATIENCE * 2, case(rig)))
            .catch_unwind()
            .await;
        // Also of a case that failed nothing goes on running.
        node.stop(Duration::ZERO).await;
        outcome
    });
    // A thread that waits at a gate to which no script comes would wait forever.
    runtime.shutdown_background();
    match outcome {
        Ok(outcome) => outcome.expect("the case ends"),
        Err(panic) => resume_unwind(panic),
    }
}

/// The script of the one service: it does what its input says.
const SERVICE: &str = "[run]\ncommand = [\"/bin/sh\", \"-c\", \"eval \\\"$INPUT_SCRIPT\\\"\"]\n\
    [resources]\ncpus = 0.1\nmemory = \"64MiB\"\n\
    [retry]\nmax_attempts = 2\ninitial = \"1ms\"\njitter = false\n";
const METADATA: &str = "version: 1.0.0\ntype: computational\nname: script\n\
    description: does what it is told\ncontact: nobody@example.org\nauthors: []\n\
    outputs:\n  out:\n    label: out\n    description: what came out\n    type: data:text/plain\n\
    \x20   fileToKeyMap:\n      out.txt: out\n\
    inputs:\n  script:\n    label: script\n    description: what to do\n    type: string\n";
const NUMBER: &str = "  number:\n    label: number\n    description: anything\n    type: number\n    defaultValue: 1\n";
const TABLE: &str = "  table:\n    label: table\n    description: a file\n    type: data:*/*\n";

impl Rig {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, input) in [("script", NUMBER), ("table", TABLE)] {
            let service = dir.path().join("services").join(name);
            fs::create_dir_all(&service).unwrap();
            fs::write(
                service.join("metadata.yml"),
                format!("key: test/{name}\n{METADATA}{input}"),
            )
            .unwrap();
            fs::write(service.join("service.toml"), SERVICE).unwrap();
        }
        let api = Api::start(&dir.path().join("data"), Some(&dir.path().join("services"))).await;
        Self { api, dir }
    }

    /// Submits a job that runs `script`; its id.
    pub(crate) async fn submit(&self, script: &str) -> JobId {
        self.submit_with(script, |_| {}).await
    }

    pub(crate) async fn submit_with(
        &self,
        script: &str,
        change: impl FnOnce(&mut JobRequest),
    ) -> JobId {
        let mut inputs = Map::new();
        inputs.insert(
            "script".to_owned(),
            format!("{script}; echo done > \"$OUTPUT_FOLDER/out.txt\"").into(),
        );
        let mut request = JobRequest::new("test/script".parse().unwrap(), inputs);
        change(&mut request);
        self.api
            .node
            .submit(vec![request], false, None)
            .await
            .unwrap()
            .accepted
            .first
    }

    /// A gate: the script waits at `wait`, until it is opened.
    pub(crate) fn gate(&self, name: &str) -> Gate {
        let path = self.dir.path().join(name);
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        Gate(path)
    }

    /// Opens a stream below a job.
    pub(crate) async fn stream(&self, job: JobId, rest: &str, headers: &[(&str, &str)]) -> Stream {
        let path = format!("/v1/jobs/{job}/{rest}");
        let answer = self.api.open("GET", &path, headers, Body::empty()).await;
        assert_eq!(answer.status(), 200, "{path}");
        let (head, body) = answer.into_parts();
        Stream {
            headers: head.headers,
            body,
            buffer: Vec::new(),
        }
    }

    /// Waits for the end of a job; its state.
    pub(crate) async fn ended(&self, job: JobId) -> String {
        let wait = [("prefer", "wait=30")];
        let answer = self
            .api
            .send("GET", &format!("/v1/jobs/{job}"), &wait, Body::empty())
            .await;
        answer.json()["state"].as_str().unwrap().to_owned()
    }
}

/// A place where a script waits.
pub(crate) struct Gate(PathBuf);

impl Gate {
    /// What a script does to wait here.
    pub(crate) fn wait(&self) -> String {
        format!("read -r line < '{}'", self.0.display())
    }

    /// Lets the script go on. Waits until it is there.
    pub(crate) async fn open(&self) {
        let path = self.0.clone();
        let opened = tokio::task::spawn_blocking(move || {
            OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .write_all(b"go\n")
                .unwrap();
        });
        tokio::time::timeout(PATIENCE, opened)
            .await
            .expect("the script comes to the gate")
            .unwrap();
    }
}

/// An answer that comes bit by bit.
pub(crate) struct Stream {
    pub(crate) headers: axum::http::HeaderMap,
    body: Body,
    buffer: Vec<u8>,
}

impl Stream {
    async fn frame(&mut self) -> Option<Bytes> {
        let frame = tokio::time::timeout(PATIENCE, self.body.frame())
            .await
            .expect("a part of the answer in time");
        Some(frame?.unwrap().into_data().unwrap())
    }

    /// Reads until `end` has come; what came with it included.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.buffer);
            if let Some(at) = text.find(end) {
                let found = text[..at + end.len()].to_owned();
                self.buffer.drain(..found.len());
                return found;
            }
            let frame = self.frame().await;
            let frame = frame.unwrap_or_else(|| {
                panic!(
                    "ended without {end:?}: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                )
            });
            self.buffer.extend_from_slice(&frame);
        }
    }

    /// Everything that is left.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        while let Some(frame) = self.frame().await {
            self.buffer.extend_from_slice(&frame);
        }
        self.buffer
    }

    pub(crate) async fn rest_text(self) -> String {
        String::from_utf8(self.rest().await).unwrap()
    }
}

/// NDJSON as values.
pub(crate) fn records(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Events: name, id and data.
pub(crate) fn events(text: &str) -> Vec<(String, Option<u32>, Value)> {
    let mut events = Vec::new();
    for block in text.split("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        if let Some(name) = field("event: ") {
            let data = serde_json::from_str(field("data: ").unwrap()).unwrap();
            events.push((
                name.to_owned(),
                field("id: ").map(|id| id.parse().unwrap()),
                data,
            ));
        }
    }
    events
}

/// The states among events, with their ids.
pub(crate) fn states(events: &[(String, Option<u32>, Value)]) -> Vec<(u32, String)> {
    let states = events.iter().filter(|(name, _, _)| name == "state");
    states
        .map(|(_, id, data)| (id.unwrap(), data["state"].as_str().unwrap().to_owned()))
        .collect()
}
