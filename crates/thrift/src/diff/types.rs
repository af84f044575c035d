//! Comparing structs and enumerations as such, and types where they are used.

use std::collections::{HashMap, HashSet};

use super::{
    Kind, Severity, Side,
    compare::{Comparison, side},
    fields::Context,
};
use crate::{
    Type,
    model::Contract,
    schema::{EnumId, Role, Struct, StructId, StructKind},
};

/// How far two types are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sameness {
    Same,
    /// On the Thrift wire, but not in JSON.
    SameOnWire,
    Different,
}

impl Comparison<'_> {
    pub(super) fn types(&mut self) {
        let (old, new) = (self.old, self.new);
        for (id, structure) in old.schema.structs() {
            if let Some(Type::Struct(other)) = self.new_names.get(&*structure.name).copied()
                && matches!(structure.role, Role::Data(_))
            {
                self.data(id, other);
            }
        }
        for (id, enumeration) in old.schema.enums() {
            if let Some(Type::Enum(other)) = self.new_names.get(&*enumeration.name).copied() {
                self.enumeration(id, other);
            }
        }
        // More may be found while these are compared.
        let mut at = 0;
        while let Some(pair) = self.renamed.get(at).copied() {
            at += 1;
            let sides = (self.named(old, pair.0), self.named(new, pair.1));
            let name = new.schema.type_name(pair.1);
            let (kind, severity) = match pair.1 {
                Type::Struct(id) if is_exception(new.schema.structure(id)) => {
                    (Kind::ExceptionRenamed, Severity::Major)
                }
                _ => (Kind::TypeRenamed, Severity::Minor),
            };
            self.add(kind, severity, name, sides.0, sides.1);
            match pair {
                (Type::Struct(before), Type::Struct(after)) => self.data(before, after),
                (Type::Enum(before), Type::Enum(after)) => self.enumeration(before, after),
                _ => {}
            }
        }
        let renamed_old: HashSet<Type> = self.renamed.iter().map(|pair| pair.0).collect();
        let renamed_new: HashSet<Type> = self.renamed.iter().map(|pair| pair.1).collect();
        for ty in in_order(old) {
            let name = old.schema.type_name(ty);
            if !renamed_old.contains(&ty) && !same_sort(self.new_names.get(&*name), ty) {
                let was = self.named(old, ty);
                self.add(Kind::TypeRemoved, Severity::Minor, name, was, None);
            }
        }
        for ty in in_order(new) {
            let name = new.schema.type_name(ty);
            if !renamed_new.contains(&ty) && !same_sort(self.old_names.get(&*name), ty) {
                let is = self.named(new, ty);
                self.add(Kind::TypeAdded, Severity::Minor, name, None, is);
            }
        }
    }

    /// A type's name, and where it is.
    fn named(&self, contract: &Contract, ty: Type) -> Option<Side> {
        let place = match ty {
            Type::Struct(id) => contract.places.structure(id).name,
            Type::Enum(id) => contract.places.enumeration(id).name,
            _ => return None,
        };
        side(contract.schema.type_name(ty), place)
    }

    fn data(&mut self, old_id: StructId, new_id: StructId) {
        let before = self.old.schema.structure(old_id);
        let after = self.new.schema.structure(new_id);
        let places = (
            self.old.places.structure(old_id).name,
            self.new.places.structure(new_id).name,
        );
        if before.role != after.role {
            self.add(
                Kind::StructKindChanged,
                Severity::Major,
                &after.name,
                side(kind_text(before), places.0),
                side(kind_text(after), places.1),
            );
        }
        self.annotations_and_doc(
            &after.name,
            (&before.annotations, &before.doc, places.0),
            (&after.annotations, &after.doc, places.1),
        );
        let ways = self.old_ways[old_id.0 as usize].or(self.new_ways[new_id.0 as usize]);
        let context = Context::Data(ways.or_both());
        self.structure(&after.name, context, old_id, new_id);
    }

    fn enumeration(&mut self, old_id: EnumId, new_id: EnumId) {
        let (old, new) = (self.old, self.new);
        let before = old.schema.enumeration(old_id);
        let after = new.schema.enumeration(new_id);
        let (old_places, new_places) = (
            old.places.enumeration(old_id),
            new.places.enumeration(new_id),
        );
        self.annotations_and_doc(
            &after.name,
            (&before.annotations, &before.doc, old_places.name),
            (&after.annotations, &after.doc, new_places.name),
        );
        let text = |name: &str, number: i32| format!("{name} = {number}");
        let by_name: HashMap<&str, usize> = after
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| (&*value.name, at))
            .collect();
        let old_names: HashSet<&str> = before.values.iter().map(|value| &*value.name).collect();
        let mut renamed = HashSet::new();
        for (at, value) in before.values.iter().enumerate() {
            let was = side(text(&value.name, value.number), old_places.parts[at]);
            let path = format!("{}.{}", after.name, value.name);
            if let Some(index) = by_name.get(&*value.name).copied() {
                let other = &after.values[index];
                let place = new_places.parts[index];
                let is = side(text(&other.name, other.number), place);
                if other.number != value.number {
                    self.add(Kind::EnumValueRenumbered, Severity::Major, &path, was, is);
                }
                self.annotations_and_doc(
                    &path,
                    (&value.annotations, &value.doc, old_places.parts[at]),
                    (&other.annotations, &other.doc, place),
                );
                continue;
            }
            // The same number under a name that was not there.
            let name = after.name_of(value.number);
            let new_name = name.filter(|name| !old_names.contains(name));
            if let Some(index) = new_name.and_then(|name| by_name.get(name).copied()) {
                renamed.insert(index);
                let other = &after.values[index];
                let is = side(text(&other.name, other.number), new_places.parts[index]);
                let path = format!("{}.{}", after.name, other.name);
                self.add(Kind::EnumValueRenamed, Severity::Major, path, was, is);
            } else {
                self.add(Kind::EnumValueRemoved, Severity::Major, path, was, None);
            }
        }
        for (at, value) in after.values.iter().enumerate() {
            if !old_names.contains(&*value.name) && !renamed.contains(&at) {
                let is = side(text(&value.name, value.number), new_places.parts[at]);
                let path = format!("{}.{}", after.name, value.name);
                self.add(Kind::EnumValueAdded, Severity::Minor, path, None, is);
            }
        }
    }

    /// How far two types are the same. Names of structs and enumerations may differ if the old one is gone and the new one
    /// was not there before; then the two belong together.
    pub(super) fn sameness(&mut self, before: Type, after: Type) -> Sameness {
        let (old, new) = (&self.old.schema, &self.new.schema);
        match (before, after) {
            (Type::Struct(_), Type::Struct(_)) | (Type::Enum(_), Type::Enum(_)) => {
                self.sameness_of_named(before, after)
            }
            (Type::Enum(_), Type::I32)
            | (Type::I32, Type::Enum(_))
            | (Type::String, Type::Binary)
            | (Type::Binary, Type::String) => Sameness::SameOnWire,
            (Type::List(before), Type::List(after)) | (Type::Set(before), Type::Set(after)) => {
                let elements = (old.element(before), new.element(after));
                self.sameness(elements.0, elements.1)
            }
            (Type::Map(before), Type::Map(after)) => {
                let ((old_key, old_value), (new_key, new_value)) =
                    (old.map(before), new.map(after));
                let key = self.sameness(old_key, new_key);
                key.max(self.sameness(old_value, new_value))
            }
            _ if before == after => Sameness::Same,
            _ => Sameness::Different,
        }
    }

    fn sameness_of_named(&mut self, before: Type, after: Type) -> Sameness {
        let old_name = self.old.schema.type_name(before);
        let new_name = self.new.schema.type_name(after);
        if old_name == new_name {
            return Sameness::Same;
        }
        let is_gone = !self.new_names.contains_key(&*old_name);
        let is_new = !self.old_names.contains_key(&*new_name);
        if !is_gone || !is_new {
            return Sameness::Different;
        }
        if self.renamed_known.insert((before, after)) {
            self.renamed.push((before, after));
        }
        Sameness::Same
    }
}

/// Structs, unions and exceptions, and then enumerations, as they are defined.
fn in_order(contract: &Contract) -> impl Iterator<Item = Type> {
    let structs = contract.schema.structs();
    let structs = structs.filter(|(_, it)| matches!(it.role, Role::Data(_)));
    let enums = contract.schema.enums().map(|(id, _)| Type::Enum(id));
    structs.map(|(id, _)| Type::Struct(id)).chain(enums)
}

/// Whether the other is there, and a struct or an enumeration as this one.
fn same_sort(other: Option<&Type>, ty: Type) -> bool {
    matches!(
        (other, ty),
        (Some(Type::Struct(_)), Type::Struct(_)) | (Some(Type::Enum(_)), Type::Enum(_))
    )
}

fn is_exception(structure: &Struct) -> bool {
    structure.role == Role::Data(StructKind::Exception)
}

fn kind_text(structure: &Struct) -> String {
    let kind = match structure.role {
        Role::Data(StructKind::Union) => "union",
        Role::Data(StructKind::Exception) => "exception",
        Role::Data(StructKind::Struct) | Role::Arguments | Role::Result => "struct",
    };
    format!("{kind} {}", structure.name)
}
