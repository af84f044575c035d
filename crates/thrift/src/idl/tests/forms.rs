//! Everything that the grammar accepts.

use super::{check, check_findings, check_same};

#[test]
fn nothing_but_comments() {
    check("", "");
    check(
        "# one\n// two\n/* three */ /**/ /***/ /****/ /** four */\n",
        "",
    );
    check("# without a line feed", "");
    check("/* stars * / ** / *** */ /*/ is open */", "");
}

#[test]
fn headers() {
    check_same(
        "include \"shared.thrift\"\ncpp_include \"<vector>\"\nnamespace py a.b\nnamespace * c",
    );
    check_same("namespace smalltalk.category A (k = \"v\")");
    check("namespace java a ()", "namespace java a");
    check("include 'a' include \"b\"", "include \"a\"\ninclude \"b\"");
}

#[test]
fn typedefs() {
    check_same("typedef i64 Time\ntypedef list<Time> Times");
    check(
        "typedef i64 A, typedef i64 B; typedef byte C",
        "typedef i64 A\ntypedef i64 B\ntypedef i8 C",
    );
    check_same("typedef i32 (a) A (b = \"c\")");
}

#[test]
fn types() {
    for ty in [
        "bool",
        "i8",
        "i16",
        "i32",
        "i64",
        "double",
        "string",
        "binary",
        "uuid",
        "Named",
        "other.Named",
        "a.b.c",
        "list.x",
        "list<i32>",
        "set<string>",
        "map<i32, list<set<other.Named>>>",
        "list cpp_type \"x\" <i32>",
        "set cpp_type \"x\" <i32>",
        "map cpp_type \"x\" <i32, i32>",
        "list<i32 (a = \"b\")> (c = \"d\")",
        "map<i32 (a), string (b)> (c)",
        "stream",
        "sink",
    ] {
        check_same(&format!("typedef {ty} T"));
        check_same(&format!("struct S {{ 1: {ty} f }}"));
        check_same(&format!("const {ty} C = 1"));
        check_same(&format!("service S {{ {ty} f(1: {ty} a) }}"));
    }
    check(
        "typedef list<i32> cpp_type 'x' T",
        "typedef list cpp_type \"x\" <i32> T",
    );
    check(
        "typedef list cpp_type 'x' <i32> cpp_type 'y' T",
        "typedef list cpp_type \"y\" <i32> T",
    );
}

#[test]
fn enums() {
    check_same("enum E {}");
    check_same("enum E { A, B = 5, C = -2 (a = \"b\"), D (c) } (d = \"e\")");
    check(
        "enum E { A = 0x10 B = +3; C = true, }",
        "enum E { A = 16, B = 3, C = 1 }",
    );
    check("enum E { A = -0x10 }", "enum E { A = -16 }");
}

