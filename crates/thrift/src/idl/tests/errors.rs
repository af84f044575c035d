//! What is refused, with which words, and what is found after an error.

use super::{Severity, check_findings, findings, parse_text, print};

/// The findings, and what is left of the text.
#[track_caller]
fn check_recovery(text: &str, expected: &[&str], left: &str) {
    check_findings(text, expected);
    assert_eq!(print::document(&parse_text(text).1), left, "{text}");
}

#[test]
fn characters() {
    check_findings(
        "$ § €\n$ struct S {} \u{c}\n.",
        &[
            "1:1: error: unexpected character `$`",
            "1:3: error: unexpected character `§`",
            "1:5: error: unexpected character `€`",
            "2:15: error: unexpected character `\\u{c}`",
            "3:1: error: unexpected character `.`",
        ],
    );
    check_findings("/* no end", &["1:1: error: this comment never ends"]);
    check_findings(
        "struct S {} /** no end *",
        &["1:13: error: this comment never ends"],
    );
    check_findings("/*/", &["1:1: error: this comment never ends"]);
}

#[test]
fn strings() {
    check_recovery(
        "const string A = 'never ends\nconst string B = \"bad \\q and \\é escape\"\nconst string C = 'c\\",
        &[
            "1:18: error: this string does not end in its line",
            "2:23: error: a string has no escape `\\q`",
            "2:30: error: a string has no escape `\\\\u{e9}`",
            "3:18: error: this string does not end in its line",
        ],
        "const string A = \"never ends\"\nconst string B = \"bad q and é escape\"\nconst string C = \"c\"",
    );
    check_findings(
        "const string A = 'a\\\nb'",
        &[
            "1:18: error: this string does not end in its line",
            "2:1: error: expected a definition, found `b`",
            "2:2: error: this string does not end in its line",
        ],
    );
}

#[test]
fn integers() {
    check_findings(
        "const i64 A = 9223372036854775808\nconst i64 B = -0x8000000000000000\nstruct S { 18446744073709551616: i32 a }",
        &[
            "1:15: error: the integer `9223372036854775808` is too large",
            "2:15: error: the integer `-0x8000000000000000` is too large",
            "3:12: error: the integer `18446744073709551616` is too large",
        ],
    );
}

#[test]
fn forms_of_long_ago() {
    check_recovery(
        "php_namespace a.b\npy_module \"x\"\nxsd_namespace 'y'\nsenum E { \"a\", \"b\" } (c)\n\
         struct S { 1: slist x, 2: i32 py_module }",
        &[
            "1:1: error: `php_namespace` is not supported any more",
            "2:1: error: `py_module` is not supported any more",
            "3:1: error: `xsd_namespace` is not supported any more",
            "4:1: error: `senum` is not supported any more",
            "5:15: error: `slist` is not supported any more",
            "5:31: error: `py_module` is not supported any more",
        ],
        "struct S { 1: string x, 2: i32 py_module }",
    );
    let (_, _, diagnostics) = parse_text("smalltalk_prefix A slist");
    let helps: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| diagnostic.help.as_deref())
        .collect();
    assert_eq!(
        helps[..2],
        [Some("use `namespace st`"), Some("use `string`")]
    );
    check_findings(
        "service S { async void f() }",
        &["1:13: warning: `async` is the old name of `oneway`"],
    );
}

#[test]
fn other_dialects() {
    check_recovery(
        "package \"a.b\"\n@thrift.Doc{x = 1}\nstruct S { @a.B{} 1: float x; @c 2: list<float> y }\n\
         interaction I { void f() }\nservice T { performs I; readonly i32 f(), idempotent void g(),\n\
         stream<i32> h(), i32, stream<i64> k(), sink<i32 throws (1: E e), i64> l() }\nenum E { @x A @y B }",
        &[
            "1:1: error: packages belong to fbthrift, another dialect of Thrift",
            "2:1: error: structured annotations belong to fbthrift, another dialect of Thrift",
            "3:22: error: `float` belongs to fbthrift, another dialect of Thrift",
            "4:1: error: interactions belong to fbthrift, another dialect of Thrift",
            "5:25: error: qualifiers of functions belong to fbthrift, another dialect of Thrift",
            "6:1: error: streams belong to fbthrift, another dialect of Thrift",
        ],
        "struct S { 1: double x, 2: list<double> y }\n\
         service T { i32 f(), void g(), list<i32> h(), i32 k(), list<i32> l() }\nenum E { A, B }",
    );
}

