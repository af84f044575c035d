//! Looking at values while they are read.

use super::{Rules, Subject, unset};
use crate::{
    Fault, Malformed, Reader, Result, Step, Type,
    schema::{Bits, Struct},
};

/// Reads a value without parts, looks at it, and hands it on.
pub(crate) fn plain<R: Reader>(
    ty: Type,
    rules: &Rules,
    reader: &mut R,
    then: impl FnOnce(Subject<'_>),
) -> Result<()> {
    let look = |subject: Subject<'_>| {
        then(subject);
        rules.check(subject)
    };
    let looked = match ty {
        Type::Bool => look(Subject::Bool(reader.bool()?)),
        Type::I8 => look(Subject::Integer(reader.i8()?.into())),
        Type::I16 => look(Subject::Integer(reader.i16()?.into())),
        Type::I32 | Type::Enum(_) => look(Subject::Integer(reader.i32()?.into())),
        Type::I64 => look(Subject::Integer(reader.i64()?)),
        Type::Double => look(Subject::Double(reader.double()?)),
        Type::Binary => look(Subject::Bytes(reader.binary()?)),
        Type::String => {
            let Ok(text) = simdutf8::basic::from_utf8(reader.bytes()?) else {
                return Err(Malformed::new(Fault::NotUtf8, reader.offset()));
            };
            look(Subject::Text(text))
        }
        // Nothing in them can be looked at as a whole.
        Type::Uuid | Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_) => Ok(()),
    };
    looked.map_err(|words| Malformed::new(Fault::Rule(words), reader.offset()))
}

/// Looks at the number of elements of a container.
pub(crate) fn count<R: Reader>(rules: Option<&Rules>, count: u32, reader: &R) -> Result<()> {
    match rules {
        Some(rules) => rules
            .check(Subject::Count(u64::from(count)))
            .map_err(|words| Malformed::new(Fault::Rule(words), reader.offset())),
        None => Ok(()),
    }
}

/// Fields that must be set are.
pub(crate) fn needed(structure: &Struct, seen: &Bits) -> Result<()> {
    for (at, field) in structure.fields.iter().enumerate() {
        if field.rules.as_deref().is_some_and(Rules::is_needed) && !seen.contains(at) {
            return Err(unset().within(Step::Field((*field.name).into())));
        }
    }
    Ok(())
}
