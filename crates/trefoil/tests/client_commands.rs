//! The client commands against a scripted platform: what they ask, what they print, how they end.

#[cfg(test)]
#[expect(dead_code, reason = "the unit tests use the rest of it")]
#[path = "../src/client/scripted.rs"]
mod scripted;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use scripted::{Reply, Scripted, Seen};
use serde_json::{Value, json};

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
/// SHA-256 of `hello`.
const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
    seen: Vec<Seen>,
}

impl Ran {
    fn lines(&self) -> Vec<&str> {
        self.seen.iter().map(|seen| seen.line.as_str()).collect()
    }
}

/// Runs `trefoil` in `dir` against a platform that gives `replies`, all of which must be used.
fn run_in(dir: &Path, replies: Vec<Reply>, args: &[&str]) -> Ran {
    let server = Scripted::start(replies);
    let output: Output = Command::new(env!("CARGO_BIN_EXE_trefoil"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("TREFOIL_URL", server.url())
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built for this test");
    Ran {
        code: output.status.code().expect("it exits, no signal ends it"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        seen: server.requests(),
    }
}

fn run(replies: Vec<Reply>, args: &[&str]) -> Ran {
    let dir = tempfile::tempdir().expect("a temporary directory");
    run_in(dir.path(), replies, args)
}

fn answer(status: u16, body: &Value) -> Reply {
    Reply::Full(status, JSON, body.to_string())
}

fn job(state: &str) -> Value {
    json!({"id": ID, "service": "a/b:1.0.0", "state": state, "attempt": 1, "progress": 1.0,
           "submitter": "anonymous", "created_at": "2026-01-01T00:00:00.000Z"})
}

fn failed(class: &str) -> Value {
    let mut job = job("failed");
    job["error"] = json!({"class": class, "message": "exit status 3", "log_tail": ["boom"]});
    job
}

fn states(states: &[&str]) -> Reply {
    let mut chunks: Vec<String> = states
        .iter()
        .enumerate()
        .map(|(id, state)| {
            format!("event: state\nid: {id}\ndata: {{\"state\":\"{state}\",\"attempt\":1}}\n\n")
        })
        .collect();
    chunks.push("event: end\ndata: {}\n\n".to_owned());
    Reply::Chunks(SSE, chunks)
}

fn problem(status: u16, name: &str, detail: &str) -> Reply {
    let body = json!({"type": format!("urn:trefoil:problem:{name}"), "title": name,
                      "status": status, "detail": detail});
    Reply::Full(status, "application/problem+json", body.to_string())
}

#[test]
fn a_method_answers_at_once() {
    let returned = answer(200, &json!([1, 2]));
    let ran = run(vec![returned], &["call", "a/b:1/add", "-i", "x=2"]);
    assert_eq!((ran.code, &*ran.stdout), (0, "[\n  1,\n  2\n]\n"));
    let void = || vec![Reply::Full(204, JSON, String::new())];
    let ran = run(void(), &["call", "a/b:1/ping"]);
    assert_eq!((ran.code, &*ran.stdout), (0, ""), "{}", ran.stderr);
    let ran = run(void(), &["--json", "call", "a/b:1/ping"]);
    assert_eq!((ran.code, &*ran.stdout), (0, "null\n"));
    let oneway = vec![Reply::Full(202, JSON, String::new())];
    let ran = run(oneway, &["call", "a/b:1/tell"]);
    assert_eq!((ran.code, &*ran.stdout), (0, ""), "{}", ran.stderr);
}

#[test]
fn a_deprecated_method_is_warned_of() {
    let void = || {
        let headers = [
            ("deprecation", "@1735689600"),
            ("sunset", "Sun, 22 Nov 2026 00:00:00 GMT"),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned()));
        vec![Reply::Bare(204, headers.into())]
    };
    let ran = run(void(), &["call", "a/b:1/old"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(
        ran.stderr.lines().next(),
        Some(
            "warning: a/b:1/old is deprecated since 2025-01-01, and may be gone from \
             Sun, 22 Nov 2026 00:00:00 GMT on"
        )
    );
    let ran = run(void(), &["-q", "call", "a/b:1/old"]);
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
}

#[test]
fn an_exception_of_a_method_is_a_failure_with_its_fields() {
    let body = json!({"type": "urn:trefoil:problem:exception", "title": "Exception", "status": 422,
        "detail": "it is empty", "exception": {"name": "Empty", "type": "urn:trefoil:exception:Stack.Empty",
        "fields": {"message": "it is empty", "depth": 0}}});
    let thrown = Reply::Full(422, "application/problem+json", body.to_string());
    let ran = run(vec![thrown], &["call", "a/b:1/pop"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.starts_with("error: it is empty\n"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("Empty {\"depth\":0,"), "{}", ran.stderr);
}

/// Only the platform knows whether the last part of a name without a version is a method.
#[test]
fn what_may_be_a_service_or_a_method_is_tried_as_both() {
    let unknown = || problem(404, "service-not-found", "no service has the key `a/b/add`");
    let ran = run(
        vec![unknown(), answer(200, &json!(3))],
        &["call", "a/b/add"],
    );
    assert_eq!((ran.code, &*ran.stdout), (0, "3\n"), "{}", ran.stderr);
    assert_eq!(
        ran.lines(),
        ["POST /v1/call/a/b/add/run", "POST /v1/call/a/b/add"]
    );
    // What is neither is reported as it was written.
    let ran = run(
        vec![unknown(), problem(404, "service-not-found", "other")],
        &["call", "a/b/add"],
    );
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("`a/b/add`"), "{}", ran.stderr);
    let ran = run(
        vec![
            unknown(),
            problem(404, "method-not-found", "no method `add`"),
        ],
        &["call", "a/b/add"],
    );
    assert!(ran.stderr.contains("no method `add`"), "{}", ran.stderr);
}

#[test]
fn a_call_is_submitted_watched_and_answered() {
    let ran = run(
        vec![
            answer(202, &job("queued")),
            states(&["queued", "running", "succeeded"]),
            answer(200, &job("succeeded")),
            answer(200, &json!({"out": 3.5})),
        ],
        &[
            "call",
            "a/b:1/run",
            "-i",
            "x=2",
            "-i",
            "name=sleeper",
            "--priority",
            "-3",
            "--idempotency-key",
            "k",
            "--deadline",
            "1.5",
            "--submitter",
            "alice",
        ],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, "{\n  \"out\": 3.5\n}\n");
    assert_eq!(ran.stderr, "queued\nrunning\nsucceeded\n");
    assert_eq!(
        ran.lines(),
        [
            "POST /v1/call/a/b:1/run".to_owned(),
            format!("GET /v1/jobs/{ID}/events"),
            format!("GET /v1/jobs/{ID}"),
            format!("GET /v1/jobs/{ID}/result"),
        ]
    );
    let call = &ran.seen[0];
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body, json!({"x": 2, "name": "sleeper"}));
    for (name, value) in [
        ("prefer", "respond-async"),
        ("idempotency-key", "k"),
        ("trefoil-priority", "-3"),
        ("deadline-ms", "1500"),
        ("trefoil-submitter", "alice"),
    ] {
        assert_eq!(call.header(name), Some(value), "{name}");
    }
}

#[test]
fn a_call_that_fails_shows_the_log_and_exits_by_the_jobs_class() {
    // The status is the one that a synchronous call would have had; the job decides.
    for (class, status, code) in [
        ("application", 422, 1),
        ("temporary", 503, 1),
        ("lost", 503, 1),
        ("bad_outputs", 502, 1),
        ("timed_out", 504, 6),
    ] {
        let ran = run(
            vec![
                answer(202, &job("queued")),
                states(&["failed"]),
                answer(200, &failed(class)),
                problem(status, "job-failed", "the program ended with exit status 3"),
                answer(200, &failed(class)),
            ],
            &["-q", "call", "a/b"],
        );
        assert_eq!(ran.code, code, "{class}: {}", ran.stderr);
        assert_eq!(ran.stdout, "");
        let expected = format!(
            "error: the program ended with exit status 3\n  the log ends:\n    | boom\n\
             hint: see `trefoil jobs show {ID}` and `trefoil jobs logs {ID}`\n"
        );
        assert_eq!(ran.stderr, expected);
    }
}

#[test]
fn invalid_inputs_are_2_with_every_violation() {
    let body = json!({"type": "urn:trefoil:problem:invalid-inputs", "status": 422,
        "detail": "2 inputs are wrong", "errors": [
            {"pointer": "/x", "location": "body", "detail": "must be a number", "rule": "type"},
            {"pointer": "/y", "location": "body", "detail": "no such input; did you mean x?"}]});
    let reply = || Reply::Full(422, "application/problem+json", body.to_string());
    let ran = run(vec![reply()], &["call", "a/b", "-i", "x=hi", "-i", "y=1"]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        "error: 2 inputs are wrong\n  /x: must be a number\n  /y: no such input; did you mean x?\n\
         hint: correct the request; `trefoil services show KEY` tells what it takes\n"
    );
    let ran = run(vec![reply()], &["--json", "call", "a/b"]);
    let shown: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(shown["errors"], body["errors"]);
    assert!(shown["hint"].is_string());
}

#[test]
fn a_wait_that_runs_out_is_6_and_leaves_the_job() {
    let running = "event: state\nid: 1\ndata: {\"state\":\"running\"}\n\n".to_owned();
    let ran = run(
        vec![answer(202, &job("queued")), Reply::Hang(SSE, vec![running])],
        &["call", "a/b", "--wait", "1"],
    );
    assert_eq!(ran.code, 6, "{}", ran.stderr);
    let message = format!("error: the wait ran out after 1 s; job {ID} goes on\n");
    assert!(ran.stderr.contains(&message), "{}", ran.stderr);
}

#[test]
fn ctrl_c_leaves_the_job_and_says_so() {
    use std::io::{BufRead, BufReader, Read};

    let running = "event: state\nid: 1\ndata: {\"state\":\"running\"}\n\n".to_owned();
    let server = Scripted::start(vec![Reply::Hang(SSE, vec![running])]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_trefoil"))
        .args(["--url", &server.url(), "jobs", "wait", ID])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert_eq!(line, "running\n");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(
        rest,
        format!("\njob {ID} goes on; see it with `trefoil jobs watch {ID}`\n")
    );
    server.requests();
}

#[test]
fn an_asynchronous_call_prints_the_id() {
    let ran = run(
        vec![answer(202, &job("queued"))],
        &["call", "a/b", "--async"],
    );
    assert_eq!((ran.code, ran.stdout), (0, format!("{ID}\n")));
    let ran = run(
        vec![answer(202, &job("queued"))],
        &["--json", "call", "a/b", "--async"],
    );
    assert_eq!(
        serde_json::from_str::<Value>(&ran.stdout).unwrap(),
        job("queued")
    );
}

#[test]
fn a_file_is_uploaded_and_passed_by_reference() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("hi there.txt"), "hello").unwrap();
    let ran = run_in(
        dir.path(),
        vec![
            answer(201, &json!({"sha256": HELLO, "size": 5})),
            answer(202, &job("queued")),
        ],
        &["call", "a/b", "--async", "-f", "text=hi there.txt"],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.seen[0].line, "POST /v1/files?name=hi%20there.txt");
    assert_eq!(ran.seen[0].body, b"hello");
    let body: Value = serde_json::from_slice(&ran.seen[1].body).unwrap();
    assert_eq!(
        body,
        json!({"text": {"sha256": HELLO, "name": "hi there.txt"}})
    );
}

#[test]
fn transfers_are_checked_by_their_hash() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "hello").unwrap();
    std::fs::write(dir.path().join("large"), vec![b'x'; 2 << 20]).unwrap();
    let ran = run_in(
        dir.path(),
        vec![problem(507, "disk-full", "no space")],
        &["files", "put", "large"],
    );
    assert_eq!(ran.seen[0].header("expect"), Some("100-continue"));
    assert_eq!(
        (ran.code, ran.stderr.lines().next()),
        (1, Some("error: no space"))
    );
    std::fs::remove_file(dir.path().join("large")).unwrap();
    let wrong = "0".repeat(64);
    let ran = run_in(
        dir.path(),
        vec![answer(201, &json!({"sha256": wrong}))],
        &["files", "put", "a"],
    );
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("stored"), "{}", ran.stderr);

    let content = |text: &str| Reply::Full(200, "text/plain", text.to_owned());
    let get = ["files", "get", HELLO, "-o", "b"];
    let ran = run_in(dir.path(), vec![content("jello")], &get);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let names = || {
        let entries = std::fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["a"], "nothing of a damaged download stays");
    let ran = run_in(dir.path(), vec![content("hello")], &get);
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "b\n"),
        "{}",
        ran.stderr
    );
    assert_eq!(std::fs::read(dir.path().join("b")).unwrap(), b"hello");
    assert_eq!(names(), ["a", "b"]);
    // It is there now, and not overwritten by accident.
    let ran = run_in(dir.path(), vec![content("hello")], &get);
    assert_eq!(ran.code, 4);
    // A stored name cannot leave the directory.
    let evil = json!({"sha256": HELLO, "name": "../evil"});
    let ran = run_in(
        dir.path(),
        vec![answer(200, &evil), content("hello")],
        &["files", "get", HELLO],
    );
    assert_eq!(ran.stdout, format!("{HELLO}\n"));
    let ran = run(vec![content("hello")], &["files", "get", HELLO, "-o", "-"]);
    assert_eq!(ran.stdout, "hello");
}

