//! Reads JSON strictly: what a client gets wrong is refused with its place, never guessed at or passed over.
//!
//! serde_json does the reading. This adds what it leaves open: a key that comes twice is an error, nesting has our
//! limit, and an error says at which byte and below which member it is. Rejected documents may take a second pass to
//! find the place; accepted ones never do.

use std::fmt::{self, Display, Formatter};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

/// What a document may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most containers around a value. More than [`Limits::DEPTH_MOST`] counts as that.
    pub depth_max: usize,
}

impl Limits {
    /// serde_json gives up by itself at 128, with a less helpful error.
    pub const DEPTH_MOST: usize = 100;
}

impl Default for Limits {
    /// 64: deeper than any contract, and far from what a stack or a reader's patience bears.
    fn default() -> Self {
        Self { depth_max: 64 }
    }
}

/// Why a document was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// Byte of the document, from 0; its length if it ends too early.
    pub offset: usize,
    /// Line, from 1.
    pub line: usize,
    /// Byte of the line, from 1.
    pub column: usize,
    /// JSON pointer to the innermost value that has the error. Very long keys are shortened in it.
    pub pointer: String,
    /// Which rule was broken.
    pub rule: Rule,
    /// What is wrong, for people.
    pub reason: String,
}

/// The rules a document can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is not JSON.
    Syntax,
    /// It is not UTF-8, or an escape is half of a surrogate pair.
    Unicode,
    /// An object has a key twice.
    DuplicateKey,
    /// It is nested too deeply.
    Depth,
    /// A number is too large for a double.
    NumberRange,
}

impl Rule {
    /// The rule as problems name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Unicode => "unicode",
            Self::DuplicateKey => "duplicate-key",
            Self::Depth => "depth",
            Self::NumberRange => "number-range",
        }
    }
}

impl Display for JsonError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            offset,
            line,
            column,
            reason,
            ..
        } = self;
        write!(f, "{reason} at line {line} column {column} (byte {offset})")
    }
}

impl std::error::Error for JsonError {}

const OUT_OF_RANGE: &str = "number out of range";
/// Longest part of a key that is repeated to its sender.
const KEY_SHOWN_MAX: usize = 128;

/// Reads one document.
///
/// # Errors
/// The first thing that is wrong. Bytes that are not UTF-8 come before everything else.
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let reason = "the document is not UTF-8".to_owned();
        locate(
            bytes,
            error.valid_up_to(),
            String::new(),
            Rule::Unicode,
            reason,
        )
    })?;
    let depth_max = limits.depth_max.min(Limits::DEPTH_MOST);
    let mut failure = Failure {
        depth_max,
        ..Failure::default()
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Seed {
        failure: &mut failure,
        depth_left: depth_max,
    };
    seed.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| explain(text, failure, &error))
}

/// What is noted on the way out of a document that is refused.
#[derive(Default)]
struct Failure {
    depth_max: usize,
    /// A rule of ours that was broken, and what to say about it; without it the error is serde_json's own.
    broken: Option<(Rule, String)>,
    /// Keys and indexes from the failure outwards.
    path: Vec<String>,
    /// The error came from the value that was being read, not from what separates values.
    is_inside: bool,
}

impl Failure {
    fn fail<E: de::Error>(&mut self, rule: Rule, reason: String) -> E {
        self.broken = Some((rule, reason));
        E::custom("refused")
    }

    /// Notes that the error is below `segment`, unless it is between the values of the container.
    fn below(&mut self, segment: impl FnOnce() -> String) {
        if std::mem::take(&mut self.is_inside) {
            self.path.push(segment());
        }
    }
}

/// Reads one value with so many containers left.
struct Seed<'a> {
    failure: &'a mut Failure,
    depth_left: usize,
}

impl Seed<'_> {
    fn inner(&mut self) -> Seed<'_> {
        Seed {
            failure: self.failure,
            depth_left: self.depth_left - 1,
        }
    }

    fn check_depth<E: de::Error>(&mut self) -> Result<(), E> {
        if self.depth_left > 0 {
            return Ok(());
        }
        let reason = format!("nested deeper than {} levels", self.failure.depth_max);
        Err(self.failure.fail(Rule::Depth, reason))
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Self {
            failure,
            depth_left,
        } = self;
        let result = deserializer.deserialize_any(Seed {
            failure: &mut *failure,
            depth_left,
        });
        failure.is_inside = result.is_err();
        result
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => Err(self
                .failure
                .fail(Rule::NumberRange, OUT_OF_RANGE.to_owned())),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut items = Vec::new();
        loop {
            match access.next_element_seed(self.inner()) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(Value::Array(items)),
                Err(error) => {
                    self.failure.below(|| items.len().to_string());
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut access: A) -> Result<Value, A::Error> {
        self.check_depth()?;
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            match members.entry(key) {
                Entry::Vacant(slot) => match access.next_value_seed(self.inner()) {
                    Ok(value) => {
                        slot.insert(value);
                    }
                    Err(error) => {
                        self.failure.below(|| segment(slot.key()));
                        return Err(error);
                    }
                },
                Entry::Occupied(slot) => {
                    self.failure.path.push(segment(slot.key()));
                    let reason = format!("the key {:?} comes twice", shorten(slot.key()));
                    return Err(self.failure.fail(Rule::DuplicateKey, reason));
                }
            }
        }
        Ok(Value::Object(members))
    }
}

