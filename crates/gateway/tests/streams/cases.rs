//! The cases.

use std::{sync::Arc, time::Instant};

use axum::body::Body;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use trefoil_director::ServiceId;
use trefoil_jobs::{Axis, JobId, SweepMode};
use trefoil_server::{JobRequest, files::Sha256, store::StoreError};

use crate::{
    api::PATIENCE,
    rig::{Case, Rig, events, records, states},
};

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[(&str, Case)] = &[$((stringify!($name), |rig| Box::pin($name(rig)))),*];
    };
}

cases! {
    a_log_is_followed_to_the_end,
    following_waits_for_the_start,
    every_reader_gets_every_byte,
    following_goes_on_with_the_next_attempt,
    one_attempt_alone_can_be_followed,
    parts_of_a_log,
    any_bytes_become_records,
    an_offset_may_come_later,
    a_reader_that_leaves_leaves_nothing,
    events_replay_and_go_on,
    progress_is_told_ten_times_a_second,
    events_of_a_sweep,
    results_of_every_kind,
    what_is_recorded_can_be_checked,
}

const NDJSON: [(&str, &str); 1] = [("accept", "application/x-ndjson")];

async fn get(rig: &Rig, job: JobId, rest: &str) -> crate::api::Answer {
    rig.api.get(&format!("/v1/jobs/{job}/{rest}")).await
}

fn script() -> ServiceId {
    "test/script:1.0.0".parse().unwrap()
}

async fn a_log_is_followed_to_the_end(rig: Rig) {
    let gate = rig.gate("gate");
    let job = rig
        .submit(&format!(
            "echo one; printf two; {}; echo three",
            gate.wait()
        ))
        .await;
    let mut text = rig.stream(job, "logs?follow=true", &[]).await;
    let mut lines = rig.stream(job, "logs?follow=true", &NDJSON).await;
    assert_eq!(text.until("one\ntwo").await, "one\ntwo");
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        lines.until("}\n").await,
        "{\"attempt\":1,\"level\":\"INFO\",\"offset\":0,\"text\":\"one\"}\n"
    );
    gate.open().await;
    assert_eq!(text.rest_text().await, "three\n");
    // The answer ends only when the end of the job is durable.
    let state = rig.api.node.readers.job(job).await.unwrap().unwrap().state;
    assert!(state.is_terminal(), "{state}");
    let rest = records(&lines.rest_text().await);
    assert_eq!(
        rest,
        [
            json!({"attempt": 1, "level": "INFO", "offset": 4, "text": "twothree"}),
            json!({"final": true, "state": "succeeded", "attempt": 1, "size": 13}),
        ]
    );
}

async fn following_waits_for_the_start(rig: Rig) {
    rig.api.node.services.pause(&script()).await.unwrap();
    let job = rig.submit("echo here").await;
    let empty = get(&rig, job, "logs").await;
    assert_eq!((empty.status, empty.body.len()), (200, 0));
    assert_eq!(empty.header("trefoil-log-size"), "0");
    get(&rig, job, "logs?attempt=1")
        .await
        .refused(404, "attempt-not-found");
    let newest = rig.stream(job, "logs?follow=true", &[]).await;
    let first = rig.stream(job, "logs?follow=true&attempt=1", &[]).await;
    let all = rig
        .stream(job, "logs?follow=true&attempt=all&tail=1", &[])
        .await;
    rig.api.node.services.resume(&script()).await.unwrap();
    for stream in [newest, first, all] {
        assert!(!stream.headers.contains_key("trefoil-attempt"));
        assert_eq!(stream.rest_text().await, "here\n");
    }
    // One that never starts ends as well.
    rig.api.node.services.pause(&script()).await.unwrap();
    let job = rig.submit("echo here").await;
    let log = rig.stream(job, "logs?follow=true", &[]).await;
    let lines = rig.stream(job, "logs?follow=true", &NDJSON).await;
    let canceled = rig
        .api
        .send(
            "POST",
            &format!("/v1/jobs/{job}:cancel"),
            &[],
            Body::empty(),
        )
        .await;
    assert_eq!(canceled.status, 200, "{canceled:?}");
    assert_eq!(log.rest_text().await, "");
    assert_eq!(
        records(&lines.rest_text().await),
        [json!({"final": true, "state": "canceled"})]
    );
}

