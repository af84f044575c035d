//! Comparing fields, arguments and results.

use std::collections::{HashMap, HashSet};

use super::{
    Kind, Severity,
    compare::{Comparison, side},
    reach::Ways,
    types::Sameness,
};
use crate::{
    Value,
    model::{Contract, Place, Placed},
    schema::{Field, Requiredness, Struct, StructId},
};

/// Bytes of a value that are shown.
const TEXT_MAX: usize = 120;

/// What the fields are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    /// A struct, union or exception, which goes so.
    Data(Ways),
    Arguments,
    Result,
}

impl Context {
    pub(super) const fn ways(self) -> Ways {
        match self {
            Self::Data(ways) => ways,
            Self::Arguments => Ways::SENT,
            Self::Result => Ways::RETURNED,
        }
    }
}

/// A field and where it is.
type At<'c> = (&'c Field, Place);

impl<'c> Comparison<'c> {
    /// Compares fields. Those of one name belong together, and of the others those of one id.
    pub(super) fn structure(
        &mut self,
        path: &str,
        context: Context,
        old_id: StructId,
        new_id: StructId,
    ) {
        let before = self.old.schema.structure(old_id);
        let after = self.new.schema.structure(new_id);
        let old_fields = fields(before, self.old.places.structure(old_id));
        let new_fields = fields(after, self.new.places.structure(new_id));
        let by_name: HashMap<_, At<'c>> = new_fields
            .iter()
            .map(|field| (name(field.0), *field))
            .collect();
        let old_names: HashSet<_> = old_fields.iter().map(|(field, _)| name(field)).collect();
        let by_id: HashMap<i16, At<'c>> = new_fields
            .iter()
            .filter(|(field, _)| !old_names.contains(&name(field)))
            .map(|field| (field.0.id, *field))
            .collect();
        let mut matched = HashSet::new();
        for old in old_fields {
            let same_name = by_name.get(&name(old.0));
            if let Some(new) = same_name.or_else(|| by_id.get(&old.0.id)) {
                matched.insert(new.0.id);
                self.field(path, context, old, *new);
            } else {
                self.removed(path, context, old);
            }
        }
        for new in new_fields {
            if !matched.contains(&new.0.id) {
                self.added(path, context, new);
            }
        }
    }

    fn removed(&mut self, path: &str, context: Context, (field, place): At<'c>) {
        let was = side(field_text(self.old, field), place);
        let path_of_field = field_path(path, context, field);
        let (kind, severity) = match context {
            Context::Data(_) => (Kind::FieldRemoved, Severity::Major),
            Context::Arguments => (Kind::ArgumentRemoved, Severity::Major),
            Context::Result if field.id == 0 => {
                self.add(Kind::ReturnChanged, Severity::Major, path, was, None);
                return;
            }
            Context::Result => (Kind::ExceptionRemoved, Severity::Minor),
        };
        self.add(kind, severity, path_of_field, was, None);
    }

    fn added(&mut self, path: &str, context: Context, (field, place): At<'c>) {
        let is = side(field_text(self.new, field), place);
        let path_of_field = field_path(path, context, field);
        // A default stands in for what is not sent.
        let is_required = field.requiredness == Requiredness::Required;
        let (kind, severity) = match context {
            Context::Data(ways) if is_required && ways.sent => {
                (Kind::RequiredFieldAdded, Severity::Major)
            }
            Context::Data(_) => (Kind::FieldAdded, Severity::Minor),
            Context::Arguments if is_required => (Kind::RequiredArgumentAdded, Severity::Major),
            Context::Arguments => (Kind::ArgumentAdded, Severity::Minor),
            Context::Result if field.id == 0 => {
                self.add(Kind::ReturnChanged, Severity::Major, path, None, is);
                return;
            }
            Context::Result => (Kind::ExceptionAdded, Severity::Major),
        };
        self.add(kind, severity, path_of_field, None, is);
    }

    fn field(&mut self, path: &str, context: Context, old: At<'c>, new: At<'c>) {
        let ((before, old_place), (after, new_place)) = (old, new);
        let was = side(field_text(self.old, before), old_place);
        let is = side(field_text(self.new, after), new_place);
        let path = if context == Context::Result && after.id == 0 {
            path.to_owned()
        } else {
            field_path(path, context, after)
        };
        let mut found = Vec::new();
        if before.id != after.id {
            found.push((Kind::FieldRenumbered, Severity::Major));
        }
        // Names of results are on no wire.
        if context == Context::Result {
            if before.name != after.name {
                found.push((Kind::FieldRenamedInCode, Severity::Minor));
            }
        } else if before.json_name != after.json_name {
            found.push(if before.name == after.name {
                (Kind::JsonNameChanged, Severity::Major)
            } else {
                (Kind::FieldRenamed, Severity::Major)
            });
        } else if before.name != after.name {
            found.push((Kind::FieldRenamedInCode, Severity::Minor));
        }
        let is_return = context == Context::Result && after.id == 0;
        match self.sameness(before.ty, after.ty) {
            Sameness::Same => found.extend(default(before, after)),
            Sameness::SameOnWire if is_return => {
                found.push((Kind::ReturnChangedInJson, Severity::Major));
            }
            Sameness::SameOnWire => found.push((Kind::TypeChangedInJson, Severity::Major)),
            Sameness::Different if is_return => {
                found.push((Kind::ReturnChanged, Severity::Major));
            }
            Sameness::Different => found.push((Kind::TypeChanged, Severity::Major)),
        }
        found.extend(presence(before, after, context.ways()));
        for (kind, severity) in found {
            self.add(kind, severity, &*path, was.clone(), is.clone());
        }
        self.annotations_of_field(&path, context.ways(), old, new);
    }
}

