use std::time::Duration;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
};
use serde_json::{Value, json};

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_str(value).unwrap(),
        )
    };
    pairs.iter().map(pair).collect()
}

#[test]
fn queries_are_read_once_and_strictly() {
    let mut query =
        Query::parse("state=queued&state=running&limit=7&dry_run=true&x=a%20b+c").unwrap();
    assert_eq!(query.many("state"), ["queued", "running"]);
    assert_eq!(
        query.page().unwrap(),
        Page {
            limit: 7,
            cursor: None
        }
    );
    assert!(query.flag("dry_run").unwrap());
    assert_eq!(query.one("x").unwrap().as_deref(), Some("a b c"));
    query.end().unwrap();
}

#[test]
fn bad_queries_are_400_and_named() {
    let check = |text: &str, read: &dyn Fn(&mut Query) -> Result<(), crate::error::Problem>| {
        let mut query = Query::parse(text).unwrap();
        let problem = read(&mut query).and_then(|()| query.end()).unwrap_err();
        assert_eq!(problem.status(), 400, "{text}");
        problem.to_json()
    };
    let page = |query: &mut Query| query.page().map(drop);
    assert_eq!(check("limit=0", &page)["errors"][0]["pointer"], "limit");
    check("limit=1001", &page);
    check("limit=+5", &page);
    check("limit=", &page);
    check("limit=1&limit=2", &page);
    check("cursor=zz", &page);
    check("cursor=", &page);
    check("cursor=11112222333344445", &page);
    check("dry_run=yes", &|query| query.flag("dry_run").map(drop));
    let unknown = check("limt=5", &page);
    assert_eq!(unknown["hint"], "did you mean `limit`?");
    assert_eq!(unknown["errors"][0]["pointer"], "limt");
    assert_eq!(Query::parse("a=%ff").unwrap_err().status(), 400);
}

#[tokio::test]
async fn the_link_of_the_next_page_keeps_the_filters() {
    let uri: Uri = "/v1/jobs?state=queued&cursor=5&label=a:b%20c"
        .parse()
        .unwrap();
    let response = Page::answer(&uri, vec![json!(1)], Some(255));
    let link = response.headers()[header::LINK].to_str().unwrap();
    assert_eq!(
        link,
        "</v1/jobs?state=queued&label=a:b%20c&cursor=ff>; rel=\"next\""
    );
    let body = axum::body::to_bytes(response.into_body(), 1000)
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body, json!({ "items": [1], "next": "ff" }));
    let last = Page::answer(&uri, vec![], None);
    assert!(last.headers().get(header::LINK).is_none());
}

#[test]
fn preferences() {
    let check = |fields: &[&str], expected: Prefer| {
        let pairs: Vec<_> = fields.iter().map(|field| ("prefer", *field)).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(Prefer::of(&headers), expected, "{fields:?}");
    };
    let none = Prefer::default();
    let wait = |seconds| Prefer {
        wait: Some(Duration::from_secs(seconds)),
        ..none
    };
    check(&[], none);
    check(
        &["respond-async"],
        Prefer {
            respond_async: true,
            ..none
        },
    );
    check(
        &["Respond-Async, wait=5"],
        Prefer {
            respond_async: true,
            ..wait(5)
        },
    );
    check(&["wait=5", "wait=9"], wait(5));
    check(&["wait = \"3\"; x=y, other"], wait(3));
    check(&["wait=-1"], none);
    check(&["wait=1.5, wait="], none);
    check(&["wait=99999999999999999999999"], wait(u32::MAX.into()));
    check(
        &["handling=strict"],
        Prefer {
            strict: true,
            ..none
        },
    );
    check(&["handling=lenient, handling=strict"], none);
}

