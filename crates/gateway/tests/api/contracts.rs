//! Contracts: publishing, reading, comparing, and what must not be broken.

use serde_json::{Value, json};

use crate::rig::{Answer, Api, metadata, pointers};

const ADD: &str =
    "/** Sums. */\nservice Calculator {\n  /** Adds. */ i32 add(1: i32 a, 2: i32 b)\n}\n";
/// What `add` returns is another type.
const BROKEN: &str = "service Calculator {\n  i64 add(1: i32 a, 2: i32 b)\n}\n";

const THRIFT: (&str, &str) = ("content-type", "text/x-thrift");

impl Api {
    async fn put_contract(&self, id: &str, headers: &[(&str, &str)], text: &str) -> Answer {
        let path = format!("/v1/contracts/{id}");
        let headers = [&[THRIFT], headers].concat();
        self.request("PUT", &path, &headers, text.to_owned()).await
    }

    async fn contract(&self, path: &str) -> Value {
        let accept = [("accept", "application/json")];
        let path = format!("/v1/contracts/{path}");
        self.request("GET", &path, &accept, "")
            .await
            .expect(200)
            .json()
    }
}

#[tokio::test]
async fn a_contract_is_published_and_read() {
    let api = Api::start().await;
    let new = api
        .put_contract("math/calc:1.0.0", &[], ADD)
        .await
        .expect(201);
    assert_eq!(
        new.header("location"),
        Some("/v1/contracts/math/calc:1.0.0")
    );
    let shown = new.json();
    assert_eq!(shown["key"], "math/calc");
    assert_eq!(shown["version"], "1.0.0");
    assert_eq!(shown["source"], "published");
    assert_eq!(shown["derived"], false);
    assert_eq!(shown["files"], json!({ "contract.thrift": ADD }));
    let method = &shown["services"][0]["methods"][0];
    assert_eq!(shown["services"][0]["doc"], "Sums.");
    assert_eq!(method["name"], "add");
    assert_eq!(method["returns"], "i32");
    assert_eq!(method["arguments"][1]["name"], "b");
    // By range, and without a version.
    for path in ["math/calc", "math/calc:1", "math%2Fcalc:1.0.0"] {
        assert_eq!(api.contract(path).await, shown, "{path}");
    }
    // The text is what `curl` gets.
    let text = api.get("/v1/contracts/math/calc:1.0.0").await.expect(200);
    assert_eq!(
        text.header("content-type"),
        Some("text/x-thrift; charset=utf-8")
    );
    assert_eq!(text.header("vary"), Some("Accept"));
    assert_eq!(text.body, ADD.as_bytes());
    let tag = text.header("etag").unwrap();
    assert_ne!(
        Some(tag),
        new.header("etag"),
        "forms have tags of their own"
    );
    api.request(
        "GET",
        "/v1/contracts/math/calc:1.0.0",
        &[("if-none-match", tag)],
        "",
    )
    .await
    .expect(304);
    // It is a service as any other.
    let service = api.get("/v1/services/math/calc:1.0.0").await.expect(200);
    assert_eq!(service.json()["name"], "Calculator");
    assert_eq!(service.json()["description"], "Sums.\n");
}

#[tokio::test]
async fn a_contract_of_several_files() {
    let api = Api::start().await;
    let files = json!({
        "contract.thrift": "include \"shared/types.thrift\"\nservice S { types.P get() }",
        // Found beside the contract, not beside itself.
        "shared/types.thrift": "include \"base.thrift\"\nstruct P { 1: base.Id id }",
        "base.thrift": "typedef i64 Id",
    });
    let path = "/v1/contracts/test/s:1.0.0";
    let shown = api
        .json("PUT", path, &[], json!({ "files": files }))
        .await
        .expect(201)
        .json();
    assert_eq!(shown["files"], files);
    assert_eq!(shown["services"][0]["methods"][0]["returns"], "types.P");
    let file = api
        .get(&format!("{path}?file=base.thrift"))
        .await
        .expect(200);
    assert_eq!(file.body, b"typedef i64 Id");
    let problem = api
        .get(&format!("{path}?file=bas.thrift"))
        .await
        .problem(404, "file-not-found");
    assert_eq!(problem["hint"], "did you mean `base.thrift`?");
    let json = [("accept", "application/json")];
    api.request("GET", &format!("{path}?file=base.thrift"), &json, "")
        .await
        .problem(406, "not-acceptable");
    let problem = api
        .json("PUT", path, &[], json!({ "files": { "x.thrift": "" } }))
        .await
        .problem(422, "validation-failed");
    assert_eq!(pointers(&problem), ["/files"]);
}

