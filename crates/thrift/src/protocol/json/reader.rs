//! Reading the JSON protocol.

use super::{Next, VERSION, text, wire_of};
use crate::{
    Fault, Limits, Malformed, MessageHeader, Reader, Result, WireType, message,
    protocol::{FieldHeader, Nest, cursor::Cursor},
};

/// Reads the JSON protocol.
#[derive(Debug, Clone)]
pub struct JsonReader<'a> {
    cursor: Cursor<'a>,
    /// Arrays and objects around what is being read, the outermost first: two for a level of depth at most, and the
    /// message's.
    around: Vec<Next>,
    /// The string that was read last, if it had escapes.
    unescaped: Vec<u8>,
    /// The binary data that was read last.
    decoded: Vec<u8>,
}

/// A string that was read.
#[derive(Clone, Copy)]
enum Text<'a> {
    /// As it is in the input.
    Plain(&'a [u8]),
    /// In `unescaped`.
    Unescaped,
}

/// The characters that an element has at least, the comma in front of it included.
const fn size_min(wire: WireType) -> usize {
    match wire {
        WireType::String | WireType::Struct => 3,
        // ,["i8",0]
        WireType::List | WireType::Set => 9,
        // ,["tf","tf",0,{}]
        WireType::Map => 17,
        WireType::Uuid => 39,
        _ => 2,
    }
}

