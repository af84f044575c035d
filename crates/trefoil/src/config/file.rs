//! `trefoil.toml`: every known key with its place, every mistake with its place.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key};
use super::value::Raw;
use super::{ConfigError, Source, nearest};

/// Reads `text`. Mistakes go to `errors`; what is right is returned.
pub(crate) fn parse(
    path: &Path,
    text: &str,
    errors: &mut Vec<ConfigError>,
) -> Vec<(&'static Key, Raw, Source)> {
    let mut walk = Walk {
        path,
        text,
        errors,
        found: Vec::new(),
    };
    let (table, faults) = DeTable::parse_recoverable(text);
    if !faults.is_empty() {
        for fault in faults {
            let at = fault.span().map_or(0, |span| span.start);
            walk.error(at, None, fault.message().to_owned(), None);
        }
        // What recovery made of broken text is guesswork; more errors from it would mislead.
        return Vec::new();
    }
    walk.table("", table.get_ref());
    let mut found = walk.found;
    found.sort_by_key(|(_, _, source)| match source {
        Source::File { line, column, .. } => (*line, *column),
        Source::Default | Source::Environment(_) | Source::Flag(_) => (0, 0),
    });
    found
}

struct Walk<'a> {
    path: &'a Path,
    text: &'a str,
    errors: &'a mut Vec<ConfigError>,
    found: Vec<(&'static Key, Raw, Source)>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let at = name.span().start;
            let full = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            let key = KEYS.iter().find(|key| key.name == full);
            let section = format!("{full}.");
            let is_section = KEYS.iter().any(|key| key.name.starts_with(&section));
            match (key, value.get_ref()) {
                (Some(key), value_ref) => match raw(value_ref) {
                    Ok(raw) => {
                        let source = self.place(value.span().start);
                        self.found.push((key, raw, source));
                    }
                    Err(what) => {
                        let hint = format!("expected {}", key.kind.expected());
                        self.error(
                            value.span().start,
                            Some(key.name),
                            format!("{full}: {what} does not fit here"),
                            Some(hint),
                        );
                    }
                },
                (None, DeValue::Table(inner)) if is_section => self.table(&full, inner),
                (None, _) if is_section => {
                    self.error(
                        at,
                        None,
                        format!("`{full}` is a section"),
                        Some(format!("write [{full}] and its keys below it")),
                    );
                }
                (None, _) => {
                    let near = nearest(&full, KEYS.iter().map(|key| key.name));
                    let hint = match near {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => "`trefoil config show` lists the keys".to_owned(),
                    };
                    self.error(at, None, format!("unknown key `{full}`"), Some(hint));
                }
            }
        }
    }

    fn place(&self, at: usize) -> Source {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Source::File {
            path: self.path.to_path_buf(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn error(
        &mut self,
        at: usize,
        key: Option<&'static str>,
        message: String,
        hint: Option<String>,
    ) {
        let source_ = self.place(at);
        self.errors.push(ConfigError {
            source_,
            key,
            message,
            hint,
        });
    }
}

/// Our form of a TOML value, or the name of a type that no key has.
fn raw(value: &DeValue<'_>) -> Result<Raw, &'static str> {
    match value {
        DeValue::String(text) => Ok(Raw::Text(text.to_string())),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Ok(Raw::Integer(number.to_string())),
            Err(_) => Err("this number"),
        },
        DeValue::Boolean(on) => Ok(Raw::Bool(*on)),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<String>>>()
            .map(Raw::List)
            .ok_or("a list of something else than strings"),
        DeValue::Float(_) => Err("a float"),
        DeValue::Datetime(_) => Err("a date"),
        DeValue::Table(_) => Err("a table"),
    }
}
