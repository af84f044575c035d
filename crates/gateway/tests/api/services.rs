//! Services: reading, publishing, pausing, matching.

use serde_json::{Value, json};

use crate::rig::{Api, ECHO, metadata, pointers};

fn publication(key: &str, version: &str) -> Value {
    json!({ "metadata": metadata(key, version), "service": "[run]\ncommand = [\"./run.sh\"]\n",
            "files": { "run.sh": "#!/bin/sh\n" } })
}

#[tokio::test]
async fn services_are_listed_and_filtered() {
    let api = Api::start().await;
    api.json(
        "PUT",
        "/v1/services/test/a:1.0.0",
        &[],
        publication("test/a", "1.0.0"),
    )
    .await
    .expect(201);
    api.json(
        "PUT",
        "/v1/services/test/a:1.1.0",
        &[],
        publication("test/a", "1.1.0"),
    )
    .await
    .expect(201);
    let ids = async |query: &str| {
        let page = api
            .get(&format!("/v1/services{query}"))
            .await
            .expect(200)
            .json();
        let id = |item: &Value| {
            format!(
                "{}:{}",
                item["key"].as_str().unwrap(),
                item["version"].as_str().unwrap()
            )
        };
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(id)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ids("").await,
        [
            "test/a:1.1.0",
            "test/a:1.0.0",
            "trefoil/echo:1.0.0",
            "trefoil/mirror:1.0.0",
            "trefoil/noop:1.0.0"
        ]
    );
    assert_eq!(ids("?key=test/a").await, ["test/a:1.1.0", "test/a:1.0.0"]);
    assert_eq!(ids("?key=test%2Fb").await, Vec::<String>::new());
    assert_eq!(ids("?type=dynamic").await, Vec::<String>::new());
    assert_eq!(ids("?state=paused").await, Vec::<String>::new());
    let first = api
        .get("/v1/services?limit=3&type=computational")
        .await
        .expect(200);
    let page = first.json();
    assert_eq!(page["broken"], json!([]));
    let next = page["next"].as_str().unwrap();
    let link = format!("</v1/services?limit=3&type=computational&cursor={next}>; rel=\"next\"");
    assert_eq!(first.header("link"), Some(link.as_str()));
    assert_eq!(
        ids(&format!("?limit=3&type=computational&cursor={next}")).await,
        ["trefoil/noop:1.0.0"]
    );
    for bad in ["?state=on", "?type=x", "?limit=0", "?kee=x", "?key=a&key=b"] {
        api.get(&format!("/v1/services{bad}")).await.expect(400);
    }
}

#[tokio::test]
async fn a_service_is_found_by_range_and_with_either_slash() {
    let api = Api::start().await;
    for path in [
        "trefoil/echo",
        "trefoil/echo:1",
        "trefoil/echo:1.0",
        ECHO,
        "trefoil%2Fecho:1.0.0",
        "trefoil%2fecho%3A1",
    ] {
        let answer = api.get(&format!("/v1/services/{path}")).await.expect(200);
        let service = answer.json();
        assert_eq!(service["version"], "1.0.0", "{path}");
        assert_eq!(service["state"], "active");
        assert_eq!(service["workers"], json!({"able": true}));
        assert_eq!(service["source"], "builtin");
        assert!(service["links"].is_array());
        let tag = answer.header("etag").unwrap();
        let again = api
            .request(
                "GET",
                &format!("/v1/services/{path}"),
                &[("if-none-match", tag)],
                "",
            )
            .await;
        assert!(again.expect(304).body.is_empty());
    }
    let problem = api
        .get("/v1/services/trefoil/eco")
        .await
        .problem(404, "service-not-found");
    assert_eq!(problem["near"], json!(["trefoil/echo"]));
    let problem = api
        .get("/v1/services/trefoil/echo:2")
        .await
        .problem(404, "no-matching-version");
    assert_eq!(problem["available"], json!(["1.0.0"]));
    for bad in [
        "TREFOIL",
        "a//b",
        "..",
        "trefoil/echo:x.y",
        "trefoil/echo:",
        "trefoil/echo:1.0.0.0",
    ] {
        api.get(&format!("/v1/services/{bad}")).await.expect(404);
    }
    let versions = api
        .get("/v1/services/trefoil/echo/versions")
        .await
        .expect(200)
        .json();
    assert_eq!(versions, json!({"items": ["1.0.0"]}));
    api.get("/v1/services/trefoil/eco/versions")
        .await
        .problem(404, "service-not-found");
}

