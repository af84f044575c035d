//! The protocols: how values become bytes.
//!
//! A [`Reader`] pulls values out of a whole message, a [`Writer`] appends them to a buffer. Who calls them knows what comes
//! next from the schema, or from the types that the wire itself has.

mod binary;
mod compact;
mod cursor;
mod json;

pub use binary::{BinaryReader, BinaryWriter};
pub use compact::{CompactReader, CompactWriter};
pub use json::{JsonReader, JsonWriter};

use crate::{MessageHeader, Result};

/// A type as the wire knows it, by its number in the binary protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum WireType {
    /// `bool`.
    Bool = 2,
    /// `i8`.
    I8 = 3,
    /// `double`.
    Double = 4,
    /// `i16`.
    I16 = 6,
    /// `i32` and enumerations.
    I32 = 8,
    /// `i64`.
    I64 = 10,
    /// `string` and `binary`.
    String = 11,
    /// Structs, unions, exceptions.
    Struct = 12,
    /// `map`.
    Map = 13,
    /// `set`.
    Set = 14,
    /// `list`.
    List = 15,
    /// `uuid`.
    Uuid = 16,
}

impl WireType {
    /// Of its number in the binary protocol.
    #[must_use]
    #[inline]
    pub const fn of(number: u8) -> Option<Self> {
        Some(match number {
            2 => Self::Bool,
            3 => Self::I8,
            4 => Self::Double,
            6 => Self::I16,
            8 => Self::I32,
            10 => Self::I64,
            11 => Self::String,
            12 => Self::Struct,
            13 => Self::Map,
            14 => Self::Set,
            15 => Self::List,
            16 => Self::Uuid,
            _ => return None,
        })
    }
}

/// What comes before a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldHeader {
    /// Its type.
    pub wire: WireType,
    /// Its id.
    pub id: i16,
}

/// A struct or container that was begun: what the reader or writer has to know when it ends. The compact protocol keeps
/// the id of the last field of the struct around it here.
#[derive(Debug, Clone, Copy)]
#[must_use = "what was begun has to be ended"]
pub struct Nest(pub(crate) i16);

/// A container that was begun with its number of elements yet unknown.
#[derive(Debug, Clone, Copy)]
#[must_use = "what was begun has to be ended"]
pub struct Open {
    /// Where its header is in the output.
    pub(crate) at: usize,
}

/// Pulls values out of a message. Everything is checked against the bytes that are there and against
/// [`Limits`](crate::Limits); strings are not checked to be UTF-8.
pub trait Reader {
    /// Strings and binary data are written in two ways, so that nobody can copy a value without knowing which it is.
    const IS_TEXT: bool = false;

    /// The header of a message.
    ///
    /// # Errors
    ///
    /// Here and below: if the bytes are no such thing, or a limit is exceeded.
    fn message_begin(&mut self) -> Result<MessageHeader<'_>>;
    /// The end of a message.
    fn message_end(&mut self) -> Result<()>;
    /// A struct begins. It counts for the depth, as containers do.
    fn struct_begin(&mut self) -> Result<Nest>;
    /// It ends, behind its stop.
    fn struct_end(&mut self, nest: Nest) -> Result<()>;
    /// The next field, or the struct's stop.
    fn field_begin(&mut self) -> Result<Option<FieldHeader>>;
    /// Its value was read.
    fn field_end(&mut self) -> Result<()>;
    /// A `bool`.
    fn bool(&mut self) -> Result<bool>;
    /// An `i8`.
    fn i8(&mut self) -> Result<i8>;
    /// An `i16`.
    fn i16(&mut self) -> Result<i16>;
    /// An `i32`.
    fn i32(&mut self) -> Result<i32>;
    /// An `i64`.
    fn i64(&mut self) -> Result<i64>;
    /// A `double`.
    fn double(&mut self) -> Result<f64>;
    /// A `uuid`.
    fn uuid(&mut self) -> Result<[u8; 16]>;
    /// The bytes of a `string`. UTF-8 is the caller's business.
    fn bytes(&mut self) -> Result<&[u8]>;
    /// Those of a `binary`, which are written in another way by protocols of text.
    fn binary(&mut self) -> Result<&[u8]> {
        self.bytes()
    }
    /// A list begins: type and number of its elements.
    fn list_begin(&mut self) -> Result<(WireType, u32)>;
    /// It ends.
    fn list_end(&mut self) -> Result<()>;
    /// A set begins: type and number of its elements.
    fn set_begin(&mut self) -> Result<(WireType, u32)> {
        self.list_begin()
    }
    /// It ends.
    fn set_end(&mut self) -> Result<()> {
        self.list_end()
    }
    /// A map begins: types and number of its entries. Of an empty map the types may not be known.
    fn map_begin(&mut self) -> Result<(Option<(WireType, WireType)>, u32)>;
    /// It ends.
    fn map_end(&mut self) -> Result<()>;
    /// Jumps over a value.
    fn skip(&mut self, wire: WireType) -> Result<()>;
    /// Jumps over values, as an element of a container each.
    fn skip_many(&mut self, wire: WireType, count: u32) -> Result<()> {
        for _ in 0..count {
            self.skip(wire)?;
        }
        Ok(())
    }
    /// Bytes that were read.
    fn offset(&self) -> usize;
}

