//! What is there: every definition gets its name and id before anything is looked at more closely.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use super::{
    Place,
    fields::FieldDraft,
    files::{Include, Unit},
    meaning::{Model, annotations},
    names::{Item, Named},
    typing::State,
    values::Built,
};
use crate::{
    Type,
    idl::ast::{self, Definition},
    schema::{EnumValue, ServiceId, StructKind},
};

pub(super) struct TypedefDraft<'a> {
    pub unit: usize,
    pub ast: &'a ast::Typedef,
    /// Its type, and how many types are written in it.
    pub state: State<(Type, usize)>,
}

pub(super) struct StructDraft<'a> {
    pub unit: usize,
    pub ast: &'a ast::Struct,
    pub fields: Vec<FieldDraft<'a>>,
    pub by_name: HashMap<&'a str, usize>,
    /// Fields that a constant has although it does not mention them, or should have mentioned.
    pub needed: Vec<usize>,
}

pub(super) struct ConstantDraft<'a> {
    pub unit: usize,
    pub ast: &'a ast::Const,
    pub ty: Option<Type>,
    pub state: State<Built>,
}

pub(super) struct ServiceDraft<'a> {
    pub unit: usize,
    pub ast: &'a ast::Service,
    pub id: Option<ServiceId>,
}

impl<'a> Model<'a> {
    /// Takes the definitions of all files.
    pub(super) fn declare(&mut self) {
        for (unit, file) in self.units.iter().enumerate() {
            for definition in &file.document.definitions {
                self.declare_one(unit, definition);
            }
        }
        for unit in 0..self.units.len() {
            self.check_collisions(unit);
        }
    }

    /// The parser looks after dots in names.
    fn declare_one(&mut self, unit: usize, definition: &'a Definition) {
        let name = definition.name();
        let (item, end) = match definition {
            Definition::Const(ast) => return self.declare_constant(unit, ast),
            Definition::Typedef(ast) => {
                self.typedefs.push(TypedefDraft {
                    unit,
                    ast,
                    state: State::Pending,
                });
                (Item::Typedef(self.typedefs.len() - 1), ast.span.end)
            }
            Definition::Enum(ast) => (self.declare_enum(unit, ast), ast.span.end),
            Definition::Struct(ast) => (self.declare_struct(unit, ast), ast.span.end),
            Definition::Service(ast) => {
                self.services.push(ServiceDraft {
                    unit,
                    ast,
                    id: None,
                });
                (Item::Service(self.services.len() - 1), ast.span.end)
            }
        };
        let place = self.place(unit, name.span);
        let named = Named { item, place, end };
        if let Some(first) = self.names.add_type(unit, &name.text, named) {
            self.defined_twice(name, place, first.place);
        }
    }

    fn declare_constant(&mut self, unit: usize, ast: &'a ast::Const) {
        self.constants.push(ConstantDraft {
            unit,
            ast,
            ty: None,
            state: State::Pending,
        });
        let place = self.place(unit, ast.name.span);
        let named = Named {
            item: self.constants.len() - 1,
            place,
            end: ast.span.end,
        };
        if let Some(first) = self.names.add_constant(unit, &ast.name.text, named) {
            self.defined_twice(&ast.name, place, first.place);
        }
    }

    fn defined_twice(&mut self, name: &ast::Name, place: Place, first: Place) {
        self.report
            .error(place, format!("`{}` is defined twice", name.text), "again")
            .and(first, "first defined here");
    }

    fn declare_struct(&mut self, unit: usize, ast: &'a ast::Struct) -> Item {
        self.structs.push(StructDraft {
            unit,
            ast,
            fields: Vec::new(),
            by_name: HashMap::new(),
            needed: Vec::new(),
        });
        let id = self.builder.declare_struct(
            self.full_name(unit, &ast.name),
            ast.kind,
            ast.doc.clone(),
            annotations(&ast.annotations),
        );
        Item::Struct(id)
    }

