//! From one protocol to another, by schema, in one pass.

use crate::{
    Fault, Malformed, Reader, Result, Schema, Step, Type, WireType, Writer,
    check::{check_number, expect, is_utf8, missing},
    rules::{self, Kept, Rules, Subject},
    schema::{Bits, ElementId, MapId, StructId},
};

/// Reads a struct in one protocol and writes it in another, and checks it on the way as
/// [`check_struct`](crate::check_struct) does.
///
/// Fields that the schema does not know are kept by their types on the wire, so that a relay with an older contract than
/// its neighbours is no loss. That is impossible from and to protocols of text, which write strings and binary data in two
/// ways: there they are dropped, as stock libraries do. A known field of another type than the schema says is dropped too.
///
/// # Errors
///
/// The first thing that is wrong, with the way to it; what was written until then is of no use.
pub fn transcode_struct<R: Reader, W: Writer>(
    schema: &Schema,
    id: StructId,
    reader: &mut R,
    writer: &mut W,
) -> Result<()> {
    if schema.structure(id).has_rules {
        transcode_fields::<R, W, true>(schema, id, reader, writer)
    } else {
        transcode_fields::<R, W, false>(schema, id, reader, writer)
    }
}

/// Twice: where there are no rules, nobody asks for them.
fn transcode_fields<R: Reader, W: Writer, const RULES: bool>(
    schema: &Schema,
    id: StructId,
    reader: &mut R,
    writer: &mut W,
) -> Result<()> {
    let structure = schema.structure(id);
    let from = reader.struct_begin()?;
    let to = writer.struct_begin();
    let mut seen = Bits::default();
    let mut kept = Kept::default();
    while let Some(header) = reader.field_begin()? {
        match structure.index_of_id(header.id) {
            Some(at) => {
                let field = &structure.fields[at];
                if field.ty.wire() == header.wire {
                    seen.insert(at);
                    writer.field_begin(header.wire, header.id);
                    let rules = field.rules.as_deref();
                    let done = match rules {
                        Some(rules) if RULES && rules.is_kept() => {
                            transcode_kept(schema, field.ty, rules, reader, writer, &mut kept)
                        }
                        _ => {
                            transcode_value::<R, W, RULES>(schema, field.ty, rules, reader, writer)
                        }
                    };
                    done.map_err(|error| error.within(Step::Field((*field.name).into())))?;
                    writer.field_end();
                } else {
                    reader
                        .skip(header.wire)
                        .map_err(|error| error.within(Step::Field((*field.name).into())))?;
                }
            }
            None => unknown(header.id, header.wire, reader, writer)
                .map_err(|error| error.within(Step::Unknown(header.id)))?,
        }
        reader.field_end()?;
    }
    reader.struct_end(from)?;
    writer.struct_end(to);
    if !seen.has_all(&structure.required) {
        return Err(missing(structure, &seen, reader.offset()));
    }
    if RULES {
        rules::needed(structure, &seen)?;
        rules::linked(structure, &kept)?;
    }
    check_number(structure, &seen, reader.offset())
}

#[inline]
fn transcode_value<R: Reader, W: Writer, const RULES: bool>(
    schema: &Schema,
    ty: Type,
    rules: Option<&Rules>,
    reader: &mut R,
    writer: &mut W,
) -> Result<()> {
    let rules = if RULES { rules } else { None };
    if let Some(rules) = rules {
        if rules.is_skipped() {
            return transcode_value::<R, W, false>(schema, ty, None, reader, writer);
        }
        if rules.looks_at(ty) {
            return rules::plain(ty, rules, reader, |subject| {
                write_plain(ty, subject, writer)
            });
        }
    }
    match ty {
        Type::String if W::IS_TEXT => {
            let Ok(text) = simdutf8::basic::from_utf8(reader.bytes()?) else {
                return Err(Malformed::new(Fault::NotUtf8, reader.offset()));
            };
            writer.string(text);
            Ok(())
        }
        Type::String => {
            let bytes = reader.bytes()?;
            if !is_utf8(bytes) {
                return Err(Malformed::new(Fault::NotUtf8, reader.offset()));
            }
            // Where it is not text, it is written as binary data are.
            writer.binary(bytes);
            Ok(())
        }
        Type::Binary => {
            writer.binary(reader.binary()?);
            Ok(())
        }
        Type::Struct(id) if RULES => transcode_struct(schema, id, reader, writer),
        Type::Struct(id) => transcode_fields::<R, W, false>(schema, id, reader, writer),
        Type::List(id) => {
            transcode_list::<R, W, RULES>(schema, id, rules, reader, writer).map(drop)
        }
        Type::Set(id) => transcode_set::<R, W, RULES>(schema, id, rules, reader, writer).map(drop),
        Type::Map(id) => transcode_map::<R, W, RULES>(schema, id, rules, reader, writer).map(drop),
        Type::Bool
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Double
        | Type::Uuid
        | Type::Enum(_) => copy_plain(ty.wire(), 1, reader, writer),
    }
}

