//! Calls: synchronous, asynchronous, repeated, failed.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::rig::{Api, ECHO, pointers};

const RUN: &str = "/v1/call/trefoil/echo/run";
const STUCK: &str = "/v1/call/test/stuck/run";

#[tokio::test]
async fn a_call_answers_with_the_outputs() {
    let api = Api::start().await;
    for path in [
        RUN,
        "/v1/call/trefoil/echo:1/run",
        "/v1/call/trefoil/echo:1.0.0/run",
        "/v1/call/trefoil%2Fecho/run",
    ] {
        let answer = api
            .json("POST", path, &[], json!({"value": {"a": [1.5, "é", null]}}))
            .await
            .expect(200);
        assert_eq!(answer.json(), json!({"value": {"a": [1.5, "é", null]}}));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("trefoil-service"), Some(ECHO));
        assert_eq!(answer.header("vary"), Some("Prefer"));
        assert_eq!(answer.header("preference-applied"), None);
        let job = format!("/v1/jobs/{}", answer.header("trefoil-job").unwrap());
        assert_eq!(api.get(&job).await.expect(200).json()["state"], "succeeded");
    }
    let waited = api
        .json("POST", RUN, &[("prefer", "wait=20")], json!({}))
        .await
        .expect(200);
    assert_eq!(waited.header("preference-applied"), Some("wait=20"));
}

