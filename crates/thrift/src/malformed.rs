//! Why bytes are not what the schema says, and where.

use std::fmt;

use crate::{MessageKind, WireType};

/// Results of reading. The error is boxed: it is rare, and its size would be paid for by every read.
pub type Result<T, E = Box<Malformed>> = std::result::Result<T, E>;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Malformed {
    /// What is wrong.
    pub fault: Fault,
    /// Bytes of the input before the place where it was seen.
    pub offset: usize,
    /// The way to it, innermost first: see [`path`](Self::path).
    steps: Vec<Step>,
}

/// One step of the way from the outermost value to a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field, by name.
    Field(Box<str>),
    /// A field that the schema does not know, by id.
    Unknown(i16),
    /// An element of a list or set.
    Element(u32),
    /// A key of a map: the nth.
    Key(u32),
    /// A value of a map: the nth.
    Value(u32),
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The input ends within something.
    #[error("the data ends too early: {missing} more bytes are needed")]
    Truncated {
        /// How many bytes are missing at least.
        missing: usize,
    },
    /// There is something behind the end.
    #[error("{0} bytes are left over")]
    LeftOver(usize),
    /// No version of the protocol begins like this.
    #[error("a message of protocol {protocol} cannot begin with 0x{found:08x}")]
    NoMessage {
        /// Which protocol.
        protocol: &'static str,
        /// The first bytes.
        found: u32,
    },
    /// A message of no known kind.
    #[error("there is no message type {0}")]
    NoMessageKind(u8),
    /// A kind of message that makes no sense here.
    #[error("a message of type {0:?} is not expected here")]
    UnexpectedKind(MessageKind),
    /// A type byte without a meaning.
    #[error("there is no type {0}")]
    NoType(u8),
    /// A negative size.
    #[error("a size cannot be {0}")]
    NegativeSize(i32),
    /// A container that cannot have so many elements in the bytes that are left.
    #[error("{count} elements cannot be in the {left} bytes that are left")]
    TooManyElements {
        /// How many are said to be there.
        count: u32,
        /// Bytes left.
        left: usize,
    },
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
    /// Nested too deeply.
    #[error("more than {0} structs and containers are within each other")]
    TooDeep(u32),
    /// A number of variable length that does not end.
    #[error("a variable-length integer is longer than {0} bytes")]
    LongVarint(usize),
    /// A number that does not fit its type.
    #[error("{found} is out of the range of {ty}")]
    OutOfRange {
        /// The number.
        found: i64,
        /// Its type.
        ty: &'static str,
    },
    /// A string that is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// An element of another type than the schema says.
    #[error("expected {expected}, found {found}")]
    Type {
        /// What the schema says.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// Required fields that are absent.
    #[error("missing required {}", list(.0))]
    Missing(Vec<Box<str>>),
    /// A field twice.
    #[error("field {0} is there twice")]
    Twice(Box<str>),
    /// A union without exactly one field.
    #[error("a union must have exactly one field, not {0}")]
    Union(usize),
    /// A rule of the contract (`vt.*`) is broken.
    #[error("{0}")]
    Rule(String),
    /// Text that is not JSON, or not the JSON that the protocol prescribes.
    #[error("{0}")]
    Json(String),
    /// Headers that are not what the header transport prescribes.
    #[error("{0}")]
    Header(&'static str),
    /// Compressed data that cannot be inflated.
    #[error("the compressed data is damaged: {0}")]
    Compression(String),
}

fn list(names: &[Box<str>]) -> String {
    let mut text = if names.len() == 1 {
        "field ".to_owned()
    } else {
        "fields ".to_owned()
    };
    for (at, name) in names.iter().enumerate() {
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(name);
    }
    text
}

impl Malformed {
    /// A fault at a place.
    #[must_use]
    #[cold]
    pub fn new(fault: Fault, offset: usize) -> Box<Self> {
        Box::new(Self {
            fault,
            offset,
            steps: Vec::new(),
        })
    }

    /// Says where in the value it was; the innermost step first, so callers on the way out add theirs.
    #[must_use]
    #[cold]
    pub fn within(mut self: Box<Self>, step: Step) -> Box<Self> {
        self.steps.push(step);
        self
    }

    /// The steps from the outermost value to the place.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().rev()
    }

    /// The way to the place, as `order.lines[3].price`; empty at the outermost value.
    #[must_use]
    pub fn path(&self) -> String {
        use fmt::Write as _;
        let mut path = String::new();
        for step in self.steps() {
            let _ = match step {
                Step::Field(name) if path.is_empty() => write!(path, "{name}"),
                Step::Field(name) => write!(path, ".{name}"),
                Step::Unknown(id) => write!(path, "#{id}"),
                Step::Element(at) => write!(path, "[{at}]"),
                Step::Key(at) => write!(path, "{{key {at}}}"),
                Step::Value(at) => write!(path, "{{{at}}}"),
            };
        }
        path
    }

    /// The way to the place as a JSON pointer (RFC 6901). Keys of maps are counted, as they may be no strings.
    #[must_use]
    pub fn pointer(&self) -> String {
        use fmt::Write as _;
        let mut pointer = String::new();
        for step in self.steps() {
            let _ = match step {
                Step::Field(name) => {
                    write!(pointer, "/{}", name.replace('~', "~0").replace('/', "~1"))
                }
                Step::Unknown(id) => write!(pointer, "/#{id}"),
                Step::Element(at) | Step::Key(at) | Step::Value(at) => write!(pointer, "/{at}"),
            };
        }
        pointer
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "{} (at byte {})", self.fault, self.offset)
    }
}

impl std::error::Error for Malformed {}

/// Names of types of the wire, for messages.
pub(crate) const fn wire_name(wire: WireType) -> &'static str {
    match wire {
        WireType::Bool => "bool",
        WireType::I8 => "i8",
        WireType::Double => "double",
        WireType::I16 => "i16",
        WireType::I32 => "i32",
        WireType::I64 => "i64",
        WireType::String => "string",
        WireType::Struct => "struct",
        WireType::Map => "map",
        WireType::Set => "set",
        WireType::List => "list",
        WireType::Uuid => "uuid",
    }
}
