//! Rules that compare a field with another one of its struct: `vt.lt = "$end"`, `vt.le = "@len($names)"`.
//!
//! Fields come in any order, so what such rules look at is kept until the struct ends. Structs without them keep nothing.

use std::fmt;

use super::{Comparison, Relation, Rules, Subject, subject};
use crate::{
    Fault, Malformed, Result, Step, Type,
    schema::{NewField, Struct},
};

/// A rule of a field about another one, which it knows by its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Link {
    pub(super) relation: LinkRelation,
    pub(super) other: Reference,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LinkRelation {
    Value(Comparison),
    /// It is about how large the field is.
    Size(Comparison),
    Text(Relation),
}

/// `$name`, or `@len($name)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) is_size: bool,
}

/// What of a field is kept, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keep {
    slot: usize,
    /// The value, not only how large it is.
    is_whole: bool,
}

/// A [`Link`] of a struct, its fields found.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// The place of the field that has the rule.
    field: usize,
    slot: usize,
    other: usize,
    /// What the other one is if it is not there.
    default: Option<Own>,
    link: Link,
}

/// A value that outlives its reader.
#[derive(Debug, Clone)]
enum Own {
    Bool(bool),
    Integer(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Count(u64),
}

impl Own {
    fn of(subject: Subject<'_>, is_whole: bool) -> Self {
        match (subject, subject.size()) {
            (_, Some(size)) if !is_whole => Self::Count(size),
            (Subject::Bool(value), _) => Self::Bool(value),
            (Subject::Integer(value), _) => Self::Integer(value),
            (Subject::Double(value), _) => Self::Double(value),
            (Subject::Text(value), _) => Self::Bytes(value.into()),
            (Subject::Bytes(value), _) => Self::Bytes(value.into()),
            (Subject::Count(value), _) => Self::Count(value),
        }
    }

    fn subject(&self) -> Subject<'_> {
        match self {
            Self::Bool(value) => Subject::Bool(*value),
            Self::Integer(value) => Subject::Integer(*value),
            Self::Double(value) => Subject::Double(*value),
            Self::Bytes(value) => Subject::Bytes(value),
            Self::Count(value) => Subject::Count(*value),
        }
    }
}

/// What was read of the fields of a struct that its rules compare with each other.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    slots: Vec<Slot>,
}

#[derive(Debug)]
enum Slot {
    Absent,
    /// It was there, and cannot be compared.
    Wrong,
    /// What it is, and where it was read.
    Set(Own, usize),
}

impl Kept {
    /// Keeps what was read at an offset. If the field comes again, the last one counts, as everywhere.
    pub(crate) fn keep(&mut self, rules: &Rules, subject: Subject<'_>, offset: usize) {
        let Some(keep) = rules.keep else {
            return;
        };
        self.set(keep, Slot::Set(Own::of(subject, keep.is_whole), offset));
    }

    fn set(&mut self, keep: Keep, slot: Slot) {
        if self.slots.len() <= keep.slot {
            self.slots.resize_with(keep.slot + 1, || Slot::Absent);
        }
        self.slots[keep.slot] = slot;
    }

    /// What is there of a field is wrong, so it is not compared.
    pub(crate) fn give_up(&mut self, rules: &Rules) {
        if let Some(keep) = rules.keep {
            self.set(keep, Slot::Wrong);
        }
    }

    fn get(&self, slot: usize) -> &Slot {
        self.slots.get(slot).unwrap_or(&Slot::Absent)
    }

    /// The links of a struct that do not hold: the place of the field, what is wrong with it, and where it was read.
    /// Where one of the two fields is not set, there is nothing to compare.
    pub(crate) fn broken<'k>(
        &'k self,
        structure: &'k Struct,
    ) -> impl Iterator<Item = (usize, String, usize)> + use<'k> {
        structure.links.iter().filter_map(|bound| {
            let Slot::Set(own, offset) = self.get(bound.slot) else {
                return None;
            };
            let other = match self.get(bound.other) {
                Slot::Set(other, _) => other,
                Slot::Absent => bound.default.as_ref()?,
                Slot::Wrong => return None,
            };
            let words = bound.link.check(own.subject(), other.subject()).err()?;
            Some((bound.field, words, *offset))
        })
    }
}

