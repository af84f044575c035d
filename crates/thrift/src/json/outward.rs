//! Thrift → JSON.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{EnumForm, Int64Form, JsonOptions, scan};
use crate::{
    Fault, Malformed, Reader, Result, Schema, Step, Type, WireType,
    check::{check_number, expect, missing},
    schema::{Bits, Enum, Field, Struct, StructId},
};

/// What a method came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It returned, and returns nothing; no text was written.
    Void,
    /// It returned the value that was written.
    Returned,
    /// It threw the exception that was written: the one of the field at this place in the fields of the result's struct.
    Thrown(usize),
    /// Nothing is set although the method returns something; no text was written. An exception of a newer contract can
    /// be the reason.
    Nothing,
}

/// Writes values as text.
pub(super) struct Outward<'a> {
    schema: &'a Schema,
    options: &'a JsonOptions,
    out: &'a mut Vec<u8>,
}

impl<'a> Outward<'a> {
    pub(super) const fn new(
        schema: &'a Schema,
        options: &'a JsonOptions,
        out: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            schema,
            options,
            out,
        }
    }

    pub(super) fn whole<R: Reader>(&mut self, ty: Type, reader: &mut R) -> Result<()> {
        self.value(ty, self.options.int64 == Int64Form::Text, reader)
    }

    pub(super) fn result<R: Reader>(&mut self, id: StructId, reader: &mut R) -> Result<Outcome> {
        let structure = self.schema.structure(id);
        let mut outcome = match structure.index_of_id(0) {
            Some(_) => Outcome::Nothing,
            None => Outcome::Void,
        };
        let mut set = Bits::default();
        let nest = reader.struct_begin()?;
        while let Some(header) = reader.field_begin()? {
            match structure.index_of_id(header.id) {
                Some(at) if structure.fields[at].ty.wire() == header.wire => {
                    let field = &structure.fields[at];
                    begin_field(field, at, &mut set, reader.offset())?;
                    check_number(structure, &set, reader.offset())?;
                    self.field_value(field, reader)?;
                    outcome = if header.id == 0 {
                        Outcome::Returned
                    } else {
                        Outcome::Thrown(at)
                    };
                }
                _ => skip_unknown(header.id, header.wire, reader)?,
            }
            reader.field_end()?;
        }
        reader.struct_end(nest)?;
        Ok(outcome)
    }

    pub(super) fn structure<R: Reader>(&mut self, id: StructId, reader: &mut R) -> Result<()> {
        let structure = self.schema.structure(id);
        let mut set = Bits::default();
        let nest = reader.struct_begin()?;
        self.out.push(b'{');
        while let Some(header) = reader.field_begin()? {
            match structure.index_of_id(header.id) {
                Some(at) if structure.fields[at].ty.wire() == header.wire => {
                    let field = &structure.fields[at];
                    begin_field(field, at, &mut set, reader.offset())?;
                    if field.is_hidden {
                        skip_unknown(header.id, header.wire, reader)?;
                    } else {
                        self.out.extend_from_slice(field.json_label.as_bytes());
                        self.field_value(field, reader)?;
                        self.out.push(b',');
                    }
                }
                _ => skip_unknown(header.id, header.wire, reader)?,
            }
            reader.field_end()?;
        }
        reader.struct_end(nest)?;
        self.close(b'}');
        end_struct(structure, &set, reader.offset())
    }

    #[inline]
    fn field_value<R: Reader>(&mut self, field: &Field, reader: &mut R) -> Result<()> {
        let is_text = field.is_int64_text || self.options.int64 == Int64Form::Text;
        self.value(field.ty, is_text, reader)
            .map_err(|error| error.within(Step::Field((*field.name).into())))
    }

    /// Puts the closing bracket in the place of the comma behind the last part.
    #[inline]
    fn close(&mut self, bracket: u8) {
        match self.out.last_mut() {
            Some(last) if *last == b',' => *last = bracket,
            _ => self.out.push(bracket),
        }
    }

    /// A value; `is_text` says that 64-bit integers are text in it.
    fn value<R: Reader>(&mut self, ty: Type, is_text: bool, reader: &mut R) -> Result<()> {
        match ty {
            Type::Bool => self.bool(reader.bool()?),
            Type::I8 => self.integer(reader.i8()?),
            Type::I16 => self.integer(reader.i16()?),
            Type::I32 => self.integer(reader.i32()?),
            Type::I64 if is_text => self.quoted(reader.i64()?),
            Type::I64 => self.integer(reader.i64()?),
            Type::Double => self.double(reader.double()?),
            Type::String => {
                let bytes = reader.bytes()?;
                if !write_string(self.out, bytes, self.options.is_utf8_lossy) {
                    return Err(Malformed::new(Fault::NotUtf8, reader.offset()));
                }
            }
            Type::Binary => self.binary(reader.binary()?),
            Type::Uuid => self.uuid(&reader.uuid()?),
            Type::Enum(id) => {
                let number = reader.i32()?;
                match self.name_of(self.schema.enumeration(id), number) {
                    Some(name) => self.name(name),
                    None => self.integer(number),
                }
            }
            Type::Struct(id) => return self.structure(id, reader),
            Type::List(id) => {
                let (wire, count) = reader.list_begin()?;
                self.elements(self.schema.element(id), wire, count, is_text, reader)?;
                reader.list_end()?;
            }
            Type::Set(id) => {
                let (wire, count) = reader.set_begin()?;
                self.elements(self.schema.element(id), wire, count, is_text, reader)?;
                reader.set_end()?;
            }
            Type::Map(id) => return self.map(self.schema.map(id), is_text, reader),
        }
        Ok(())
    }

    fn elements<R: Reader>(
        &mut self,
        ty: Type,
        wire: WireType,
        count: u32,
        is_text: bool,
        reader: &mut R,
    ) -> Result<()> {
        self.out.push(b'[');
        if count > 0 {
            // Nobody can tell of which type nothing is.
            expect(ty, wire, reader.offset())?;
        }
        for at in 0..count {
            self.value(ty, is_text, reader)
                .map_err(|error| error.within(Step::Element(at)))?;
            self.out.push(b',');
        }
        self.close(b']');
        Ok(())
    }

    /// A map: an object if its keys can be names, or else an array of entries.
    fn map<R: Reader>(
        &mut self,
        (key, value): (Type, Type),
        is_text: bool,
        reader: &mut R,
    ) -> Result<()> {
        let (types, count) = reader.map_begin()?;
        if count > 0
            && let Some((key_wire, value_wire)) = types
        {
            expect(key, key_wire, reader.offset())?;
            expect(value, value_wire, reader.offset())?;
        }
        let is_object = is_name(key);
        self.out.push(if is_object { b'{' } else { b'[' });
        for at in 0..count {
            if is_object {
                self.key(key, reader)
                    .map_err(|error| error.within(Step::Key(at)))?;
                self.out.push(b':');
            } else {
                self.out.extend_from_slice(b"{\"key\":");
                self.value(key, is_text, reader)
                    .map_err(|error| error.within(Step::Key(at)))?;
                self.out.extend_from_slice(b",\"value\":");
            }
            self.value(value, is_text, reader)
                .map_err(|error| error.within(Step::Value(at)))?;
            if !is_object {
                self.out.push(b'}');
            }
            self.out.push(b',');
        }
        self.close(if is_object { b'}' } else { b']' });
        reader.map_end()
    }

    /// A key as the name of a member.
    #[inline]
    fn key<R: Reader>(&mut self, ty: Type, reader: &mut R) -> Result<()> {
        match ty {
            Type::Bool => {
                self.out.push(b'"');
                self.bool(reader.bool()?);
                self.out.push(b'"');
            }
            Type::I8 => self.quoted(reader.i8()?),
            Type::I16 => self.quoted(reader.i16()?),
            Type::I32 => self.quoted(reader.i32()?),
            Type::I64 => self.quoted(reader.i64()?),
            Type::Enum(id) => {
                let number = reader.i32()?;
                match self.name_of(self.schema.enumeration(id), number) {
                    Some(name) => self.name(name),
                    None => self.quoted(number),
                }
            }
            // These are strings anyway; the others are not written as names.
            _ => return self.value(ty, true, reader),
        }
        Ok(())
    }

    #[inline]
    fn bool(&mut self, value: bool) {
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    #[inline]
    fn integer(&mut self, value: impl itoa::Integer) {
        self.out
            .extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline]
    fn quoted(&mut self, value: impl itoa::Integer) {
        self.out.push(b'"');
        self.integer(value);
        self.out.push(b'"');
    }

    /// The shortest text that is read as the same number; the three that JSON does not have are text.
    #[inline]
    fn double(&mut self, value: f64) {
        if value.is_finite() {
            self.out
                .extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.out.extend_from_slice(if value.is_nan() {
                b"\"NaN\""
            } else if value > 0.0 {
                b"\"Infinity\""
            } else {
                b"\"-Infinity\""
            });
        }
    }

    #[inline]
    fn name_of<'e>(&self, enumeration: &'e Enum, number: i32) -> Option<&'e str> {
        match self.options.enums {
            EnumForm::Name => enumeration.name_of(number),
            EnumForm::Number => None,
        }
    }

    #[inline]
    fn name(&mut self, name: &str) {
        write_string(self.out, name.as_bytes(), true);
    }

    fn binary(&mut self, value: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        // Three bytes are four characters, and what is left over is filled up to that.
        let length = value.len().div_ceil(3) * 4;
        self.out.resize(start + length, b'=');
        let written = BASE64_STANDARD.encode_slice(value, &mut self.out[start..]);
        debug_assert_eq!(written.ok(), Some(length));
        self.out.push(b'"');
    }

    /// Lower case, as RFC 9562 has it.
    fn uuid(&mut self, value: &[u8; 16]) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (place, byte) in value.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
            at += 2;
        }
        self.out.push(b'"');
        self.out.extend_from_slice(&text);
        self.out.push(b'"');
    }
}

