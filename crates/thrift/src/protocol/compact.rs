//! The compact protocol, in Apache's dialect (`doc/specs/thrift-compact-protocol.md` of Apache Thrift).
//!
//! The dialect of fbthrift differs: its doubles are big-endian, and its type 13 is a `float`.

mod reader;
mod writer;

pub use reader::CompactReader;
pub use writer::CompactWriter;

use super::WireType;

/// The first byte of a message.
const PROTOCOL_ID: u8 = 0x82;
/// The low five bits of the second.
const VERSION: u8 = 1;

/// `true` in the header of a field, and any `bool` as type of elements.
const TRUE: u8 = 1;
/// `false` in the header of a field; some writers have it as type of elements.
const FALSE: u8 = 2;
/// Lists of fewer elements have their number in the first byte.
const SHORT: u32 = 15;

/// A type by its number in this protocol.
const fn wire_of(number: u8) -> Option<WireType> {
    Some(match number {
        TRUE | FALSE => WireType::Bool,
        3 => WireType::I8,
        4 => WireType::I16,
        5 => WireType::I32,
        6 => WireType::I64,
        7 => WireType::Double,
        8 => WireType::String,
        9 => WireType::List,
        10 => WireType::Set,
        11 => WireType::Map,
        12 => WireType::Struct,
        13 => WireType::Uuid,
        _ => return None,
    })
}

/// The number of a type in this protocol.
const fn number_of(wire: WireType) -> u8 {
    match wire {
        WireType::Bool => TRUE,
        WireType::I8 => 3,
        WireType::I16 => 4,
        WireType::I32 => 5,
        WireType::I64 => 6,
        WireType::Double => 7,
        WireType::String => 8,
        WireType::List => 9,
        WireType::Set => 10,
        WireType::Map => 11,
        WireType::Struct => 12,
        WireType::Uuid => 13,
    }
}

#[cfg(test)]
mod tests;
