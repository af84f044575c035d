//! Headers exchanges: an index of what bindings ask for.
//!
//! A binding for all its arguments is found by one of them, a binding for any by each. So the cost of a message is that
//! of its own headers and of the bindings that at least one of them speaks for, not that of all bindings.

use std::{borrow::Cow, hash::BuildHasher};

use hashbrown::{DefaultHashBuilder, HashMap};
use trefoil_amqp::{Table, TableRef, Value, ValueRef};

use super::{
    Destination, Refusal, Route,
    refusal::{erlang_binary, erlang_value},
    targets::Targets,
};

/// The argument that says how many of the others must match.
const MATCH: &[u8] = b"x-match";

/// A value as far as headers exchanges tell values apart, as RabbitMQ has it: a number is a number, whatever its type, and
/// so is a time; texts and byte strings are alike; and nothing in a table is as nothing in an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Comparable<'a> {
    Void,
    Bool(bool),
    Integer(i64),
    /// The bits of a double that is no whole number.
    Float(u64),
    Decimal(u8, u32),
    Text(Cow<'a, [u8]>),
    /// Tables and arrays are compared as encoded.
    Table(Cow<'a, [u8]>),
    Array(Cow<'a, [u8]>),
}

impl<'a> Comparable<'a> {
    pub(super) fn of(value: ValueRef<'a>) -> Self {
        let float = |number: f64| {
            let whole = number as i64;
            if number == whole as f64 && whole != i64::MAX {
                Self::Integer(whole)
            } else {
                Self::Float(number.to_bits())
            }
        };
        match value {
            ValueRef::Void => Self::Void,
            ValueRef::Bool(value) => Self::Bool(value),
            ValueRef::I8(value) => Self::Integer(value.into()),
            ValueRef::U8(value) => Self::Integer(value.into()),
            ValueRef::I16(value) => Self::Integer(value.into()),
            ValueRef::U16(value) => Self::Integer(value.into()),
            ValueRef::I32(value) => Self::Integer(value.into()),
            ValueRef::U32(value) => Self::Integer(value.into()),
            ValueRef::I64(value) | ValueRef::I64Upper(value) => Self::Integer(value),
            ValueRef::F32(value) => float(value.into()),
            ValueRef::F64(value) => float(value),
            ValueRef::Timestamp(value) => {
                i64::try_from(value).map_or_else(|_| float(value as f64), Self::Integer)
            }
            ValueRef::Decimal { scale, value } => Self::Decimal(scale, value),
            ValueRef::LongString(bytes) | ValueRef::Bytes(bytes) => {
                Self::Text(Cow::Borrowed(bytes))
            }
            ValueRef::Table(table) if table.as_bytes().is_empty() => {
                Self::Array(Cow::Borrowed(&[]))
            }
            ValueRef::Table(table) => Self::Table(Cow::Borrowed(table.as_bytes())),
            ValueRef::Array(array) => Self::Array(Cow::Borrowed(array.as_bytes())),
        }
    }

    fn into_owned(self) -> Comparable<'static> {
        let owned = |bytes: Cow<'_, [u8]>| Cow::Owned(bytes.into_owned());
        match self {
            Self::Void => Comparable::Void,
            Self::Bool(value) => Comparable::Bool(value),
            Self::Integer(value) => Comparable::Integer(value),
            Self::Float(bits) => Comparable::Float(bits),
            Self::Decimal(scale, value) => Comparable::Decimal(scale, value),
            Self::Text(bytes) => Comparable::Text(owned(bytes)),
            Self::Table(bytes) => Comparable::Table(owned(bytes)),
            Self::Array(bytes) => Comparable::Array(owned(bytes)),
        }
    }
}

/// What a binding asks of the headers of a message.
#[derive(Debug, Clone, PartialEq)]
struct Demand {
    any: bool,
    /// Names, and values; without one the name must only be there.
    wanted: Vec<(Box<[u8]>, Option<Comparable<'static>>)>,
}

impl Demand {
    /// Reads the arguments of a binding, which [`check`] has found right.
    fn of(arguments: &Table) -> Self {
        let bytes = arguments.to_bytes();
        let arguments = TableRef::from_bytes(&bytes);
        let kind = match arguments.get(MATCH) {
            Some(ValueRef::LongString(kind)) => kind,
            _ => b"all",
        };
        let with_x = kind.ends_with(b"-with-x");
        let is_wanted = |name: &[u8]| name != MATCH && (with_x || !name.starts_with(b"x-"));
        let wanted = arguments
            .iter()
            .map_while(Result::ok)
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, value)| {
                let value = Comparable::of(value).into_owned();
                (name.into(), (value != Comparable::Void).then_some(value))
            })
            .collect();
        let any = kind.starts_with(b"any");
        Self { any, wanted }
    }

    /// Whether every message matches.
    fn is_always_met(&self) -> bool {
        !self.any && self.wanted.is_empty()
    }

    fn is_met(&self, headers: TableRef<'_>) -> bool {
        let mut found =
            self.wanted
                .iter()
                .map(|(name, value)| match (last(headers, name), value) {
                    (Some(found), Some(value)) => Comparable::of(found) == *value,
                    (found, _) => found.is_some() && value.is_none(),
                });
        if self.any {
            found.any(|met| met)
        } else {
            found.all(|met| met)
        }
    }

    /// By which of its demands a binding is looked for.
    fn keys(&self) -> &[(Box<[u8]>, Option<Comparable<'static>>)] {
        if self.any {
            return &self.wanted;
        }
        // A value tells more than a name.
        let at = self
            .wanted
            .iter()
            .position(|(_, value)| value.is_some())
            .unwrap_or(0);
        self.wanted.get(at..=at).unwrap_or_default()
    }
}

/// The last entry of a name: what RabbitMQ routes by when a header is there twice.
fn last<'a>(headers: TableRef<'a>, name: &[u8]) -> Option<ValueRef<'a>> {
    let fields = headers.iter().map_while(Result::ok);
    fields
        .filter(|(found, _)| *found == name)
        .last()
        .map(|(_, value)| value)
}

