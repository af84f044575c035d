//! `GET /v1/jobs`: filters, order, pages.

use serde_json::{Value, json};

use crate::rig::{Api, ECHO};

async fn names(api: &Api, query: &str) -> Vec<String> {
    let page = api
        .get(&format!("/v1/jobs{query}"))
        .await
        .expect(200)
        .json();
    let name = |item: &Value| item["name"].as_str().unwrap_or("-").to_owned();
    page["items"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn filters() {
    let api = Api::start().await;
    api.publish_stuck().await;
    let first = api
        .submit(json!({"service": "test/stuck", "name": "a", "labels": {"k": "1", "m": "x y"}}))
        .await;
    api.submit(
        json!({"service": "test/stuck", "name": "b", "labels": {"k": "1"}, "submitter": "bob"}),
    )
    .await;
    let echo = api.submit(json!({"service": ECHO, "name": "c"})).await;
    api.ended(echo["id"].as_str().unwrap()).await;
    let sweep = api
        .submit(json!({"service": "test/stuck", "name": "p", "sweep": {"values": {"x": [1, 2]}}}))
        .await;
    let parent = sweep["id"].as_str().unwrap();

    assert_eq!(names(&api, "?parent=none").await, ["p", "c", "b", "a"]);
    assert_eq!(
        names(&api, "?parent=none&order=asc").await,
        ["a", "b", "c", "p"]
    );
    assert_eq!(
        names(&api, "?parent=none&order=desc&state=succeeded").await,
        ["c"]
    );
    assert_eq!(
        names(&api, "?parent=none&state=succeeded&state=queued").await,
        ["c", "b", "a"]
    );
    assert_eq!(names(&api, "?service=trefoil/echo").await, ["c"]);
    assert_eq!(names(&api, "?service=trefoil%2Fecho:1.0.0").await, ["c"]);
    assert_eq!(
        names(&api, "?service=trefoil/ech").await,
        Vec::<String>::new()
    );
    assert_eq!(names(&api, "?submitter=bob").await, ["b"]);
    assert_eq!(names(&api, &format!("?parent={parent}")).await.len(), 2);
    assert_eq!(names(&api, "?label=k:1").await, ["b", "a"]);
    assert_eq!(names(&api, "?label=k:1&label=m:x+y").await, ["a"]);
    let created = first["created_at"].as_str().unwrap();
    assert!(
        !names(&api, &format!("?created_after={created}"))
            .await
            .contains(&"a".to_owned())
    );
    assert_eq!(
        names(&api, &format!("?created_before={created}")).await,
        Vec::<String>::new()
    );
    assert_eq!(
        names(&api, "?created_after=2020-01-01T00:00:00Z&parent=none")
            .await
            .len(),
        4
    );
    for bad in [
        "?state=done",
        "?order=up",
        "?parent=x",
        "?batch=x",
        "?label=k",
        "?label=:v",
        "?created_after=yesterday",
        "?service=a&service=b",
        "?service=trefoil/echo:1",
        "?service=trefoil/Echo",
        "?service=",
        "?limit=-1",
        "?cursor=zz",
        "?submiter=bob",
    ] {
        api.get(&format!("/v1/jobs{bad}")).await.expect(400);
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let api = Api::start().await;
    for name in ["a", "b", "c", "d", "e"] {
        api.submit(json!({"service": ECHO, "name": name})).await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/jobs?limit=2&order=asc".to_owned();
    loop {
        let answer = api.get(&path).await.expect(200);
        let page = answer.json();
        let items = page["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(link) = answer.header("link") else {
            assert_eq!(page["next"], Value::Null);
            break;
        };
        assert!(page["next"].is_string());
        path = link
            .strip_prefix('<')
            .unwrap()
            .split_once('>')
            .unwrap()
            .0
            .to_owned();
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}
