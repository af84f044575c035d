//! Constants and defaults: what is written, as a value of the type that it is for.

use std::collections::{BTreeMap, HashMap};

use super::{
    Place,
    convert::{convert, key_of, parse_uuid},
    meaning::Model,
    names::{Found, Item},
    near::nearest,
    typing::State,
};
use crate::{
    Type, Value,
    idl::ast::{ConstKind, ConstValue, Requiredness, StructKind},
    schema::{EnumId, StructId},
};

/// What all constants and defaults of a contract may cost: a list of names of lists of names … grows without bound
/// otherwise.
pub(super) const COST_MAX: usize = 1 << 20;
/// Values within each other, by way of other constants too.
const DEPTH_MAX: usize = 64;
/// Bytes of a string that cost as much as a value.
const BYTES_PER_COST: usize = 32;

/// A value, and what another one like it would cost.
#[derive(Debug, Clone)]
pub(super) struct Built {
    pub value: Value,
    cost: usize,
    depth: usize,
}

impl Built {
    fn plain(value: Value) -> Self {
        let bytes = match &value {
            Value::String(text) => text.len(),
            Value::Binary(bytes) => bytes.len(),
            _ => 0,
        };
        Self {
            value,
            cost: 1 + bytes / BYTES_PER_COST,
            depth: 1,
        }
    }

    /// What is made of parts.
    fn of_parts<'b>(value: Value, parts: impl IntoIterator<Item = &'b Sum>) -> Self {
        let mut all = Sum::default();
        for part in parts {
            all.cost += part.cost;
            all.depth = all.depth.max(part.depth);
        }
        Self {
            value,
            cost: all.cost + 1,
            depth: all.depth + 1,
        }
    }
}

/// Cost and depth of parts.
#[derive(Default)]
struct Sum {
    cost: usize,
    depth: usize,
}

