//! A whole node in this process: jobs of builtins, restarts, idempotency, lists.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use trefoil_jobs::{Idempotency, JobId, State};
use trefoil_server::{
    JobRequest, Node, NodeConfig, SubmitError, Submitted,
    amqp::{Amqp, AmqpConfig, Listeners},
    store::JobFilter,
};

async fn node(data: &Path) -> Arc<Node> {
    // No test of this file runs a program, so the supervisor is never started.
    let mut config = NodeConfig::new(data.to_owned(), "/nonexistent".into());
    config.disk_free_min = 0;
    Node::start(config).await.unwrap()
}

fn echo(value: Value) -> JobRequest {
    let mut inputs = Map::new();
    inputs.insert("value".to_owned(), value);
    JobRequest::new("trefoil/echo".parse().unwrap(), inputs)
}

async fn ended(submitted: Submitted) -> JobId {
    let mut watch = submitted.watch.unwrap();
    let seen = watch.wait_for(|seen| {
        seen.changed
            .as_ref()
            .is_some_and(|changed| changed.ended.is_some())
    });
    tokio::time::timeout(Duration::from_secs(10), seen)
        .await
        .unwrap()
        .unwrap();
    submitted.accepted.first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_builtin_job_runs_and_its_result_is_durable_when_it_is_announced() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let submitted = node
        .submit(vec![echo(json!({"a": [1, 2.5, "ä"]}))], false, None)
        .await
        .unwrap();
    let id = ended(submitted).await;
    let view = node.readers.view(id).await.unwrap().unwrap();
    let path: Vec<_> = view
        .job
        .history
        .entries()
        .map(|entry| entry.state)
        .collect();
    use State::{Accepted, Queued, Running, Starting, Succeeded};
    assert_eq!(path, [Accepted, Queued, Starting, Running, Succeeded]);
    let result = node.readers.result(view.job.seq).await.unwrap().unwrap();
    assert_eq!(result, r#"{"value":{"a":[1,2.5,"ä"]}}"#);
    assert!(node.readiness().await.iter().all(|check| check.ok));
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_survive_a_restart_and_go_on() {
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path()).await;
    let echo_id: trefoil_director::ServiceId = "trefoil/echo:1.0.0".parse().unwrap();
    first.services.pause(&echo_id).await.unwrap();
    let submitted = first
        .submit(vec![echo(json!(7))], false, None)
        .await
        .unwrap();
    let id = submitted.accepted.first;
    let job = first.readers.job(id).await.unwrap().unwrap();
    assert_eq!(
        first.reason(&job).await.unwrap().0,
        trefoil_jobs::WaitReason::Paused
    );
    first.stop(Duration::ZERO).await;
    tokio::task::spawn_blocking(move || first.join())
        .await
        .unwrap();

    let second = node(data.path()).await;
    let job = second.readers.job(id).await.unwrap().unwrap();
    assert_eq!(job.state, State::Queued);
    assert_eq!(
        second.reason(&job).await.unwrap().0,
        trefoil_jobs::WaitReason::Paused,
        "pausing is durable"
    );
    let mut watch = second.hub.watch(id);
    second.services.resume(&echo_id).await.unwrap();
    let seen = watch.wait_for(|seen| {
        seen.changed
            .as_ref()
            .is_some_and(|changed| changed.ended.is_some())
    });
    tokio::time::timeout(Duration::from_secs(10), seen)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        second.readers.job(id).await.unwrap().unwrap().state,
        State::Succeeded
    );
    second.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_accepted_whole_or_not_at_all() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let mut bad = echo(json!(1));
    bad.inputs.insert("vlaue".to_owned(), json!(2));
    let refused = node
        .submit(vec![echo(json!(1)), bad], true, None)
        .await
        .unwrap_err();
    let SubmitError::Invalid(violations) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(violations[0].pointer, "/1/inputs/vlaue");
    let list = node
        .readers
        .jobs(JobFilter::default(), None, 10)
        .await
        .unwrap();
    assert!(list.items.is_empty());

    let requests = (0..250).map(|i| echo(json!(i))).collect();
    let accepted = node.submit(requests, true, None).await.unwrap().accepted;
    let batch = accepted.batch.unwrap();
    assert_eq!(node.readers.batch(batch).await.unwrap(), accepted.ids);
    let filter = JobFilter {
        batch: Some(batch),
        ascending: true,
        ..JobFilter::default()
    };
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = node
            .readers
            .jobs(filter.clone(), cursor, 100)
            .await
            .unwrap();
        seen.extend(page.items.iter().map(|view| view.job.id));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, accepted.ids);
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_survives_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let key = |fingerprint| {
        Some(Idempotency {
            key: "k".into(),
            fingerprint: [fingerprint; 32],
        })
    };
    let first = node(data.path()).await;
    let one = first
        .submit(vec![echo(json!(1))], false, key(1))
        .await
        .unwrap()
        .accepted;
    first.stop(Duration::ZERO).await;
    tokio::task::spawn_blocking(move || first.join())
        .await
        .unwrap();
    let second = node(data.path()).await;
    let two = second
        .submit(vec![echo(json!(1))], false, key(1))
        .await
        .unwrap()
        .accepted;
    assert_eq!((two.first, two.replayed), (one.first, true));
    let refused = second
        .submit(vec![echo(json!(2))], false, key(2))
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            SubmitError::Refused(trefoil_jobs::Refusal::KeyReused { .. })
        ),
        "{refused:?}"
    );
    second.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_node_accepts_nothing_and_says_so() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    node.drain().await;
    let refused = node
        .submit(vec![echo(json!(1))], false, None)
        .await
        .unwrap_err();
    assert!(matches!(refused, SubmitError::Draining));
    assert!(
        node.readiness()
            .await
            .iter()
            .any(|check| check.name == "draining" && !check.ok)
    );
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_is_that_of_the_broker_too() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let config = AmqpConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        memory_high: 0,
        disk_free_min: 0,
        ..AmqpConfig::new(data.path().to_owned())
    };
    let listeners = Listeners::bind(&config).unwrap();
    let amqp = Amqp::open(config, listeners).unwrap();
    let seen = async |ok: bool, detail: &str| {
        let checks = node.readiness().await;
        let check = checks.iter().find(|check| check.name == "amqp");
        let found = check.map(|check| (check.ok, check.detail.as_str()));
        assert_eq!(found, Some((ok, detail)));
    };
    assert!(
        node.readiness()
            .await
            .iter()
            .all(|check| check.name != "amqp")
    );
    node.watch_broker(amqp.clone());
    seen(true, "0 connections").await;
    amqp.with(|broker, now| broker.set_operator_alarm(Some(true), None, now));
    seen(true, "0 connections, publishers wait: low on memory").await;
    amqp.suspend();
    seen(false, "the listeners are suspended").await;
    amqp.with(|broker, now| broker.stop_app(now));
    seen(false, "stopped with stop_app").await;
    amqp.with(|broker, now| broker.start_app(now));
    amqp.resume().unwrap();
    seen(true, "0 connections").await;
    amqp.stop(Duration::ZERO);
    seen(false, "the listeners are suspended").await;
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_cannot_share_a_directory() {
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path()).await;
    let mut config = NodeConfig::new(data.path().to_owned(), "/nonexistent".into());
    config.disk_free_min = 0;
    let refused = Node::start(config).await.unwrap_err().to_string();
    assert!(
        refused.contains(&format!("in use by process {}", std::process::id())),
        "{refused}"
    );
    first.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_store_is_refused_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    let first = node(data.path()).await;
    first.stop(Duration::ZERO).await;
    tokio::task::spawn_blocking(move || first.join())
        .await
        .unwrap();
    let path = data.path().join("jobs.db");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    let mut config = NodeConfig::new(data.path().to_owned(), "/nonexistent".into());
    config.disk_free_min = 0;
    let refused = Node::start(config).await.unwrap_err().to_string();
    assert!(refused.contains("schema 99"), "{refused}");
}
