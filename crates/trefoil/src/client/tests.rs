use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::events::Events;
use super::logs::{Form, follow};
use super::scripted::{Reply, Scripted, Seen};
use super::{Client, ClientError, pages};
use crate::failure::Exit;

const SSE: &str = "text/event-stream";
const JSON: &str = "application/json";

fn client(server: &Scripted) -> Client {
    Client::new(&server.url(), Some("alice")).unwrap()
}

fn state(revision: u64, state: &str) -> String {
    format!("event: state\nid: {revision}\ndata: {{\"state\":\"{state}\"}}\n\n")
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_problem_is_typed_and_keeps_its_exit_code() {
    let body = r#"{"type":"urn:trefoil:problem:no-such-service","status":404,"detail":"no `x`","hint":"try y"}"#;
    let server = Scripted::start(vec![Reply::Full(
        404,
        "application/problem+json",
        body.into(),
    )]);
    let error = client(&server).get("/v1/services/x").send().err().unwrap();
    assert_eq!(
        (error.exit(), error.hint()),
        (Exit::NotFound, "try y".to_owned())
    );
    let ClientError::Problem(problem) = error else {
        panic!("not a problem: {error}");
    };
    assert_eq!(problem.name, "no-such-service");
    let seen = server.requests();
    assert_eq!(seen[0].line, "GET /v1/services/x");
    assert_eq!(seen[0].header("trefoil-submitter"), Some("alice"));
}

#[test]
fn bodies_queries_and_headers_arrive_as_meant() {
    let server = Scripted::start(vec![
        Reply::Full(200, JSON, "{}".into()),
        Reply::Full(200, JSON, "{}".into()),
        Reply::Full(200, JSON, "{}".into()),
        Reply::Full(200, JSON, "{}".into()),
    ]);
    let client = client(&server);
    client
        .post("/v1/call/a/b:1.2/run")
        .query("label", "k:v w&x")
        .query("n", "2")
        .header("prefer", "respond-async")
        .json(&json!({"x": 1}))
        .send()
        .unwrap();
    client.post("/v1/jobs/1:cancel").send().unwrap();
    let mut known = &b"known"[..];
    client
        .post("/f")
        .stream("text/x", Some(5), &mut known)
        .send()
        .unwrap();
    let mut unknown = &b"unknown"[..];
    client
        .post("/f")
        .stream("text/x", None, &mut unknown)
        .send()
        .unwrap();
    let seen = server.requests();
    assert_eq!(
        seen[0].line,
        "POST /v1/call/a/b:1.2/run?label=k%3Av%20w%26x&n=2"
    );
    assert_eq!(seen[0].body, br#"{"x":1}"#);
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("prefer"), Some("respond-async"));
    assert_eq!(seen[1].header("content-length"), Some("0"));
    assert_eq!(seen[2].header("content-length"), Some("5"));
    assert_eq!(seen[2].body, b"known");
    assert_eq!(seen[3].header("transfer-encoding"), Some("chunked"));
    assert_eq!(seen[3].body, b"unknown");
}

#[test]
fn a_platform_that_is_not_there_is_unreachable() {
    // Bound and dropped: nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = Client::new(&format!("http://{address}/"), None).unwrap();
    let error = client.get("/livez").send().err().unwrap();
    assert_eq!(error.exit(), Exit::Unavailable, "{error:?}");
    assert!(error.hint().contains("trefoil up"));
}

#[test]
fn an_answer_that_is_not_json_is_a_bad_answer() {
    let server = Scripted::start(vec![
        Reply::Full(200, "text/html", "<html>".into()),
        Reply::Full(302, "text/html", String::new()),
    ]);
    let client = client(&server);
    let error = client
        .get("/version")
        .send()
        .unwrap()
        .json::<Value>()
        .unwrap_err();
    assert!(matches!(error, ClientError::BadAnswer { .. }), "{error:?}");
    let error = client.get("/version").send().err().unwrap();
    assert!(matches!(error, ClientError::BadAnswer { .. }), "{error:?}");
}

#[test]
fn addresses_that_make_no_sense_are_refused() {
    for url in [
        "localhost:8080",
        "https://host",
        "http://",
        "",
        "http://h?x",
        "ftp://h",
    ] {
        assert!(
            matches!(Client::new(url, None), Err(ClientError::BadRequest(_))),
            "{url}"
        );
    }
    assert!(Client::new("http://localhost:8080/base/", None).is_ok());
}

#[test]
fn pages_are_followed_up_to_the_limit() {
    let server = Scripted::start(vec![
        Reply::Full(200, JSON, r#"{"items":[1,2],"next":"c1"}"#.into()),
        Reply::Full(200, JSON, r#"{"items":[3],"next":"c2","broken":[]}"#.into()),
    ]);
    let client = client(&server);
    let page = pages::collect(Some(3), None, || {
        client.get("/v1/jobs").query("state", "failed")
    });
    let page = page.unwrap();
    assert_eq!(page.items, [json!(1), json!(2), json!(3)]);
    assert_eq!(page.next.as_deref(), Some("c2"));
    let lines: Vec<String> = server
        .requests()
        .into_iter()
        .map(|seen| seen.line)
        .collect();
    assert_eq!(
        lines,
        [
            "GET /v1/jobs?state=failed&limit=3",
            "GET /v1/jobs?state=failed&limit=1&cursor=c1"
        ]
    );
}

fn read_events(client: &Client) -> Result<Vec<String>, ClientError> {
    let mut events = Events::new(client, "/v1/jobs/1/events".to_owned(), None);
    let mut data = Vec::new();
    while let Some(event) = events.next()? {
        data.push(event.data);
    }
    Ok(data)
}

#[test]
fn events_go_on_behind_the_last_one_that_had_an_id() {
    let end = "event: end\ndata: {}\n\n".to_owned();
    let server = Scripted::start(vec![
        Reply::Cut(
            SSE,
            vec![
                "retry: 1\n\n".into(),
                state(1, "queued"),
                "event: state\nid: 2\nda".into(),
            ],
        ),
        Reply::Chunks(
            SSE,
            vec![
                state(2, "running"),
                "event: progress\ndata: {\"progress\":0.5}\n\n".into(),
            ],
        ),
        Reply::Chunks(SSE, vec![": ping\n\n".into(), state(3, "succeeded"), end]),
    ]);
    let data = read_events(&client(&server)).unwrap();
    assert_eq!(
        data,
        [
            r#"{"state":"queued"}"#,
            r#"{"state":"running"}"#,
            r#"{"progress":0.5}"#,
            r#"{"state":"succeeded"}"#
        ]
    );
    let resumed: Vec<Option<String>> = server
        .requests()
        .iter()
        .map(|seen| seen.header("last-event-id").map(str::to_owned))
        .collect();
    assert_eq!(resumed, [None, Some("1".to_owned()), Some("2".to_owned())]);
}

#[test]
fn a_platform_that_restarts_is_waited_for() {
    let starting = r#"{"type":"urn:trefoil:problem:not-ready","detail":"starting"}"#;
    let server = Scripted::start(vec![
        Reply::Cut(SSE, vec![format!("retry: 1\n\n{}", state(1, "queued"))]),
        Reply::Full(503, JSON, starting.into()),
        Reply::Chunks(SSE, vec!["event: end\ndata: {}\n\n".to_owned()]),
    ]);
    assert_eq!(read_events(&client(&server)).unwrap().len(), 1);
    assert_eq!(server.requests()[2].header("last-event-id"), Some("1"));

    // Who was never connected is told at once.
    let server = Scripted::start(vec![Reply::Full(503, JSON, starting.into())]);
    let error = read_events(&client(&server)).unwrap_err();
    assert_eq!(error.exit(), Exit::Unavailable);
    server.requests();
}

#[test]
fn a_refusal_ends_an_event_stream_at_once() {
    let server = Scripted::start(vec![
        Reply::Cut(SSE, vec![format!("retry: 1\n\n{}", state(1, "queued"))]),
        Reply::Full(
            410,
            JSON,
            r#"{"type":"urn:trefoil:problem:gone","detail":"removed"}"#.into(),
        ),
    ]);
    let error = read_events(&client(&server)).unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound);
    server.requests();
}

#[test]
fn events_end_at_the_deadline() {
    let server = Scripted::start(vec![Reply::Hang(SSE, vec![state(1, "running")])]);
    let client = client(&server);
    let until = Instant::now() + Duration::from_millis(200);
    let mut events = Events::new(&client, "/v1/jobs/1/events".to_owned(), None).until(Some(until));
    assert!(events.next().unwrap().is_some());
    let error = events.next().unwrap_err();
    assert_eq!(error.exit(), Exit::TimedOut, "{error:?}");
    assert!(Instant::now() >= until);
    drop(events);
    drop(client);
    server.requests();
}

fn followed(replies: Vec<Reply>, form: Form) -> (String, Vec<Seen>) {
    let server = Scripted::start(replies);
    let client = client(&server);
    let mut log = Vec::new();
    follow(&client, "j", None, 0, form, &mut |bytes| {
        log.extend_from_slice(bytes);
        Ok(())
    })
    .unwrap();
    drop(client);
    (String::from_utf8(log).unwrap(), server.requests())
}

fn lines(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.line.as_str()).collect()
}

fn job(state: &str, attempt: u64) -> Reply {
    Reply::Full(
        200,
        JSON,
        json!({"state": state, "attempt": attempt}).to_string(),
    )
}

#[test]
fn a_text_log_is_taken_up_at_the_byte_where_it_broke() {
    let text = |texts: &[&str]| Reply::Chunks("text/plain", strings(texts));
    let (log, seen) = followed(
        vec![
            job("queued", 0),
            Reply::Cut("text/plain", strings(&["one\ntw"])),
            // Ended properly, but the attempt goes on: the platform restarted.
            text(&["o\n"]),
            job("running", 1),
            text(&["three\n"]),
            // The next attempt has a log of its own, which has to begin yet.
            job("retrying", 1),
            text(&["again\n"]),
            job("succeeded", 2),
        ],
        Form::Text,
    );
    assert_eq!(log, "one\ntwo\nthree\nagain\n");
    assert_eq!(
        lines(&seen),
        [
            "GET /v1/jobs/j",
            "GET /v1/jobs/j/logs?follow=true&attempt=1&offset=0",
            "GET /v1/jobs/j/logs?follow=true&attempt=1&offset=6",
            "GET /v1/jobs/j",
            "GET /v1/jobs/j/logs?follow=true&attempt=1&offset=8",
            "GET /v1/jobs/j",
            "GET /v1/jobs/j/logs?follow=true&attempt=2&offset=0",
            "GET /v1/jobs/j",
        ]
    );
}

#[test]
fn records_are_taken_up_at_the_last_whole_one_without_repeating_it() {
    const NDJSON: &str = "application/x-ndjson";
    // Cut at the platform's longest line: no line end lies between the two.
    let first = "{\"attempt\":1,\"offset\":0,\"text\":\"one\"}\n";
    let second = "{\"attempt\":1,\"offset\":3,\"base64\":\"/w==\"}\n";
    let over = "{\"final\":true,\"state\":\"retrying\"}\n";
    let third = "{\"attempt\":2,\"offset\":0,\"text\":\"\"}\n";
    let last = "{\"final\":true,\"state\":\"succeeded\"}\n";
    let (log, seen) = followed(
        vec![
            job("running", 1),
            Reply::Cut(NDJSON, strings(&[first, "{\"attempt\":1,\"off"])),
            Reply::Chunks(NDJSON, strings(&[first, second, over])),
            job("retrying", 1),
            Reply::Chunks(NDJSON, strings(&[third, last])),
            job("succeeded", 2),
        ],
        Form::Records,
    );
    assert_eq!(log, [first, second, third, last].concat());
    assert_eq!(
        lines(&seen),
        [
            "GET /v1/jobs/j",
            "GET /v1/jobs/j/logs?follow=true&attempt=1&offset=0",
            "GET /v1/jobs/j/logs?follow=true&attempt=1&offset=0",
            "GET /v1/jobs/j",
            "GET /v1/jobs/j/logs?follow=true&attempt=2&offset=0",
            "GET /v1/jobs/j",
        ]
    );
    assert_eq!(seen[1].header("accept"), Some(NDJSON));
}

#[test]
fn a_job_that_never_began_has_an_empty_log() {
    let problem = r#"{"type":"urn:trefoil:problem:attempt-not-found","detail":"none"}"#;
    let (log, _) = followed(
        vec![
            job("canceled", 0),
            Reply::Full(404, "application/problem+json", problem.into()),
            job("canceled", 0),
        ],
        Form::Text,
    );
    assert_eq!(log, "");
}

#[test]
fn one_attempt_is_followed_to_its_end_only() {
    let server = Scripted::start(vec![
        Reply::Chunks("text/plain", strings(&["one\n"])),
        job("running", 3),
    ]);
    let mut log = Vec::new();
    follow(
        &client(&server),
        "j",
        Some(1),
        0,
        Form::Text,
        &mut |bytes| {
            log.extend_from_slice(bytes);
            Ok(())
        },
    )
    .unwrap();
    assert_eq!(log, b"one\n");
    assert_eq!(server.requests().len(), 2);
}
