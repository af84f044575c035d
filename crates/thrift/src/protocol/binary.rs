//! The binary protocol, strict and non-strict (`doc/specs/thrift-binary-protocol.md` of Apache Thrift).

use super::{FieldHeader, Nest, Open, Reader, WireType, Writer, cursor::Cursor};
use crate::{Fault, Limits, MessageHeader, Result, message};

/// The first two bytes of a strict message: version 1.
const VERSION: u32 = 0x8001_0000;
const VERSION_MASK: u32 = 0xffff_0000;

/// Reads the binary protocol.
#[derive(Debug, Clone)]
pub struct BinaryReader<'a> {
    cursor: Cursor<'a>,
}

/// The bytes that a value of a type has at least; for most it is what it has.
const fn size_min(wire: WireType) -> usize {
    match wire {
        WireType::Bool | WireType::I8 | WireType::Struct => 1,
        WireType::I16 => 2,
        WireType::I32 | WireType::String => 4,
        WireType::Set | WireType::List => 5,
        WireType::Map => 6,
        WireType::Double | WireType::I64 => 8,
        WireType::Uuid => 16,
    }
}

/// The bytes that every value of a type has, if that is so.
const fn size_fixed(wire: WireType) -> Option<usize> {
    match wire {
        WireType::String | WireType::Struct | WireType::Set | WireType::List | WireType::Map => {
            None
        }
        WireType::Bool
        | WireType::I8
        | WireType::I16
        | WireType::I32
        | WireType::I64
        | WireType::Double
        | WireType::Uuid => Some(size_min(wire)),
    }
}

impl<'a> BinaryReader<'a> {
    /// Reads from the front of `input`.
    #[must_use]
    pub const fn new(input: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            cursor: Cursor::new(input, limits),
        }
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    #[inline]
    fn wire(&mut self) -> Result<WireType> {
        let number = self.cursor.byte()?;
        WireType::of(number).ok_or_else(|| self.cursor.fault(Fault::NoType(number), 1))
    }

    /// A size, not negative.
    #[inline]
    fn size(&mut self) -> Result<u32> {
        let size = i32::from_be_bytes(self.cursor.take()?);
        u32::try_from(size).map_err(|_| self.cursor.fault(Fault::NegativeSize(size), 4))
    }

    /// A number of elements of so many bytes each at least.
    #[inline]
    fn count(&mut self, size_min: usize) -> Result<u32> {
        let count = self.size()?;
        self.cursor.count(count, size_min, 4)
    }

    /// A string of any length within the limits.
    ///
    /// # Errors
    ///
    /// If it is not whole, or too long.
    #[inline]
    pub fn slice_of_string(&mut self) -> Result<&'a [u8]> {
        let size = self.size()?;
        self.cursor.string(size, 4)
    }

    /// The header of a message, borrowed from the input.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn header(&mut self) -> Result<MessageHeader<'a>> {
        let start = self.cursor.offset();
        let first = u32::from_be_bytes(self.cursor.take()?);
        if first & VERSION_MASK == VERSION {
            let kind = message::kind_of(first as u8 & 0b111, start + 3)?;
            let name = self.slice_of_string()?;
            return Ok(MessageHeader {
                name: self.cursor.name(name)?,
                kind,
                sequence: self.i32()?,
            });
        }
        // Non-strict: the length of the name comes first.
        if first as usize > self.cursor.limits.name_max {
            let fault = Fault::NoMessage {
                protocol: "binary",
                found: first,
            };
            return Err(self.cursor.fault(fault, 4));
        }
        let name = self.cursor.slice(first as usize)?;
        let name = self.cursor.name(name)?;
        let number = self.cursor.byte()?;
        let kind = message::kind_of(number, self.cursor.offset() - 1)?;
        Ok(MessageHeader {
            name,
            kind,
            sequence: self.i32()?,
        })
    }
}

