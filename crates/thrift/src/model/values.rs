//! Constants and defaults: what is written, as a value of the type that it is for.

mod cost;
mod named;
mod structure;

use std::collections::HashMap;

use super::{
    Place,
    convert::{convert, key_of, parse_uuid},
    meaning::Model,
    typing::State,
};
use crate::{
    Type, Value,
    idl::ast::{ConstKind, ConstValue},
    schema::EnumId,
};
pub(super) use cost::{Built, COST_MAX};
use cost::{DEPTH_MAX, Sum};

/// A written value, where it is.
#[derive(Clone, Copy)]
struct Written<'a> {
    unit: usize,
    ast: &'a ConstValue,
    depth: usize,
}

impl<'a> Written<'a> {
    const fn inner(self, ast: &'a ConstValue) -> Self {
        Self {
            ast,
            depth: self.depth + 1,
            ..self
        }
    }
}

impl<'a> Model<'a> {
    /// Values of all constants.
    pub(super) fn evaluate_constants(&mut self) {
        for at in 0..self.constants.len() {
            let (unit, ast) = (self.constants[at].unit, self.constants[at].ast);
            self.constants[at].ty = self.any_type(unit, &ast.ty);
            self.check_order_of_type(unit, &ast.ty);
        }
        for at in 0..self.constants.len() {
            let place = self.place(self.constants[at].unit, self.constants[at].ast.name.span);
            self.constant(at, place, 0);
        }
    }

    /// A default of an argument.
    pub(super) fn value_of(
        &mut self,
        unit: usize,
        ast: &'a ConstValue,
        ty: Option<Type>,
    ) -> Option<Built> {
        let written = Written {
            unit,
            ast,
            depth: 0,
        };
        self.value(written, ty?)
    }

    fn constant(&mut self, at: usize, place: Place, depth: usize) -> Option<Built> {
        let draft = &mut self.constants[at];
        match &draft.state {
            State::Done(known) => {
                let known = known.clone()?;
                return self.spend(known, depth, place);
            }
            State::Busy => {
                let message = format!("constant `{}` is made of itself", draft.ast.name.text);
                self.report.error(place, message, "");
                return None;
            }
            State::Pending => draft.state = State::Busy,
        }
        let (unit, ty, ast) = (draft.unit, draft.ty, &draft.ast.value);
        let written = Written { unit, ast, depth };
        let value = ty.and_then(|ty| self.value(written, ty));
        self.constants[at].state = State::Done(value.clone());
        value
    }

    /// The default of a field of a struct.
    pub(super) fn default_of(&mut self, structure: usize, field: usize) -> Option<Built> {
        self.default_within(structure, field, 0)
    }

    fn default_within(&mut self, structure: usize, field: usize, depth: usize) -> Option<Built> {
        let unit = self.structs[structure].unit;
        let draft = &mut self.structs[structure].fields[field];
        let ast = draft.ast.default.as_ref()?;
        match &draft.default {
            State::Done(known) => {
                let known = known.clone()?;
                let place = self.place(unit, ast.span);
                return self.spend(known, depth, place);
            }
            State::Busy => {
                let message = format!("the default of `{}` has itself in it", draft.ast.name.text);
                self.report.error(self.place(unit, ast.span), message, "");
                return None;
            }
            State::Pending => draft.default = State::Busy,
        }
        let (ty, of) = (draft.ty, &draft.ast.ty);
        self.check_order_of_type(unit, of);
        let written = Written { unit, ast, depth };
        let value = ty.and_then(|ty| self.value(written, ty));
        self.structs[structure].fields[field].default = State::Done(value.clone());
        value
    }

    fn value(&mut self, written: Written<'a>, ty: Type) -> Option<Built> {
        let place = self.place(written.unit, written.ast.span);
        if written.depth >= DEPTH_MAX {
            self.too_deep(place);
            return None;
        }
        let value = match (ty, &written.ast.kind) {
            (_, ConstKind::Name(name)) => return self.named(written, name, ty),
            (Type::Struct(id), ConstKind::Map(entries)) => {
                return self.structure(written, id, entries);
            }
            (Type::List(id), ConstKind::List(elements)) => {
                let element = self.builder.schema().element(id);
                let (values, sum) = self.elements(written, elements, element)?;
                return Some(Built::of_parts(Value::List(values), &[sum]));
            }
            (Type::Set(id), ConstKind::List(elements)) => {
                let element = self.builder.schema().element(id);
                return self.set(written, elements, element);
            }
            (Type::Map(id), ConstKind::Map(entries)) => {
                let (key, value) = self.builder.schema().map(id);
                return self.map(written, entries, key, value);
            }
            (Type::List(_) | Type::Set(_), ConstKind::Map(entries)) if entries.is_empty() => {
                self.report
                    .warning(place, "an empty list is written `[]`", "");
                match ty {
                    Type::List(_) => Value::List(Vec::new()),
                    _ => Value::Set(Vec::new()),
                }
            }
            (Type::Map(_), ConstKind::List(elements)) if elements.is_empty() => {
                self.report
                    .warning(place, "an empty map is written `{}`", "");
                Value::Map(Vec::new())
            }
            (Type::Enum(id), ConstKind::Integer(number)) => self.enum_value(id, *number, place)?,
            (_, ConstKind::Integer(number)) => self.number(ty, *number, place)?,
            (Type::Double, ConstKind::Double(number)) => Value::Double(*number),
            (Type::String, ConstKind::String(text)) => Value::String(text.clone()),
            (Type::Binary, ConstKind::String(text)) => Value::Binary(text.clone().into_bytes()),
            (Type::Uuid, ConstKind::String(text)) => match parse_uuid(text) {
                Some(bytes) => Value::Uuid(bytes),
                None => {
                    self.report
                        .error(place, format!("`{text}` is no uuid"), "")
                        .help("a uuid is written as `01234567-89ab-cdef-0123-456789abcdef`");
                    return None;
                }
            },
            (_, other) => return self.mismatch(ty, kind_name(other), place),
        };
        self.spend(Built::plain(value), written.depth, place)
    }

