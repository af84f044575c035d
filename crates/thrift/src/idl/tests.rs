mod docs;
mod errors;
mod forms;
mod print;
mod random;
mod rendering;

use super::{Diagnostic, Severity, Sources, ast::Document, parse};

fn parse_text(text: &str) -> (Sources, Document, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let file = sources.add("a.thrift", text);
    let mut diagnostics = Vec::new();
    let document = parse(&sources, file, &mut diagnostics);
    (sources, document, diagnostics)
}

/// The text is right, and is the same as `expected`, which is written the way `print` writes.
#[track_caller]
fn check(text: &str, expected: &str) {
    let (sources, document, diagnostics) = parse_text(text);
    let errors: Vec<_> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| diagnostic.one_line(&sources))
        .collect();
    assert_eq!(errors, [""; 0], "{text}");
    assert_eq!(print::document(&document), expected, "{text}");
}

/// The text is right, and is already as `print` writes it.
#[track_caller]
fn check_same(text: &str) {
    check(text, text);
}

/// The findings of a text, one a line: `line:column: severity: message`.
fn findings(text: &str) -> String {
    let (sources, _, diagnostics) = parse_text(text);
    diagnostics
        .iter()
        .map(|diagnostic| diagnostic.one_line(&sources).replacen("a.thrift:", "", 1) + "\n")
        .collect()
}

#[track_caller]
fn check_findings(text: &str, expected: &[&str]) {
    let findings = findings(text);
    assert_eq!(findings.lines().collect::<Vec<_>>(), expected, "{text}");
}