/// Checks the arguments of a binding to a headers exchange.
///
/// # Errors
/// `x-match` is not one of the four words.
pub(super) fn check(arguments: &Table) -> Result<(), Refusal> {
    let text = match arguments.get(MATCH) {
        None => return Ok(()),
        Some(Value::LongString(word)) => match word.as_slice() {
            b"all" | b"any" | b"all-with-x" | b"any-with-x" => return Ok(()),
            word => {
                let found = erlang_binary(word);
                format!(
                    "Invalid x-match field value {found}; expected all, any, all-with-x, or any-with-x"
                )
            }
        },
        Some(other) => {
            let (kind, value) = (other.type_name(), erlang_value(other));
            format!("Invalid x-match field type {kind} (value {value}); expected longstr")
        }
    };
    Err(Refusal::precondition(text))
}

/// The bindings of a headers exchange.
#[derive(Debug, Default)]
pub(super) struct HeaderIndex {
    always: Targets,
    slots: Vec<Option<(Demand, Destination)>>,
    free: Vec<u32>,
    /// Slots, by the hash of a name and a value (or none). Hits are looked at again.
    by_key: HashMap<u64, Vec<u32>>,
    hasher: DefaultHashBuilder,
}

impl HeaderIndex {
    pub(super) fn add(&mut self, arguments: &Table, destination: Destination) {
        let demand = Demand::of(arguments);
        if demand.is_always_met() {
            self.always.add(destination);
            return;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1)
                .expect("bindings do not outnumber the bytes of memory")
        });
        for (name, value) in demand.keys() {
            let hash = self.hash(name, value.as_ref());
            self.by_key.entry(hash).or_default().push(slot);
        }
        self.slots[slot as usize] = Some((demand, destination));
    }

    pub(super) fn remove(&mut self, arguments: &Table, destination: Destination) {
        let demand = Demand::of(arguments);
        if demand.is_always_met() {
            self.always.remove(destination);
            return;
        }
        // An `any` without arguments is nowhere but in its slot; all others are where their first key leads.
        let same = |slot: &Option<(Demand, Destination)>| {
            slot.as_ref()
                .is_some_and(|(found, to)| *to == destination && *found == demand)
        };
        let found = match demand.keys().first() {
            Some((name, value)) => {
                let slots = self.by_key.get(&self.hash(name, value.as_ref()));
                slots.and_then(|slots| {
                    slots
                        .iter()
                        .copied()
                        .find(|slot| same(&self.slots[*slot as usize]))
                })
            }
            None => (0u32..)
                .zip(&self.slots)
                .find(|(_, slot)| same(slot))
                .map(|(at, _)| at),
        };
        let Some(slot) = found else { return };
        for (name, value) in demand.keys() {
            let hash = self.hash(name, value.as_ref());
            if let Some(slots) = self.by_key.get_mut(&hash) {
                slots.retain(|found| *found != slot);
                if slots.is_empty() {
                    self.by_key.remove(&hash);
                }
            }
        }
        self.slots[slot as usize] = None;
        self.free.push(slot);
    }

    pub(super) fn collect(&self, headers: Option<TableRef<'_>>, route: &mut Route) {
        self.always.collect(route);
        let Some(headers) = headers.filter(|_| !self.by_key.is_empty()) else {
            return;
        };
        for (name, value) in headers.iter().map_while(Result::ok) {
            self.probe(self.hash(name, None), headers, route);
            self.probe(
                self.hash(name, Some(&Comparable::of(value))),
                headers,
                route,
            );
        }
    }

    fn probe(&self, hash: u64, headers: TableRef<'_>, route: &mut Route) {
        for slot in self.by_key.get(&hash).map_or(&[][..], Vec::as_slice) {
            if let Some((demand, destination)) = &self.slots[*slot as usize]
                && demand.is_met(headers)
            {
                route.push(*destination);
            }
        }
    }

    fn hash(&self, name: &[u8], value: Option<&Comparable<'_>>) -> u64 {
        self.hasher.hash_one((name, value))
    }
}
