//! Constants and defaults.

use super::*;

#[track_caller]
fn check_value(text: &str, expected: Value) {
    assert_eq!(constant(text), expected, "{text}");
}

#[test]
fn constants_of_base_types() {
    check_value("const bool X = true", Value::Bool(true));
    check_value("const bool X = 2", Value::Bool(true));
    check_value("const byte X = -128", Value::I8(-128));
    check_value("const i16 X = 0x7fff", Value::I16(32767));
    check_value("const i32 X = -1", Value::I32(-1));
    check_value("const i64 X = 9223372036854775807", Value::I64(i64::MAX));
    check_value("const double X = 2", Value::Double(2.0));
    check_value("const double X = .5e3", Value::Double(500.0));
    check_value("const string X = 'a'", Value::String("a".to_owned()));
    check_value("const binary X = 'a'", Value::Binary(b"a".to_vec()));
    check_value(
        "const uuid X = '{00000000-0000-0000-0000-0000000000ff}'",
        Value::Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255]),
    );
}

#[test]
fn constants_by_name() {
    check_value("const i32 A = 5\nconst double X = A", Value::Double(5.0));
    check_value("const i32 A = 5\nconst i8 X = A", Value::I8(5));
    check_value(
        "const string A = 'x'\nconst binary X = A",
        Value::Binary(b"x".to_vec()),
    );
    check_value("enum E {A, B}\nconst i32 X = E.B", Value::I32(1));
    check_value("enum E {A, B}\nconst i64 X = E.B", Value::I64(1));
    let contract = contract(
        "--- main.thrift
include \"s.thrift\"
const list<i64> X = [s.E.B, s.K, F.Y]
enum F {Y = 9}
--- s.thrift
enum E {A, B}
const i32 K = 7
",
    );
    assert_eq!(
        contract.constants[0].value,
        Value::List(vec![Value::I64(1), Value::I64(7), Value::I64(9)])
    );
    assert_eq!(contract.constants[1].name, "s.K");
    check_value(
        "const list<i32> A = [1]\nconst list<list<i64>> X = [A, [2]]",
        Value::List(vec![
            Value::List(vec![Value::I64(1)]),
            Value::List(vec![Value::I64(2)]),
        ]),
    );
    check(
        "const i32 A = B
const i32 B = 1
const string C = B
const i8 D = E
const i32 E = 1000
const i32 F = nope
const i32 G = A.b
const i32 H = I
const i32 I = H
enum J { GREEN }
const i32 K = J.GREN
const i32 L = GREEN",
        &[
            "1:15: warning: `B` is used before it is defined | 2:11 defined here",
            "3:18: error: expected string, found a value of i32",
            "4:14: warning: `E` is used before it is defined | 5:11 defined here",
            "4:14: error: expected i8, found a value of i32",
            "6:15: error: there is no constant `nope`",
            "7:15: error: there is no constant `A.b`",
            "8:15: warning: `I` is used before it is defined | 9:11 defined here",
            "9:15: error: constant `H` is made of itself",
            "11:15: error: `J` has no value `GREN`",
            "12:15: error: there is no constant `GREEN`",
        ],
    );
}

#[test]
fn constants_of_enumerations() {
    let check_one = |value: &str, expected: Value, warnings: &[&str]| {
        let text = format!(
            "enum C {{A, B}}\ntypedef C D\nenum O {{A}}\nconst C K = C.B\nconst C X = {value}"
        );
        check_value(&text, expected);
        check(&text, warnings);
    };
    check_one("C.B", Value::I32(1), &[]);
    check_one("1", Value::I32(1), &[]);
    check_one("D.B", Value::I32(1), &[]);
    // Accepted by the official compiler too.
    check_one("O.B", Value::I32(1), &["5:13: warning: `O` is not `C`"]);
    check_one(
        "nope.B",
        Value::I32(1),
        &["5:13: warning: `nope` is not `C`"],
    );
    // By the official compiler only behind a typedef.
    check_one(
        "B",
        Value::I32(1),
        &["5:13: warning: `B` has no enumeration in front"],
    );
    check_one(
        "K",
        Value::I32(1),
        &["5:13: warning: a C is given by a constant's name"],
    );
    check(
        "enum C {A, B}\nconst C X = 7\nconst C Y = 'A'\nconst C Z = C.D\nconst C W = 0.5",
        &[
            "2:13: error: no value of `C` has this number",
            "3:13: error: expected C, found a string",
            "4:13: error: `C` has no value `D`",
            "5:13: error: expected C, found a number with a fraction",
        ],
    );
}

