//! Reading the compact protocol.

use super::{PROTOCOL_ID, SHORT, TRUE, VERSION, wire_of};
use crate::{
    Fault, Limits, Malformed, MessageHeader, Reader, Result, WireType, message,
    protocol::{FieldHeader, Nest, cursor::Cursor},
};

/// The bytes that an element of a type has at least.
const fn size_min(wire: WireType) -> usize {
    match wire {
        WireType::Double => 8,
        WireType::Uuid => 16,
        _ => 1,
    }
}

/// The bytes that every element of a type has, if that is so.
const fn size_fixed(wire: WireType) -> Option<usize> {
    match wire {
        WireType::Bool | WireType::I8 => Some(1),
        WireType::Double => Some(8),
        WireType::Uuid => Some(16),
        _ => None,
    }
}

/// Reads the compact protocol.
#[derive(Debug, Clone)]
pub struct CompactReader<'a> {
    cursor: Cursor<'a>,
    /// The id of the last field of the struct that is being read.
    last_id: i16,
    /// The value that was in the header of a field.
    pending: Option<bool>,
}

impl<'a> CompactReader<'a> {
    /// Reads from the front of `input`.
    #[must_use]
    pub const fn new(input: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            cursor: Cursor::new(input, limits),
            last_id: 0,
            pending: None,
        }
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    /// A number of at most 32 bits in at most five bytes.
    #[inline]
    pub(super) fn varint32(&mut self) -> Result<u32> {
        match self.cursor.rest() {
            [byte, ..] if *byte < 0x80 => {
                self.cursor.advance(1);
                Ok(u32::from(*byte))
            }
            [low, high, ..] if *high < 0x80 => {
                self.cursor.advance(2);
                Ok(u32::from(*low & 0x7f) | u32::from(*high) << 7)
            }
            _ => {
                let value = self.varint(5)?;
                u32::try_from(value).map_err(|_| self.out_of_range(value, "i32"))
            }
        }
    }

    /// A number of at most 64 bits in at most ten bytes.
    #[inline]
    pub(super) fn varint64(&mut self) -> Result<u64> {
        match self.cursor.rest() {
            [byte, ..] if *byte < 0x80 => {
                self.cursor.advance(1);
                Ok(u64::from(*byte))
            }
            [low, high, ..] if *high < 0x80 => {
                self.cursor.advance(2);
                Ok(u64::from(*low & 0x7f) | u64::from(*high) << 7)
            }
            _ => self.varint(10),
        }
    }

    fn varint(&mut self, size_max: usize) -> Result<u64> {
        let mut value = 0_u64;
        for (at, byte) in self.cursor.rest().iter().take(size_max).enumerate() {
            if at == 9 && *byte > 1 {
                let fault = if *byte < 0x80 {
                    Fault::OutOfRange {
                        found: i64::MAX,
                        ty: "i64",
                    }
                } else {
                    Fault::LongVarint(size_max)
                };
                return Err(self.cursor.fault(fault, 0));
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if *byte < 0x80 {
                self.cursor.advance(at + 1);
                return Ok(value);
            }
        }
        let fault = if self.cursor.left() < size_max {
            Fault::Truncated { missing: 1 }
        } else {
            Fault::LongVarint(size_max)
        };
        Err(self.cursor.fault(fault, 0))
    }

    #[cold]
    fn out_of_range(&self, found: u64, ty: &'static str) -> Box<Malformed> {
        let found = found as i64;
        self.cursor.fault(Fault::OutOfRange { found, ty }, 0)
    }

    /// A size; stock libraries have it as `i32`, so larger ones are negative.
    #[inline]
    fn size(&mut self) -> Result<u32> {
        let size = self.varint32()?;
        if size > i32::MAX as u32 {
            return Err(self.cursor.fault(Fault::NegativeSize(size as i32), 0));
        }
        Ok(size)
    }

    #[inline]
    fn wire(&self, number: u8) -> Result<WireType> {
        wire_of(number).ok_or_else(|| self.cursor.fault(Fault::NoType(number), 1))
    }

    /// The bytes of a string of any length within the limits.
    ///
    /// # Errors
    ///
    /// If it is not whole, or too long.
    #[inline]
    pub fn slice_of_string(&mut self) -> Result<&'a [u8]> {
        let size = self.size()?;
        self.cursor.string(size, 0)
    }