async fn every_reader_gets_every_byte(rig: Rig) {
    let gate = rig.gate("gate");
    let job = rig
        .submit(&format!(
            "seq 1 100000; {}; seq 100001 300000; printf '\\377\\000'",
            gate.wait()
        ))
        .await;
    let mut readers = Vec::new();
    let slow = rig.stream(job, "logs?follow=true", &[]).await;
    for at in 0..20 {
        let path = if at % 2 == 0 {
            "logs?follow=true"
        } else {
            "logs?follow=true&attempt=1"
        };
        let stream = rig.stream(job, path, &[]).await;
        readers.push(tokio::spawn(stream.rest()));
    }
    gate.open().await;
    let mut expected: Vec<u8> = (1..=300_000)
        .flat_map(|number| format!("{number}\n").into_bytes())
        .collect();
    expected.extend_from_slice(b"\xff\0");
    for reader in readers {
        assert!(reader.await.unwrap() == expected);
    }
    assert_eq!(rig.ended(job).await, "succeeded");
    // One that reads nothing until all is over misses nothing, and holds nobody up.
    assert!(slow.rest().await == expected);
    let whole = get(&rig, job, "logs").await;
    assert!(whole.body == expected);
    assert_eq!(whole.header("content-length"), expected.len().to_string());
}

async fn following_goes_on_with_the_next_attempt(rig: Rig) {
    let gate = rig.gate("gate");
    let first = format!(
        "if [ \"$TREFOIL_ATTEMPT\" = 1 ]; then {}; exit 75; fi",
        gate.wait()
    );
    let job = rig
        .submit(&format!(
            "echo \"try $TREFOIL_ATTEMPT\"; {first}; printf end"
        ))
        .await;
    let mut text = rig.stream(job, "logs?follow=true", &[]).await;
    let lines = rig.stream(job, "logs?follow=true", &NDJSON).await;
    text.until("try 1\n").await;
    gate.open().await;
    assert_eq!(text.rest_text().await, "try 2\nend");
    assert_eq!(
        records(&lines.rest_text().await),
        [
            json!({"attempt": 1, "level": "INFO", "offset": 0, "text": "try 1"}),
            json!({"attempt": 2, "level": "INFO", "offset": 0, "text": "try 2"}),
            json!({"attempt": 2, "level": "INFO", "offset": 6, "text": "end"}),
            json!({"final": true, "state": "succeeded", "attempt": 2, "size": 9}),
        ]
    );
    let newest = get(&rig, job, "logs").await;
    assert_eq!(
        (&newest.body[..], newest.header("trefoil-attempt")),
        (&b"try 2\nend"[..], "2")
    );
    assert_eq!(&get(&rig, job, "logs?attempt=1").await.body[..], b"try 1\n");
    let all = get(&rig, job, "logs?attempt=all").await;
    assert_eq!(
        (&all.body[..], all.header("trefoil-log-size")),
        (&b"try 1\ntry 2\nend"[..], "15")
    );
    assert_eq!(
        &get(&rig, job, "logs?attempt=all&offset=4").await.body[..],
        b"1\ntry 2\nend"
    );
    assert_eq!(
        &get(&rig, job, "logs?attempt=all&offset=8").await.body[..],
        b"y 2\nend"
    );
    assert_eq!(
        &get(&rig, job, "logs?attempt=all&tail=3").await.body[..],
        b"try 1\ntry 2\nend"
    );
    assert_eq!(
        &get(&rig, job, "logs?attempt=all&tail=2&follow=true")
            .await
            .body[..],
        b"try 2\nend"
    );
    get(&rig, job, "logs?attempt=3")
        .await
        .refused(404, "attempt-not-found");
    get(&rig, job, "logs?attempt=3&follow=true")
        .await
        .refused(404, "attempt-not-found");

    let attempts = get(&rig, job, "attempts").await.expect(200);
    let item = |at: usize, member: &str| attempts["items"][at][member].clone();
    assert_eq!(
        (item(0, "state"), item(0, "exit_code"), item(0, "log_bytes")),
        (json!("failed"), json!(75), json!(6))
    );
    assert_eq!(
        (item(1, "state"), item(1, "exit_code"), item(1, "log_bytes")),
        (json!("succeeded"), json!(0), json!(9))
    );
    assert_eq!(item(0, "error")["class"], "temporary");
    assert!(item(1, "error").is_null());
}

