//! What is the same for all resources: paths, methods, media types, ids of requests, platform resources.

use axum::body::Body;
use serde_json::json;

use crate::rig::{Api, pointers};

const UNKNOWN: &str = "/v1/jobs/019305a8-7c00-7def-8123-456789abcdef";

#[tokio::test]
async fn unknown_paths_are_404() {
    let api = Api::start().await;
    for path in [
        "/",
        "/v2/jobs",
        "/v1",
        "/v1/jobs/",
        "/v1/job",
        "/v1/services/",
        "/v1/call/trefoil/echo",
        "/v1/call/",
    ] {
        api.get(path).await.problem(404, "no-such-resource");
    }
    for path in [
        "/v1/jobs/x",
        "/v1/jobs/019305A8-7C00-7DEF-8123-456789ABCDEF",
        "/v1/jobs/%ff",
        "/v1/jobs/a%2Fb",
    ] {
        api.get(path).await.expect(404);
    }
    api.get(UNKNOWN).await.problem(404, "job-not-found");
    api.request("POST", &format!("{UNKNOWN}:explode"), &[], "")
        .await
        .problem(404, "no-such-resource");
    for action in ["cancel", "retry", "rerun"] {
        api.request("POST", &format!("{UNKNOWN}:{action}"), &[], "")
            .await
            .problem(404, "job-not-found");
        // Nothing about the body matters when there is no such job.
        let bad = [("content-type", "text/plain")];
        api.request("POST", &format!("{UNKNOWN}:{action}"), &bad, "x")
            .await
            .problem(404, "job-not-found");
    }
    api.request("PATCH", UNKNOWN, &[], "{")
        .await
        .problem(404, "job-not-found");
    api.request("DELETE", UNKNOWN, &[], "")
        .await
        .problem(404, "job-not-found");
}

#[tokio::test]
async fn wrong_methods_are_405_and_options_tells_which_are_right() {
    let api = Api::start().await;
    let check = async |path: &str, wrong: &str, allowed: &[&str]| {
        let answer = api.request(wrong, path, &[], "").await;
        assert_eq!(answer.status, 405, "{wrong} {path}");
        let told: Vec<String> = answer
            .header("allow")
            .unwrap()
            .split(',')
            .map(|one| one.trim().to_owned())
            .collect();
        for method in allowed.iter().chain(&["OPTIONS"]) {
            assert!(told.iter().any(|told| told == method), "{path}: {told:?}");
        }
        let options = api.request("OPTIONS", path, &[], "").await.expect(204);
        assert_eq!(options.header("allow"), answer.header("allow"), "{path}");
    };
    check("/livez", "POST", &["GET", "HEAD"]).await;
    check("/v1/jobs", "DELETE", &["GET", "POST"]).await;
    check("/v1/jobs", "BREW", &["GET", "POST"]).await;
    check(UNKNOWN, "PUT", &["GET", "HEAD", "PATCH", "DELETE"]).await;
    check(&format!("{UNKNOWN}:cancel"), "GET", &["POST"]).await;
    check("/v1/services", "POST", &["GET"]).await;
    check("/v1/uploads/x", "GET", &["HEAD", "PATCH"]).await;
    check("/v1/uploads/x:complete", "GET", &["POST"]).await;
    check(
        "/v1/services/trefoil/echo:1.0.0",
        "POST",
        &["GET", "PUT", "DELETE"],
    )
    .await;
    check("/v1/services/trefoil/echo", "PUT", &["GET"]).await;
    check("/v1/services/trefoil/echo/versions", "DELETE", &["GET"]).await;
    check("/v1/services/trefoil/echo:1.0.0:pause", "GET", &["POST"]).await;
    check(
        "/v1/services/trefoil/echo:1.0.0/inputs:match",
        "POST",
        &["GET"],
    )
    .await;
    check("/v1/call/trefoil/echo/run", "GET", &["POST"]).await;
    // The path comes first.
    api.request("PUT", "/v1/call/no/such/run", &[], "")
        .await
        .problem(404, "service-not-found");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let api = Api::start().await;
    let job = api.submit(json!({"service": "trefoil/noop"})).await;
    let job = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    for path in [
        "/livez",
        "/version",
        "/v1/jobs",
        "/v1/services",
        "/v1/services/trefoil/echo",
        &job,
    ] {
        let head = api.request("HEAD", path, &[], "").await.expect(200);
        assert!(head.body.is_empty(), "{path}");
        assert_eq!(
            head.header("content-type"),
            api.get(path).await.header("content-type"),
            "{path}"
        );
    }
    assert!(
        api.request("HEAD", UNKNOWN, &[], "")
            .await
            .expect(404)
            .body
            .is_empty()
    );
}

