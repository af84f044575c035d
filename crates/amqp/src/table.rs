//! Field tables, as they lie on the wire.
//!
//! A table is a list of names and tagged values, an array a list of tagged values. Brokers hand tables through octet by
//! octet, so [`TableRef`] is the octets themselves, read where something asks. Order and duplicate names are kept.

mod kind;
mod owned;

pub use kind::{FieldType, TypeClass};
pub use owned::{Table, Value};

use crate::Malformed;
use crate::wire::Reader;

/// How deep tables and arrays may be nested: deeper than anyone needs, shallower than the stack.
const DEPTH_MAX: u32 = 64;

/// The octets of a field table, without the length that precedes them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct TableRef<'a>(&'a [u8]);

impl<'a> TableRef<'a> {
    /// The table without a field.
    pub const EMPTY: TableRef<'static> = TableRef(&[]);

    /// Takes octets as a table. They are looked at when they are read; [`validate`](Self::validate) looks at all.
    pub const fn from_bytes(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The octets.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no field.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Names and values in order. After an error nothing more comes.
    pub fn iter(self) -> TableIter<'a> {
        TableIter {
            reader: Reader::new(self.0),
            failed: false,
        }
    }

    /// The value of the first field of that name.
    pub fn get(self, name: impl AsRef<[u8]>) -> Option<ValueRef<'a>> {
        let name = name.as_ref();
        self.iter()
            .map_while(Result::ok)
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// Looks through the whole table, nested ones too.
    ///
    /// # Errors
    /// Unknown type tags, values over the end, nesting beyond 64.
    pub fn validate(self) -> Result<(), Malformed> {
        validate_table(self.0, DEPTH_MAX)
    }

    /// The same as values of its own.
    ///
    /// # Errors
    /// As [`validate`](Self::validate).
    pub fn to_table(self) -> Result<Table, Malformed> {
        self.validate()?;
        self.iter()
            .map(|field| field.and_then(|(name, value)| Ok((name.to_vec(), value.to_value()?))))
            .collect()
    }
}

impl std::fmt::Debug for TableRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = self
            .iter()
            .map_while(Result::ok)
            .map(|(name, value)| (name.escape_ascii().to_string(), value));
        f.debug_map().entries(fields).finish()
    }
}

/// The octets of an array, without the length that precedes them.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ArrayRef<'a>(&'a [u8]);

impl<'a> ArrayRef<'a> {
    /// Takes octets as an array. They are looked at when they are read.
    pub const fn from_bytes(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The octets.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The values in order. After an error nothing more comes.
    pub fn iter(self) -> ArrayIter<'a> {
        ArrayIter {
            reader: Reader::new(self.0),
            failed: false,
        }
    }
}

impl std::fmt::Debug for ArrayRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.iter().map_while(Result::ok))
            .finish()
    }
}

/// Iterator over the fields of a [`TableRef`].
#[derive(Clone, Debug)]
pub struct TableIter<'a> {
    reader: Reader<'a>,
    failed: bool,
}

impl<'a> Iterator for TableIter<'a> {
    type Item = Result<(&'a [u8], ValueRef<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.reader.is_empty() {
            return None;
        }
        let field = self
            .reader
            .short()
            .and_then(|name| Ok((name, ValueRef::read(&mut self.reader)?)));
        self.failed = field.is_err();
        Some(field)
    }
}

/// Iterator over the values of an [`ArrayRef`].
#[derive(Clone, Debug)]
pub struct ArrayIter<'a> {
    reader: Reader<'a>,
    failed: bool,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = Result<ValueRef<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.reader.is_empty() {
            return None;
        }
        let value = ValueRef::read(&mut self.reader);
        self.failed = value.is_err();
        Some(value)
    }
}

