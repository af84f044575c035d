//! What a contract means, in the form in which the codecs want it: everything resolved, found by index.
//!
//! A [`Schema`] is made by [`Builder`], by the [`model`](crate::model) from text or by anyone else from whatever they
//! have.

mod builder;
mod lookup;

use std::collections::BTreeMap;

pub use crate::idl::ast::{Requiredness, StructKind};
use crate::{
    Value, WireType,
    rules::{Bound, Rules},
};
pub use builder::{BuildError, Builder, NewField, NewMethod};
pub(crate) use builder::{is_set, json_name};
use lookup::{Ids, Names};

/// A struct of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StructId(pub(crate) u32);
/// An enumeration of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnumId(pub(crate) u32);
/// The type of a list's or set's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ElementId(pub(crate) u32);
/// The types of a map's keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MapId(pub(crate) u32);
/// A service of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub(crate) u32);

/// A type, typedefs resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Type {
    /// `bool`.
    Bool,
    /// `i8`.
    I8,
    /// `i16`.
    I16,
    /// `i32`.
    I32,
    /// `i64`.
    I64,
    /// `double`.
    Double,
    /// `string`: UTF-8.
    String,
    /// `binary`.
    Binary,
    /// `uuid`.
    Uuid,
    /// An enumeration; `i32` on the wire.
    Enum(EnumId),
    /// A struct, union or exception.
    Struct(StructId),
    /// `list<…>`.
    List(ElementId),
    /// `set<…>`.
    Set(ElementId),
    /// `map<…, …>`.
    Map(MapId),
}

impl Type {
    /// Its type on the wire.
    #[must_use]
    #[inline]
    pub const fn wire(self) -> WireType {
        match self {
            Self::Bool => WireType::Bool,
            Self::I8 => WireType::I8,
            Self::I16 => WireType::I16,
            Self::I32 | Self::Enum(_) => WireType::I32,
            Self::I64 => WireType::I64,
            Self::Double => WireType::Double,
            Self::String | Self::Binary => WireType::String,
            Self::Uuid => WireType::Uuid,
            Self::Struct(_) => WireType::Struct,
            Self::List(_) => WireType::List,
            Self::Set(_) => WireType::Set,
            Self::Map(_) => WireType::Map,
        }
    }
}

/// Annotations: keys in order of their text, each with its values in the order in which they are written.
pub type Annotations = BTreeMap<String, Vec<String>>;

/// All that a contract defines.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    structs: Vec<Struct>,
    enums: Vec<Enum>,
    elements: Vec<Type>,
    maps: Vec<(Type, Type)>,
    services: Vec<Service>,
}

impl Schema {
    /// A struct, union, exception, or a method's arguments or result.
    #[must_use]
    #[inline]
    pub fn structure(&self, id: StructId) -> &Struct {
        &self.structs[id.0 as usize]
    }

    /// An enumeration.
    #[must_use]
    #[inline]
    pub fn enumeration(&self, id: EnumId) -> &Enum {
        &self.enums[id.0 as usize]
    }

    /// The type of a list's or set's elements.
    #[must_use]
    #[inline]
    pub fn element(&self, id: ElementId) -> Type {
        self.elements[id.0 as usize]
    }

    /// The types of a map's keys and values.
    #[must_use]
    #[inline]
    pub fn map(&self, id: MapId) -> (Type, Type) {
        self.maps[id.0 as usize]
    }

    /// A service.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> &Service {
        &self.services[id.0 as usize]
    }

    /// All services, those of included files too.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &Service)> {
        (0..).map(ServiceId).zip(&self.services)
    }

    /// All structs, unions and exceptions, and the arguments and results of methods.
    pub fn structs(&self) -> impl Iterator<Item = (StructId, &Struct)> {
        (0..).map(StructId).zip(&self.structs)
    }

    /// All enumerations.
    pub fn enums(&self) -> impl Iterator<Item = (EnumId, &Enum)> {
        (0..).map(EnumId).zip(&self.enums)
    }

    /// How a type is written in a contract.
    #[must_use]
    pub fn type_name(&self, ty: Type) -> String {
        match ty {
            Type::Bool => "bool".to_owned(),
            Type::I8 => "i8".to_owned(),
            Type::I16 => "i16".to_owned(),
            Type::I32 => "i32".to_owned(),
            Type::I64 => "i64".to_owned(),
            Type::Double => "double".to_owned(),
            Type::String => "string".to_owned(),
            Type::Binary => "binary".to_owned(),
            Type::Uuid => "uuid".to_owned(),
            Type::Enum(id) => self.enumeration(id).name.clone(),
            Type::Struct(id) => self.structure(id).name.clone(),
            Type::List(id) => format!("list<{}>", self.type_name(self.element(id))),
            Type::Set(id) => format!("set<{}>", self.type_name(self.element(id))),
            Type::Map(id) => {
                let (key, value) = self.map(id);
                format!("map<{}, {}>", self.type_name(key), self.type_name(value))
            }
        }
    }
}

/// What a struct is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Written as such in the contract.
    Data(StructKind),
    /// The arguments of a method: `<method>_args`.
    Arguments,
    /// The result of a method, `<method>_result`: field 0 is what it returns, the others what it throws. One is set, or
    /// none if it returns nothing.
    Result,
}

/// A struct, union, exception, or the arguments or the result of a method.
#[derive(Debug, Clone)]
pub struct Struct {
    /// Its name; of an included file with the file's name in front: `shared.Point`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
    /// Its fields, by id.
    pub fields: Box<[Field]>,
    /// A bit for each required field, by its place in `fields`. Structs may have more than 64 fields.
    pub(crate) required: Bits,
    /// It, or something in it, has rules to be checked.
    pub has_rules: bool,
    /// Rules of fields about other fields.
    pub(crate) links: Box<[Bound]>,
    ids: Ids,
    names: Names,
}

