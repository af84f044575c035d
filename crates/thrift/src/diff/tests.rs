//! Pairs of contracts, and what is said of them.

use std::collections::BTreeMap;

use super::*;

#[track_caller]
fn contract(text: &str) -> Contract {
    let files = BTreeMap::from([
        ("main.thrift".to_owned(), text.as_bytes().to_vec()),
        (
            "base.thrift".to_owned(),
            b"struct Point {1: i32 x}\nservice Base { void ping() }".to_vec(),
        ),
    ]);
    let loaded = crate::model::load("main.thrift", &files, &[]);
    loaded
        .contract
        .unwrap_or_else(|| panic!("{text}\n{:#?}", loaded.diagnostics))
}

/// Changes as `severity kind place`.
#[track_caller]
fn check(old: &str, new: &str, expected: &[&str]) {
    let (old_contract, new_contract) = (contract(old), contract(new));
    let changes = diff(&old_contract, &new_contract);
    let found: Vec<String> = changes
        .iter()
        .map(|it| format!("{} {} {}", it.severity.as_str(), it.kind.key(), it.place))
        .collect();
    assert_eq!(found, expected, "\n{old}\n{new}");
    // Both forms can be made of anything.
    let (old, new) = (&old_contract.sources, &new_contract.sources);
    assert_eq!(
        to_json(&changes, old, new)["changes"]
            .as_array()
            .unwrap()
            .len(),
        changes.len()
    );
    assert_eq!(render(&changes, old, new).is_empty(), changes.is_empty());
    for contract in [&old_contract, &new_contract] {
        assert_eq!(diff(contract, contract), []);
    }
}

/// Both ways: what the one does, the other takes back.
#[track_caller]
fn check_both(old: &str, new: &str, forth: &[&str], back: &[&str]) {
    check(old, new, forth);
    check(new, old, back);
}

#[test]
fn services_and_methods() {
    check_both(
        "service S { void a() }",
        "service S { void a(), i32 b() } service T {}",
        &["minor method-added S.b", "minor service-added T"],
        &["major method-removed S.b", "major service-removed T"],
    );
    check_both(
        "service S { void a() }",
        "service S { oneway void a() }",
        &["major oneway-changed S.a"],
        &["major oneway-changed S.a"],
    );
    check_both(
        "service S { void a() }",
        "service S { i32 a() }",
        &["major return-changed S.a"],
        &["major return-changed S.a"],
    );
    check(
        "enum E {A} service S { i32 a(), list<i32> b() }",
        "enum E {A} service S { i64 a(), list<E> b() }",
        &[
            "major return-changed S.a",
            "major return-changed-in-json S.b",
        ],
    );
}

#[test]
fn inherited_methods_are_compared_once() {
    check(
        "service A { void a(1: i32 x) } service B extends A {}",
        "service A { void a(1: i64 x) } service B extends A {}",
        &["major type-changed A.a.arguments.x"],
    );
    check_both(
        "include 'base.thrift' service S extends base.Base {}",
        "include 'base.thrift' service S { void ping() }",
        &["patch parent-changed S"],
        &["patch parent-changed S"],
    );
    check_both(
        "include 'base.thrift' service S extends base.Base {}",
        "include 'base.thrift' service S {}",
        &["major method-removed S.ping"],
        &["minor method-added S.ping"],
    );
}

#[test]
fn arguments_and_exceptions() {
    check_both(
        "service S { void a(1: i32 x) }",
        "service S { void a(1: i32 x, 2: i32 y, 3: required i32 z) }",
        &[
            "minor argument-added S.a.arguments.y",
            "major required-argument-added S.a.arguments.z",
        ],
        &[
            "major argument-removed S.a.arguments.y",
            "major argument-removed S.a.arguments.z",
        ],
    );
    let errors = "exception E {} exception F {}";
    check_both(
        &format!("{errors} service S {{ void a() throws (1: E e) }}"),
        &format!("{errors} service S {{ void a() throws (1: E e, 2: F f) }}"),
        &["major exception-added S.a.throws.f"],
        &["minor exception-removed S.a.throws.f"],
    );
    check(
        &format!("{errors} service S {{ i32 a() throws (1: E success, 2: F f) }}"),
        &format!("{errors} service S {{ i32 a() throws (1: F success, 3: F f) }}"),
        &[
            "major type-changed S.a.throws.success",
            "major field-renumbered S.a.throws.f",
        ],
    );
    check(
        &format!("{errors} service S {{ i32 a() throws (1: E e) }}"),
        &format!("{errors} service S {{ i32 a() throws (1: E g) }}"),
        &["minor field-renamed-in-code S.a.throws.g"],
    );
}

