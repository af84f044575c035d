//! Values as a tree: defaults of fields, tests, and whatever looks into messages. Never on the way of a call.

#[cfg(test)]
pub(crate) mod arbitrary;

use crate::{
    Fault, Malformed, Reader, Result, Schema, Step, Type, WireType, Writer,
    check::{check_number, expect, missing},
    malformed::wire_name,
    schema::{Bits, StructId},
};

/// A value of any type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `bool`.
    Bool(bool),
    /// `i8`.
    I8(i8),
    /// `i16`.
    I16(i16),
    /// `i32`, and values of enumerations.
    I32(i32),
    /// `i64`.
    I64(i64),
    /// `double`.
    Double(f64),
    /// `string`.
    String(String),
    /// `binary`.
    Binary(Vec<u8>),
    /// `uuid`.
    Uuid([u8; 16]),
    /// A struct, union or exception: ids and values of the fields that are set, by id.
    Struct(Vec<(i16, Value)>),
    /// `list`.
    List(Vec<Value>),
    /// `set`.
    Set(Vec<Value>),
    /// `map`.
    Map(Vec<(Value, Value)>),
}

impl Value {
    const fn wire(&self) -> WireType {
        match self {
            Self::Bool(_) => WireType::Bool,
            Self::I8(_) => WireType::I8,
            Self::I16(_) => WireType::I16,
            Self::I32(_) => WireType::I32,
            Self::I64(_) => WireType::I64,
            Self::Double(_) => WireType::Double,
            Self::String(_) | Self::Binary(_) => WireType::String,
            Self::Uuid(_) => WireType::Uuid,
            Self::Struct(_) => WireType::Struct,
            Self::List(_) => WireType::List,
            Self::Set(_) => WireType::Set,
            Self::Map(_) => WireType::Map,
        }
    }

    /// Of a struct: the field with an id, if it is set.
    #[must_use]
    pub fn field(&self, id: i16) -> Option<&Self> {
        let Self::Struct(fields) = self else {
            return None;
        };
        fields
            .iter()
            .find(|(known, _)| *known == id)
            .map(|(_, value)| value)
    }
}

/// Reads a value. Of a struct, what the schema does not know is left out, and defaults are not filled in.
///
/// # Errors
///
/// As with [`check_struct`](crate::check_struct); rules are not checked.
pub fn read_value<R: Reader>(schema: &Schema, ty: Type, reader: &mut R) -> Result<Value> {
    Ok(match ty {
        Type::Bool => Value::Bool(reader.bool()?),
        Type::I8 => Value::I8(reader.i8()?),
        Type::I16 => Value::I16(reader.i16()?),
        Type::I32 | Type::Enum(_) => Value::I32(reader.i32()?),
        Type::I64 => Value::I64(reader.i64()?),
        Type::Double => Value::Double(reader.double()?),
        Type::Uuid => Value::Uuid(reader.uuid()?),
        Type::Binary => Value::Binary(reader.binary()?.to_vec()),
        Type::String => match String::from_utf8(reader.bytes()?.to_vec()) {
            Ok(text) => Value::String(text),
            Err(_) => return Err(Malformed::new(Fault::NotUtf8, reader.offset())),
        },
        Type::Struct(id) => read_struct(schema, id, reader)?,
        Type::List(id) => {
            let (wire, count) = reader.list_begin()?;
            let elements = read_elements(schema, schema.element(id), wire, count, reader)?;
            reader.list_end()?;
            Value::List(elements)
        }
        Type::Set(id) => {
            let (wire, count) = reader.set_begin()?;
            let elements = read_elements(schema, schema.element(id), wire, count, reader)?;
            reader.set_end()?;
            Value::Set(elements)
        }
        Type::Map(id) => {
            let (key, value) = schema.map(id);
            let (types, count) = reader.map_begin()?;
            let mut entries = Vec::new();
            if let Some((key_wire, value_wire)) = types
                && count > 0
            {
                expect(key, key_wire, reader.offset())?;
                expect(value, value_wire, reader.offset())?;
                for at in 0..count {
                    let key = read_value(schema, key, reader)
                        .map_err(|error| error.within(Step::Key(at)))?;
                    let value = read_value(schema, value, reader)
                        .map_err(|error| error.within(Step::Value(at)))?;
                    entries.push((key, value));
                }
            }
            reader.map_end()?;
            Value::Map(entries)
        }
    })
}

fn read_elements<R: Reader>(
    schema: &Schema,
    element: Type,
    wire: WireType,
    count: u32,
    reader: &mut R,
) -> Result<Vec<Value>> {
    if count > 0 {
        expect(element, wire, reader.offset())?;
    }
    // Collected one by one: the wire says how many there are, but only their bytes prove it.
    let mut elements = Vec::new();
    for at in 0..count {
        let value =
            read_value(schema, element, reader).map_err(|error| error.within(Step::Element(at)))?;
        elements.push(value);
    }
    Ok(elements)
}

