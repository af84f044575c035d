//! JSON → Thrift.

mod containers;
mod ruled;
mod scalars;

use super::{
    JsonError, JsonOptions, UnknownFields,
    default::{write_default, write_empty},
    error::{JsonErrorKind, gather},
    same::{Elements, Hasher, Hashes},
    scan,
    source::{Result, Source},
};
use crate::{
    Limits, Schema, Type, Value, Writer,
    rules::{Kept, Rules},
    schema::{Bits, Field, Requiredness, Role, Struct, StructId},
};

/// How often a byte of the text may be read again on average: sets within sets, and maps with maps in their keys, to a
/// depth that nobody reaches who does not want to.
const AGAIN_MAX: usize = 32;

/// Characters of a name in a pointer.
const STEP_MAX: usize = 256;

/// The beginning of a text, so that messages do not repeat what somebody sends.
fn shortened(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads values of a text and writes them.
///
/// Where a value is wrong but the text goes on, the violation is kept and some value is written in its place, so that
/// the writer sees a whole message whatever it makes of it. Where the text cannot be read on, everything stops.
pub(super) struct Inward<'a, 'w, W> {
    schema: &'a Schema,
    options: &'a JsonOptions,
    limits: &'a Limits,
    source: Source<'a>,
    writer: &'w mut W,
    hashes: Hashes,
    elements: Elements,
    /// Binary data of the last string in base64.
    bytes: Vec<u8>,
    /// Bytes that defaults may still have: `[{},{},…]` must not become any size.
    defaults_left: usize,
    /// Bytes of the text that may still be read again.
    again_left: usize,
    /// The text is read once more, for a hash of what is right anyway: nothing is looked for twice, and rules do not matter.
    is_again: bool,
    /// Rules do not matter: `vt.skip`.
    are_rules_skipped: bool,
    /// What was read of fields that rules of the innermost struct compare with each other.
    kept: Kept,
}

impl<'a, 'w, W: Writer> Inward<'a, 'w, W> {
    pub(super) fn new(
        schema: &'a Schema,
        text: &'a str,
        options: &'a JsonOptions,
        limits: &'a Limits,
        writer: &'w mut W,
    ) -> Self {
        Self {
            schema,
            options,
            limits,
            source: Source::new(text, limits.depth(), options.violations_max),
            writer,
            hashes: Hashes::default(),
            elements: Elements::default(),
            bytes: Vec::new(),
            defaults_left: limits.message_max,
            again_left: text.len().saturating_mul(AGAIN_MAX),
            is_again: false,
            are_rules_skipped: false,
            kept: Kept::default(),
        }
    }

    /// The whole text is a value.
    pub(super) fn whole(mut self, ty: Type) -> std::result::Result<(), JsonError> {
        let _ = self.value(ty, None).and_then(|()| self.source.end());
        gather(self.source.violations).map_or(Ok(()), Err)
    }

    /// What is the same for two values that are the same, of the value from `at` to here, which was right.
    fn hash_at(&mut self, ty: Type, at: usize) -> Result<u64> {
        self.read_again(self.source.at - at)?;
        let mut hasher = Hasher::new(&self.hashes);
        let mut again = Inward {
            schema: self.schema,
            options: self.options,
            limits: self.limits,
            source: self.source.again(at),
            writer: &mut hasher,
            hashes: Hashes::default(),
            elements: Elements::default(),
            bytes: Vec::new(),
            defaults_left: self.limits.message_max,
            again_left: self.again_left,
            is_again: true,
            are_rules_skipped: true,
            kept: Kept::default(),
        };
        let result = again.value(ty, None);
        self.again_left = again.again_left;
        match result {
            Ok(()) => Ok(hasher.finish()),
            Err(_) => Err(self.source.fail(JsonErrorKind::TooIntricate, at)),
        }
    }

    /// Some of the text has to be read twice. How much that may be is limited, or it would be the text times the square of
    /// its depth.
    #[inline]
    fn read_again(&mut self, length: usize) -> Result<()> {
        match self.again_left.checked_sub(length) {
            Some(left) => {
                self.again_left = left;
                Ok(())
            }
            None => Err(self
                .source
                .fail(JsonErrorKind::TooIntricate, self.source.at)),
        }
    }

    #[inline]
    fn value(&mut self, ty: Type, rules: Option<&Rules>) -> Result<()> {
        match rules {
            None => self.value_without_rules(ty),
            Some(rules) => self.value_with_rules(ty, rules),
        }
    }

    fn value_without_rules(&mut self, ty: Type) -> Result<()> {
        match ty {
            Type::Bool => {
                let value = self.bool()?;
                self.writer.bool(value);
            }
            Type::I8 => {
                let value = self.integer(ty, i8::MIN.into(), i8::MAX.into())?;
                self.writer.i8(value as i8);
            }
            Type::I16 => {
                let value = self.integer(ty, i16::MIN.into(), i16::MAX.into())?;
                self.writer.i16(value as i16);
            }
            Type::I32 => {
                let value = self.integer(ty, i32::MIN.into(), i32::MAX.into())?;
                self.writer.i32(value as i32);
            }
            Type::I64 => {
                let value = self.integer(ty, i64::MIN, i64::MAX)?;
                self.writer.i64(value);
            }
            Type::Double => {
                let value = self.double()?;
                self.writer.double(value);
            }
            Type::String => {
                let text = self.string()?;
                self.writer.string(self.source.str_of(text));
            }
            Type::Binary => {
                self.binary()?;
                self.writer.binary(&self.bytes);
            }
            Type::Uuid => {
                let value = self.uuid()?;
                self.writer.uuid(&value);
            }
            Type::Enum(id) => {
                let value = self.enumeration(self.schema.enumeration(id))?;
                self.writer.i32(value);
            }
            Type::Struct(id) => return self.structure(id),
            Type::List(id) => return self.list(ty, self.schema.element(id), None),
            Type::Set(id) => return self.set(ty, self.schema.element(id), None),
            Type::Map(id) => return self.map(ty, self.schema.map(id), None),
        }
        Ok(())
    }

    /// A value of the wrong kind instead of one with parts, in whose place an empty one is written.
    #[cold]
    fn wrong_type(&mut self, ty: Type) -> Result<()> {
        let name = self.schema.type_name(ty);
        let form = match ty {
            Type::Struct(_) => " (an object)",
            Type::List(_) | Type::Set(_) => " (an array)",
            Type::Map(_) => " (an object or an array of entries)",
            // These say it where they are read.
            _ => "",
        };
        self.source.wrong_type(&format!("{name}{form}"))?;
        self.anything(ty);
        Ok(())
    }

    /// Writes some value of a type, after a violation.
    #[cold]
    fn anything(&mut self, ty: Type) {
        write_empty(self.writer, self.schema, ty);
    }

    fn structure(&mut self, id: StructId) -> Result<()> {
        let structure = self.schema.structure(id);
        if self.source.peek() != b'{' {
            return self.wrong_type(Type::Struct(id));
        }
        let start = self.source.at;
        self.source.enter()?;
        self.source.at += 1;
        let nest = self.writer.struct_begin();
        let is_linked = !structure.links.is_empty();
        let outer = is_linked.then(|| std::mem::take(&mut self.kept));
        let mut named = Bits::default();
        let mut set = Bits::default();
        if !self.source.takes(b'}') {
            // Most writers of JSON have the fields in the order in which the contract has them.
            let mut next = 0;
            loop {
                let begin = self.source.at;
                match self.field_name(structure, next)? {
                    Some(at) => {
                        next = at + 1;
                        let before = self.source.violations.len();
                        let field = &structure.fields[at];
                        let result = self.field(field, named.contains(at), begin);
                        if self.source.violations.len() != before {
                            self.source.within(before, &field.json_name);
                        }
                        named.insert(at);
                        if result? {
                            set.insert(at);
                        }
                    }
                    None => self.unknown(structure, begin)?,
                }
                if !self.source.goes_on(b'}', "',' or '}'")? {
                    break;
                }
            }
        }
        self.end(structure, &set, start)?;
        if let Some(outer) = outer {
            self.kept = outer;
        }
        self.writer.struct_end(nest);
        self.source.leave();
        Ok(())
    }

    /// The name of a member and the colon behind it: the field with that name. `next` is the one that probably comes.
    #[inline]
    fn field_name(&mut self, structure: &Struct, next: usize) -> Result<Option<usize>> {
        if self.source.peek() == b'"'
            && let Some(field) = structure.fields.get(next)
            && scan::begins_with(self.source.rest(), field.json_label.as_bytes())
            && !field.is_hidden
        {
            self.source.at += field.json_label.len();
            return Ok(Some(next));
        }
        let name = self.source.name("a name in quotes")?;
        let name = self.source.str_of(name).as_bytes();
        // Behind all fields, so that a hidden one is not found.
        Ok(structure.index_of_json_name(name, usize::MAX))
    }

    /// The value of a field; whether there is one.
    #[inline]
    fn field(&mut self, field: &Field, is_twice: bool, begin: usize) -> Result<bool> {
        if is_twice {
            self.twice("field", begin)?;
            return self.source.skip().map(|()| true);
        }
        if self.source.peek() == b'n' {
            self.source.word("null")?;
            return Ok(false);
        }
        let rules = match &field.rules {
            Some(rules) if !self.are_rules_skipped => Some(&**rules),
            _ => None,
        };
        self.writer.field_begin(field.ty.wire(), field.id);
        self.value(field.ty, rules)?;
        self.writer.field_end();
        Ok(true)
    }

    #[cold]
    fn twice(&mut self, what: &'static str, offset: usize) -> Result<()> {
        self.source.violation(JsonErrorKind::Twice(what), offset)
    }

    /// A member that the struct does not have, its name taken.
    #[cold]
    fn unknown(&mut self, structure: &Struct, begin: usize) -> Result<()> {
        let before = self.source.violations.len();
        let result = match self.options.unknown_fields {
            UnknownFields::Ignore => Ok(()),
            UnknownFields::Refuse => {
                let structure = structure.name.as_str().into();
                self.source
                    .violation(JsonErrorKind::Unknown { structure }, begin)
            }
        };
        let result = result.and_then(|()| self.source.skip());
        if self.source.violations.len() != before {
            let name = self.string_at(begin);
            self.source.within(before, &name);
        }
        result
    }

    /// The string at a place, where there is one, for a pointer. A pointer is not as long as a text may be.
    #[cold]
    fn string_at(&self, at: usize) -> String {
        let mut source = self.source.again(at);
        if source.peek() != b'"' {
            return String::new();
        }
        match source.string() {
            Ok(text) => shortened(source.str_of(text), STEP_MAX),
            Err(_) => String::new(),
        }
    }

    /// All members of a struct were read: what is missing, and defaults.
    #[inline]
    fn end(&mut self, structure: &Struct, set: &Bits, start: usize) -> Result<()> {
        let count = set.count();
        if structure.has_rules && !self.are_rules_skipped {
            self.needed(structure, set, start)?;
            self.linked(structure)?;
        }
        if structure.is_union() {
            let is_right = count == 1 || (count == 0 && self.options.is_empty_union_allowed);
            return if is_right {
                Ok(())
            } else {
                self.not_one(structure, count, start)
            };
        }
        if count == structure.fields.len() {
            return match structure.role {
                Role::Result if count > 1 => self.not_one(structure, count, start),
                Role::Result | Role::Data(_) | Role::Arguments => Ok(()),
            };
        }
        if structure.role == Role::Result && count > 1 {
            return self.not_one(structure, count, start);
        }
        if !set.has_all(&structure.required) {
            self.missing(structure, set, start)?;
        }
        self.defaults(structure, set, start)
    }

    #[cold]
    fn not_one(&mut self, structure: &Struct, found: usize, start: usize) -> Result<()> {
        let structure = structure.name.as_str().into();
        self.source
            .violation(JsonErrorKind::Union { structure, found }, start)
    }

    /// All required fields that are missing, whatever their number: whoever wrote this wants to know them at once.
    #[cold]
    fn missing(&mut self, structure: &Struct, set: &Bits, start: usize) -> Result<()> {
        let mut result = Ok(());
        for (at, field) in structure.fields.iter().enumerate() {
            if structure.required.contains(at) && !set.contains(at) && default_of(field).is_none() {
                let before = self.source.violations.len();
                result = self.source.violation(JsonErrorKind::Missing, start);
                self.source.within(before, &field.json_name);
            }
        }
        result
    }

    /// Defaults are part of the contract, so whoever reads this need not know them. Optional fields stay absent; a hidden
    /// field that is required has nothing but its default.
    fn defaults(&mut self, structure: &Struct, set: &Bits, start: usize) -> Result<()> {
        for (at, field) in structure.fields.iter().enumerate() {
            if !set.contains(at)
                && let Some(default) = default_of(field)
            {
                self.writer.field_begin(field.ty.wire(), field.id);
                let size = write_default(self.writer, self.schema, field.ty, default);
                self.writer.field_end();
                match self.defaults_left.checked_sub(size) {
                    Some(left) => self.defaults_left = left,
                    None => {
                        let limit = JsonErrorKind::OverLimit {
                            what: "the message with its defaults",
                            found: self.limits.message_max.saturating_add(size),
                            limit: self.limits.message_max,
                        };
                        return Err(self.source.fail(limit, start));
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is written for a field that is absent.
fn default_of(field: &Field) -> Option<&Value> {
    match field.requiredness {
        Requiredness::Default => field.default.as_ref(),
        Requiredness::Required if field.is_hidden => field.default.as_ref(),
        Requiredness::Required | Requiredness::Optional => None,
    }
}
