//! Octets that are not what they should be.

use crate::MethodId;

/// Why octets could not be read as a method, a table or a content header. Offsets count from the start of the payload
/// (of the table, when a table is read for itself).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A field begins at the offset and runs over the end.
    #[error("field at offset {offset} runs over the end")]
    Truncated {
        /// Where the field begins.
        offset: usize,
    },
    /// All fields were read, and something follows.
    #[error("octets from offset {offset} on belong to no field")]
    TrailingOctets {
        /// Where the last field ended.
        offset: usize,
    },
    /// A short string of a method is not UTF-8.
    #[error("short string at offset {offset} is not UTF-8")]
    NotUtf8 {
        /// Where the string's octets begin.
        offset: usize,
    },
    /// No such class or method.
    #[error("no method has the class {} and the number {}", .0.class, .0.method)]
    UnknownMethod(MethodId),
    /// A field table has a value of a type nobody knows.
    #[error("value at offset {offset} has the unknown type tag {tag}")]
    UnknownTag {
        /// The octet that should have named the type.
        tag: u8,
        /// Where it is.
        offset: usize,
    },
    /// Tables and arrays are nested beyond the limit of this crate.
    #[error("value at offset {offset} is nested too deeply")]
    TooDeep {
        /// Where the nested value begins.
        offset: usize,
    },
    /// The flags of a content header announce more flags, which class basic has no use for.
    #[error("content header announces properties that do not exist")]
    UnknownProperty,
}

impl Malformed {
    /// The same error seen from `by` octets earlier.
    pub(crate) fn shifted(self, by: usize) -> Self {
        match self {
            Self::Truncated { offset } => Self::Truncated {
                offset: offset + by,
            },
            Self::TrailingOctets { offset } => Self::TrailingOctets {
                offset: offset + by,
            },
            Self::NotUtf8 { offset } => Self::NotUtf8 {
                offset: offset + by,
            },
            Self::UnknownTag { tag, offset } => Self::UnknownTag {
                tag,
                offset: offset + by,
            },
            Self::TooDeep { offset } => Self::TooDeep {
                offset: offset + by,
            },
            Self::UnknownMethod(_) | Self::UnknownProperty => self,
        }
    }
}
