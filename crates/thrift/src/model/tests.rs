//! Contracts from text, and what is said of them.

use std::collections::BTreeMap;

use super::*;
use crate::schema::Requiredness;

/// Files from one text: each begins with a line `--- label`; without such a line all is `main.thrift`.
fn files(text: &str) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut label = "main.thrift".to_owned();
    for line in text.split_inclusive('\n') {
        if let Some(other) = line.strip_prefix("--- ") {
            label = other.trim().to_owned();
            files.entry(label.clone()).or_default();
        } else {
            let file = files.entry(label.clone()).or_default();
            file.extend_from_slice(line.as_bytes());
        }
    }
    files
}

fn load_text(text: &str) -> Loaded {
    load("main.thrift", &files(text), &["lib".to_owned()])
}

/// What is said: `line:column: severity: message`, with the file in front unless it is the root, then the help, then the
/// other places.
fn findings(loaded: &Loaded) -> Vec<String> {
    let place = |label: &crate::idl::Label| {
        let (line, column) = loaded.sources.line_column(label.source, label.span.start);
        let file = &loaded.sources.file(label.source).label;
        match file.as_str() {
            "main.thrift" => format!("{line}:{column}"),
            file => format!("{file}:{line}:{column}"),
        }
    };
    loaded
        .diagnostics
        .iter()
        .map(|it| {
            let mut text = format!("{}: {:?}: {}", place(&it.primary), it.severity, it.message);
            for other in &it.others {
                text.push_str(&format!(" | {} {}", place(other), other.text));
            }
            text.replace("Error", "error").replace("Warning", "warning")
        })
        .collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let loaded = load_text(text);
    assert_eq!(findings(&loaded), expected, "\n{text}");
    let has_error = expected.iter().any(|it| it.contains(": error: "));
    assert_eq!(loaded.contract.is_none(), has_error, "\n{text}");
}

#[track_caller]
fn contract(text: &str) -> Contract {
    let loaded = load_text(text);
    loaded
        .contract
        .unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics))
}

#[track_caller]
fn constant(text: &str) -> Value {
    let contract = contract(text);
    contract.constants.last().unwrap().value.clone()
}

mod names;
mod random;
mod values;