async fn one_attempt_alone_can_be_followed(rig: Rig) {
    let gates = [rig.gate("one"), rig.gate("two")];
    let job = rig
        .submit(&format!(
            "echo \"try $TREFOIL_ATTEMPT\"; if [ \"$TREFOIL_ATTEMPT\" = 1 ]; then {}; exit 75; fi; {}",
            gates[0].wait(),
            gates[1].wait()
        ))
        .await;
    let mut first = rig.stream(job, "logs?follow=true&attempt=1", &[]).await;
    let mut second = rig.stream(job, "logs?follow=true&attempt=2", &NDJSON).await;
    first.until("try 1\n").await;
    gates[0].open().await;
    assert_eq!(first.rest_text().await, "", "it ends with its attempt");
    second.until("\"try 2\"}\n").await;
    gates[1].open().await;
    let last = json!({"final": true, "state": "succeeded", "attempt": 2, "size": 6});
    assert_eq!(records(&second.rest_text().await), [last]);
}

async fn parts_of_a_log(rig: Rig) {
    let job = rig.submit("printf 'a\\nb\\nc\\n'").await;
    assert_eq!(rig.ended(job).await, "succeeded");
    for (query, expected) in [
        ("", "a\nb\nc\n"),
        ("?offset=2", "b\nc\n"),
        ("?offset=6", ""),
        ("?tail=1", "c\n"),
        ("?tail=0", ""),
        ("?tail=9", "a\nb\nc\n"),
        ("?tail=2&follow=true", "b\nc\n"),
        ("?offset=4&follow=true", "c\n"),
        ("?offset=400&follow=true", ""),
        ("?follow=false", "a\nb\nc\n"),
    ] {
        let answer = get(&rig, job, &format!("logs{query}")).await;
        assert_eq!(
            (answer.status, &answer.body[..]),
            (200, expected.as_bytes()),
            "{query}"
        );
        assert_eq!(answer.header("trefoil-log-size"), "6");
        assert_eq!(answer.header("trefoil-attempt"), "1");
    }
    let beyond = get(&rig, job, "logs?offset=7").await;
    beyond.refused(416, "beyond-the-end");
    assert_eq!(beyond.header("content-range"), "bytes */6");
    get(&rig, job, "logs?offset=1&tail=1")
        .await
        .refused(400, "invalid-query");
    get(&rig, job, "logs?attempt=0")
        .await
        .refused(400, "invalid-query");
    get(&rig, job, "logs?attempt=first")
        .await
        .refused(400, "invalid-query");
    get(&rig, job, "logs?folow=true")
        .await
        .refused(400, "unknown-parameter");
    let path = format!("/v1/jobs/{job}/logs");
    rig.api
        .send("GET", &path, &[("accept", "text/html")], Body::empty())
        .await
        .refused(406, "not-acceptable");
    let head = rig.api.send("HEAD", &path, &[], Body::empty()).await;
    assert_eq!(
        (head.status, head.body.len(), head.header("content-length")),
        (200, 0, "6")
    );
    rig.api
        .get("/v1/jobs/00000000-0000-7000-8000-000000000000/logs")
        .await
        .refused(404, "job-not-found");
}

async fn any_bytes_become_records(rig: Rig) {
    let job = rig
        .submit("printf 'ERROR: x\\r\\n\\377\\n\\n[warn] y\\nlast'")
        .await;
    assert_eq!(rig.ended(job).await, "succeeded");
    for query in ["logs", "logs?follow=true"] {
        let lines = rig.stream(job, query, &NDJSON).await;
        assert_eq!(lines.headers["content-type"], "application/x-ndjson");
        assert_eq!(
            records(&lines.rest_text().await),
            [
                json!({"attempt": 1, "level": "ERROR", "offset": 0, "text": "ERROR: x\r"}),
                json!({"attempt": 1, "level": "INFO", "offset": 10, "base64": "/w=="}),
                json!({"attempt": 1, "level": "INFO", "offset": 12, "text": ""}),
                json!({"attempt": 1, "level": "WARNING", "offset": 13, "text": "[warn] y"}),
                json!({"attempt": 1, "level": "INFO", "offset": 22, "text": "last"}),
                json!({"final": true, "state": "succeeded", "attempt": 1, "size": 26}),
            ]
        );
    }
}

async fn an_offset_may_come_later(rig: Rig) {
    let gate = rig.gate("gate");
    let job = rig
        .submit(&format!("printf ab; {}; printf cdef", gate.wait()))
        .await;
    let mut now = rig.stream(job, "logs?follow=true&attempt=1", &[]).await;
    now.until("ab").await;
    let later = rig.stream(job, "logs?follow=true&offset=4", &[]).await;
    gate.open().await;
    assert_eq!(later.rest_text().await, "ef");
    assert_eq!(now.rest_text().await, "cdef");
}