#[tokio::test]
async fn everything_wrong_with_a_contract_is_said_with_its_place() {
    let api = Api::start().await;
    let text = "struct A { 1: i32 x, 1: i32 y }\nservice S { Nope get() }\n";
    let problem = api
        .put_contract("test/a:1.0.0", &[], text)
        .await
        .problem(422, "broken-service");
    let places: Vec<(&Value, &Value, &Value)> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (&error["file"], &error["line"], &error["column"]))
        .collect();
    assert_eq!(
        places,
        [
            (&json!("contract.thrift"), &json!(1), &json!(22)),
            (&json!("contract.thrift"), &json!(2), &json!(13)),
        ],
        "{problem}"
    );
    api.get("/v1/contracts/test/a:1.0.0")
        .await
        .problem(404, "service-not-found");
    api.request("PUT", "/v1/contracts/test/a:1.0.0", &[THRIFT], vec![0xff])
        .await
        .problem(422, "validation-failed");
    api.request(
        "PUT",
        "/v1/contracts/test/a:1.0.0",
        &[("content-type", "text/plain")],
        ADD,
    )
    .await
    .problem(415, "unsupported-media-type");
}

#[tokio::test]
async fn annotations_agree_with_the_path() {
    let api = Api::start().await;
    let text = "service S { void ping() } (trefoil.key = \"test/a\", trefoil.version = \"1.0.0\")";
    let problem = api
        .put_contract("test/b:1.0.1", &[], text)
        .await
        .problem(422, "broken-service");
    assert_eq!(pointers(&problem), ["trefoil.key", "trefoil.version"]);
    assert_eq!(problem["errors"][0]["column"], 28);
    api.put_contract("test/a:1.0.0", &[], text)
        .await
        .expect(201);
}

#[tokio::test]
async fn publishing_a_contract_is_safe_to_repeat_and_never_overwrites_by_accident() {
    let api = Api::start().await;
    let id = "test/a:1.0.0";
    let first = api.put_contract(id, &[], ADD).await.expect(201);
    let again = api.put_contract(id, &[], ADD).await.expect(200);
    assert_eq!(first.header("etag"), again.header("etag"));
    let more = ADD.replace("i32 add", "void ping()\n  i32 add");
    api.put_contract(id, &[], &more)
        .await
        .problem(409, "already-published");
    api.put_contract(id, &[("if-match", "\"00-active-0\"")], &more)
        .await
        .problem(412, "precondition-failed");
    let tag = first.header("etag").unwrap();
    let replaced = api
        .put_contract(id, &[("if-match", tag)], &more)
        .await
        .expect(200);
    assert_ne!(replaced.header("etag"), Some(tag));
    // The tag of the text will do as well.
    let text = api.get("/v1/contracts/test/a").await.expect(200);
    let tag = text.header("etag").unwrap();
    let other = more.replace("ping", "pong");
    let other = api
        .put_contract(&format!("{id}?force=true"), &[("if-match", tag)], &other)
        .await;
    other.expect(200);
}

#[tokio::test]
async fn a_breaking_change_needs_a_version_that_says_so() {
    let api = Api::start().await;
    api.put_contract("test/a:1.0.0", &[], ADD).await.expect(201);
    let problem = api
        .put_contract("test/a:1.1.0", &[], BROKEN)
        .await
        .problem(409, "breaking-change");
    assert_eq!(problem["base"], "test/a:1.0.0");
    assert_eq!(problem["required"], "2.0.0");
    let error = &problem["errors"][0];
    assert_eq!(error["rule"], "return-changed");
    assert!(
        error["pointer"]
            .as_str()
            .unwrap()
            .starts_with("Calculator.add"),
        "{error}"
    );
    assert_eq!(
        (&error["file"], &error["line"]),
        (&json!("contract.thrift"), &json!(2))
    );
    assert_eq!(error["old"]["line"], 3);
    api.get("/v1/contracts/test/a:1.1.0")
        .await
        .problem(404, "no-matching-version");
    api.put_contract("test/a:2.0.0", &[], BROKEN)
        .await
        .expect(201);
    api.put_contract("test/a:1.1.0?force=true", &[], BROKEN)
        .await
        .expect(201);
    // The other way to say it; and what was forced is what the next one is compared with.
    let body = |force: bool| json!({ "files": { "contract.thrift": ADD }, "force": force });
    let path = "/v1/contracts/test/a:1.2.0";
    api.json("PUT", path, &[], body(false))
        .await
        .problem(409, "breaking-change");
    api.json("PUT", path, &[], body(true)).await.expect(201);
    api.put_contract("test/a:1.3.0?force=maybe", &[], ADD)
        .await
        .problem(400, "invalid-query");
}

