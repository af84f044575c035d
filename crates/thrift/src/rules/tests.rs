use super::*;
use crate::{
    Limits, Result, check_struct,
    protocol::{BinaryReader, BinaryWriter, CompactWriter},
    schema::{Annotations, Builder, EnumValue, NewField, StructKind},
    transcode_struct, write_value,
};

mod linked;

/// Types to choose from, and the schema that they are of.
struct World {
    builder: Builder,
    colour: Type,
    inner: Type,
}

impl World {
    fn new() -> Self {
        let mut builder = Builder::new();
        let values = [("RED", 1), ("GREEN", 2), ("BLUE", 7)].map(|(name, number)| EnumValue {
            name: name.to_owned(),
            number,
            doc: None,
            annotations: Annotations::new(),
        });
        let colour = builder.enumeration("Colour", values.into(), None, Annotations::new());
        let inner = builder.declare_struct("Inner", StructKind::Struct, None, Annotations::new());
        let mut field = NewField::new(1, "age", Type::I32);
        field.rules = Rules::parse(
            &annotations(&[("vt.ge", "18")]),
            Type::I32,
            builder.schema(),
        )
        .rules;
        builder.define_struct(inner, vec![field]).unwrap();
        Self {
            builder,
            colour: Type::Enum(colour),
            inner: Type::Struct(inner),
        }
    }

    /// Rules for the only field of a struct, called `it`, and what they say about a value of it.
    fn judge(
        mut self,
        ty: Type,
        rules: &[(&str, &str)],
        value: Option<Value>,
    ) -> std::result::Result<(), String> {
        let parsed = Rules::parse(&annotations(rules), ty, self.builder.schema());
        assert_eq!(parsed.errors, [], "{rules:?}");
        let mut field = NewField::new(1, "it", ty);
        field.rules = parsed.rules;
        let id = self
            .builder
            .declare_struct("Outer", StructKind::Struct, None, Annotations::new());
        self.builder.define_struct(id, vec![field]).unwrap();
        let schema = self.builder.build();
        let value = Value::Struct(value.map(|value| (1, value)).into_iter().collect());
        let found = on_every_way(&schema, id, &value);
        found.map_err(|error| format!("{}: {}", error.path(), error.fault))
    }
}

/// Looks at a value by all that look at rules, which say the same.
fn on_every_way(schema: &Schema, id: StructId, value: &Value) -> Result<()> {
    let mut bytes = Vec::new();
    write_value(
        schema,
        Type::Struct(id),
        value,
        &mut BinaryWriter::new(&mut bytes),
    )
    .unwrap();
    let limits = Limits::default();
    let checked = check_struct(schema, id, &mut BinaryReader::new(&bytes, &limits));
    let mut out = Vec::new();
    let transcoded = transcode_struct(
        schema,
        id,
        &mut BinaryReader::new(&bytes, &limits),
        &mut CompactWriter::new(&mut out),
    );
    assert_eq!(checked, transcoded);
    let all = violations(schema, id, value);
    let texts = |error: &Malformed| (error.path(), error.fault.clone());
    assert_eq!(
        all.first().map(texts),
        checked.as_ref().err().map(|error| texts(error))
    );
    checked
}

fn annotations(rules: &[(&str, &str)]) -> Annotations {
    let mut annotations = Annotations::new();
    for (key, value) in rules {
        let values: &mut Vec<String> = annotations.entry((*key).to_owned()).or_default();
        values.push((*value).to_owned());
    }
    annotations
}

#[track_caller]
fn holds(ty: Type, rules: &[(&str, &str)], value: Value) {
    assert_eq!(World::new().judge(ty, rules, Some(value)), Ok(()));
}

#[track_caller]
fn broken(ty: Type, rules: &[(&str, &str)], value: Value, expected: &str) {
    let found = World::new().judge(ty, rules, Some(value));
    assert_eq!(found.unwrap_err(), expected);
}

