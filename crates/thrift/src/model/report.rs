//! What is found on the way.

use super::Place;
use crate::idl::{Diagnostic, Severity};

/// Errors that are kept, and warnings: who has more will begin with the first ones anyway.
const FINDINGS_MAX: usize = 100;
/// Errors for which somebody looks for help among all names, which takes its time in a large contract.
const HELPS_MAX: usize = 20;

/// Findings in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// The last one that is not kept.
    dropped: Option<Diagnostic>,
}

impl Report {
    /// There is an error.
    pub(super) const fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Further errors are counted only.
    pub(super) const fn is_full(&self) -> bool {
        self.errors >= FINDINGS_MAX
    }

    /// Looks for help, unless there are so many errors that it would take too long.
    pub(super) fn look(&self, help: impl FnOnce() -> Option<String>) -> Option<String> {
        if self.errors < HELPS_MAX {
            help()
        } else {
            None
        }
    }

    /// An error; the caller may add other places and help.
    pub(super) fn error(
        &mut self,
        place: Place,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Finding<'_> {
        self.add(Diagnostic::error(place.source, place.span, message).label(label))
    }

    /// A warning; the caller may add other places and help.
    pub(super) fn warning(
        &mut self,
        place: Place,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Finding<'_> {
        self.add(Diagnostic::warning(place.source, place.span, message).label(label))
    }

    pub(super) fn add(&mut self, finding: Diagnostic) -> Finding<'_> {
        let count = match finding.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count > FINDINGS_MAX {
            return Finding(self.dropped.insert(finding));
        }
        let at = self.findings.len();
        self.findings.push(finding);
        Finding(&mut self.findings[at])
    }

    /// All findings that were kept: by file, and by place in it.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        for (severity, count, word) in [
            (Severity::Error, self.errors, "errors"),
            (Severity::Warning, self.warnings, "warnings"),
        ] {
            let mut kept = self.findings.iter();
            if count > FINDINGS_MAX
                && let Some(last) = kept.rfind(|it| it.severity == severity)
            {
                let mut more = last.clone();
                more.message = format!("{} more {word} are not shown", count - FINDINGS_MAX);
                more.primary.text.clear();
                more.others.clear();
                more.help = None;
                self.findings.push(more);
            }
        }
        self.findings
            .sort_by_key(|it| (it.primary.source, it.primary.span.start));
        self.findings
    }
}

/// A finding that may still be added to.
pub(super) struct Finding<'r>(&'r mut Diagnostic);

impl Finding<'_> {
    /// Shows another place.
    pub(super) fn and(self, place: Place, text: impl Into<String>) -> Self {
        self.0.others.push(crate::idl::Label {
            source: place.source,
            span: place.span,
            text: text.into(),
        });
        self
    }

    /// Says what could be done.
    pub(super) fn help(self, text: impl Into<String>) -> Self {
        self.maybe_help(Some(text.into()))
    }

    /// Says what could be done, if anybody knows.
    pub(super) fn maybe_help(self, text: Option<String>) -> Self {
        self.0.help = text;
        self
    }
}
