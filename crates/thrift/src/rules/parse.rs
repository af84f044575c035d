//! Rules from annotations.

mod reference;

use super::{Check, Comparison, Pattern, Relation, Rules, numbers};
use crate::{
    Schema, Type,
    schema::{Annotations, EnumId},
};

use reference::{Operand, is_dynamic, link, operand};

/// A compiled pattern has so many bytes at most. Patterns come from contracts, which anyone may publish.
const PATTERN_MAX: usize = 1 << 20;

/// What annotations say about a field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// The rules, if there are some that are understood.
    pub rules: Option<Rules>,
    /// What is not understood.
    pub errors: Vec<RuleError>,
}

/// An annotation that is no rule for its field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{annotation}: {reason}")]
pub struct RuleError {
    /// The key of the annotation.
    pub annotation: String,
    /// What is wrong.
    pub reason: String,
    /// It may be a good rule for others; here it will not be checked. Worth a warning, while anything else is an error.
    pub is_unsupported: bool,
}

impl Rules {
    /// The rules of a field that is alone: none of them may speak of another field.
    #[must_use]
    pub fn parse(annotations: &Annotations, ty: Type, schema: &Schema) -> Parsed {
        Self::parse_among(annotations, ty, schema, &|_| None)
    }

    /// The rules of a field of a type. The enumerations of the schema have to be there already. `fields` knows the types
    /// of the fields of the struct, this one included, by their names.
    #[must_use]
    pub fn parse_among(
        annotations: &Annotations,
        ty: Type,
        schema: &Schema,
        fields: &dyn Fn(&str) -> Option<Type>,
    ) -> Parsed {
        let field = Place {
            ty,
            schema,
            fields,
            is_part: false,
        };
        let mut rules = Self::default();
        let mut errors = Vec::new();
        for (key, values) in annotations {
            let path = key.strip_prefix("vt.");
            let Some(path) = path.or_else(|| key.strip_prefix("validate.")) else {
                continue;
            };
            if let Err(trouble) = rules.add(path, values, field) {
                let (reason, is_unsupported) = match trouble {
                    Trouble::Wrong(reason) => (reason, false),
                    Trouble::Unsupported(reason) => (reason, true),
                };
                errors.push(RuleError {
                    annotation: key.clone(),
                    reason,
                    is_unsupported,
                });
            }
        }
        let is_empty = rules == Self::default();
        Parsed {
            rules: (!is_empty).then_some(rules),
            errors,
        }
    }

    /// Adds a rule, which may be for what is in a container: `elem.min_size`.
    fn add(&mut self, path: &str, values: &[String], place: Place<'_>) -> Result<(), Trouble> {
        let Place { ty, schema, .. } = place;
        if let Some((part, rest)) = path.split_once('.') {
            let (rules, ty) = match (part, ty) {
                ("elem", Type::List(id) | Type::Set(id)) => (&mut self.element, schema.element(id)),
                ("key", Type::Map(id)) => (&mut self.key, schema.map(id).0),
                ("value", Type::Map(id)) => (&mut self.value, schema.map(id).1),
                ("elem" | "key" | "value", _) => {
                    return Err(Trouble::Wrong(format!(
                        "{} has no \"{part}\"",
                        schema.type_name(ty)
                    )));
                }
                _ => return Err(Trouble::unknown(path)),
            };
            let place = Place {
                ty,
                is_part: true,
                ..place
            };
            return rules.get_or_insert_default().add(rest, values, place);
        }
        let (name, is_literal) = match path.strip_suffix("_escape") {
            Some(name) => (name, true),
            None => (path, false),
        };
        let dynamic = |value: &&String| !is_literal && is_dynamic(value);
        if let Some(value) = values.iter().find(dynamic)
            && (place.is_part || !may_be_dynamic(name))
        {
            return Err(Trouble::Unsupported(format!(
                "{value} refers to another field, which this rule cannot; it is not checked"
            )));
        }
        match name {
            "not_nil" => self.is_needed = flag(last(values)?)?,
            "skip" => self.is_skipped = flag(last(values)?)?,
            // On the wire no value of a map is missing.
            "no_sparse" => {}
            "in" | "not_in" => {
                let items = items(values, is_literal);
                let dynamic = |item: &&str| !is_literal && is_dynamic(item);
                let (others, fixed): (Vec<&str>, Vec<&str>) = items.into_iter().partition(dynamic);
                self.among(name == "in", &others, &fixed, place)?;
            }
            _ => {
                for value in values {
                    match operand(value, place).filter(|_| !is_literal) {
                        None => self.checks.extend(check(name, value, ty, schema)?),
                        Some(operand) => self.compare_with(name, operand?, place)?,
                    }
                }
            }
        }
        Ok(())
    }
}