#[tokio::test]
async fn a_version_must_not_be_broken_by_the_next_one_either() {
    let api = Api::start().await;
    api.put_contract("test/a:1.2.0", &[], ADD).await.expect(201);
    let more = ADD.replace("/** Adds. */", "void more()");
    let problem = api
        .put_contract("test/a:1.1.0", &[], &more)
        .await
        .problem(409, "breaking-change");
    assert_eq!(problem["base"], "test/a:1.2.0");
    assert_eq!(problem["required"], "1.3.0");
    let error = &problem["errors"][0];
    assert_eq!(error["rule"], "method-removed");
    // Where it is in what was sent.
    assert_eq!(error["line"], 3);
    api.put_contract("test/a:1.3.0", &[], &more)
        .await
        .expect(201);
    api.put_contract("test/a:1.1.0", &[], ADD).await.expect(201);
}

#[tokio::test]
async fn a_contract_is_not_dropped_by_the_way() {
    let api = Api::start().await;
    api.put_contract("test/a:1.0.0", &[], ADD).await.expect(201);
    let bare = |version| json!({ "metadata": metadata("test/a", version) });
    let problem = api
        .json("PUT", "/v1/services/test/a:1.1.0", &[], bare("1.1.0"))
        .await
        .problem(409, "breaking-change");
    assert_eq!(problem["base"], "test/a:1.0.0");
    assert_eq!(problem["errors"][0]["rule"], "service-removed");
    api.json("PUT", "/v1/services/test/a:2.0.0", &[], bare("2.0.0"))
        .await
        .expect(201);
}