    fn mismatch<T>(&mut self, ty: Type, found: &str, place: Place) -> Option<T> {
        let expected = self.builder.schema().type_name(ty);
        self.report
            .error(place, format!("expected {expected}, found {found}"), "");
        None
    }

    fn number(&mut self, ty: Type, number: i64, place: Place) -> Option<Value> {
        let value = convert(self.builder.schema(), &Value::I64(number), Type::I64, ty);
        if value.is_none() {
            if matches!(ty, Type::I8 | Type::I16 | Type::I32) {
                let ty = self.builder.schema().type_name(ty);
                let message = format!("{number} is out of the range of {ty}");
                self.report.error(place, message, "");
            } else {
                return self.mismatch(ty, "an integer", place);
            }
        }
        value
    }

    fn enum_value(&mut self, id: EnumId, number: i64, place: Place) -> Option<Value> {
        let enumeration = self.builder.schema().enumeration(id);
        let number = i32::try_from(number)
            .ok()
            .filter(|number| enumeration.name_of(*number).is_some());
        if number.is_none() {
            let message = format!("no value of `{}` has this number", enumeration.name);
            self.report.error(place, message, "");
        }
        number.map(Value::I32)
    }

    fn elements(
        &mut self,
        written: Written<'a>,
        elements: &'a [ConstValue],
        element: Type,
    ) -> Option<(Vec<Value>, Sum)> {
        let mut sum = Sum::default();
        let mut values = Vec::with_capacity(elements.len());
        let mut is_whole = true;
        for ast in elements {
            // All are looked at even if one is wrong.
            match self.value(written.inner(ast), element) {
                Some(built) => values.push(sum.add(built)),
                None => is_whole = false,
            }
        }
        is_whole.then_some((values, sum))
    }

    fn set(
        &mut self,
        written: Written<'a>,
        elements: &'a [ConstValue],
        element: Type,
    ) -> Option<Built> {
        let (all, sum) = self.elements(written, elements, element)?;
        let mut first: HashMap<Vec<u8>, usize> = HashMap::with_capacity(all.len());
        let mut values = Vec::with_capacity(all.len());
        for (at, value) in all.into_iter().enumerate() {
            if let Some(first) = first.insert(key_of(&value), at) {
                let first = self.place(written.unit, elements[first].span);
                self.report
                    .warning(
                        self.place(written.unit, elements[at].span),
                        "an element is there twice",
                        "again",
                    )
                    .and(first, "first here");
            } else {
                values.push(value);
            }
        }
        Some(Built::of_parts(Value::Set(values), &[sum]))
    }

    fn map(
        &mut self,
        written: Written<'a>,
        entries: &'a [(ConstValue, ConstValue)],
        key: Type,
        value: Type,
    ) -> Option<Built> {
        let mut sum = Sum::default();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::with_capacity(entries.len());
        let mut values: Vec<(Value, Value)> = Vec::with_capacity(entries.len());
        let mut is_whole = true;
        for (key_ast, value_ast) in entries {
            let key = self.value(written.inner(key_ast), key);
            let value = self.value(written.inner(value_ast), value);
            let (Some(key), Some(value)) = (key, value) else {
                is_whole = false;
                continue;
            };
            let (key, value) = (sum.add(key), sum.add(value));
            let at = *known.entry(key_of(&key)).or_insert(values.len());
            if at < values.len() {
                let place = self.place(written.unit, key_ast.span);
                self.report
                    .warning(place, "a key is there twice", "the last one counts");
                values[at].1 = value;
            } else {
                values.push((key, value));
            }
        }
        is_whole.then(|| Built::of_parts(Value::Map(values), &[sum]))
    }
}

const fn kind_name(kind: &ConstKind) -> &'static str {
    match kind {
        ConstKind::Integer(_) => "an integer",
        ConstKind::Double(_) => "a number with a fraction",
        ConstKind::String(_) => "a string",
        ConstKind::Name(_) => "a name",
        ConstKind::List(_) => "a list",
        ConstKind::Map(_) => "a map",
    }
}
