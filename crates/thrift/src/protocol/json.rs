//! The JSON protocol (`TJSONProtocol` of Apache Thrift): types and field ids in JSON.
//!
//! Not to be confused with the JSON that people write, with names for fields. A message is `[1,"name",kind,sequence,{…}]`,
//! a struct `{"1":{"i32":5}}`, a list `["i32",2,5,6]`, and a map `["str","i32",1,{"key":5}]`, whose keys are always in
//! quotes. Where the stock libraries differ, what any of them writes is read, and what all of them read is written.

mod reader;
mod text;
mod writer;

pub use reader::JsonReader;
pub use writer::JsonWriter;

use super::WireType;

/// The number at the front of a message.
const VERSION: i64 = 1;

/// What comes next in the array or object that is being read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The first element of an array.
    First,
    /// Another element, behind a comma.
    Element,
    /// The first key of an object.
    FirstKey,
    /// Another key, behind a comma.
    Key,
    /// The value of a key, behind a colon.
    Value,
}

impl Next {
    /// What is in front of it, and what comes after it.
    const fn step(self) -> (Option<u8>, Self) {
        match self {
            Self::First => (None, Self::Element),
            Self::Element => (Some(b','), Self::Element),
            Self::FirstKey => (None, Self::Value),
            Self::Key => (Some(b','), Self::Value),
            Self::Value => (Some(b':'), Self::Key),
        }
    }

    /// It is a key, so it is in quotes whatever it is.
    const fn is_key(self) -> bool {
        matches!(self, Self::FirstKey | Self::Key)
    }
}

/// What a type is called.
const fn name_of(wire: WireType) -> &'static str {
    match wire {
        WireType::Bool => "tf",
        WireType::I8 => "i8",
        WireType::I16 => "i16",
        WireType::I32 => "i32",
        WireType::I64 => "i64",
        WireType::Double => "dbl",
        WireType::String => "str",
        WireType::Struct => "rec",
        WireType::Map => "map",
        WireType::List => "lst",
        WireType::Set => "set",
        WireType::Uuid => "uid",
    }
}

/// The type that is called so.
const fn wire_of(name: &[u8]) -> Option<WireType> {
    Some(match name {
        b"tf" => WireType::Bool,
        b"i8" => WireType::I8,
        b"i16" => WireType::I16,
        b"i32" => WireType::I32,
        b"i64" => WireType::I64,
        b"dbl" => WireType::Double,
        b"str" => WireType::String,
        b"rec" => WireType::Struct,
        b"map" => WireType::Map,
        b"lst" => WireType::List,
        b"set" => WireType::Set,
        b"uid" => WireType::Uuid,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
