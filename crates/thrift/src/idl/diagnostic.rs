//! What is wrong with a contract, and where.

use super::source::{SourceId, Sources, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It works, but is probably not meant.
    Warning,
    /// The contract cannot be used.
    Error,
}

/// A place, and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The file.
    pub source: SourceId,
    /// The bytes.
    pub span: Span,
    /// What is said beside them; may be empty.
    pub text: String,
}

/// One finding about a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line: lowercase, no full stop.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Other places that belong to it: "first used here".
    pub others: Vec<Label>,
    /// What could be done.
    pub help: Option<String>,
}