/// Fields that are compared with each other are as they must be.
pub(crate) fn linked(structure: &Struct, kept: &Kept) -> Result<()> {
    match kept.broken(structure).next() {
        None => Ok(()),
        Some((field, words, offset)) => {
            let step = Step::Field((*structure.fields[field].name).into());
            Err(Malformed::new(Fault::Rule(words), offset).within(step))
        }
    }
}

impl Link {
    fn check(&self, own: Subject<'_>, other: Subject<'_>) -> std::result::Result<(), String> {
        let wanted = match (other.size(), self.other.is_size) {
            (Some(size), true) => Subject::Integer(i64::try_from(size).unwrap_or(i64::MAX)),
            _ => other,
        };
        let size = own.size().unwrap_or_default();
        let holds = match (self.relation, own, wanted) {
            (LinkRelation::Size(comparison), _, Subject::Integer(wanted)) => {
                comparison.holds(Some(i128::from(size).cmp(&wanted.into())))
            }
            (LinkRelation::Value(comparison), own, wanted) => {
                comparison.holds(match (own, wanted) {
                    (Subject::Bool(own), Subject::Bool(wanted)) => Some(own.cmp(&wanted)),
                    (Subject::Integer(own), Subject::Integer(wanted)) => Some(own.cmp(&wanted)),
                    (Subject::Integer(own), Subject::Double(wanted)) => {
                        (own as f64).partial_cmp(&wanted)
                    }
                    (Subject::Double(own), Subject::Integer(wanted)) => {
                        own.partial_cmp(&(wanted as f64))
                    }
                    (Subject::Double(own), Subject::Double(wanted)) => own.partial_cmp(&wanted),
                    // The parser takes only what can be compared.
                    _ => return Ok(()),
                })
            }
            (LinkRelation::Text(relation), Subject::Bytes(own), Subject::Bytes(wanted)) => {
                relation.holds(own, wanted)
            }
            _ => true,
        };
        if holds {
            return Ok(());
        }
        let found = match self.relation {
            LinkRelation::Size(_) => format!("has {size}"),
            LinkRelation::Value(_) | LinkRelation::Text(_) => format!("is {own}"),
        };
        Err(format!("must {self}, which is {wanted}; {found}"))
    }
}

/// What comes after `must`.
impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.relation {
            LinkRelation::Value(comparison) => comparison.words(),
            LinkRelation::Size(Comparison::AtLeast) => "have a size of at least",
            LinkRelation::Size(_) => "have a size of at most",
            LinkRelation::Text(relation) => relation.words(),
        };
        write!(f, "{words} {}", self.other)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_size {
            true => write!(f, "@len(${})", self.name),
            false => write!(f, "${}", self.name),
        }
    }
}

/// Finds the fields that rules speak of, and sees to it that what they compare is kept. The fields are by id.
pub(crate) fn bind(fields: &mut [NewField]) -> Box<[Bound]> {
    let mut found = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        let rules = field.rules.as_ref().filter(|rules| !rules.is_skipped);
        for link in rules.into_iter().flat_map(|rules| &rules.links) {
            let other = fields.iter().position(|it| it.name == link.other.name);
            // A name that is there no more can only come from rules that were made for another struct.
            if let Some(other) = other
                && can_be_kept(field.ty)
                && can_be_kept(fields[other].ty)
            {
                found.push((at, other, link.clone()));
            }
        }
    }
    let mut slots = 0;
    let mut slot_of = |field: &mut NewField, is_whole: bool| {
        let rules = field.rules.get_or_insert_default();
        let keep = rules.keep.get_or_insert_with(|| {
            slots += 1;
            Keep {
                slot: slots - 1,
                is_whole,
            }
        });
        keep.is_whole |= is_whole;
        keep.slot
    };
    let bound = found.into_iter().map(|(field, other, link)| {
        let is_own_whole = !matches!(link.relation, LinkRelation::Size(_));
        let is_whole = !link.other.is_size;
        let default = fields[other].default.as_ref().and_then(subject);
        let default = default.map(|default| Own::of(default, is_whole));
        Bound {
            field,
            slot: slot_of(&mut fields[field], is_own_whole),
            other: slot_of(&mut fields[other], is_whole),
            default,
            link,
        }
    });
    bound.collect()
}

fn can_be_kept(ty: Type) -> bool {
    !matches!(ty, Type::Struct(_) | Type::Uuid)
}