#[tokio::test]
async fn an_asynchronous_call_answers_at_once() {
    let api = Api::start().await;
    let answer = api
        .json(
            "POST",
            RUN,
            &[("prefer", "respond-async")],
            json!({"value": 1}),
        )
        .await
        .expect(202);
    let job = answer.json();
    let id = job["id"].as_str().unwrap();
    assert_eq!(
        answer.header("location"),
        Some(format!("/v1/jobs/{id}").as_str())
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    assert_eq!(answer.header("trefoil-job"), Some(id));
    assert_eq!(answer.header("vary"), Some("Prefer"));
    assert_eq!(api.ended(id).await["state"], "succeeded");
}

#[tokio::test]
async fn waiting_ends_with_202_and_the_job_goes_on() {
    let api = Api::start_with(|config| config.call_max_wait = Duration::from_millis(50)).await;
    api.publish_stuck().await;
    let wishes: [&[(&str, &str)]; 3] = [&[], &[("prefer", "wait=0")], &[("prefer", "wait=3600")]];
    for wish in wishes {
        let began = Instant::now();
        let answer = api.json("POST", STUCK, wish, json!({})).await.expect(202);
        assert!(began.elapsed() < Duration::from_secs(20));
        let job = answer.json();
        assert_eq!(job["state"], "queued");
        assert_eq!(job["reason"]["code"], "no-worker");
        assert_eq!(answer.header("trefoil-service"), Some("test/stuck:1.0.0"));
    }
    let strict = api
        .json("POST", STUCK, &[("prefer", "handling=strict")], json!({}))
        .await;
    strict.problem(503, "no-worker");
}

#[tokio::test]
async fn failures_and_cancellations_are_problems() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let answer = api
        .json("POST", STUCK, &[("deadline-ms", "30")], json!({}))
        .await;
    assert!(answer.header("trefoil-job").is_some());
    assert_eq!(answer.header("vary"), Some("Prefer"));
    let problem = answer.problem(504, "job-failed");
    assert_eq!(problem["code"], "deadline_exceeded");
    assert_eq!(problem["error"]["limit"], "deadline");
    api.json("POST", STUCK, &[("deadline-ms", "0")], json!({}))
        .await
        .problem(504, "deadline-spent");

    let call = api.json("POST", STUCK, &[("idempotency-key", "c")], json!({}));
    let cancel = async {
        // The job is there as soon as the list has it.
        loop {
            let page = api
                .get("/v1/jobs?service=test/stuck&state=queued")
                .await
                .json();
            if let Some(job) = page["items"].get(0) {
                let path = format!("/v1/jobs/{}:cancel", job["id"].as_str().unwrap());
                api.json("POST", &path, &[], json!({"reason": "enough"}))
                    .await
                    .expect(200);
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(call, cancel);
    let problem = answer.problem(409, "job-canceled");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .ends_with("canceled: enough"),
        "{problem}"
    );
    // The same call again is the same job, which has ended since.
    let again = api
        .json("POST", STUCK, &[("idempotency-key", "c")], json!({}))
        .await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    again.problem(409, "job-canceled");
}

#[tokio::test]
async fn bad_calls_are_refused_with_pointers_into_the_inputs() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let problem = api
        .json("POST", STUCK, &[], json!({"x": "a", "n": 1.5, "z": 1}))
        .await
        .expect(422)
        .json();
    let mut found = pointers(&problem);
    found.sort_unstable();
    assert_eq!(found, ["/n", "/x", "/z"]);
    api.json("POST", RUN, &[], json!([1]))
        .await
        .problem(422, "validation-failed");
    for (name, value) in [
        ("deadline-ms", "-1"),
        ("deadline-ms", "soon"),
        ("deadline-ms", "99999999999999999999"),
        ("trefoil-priority", "1001"),
        ("trefoil-submitter", "a/b"),
        ("idempotency-key", "\"open"),
    ] {
        api.json("POST", RUN, &[(name, value)], json!({}))
            .await
            .problem(400, "invalid-header");
    }
    api.json("POST", "/v1/call/trefoil/eco/run", &[], json!({}))
        .await
        .problem(404, "service-not-found");
    api.json("POST", "/v1/call/trefoil/echo:9/run", &[], json!({}))
        .await
        .problem(404, "no-matching-version");
    api.json("POST", "/v1/call/trefoil/echo/stop", &[], json!({}))
        .await
        .problem(404, "method-not-found");
    // The service comes first, whatever the method.
    let problem = api
        .json("POST", "/v1/call/trefoil/eco/add", &[], json!({}))
        .await
        .problem(404, "service-not-found");
    assert_eq!(problem["near"], json!(["trefoil/echo"]));
    let problem = api
        .json("POST", "/v1/call/trefoil/echo", &[], json!({}))
        .await
        .problem(404, "no-such-resource");
    assert_eq!(problem["hint"], "a call is POST /v1/call/trefoil/echo/run");
}

#[tokio::test]
async fn a_repeated_call_gives_the_same_job() {
    let api = Api::start().await;
    let key = ("idempotency-key", "\"k-1\"");
    let first = api
        .json("POST", RUN, &[key], json!({"value": 7}))
        .await
        .expect(200);
    let again = api
        .json(
            "POST",
            RUN,
            &[("idempotency-key", "k-1")],
            json!({"value": 7}),
        )
        .await
        .expect(200);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.header("idempotency-replayed"), None);
    assert_eq!(first.header("trefoil-job"), again.header("trefoil-job"));
    assert_eq!(again.json(), json!({"value": 7}));
    let other = api.json("POST", RUN, &[key], json!({"value": 8})).await;
    other.problem(422, "idempotency-key-reused");
    let bob = api
        .json(
            "POST",
            RUN,
            &[key, ("trefoil-submitter", "bob")],
            json!({"value": 8}),
        )
        .await
        .expect(200);
    assert_ne!(bob.header("trefoil-job"), first.header("trefoil-job"));
}

#[tokio::test]
async fn a_repeated_call_is_answered_after_its_service_was_retired() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let key = ("idempotency-key", "k-2");
    let wishes = [key, ("prefer", "wait=0")];
    let first = api
        .json("POST", STUCK, &wishes, json!({}))
        .await
        .expect(202);
    api.request("DELETE", "/v1/services/test/stuck:1.0.0", &[], "")
        .await
        .expect(204);
    let again = api
        .json("POST", STUCK, &wishes, json!({}))
        .await
        .expect(202);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("trefoil-job"), first.header("trefoil-job"));
    assert_eq!(again.header("trefoil-service"), Some("test/stuck:1.0.0"));
    for headers in [&[][..], &[("idempotency-key", "k-3")]] {
        api.json("POST", STUCK, headers, json!({}))
            .await
            .problem(404, "service-retired");
    }
}
