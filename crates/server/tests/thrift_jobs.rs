//! Services that run as jobs, called over Thrift by their derived contracts: a whole node, and sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/caller.rs"]
mod caller;

use std::{path::Path, sync::Arc, time::Duration};

use serde_json::{Value, json};
use trefoil_jobs::{JobId, State};
use trefoil_server::{
    JobRequest, Node, NodeConfig,
    idempotency::Fingerprint,
    store::JobFilter,
    thrift::{Call, CallFailure, Context},
};
use trefoil_thrift::{ApplicationErrorKind, framing::Protocol};

use caller::{Caller, contract, decode, encode, serve};

const ECHO: &str = "trefoil/echo:1.0.0";
const LONG: Duration = Duration::from_secs(60);

async fn node(data: &Path) -> Arc<Node> {
    node_with(data, LONG).await
}

async fn node_with(data: &Path, call_max_wait: Duration) -> Arc<Node> {
    // No test of this file runs a program, so the supervisor is never started.
    let mut config = NodeConfig::new(data.to_owned(), "/nonexistent".into());
    config.disk_free_min = 0;
    config.call_max_wait = call_max_wait;
    Node::start(config).await.unwrap()
}

/// Jobs of the node, as soon as there is one.
async fn first_job(node: &Node) -> JobId {
    let mut every = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..4_000 {
        let page = node
            .readers
            .jobs(JobFilter::default(), None, 10)
            .await
            .unwrap();
        if let Some(view) = page.items.first() {
            return view.job.id;
        }
        every.tick().await;
    }
    panic!("no job came");
}

async fn ended(node: &Node, id: JobId) -> State {
    let mut watch = node.hub.watch(id);
    let state = node.readers.job(id).await.unwrap().unwrap().state;
    if !state.is_terminal() {
        let ended = watch.wait_for(|seen| {
            seen.changed
                .as_ref()
                .is_some_and(|changed| changed.ended.is_some())
        });
        let _ = tokio::time::timeout(LONG, ended).await.unwrap();
    }
    node.readers.job(id).await.unwrap().unwrap().state
}

