//! Services and their methods.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    Place, Placed,
    fields::{FieldDraft, Owner},
    meaning::{Model, annotations},
    names::Item,
    typing::State,
};
use crate::{
    idl::ast,
    schema::{NewField, NewMethod, ServiceId},
};

/// Services that extend each other in a row.
const CHAIN_MAX: usize = 64;
/// Methods of all services, those that they inherit counted again: the schema has them in each.
const METHODS_MAX: usize = 1 << 18;

impl<'a> Model<'a> {
    /// Makes all services, parents first.
    pub(super) fn define_services(&mut self) {
        let mut parents: Vec<Option<usize>> =
            (0..self.services.len()).map(|at| self.parent(at)).collect();
        let mut is_done = vec![false; self.services.len()];
        let mut methods = 0;
        for at in 0..self.services.len() {
            let mut chain = vec![at];
            while let Some(parent) = parents[chain[chain.len() - 1]]
                && !is_done[parent]
            {
                let last = chain[chain.len() - 1];
                if chain.contains(&parent) {
                    self.service_cycle(last, parent);
                    parents[last] = None;
                } else if chain.len() == CHAIN_MAX {
                    let message = format!("more than {CHAIN_MAX} services extend each other");
                    self.report.error(self.service_place(last), message, "");
                    parents[last] = None;
                } else {
                    chain.push(parent);
                }
            }
            for at in chain.into_iter().rev() {
                if !is_done[at] {
                    is_done[at] = true;
                    let parent = parents[at].and_then(|parent| self.services[parent].id);
                    self.define_service(at, parent, &mut methods);
                }
            }
        }
    }

    fn service_place(&self, at: usize) -> Place {
        let draft = &self.services[at];
        self.place(draft.unit, draft.ast.name.span)
    }

    fn service_cycle(&mut self, at: usize, parent: usize) {
        let message = format!(
            "service `{}` extends itself",
            self.services[at].ast.name.text
        );
        let parent = self.service_place(parent);
        self.report
            .error(self.service_place(at), message, "")
            .and(parent, "by way of this service");
    }

    /// The service that one extends.
    fn parent(&mut self, at: usize) -> Option<usize> {
        let (unit, ast) = (self.services[at].unit, self.services[at].ast);
        let name = ast.extends.as_ref()?;
        let place = self.place(unit, name.span);
        let named = self.find_type(unit, &name.text, place)?;
        let Item::Service(parent) = named.item else {
            let message = format!("`{}` is not a service", name.text);
            self.report
                .error(place, message, "")
                .and(named.place, "defined here");
            return None;
        };
        if parent != at {
            self.check_order(&name.text, place, named);
        }
        Some(parent)
    }

    fn define_service(&mut self, at: usize, parent: Option<ServiceId>, count: &mut usize) {
        let (unit, ast) = (self.services[at].unit, self.services[at].ast);
        let place = self.place(unit, ast.name.span);
        let inherited = parent.map_or(0, |id| self.builder.schema().service(id).methods.len());
        *count += inherited + ast.functions.len();
        if *count > METHODS_MAX {
            let message = format!("the contract has more than {METHODS_MAX} methods");
            self.report.error(place, message, "");
            return;
        }
        let mut parts = parent.map_or_else(Vec::new, |id| self.places.service(id).parts.clone());
        let mut known: HashMap<&str, Place> = HashMap::with_capacity(ast.functions.len());
        let mut methods = Vec::with_capacity(ast.functions.len());
        for function in &ast.functions {
            let name = self.place(unit, function.name.span);
            self.check_clash(parent, &function.name, name);
            match known.entry(&function.name.text) {
                Entry::Occupied(first) => {
                    let message = format!("method `{}` is defined twice", function.name.text);
                    self.report
                        .error(name, message, "again")
                        .and(*first.get(), "first defined here");
                }
                Entry::Vacant(free) => {
                    free.insert(name);
                }
            }
            parts.push(self.place(unit, function.span));
            methods.push(self.method(unit, function));
        }
        let service = self.builder.service(
            self.full_name(unit, &ast.name),
            parent,
            unit == 0,
            methods,
            ast.doc.clone(),
            annotations(&ast.annotations),
        );
        let id = self.check_built(service, place);
        if id.is_some() {
            self.places
                .services
                .push(self.placed(unit, &ast.name, parts));
        }
        self.services[at].id = id;
    }

    /// A method of a parent cannot be defined again.
    fn check_clash(&mut self, parent: Option<ServiceId>, name: &ast::Name, place: Place) {
        let Some(parent) = parent else {
            return;
        };
        let service = self.builder.schema().service(parent);
        if let Some(index) = service.index_of_method(name.text.as_bytes()) {
            let message = format!("`{}` has a method `{}` already", service.name, name.text);
            let first = self.places.service(parent).parts[index];
            self.report
                .error(place, message, "again")
                .and(first, "first defined here");
        }
    }

    fn method(&mut self, unit: usize, function: &'a ast::Function) -> NewMethod {
        let mut returns = function
            .returns
            .as_ref()
            .and_then(|ty| self.data_type(unit, ty));
        if function.is_oneway {
            if let Some(ty) = &function.returns {
                let place = self.place(unit, ty.span);
                self.report.warning(
                    place,
                    "a one-way method returns nothing",
                    "this is taken as `void`",
                );
                returns = None;
            }
            if let Some(first) = function.throws.first() {
                let place = self.place(unit, first.span);
                self.report.error(
                    place,
                    format!("the one-way method `{}` cannot throw", function.name.text),
                    "nobody would see it",
                );
            }
        }
        let name = self.place(unit, function.name.span);
        let (arguments, parts) = self.fields(unit, &function.arguments, Owner::Arguments);
        self.places.structs.push(Placed { name, parts });
        let (throws, parts) = self.fields(unit, &function.throws, Owner::Throws);
        if !function.is_oneway {
            let success = returns.is_some().then_some((0, name));
            let ids = throws.iter().map(|field| field.id);
            let mut parts: Vec<(i16, Place)> = success.into_iter().chain(ids.zip(parts)).collect();
            parts.sort_by_key(|(id, _)| *id);
            let parts = parts.into_iter().map(|(_, place)| place).collect();
            self.places.structs.push(Placed { name, parts });
        }
        NewMethod {
            name: function.name.text.clone(),
            is_oneway: function.is_oneway,
            returns,
            arguments,
            throws,
            doc: function.doc.clone(),
            annotations: annotations(&function.annotations),
        }
    }

    fn fields(
        &mut self,
        unit: usize,
        written: &'a [ast::Field],
        owner: Owner,
    ) -> (Vec<NewField>, Vec<Place>) {
        let (mut drafts, _) = self.read_fields(unit, written, owner);
        for draft in &mut drafts {
            self.set_default(unit, draft);
        }
        self.finish_fields(unit, &drafts)
    }

    fn set_default(&mut self, unit: usize, draft: &mut FieldDraft<'a>) {
        if let Some(default) = &draft.ast.default {
            self.check_order_of_type(unit, &draft.ast.ty);
            draft.default = State::Done(self.value_of(unit, default, draft.ty));
        }
    }
}
