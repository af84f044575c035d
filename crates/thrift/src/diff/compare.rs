//! Comparing contracts: what belongs together, and what is only on one side.

use std::collections::{HashMap, HashSet};

use super::{
    Change, Kind, Severity, Side,
    fields::Context,
    reach::{Ways, reach},
};
use crate::{
    Type,
    model::{Constant, Contract, Place},
    schema::{EnumId, Method, Role, ServiceId, Struct, StructId, StructKind},
};

/// How far two types are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sameness {
    Same,
    /// On the Thrift wire, but not in JSON.
    SameOnWire,
    Different,
}

/// What was found so far.
pub(super) struct Comparison<'c> {
    pub old: &'c Contract,
    pub new: &'c Contract,
    pub changes: Vec<Change>,
    old_ways: Vec<Ways>,
    new_ways: Vec<Ways>,
    /// Names of structs and enumerations.
    old_names: HashMap<&'c str, Type>,
    new_names: HashMap<&'c str, Type>,
    /// Types that belong together though their names differ, in the order in which they were found.
    renamed: Vec<(Type, Type)>,
    renamed_known: HashSet<(Type, Type)>,
}

pub(super) fn compare(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut comparison = Comparison {
        old,
        new,
        changes: Vec::new(),
        old_ways: reach(&old.schema),
        new_ways: reach(&new.schema),
        old_names: names(old),
        new_names: names(new),
        renamed: Vec::new(),
        renamed_known: HashSet::new(),
    };
    comparison.services();
    comparison.types();
    comparison.constants();
    comparison.files();
    comparison.changes
}

fn names(contract: &Contract) -> HashMap<&str, Type> {
    let schema = &contract.schema;
    let structs = schema
        .structs()
        .filter(|(_, it)| matches!(it.role, Role::Data(_)));
    let structs = structs.map(|(id, it)| (&*it.name, Type::Struct(id)));
    let enums = schema.enums().map(|(id, it)| (&*it.name, Type::Enum(id)));
    structs.chain(enums).collect()
}

pub(super) const fn side(text: String, place: Place) -> Option<Side> {
    Some(Side { text, place })
}

impl<'c> Comparison<'c> {
    pub(super) fn add(
        &mut self,
        kind: Kind,
        severity: Severity,
        place: impl Into<String>,
        old: Option<Side>,
        new: Option<Side>,
    ) {
        self.changes.push(Change {
            kind,
            severity,
            place: place.into(),
            old,
            new,
        });
    }

    fn services(&mut self) {
        let (old, new) = (self.old, self.new);
        let by_name = |contract: &'c Contract| -> HashMap<&'c str, ServiceId> {
            let services = contract.schema.services();
            services.map(|(id, it)| (&*it.name, id)).collect()
        };
        let (old_names, new_names) = (by_name(old), by_name(new));
        for (id, service) in old.schema.services() {
            match new_names.get(&*service.name) {
                Some(other) => self.service(id, *other),
                // What was only included is nobody's to call; methods that come from it are missed where they were.
                None if service.is_own => {
                    let place = old.places.service(id).name;
                    self.add(
                        Kind::ServiceRemoved,
                        Severity::Major,
                        &service.name,
                        side(service.name.clone(), place),
                        None,
                    );
                }
                None => {}
            }
        }
        for (id, service) in new.schema.services() {
            if service.is_own && !old_names.contains_key(&*service.name) {
                let place = new.places.service(id).name;
                self.add(
                    Kind::ServiceAdded,
                    Severity::Minor,
                    &service.name,
                    None,
                    side(service.name.clone(), place),
                );
            }
        }
    }