impl Rules {
    /// It is among values, or not. Other fields than itself are all that it must not be, or the only one that it must be.
    fn among(
        &mut self,
        wanted: bool,
        others: &[&str],
        fixed: &[&str],
        place: Place<'_>,
    ) -> Result<(), Trouble> {
        if let Some(value) = others.first()
            && (place.is_part || wanted && (others.len() > 1 || !fixed.is_empty()))
        {
            return Err(Trouble::Unsupported(format!(
                "{value} refers to another field, which can only stand alone here; the rule is not checked"
            )));
        }
        let name = if wanted { "eq" } else { "ne" };
        for value in others {
            match operand(value, place) {
                Some(operand) => self.compare_with(name, operand?, place)?,
                None => return Err(Trouble::unknown(name)),
            }
        }
        if others.is_empty() || !fixed.is_empty() {
            self.checks
                .push(among(wanted, fixed, place.ty, place.schema)?);
        }
        Ok(())
    }

    fn compare_with(
        &mut self,
        name: &str,
        operand: Operand,
        place: Place<'_>,
    ) -> Result<(), Trouble> {
        match operand {
            Operand::Number(number) => {
                self.checks
                    .extend(check(name, &number, place.ty, place.schema)?);
            }
            Operand::Field(other) => self.links.push(link(name, other, place)?),
        }
        Ok(())
    }
}

enum Trouble {
    Wrong(String),
    Unsupported(String),
}

impl Trouble {
    fn unknown(name: &str) -> Self {
        Self::Unsupported(format!("there is no rule \"{name}\"; it is not checked"))
    }
}

/// Where rules are written.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// The type of the field, or of what is in it.
    ty: Type,
    schema: &'a Schema,
    /// The types of the struct's fields.
    fields: &'a dyn Fn(&str) -> Option<Type>,
    /// They are for what is in the field.
    is_part: bool,
}

/// Rules that may speak of another field. Those of many values look at each.
fn may_be_dynamic(name: &str) -> bool {
    !matches!(
        name,
        "not_nil" | "skip" | "no_sparse" | "pattern" | "defined_only"
    )
}

fn last(values: &[String]) -> Result<&str, Trouble> {
    values
        .last()
        .map(String::as_str)
        .ok_or_else(|| Trouble::Wrong("it has no value".to_owned()))
}

fn flag(text: &str) -> Result<bool, Trouble> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(Trouble::Wrong(format!(
            "{text:?} is neither true nor false"
        ))),
    }
}

/// `"[1, 2]"`, or the annotation several times, or both.
fn items(values: &[String], is_literal: bool) -> Vec<&str> {
    let mut items = Vec::new();
    for value in values {
        let inside = value
            .strip_prefix('[')
            .and_then(|value| value.strip_suffix(']'));
        match inside {
            Some(inside) if !is_literal => items.extend(
                inside
                    .split(',')
                    .map(|item| unquoted(item.trim()))
                    .filter(|item| !item.is_empty()),
            ),
            _ => items.push(value),
        }
    }
    items
}

fn unquoted(item: &str) -> &str {
    for quote in ['"', '\''] {
        let inside = item.strip_prefix(quote);
        if let Some(inside) = inside.and_then(|item| item.strip_suffix(quote)) {
            return inside;
        }
    }
    item
}

fn among(wanted: bool, items: &[&str], ty: Type, schema: &Schema) -> Result<Check, Trouble> {
    if items.is_empty() {
        return Err(Trouble::Wrong("it names no values".to_owned()));
    }
    match ty {
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            let values: Result<_, Trouble> = items.iter().map(|item| integer(item)).collect();
            Ok(Check::Integers(wanted, values?))
        }
        Type::Enum(id) => {
            let values = items.iter().map(|item| enum_value(item, id, schema));
            let values: Result<_, Trouble> = values.collect();
            Ok(Check::Names(wanted, values?))
        }
        Type::Double => {
            let values: Result<_, Trouble> = items.iter().map(|item| double(item)).collect();
            Ok(Check::Doubles(wanted, values?))
        }
        Type::String | Type::Binary => {
            let values = items.iter().map(|item| item.as_bytes().to_vec());
            Ok(Check::Texts(wanted, values.collect()))
        }
        _ => Err(not_for(ty, schema)),
    }
}

fn comparison_of(name: &str) -> Option<Comparison> {
    Some(match name {
        "const" | "eq" => Comparison::Equal,
        "ne" => Comparison::NotEqual,
        "lt" => Comparison::Less,
        "le" => Comparison::AtMost,
        "gt" => Comparison::Greater,
        "ge" => Comparison::AtLeast,
        _ => return None,
    })
}