#[test]
fn a_contract_has_everything() {
    let contract = contract(
        "
/** All of it. */
namespace py calc.types
include \"shared.thrift\"
/** Counts. */
typedef i64 Count (unit = \"one\")
enum Op { ADD = 1, SUB, MUL = 10 }
const Op FIRST = Op.SUB
/** A sum. */
struct Sum {
  2: optional list<shared.Point> points
  1: required Count count = 7 (api.key = \"n\")
} (x)
exception Bad { 1: string why }
service Calculator extends shared.Base {
  /** Adds. */
  Sum add(1: Sum left, 2: Op op = Op.MUL) throws (1: Bad bad),
  oneway void forget()
}
--- shared.thrift
struct Point { 1: i32 x }
service Base { void ping() }
",
    );
    let schema = &contract.schema;
    assert_eq!(contract.label, "main.thrift");
    assert_eq!(
        contract.namespaces().collect::<Vec<_>>(),
        [("py", "calc.types")]
    );
    let names: Vec<_> = schema.structs().map(|(_, it)| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Sum",
            "Bad",
            "shared.Point",
            "ping_args",
            "ping_result",
            "add_args",
            "add_result",
            "forget_args"
        ]
    );
    let (_, sum) = schema.structs().next().unwrap();
    assert_eq!(sum.doc.as_deref().map(str::trim), Some("A sum."));
    assert_eq!(sum.annotations["x"], ["1"]);
    assert_eq!(sum.fields[0].json_name, "n");
    assert_eq!(sum.fields[0].default, Some(Value::I64(7)));
    assert_eq!(sum.fields[0].requiredness, Requiredness::Required);
    assert_eq!(schema.type_name(sum.fields[1].ty), "list<shared.Point>");
    let services: Vec<_> = schema.services().map(|(_, it)| it).collect();
    assert_eq!(services[0].name, "shared.Base");
    assert!(!services[0].is_own);
    let calculator = services[1];
    assert!(calculator.is_own);
    let methods: Vec<_> = calculator.methods.iter().map(|it| &*it.name).collect();
    assert_eq!(methods, ["ping", "add", "forget"]);
    let add = calculator.method(b"add").unwrap();
    let arguments = schema.structure(add.arguments);
    assert_eq!(arguments.fields[1].default, Some(Value::I32(10)));
    assert_eq!(contract.constants[0].value, Value::I32(2));
    assert_eq!(contract.typedefs[0].ty, Type::I64);
    assert_eq!(contract.typedefs[0].annotations["unit"], ["one"]);
    assert_eq!(contract.files[1].prefix, "shared.");

    let text = |place: Place| {
        let file = contract.sources.file(place.source);
        file.text[place.span.range()].to_owned()
    };
    let sum = &contract.places.structs[0];
    assert_eq!(text(sum.name), "Sum");
    assert!(text(sum.parts[0]).starts_with("1: required Count"));
    let places: Vec<_> = contract
        .places
        .structs
        .iter()
        .map(|it| text(it.name))
        .collect();
    assert_eq!(
        places,
        [
            "Sum", "Bad", "Point", "ping", "ping", "add", "add", "forget"
        ]
    );
    for (id, structure) in schema.structs() {
        let parts = &contract.places.structure(id).parts;
        assert_eq!(parts.len(), structure.fields.len(), "{}", structure.name);
    }
    let service = &contract.places.services[1];
    assert_eq!(text(service.parts[0]), "void ping()");
}

#[test]
fn ids_of_fields() {
    let ids = |text: &str| -> Vec<i16> {
        let contract = contract(text);
        let (_, structure) = contract.schema.structs().next().unwrap();
        structure.fields.iter().map(|field| field.id).collect()
    };
    assert_eq!(ids("struct S {i32 a, 1: i32 b, i32 c}"), [-2, -1, 1]);
    assert_eq!(ids("struct S {-5: i32 a, 0: i32 b}"), [-2, -1]);
    check(
        "struct S {i32 a, 1: i32 b, i32 c}",
        &["1:15: warning: `a` and 1 more have no id"],
    );
    check(
        "service S {void f(0: i32 a)}",
        &["1:19: warning: an id must be positive, and 0 is not"],
    );
    check(
        "struct S {40000: i32 a\n1: i32 b\n1: i32 c\n2: i32 c}",
        &[
            "1:11: error: the id 40000 is out of the range of i16",
            "3:1: error: the id 1 is used twice | 2:1 first used here",
            "4:8: error: the name `c` is used twice | 3:8 first used here",
        ],
    );
    check(
        "struct S {1: i32 a (api.key = \"b\")\n2: i32 b}",
        &["2:1: error: the name `b` is used twice in JSON | 1:11 first used here"],
    );
}

#[test]
fn requiredness_that_makes_no_sense_is_ignored() {
    check(
        "union U {1: required i32 a\n2: optional i32 b\n3: i32 c}",
        &["1:26: warning: fields of a union cannot be `required`"],
    );
    check(
        "exception E {}
service S { void f(1: optional i32 a, 2: required i32 b) throws (1: required E e) }",
        &[
            "2:36: warning: arguments cannot be `optional`",
            "2:80: warning: exceptions cannot be `required`",
        ],
    );
    check(
        "union U {1: i32 a = 1\n2: i32 b = 2}",
        &["2:12: error: only one field of a union can have a default | 1:21 the first"],
    );
}

#[test]
fn methods_are_checked() {
    check(
        "exception E {}
service S {
  oneway i32 f()
  oneway void g() throws (1: E e)
  void h()
  void h()
  void i() throws (1: i32 e)
}",
        &[
            "3:10: warning: a one-way method returns nothing",
            "4:27: error: the one-way method `g` cannot throw",
            "6:8: error: method `h` is defined twice | 5:8 first defined here",
            "7:23: error: `i32` is not an exception",
        ],
    );
    // `success` is a name like others, and an exception may be thrown twice.
    check(
        "exception E {}
typedef E F
service S { i32 f() throws (1: E success, 2: F again) }",
        &[],
    );
    check(
        "exception E {}
struct A {1: E e, 2: list<E> f}
service S { E f(1: map<string, E> a) }
const E OK = {}",
        &[
            "2:14: error: the exception `E` can only be thrown",
            "2:27: error: the exception `E` can only be thrown",
            "3:13: error: the exception `E` can only be thrown",
            "3:32: error: the exception `E` can only be thrown",
        ],
    );
}

#[test]
fn services_extend_each_other() {
    check(
        "--- main.thrift
include \"a.thrift\"
service S extends a.Base { void ping() }
service T extends S {}
service U extends a.Bas {}
struct V {}
service W extends V {}
--- a.thrift
service Base { void ping() }
",
        &[
            "2:33: error: `a.Base` has a method `ping` already | a.thrift:1:16 first defined here",
            "4:19: error: `a.Bas` is not defined",
            "6:19: error: `V` is not a service | 5:8 defined here",
        ],
    );
    check(
        "service A extends C {}
service B extends A {}
service C extends B {}
service D extends D {}",
        &[
            "1:19: warning: `C` is used before it is defined | 3:9 defined here",
            "2:9: error: service `B` extends itself | 1:9 by way of this service",
            "4:9: error: service `D` extends itself | 4:9 by way of this service",
        ],
    );
    let contract = contract("service A extends B { void a() }\nservice B { void b() }");
    let names: Vec<_> = contract
        .schema
        .services()
        .map(|(_, it)| (it.name.as_str(), it.methods.len()))
        .collect();
    assert_eq!(names, [("B", 1), ("A", 2)]);
}

#[test]
fn rules_are_read() {
    let contract =
        contract("struct S {1: i32 a (vt.gt = \"1\")}\nstruct T {1: list<S> s}\nstruct U {}");
    let marked: Vec<_> = contract
        .schema
        .structs()
        .map(|(_, it)| it.has_rules)
        .collect();
    assert_eq!(marked, [true, true, false]);
    check(
        "struct S {
  1: i32 a (vt.gt = \"x\", vt.pattern = \"y\")
  2: i32 b (vt.gt = \"$a[0]\")
}",
        &[
            "2:13: error: vt.gt: \"x\" is not an integer of 64 bits",
            "2:26: error: vt.pattern: it is no rule for i32",
            "3:13: warning: vt.gt: $a[0] refers to a part of a field; the rule is not checked",
        ],
    );
}

#[test]
fn findings_are_limited() {
    let mut text = "struct S {}\n".to_owned();
    for at in 0..150 {
        text.push_str(&format!(
            "struct A{at} {{1: Nope a}}\nunion U{at} {{1: required S s}}\n"
        ));
    }
    let found = findings(&load_text(&text));
    assert_eq!(found.len(), 202);
    let rest: Vec<_> = found.iter().filter(|it| it.contains("more")).collect();
    assert_eq!(
        rest,
        [
            "200:16: error: 50 more errors are not shown",
            "201:26: warning: 50 more warnings are not shown",
        ]
    );
}

#[test]
fn what_uses_deprecated_things_is_told() {
    check(
        "enum Old { A } (deprecated = \"use New\")\n\
         enum New { A }\n\
         typedef New T (deprecated)\n\
         typedef list<Old> Olds\n\
         struct S { 1: Old a, 2: Old b (deprecated), 3: New c, 4: map<string, T> d }\n\
         struct P { 1: Old a } (deprecated)\n\
         struct Q { 1: Old a } (deprecated = \"false\")\n\
         service Base { void ping(1: P p) } (deprecated)\n\
         service V extends Base {\n\
           P get(1: T t),\n\
           P old(1: T t) (deprecated)\n\
         }\n",
        &[
            "4:14: warning: `Old` is deprecated | 1:6 defined here",
            "5:15: warning: `Old` is deprecated | 1:6 defined here",
            "5:70: warning: `T` is deprecated | 3:13 defined here",
            "7:15: warning: `Old` is deprecated | 1:6 defined here",
            "9:19: warning: `Base` is deprecated | 8:9 defined here",
            "10:1: warning: `P` is deprecated | 6:8 defined here",
            "10:10: warning: `T` is deprecated | 3:13 defined here",
        ],
    );
    let days = "service S {\n\
                void a() (deprecated, trefoil.sunset = \"2027-02-29\")\n\
                void b() (deprecated, trefoil.deprecated_since = \"2026-11-22\")\n\
                }\n";
    check(
        days,
        &["2:23: warning: trefoil.sunset: \"2027-02-29\" is not a day"],
    );
}
