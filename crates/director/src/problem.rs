//! What is wrong with a file of a service, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest path and longest reason of a problem: both may quote the file.
const TEXT_CHARS_MAX: usize = 500;

/// Whether a problem keeps the service out of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The service cannot be used.
    Error,
    /// The service can be used; something in its files has no effect or is unusual.
    Warning,
}

/// One problem of one file of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file, as the caller named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Path of the field (`inputs.diameter.type`); empty for the file as a whole.
    pub field: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hint: Option<String>,
    /// Error or warning.
    pub severity: Severity,
}

impl Problem {
    /// An error at a place in a file.
    pub fn error(
        file: &str,
        at: (u32, u32),
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line: at.0,
            column: at.1,
            field: shorten(field.into()),
            reason: shorten(reason.into()),
            hint: None,
            severity: Severity::Error,
        }
    }

    /// A warning at a place in a file.
    pub fn warning(
        file: &str,
        at: (u32, u32),
        field: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(file, at, field, reason)
        }
    }

    /// The same problem with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Whether it keeps the service out of the catalog.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

fn shorten(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// `metadata.yml:3:10: version: is a number (hint)`, the form that editors can jump to.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}
