//! Values that are one token.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{
    super::{
        error::JsonErrorKind,
        number,
        source::{Result, Source, Text},
    },
    Inward, shortened,
};
use crate::{Type, Writer, schema::Enum};

/// What a message quotes of a text.
const QUOTED_MAX: usize = 64;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The number that a text is: one of JSON, or one of the three that JSON does not have.
pub(super) fn double_of(text: &str) -> Option<f64> {
    match text {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let mut source = Source::new(text, 0, 1);
    source.number().ok()?;
    (source.at == text.len())
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number: &f64| number.is_finite())
}

/// The uuid that a text is: 8-4-4-4-12 hexadecimal digits of either case.
fn uuid_of(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut uuid = [0; 16];
    let mut at = 0;
    for (place, byte) in uuid.iter_mut().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            if text[at] != b'-' {
                return None;
            }
            at += 1;
        }
        let high = char::from(text[at]).to_digit(16)?;
        let low = char::from(text[at + 1]).to_digit(16)?;
        *byte = (high << 4 | low) as u8;
        at += 2;
    }
    Some(uuid)
}

/// The bytes that a text in base64 is, in either alphabet, with or without padding.
fn decode_base64(text: &str, into: &mut Vec<u8>) -> bool {
    into.clear();
    STANDARD.decode_vec(text, into).is_ok() || {
        into.clear();
        URL_SAFE.decode_vec(text, into).is_ok()
    }
}

