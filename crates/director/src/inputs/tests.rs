use serde_json::json;

use super::*;
use crate::testing::{SLEEPER, service, service_with};

const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else {
        panic!("not an object")
    };
    map
}

/// What one value of a port of a type becomes, or its violations as `pointer rule`.
fn check(port: &str, value: Value, expected: Result<Value, &[&str]>) {
    let service = service_with("a:1.0.0", &format!("{{p: {port}}}"), "{}");
    let found = validate_inputs(&service, object(json!({ "p": value })));
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found.get("p"), Some(&expected), "{port} {value}"),
        (Err(found), Err(expected)) => {
            let found: Vec<String> = found
                .iter()
                .map(|v| format!("{} {}", v.pointer, v.rule))
                .collect();
            assert_eq!(found, expected, "{port} {value}");
        }
        (found, expected) => panic!("{port} {value}: {found:?}, expected {expected:?}"),
    }
}

fn same(port: &str, value: Value) {
    check(port, value.clone(), Ok(value));
}

#[test]
fn simple_values() {
    let wrong: Result<Value, &[&str]> = Err(&["/p type"]);
    same("{type: number}", json!(1.5));
    same("{type: number}", json!(3));
    same("{type: number}", json!(0.1 + 0.2));
    same("{type: integer}", json!(u64::MAX));
    same("{type: integer}", json!(i64::MIN));
    check("{type: integer}", json!(3.0), Ok(json!(3)));
    check("{type: integer}", json!(-0.0), Ok(json!(0)));
    check(
        "{type: integer}",
        json!(9007199254740992.0),
        Ok(json!(9007199254740992_i64)),
    );
    same("{type: boolean}", json!(true));
    check("{type: boolean}", json!("true"), Ok(json!(true)));
    check("{type: boolean}", json!("false"), Ok(json!(false)));
    same("{type: string}", json!(""));
    for (port, value) in [
        ("number", json!("1")),
        ("number", json!(null)),
        ("number", json!([1])),
        ("number", json!(true)),
        ("integer", json!(3.5)),
        ("integer", json!(1e300)),
        ("integer", json!(9007199254740994.0)),
        ("integer", json!("3")),
        ("boolean", json!("True")),
        ("boolean", json!("yes")),
        ("boolean", json!(1)),
        ("boolean", json!(null)),
        ("string", json!(1)),
        ("string", json!({})),
    ] {
        check(&format!("{{type: {port}}}"), value, wrong.clone());
    }
}

#[test]
fn content_schemas() {
    let port = "{type: ref_contentSchema, contentSchema: {type: array, maxItems: 3, items: {type: object, required: [a], properties: {a: {type: number, minimum: 0}, b/c: {type: string}}}}}";
    same(port, json!([{"a": 1}]));
    check(
        port,
        json!([{"a": -1, "b/c": 2}, {}]),
        Err(&["/p/0/a minimum", "/p/0/b~1c type", "/p/1 required"]),
    );
    check(port, json!({}), Err(&["/p type"]));
    // A schema on a plain type is checked after the type.
    let port = "{type: integer, contentSchema: {minimum: 0, maximum: 10}}";
    check(port, json!(7.0), Ok(json!(7)));
    check(port, json!(11), Err(&["/p maximum"]));
    check(port, json!("x"), Err(&["/p type"]));
    let many = Value::Array(vec![json!(1); 1000]);
    let service = service_with(
        "a:1.0.0",
        "{p: {type: ref_contentSchema, contentSchema: {items: {type: string}}}}",
        "{}",
    );
    assert!(
        validate_inputs(&service, object(json!({ "p": many })))
            .unwrap_err()
            .len()
            <= VIOLATIONS_MAX
    );
}

#[test]
fn files() {
    let text = "{type: \"data:[text/csv,image/*]\"}";
    check(
        text,
        json!({"sha256": HASH.to_uppercase()}),
        Ok(json!({"sha256": HASH})),
    );
    check(
        text,
        json!({"href": format!("/v1/files/{HASH}")}),
        Ok(json!({"sha256": HASH})),
    );
    same(
        text,
        json!({"sha256": HASH, "name": "x.csv", "type": "text/csv; charset=utf-8"}),
    );
    same(text, json!({"sha256": HASH, "type": "image/png"}));
    same(
        "{type: \"data:*/*\"}",
        json!({"sha256": HASH, "type": "a/b"}),
    );
    // An output of another job fits as it is.
    let output = json!({"sha256": HASH, "href": format!("/v1/files/{HASH}"), "size": 0, "name": "x", "type": null});
    check(text, output, Ok(json!({"sha256": HASH, "name": "x"})));
    for (value, expected) in [
        (json!("x.csv"), "/p type"),
        (json!(null), "/p type"),
        (json!({}), "/p file"),
        (json!({"sha256": null}), "/p file"),
        (json!({"sha256": "abc"}), "/p/sha256 file"),
        (json!({"sha256": "g".repeat(64)}), "/p/sha256 file"),
        (json!({"sha256": 5}), "/p/sha256 type"),
        (json!({"href": HASH}), "/p/href file"),
        (
            json!({"href": format!("/v1/files/../{HASH}")}),
            "/p/href file",
        ),
        (
            json!({"href": format!("/v1/files/{HASH}/content")}),
            "/p/href file",
        ),
        (
            json!({"sha256": HASH, "href": format!("/v1/files/{}", "0".repeat(64))}),
            "/p/href file",
        ),
        (
            json!({"sha256": HASH, "type": "text/plain"}),
            "/p/type media-type",
        ),
        (json!({"sha256": HASH, "type": "csv"}), "/p/type media-type"),
        (json!({"sha256": HASH, "name": ""}), "/p/name file"),
        (json!({"sha256": HASH, "size": -1}), "/p/size type"),
        (json!({"sha265": HASH}), "/p/sha265 file"),
    ] {
        check(text, value, Err(&[expected]));
    }
}

