//! Rules about other fields, whatever their order on the wire.

use std::collections::BTreeMap;

use super::*;
use crate::{
    json::{JsonOptions, json_to_struct, struct_to_json},
    model::{Contract, load},
};

fn contract(text: &str) -> Contract {
    let files = BTreeMap::from([("c.thrift".to_owned(), text.as_bytes().to_vec())]);
    let loaded = load("c.thrift", &files, &[]);
    assert_eq!(loaded.diagnostics.len(), 0, "{:?}", loaded.diagnostics);
    loaded.contract.unwrap()
}

/// What is said of a struct `S`, by all that look at rules, with its fields in this order and in the other.
#[track_caller]
fn judge(fields: &str, value: &[(i16, Value)]) -> std::result::Result<(), String> {
    let contract = contract(&format!(
        "enum E {{ A, B }}\nstruct Part {{ 1: i32 a, 2: i32 b (vt.gt = \"$a\") }}\nstruct S {{ {fields} }}"
    ));
    let schema = &contract.schema;
    let id = schema.structs().find(|(_, it)| it.name == "S").unwrap().0;
    let mut value = value.to_vec();
    let mut found = Vec::new();
    for _ in 0..2 {
        let value_now = Value::Struct(value.clone());
        let words = |error: &Malformed| format!("{}: {}", error.path(), error.fault);
        found.push(on_every_way(schema, id, &value_now).map_err(|error| words(&error)));
        assert_eq!(is_good_from_json(schema, id, &value_now), found[0].is_ok());
        value.reverse();
    }
    assert_eq!(found[0], found[1]);
    found.remove(0)
}

/// Whether the same is taken as JSON.
fn is_good_from_json(schema: &Schema, id: StructId, value: &Value) -> bool {
    let (options, limits) = (JsonOptions::default(), Limits::default());
    let mut bytes = Vec::new();
    write_value(
        schema,
        Type::Struct(id),
        value,
        &mut BinaryWriter::new(&mut bytes),
    )
    .unwrap();
    let mut text = Vec::new();
    let mut reader = BinaryReader::new(&bytes, &limits);
    struct_to_json(schema, id, &mut reader, &options, &mut text).unwrap();
    let mut out = Vec::new();
    let mut writer = BinaryWriter::new(&mut out);
    json_to_struct(schema, id, &text, &options, &limits, &mut writer).is_ok()
}

#[track_caller]
fn holds(fields: &str, value: &[(i16, Value)]) {
    assert_eq!(judge(fields, value), Ok(()), "{fields}");
}