#[test]
fn numbers() {
    for (text, value) in [
        ("0", "0"),
        ("+007", "7"),
        ("-5", "-5"),
        ("0x7fffffffffffffff", "9223372036854775807"),
        ("-0x7FFFFFFFFFFFFFFF", "-9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("true", "1"),
        ("false", "0"),
        ("1.5", "1.5"),
        (".5e3", "500.0"),
        ("-.5", "-0.5"),
        ("1e3", "1000.0"),
        ("1E+3", "1000.0"),
        ("25e-1", "2.5"),
        ("1e400", "inf"),
        // Names, not numbers (THRIFT-3477).
        ("e10", "e10"),
        ("E10", "E10"),
        ("e10.e5", "e10.e5"),
    ] {
        check(
            &format!("const double C = {text}"),
            &format!("const double C = {value}"),
        );
    }
    // What follows a number without a blank is another token.
    check(
        "const list<i32> C = [1-2+3.5.5e1]",
        "const list<i32> C = [1, -2, 3.5, 5.0]",
    );
    check(
        "const list<i32> C = [0x1G 12abc 1e]",
        "const list<i32> C = [1, G, 12, abc, 1, e]",
    );
}

#[test]
fn signs_without_digits_are_zero_for_the_official_compiler() {
    check(
        "const list<double> C = [+ -e5]",
        "const list<double> C = [0.0, 0.0]",
    );
    check_findings(
        "const double C = -e5",
        &["1:18: warning: `-e5` has no digits before its exponent and means 0"],
    );
}

#[test]
fn strings() {
    for (text, value) in [
        (r#""it's""#, r#""it's""#),
        (r#"'say "x"'"#, r#""say \"x\"""#),
        (r#"'\r\n\t\"\'\\'"#, r#""\r\n\t\"'\\""#),
        ("''", "\"\""),
        ("'é€😀'", "\"é€😀\""),
        ("'a\rb\tc'", r#""a\rb\tc""#),
        (r"'\\'", r#""\\""#),
        (
            "'// no comment # either /* */'",
            "\"// no comment # either /* */\"",
        ),
    ] {
        check(
            &format!("const string C = {text}"),
            &format!("const string C = {value}"),
        );
    }
}

#[test]
fn constants() {
    check_same("const i32 A = OTHER\nconst i32 B = other.Enum.VALUE");
    check_same(
        "const list<i32> A = [1, 2]\nconst map<string, i32> B = {\"a\": 1, \"b\": 2}\nconst S C = {}",
    );
    check(
        "const i32 A = 1; const i32 B = 2, const M C = {'a': [1; 2 3,], 'b': {1: x; } 2: 3}",
        "const i32 A = 1\nconst i32 B = 2\nconst M C = {\"a\": [1, 2, 3], \"b\": {1: x}, 2: 3}",
    );
    check_same("const uuid A = \"00000000-4444-CCCC-ffff-0123456789ab\"");
}

#[test]
fn structs() {
    check_same("struct S {}\nunion U {}\nexception E {}");
    check_same(
        "struct S xsd_all { 1: i32 a } (a = \"b\")\nunion U xsd_all {} (c)\nexception E {} (d)",
    );
    check_same(
        "struct S { 1: required i32 a, 2: optional i32 b = 5, 3: i32 c, i32 d, optional i32 e, -1: i32 f }",
    );
    check(
        "struct S { 1: i32 a 2: i32 b; 3: i32 c, }",
        "struct S { 1: i32 a, 2: i32 b, 3: i32 c }",
    );
    check(
        "struct S{1:list<S>a true:S b}",
        "struct S { 1: list<S> a, 1: S b }",
    );
    check_same("struct S { 1: S & next, 2: list<S> & all = [] }");
    check_same(
        "struct S { 1: i32 a = 5 xsd_optional xsd_nillable xsd_attrs { 1: string x (y), i32 z } (k = \"v\"), 2: i32 b xsd_nillable }",
    );
    check_same("struct S { 1: i32 a (k = \"1\", k = \"2\", bare, dotted.key = \"\") }");
    check(
        "struct S { 1: i32 a (k = '1' k = '2'; bare) }",
        "struct S { 1: i32 a (k = \"1\", k = \"2\", bare) }",
    );
}

#[test]
fn fields_may_have_keywords_for_names() {
    for name in [
        "namespace",
        "cpp_include",
        "include",
        "void",
        "bool",
        "byte",
        "i8",
        "i16",
        "i32",
        "i64",
        "double",
        "string",
        "binary",
        "uuid",
        "map",
        "list",
        "set",
        "oneway",
        "async",
        "typedef",
        "struct",
        "union",
        "exception",
        "extends",
        "throws",
        "service",
        "enum",
        "const",
        "required",
        "optional",
    ] {
        check_same(&format!(
            "struct S {{ 1: i32 {name}, i32 {name} = 5, required {name}x {name} }}"
        ));
        check_same(&format!(
            "service S {{ void f(1: i32 {name}, list<i32> {name}) }}"
        ));
    }
}

#[test]
fn uuid_is_still_a_name_where_it_cannot_be_a_type() {
    check_same(
        "namespace py uuid\nconst i32 uuid = uuid\nenum E { uuid = 1 }\nservice S { void uuid(1: i32 uuid) (uuid) }",
    );
}

#[test]
fn services() {
    check_same("service S {}\nservice T extends other.S {} (a = \"b\")");
    check_same(
        "service S { void a(), i32 b(1: i32 x, string y), oneway void c(), list<S> d() throws (1: E e, F f) (a = \"b\") }",
    );
    check(
        "service S { void a() i32 b(); async void c(1: i32 x 2: i32 y) void d() throws () }",
        "service S { void a(), i32 b(), oneway void c(1: i32 x, 2: i32 y), void d() }",
    );
    check_same("service S { void a(1: optional i32 x = 5, 2: required i32 y) }");
    check_same("service S { oneway i32 a() }");
}

#[test]
fn words_that_mean_something_only_elsewhere() {
    check_same(
        "struct S { 1: package interaction, 2: readonly performs, 3: idempotent stream, 4: sink float }",
    );
    check_same(
        "service S { readonly f(), idempotent g(), performs h(), package interaction(), i32 stream() }",
    );
    check_same("typedef double float\nstruct S { 1: float float, 2: list<float> floats }");
    check_same("struct float { 1: float x }");
}

#[test]
fn line_ends_and_byte_order_marks() {
    check(
        "\u{feff}struct S {\r\n  1: i32 a\r\n}\r\n",
        "struct S { 1: i32 a }",
    );
    check("\u{feff}", "");
    check_findings("\u{feff}$", &["1:1: error: unexpected character `$`"]);
}

#[test]
fn deep_but_not_too_deep() {
    for (open, inner, close) in [("list<", "i32", ">"), ("map<i32, ", "string", ">")] {
        check_same(&format!(
            "typedef {}{inner}{} T",
            open.repeat(64),
            close.repeat(64)
        ));
    }
    check_same(&format!("const T C = {}{}", "[".repeat(64), "]".repeat(64)));
    check_same(&format!(
        "const T C = {}1{}",
        "{1: ".repeat(64),
        "}".repeat(64)
    ));
}

#[test]
fn reserved_words_are_warned_of() {
    check_findings(
        "struct S { 1: i32 class }",
        &["1:19: warning: the official compiler reserves the word `class` for some languages"],
    );
    check_findings(
        "enum E { END } service is { void yield() }",
        &[
            "1:10: warning: the official compiler reserves the word `END` for some languages",
            "1:24: warning: the official compiler reserves the word `is` for some languages",
            "1:34: warning: the official compiler reserves the word `yield` for some languages",
        ],
    );
}