impl<'a, W: Writer> Inward<'a, '_, W> {
    #[inline]
    pub(super) fn bool(&mut self) -> Result<bool> {
        match self.source.peek() {
            b't' => self.source.word("true").map(|()| true),
            b'f' => self.source.word("false").map(|()| false),
            _ => self.source.wrong_type("bool").map(|()| false),
        }
    }

    /// An integer within bounds.
    #[inline]
    pub(super) fn integer(&mut self, ty: Type, min: i64, max: i64) -> Result<i64> {
        self.source.peek();
        if let Some((value, length)) = number::integer(self.source.rest())
            && (min..=max).contains(&value)
        {
            self.source.at += length;
            return Ok(value);
        }
        self.integer_otherwise(ty)
    }

    /// What is no integer within bounds: 64-bit ones may be text.
    #[cold]
    fn integer_otherwise(&mut self, ty: Type) -> Result<i64> {
        let start = self.source.at;
        match self.source.peek() {
            b'"' if ty == Type::I64 => {
                let text = self.source.string()?;
                let value = number::integer_of(self.source.str_of(text));
                if value.is_none() {
                    self.wrong_text(text, "an i64", start)?;
                }
                Ok(value.unwrap_or_default())
            }
            b'-' | b'0'..=b'9' => {
                let number = self.source.number()?;
                let name = integer_name(ty);
                let kind = if number.is_integer {
                    JsonErrorKind::OutOfRange {
                        found: shortened(number.text, QUOTED_MAX).into(),
                        ty: name,
                    }
                } else {
                    JsonErrorKind::Type {
                        expected: name.into(),
                        found: "a number with a fraction or an exponent",
                    }
                };
                self.source.violation(kind, start)?;
                Ok(0)
            }
            _ => {
                self.source.wrong_type(integer_name(ty))?;
                Ok(0)
            }
        }
    }

    #[inline]
    pub(super) fn double(&mut self) -> Result<f64> {
        self.source.peek();
        if let Some((value, length)) = number::double(self.source.rest()) {
            self.source.at += length;
            return Ok(value);
        }
        self.double_otherwise()
    }

    /// What is no simple double: many digits, an exponent, text, or something else.
    #[inline(never)]
    fn double_otherwise(&mut self) -> Result<f64> {
        let start = self.source.at;
        match self.source.peek() {
            b'-' | b'0'..=b'9' => {
                let number = self.source.number()?;
                let value: f64 = number.text.parse().unwrap_or(f64::INFINITY);
                if value.is_infinite() {
                    let found = shortened(number.text, QUOTED_MAX).into();
                    let ty = "double";
                    self.source
                        .violation(JsonErrorKind::OutOfRange { found, ty }, start)?;
                }
                Ok(value)
            }
            b'"' => {
                let text = self.source.string()?;
                let value = match self.source.str_of(text) {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    _ => {
                        let expected = "a double; only NaN, Infinity and -Infinity are texts";
                        self.wrong_text(text, expected, start)?;
                        0.0
                    }
                };
                Ok(value)
            }
            _ => {
                self.source.wrong_type("double")?;
                Ok(0.0)
            }
        }
    }

    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>> {
        if self.source.peek() != b'"' {
            self.source.wrong_type("string")?;
            return Ok(Text::Plain(""));
        }
        let start = self.source.at;
        let text = self.source.string()?;
        self.check_length(self.source.str_of(text).len(), "a string", start)?;
        Ok(text)
    }

    #[inline]
    fn check_length(&mut self, found: usize, what: &'static str, start: usize) -> Result<()> {
        let limit = self.limits.string_max;
        if found <= limit {
            return Ok(());
        }
        let kind = JsonErrorKind::OverLimit { what, found, limit };
        self.source.violation(kind, start)
    }

    /// Binary data, which is in `bytes` then.
    pub(super) fn binary(&mut self) -> Result<()> {
        self.bytes.clear();
        if self.source.peek() != b'"' {
            return self.source.wrong_type("binary (a string in base64)");
        }
        let start = self.source.at;
        let text = self.source.string()?;
        if !decode_base64(self.source.str_of(text), &mut self.bytes) {
            self.wrong_text(text, "base64", start)?;
        }
        self.check_length(self.bytes.len(), "a binary", start)
    }

    pub(super) fn uuid(&mut self) -> Result<[u8; 16]> {
        if self.source.peek() != b'"' {
            self.source.wrong_type("uuid (a string)")?;
            return Ok([0; 16]);
        }
        let start = self.source.at;
        let text = self.source.string()?;
        let value = uuid_of(self.source.str_of(text));
        if value.is_none() {
            self.wrong_text(text, "a uuid", start)?;
        }
        Ok(value.unwrap_or_default())
    }

    /// A value of an enumeration: a name of it, or any number.
    #[inline]
    pub(super) fn enumeration(&mut self, enumeration: &Enum) -> Result<i32> {
        match self.source.peek() {
            b'"' => {
                let start = self.source.at;
                let text = self.source.string()?;
                let number = enumeration.number_of(self.source.str_of(text).as_bytes());
                if number.is_none() {
                    self.wrong_text(text, &format!("a name of {}", enumeration.name), start)?;
                }
                Ok(number.unwrap_or_default())
            }
            b'-' | b'0'..=b'9' => {
                let number = self.integer(Type::I32, i32::MIN.into(), i32::MAX.into())?;
                Ok(number as i32)
            }
            _ => {
                let expected = format!("{} (a name or a number)", enumeration.name);
                self.source.wrong_type(&expected)?;
                Ok(0)
            }
        }
    }

    #[cold]
    fn wrong_text(&mut self, text: Text<'_>, expected: &str, start: usize) -> Result<()> {
        let found = match text {
            Text::Plain(text) => text,
            Text::Unescaped => self.source.unescaped.as_str(),
        };
        let found = shortened(found, QUOTED_MAX).into();
        let expected = expected.into();
        self.source
            .violation(JsonErrorKind::Text { found, expected }, start)
    }

    /// A key of a map as the name of a member: the value that the text is, as it would be without quotes. Its hash, if it
    /// is a value.
    #[inline]
    pub(super) fn key(&mut self, ty: Type, text: Text<'_>, start: usize) -> Result<Option<u64>> {
        let name = match text {
            Text::Plain(text) => text,
            Text::Unescaped => &self.source.unescaped,
        };
        let hash = match ty {
            Type::String => {
                self.writer.string(name);
                let length = name.len();
                let hash = self.hashes.of_bytes(name.as_bytes());
                self.check_length(length, "a key", start)?;
                return Ok(Some(hash));
            }
            Type::Bool => match name {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }
            .map(|value| {
                self.writer.bool(value);
                u64::from(value)
            }),
            Type::I8 => number::integer_of(name)
                .and_then(|value| i8::try_from(value).ok())
                .map(|value| {
                    self.writer.i8(value);
                    self.hashes.of_integer(value.into())
                }),
            Type::I16 => number::integer_of(name)
                .and_then(|value| i16::try_from(value).ok())
                .map(|value| {
                    self.writer.i16(value);
                    self.hashes.of_integer(value.into())
                }),
            Type::I32 | Type::Enum(_) => {
                let value = match ty {
                    Type::Enum(id) => self.schema.enumeration(id).number_of(name.as_bytes()),
                    _ => None,
                };
                let number = || i32::try_from(number::integer_of(name)?).ok();
                value.or_else(number).map(|value| {
                    self.writer.i32(value);
                    self.hashes.of_integer(value.into())
                })
            }
            Type::I64 => number::integer_of(name).map(|value| {
                self.writer.i64(value);
                self.hashes.of_integer(value)
            }),
            Type::Double => double_of(name).map(|value| {
                self.writer.double(value);
                self.hashes.of_double(value)
            }),
            Type::Uuid => uuid_of(name).map(|value| {
                self.writer.uuid(&value);
                self.hashes.of_bytes(&value)
            }),
            Type::Binary => decode_base64(name, &mut self.bytes).then(|| {
                self.writer.binary(&self.bytes);
                self.hashes.of_bytes(&self.bytes)
            }),
            Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_) => None,
        };
        if hash.is_none() {
            self.wrong_text(text, &self.key_name(ty), start)?;
            self.anything(ty);
        }
        Ok(hash)
    }

    #[cold]
    fn key_name(&self, ty: Type) -> String {
        match ty {
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => format!("an {}", integer_name(ty)),
            Type::Binary => "base64".to_owned(),
            Type::Enum(id) => format!("a name of {}", self.schema.enumeration(id).name),
            _ => format!("a {}", self.schema.type_name(ty)),
        }
    }
}

const fn integer_name(ty: Type) -> &'static str {
    match ty {
        Type::I8 => "i8",
        Type::I16 => "i16",
        Type::I32 | Type::Enum(_) => "i32",
        _ => "i64",
    }
}
