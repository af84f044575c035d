//! Documentation comments: where they go, and what is left of them.

use super::{super::ast::Definition, parse_text};

#[track_caller]
fn check_clean(comment: &str, expected: Option<&str>) {
    let (_, document, diagnostics) = parse_text(&format!("/**{comment}*/struct S {{}}"));
    assert!(diagnostics.is_empty(), "{comment}");
    let Definition::Struct(definition) = &document.definitions[0] else {
        panic!("one struct was written");
    };
    assert_eq!(definition.doc.as_deref(), expected, "{comment}");
}

#[test]
fn comments_are_cleaned_as_by_the_official_compiler() {
    check_clean(" one ", Some("one\n"));
    check_clean("one", Some("one\n"));
    check_clean(" ", None);
    check_clean("\n", None);
    check_clean(" \t\n ", None);
    check_clean("\n * one\n * two\n ", Some("one\ntwo\n"));
    check_clean("\r\n * one\r\n * two\r\n ", Some("one\ntwo\n"));
    check_clean(" one\n * two\n ", Some("one\ntwo\n"));
    check_clean("\n * one\n *\n *   two\n ", Some("one\n\n  two\n"));
    check_clean("\n one\n   two\n", Some("one\n  two\n"));
    check_clean("\n\n one\n", Some("\none\n"));
    check_clean("\n * one \t\n * two\n * ", Some("one\ntwo\n \n"));
    // Stars in different columns are text.
    check_clean("\n * one\n  * two\n ", Some("* one\n * two\n"));
    check_clean("\n * one\n two\n ", Some("* one\ntwo\n"));
    check_clean("* stars **\n ** more\n ", Some("* stars **\n* more\n"));
    check_clean("\n\t* tab\n\t* é\n", Some("tab\né\n"));
}

/// All documentation of a file, as `name: text`.
fn docs(text: &str) -> Vec<String> {
    let (_, document, diagnostics) = parse_text(text);
    assert!(diagnostics.is_empty(), "{text}");
    let mut docs = Vec::new();
    let mut add = |name: &str, doc: &Option<String>| {
        docs.extend(
            doc.as_ref()
                .map(|doc| format!("{name}: {}", doc.trim_end())),
        );
    };
    add("file", &document.doc);
    for definition in &document.definitions {
        let name = &definition.name().text;
        match definition {
            Definition::Typedef(it) => add(name, &it.doc),
            Definition::Const(it) => add(name, &it.doc),
            Definition::Enum(it) => {
                add(name, &it.doc);
                it.values
                    .iter()
                    .for_each(|value| add(&value.name.text, &value.doc));
            }
            Definition::Struct(it) => {
                add(name, &it.doc);
                it.fields
                    .iter()
                    .for_each(|field| add(&field.name.text, &field.doc));
            }
            Definition::Service(it) => {
                add(name, &it.doc);
                for function in &it.functions {
                    add(&function.name.text, &function.doc);
                    let fields = function.arguments.iter().chain(&function.throws);
                    fields.for_each(|field| add(&field.name.text, &field.doc));
                }
            }
        }
    }
    docs
}

#[test]
fn comments_go_to_what_follows() {
    assert_eq!(
        docs(
            "/** 1 */ typedef i32 T /** 2 */ const T C = 1; /** 3 */ enum E { /** 4 */ A, /** 5 */ B = 2 }\n\
             /** 6 */ struct S { /** 7 */ 1: i32 a /** 8 */ required i32 b }\n\
             /** 9 */ service V { /** 10 */ void f(/** 11 */ 1: i32 c) throws (/** 12 */ 1: X d), /** 13 */ void g() }"
        ),
        [
            "T: 1", "C: 2", "E: 3", "A: 4", "B: 5", "S: 6", "a: 7", "b: 8", "V: 9", "f: 10",
            "c: 11", "d: 12", "g: 13"
        ]
    );
}

#[test]
fn only_the_last_comment_counts_and_other_comments_do_not_matter() {
    assert_eq!(
        docs("/** 1 */ /** 2 */ // x\n /* y */ # z\n /***/ struct S {}"),
        ["S: 2"]
    );
    // An empty one takes the place of one with text, too.
    assert_eq!(docs("/** 1 */ /** */ struct S {}"), [""; 0]);
}

#[test]
fn comments_before_an_end_go_to_what_comes_after_it() {
    assert_eq!(docs("struct S { 1: i32 a /** 1 */ } struct T {}"), ["T: 1"]);
    assert_eq!(
        docs("struct S { 1: i32 a /** 1 */ } struct T { /** 2 */ 1: i32 b }"),
        ["T: 1", "b: 2"]
    );
    assert_eq!(docs("service S { void f() /** 1 */, void g() }"), ["g: 1"]);
    assert_eq!(docs("struct S {} /** 1 */"), [""; 0]);
}

#[test]
fn the_first_comment_before_headers_is_the_files() {
    assert_eq!(
        docs("/** 1 */ namespace py a /** 2 */ namespace cpp b /** 3 */ struct S {}"),
        ["file: 1", "S: 3"]
    );
    assert_eq!(
        docs("/** 1 */ /** 2 */ include 'a' struct S {}"),
        ["file: 1"]
    );
    assert_eq!(
        docs("cpp_include 'a' /** 2 */ cpp_include 'b' struct S {}"),
        [""; 0]
    );
    assert_eq!(docs("/** 1 */ struct S {}"), ["S: 1"]);
}
