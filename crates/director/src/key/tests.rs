use super::*;

#[test]
fn keys_are_safe_paths() {
    let long = "a".repeat(KEY_BYTES_MAX);
    for text in [
        "a",
        "0",
        "nerve/hh-axon",
        "simcore/services/comp/itis/sleeper",
        "a_b.c-d/e.f/g1",
        "a./b",
        &long,
    ] {
        assert_eq!(
            ServiceKey::new(text).map(|key| key.to_string()),
            Ok(text.to_owned())
        );
    }
    let too_long = "a".repeat(KEY_BYTES_MAX + 1);
    for text in [
        "", "/", "/a", "a/", "a//b", "..", "../a", "a/..", "a/../b", "a..b", ".", "./a", "a/.",
        ".a", "-a", "_a", "a-", "a_", "a.", "A", "a/B", "a b", "a:b", "a\\b", "a%2fb", "é", "a\n",
        "a\0", " a", "a/ b", &too_long,
    ] {
        assert!(ServiceKey::new(text).is_err(), "{text:?}");
    }
}

#[test]
fn ids_split_at_the_last_colon() {
    let id: ServiceId = "nerve/hh-axon:1.2.0-rc.1+b7".parse().unwrap();
    assert_eq!(
        (id.key.as_str(), id.version.to_string().as_str()),
        ("nerve/hh-axon", "1.2.0-rc.1+b7")
    );
    assert_eq!(id.to_string(), "nerve/hh-axon:1.2.0-rc.1+b7");
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, "\"nerve/hh-axon:1.2.0-rc.1+b7\"");
    assert_eq!(serde_json::from_str::<ServiceId>(&json).unwrap(), id);
    for text in [
        "",
        "a",
        ":",
        "a:",
        ":1.0.0",
        "a:b:1.0.0",
        "a:1.0",
        "a:01.0.0",
        "a:1.0.0 ",
        "a:v1.0.0",
        "a:99999999999999999999.0.0",
    ] {
        assert!(text.parse::<ServiceId>().is_err(), "{text:?}");
    }
    let endless = format!("a:1.0.0-{}", "x".repeat(100));
    assert!(endless.parse::<ServiceId>().is_err());
}

/// What a request takes out of a fixed list of versions, newest first.
fn check(request: &str, expected: &[&str]) {
    let all = [
        "0.9.0",
        "1.0.0",
        "1.2.0-rc.1",
        "1.2.0",
        "1.2.3",
        "1.10.0",
        "2.0.0-beta",
        "2.0.0+b1",
        "2.0.0+b2",
        "2.1.0-rc.1",
    ];
    let request: ServiceRequest = format!("a/b:{request}")
        .trim_end_matches(':')
        .parse()
        .unwrap();
    let mut taken: Vec<Version> = all
        .iter()
        .map(|text| Version::parse(text).unwrap())
        .collect();
    taken.retain(|version| request.wanted.accepts(version));
    taken.sort();
    let taken: Vec<String> = taken.iter().rev().map(ToString::to_string).collect();
    assert_eq!(taken, expected, "{request}");
}

#[test]
fn requests() {
    check(
        "",
        &[
            "2.0.0+b2", "2.0.0+b1", "1.10.0", "1.2.3", "1.2.0", "1.0.0", "0.9.0",
        ],
    );
    check(
        "latest",
        &[
            "2.0.0+b2", "2.0.0+b1", "1.10.0", "1.2.3", "1.2.0", "1.0.0", "0.9.0",
        ],
    );
    check("1", &["1.10.0", "1.2.3", "1.2.0", "1.0.0"]);
    check("2", &["2.0.0+b2", "2.0.0+b1"]);
    check("0", &["0.9.0"]);
    check("3", &[]);
    check("1.2", &["1.2.3", "1.2.0"]);
    check("1.1", &[]);
    check("1.2.0", &["1.2.0"]);
    check("1.2.1", &[]);
    check("1.2.0-rc.1", &["1.2.0-rc.1"]);
    check("2.0.0", &["2.0.0+b2", "2.0.0+b1"]);
    check("2.0.0+b1", &["2.0.0+b1"]);
    check("^1.2", &["1.10.0", "1.2.3", "1.2.0"]);
    check("~1.2", &["1.2.3", "1.2.0"]);
    check(">=1.2,<2", &["1.10.0", "1.2.3", "1.2.0"]);
    check(">=1.2.0-rc.1, <1.10", &["1.2.3", "1.2.0", "1.2.0-rc.1"]);
    check("=1.2", &["1.2.3", "1.2.0"]);
    check("1.*", &["1.10.0", "1.2.3", "1.2.0", "1.0.0"]);
    check(
        "*",
        &[
            "2.0.0+b2", "2.0.0+b1", "1.10.0", "1.2.3", "1.2.0", "1.0.0", "0.9.0",
        ],
    );
}

#[test]
fn bad_requests() {
    for text in [
        "",
        ":1",
        "a:",
        "a:b",
        "a:1.2.3.4",
        "a:01",
        "a:1.",
        "a:.1",
        "a:-1",
        "a:1.2-rc",
        "a:>=",
        "a:Latest",
        "../a:1",
        "a:1:2:x",
    ] {
        assert!(text.parse::<ServiceRequest>().is_err(), "{text:?}");
    }
}

#[test]
fn a_request_is_shown_as_written() {
    for text in ["a/b", "a/b:1", "a/b:latest", "a/b:>=1.2,<2"] {
        assert_eq!(text.parse::<ServiceRequest>().unwrap().to_string(), text);
    }
    let id: ServiceId = "a/b:1.2.3".parse().unwrap();
    assert_eq!(
        ServiceRequest::from(id.clone()),
        id.to_string().parse().unwrap()
    );
    assert_eq!(ServiceRequest::newest(id.key), "a/b".parse().unwrap());
}

proptest::proptest! {
    /// Whatever is taken as a key is a path below where it is put, and is shown as it was written.
    #[test]
    fn any_text_is_refused_or_safe(text in "[a-zA-Z0-9./_:^~<>=, *\\\\é-]{0,30}") {
        if let Ok(key) = ServiceKey::new(&text) {
            let path = std::path::Path::new(key.as_str());
            proptest::prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
        }
        if let Ok(id) = text.parse::<ServiceId>() {
            proptest::prop_assert_eq!(id.to_string(), text.clone());
        }
        if let Ok(request) = text.parse::<ServiceRequest>() {
            proptest::prop_assert_eq!(request.to_string(), text);
        }
    }
}