impl<'a> JsonReader<'a> {
    /// Reads from the front of `input`.
    #[must_use]
    pub const fn new(input: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            cursor: Cursor::new(input, limits),
            around: Vec::new(),
            unescaped: Vec::new(),
            decoded: Vec::new(),
        }
    }

    /// What has not been read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.cursor.rest()
    }

    #[cold]
    fn wrong(&self, text: impl Into<String>) -> Box<Malformed> {
        self.cursor.fault(Fault::Json(text.into()), 0)
    }

    #[cold]
    fn expected(&self, what: &str) -> Box<Malformed> {
        match self.cursor.rest().first() {
            None => self.cursor.fault(Fault::Truncated { missing: 1 }, 0),
            Some(found) => self.wrong(format!("expected {what}, found '{}'", found.escape_ascii())),
        }
    }

    /// The next character that is no whitespace.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.cursor.rest().first() {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.cursor.advance(1),
                other => return other.copied(),
            }
        }
    }

    fn expect(&mut self, character: u8) -> Result<()> {
        if self.peek() != Some(character) {
            return Err(self.expected(&format!("'{}'", char::from(character))));
        }
        self.cursor.advance(1);
        Ok(())
    }

    /// What is in front of a value; true if the value is a key.
    fn next(&mut self) -> Result<bool> {
        let Some(next) = self.around.last_mut() else {
            return Ok(false);
        };
        let is_key = next.is_key();
        let (separator, after) = next.step();
        *next = after;
        if let Some(separator) = separator {
            self.expect(separator)?;
        }
        Ok(is_key)
    }

    fn open(&mut self, bracket: u8, first: Next) -> Result<()> {
        self.next()?;
        self.expect(bracket)?;
        self.around.push(first);
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Result<()> {
        self.expect(bracket)?;
        self.around.pop();
        Ok(())
    }

    /// The inside of a string whose quote comes next, and whether there are escapes in it.
    fn inside(&mut self) -> Result<(&'a [u8], bool)> {
        self.expect(b'"')?;
        let rest = self.cursor.rest();
        let limit = self.cursor.limits.string_max;
        let mut has_escapes = false;
        let mut at = 0;
        loop {
            let special = |byte: &u8| *byte == b'"' || *byte == b'\\';
            match rest
                .get(at..)
                .and_then(|rest| rest.iter().position(special))
            {
                None => {
                    let missing = 1 + at.saturating_sub(rest.len());
                    return Err(self.cursor.fault(Fault::Truncated { missing }, 0));
                }
                Some(further) => at += further,
            }
            if at > limit {
                return Err(self.cursor.over("a string", at, limit, 0));
            }
            if rest[at] == b'"' {
                self.cursor.advance(at + 1);
                return Ok((&rest[..at], has_escapes));
            }
            has_escapes = true;
            at += 2;
        }
    }

    fn text(&mut self) -> Result<Text<'a>> {
        self.next()?;
        let (inside, has_escapes) = self.inside()?;
        if !has_escapes {
            return Ok(Text::Plain(inside));
        }
        match text::unescape(inside, &mut self.unescaped) {
            Ok(()) => Ok(Text::Unescaped),
            Err(error) => Err(self.wrong(error)),
        }
    }

    fn resolve<'s>(&'s self, text: Text<'a>) -> &'s [u8] {
        match text {
            Text::Plain(bytes) => bytes,
            Text::Unescaped => &self.unescaped,
        }
    }

    /// The characters of a number.
    fn digits(&mut self) -> &'a [u8] {
        self.peek();
        let rest = self.cursor.rest();
        let is_other = |byte: &u8| !matches!(byte, b'+' | b'-' | b'.' | b'0'..=b'9' | b'E' | b'e');
        let size = rest.iter().position(is_other).unwrap_or(rest.len());
        self.cursor.advance(size);
        &rest[..size]
    }

    fn integer(&mut self) -> Result<i64> {
        let is_key = self.next()?;
        if is_key {
            self.expect(b'"')?;
        }
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.expected("an integer"));
        }
        let value = std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| {
                let digits = String::from_utf8_lossy(digits);
                self.wrong(format!("{digits:.40} is not an integer of 64 bits"))
            })?;
        if is_key {
            self.expect(b'"')?;
        }
        Ok(value)
    }

    fn integer_as<T: TryFrom<i64>>(&mut self, ty: &'static str) -> Result<T> {
        let found = self.integer()?;
        T::try_from(found).map_err(|_| self.cursor.fault(Fault::OutOfRange { found, ty }, 0))
    }

    fn number(&self, digits: &[u8]) -> Result<f64> {
        std::str::from_utf8(digits)
            .ok()
            .and_then(|digits| digits.parse().ok())
            .filter(|value: &f64| value.is_finite())
            .ok_or_else(|| {
                let digits = String::from_utf8_lossy(digits);
                self.wrong(format!("{digits:.40} is not a double"))
            })
    }

    fn wire(&mut self) -> Result<WireType> {
        let text = self.text()?;
        let name = self.resolve(text);
        wire_of(name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            self.wrong(format!("there is no type \"{name:.40}\""))
        })
    }

    fn count(&mut self, size_min: usize) -> Result<u32> {
        let found = self.integer()?;
        if let Ok(negative @ ..0) = i32::try_from(found) {
            return Err(self.cursor.fault(Fault::NegativeSize(negative), 0));
        }
        match u32::try_from(found) {
            Ok(count) => self.cursor.count(count, size_min, 0),
            Err(_) => Err(self.cursor.fault(
                Fault::OutOfRange {
                    found,
                    ty: "a size",
                },
                0,
            )),
        }
    }
}