#[test]
fn every_violation_at_once() {
    let service = service(SLEEPER);
    let inputs =
        json!({"input_2": 2.5, "input_3": "maybe", "input_5": 7, "inptu_4": 1, "a/b~c": 1});
    let violations = validate_inputs(&service, object(inputs)).unwrap_err();
    let found: Vec<String> = violations
        .iter()
        .map(|v| format!("{} {}", v.pointer, v.rule))
        .collect();
    assert_eq!(
        found,
        [
            "/input_2 type",
            "/input_3 type",
            "/input_5 maximum",
            "/a~1b~0c unknown-port",
            "/inptu_4 unknown-port"
        ]
    );
    assert_eq!(
        violations[0].detail,
        "expected a whole number, found the number 2.5"
    );
    assert!(
        violations[4].detail.ends_with("did you mean `input_4`?"),
        "{}",
        violations[4].detail
    );
}

#[test]
fn defaults() {
    let service = service(SLEEPER);
    let inputs =
        validate_inputs(&service, object(json!({"input_5": 0.5, "input_1": null}))).unwrap();
    assert_eq!(
        Value::Object(inputs),
        json!({"input_2": 2, "input_3": false, "input_4": 0, "input_5": 0.5, "input_6": "good"})
    );
    let missing = validate_inputs(&service, Map::new()).unwrap_err();
    assert_eq!(
        missing,
        [Violation::new(
            "/input_5",
            "required",
            "input `input_5` is missing"
        )]
    );
    // `null` stands for nothing only where the default says so.
    let null =
        validate_inputs(&service, object(json!({"input_2": null, "input_5": 0}))).unwrap_err();
    assert_eq!((null.len(), null[0].rule.as_str()), (1, "type"));
}

#[test]
fn files_of_inputs() {
    let service = service(SLEEPER);
    let inputs = object(
        json!({"input_5": 1, "input_1": {"href": format!("/v1/files/{HASH}"), "name": "n.txt"}}),
    );
    let inputs = validate_inputs(&service, inputs).unwrap();
    let expected = FileRef {
        port: "input_1".into(),
        sha256: HASH.into(),
        name: Some("n.txt".into()),
        media_type: None,
    };
    assert_eq!(file_refs(&service, &inputs), [expected]);
    assert_eq!(file_refs(&service, &Map::new()), []);
}

#[test]
fn outputs() {
    let service = service(SLEEPER);
    let file = json!({"sha256": HASH, "size": 2, "name": "n.txt", "type": "text/plain", "href": format!("/v1/files/{HASH}")});
    let outputs =
        validate_outputs(&service, object(json!({"output_1": file, "output_2": 3.0}))).unwrap();
    assert_eq!(
        Value::Object(outputs),
        json!({"output_1": file, "output_2": 3})
    );
    let violations =
        validate_outputs(&service, object(json!({"output_1": file, "output_3": 3}))).unwrap_err();
    let found: Vec<String> = violations
        .iter()
        .map(|v| format!("{} {}", v.pointer, v.rule))
        .collect();
    assert_eq!(found, ["/output_2 required", "/output_3 unknown-port"]);
    let none = service_with("a:1.0.0", "{}", "{}");
    assert_eq!(validate_outputs(&none, Map::new()), Ok(Map::new()));
    assert!(validate_outputs(&none, object(json!({"x": 1}))).is_err());
}

#[test]
fn a_hostile_body_gets_a_short_answer() {
    let service = service(SLEEPER);
    let inputs: Map<String, Value> = (0..50_000)
        .map(|i| (format!("input_{i}x"), json!("y".repeat(10))))
        .collect();
    let violations = validate_inputs(&service, inputs).unwrap_err();
    assert_eq!(violations.len(), VIOLATIONS_MAX);
    let long =
        validate_inputs(&service, object(json!({"input_2": "y".repeat(1 << 20)}))).unwrap_err();
    assert!(long.iter().all(|violation| violation.detail.len() < 500));
}
