//! Names, types and files.

use super::*;

#[test]
fn names_are_resolved_across_files() {
    check(
        "--- main.thrift
include \"a/shared.thrift\"
struct S {
  1: shared.Point p
  2: shared.Piont q
  3: Point r
  4: deep.Deep d
  5: int i
  6: shared.Service s
}
--- a/shared.thrift
include \"../b/deep.thrift\"
struct Point {1: deep.Deep d}
service Service {}
--- b/deep.thrift
struct Deep {}
",
        &[
            "4:6: error: `shared.Piont` is not defined",
            "5:6: error: `Point` is not defined",
            "6:6: error: `deep.Deep` is not defined",
            "7:6: error: `int` is not defined",
            "8:6: error: `shared.Service` is a service, not a type",
        ],
    );
    let loaded = load_text(
        "--- main.thrift
include \"a.thrift\"
struct S { 1: a.Piont p 2: Point q 3: long r 4: Matrx s 5: strin t }
struct Matrix {}
--- a.thrift
struct Point {}
",
    );
    let help: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|it| it.help.as_deref().unwrap())
        .collect();
    assert_eq!(
        help,
        [
            "did you mean `a.Point`?",
            "did you mean `a.Point`?",
            "the type is called `i64` here",
            "did you mean `Matrix`?",
            "did you mean `string`?",
        ]
    );
}

#[test]
fn include_paths_are_searched_after_the_directory() {
    let contract = contract(
        "--- main.thrift
include \"x.thrift\"
include \"y.thrift\"
struct S {1: x.Near a, 2: y.Far b}
--- x.thrift
struct Near {}
--- lib/x.thrift
struct Wrong {}
--- lib/y.thrift
include \"x.thrift\"
struct Far {1: x.Wrong w}
",
    );
    let labels: Vec<_> = contract
        .sources
        .files()
        .map(|(_, it)| it.label.as_str())
        .collect();
    assert_eq!(
        labels,
        ["main.thrift", "x.thrift", "lib/y.thrift", "lib/x.thrift"]
    );
    // Two files are called `x`, so the second is told apart by its directory.
    let names: Vec<_> = contract
        .schema
        .structs()
        .map(|(_, it)| it.name.as_str())
        .collect();
    assert_eq!(names, ["S", "x.Near", "y.Far", "lib/x.Wrong"]);
}

#[test]
fn includes_are_checked() {
    check(
        "include \"main.thrift\"",
        &["1:9: error: recursion: main.thrift includes main.thrift"],
    );
    check(
        "--- main.thrift
include \"a.thrift\"
--- a.thrift
include \"b.thrift\"
--- b.thrift
include \"a.thrift\"
",
        &[
            "b.thrift:1:9: error: recursion: a.thrift includes b.thrift includes a.thrift | a.thrift:1:9 by way of this include",
        ],
    );
    // The official compiler only minds a file that is missing when something needs it.
    check(
        "include \"nope.thrift\"",
        &["1:9: warning: the file nope.thrift is not there"],
    );
    check(
        "include \"../nope.thrift\"\nstruct S {1: nope.A a, 2: i32 b = nope.B, 3: i32 c = nope.C.D}",
        &["1:9: error: the file ../nope.thrift is not there | 2:14 first needed here"],
    );
    check(
        "include \"/etc/passwd\"",
        &["1:9: warning: the file /etc/passwd is not there"],
    );
    let helps = |text: &str| load_text(text).diagnostics[0].help.clone().unwrap();
    assert!(helps("include \"../a.thrift\"").contains("leads out"));
    assert!(helps("include \"/a.thrift\"").contains("leads out"));
    assert!(helps("include \"a.thrift\"").contains("include paths"));
    check(
        "--- main.thrift
include \"a.thrift\"
include \"./a.thrift\"
--- a.thrift
struct A {}
",
        &["2:9: warning: a file is included twice | 1:9 first included here"],
    );
    check(
        "--- main.thrift
include \"a/x.thrift\"
include \"b/x.thrift\"
struct S {1: x.Both a, 2: x.One b, 3: i32 c = x.K}
--- a/x.thrift
struct Both {}
const i32 K = 1
--- b/x.thrift
struct Both {}
struct One {}
const i32 K = 1
",
        &[
            "3:14: error: `x.Both` may be of two files that have the same name | a/x.thrift:1:8 defined here | b/x.thrift:1:8 and here",
            "3:47: error: `x.K` may be of two files that have the same name | a/x.thrift:2:11 defined here | b/x.thrift:3:11 and here",
        ],
    );
}

#[test]
fn depth_and_number_of_files_are_limited() {
    let mut files = BTreeMap::new();
    for at in 0..100 {
        let text = format!("include \"{}.thrift\"", at + 1);
        files.insert(format!("{at}.thrift"), text.into_bytes());
    }
    let loaded = load("0.thrift", &files, &[]);
    assert_eq!(
        findings(&loaded)[0],
        "64.thrift:1:9: error: more than 64 files include each other in a row"
    );
    let mut files = BTreeMap::new();
    let mut root = String::new();
    for at in 0..1_100 {
        root.push_str(&format!("include \"{at}.thrift\"\n"));
        files.insert(format!("{at}.thrift"), Vec::new());
    }
    files.insert("main.thrift".to_owned(), root.into_bytes());
    let loaded = load("main.thrift", &files, &[]);
    assert_eq!(
        findings(&loaded)[0],
        "1024:9: error: the contract has more than 1024 files"
    );
}