#[test]
fn fields() {
    let check = |old: &str, new: &str, forth: &[&str], back: &[&str]| {
        let structure = |fields: &str| format!("enum E {{A, B}} struct S {{ {fields} }}");
        check_both(&structure(old), &structure(new), forth, back);
    };
    check(
        "1: i32 a",
        "1: i32 a, 2: i32 b",
        &["minor field-added S.b"],
        &["major field-removed S.b"],
    );
    check(
        "1: i32 a",
        "1: i32 a, 2: required i32 b",
        &["major required-field-added S.b"],
        &["major field-removed S.b"],
    );
    check(
        "1: i32 a",
        "2: i32 a",
        &["major field-renumbered S.a"],
        &["major field-renumbered S.a"],
    );
    check(
        "1: i32 a, 2: i32 b",
        "2: i32 a, 1: i32 b",
        &["major field-renumbered S.a", "major field-renumbered S.b"],
        &["major field-renumbered S.b", "major field-renumbered S.a"],
    );
    check(
        "1: i32 a",
        "1: i32 b",
        &["major field-renamed S.b"],
        &["major field-renamed S.a"],
    );
    check(
        "1: i32 a",
        "1: i32 b (api.key = 'a')",
        &["minor field-renamed-in-code S.b"],
        &["minor field-renamed-in-code S.a"],
    );
    check(
        "1: i32 a",
        "1: i32 a (api.key = 'b')",
        &["major json-name-changed S.a"],
        &["major json-name-changed S.a"],
    );
    check(
        "1: i32 a",
        "1: i64 a",
        &["major type-changed S.a"],
        &["major type-changed S.a"],
    );
    check(
        "1: map<i32, list<string>> a",
        "1: map<E, list<binary>> a",
        &["major type-changed-in-json S.a"],
        &["major type-changed-in-json S.a"],
    );
    check(
        "1: i32 a",
        "1: i32 a = 1",
        &["minor default-added S.a"],
        &["major default-removed S.a"],
    );
    check(
        "1: i32 a = 1",
        "1: i32 a = 2",
        &["minor default-changed S.a"],
        &["minor default-changed S.a"],
    );
    check(
        "1: i32 a",
        "1: optional i32 a",
        &["minor presence-changed S.a"],
        &["minor presence-changed S.a"],
    );
    check(
        "1: optional i32 a",
        "1: required i32 a",
        &["major made-required S.a"],
        &["major made-optional S.a"],
    );
}

#[test]
fn what_is_required_depends_on_the_way() {
    let both = |service: &str, forth: &[&str], back: &[&str]| {
        check_both(
            &format!("struct S {{1: i32 a}} {service}"),
            &format!("struct S {{1: required i32 a, 2: required i32 b}} {service}"),
            forth,
            back,
        );
    };
    both(
        "service V { void f(1: list<S> s) }",
        &["major made-required S.a", "major required-field-added S.b"],
        &["minor made-optional S.a", "major field-removed S.b"],
    );
    both(
        "service V { map<i32, S> f() }",
        &["minor made-required S.a", "minor field-added S.b"],
        &["major made-optional S.a", "major field-removed S.b"],
    );
    both(
        "service V { S f(1: S s) }",
        &["major made-required S.a", "major required-field-added S.b"],
        &["major made-optional S.a", "major field-removed S.b"],
    );
}