#[tokio::test]
async fn publishing_is_safe_to_repeat_and_never_overwrites_by_accident() {
    let api = Api::start().await;
    let path = "/v1/services/test/a:1.0.0";
    let new = api
        .json("PUT", path, &[], publication("test/a", "1.0.0"))
        .await
        .expect(201);
    assert_eq!(new.header("location"), Some(path));
    let service = new.json();
    assert_eq!(service["source"], "published");
    assert_eq!(service["workers"]["able"], false);
    api.json("PUT", path, &[], publication("test/a", "1.0.0"))
        .await
        .expect(200);
    let mut other = publication("test/a", "1.0.0");
    other["files"]["run.sh"] = json!("#!/bin/sh\nexit 1\n");
    api.json("PUT", path, &[], other.clone())
        .await
        .problem(409, "already-published");
    api.json(
        "PUT",
        path,
        &[("if-match", "\"0-active-able\"")],
        other.clone(),
    )
    .await
    .problem(412, "precondition-failed");
    let tag = new.header("etag").unwrap();
    let replaced = api
        .json("PUT", path, &[("if-match", tag)], other.clone())
        .await
        .expect(200);
    assert_ne!(replaced.header("etag"), Some(tag));
    api.json(
        "PUT",
        path,
        &[("if-match", "*")],
        publication("test/a", "1.0.0"),
    )
    .await
    .expect(200);
    api.json("PUT", path, &[("if-match", "x")], other)
        .await
        .problem(400, "invalid-header");
}

#[tokio::test]
async fn broken_publications_name_every_problem() {
    let api = Api::start().await;
    let path = "/v1/services/test/a:1.0.0";
    let mut body = publication("test/a", "1.0.0");
    body["metadata"] = json!("key: UPPER\nversion: one\n");
    body["service"] = json!("[run]\n");
    let problem = api
        .json("PUT", path, &[], body)
        .await
        .problem(422, "broken-service");
    let errors = problem["errors"].as_array().unwrap();
    assert!(errors.len() >= 3, "{problem}");
    assert!(
        errors
            .iter()
            .all(|error| error["line"].is_u64() && error["file"].is_string()),
        "{problem}"
    );
    api.json("PUT", path, &[], publication("test/b", "1.0.0"))
        .await
        .problem(422, "validation-failed");
    let problem = api
        .json("PUT", path, &[], json!({"metdata": "", "files": {"a": 1}}))
        .await
        .expect(422)
        .json();
    assert_eq!(pointers(&problem), ["/metadata", "/files/a", "/metdata"]);
    let mut body = publication("test/a", "1.0.0");
    body["files"] = json!({"a": "", "a/b": "", "a/b/c": "", "service.toml/x": "", "ab/c": ""});
    let problem = api.json("PUT", path, &[], body).await.expect(422).json();
    let expected = ["/files/a~1b", "/files/a~1b~1c", "/files/service.toml~1x"];
    assert_eq!(pointers(&problem), expected);
    for name in ["", "../x", "/etc/x", "a//b", "metadata.yml"] {
        let mut body = publication("test/a", "1.0.0");
        body["files"] = json!({ name: "x" });
        let problem = api
            .json("PUT", path, &[], body)
            .await
            .problem(422, "broken-service");
        assert!(
            problem["errors"][0]["line"]
                .as_u64()
                .is_none_or(|line| line > 0),
            "{problem}"
        );
    }
    api.json(
        "PUT",
        "/v1/services/test/a:1.0",
        &[],
        publication("test/a", "1.0.0"),
    )
    .await
    .expect(404);
    api.json(
        "PUT",
        "/v1/services/trefoil/echo:1.0.0",
        &[],
        publication("trefoil/echo", "1.0.0"),
    )
    .await
    .expect(409);
}