/// Makes our error of serde_json's.
fn explain(text: &str, failure: Failure, error: &serde_json::Error) -> JsonError {
    let bytes = text.as_bytes();
    let pointer = failure
        .path
        .iter()
        .rev()
        .fold(String::new(), |pointer, segment| pointer + "/" + segment);
    // Bytes that were read, the offending one included.
    let read = line_start(bytes, error.line()) + error.column();
    let last = read.saturating_sub(1);
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(message, _)| message);
    let (offset, rule, reason) = match failure.broken {
        Some((rule @ Rule::DuplicateKey, reason)) => (key_before(bytes, read), rule, reason),
        Some((rule @ Rule::Depth, reason)) => (bracket_before(bytes, read), rule, reason),
        Some((rule, reason)) => (last, rule, reason),
        None if message == OUT_OF_RANGE => {
            let reason = format!("{OUT_OF_RANGE}: larger than a double can be");
            (number_around(bytes, last), Rule::NumberRange, reason)
        }
        None if error.is_eof() => (bytes.len(), Rule::Syntax, message.to_owned()),
        None => match lone_surrogate(&bytes[..read.min(bytes.len())], bytes) {
            Some(offset) => (offset, Rule::Unicode, "half of a surrogate pair".to_owned()),
            None => (last, Rule::Syntax, message.to_owned()),
        },
    };
    locate(bytes, offset, pointer, rule, reason)
}

fn locate(bytes: &[u8], offset: usize, pointer: String, rule: Rule, reason: String) -> JsonError {
    let before = &bytes[..offset];
    let line_start = before
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1);
    JsonError {
        offset,
        line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        column: offset - line_start + 1,
        pointer,
        rule,
        reason,
    }
}

/// Where a line, counted from 1, begins.
fn line_start(bytes: &[u8], line: usize) -> usize {
    let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let mut starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1));
    starts.nth(line.saturating_sub(1)).unwrap_or(bytes.len())
}

/// The opening quote of the key that ends before `read`; after it came only blanks, a colon, or what should be one.
fn key_before(bytes: &[u8], read: usize) -> usize {
    // A quote inside a string follows an odd number of backslashes, one that delimits it an even number.
    let delimits = |at: usize| {
        let escapes = bytes[..at]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\\')
            .count();
        bytes[at] == b'"' && escapes % 2 == 0
    };
    let mut quotes = (0..read.min(bytes.len())).rev().filter(|at| delimits(*at));
    let closing = quotes.next();
    quotes.next().or(closing).unwrap_or(0)
}

/// The bracket that opened the last container before `read`; after it came only blanks, a comma or its own end.
fn bracket_before(bytes: &[u8], read: usize) -> usize {
    let before = &bytes[..read.min(bytes.len())];
    before
        .iter()
        .rposition(|byte| matches!(byte, b'[' | b'{'))
        .unwrap_or(0)
}

/// Where the number begins that `at` is in, or just behind.
fn number_around(bytes: &[u8], at: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let end = if bytes.get(at).is_some_and(is_part) {
        at + 1
    } else {
        at
    };
    end - bytes[..end]
        .iter()
        .rev()
        .take_while(|byte| is_part(byte))
        .count()
}

/// The first escape of `read`, the part that was read, that is half of a surrogate pair. What follows it may be unread.
fn lone_surrogate(read: &[u8], all: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = read[at..].iter().position(|byte| *byte == b'\\') {
        let escape = at + found;
        // Backslashes are found from the left, so this one is not itself escaped.
        at = match unit(all, escape) {
            Some(0xd800..=0xdbff) => match unit(all, escape + 6) {
                Some(0xdc00..=0xdfff) => escape + 12,
                _ => return Some(escape),
            },
            Some(0xdc00..=0xdfff) => return Some(escape),
            _ => escape + 2,
        };
        if at >= read.len() {
            break;
        }
    }
    None
}

/// The UTF-16 unit of a `\uXXXX` at `at`.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let text = std::str::from_utf8(digits)
        .ok()
        .filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?;
    u16::from_str_radix(text, 16).ok()
}

/// A key as part of a JSON pointer.
fn segment(key: &str) -> String {
    shorten(key).replace('~', "~0").replace('/', "~1")
}

/// A client gets back only so much of what it sent.
fn shorten(key: &str) -> String {
    match key.char_indices().nth(KEY_SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &key[..end]),
        None => key.to_owned(),
    }
}

#[cfg(test)]
mod tests;
