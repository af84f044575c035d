//! Thrift over HTTP, and what travels with requests.

use std::net::TcpListener;

use trefoil_server::{
    clock::Clock,
    thrift::{Thrift, ThriftConfig},
    trace::Trace,
};

use crate::rig::{Answer, Api};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn trace(answer: &Answer) -> Trace {
    Trace::parse(answer.header("traceparent").unwrap().as_bytes()).unwrap()
}

#[tokio::test]
async fn every_answer_names_its_trace() {
    let api = Api::start().await;
    let parent = Trace::parse(PARENT.as_bytes()).unwrap();
    let said = [("traceparent", PARENT)];
    let answer = api.request("GET", "/livez", &said, "").await;
    assert_eq!(trace(&answer).to_string(), parent.to_string());
    assert_ne!(trace(&answer), parent, "the request has an id of its own");
    let problem = api.request("GET", "/v1/jobs/x", &said, "").await;
    assert_eq!(problem.json()["traceId"], parent.to_string());

    // Without one, and with one that cannot be, a trace begins.
    let begun = trace(&api.get("/livez").await);
    let said = [("traceparent", "00-nonsense")];
    let problem = api.request("GET", "/v1/nothing", &said, "").await;
    let other = trace(&problem).to_string();
    assert_eq!(problem.json()["traceId"], other);
    assert!(other != begun.to_string() && other != parent.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_over_http_is_the_same_in_thrift_and_json() {
    let api = Api::start_with(|config| config.workers_enabled = true).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = ThriftConfig {
        threads: 1,
        ..ThriftConfig::default()
    };
    let clock = Clock::start();
    let thrift = Thrift::start(config, [listener], clock, 7, Box::new(|_| {}));
    api.node.serve_thrift(thrift.unwrap());

    let thrift = ("content-type", "application/x-thrift");
    let headers = [
        thrift,
        ("idempotency-key", "k"),
        ("trefoil-submitter", "alice"),
    ];
    let message = r#"[1,"trefoil/echo:run",1,7,{"1":{"rec":{}}}]"#;
    let first = api
        .request("POST", "/thrift", &headers, message)
        .await
        .expect(200);
    let id = first.header("trefoil-job").unwrap();
    assert_eq!(first.header("idempotency-replayed"), None);
    let text = String::from_utf8(first.body.clone()).unwrap();
    assert!(text.starts_with(r#"[1,"run",2,7,{"0":"#), "{text}");
    // By the service of the path too.
    let message = message.replace("trefoil/echo:", "");
    let path = "/thrift/trefoil/echo";
    let again = api
        .request("POST", path, &headers, message)
        .await
        .expect(200);
    assert_eq!(again.body, first.body);
    let json = [("content-type", "application/json"), headers[1], headers[2]];
    let called = api
        .request("POST", "/v1/call/trefoil/echo/run", &json, "{}")
        .await;
    for answer in [again, called.expect(200)] {
        assert_eq!(answer.header("trefoil-job"), Some(id));
        assert_eq!(answer.header("idempotency-replayed"), Some("true"));
    }

    for wrong in [("idempotency-key", "\"open"), ("deadline-ms", "soon")] {
        api.request("POST", "/thrift", &[thrift, wrong], "[]")
            .await
            .problem(400, "invalid-header");
    }
    // What is no job has none.
    let message = r#"[1,"Meta:health",1,7,{}]"#;
    let healthy = api
        .request("POST", "/thrift", &[thrift], message)
        .await
        .expect(200);
    assert_eq!(healthy.header("trefoil-job"), None);
}
