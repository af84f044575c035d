//! Whether bytes are what the schema says, without keeping anything of them.

use crate::{
    Fault, Malformed, Reader, Result, Schema, Step, Type, WireType,
    malformed::wire_name,
    rules::{self, Kept, Rules, Subject},
    schema::{Bits, ElementId, MapId, Role, Struct, StructId},
};

/// Reads a struct and checks it: types, required fields, UTF-8 of strings, unions with one field. Fields that the schema
/// does not know are jumped over, and so are fields of another type than it says, which are then absent; stock readers do
/// both. Rules (`vt.*`) are checked where there are some.
///
/// # Errors
///
/// The first thing that is wrong, with the way to it.
pub fn check_struct<R: Reader>(schema: &Schema, id: StructId, reader: &mut R) -> Result<()> {
    if schema.structure(id).has_rules {
        check_fields::<R, true>(schema, id, reader)
    } else {
        check_fields::<R, false>(schema, id, reader)
    }
}

/// Twice: where there are no rules, nobody asks for them.
fn check_fields<R: Reader, const RULES: bool>(
    schema: &Schema,
    id: StructId,
    reader: &mut R,
) -> Result<()> {
    let structure = schema.structure(id);
    let nest = reader.struct_begin()?;
    let mut seen = Bits::default();
    let mut kept = Kept::default();
    while let Some(header) = reader.field_begin()? {
        match structure.index_of_id(header.id) {
            Some(at) if structure.fields[at].ty.wire() == header.wire => {
                seen.insert(at);
                let field = &structure.fields[at];
                let rules = field.rules.as_deref();
                let checked = match rules {
                    Some(rules) if RULES && rules.is_kept() => {
                        check_kept(schema, field.ty, rules, reader, &mut kept)
                    }
                    _ => check_value::<R, RULES>(schema, field.ty, rules, reader),
                };
                checked.map_err(|error| error.within(Step::Field((*field.name).into())))?;
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
    if RULES {
        rules::needed(structure, &seen)?;
        rules::linked(structure, &kept)?;
    }
    check_number(structure, &seen, reader.offset())
}

/// Most strings are short and ASCII, which a plain look tells before anything larger is set in motion.
#[inline]
pub(crate) fn is_utf8(bytes: &[u8]) -> bool {
    bytes.len() < 64 && bytes.is_ascii() || simdutf8::basic::from_utf8(bytes).is_ok()
}

/// A union has one field; but an unknown one of a newer contract leaves none, and that must be endured (THRIFT-5953).
#[inline]
pub(crate) fn check_number(structure: &Struct, seen: &Bits, offset: usize) -> Result<()> {
    let one = structure.is_union() || matches!(structure.role, Role::Result);
    if one && seen.count() > 1 {
        return Err(Malformed::new(Fault::Union(seen.count()), offset));
    }
    Ok(())
}

/// The required fields that are not there.
#[cold]
pub(crate) fn missing(structure: &Struct, seen: &Bits, offset: usize) -> Box<Malformed> {
    let names = structure
        .fields
        .iter()
        .enumerate()
        .filter(|(at, _)| structure.required.contains(*at) && !seen.contains(*at))
        .map(|(_, field)| (*field.name).into())
        .collect();
    Malformed::new(Fault::Missing(names), offset)
}

#[inline]
fn check_value<R: Reader, const RULES: bool>(
    schema: &Schema,
    ty: Type,
    rules: Option<&Rules>,
    reader: &mut R,
) -> Result<()> {
    let rules = if RULES { rules } else { None };
    if let Some(rules) = rules {
        if rules.is_skipped() {
            return check_value::<R, false>(schema, ty, None, reader);
        }
        if rules.looks_at(ty) {
            return rules::plain(ty, rules, reader, |_| ());
        }
    }
    match ty {
        Type::String => {
            if !is_utf8(reader.bytes()?) {
                return Err(Malformed::new(Fault::NotUtf8, reader.offset()));
            }
            Ok(())
        }
        Type::Struct(id) if RULES => check_struct(schema, id, reader),
        Type::Struct(id) => check_fields::<R, false>(schema, id, reader),
        Type::List(id) => check_list::<R, RULES>(schema, id, rules, reader).map(drop),
        Type::Set(id) => check_set::<R, RULES>(schema, id, rules, reader).map(drop),
        Type::Map(id) => check_map::<R, RULES>(schema, id, rules, reader).map(drop),
        Type::Binary => reader.binary().map(drop),
        Type::Bool
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Double
        | Type::Uuid
        | Type::Enum(_) => reader.skip(ty.wire()),
    }
}

/// A field that is looked at again when the struct ends.
#[inline(never)]
fn check_kept<R: Reader>(
    schema: &Schema,
    ty: Type,
    rules: &Rules,
    reader: &mut R,
    kept: &mut Kept,
) -> Result<()> {
    let offset = reader.offset();
    let count = match (ty, rules.is_skipped()) {
        (Type::List(id), false) => check_list::<R, true>(schema, id, Some(rules), reader),
        (Type::List(id), true) => check_list::<R, false>(schema, id, None, reader),
        (Type::Set(id), false) => check_set::<R, true>(schema, id, Some(rules), reader),
        (Type::Set(id), true) => check_set::<R, false>(schema, id, None, reader),
        (Type::Map(id), false) => check_map::<R, true>(schema, id, Some(rules), reader),
        (Type::Map(id), true) => check_map::<R, false>(schema, id, None, reader),
        _ => {
            return rules::plain(ty, rules, reader, |subject| {
                kept.keep(rules, subject, offset);
            });
        }
    };
    kept.keep(rules, Subject::Count(count?.into()), offset);
    Ok(())
}

/// How many elements it has.
#[inline]
fn check_list<R: Reader, const RULES: bool>(
    schema: &Schema,
    id: ElementId,
    rules: Option<&Rules>,
    reader: &mut R,
) -> Result<u32> {
    let (wire, count) = reader.list_begin()?;
    rules::count(rules, count, reader)?;
    let of_elements = rules.and_then(Rules::of_elements);
    let element = schema.element(id);
    check_elements::<R, RULES>(schema, element, of_elements, (wire, count), reader)?;
    reader.list_end()?;
    Ok(count)
}

/// How many elements it has.
#[inline]
fn check_set<R: Reader, const RULES: bool>(
    schema: &Schema,
    id: ElementId,
    rules: Option<&Rules>,
    reader: &mut R,
) -> Result<u32> {
    let (wire, count) = reader.set_begin()?;
    rules::count(rules, count, reader)?;
    let of_elements = rules.and_then(Rules::of_elements);
    let element = schema.element(id);
    check_elements::<R, RULES>(schema, element, of_elements, (wire, count), reader)?;
    reader.set_end()?;
    Ok(count)
}

/// How many entries it has.
#[inline]
fn check_map<R: Reader, const RULES: bool>(
    schema: &Schema,
    id: MapId,
    rules: Option<&Rules>,
    reader: &mut R,
) -> Result<u32> {
    let (key, value) = schema.map(id);
    let (types, count) = reader.map_begin()?;
    rules::count(rules, count, reader)?;
    let of_keys = rules.and_then(Rules::of_keys);
    let of_values = rules.and_then(Rules::of_values);
    if count > 0
        && let Some((key_wire, value_wire)) = types
    {
        expect(key, key_wire, reader.offset())?;
        expect(value, value_wire, reader.offset())?;
        for at in 0..count {
            check_value::<R, RULES>(schema, key, of_keys, reader)
                .map_err(|error| error.within(Step::Key(at)))?;
            check_value::<R, RULES>(schema, value, of_values, reader)
                .map_err(|error| error.within(Step::Value(at)))?;
        }
    }
    reader.map_end()?;
    Ok(count)
}

fn check_elements<R: Reader, const RULES: bool>(
    schema: &Schema,
    element: Type,
    rules: Option<&Rules>,
    (wire, count): (WireType, u32),
    reader: &mut R,
) -> Result<()> {
    if count == 0 {
        // Nobody can tell of which type nothing is.
        return Ok(());
    }
    expect(element, wire, reader.offset())?;
    let is_plain = !matches!(
        element,
        Type::String | Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_)
    );
    if !is_plain || RULES && rules.is_some() {
        for at in 0..count {
            check_value::<R, RULES>(schema, element, rules, reader)
                .map_err(|error| error.within(Step::Element(at)))?;
        }
        return Ok(());
    }
    reader.skip_many(wire, count)
}

/// The elements of a container are of the type that the schema says.
#[inline]
pub(crate) fn expect(ty: Type, wire: WireType, offset: usize) -> Result<()> {
    if ty.wire() == wire {
        Ok(())
    } else {
        Err(Malformed::new(
            Fault::Type {
                expected: wire_name(ty.wire()),
                found: wire_name(wire),
            },
            offset,
        ))
    }
}
