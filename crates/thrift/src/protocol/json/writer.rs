//! Writing the JSON protocol.

use super::{Next, VERSION, name_of, text};
use crate::{
    MessageHeader, WireType, Writer,
    protocol::{Nest, Open},
};

/// Writes the JSON protocol.
#[derive(Debug)]
pub struct JsonWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Arrays and objects around what is being written, the outermost first.
    around: Vec<Next>,
}

impl<'a> JsonWriter<'a> {
    /// Appends to `out`.
    #[must_use]
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            around: Vec::new(),
        }
    }

    /// What is in front of a value; true if the value is a key.
    fn next(&mut self) -> bool {
        let Some(next) = self.around.last_mut() else {
            return false;
        };
        let is_key = next.is_key();
        let (separator, after) = next.step();
        *next = after;
        self.out.extend(separator);
        is_key
    }

    fn open(&mut self, bracket: u8, first: Next) {
        self.next();
        self.out.push(bracket);
        self.around.push(first);
    }

    fn close(&mut self, bracket: u8) {
        self.around.pop();
        self.out.push(bracket);
    }

    fn name(&mut self, wire: WireType) {
        self.next();
        self.out.push(b'"');
        self.out.extend_from_slice(name_of(wire).as_bytes());
        self.out.push(b'"');
    }

    fn integer(&mut self, value: i64) {
        let is_key = self.next();
        self.number(itoa::Buffer::new().format(value), is_key);
    }

    fn number(&mut self, text: &str, in_quotes: bool) {
        if in_quotes {
            self.out.push(b'"');
        }
        self.out.extend_from_slice(text.as_bytes());
        if in_quotes {
            self.out.push(b'"');
        }
    }

    /// Puts a number where `0` was written for it. What is behind it moves if the number has more digits.
    fn tell(&mut self, open: Open, count: u32) {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(count).bytes();
        self.out.splice(open.at..=open.at, digits);
    }
}

impl Writer for JsonWriter<'_> {
    const IS_TEXT: bool = true;

    fn message_begin(&mut self, header: &MessageHeader<'_>) {
        self.open(b'[', Next::First);
        self.integer(VERSION);
        self.string(&header.name);
        self.integer(i64::from(header.kind.number()));
        self.integer(i64::from(header.sequence));
    }

    fn message_end(&mut self) {
        self.close(b']');
    }

    fn struct_begin(&mut self) -> Nest {
        self.open(b'{', Next::FirstKey);
        Nest(0)
    }

    fn struct_end(&mut self, _: Nest) {
        self.close(b'}');
    }

    fn field_begin(&mut self, wire: WireType, id: i16) {
        self.integer(i64::from(id));
        self.open(b'{', Next::FirstKey);
        self.name(wire);
    }

    fn field_end(&mut self) {
        self.close(b'}');
    }

    fn bool(&mut self, value: bool) {
        self.integer(i64::from(value));
    }

    fn i8(&mut self, value: i8) {
        self.integer(i64::from(value));
    }

    fn i16(&mut self, value: i16) {
        self.integer(i64::from(value));
    }

    fn i32(&mut self, value: i32) {
        self.integer(i64::from(value));
    }

    fn i64(&mut self, value: i64) {
        self.integer(value);
    }

    fn double(&mut self, value: f64) {
        let is_key = self.next();
        if value.is_finite() {
            self.number(zmij::Buffer::new().format_finite(value), is_key);
        } else if value.is_nan() {
            self.number("NaN", true);
        } else if value > 0.0 {
            self.number("Infinity", true);
        } else {
            self.number("-Infinity", true);
        }
    }

    fn uuid(&mut self, value: &[u8; 16]) {
        self.next();
        self.out.push(b'"');
        self.out.extend_from_slice(&text::uuid_text(value));
        self.out.push(b'"');
    }

    fn string(&mut self, value: &str) {
        self.next();
        text::quote(value, self.out);
    }

    fn binary(&mut self, value: &[u8]) {
        self.next();
        self.out.push(b'"');
        text::encode(value, self.out);
        self.out.push(b'"');
    }

    fn list_begin(&mut self, element: WireType, count: u32) {
        self.open(b'[', Next::First);
        self.name(element);
        self.integer(i64::from(count));
    }

    fn list_end(&mut self) {
        self.close(b']');
    }

    fn map_begin(&mut self, key: WireType, value: WireType, count: u32) {
        self.open(b'[', Next::First);
        self.name(key);
        self.name(value);
        self.integer(i64::from(count));
        self.open(b'{', Next::FirstKey);
    }

    fn map_end(&mut self) {
        self.close(b'}');
        self.close(b']');
    }

    fn list_open(&mut self, element: WireType) -> Open {
        self.list_begin(element, 0);
        Open {
            at: self.out.len() - 1,
        }
    }

    fn list_close(&mut self, open: Open, count: u32) {
        self.tell(open, count);
        self.list_end();
    }

    fn map_open(&mut self, key: WireType, value: WireType) -> Open {
        self.map_begin(key, value, 0);
        Open {
            at: self.out.len() - 3,
        }
    }

    fn map_close(&mut self, open: Open, count: u32) {
        self.tell(open, count);
        self.map_end();
    }
}