    fn service(&mut self, old_id: ServiceId, new_id: ServiceId) {
        let (old, new) = (self.old, self.new);
        let (before, after) = (old.schema.service(old_id), new.schema.service(new_id));
        let places = (
            old.places.service(old_id).name,
            new.places.service(new_id).name,
        );
        self.annotations_and_doc(
            &after.name,
            (&before.annotations, &before.doc, places.0),
            (&after.annotations, &after.doc, places.1),
        );
        let count = self.changes.len();
        let declared = |contract: &'c Contract, method: &Method| -> &'c str {
            &contract.schema.service(method.declared_in).name
        };
        for (at, method) in before.methods.iter().enumerate() {
            let place = old.places.service(old_id).parts[at];
            let path = format!("{}.{}", after.name, method.name);
            let Some(index) = after.index_of_method(method.name.as_bytes()) else {
                let text = signature(old, method);
                self.add(
                    Kind::MethodRemoved,
                    Severity::Major,
                    path,
                    side(text, place),
                    None,
                );
                continue;
            };
            let other = &after.methods[index];
            // What is inherited from the same service is compared there.
            let is_inherited = method.declared_in != old_id
                && other.declared_in != new_id
                && declared(old, method) == declared(new, other);
            if !is_inherited {
                let new_place = new.places.service(new_id).parts[index];
                self.method(&path, (method, place), (other, new_place));
            }
        }
        for (at, method) in after.methods.iter().enumerate() {
            if before.index_of_method(method.name.as_bytes()).is_none() {
                let place = new.places.service(new_id).parts[at];
                let path = format!("{}.{}", after.name, method.name);
                let text = signature(new, method);
                self.add(
                    Kind::MethodAdded,
                    Severity::Minor,
                    path,
                    None,
                    side(text, place),
                );
            }
        }
        let parent = |contract: &'c Contract, id: Option<ServiceId>| {
            id.map_or("nothing", |id| &*contract.schema.service(id).name)
        };
        let parents = (parent(old, before.extends), parent(new, after.extends));
        if parents.0 != parents.1 && self.changes.len() == count {
            self.add(
                Kind::ParentChanged,
                Severity::Patch,
                &after.name,
                side(format!("extends {}", parents.0), places.0),
                side(format!("extends {}", parents.1), places.1),
            );
        }
    }

    fn method(&mut self, path: &str, old: (&'c Method, Place), new: (&'c Method, Place)) {
        let ((before, old_place), (after, new_place)) = (old, new);
        self.annotations_and_doc(
            path,
            (&before.annotations, &before.doc, old_place),
            (&after.annotations, &after.doc, new_place),
        );
        self.structure(
            &format!("{path}.arguments"),
            Context::Arguments,
            before.arguments,
            after.arguments,
        );
        match (before.result, after.result) {
            (Some(before), Some(after)) => {
                self.structure(path, Context::Result, before, after);
            }
            (None, None) => {}
            _ => {
                let texts = (signature(self.old, before), signature(self.new, after));
                self.add(
                    Kind::OnewayChanged,
                    Severity::Major,
                    path,
                    side(texts.0, old_place),
                    side(texts.1, new_place),
                );
            }
        }
    }

    fn types(&mut self) {
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
        let index_of = |name: &str| after.values.iter().position(|value| value.name == name);
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
            if let Some(index) = new_name.and_then(index_of) {
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

    fn constants(&mut self) {
        let (old, new) = (self.old, self.new);
        let by_name = |contract: &'c Contract| -> HashMap<&'c str, &'c Constant> {
            let constants = contract.constants.iter();
            constants.map(|it| (&*it.name, it)).collect()
        };
        let (old_names, new_names) = (by_name(old), by_name(new));
        let text = |contract: &Contract, it: &Constant| {
            let ty = contract.schema.type_name(it.ty);
            format!("{ty} = {}", super::fields::value_text(&it.value))
        };
        for constant in &old.constants {
            let was = side(text(old, constant), constant.place);
            match new_names.get(&*constant.name) {
                None => self.add(
                    Kind::ConstantRemoved,
                    Severity::Minor,
                    &constant.name,
                    was,
                    None,
                ),
                Some(other) => {
                    let is_same = self.sameness(constant.ty, other.ty) == Sameness::Same;
                    if !is_same || constant.value != other.value {
                        let is = side(text(new, other), other.place);
                        let name = &constant.name;
                        self.add(Kind::ConstantChanged, Severity::Minor, name, was, is);
                    }
                }
            }
        }
        for constant in &new.constants {
            if !old_names.contains_key(&*constant.name) {
                let is = side(text(new, constant), constant.place);
                let name = &constant.name;
                self.add(Kind::ConstantAdded, Severity::Minor, name, None, is);
            }
        }
    }

    /// What is said of the contract as a whole.
    fn files(&mut self) {
        let (old, new) = (self.old, self.new);
        let place = |contract: &Contract| Place::new(contract.root().source, Default::default());
        let (old_place, new_place) = (place(old), place(new));
        if old.doc() != new.doc() {
            let text = |doc: Option<&str>| doc.unwrap_or_default().trim().to_owned();
            self.add(
                Kind::DocChanged,
                Severity::Patch,
                &*new.label,
                side(text(old.doc()), old_place),
                side(text(new.doc()), new_place),
            );
        }
        let all = |contract: &'c Contract| -> Vec<(&'c str, &'c str)> {
            let mut all: Vec<_> = contract.namespaces().collect();
            all.sort_unstable();
            all
        };
        if all(old) != all(new) {
            let text = |contract: &'c Contract| {
                let all = all(contract);
                let all: Vec<String> = all
                    .iter()
                    .map(|(it, name)| format!("{it} {name}"))
                    .collect();
                all.join(", ")
            };
            self.add(
                Kind::NamespaceChanged,
                Severity::Patch,
                &*new.label,
                side(text(old), old_place),
                side(text(new), new_place),
            );
        }
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

/// A method as it is written in a contract, but for its exceptions.
fn signature(contract: &Contract, method: &Method) -> String {
    let schema = &contract.schema;
    let returns = method.result.and_then(|id| {
        let result = schema.structure(id);
        let success = result.index_of_id(0)?;
        Some(schema.type_name(result.fields[success].ty))
    });
    let arguments: Vec<String> = schema
        .structure(method.arguments)
        .fields
        .iter()
        .map(|field| {
            format!(
                "{}: {} {}",
                field.id,
                schema.type_name(field.ty),
                field.name
            )
        })
        .collect();
    format!(
        "{}{} {}({})",
        if method.is_oneway() { "oneway " } else { "" },
        returns.as_deref().unwrap_or("void"),
        method.name,
        arguments.join(", ")
    )
}
