//! Warnings about what is deprecated: that something new uses it, and days that are none.

use super::{
    Place,
    meaning::{Model, annotations},
    names::{Found, Item},
};
use crate::{
    deprecation::{DEPRECATED, Deprecation, SINCE, SUNSET, day},
    idl::ast::{self, Annotation, Definition, TypeKind, TypeRef},
};

impl<'a> Model<'a> {
    /// Looks at all uses of deprecated definitions. What is deprecated itself may use others that are.
    pub(super) fn check_deprecated(&mut self) {
        let units = self.units;
        for (unit, file) in units.iter().enumerate() {
            for definition in &file.document.definitions {
                self.check_deprecated_in(unit, definition);
            }
        }
    }

    fn check_deprecated_in(&mut self, unit: usize, definition: &'a Definition) {
        match definition {
            Definition::Typedef(it) if !is_deprecated(&it.annotations) => {
                self.check_used_type(unit, &it.target);
            }
            Definition::Const(it) => self.check_used_type(unit, &it.ty),
            Definition::Struct(it) if !is_deprecated(&it.annotations) => {
                self.check_used_fields(unit, &it.fields);
            }
            Definition::Service(it) => self.check_service(unit, it),
            Definition::Typedef(_) | Definition::Enum(_) | Definition::Struct(_) => {}
        }
    }

    fn check_service(&mut self, unit: usize, service: &'a ast::Service) {
        self.check_days(unit, &service.annotations);
        for function in &service.functions {
            self.check_days(unit, &function.annotations);
        }
        if is_deprecated(&service.annotations) {
            return;
        }
        if let Some(parent) = &service.extends {
            self.check_used(unit, &parent.text, self.place(unit, parent.span));
        }
        let current = service.functions.iter();
        for function in current.filter(|it| !is_deprecated(&it.annotations)) {
            if let Some(returned) = &function.returns {
                self.check_used_type(unit, returned);
            }
            self.check_used_fields(unit, &function.arguments);
            self.check_used_fields(unit, &function.throws);
        }
    }

    fn check_used_fields(&mut self, unit: usize, fields: &'a [ast::Field]) {
        for field in fields {
            if !is_deprecated(&field.annotations) {
                self.check_used_type(unit, &field.ty);
            }
        }
    }

    fn check_used_type(&mut self, unit: usize, written: &'a TypeRef) {
        match &written.kind {
            TypeKind::Base(_) => {}
            TypeKind::Named(name) => {
                self.check_used(unit, name, self.place(unit, written.span));
            }
            TypeKind::List(element) | TypeKind::Set(element) => {
                self.check_used_type(unit, element);
            }
            TypeKind::Map(key, value) => {
                self.check_used_type(unit, key);
                self.check_used_type(unit, value);
            }
        }
    }

    fn check_used(&mut self, unit: usize, name: &str, place: Place) {
        let Found::One(named) = self.names.find_type(unit, name) else {
            return;
        };
        let deprecated = match named.item {
            Item::Struct(id) => Deprecation::of(&self.builder.schema().structure(id).annotations),
            Item::Enum(id) => Deprecation::of(&self.builder.schema().enumeration(id).annotations),
            Item::Typedef(at) => Deprecation::of(&annotations(&self.typedefs[at].ast.annotations)),
            Item::Service(at) => Deprecation::of(&annotations(&self.services[at].ast.annotations)),
        };
        if let Some(deprecated) = deprecated {
            self.report
                .warning(place, format!("`{name}` is deprecated"), "")
                .and(named.place, "defined here")
                .maybe_help(deprecated.why);
        }
    }

    fn check_days(&mut self, unit: usize, written: &[Annotation]) {
        for annotation in written {
            let key = &annotation.key;
            if matches!(&*key.text, SINCE | SUNSET) && day(annotation.value()).is_none() {
                let message = format!("{}: {:?} is not a day", key.text, annotation.value());
                let place = self.place(unit, key.span);
                self.report
                    .warning(place, message, "it is ignored")
                    .help("a day is written as 2026-11-22");
            }
        }
    }
}

fn is_deprecated(written: &[Annotation]) -> bool {
    written.iter().any(|it| it.key.text == DEPRECATED)
        && Deprecation::of(&annotations(written)).is_some()
}
