//! Files and uploads over HTTP.

#![expect(
    clippy::unwrap_used,
    reason = "functions beside the tests are not marked as tests"
)]

#[path = "support/api.rs"]
mod api;

use api::{Answer, Api};
use axum::body::{Body, Bytes};
use serde_json::{Value, json};
use trefoil_server::files::Sha256;

async fn rig() -> (tempfile::TempDir, Api) {
    let data = tempfile::tempdir().unwrap();
    let api = Api::start(data.path(), None).await;
    (data, api)
}

async fn store(api: &Api, content: &'static str, name: &str) -> String {
    let answer = api
        .send(
            "POST",
            &format!("/v1/files?name={name}"),
            &[("content-type", "text/plain")],
            content,
        )
        .await;
    answer.expect(201)["sha256"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_file_is_stored_once() {
    let (_data, api) = rig().await;
    let plain = [("content-type", "text/plain")];
    let first = api
        .send("POST", "/v1/files?name=a%20b.txt", &plain, "hello")
        .await;
    assert_eq!(first.status, 201, "{first:?}");
    let sha256 = Sha256::of(b"hello").to_string();
    let place = format!("/v1/files/{sha256}");
    assert_eq!(first.header("location"), place);
    let file = first.json();
    assert_eq!(file["sha256"], sha256);
    assert_eq!(file["size"], 5);
    assert_eq!(file["name"], "a b.txt");
    assert_eq!(file["type"], "text/plain");

    let again = api
        .send("POST", "/v1/files?name=other", &plain, "hello")
        .await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json(), file, "the first name stays");
    assert_eq!(api.get(&place).await.expect(200), file);
    let empty = api
        .send("POST", "/v1/files", &[], Body::empty())
        .await
        .expect(201);
    assert_eq!(empty["size"], 0);
    assert_eq!(empty.get("name"), None);
}

#[tokio::test]
async fn what_is_announced_is_checked() {
    let (_data, api) = rig().await;
    let digest = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
    let good = api
        .send("POST", "/v1/files", &[("content-digest", digest)], "hello")
        .await;
    assert_eq!(good.status, 201, "{good:?}");
    let bad = api
        .send("POST", "/v1/files", &[("content-digest", digest)], "hellO")
        .await;
    bad.refused(400, "digest-mismatch");
    let wrong = api
        .send(
            "POST",
            "/v1/files",
            &[("content-digest", "sha-256=abc")],
            "hello",
        )
        .await;
    wrong.refused(400, "invalid-header");
    api.get(&format!("/v1/files/{}", Sha256::of(b"hellO")))
        .await
        .refused(404, "file-not-found");
    api.send("POST", "/v1/files", &[("content-encoding", "gzip")], "x")
        .await
        .refused(415, "unsupported-media-type");
    api.send("POST", "/v1/files?nmae=x", &[], "x")
        .await
        .refused(400, "unknown-parameter");
    api.send("POST", "/v1/files?name=a%0Ab", &[], "x")
        .await
        .refused(400, "invalid-query");
    api.send("POST", "/v1/files", &[("content-type", "nonsense")], "x")
        .await
        .refused(400, "invalid-header");
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing() {
    let (data, api) = rig().await;
    let chunks = [
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::other("gone")),
    ];
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    api.send("POST", "/v1/files", &[], body)
        .await
        .refused(400, "incomplete-body");
    assert_eq!(api.get("/v1/files").await.expect(200)["items"], json!([]));
    assert_eq!(
        std::fs::read_dir(data.path().join("files/tmp"))
            .unwrap()
            .count(),
        0
    );
}

fn form(parts: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (head, content) in parts {
        form.push_str(&format!(
            "--X\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n"
        ));
    }
    form.push_str("--X--\r\n");
    form
}

async fn send_form(api: &Api, query: &str, form: impl Into<Body>) -> Answer {
    let kind = [("content-type", "multipart/form-data; boundary=X")];
    api.send("POST", &format!("/v1/files{query}"), &kind, form)
        .await
}

#[tokio::test]
async fn forms() {
    let (_data, api) = rig().await;
    let one = form(&[(
        "name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/csv",
        "1,2",
    )]);
    let answer = send_form(&api, "", one.clone()).await;
    assert_eq!(
        answer.header("location"),
        format!("/v1/files/{}", Sha256::of(b"1,2"))
    );
    let file = answer.expect(201);
    assert_eq!(
        (&file["name"], &file["type"]),
        (&json!("a.txt"), &json!("text/csv"))
    );

    // Byte by byte, as a slow network may have it.
    let bytes: Vec<_> = one
        .bytes()
        .map(|byte| Ok::<_, std::io::Error>(Bytes::from(vec![byte])))
        .collect();
    let slow = Body::from_stream(futures_util::stream::iter(bytes));
    assert_eq!(send_form(&api, "", slow).await.expect(200), file);

    let two = form(&[
        ("name=\"x\"; filename=\"dir/b.txt\"", "b"),
        ("name=\"y\"; filename=\"c.txt\"", "c\r\n--Y"),
    ]);
    let answer = send_form(&api, "", two.clone()).await.expect(201);
    let names: Vec<&Value> = answer["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["name"])
        .collect();
    assert_eq!(names, ["b.txt", "c.txt"]);
    assert_eq!(
        answer["items"][1]["sha256"],
        Sha256::of(b"c\r\n--Y").to_string()
    );
    assert_eq!(send_form(&api, "", two.clone()).await.status, 200);

    send_form(&api, "?name=x", two)
        .await
        .refused(400, "invalid-query");
    send_form(&api, "", form(&[]))
        .await
        .refused(422, "validation-failed");
    send_form(&api, "", form(&[("name=\"note\"", "x")]))
        .await
        .refused(422, "validation-failed");
    let digest = "name=\"file\"; filename=\"a\"\r\nContent-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:";
    send_form(&api, "", form(&[(digest, "x")]))
        .await
        .refused(400, "digest-mismatch");
    send_form(
        &api,
        "",
        "--X\r\nContent-Disposition: form-data; name=\"file\"",
    )
    .await
    .refused(400, "incomplete-body");
}

#[tokio::test]
async fn a_form_is_stored_whole_or_not_at_all() {
    let (_data, api) = rig().await;
    let mut broken = form(&[
        ("name=\"a\"; filename=\"a\"", "first"),
        ("name=\"b\"; filename=\"b\"", "second"),
    ]);
    broken.truncate(broken.len() - 12);
    send_form(&api, "", broken)
        .await
        .refused(400, "incomplete-body");
    assert_eq!(api.get("/v1/files").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn heads_of_parts_have_a_limit() {
    let (_data, api) = rig().await;
    let start = "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"";
    let endless = std::iter::once(Bytes::from(start))
        .chain(std::iter::repeat_n(Bytes::from(vec![b'x'; 65_536]), 1_000))
        .map(Ok::<_, std::io::Error>);
    let body = Body::from_stream(futures_util::stream::iter(endless));
    send_form(&api, "", body)
        .await
        .refused(413, "body-too-large");
    // Content is no head, however long.
    let long = form(&[("name=\"file\"; filename=\"long\"", &"y".repeat(5 << 20))]);
    let chunks: Vec<_> = long
        .as_bytes()
        .chunks(65_536)
        .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
        .collect();
    let body = Body::from_stream(futures_util::stream::iter(chunks));
    assert_eq!(send_form(&api, "", body).await.expect(201)["size"], 5 << 20);
}

#[tokio::test]
async fn lists_are_paged_and_filtered() {
    let (_data, api) = rig().await;
    for content in ["one", "two", "three"] {
        store(&api, content, content).await;
    }
    let page = api.get("/v1/files?limit=2").await;
    let next = page.json()["next"].as_str().unwrap().to_owned();
    assert_eq!(page.json()["items"].as_array().unwrap().len(), 2);
    assert!(
        page.header("link")
            .contains(&format!("cursor={next}>; rel=\"next\""))
    );
    // A file that comes between two pages repeats none.
    store(&api, "four", "four").await;
    let last = api
        .get(&format!("/v1/files?limit=2&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    assert_eq!(last["items"][0]["name"], "one");
    assert_eq!(last["next"], Value::Null);
    for path in ["/v1/files", "/v1/jobs"] {
        api.get(&format!("{path}?cursor=ffffffffffffffff"))
            .await
            .expect(200);
    }
    let named = api.get("/v1/files?name=two").await.expect(200);
    assert_eq!(named["items"][0]["sha256"], Sha256::of(b"two").to_string());
    let hashed = api
        .get(&format!("/v1/files?sha256={}", Sha256::of(b"one")))
        .await
        .expect(200);
    assert_eq!(hashed["items"][0]["name"], "one");
    api.get("/v1/files?sha256=x")
        .await
        .refused(400, "invalid-query");
}

#[tokio::test]
async fn content_and_ranges() {
    let (_data, api) = rig().await;
    let sha256 = store(&api, "0123456789", "M%C3%BCll.txt").await;
    let path = format!("/v1/files/{sha256}/content");
    let etag = format!("\"{sha256}\"");

    let whole = api.get(&path).await;
    assert_eq!((whole.status, &whole.body[..]), (200, &b"0123456789"[..]));
    assert_eq!(whole.header("content-length"), "10");
    assert_eq!(whole.header("content-type"), "text/plain");
    assert_eq!(whole.header("etag"), etag);
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(
        whole.header("content-disposition"),
        "attachment; filename=\"M_ll.txt\"; filename*=UTF-8''M%C3%BCll.txt"
    );
    assert!(whole.header("cache-control").contains("immutable"));
    assert!(whole.header("repr-digest").starts_with("sha-256=:"));

    let part =
        async |headers: &[(&str, &str)]| api.send("GET", &path, headers, Body::empty()).await;
    for (range, content, shown) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-5", "2345", "bytes 2-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-99", "56789", "bytes 5-9/10"),
    ] {
        let answer = part(&[("range", range)]).await;
        assert_eq!(
            (answer.status, &answer.body[..]),
            (206, content.as_bytes()),
            "{range}"
        );
        assert_eq!(answer.header("content-range"), shown);
        assert_eq!(answer.header("content-length"), content.len().to_string());
    }
    let beyond = part(&[("range", "bytes=10-")]).await;
    beyond.refused(416, "range-not-satisfiable");
    assert_eq!(beyond.header("content-range"), "bytes */10");
    assert_eq!(part(&[("range", "bytes=0-1,3-4")]).await.status, 200);
    assert_eq!(
        part(&[("range", "bytes=0-1"), ("if-range", &etag)])
            .await
            .status,
        206
    );
    assert_eq!(
        part(&[("range", "bytes=0-1"), ("if-range", "\"other\"")])
            .await
            .status,
        200
    );
    let known = part(&[("if-none-match", &etag)]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("etag"), etag);

    let head = api
        .send("HEAD", &path, &[("range", "bytes=0-1")], Body::empty())
        .await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), "10");
}

#[tokio::test]
async fn long_content_comes_back_as_it_was() {
    let (_data, api) = rig().await;
    let content: Vec<u8> = (0..3_000_001_u32)
        .flat_map(|at| at.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    let file = api
        .send("POST", "/v1/files", &[], content.clone())
        .await
        .expect(201);
    let path = file["links"]["content"].as_str().unwrap().to_owned();
    assert!(api.get(&path).await.body == content);
    let part = api
        .send(
            "GET",
            &path,
            &[("range", "bytes=1000001-9000000")],
            Body::empty(),
        )
        .await;
    assert!(part.body == content[1_000_001..=9_000_000]);
}

#[tokio::test]
async fn removing() {
    let (_data, api) = rig().await;
    let sha256 = store(&api, "bye", "x").await;
    let path = format!("/v1/files/{sha256}");
    let tag = api.get(&path).await.header("etag").to_owned();
    assert_eq!(
        api.send("GET", &path, &[("if-none-match", &tag)], Body::empty())
            .await
            .status,
        304
    );
    assert_eq!(
        api.send("DELETE", &path, &[], Body::empty()).await.status,
        204
    );
    api.send("DELETE", &path, &[], Body::empty())
        .await
        .refused(404, "file-not-found");
    api.get(&path).await.refused(404, "file-not-found");
    api.get(&format!("{path}/content"))
        .await
        .refused(404, "file-not-found");
    assert!(
        api.node.files.size(&sha256.parse().unwrap()).is_err(),
        "the content goes, too"
    );
    api.get("/v1/files/ABC")
        .await
        .refused(404, "file-not-found");
    let put = api.send("PUT", &path, &[], Body::empty()).await;
    put.refused(405, "method-not-allowed");
    store(&api, "bye", "again").await;
}

async fn begin(api: &Api, about: Value) -> String {
    let answer = api
        .send(
            "POST",
            "/v1/uploads",
            &[("content-type", "application/json")],
            about.to_string(),
        )
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let place = answer.header("location").to_owned();
    assert_eq!(
        place,
        format!("/v1/uploads/{}", answer.json()["id"].as_str().unwrap())
    );
    place
}

async fn add(api: &Api, place: &str, offset: u64, body: impl Into<Body>) -> Answer {
    let headers = [
        ("upload-offset", &*offset.to_string()),
        ("content-type", "application/octet-stream"),
    ];
    api.send("PATCH", place, &headers, body).await
}

#[tokio::test]
async fn an_upload_in_pieces() {
    let (_data, api) = rig().await;
    let about =
        json!({"name": "ab", "type": "text/plain", "size": 6, "sha256": Sha256::of(b"abcdef")});
    let place = begin(&api, about).await;
    let first = add(&api, &place, 0, "abc").await;
    assert_eq!(
        (first.status, first.header("upload-offset")),
        (204, "3"),
        "{first:?}"
    );
    let elsewhere = add(&api, &place, 0, "abc").await;
    elsewhere.refused(409, "upload-offset");
    assert_eq!(elsewhere.header("upload-offset"), "3");
    let head = api.send("HEAD", &place, &[], Body::empty()).await;
    assert_eq!((head.status, head.header("upload-offset")), (204, "3"));
    let early = api
        .send("POST", &format!("{place}:complete"), &[], Body::empty())
        .await;
    early.refused(409, "upload-incomplete");
    assert_eq!(
        add(&api, &place, 3, "def").await.header("upload-offset"),
        "6"
    );
    add(&api, &place, 6, "g")
        .await
        .refused(413, "body-too-large");
    let done = api
        .send("POST", &format!("{place}:complete"), &[], Body::empty())
        .await;
    assert_eq!(
        done.header("location"),
        format!("/v1/files/{}", Sha256::of(b"abcdef"))
    );
    let file = done.expect(201);
    assert_eq!((&file["name"], &file["size"]), (&json!("ab"), &json!(6)));
    let again = api
        .send("POST", &format!("{place}:complete"), &[], Body::empty())
        .await;
    assert_eq!(again.expect(200), file);
}

#[tokio::test]
async fn what_came_before_an_upload_broke_off_is_kept() {
    let (_data, api) = rig().await;
    let place = begin(&api, json!({})).await;
    let chunks = [
        Ok(Bytes::from_static(b"half")),
        Err(std::io::Error::other("gone")),
    ];
    let broken = add(
        &api,
        &place,
        0,
        Body::from_stream(futures_util::stream::iter(chunks)),
    )
    .await;
    broken.refused(400, "incomplete-body");
    let head = api.send("HEAD", &place, &[], Body::empty()).await;
    assert_eq!(head.header("upload-offset"), "4");
}

#[tokio::test]
async fn uploads_refuse_what_they_do_not_know() {
    let (_data, api) = rig().await;
    let create = async |about: Value| {
        api.send(
            "POST",
            "/v1/uploads",
            &[("content-type", "application/json")],
            about.to_string(),
        )
        .await
    };
    create(json!({"sise": 1}))
        .await
        .refused(422, "validation-failed");
    create(json!({"size": -1}))
        .await
        .refused(422, "validation-failed");
    create(json!({"sha256": "ABC"}))
        .await
        .refused(422, "validation-failed");
    create(json!([])).await.refused(422, "validation-failed");
    api.send("POST", "/v1/uploads", &[], "{}")
        .await
        .refused(415, "unsupported-media-type");

    let none = "/v1/uploads/00000000000000000000000000000000";
    add(&api, none, 0, "x")
        .await
        .refused(404, "upload-not-found");
    add(&api, "/v1/uploads/x", 0, "x")
        .await
        .refused(404, "upload-not-found");
    let place = begin(&api, json!({})).await;
    api.send("PATCH", &place, &[], "x")
        .await
        .refused(400, "invalid-header");
    api.send("PATCH", &place, &[("content-type", "text/plain")], "x")
        .await
        .refused(415, "unsupported-media-type");
    let wrong = api.send("POST", &place, &[], Body::empty()).await;
    wrong.refused(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "HEAD, PATCH, OPTIONS");
    let wrong = api.get(&format!("{place}:complete")).await;
    wrong.refused(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "POST, OPTIONS");
    api.send("POST", &format!("{place}:finish"), &[], Body::empty())
        .await
        .refused(404, "no-such-resource");
}