#[tokio::test]
async fn types_alone_are_no_service() {
    let api = Api::start().await;
    let problem = api
        .put_contract("test/types:1.0.0", &[], "struct P { 1: i32 x }")
        .await
        .problem(422, "broken-service");
    let detail = problem["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("has no `service`"), "{detail}");
}

#[tokio::test]
async fn a_derived_contract_goes_with_its_service() {
    let api = Api::start().await;
    let body = json!({ "metadata": metadata("test/a", "1.0.0") });
    let service = "/v1/services/test/a:1.0.0";
    api.json("PUT", service, &[], body).await.expect(201);
    let problem = api
        .request("DELETE", "/v1/contracts/test/a:1.0.0", &[], "")
        .await
        .problem(409, "derived-contract");
    assert_eq!(
        problem["hint"],
        "DELETE /v1/services/test/a:1.0.0 retires the service"
    );
    api.request("DELETE", service, &[], "").await.expect(204);
}

#[tokio::test]
async fn services_with_a_contract_are_guarded_too() {
    let api = Api::start().await;
    let body = |version: &str, contract: &str| json!({ "metadata": metadata("test/a", version), "files": { "contract.thrift": contract } });
    api.json("PUT", "/v1/services/test/a:1.0.0", &[], body("1.0.0", ADD))
        .await
        .expect(201);
    let path = "/v1/services/test/a:1.0.1";
    let problem = api
        .json("PUT", path, &[], body("1.0.1", BROKEN))
        .await
        .problem(409, "breaking-change");
    assert_eq!(problem["required"], "2.0.0");
    api.json(
        "PUT",
        &format!("{path}?force=true"),
        &[],
        body("1.0.1", BROKEN),
    )
    .await
    .expect(201);
}

#[tokio::test]
async fn contracts_are_listed_compared_and_retired() {
    let api = Api::start().await;
    api.put_contract("test/a:1.0.0", &[], ADD).await.expect(201);
    api.put_contract("test/a:2.0.0", &[], BROKEN)
        .await
        .expect(201);
    let list = api.get("/v1/contracts?key=test/a").await.expect(200).json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["version"], "2.0.0");
    assert_eq!(
        items[0]["services"],
        json!([{ "name": "Calculator", "methods": ["add"], "deprecated": [] }])
    );
    let page = api
        .get("/v1/contracts?key=test/a&limit=1")
        .await
        .expect(200);
    assert!(page.header("link").is_some());

    let diff = api
        .get("/v1/contracts/test/a:2.0.0/diff?from=1.0.0")
        .await
        .expect(200)
        .json();
    assert_eq!(diff["from"], "test/a:1.0.0");
    assert_eq!(diff["to"], "test/a:2.0.0");
    assert_eq!(diff["bump"], "major");
    assert_eq!(diff["breaking"], true);
    assert_eq!(diff["required"], "2.0.0");
    assert!(!diff["changes"].as_array().unwrap().is_empty());
    let text = api
        .request(
            "GET",
            "/v1/contracts/test/a:2/diff?from=1",
            &[("accept", "text/plain")],
            "",
        )
        .await
        .expect(200);
    assert!(
        String::from_utf8(text.body)
            .unwrap()
            .starts_with("major: Calculator.add")
    );
    let same = api
        .get("/v1/contracts/test/a:1.0.0/diff?from=1.0.0")
        .await
        .expect(200)
        .json();
    assert_eq!(same["bump"], Value::Null);
    assert_eq!(same["required"], Value::Null);
    api.get("/v1/contracts/test/a:2.0.0/diff")
        .await
        .problem(400, "invalid-query");
    api.get("/v1/contracts/test/a:2.0.0/diff?from=3")
        .await
        .problem(404, "no-matching-version");

    api.request("DELETE", "/v1/contracts/test/a:1.0.0", &[], "")
        .await
        .expect(204);
    assert_eq!(api.contract("test/a:1.0.0").await["state"], "retired");
    for (method, path, allow) in [
        (
            "POST",
            "/v1/contracts/test/a:2.0.0",
            "GET, HEAD, PUT, DELETE, OPTIONS",
        ),
        ("PUT", "/v1/contracts/test/a", "GET, HEAD, OPTIONS"),
        (
            "POST",
            "/v1/contracts/test/a:2.0.0/diff",
            "GET, HEAD, OPTIONS",
        ),
    ] {
        let answer = api.request(method, path, &[], "").await.expect(405);
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let text = String::from_utf8(api.get("/metrics").await.body).unwrap();
    for route in ["/v1/contracts/{service}", "/v1/contracts/{service}/diff"] {
        assert!(text.contains(&format!("route=\"{route}\"")), "{route}");
    }
}

#[tokio::test]
async fn what_was_published_without_metadata_is_there_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let api = Api::start_with(|config| config.data = data.path().join("before")).await;
    let shown = api
        .put_contract("test/a.b/c_d:1.0.0-rc.1+x", &[], ADD)
        .await
        .expect(201)
        .json();
    api.node.drain().await;
    // A copy, because the first platform's locks end with the last of its threads.
    let copied = std::process::Command::new("cp")
        .args(["-r", "before", "after"])
        .current_dir(data.path())
        .status();
    assert!(copied.unwrap().success());
    let api = Api::start_with(|config| config.data = data.path().join("after")).await;
    assert_eq!(api.contract("test/a.b/c_d:1.0.0-rc.1+x").await, shown);
}

#[tokio::test]
async fn a_watched_directory_that_breaks_callers_is_served_with_a_warning() {
    let services = tempfile::tempdir().unwrap();
    for (name, version, text) in [("new", "1.1.0", BROKEN), ("old", "1.0.0", ADD)] {
        let dir = services.path().join(name);
        std::fs::create_dir(&dir).unwrap();
        let annotations = format!(" (trefoil.key = \"test/a\", trefoil.version = \"{version}\")\n");
        let text = format!("{}{annotations}", text.trim_end());
        std::fs::write(dir.join("contract.thrift"), text).unwrap();
    }
    let api = Api::start_with(|config| {
        config.services = vec![services.path().to_owned()];
    })
    .await;
    let broken = api.contract("test/a:1.1.0").await;
    assert_eq!(broken["state"], "active");
    let warning = &broken["warnings"][0];
    assert_eq!(warning["severity"], "warning");
    let file = warning["file"].as_str().unwrap();
    assert!(file.ends_with("new/contract.thrift"), "{warning}");
    assert_eq!(warning["line"], 2);
    let reason = warning["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("breaks callers of test/a:1.0.0: Calculator.add"),
        "{reason}"
    );
    assert_eq!(api.contract("test/a:1.0.0").await["warnings"], json!([]));
}

#[tokio::test]
async fn the_contract_of_a_computational_service_is_derived() {
    let api = Api::start().await;
    let echo = api.contract("trefoil/echo").await;
    assert_eq!(echo["derived"], true);
    let methods = echo["services"][0]["methods"].as_array().unwrap();
    assert!(methods.iter().any(|method| method["name"] == "run"));
}