/// Keys of these types are names of members.
const fn is_name(key: Type) -> bool {
    match key {
        Type::Bool
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::String
        | Type::Binary
        | Type::Uuid
        | Type::Enum(_) => true,
        Type::Double | Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_) => false,
    }
}

/// A field must not be there twice: an object with a member twice means different things to different readers.
#[inline]
fn begin_field(field: &Field, at: usize, set: &mut Bits, offset: usize) -> Result<()> {
    if set.contains(at) {
        return Err(Malformed::new(Fault::Twice((*field.name).into()), offset));
    }
    set.insert(at);
    Ok(())
}

#[cold]
fn skip_unknown<R: Reader>(id: i16, wire: WireType, reader: &mut R) -> Result<()> {
    reader
        .skip(wire)
        .map_err(|error| error.within(Step::Unknown(id)))
}

#[inline]
fn end_struct(structure: &Struct, set: &Bits, offset: usize) -> Result<()> {
    if !set.has_all(&structure.required) {
        return Err(missing(structure, set, offset));
    }
    check_number(structure, set, offset)
}

/// Writes a string in quotes. What is not UTF-8 is replaced if `is_lossy`; else nothing is written, and false returned.
#[inline]
fn write_string(out: &mut Vec<u8>, bytes: &[u8], is_lossy: bool) -> bool {
    let looks = scan::looks(bytes);
    if !looks.is_ascii && simdutf8::basic::from_utf8(bytes).is_err() {
        if is_lossy {
            let text = String::from_utf8_lossy(bytes);
            write_escaped(out, text.as_bytes());
        }
        return is_lossy;
    }
    if looks.is_plain {
        out.reserve(bytes.len() + 2);
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else {
        write_escaped(out, bytes);
    }
    true
}

/// Writes a string in quotes that has something to be escaped.
fn write_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let mut start = 0;
    loop {
        let end = scan::plain_end(bytes, start);
        out.extend_from_slice(&bytes[start..end]);
        let Some(byte) = bytes.get(end) else {
            break;
        };
        let short = match byte {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            b'"' | b'\\' => *byte,
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let [high, low] = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
                start = end + 1;
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        start = end + 1;
    }
    out.push(b'"');
}