impl Reader for JsonReader<'_> {
    const IS_TEXT: bool = true;

    fn message_begin(&mut self) -> Result<MessageHeader<'_>> {
        self.open(b'[', Next::First)?;
        let version = self.integer()?;
        if version != VERSION {
            return Err(self.wrong(format!("there is no version {version} of messages")));
        }
        let name = self.text()?;
        let number = self.integer()?;
        // As wide as the message has it, but 255 is no kind either.
        let number = u8::try_from(number).unwrap_or(u8::MAX);
        let kind = message::kind_of(number, self.cursor.offset())?;
        let sequence = self.integer_as("i32")?;
        Ok(MessageHeader {
            name: self.cursor.name(self.resolve(name))?,
            kind,
            sequence,
        })
    }

    fn message_end(&mut self) -> Result<()> {
        self.close(b']')
    }

    fn struct_begin(&mut self) -> Result<Nest> {
        self.cursor.enter()?;
        self.open(b'{', Next::FirstKey)?;
        Ok(Nest(0))
    }

    fn struct_end(&mut self, _: Nest) -> Result<()> {
        self.cursor.leave();
        self.close(b'}')
    }

    fn field_begin(&mut self) -> Result<Option<FieldHeader>> {
        if self.peek() == Some(b'}') {
            return Ok(None);
        }
        let id = self.integer_as("i16")?;
        self.open(b'{', Next::FirstKey)?;
        let wire = self.wire()?;
        Ok(Some(FieldHeader { wire, id }))
    }

    fn field_end(&mut self) -> Result<()> {
        self.close(b'}')
    }

    fn bool(&mut self) -> Result<bool> {
        Ok(self.integer()? != 0)
    }

    fn i8(&mut self) -> Result<i8> {
        self.integer_as("i8")
    }

    fn i16(&mut self) -> Result<i16> {
        self.integer_as("i16")
    }

    fn i32(&mut self) -> Result<i32> {
        self.integer_as("i32")
    }

    fn i64(&mut self) -> Result<i64> {
        self.integer()
    }

    fn double(&mut self) -> Result<f64> {
        let is_key = self.next()?;
        if self.peek() == Some(b'"') {
            let (inside, _) = self.inside()?;
            return match text::special(inside) {
                Some(value) => Ok(value),
                None if is_key => self.number(inside),
                None => Err(self.wrong("a double is in quotes")),
            };
        }
        if is_key {
            return Err(self.expected("'\"'"));
        }
        // Node.js and Python write what is no number without quotes.
        let rest = self.cursor.rest();
        for name in ["NaN", "nan", "Infinity", "-Infinity", "inf", "-inf"] {
            if rest.starts_with(name.as_bytes())
                && let Some(value) = text::special(name.as_bytes())
            {
                self.cursor.advance(name.len());
                return Ok(value);
            }
        }
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.expected("a number"));
        }
        self.number(digits)
    }

    fn uuid(&mut self) -> Result<[u8; 16]> {
        let text = self.text()?;
        text::uuid(self.resolve(text)).ok_or_else(|| self.wrong("a uuid is 36 characters"))
    }

    fn bytes(&mut self) -> Result<&[u8]> {
        let text = self.text()?;
        Ok(self.resolve(text))
    }

    fn binary(&mut self) -> Result<&[u8]> {
        let decoded = match self.text()? {
            Text::Plain(bytes) => text::decode(bytes, &mut self.decoded),
            Text::Unescaped => text::decode(&self.unescaped, &mut self.decoded),
        };
        match decoded {
            Ok(()) => Ok(&self.decoded),
            Err(error) => Err(self.wrong(error)),
        }
    }

    fn list_begin(&mut self) -> Result<(WireType, u32)> {
        self.cursor.enter()?;
        self.open(b'[', Next::First)?;
        let wire = self.wire()?;
        let count = self.count(size_min(wire))?;
        Ok((wire, count))
    }

    fn list_end(&mut self) -> Result<()> {
        self.cursor.leave();
        self.close(b']')
    }

    fn map_begin(&mut self) -> Result<(Option<(WireType, WireType)>, u32)> {
        self.cursor.enter()?;
        self.open(b'[', Next::First)?;
        let key = self.wire()?;
        let value = self.wire()?;
        let count = self.count(size_min(key) + size_min(value))?;
        self.open(b'{', Next::FirstKey)?;
        Ok((Some((key, value)), count))
    }

    fn map_end(&mut self) -> Result<()> {
        self.cursor.leave();
        self.close(b'}')?;
        self.close(b']')
    }

    fn skip(&mut self, wire: WireType) -> Result<()> {
        match wire {
            WireType::Bool | WireType::I64 => self.integer().map(drop),
            WireType::I8 => self.i8().map(drop),
            WireType::I16 => self.i16().map(drop),
            WireType::I32 => self.i32().map(drop),
            WireType::Double => self.double().map(drop),
            // It may be text or base64.
            WireType::String => {
                self.next()?;
                self.inside().map(drop)
            }
            WireType::Uuid => self.uuid().map(drop),
            WireType::Struct => {
                let nest = self.struct_begin()?;
                while let Some(field) = self.field_begin()? {
                    self.skip(field.wire)?;
                    self.field_end()?;
                }
                self.struct_end(nest)
            }
            WireType::List | WireType::Set => {
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

    fn offset(&self) -> usize {
        self.cursor.offset()
    }
}