async fn a_reader_that_leaves_leaves_nothing(rig: Rig) {
    let gate = rig.gate("gate");
    let job = rig.submit(&format!("echo one; {}", gate.wait())).await;
    let node = Arc::clone(&rig.api.node);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(trefoil_gateway::serve(
        listener,
        Arc::clone(&node),
        std::future::pending::<()>(),
    ));
    // Waits until the job has printed, and until the server is up.
    rig.stream(job, "logs?follow=true", &[])
        .await
        .until("one\n")
        .await;
    let expect = async |path: &str, end: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /v1/jobs/{job}/{path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !String::from_utf8_lossy(&head).contains(end) {
            assert_ne!(stream.read_buf(&mut head).await.unwrap(), 0, "{head:?}");
        }
        stream
    };
    let before = settled(&node, None).await;
    for (path, end) in [("logs?follow=true", "one\n"), ("events", "event: state")] {
        let stream = expect(path, end).await;
        assert!(
            Arc::strong_count(&node) > before,
            "a connection holds the platform"
        );
        drop(stream);
        settled(&node, Some(before)).await;
    }
    gate.open().await;
    assert_eq!(rig.ended(job).await, "succeeded");
    server.abort();
}

/// Waits until as many hold the node as `expected`, or until that does not change any more; how many.
async fn settled(node: &Arc<trefoil_server::Node>, expected: Option<usize>) -> usize {
    let begun = Instant::now();
    let (mut last, mut same) = (0, 0);
    loop {
        let now = Arc::strong_count(node);
        same = if now == last { same + 1 } else { 0 };
        last = now;
        match expected {
            Some(expected) if now == expected => return now,
            None if same == 10_000 => return now,
            _ => {}
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{now} hold the platform, not {expected:?}"
        );
        tokio::task::yield_now().await;
    }
}

async fn events_replay_and_go_on(rig: Rig) {
    rig.api.node.services.pause(&script()).await.unwrap();
    let gate = rig.gate("gate");
    let job = rig
        .submit(&format!("echo '[PROGRESS] 25%'; {}", gate.wait()))
        .await;
    let mut stream = rig.stream(job, "events", &[]).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-store");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    let mut text = stream.until("\"queued\"}\n\n").await;
    assert!(text.starts_with("retry: 2000\n\n"), "{text}");
    assert!(text.contains("\"reason\":{\"code\":\"paused\""), "{text}");
    rig.api.node.services.resume(&script()).await.unwrap();
    let progress = stream
        .until("event: progress\ndata: {\"progress\":0.25}\n\n")
        .await;
    text.push_str(&progress);
    gate.open().await;
    let live = events(&(text + &stream.rest_text().await));
    assert_eq!(live.last().unwrap().0, "end");
    let seen = states(&live);
    let names: Vec<&str> = seen.iter().map(|(_, state)| state.as_str()).collect();
    assert_eq!(names.last(), Some(&"succeeded"));
    assert!(names.contains(&"running"), "{names:?}");
    assert!(seen.is_sorted_by(|a, b| a.0 < b.0), "{seen:?}");

    // Coming back anywhere gives exactly the rest, by query or by header; the header is the newer one.
    for (at, (id, _)) in seen.iter().enumerate() {
        let rest = &seen[at + 1..];
        let id = id.to_string();
        let query = rig
            .stream(job, &format!("events?after={id}"), &[])
            .await
            .rest_text()
            .await;
        let header = rig
            .stream(job, "events?after=0", &[("last-event-id", &id)])
            .await
            .rest_text()
            .await;
        assert_eq!(states(&events(&query)), rest);
        assert_eq!(query, header);
        assert!(query.contains("event: end\n"), "{query}");
    }
    get(&rig, job, "events?after=x")
        .await
        .refused(400, "invalid-query");
    let path = format!("/v1/jobs/{job}/events");
    rig.api
        .send("GET", &path, &[("last-event-id", "x")], Body::empty())
        .await
        .refused(400, "invalid-header");
    rig.api
        .send(
            "GET",
            &path,
            &[("accept", "application/json")],
            Body::empty(),
        )
        .await
        .refused(406, "not-acceptable");
}