#[test]
fn constants_of_containers() {
    check_value(
        "const map<string, list<i8>> X = {'a': [1, 2], 'b': []}",
        Value::Map(vec![
            (
                Value::String("a".to_owned()),
                Value::List(vec![Value::I8(1), Value::I8(2)]),
            ),
            (Value::String("b".to_owned()), Value::List(Vec::new())),
        ]),
    );
    let twice = "const map<i8, i8> X = {1: 2, 3: 4, 1: 5}";
    check_value(
        twice,
        Value::Map(vec![
            (Value::I8(1), Value::I8(5)),
            (Value::I8(3), Value::I8(4)),
        ]),
    );
    check(twice, &["1:36: warning: a key is there twice"]);
    check_value(
        "const set<list<i8>> X = [[1], [2], [1]]",
        Value::Set(vec![
            Value::List(vec![Value::I8(1)]),
            Value::List(vec![Value::I8(2)]),
        ]),
    );
    check(
        "const set<i8> X = [1, 1]\nconst list<i8> Y = {}\nconst map<i8, i8> Z = []",
        &[
            "1:23: warning: an element is there twice | 1:20 first here",
            "2:20: warning: an empty list is written `[]`",
            "3:23: warning: an empty map is written `{}`",
        ],
    );
    check(
        "const list<i8> X = {1: 2}
const map<i8, i8> Y = [1]
const list<i8> Z = 1
typedef list<i8> T
const T W = [1, 'a', 1000]",
        &[
            "1:20: error: expected list<i8>, found a map",
            "2:23: error: expected map<i8, i8>, found a list",
            "3:20: error: expected list<i8>, found an integer",
            "5:17: error: expected i8, found a string",
            "5:22: error: 1000 is out of the range of i8",
        ],
    );
}

#[test]
fn constants_of_structs() {
    let structs =
        "struct P {1: i32 x, 2: i32 y = 5, 3: optional P next}\nunion U {1: i32 a, 2: string b}\n";
    let check = |text: &str, expected: Value| check_value(&format!("{structs}{text}"), expected);
    check(
        "const P X = {'x': 1}",
        Value::Struct(vec![(1, Value::I32(1)), (2, Value::I32(5))]),
    );
    check(
        "const P X = {'y': 1, 'next': {'x': 2}}",
        Value::Struct(vec![
            (2, Value::I32(1)),
            (
                3,
                Value::Struct(vec![(1, Value::I32(2)), (2, Value::I32(5))]),
            ),
        ]),
    );
    check(
        "const U X = {'b': 'c'}",
        Value::Struct(vec![(2, Value::String("c".to_owned()))]),
    );
    check("const U X = {}", Value::Struct(Vec::new()));
    super::check(
        "struct P {1: required i32 x, 2: i32 yes}
union U {1: i32 a, 2: string b}
const P A = {'x': 1, 'x': 2}
const P B = {'yes': 1}
const P C = {'x': 1, 'yess': 2}
const P D = {1: 1}
const P E = []
const U F = {'a': 1, 'b': 'c'}",
        &[
            "3:22: warning: a field is there twice",
            "4:13: warning: the required field `x` is missing | 1:27 required here",
            "5:22: error: `P` has no field `yess`",
            "6:14: error: expected a field's name, found an integer",
            "7:13: error: expected P, found a list",
            "8:22: error: a union has one field",
        ],
    );
}

#[test]
fn defaults_of_fields() {
    check(
        "struct S {
  1: i8 a = 1000
  2: string b = 1
  3: Later c = {'x': 'y'}
  4: T d = 'no'
}
struct Later {1: string x}
typedef i32 T
service V { void f(1: S s = {'a': 'b'}) }",
        &[
            "2:13: error: 1000 is out of the range of i8",
            "3:17: error: expected string, found an integer",
            "4:6: warning: `Later` is used before it is defined | 7:8 defined here",
            "5:6: warning: `T` is used before it is defined | 8:13 defined here",
            "5:12: error: expected i32, found a string",
            "9:35: error: expected i8, found a string",
        ],
    );
    check(
        "struct S {1: i32 x = 1, 2: optional S s = {}}",
        &[
            "1:37: warning: `S` is used before it is defined | 1:8 defined here",
            "1:43: error: the default of `s` has itself in it",
        ],
    );
    // Arguments may need the defaults of structs.
    let contract = contract("struct S {1: i32 x = 3}\nservice V { void f(1: S s = {}) }");
    let (_, service) = contract.schema.services().next().unwrap();
    let arguments = contract.schema.structure(service.methods[0].arguments);
    assert_eq!(
        arguments.fields[0].default,
        Some(Value::Struct(vec![(1, Value::I32(3))]))
    );
}

#[test]
fn constants_cannot_grow_without_bound() {
    let mut text = "const list<i32> A0 = [1]\n".to_owned();
    let mut ty = "list<i32>".to_owned();
    for at in 0..60 {
        ty = format!("list<{ty}>");
        text.push_str(&format!("const {ty} A{} = [A{at}, A{at}]\n", at + 1));
    }
    let loaded = load_text(&text);
    let errors: Vec<_> = findings(&loaded)
        .into_iter()
        .filter(|it| it.contains("error"))
        .collect();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].ends_with("error: the constants of this contract are too large"));

    let mut text = "struct S {1: optional S s}\nconst S A0 = {}\n".to_owned();
    for at in 0..5_000 {
        text.push_str(&format!("const S A{} = {{'s': A{at}}}\n", at + 1));
    }
    let loaded = load_text(&text);
    let error = findings(&loaded)
        .into_iter()
        .find(|it| it.contains("error"))
        .unwrap();
    assert!(
        error.ends_with("error: more than 64 values are within each other"),
        "{error}"
    );

    // From the last to the first.
    let mut text = String::new();
    for at in 0..5_000 {
        text.push_str(&format!("const i32 A{at} = A{}\n", at + 1));
    }
    text.push_str("const i32 A5000 = 1\n");
    let loaded = load_text(&text);
    assert!(loaded.contract.is_none());
}
