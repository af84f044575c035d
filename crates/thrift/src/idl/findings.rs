//! What is found in a file, bounded: a file with more errors, or more warnings, than a person reads is probably of another
//! kind.

use super::diagnostic::{Diagnostic, Severity};

/// More errors of a file, and more warnings, are not kept.
const KEPT_MAX: usize = 100;

/// What one stage finds, in order of places.
#[derive(Debug, Default)]
pub(super) struct Findings {
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
}

impl Findings {
    /// Adds a finding, which can then be completed.
    pub(super) fn add(&mut self, diagnostic: Diagnostic) -> &mut Diagnostic {
        let list = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        // One more than is kept: what is too much takes that place, one after the other.
        list.truncate(KEPT_MAX);
        list.push(diagnostic);
        list.last_mut().expect("one was pushed the line before")
    }

    /// The error that was added last.
    pub(super) fn last_error(&mut self) -> Option<&mut Diagnostic> {
        self.errors.last_mut()
    }

    /// Whether nothing that is still to come would be kept of the errors.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() > KEPT_MAX
    }

    /// What both found, in order of places.
    pub(super) fn merge(mut self, mut other: Self) -> Vec<Diagnostic> {
        for (list, other) in [
            (&mut self.errors, &mut other.errors),
            (&mut self.warnings, &mut other.warnings),
        ] {
            list.append(other);
            list.sort_by_key(|diagnostic| diagnostic.primary.span.start);
            list.truncate(KEPT_MAX);
        }
        self.errors.append(&mut self.warnings);
        self.errors
            .sort_by_key(|diagnostic| diagnostic.primary.span.start);
        self.errors
    }
}