/// A field that is looked at again when the struct ends.
#[inline(never)]
fn transcode_kept<R: Reader, W: Writer>(
    schema: &Schema,
    ty: Type,
    rules: &Rules,
    reader: &mut R,
    writer: &mut W,
    kept: &mut Kept,
) -> Result<()> {
    let offset = reader.offset();
    let count = match (ty, rules.is_skipped()) {
        (Type::List(id), false) => {
            transcode_list::<R, W, true>(schema, id, Some(rules), reader, writer)
        }
        (Type::List(id), true) => transcode_list::<R, W, false>(schema, id, None, reader, writer),
        (Type::Set(id), false) => {
            transcode_set::<R, W, true>(schema, id, Some(rules), reader, writer)
        }
        (Type::Set(id), true) => transcode_set::<R, W, false>(schema, id, None, reader, writer),
        (Type::Map(id), false) => {
            transcode_map::<R, W, true>(schema, id, Some(rules), reader, writer)
        }
        (Type::Map(id), true) => transcode_map::<R, W, false>(schema, id, None, reader, writer),
        _ => {
            return rules::plain(ty, rules, reader, |subject| {
                kept.keep(rules, subject, offset);
                write_plain(ty, subject, writer);
            });
        }
    };
    kept.keep(rules, Subject::Count(count?.into()), offset);
    Ok(())
}

/// How many elements it has.
#[inline]
fn transcode_list<R: Reader, W: Writer, const RULES: bool>(
    schema: &Schema,
    id: ElementId,
    rules: Option<&Rules>,
    reader: &mut R,
    writer: &mut W,
) -> Result<u32> {
    let element = schema.element(id);
    let (wire, count) = reader.list_begin()?;
    rules::count(rules, count, reader)?;
    writer.list_begin(element.wire(), count);
    let (rules, header) = (rules.and_then(Rules::of_elements), (wire, count));
    transcode_elements::<R, W, RULES>(schema, element, rules, header, reader, writer)?;
    writer.list_end();
    reader.list_end()?;
    Ok(count)
}

/// How many elements it has.
#[inline]
fn transcode_set<R: Reader, W: Writer, const RULES: bool>(
    schema: &Schema,
    id: ElementId,
    rules: Option<&Rules>,
    reader: &mut R,
    writer: &mut W,
) -> Result<u32> {
    let element = schema.element(id);
    let (wire, count) = reader.set_begin()?;
    rules::count(rules, count, reader)?;
    writer.set_begin(element.wire(), count);
    let (rules, header) = (rules.and_then(Rules::of_elements), (wire, count));
    transcode_elements::<R, W, RULES>(schema, element, rules, header, reader, writer)?;
    writer.set_end();
    reader.set_end()?;
    Ok(count)
}

/// How many entries it has.
#[inline]
fn transcode_map<R: Reader, W: Writer, const RULES: bool>(
    schema: &Schema,
    id: MapId,
    rules: Option<&Rules>,
    reader: &mut R,
    writer: &mut W,
) -> Result<u32> {
    let (key, value) = schema.map(id);
    let (types, count) = reader.map_begin()?;
    rules::count(rules, count, reader)?;
    let of_keys = rules.and_then(Rules::of_keys);
    let of_values = rules.and_then(Rules::of_values);
    writer.map_begin(key.wire(), value.wire(), count);
    if count > 0
        && let Some((key_wire, value_wire)) = types
    {
        expect(key, key_wire, reader.offset())?;
        expect(value, value_wire, reader.offset())?;
        for at in 0..count {
            transcode_value::<R, W, RULES>(schema, key, of_keys, reader, writer)
                .map_err(|error| error.within(Step::Key(at)))?;
            transcode_value::<R, W, RULES>(schema, value, of_values, reader, writer)
                .map_err(|error| error.within(Step::Value(at)))?;
        }
    }
    writer.map_end();
    reader.map_end()?;
    Ok(count)
}

