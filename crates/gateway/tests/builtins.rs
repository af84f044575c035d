//! Events and records of jobs that need no program.

#![expect(
    clippy::unwrap_used,
    reason = "functions beside the tests are not marked as tests"
)]

#[path = "support/api.rs"]
mod api;

use std::time::Duration;

use api::{Api, PATIENCE};
use axum::body::Body;
use http_body_util::BodyExt as _;
use serde_json::{Map, json};
use trefoil_director::ServiceId;
use trefoil_jobs::JobId;
use trefoil_server::{JobRequest, files::Sha256};

fn echo() -> ServiceId {
    "trefoil/echo:1.0.0".parse().unwrap()
}

async fn submit(api: &Api) -> JobId {
    let mut inputs = Map::new();
    inputs.insert("value".to_owned(), json!({"b": 1, "a": [2.5, "ä"]}));
    let request = JobRequest::new("trefoil/echo".parse().unwrap(), inputs);
    api.node
        .submit(vec![request], false, None)
        .await
        .unwrap()
        .accepted
        .first
}

/// Reads until `end` has come.
async fn until(body: &mut Body, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let frame = tokio::time::timeout(PATIENCE, body.frame())
            .await
            .expect("an event in time");
        let data = frame
            .expect("the stream goes on")
            .unwrap()
            .into_data()
            .unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    text
}

fn ids(text: &str) -> Vec<u32> {
    text.lines()
        .filter_map(|line| line.strip_prefix("id: ")?.parse().ok())
        .collect()
}

async fn events(api: &Api, job: JobId, after: u32) -> Body {
    let path = format!("/v1/jobs/{job}/events?after={after}");
    api.open("GET", &path, &[], Body::empty()).await.into_body()
}

#[tokio::test]
async fn a_restart_loses_and_repeats_no_state() {
    let data = tempfile::tempdir().unwrap();
    let first = Api::start(data.path(), None).await;
    first.node.services.pause(&echo()).await.unwrap();
    let job = submit(&first).await;
    let mut stream = events(&first, job, 0).await;
    let before = ids(&until(&mut stream, "\"queued\"}").await);
    drop(stream);
    first.node.stop(Duration::ZERO).await;
    let Api { node, router } = first;
    drop(router);
    tokio::task::spawn_blocking(move || node.join())
        .await
        .unwrap();

    let second = Api::start(data.path(), None).await;
    let mut stream = events(&second, job, *before.last().unwrap()).await;
    until(&mut stream, "retry: 2000\n\n").await;
    second.node.services.resume(&echo()).await.unwrap();
    let after = ids(&until(&mut stream, "event: end\n").await);
    let whole = ids(&until(&mut events(&second, job, 0).await, "event: end\n").await);
    assert_eq!([before, after].concat(), whole);
    assert!(stream.frame().await.is_none(), "it closes after the end");
    second.node.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_silent_stream_is_kept_alive() {
    let data = tempfile::tempdir().unwrap();
    let api = Api::start(data.path(), None).await;
    api.node.services.pause(&echo()).await.unwrap();
    let job = submit(&api).await;
    let mut stream = events(&api, job, 0).await;
    until(&mut stream, "\"queued\"}").await;
    // From here on time passes as fast as nobody does anything.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    for pings in 1..=3 {
        assert_eq!(until(&mut stream, "\n\n").await, ": ping\n\n");
        let silent = begun.elapsed().as_secs();
        assert!(
            (15 * pings - 1..=15 * pings + 1).contains(&silent),
            "ping {pings} after {silent} s"
        );
    }
    tokio::time::resume();
    api.node.services.resume(&echo()).await.unwrap();
    until(&mut stream, "event: end\n").await;
    api.node.stop(Duration::ZERO).await;
}

#[tokio::test]
async fn a_builtin_has_a_record_too() {
    let data = tempfile::tempdir().unwrap();
    let api = Api::start(data.path(), None).await;
    let job = submit(&api).await;
    let path = format!("/v1/jobs/{job}");
    let result = api
        .send(
            "GET",
            &format!("{path}/result"),
            &[("prefer", "wait=20")],
            Body::empty(),
        )
        .await;
    assert_eq!(
        &result.body[..],
        r#"{"value":{"a":[2.5,"ä"],"b":1}}"#.as_bytes()
    );
    let record = api.get(&format!("{path}/provenance")).await.expect(200);
    assert_eq!(
        record["outputs"]["sha256"],
        Sha256::of(&result.body).to_string()
    );
    assert_eq!(record["outputs"]["files"], json!([]));
    assert_eq!(record["log"]["bytes"], 0);
    assert_eq!(record["service"]["digest"].as_str().unwrap().len(), 64);
    let attempts = api.get(&format!("{path}/attempts")).await.expect(200);
    assert_eq!(attempts["items"][0]["state"], "succeeded");
    assert_eq!(attempts["items"][0]["log_bytes"], 0);
    api.get(&format!("{path}/tasks"))
        .await
        .refused(409, "wrong-kind");
    // There is no log, and following it ends all the same.
    for query in ["", "?follow=true", "?tail=5", "?attempt=1&follow=true"] {
        let log = api.get(&format!("{path}/logs{query}")).await;
        assert_eq!((log.status, log.body.len()), (200, 0), "{query}");
        assert_eq!(log.header("trefoil-log-size"), "0");
    }
    api.node.stop(Duration::ZERO).await;
}