#[test]
fn types() {
    check_both(
        "struct A {}",
        "struct A {} struct B {} enum C {X}",
        &["minor type-added B", "minor type-added C"],
        &["minor type-removed B", "minor type-removed C"],
    );
    check_both(
        "struct A {1: i32 x}",
        "union A {1: i32 x}",
        &["major struct-kind-changed A", "minor presence-changed A.x"],
        &["major struct-kind-changed A", "minor presence-changed A.x"],
    );
    check(
        "struct A {}",
        "enum A {X}",
        &["minor type-removed A", "minor type-added A"],
    );
    // Another name is found where it is used, and what is in it is compared.
    check(
        "struct A {1: i32 x} struct S {1: list<A> a}",
        "struct B {1: i64 x} struct S {1: list<B> a}",
        &["minor type-renamed B", "major type-changed B.x"],
    );
    check(
        "enum A {X} service S { A f() }",
        "enum B {X, Y} service S { B f() }",
        &["minor type-renamed B", "minor enum-value-added B.Y"],
    );
    check(
        "exception A {} service S { void f() throws (1: A a) }",
        "exception B {} service S { void f() throws (1: B a) }",
        &["major exception-renamed B"],
    );
    // Both were there before: it is another type.
    check(
        "struct A {} struct B {} struct S {1: A a}",
        "struct A {} struct B {} struct S {1: B a}",
        &["major type-changed S.a"],
    );
    check(
        "include 'base.thrift' struct S {1: base.Point p}",
        "struct Point {1: i32 x} struct S {1: Point p}",
        &["minor type-renamed Point"],
    );
}

#[test]
fn enumerations() {
    check_both(
        "enum E {A = 1}",
        "enum E {A = 1, B = 2}",
        &["minor enum-value-added E.B"],
        &["major enum-value-removed E.B"],
    );
    check(
        "enum E {A = 1, B = 2}",
        "enum E {A = 2, B = 1}",
        &[
            "major enum-value-renumbered E.A",
            "major enum-value-renumbered E.B",
        ],
    );
    check(
        "enum E {A = 1}",
        "enum E {B = 1}",
        &["major enum-value-renamed E.B"],
    );
    // A second name for a number is no change of the first.
    check_both(
        "enum E {A = 1}",
        "enum E {A = 1, B = 1}",
        &["minor enum-value-added E.B"],
        &["major enum-value-removed E.B"],
    );
}

#[test]
fn annotations() {
    let method = |annotations: &str| format!("service S {{ void f() ({annotations}) }}");
    let check_method = |old: &str, new: &str, expected: &[&str]| {
        check(&method(old), &method(new), expected);
    };
    check_method("", "api.get = '/a'", &["minor route-added S.f"]);
    check_method(
        "api.get = '/a'",
        "api.get = '/a', api.get = '/b'",
        &["minor route-added S.f"],
    );
    check_method(
        "api.get = '/a'",
        "api.get = '/b'",
        &["major route-removed S.f"],
    );
    check_method(
        "api.get = '/a'",
        "api.post = '/a'",
        &["major route-removed S.f", "minor route-added S.f"],
    );
    check_method("", "deprecated", &["minor deprecated S.f"]);
    check_method("deprecated", "", &["patch annotation-changed S.f"]);
    check_method("", "cpp.x = 'y'", &["patch annotation-changed S.f"]);
    check_method(
        "",
        "api.serializer = 'json'",
        &["minor annotation-changed S.f"],
    );
    check(
        "exception E {} (api.status = '404')",
        "exception E {} (api.status = '410')",
        &["major status-changed E"],
    );
    let field = |annotations: &str| format!("struct S {{ 1: i64 a ({annotations}) }}");
    let check_field = |old: &str, new: &str, expected: &[&str]| {
        check(&field(old), &field(new), expected);
    };
    check_field("", "api.query = 'a'", &["major source-changed S.a"]);
    check_field(
        "api.query = 'a'",
        "api.query = 'a', api.header = 'A'",
        &["minor source-added S.a"],
    );
    check_field(
        "api.query = 'a'",
        "api.header = 'A'",
        &["minor source-added S.a", "major source-changed S.a"],
    );
    check_field("", "api.js_conv", &["major int64-form-changed S.a"]);
    check_field(
        "api.js_conv",
        "api.js_conv = 'true'",
        &["patch annotation-changed S.a"],
    );
    check_field("", "api.none", &["major hidden-in-json S.a"]);
    check_field("api.none", "", &["minor shown-in-json S.a"]);
}

