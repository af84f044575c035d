//! What is wrong with a contract, and where.

use std::fmt::Write as _;

use annotate_snippets::{
    Annotation, AnnotationKind, Level, Renderer, Snippet, normalize_untrusted_str,
};

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

impl Diagnostic {
    /// An error at a place.
    #[must_use]
    pub fn error(source: SourceId, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, source, span, message.into())
    }

    /// A warning about a place.
    #[must_use]
    pub fn warning(source: SourceId, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, source, span, message.into())
    }

    const fn new(severity: Severity, source: SourceId, span: Span, message: String) -> Self {
        Self {
            severity,
            message,
            primary: Label {
                source,
                span,
                text: String::new(),
            },
            others: Vec::new(),
            help: None,
        }
    }

    /// Says something beside the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// Shows another place, which may be in another file.
    #[must_use]
    pub fn other(mut self, source: SourceId, span: Span, text: impl Into<String>) -> Self {
        self.others.push(Label {
            source,
            span,
            text: text.into(),
        });
        self
    }

    /// Says what could be done.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// `file:line:column: error: message`, for editors and logs.
    #[must_use]
    pub fn one_line(&self, sources: &Sources) -> String {
        let (line, column) = sources.line_column(self.primary.source, self.primary.span.start);
        let label = &sources.file(self.primary.source).label;
        let severity = match self.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        format!("{label}:{line}:{column}: {severity}: {}", self.message)
    }
}

/// Diagnostics as a person reads them in a terminal: each with the lines that it is about. Ends with a line feed unless
/// there is nothing to say.
#[must_use]
pub fn render(sources: &Sources, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut text = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Warning => Level::WARNING,
            Severity::Error => Level::ERROR,
        };
        let mut group = level
            .primary_title(diagnostic.message.as_str())
            .elements(snippets(sources, diagnostic));
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        // Writing to a string cannot fail; an empty line parts the findings, as rustc does it.
        let _ = writeln!(text, "{}\n", renderer.render(&[group]));
    }
    text.truncate(text.trim_end_matches('\n').len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// A snippet for each file that the diagnostic is about, the primary one first.
fn snippets<'a>(
    sources: &'a Sources,
    diagnostic: &'a Diagnostic,
) -> Vec<Snippet<'a, Annotation<'a>>> {
    let mut files = vec![diagnostic.primary.source];
    for label in &diagnostic.others {
        if !files.contains(&label.source) {
            files.push(label.source);
        }
    }
    let labels = || {
        std::iter::once((AnnotationKind::Primary, &diagnostic.primary)).chain(
            diagnostic
                .others
                .iter()
                .map(|label| (AnnotationKind::Context, label)),
        )
    };
    files
        .into_iter()
        .map(|source| {
            let in_file = || labels().filter(move |(_, label)| label.source == source);
            let all = in_file()
                .map(|(_, label)| label.span)
                .reduce(Span::to)
                .unwrap_or_default();
            // Only the lines from the first place to the last: the cost of a finding must not grow with the file.
            let window = sources.lines_of(source, all);
            Snippet::source(&sources.file(source).text[window.bytes.clone()])
                .path(sources.file(source).label.as_str())
                .line_start(window.first_line)
                .annotations(in_file().map(|(kind, label)| {
                    let shift =
                        |offset: u32| (offset as usize).min(window.bytes.end) - window.bytes.start;
                    let annotation = kind.span(shift(label.span.start)..shift(label.span.end));
                    if label.text.is_empty() {
                        annotation
                    } else {
                        annotation.label(label.text.as_str())
                    }
                }))
        })
        .collect()
}
