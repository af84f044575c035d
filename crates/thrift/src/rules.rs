//! Rules for values: the `vt.*` annotations of the parameter validation proposal
//! (`doc/specs/thrift-parameter-validation-proposal.md` of Apache Thrift).
//!
//! [`Rules::parse`] makes the rules of a field from its annotations. [`check_struct`](crate::check_struct) and
//! [`transcode_struct`](crate::transcode_struct) check them on the way and stop at the first that is broken;
//! [`violations`] finds all.
//!
//! What the proposal leaves open is done as its implementation for Go does it: sizes of strings are bytes, a pattern may
//! match anywhere, and only fields that are set are looked at. A rule of a field may speak of another field of the struct,
//! `$name`, and of its size, `@len($name)`; rules of what is in containers may not.

mod linked;
mod parse;
mod read;

use std::{cmp::Ordering, fmt};

pub(crate) use linked::{Bound, Kept, bind, linked};
pub use parse::{Parsed, RuleError};
pub(crate) use read::{count, needed, plain};

use crate::{
    Fault, Malformed, Schema, Step, Type, Value,
    schema::{EnumId, StructId},
};

/// The rules of a field, or of what is in a container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rules {
    checks: Vec<Check>,
    /// Rules about other fields.
    links: Vec<linked::Link>,
    /// Rules, its own or those of other fields, need it when the struct ends.
    keep: Option<linked::Keep>,
    /// `vt.not_nil`: it must be set.
    is_needed: bool,
    /// `vt.skip`: neither it nor what is in it is checked.
    is_skipped: bool,
    element: Option<Box<Self>>,
    key: Option<Box<Self>>,
    value: Option<Box<Self>>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
