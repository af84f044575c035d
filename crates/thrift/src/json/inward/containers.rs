//! Lists, sets and maps.

use super::{
    super::{error::JsonErrorKind, same::Place, source::Result},
    Inward,
};
use crate::{Type, Writer, rules::Rules};

/// Lists of elements and maps of entries have no larger numbers of them on the wire.
const COUNT_MAX: u32 = i32::MAX as u32;

/// What the entries of a map consist of.
struct Parts<'r> {
    key: Type,
    value: Type,
    of_keys: Option<&'r Rules>,
    of_values: Option<&'r Rules>,
}

impl<W: Writer> Inward<'_, '_, W> {
    pub(super) fn list(&mut self, ty: Type, element: Type, rules: Option<&Rules>) -> Result<()> {
        if self.source.peek() != b'[' {
            return self.wrong_type(ty);
        }
        let start = self.source.at;
        let open = self.writer.list_open(element.wire());
        let of_elements = rules.and_then(Rules::of_elements);
        let count = self.array(|this, _| this.value(element, of_elements))?;
        self.writer.list_close(open, count);
        self.look_at_count(rules, count, start)
    }

    pub(super) fn set(&mut self, ty: Type, element: Type, rules: Option<&Rules>) -> Result<()> {
        if self.source.peek() != b'[' {
            return self.wrong_type(ty);
        }
        let start = self.source.at;
        let open = self.writer.set_open(element.wire());
        let begin = self.elements.begin();
        let of_elements = rules.and_then(Rules::of_elements);
        let count = self.array(|this, at| this.element_of_set(element, of_elements, at))?;
        self.writer.set_close(open, count);
        if let Some(place) = self.elements.end(begin) {
            self.is_twice("element", place, &place.index.to_string())?;
        }
        self.look_at_count(rules, count, start)
    }

    fn element_of_set(&mut self, ty: Type, rules: Option<&Rules>, at: u32) -> Result<()> {
        let violations = self.source.violations.len();
        self.source.peek();
        let start = self.source.at;
        self.value(ty, rules)?;
        self.remember(ty, at, start, violations)
    }

    /// Keeps what tells an element or key from others, unless it is wrong anyway.
    fn remember(&mut self, ty: Type, at: u32, start: usize, violations: usize) -> Result<()> {
        if !self.is_again && self.source.violations.len() == violations {
            let hash = self.hash_at(ty, start)?;
            self.elements.add(hash, at, start);
        }
        Ok(())
    }

    #[cold]
    fn is_twice(&mut self, what: &'static str, place: Place, step: &str) -> Result<()> {
        let before = self.source.violations.len();
        let result = self.twice(what, place.offset as usize);
        self.source.within(before, step);
        result
    }

    /// The elements of an array, its bracket here; how many there are.
    #[inline]
    fn array(&mut self, mut element: impl FnMut(&mut Self, u32) -> Result<()>) -> Result<u32> {
        self.source.enter()?;
        self.source.at += 1;
        let mut count = 0;
        if !self.source.takes(b']') {
            loop {
                let before = self.source.violations.len();
                let result = element(self, count);
                if self.source.violations.len() != before {
                    self.source.within(before, &count.to_string());
                }
                result?;
                count += 1;
                if !self.source.goes_on(b']', "',' or ']'")? {
                    break;
                }
                self.check_count(count)?;
            }
        }
        self.source.leave();
        Ok(count)
    }

    /// There is room for one more element.
    #[inline]
    fn check_count(&mut self, count: u32) -> Result<()> {
        let limit = self.limits.container_max.min(COUNT_MAX);
        if count < limit {
            return Ok(());
        }
        let kind = JsonErrorKind::OverLimit {
            what: "a container",
            found: count as usize + 1,
            limit: limit as usize,
        };
        Err(self.source.fail(kind, self.source.at))
    }

    /// A map: an object, or an array of entries.
    pub(super) fn map(
        &mut self,
        ty: Type,
        types: (Type, Type),
        rules: Option<&Rules>,
    ) -> Result<()> {
        let (key, value) = types;
        let is_object = match self.source.peek() {
            b'{' => true,
            b'[' => false,
            _ => return self.wrong_type(ty),
        };
        if is_object && let Type::Struct(_) | Type::List(_) | Type::Set(_) | Type::Map(_) = key {
            // Such keys are no text.
            let name = self.schema.type_name(ty);
            self.source
                .wrong_type(&format!("{name} (an array of entries)"))?;
            self.anything(ty);
            return Ok(());
        }
        let start = self.source.at;
        let open = self.writer.map_open(key.wire(), value.wire());
        let begin = self.elements.begin();
        let parts = Parts {
            key,
            value,
            of_keys: rules.and_then(Rules::of_keys),
            of_values: rules.and_then(Rules::of_values),
        };
        let count = if is_object {
            self.object(&parts)?
        } else {
            self.array(|this, at| this.entry(&parts, at))?
        };
        self.writer.map_close(open, count);
        if let Some(place) = self.elements.end(begin) {
            let step = if is_object {
                self.string_at(place.offset as usize)
            } else {
                place.index.to_string()
            };
            self.is_twice("key", place, &step)?;
        }
        self.look_at_count(rules, count, start)
    }