#[tokio::test]
async fn bodies_are_checked_in_the_documented_order() {
    let api = Api::start_with(|config| config.json_max = 100).await;
    let json = ("content-type", "application/json");
    let html = ("accept", "text/html");
    let long = "x".repeat(101);
    let key = ("idempotency-key", "bad key");
    for path in [
        "/v1/jobs",
        "/v1/call/trefoil/echo/run",
        "/v1/services/trefoil/new:1.0.0",
    ] {
        let method = if path.contains("services") {
            "PUT"
        } else {
            "POST"
        };
        let send = async |headers: &[(&str, &str)], body: String| {
            api.request(method, path, headers, body).await
        };
        send(&[("content-type", "text/csv"), html], long.clone())
            .await
            .problem(415, "unsupported-media-type");
        send(&[html], long.clone())
            .await
            .problem(415, "unsupported-media-type");
        send(&[json, ("content-encoding", "br")], long.clone())
            .await
            .problem(415, "unsupported-media-type");
        send(&[json, html, ("content-length", "101")], long.clone())
            .await
            .problem(406, "not-acceptable");
        let problem = send(&[json, ("content-length", "101")], long.clone())
            .await
            .problem(413, "body-too-large");
        assert_eq!(problem["limit"], 100);
        // Without a length, as chunks.
        let pieces =
            futures_util::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>("          ")));
        api.request(method, path, &[json], Body::from_stream(pieces))
            .await
            .problem(413, "body-too-large");
        let deep = format!(
            "{}{}",
            "[".repeat(65),
            "]".repeat(65).chars().take(30).collect::<String>()
        );
        for bad in [
            "",
            "{",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1}}",
            "nul",
            "{'a':1}",
            &deep,
        ] {
            let problem = send(&[json], bad.to_owned())
                .await
                .problem(400, "malformed-json");
            assert!(problem["errors"][0]["offset"].is_u64(), "{bad}: {problem}");
        }
        let bytes: Vec<u8> = vec![b'{', b'"', 0xc3, 0x28, b'"', b':', b'1', b'}'];
        let problem = api
            .request(method, path, &[json], bytes)
            .await
            .problem(400, "malformed-json");
        assert_eq!(problem["errors"][0]["rule"], "unicode");
        send(&[json], "5".to_owned())
            .await
            .problem(422, "validation-failed");
        send(&[json], "[]".to_owned())
            .await
            .problem(422, "validation-failed");
        api.request(method, &format!("{path}?x=1"), &[json], "{}")
            .await
            .problem(400, "unknown-parameter");
        if method == "POST" {
            send(&[json, key], "{}".to_owned())
                .await
                .problem(400, "invalid-header");
            send(&[json, ("trefoil-submitter", "a b")], "{}".to_owned())
                .await
                .problem(400, "invalid-header");
        }
    }
}

#[tokio::test]
async fn request_ids_are_echoed_or_made() {
    let api = Api::start().await;
    let sent = api
        .request("GET", "/livez", &[("x-request-id", "abc-1")], "")
        .await;
    assert_eq!(sent.header("x-request-id"), Some("abc-1"));
    let problem = api
        .request("GET", "/no", &[("x-request-id", "abc-2")], "")
        .await
        .json();
    assert_eq!(problem["instance"], "abc-2");
    let (one, two) = (api.get("/livez").await, api.get("/livez").await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
    for bad in ["", "a b", &"x".repeat(129)] {
        let made = api
            .request("GET", "/livez", &[("x-request-id", bad)], "")
            .await;
        assert_ne!(made.header("x-request-id"), Some(bad));
    }
}

#[tokio::test]
async fn platform_resources() {
    let api = Api::start().await;
    let live = api.get("/livez").await.expect(200);
    assert_eq!(live.body, b"ok");
    for path in ["/readyz", "/healthz"] {
        let ready = api.get(path).await.expect(200).json();
        assert_eq!(ready["status"], "ready");
        let names: Vec<&str> = ready["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["store", "workers", "disk", "services", "draining"]);
        let text = api
            .request("GET", path, &[("accept", "text/plain")], "")
            .await
            .expect(200);
        assert!(
            String::from_utf8(text.body)
                .unwrap()
                .starts_with("ready\n[+] store: ")
        );
    }
    let version = api.get("/version").await.expect(200).json();
    assert_eq!(
        (&version["name"], &version["pid"]),
        (&json!("trefoil"), &json!(std::process::id()))
    );
    assert!(version["started_at"].as_str().unwrap().ends_with('Z'));
    let document = api.get("/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"].as_str().unwrap()[..3], *"3.1");
    for path in ["/livez", "/readyz", "/version", "/metrics", "/openapi.json"] {
        let problem = api
            .get(&format!("{path}?verbose=1"))
            .await
            .problem(400, "unknown-parameter");
        assert_eq!(pointers(&problem), ["verbose"]);
        api.request("GET", path, &[("accept", "image/png")], "")
            .await
            .problem(406, "not-acceptable");
    }
}

#[tokio::test]
async fn metrics_count_requests_by_route_not_by_path() {
    let api = Api::start().await;
    let job = api.submit(json!({"service": "trefoil/noop"})).await;
    api.get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap()))
        .await
        .expect(200);
    api.get("/v1/services/trefoil/echo").await.expect(200);
    api.get("/nowhere").await.expect(404);
    let answer = api.get("/metrics").await.expect(200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.ends_with("# EOF\n"));
    for expected in [
        "method=\"POST\",route=\"/v1/jobs\",status=\"202\"",
        "method=\"GET\",route=\"/v1/jobs/{id}\",status=\"200\"",
        "method=\"GET\",route=\"/v1/services/{service}\",status=\"200\"",
        "method=\"GET\",route=\"none\",status=\"404\"",
    ] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
}

#[tokio::test]
async fn a_platform_that_stops_says_so() {
    let api = Api::start().await;
    let job = api.submit(json!({"service": "trefoil/noop"})).await;
    api.ended(job["id"].as_str().unwrap()).await;
    api.node.drain().await;
    let ready = api.get("/readyz").await.expect(503);
    assert_eq!(ready.json()["status"], "not-ready");
    assert!(ready.header("retry-after").is_some());
    api.get("/livez").await.expect(200);
    let refused = api
        .json("POST", "/v1/jobs", &[], json!({"service": "trefoil/noop"}))
        .await;
    assert!(refused.header("retry-after").is_some());
    refused.problem(503, "shutting-down");
    let rerun = format!("/v1/jobs/{}:rerun", job["id"].as_str().unwrap());
    api.request("POST", &rerun, &[], "")
        .await
        .problem(503, "shutting-down");
}