#[test]
fn the_bytes_of_files_are_checked() {
    let check = |bytes: &[u8], expected: &[&str]| {
        let files = BTreeMap::from([("main.thrift".to_owned(), bytes.to_vec())]);
        assert_eq!(findings(&load("main.thrift", &files, &[])), expected);
    };
    check(b"\xef\xbb\xbfstruct S {}", &[]);
    check(b"\xff\xfes\0t\0", &["1:1: error: main.thrift is UTF-16"]);
    check(
        b"// caf\xe9\nstruct S {}",
        &["1:7: warning: main.thrift is not UTF-8"],
    );
    let none = BTreeMap::new();
    let loaded = load("../x.thrift", &none, &[]);
    assert_eq!(
        loaded.diagnostics[0].message,
        "../x.thrift cannot be read: its path is outside the contract's directory"
    );
    let loaded = load("x.thrift", &none, &[]);
    assert_eq!(
        loaded.diagnostics[0].message,
        "x.thrift cannot be read: there is no such file"
    );
    struct Broken;
    impl Files for Broken {
        fn read(&self, label: &str) -> Result<Option<Vec<u8>>, String> {
            match label {
                "main.thrift" => Ok(Some(b"include \"a.thrift\"".to_vec())),
                _ => Err("permission denied".to_owned()),
            }
        }
    }
    let loaded = load("main.thrift", &Broken, &[]);
    assert_eq!(
        findings(&loaded),
        ["1:9: error: a.thrift cannot be read: permission denied"]
    );
}

#[test]
fn definitions_have_one_name() {
    check(
        "struct A {}
enum A { X }
const i32 A = 1
const i32 A = 2
service A {}
typedef i32 A
enum E { X = 1, Y = 1, X }",
        &[
            "2:6: error: `A` is defined twice | 1:8 first defined here",
            "4:11: error: `A` is defined twice | 3:11 first defined here",
            "5:9: error: `A` is defined twice | 1:8 first defined here",
            "6:13: error: `A` is defined twice | 1:8 first defined here",
            "7:24: error: `X` is defined twice | 7:10 first defined here",
        ],
    );
}

#[test]
fn names_are_shared_only_by_different_namespaces() {
    let check_both = |head: &str, other: &str, expected: &[&str]| {
        let text = format!(
            "--- main.thrift
include \"a.thrift\"
{head}
struct Point {{}}
const i32 X = 1
--- a.thrift
{other}
struct Point {{}}
const i32 X = 1
"
        );
        check(&text, expected);
    };
    let twice = "3:8: error: `Point` is defined in an included file too | a.thrift:2:8 also defined here | 1:9 included here";
    check_both("", "", &[twice]);
    check_both("namespace py x", "", &[]);
    check_both("namespace py x", "namespace py x", &[twice]);
    check_both("namespace py x", "namespace * x", &[]);
    check_both("namespace * x", "namespace * x\nnamespace py y", &[]);
}

#[test]
fn enumerations_count() {
    let contract = contract("enum E { A, B = 5, C, D = -3, F, G = 0x10, H = 5 }");
    let (_, it) = contract.schema.enums().next().unwrap();
    let values: Vec<_> = it
        .values
        .iter()
        .map(|value| (value.name.as_str(), value.number))
        .collect();
    assert_eq!(
        values,
        [
            ("D", -3),
            ("F", -2),
            ("A", 0),
            ("B", 5),
            ("H", 5),
            ("C", 6),
            ("G", 16)
        ]
    );
    check(
        "enum A { X = 2147483648 }
enum B { X = 2147483647, Y }",
        &[
            "1:14: error: 2147483648 is out of the range of i32",
            "2:26: error: there is no number left for `Y`",
        ],
    );
}

#[test]
fn typedefs_are_resolved() {
    let contract = contract(
        "typedef list<B> A
typedef C B
typedef map<string, A2> C
typedef i16 A2
struct S {1: A a}",
    );
    let (_, it) = contract.schema.structs().next().unwrap();
    assert_eq!(
        contract.schema.type_name(it.fields[0].ty),
        "list<map<string, i16>>"
    );
    check(
        "typedef B A\ntypedef list<A> B\ntypedef C C\ntypedef Nope D",
        &[
            "2:14: error: typedef `A` stands for itself | 1:11 by way of this typedef | 2:17 by way of this typedef",
            "3:9: error: typedef `C` stands for itself | 3:11 by way of this typedef",
            "4:9: error: `Nope` is not defined",
        ],
    );
}

#[test]
fn types_cannot_grow_without_bound() {
    let mut text = "typedef map<i32, i32> T0\n".to_owned();
    for at in 0..40 {
        text.push_str(&format!("typedef map<T{at}, T{at}> T{}\n", at + 1));
    }
    check(&text, &["8:9: error: more than 256 types are in this type"]);
    // From the last to the first: each has to wait for the next.
    let mut text = String::new();
    for at in 0..20_000 {
        text.push_str(&format!("typedef T{} T{at}\n", at + 1));
    }
    text.push_str("typedef i32 T20000\n");
    let loaded = load_text(&text);
    assert_eq!(
        findings(&loaded)[0],
        "256:9: error: more than 256 typedefs stand for each other"
    );
}
