//! Values with rules (`vt.*`).

use super::{
    super::{
        error::JsonErrorKind,
        number,
        source::{Result, Text},
    },
    Inward, default_of,
    scalars::double_of,
};
use crate::{
    Type, Writer,
    rules::{Kept, Rules, Subject},
    schema::{Bits, Struct},
};

/// Looks at a value, and keeps it if it is needed later.
fn look(
    kept: &mut Kept,
    rules: &Rules,
    subject: Subject<'_>,
    start: usize,
) -> std::result::Result<(), String> {
    kept.keep(rules, subject, start);
    rules.check(subject)
}

impl<W: Writer> Inward<'_, '_, W> {
    /// A value that rules look at, or something in it.
    #[inline(never)]
    pub(super) fn value_with_rules(&mut self, ty: Type, rules: &Rules) -> Result<()> {
        if rules.is_skipped() {
            let were_skipped = std::mem::replace(&mut self.are_rules_skipped, true);
            let result = match rules.kept_only() {
                Some(kept) => self.value_with_rules(ty, &kept),
                None => self.value_without_rules(ty),
            };
            self.are_rules_skipped = were_skipped;
            return result;
        }
        self.source.peek();
        let start = self.source.at;
        let before = self.source.violations.len();
        // Until it is known to be right.
        self.kept.give_up(rules);
        let broken = match ty {
            Type::Bool => {
                let value = self.bool()?;
                self.writer.bool(value);
                look(&mut self.kept, rules, Subject::Bool(value), start)
            }
            Type::I8 => {
                let value = self.integer(ty, i8::MIN.into(), i8::MAX.into())?;
                self.writer.i8(value as i8);
                look(&mut self.kept, rules, Subject::Integer(value), start)
            }
            Type::I16 => {
                let value = self.integer(ty, i16::MIN.into(), i16::MAX.into())?;
                self.writer.i16(value as i16);
                look(&mut self.kept, rules, Subject::Integer(value), start)
            }
            Type::I32 => {
                let value = self.integer(ty, i32::MIN.into(), i32::MAX.into())?;
                self.writer.i32(value as i32);
                look(&mut self.kept, rules, Subject::Integer(value), start)
            }
            Type::I64 => {
                let value = self.integer(ty, i64::MIN, i64::MAX)?;
                self.writer.i64(value);
                look(&mut self.kept, rules, Subject::Integer(value), start)
            }
            Type::Enum(id) => {
                let value = self.enumeration(self.schema.enumeration(id))?;
                self.writer.i32(value);
                look(&mut self.kept, rules, Subject::Integer(value.into()), start)
            }
            Type::Double => {
                let value = self.double()?;
                self.writer.double(value);
                look(&mut self.kept, rules, Subject::Double(value), start)
            }
            Type::String => {
                let text = self.string()?;
                let text = self.source.str_of(text);
                self.writer.string(text);
                look(&mut self.kept, rules, Subject::Text(text), start)
            }
            Type::Binary => {
                self.binary()?;
                self.writer.binary(&self.bytes);
                look(&mut self.kept, rules, Subject::Bytes(&self.bytes), start)
            }
            Type::Uuid | Type::Struct(_) => return self.value_without_rules(ty),
            Type::List(id) => return self.list(ty, self.schema.element(id), Some(rules)),
            Type::Set(id) => return self.set(ty, self.schema.element(id), Some(rules)),
            Type::Map(id) => return self.map(ty, self.schema.map(id), Some(rules)),
        };
        if self.source.violations.len() != before {
            self.kept.give_up(rules);
        }
        match broken {
            // What stands in for a value that is wrong anyway was not meant.
            Err(words) if self.source.violations.len() == before => self.broken(&words, start),
            _ => Ok(()),
        }
    }

    #[cold]
    fn broken(&mut self, words: &str, start: usize) -> Result<()> {
        self.source
            .violation(JsonErrorKind::Rule(words.into()), start)
    }

    /// How many elements a container has.
    #[inline]
    pub(super) fn look_at_count(
        &mut self,
        rules: Option<&Rules>,
        count: u32,
        start: usize,
    ) -> Result<()> {
        if let Some(rules) = rules
            && let Err(words) = look(&mut self.kept, rules, Subject::Count(count.into()), start)
        {
            return self.broken(&words, start);
        }
        Ok(())
    }

    /// A key that was read and written as the name of a member.
    #[inline(never)]
    pub(super) fn look_at_key(
        &mut self,
        ty: Type,
        rules: &Rules,
        text: Text<'_>,
        start: usize,
    ) -> Result<()> {
        let name = self.source.str_of(text);
        let subject = match ty {
            Type::Bool => Some(Subject::Bool(name == "true")),
            Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
                number::integer_of(name).map(Subject::Integer)
            }
            Type::Enum(id) => {
                let known = self.schema.enumeration(id).number_of(name.as_bytes());
                let number = known.map(i64::from).or_else(|| number::integer_of(name));
                number.map(Subject::Integer)
            }
            Type::Double => double_of(name).map(Subject::Double),
            Type::String => Some(Subject::Text(name)),
            Type::Binary => Some(Subject::Bytes(&self.bytes)),
            Type::Uuid | Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_) => None,
        };
        match subject.map(|subject| rules.check(subject)) {
            Some(Err(words)) => self.broken(&words, start),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// Fields that are compared with each other are as they must be.
    #[inline(never)]
    pub(super) fn linked(&mut self, structure: &Struct) -> Result<()> {
        if structure.links.is_empty() {
            return Ok(());
        }
        let broken: Vec<_> = self.kept.broken(structure).collect();
        for (at, words, offset) in broken {
            let before = self.source.violations.len();
            let result = self.broken(&words, offset);
            self.source.within(before, &structure.fields[at].json_name);
            result?;
        }
        Ok(())
    }

    /// Fields that must be set are, or have a default that is written.
    #[inline(never)]
    pub(super) fn needed(&mut self, structure: &Struct, set: &Bits, start: usize) -> Result<()> {
        for (at, field) in structure.fields.iter().enumerate() {
            let is_needed = field.rules.as_deref().is_some_and(Rules::is_needed);
            if is_needed
                && !set.contains(at)
                && !structure.required.contains(at)
                && default_of(field).is_none()
            {
                let before = self.source.violations.len();
                let result = self.broken("must be set", start);
                self.source.within(before, &field.json_name);
                result?;
            }
        }
        Ok(())
    }
}
