//! Jobs: submitting, reading, changing, canceling, repeating, deleting; sweeps and batches.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{Answer, Api, ECHO, pointers};

fn id(job: &Value) -> &str {
    job["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_job_has_everything_it_was_given() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let answer = api
        .json("POST", "/v1/jobs", &[], json!({
            "service": "test/stuck:1", "method": "run", "inputs": {"x": 5}, "priority": 7, "submitter": "alice",
            "labels": {"study": "a"}, "name": "first", "deadline": 3600, "resources": {"cpus": 0.5, "memory": 1024},
            "limits": {"queue": 600, "attempt_soft": 50, "attempt": 60, "silence": 30},
            "retry": {"max_attempts": 2, "max_crashes": 1, "initial": 0, "factor": 1.5, "max": 10, "jitter": false,
                      "retry_on": ["temporary", "timed_out"]},
        }))
        .await
        .expect(202);
    let job = answer.json();
    let path = format!("/v1/jobs/{}", id(&job));
    assert_eq!(answer.header("location"), Some(path.as_str()));
    let expected = json!({
        "service": "test/stuck:1.0.0", "method": "run", "state": "queued", "submitter": "alice", "priority": 7,
        "labels": {"study": "a"}, "name": "first", "progress": 0, "attempt": 0,
        "reason": {"code": "no-worker", "detail": "nothing here runs test/stuck:1.0.0"},
    });
    for (member, value) in expected.as_object().unwrap() {
        assert_eq!(&job[member], value, "{member}");
    }
    assert_eq!(job["links"]["self"], path);
    assert_eq!(job["links"]["cancel"], format!("{path}:cancel"));
    for time in ["created_at", "queued_at", "deadline"] {
        assert!(
            job[time]
                .as_str()
                .is_some_and(|time| time.len() == 24 && time.ends_with('Z')),
            "{time}: {job}"
        );
    }
    assert_eq!(api.get(&path).await.expect(200).json(), job);
}

#[tokio::test]
async fn delayed_jobs_say_so() {
    let api = Api::start().await;
    let job = api
        .submit(json!({"service": ECHO, "not_before": "2999-01-01T00:00:00Z"}))
        .await;
    assert_eq!(
        (&job["state"], &job["reason"]["code"]),
        (&json!("accepted"), &json!("delayed"))
    );
    assert_eq!(job["not_before"], "2999-01-01T00:00:00.000Z");
    let job = api.submit(json!({"service": ECHO, "delay": 3600})).await;
    assert_eq!(job["state"], "accepted");
    let job = api
        .submit(json!({"service": ECHO, "not_before": "1969-01-01T00:00:00+01:00"}))
        .await;
    assert_eq!(api.ended(id(&job)).await["progress"], 1);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let bad = json!({
        "service": "test/stuck", "method": "walk", "inputs": {"x": "text", "q": 1}, "priority": 1001, "submitter": "a b",
        "labels": {"a": 1, "b:c": "d"}, "name": 5, "not_before": "soon", "delay": -1, "deadline": 0,
        "resources": {"cpus": 0, "memory": 0, "gpus": 1}, "limits": {"attempt": "60"}, "retry": {"retry_on": ["lost"]},
        "sweep": {"mode": "all", "values": {"n": {"linspace": [1, 2]}}}, "piority": 1,
    });
    let problem = api
        .json("POST", "/v1/jobs", &[], bad)
        .await
        .problem(422, "validation-failed");
    let found = pointers(&problem);
    for pointer in [
        "/method",
        "/priority",
        "/submitter",
        "/labels/a",
        "/labels",
        "/name",
        "/not_before",
        "/delay",
        "/deadline",
        "/resources/cpus",
        "/resources/memory",
        "/resources/gpus",
        "/limits/attempt",
        "/retry/retry_on",
        "/sweep/mode",
        "/sweep/values/n",
        "/piority",
        "/inputs/x",
        "/inputs/q",
    ] {
        assert!(found.contains(&pointer), "{pointer} is not in {found:?}");
    }
    let check = async |body: Value, expected: &[&str]| {
        let problem = api
            .json("POST", "/v1/jobs", &[], body.clone())
            .await
            .expect(422)
            .json();
        assert_eq!(pointers(&problem), expected, "{body}");
        let dry = api
            .json("POST", "/v1/jobs?dry_run=true", &[], body)
            .await
            .expect(422)
            .json();
        assert_eq!(pointers(&dry), expected);
    };
    check(json!({}), &["/service"]).await;
    check(json!({"service": 5}), &["/service"]).await;
    check(json!({"service": "Bad Key"}), &["/service"]).await;
    check(json!({"service": ECHO, "inputs": []}), &["/inputs"]).await;
    check(json!({"service": null}), &["/service"]).await;
    check(
        json!({"service": ECHO, "name": "n".repeat(1_001), "labels": {"k": "v".repeat(1_001)}}),
        &["/name", "/labels"],
    )
    .await;
    let labels: serde_json::Map<_, _> = (0..65).map(|i| (format!("k{i}"), json!(""))).collect();
    check(json!({"service": ECHO, "labels": labels}), &["/labels"]).await;
    check(
        json!({"service": ECHO, "delay": 1, "not_before": "2026-01-01T00:00:00Z"}),
        &["/delay"],
    )
    .await;
    check(
        json!({"service": ECHO, "retry": {"max_attempts": 0}}),
        &["/retry/max_attempts"],
    )
    .await;
    check(json!({"service": ECHO, "sweep": {}}), &["/sweep/values"]).await;
    check(
        json!({"service": ECHO, "sweep": {"values": {}}}),
        &["/sweep"],
    )
    .await;
    check(
        json!({"service": "test/stuck", "sweep": {"values": {"x": [1, "a"]}}}),
        &["/sweep/values/x/1"],
    )
    .await;
    let unknown = api
        .json("POST", "/v1/jobs", &[], json!({"service": "trefoil/eco"}))
        .await;
    let problem = unknown.problem(404, "service-not-found");
    assert_eq!(problem["near"], json!(["trefoil/echo"]));
    api.json(
        "POST",
        "/v1/jobs?dry_run=maybe",
        &[],
        json!({"service": ECHO}),
    )
    .await
    .problem(400, "invalid-query");
    assert_eq!(api.get("/v1/jobs").await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_dry_run_accepts_nothing() {
    let api = Api::start().await;
    let dry = api
        .json(
            "POST",
            "/v1/jobs?dry_run=true",
            &[("idempotency-key", "k")],
            json!({"service": ECHO}),
        )
        .await;
    assert_eq!(dry.expect(200).json(), json!({"valid": true}));
    let lines = [("content-type", "application/x-ndjson")];
    let dry = api
        .request(
            "POST",
            "/v1/jobs?dry_run=true",
            &lines,
            "{\"service\":\"trefoil/echo\"}\n",
        )
        .await;
    assert_eq!(dry.expect(200).json(), json!({"valid": true}));
    assert_eq!(api.get("/v1/jobs").await.json()["items"], json!([]));
}

#[tokio::test]
async fn jobs_that_nothing_can_run() {
    let api = Api::start_with(|config| {
        config.workers_enabled = true;
        config.worker_slots = 2;
    })
    .await;
    api.publish_stuck().await;
    let body = json!({"service": "test/stuck", "resources": {"cpus": 3}});
    api.json("POST", "/v1/jobs", &[], body.clone())
        .await
        .problem(422, "never-runnable");
    api.json("POST", "/v1/jobs?dry_run=true", &[], body.clone())
        .await
        .problem(422, "never-runnable");
    // Of a batch, the lines are told.
    let lines = format!("{{\"service\":\"trefoil/echo\"}}\n{body}\n");
    for path in ["/v1/jobs", "/v1/jobs?dry_run=true"] {
        let kind = [("content-type", "application/x-ndjson")];
        let refused = api.request("POST", path, &kind, lines.clone()).await;
        let problem = refused.problem(422, "validation-failed");
        assert_eq!(problem["errors"][0]["pointer"], "/1/resources");
        assert_eq!(problem["errors"][0]["rule"], "never-runnable");
    }
    let none = Api::start().await;
    none.publish_stuck().await;
    let strict = none
        .json(
            "POST",
            "/v1/jobs",
            &[("prefer", "handling=strict")],
            json!({"service": "test/stuck"}),
        )
        .await;
    strict.problem(503, "no-worker");
    let strict = none
        .json(
            "POST",
            "/v1/jobs",
            &[("prefer", "handling=strict")],
            json!({"service": ECHO}),
        )
        .await;
    assert_eq!(
        strict.expect(202).header("preference-applied"),
        Some("handling=strict")
    );
}

#[tokio::test]
async fn entity_tags_make_polling_cheap_and_changes_safe() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let job = api.submit(json!({"service": "test/stuck"})).await;
    let path = format!("/v1/jobs/{}", id(&job));
    let tag = api.get(&path).await.header("etag").unwrap().to_owned();
    assert_eq!(tag, format!("\"{}-0-no-worker\"", job["revision"]));
    assert!(
        api.request("GET", &path, &[("if-none-match", &tag)], "")
            .await
            .expect(304)
            .body
            .is_empty()
    );
    api.request("GET", &path, &[("if-none-match", "\"x\"")], "")
        .await
        .expect(200);

    let patch =
        async |headers: &[(&str, &str)], body: Value| api.json("PATCH", &path, headers, body).await;
    let patched = patch(
        &[("if-match", &tag)],
        json!({"priority": 9, "labels": {"k": "v"}}),
    )
    .await
    .expect(200);
    let now = patched.json();
    assert_eq!(
        (&now["priority"], &now["labels"]),
        (&json!(9), &json!({"k": "v"}))
    );
    assert_ne!(patched.header("etag"), Some(tag.as_str()));
    patch(&[("if-match", &tag)], json!({"priority": 1}))
        .await
        .problem(412, "precondition-failed");
    patch(&[("if-match", "\"other\"")], json!({"priority": 1}))
        .await
        .problem(412, "precondition-failed");
    patch(
        &[(
            "if-match",
            &format!("W/{}", patched.header("etag").unwrap()),
        )],
        json!({"priority": 1}),
    )
    .await
    .expect(412);
    let two = format!("{tag}, {}", patched.header("etag").unwrap());
    patch(&[("if-match", &two)], json!({"priority": 1}))
        .await
        .expect(200);
    patch(&[("if-match", "*")], json!({"labels": {}}))
        .await
        .expect(200);
    patch(&[("if-match", "nonsense")], json!({"priority": 1}))
        .await
        .problem(400, "invalid-header");
    patch(&[], json!({}))
        .await
        .problem(422, "validation-failed");
    let problem = patch(
        &[],
        json!({"priority": "1", "state": "succeeded", "labels": {"": "x"}}),
    )
    .await
    .expect(422)
    .json();
    assert_eq!(pointers(&problem), ["/priority", "/labels", "/state"]);
}

#[tokio::test]
async fn an_entity_tag_tells_that_a_job_waits_for_something_else() {
    let api = Api::start().await;
    let service = api.publish_stuck().await;
    let job = api.submit(json!({"service": service})).await;
    let path = format!("/v1/jobs/{}", id(&job));
    let tag = api.get(&path).await.header("etag").unwrap().to_owned();
    api.request("POST", &format!("/v1/services/{service}:pause"), &[], "")
        .await
        .expect(200);
    let now = api
        .request("GET", &path, &[("if-none-match", &tag)], "")
        .await
        .expect(200);
    assert_eq!(now.json()["reason"]["code"], "paused");
    assert_eq!(now.json()["revision"], job["revision"]);
    // Nothing happened to the job, so what was decided about it holds.
    api.json(
        "PATCH",
        &path,
        &[("if-match", &tag)],
        json!({"priority": 1}),
    )
    .await
    .expect(200);
}

#[tokio::test]
async fn null_is_no_value() {
    let api = Api::start().await;
    let job = api
        .submit(json!({
            "service": ECHO, "inputs": null, "method": null, "name": null, "labels": null, "delay": null,
            "not_before": null, "deadline": null, "priority": null, "submitter": null, "sweep": null,
            "resources": {"cpus": null, "memory": null}, "limits": null,
            "retry": {"max_attempts": null, "retry_on": null},
        }))
        .await;
    assert_eq!(api.ended(id(&job)).await["state"], "succeeded");
    let path = format!("/v1/jobs/{}", id(&job));
    api.json("PATCH", &path, &[], json!({"priority": null}))
        .await
        .problem(422, "validation-failed");
    api.json("PATCH", &path, &[], json!({"priority": null, "labels": {}}))
        .await
        .expect(200);
}

#[tokio::test]
async fn reading_can_wait_for_the_end() {
    let api = Api::start_with(|config| config.call_max_wait = Duration::from_millis(50)).await;
    api.publish_stuck().await;
    let job = api.submit(json!({"service": "test/stuck"})).await;
    let path = format!("/v1/jobs/{}", id(&job));
    let began = Instant::now();
    let answer = api
        .request("GET", &path, &[("prefer", "wait=3600")], "")
        .await
        .expect(200);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(answer.header("preference-applied"), Some("wait=3600"));
    assert_eq!(answer.json()["state"], "queued");

    let api = Api::start().await;
    api.publish_stuck().await;
    let job = api.submit(json!({"service": "test/stuck"})).await;
    let path = format!("/v1/jobs/{}", id(&job));
    let cancel_path = format!("{path}:cancel");
    let wait = api.request("GET", &path, &[("prefer", "wait=30")], "");
    let cancel = api.request("POST", &cancel_path, &[], "");
    let (waited, canceled) = tokio::join!(wait, cancel);
    assert_eq!(canceled.expect(200).json()["state"], "canceled");
    assert_eq!(waited.expect(200).json()["state"], "canceled");
}

#[tokio::test]
async fn cancel_retry_delete() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let job = api
        .submit(json!({"service": "test/stuck", "labels": {"a": "b"}}))
        .await;
    let path = format!("/v1/jobs/{}", id(&job));
    api.request("POST", &format!("{path}:retry"), &[], "")
        .await
        .problem(409, "nothing-to-retry");
    api.request("POST", &format!("{path}:rerun"), &[], "")
        .await
        .problem(409, "nothing-to-rerun");
    api.request("DELETE", &path, &[], "")
        .await
        .problem(409, "job-not-ended");
    let problem = api
        .json(
            "POST",
            &format!("{path}:cancel"),
            &[],
            json!({"raison": "x"}),
        )
        .await
        .expect(422)
        .json();
    assert_eq!(pointers(&problem), ["/raison"]);
    let canceled = api
        .json(
            "POST",
            &format!("{path}:cancel"),
            &[],
            json!({"reason": "why not"}),
        )
        .await
        .expect(200);
    assert_eq!(canceled.json()["state"], "canceled");
    // Who looks at the job later wants to know why, too.
    let job_now = api.get(&path).await.expect(200).json();
    assert_eq!(job_now["cancel_reason"], "why not");
    api.request("POST", &format!("{path}:cancel"), &[], "")
        .await
        .expect(200);

    let retried = api
        .request("POST", &format!("{path}:retry"), &[], "")
        .await
        .expect(202);
    let new = retried.json();
    assert_eq!(new["retry_of"], job["id"]);
    assert_eq!(new["labels"], json!({"a": "b"}));
    assert_ne!(new["id"], job["id"]);
    assert_eq!(
        retried.header("location"),
        Some(format!("/v1/jobs/{}", id(&new)).as_str())
    );

    api.request("DELETE", &path, &[], "").await.expect(204);
    api.get(&path).await.problem(410, "job-deleted");
    api.request("DELETE", &path, &[], "")
        .await
        .problem(410, "job-deleted");
    api.request("POST", &format!("{path}:cancel"), &[], "")
        .await
        .problem(410, "job-deleted");
    api.json("PATCH", &path, &[], json!({"priority": 1}))
        .await
        .problem(410, "job-deleted");
}

#[tokio::test]
async fn a_rerun_is_compared_with_its_original() {
    let api = Api::start().await;
    let job = api
        .submit(json!({"service": ECHO, "inputs": {"value": [1, 2.5]}}))
        .await;
    let done = api.ended(id(&job)).await;
    assert_eq!(
        (&done["state"], &done["attempt"]),
        (&json!("succeeded"), &json!(1))
    );
    assert!(done["links"].get("cancel").is_none());
    let rerun = api
        .request("POST", &format!("/v1/jobs/{}:rerun", id(&job)), &[], "")
        .await
        .expect(202)
        .json();
    assert_eq!(rerun["rerun_of"], job["id"]);
    let rerun = api.ended(id(&rerun)).await;
    assert_eq!(
        rerun["rerun"],
        json!({"of": job["id"], "identical": true, "differences": []})
    );
    let page = api.get("/v1/jobs?limit=1").await.json();
    assert_eq!(page["items"][0]["rerun"]["identical"], true);
    // Without the original nobody knows: that is neither the same nor different.
    let path = format!("/v1/jobs/{}", id(&rerun));
    let tag = api.get(&path).await.header("etag").unwrap().to_owned();
    let original = format!("/v1/jobs/{}", id(&job));
    api.request("DELETE", &original, &[], "").await.expect(204);
    let now = api
        .request("GET", &path, &[("if-none-match", &tag)], "")
        .await
        .expect(200);
    assert_eq!(
        now.json()["rerun"],
        json!({"of": job["id"], "identical": null, "differences": []})
    );
}

#[tokio::test]
async fn a_submission_can_be_repeated() {
    let api = Api::start().await;
    let submit = async |key: &str, body: &'static str| -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        api.request("POST", "/v1/jobs", &headers, body).await
    };
    let first = submit(
        "\"a\"",
        "{\"service\":\"trefoil/echo\",\"inputs\":{\"value\":1}}",
    )
    .await
    .expect(202);
    let again = submit(
        "a",
        "{ \"inputs\" : {\"value\": 1}, \"service\" : \"trefoil\\/echo\" }",
    )
    .await
    .expect(202);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(first.header("location"), again.header("location"));
    let other = submit(
        "a",
        "{\"service\":\"trefoil/echo\",\"inputs\":{\"value\":2}}",
    )
    .await;
    let problem = other.problem(422, "idempotency-key-reused");
    assert_eq!(problem["errors"][0]["location"], "header");
    assert_eq!(
        api.get("/v1/jobs").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn sweeps() {
    let api = Api::start().await;
    let sweep = json!({"values": {"value": {"linspace": [0, 1, 5]}}});
    let parent = api
        .submit(json!({"service": ECHO, "sweep": sweep, "name": "s"}))
        .await;
    assert_eq!(parent["tasks"]["total"], 5);
    assert_eq!(
        parent["links"]["tasks"],
        format!("/v1/jobs/{}/tasks", id(&parent))
    );
    let done = api.ended(id(&parent)).await;
    assert_eq!(
        (
            &done["state"],
            &done["tasks"]["succeeded"],
            &done["progress"]
        ),
        (&json!("succeeded"), &json!(5), &json!(1))
    );
    let page = api
        .get(&format!("/v1/jobs?parent={}&order=asc", id(&parent)))
        .await
        .json();
    let indexes: Vec<u64> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    let rerun = api
        .request("POST", &format!("/v1/jobs/{}:rerun", id(&parent)), &[], "")
        .await
        .expect(202)
        .json();
    assert_eq!(api.ended(id(&rerun)).await["rerun"]["identical"], true);
    let task = id(&page["items"][0]).to_owned();
    api.request("DELETE", &format!("/v1/jobs/{task}"), &[], "")
        .await
        .problem(409, "wrong-kind");
    api.request("DELETE", &format!("/v1/jobs/{}", id(&parent)), &[], "")
        .await
        .expect(204);
    api.get(&format!("/v1/jobs/{task}"))
        .await
        .problem(410, "job-deleted");

    let small = Api::start_with(|config| config.sweep_tasks_max = 10).await;
    let many = json!({"service": ECHO, "sweep": {"values": {"value": {"range": [1, 11, 1]}}}});
    let problem = small
        .json("POST", "/v1/jobs", &[], many)
        .await
        .expect(422)
        .json();
    assert_eq!(pointers(&problem), ["/sweep/values/value"]);
}

#[tokio::test]
async fn batches_are_accepted_as_a_whole_or_not_at_all() {
    let api = Api::start_with(|config| config.batch_max = 100).await;
    let send = async |headers: &[(&str, &str)], body: String| {
        let mut all = vec![("content-type", "application/x-ndjson")];
        all.extend_from_slice(headers);
        api.request("POST", "/v1/jobs", &all, body).await
    };
    let line = |value: usize| {
        format!("{{\"service\":\"trefoil/echo\",\"inputs\":{{\"value\":{value}}}}}\n")
    };
    let body: String = (0..100).map(line).collect();
    let answer = send(&[("idempotency-key", "b")], body.clone())
        .await
        .expect(202)
        .json();
    assert_eq!(answer["count"], 100);
    let ids: Vec<&str> = answer["items"].as_array().unwrap().iter().map(id).collect();
    assert_eq!(ids.len(), 100);
    let page = api
        .get(&format!(
            "/v1/jobs?batch={}&order=asc&limit=1000",
            answer["batch"].as_str().unwrap()
        ))
        .await
        .json();
    assert_eq!(
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(id)
            .collect::<Vec<_>>(),
        ids
    );
    assert_eq!(page["items"][7]["index"], 7);
    let again = send(&[("idempotency-key", "b")], body.clone())
        .await
        .expect(202);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), answer);
    send(&[("idempotency-key", "b")], line(1))
        .await
        .problem(422, "idempotency-key-reused");

    let before = api.get("/v1/jobs?limit=1000").await.json()["items"]
        .as_array()
        .unwrap()
        .len();
    let check = async |body: String, status: u16, expected: &[&str]| {
        let problem = send(&[], body).await.expect(status).json();
        assert_eq!(pointers(&problem), expected, "{problem}");
    };
    check(
        format!("{}{{\"service\":\"test/no\"}}\n", line(0)),
        422,
        &["/1/service"],
    )
    .await;
    // Everything that is wrong, in the order of the lines.
    check(
        format!(
            "{}{}{}{}",
            "{\"service\":\"trefoil/echo\",\"inputs\":{\"p\":1}}\n",
            "{\"service\":5}\n",
            line(0),
            "{\"service\":\"trefoil/echo\",\"priority\":\"x\",\"inputs\":{\"q\":1}}\n\n",
        ),
        422,
        &["/0/inputs/p", "/1/service", "/3/priority", "/3/inputs/q"],
    )
    .await;
    check(
        "{\"service\":5}\n{\"service\":\"test/no\"}\n".to_owned(),
        422,
        &["/0/service", "/1/service"],
    )
    .await;
    check(
        format!(
            "{}{{\"service\":\"trefoil/echo\",\"inputs\":{{\"q\":1}}}}\n",
            line(0)
        ),
        422,
        &["/1/inputs/q"],
    )
    .await;
    check(
        format!(
            "{}{{\"service\":\"trefoil/echo\",\"inputs\":{{\"value\":1,\"value\":2}}}}\n",
            line(0)
        ),
        400,
        &["/1/inputs/value"],
    )
    .await;
    check(format!("{}oops\n", line(0)), 400, &["/1"]).await;
    check(format!("{body}{}", line(0)), 422, &[]).await;
    check(String::new(), 422, &[]).await;
    let after = api.get("/v1/jobs?limit=1000").await.json()["items"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(before, after);
}