#[test]
fn definitions() {
    check_recovery(
        "struct S {};\nstruct T {},\ntypedef i32 I;;\nhello world\nstruct U {}\n}\nstruct V {} }\n5 struct W {}",
        &[
            "1:12: error: expected a definition, found `;`",
            "2:12: error: expected a definition, found `,`",
            "3:15: error: expected a definition, found `;`",
            "4:1: error: expected a definition, found `hello`",
            "6:1: error: expected a definition, found `}`",
            "7:13: error: expected a definition, found `}`",
        ],
        "struct S {}\nstruct T {}\ntypedef i32 I\nstruct U {}\nstruct V {}\nstruct W {}",
    );
    check_recovery(
        "typedef string uuid\ntypedef list<> L\ntypedef map<i32> M\ntypedef set<i32> cpp_type 'x' N\nconst i32 A 5\n\
         exception X xsd_all {}\nstruct { 1: i32 a }\nstruct S extends T {}\nservice V extends {}\nenum list {}\n\
         struct a.b {}\ntypedef void W\nconst i32 B = 1",
        &[
            "1:16: error: expected the new name of the type, found the keyword `uuid`",
            "2:14: error: expected a type, found `>`",
            "3:16: error: expected `,` and the type of the values, found `>`",
            "4:18: error: expected the new name of the type, found the keyword `cpp_type`",
            "5:13: error: expected `=` and the constant's value, found `5`",
            "6:13: error: expected `{`, found the keyword `xsd_all`",
            "7:8: error: expected the name of the struct, found `{`",
            "8:10: error: expected `{`, found the keyword `extends`",
            "9:19: error: expected the name of a service, found `{`",
            "10:6: error: expected the name of the enumeration, found the keyword `list`",
            "11:8: error: the name `a.b` has a dot",
            "12:9: error: expected a type, found the keyword `void`",
        ],
        "struct a.b {}\nconst i32 B = 1",
    );
}

#[test]
fn headers() {
    check_recovery(
        "namespace py \"b\"\nnamespace * list\nnamespace py\nnamespace * a (b)\ninclude x\ninclude 'y'\nstruct S {}\n\
         include 'z'\nnamespace py a",
        &[
            "1:14: error: expected the name of the namespace, found a string",
            "2:13: error: expected the name of the namespace, found the keyword `list`",
            "4:1: error: expected the name of the namespace, found the keyword `namespace`",
            "4:15: error: expected a definition, found `(`",
            "5:9: error: expected a file's name in quotes, found `x`",
            "8:1: error: `include` must come before all definitions",
        ],
        "namespace * a\ninclude \"y\"\ninclude \"z\"\nnamespace py a\nstruct S {}",
    );
}

#[test]
fn fields() {
    check_recovery(
        "struct S {\n  1: i32 a\n  2 string b\n  3: list<i32 c\n  4: string d\n  5: void e; 6: i32 f, 7: required\n  8: i32 xsd_all\n\
         \n  9: i32 cpp_type\n  10: i32 a.b\n  11: i32 * g\n  true: i32 true\n  12: i32 h = ,\n  13: i32 i ((,\n  ) 14: i32 j\n}",
        &[
            "3:5: error: expected `:` behind the field's id, found the keyword `string`",
            "4:15: error: expected `>`, found `c`",
            "6:6: error: expected a type, found the keyword `void`",
            "7:3: error: expected a type, found `8`",
            "7:10: error: expected the name of the field, found the keyword `xsd_all`",
            "9:10: error: expected the name of the field, found the keyword `cpp_type`",
            "10:11: error: the name `a.b` has a dot",
            "11:11: error: expected the name of the field, found `*`",
            "12:13: error: expected the name of the field, found `true`",
            "13:15: error: expected a value, found `,`",
            "14:14: error: expected an annotation or `)`, found `(`",
        ],
        "struct S { 1: i32 a, 4: string d, 6: i32 f, 10: i32 a.b, 13: i32 i }",
    );
}

#[test]
fn unclosed_brackets() {
    // The definition that follows shows that it is so.
    check_recovery(
        "struct A {\n  1: i32 a\n\nstruct B {\n  1: i32 b\n}",
        &["4:1: error: expected a field or `}`, found the keyword `struct`"],
        "struct A { 1: i32 a }\nstruct B { 1: i32 b }",
    );
    check_recovery(
        "struct A {\n  1: i32 a\n  enum B { C }\n}\nunion D {}",
        &["3:3: error: expected a field or `}`, found the keyword `enum`"],
        "struct A { 1: i32 a }\nenum B { C }\nunion D {}",
    );
    check_recovery(
        "service S {\n  void f(1: i32 a\n}\nservice T { void g() }",
        &["3:1: error: expected an argument or `)`, found `}`"],
        "service S { void f(1: i32 a) }\nservice T { void g() }",
    );
    check_recovery(
        "const list<i32> C = [1, {2: 3\nunion U {}",
        &[
            "2:1: error: expected a key or `}`, found the keyword `union`",
            "2:1: error: expected a value or `]`, found the keyword `union`",
        ],
        "const list<i32> C = [1, {2: 3}]\nunion U {}",
    );
    check_recovery(
        "struct S { 1: i32 a (b = 'c'",
        &[
            "1:29: error: expected an annotation or `)`, found the end of the file",
            "1:29: error: expected a field or `}`, found the end of the file",
        ],
        "struct S { 1: i32 a (b = \"c\") }",
    );
}