async fn progress_is_told_ten_times_a_second(rig: Rig) {
    let gate = rig.gate("gate");
    let job = rig.submit(&format!("echo one; {}", gate.wait())).await;
    rig.stream(job, "logs?follow=true", &[])
        .await
        .until("one\n")
        .await;
    let mut stream = rig.stream(job, "events", &[]).await;
    let begun = Instant::now();
    stream.until("\"running\"}\n\n").await;
    let attempt = rig
        .api
        .node
        .readers
        .job(job)
        .await
        .unwrap()
        .unwrap()
        .attempt_id
        .unwrap();
    for step in 1..=500_u16 {
        let fraction = f32::from(step) / 512.0;
        let told = rig.api.node.engine.call(move |engine, now| {
            engine.progress(now, job, attempt, Some((fraction, None)));
            Ok::<_, StoreError>(())
        });
        told.await.unwrap();
    }
    let text = stream.until("{\"progress\":0.976563}\n\n").await;
    let most = begun.elapsed().as_millis() / 100 + 2;
    let told = events(&text).len() as u128;
    assert!((1..=most).contains(&told), "{told} events, {most} at most");
    gate.open().await;
    stream.rest().await;
}

async fn sweep(rig: &Rig, script: &str, numbers: &[i32]) -> JobId {
    let values = numbers.iter().map(|number| json!(number)).collect();
    let axis = Axis {
        port: "number".to_owned(),
        values,
    };
    rig.submit_with(script, |request| {
        request.sweep = Some((SweepMode::Product, vec![axis]))
    })
    .await
}

async fn events_of_a_sweep(rig: Rig) {
    let parent = sweep(&rig, "[ $INPUT_NUMBER = 2 ] && exit 3; echo x", &[1, 2, 3]).await;
    let all = events(&rig.stream(parent, "events", &[]).await.rest_text().await);
    assert_eq!(all.last().unwrap().0, "end");
    let counts: Vec<&Value> = all
        .iter()
        .filter(|(name, _, _)| name == "tasks")
        .map(|(_, _, data)| data)
        .collect();
    assert_eq!(
        **counts.last().unwrap(),
        json!({"total": 3, "waiting": 0, "running": 0, "succeeded": 2, "failed": 1, "canceled": 0})
    );
    assert_eq!(states(&all).last().unwrap().1, "failed");

    let result = get(&rig, parent, "result?swept=true&limit=2").await;
    let page = result.json();
    assert_eq!(page["items"][0]["inputs"], json!({"number": 1}));
    assert_eq!(page["items"][0]["state"], "succeeded");
    assert_eq!(page["items"][0]["outputs"]["out"]["size"], 5);
    assert_eq!(page["items"][1]["error"]["exit_code"], 3);
    assert!(page["items"][1].get("outputs").is_none());
    let next = page["next"].as_str().unwrap();
    let rest = get(&rig, parent, &format!("result?limit=2&cursor={next}"))
        .await
        .json();
    assert_eq!(
        (&rest["items"][0]["index"], &rest["next"]),
        (&json!(2), &Value::Null)
    );
    assert!(rest["items"][0].get("inputs").is_none());

    let failed = get(&rig, parent, "tasks?state=failed").await.json();
    assert_eq!(failed["items"][0]["index"], 1);
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
    let task = failed["items"][0]["id"].as_str().unwrap().parse().unwrap();
    get(&rig, task, "tasks").await.refused(409, "wrong-kind");
    get(&rig, parent, "tasks?state=none")
        .await
        .refused(400, "invalid-query");
    get(&rig, parent, "provenance")
        .await
        .refused(409, "wrong-kind");
}

