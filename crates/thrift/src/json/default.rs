//! Values that do not come from the text: defaults of fields, and what stands in for a value that is wrong.

use crate::{
    Schema, Type, Value, Writer,
    schema::{ElementId, MapId, StructId},
};

/// Bytes of a value beside its text, roughly.
const SIZE: usize = 16;

/// Writes a default; about how many bytes it has. Of a struct it writes the fields that the default names. What is not of
/// its type, which the model does not let through, is written as if it were empty.
pub(super) fn write_default<W: Writer>(
    writer: &mut W,
    schema: &Schema,
    ty: Type,
    value: &Value,
) -> usize {
    match (ty, value) {
        (Type::Bool, Value::Bool(value)) => writer.bool(*value),
        (Type::I8, Value::I8(value)) => writer.i8(*value),
        (Type::I16, Value::I16(value)) => writer.i16(*value),
        (Type::I32 | Type::Enum(_), Value::I32(value)) => writer.i32(*value),
        (Type::I64, Value::I64(value)) => writer.i64(*value),
        (Type::Double, Value::Double(value)) => writer.double(*value),
        (Type::Uuid, Value::Uuid(value)) => writer.uuid(value),
        (Type::String, Value::String(value)) => {
            writer.string(value);
            return SIZE + value.len();
        }
        (Type::Binary, Value::Binary(value)) => {
            writer.binary(value);
            return SIZE + value.len();
        }
        (Type::Struct(id), Value::Struct(fields)) => {
            return write_struct(writer, schema, id, fields);
        }
        (Type::List(id), Value::List(elements)) => {
            writer.list_begin(schema.element(id).wire(), elements.len() as u32);
            let size = write_elements(writer, schema, id, elements);
            writer.list_end();
            return size;
        }
        (Type::Set(id), Value::Set(elements)) => {
            writer.set_begin(schema.element(id).wire(), elements.len() as u32);
            let size = write_elements(writer, schema, id, elements);
            writer.set_end();
            return size;
        }
        (Type::Map(id), Value::Map(entries)) => return write_map(writer, schema, id, entries),
        _ => write_empty(writer, schema, ty),
    }
    SIZE
}

fn write_struct<W: Writer>(
    writer: &mut W,
    schema: &Schema,
    id: StructId,
    values: &[(i16, Value)],
) -> usize {
    let structure = schema.structure(id);
    let nest = writer.struct_begin();
    let mut size = SIZE;
    for (id, value) in values {
        if let Some(at) = structure.index_of_id(*id) {
            let ty = structure.fields[at].ty;
            writer.field_begin(ty.wire(), *id);
            size += write_default(writer, schema, ty, value);
            writer.field_end();
        }
    }
    writer.struct_end(nest);
    size
}

fn write_elements<W: Writer>(
    writer: &mut W,
    schema: &Schema,
    id: ElementId,
    elements: &[Value],
) -> usize {
    let ty = schema.element(id);
    let sizes = elements
        .iter()
        .map(|element| write_default(writer, schema, ty, element));
    SIZE + sizes.sum::<usize>()
}

fn write_map<W: Writer>(
    writer: &mut W,
    schema: &Schema,
    id: MapId,
    entries: &[(Value, Value)],
) -> usize {
    let (key_type, value_type) = schema.map(id);
    writer.map_begin(key_type.wire(), value_type.wire(), entries.len() as u32);
    let mut size = SIZE;
    for (key, value) in entries {
        size += write_default(writer, schema, key_type, key);
        size += write_default(writer, schema, value_type, value);
    }
    writer.map_end();
    size
}

/// Writes some value of a type: 0, or nothing.
pub(super) fn write_empty<W: Writer>(writer: &mut W, schema: &Schema, ty: Type) {
    match ty {
        Type::Bool => writer.bool(false),
        Type::I8 => writer.i8(0),
        Type::I16 => writer.i16(0),
        Type::I32 | Type::Enum(_) => writer.i32(0),
        Type::I64 => writer.i64(0),
        Type::Double => writer.double(0.0),
        Type::String => writer.string(""),
        Type::Binary => writer.binary(&[]),
        Type::Uuid => writer.uuid(&[0; 16]),
        Type::Struct(_) => {
            let nest = writer.struct_begin();
            writer.struct_end(nest);
        }
        Type::List(id) => {
            writer.list_begin(schema.element(id).wire(), 0);
            writer.list_end();
        }
        Type::Set(id) => {
            writer.set_begin(schema.element(id).wire(), 0);
            writer.set_end();
        }
        Type::Map(id) => {
            let (key, value) = schema.map(id);
            writer.map_begin(key.wire(), value.wire(), 0);
            writer.map_end();
        }
    }
}
