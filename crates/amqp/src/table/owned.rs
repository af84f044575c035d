//! Field tables as values of their own.

use super::TableRef;
use crate::Malformed;
use crate::wire::{put_long, put_short};

/// A field table. Keeps order and duplicate names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table(Vec<(Vec<u8>, Value)>);

impl Table {
    /// A table without a field.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field at the end. Names longer than 255 octets are cut when the table is encoded.
    pub fn insert(&mut self, name: impl AsRef<[u8]>, value: impl Into<Value>) -> &mut Self {
        self.0.push((name.as_ref().to_vec(), value.into()));
        self
    }

    /// The table with one more field: `Table::new().with("x-max-length", 10)`.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<[u8]>, value: impl Into<Value>) -> Self {
        self.insert(name, value);
        self
    }

    /// The value of the first field of that name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&Value> {
        let name = name.as_ref();
        self.iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
    }

    /// Removes all fields of that name; returns the first one's value.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Option<Value> {
        let name = name.as_ref();
        let mut removed = None;
        self.0.retain_mut(|(field, value)| {
            let is_it = field == name;
            if is_it && removed.is_none() {
                removed = Some(std::mem::replace(value, Value::Void));
            }
            !is_it
        });
        removed
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value))
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the fields, without a length before them.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            put_short(out, name);
            value.encode(out);
        }
    }

    /// The octets that [`TableRef::from_bytes`] takes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

impl FromIterator<(Vec<u8>, Value)> for Table {
    fn from_iter<I: IntoIterator<Item = (Vec<u8>, Value)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

impl IntoIterator for Table {
    type Item = (Vec<u8>, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl TryFrom<TableRef<'_>> for Table {
    type Error = Malformed;

    fn try_from(table: TableRef<'_>) -> Result<Self, Malformed> {
        table.to_table()
    }
}

/// A value of a field. The variants are those of [`ValueRef`](crate::ValueRef).
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `t`.
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
    /// `L`.
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
    LongString(Vec<u8>),
    /// `A`.
    Array(Vec<Value>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`.
    Table(Table),
    /// `V`.
    Void,
    /// `x`.
    Bytes(Vec<u8>),
}

impl Value {
    /// The text of a long string that is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::LongString(octets) => std::str::from_utf8(octets).ok(),
            _ => None,
        }
    }

    /// The nested table.
    pub const fn as_table(&self) -> Option<&Table> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(values) => Some(values),
            _ => None,
        }
    }

    /// Whether two arguments of declarations are the same: same class of types, same value. 10 is the same in any
    /// width, but not as a float.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F32(a), Self::F64(b)) | (Self::F64(b), Self::F32(a)) => f64::from(*a) == *b,
            _ => match (self.as_integer(), other.as_integer()) {
                (Some(a), Some(b)) => a == b,
                _ => self == other,
            },
        }
    }

    /// Appends type tag and value.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.kind().tag());
        match self {
            Self::Bool(value) => out.push(u8::from(*value)),
            Self::I8(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::U8(value) => out.push(*value),
            Self::I16(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::U16(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::I32(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::U32(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::I64(value) | Self::I64Upper(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::F32(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::F64(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::Decimal { scale, value } => {
                out.push(*scale);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::LongString(octets) | Self::Bytes(octets) => put_long(out, octets),
            Self::Array(values) => {
                put_sized(out, |out| values.iter().for_each(|value| value.encode(out)))
            }
            Self::Timestamp(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::Table(table) => put_sized(out, |out| table.encode(out)),
            Self::Void => {}
        }
    }
}

/// Writes a length, and after it what `fill` writes.
fn put_sized(out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    fill(out);
    let len = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

macro_rules! value_from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

value_from! {
    bool => Bool, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    f32 => F32, f64 => F64, Vec<Value> => Array, Table => Table,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::LongString(text.as_bytes().to_vec())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::LongString(text.into_bytes())
    }
}
