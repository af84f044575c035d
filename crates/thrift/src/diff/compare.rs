//! Comparing contracts: what belongs together, and what is only on one side.

use std::collections::{HashMap, HashSet};

use super::{
    Change, Kind, Severity, Side,
    fields::Context,
    reach::{Ways, reach},
    types::Sameness,
};
use crate::{
    Type,
    model::{Constant, Contract, Place},
    schema::{Method, Role, ServiceId},
};

/// What was found so far.
pub(super) struct Comparison<'c> {
    pub old: &'c Contract,
    pub new: &'c Contract,
    pub changes: Vec<Change>,
    pub old_ways: Vec<Ways>,
    pub new_ways: Vec<Ways>,
    /// Names of structs and enumerations.
    pub old_names: HashMap<&'c str, Type>,
    pub new_names: HashMap<&'c str, Type>,
    /// Types that belong together though their names differ, in the order in which they were found.
    pub renamed: Vec<(Type, Type)>,
    pub renamed_known: HashSet<(Type, Type)>,
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
