//! What types are meant.

use super::{
    Place,
    meaning::Model,
    names::{Found, Item, Named},
};
use crate::{
    Type,
    idl::ast::{BaseType, TypeKind, TypeRef},
};

/// Types that may be written in a type, typedefs replaced by what they stand for: a typedef of a map of typedefs of maps …
/// grows without bound otherwise.
const SIZE_MAX: usize = 256;
/// Typedefs that stand for each other before the first one that is known.
const CHAIN_MAX: usize = 256;

/// Something that is made when it is first needed.
#[derive(Debug, Clone)]
pub(super) enum State<T> {
    Pending,
    /// It is being made, so who needs it now is part of it.
    Busy,
    /// It is there, unless something is wrong with it, which was reported.
    Done(Option<T>),
}

impl<'a> Model<'a> {
    /// Looks at all typedefs, also those that nobody uses.
    pub(super) fn resolve_typedefs(&mut self) {
        for at in 0..self.typedefs.len() {
            let name = &self.typedefs[at].ast.name;
            let place = self.place(self.typedefs[at].unit, name.span);
            self.typedef(at, place);
        }
    }

    /// The type that is written, none if something is wrong, which is reported. Exceptions can only be thrown: they are no
    /// part of anything.
    pub(super) fn data_type(&mut self, unit: usize, written: &'a TypeRef) -> Option<Type> {
        let ty = self.any_type(unit, written)?;
        self.check_no_exception(unit, written, ty)
    }

    /// The same, but it may be an exception.
    pub(super) fn any_type(&mut self, unit: usize, written: &'a TypeRef) -> Option<Type> {
        self.sized_type(unit, written).map(|(ty, _)| ty)
    }

    fn check_no_exception(&mut self, unit: usize, written: &TypeRef, ty: Type) -> Option<Type> {
        if !self.is_exception(ty) {
            return Some(ty);
        }
        let name = self.builder.schema().type_name(ty);
        let place = self.place(unit, written.span);
        self.report
            .error(
                place,
                format!("the exception `{name}` can only be thrown"),
                "",
            )
            .help("exceptions cannot be fields, elements, arguments or results");
        None
    }

    fn sized_type(&mut self, unit: usize, written: &'a TypeRef) -> Option<(Type, usize)> {
        let (ty, size) = match &written.kind {
            TypeKind::Base(base) => (base_type(*base), 1),
            TypeKind::Named(name) => {
                return self.named_type(unit, name, self.place(unit, written.span));
            }
            TypeKind::List(element) => {
                let (element, size) = self.element_type(unit, element)?;
                (self.builder.list(element), size + 1)
            }
            TypeKind::Set(element) => {
                let (element, size) = self.element_type(unit, element)?;
                (self.builder.set(element), size + 1)
            }
            TypeKind::Map(key, value) => {
                // Both are looked at even if one is wrong.
                let key = self.element_type(unit, key);
                let value = self.element_type(unit, value);
                let ((key, key_size), (value, value_size)) = (key?, value?);
                (self.builder.map(key, value), key_size + value_size + 1)
            }
        };
        if size > SIZE_MAX {
            let message = format!("more than {SIZE_MAX} types are in this type");
            self.report
                .error(self.place(unit, written.span), message, "");
            return None;
        }
        Some((ty, size))
    }

    fn element_type(&mut self, unit: usize, written: &'a TypeRef) -> Option<(Type, usize)> {
        let (ty, size) = self.sized_type(unit, written)?;
        Some((self.check_no_exception(unit, written, ty)?, size))
    }

    fn named_type(&mut self, unit: usize, name: &str, place: Place) -> Option<(Type, usize)> {
        match self.find_type(unit, name, place)?.item {
            Item::Struct(id) => Some((Type::Struct(id), 1)),
            Item::Enum(id) => Some((Type::Enum(id), 1)),
            Item::Typedef(at) => self.typedef(at, place),
            Item::Service(_) => {
                self.report
                    .error(place, format!("`{name}` is a service, not a type"), "");
                None
            }
        }
    }

