//! What is wrong with a contract, and where.

use std::fmt::Write as _;

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Level, Origin, Renderer, Snippet, normalize_untrusted_str,
};

use super::source::{SourceId, Sources, Span};

/// More bytes of a file are not shown with one finding. Rendering takes time by the length of what is shown, and a file
/// may have all its text in one line.
const WINDOW_MAX: usize = 16 << 10;

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
            .elements(elements(sources, diagnostic));
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

/// What is shown of the files, the primary place first.
fn elements<'a>(sources: &'a Sources, diagnostic: &'a Diagnostic) -> Vec<Element<'a>> {
    let mut files: Vec<(SourceId, Vec<Place<'a>>)> = Vec::new();
    let others = diagnostic
        .others
        .iter()
        .map(|label| (AnnotationKind::Context, label));
    for (kind, label) in
        std::iter::once((AnnotationKind::Primary, &diagnostic.primary)).chain(others)
    {
        match files.iter_mut().find(|(source, _)| *source == label.source) {
            Some((_, places)) => places.push((kind, label)),
            None => files.push((label.source, vec![(kind, label)])),
        }
    }
    let mut elements = Vec::new();
    for (source, places) in &files {
        match snippet(sources, *source, places) {
            Some(snippet) => elements.push(snippet.into()),
            // Far apart: each on its own, without its line if that is very long.
            None => elements.extend(places.iter().map(|place| {
                snippet(sources, *source, std::slice::from_ref(place)).map_or_else(
                    || {
                        let (line, column) = sources.line_column(*source, place.1.span.start);
                        let path = sources.file(*source).label.as_str();
                        Origin::path(path).line(line).char_column(column).into()
                    },
                    Element::from,
                )
            })),
        }
    }
    elements
}

/// What a label is to the finding.
type Place<'a> = (AnnotationKind, &'a Label);

/// The lines from the first place to the last; `None` if they are too long to be shown.
fn snippet<'a>(
    sources: &'a Sources,
    source: SourceId,
    places: &[Place<'a>],
) -> Option<Snippet<'a, Annotation<'a>>> {
    let all = places
        .iter()
        .map(|(_, label)| label.span)
        .reduce(Span::to)?;
    let window = sources.lines_of(source, all);
    if window.bytes.len() > WINDOW_MAX {
        return None;
    }
    let file = sources.file(source);
    let annotations = places.iter().map(|(kind, label)| {
        let shift = |offset: u32| (offset as usize).min(window.bytes.end) - window.bytes.start;
        let annotation = kind.span(shift(label.span.start)..shift(label.span.end));
        if label.text.is_empty() {
            annotation
        } else {
            annotation.label(label.text.as_str())
        }
    });
    Some(
        Snippet::source(&file.text[window.bytes.clone()])
            .path(file.label.as_str())
            .line_start(window.first_line)
            .annotations(annotations),
    )
}
