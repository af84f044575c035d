//! Fields: of structs, of arguments, and of what is thrown.

use std::collections::{HashMap, hash_map::Entry};

use super::{
    Place,
    meaning::{Model, annotations},
    typing::State,
    values::Built,
};
use crate::{
    Type,
    idl::ast::{self, Requiredness, StructKind},
    rules::Rules,
    schema::{Annotations, BuildError, NewField, StructId, is_set, json_name},
};

/// What the fields are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Data(StructKind),
    Arguments,
    Throws,
}

pub(super) struct FieldDraft<'a> {
    pub ast: &'a ast::Field,
    pub id: i16,
    pub ty: Option<Type>,
    pub requiredness: Requiredness,
    pub default: State<Built>,
}

impl<'a> Model<'a> {
    /// Types and ids of all fields of all structs. Their defaults come later, as they may need any of these.
    pub(super) fn read_structs(&mut self) {
        for at in 0..self.structs.len() {
            let (unit, ast) = (self.structs[at].unit, self.structs[at].ast);
            let (fields, by_name) = self.read_fields(unit, &ast.fields, Owner::Data(ast.kind));
            let is_needed = |field: &FieldDraft<'_>| {
                field.ast.default.is_some() || field.requiredness == Requiredness::Required
            };
            let needed = (0..fields.len()).filter(|field| is_needed(&fields[*field]));
            self.structs[at].needed = needed.collect();
            self.structs[at].fields = fields;
            self.structs[at].by_name = by_name;
        }
    }

    /// Fields as they are written, and their places in the list by name.
    pub(super) fn read_fields(
        &mut self,
        unit: usize,
        written: &'a [ast::Field],
        owner: Owner,
    ) -> (Vec<FieldDraft<'a>>, HashMap<&'a str, usize>) {
        let ids = self.ids(unit, written);
        let mut by_name: HashMap<&str, usize> = HashMap::with_capacity(written.len());
        let mut by_id: HashMap<i16, &ast::Field> = HashMap::with_capacity(written.len());
        let mut fields = Vec::with_capacity(written.len());
        for (ast, id) in written.iter().zip(ids) {
            match by_name.entry(&ast.name.text) {
                Entry::Occupied(first) => {
                    let first = self.place(unit, written[*first.get()].name.span);
                    let message = format!("the name `{}` is used twice", ast.name.text);
                    self.report
                        .error(self.place(unit, ast.name.span), message, "again")
                        .and(first, "first used here");
                }
                Entry::Vacant(free) => {
                    free.insert(fields.len());
                }
            }
            if let Some(id) = id {
                match by_id.entry(id) {
                    Entry::Occupied(first) => {
                        let first = self.place(unit, id_span(first.get()));
                        let message = format!("the id {id} is used twice");
                        self.report
                            .error(self.place(unit, id_span(ast)), message, "again")
                            .and(first, "first used here");
                    }
                    Entry::Vacant(free) => {
                        free.insert(ast);
                    }
                }
            }
            let ty = if owner == Owner::Throws {
                self.thrown_type(unit, &ast.ty)
            } else {
                self.data_type(unit, &ast.ty)
            };
            fields.push(FieldDraft {
                ast,
                id: id.unwrap_or(0),
                ty,
                requiredness: self.requiredness(unit, ast, owner),
                default: State::Pending,
            });
        }
        self.check_json_names(unit, written);
        self.check_defaults_of_union(unit, written, owner);
        (fields, by_name)
    }

    /// The ids of fields. Who has none gets the next one of −1, −2, …, as generated code has it, and so does who has one
    /// that is not positive, unlike one would think.
    fn ids(&mut self, unit: usize, written: &[ast::Field]) -> Vec<Option<i16>> {
        let mut next: i64 = -1;
        let mut without: Vec<&ast::Field> = Vec::new();
        let mut ids = Vec::with_capacity(written.len());
        for field in written {
            let id = match field.id {
                Some(id) if id.value > 0 => id.value,
                other => {
                    let id = next;
                    next -= 1;
                    match other {
                        Some(written) => self.not_positive(unit, written, id),
                        None => without.push(field),
                    }
                    id
                }
            };
            let fits = i16::try_from(id).ok();
            if fits.is_none() {
                let place = self.place(unit, id_span(field));
                self.report
                    .error(place, format!("the id {id} is out of the range of i16"), "")
                    .help("ids are from 1 to 32767");
            }
            ids.push(fits);
        }
        if let [first, more @ ..] = &*without {
            let message = if more.is_empty() {
                format!("`{}` has no id", first.name.text)
            } else {
                format!("`{}` and {} more have no id", first.name.text, more.len())
            };
            self.report
                .warning(
                    self.place(unit, first.name.span),
                    message,
                    "it gets a negative one that depends on the fields before it",
                )
                .help("write an id in front: `1: `");
        }
        ids
    }

    fn not_positive(&mut self, unit: usize, written: ast::Integer, id: i64) {
        let message = format!("an id must be positive, and {} is not", written.value);
        let place = self.place(unit, written.span);
        let label = format!("{id} is used in its place, as the official compiler does");
        self.report.warning(place, message, label);
    }

    fn requiredness(&mut self, unit: usize, field: &ast::Field, owner: Owner) -> Requiredness {
        let (message, instead) = match (owner, field.requiredness) {
            (Owner::Data(StructKind::Union), Requiredness::Required) => (
                "fields of a union cannot be `required`",
                Requiredness::Optional,
            ),
            (Owner::Data(StructKind::Union), _) => return Requiredness::Optional,
            (Owner::Arguments, Requiredness::Optional) => {
                ("arguments cannot be `optional`", Requiredness::Default)
            }
            (Owner::Throws, Requiredness::Required) => {
                ("exceptions cannot be `required`", Requiredness::Default)
            }
            (Owner::Throws, Requiredness::Optional) => return Requiredness::Default,
            (_, written) => return written,
        };
        let place = self.place(unit, field.name.span);
        self.report.warning(place, message, "it is ignored");
        instead
    }

    fn thrown_type(&mut self, unit: usize, written: &'a ast::TypeRef) -> Option<Type> {
        let ty = self.any_type(unit, written)?;
        if !self.is_exception(ty) {
            let name = self.builder.schema().type_name(ty);
            let place = self.place(unit, written.span);
            self.report
                .error(place, format!("`{name}` is not an exception"), "")
                .help("only what is defined by `exception` can be thrown");
            return None;
        }
        self.check_order_of_type(unit, written);
        Some(ty)
    }

    /// `api.key` may give two fields one name.
    fn check_json_names(&mut self, unit: usize, written: &[ast::Field]) {
        if written.iter().all(|field| field.annotations.is_empty()) {
            return;
        }
        let mut names: HashMap<String, &ast::Field> = HashMap::new();
        for field in written {
            let annotations = annotations(&field.annotations);
            if is_set(&annotations, "api.none") {
                continue;
            }
            let name = json_name(&field.name.text, &annotations).to_owned();
            match names.entry(name) {
                // Fields of the same name are reported as such.
                Entry::Occupied(first) if first.get().name.text != field.name.text => {
                    let message = format!("the name `{}` is used twice in JSON", first.key());
                    let first = self.place(unit, first.get().span);
                    self.report
                        .error(self.place(unit, field.span), message, "again")
                        .and(first, "first used here");
                }
                Entry::Occupied(_) => {}
                Entry::Vacant(free) => {
                    free.insert(field);
                }
            }
        }
    }

    fn check_defaults_of_union(&mut self, unit: usize, written: &[ast::Field], owner: Owner) {
        if owner != Owner::Data(StructKind::Union) {
            return;
        }
        let mut with_default = written.iter().filter_map(|field| field.default.as_ref());
        let Some(first) = with_default.next() else {
            return;
        };
        let first = self.place(unit, first.span);
        for other in with_default {
            self.report
                .error(
                    self.place(unit, other.span),
                    "only one field of a union can have a default",
                    "another default",
                )
                .and(first, "the first");
        }
    }

    /// Gives all structs their fields, with their defaults.
    pub(super) fn define_structs(&mut self) {
        for at in 0..self.structs.len() {
            for index in 0..self.structs[at].fields.len() {
                self.default_of(at, index);
            }
        }
        for at in 0..self.structs.len() {
            let (unit, name) = (self.structs[at].unit, &self.structs[at].ast.name);
            let drafts = std::mem::take(&mut self.structs[at].fields);
            let (fields, parts) = self.finish_fields(unit, &drafts);
            // Defaults of arguments may need them.
            self.structs[at].fields = drafts;
            self.places.structs.push(self.placed(unit, name, parts));
            let place = self.place(unit, name.span);
            let defined = self.builder.define_struct(StructId(at as u32), fields);
            self.check_built(defined, place);
        }
    }

    /// Fields as the schema's builder wants them, and where they are, by id.
    pub(super) fn finish_fields(
        &mut self,
        unit: usize,
        drafts: &[FieldDraft<'a>],
    ) -> (Vec<NewField>, Vec<Place>) {
        let types: HashMap<&str, Type> = drafts
            .iter()
            .filter_map(|draft| Some((&*draft.ast.name.text, draft.ty?)))
            .collect();
        let mut fields: Vec<(NewField, Place)> = drafts
            .iter()
            .filter_map(|draft| {
                let place = self.place(unit, draft.ast.span);
                let annotations = annotations(&draft.ast.annotations);
                let ty = draft.ty?;
                let rules = self.rules(unit, draft.ast, (ty, &types), &annotations);
                let default = match &draft.default {
                    State::Done(built) => built.as_ref().map(|built| built.value.clone()),
                    State::Pending | State::Busy => None,
                };
                let field = NewField {
                    id: draft.id,
                    name: draft.ast.name.text.clone(),
                    ty,
                    requiredness: draft.requiredness,
                    default,
                    rules,
                    doc: draft.ast.doc.clone(),
                    annotations,
                };
                Some((field, place))
            })
            .collect();
        fields.sort_by_key(|(field, _)| field.id);
        fields.into_iter().unzip()
    }

    /// The rules of a field, from its annotations.
    fn rules(
        &mut self,
        unit: usize,
        field: &ast::Field,
        (ty, types): (Type, &HashMap<&str, Type>),
        annotations: &Annotations,
    ) -> Option<Rules> {
        if annotations.is_empty() {
            return None;
        }
        let parsed = Rules::parse_among(annotations, ty, self.builder.schema(), &|name| {
            types.get(name).copied()
        });
        for error in parsed.errors {
            let written = &field.annotations;
            let written = written.iter().find(|it| it.key.text == error.annotation);
            let span = written.map_or(field.span, |it| it.key.span);
            let place = self.place(unit, span);
            if error.is_unsupported {
                self.report.warning(place, error.to_string(), "");
            } else {
                self.report.error(place, error.to_string(), "");
            }
        }
        parsed.rules
    }

    /// Everything that the builder refuses was refused before; if not, the contract is refused all the same.
    pub(super) fn check_built<T>(
        &mut self,
        built: Result<T, BuildError>,
        place: Place,
    ) -> Option<T> {
        match built {
            Ok(built) => Some(built),
            Err(error) => {
                if !self.report.has_errors() {
                    self.report.error(place, error.to_string(), "");
                }
                None
            }
        }
    }
}

/// Where a field's id is, or its name if it has none.
fn id_span(field: &ast::Field) -> crate::idl::Span {
    field.id.map_or(field.name.span, |id| id.span)
}
