use super::{
    super::{Diagnostic, Sources, Span, render},
    parse_text,
};

#[track_caller]
fn check_rendered(text: &str, expected: &str) {
    let (sources, _, diagnostics) = parse_text(text);
    let rendered = render(&sources, &diagnostics, false);
    assert_eq!(rendered, expected, "\n{rendered}");
}

#[test]
fn lines_labels_and_help() {
    check_rendered("struct S {}", "");
    check_rendered(
        "struct A {\n  1: i32 a\n\n\n\nstruct B { 1: void b }\n",
        "\
error: expected a field or `}`, found the keyword `struct`
 --> a.thrift:6:1
  |
1 | struct A {
  |          - this `{` is not closed
...
6 | struct B { 1: void b }
  | ^^^^^^ expected a field or `}`
  |
  = help: definitions cannot be in one another

error: expected a type, found the keyword `void`
 --> a.thrift:6:15
  |
6 | struct B { 1: void b }
  |               ^^^^ expected a type
",
    );
}

#[test]
fn tabs_and_other_characters() {
    check_rendered(
        "struct S {\r\n\t1: i32\t\"日本\" // é\r\n}\r\n",
        "\
error: expected the name of the field, found a string
 --> a.thrift:2:9
  |
2 |     1: i32    \"日本\" // é
  |               ^^^^^^ expected the name of the field
",
    );
    // Nothing that a file says may control the terminal.
    check_rendered(
        "\u{1b}[31mred",
        "\
error: unexpected character `\\u{1b}`
 --> a.thrift:1:1
  |
1 | ␛[31mred
  | ^

error: expected a definition, found `[`
 --> a.thrift:1:2
  |
1 | ␛[31mred
  |  ^ expected a definition
",
    );
}

#[test]
fn the_end_of_the_file() {
    for text in ["struct S {", "struct S {\n", "struct S {\r\n\r\n"] {
        let (sources, _, diagnostics) = parse_text(text);
        let rendered = render(&sources, &diagnostics, false);
        assert!(rendered.contains("this `{` is not closed"), "{rendered}");
    }
}

#[test]
fn several_files() {
    let mut sources = Sources::default();
    let shared = sources.add("shared.thrift", "struct A {}\n\nstruct S {}\n");
    let main = sources.add("main.thrift", "include 'shared.thrift'\nstruct S {}\n");
    let diagnostic = Diagnostic::warning(main, Span { start: 31, end: 32 }, "a name is used twice")
        .label("here")
        .other(shared, Span { start: 20, end: 21 }, "and here")
        .help("take another");
    assert_eq!(
        diagnostic.one_line(&sources),
        "main.thrift:2:8: warning: a name is used twice"
    );
    assert_eq!(
        render(&sources, std::slice::from_ref(&diagnostic), false),
        "\
warning: a name is used twice
 --> main.thrift:2:8
  |
2 | struct S {}
  |        ^ here
  |
 ::: shared.thrift:3:8
  |
3 | struct S {}
  |        - and here
  |
  = help: take another
"
    );
    let colored = render(&sources, &[diagnostic], true);
    assert!(colored.contains("\u{1b}["), "{colored}");
}

#[test]
fn long_lines_are_not_shown() {
    let (sources, _, diagnostics) = parse_text(&format!(
        "struct S {{ /*{}*/ 1: void }}",
        " ".repeat(100_000)
    ));
    assert_eq!(
        render(&sources, &diagnostics, false),
        "\
error: expected a type, found the keyword `void`
--> a.thrift:1:100020
"
    );
    // Places that are far apart are shown one by one.
    let (sources, _, diagnostics) =
        parse_text(&format!("struct S {{{}struct T {{}}", "\n".repeat(100_000)));
    let rendered = render(&sources, &diagnostics, false);
    assert!(rendered.lines().count() < 20, "{rendered}");
    assert!(rendered.contains("expected a field or `}`"), "{rendered}");
    assert!(rendered.contains("this `{` is not closed"), "{rendered}");
}