fn read_struct<R: Reader>(schema: &Schema, id: StructId, reader: &mut R) -> Result<Value> {
    let structure = schema.structure(id);
    let nest = reader.struct_begin()?;
    let mut seen = Bits::default();
    let mut fields: Vec<(i16, Value)> = Vec::new();
    while let Some(header) = reader.field_begin()? {
        match structure.index_of_id(header.id) {
            Some(at) if structure.fields[at].ty.wire() == header.wire => {
                let field = &structure.fields[at];
                let value = read_value(schema, field.ty, reader)
                    .map_err(|error| error.within(Step::Field((*field.name).into())))?;
                // The last of two is the one that counts, as with stock readers.
                match fields.binary_search_by_key(&field.id, |(id, _)| *id) {
                    Ok(place) => fields[place].1 = value,
                    Err(place) => fields.insert(place, (field.id, value)),
                }
                seen.insert(at);
            }
            _ => reader
                .skip(header.wire)
                .map_err(|error| error.within(Step::Unknown(header.id)))?,
        }
        reader.field_end()?;
    }
    reader.struct_end(nest)?;
    if !seen.has_all(&structure.required) {
        return Err(missing(structure, &seen, reader.offset()));
    }
    check_number(structure, &seen, reader.offset())?;
    Ok(Value::Struct(fields))
}

/// Writes a value as what the schema says it is.
///
/// # Errors
///
/// If it is not of that type, or a struct has a field that the schema does not know, or lacks a required one. What was
/// written until then is of no use.
pub fn write_value<W: Writer>(
    schema: &Schema,
    ty: Type,
    value: &Value,
    writer: &mut W,
) -> Result<()> {
    match (ty, value) {
        (Type::Bool, Value::Bool(value)) => writer.bool(*value),
        (Type::I8, Value::I8(value)) => writer.i8(*value),
        (Type::I16, Value::I16(value)) => writer.i16(*value),
        (Type::I32 | Type::Enum(_), Value::I32(value)) => writer.i32(*value),
        (Type::I64, Value::I64(value)) => writer.i64(*value),
        (Type::Double, Value::Double(value)) => writer.double(*value),
        (Type::String, Value::String(value)) => writer.string(value),
        (Type::Binary, Value::Binary(value)) => writer.binary(value),
        (Type::Uuid, Value::Uuid(value)) => writer.uuid(value),
        (Type::Struct(id), Value::Struct(fields)) => write_struct(schema, id, fields, writer)?,
        (Type::List(id), Value::List(elements)) => {
            let element = schema.element(id);
            writer.list_begin(element.wire(), count(elements.len())?);
            write_elements(schema, element, elements, writer)?;
            writer.list_end();
        }
        (Type::Set(id), Value::Set(elements)) => {
            let element = schema.element(id);
            writer.set_begin(element.wire(), count(elements.len())?);
            write_elements(schema, element, elements, writer)?;
            writer.set_end();
        }
        (Type::Map(id), Value::Map(entries)) => {
            let (key_type, value_type) = schema.map(id);
            let count = count(entries.len())?;
            writer.map_begin(key_type.wire(), value_type.wire(), count);
            for (at, (key, value)) in (0..).zip(entries) {
                write_value(schema, key_type, key, writer)
                    .map_err(|error| error.within(Step::Key(at)))?;
                write_value(schema, value_type, value, writer)
                    .map_err(|error| error.within(Step::Value(at)))?;
            }
            writer.map_end();
        }
        _ => {
            let fault = Fault::Type {
                expected: wire_name(ty.wire()),
                found: wire_name(value.wire()),
            };
            return Err(Malformed::new(fault, 0));
        }
    }
    Ok(())
}

fn write_elements<W: Writer>(
    schema: &Schema,
    element: Type,
    elements: &[Value],
    writer: &mut W,
) -> Result<()> {
    for (at, value) in (0..).zip(elements) {
        write_value(schema, element, value, writer)
            .map_err(|error| error.within(Step::Element(at)))?;
    }
    Ok(())
}

fn write_struct<W: Writer>(
    schema: &Schema,
    id: StructId,
    fields: &[(i16, Value)],
    writer: &mut W,
) -> Result<()> {
    let structure = schema.structure(id);
    let nest = writer.struct_begin();
    let mut seen = Bits::default();
    for (id, value) in fields {
        let Some(at) = structure.index_of_id(*id) else {
            let fault = Fault::Rule(format!("{} has no field {id}", structure.name));
            return Err(Malformed::new(fault, 0));
        };
        let field = &structure.fields[at];
        seen.insert(at);
        writer.field_begin(field.ty.wire(), *id);
        write_value(schema, field.ty, value, writer)
            .map_err(|error| error.within(Step::Field((*field.name).into())))?;
        writer.field_end();
    }
    writer.struct_end(nest);
    if !seen.has_all(&structure.required) {
        return Err(missing(structure, &seen, 0));
    }
    check_number(structure, &seen, 0)
}

/// A number of elements as the wire has it.
fn count(count: usize) -> Result<u32> {
    let limit = i32::MAX as usize;
    if count > limit {
        let fault = Fault::OverLimit {
            what: "a container",
            found: count,
            limit,
        };
        return Err(Malformed::new(fault, 0));
    }
    Ok(count as u32)
}

#[cfg(test)]
mod tests;
