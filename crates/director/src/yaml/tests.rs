use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read_all(bytes: &[u8]) -> (Option<Node>, Vec<Problem>) {
    let mut problems = Vec::new();
    let node = parse_yaml("f", bytes, &mut problems);
    (node, problems)
}

/// The value as JSON, with no problems.
fn check(text: &str, expected: Value) {
    let (node, problems) = read_all(text.as_bytes());
    assert_eq!(problems, [], "{text:?}");
    assert_eq!(node.unwrap().to_json(), expected, "{text:?}");
}

/// The first problem, as `line:column: reason`.
fn check_bad(text: &str, expected: &str) {
    let (_, problems) = read_all(text.as_bytes());
    let problem = problems.first().unwrap_or_else(|| {
        panic!(
            "{:?} has no problem",
            text.chars().take(60).collect::<String>()
        )
    });
    let shown = problem.to_string();
    assert!(
        shown.contains(expected),
        "{:?}: {shown}",
        text.chars().take(60).collect::<String>()
    );
}

#[test]
fn scalars_by_the_core_schema() {
    check(
        "[yes, no, on, off, y, n, ~, null, true, False, 'true', \"1\", 1_000, 1:30, 2024-01-01, 012, 0o12, 0x1F, +5, -0, 1., .5, 1e3, 1e, e1, ., +]",
        json!([
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
            null,
            null,
            true,
            false,
            "true",
            "1",
            "1_000",
            "1:30",
            "2024-01-01",
            12,
            10,
            31,
            5,
            0,
            1.0,
            0.5,
            1000.0,
            "1e",
            "e1",
            ".",
            "+"
        ]),
    );
    check(
        "a: |\n  one\n  two\nb: >\n  one\n  two\nc: ''\nd:",
        json!({"a": "one\ntwo\n", "b": "one two\n", "c": "", "d": null}),
    );
    check(
        "[18446744073709551615, -9223372036854775808]",
        json!([u64::MAX, i64::MIN]),
    );
    check(
        "a: !!str 1.0\nb: ! 2\nc: !!float 3",
        json!({"a": "1.0", "b": "2", "c": 3}),
    );
}

#[test]
fn documents_that_are_fine() {
    check("\u{feff}a: 1", json!({"a": 1}));
    check("a: 1\r\nb:\r\n  - x\r\n", json!({"a": 1, "b": ["x"]}));
    check("---\na: 1\n...\n", json!({"a": 1}));
    check("a: &x [1, 2]\nb: *x\n", json!({"a": [1, 2], "b": [1, 2]}));
    check(
        "1: a\ntrue: b\nnull: c\nü: d",
        json!({"1": "a", "true": "b", "null": "c", "ü": "d"}),
    );
    check("# only\na: 1 # comment", json!({"a": 1}));
    check("just text", json!("just text"));
    check(
        &format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)),
        nested(DEPTH_MAX),
    );
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| {
        if inner.is_null() {
            json!([])
        } else {
            json!([inner])
        }
    })
}

#[test]
fn positions_are_those_of_an_editor() {
    let (node, _) = read_all("ü: 1\nb:\n  - x\n  -  'y'\n".as_bytes());
    let node = node.unwrap();
    assert_eq!(node.get("ü").map(Node::at), Some((1, 4)));
    let Some(Node {
        value: Yaml::Seq(items),
        ..
    }) = node.get("b")
    else {
        panic!("no list")
    };
    assert_eq!(
        items.iter().map(Node::at).collect::<Vec<_>>(),
        [(3, 5), (4, 6)]
    );
    assert_eq!(position_after("a\nbü".as_bytes()), (2, 3));
}

