//! Constants of structs, which are written as maps.

use std::collections::BTreeMap;

use super::{
    super::{meaning::Model, near::nearest},
    Built, Sum, Written, kind_name,
};
use crate::{
    Value,
    idl::ast::{ConstKind, ConstValue, Requiredness, StructKind},
    schema::StructId,
};

impl<'a> Model<'a> {
    pub(super) fn structure(
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
        for index in 0..self.structs[at].needed.len() {
            let field = self.structs[at].needed[index];
            if fields.contains_key(&field) {
                continue;
            }
            // Even what is missing takes time to look for.
            let place = self.place(written.unit, written.ast.span);
            if !self.pay(1, place) {
                return;
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
                    .warning(place, message, "")
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
            let names = || draft.fields.iter().map(|field| &*field.ast.name.text);
            let help = self.report.look(|| {
                let near = nearest(text, names());
                near.map(|near| format!("did you mean `{near}`?"))
            });
            let message = format!("`{}` has no field `{text}`", draft.ast.name.text);
            self.report.error(place, message, "").maybe_help(help);
        }
        field
    }
}
