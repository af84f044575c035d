//! Other fields in rules: `$name`, `@len($name)`.

use super::{
    super::{
        Comparison, Relation,
        linked::{Link, LinkRelation, Reference},
    },
    Place, Trouble, comparison_of, not_for, relation_of, unquoted,
};
use crate::Type;

/// What a rule compares with, if that is no text.
pub(super) enum Operand {
    /// The size of a text that is written there.
    Number(String),
    Field(Reference),
}

/// `$name`, `@len($name)` or `@len(text)`; none for a plain text.
pub(super) fn operand(value: &str, place: Place<'_>) -> Option<Result<Operand, Trouble>> {
    if !is_dynamic(value) {
        return None;
    }
    let (inner, is_size) = match value.strip_prefix("@len(") {
        Some(rest) => match rest.strip_suffix(')') {
            Some(inner) => (inner.trim(), true),
            None => return Some(Err(Trouble::Wrong(format!("{value}: the ) is missing")))),
        },
        None if value.starts_with('$') => (value, false),
        None => {
            let reason = format!("{value}: @len is the only function; the rule is not checked");
            return Some(Err(Trouble::Unsupported(reason)));
        }
    };
    let Some(name) = inner.strip_prefix('$') else {
        let size = unquoted(inner).len();
        return Some(Ok(Operand::Number(size.to_string())));
    };
    if name.contains(['[', '.']) {
        let reason = format!("{value} refers to a part of a field; the rule is not checked");
        return Some(Err(Trouble::Unsupported(reason)));
    }
    Some(match (place.fields)(name) {
        Some(_) => Ok(Operand::Field(Reference {
            name: name.to_owned(),
            is_size,
        })),
        None => Err(Trouble::Wrong(format!(
            "there is no field {name:?} beside it; with _escape behind the rule, {value} is meant as it is written"
        ))),
    })
}

/// A rule about another field: both are of types that it can compare.
pub(super) fn link(name: &str, other: Reference, place: Place<'_>) -> Result<Link, Trouble> {
    let Place { ty, schema, .. } = place;
    let is_text = |ty| matches!(ty, Type::String | Type::Binary);
    let has_size = |ty| is_text(ty) || matches!(ty, Type::List(_) | Type::Set(_) | Type::Map(_));
    let is_integer = |ty| matches!(ty, Type::I8 | Type::I16 | Type::I32 | Type::I64);
    let is_number = |ty| is_integer(ty) || ty == Type::Double;
    let other_type = (place.fields)(&other.name).unwrap_or(ty);
    if other.is_size && !has_size(other_type) {
        let name = schema.type_name(other_type);
        return Err(Trouble::Wrong(format!("{other}: {name} has no size")));
    }
    let wanted = if other.is_size { Type::I64 } else { other_type };
    let comparison = comparison_of(name);
    let is_equality = matches!(comparison, Some(Comparison::Equal | Comparison::NotEqual));
    let relation = match (name, comparison) {
        ("min_size", _) if has_size(ty) => LinkRelation::Size(Comparison::AtLeast),
        ("max_size", _) if has_size(ty) => LinkRelation::Size(Comparison::AtMost),
        (_, Some(Comparison::Equal)) if is_text(ty) => LinkRelation::Text(Relation::Equal),
        (_, Some(Comparison::NotEqual)) if is_text(ty) => LinkRelation::Text(Relation::NotEqual),
        (_, Some(comparison)) if is_number(ty) => LinkRelation::Value(comparison),
        (_, Some(comparison)) if is_equality && matches!(ty, Type::Bool | Type::Enum(_)) => {
            LinkRelation::Value(comparison)
        }
        _ => match relation_of(name) {
            Some(relation) if is_text(ty) => LinkRelation::Text(relation),
            None if comparison.is_none() && !matches!(name, "min_size" | "max_size") => {
                return Err(Trouble::unknown(name));
            }
            _ => return Err(not_for(ty, schema)),
        },
    };
    let can_be_compared = match relation {
        LinkRelation::Size(_) => is_integer(wanted),
        LinkRelation::Text(_) => is_text(wanted),
        LinkRelation::Value(_) => {
            is_number(ty) && is_number(wanted) || ty == wanted && !is_text(ty)
        }
    };
    if can_be_compared {
        Ok(Link { relation, other })
    } else {
        let (own, wanted) = (schema.type_name(ty), schema.type_name(wanted));
        let reason = format!("{other} is of type {wanted}, with which {own} cannot be compared so");
        Err(Trouble::Wrong(reason))
    }
}

/// `$field`, or `@function(…)`.
pub(super) fn is_dynamic(value: &str) -> bool {
    let is_name = |text: &str| text.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_');
    value.strip_prefix(['$', '@']).is_some_and(is_name)
}