#[test]
fn documents_that_are_refused() {
    check_bad("", "1:1: the file is empty");
    check_bad("   \n# nothing\n", "the file is empty");
    check_bad("a: 1\n---\nb: 2\n", "2:1: a second document");
    check_bad(
        "a: 1\nb: 2\na: 3\n",
        "3:1: a: key `a` is there twice; the first is in line 1",
    );
    check_bad("{'a': 1, a: 2}", "there twice");
    check_bad("a:\n\tb: 1\n", "not valid YAML");
    check_bad("a: [1, 2\nb: 3\n", "not valid YAML");
    check_bad("a: 'x\n", "not valid YAML");
    check_bad("a: b: c\n", "not valid YAML");
    check_bad("a: 1\0", "1:5: the file contains a NUL");
    check_bad(
        "a: 99999999999999999999",
        "1:4: a: the number 99999999999999999999 is out of range",
    );
    check_bad("a: 1e999", "out of range");
    check_bad("a: 0xFFFFFFFFFFFFFFFFFF", "out of range");
    check_bad("a: .nan", "no JSON form");
    check_bad("a: -.inf", "no JSON form");
    check_bad("a: !!python/object x", "not supported");
    check_bad("a: !custom x", "not supported");
    check_bad("a: !!int x", "not supported");
    check_bad("a: !!set {x, y}", "not supported");
    check_bad("a: *nowhere", "not valid YAML");
    check_bad("a: &x [*x]", "an alias refers to something it is part of");
    check_bad("a: &x 1\n*x : 2", "a key cannot be an alias");
    check_bad("? [a, b]\n: 1", "a key must be text");
    check_bad("base: &b {x: 1}\na:\n  <<: *b\n", "merge keys");
    check_bad(&"[".repeat(DEPTH_MAX + 1), "nested deeper than 64");
    check_bad(&"- ".repeat(DEPTH_MAX + 1), "nested deeper than 64");
    check_bad(&"{a: ".repeat(DEPTH_MAX + 1), "nested deeper than 64");
    check_bad(
        &"x".repeat(DOCUMENT_BYTES_MAX + 1),
        "at most 1048576 are allowed",
    );
    let (_, problems) = read_all(b"a: \xff\n");
    assert_eq!(
        problems[0].to_string(),
        "f:1:4: the file is not UTF-8 (save it as UTF-8)"
    );
    let (_, problems) = read_all(b"\xff\xfea\0:\0");
    assert!(problems[0].reason.contains("not UTF-8"));
}

#[test]
fn what_grows_by_aliases_is_refused() {
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..20 {
        let list = vec![format!("*a{}", i - 1); 9].join(", ");
        laughs += &format!("a{i}: &a{i} [{list}]\n");
    }
    check_bad(&laughs, "more than 100000 values, aliases expanded");
    // One long text many times: few values, many bytes.
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(500_000),
        vec!["*a"; 1000].join(", ")
    );
    check_bad(&long, "bytes of text, aliases expanded");
    // Anchors within anchors: each keeps a copy of all that is in it.
    let nested: String = (0..60).map(|i| format!("&a{i} [")).collect();
    check_bad(
        &format!("{nested}{}{}", "x".repeat(500_000), "]".repeat(60)),
        "bytes of text, aliases expanded",
    );
    // Deep by aliases alone.
    let mut deep = "a0: &a0 [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]\n".to_owned();
    for i in 1..5 {
        deep += &format!("a{i}: &a{i} [[[[[[[[[[[[[[[[*a{}]]]]]]]]]]]]]]]]\n", i - 1);
    }
    check_bad(&deep, "nested deeper than 64 by an alias");
    check_bad(
        &format!("[{}]", "1,".repeat(NODES_MAX)),
        "more than 100000 values",
    );
}

proptest! {
    #[test]
    fn any_bytes_give_a_tree_or_problems(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (node, problems) = read_all(&bytes);
        prop_assert!(node.is_some() || !problems.is_empty());
    }

    /// Bytes that mean something in YAML get deeper than any.
    #[test]
    fn any_yaml_like_text_gives_a_tree_or_problems(text in "[-\\[\\]{}:,#&*!|>'\"%@`?~ab01. \t\r\n\u{feff}é\\\\]{0,120}") {
        let (node, problems) = read_all(text.as_bytes());
        prop_assert!(node.is_some() || !problems.is_empty());
        for problem in problems {
            prop_assert!(problem.line >= 1 && problem.column >= 1, "{}", problem);
        }
    }
}