/// A value of a port that takes any JSON is JSON text.
fn value(value: &Value) -> Value {
    json!({ "inputs": { "value": value.to_string() } })
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_runs_in_every_protocol() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let contract = contract(&node, ECHO);
    assert!(contract.is_derived());
    for protocol in [
        Protocol::Binary,
        Protocol::BinaryOld,
        Protocol::Compact,
        Protocol::Json,
    ] {
        for prefix in ["trefoil/echo", "trefoil/echo:1", ECHO, "Echo"] {
            let mut caller = Caller::new(&thrift, Arc::clone(&contract), protocol, Some(prefix));
            let given = json!({"a": [1, 2.5, "ä", null]});
            let result = caller.call("run", &value(&given)).unwrap();
            let text = result["success"]["value"].as_str().unwrap();
            assert_eq!(
                serde_json::from_str::<Value>(text).unwrap(),
                given,
                "{protocol:?} {prefix}"
            );
            // The default is nothing, and `echo` says so.
            let result = caller.call("run", &json!({"inputs": {}})).unwrap();
            assert_eq!(result, json!({"success": {"value": "null"}}));
            let result = caller.call("run", &json!({})).unwrap();
            assert_eq!(result, json!({"success": {"value": "null"}}));
        }
    }
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_ports_runs_and_is_well() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let noop = contract(&node, "trefoil/noop:1.0.0");
    let mut caller = Caller::new(&thrift, noop, Protocol::Compact, Some("trefoil/noop"));
    assert_eq!(
        caller.call("run", &json!({"inputs": {}})).unwrap(),
        json!({"success": {}})
    );
    // What every service is asked is asked of it too.
    let meta = thrift.target(&"trefoil/noop".parse().unwrap(), "health");
    let meta = Arc::clone(&meta.unwrap().contract);
    let mut caller = Caller::new(&thrift, meta, Protocol::Compact, Some("trefoil/noop"));
    let health = caller.call("health", &json!({})).unwrap();
    assert_eq!(health, json!({"success": {"ok": true}}));
    let idl = caller.call("thriftIDL", &json!({})).unwrap();
    let text = idl["success"]["idls"]["contract.thrift"].as_str().unwrap();
    assert!(text.contains("service Noop {"), "{text}");
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_input_is_a_protocol_error_with_every_violation() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let mut caller = Caller::new(
        &thrift,
        contract(&node, ECHO),
        Protocol::Binary,
        Some("Echo"),
    );
    let error = caller
        .call("run", &json!({"inputs": {"value": "[1,"}}))
        .unwrap_err();
    assert_eq!(error.kind, ApplicationErrorKind::ProtocolError);
    assert!(
        error.text.starts_with("/inputs/value: is not JSON text"),
        "{error}"
    );
    // The connection is as good as before.
    assert!(caller.call("run", &value(&json!(1))).is_ok());
    let page = node
        .readers
        .jobs(JobFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1, "nothing else became a job");
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_submitted_and_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let mut caller = Caller::new(
        &thrift,
        contract(&node, ECHO),
        Protocol::Compact,
        Some("Echo"),
    );
    let submitted = caller.call("submit", &value(&json!([7]))).unwrap();
    let id: JobId = submitted["success"].as_str().unwrap().parse().unwrap();
    let job = json!({ "job": id.to_string() });
    let expected = json!({"success": {"value": "[7]"}});
    assert_eq!(caller.call("result", &job).unwrap(), expected);
    // Again, when it has ended long ago.
    assert_eq!(ended(&node, id).await, State::Succeeded);
    assert_eq!(caller.call("result", &job).unwrap(), expected);

    for (job, expected) in [
        ("x".to_owned(), "/job: expected the id of a job".to_owned()),
        (
            "00000000-0000-7000-8000-000000000000".to_owned(),
            "/job: there is no job".to_owned(),
        ),
    ] {
        let error = caller.call("result", &json!({ "job": job })).unwrap_err();
        assert_eq!(error.kind, ApplicationErrorKind::ProtocolError);
        assert!(error.text.starts_with(&expected), "{error}");
    }
    let noop = contract(&node, "trefoil/noop:1.0.0");
    let mut other = Caller::new(&thrift, noop, Protocol::Binary, Some("trefoil/noop"));
    let error = other.call("result", &job).unwrap_err();
    assert!(
        error
            .text
            .contains("is one of trefoil/echo:1.0.0, not of trefoil/noop"),
        "{error}"
    );
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_job_is_a_declared_exception() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    node.services.pause(&ECHO.parse().unwrap()).await.unwrap();
    let mut caller = Caller::new(
        &thrift,
        contract(&node, ECHO),
        Protocol::Binary,
        Some("Echo"),
    );
    caller.send("run", &value(&json!(1)));
    let id = first_job(&node).await;
    node.engine
        .call(move |engine, now| engine.cancel(now, id, "not needed"))
        .await
        .unwrap();
    let result = caller.receive("run").unwrap();
    let expected = json!({"class": "canceled", "message": "not needed", "job": id.to_string()});
    assert_eq!(result, json!({ "failed": expected }));
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_time_is_over_the_job_goes_on_and_can_be_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let node = node_with(data.path(), Duration::from_millis(50)).await;
    // How long instances have is no matter of jobs.
    let thrift = serve(&node, Duration::from_millis(1));
    let echo = ECHO.parse().unwrap();
    node.services.pause(&echo).await.unwrap();
    let mut caller = Caller::new(
        &thrift,
        contract(&node, ECHO),
        Protocol::Binary,
        Some("Echo"),
    );
    let error = caller.call("run", &value(&json!("late"))).unwrap_err();
    assert_eq!(error.kind, ApplicationErrorKind::InternalError);
    let id = first_job(&node).await;
    let words = format!(
        "job {id} has not ended: the time of the call, 50 ms, is over, and the job goes on"
    );
    assert!(error.text.starts_with(&words), "{error}");
    assert!(error.text.contains("is paused"), "{error}");
    node.services.resume(&echo).await.unwrap();
    assert_eq!(ended(&node, id).await, State::Succeeded);
    let result = caller
        .call("result", &json!({ "job": id.to_string() }))
        .unwrap();
    assert_eq!(result, json!({"success": {"value": "\"late\""}}));
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_takes_no_job_with_it() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let echo = ECHO.parse().unwrap();
    node.services.pause(&echo).await.unwrap();
    let mut caller = Caller::new(
        &thrift,
        contract(&node, ECHO),
        Protocol::Binary,
        Some("Echo"),
    );
    caller.send("run", &value(&json!(1)));
    let id = first_job(&node).await;
    drop(caller);
    node.services.resume(&echo).await.unwrap();
    assert_eq!(ended(&node, id).await, State::Succeeded);
    // The answer to nobody does no harm.
    let mut caller = Caller::new(
        &thrift,
        contract(&node, ECHO),
        Protocol::Binary,
        Some("Echo"),
    );
    assert!(caller.call("run", &value(&json!(2))).is_ok());
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_are_told_when_the_platform_stops() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    node.services.pause(&ECHO.parse().unwrap()).await.unwrap();
    let mut caller = Caller::new(
        &thrift,
        contract(&node, ECHO),
        Protocol::Binary,
        Some("Echo"),
    );
    caller.send("run", &value(&json!(1)));
    let id = first_job(&node).await;
    thrift.stop(Duration::ZERO).await;
    let error = caller.receive("run").unwrap_err();
    assert_eq!(error.kind, ApplicationErrorKind::InternalError);
    let words = format!("job {id} has not ended: the platform stops");
    assert!(error.text.starts_with(&words), "{error}");
    node.stop(Duration::ZERO).await;
    drop(thrift);
    // Nothing holds the node any more: not even a call that waited.
    let ended = tokio::task::spawn_blocking(move || {
        let weak = Arc::downgrade(&node);
        node.join();
        weak.strong_count()
    });
    assert_eq!(ended.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_in_this_process_run_jobs() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let target = thrift
        .target(&"trefoil/echo:1".parse().unwrap(), "run")
        .unwrap();
    let schema = target.contract.schema();
    let call = |arguments: &Value, timeout| Call {
        target: Arc::clone(&target),
        name: None,
        protocol: Protocol::Compact,
        arguments: encode(
            schema,
            target.method().arguments,
            arguments,
            Protocol::Compact,
        ),
        context: Context {
            timeout,
            ..Context::default()
        },
    };
    let reply = thrift
        .call(call(&value(&json!([1])), None))
        .await
        .unwrap()
        .unwrap();
    let result = decode(
        schema,
        target.method().result.unwrap(),
        &reply.body,
        reply.protocol,
    );
    assert_eq!(result, json!({"success": {"value": "[1]"}}));
    node.services.pause(&ECHO.parse().unwrap()).await.unwrap();
    let failure = thrift
        .call(call(&value(&json!([1])), Some(Duration::from_millis(20))))
        .await
        .unwrap_err();
    assert!(
        matches!(failure, CallFailure::Unfinished { .. }),
        "{failure}"
    );
    node.stop(Duration::ZERO).await;
    let failure = thrift
        .call(call(&value(&json!([1])), None))
        .await
        .unwrap_err();
    assert_eq!(failure, CallFailure::Stopping);
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_of_what_is_always_there_need_its_name() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let mut caller = Caller::new(&thrift, contract(&node, ECHO), Protocol::Binary, None);
    let error = caller.call("run", &value(&json!(1))).unwrap_err();
    assert_eq!(error.kind, ApplicationErrorKind::UnknownMethod);
    // REST takes the same job.
    let request = JobRequest::new(ECHO.parse().unwrap(), serde_json::Map::new());
    assert!(node.submit(vec![request], false, None).await.is_ok());
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_with_a_call_counts_as_over_http() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let echo = contract(&node, ECHO);
    let mut caller = Caller::new(&thrift, echo, Protocol::Compact, Some("trefoil/echo:1"));
    caller.say(&[
        ("idempotency-key", "\"k-1\""),
        ("trefoil-submitter", "alice"),
    ]);
    let seven = json!({"success": {"value": "7"}});
    assert_eq!(caller.call("run", &value(&json!(7))).unwrap(), seven);
    let [(key, id)] = &*caller.told else {
        panic!("{:?}", caller.told);
    };
    assert_eq!(key, "trefoil-job");
    let id: JobId = id.parse().unwrap();
    let job = node.readers.job(id).await.unwrap().unwrap();
    assert_eq!(&*job.submitter, "alice");

    // The same once more, however it is asked for, is the same job.
    let again = [
        ("trefoil-job".to_owned(), id.to_string()),
        ("idempotency-replayed".to_owned(), "true".to_owned()),
    ];
    assert_eq!(caller.call("run", &value(&json!(7))).unwrap(), seven);
    assert_eq!(caller.told, again);
    let submitted = caller.call("submit", &value(&json!(7))).unwrap();
    assert_eq!(submitted, json!({"success": id.to_string()}));
    assert_eq!(caller.told, again);
    // So is the same request over HTTP, which has a number where this has text.
    let mut fingerprint = Fingerprint::new("k-1".into(), "/v1/call/trefoil/echo:1/run");
    fingerprint.add(&json!({"value": 7.0}));
    let mut request = JobRequest::new(ECHO.parse().unwrap(), serde_json::Map::new());
    request.submitter = "alice".into();
    let submitted = node.submit(vec![request], false, Some(fingerprint.finish()));
    let accepted = submitted.await.unwrap().accepted;
    assert_eq!((accepted.first, accepted.replayed), (id, true));

    // With other arguments it is refused, and by somebody else it is another one.
    let error = caller.call("run", &value(&json!(8))).unwrap_err();
    assert_eq!(error.kind, ApplicationErrorKind::ProtocolError);
    assert_eq!(
        error.text,
        "idempotency key 'k-1' was used for a different request"
    );
    caller.say(&[("idempotency-key", "k-1"), ("trefoil-submitter", "bob")]);
    assert!(caller.call("run", &value(&json!(8))).is_ok());
    assert_ne!(caller.told[0].1, id.to_string());
    for (says, expected) in [
        (
            ("idempotency-key", "\"open"),
            "the header `idempotency-key`: ",
        ),
        (
            ("trefoil-submitter", "a b"),
            "the header `trefoil-submitter`: ",
        ),
    ] {
        caller.say(&[says]);
        let error = caller.call("run", &value(&json!(1))).unwrap_err();
        assert_eq!(error.kind, ApplicationErrorKind::ProtocolError);
        assert!(error.text.starts_with(expected), "{error}");
    }
    let page = node
        .readers
        .jobs(JobFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 2);
    node.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_made_again_waits_for_the_same_job() {
    let data = tempfile::tempdir().unwrap();
    let node = node(data.path()).await;
    let thrift = serve(&node, LONG);
    let echo = ECHO.parse().unwrap();
    node.services.pause(&echo).await.unwrap();
    let contract = contract(&node, ECHO);
    let mut caller = Caller::new(&thrift, contract, Protocol::Binary, Some("Echo"));
    caller.say(&[("idempotency-key", "k"), ("deadline-ms", "20")]);
    let error = caller.call("run", &value(&json!(1))).unwrap_err();
    assert!(
        error.text.contains("the time of the call, 20 ms, is over"),
        "{error}"
    );
    let id = first_job(&node).await;
    // The error says it too.
    assert_eq!(caller.told, [("trefoil-job".to_owned(), id.to_string())]);
    caller.say(&[("idempotency-key", "k")]);
    caller.send("run", &value(&json!(1)));
    node.services.resume(&echo).await.unwrap();
    let result = caller.receive("run").unwrap();
    assert_eq!(result, json!({"success": {"value": "1"}}));
    assert_eq!(caller.told[0].1, id.to_string());
    // One without time is none.
    caller.say(&[("deadline-ms", "0")]);
    let error = caller.call("run", &value(&json!(2))).unwrap_err();
    assert!(error.text.ends_with("(it was not begun)"), "{error}");
    let page = node
        .readers
        .jobs(JobFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    node.stop(Duration::ZERO).await;
}