impl Struct {
    /// Exactly one of its fields is set.
    #[must_use]
    pub const fn is_union(&self) -> bool {
        matches!(self.role, Role::Data(StructKind::Union))
    }

    /// The place in [`fields`](Self::fields) of the field with an id.
    #[must_use]
    #[inline]
    pub fn index_of_id(&self, id: i16) -> Option<usize> {
        self.ids.find(id)
    }

    /// The place in [`fields`](Self::fields) of the field with a name in JSON. `hint` is where it probably is.
    #[must_use]
    #[inline]
    pub fn index_of_json_name(&self, name: &[u8], hint: usize) -> Option<usize> {
        if let Some(field) = self.fields.get(hint)
            && field.json_name.as_bytes() == name
        {
            return Some(hint);
        }
        self.names.find(name)
    }
}

/// A field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its id.
    pub id: i16,
    /// Its name in the contract.
    pub name: String,
    /// Its name in JSON: `api.key`, or `name`.
    pub json_name: String,
    /// `"name":`, as it is written in JSON.
    pub(crate) json_label: Box<str>,
    /// Its type.
    pub ty: Type,
    /// Whether it must be there.
    pub requiredness: Requiredness,
    /// Its value where none is given.
    pub default: Option<Value>,
    /// `api.js_conv`: 64-bit integers are strings in JSON.
    pub is_int64_text: bool,
    /// `api.none`: not part of JSON.
    pub is_hidden: bool,
    /// Rules for its values (`vt.*`).
    pub rules: Option<Box<Rules>>,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
}

/// An enumeration.
#[derive(Debug, Clone)]
pub struct Enum {
    /// Its name; of an included file with the file's name in front.
    pub name: String,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
    /// Its values, by number; of two names for a number the first written is first.
    pub values: Box<[EnumValue]>,
    names: Names,
}

impl Enum {
    /// The name of a number.
    #[must_use]
    #[inline]
    pub fn name_of(&self, number: i32) -> Option<&str> {
        // Most enumerations count from 0 or 1.
        for at in [number, number.wrapping_sub(1)] {
            if let Ok(at) = usize::try_from(at)
                && let Some(value) = self.values.get(at)
                && value.number == number
                && (at == 0 || self.values[at - 1].number != number)
            {
                return Some(&value.name);
            }
        }
        let at = self.values.partition_point(|value| value.number < number);
        let value = self.values.get(at)?;
        (value.number == number).then_some(&*value.name)
    }

    /// The number of a name.
    #[must_use]
    pub fn number_of(&self, name: &[u8]) -> Option<i32> {
        self.names.find(name).map(|at| self.values[at].number)
    }
}

/// A value of an enumeration.
#[derive(Debug, Clone)]
pub struct EnumValue {
    /// Its name.
    pub name: String,
    /// Its number.
    pub number: i32,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
}

/// A service.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its name; of an included file with the file's name in front.
    pub name: String,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
    /// The service that it extends.
    pub extends: Option<ServiceId>,
    /// It is of the contract's own file, not of an included one.
    pub is_own: bool,
    /// Its methods, those that it inherits first, each group as written.
    pub methods: Box<[Method]>,
    names: Names,
}

impl Service {
    /// A method by its name.
    #[must_use]
    #[inline]
    pub fn method(&self, name: &[u8]) -> Option<&Method> {
        self.names.find(name).map(|at| &self.methods[at])
    }

    /// The place of a method in [`methods`](Self::methods).
    #[must_use]
    pub fn index_of_method(&self, name: &[u8]) -> Option<usize> {
        self.names.find(name)
    }
}

/// A method.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its name.
    pub name: String,
    /// Its documentation.
    pub doc: Option<String>,
    /// Its annotations.
    pub annotations: Annotations,
    /// Its arguments.
    pub arguments: StructId,
    /// Its result; none if it is one-way.
    pub result: Option<StructId>,
    /// The service that declares it: this one, or one that it extends.
    pub declared_in: ServiceId,
}

impl Method {
    /// Nothing comes back.
    #[must_use]
    pub const fn is_oneway(&self) -> bool {
        self.result.is_none()
    }
}

/// A set of small numbers: one word, and more only if there are more than 64.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    first: u64,
    more: Vec<u64>,
}

impl Bits {
    #[inline]
    pub(crate) fn insert(&mut self, at: usize) {
        if at < 64 {
            self.first |= 1 << at;
        } else {
            self.insert_far(at);
        }
    }

    #[cold]
    fn insert_far(&mut self, at: usize) {
        let word = at / 64 - 1;
        if self.more.len() <= word {
            self.more.resize(word + 1, 0);
        }
        self.more[word] |= 1 << (at % 64);
    }

    #[inline]
    pub(crate) fn contains(&self, at: usize) -> bool {
        if at < 64 {
            self.first >> at & 1 == 1
        } else {
            self.more
                .get(at / 64 - 1)
                .is_some_and(|word| word >> (at % 64) & 1 == 1)
        }
    }

    /// All of `wanted` are in it.
    #[inline]
    pub(crate) fn has_all(&self, wanted: &Self) -> bool {
        wanted.first & !self.first == 0
            && (wanted.more.is_empty() || {
                let have = |at: usize| self.more.get(at).copied().unwrap_or(0);
                wanted
                    .more
                    .iter()
                    .enumerate()
                    .all(|(at, word)| word & !have(at) == 0)
            })
    }

    /// How many there are.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        let more: u32 = self.more.iter().map(|word| word.count_ones()).sum();
        (self.first.count_ones() + more) as usize
    }
}
