//! Writing the compact protocol.

use super::{FALSE, PROTOCOL_ID, SHORT, TRUE, VERSION, number_of};
use crate::{
    MessageHeader, WireType, Writer,
    protocol::{Nest, Open},
};

/// Writes the compact protocol.
#[derive(Debug)]
pub struct CompactWriter<'a> {
    out: &'a mut Vec<u8>,
    /// The id of the last field of the struct that is being written.
    last_id: i16,
    /// The id of a field whose header waits for its value.
    pending: Option<i16>,
}

impl<'a> CompactWriter<'a> {
    /// Appends to `out`.
    #[must_use]
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            last_id: 0,
            pending: None,
        }
    }

    #[inline]
    pub(super) fn varint32(&mut self, value: u32) {
        if value < 0x80 {
            self.out.push(value as u8);
        } else {
            let (bytes, size) = varint(u64::from(value));
            self.out.extend_from_slice(&bytes[..size]);
        }
    }

    #[inline]
    pub(super) fn varint64(&mut self, value: u64) {
        if value < 0x80 {
            self.out.push(value as u8);
        } else {
            let (bytes, size) = varint(value);
            self.out.extend_from_slice(&bytes[..size]);
        }
    }

    #[inline]
    fn size(&mut self, size: usize) {
        debug_assert!(i32::try_from(size).is_ok(), "sizes are 31 bits on the wire");
        self.varint32(size as u32);
    }

    #[inline]
    fn header(&mut self, number: u8, id: i16) {
        match id.checked_sub(self.last_id) {
            Some(delta @ 1..=15) => self.out.push((delta as u8) << 4 | number),
            _ => {
                self.out.push(number);
                self.i16(id);
            }
        }
        self.last_id = id;
    }

    /// Puts bytes in at a place; what is behind it moves.
    fn insert(&mut self, at: usize, bytes: &[u8]) {
        let end = self.out.len();
        self.out.extend_from_slice(bytes);
        self.out.copy_within(at..end, at + bytes.len());
        self.out[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

/// The bytes of a number of variable length, and how many they are.
#[inline]
fn varint(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut size = 0;
    while value >= 0x80 {
        bytes[size] = value as u8 | 0x80;
        value >>= 7;
        size += 1;
    }
    bytes[size] = value as u8;
    (bytes, size + 1)
}

impl Writer for CompactWriter<'_> {
    fn message_begin(&mut self, header: &MessageHeader<'_>) {
        let second = header.kind.number() << 5 | VERSION;
        self.out.extend_from_slice(&[PROTOCOL_ID, second]);
        self.varint32(header.sequence as u32);
        self.string(&header.name);
    }

    fn message_end(&mut self) {}

    #[inline]
    fn struct_begin(&mut self) -> Nest {
        Nest(std::mem::take(&mut self.last_id))
    }

    #[inline]
    fn struct_end(&mut self, nest: Nest) {
        self.out.push(0);
        self.last_id = nest.0;
    }

    #[inline]
    fn field_begin(&mut self, wire: WireType, id: i16) {
        if wire == WireType::Bool {
            self.pending = Some(id);
        } else {
            self.header(number_of(wire), id);
        }
    }

    #[inline]
    fn field_end(&mut self) {}

    #[inline]
    fn bool(&mut self, value: bool) {
        let number = if value { TRUE } else { FALSE };
        match self.pending.take() {
            Some(id) => self.header(number, id),
            None => self.out.push(number),
        }
    }

    #[inline]
    fn i8(&mut self, value: i8) {
        self.out.push(value.cast_unsigned());
    }

    #[inline]
    fn i16(&mut self, value: i16) {
        self.i32(i32::from(value));
    }

    #[inline]
    fn i32(&mut self, value: i32) {
        self.varint32((value << 1 ^ value >> 31) as u32);
    }

    #[inline]
    fn i64(&mut self, value: i64) {
        self.varint64((value << 1 ^ value >> 63) as u64);
    }

    #[inline]
    fn double(&mut self, value: f64) {
        self.out.extend_from_slice(&value.to_le_bytes());
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
        let number = number_of(element);
        if count < SHORT {
            self.out.push((count as u8) << 4 | number);
        } else {
            self.out.push((SHORT as u8) << 4 | number);
            self.varint32(count);
        }
    }

    #[inline]
    fn list_end(&mut self) {}

    #[inline]
    fn map_begin(&mut self, key: WireType, value: WireType, count: u32) {
        self.varint32(count);
        if count > 0 {
            self.out.push(number_of(key) << 4 | number_of(value));
        }
    }

    #[inline]
    fn map_end(&mut self) {}

    #[inline]
    fn list_open(&mut self, element: WireType) -> Open {
        let at = self.out.len();
        self.out.push(number_of(element));
        Open { at }
    }

    /// What is behind the header moves if there are 15 elements or more.
    #[inline]
    fn list_close(&mut self, open: Open, count: u32) {
        let short = count.min(SHORT);
        self.out[open.at] |= (short as u8) << 4;
        if short == SHORT {
            let (bytes, size) = varint(u64::from(count));
            self.insert(open.at + 1, &bytes[..size]);
        }
    }

    #[inline]
    fn map_open(&mut self, key: WireType, value: WireType) -> Open {
        let at = self.out.len();
        self.out
            .extend_from_slice(&[0, number_of(key) << 4 | number_of(value)]);
        Open { at }
    }

    /// What is behind the number moves if there are 128 entries or more.
    #[inline]
    fn map_close(&mut self, open: Open, count: u32) {
        if count == 0 {
            // An empty map is a single byte.
            self.out.truncate(open.at + 1);
            return;
        }
        let (bytes, size) = varint(u64::from(count));
        self.out[open.at] = bytes[0];
        self.insert(open.at + 1, &bytes[1..size]);
    }
}
