//! No text makes the parser panic, loop, or lie about places.

use proptest::prelude::*;

use super::{super::render, check, findings, parse_text, print};

/// Pieces of which texts are made that get far.
const PIECES: &[&str] = &[
    "struct ",
    "union ",
    "exception ",
    "service ",
    "enum ",
    "typedef ",
    "const ",
    "namespace ",
    "include ",
    "senum ",
    "xsd_all ",
    "xsd_attrs ",
    "cpp_type ",
    "extends ",
    "throws ",
    "oneway ",
    "async ",
    "void ",
    "required ",
    "optional ",
    "i32 ",
    "string ",
    "list",
    "map",
    "set",
    "uuid ",
    "slist ",
    "<",
    ">",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ";",
    ":",
    "=",
    "*",
    "&",
    "@",
    "a",
    "b.c ",
    "stream",
    "float ",
    "package ",
    "readonly ",
    "performs ",
    "interaction ",
    "php_namespace ",
    "1",
    "-2.5e3",
    "0x1f",
    "+",
    "99999999999999999999",
    "\"text\"",
    "'",
    "\"",
    "\\",
    "\n",
    "\r\n",
    "\t",
    " ",
    "/**",
    "*/",
    "/*",
    "//",
    "#",
    "/***/",
    "é",
    "\u{feff}",
    "\0",
    "$",
    ".",
    "..",
];

const VALID: &str = r#"/** file */
include "shared.thrift"
namespace py a.b (k = "v")
/** doc */
typedef map cpp_type "x" <i32 (a), list<set<string>>> T (b = 'c')
const map<string, list<double>> C = {"a": [1, .5e3; -0x1f], 'b\n': [],}
enum E { A = 1, B (x); C = 0x10 } (y)
struct S xsd_all { 1: required i32 a = 5, 2: optional S & other; list<E> list (z = "") } (w)
union U { 1: uuid id xsd_optional xsd_nillable xsd_attrs { 1: string x } }
exception X { 1: string message }
service V extends shared.W {
  oneway void a(1: i32 x),
  // comment
  T b(1: S s, 2: optional U u) throws (1: X x) (deprecated),
}
"#;

#[test]
fn the_valid_text_is_valid() {
    assert_eq!(findings(VALID), "");
    let printed = print::document(&parse_text(VALID).1);
    check(&printed, &printed);
}

fn check_any(text: &str) {
    let (sources, document, diagnostics) = parse_text(text);
    for diagnostic in &diagnostics {
        let span = diagnostic.primary.span;
        assert!(span.start <= span.end, "{diagnostic:?}");
        assert!(
            sources
                .file(diagnostic.primary.source)
                .text
                .get(span.range())
                .is_some(),
            "{diagnostic:?}"
        );
    }
    assert!(diagnostics.is_sorted_by_key(|diagnostic| diagnostic.primary.span.start));
    let _ = render(&sources, &diagnostics, text.len().is_multiple_of(2));
    let _ = print::document(&document);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_text(text in "\\PC*") {
        check_any(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_any(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..80)) {
        check_any(&pieces.concat());
    }

    #[test]
    fn valid_text_with_changes(
        changes in prop::collection::vec((0..VALID.len(), 0..6_usize, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut text = VALID.to_owned();
        for (at, removed, piece) in changes {
            let at = at.min(text.len());
            text.replace_range(at..(at + removed).min(text.len()), piece);
            // Offsets are only good for ASCII, which `VALID` is and some pieces are not.
            if !text.is_ascii() {
                break;
            }
        }
        check_any(&text);
    }
}

/// With anything worse than time in proportion to the length, this would not end.
#[test]
fn long_texts_of_one_piece() {
    for piece in PIECES {
        check_any(&piece.repeat(5_000));
    }
    for shape in [
        "struct S { 1: i32 a = {",
        "struct S { 1: list<",
        "(a = ",
        "[[",
        "xsd_attrs { 1: i32 a ",
        "{1: ",
    ] {
        check_any(&format!("struct S {{ 1: i32 a {}", shape.repeat(5_000)));
        check_any(&format!("const i32 C = {}", shape.repeat(5_000)));
    }
}