impl Reader for BinaryReader<'_> {
    fn message_begin(&mut self) -> Result<MessageHeader<'_>> {
        self.header()
    }

    fn message_end(&mut self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn struct_begin(&mut self) -> Result<Nest> {
        self.cursor.enter()?;
        Ok(Nest(0))
    }

    #[inline]
    fn struct_end(&mut self, _: Nest) -> Result<()> {
        self.cursor.leave();
        Ok(())
    }

    #[inline]
    fn field_begin(&mut self) -> Result<Option<FieldHeader>> {
        let number = self.cursor.byte()?;
        if number == 0 {
            return Ok(None);
        }
        let Some(wire) = WireType::of(number) else {
            return Err(self.cursor.fault(Fault::NoType(number), 1));
        };
        let id = self.i16()?;
        Ok(Some(FieldHeader { wire, id }))
    }

    #[inline]
    fn field_end(&mut self) -> Result<()> {
        Ok(())
    }

    /// Everything but 0 is true, as stock readers have it.
    #[inline]
    fn bool(&mut self) -> Result<bool> {
        Ok(self.cursor.byte()? != 0)
    }

    #[inline]
    fn i8(&mut self) -> Result<i8> {
        self.cursor.take().map(i8::from_be_bytes)
    }

    #[inline]
    fn i16(&mut self) -> Result<i16> {
        self.cursor.take().map(i16::from_be_bytes)
    }

    #[inline]
    fn i32(&mut self) -> Result<i32> {
        self.cursor.take().map(i32::from_be_bytes)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64> {
        self.cursor.take().map(i64::from_be_bytes)
    }

    #[inline]
    fn double(&mut self) -> Result<f64> {
        self.cursor.take().map(f64::from_be_bytes)
    }

    #[inline]
    fn uuid(&mut self) -> Result<[u8; 16]> {
        self.cursor.take()
    }

    #[inline]
    fn bytes(&mut self) -> Result<&[u8]> {
        self.slice_of_string()
    }

    #[inline]
    fn list_begin(&mut self) -> Result<(WireType, u32)> {
        let wire = self.wire()?;
        let count = self.count(size_min(wire))?;
        self.cursor.enter()?;
        Ok((wire, count))
    }

    #[inline]
    fn list_end(&mut self) -> Result<()> {
        self.cursor.leave();
        Ok(())
    }

    #[inline]
    fn map_begin(&mut self) -> Result<(Option<(WireType, WireType)>, u32)> {
        // Some writers put zeros for the types of an empty map.
        let [key, value] = self.cursor.take()?;
        let types = WireType::of(key).zip(WireType::of(value));
        let count = self.size()?;
        match types {
            Some((key, value)) => {
                self.cursor
                    .count(count, size_min(key) + size_min(value), 4)?;
            }
            None if count > 0 => {
                let wrong = match WireType::of(key) {
                    Some(_) => value,
                    None => key,
                };
                return Err(self.cursor.fault(Fault::NoType(wrong), 6));
            }
            None => {}
        }
        self.cursor.enter()?;
        Ok((types, count))
    }

    #[inline]
    fn map_end(&mut self) -> Result<()> {
        self.cursor.leave();
        Ok(())
    }

    fn skip(&mut self, wire: WireType) -> Result<()> {
        if let Some(size) = size_fixed(wire) {
            return self.cursor.slice(size).map(drop);
        }
        match wire {
            WireType::Struct => {
                let nest = self.struct_begin()?;
                while let Some(field) = self.field_begin()? {
                    self.skip(field.wire)?;
                }
                self.struct_end(nest)
            }
            WireType::Set | WireType::List => {
                let (element, count) = self.list_begin()?;
                self.skip_many(element, count)?;
                self.list_end()
            }
            WireType::Map => {
                let (types, count) = self.map_begin()?;
                if let Some((key, value)) = types {
                    match (size_fixed(key), size_fixed(value)) {
                        (Some(key), Some(value)) => {
                            self.cursor.jump(key + value, count)?;
                        }
                        _ => {
                            for _ in 0..count {
                                self.skip(key)?;
                                self.skip(value)?;
                            }
                        }
                    }
                }
                self.map_end()
            }
            _ => self.slice_of_string().map(drop),
        }
    }

    #[inline]
    fn skip_many(&mut self, wire: WireType, count: u32) -> Result<()> {
        if let Some(size) = size_fixed(wire) {
            // The count was compared with the bytes that are left.
            return self.cursor.jump(size, count);
        }
        for _ in 0..count {
            self.skip(wire)?;
        }
        Ok(())
    }

    #[inline]
    fn offset(&self) -> usize {
        self.cursor.offset()
    }
}

/// Writes the binary protocol, with strict messages.
#[derive(Debug)]
pub struct BinaryWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> BinaryWriter<'a> {
    /// Appends to `out`.
    #[must_use]
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    #[inline]
    fn size(&mut self, size: usize) {
        debug_assert!(i32::try_from(size).is_ok(), "sizes are 31 bits on the wire");
        self.out.extend_from_slice(&(size as u32).to_be_bytes());
    }

    fn close(&mut self, open: Open, count: u32) {
        self.out[open.at..open.at + 4].copy_from_slice(&count.to_be_bytes());
    }
}