#[test]
fn waiting_for_several_jobs_fails_when_one_does() {
    let ran = run(
        vec![
            states(&["succeeded"]),
            answer(200, &job("succeeded")),
            states(&["failed"]),
            answer(200, &failed("application")),
        ],
        &["-q", "jobs", "wait", ID, "2"],
    );
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.stdout,
        format!("{ID} succeeded\n{ID} failed application: exit status 3\n")
    );
}

#[test]
fn watching_survives_a_broken_connection() {
    let first = "retry: 1\n\nevent: state\nid: 1\ndata: {\"state\":\"queued\",\"at\":\"T1\"}\n\n";
    let then =
        "event: state\nid: 2\ndata: {\"state\":\"succeeded\",\"at\":\"T2\",\"attempt\":1}\n\n";
    let end = "event: end\ndata: {}\n\n";
    let ran = run(
        vec![
            Reply::Cut(SSE, vec![first.to_owned()]),
            Reply::Chunks(SSE, vec![then.to_owned(), end.to_owned()]),
            answer(200, &job("succeeded")),
        ],
        &["jobs", "watch", ID],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, "T1 queued\nT2 succeeded attempt 1\n");
    assert_eq!(ran.seen[1].header("last-event-id"), Some("1"));
}

#[test]
fn a_result_that_is_not_there_yet_is_4() {
    let mut waiting = job("queued");
    waiting["reason"] = json!({"code": "no-worker", "detail": "nothing here runs a/b"});
    let ran = run(
        vec![
            problem(404, "result-not-ready", "the job has not ended"),
            answer(200, &waiting),
        ],
        &["jobs", "result", ID],
    );
    assert_eq!(ran.code, 4);
    assert!(
        ran.stderr.contains("no-worker: nothing here runs a/b"),
        "{}",
        ran.stderr
    );
    let ran = run(
        vec![
            problem(404, "no-such-job", "no job x"),
            problem(404, "no-such-job", "no job x"),
        ],
        &["jobs", "result", "x"],
    );
    assert_eq!(ran.code, 3);
}