#[test]
fn functions() {
    check_recovery(
        "service S {\n  void f(1: i32 a) throw (1: E e)\n  i32 g(1 i32 a, 2: i32 b)\n  oneway\n  i32\n  void void()\n\
         \n  void () i()\n  void j() throws E\n  list<void> k()\n  void l();\n}",
        &[
            "2:26: error: expected the name of the function, found `(`",
            "3:11: error: expected `:` behind the field's id, found the keyword `i32`",
            "6:3: error: expected the name of the function, found the keyword `void`",
            "6:8: error: expected the name of the function, found the keyword `void`",
            "8:8: error: expected the name of the function, found `(`",
            "9:19: error: expected `(` and the exceptions, found `E`",
            "10:8: error: expected a type, found the keyword `void`",
        ],
        "service S { void f(1: i32 a), i32 g(2: i32 b), void l() }",
    );
}

#[test]
fn values() {
    check_recovery(
        "enum E { A = x, B = 1.5, C (a=5), struct = 1, D.E, F.G = 2, H }\nconst map<i32, i32> M = {1: 2, 3, 4: 5}\n\
         const list<i32> L = [1, ), 2, list, 3]",
        &[
            "1:14: error: expected the number of the value, found `x`",
            "1:21: error: expected the number of the value, found `1.5`",
            "1:31: error: expected the annotation's value, a string, found `5`",
            "1:35: error: expected the name of a value or `}`, found the keyword `struct`",
            "1:47: error: the name `D.E` has a dot",
            "1:52: warning: the name `F.G` has a dot",
            "2:33: error: expected `:` and the value of the key, found `,`",
            "3:25: error: expected a value or `]`, found `)`",
            "3:31: error: expected a value or `]`, found the keyword `list`",
        ],
        "enum E { C, D.E, F.G = 2, H }\nconst map<i32, i32> M = {1: 2, 4: 5}\nconst list<i32> L = [1, 2, 3]",
    );
}

#[test]
fn annotations() {
    check_recovery(
        "struct S { 1: T (a = 'b') x, 2: list<T (c)> y } (required = 'd', 5, e)\nservice V { void f() (g = h), i32 i() }",
        &[
            "1:17: error: only base types and containers have annotations, named types do not",
            "1:40: error: only base types and containers have annotations, named types do not",
            "1:50: error: expected an annotation or `)`, found the keyword `required`",
            "1:66: error: expected an annotation or `)`, found `5`",
            "2:27: error: expected the annotation's value, a string, found `h`",
        ],
        "struct S { 1: T (a = \"b\") x, 2: list<T (c)> y } (e)\nservice V { void f(), i32 i() }",
    );
}

#[test]
fn depth() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(65), close.repeat(65));
    check_findings(
        &format!("struct S {{\n 1: {}\n 2: void x\n}}", deep("list<", ">")),
        &[
            "2:325: error: types are nested deeper than 64",
            "3:5: error: expected a type, found the keyword `void`",
        ],
    );
    check_findings(
        &format!("const A B = {}\nconst C", deep("[", "]")),
        &[
            "1:77: error: values are nested deeper than 64",
            "2:8: error: expected the name of the constant, found the end of the file",
        ],
    );
    let attributes = "i32 a xsd_attrs { ".repeat(65);
    assert!(
        findings(&format!("struct S {{ {attributes}"))
            .contains("attributes are nested deeper than 64")
    );
}

#[test]
fn not_too_many() {
    for text in [
        "struct ;\n+ ",
        ";",
        "99999999999999999999 ",
        "'\n",
        "a 'b\n",
        "struct S { 1: i32 async async } ",
    ] {
        let (_, _, diagnostics) = parse_text(&text.repeat(50_000));
        assert!(diagnostics.len() <= 200, "{text}");
    }
    // The first of each are kept, and warnings do not take the place of errors.
    let text = format!(
        "{}struct\n{}$",
        "const double C = +\n".repeat(1_000),
        "struct\n".repeat(1_000)
    );
    let (_, _, diagnostics) = parse_text(&text);
    let warnings = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Warning);
    assert_eq!(warnings.count(), 100);
    assert_eq!(diagnostics.len(), 200);
    assert!(findings(&text).starts_with("1:18: warning"));
    assert!(findings(&text).contains("\n1002:1: error"));
}