/// How a change of whether a field must be there is judged.
fn presence(before: &Field, after: &Field, ways: Ways) -> Option<(Kind, Severity)> {
    let major_if = |is_major: bool| {
        if is_major {
            Severity::Major
        } else {
            Severity::Minor
        }
    };
    match (before.requiredness, after.requiredness) {
        (Requiredness::Required, Requiredness::Required) => None,
        // Old callers may not send it.
        (_, Requiredness::Required) => Some((Kind::MadeRequired, major_if(ways.sent))),
        // Old callers count on it.
        (Requiredness::Required, _) => Some((Kind::MadeOptional, major_if(ways.returned))),
        (before, after) => (before != after).then_some((Kind::PresenceChanged, Severity::Minor)),
    }
}

fn default(before: &Field, after: &Field) -> Option<(Kind, Severity)> {
    match (&before.default, &after.default) {
        (None, None) => None,
        (None, Some(_)) => Some((Kind::DefaultAdded, Severity::Minor)),
        (Some(_), None) => Some((Kind::DefaultRemoved, Severity::Major)),
        (Some(before), Some(after)) => {
            (before != after).then_some((Kind::DefaultChanged, Severity::Minor))
        }
    }
}

/// What a field is recognised by: an exception may be called `success` as well, but 0 is only what is returned.
fn name(field: &Field) -> (bool, &str) {
    (field.id == 0, &field.name)
}

fn fields<'c>(structure: &'c Struct, places: &'c Placed) -> Vec<At<'c>> {
    let places = places.parts.iter().copied();
    structure.fields.iter().zip(places).collect()
}

fn field_path(path: &str, context: Context, field: &Field) -> String {
    match context {
        Context::Data(_) | Context::Arguments => format!("{path}.{}", field.name),
        Context::Result => format!("{path}.throws.{}", field.name),
    }
}

/// A field as it is written in a contract.
pub(super) fn field_text(contract: &Contract, field: &Field) -> String {
    let requiredness = match field.requiredness {
        Requiredness::Required => "required ",
        Requiredness::Optional => "optional ",
        Requiredness::Default => "",
    };
    let mut text = format!(
        "{}: {requiredness}{} {}",
        field.id,
        contract.schema.type_name(field.ty),
        field.name
    );
    if let Some(default) = &field.default {
        text.push_str(" = ");
        text.push_str(&value_text(default));
    }
    text
}

/// A value as text, in short.
pub(super) fn value_text(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    if text.len() > TEXT_MAX {
        let end = (0..=TEXT_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

fn write_value(value: &Value, text: &mut String) {
    if text.len() > TEXT_MAX {
        return;
    }
    match value {
        Value::Bool(value) => text.push_str(&value.to_string()),
        Value::I8(value) => text.push_str(&value.to_string()),
        Value::I16(value) => text.push_str(&value.to_string()),
        Value::I32(value) => text.push_str(&value.to_string()),
        Value::I64(value) => text.push_str(&value.to_string()),
        Value::Double(value) => text.push_str(&value.to_string()),
        Value::String(value) => text.push_str(&format!("{value:?}")),
        Value::Binary(bytes) => text.push_str(&format!("{:?}", String::from_utf8_lossy(bytes))),
        Value::Uuid(bytes) => {
            for (at, byte) in bytes.iter().enumerate() {
                if matches!(at, 4 | 6 | 8 | 10) {
                    text.push('-');
                }
                text.push_str(&format!("{byte:02x}"));
            }
        }
        Value::Struct(fields) => write_list(text, ['{', '}'], fields, |(id, value), text| {
            text.push_str(&format!("{id}: "));
            write_value(value, text);
        }),
        Value::List(values) | Value::Set(values) => {
            write_list(text, ['[', ']'], values, write_value);
        }
        Value::Map(entries) => write_list(text, ['{', '}'], entries, |(key, value), text| {
            write_value(key, text);
            text.push_str(": ");
            write_value(value, text);
        }),
    }
}

fn write_list<T>(
    text: &mut String,
    [open, close]: [char; 2],
    all: &[T],
    write: impl Fn(&T, &mut String),
) {
    text.push(open);
    for (at, item) in all.iter().enumerate() {
        if text.len() > TEXT_MAX {
            break;
        }
        if at > 0 {
            text.push_str(", ");
        }
        write(item, text);
    }
    text.push(close);
}