impl Writer for BinaryWriter<'_> {
    fn message_begin(&mut self, header: &MessageHeader<'_>) {
        let first = VERSION | u32::from(header.kind.number());
        self.out.extend_from_slice(&first.to_be_bytes());
        self.string(&header.name);
        self.i32(header.sequence);
    }

    fn message_end(&mut self) {}

    #[inline]
    fn struct_begin(&mut self) -> Nest {
        Nest(0)
    }

    #[inline]
    fn struct_end(&mut self, _: Nest) {
        self.out.push(0);
    }

    #[inline]
    fn field_begin(&mut self, wire: WireType, id: i16) {
        let [high, low] = id.to_be_bytes();
        self.out.extend_from_slice(&[wire as u8, high, low]);
    }

    #[inline]
    fn field_end(&mut self) {}

    #[inline]
    fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    #[inline]
    fn i8(&mut self, value: i8) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn i16(&mut self, value: i16) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn i32(&mut self, value: i32) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn i64(&mut self, value: i64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn double(&mut self, value: f64) {
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    #[inline]
    fn uuid(&mut self, value: &[u8; 16]) {
        self.out.extend_from_slice(value);
    }

    #[inline]
    fn string(&mut self, value: &str) {
        self.binary(value.as_bytes());
    }

    #[inline]
    fn binary(&mut self, value: &[u8]) {
        self.size(value.len());
        self.out.extend_from_slice(value);
    }

    #[inline]
    fn list_begin(&mut self, element: WireType, count: u32) {
        let [a, b, c, d] = count.to_be_bytes();
        self.out.extend_from_slice(&[element as u8, a, b, c, d]);
    }

    #[inline]
    fn list_end(&mut self) {}

    #[inline]
    fn map_begin(&mut self, key: WireType, value: WireType, count: u32) {
        let [a, b, c, d] = count.to_be_bytes();
        self.out
            .extend_from_slice(&[key as u8, value as u8, a, b, c, d]);
    }

    #[inline]
    fn map_end(&mut self) {}

    #[inline]
    fn list_open(&mut self, element: WireType) -> Open {
        self.list_begin(element, 0);
        Open {
            at: self.out.len() - 4,
        }
    }

    #[inline]
    fn list_close(&mut self, open: Open, count: u32) {
        self.close(open, count);
    }

    #[inline]
    fn map_open(&mut self, key: WireType, value: WireType) -> Open {
        self.map_begin(key, value, 0);
        Open {
            at: self.out.len() - 4,
        }
    }

    #[inline]
    fn map_close(&mut self, open: Open, count: u32) {
        self.close(open, count);
    }
}