#[track_caller]
fn broken(fields: &str, value: &[(i16, Value)], expected: &str) {
    assert_eq!(judge(fields, value), Err(expected.to_owned()), "{fields}");
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn integers(count: i32) -> Value {
    Value::List((0..count).map(Value::I32).collect())
}

#[test]
fn numbers_are_compared() {
    let range = "1: i32 low, 2: i64 high (vt.gt = \"$low\")";
    holds(range, &[(1, Value::I32(3)), (2, Value::I64(4))]);
    broken(
        range,
        &[(1, Value::I32(3)), (2, Value::I64(3))],
        "high: must be greater than $low, which is 3; is 3",
    );
    // Without one of them there is nothing to compare.
    holds(range, &[(1, Value::I32(3))]);
    holds(range, &[(2, Value::I64(3))]);
    // Unless it has a default, which is what whoever reads it sees.
    let default = "1: i32 low = 5, 2: i64 high (vt.gt = \"$low\")";
    broken(
        default,
        &[(2, Value::I64(3))],
        "high: must be greater than $low, which is 5; is 3",
    );
    let mixed = "1: double a, 2: i8 b (vt.le = \"$a\"), 3: double c (vt.ne = \"$b\")";
    let value = |a, b, c| {
        [
            (1, Value::Double(a)),
            (2, Value::I8(b)),
            (3, Value::Double(c)),
        ]
    };
    holds(mixed, &value(1.5, 1, 1.5));
    broken(
        mixed,
        &value(1.5, 2, 1.5),
        "b: must be at most $a, which is 1.5; is 2",
    );
    broken(
        mixed,
        &value(3.0, 2, 2.0),
        "c: must not be $b, which is 2; is 2",
    );
    // NaN is neither more nor less.
    assert!(judge(mixed, &value(f64::NAN, 2, 1.5)).is_err());
}

#[test]
fn texts_flags_and_enumerations_are_compared() {
    let texts = "1: string a, 2: binary b (vt.eq = \"$a\"), 3: string c (vt.prefix = \"$a\", vt.not_contains = \"$d\"), 4: string d";
    let value = |b: &str, c: &str| {
        let b = Value::Binary(b.as_bytes().to_vec());
        [(1, text("ab")), (2, b), (3, text(c)), (4, text("x"))]
    };
    holds(texts, &value("ab", "abc"));
    broken(
        texts,
        &value("abc", "abc"),
        "b: must be $a, which is \"ab\"; is \"abc\"",
    );
    broken(
        texts,
        &value("ab", "bab"),
        "c: must begin with $a, which is \"ab\"; is \"bab\"",
    );
    broken(
        texts,
        &value("ab", "abx"),
        "c: must not contain $d, which is \"x\"; is \"abx\"",
    );
    let rest = "1: bool a, 2: bool b (vt.ne = \"$a\"), 3: E c, 4: E d (vt.eq = \"$c\")";
    let value = |b, d| {
        let (a, c) = (Value::Bool(true), Value::I32(1));
        [(1, a), (2, Value::Bool(b)), (3, c), (4, Value::I32(d))]
    };
    holds(rest, &value(false, 1));
    broken(
        rest,
        &value(true, 1),
        "b: must not be $a, which is true; is true",
    );
    broken(rest, &value(false, 0), "d: must be $c, which is 1; is 0");
}

#[test]
fn several_fields_can_be_excluded_and_one_be_meant() {
    let fields =
        "1: i32 a, 2: i32 b, 3: i32 c (vt.not_in = \"[$a, 7, $b]\"), 4: i32 d (vt.in = \"$a\")";
    let value = |c, d| [1, 2, c, d].map(Value::I32);
    let value = |c, d| (1..).zip(value(c, d)).collect::<Vec<(i16, Value)>>();
    holds(fields, &value(3, 1));
    broken(fields, &value(1, 1), "c: must not be $a, which is 1; is 1");
    broken(fields, &value(2, 1), "c: must not be $b, which is 2; is 2");
    broken(fields, &value(7, 1), "c: must not be one of 7, is 7");
    broken(fields, &value(3, 2), "d: must be $a, which is 1; is 2");
}

#[test]
fn sizes_are_compared() {
    let sized = "1: list<i32> a (vt.max_size = \"$most\"), 2: i32 most, 3: i16 b (vt.lt = \"@len($a)\"), \
                 4: map<string, i32> c (vt.min_size = \"@len( $d )\"), 5: string d";
    let value = |a, most, b, c: usize, d: &str| {
        let entries = (0..c).map(|at| (text(&at.to_string()), Value::I32(0)));
        let c = Value::Map(entries.collect());
        let (most, b) = (Value::I32(most), Value::I16(b));
        [(1, integers(a)), (2, most), (3, b), (4, c), (5, text(d))]
    };
    holds(sized, &value(3, 3, 2, 2, "ab"));
    broken(
        sized,
        &value(3, 2, 2, 2, "ab"),
        "a: must have a size of at most $most, which is 2; has 3",
    );
    broken(
        sized,
        &value(3, 3, 3, 2, "ab"),
        "b: must be less than @len($a), which is 3; is 3",
    );
    broken(
        sized,
        &value(3, 3, 2, 1, "ab"),
        "c: must have a size of at least @len($d), which is 2; has 1",
    );
    // A size cannot be negative.
    assert!(judge(sized, &value(0, -1, -5, 0, "")).is_err());
    // A text that is written there is a number, and the field itself has a size too.
    broken(
        "1: i32 a (vt.eq = \"@len('abc')\")",
        &[(1, Value::I32(2))],
        "a: must be 3, is 2",
    );
    holds("1: i32 a (vt.eq = \"@len(abc)\")", &[(1, Value::I32(3))]);
}

#[test]
fn what_is_within_is_judged_by_itself() {
    let part = |a, b| Value::Struct(vec![(1, Value::I32(a)), (2, Value::I32(b))]);
    let fields = "1: i32 x, 2: list<Part> parts (vt.max_size = \"$x\"), 3: Part one";
    let value = |x, parts: Vec<Value>, one| [(1, Value::I32(x)), (2, Value::List(parts)), (3, one)];
    holds(fields, &value(2, vec![part(1, 2), part(8, 9)], part(0, 1)));
    broken(
        fields,
        &value(2, vec![part(1, 2), part(8, 8)], part(0, 1)),
        "parts[1].b: must be greater than $a, which is 8; is 8",
    );
    broken(
        fields,
        &value(1, vec![part(1, 2), part(8, 9)], part(0, 1)),
        "parts: must have a size of at most $x, which is 1; has 2",
    );
    broken(
        fields,
        &value(1, vec![], part(0, 0)),
        "one.b: must be greater than $a, which is 0; is 0",
    );
}

#[test]
fn skipped_fields_are_not_judged_but_compared_with() {
    let fields = "1: i32 a (vt.skip = \"true\", vt.lt = \"$b\"), 2: i32 b (vt.lt = \"$c\"), \
                  3: i32 c (vt.skip = \"true\", vt.lt = \"0\"), 4: list<Part> d (vt.skip = \"true\"), \
                  5: i32 e (vt.le = \"@len($d)\")";
    let part = Value::Struct(vec![(1, Value::I32(1)), (2, Value::I32(0))]);
    let value = |b, e| {
        let d = Value::List(vec![part.clone(), part.clone()]);
        let integer = Value::I32;
        [
            (1, integer(9)),
            (2, integer(b)),
            (3, integer(2)),
            (4, d),
            (5, integer(e)),
        ]
    };
    holds(fields, &value(1, 2));
    broken(
        fields,
        &value(2, 2),
        "b: must be less than $c, which is 2; is 2",
    );
    broken(
        fields,
        &value(1, 3),
        "e: must be at most @len($d), which is 2; is 3",
    );
}

#[test]
fn arguments_have_such_rules_too() {
    let contract = contract("service S { void f(1: i32 a, 2: i32 b (vt.ge = \"$a\")) }");
    let (_, service) = contract.schema.services().next().unwrap();
    let arguments = service.methods[0].arguments;
    let value = Value::Struct(vec![(2, Value::I32(1)), (1, Value::I32(2))]);
    let error = on_every_way(&contract.schema, arguments, &value).unwrap_err();
    assert_eq!(error.path(), "b");
}

#[test]
fn of_two_fields_with_one_id_the_last_counts() {
    let fields = "1: i32 a, 2: i32 b (vt.ge = \"$a\")";
    let value = |last| {
        [
            (1, Value::I32(9)),
            (2, Value::I32(3)),
            (1, Value::I32(last)),
        ]
    };
    let contract = contract(&format!("struct S {{ {fields} }}"));
    let check = |last| {
        let mut bytes = Vec::new();
        let id = StructId(0);
        let value = Value::Struct(value(last).into());
        let ty = Type::Struct(id);
        write_value(
            &contract.schema,
            ty,
            &value,
            &mut BinaryWriter::new(&mut bytes),
        )
        .unwrap();
        let limits = Limits::default();
        check_struct(
            &contract.schema,
            id,
            &mut BinaryReader::new(&bytes, &limits),
        )
        .is_ok()
    };
    assert!(check(3));
    assert!(!check(4));
}

#[test]
fn from_json_all_that_do_not_hold_are_found() {
    let contract = contract(
        "struct P { 1: i32 a, 2: i32 b (vt.gt = \"$a\") }\n\
         struct S { 1: i32 low = 5, 2: i32 high (vt.gt = \"$low\", api.key = \"to\"), 3: list<P> parts (vt.max_size = \"@len($name)\"), \
         4: string name (vt.skip = \"true\"), 5: list<P> none (vt.skip = \"true\"), 6: i32 few (vt.lt = \"@len($none)\") }",
    );
    let id = contract.schema.structs().find(|(_, it)| it.name == "S");
    let check = |text: &str| {
        let mut out = Vec::new();
        let (options, limits) = (JsonOptions::default(), Limits::default());
        let mut writer = BinaryWriter::new(&mut out);
        let id = id.unwrap().0;
        let read = json_to_struct(
            &contract.schema,
            id,
            text.as_bytes(),
            &options,
            &limits,
            &mut writer,
        );
        let found: Vec<String> = match read {
            Ok(()) => {
                return check_struct(&contract.schema, id, &mut BinaryReader::new(&out, &limits))
                    .map_err(|error| vec![error.to_string()]);
            }
            Err(error) => error
                .all()
                .map(|it| format!("{} {}: {}", it.pointer, it.offset, it.kind))
                .collect(),
        };
        Err(found)
    };
    let good = r#"{"to":6,"parts":[{"b":2,"a":1}],"name":"é","none":[{"a":1,"b":1}],"few":0}"#;
    assert_eq!(check(good), Ok(()));
    let bad = r#"{"few":1,"none":[{"a":1,"b":1}],"parts":[{"b":1,"a":1},{}],"name":"x","to":5}"#;
    let expected = [
        "/parts/0/b 46: must be greater than $a, which is 1; is 1",
        "/to 75: must be greater than $low, which is 5; is 5",
        "/parts 40: must have a size of at most @len($name), which is 1; has 2",
        "/few 7: must be less than @len($none), which is 1; is 1",
    ];
    assert_eq!(check(bad), Err(expected.map(str::to_owned).into()));
    // What is wrong anyway is not compared.
    let wrong = check(r#"{"low":"x","to":0,"name":7,"parts":[{}]}"#).unwrap_err();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    assert_eq!(check(r#"{"low":null,"to":9}"#), Ok(()));
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let world = World::new();
    let (colour, inner) = (world.colour, world.inner);
    let schema = world.builder.schema();
    let fields = |name: &str| {
        Some(match name {
            "number" => Type::I64,
            "text" => Type::String,
            "colour" => colour,
            "inner" => inner,
            "uuid" => Type::Uuid,
            _ => return None,
        })
    };
    for (ty, rule, expected) in [
        (
            Type::I32,
            ("vt.gt", "$text"),
            "vt.gt: $text is of type string, with which i32 cannot be compared so",
        ),
        (
            Type::I32,
            ("vt.gt", "@len($number)"),
            "vt.gt: @len($number): i64 has no size",
        ),
        (
            Type::I32,
            ("vt.gt", "@len($inner)"),
            "vt.gt: @len($inner): Inner has no size",
        ),
        (
            Type::I32,
            ("vt.gt", "@len($text"),
            "vt.gt: @len($text: the ) is missing",
        ),
        (
            Type::I32,
            ("vt.prefix", "$text"),
            "vt.prefix: it is no rule for i32",
        ),
        (
            Type::String,
            ("vt.gt", "$text"),
            "vt.gt: it is no rule for string",
        ),
        (
            Type::String,
            ("vt.min_size", "$text"),
            "vt.min_size: $text is of type string, with which string cannot be compared so",
        ),
        (
            colour,
            ("vt.eq", "$number"),
            "vt.eq: $number is of type i64, with which Colour cannot be compared so",
        ),
        (
            Type::Uuid,
            ("vt.eq", "$uuid"),
            "vt.eq: it is no rule for uuid",
        ),
        (
            Type::I32,
            ("vt.eq", "$nobody"),
            "vt.eq: there is no field \"nobody\" beside it; with _escape behind the rule, $nobody is meant as it is written",
        ),
    ] {
        let parsed = Rules::parse_among(&annotations(&[rule]), ty, schema, &fields);
        assert_eq!(parsed.rules, None);
        assert!(!parsed.errors[0].is_unsupported, "{rule:?}");
        assert_eq!(parsed.errors[0].to_string(), expected);
    }
}