fn relation_of(name: &str) -> Option<Relation> {
    Some(match name {
        "prefix" => Relation::Begins,
        "suffix" => Relation::Ends,
        "contains" => Relation::Contains,
        "not_contains" => Relation::ContainsNot,
        _ => return None,
    })
}

/// The check of a rule with one value; none if it asks for nothing.
fn check(name: &str, text: &str, ty: Type, schema: &Schema) -> Result<Option<Check>, Trouble> {
    if let Some(comparison) = comparison_of(name) {
        return compare(comparison, text, ty, schema).map(Some);
    }
    let is_text = matches!(ty, Type::String | Type::Binary);
    let has_size = is_text || matches!(ty, Type::List(_) | Type::Set(_) | Type::Map(_));
    match (name, relation_of(name)) {
        (_, Some(relation)) if is_text => Ok(Some(Check::Text(relation, text.into()))),
        ("pattern", _) if is_text => pattern(text).map(Some),
        ("min_size", _) if has_size => size(text).map(Check::SizeMin).map(Some),
        ("max_size", _) if has_size => size(text).map(Check::SizeMax).map(Some),
        ("defined_only", _) if let Type::Enum(id) = ty => Ok(flag(text)?
            .then(|| Check::Defined(schema.enumeration(id).name.clone(), numbers(schema, id)))),
        ("pattern" | "min_size" | "max_size" | "defined_only", _) | (_, Some(_)) => {
            Err(not_for(ty, schema))
        }
        _ => Err(Trouble::unknown(name)),
    }
}

fn compare(
    comparison: Comparison,
    text: &str,
    ty: Type,
    schema: &Schema,
) -> Result<Check, Trouble> {
    let is_equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    Ok(match ty {
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Check::Integer(comparison, integer(text)?),
        Type::Double => Check::Double(comparison, double(text)?),
        Type::Enum(id) if is_equality => {
            let value = enum_value(text, id, schema)?;
            Check::Names(comparison == Comparison::Equal, vec![value])
        }
        Type::Bool if is_equality => Check::Bool(flag(text)? == (comparison == Comparison::Equal)),
        Type::String | Type::Binary if is_equality => {
            let relation = match comparison {
                Comparison::Equal => Relation::Equal,
                _ => Relation::NotEqual,
            };
            Check::Text(relation, text.into())
        }
        _ => return Err(not_for(ty, schema)),
    })
}

fn not_for(ty: Type, schema: &Schema) -> Trouble {
    Trouble::Wrong(format!("it is no rule for {}", schema.type_name(ty)))
}

fn integer(text: &str) -> Result<i64, Trouble> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(digits) => i64::from_str_radix(digits, 16),
        None => text.trim().parse(),
    };
    value.map_err(|_| Trouble::Wrong(format!("{text:?} is not an integer of 64 bits")))
}

fn double(text: &str) -> Result<f64, Trouble> {
    text.trim()
        .parse()
        .ok()
        .filter(|value: &f64| !value.is_nan())
        .ok_or_else(|| Trouble::Wrong(format!("{text:?} is not a number")))
}

fn size(text: &str) -> Result<u64, Trouble> {
    u64::try_from(integer(text)?).map_err(|_| Trouble::Wrong(format!("a size cannot be {text}")))
}

/// By name, with or without those of the enumeration and its file in front, or by number; the number and the name.
fn enum_value(text: &str, id: EnumId, schema: &Schema) -> Result<(i64, String), Trouble> {
    let enumeration = schema.enumeration(id);
    let name = text.rsplit('.').next().unwrap_or(text).trim();
    if let Some(number) = enumeration.number_of(name.as_bytes()) {
        return Ok((i64::from(number), name.to_owned()));
    }
    let number = integer(text)
        .map_err(|_| Trouble::Wrong(format!("{} has no value {text:?}", enumeration.name)))?;
    let name = i32::try_from(number)
        .ok()
        .and_then(|it| enumeration.name_of(it));
    Ok((
        number,
        name.map_or_else(|| number.to_string(), str::to_owned),
    ))
}

/// In the syntax that Go and RE2 have, in linear time: no references back, no looking around.
fn pattern(text: &str) -> Result<Check, Trouble> {
    let compile = |unicode: bool| {
        regex::bytes::RegexBuilder::new(text)
            .unicode(unicode)
            .size_limit(PATTERN_MAX)
            .build()
    };
    // Without the tables of Unicode's cases, `(?i)` is for ASCII only.
    compile(true)
        .or_else(|error| compile(false).map_err(|_| error))
        .map(|regex| Check::Pattern(Pattern(regex)))
        .map_err(|error| {
            let error = error.to_string();
            let reason = error.lines().last().unwrap_or_default();
            Trouble::Wrong(format!("{text:?} is not a pattern: {reason}"))
        })
}