#[test]
fn idempotency_keys() {
    let key = |value: &str| idempotency_key(&headers(&[("idempotency-key", value)]));
    assert_eq!(key("abc").unwrap().as_deref(), Some("abc"));
    assert_eq!(key("\"abc\"").unwrap().as_deref(), Some("abc"));
    assert_eq!(key(&"k".repeat(255)).unwrap().unwrap().len(), 255);
    assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    for bad in [
        "",
        "\"\"",
        "\"abc",
        "a b",
        "a\"b",
        "\"a\\b\"",
        &"k".repeat(256),
    ] {
        assert_eq!(key(bad).unwrap_err().status(), 400, "{bad:?}");
    }
    let mut twice = headers(&[("idempotency-key", "a")]);
    twice.append("idempotency-key", HeaderValue::from_static("b"));
    assert_eq!(idempotency_key(&twice).unwrap_err().status(), 400);
}

#[test]
fn submitters() {
    let of = |value: &str| submitter(&headers(&[("trefoil-submitter", value)]));
    assert_eq!(&*submitter(&HeaderMap::new()).unwrap(), "anonymous");
    assert_eq!(&*of("al.ice_1@lab-2").unwrap(), "al.ice_1@lab-2");
    for bad in ["", "a b", "a/b", &"x".repeat(65)] {
        assert_eq!(of(bad).unwrap_err().status(), 400, "{bad:?}");
    }
}

#[test]
fn entity_tags() {
    let matches = |value: &str| is_not_modified(&headers(&[("if-none-match", value)]), "3-1");
    assert!(matches("\"3-1\""));
    assert!(matches("W/\"3-1\""));
    assert!(matches("\"x\", \"3-1\""));
    assert!(matches("*"));
    assert!(!matches("\"3-2\""));
    assert!(!matches("3-1"));
    assert!(!is_not_modified(&HeaderMap::new(), "3-1"));
    let if_match = |value: &str| IfMatch::of(&headers(&[("if-match", value)]));
    assert_eq!(IfMatch::of(&HeaderMap::new()).unwrap(), IfMatch::Absent);
    assert_eq!(if_match("*").unwrap(), IfMatch::Any);
    assert_eq!(
        if_match("\"a\" , W/\"b\",\"c\"").unwrap(),
        IfMatch::Tags(vec!["a".into(), "c".into()])
    );
    for bad in ["a", "\"a", "\"a\" \"b\"", "5"] {
        assert_eq!(if_match(bad).unwrap_err().status(), 400, "{bad}");
    }
}

#[test]
fn accept_is_honoured() {
    let offered = ["text/plain", "application/x-ndjson"];
    let best = |value: &str| {
        accepts(&headers(&[("accept", value)]), &offered).map_err(|problem| problem.status())
    };
    assert_eq!(accepts(&HeaderMap::new(), &offered).unwrap(), "text/plain");
    assert_eq!(best("*/*"), Ok("text/plain"));
    assert_eq!(best("application/*"), Ok("application/x-ndjson"));
    assert_eq!(
        best("text/plain;q=0.1, application/x-ndjson;q=0.5"),
        Ok("application/x-ndjson")
    );
    assert_eq!(best("text/plain;q=0, */*"), Ok("application/x-ndjson"));
    assert_eq!(
        best("image/png"),
        Err(axum::http::StatusCode::NOT_ACCEPTABLE)
    );
}