fn transcode_elements<R: Reader, W: Writer, const RULES: bool>(
    schema: &Schema,
    element: Type,
    rules: Option<&Rules>,
    (wire, count): (WireType, u32),
    reader: &mut R,
    writer: &mut W,
) -> Result<()> {
    if count == 0 {
        // Nobody can tell of which type nothing is.
        return Ok(());
    }
    expect(element, wire, reader.offset())?;
    let is_plain = !matches!(
        element,
        Type::String | Type::Binary | Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_)
    );
    if !is_plain || RULES && rules.is_some() {
        for at in 0..count {
            transcode_value::<R, W, RULES>(schema, element, rules, reader, writer)
                .map_err(|error| error.within(Step::Element(at)))?;
        }
        return Ok(());
    }
    copy_plain(wire, count, reader, writer)
}

/// Writes what rules have looked at.
fn write_plain<W: Writer>(ty: Type, subject: Subject<'_>, writer: &mut W) {
    match (ty, subject) {
        (_, Subject::Bool(value)) => writer.bool(value),
        (Type::I8, Subject::Integer(value)) => writer.i8(value as i8),
        (Type::I16, Subject::Integer(value)) => writer.i16(value as i16),
        (Type::I64, Subject::Integer(value)) => writer.i64(value),
        (_, Subject::Integer(value)) => writer.i32(value as i32),
        (_, Subject::Double(value)) => writer.double(value),
        (_, Subject::Text(value)) => writer.string(value),
        (_, Subject::Bytes(value)) => writer.binary(value),
        // Containers have parts.
        (_, Subject::Count(_)) => {}
    }
}

/// Copies values without parts. One `match` for all of them, and a tight loop for each type.
#[inline]
fn copy_plain<R: Reader, W: Writer>(
    wire: WireType,
    count: u32,
    reader: &mut R,
    writer: &mut W,
) -> Result<()> {
    macro_rules! copy {
        (|$value:ident: $kind:ident| $write:expr) => {
            for _ in 0..count {
                let $value = reader.$kind()?;
                $write;
            }
        };
    }
    match wire {
        WireType::Bool => copy!(|value: bool| writer.bool(value)),
        WireType::I8 => copy!(|value: i8| writer.i8(value)),
        WireType::I16 => copy!(|value: i16| writer.i16(value)),
        WireType::I32 => copy!(|value: i32| writer.i32(value)),
        WireType::I64 => copy!(|value: i64| writer.i64(value)),
        WireType::Double => copy!(|value: double| writer.double(value)),
        WireType::Uuid => copy!(|value: uuid| writer.uuid(&value)),
        WireType::String => copy!(|value: binary| writer.binary(value)),
        WireType::Struct | WireType::Map | WireType::Set | WireType::List => {
            for _ in 0..count {
                copy_value(wire, reader, writer)?;
            }
        }
    }
    Ok(())
}

/// A field that the schema does not know.
#[cold]
fn unknown<R: Reader, W: Writer>(
    id: i16,
    wire: WireType,
    reader: &mut R,
    writer: &mut W,
) -> Result<()> {
    if R::IS_TEXT || W::IS_TEXT {
        return reader.skip(wire);
    }
    writer.field_begin(wire, id);
    copy_value(wire, reader, writer)?;
    writer.field_end();
    Ok(())
}

/// Copies a value by what the wire says. The reader limits how deep it goes.
fn copy_value<R: Reader, W: Writer>(wire: WireType, reader: &mut R, writer: &mut W) -> Result<()> {
    match wire {
        WireType::Struct => {
            let from = reader.struct_begin()?;
            let to = writer.struct_begin();
            while let Some(header) = reader.field_begin()? {
                writer.field_begin(header.wire, header.id);
                copy_value(header.wire, reader, writer)?;
                writer.field_end();
                reader.field_end()?;
            }
            writer.struct_end(to);
            reader.struct_end(from)
        }
        WireType::List => {
            let (element, count) = reader.list_begin()?;
            writer.list_begin(element, count);
            copy_plain(element, count, reader, writer)?;
            writer.list_end();
            reader.list_end()
        }
        WireType::Set => {
            let (element, count) = reader.set_begin()?;
            writer.set_begin(element, count);
            copy_plain(element, count, reader, writer)?;
            writer.set_end();
            reader.set_end()
        }
        WireType::Map => {
            let (types, count) = reader.map_begin()?;
            // The compact protocol has no types for an empty map; any will do.
            let (key, value) = types.unwrap_or((WireType::String, WireType::String));
            writer.map_begin(key, value, count);
            for _ in 0..count {
                copy_value(key, reader, writer)?;
                copy_value(value, reader, writer)?;
            }
            writer.map_end();
            reader.map_end()
        }
        _ => copy_plain(wire, 1, reader, writer),
    }
}

#[cfg(test)]
mod tests;