/// What is wrong with an annotation of a field of a type.
#[track_caller]
fn wrong(ty: Type, rule: (&str, &str)) -> String {
    let world = World::new();
    let parsed = Rules::parse(&annotations(&[rule]), ty, world.builder.schema());
    assert_eq!(parsed.rules, None);
    assert!(!parsed.errors[0].is_unsupported);
    parsed.errors[0].to_string()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn numbers_are_compared() {
    for (rule, good, bad, words) in [
        ("vt.gt", 4, 3, "must be greater than 3, is 3"),
        ("vt.ge", 3, 1, "must be at least 3, is 1"),
        ("vt.lt", 2, 3, "must be less than 3, is 3"),
        ("vt.le", 3, 4, "must be at most 3, is 4"),
        ("vt.eq", 3, 4, "must be 3, is 4"),
        ("vt.const", 3, 4, "must be 3, is 4"),
        ("vt.ne", 4, 3, "must not be 3, is 3"),
        ("validate.ne", 4, 3, "must not be 3, is 3"),
    ] {
        let rules = [(rule, "3")];
        let words = format!("it: {words}");
        holds(Type::I8, &rules, Value::I8(good));
        broken(Type::I8, &rules, Value::I8(bad), &words);
        broken(Type::I16, &rules, Value::I16(bad.into()), &words);
        broken(Type::I32, &rules, Value::I32(bad.into()), &words);
        broken(Type::I64, &rules, Value::I64(bad.into()), &words);
        holds(Type::Double, &rules, Value::Double(good.into()));
        broken(Type::Double, &rules, Value::Double(bad.into()), &words);
    }
    let range = [("vt.ge", "1000.1"), ("vt.le", "10000.1")];
    holds(Type::Double, &range, Value::Double(1000.1));
    broken(
        Type::Double,
        &range,
        Value::Double(f64::NAN),
        "it: must be at least 1000.1, is NaN",
    );
    holds(
        Type::I32,
        &[("vt.ge", "-0x10"), ("vt.le", "0x10")][1..],
        Value::I32(16),
    );
}

#[test]
fn numbers_are_among_others() {
    for rules in [
        vec![("vt.in", "[1, 2, 4]")],
        vec![("vt.in", "1"), ("vt.in", "2"), ("vt.in", "4")],
    ] {
        holds(Type::I8, &rules, Value::I8(2));
        broken(
            Type::I8,
            &rules,
            Value::I8(3),
            "it: must be one of 1, 2, 4, is 3",
        );
        holds(Type::Double, &rules, Value::Double(4.0));
    }
    let rules = [("vt.not_in", "[1, 2]")];
    broken(
        Type::I64,
        &rules,
        Value::I64(2),
        "it: must not be one of 1, 2, is 2",
    );
}

#[test]
fn texts_have_sizes_and_contents() {
    for (rule, argument, good, bad, words) in [
        (
            "vt.min_size",
            "2",
            "ä",
            "a",
            "must have a size of at least 2, has 1",
        ),
        (
            "vt.max_size",
            "2",
            "ab",
            "abc",
            "must have a size of at most 2, has 3",
        ),
        ("vt.const", "ab", "ab", "b", "must be \"ab\", is \"b\""),
        ("vt.ne", "ab", "a", "ab", "must not be \"ab\", is \"ab\""),
        (
            "vt.prefix",
            "[Debug]",
            "[Debug] x",
            "x",
            "must begin with \"[Debug]\", is \"x\"",
        ),
        ("vt.suffix", "b", "ab", "a", "must end with \"b\", is \"a\""),
        (
            "vt.contains",
            "b",
            "abc",
            "ac",
            "must contain \"b\", is \"ac\"",
        ),
        (
            "vt.not_contains",
            "b",
            "ac",
            "abc",
            "must not contain \"b\", is \"abc\"",
        ),
        (
            "vt.pattern",
            "^[0-9]+$",
            "12",
            "1b",
            "must match ^[0-9]+$, is \"1b\"",
        ),
        (
            "vt.pattern",
            "(?i)^x",
            "X",
            "y",
            "must match (?i)^x, is \"y\"",
        ),
        (
            "vt.in",
            "[vim, 'goland']",
            "goland",
            "ed",
            "must be one of \"vim\", \"goland\", is \"ed\"",
        ),
        (
            "vt.eq_escape",
            "@len(A)",
            "@len(A)",
            "",
            "must be \"@len(A)\", is \"\"",
        ),
        (
            "vt.in_escape",
            "[a]",
            "[a]",
            "a",
            "must be one of \"[a]\", is \"a\"",
        ),
        (
            "vt.prefix",
            "$",
            "$5",
            "5",
            "must begin with \"$\", is \"5\"",
        ),
    ] {
        let rules = [(rule, argument)];
        let words = format!("it: {words}");
        holds(Type::String, &rules, text(good));
        broken(Type::String, &rules, text(bad), &words);
        let binary = |text: &str| Value::Binary(text.into());
        holds(Type::Binary, &rules, binary(good));
        broken(Type::Binary, &rules, binary(bad), &words);
    }
    let long = "x".repeat(100);
    let shown = format!("it: must be \"\", is \"{}…\"", "x".repeat(40));
    broken(Type::String, &[("vt.eq", "")], text(&long), &shown);
}

#[test]
fn truths_are_compared() {
    holds(Type::Bool, &[("vt.const", "true")], Value::Bool(true));
    broken(
        Type::Bool,
        &[("vt.ne", "true")],
        Value::Bool(true),
        "it: must be false, is true",
    );
}

#[test]
fn enumerations_have_names() {
    let colour = World::new().colour;
    let rules = [("vt.in", "[RED, Colour.GREEN, 7]")];
    holds(colour, &rules, Value::I32(2));
    broken(
        colour,
        &rules,
        Value::I32(3),
        "it: must be one of RED, GREEN, BLUE, is 3",
    );
    let rules = [("vt.defined_only", "true")];
    holds(colour, &rules, Value::I32(7));
    broken(
        colour,
        &rules,
        Value::I32(3),
        "it: must be a value of Colour, is 3",
    );
    holds(colour, &[("vt.defined_only", "false")], Value::I32(3));
    broken(
        colour,
        &[("vt.ne", "file.Colour.RED")],
        Value::I32(1),
        "it: must not be RED, is 1",
    );
    assert_eq!(
        wrong(colour, ("vt.eq", "PINK")),
        "vt.eq: Colour has no value \"PINK\""
    );
    assert_eq!(
        wrong(colour, ("vt.lt", "2")),
        "vt.lt: it is no rule for Colour"
    );
}

#[test]
fn containers_have_sizes_and_rules_for_what_is_in_them() {
    let mut world = World::new();
    let inner = world.builder.list(Type::I32);
    let lists = world.builder.list(inner);
    let rules = [
        ("vt.min_size", "1"),
        ("vt.elem.max_size", "2"),
        ("vt.elem.elem.gt", "0"),
    ];
    let list = |elements: &[i32]| Value::List(elements.iter().map(|it| Value::I32(*it)).collect());
    let found = world.judge(
        lists,
        &rules,
        Some(Value::List(vec![list(&[1]), list(&[1, 0])])),
    );
    assert_eq!(found.unwrap_err(), "it[1][1]: must be greater than 0, is 0");
    let mut world = World::new();
    let inner = world.builder.list(Type::I32);
    let lists = world.builder.set(inner);
    let found = world.judge(lists, &rules, Some(Value::Set(vec![list(&[1, 2, 3])])));
    assert_eq!(
        found.unwrap_err(),
        "it[0]: must have a size of at most 2, has 3"
    );
    let mut world = World::new();
    let lists = world.builder.list(Type::Bool);
    let found = world.judge(lists, &rules[..1], Some(Value::List(Vec::new())));
    assert_eq!(
        found.unwrap_err(),
        "it: must have a size of at least 1, has 0"
    );
    let rules = [
        ("vt.max_size", "2"),
        ("vt.key.gt", "0"),
        ("vt.value.pattern", "^x"),
    ];
    let entry = |key, value| (Value::I32(key), text(value));
    for (entries, expected) in [
        (
            vec![entry(1, "x"), entry(0, "x")],
            "it{key 1}: must be greater than 0, is 0",
        ),
        (vec![entry(1, "y")], "it{0}: must match ^x, is \"y\""),
        (
            vec![entry(1, "x"), entry(2, "x"), entry(3, "x")],
            "it: must have a size of at most 2, has 3",
        ),
    ] {
        let mut world = World::new();
        let map = world.builder.map(Type::I32, Type::String);
        let found = world.judge(map, &rules, Some(Value::Map(entries)));
        assert_eq!(found.unwrap_err(), expected);
    }
}

#[test]
fn structs_within_are_checked_unless_they_are_skipped() {
    let person = || Value::Struct(vec![(1, Value::I32(17))]);
    let inner = World::new().inner;
    broken(inner, &[], person(), "it.age: must be at least 18, is 17");
    holds(inner, &[("vt.skip", "true")], person());
    broken(
        inner,
        &[("vt.skip", "false")],
        person(),
        "it.age: must be at least 18, is 17",
    );
    for (skip, expected) in [
        ("true", Ok(())),
        ("false", Err("it[1].age: must be at least 18, is 17")),
    ] {
        let mut world = World::new();
        let people = world.builder.list(inner);
        let grown = Value::Struct(vec![(1, Value::I32(18))]);
        let value = Value::List(vec![grown, person()]);
        let found = world.judge(people, &[("vt.elem.skip", skip)], Some(value));
        assert_eq!(found, expected.map_err(str::to_owned));
    }
}

#[test]
fn only_what_is_set_is_looked_at_unless_it_must_be() {
    assert_eq!(
        World::new().judge(Type::I32, &[("vt.gt", "3")], None),
        Ok(())
    );
    let needed = [("vt.not_nil", "true")];
    let found = World::new().judge(Type::I32, &needed, None);
    assert_eq!(found.unwrap_err(), "it: must be set");
    holds(Type::I32, &needed, Value::I32(0));
    assert_eq!(
        World::new().judge(Type::I32, &[("vt.not_nil", "false")], None),
        Ok(())
    );
}

#[test]
fn all_violations_are_found() {
    let mut world = World::new();
    let list = world.builder.list(Type::I8);
    let rules = [
        ("vt.min_size", "5"),
        ("vt.elem.gt", "0"),
        ("vt.elem.ne", "0"),
    ];
    let mut field = NewField::new(1, "it", list);
    field.rules = Rules::parse(&annotations(&rules), list, world.builder.schema()).rules;
    let id = world
        .builder
        .declare_struct("Outer", StructKind::Struct, None, Annotations::new());
    world.builder.define_struct(id, vec![field]).unwrap();
    let schema = world.builder.build();
    let value = Value::Struct(vec![(1, Value::List(vec![Value::I8(0), Value::I8(2)]))]);
    let found: Vec<String> = violations(&schema, id, &value)
        .iter()
        .map(|error| format!("{} {}", error.pointer(), error.fault))
        .collect();
    assert_eq!(
        found,
        [
            "/it must have a size of at least 5, has 2",
            "/it/0 must be greater than 0, is 0",
            "/it/0 must not be 0, is 0",
        ]
    );
}

#[test]
fn bad_rules_say_why() {
    for (ty, rule, expected) in [
        (
            Type::I32,
            ("vt.gt", "x"),
            "vt.gt: \"x\" is not an integer of 64 bits",
        ),
        (
            Type::I32,
            ("vt.gt", "1.5"),
            "vt.gt: \"1.5\" is not an integer of 64 bits",
        ),
        (
            Type::Double,
            ("vt.gt", "nan"),
            "vt.gt: \"nan\" is not a number",
        ),
        (
            Type::String,
            ("vt.gt", "1"),
            "vt.gt: it is no rule for string",
        ),
        (Type::Uuid, ("vt.eq", "1"), "vt.eq: it is no rule for uuid"),
        (
            Type::I32,
            ("vt.min_size", "1"),
            "vt.min_size: it is no rule for i32",
        ),
        (
            Type::I32,
            ("vt.prefix", "1"),
            "vt.prefix: it is no rule for i32",
        ),
        (
            Type::String,
            ("vt.min_size", "-1"),
            "vt.min_size: a size cannot be -1",
        ),
        (
            Type::Bool,
            ("vt.const", "yes"),
            "vt.const: \"yes\" is neither true nor false",
        ),
        (
            Type::I32,
            ("vt.elem.gt", "1"),
            "vt.elem.gt: i32 has no \"elem\"",
        ),
        (Type::I32, ("vt.in", "[]"), "vt.in: it names no values"),
        (
            Type::String,
            ("vt.pattern", "("),
            "vt.pattern: \"(\" is not a pattern: error: unclosed group",
        ),
        (
            Type::String,
            ("vt.pattern", "a{1000}{1000}"),
            "vt.pattern: \"a{1000}{1000}\" is not a pattern: Compiled regex exceeds size limit of 1048576 bytes.",
        ),
    ] {
        assert_eq!(wrong(ty, rule), expected);
    }
}

#[test]
fn what_is_not_supported_is_said_to_be_so() {
    for rule in [
        ("vt.in", "[$other, 2]"),
        ("vt.pattern", "$other"),
        ("vt.eq", "@sum($a)"),
        ("vt.eq", "$a[1]"),
        ("vt.assert", "1"),
        ("vt.elem", "1"),
    ] {
        let parsed = Rules::parse(
            &annotations(&[rule]),
            Type::I32,
            World::new().builder.schema(),
        );
        assert_eq!(parsed.rules, None);
        assert!(parsed.errors[0].is_unsupported, "{rule:?}");
    }
    // What is good beside it stays.
    let rules = annotations(&[("vt.eq", "$other[0]"), ("vt.gt", "3"), ("api.key", "x")]);
    let parsed = Rules::parse(&rules, Type::I32, World::new().builder.schema());
    assert!(parsed.rules.is_some());
    assert_eq!(parsed.errors.len(), 1);
}