    /// The members of an object that is a map, its brace here; how many there are.
    fn object(&mut self, parts: &Parts<'_>) -> Result<u32> {
        self.source.enter()?;
        self.source.at += 1;
        let mut count = 0;
        if !self.source.takes(b'}') {
            loop {
                self.member(parts, count)?;
                count += 1;
                if !self.source.goes_on(b'}', "',' or '}'")? {
                    break;
                }
                self.check_count(count)?;
            }
        }
        self.source.leave();
        Ok(count)
    }

    /// A member of an object that is a map.
    #[inline]
    fn member(&mut self, parts: &Parts<'_>, at: u32) -> Result<()> {
        if self.source.peek() != b'"' {
            return Err(self.source.expected("a key in quotes"));
        }
        let start = self.source.at;
        let before = self.source.violations.len();
        let name = self.source.string()?;
        let result = self.key(parts.key, name, start).and_then(|hash| {
            if let Some(hash) = hash
                && !self.is_again
            {
                self.elements.add(hash, at, start);
            }
            if let Some(rules) = parts.of_keys {
                self.look_at_key(parts.key, rules, name, start)?;
            }
            self.source.take(b':', "':'")?;
            self.value(parts.value, parts.of_values)
        });
        if self.source.violations.len() != before {
            let name = self.string_at(start);
            self.source.within(before, &name);
        }
        result
    }

    /// An entry of a map, `{"key":…,"value":…}`. The key must be written first, so of one that has its value first the
    /// value is jumped over until the key is known.
    fn entry(&mut self, parts: &Parts<'_>, at: u32) -> Result<()> {
        if self.source.peek() != b'{' {
            self.source.wrong_type("an entry (an object)")?;
            self.anything(parts.key);
            self.anything(parts.value);
            return Ok(());
        }
        let start = self.source.at;
        self.source.at += 1;
        let mut key_at = None;
        let mut value_at = None;
        let mut is_entry = true;
        if !self.source.takes(b'}') {
            loop {
                let name = self.source.name("\"key\" or \"value\"")?;
                self.source.peek();
                let here = self.source.at;
                match self.source.str_of(name) {
                    "key" if key_at.is_none() => {
                        key_at = Some(here);
                        self.key_of_entry(parts, at)?;
                    }
                    "value" if value_at.is_none() && key_at.is_some() => {
                        value_at = Some(here);
                        self.value_of_entry(parts)?;
                    }
                    "value" if value_at.is_none() => {
                        value_at = Some(here);
                        self.source.skip_of_entry()?;
                        self.read_again(self.source.at - here)?;
                    }
                    _ => {
                        is_entry = false;
                        self.source.skip()?;
                    }
                }
                if !self.source.goes_on(b'}', "',' or '}'")? {
                    break;
                }
            }
        }
        if key_at.is_none() {
            self.anything(parts.key);
        }
        match (key_at, value_at) {
            (Some(key_at), Some(value_at)) if value_at < key_at => {
                let end = self.source.at;
                self.source.at = value_at;
                self.value_of_entry(parts)?;
                self.source.at = end;
            }
            (Some(_), Some(_)) => {}
            _ => {
                is_entry = false;
                self.anything(parts.value);
            }
        }
        if is_entry {
            Ok(())
        } else {
            self.source.violation(JsonErrorKind::Entry, start)
        }
    }

    fn key_of_entry(&mut self, parts: &Parts<'_>, at: u32) -> Result<()> {
        let before = self.source.violations.len();
        let start = self.source.at;
        let result = self
            .value(parts.key, parts.of_keys)
            .and_then(|()| self.remember(parts.key, at, start, before));
        if self.source.violations.len() != before {
            self.source.within(before, "key");
        }
        result
    }

    fn value_of_entry(&mut self, parts: &Parts<'_>) -> Result<()> {
        let before = self.source.violations.len();
        let result = self.value(parts.value, parts.of_values);
        if self.source.violations.len() != before {
            self.source.within(before, "value");
        }
        result
    }
}
