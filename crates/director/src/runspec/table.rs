//! Reading the keys of a TOML table, with the place of whatever is wrong.

use std::{ops::Range, time::Duration};

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::quantity;
use crate::{fields::Report, near::did_you_mean, yaml::position_after};

pub(super) fn position_of(text: &str, offset: usize) -> (u32, u32) {
    position_after(text.as_bytes().get(..offset).unwrap_or(text.as_bytes()))
}

pub(super) fn whole(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The keys of one table: each read is checked, what nobody read is an error.
pub(super) struct Table<'t> {
    text: &'t str,
    path: String,
    pub(super) start: usize,
    pub(super) entries: &'t DeTable<'t>,
    known: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub(super) fn new(text: &'t str, path: &str, table: &'t Spanned<DeTable<'t>>) -> Self {
        Self {
            text,
            path: path.to_owned(),
            start: table.span().start,
            entries: table.get_ref(),
            known: Vec::new(),
        }
    }

    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    pub(super) fn at(&self, offset: usize) -> (u32, u32) {
        position_of(self.text, offset)
    }

    pub(super) fn error(
        &self,
        span: Range<usize>,
        name: &str,
        reason: &str,
        report: &mut Report<'_>,
    ) {
        report.error(self.at(span.start), &self.path(name), reason, None);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    pub(super) fn get(&mut self, name: &'static str) -> Option<&'t Spanned<DeValue<'t>>> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.entries.get(name)
    }

    pub(super) fn wrong(
        &self,
        value: &Spanned<DeValue<'_>>,
        name: &str,
        expected: &str,
        report: &mut Report<'_>,
    ) {
        let reason = format!("expected {expected}, found {}", describe(value.get_ref()));
        self.error(value.span(), name, &reason, report);
    }

    pub(super) fn table(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<Table<'t>> {
        let value = self.get(name)?;
        match value.get_ref() {
            DeValue::Table(entries) => {
                let start = value.span().start;
                Some(Table {
                    text: self.text,
                    path: self.path(name),
                    start,
                    entries,
                    known: Vec::new(),
                })
            }
            _ => {
                self.wrong(value, name, "a table", report);
                None
            }
        }
    }

    /// The tables of a list of them: `[[name]]`.
    pub(super) fn tables(&mut self, name: &'static str, report: &mut Report<'_>) -> Vec<Table<'t>> {
        let Some(items) = self.list(name, report) else {
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item.get_ref() {
                DeValue::Table(entries) => tables.push(Table {
                    text: self.text,
                    path: format!("{}[{index}]", self.path(name)),
                    start: item.span().start,
                    entries,
                    known: Vec::new(),
                }),
                _ => self.wrong(item, name, "a table", report),
            }
        }
        tables
    }

    /// A key that must be there.
    pub(super) fn required(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = self.get(name);
        if value.is_none() {
            report.error(self.at(self.start), &self.path(name), "is missing", None);
        }
        value
    }

    pub(super) fn text(
        &self,
        value: &'t Spanned<DeValue<'t>>,
        name: &str,
        report: &mut Report<'_>,
    ) -> Option<&'t str> {
        let text = value.get_ref().as_str();
        match text {
            Some(text) if text.contains('\0') => {
                self.error(value.span(), name, "contains a NUL character", report);
                return None;
            }
            Some(_) => {}
            None => self.wrong(value, name, "text in quotes", report),
        }
        text
    }

    pub(super) fn flag(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<bool> {
        let value = self.get(name)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(value, name, "true or false", report);
        }
        flag
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&'static str, T)],
        report: &mut Report<'_>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let said = value.get_ref().as_str();
        let found = words.iter().find(|(word, _)| Some(*word) == said);
        if found.is_none() {
            let words = words.iter().map(|(word, _)| *word);
            let list: Vec<&str> = words.clone().collect();
            let reason = format!("expected one of {}", list.join(", "));
            let hint = did_you_mean(said.unwrap_or_default(), words);
            report.error(self.at(value.span().start), &self.path(name), reason, hint);
        }
        found.map(|(_, choice)| *choice)
    }

    pub(super) fn list(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<&'t toml::de::DeArray<'t>> {
        let value = self.get(name)?;
        if let DeValue::Array(items) = value.get_ref() {
            return Some(items);
        }
        self.wrong(value, name, "a list", report);
        None
    }

    pub(super) fn number(
        &self,
        value: &Spanned<DeValue<'_>>,
        name: &str,
        report: &mut Report<'_>,
    ) -> Option<f64> {
        let number = match value.get_ref() {
            DeValue::Integer(_) => whole(value.get_ref()).map(|number| number as f64),
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            _ => None,
        };
        let number = number.filter(|number| number.is_finite());
        if number.is_none() {
            self.wrong(value, name, "a finite number", report);
        }
        number
    }

    pub(super) fn count(
        &mut self,
        name: &'static str,
        range: std::ops::RangeInclusive<u32>,
        report: &mut Report<'_>,
    ) -> Option<u32> {
        let value = self.get(name)?;
        let count = whole(value.get_ref()).and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| range.contains(count));
        if count.is_none() {
            let reason = match *range.end() {
                u32::MAX => format!("expected a whole number from {}", range.start()),
                end => format!("expected a whole number from {} to {end}", range.start()),
            };
            self.error(value.span(), name, &reason, report);
        }
        count
    }

    /// A limit of time; zero would refuse everything.
    pub(super) fn duration(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<Duration> {
        let duration = self.duration_or_zero(name, report)?;
        if duration.is_zero() {
            let span = self.get(name).map(Spanned::span).unwrap_or_default();
            self.error(
                span,
                name,
                "must be above 0; leave it out for no limit",
                report,
            );
            return None;
        }
        Some(duration)
    }

    pub(super) fn duration_or_zero(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<Duration> {
        let value = self.get(name)?;
        let hint = Some("write it with a unit: \"50s\", \"250ms\" or \"1h 30m\"".to_owned());
        let read = match value.get_ref().as_str() {
            Some(text) => quantity::duration(text),
            None => Err(format!(
                "expected a duration in quotes, found {}",
                describe(value.get_ref())
            )),
        };
        read.map_err(|reason| {
            report.error(self.at(value.span().start), &self.path(name), reason, hint)
        })
        .ok()
    }

    /// A size above zero, as text with a unit or as a number of bytes.
    pub(super) fn size(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<u64> {
        let value = self.get(name)?;
        let hint = Some("write it as \"512MiB\", \"10GB\" or a number of bytes".to_owned());
        let read = match value.get_ref() {
            DeValue::String(text) => quantity::size(text),
            DeValue::Integer(_) => whole(value.get_ref())
                .and_then(|bytes| u64::try_from(bytes).ok())
                .ok_or_else(|| "is not a number of bytes".to_owned()),
            other => Err(format!("expected a size, found {}", describe(other))),
        };
        let read = read.and_then(|bytes| {
            if bytes == 0 {
                Err("must be above 0".to_owned())
            } else {
                Ok(bytes)
            }
        });
        read.map_err(|reason| {
            report.error(self.at(value.span().start), &self.path(name), reason, hint)
        })
        .ok()
    }

    pub(super) fn finish(self, report: &mut Report<'_>) {
        for (name, _) in self.entries.iter() {
            // A position costs a walk through the text: not for problems that nobody will see.
            if report.is_full() {
                break;
            }
            let key = name.get_ref().as_ref();
            if !self.known.contains(&key) {
                let hint = did_you_mean(key, self.known.iter().copied());
                report.error(
                    self.at(name.span().start),
                    &self.path(key),
                    "is not a known key",
                    hint,
                );
            }
        }
    }
}
