//! Why JSON text is not what the schema says, and where.

use std::fmt;

/// JSON text that is not what the schema says: the first violation, and the others that were found with it.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonError {
    /// What is wrong.
    pub kind: JsonErrorKind,
    /// Which value it is, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// Bytes of the text before the place where it was seen; [`line_and_column`] makes a line of it.
    pub offset: usize,
    /// What else was found, in the order of the text; they have no more of their own.
    pub more: Vec<JsonError>,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The text is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// The text is not JSON.
    #[error("{0}")]
    Syntax(Syntax),
    /// Nested too deeply.
    #[error("more than {0} structs and containers are within each other")]
    TooDeep(u32),
    /// Sets and keys of maps that are within each other so deeply that it would take too long to compare them.
    #[error("sets and keys of maps are too intricate")]
    TooIntricate,
    /// More than a limit allows.
    #[error("{what} has {found}, and the limit is {limit}")]
    OverLimit {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        found: usize,
        /// How large it may be.
        limit: usize,
    },
    /// A value of another type.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the schema says.
        expected: Box<str>,
        /// What is there.
        found: &'static str,
    },
    /// A number that its type cannot hold.
    #[error("{found} is out of the range of {ty}")]
    OutOfRange {
        /// The number as it is written, its end left off if it is long.
        found: Box<str>,
        /// The type.
        ty: &'static str,
    },
    /// A text that stands for no value of its type.
    #[error("{found:?} is not {expected}")]
    Text {
        /// The text, its end left off if it is long.
        found: Box<str>,
        /// What the schema says.
        expected: Box<str>,
    },
    /// A required field that is absent or `null`.
    #[error("the required field is missing")]
    Missing,
    /// A member that the struct does not have.
    #[error("{structure} has no such field")]
    Unknown {
        /// The struct.
        structure: Box<str>,
    },
    /// A field, a key of a map, or an element of a set that was there before.
    #[error("the {0} is there twice")]
    Twice(&'static str),
    /// A union without exactly one field.
    #[error("{structure} is a union: it must have exactly one field, not {found}")]
    Union {
        /// The union.
        structure: Box<str>,
        /// How many fields it has.
        found: usize,
    },
    /// An entry of a map that is not `{"key":…,"value":…}`.
    #[error("an entry of a map must have \"key\" and \"value\" once each, and nothing else")]
    Entry,
    /// A rule of the contract (`vt.*`) is broken.
    #[error("{0}")]
    Rule(Box<str>),
}

/// Text that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Syntax {
    /// Something else should be there.
    #[error("expected {expected}, found {}", found_text(.found))]
    Expected {
        /// What.
        expected: &'static str,
        /// What is there; nothing at the end of the text.
        found: Option<char>,
    },
    /// A number with zeros in front.
    #[error("a number cannot have zeros in front")]
    Zeros,
    /// A control character in a string.
    #[error("a string cannot have U+{0:04X} in it without an escape")]
    Control(u8),
    /// Half of a surrogate pair.
    #[error("\\u{0:04x} is half of a surrogate pair")]
    Surrogate(u16),
}

fn found_text(found: &Option<char>) -> String {
    match found {
        Some(found) => format!("{found:?}"),
        None => "the end of the text".to_owned(),
    }
}

impl JsonError {
    #[cold]
    pub(super) const fn new(kind: JsonErrorKind, offset: usize) -> Self {
        Self {
            kind,
            pointer: String::new(),
            offset,
            more: Vec::new(),
        }
    }

    #[cold]
    pub(super) fn not_utf8(json: &[u8]) -> Self {
        let offset = match std::str::from_utf8(json) {
            Ok(_) => 0,
            Err(error) => error.valid_up_to(),
        };
        Self::new(JsonErrorKind::NotUtf8, offset)
    }

    /// This and all others that were found with it.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.more)
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.all().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            if !error.pointer.is_empty() {
                write!(f, "{}: ", error.pointer)?;
            }
            write!(f, "{} (at byte {})", error.kind, error.offset)?;
        }
        Ok(())
    }
}

impl std::error::Error for JsonError {}

/// Line and column of a place in a text, both from 1; columns count characters.
#[must_use]
pub fn line_and_column(json: &[u8], offset: usize) -> (usize, usize) {
    let before = &json[..offset.min(json.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    // Bytes that continue a character do not begin one.
    let column = before[start..]
        .iter()
        .filter(|byte| **byte & 0xc0 != 0x80)
        .count()
        + 1;
    (line, column)
}

/// A violation on its way out.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) kind: JsonErrorKind,
    pub(super) offset: usize,
    /// The parts of its pointer, innermost first.
    pub(super) steps: Vec<String>,
}

/// All violations as one error; none if there are none.
pub(super) fn gather(violations: Vec<Violation>) -> Option<JsonError> {
    let mut errors = violations.into_iter().map(|violation| {
        let mut pointer = String::new();
        for step in violation.steps.iter().rev() {
            pointer.push('/');
            pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        JsonError {
            kind: violation.kind,
            pointer,
            offset: violation.offset,
            more: Vec::new(),
        }
    });
    let mut first = errors.next()?;
    first.more = errors.collect();
    Some(first)
}