#[tokio::test]
async fn bodies_are_checked_in_order() {
    const LIMIT: u64 = 64;
    async fn check(
        pairs: &[(&'static str, &str)],
        body: impl Into<Body>,
    ) -> Result<Value, (u16, Value)> {
        json_body(&headers(pairs), body.into(), LIMIT)
            .await
            .map_err(|problem| (problem.status().as_u16(), problem.to_json()))
    }
    let json = ("content-type", "application/json");
    assert_eq!(check(&[json], "[1]").await, Ok(json!([1])));
    assert_eq!(
        check(&[("content-type", "Application/JSON; charset=UTF-8")], "1").await,
        Ok(json!(1))
    );
    let status = |answer: Result<Value, (u16, Value)>| answer.unwrap_err().0;
    let long = " ".repeat(65);
    let image = ("accept", "image/png");
    let length = ("content-length", "65");
    assert_eq!(status(check(&[image, length], "{").await), 415);
    assert_eq!(
        status(check(&[("content-type", "text/plain"), image], "{").await),
        415
    );
    assert_eq!(
        status(check(&[("content-type", "application/json; charset=latin1")], "1").await),
        415
    );
    assert_eq!(
        status(check(&[json, ("content-encoding", "gzip")], "1").await),
        415
    );
    assert_eq!(status(check(&[json, image, length], "{").await), 406);
    assert_eq!(status(check(&[json, length], "{").await), 413);
    assert_eq!(status(check(&[json], long.clone()).await), 413);
    let pieces =
        futures_util::stream::iter((0..5).map(|_| Ok::<_, std::io::Error>("                ")));
    assert_eq!(status(check(&[json], Body::from_stream(pieces)).await), 413);
    for bad in [
        "{",
        "",
        "{\"a\":1,\"a\":2}",
        "\u{feff}1",
        "[1,]",
        "NaN",
        "1 2",
    ] {
        let (status, problem) = check(&[json], bad.to_owned()).await.unwrap_err();
        assert_eq!(status, 400, "{bad:?}");
        assert!(problem["errors"][0]["offset"].is_u64(), "{bad:?}");
    }
    assert_eq!(status(check(&[json], vec![b'"', 0xff, b'"']).await), 400);
    let broken = futures_util::stream::iter([Ok("1"), Err(std::io::Error::other("gone"))]);
    assert_eq!(status(check(&[json], Body::from_stream(broken)).await), 400);
    assert_eq!(
        optional_json_body(&HeaderMap::new(), Body::empty(), LIMIT)
            .await
            .unwrap(),
        None
    );
}

#[test]
fn members_find_everything_that_is_wrong() {
    let mut found = Vec::new();
    let value = json!({
        "name": 1, "flag": "x", "count": 1.5, "far": 11, "whole": 3.0,
        "labels": {"a/b": 1, "c": "d"}, "inner": {"nmae": 1}, "nothing": null, "unset": null,
    });
    let mut members = Members::of(value, "/3", &mut found).unwrap();
    assert_eq!(members.text("name"), None);
    assert_eq!(members.flag("flag"), None);
    assert_eq!(members.integer("count", 0..=10), None);
    assert_eq!(members.integer("far", 0..=10), None);
    assert_eq!(members.integer("whole", 0..=10), Some(3));
    assert_eq!(members.texts("labels").unwrap().len(), 1);
    assert_eq!(members.number("absent", 0.0..=1.0), None);
    assert_eq!(members.number("unset", 0.0..=1.0), None);
    let mut inner = members.inner("inner").unwrap();
    assert_eq!(inner.text("name"), None);
    inner.end();
    members.end();
    let pointers: Vec<&str> = found
        .iter()
        .map(|violation| violation.pointer.as_str())
        .collect();
    let expected = [
        "/3/name",
        "/3/flag",
        "/3/count",
        "/3/far",
        "/3/labels/a~1b",
        "/3/inner/nmae",
        "/3/nothing",
    ];
    assert_eq!(pointers, expected);
    assert!(
        found[5].detail.contains("did you mean `name`?"),
        "{}",
        found[5].detail
    );
}

#[test]
fn job_ids_have_one_spelling() {
    let id = "019305a8-7c00-7def-8123-456789abcdef";
    assert_eq!(JobPath::parse(id).unwrap().0.to_string(), id);
    for bad in [
        "",
        "x",
        "019305A8-7C00-7DEF-8123-456789ABCDEF",
        "019305a87c007def8123456789abcdef",
    ] {
        assert_eq!(JobPath::parse(bad).unwrap_err().status(), 404, "{bad}");
    }
}
