//! JSON text ⇄ values of Thrift, by schema, in one pass and without a tree.
//!
//! Inwards ([`json_to_struct`], [`json_to_value`]) the text is checked strictly (RFC 8259) and against the schema, and goes
//! to a [`Writer`]. Outwards ([`struct_to_json`], [`value_to_json`], [`result_to_json`]) what a [`Reader`] has becomes text.
//! How values are written in JSON is published in `docs/src/thrift-json.md`; it is the specification of this module.

mod default;
mod error;
mod inward;
mod number;
mod outward;
mod same;
mod scan;
mod source;
#[cfg(test)]
mod tests;

pub use error::{JsonError, JsonErrorKind, Syntax, line_and_column};
pub use outward::Outcome;

use crate::{Limits, Reader, Result, Schema, Type, Writer, schema::StructId};
use inward::Inward;
use outward::Outward;

/// How 64-bit integers are written. Both forms are always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Int64Form {
    /// As numbers, exact whatever their size; fields with `api.js_conv` as text nevertheless.
    #[default]
    Number,
    /// As text, for readers that know only floating point.
    Text,
}

/// How values of enumerations are written. Both forms are always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EnumForm {
    /// By name; numbers without a name as numbers.
    #[default]
    Name,
    /// By number.
    Number,
}

/// What is done with members of an object that the struct does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownFields {
    /// They are jumped over.
    #[default]
    Ignore,
    /// They are an error.
    Refuse,
}

/// The switches of the mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonOptions {
    /// Outwards: how 64-bit integers are written.
    pub int64: Int64Form,
    /// Outwards: how values of enumerations are written.
    pub enums: EnumForm,
    /// Inwards: what is done with unknown members.
    pub unknown_fields: UnknownFields,
    /// Inwards: a union may be `{}`, which says that none of its fields is set.
    pub is_empty_union_allowed: bool,
    /// Outwards: what is not UTF-8 in a string becomes U+FFFD instead of an error.
    pub is_utf8_lossy: bool,
    /// Inwards: after how many violations nothing more is looked for; at least one is found.
    pub violations_max: usize,
}

impl Default for JsonOptions {
    fn default() -> Self {
        Self {
            int64: Int64Form::default(),
            enums: EnumForm::default(),
            unknown_fields: UnknownFields::default(),
            is_empty_union_allowed: false,
            is_utf8_lossy: false,
            // As many as a person reads.
            violations_max: 16,
        }
    }
}

/// Reads a struct from JSON text and writes it. After an error, what was written is of no use.
///
/// # Errors
///
/// If the text is not JSON, or not what the schema says. All required fields that are missing are listed, and other
/// violations with them, up to [`JsonOptions::violations_max`].
pub fn json_to_struct<W: Writer>(
    schema: &Schema,
    id: StructId,
    json: &[u8],
    options: &JsonOptions,
    limits: &Limits,
    writer: &mut W,
) -> Result<(), JsonError> {
    json_to_value(schema, Type::Struct(id), json, options, limits, writer)
}

/// Reads a value of any type from JSON text and writes it: [`json_to_struct`].
///
/// # Errors
///
/// As [`json_to_struct`].
pub fn json_to_value<W: Writer>(
    schema: &Schema,
    ty: Type,
    json: &[u8],
    options: &JsonOptions,
    limits: &Limits,
    writer: &mut W,
) -> Result<(), JsonError> {
    if json.len() > limits.message_max {
        return Err(JsonError::new(
            JsonErrorKind::OverLimit {
                what: "the text",
                found: json.len(),
                limit: limits.message_max,
            },
            0,
        ));
    }
    let Ok(text) = simdutf8::basic::from_utf8(json) else {
        return Err(JsonError::not_utf8(json));
    };
    Inward::new(schema, text, options, limits, writer).whole(ty)
}

/// Writes a struct as JSON text behind what is in `out`. After an error, what was written is of no use.
///
/// # Errors
///
/// If the bytes are not what the schema says, with the way to the place.
pub fn struct_to_json<R: Reader>(
    schema: &Schema,
    id: StructId,
    reader: &mut R,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<()> {
    Outward::new(schema, options, out).structure(id, reader)
}

/// Writes a value of any type as JSON text behind what is in `out`: [`struct_to_json`].
///
/// # Errors
///
/// As [`struct_to_json`].
pub fn value_to_json<R: Reader>(
    schema: &Schema,
    ty: Type,
    reader: &mut R,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<()> {
    Outward::new(schema, options, out).whole(ty, reader)
}

/// Writes what a method came to, of the struct of its result ([`Role::Result`](crate::schema::Role::Result)): what it returned as a bare value, or the exception that it
/// threw as an object.
///
/// # Errors
///
/// As [`struct_to_json`]; and if more than one field is set.
pub fn result_to_json<R: Reader>(
    schema: &Schema,
    id: StructId,
    reader: &mut R,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<Outcome> {
    Outward::new(schema, options, out).result(id, reader)
}