impl Sum {
    fn add(&mut self, part: Built) -> Value {
        self.cost += part.cost;
        self.depth = self.depth.max(part.depth);
        part.value
    }
}

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

    /// Takes the cost of a value from what is left. The error comes once.
    fn spend(&mut self, built: Built, depth: usize, place: Place) -> Option<Built> {
        if depth + built.depth > DEPTH_MAX {
            self.too_deep(place);
            return None;
        }
        if let Some(left) = self.budget.checked_sub(built.cost) {
            self.budget = left;
            return Some(built);
        }
        if self.budget > 0 {
            self.budget = 0;
            self.report
                .error(place, "the constants of this contract are too large", "")
                .help("constants that are used by others count again each time");
        }
        None
    }

    fn too_deep(&mut self, place: Place) {
        let message = format!("more than {DEPTH_MAX} values are within each other");
        self.report.error(place, message, "");
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

    fn structure(
        &mut self,
        written: Written<'a>,
        id: StructId,
        entries: &'a [(ConstValue, ConstValue)],
    ) -> Option<Built> {
        let at = id.0 as usize;
        let is_union = self.structs[at].ast.kind == StructKind::Union;
        let mut fields: BTreeMap<usize, Option<Built>> = BTreeMap::new();
        let mut is_whole = true;
        for (name, ast) in entries {
            let Some(field) = self.field_named(at, written.unit, name) else {
                is_whole = false;
                continue;
            };
            let ty = self.structs[at].fields[field].ty;
            let value = ty.and_then(|ty| self.value(written.inner(ast), ty));
            is_whole &= value.is_some();
            let place = self.place(written.unit, name.span);
            if fields.insert(field, value).is_some() {
                self.report
                    .warning(place, "a field is there twice", "the last one counts");
            } else if is_union && fields.len() > 1 {
                self.report
                    .error(place, "a union has one field", "another field");
                is_whole = false;
            }
        }
        if !is_whole {
            return None;
        }
        if !is_union || fields.is_empty() {
            self.add_defaults(at, written, &mut fields);
        }
        let mut sum = Sum::default();
        let drafts = &self.structs[at].fields;
        let mut values: Vec<(i16, Value)> = fields
            .into_iter()
            .filter_map(|(field, built)| Some((drafts[field].id, sum.add(built?))))
            .collect();
        values.sort_by_key(|(id, _)| *id);
        Some(Built::of_parts(Value::Struct(values), &[sum]))
    }

    /// What generated code would set when it makes the struct.
    fn add_defaults(
        &mut self,
        at: usize,
        written: Written<'a>,
        fields: &mut BTreeMap<usize, Option<Built>>,
    ) {
        for field in 0..self.structs[at].fields.len() {
            if fields.contains_key(&field) {
                continue;
            }
            let draft = &self.structs[at].fields[field];
            if draft.ast.default.is_some() {
                let default = self.default_within(at, field, written.depth + 1);
                fields.insert(field, default);
            } else if draft.requiredness == Requiredness::Required {
                let name = &draft.ast.name;
                let message = format!("the required field `{}` is missing", name.text);
                let field = self.place(self.structs[at].unit, name.span);
                self.report
                    .warning(self.place(written.unit, written.ast.span), message, "")
                    .and(field, "required here");
            }
        }
    }

    fn field_named(&mut self, at: usize, unit: usize, name: &'a ConstValue) -> Option<usize> {
        let place = self.place(unit, name.span);
        let ConstKind::String(text) = &name.kind else {
            self.report.error(
                place,
                format!("expected a field's name, found {}", kind_name(&name.kind)),
                "fields are named in quotes",
            );
            return None;
        };
        let draft = &self.structs[at];
        let field = draft.by_name.get(&**text).copied();
        if field.is_none() {
            let names = draft.fields.iter().map(|field| &*field.ast.name.text);
            let help = nearest(text, names).map(|near| format!("did you mean `{near}`?"));
            let message = format!("`{}` has no field `{text}`", draft.ast.name.text);
            self.report.error(place, message, "").maybe_help(help);
        }
        field
    }

    /// A value that is given by a name: a constant, or a value of an enumeration.
    fn named(&mut self, written: Written<'a>, name: &'a str, ty: Type) -> Option<Built> {
        let place = self.place(written.unit, written.ast.span);
        if let Type::Enum(id) = ty
            && let Some(number) = self.own_enum_value(written.unit, name, id, place)
        {
            let built = Built::plain(Value::I32(number));
            return self.spend(built, written.depth, place);
        }
        match self.names.find_constant(written.unit, name) {
            Found::One(named) => {
                self.check_order(name, place, named);
                let built = self.constant(named.item, place, written.depth + 1)?;
                let from = self.constants[named.item].ty?;
                if matches!(
                    ty,
                    Type::Enum(_) | Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_)
                ) {
                    let name = self.builder.schema().type_name(ty);
                    self.report
                        .warning(place, format!("a {name} is given by a constant's name"), "")
                        .help("the official compiler wants the value itself here");
                }
                self.converted(built, from, ty, place)
            }
            Found::Two(one, other) => {
                self.ambiguous(name, place, one.place, other.place);
                None
            }
            Found::Missing(missing) => {
                self.names.need(written.unit, missing, place);
                None
            }
            Found::None => {
                let (id, number) = self.enum_value_named(written.unit, name, place)?;
                let built = Built::plain(Value::I32(number));
                let built = self.spend(built, written.depth, place)?;
                self.converted(built, Type::Enum(id), ty, place)
            }
        }
    }

    fn converted(&mut self, built: Built, from: Type, to: Type, place: Place) -> Option<Built> {
        let schema = self.builder.schema();
        match convert(schema, &built.value, from, to) {
            Some(value) => Some(Built { value, ..built }),
            None => {
                let found = format!("a value of {}", schema.type_name(from));
                self.mismatch(to, &found, place)
            }
        }
    }

    /// A value of the enumeration that is expected. As with the official compiler only the last part of the name counts.
    fn own_enum_value(&mut self, unit: usize, name: &str, id: EnumId, place: Place) -> Option<i32> {
        let (qualifier, value) = match name.rsplit_once('.') {
            Some((qualifier, value)) => (Some(qualifier), value),
            None => (None, name),
        };
        let enumeration = self.builder.schema().enumeration(id);
        let number = enumeration.number_of(value.as_bytes())?;
        let is_meant = qualifier.is_some_and(|it| self.enum_named(unit, it) == Some(id));
        if !is_meant {
            let better = format!("write `{}.{value}`", enumeration.name);
            let message = match qualifier {
                Some(qualifier) => format!("`{qualifier}` is not `{}`", enumeration.name),
                None => format!("`{value}` has no enumeration in front"),
            };
            self.report
                .warning(place, message, "the value is found nevertheless")
                .help(better);
        }
        Some(number)
    }

    /// An enumeration by its name, or by that of a typedef.
    fn enum_named(&self, unit: usize, name: &str) -> Option<EnumId> {
        let Found::One(named) = self.names.find_type(unit, name) else {
            return None;
        };
        match named.item {
            Item::Enum(id) => Some(id),
            Item::Typedef(at) => match self.typedefs[at].state {
                State::Done(Some((Type::Enum(id), _))) => Some(id),
                _ => None,
            },
            Item::Struct(_) | Item::Service(_) => None,
        }
    }

    /// `Enum.VALUE` or `file.Enum.VALUE`; it is an error if it is neither.
    fn enum_value_named(&mut self, unit: usize, name: &str, place: Place) -> Option<(EnumId, i32)> {
        if let Some((qualifier, value)) = name.rsplit_once('.') {
            if let Some(id) = self.enum_named(unit, qualifier) {
                let enumeration = self.builder.schema().enumeration(id);
                if let Some(number) = enumeration.number_of(value.as_bytes()) {
                    return Some((id, number));
                }
                let names = enumeration.values.iter().map(|value| &*value.name);
                let near = nearest(value, names);
                let help = near.map(|near| format!("did you mean `{qualifier}.{near}`?"));
                let message = format!("`{qualifier}` has no value `{value}`");
                self.report.error(place, message, "").maybe_help(help);
                return None;
            }
            if let Found::Missing(missing) = self.names.find_type(unit, qualifier) {
                self.names.need(unit, missing, place);
                return None;
            }
        }
        let help = (!self.report.is_full())
            .then(|| self.names.help_for_constant(unit, name))
            .flatten();
        self.report
            .error(place, format!("there is no constant `{name}`"), "")
            .maybe_help(help);
        None
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
