//! Comparing annotations and documentation.

use std::collections::BTreeSet;

use super::{
    Kind, Severity,
    compare::{Comparison, side},
    reach::Ways,
};
use crate::{
    model::Place,
    schema::{Annotations, Field},
};

/// Where a field is in HTTP: keys without `api.`.
const SOURCES: [&str; 9] = [
    "path",
    "query",
    "header",
    "cookie",
    "body",
    "form",
    "raw_body",
    "raw_uri",
    "no_body_struct",
];
/// Methods of HTTP: keys without `api.`.
const ROUTES: [&str; 8] = [
    "get", "post", "put", "delete", "patch", "head", "options", "any",
];

/// Annotations, documentation, and where what has them is.
type Said<'c> = (&'c Annotations, &'c Option<String>, Place);

impl<'c> Comparison<'c> {
    /// Of anything but fields.
    pub(super) fn annotations_and_doc(&mut self, path: &str, old: Said<'c>, new: Said<'c>) {
        for (key, change) in changed(old.0, new.0) {
            let (kind, severity) = match key.strip_prefix("api.") {
                Some(name) if ROUTES.contains(&name) => match change {
                    // The rest of the values is as it was.
                    Difference::More => (Kind::RouteAdded, Severity::Minor),
                    Difference::Other => (Kind::RouteRemoved, Severity::Major),
                },
                Some("http_code" | "status") => (Kind::StatusChanged, Severity::Major),
                Some(_) => (Kind::AnnotationChanged, Severity::Minor),
                None => plain(key, new.0),
            };
            self.annotation(kind, severity, path, key, (old.0, old.2), (new.0, new.2));
        }
        self.doc(path, (old.1, old.2), (new.1, new.2));
    }

    /// Of fields, which are elsewhere in HTTP, or go by rules.
    pub(super) fn annotations_of_field(
        &mut self,
        path: &str,
        ways: Ways,
        (before, old_place): (&'c Field, Place),
        (after, new_place): (&'c Field, Place),
    ) {
        let (old, new) = (&before.annotations, &after.annotations);
        for (key, difference) in changed(old, new) {
            let (kind, severity) = match key.split_once('.') {
                // The name is compared as such.
                Some(("api", "key")) => continue,
                Some(("api", name)) => api(name, difference, before, after),
                Some(("vt" | "validate", rule)) => {
                    match strictness(rule, old.get(key), new.get(key)) {
                        Strictness::Looser => (Kind::RuleLooser, Severity::Minor),
                        Strictness::Stricter if ways.sent => (Kind::RuleStricter, Severity::Major),
                        Strictness::Stricter => (Kind::RuleStricter, Severity::Minor),
                    }
                }
                _ => plain(key, new),
            };
            self.annotation(
                kind,
                severity,
                path,
                key,
                (old, old_place),
                (new, new_place),
            );
        }
        self.doc(path, (&before.doc, old_place), (&after.doc, new_place));
    }

    fn annotation(
        &mut self,
        kind: Kind,
        severity: Severity,
        path: &str,
        key: &str,
        old: (&'c Annotations, Place),
        new: (&'c Annotations, Place),
    ) {
        let text = |(all, place): (&Annotations, Place)| {
            let values = all.get(key)?;
            let all: Vec<String> = values.iter().map(|it| format!("{key} = {it:?}")).collect();
            side(all.join(", "), place)
        };
        self.add(kind, severity, path, text(old), text(new));
    }

    fn doc(
        &mut self,
        path: &str,
        (before, old_place): (&Option<String>, Place),
        (after, new_place): (&Option<String>, Place),
    ) {
        let text = |doc: &Option<String>| doc.as_deref().unwrap_or_default().trim().to_owned();
        let (before, after) = (text(before), text(after));
        if before != after {
            self.add(
                Kind::DocChanged,
                Severity::Patch,
                path,
                side(before, old_place),
                side(after, new_place),
            );
        }
    }
}

/// How the values of a key changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Difference {
    /// All that were there are there.
    More,
    Other,
}

/// The keys whose values changed.
fn changed<'c>(old: &'c Annotations, new: &'c Annotations) -> Vec<(&'c str, Difference)> {
    let keys: BTreeSet<&str> = old.keys().chain(new.keys()).map(String::as_str).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .map(|key| {
            let values = |all: &'c Annotations| all.get(key).map_or(&[][..], Vec::as_slice);
            let (before, after) = (values(old), values(new));
            let is_more = before.iter().all(|value| after.contains(value));
            let difference = if is_more {
                Difference::More
            } else {
                Difference::Other
            };
            (key, difference)
        })
        .collect()
}

/// What Trefoil does not look at.
fn plain(key: &str, new: &Annotations) -> (Kind, Severity) {
    if key == "deprecated" && new.contains_key(key) {
        (Kind::Deprecated, Severity::Minor)
    } else {
        (Kind::AnnotationChanged, Severity::Patch)
    }
}

fn api(name: &str, difference: Difference, before: &Field, after: &Field) -> (Kind, Severity) {
    match name {
        "none" if before.is_hidden == after.is_hidden => (Kind::AnnotationChanged, Severity::Patch),
        "none" if after.is_hidden => (Kind::HiddenInJson, Severity::Major),
        "none" => (Kind::ShownInJson, Severity::Minor),
        "js_conv" if before.is_int64_text == after.is_int64_text => {
            (Kind::AnnotationChanged, Severity::Patch)
        }
        "js_conv" => (Kind::Int64FormChanged, Severity::Major),
        "http_code" | "status" => (Kind::StatusChanged, Severity::Major),
        _ if SOURCES.contains(&name) => {
            // One more is tried after those that were there; the first one moves the field.
            let had_one = has_source(before);
            if had_one && difference == Difference::More {
                (Kind::SourceAdded, Severity::Minor)
            } else {
                (Kind::SourceChanged, Severity::Major)
            }
        }
        _ => (Kind::AnnotationChanged, Severity::Minor),
    }
}

fn has_source(field: &Field) -> bool {
    SOURCES
        .iter()
        .any(|source| field.annotations.contains_key(&format!("api.{source}")))
}

/// Whether a rule allows more or less than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// It allows more.
    Looser,
    /// It allows less, or something else.
    Stricter,
}

fn strictness(rule: &str, old: Option<&Vec<String>>, new: Option<&Vec<String>>) -> Strictness {
    let (Some(old), Some(new)) = (old, new) else {
        // `skip` takes rules away, all others add one.
        let (is_added, is_skip) = (new.is_some(), rule.ends_with("skip"));
        return if is_added == is_skip {
            Strictness::Looser
        } else {
            Strictness::Stricter
        };
    };
    // Rules of elements, keys and values have their own names at the end.
    let name = rule.rsplit('.').next().unwrap_or(rule);
    let is_looser = match name {
        "gt" | "ge" | "min_size" => number(new) <= number(old),
        "lt" | "le" | "max_size" => number(new) >= number(old),
        "in" => contains(new, old),
        "not_in" => contains(old, new),
        "defined_only" | "not_nil" | "skip" => {
            let is_on = |values: &Vec<String>| values.first().is_some_and(|it| it != "false");
            is_on(new) == (name == "skip")
        }
        _ => false,
    };
    if is_looser {
        Strictness::Looser
    } else {
        Strictness::Stricter
    }
}

/// A bound; what is no number is never looser.
fn number(values: &[String]) -> f64 {
    let first = values.first().and_then(|text| text.parse().ok());
    first.unwrap_or(f64::NAN)
}

fn contains(all: &[String], some: &[String]) -> bool {
    some.iter().all(|value| all.contains(value))
}