    /// What a name of a type or service means. It is an error if it means nothing.
    pub(super) fn find_type(
        &mut self,
        unit: usize,
        name: &str,
        place: Place,
    ) -> Option<Named<Item>> {
        match self.names.find_type(unit, name) {
            Found::One(named) => return Some(named),
            Found::Two(one, other) => self.ambiguous(name, place, one.place, other.place),
            Found::Missing(missing) => self.names.need(unit, missing, place),
            Found::None => {
                let help = self.report.look(|| self.names.help_for_type(unit, name));
                self.report
                    .error(place, format!("`{name}` is not defined"), "")
                    .maybe_help(help);
            }
        }
        None
    }

    pub(super) fn ambiguous(&mut self, name: &str, place: Place, one: Place, other: Place) {
        let message = format!("`{name}` may be of two files that have the same name");
        self.report
            .error(place, message, "")
            .and(one, "defined here")
            .and(other, "and here");
    }

    fn typedef(&mut self, at: usize, place: Place) -> Option<(Type, usize)> {
        let draft = &mut self.typedefs[at];
        match draft.state {
            State::Done(known) => return known,
            State::Busy => {
                self.typedef_cycle(at, place);
                return None;
            }
            State::Pending => draft.state = State::Busy,
        }
        let (unit, ast) = (draft.unit, draft.ast);
        let known = if self.resolving.len() < CHAIN_MAX {
            self.resolving.push(at);
            let known = self.sized_type(unit, &ast.target);
            self.resolving.pop();
            known
        } else {
            let message = format!("more than {CHAIN_MAX} typedefs stand for each other");
            self.report.error(place, message, "");
            None
        };
        self.typedefs[at].state = State::Done(known);
        known
    }

    fn typedef_cycle(&mut self, at: usize, place: Place) {
        let name = &self.typedefs[at].ast.name.text;
        let message = format!("typedef `{name}` stands for itself");
        let start = self.resolving.iter().position(|it| *it == at).unwrap_or(0);
        let chain: Vec<Place> = self.resolving[start..]
            .iter()
            .map(|at| &self.typedefs[*at])
            .map(|draft| self.place(draft.unit, draft.ast.name.span))
            .collect();
        let mut finding = self
            .report
            .error(place, message, "this leads back to where it began");
        for place in chain {
            finding = finding.and(place, "by way of this typedef");
        }
    }

    /// The official compiler reads a file from top to bottom, and wants some things to be defined before they are used.
    pub(super) fn check_order<T>(&mut self, name: &str, place: Place, named: Named<T>) {
        if named.place.source == place.source && named.end > place.span.start {
            self.report
                .warning(place, format!("`{name}` is used before it is defined"), "")
                .and(named.place, "defined here")
                .help("the official compiler needs the definition first");
        }
    }

    /// The same for all names in a type.
    pub(super) fn check_order_of_type(&mut self, unit: usize, written: &'a TypeRef) {
        match &written.kind {
            TypeKind::Base(_) => {}
            TypeKind::Named(name) => {
                if let Found::One(named) = self.names.find_type(unit, name) {
                    self.check_order(name, self.place(unit, written.span), named);
                }
            }
            TypeKind::List(element) | TypeKind::Set(element) => {
                self.check_order_of_type(unit, element);
            }
            TypeKind::Map(key, value) => {
                self.check_order_of_type(unit, key);
                self.check_order_of_type(unit, value);
            }
        }
    }
}

const fn base_type(base: BaseType) -> Type {
    match base {
        BaseType::Bool => Type::Bool,
        BaseType::I8 => Type::I8,
        BaseType::I16 => Type::I16,
        BaseType::I32 => Type::I32,
        BaseType::I64 => Type::I64,
        BaseType::Double => Type::Double,
        BaseType::String => Type::String,
        BaseType::Binary => Type::Binary,
        BaseType::Uuid => Type::Uuid,
    }
}