    fn declare_enum(&mut self, unit: usize, ast: &'a ast::Enum) -> Item {
        let mut values = Vec::with_capacity(ast.values.len());
        let mut names: HashMap<&str, Place> = HashMap::with_capacity(ast.values.len());
        // What a value without a number would be; none behind the largest.
        let mut next = Some(0);
        for value in &ast.values {
            let place = self.place(unit, value.name.span);
            match names.entry(&value.name.text) {
                Entry::Occupied(first) => {
                    let first = *first.get();
                    self.defined_twice(&value.name, place, first);
                }
                Entry::Vacant(free) => {
                    free.insert(place);
                }
            }
            let number = match value.number {
                Some(written) => {
                    let number = i32::try_from(written.value).ok();
                    if number.is_none() {
                        let place = self.place(unit, written.span);
                        let message = format!("{} is out of the range of i32", written.value);
                        self.report
                            .error(place, message, "values of enumerations are of 32 bits");
                    }
                    number
                }
                None => {
                    if next.is_none() {
                        let message = format!("there is no number left for `{}`", value.name.text);
                        self.report
                            .error(place, message, "the value before it has the largest");
                    }
                    next
                }
            };
            let number = number.unwrap_or(0);
            next = number.checked_add(1);
            values.push((
                EnumValue {
                    name: value.name.text.clone(),
                    number,
                    doc: value.doc.clone(),
                    annotations: annotations(&value.annotations),
                },
                place,
            ));
        }
        // As the schema has them.
        values.sort_by_key(|(value, _)| value.number);
        let (values, parts) = values.into_iter().unzip();
        self.places.enums.push(self.placed(unit, &ast.name, parts));
        let name = self.full_name(unit, &ast.name);
        let annotations = annotations(&ast.annotations);
        Item::Enum(
            self.builder
                .enumeration(name, values, ast.doc.clone(), annotations),
        )
    }

    /// Files that are included and have the same namespaces may not define the same names: generated code could not be
    /// used. The official compiler refuses it, and so nobody could make a client.
    fn check_collisions(&mut self, unit: usize) {
        let file = &self.units[unit];
        let own = namespaces(file);
        for include in &file.includes {
            if !share_namespaces(&own, &namespaces(&self.units[include.unit])) {
                continue;
            }
            self.check_collisions_with(unit, include);
        }
    }

    fn check_collisions_with(&mut self, unit: usize, include: &Include) {
        let definitions = |unit: usize| &self.units[unit].document.definitions;
        let (own, included) = (definitions(unit), definitions(include.unit));
        let fewer = if own.len() < included.len() {
            own
        } else {
            included
        };
        for name in fewer.iter().map(Definition::name) {
            if self.report.is_full() {
                return;
            }
            let own = self.names.own_type(unit, &name.text);
            let other = self.names.own_type(include.unit, &name.text);
            if let (Some(own), Some(other)) = (own, other) {
                let message = format!("`{}` is defined in an included file too", name.text);
                self.report
                    .error(own.place, message, "")
                    .and(other.place, "also defined here")
                    .and(include.place, "included here")
                    .help("names may be shared only by files that have different `namespace`s");
            }
        }
    }

    pub(super) fn is_exception(&self, ty: Type) -> bool {
        matches!(ty, Type::Struct(id)
            if self.structs[id.0 as usize].ast.kind == StructKind::Exception)
    }
}

fn namespaces(unit: &Unit) -> BTreeMap<&str, &str> {
    let headers = unit.document.headers.iter();
    headers
        .filter_map(|header| match header {
            ast::Header::Namespace { scope, name, .. } => Some((&*scope.text, &*name.text)),
            ast::Header::Include(_) | ast::Header::CppInclude(_) => None,
        })
        .collect()
}

/// Whether code that is generated from two files is in one namespace in every language that is named.
fn share_namespaces(left: &BTreeMap<&str, &str>, right: &BTreeMap<&str, &str>) -> bool {
    fn of<'a>(all: &BTreeMap<&str, &'a str>, scope: &str) -> &'a str {
        all.get(scope)
            .or_else(|| all.get("*"))
            .copied()
            .unwrap_or("")
    }
    let agree = |one: &BTreeMap<&str, &str>, other| {
        one.iter().all(|(scope, name)| of(other, scope) == *name)
    };
    agree(left, right) && agree(right, left)
}