enum Check {
    Bool(bool),
    Integer(Comparison, i64),
    /// It is among them, or it is not.
    Integers(bool, Vec<i64>),
    Double(Comparison, f64),
    Doubles(bool, Vec<f64>),
    Text(Relation, Vec<u8>),
    Texts(bool, Vec<Vec<u8>>),
    Pattern(Pattern),
    /// It is one of these values of an enumeration, or none of them: numbers, and names as they are written.
    Names(bool, Vec<(i64, String)>),
    /// It is a value of the enumeration: its name, and its numbers in rising order.
    Defined(String, Vec<i32>),
    SizeMin(u64),
    SizeMax(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// Whether it is so. What cannot be compared, as `NaN`, is not equal.
    fn holds(self, ordering: Option<Ordering>) -> bool {
        match self {
            Self::Equal => ordering == Some(Ordering::Equal),
            Self::NotEqual => ordering != Some(Ordering::Equal),
            Self::Less => ordering.is_some_and(Ordering::is_lt),
            Self::AtMost => ordering.is_some_and(Ordering::is_le),
            Self::Greater => ordering.is_some_and(Ordering::is_gt),
            Self::AtLeast => ordering.is_some_and(Ordering::is_ge),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Equal => "be",
            Self::NotEqual => "not be",
            Self::Less => "be less than",
            Self::AtMost => "be at most",
            Self::Greater => "be greater than",
            Self::AtLeast => "be at least",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Begins,
    Ends,
    Contains,
    ContainsNot,
}

impl Relation {
    fn holds(self, text: &[u8], other: &[u8]) -> bool {
        // The rules are few and short, and so is what they look for.
        let contains =
            || other.is_empty() || text.windows(other.len()).any(|window| window == other);
        match self {
            Self::Equal => text == other,
            Self::NotEqual => text != other,
            Self::Begins => text.starts_with(other),
            Self::Ends => text.ends_with(other),
            Self::Contains => contains(),
            Self::ContainsNot => !contains(),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Equal => "be",
            Self::NotEqual => "not be",
            Self::Begins => "begin with",
            Self::Ends => "end with",
            Self::Contains => "contain",
            Self::ContainsNot => "not contain",
        }
    }
}

/// A regular expression, which is what its text is.
#[derive(Debug, Clone)]
struct Pattern(regex::bytes::Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// What rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    Bool(bool),
    Integer(i64),
    Double(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    /// Elements of a container.
    Count(u64),
}

impl Rules {
    /// Neither the value nor what is in it is checked.
    pub(crate) const fn is_skipped(&self) -> bool {
        self.is_skipped
    }

    /// The value of the field is needed when the struct ends.
    pub(crate) const fn is_kept(&self) -> bool {
        self.keep.is_some()
    }

    /// The same with nothing to be checked, if the value is kept.
    pub(crate) fn kept_only(&self) -> Option<Self> {
        self.keep?;
        Some(Self {
            keep: self.keep,
            ..Self::default()
        })
    }

    /// The field must be set.
    pub(crate) const fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// A value of a type has to be looked at as a whole.
    pub(crate) const fn looks_at(&self, ty: Type) -> bool {
        let has_parts = matches!(
            ty,
            Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_)
        );
        !self.checks.is_empty() && !has_parts && !matches!(ty, Type::Uuid)
    }

    pub(crate) fn of_elements(&self) -> Option<&Self> {
        self.element.as_deref()
    }

    pub(crate) fn of_keys(&self) -> Option<&Self> {
        self.key.as_deref()
    }

    pub(crate) fn of_values(&self) -> Option<&Self> {
        self.value.as_deref()
    }

    /// Looks at a value; the first rule that it breaks, in words.
    pub(crate) fn check(&self, subject: Subject<'_>) -> Result<(), String> {
        if self.is_skipped {
            return Ok(());
        }
        for check in &self.checks {
            if !check.holds(subject) {
                return Err(check.complaint(subject));
            }
        }
        Ok(())
    }
}

impl Check {
    fn holds(&self, subject: Subject<'_>) -> bool {
        match (self, subject) {
            (_, Subject::Text(text)) => self.holds(Subject::Bytes(text.as_bytes())),
            (Self::Bool(wanted), Subject::Bool(value)) => value == *wanted,
            (Self::Integer(comparison, than), Subject::Integer(value)) => {
                comparison.holds(Some(value.cmp(than)))
            }
            (Self::Integers(wanted, among), Subject::Integer(value)) => {
                among.contains(&value) == *wanted
            }
            (Self::Names(wanted, among), Subject::Integer(value)) => {
                among.iter().any(|(number, _)| *number == value) == *wanted
            }
            (Self::Double(comparison, than), Subject::Double(value)) => {
                comparison.holds(value.partial_cmp(than))
            }
            (Self::Doubles(wanted, among), Subject::Double(value)) => {
                among.contains(&value) == *wanted
            }
            (Self::Text(relation, other), Subject::Bytes(value)) => relation.holds(value, other),
            (Self::Texts(wanted, among), Subject::Bytes(value)) => {
                among.iter().any(|text| text == value) == *wanted
            }
            (Self::Pattern(pattern), Subject::Bytes(value)) => pattern.0.is_match(value),
            (Self::Defined(_, numbers), Subject::Integer(value)) => {
                i32::try_from(value).is_ok_and(|value| numbers.binary_search(&value).is_ok())
            }
            (Self::SizeMin(size), _) => subject.size().is_none_or(|found| found >= *size),
            (Self::SizeMax(size), _) => subject.size().is_none_or(|found| found <= *size),
            // The parser takes only rules that suit the type.
            _ => true,
        }
    }

    /// Which rule it is, and what the value is instead.
    #[cold]
    fn complaint(&self, subject: Subject<'_>) -> String {
        format!("must {self}, {}", self.found(subject))
    }

    /// What the value is, or how large.
    fn found(&self, subject: Subject<'_>) -> String {
        match (self, subject.size()) {
            (Self::SizeMin(_) | Self::SizeMax(_), Some(size)) => format!("has {size}"),
            _ => format!("is {subject}"),
        }
    }
}

impl Subject<'_> {
    const fn size(self) -> Option<u64> {
        match self {
            Self::Text(text) => Some(text.len() as u64),
            Self::Bytes(bytes) => Some(bytes.len() as u64),
            Self::Count(count) => Some(count),
            Self::Bool(_) | Self::Integer(_) | Self::Double(_) => None,
        }
    }
}

/// Texts of values in messages are cut here.
const SHOWN_MAX: usize = 40;

/// A text in quotes, not too long.
fn shown(text: &[u8]) -> String {
    let whole = String::from_utf8_lossy(text);
    let mut characters = whole.chars();
    let mut start: String = characters.by_ref().take(SHOWN_MAX).collect();
    if characters.next().is_some() {
        start.push('…');
    }
    format!("{start:?}")
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(&shown(value.as_bytes())),
            Self::Bytes(value) => f.write_str(&shown(value)),
            Self::Count(value) => write!(f, "{value} elements"),
        }
    }
}

/// What comes after `must`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let among = |wanted: &bool| {
            if *wanted {
                "be one of"
            } else {
                "not be one of"
            }
        };
        match self {
            Self::Bool(wanted) => write!(f, "be {wanted}"),
            Self::Integer(comparison, than) => write!(f, "{} {than}", comparison.words()),
            Self::Integers(wanted, values) => {
                write!(f, "{} {}", among(wanted), list(values, ToString::to_string))
            }
            Self::Names(wanted, values) => match (values.as_slice(), wanted) {
                ([(_, name)], true) => write!(f, "be {name}"),
                ([(_, name)], false) => write!(f, "not be {name}"),
                _ => write!(f, "{} {}", among(wanted), list(values, |it| it.1.clone())),
            },
            Self::Double(comparison, than) => write!(f, "{} {than}", comparison.words()),
            Self::Doubles(wanted, values) => {
                write!(f, "{} {}", among(wanted), list(values, ToString::to_string))
            }
            Self::Text(relation, other) => write!(f, "{} {}", relation.words(), shown(other)),
            Self::Texts(wanted, values) => {
                write!(f, "{} {}", among(wanted), list(values, |text| shown(text)))
            }
            Self::Pattern(pattern) => write!(f, "match {}", pattern.0.as_str()),
            Self::Defined(name, _) => write!(f, "be a value of {name}"),
            Self::SizeMin(size) => write!(f, "have a size of at least {size}"),
            Self::SizeMax(size) => write!(f, "have a size of at most {size}"),
        }
    }
}