#[test]
fn logs_are_printed_byte_for_byte_and_followed() {
    let ran = run(
        vec![Reply::Chunks(
            "text/plain",
            vec!["a\n\u{1b}[1mb".to_owned()],
        )],
        &["jobs", "logs", ID, "--tail", "5"],
    );
    assert_eq!(ran.stdout, "a\n\u{1b}[1mb");
    assert_eq!(ran.lines(), [format!("GET /v1/jobs/{ID}/logs?tail=5")]);
    let ran = run(
        vec![
            answer(200, &job("running")),
            Reply::Chunks("text/plain", vec!["a\n".to_owned(), "b\n".to_owned()]),
            answer(200, &job("succeeded")),
        ],
        &["jobs", "logs", "-f", ID],
    );
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a\nb\n"));
}

#[test]
fn submissions_say_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("one.json"), "{\"service\":\"a\"}").unwrap();
    std::fs::write(
        dir.path().join("many"),
        "{\"service\":\"a\"}\n{\"service\":\"b\"}\n",
    )
    .unwrap();
    let ran = run_in(
        dir.path(),
        vec![answer(202, &job("queued"))],
        &["jobs", "submit", "one.json"],
    );
    assert_eq!(ran.stdout, format!("{ID}\n"));
    assert_eq!(ran.seen[0].header("content-type"), Some("application/json"));
    let batch = json!({"count": 2, "batch": "b1", "items": [{"id": "1"}, {"id": "2"}]});
    let ran = run_in(
        dir.path(),
        vec![answer(202, &batch)],
        &["jobs", "submit", "many", "--strict"],
    );
    assert_eq!(
        (ran.stdout.as_str(), ran.stderr.as_str()),
        ("1\n2\n", "2 jobs, batch b1\n")
    );
    assert_eq!(
        ran.seen[0].header("content-type"),
        Some("application/x-ndjson")
    );
    assert_eq!(ran.seen[0].header("prefer"), Some("handling=strict"));
    let ran = run_in(
        dir.path(),
        vec![answer(200, &json!({"valid": true}))],
        &["jobs", "submit", "one.json", "--dry-run"],
    );
    assert_eq!(ran.stdout, "valid\n");
    assert_eq!(ran.seen[0].line, "POST /v1/jobs?dry_run=true");
}