async fn results_of_every_kind(rig: Rig) {
    let gate = rig.gate("gate");
    let job = rig.submit(&format!("echo one; {}", gate.wait())).await;
    let early = get(&rig, job, "result").await;
    early.refused(404, "result-not-ready");
    assert_eq!(early.header("retry-after"), "1");
    get(&rig, job, "provenance")
        .await
        .refused(409, "job-not-ended");
    let path = format!("/v1/jobs/{job}/result");
    let zero = rig
        .api
        .send("GET", &path, &[("prefer", "wait=0")], Body::empty())
        .await;
    zero.refused(404, "result-not-ready");
    let headers = [("prefer", "wait=30")];
    let (waited, ()) = tokio::join!(
        rig.api.send("GET", &path, &headers, Body::empty()),
        gate.open()
    );
    assert_eq!(waited.header("preference-applied"), "wait=30");
    assert_eq!(waited.header("content-type"), "application/json");
    assert_eq!(waited.expect(200)["out"]["name"], "out.txt");

    let failing = rig.submit("echo 'no mesh'; exit 3").await;
    let failed = rig
        .api
        .send(
            "GET",
            &format!("/v1/jobs/{failing}/result"),
            &headers,
            Body::empty(),
        )
        .await;
    failed.refused(422, "job-failed");
    assert_eq!(failed.json()["error"]["log_tail"], json!(["no mesh"]));
    let record = get(&rig, failing, "provenance").await.expect(200);
    assert_eq!(record["outputs"], Value::Null);
    assert_eq!(record["log"]["bytes"], json!("no mesh\n".len()));

    let stopped = rig.submit(&gate.wait()).await;
    let canceled = rig
        .api
        .send(
            "POST",
            &format!("/v1/jobs/{stopped}:cancel"),
            &[],
            Body::empty(),
        )
        .await;
    assert!(
        canceled.status == 202 || canceled.status == 200,
        "{canceled:?}"
    );
    assert_eq!(rig.ended(stopped).await, "canceled");
    get(&rig, stopped, "result")
        .await
        .refused(409, "job-canceled");

    let none = "/v1/jobs/00000000-0000-7000-8000-000000000000";
    for rest in [
        "result",
        "inputs",
        "attempts",
        "tasks",
        "provenance",
        "logs",
        "events",
    ] {
        rig.api
            .get(&format!("{none}/{rest}"))
            .await
            .refused(404, "job-not-found");
        rig.api
            .get(&format!("{none}/{rest}?x=1"))
            .await
            .refused(400, "unknown-parameter");
    }
    let gone = rig
        .api
        .send("DELETE", &format!("/v1/jobs/{failing}"), &[], Body::empty())
        .await;
    assert_eq!(gone.status, 204, "{gone:?}");
    for rest in [
        "result",
        "inputs",
        "attempts",
        "provenance",
        "logs",
        "events",
    ] {
        get(&rig, failing, rest).await.refused(410, "job-deleted");
    }
}

async fn what_is_recorded_can_be_checked(rig: Rig) {
    let table = rig
        .api
        .send("POST", "/v1/files?name=t.csv", &[], "1,2")
        .await
        .expect(201);
    let sha256 = table["sha256"].as_str().unwrap().to_owned();
    let job = rig
        .submit_with("cat \"$INPUT_TABLE\"", |request: &mut JobRequest| {
            request.service = "test/table".parse().unwrap();
            request
                .inputs
                .insert("table".to_owned(), json!({"sha256": sha256}));
        })
        .await;
    assert_eq!(rig.ended(job).await, "succeeded");
    rig.api
        .send("DELETE", &format!("/v1/files/{sha256}"), &[], Body::empty())
        .await
        .refused(409, "file-in-use");

    let hash = |answer: &crate::api::Answer| Sha256::of(&answer.body).to_string();
    let record = get(&rig, job, "provenance").await.expect(200);
    let (inputs, outputs) = (
        get(&rig, job, "inputs").await,
        get(&rig, job, "result").await,
    );
    let log = get(&rig, job, "logs").await;
    assert_eq!(&log.body[..], b"1,2");
    assert_eq!(record["job"], job.to_string());
    assert_eq!(record["inputs"]["value"], inputs.json());
    assert_eq!(record["inputs"]["sha256"], hash(&inputs));
    assert_eq!(record["outputs"]["value"], outputs.json());
    assert_eq!(record["outputs"]["sha256"], hash(&outputs));
    assert_eq!(record["log"], json!({"bytes": 3, "sha256": hash(&log)}));
    let files = [json!({"port": "table", "sha256": sha256, "size": 3, "name": "t.csv"})];
    assert_eq!(record["inputs"]["files"], json!(files));
    let output = &record["outputs"]["files"][0];
    assert_eq!(
        (&output["port"], &output["name"], &output["size"]),
        (&json!("out"), &json!("out.txt"), &json!(5))
    );
    let content = rig
        .api
        .get(&format!(
            "/v1/files/{}/content",
            output["sha256"].as_str().unwrap()
        ))
        .await;
    assert_eq!(&content.body[..], b"done\n");
    assert_eq!(record["service"]["key"], "test/table");
    assert_eq!(record["service"]["digest"].as_str().unwrap().len(), 64);
    assert_eq!(record["environment"]["TREFOIL_JOB_ID"], job.to_string());
    assert_eq!(record["attempt"]["attempt"], 1);
    assert!(record["host"]["kernel"].is_string());
    assert_eq!(record["software"]["name"], "trefoil");
    assert_eq!(record.get("rerun_of"), None);
}