/// Appends values to a buffer.
///
/// Containers come in two ways: with the number of their elements (`list_begin`), or without, to be told at the end
/// (`list_open` … `list_close`), as a source like JSON has it.
pub trait Writer {
    /// As [`Reader::IS_TEXT`]. If it is false, `string` writes what `binary` does.
    const IS_TEXT: bool = false;

    /// The header of a message.
    fn message_begin(&mut self, header: &MessageHeader<'_>);
    /// The end of a message.
    fn message_end(&mut self);
    /// A struct begins.
    fn struct_begin(&mut self) -> Nest;
    /// It ends: writes the stop.
    fn struct_end(&mut self, nest: Nest);
    /// A field, before its value.
    fn field_begin(&mut self, wire: WireType, id: i16);
    /// Its value was written.
    fn field_end(&mut self);
    /// A `bool`.
    fn bool(&mut self, value: bool);
    /// An `i8`.
    fn i8(&mut self, value: i8);
    /// An `i16`.
    fn i16(&mut self, value: i16);
    /// An `i32`.
    fn i32(&mut self, value: i32);
    /// An `i64`.
    fn i64(&mut self, value: i64);
    /// A `double`.
    fn double(&mut self, value: f64);
    /// A `uuid`.
    fn uuid(&mut self, value: &[u8; 16]);
    /// A `string`.
    fn string(&mut self, value: &str);
    /// A `binary`.
    fn binary(&mut self, value: &[u8]);
    /// A list of so many elements; not more than `i32::MAX`.
    fn list_begin(&mut self, element: WireType, count: u32);
    /// It ends.
    fn list_end(&mut self);
    /// A set of so many elements.
    fn set_begin(&mut self, element: WireType, count: u32) {
        self.list_begin(element, count);
    }
    /// It ends.
    fn set_end(&mut self) {
        self.list_end();
    }
    /// A map of so many entries.
    fn map_begin(&mut self, key: WireType, value: WireType, count: u32);
    /// It ends.
    fn map_end(&mut self);
    /// A list whose number of elements is told when it closes.
    fn list_open(&mut self, element: WireType) -> Open;
    /// It had so many elements.
    fn list_close(&mut self, open: Open, count: u32);
    /// A set whose number of elements is told when it closes.
    fn set_open(&mut self, element: WireType) -> Open {
        self.list_open(element)
    }
    /// It had so many elements.
    fn set_close(&mut self, open: Open, count: u32) {
        self.list_close(open, count);
    }
    /// A map whose number of entries is told when it closes.
    fn map_open(&mut self, key: WireType, value: WireType) -> Open;
    /// It had so many entries.
    fn map_close(&mut self, open: Open, count: u32);
}