    /// The header of a message, borrowed from the input.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn header(&mut self) -> Result<MessageHeader<'a>> {
        let [id, version] = self.cursor.take()?;
        if id != PROTOCOL_ID || version & 0x1f != VERSION {
            let fault = Fault::NoMessage {
                protocol: "compact",
                found: u32::from_be_bytes([id, version, 0, 0]),
            };
            return Err(self.cursor.fault(fault, 2));
        }
        let kind = message::kind_of(version >> 5, self.cursor.offset() - 1)?;
        let sequence = self.varint32()? as i32;
        let name = self.slice_of_string()?;
        Ok(MessageHeader {
            name: self.cursor.name(name)?,
            kind,
            sequence,
        })
    }
}

#[inline]
const fn unzigzag32(value: u32) -> i32 {
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[inline]
const fn unzigzag64(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

impl Reader for CompactReader<'_> {
    fn message_begin(&mut self) -> Result<MessageHeader<'_>> {
        self.header()
    }

    fn message_end(&mut self) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn struct_begin(&mut self) -> Result<Nest> {
        self.cursor.enter()?;
        Ok(Nest(std::mem::take(&mut self.last_id)))
    }

    #[inline]
    fn struct_end(&mut self, nest: Nest) -> Result<()> {
        self.cursor.leave();
        self.last_id = nest.0;
        Ok(())
    }

    #[inline]
    fn field_begin(&mut self) -> Result<Option<FieldHeader>> {
        let header = self.cursor.byte()?;
        let number = header & 0xf;
        if number == 0 {
            return Ok(None);
        }
        let wire = self.wire(number)?;
        let delta = i16::from(header >> 4);
        let id = if delta == 0 {
            self.i16()?
        } else {
            self.last_id.checked_add(delta).ok_or_else(|| {
                let found = i64::from(self.last_id) + i64::from(delta);
                self.cursor.fault(Fault::OutOfRange { found, ty: "i16" }, 1)
            })?
        };
        self.last_id = id;
        if wire == WireType::Bool {
            self.pending = Some(number == TRUE);
        }
        Ok(Some(FieldHeader { wire, id }))
    }

    #[inline]
    fn field_end(&mut self) -> Result<()> {
        Ok(())
    }

    /// In a container everything but 1 is false, as stock readers have it.
    #[inline]
    fn bool(&mut self) -> Result<bool> {
        match self.pending.take() {
            Some(value) => Ok(value),
            None => Ok(self.cursor.byte()? == TRUE),
        }
    }

    #[inline]
    fn i8(&mut self) -> Result<i8> {
        self.cursor.byte().map(u8::cast_signed)
    }

    #[inline]
    fn i16(&mut self) -> Result<i16> {
        let value = self.i32()?;
        i16::try_from(value).map_err(|_| {
            let found = i64::from(value);
            self.cursor.fault(Fault::OutOfRange { found, ty: "i16" }, 0)
        })
    }

    #[inline]
    fn i32(&mut self) -> Result<i32> {
        self.varint32().map(unzigzag32)
    }

    #[inline]
    fn i64(&mut self) -> Result<i64> {
        self.varint64().map(unzigzag64)
    }

    #[inline]
    fn double(&mut self) -> Result<f64> {
        self.cursor.take().map(f64::from_le_bytes)
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
        let header = self.cursor.byte()?;
        let wire = self.wire(header & 0xf)?;
        let mut count = u32::from(header >> 4);
        if count == SHORT {
            count = self.size()?;
        }
        let count = self.cursor.count(count, size_min(wire), 0)?;
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
        let count = self.size()?;
        let mut types = None;
        if count > 0 {
            let numbers = self.cursor.byte()?;
            let key = self.wire(numbers >> 4)?;
            let value = self.wire(numbers & 0xf)?;
            self.cursor
                .count(count, size_min(key) + size_min(value), 0)?;
            types = Some((key, value));
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
        match wire {
            WireType::Bool => self.bool().map(drop),
            WireType::I8 => self.cursor.byte().map(drop),
            WireType::Double => self.cursor.slice(8).map(drop),
            WireType::Uuid => self.cursor.slice(16).map(drop),
            WireType::I16 => self.i16().map(drop),
            WireType::I32 => self.varint32().map(drop),
            WireType::I64 => self.varint64().map(drop),
            WireType::String => self.slice_of_string().map(drop),
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
                    for _ in 0..count {
                        self.skip(key)?;
                        self.skip(value)?;
                    }
                }
                self.map_end()
            }
        }
    }

    #[inline]
    fn skip_many(&mut self, wire: WireType, count: u32) -> Result<()> {
        if let Some(size) = size_fixed(wire) {
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
