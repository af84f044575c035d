use axum::{body::to_bytes, http::header, response::IntoResponse};
use serde_json::Value;
use trefoil_jobs::{Failure, FailureClass, JobId, Refusal, State};

use super::*;
use crate::strict_json::{Limits, parse};

async fn answer(problem: Problem) -> (u16, Value) {
    let response = problem.into_response();
    assert_eq!(
        response.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(body["status"], status);
    assert!(
        body["type"]
            .as_str()
            .unwrap()
            .starts_with("urn:trefoil:problem:")
    );
    assert!(!body["detail"].as_str().unwrap().is_empty());
    (status, body)
}

fn id() -> JobId {
    JobId::from_bytes([7; 16])
}

#[tokio::test]
async fn the_instance_is_the_request_id_and_the_trace_is_named() {
    let problem = Problem::new(StatusCode::NOT_FOUND, "job-not-found", Code::NotFound, "no");
    let value = HeaderValue::from_static("r-1");
    let trace = Trace::begin();
    let answer = TRACE.scope(trace, answer(problem));
    let (_, body) = REQUEST_ID.scope(value, answer).await;
    assert_eq!(body["instance"], "r-1");
    assert_eq!(body["traceId"], trace.to_string());
    assert_eq!(body["title"], "Job not found");
    assert_eq!(body["code"], "not_found");
}

#[tokio::test]
async fn json_errors_carry_their_offset() {
    let error = parse(b"{\"a\": [1, }", &Limits::default()).unwrap_err();
    let (status, body) = answer(error.into()).await;
    assert_eq!(status, 400);
    assert_eq!(body["errors"][0]["offset"], 10);
    assert_eq!(body["errors"][0]["pointer"], "/a/1");
    assert_eq!(body["errors"][0]["rule"], "syntax");
}

#[tokio::test]
async fn classes_of_failure_have_the_documented_status() {
    let expected = [
        (FailureClass::Application, 422, "aborted"),
        (FailureClass::Temporary, 503, "unavailable"),
        (FailureClass::TimedOut, 504, "deadline_exceeded"),
        (FailureClass::Expired, 504, "deadline_exceeded"),
        (FailureClass::Lost, 503, "unavailable"),
        (FailureClass::Rejected, 422, "failed_precondition"),
        (FailureClass::BadOutputs, 502, "internal"),
        (FailureClass::Upstream, 502, "internal"),
    ];
    assert_eq!(expected.len(), FailureClass::ALL.len());
    for (class, status, code) in expected {
        let (found, body) = answer(failure_problem(id(), &Failure::new(class, "it broke"))).await;
        assert_eq!(
            (found, body["code"].as_str()),
            (status, Some(code)),
            "{class}"
        );
        assert_eq!(body["error"]["class"], class.as_str());
        assert_eq!(body["job"], id().to_string());
    }
}

#[tokio::test]
async fn refusals_have_the_documented_status() {
    let state = State::Running;
    let cases = [
        (Refusal::UnknownJob(id()), 404, "job-not-found"),
        (Refusal::Gone(id()), 410, "job-deleted"),
        (
            Refusal::NeverRunnable {
                reason: "big".into(),
            },
            422,
            "never-runnable",
        ),
        (
            Refusal::NoWorker {
                service: "a:1.0.0".into(),
            },
            503,
            "no-worker",
        ),
        (
            Refusal::KeyReused { key: "k".into() },
            422,
            "idempotency-key-reused",
        ),
        (Refusal::NotEnded { id: id(), state }, 409, "job-not-ended"),
        (
            Refusal::NothingToRetry { id: id(), state },
            409,
            "nothing-to-retry",
        ),
        (
            Refusal::NothingToRerun { id: id(), state },
            409,
            "nothing-to-rerun",
        ),
        (Refusal::WrongKind("a task"), 409, "wrong-kind"),
        (
            Refusal::Stale {
                id: id(),
                expected: 1,
                actual: 2,
            },
            412,
            "precondition-failed",
        ),
    ];
    for (refusal, status, name) in cases {
        let (found, body) = answer(refusal.into()).await;
        assert_eq!(found, status, "{name}");
        assert_eq!(body["type"], format!("urn:trefoil:problem:{name}"));
    }
}

#[tokio::test]
async fn errors_are_capped() {
    let problem = (0..500).fold(Problem::invalid("many"), |problem, i| {
        problem.error(format!("/{i}"), Location::Body, "wrong", "type")
    });
    let (_, body) = answer(problem).await;
    assert_eq!(body["errors"].as_array().unwrap().len(), ERRORS_MAX);
}