fn list<T>(values: &[T], text: impl Fn(&T) -> String) -> String {
    let texts: Vec<String> = values.iter().map(text).collect();
    texts.join(", ")
}

/// All rules that a struct breaks, each with its place. The value is one that the schema allows otherwise; what is not
/// is passed over.
#[must_use]
pub fn violations(schema: &Schema, id: StructId, value: &Value) -> Vec<Malformed> {
    let structure = schema.structure(id);
    let mut found = Vec::new();
    if !structure.has_rules {
        return found;
    }
    let mut kept = Kept::default();
    for field in &structure.fields {
        let rules = field.rules.as_deref();
        let step = || Step::Field((*field.name).into());
        let set = value.field(field.id);
        if let (Some(rules), Some(subject)) = (rules, set.and_then(subject)) {
            kept.keep(rules, subject, 0);
        }
        match set {
            Some(value) => found.extend(
                of_value(schema, field.ty, rules, value)
                    .into_iter()
                    .map(|error| placed(error, step())),
            ),
            None if rules.is_some_and(Rules::is_needed) => found.push(*unset().within(step())),
            None => {}
        }
    }
    found.extend(kept.broken(structure).map(|(field, words, _)| {
        let step = Step::Field((*structure.fields[field].name).into());
        placed(*Malformed::new(Fault::Rule(words), 0), step)
    }));
    found
}

fn placed(error: Malformed, step: Step) -> Malformed {
    *Box::new(error).within(step)
}

/// A field that must be set is not.
#[cold]
pub(crate) fn unset() -> Box<Malformed> {
    Malformed::new(Fault::Rule("must be set".to_owned()), 0)
}

fn of_value(schema: &Schema, ty: Type, rules: Option<&Rules>, value: &Value) -> Vec<Malformed> {
    let mut found = Vec::new();
    if rules.is_some_and(Rules::is_skipped) {
        return found;
    }
    if let Some(rules) = rules
        && let Some(subject) = subject(value)
    {
        let broken = rules.checks.iter().filter(|check| !check.holds(subject));
        found.extend(broken.map(|check| {
            let fault = Fault::Rule(check.complaint(subject));
            *Malformed::new(fault, 0)
        }));
    }
    match (ty, value) {
        (Type::Struct(id), _) => found.extend(violations(schema, id, value)),
        (Type::List(id) | Type::Set(id), Value::List(elements) | Value::Set(elements)) => {
            let rules = rules.and_then(Rules::of_elements);
            for (at, element) in (0..).zip(elements) {
                let inner = of_value(schema, schema.element(id), rules, element);
                found.extend(inner.into_iter().map(|it| placed(it, Step::Element(at))));
            }
        }
        (Type::Map(id), Value::Map(entries)) => {
            let (key_type, value_type) = schema.map(id);
            for (at, (key, value)) in (0..).zip(entries) {
                let keys = of_value(schema, key_type, rules.and_then(Rules::of_keys), key);
                found.extend(keys.into_iter().map(|it| placed(it, Step::Key(at))));
                let values = of_value(schema, value_type, rules.and_then(Rules::of_values), value);
                found.extend(values.into_iter().map(|it| placed(it, Step::Value(at))));
            }
        }
        _ => {}
    }
    found
}

/// What rules look at in a value.
fn subject(value: &Value) -> Option<Subject<'_>> {
    Some(match value {
        Value::Bool(value) => Subject::Bool(*value),
        Value::I8(value) => Subject::Integer(i64::from(*value)),
        Value::I16(value) => Subject::Integer(i64::from(*value)),
        Value::I32(value) => Subject::Integer(i64::from(*value)),
        Value::I64(value) => Subject::Integer(*value),
        Value::Double(value) => Subject::Double(*value),
        Value::String(value) => Subject::Bytes(value.as_bytes()),
        Value::Binary(value) => Subject::Bytes(value),
        Value::List(elements) | Value::Set(elements) => Subject::Count(elements.len() as u64),
        Value::Map(entries) => Subject::Count(entries.len() as u64),
        Value::Uuid(_) | Value::Struct(_) => return None,
    })
}

/// The numbers of an enumeration, in rising order.
fn numbers(schema: &Schema, id: EnumId) -> Vec<i32> {
    let values = &schema.enumeration(id).values;
    values.iter().map(|value| value.number).collect()
}

#[cfg(test)]
mod tests;
