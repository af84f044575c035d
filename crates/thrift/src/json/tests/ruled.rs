//! Rules (`vt.*`).

use super::*;
use crate::{check_struct, rules::Rules};

/// A struct with one field, `it`, with rules; and what is said of a text.
#[track_caller]
fn judges(
    make: impl FnOnce(&mut Builder) -> Type,
    rules: &[(&str, &str)],
    json: &str,
    expected: Result<(), &str>,
) {
    let mut builder = Builder::new();
    let inner = builder.declare_struct("Inner", StructKind::Struct, None, Annotations::new());
    let mut field = NewField::new(1, "age", Type::I32);
    let adult = Annotations::from([("vt.ge".to_owned(), vec!["18".to_owned()])]);
    field.rules = Rules::parse(&adult, Type::I32, builder.schema()).rules;
    builder
        .define_struct(inner, vec![field])
        .expect("one field");
    let ty = make(&mut builder);
    let mut annotations = Annotations::new();
    for (key, value) in rules {
        let values: &mut Vec<String> = annotations.entry((*key).to_owned()).or_default();
        values.push((*value).to_owned());
    }
    let parsed = Rules::parse(&annotations, ty, builder.schema());
    assert_eq!(parsed.errors, []);
    let mut field = NewField::new(1, "it", ty);
    field.rules = parsed.rules;
    let id = builder.declare_struct("Outer", StructKind::Struct, None, Annotations::new());
    builder.define_struct(id, vec![field]).expect("one field");
    let schema = builder.build();

    let (options, limits): (JsonOptions, Limits) = Default::default();
    let mut out = Vec::new();
    let mut writer = BinaryWriter::new(&mut out);
    let result = json_to_struct(&schema, id, json.as_bytes(), &options, &limits, &mut writer);
    let found = result.map_err(|error| error.to_string());
    assert_eq!(
        found.as_ref().err().map(String::as_str),
        expected.err(),
        "{json}"
    );
    if found.is_ok() {
        check_struct(&schema, id, &mut BinaryReader::new(&out, &limits))
            .expect("it keeps the rules");
    }
}

/// `Inner`, whose `age` is 18 at least.
fn inner(builder: &mut Builder) -> Type {
    let (id, _) = builder.schema().structs().next().expect("it is the first");
    Type::Struct(id)
}

#[test]
fn values_keep_their_rules() {
    let broken = Err("/it: must be at least 3, is 2 (at byte 7)");
    for ty in [Type::I8, Type::I16, Type::I32, Type::I64] {
        judges(|_| ty, &[("vt.ge", "3")], r#"{"it": 3}"#, Ok(()));
        judges(|_| ty, &[("vt.ge", "3")], r#"{"it": 2}"#, broken);
    }
    judges(|_| Type::I64, &[("vt.ge", "3")], r#"{"it": "2"}"#, broken);
    judges(
        |_| Type::Double,
        &[("vt.lt", "1.5")],
        r#"{"it":1.5}"#,
        Err("/it: must be less than 1.5, is 1.5 (at byte 6)"),
    );
    judges(
        |_| Type::String,
        &[("vt.min_size", "2"), ("vt.prefix", "\"a\"")],
        r#"{"it":"\u0061"}"#,
        Err("/it: must have a size of at least 2, has 1 (at byte 6)"),
    );
    judges(
        |_| Type::Binary,
        &[("vt.max_size", "2")],
        r#"{"it":"AAEC"}"#,
        Err("/it: must have a size of at most 2, has 3 (at byte 6)"),
    );
    judges(
        |_| Type::Bool,
        &[("vt.const", "true")],
        r#"{"it":false}"#,
        Err("/it: must be true, is false (at byte 6)"),
    );
    // What is no value at all is not judged.
    judges(
        |_| Type::I32,
        &[("vt.ge", "3")],
        r#"{"it":true}"#,
        Err("/it: expected i32, found a boolean (at byte 6)"),
    );
    judges(|_| Type::I32, &[("vt.ge", "3")], "{}", Ok(()));
    judges(
        |_| Type::I32,
        &[("vt.not_nil", "true")],
        r#"{"it":null}"#,
        Err("/it: must be set (at byte 0)"),
    );
}

#[test]
fn containers_and_what_is_in_them_keep_their_rules() {
    judges(
        |builder| builder.list(Type::I32),
        &[("vt.max_size", "1"), ("vt.elem.gt", "0")],
        r#"{"it":[1,0]}"#,
        Err(
            "/it/1: must be greater than 0, is 0 (at byte 9); /it: must have a size of at most 1, has 2 (at byte 6)",
        ),
    );
    let map = |builder: &mut Builder| builder.map(Type::I32, Type::String);
    let rules = [
        ("vt.key.gt", "0"),
        ("vt.value.min_size", "1"),
        ("vt.min_size", "1"),
    ];
    judges(map, &rules, r#"{"it":{"1":"a"}}"#, Ok(()));
    judges(
        map,
        &rules,
        r#"{"it":{"0":"a","1":""}}"#,
        Err(
            "/it/0: must be greater than 0, is 0 (at byte 7); /it/1: must have a size of at least 1, has 0 (at byte 19)",
        ),
    );
    judges(
        map,
        &rules,
        r#"{"it":[{"key":0,"value":"a"}]}"#,
        Err("/it/0/key: must be greater than 0, is 0 (at byte 14)"),
    );
    judges(
        map,
        &rules,
        r#"{"it":{}}"#,
        Err("/it: must have a size of at least 1, has 0 (at byte 6)"),
    );
}

#[test]
fn structs_keep_their_own_rules_unless_they_are_skipped() {
    let young = r#"{"it":[{"age":17}]}"#;
    let make = |builder: &mut Builder| {
        let inner = inner(builder);
        builder.list(inner)
    };
    let broken = Err("/it/0/age: must be at least 18, is 17 (at byte 14)");
    judges(make, &[], young, broken);
    judges(make, &[("vt.min_size", "1")], young, broken);
    judges(make, &[("vt.skip", "true")], young, Ok(()));
    // Elements of sets are read twice, but said once to be wrong.
    let set = |builder: &mut Builder| {
        let inner = inner(builder);
        builder.set(inner)
    };
    judges(set, &[], young, broken);
}