#[tokio::test]
async fn pause_resume_retire() {
    let api = Api::start().await;
    let echo = format!("/v1/services/{ECHO}");
    let paused = api
        .request("POST", &format!("{echo}:pause"), &[], "")
        .await
        .expect(200)
        .json();
    assert_eq!(paused["state"], "paused");
    api.json("POST", &format!("{echo}:pause"), &[], json!({}))
        .await
        .expect(200);
    let problem = api
        .json("POST", &format!("{echo}:pause"), &[], json!({"why": 1}))
        .await
        .expect(422)
        .json();
    assert_eq!(pointers(&problem), ["/why"]);
    let job = api.submit(json!({"service": "trefoil/echo"})).await;
    let job = api
        .get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(job["reason"]["code"], "paused");
    assert_eq!(
        api.request("POST", &format!("{echo}:resume"), &[], "")
            .await
            .expect(200)
            .json()["state"],
        "active"
    );
    assert_eq!(
        api.ended(job["id"].as_str().unwrap()).await["state"],
        "succeeded"
    );
    api.request("POST", "/v1/services/no/such:1.0.0:pause", &[], "")
        .await
        .problem(404, "service-not-found");
    api.request("POST", "/v1/services/trefoil/echo:1:pause", &[], "")
        .await
        .expect(404);

    api.publish_stuck().await;
    let stuck = api.submit(json!({"service": "test/stuck"})).await;
    api.request("DELETE", "/v1/services/test/stuck:1.0.0", &[], "")
        .await
        .expect(204);
    let job = api
        .get(&format!("/v1/jobs/{}", stuck["id"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(job["reason"]["code"], "retired");
    assert_eq!(
        api.get("/v1/services/test/stuck:1.0.0")
            .await
            .expect(200)
            .json()["state"],
        "retired"
    );
    api.json("POST", "/v1/jobs", &[], json!({"service": "test/stuck"}))
        .await
        .problem(404, "service-retired");
    api.request("POST", "/v1/services/test/stuck:1.0.0:pause", &[], "")
        .await
        .problem(409, "service-retired");
    api.request("DELETE", "/v1/services/no/such:1.0.0", &[], "")
        .await
        .problem(404, "service-not-found");
    api.publish_stuck().await;
}

#[tokio::test]
async fn ports_are_matched() {
    let api = Api::start().await;
    api.json(
        "PUT",
        "/v1/services/test/a:1.0.0",
        &[],
        publication("test/a", "1.0.0"),
    )
    .await
    .expect(201);
    let inputs = "/v1/services/test/a:1.0.0/inputs:match";
    let answer = api
        .get(&format!("{inputs}?fromService=test/a"))
        .await
        .expect(200)
        .json();
    assert_eq!(
        answer["pairs"][0]["to"],
        json!({"service": "test/a:1.0.0", "port": "x"})
    );
    assert_eq!(answer["refused"][0]["rule"], "type");
    let query = "?fromService=test/a&fromVersion=1.0.0&fromOutput=y";
    assert_eq!(
        api.get(&format!("{inputs}{query}"))
            .await
            .expect(200)
            .json(),
        answer
    );
    let outputs = "/v1/services/test/a/outputs:match?toService=test%2Fa&toInput=x";
    assert_eq!(
        api.get(outputs).await.expect(200).json()["pairs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    api.get(inputs).await.problem(400, "invalid-query");
    api.get(&format!("{inputs}?fromService=BAD"))
        .await
        .problem(400, "invalid-query");
    api.get(&format!("{inputs}?fromService=no/such"))
        .await
        .problem(404, "service-not-found");
    api.get(&format!("{inputs}?fromService=test/a&fromOutput=z"))
        .await
        .problem(404, "port-not-found");
    api.get(&format!("{inputs}?fromService=test/a&toInput=x"))
        .await
        .problem(400, "unknown-parameter");
}