#[test]
fn rules() {
    let check_rule = |old: &str, new: &str, expected: &str| {
        let contract = |annotations: &str, service: &str| {
            format!("struct S {{ 1: i64 a ({annotations}) }} {service}")
        };
        check(&contract(old, ""), &contract(new, ""), &[expected]);
        // Nobody has to obey what only comes back.
        let returned = "service V { S f() }";
        check(
            &contract(old, returned),
            &contract(new, returned),
            &[&*expected.replace("major", "minor")],
        );
    };
    let (stricter, looser) = ("major rule-stricter S.a", "minor rule-looser S.a");
    check_rule("", "vt.gt = '1'", stricter);
    check_rule("vt.gt = '1'", "", looser);
    check_rule("vt.gt = '1'", "vt.gt = '2'", stricter);
    check_rule("vt.gt = '2'", "vt.gt = '1'", looser);
    check_rule("vt.le = '1'", "vt.le = '2'", looser);
    check_rule("vt.le = '2'", "vt.le = '1'", stricter);
    check_rule("vt.in = '1', vt.in = '2'", "vt.in = '1'", stricter);
    check_rule("vt.in = '1'", "vt.in = '1', vt.in = '2'", looser);
    check_rule(
        "vt.not_in = '1'",
        "vt.not_in = '1', vt.not_in = '2'",
        stricter,
    );
    check_rule("vt.gt = '1'", "vt.gt = '1', vt.skip = 'true'", looser);
    check_rule("vt.skip = 'true'", "", stricter);
}

#[test]
fn the_rest() {
    check_both(
        "const i32 A = 1",
        "const i32 A = 1 const i32 B = 1",
        &["minor constant-added B"],
        &["minor constant-removed B"],
    );
    check(
        "const i32 A = 1",
        "const i32 A = 2",
        &["minor constant-changed A"],
    );
    check(
        "namespace py a",
        "namespace py b",
        &["patch namespace-changed main.thrift"],
    );
    check(
        "/** One. */ struct S { /** a */ 1: i32 a }",
        "/** Two. */ struct S { /** b */ 1: i32 a }",
        &["patch doc-changed S", "patch doc-changed S.a"],
    );
    // Order, layout and typedefs mean nothing.
    check(
        "struct A {1: i32 x, 2: i32 y} struct B {}",
        "typedef i32 T\nstruct B {}\nstruct A {2: i32 y; 1: T x}",
        &[],
    );
}

#[test]
fn changes_are_shown_with_both_places() {
    let old = contract("struct S {\n  1: required i32 a = 7\n}");
    let new = contract("struct S {\n}\n/** New. */\nenum E { A }");
    let changes = diff(&old, &new);
    assert_eq!(
        render(&changes, &old.sources, &new.sources),
        "major: S.a: the field is gone
  was 1: required i32 a = 7 (main.thrift:2:3)
minor: E: the type is new
  is  E (main.thrift:4:6)
"
    );
    assert_eq!(
        to_json(&changes, &old.sources, &new.sources),
        serde_json::json!({
            "bump": "major",
            "changes": [
                {
                    "kind": "field-removed",
                    "severity": "major",
                    "place": "S.a",
                    "message": "the field is gone",
                    "old": {
                        "text": "1: required i32 a = 7",
                        "file": "main.thrift",
                        "line": 2,
                        "column": 3,
                    },
                },
                {
                    "kind": "type-added",
                    "severity": "minor",
                    "place": "E",
                    "message": "the type is new",
                    "new": { "text": "E", "file": "main.thrift", "line": 4, "column": 6 },
                },
            ],
        })
    );
    assert_eq!(required_bump(&changes), Some(Severity::Major));
    assert_eq!(required_bump(&[]), None);
}

#[test]
fn kinds_have_names_of_their_own() {
    let mut keys: Vec<_> = Kind::ALL.iter().map(|kind| kind.key()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), Kind::ALL.len());
}