/// A value of a field, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// `t`; anything but 0 is true.
    Bool(bool),
    /// `b`.
    I8(i8),
    /// `B`.
    U8(u8),
    /// `s`.
    I16(i16),
    /// `u`.
    U16(u16),
    /// `I`.
    I32(i32),
    /// `i`.
    U32(u32),
    /// `l`.
    I64(i64),
    /// `L`: signed too, as RabbitMQ and its clients have it, but with its own tag.
    I64Upper(i64),
    /// `f`.
    F32(f32),
    /// `d`.
    F64(f64),
    /// `D`.
    Decimal {
        /// How many digits follow the point.
        scale: u8,
        /// The digits.
        value: u32,
    },
    /// `S`.
    LongString(&'a [u8]),
    /// `A`.
    Array(ArrayRef<'a>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`.
    Table(TableRef<'a>),
    /// `V`.
    Void,
    /// `x`.
    Bytes(&'a [u8]),
}

impl<'a> ValueRef<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let offset = reader.offset();
        let tag = reader.octet()?;
        let kind = FieldType::from_tag(tag).ok_or(Malformed::UnknownTag { tag, offset })?;
        Ok(match kind {
            FieldType::Bool => Self::Bool(reader.octet()? != 0),
            FieldType::I8 => Self::I8(i8::from_be_bytes(reader.array()?)),
            FieldType::U8 => Self::U8(reader.octet()?),
            FieldType::I16 => Self::I16(i16::from_be_bytes(reader.array()?)),
            FieldType::U16 => Self::U16(u16::from_be_bytes(reader.array()?)),
            FieldType::I32 => Self::I32(i32::from_be_bytes(reader.array()?)),
            FieldType::U32 => Self::U32(u32::from_be_bytes(reader.array()?)),
            FieldType::I64 => Self::I64(i64::from_be_bytes(reader.array()?)),
            FieldType::I64Upper => Self::I64Upper(i64::from_be_bytes(reader.array()?)),
            FieldType::F32 => Self::F32(f32::from_be_bytes(reader.array()?)),
            FieldType::F64 => Self::F64(f64::from_be_bytes(reader.array()?)),
            FieldType::Decimal => {
                let scale = reader.octet()?;
                Self::Decimal {
                    scale,
                    value: u32::from_be_bytes(reader.array()?),
                }
            }
            FieldType::LongString => Self::LongString(reader.long()?),
            FieldType::Array => Self::Array(ArrayRef(reader.long()?)),
            FieldType::Timestamp => Self::Timestamp(u64::from_be_bytes(reader.array()?)),
            FieldType::Table => Self::Table(TableRef(reader.long()?)),
            FieldType::Void => Self::Void,
            FieldType::Bytes => Self::Bytes(reader.long()?),
        })
    }

    /// The octets of a long string.
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::LongString(octets) => Some(octets),
            _ => None,
        }
    }

    /// The text of a long string that is UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        self.as_bytes()
            .and_then(|octets| std::str::from_utf8(octets).ok())
    }

    /// The nested table.
    pub const fn as_table(&self) -> Option<TableRef<'a>> {
        match *self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The array.
    pub const fn as_array(&self) -> Option<ArrayRef<'a>> {
        match *self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The same as a value of its own.
    ///
    /// # Errors
    /// Nested octets that are no table or array; never in a table that was validated.
    pub fn to_value(&self) -> Result<Value, Malformed> {
        Ok(match *self {
            Self::Bool(value) => Value::Bool(value),
            Self::I8(value) => Value::I8(value),
            Self::U8(value) => Value::U8(value),
            Self::I16(value) => Value::I16(value),
            Self::U16(value) => Value::U16(value),
            Self::I32(value) => Value::I32(value),
            Self::U32(value) => Value::U32(value),
            Self::I64(value) => Value::I64(value),
            Self::I64Upper(value) => Value::I64Upper(value),
            Self::F32(value) => Value::F32(value),
            Self::F64(value) => Value::F64(value),
            Self::Decimal { scale, value } => Value::Decimal { scale, value },
            Self::LongString(octets) => Value::LongString(octets.to_vec()),
            Self::Array(array) => Value::Array(array_to_values(array)?),
            Self::Timestamp(value) => Value::Timestamp(value),
            Self::Table(table) => Value::Table(table.to_table()?),
            Self::Void => Value::Void,
            Self::Bytes(octets) => Value::Bytes(octets.to_vec()),
        })
    }
}

fn array_to_values(array: ArrayRef<'_>) -> Result<Vec<Value>, Malformed> {
    validate_array(array.0, DEPTH_MAX)?;
    array.iter().map(|value| value?.to_value()).collect()
}

fn validate_table(octets: &[u8], depth: u32) -> Result<(), Malformed> {
    let mut reader = Reader::new(octets);
    while !reader.is_empty() {
        reader.short()?;
        validate_value(&mut reader, depth)?;
    }
    Ok(())
}

fn validate_array(octets: &[u8], depth: u32) -> Result<(), Malformed> {
    let mut reader = Reader::new(octets);
    while !reader.is_empty() {
        validate_value(&mut reader, depth)?;
    }
    Ok(())
}

fn validate_value(reader: &mut Reader<'_>, depth: u32) -> Result<(), Malformed> {
    let offset = reader.offset();
    let value = ValueRef::read(reader)?;
    let (ValueRef::Table(TableRef(octets)) | ValueRef::Array(ArrayRef(octets))) = value else {
        return Ok(());
    };
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Malformed::TooDeep { offset });
    };
    let nested = match value {
        ValueRef::Table(_) => validate_table(octets, depth),
        _ => validate_array(octets, depth),
    };
    nested.map_err(|error| error.shifted(reader.offset() - octets.len()))
}

#[cfg(test)]
mod tests;