#[test]
fn services_are_listed_published_and_matched() {
    let page = json!({"items": [{"key": "a/b", "version": "1.0.0", "type": "computational",
        "state": "active", "source": "builtin", "name": "B"}], "broken": [{"file": "x.yml", "line": 3, "column": 1, "field": "key", "reason": "bad", "hint": "good"}], "next": null});
    let ran = run(
        vec![answer(200, &page)],
        &["services", "ls", "--type", "computational"],
    );
    assert_eq!(
        ran.stdout,
        "a/b\t1.0.0\tcomputational\tactive\tbuiltin\tB\n"
    );
    assert_eq!(ran.stderr, "broken: x.yml:3:1: key: bad (good)\n");
    assert_eq!(
        ran.lines(),
        ["GET /v1/services?type=computational&limit=1000"]
    );

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("metadata.yml"),
        "key: a/b\nversion: 1.0.0\n",
    )
    .unwrap();
    std::fs::write(dir.path().join("service.toml"), "[run]\n").unwrap();
    std::fs::write(dir.path().join("run.sh"), "true\n").unwrap();
    let ran = run_in(
        dir.path(),
        vec![answer(201, &json!({"digest": "d"}))],
        &["services", "publish", "."],
    );
    assert_eq!(ran.stdout, "a/b:1.0.0 published d\n", "{}", ran.stderr);
    assert_eq!(ran.seen[0].line, "PUT /v1/services/a/b:1.0.0");
    let body: Value = serde_json::from_slice(&ran.seen[0].body).unwrap();
    assert_eq!(body["files"], json!({"run.sh": "true\n"}));
    assert_eq!(body["service"], "[run]\n");
    let replaced = |before: &str| {
        let before = answer(200, &json!({ "digest": before }));
        let after = answer(200, &json!({"digest": "d"}));
        run_in(
            dir.path(),
            vec![before, after],
            &["services", "publish", ".", "--replace"],
        )
    };
    assert_eq!(replaced("c").stdout, "a/b:1.0.0 replaced d\n");
    assert_eq!(replaced("d").stdout, "a/b:1.0.0 up to date d\n");

    let pairs = json!({"pairs": [{"from": {"port": "o"}, "to": {"port": "i"}}],
        "refused": [{"from": {"port": "p"}, "to": {"port": "i"}, "rule": "unit", "reason": "mV is no length"}]});
    let ran = run(
        vec![answer(200, &pairs)],
        &["services", "match", "a/b:1.0.0", "c:2.0.0"],
    );
    assert_eq!(ran.stdout, "o\ti\tyes\t\np\ti\tno\tunit: mV is no length\n");
    assert_eq!(
        ran.lines(),
        ["GET /v1/services/c:2.0.0/inputs:match?fromService=a%2Fb&fromVersion=1.0.0"]
    );
    // Changes need a version.
    assert_eq!(run(vec![], &["services", "pause", "a/b"]).code, 2);
}

#[test]
fn several_jobs_are_canceled_and_removed() {
    let ran = run(
        vec![
            answer(202, &job("canceling")),
            answer(200, &job("canceled")),
        ],
        &["jobs", "cancel", "1", "2", "--reason", "typo"],
    );
    assert_eq!(ran.stdout, "1 canceling\n2 canceled\n");
    assert_eq!(ran.seen[1].line, "POST /v1/jobs/2:cancel");
    assert_eq!(ran.seen[0].body, br#"{"reason":"typo"}"#);
    let ran = run(
        vec![problem(409, "job-not-ended", "the job is running")],
        &["jobs", "rm", "1"],
    );
    assert_eq!(ran.code, 4);
    assert!(ran.stderr.contains("trefoil jobs cancel"), "{}", ran.stderr);
}
