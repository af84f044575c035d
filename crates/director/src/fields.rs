//! Reading the fields of a YAML map: each read is checked, what nobody read is reported.

use serde_json::Value;

use crate::{
    near::did_you_mean,
    problem::{Problem, Severity},
    yaml::{MapEntry, Node, Yaml},
};

/// Most errors, and most warnings, of one file: a list to work through, not a flood.
pub(crate) const PROBLEMS_MAX: usize = 100;

/// Problems of one file as they are found.
pub(crate) struct Report<'a> {
    pub(crate) file: &'a str,
    pub(crate) problems: Vec<Problem>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str) -> Self {
        Self {
            file,
            problems: Vec::new(),
        }
    }

    pub(crate) fn error(
        &mut self,
        at: (u32, u32),
        field: &str,
        reason: impl Into<String>,
        hint: Option<String>,
    ) {
        if !self.is_full() {
            self.problems
                .push(Problem::error(self.file, at, field, reason).with_hint(hint));
        }
    }

    pub(crate) fn warning(
        &mut self,
        at: (u32, u32),
        field: &str,
        reason: impl Into<String>,
        hint: Option<String>,
    ) {
        if self.count(Severity::Warning) < PROBLEMS_MAX {
            self.problems
                .push(Problem::warning(self.file, at, field, reason).with_hint(hint));
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Whether further errors are not recorded.
    pub(crate) fn is_full(&self) -> bool {
        self.count(Severity::Error) >= PROBLEMS_MAX
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    }
}

/// The fields of one map.
pub(crate) struct Fields<'n> {
    entries: &'n [MapEntry],
    at: (u32, u32),
    path: String,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of `node` when it is a map; reports it otherwise. `path` is empty for the document.
    pub(crate) fn new(node: &'n Node, path: &str, report: &mut Report<'_>) -> Option<Self> {
        let Yaml::Map(entries) = &node.value else {
            report.error(
                node.at(),
                path,
                format!("expected a map of fields, found {}", node.describe()),
                None,
            );
            return None;
        };
        Some(Self {
            entries,
            at: node.at(),
            path: path.to_owned(),
            known: Vec::new(),
        })
    }

    /// The path of a field in messages.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// A field that is there and not null.
    pub(crate) fn get(&mut self, name: &'static str) -> Option<&'n Node> {
        self.get_or_null(name)
            .filter(|node| node.value != Yaml::Null)
    }

    /// A field that is there.
    pub(crate) fn get_or_null(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.entries
            .iter()
            .find(|entry| entry.key == name)
            .map(|entry| &entry.value)
    }

    /// A field that must be there.
    pub(crate) fn required(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<&'n Node> {
        let node = self.get(name);
        if node.is_none() {
            let near = self
                .entries
                .iter()
                .map(|entry| entry.key.as_str())
                .find(|key| !self.known.contains(key) && did_you_mean(key, [name]).is_some());
            let hint = near.map(|near| format!("there is `{near}`; rename it to `{name}`"));
            report.error(self.at, &self.path(name), "is missing", hint);
        }
        node
    }

    /// Text, reported when it is something else.
    pub(crate) fn text(&mut self, name: &'static str, report: &mut Report<'_>) -> Option<String> {
        let node = self.get(name)?;
        as_text(node, &self.path(name), report)
    }

    /// Text that must be there and not blank.
    pub(crate) fn required_text(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<String> {
        let node = self.required(name, report)?;
        let text = as_text(node, &self.path(name), report)?;
        if text.trim().is_empty() {
            report.error(node.at(), &self.path(name), "is empty", None);
            return None;
        }
        Some(text)
    }

    /// Text, or a number or boolean in the words of its author.
    pub(crate) fn loose_text(
        &mut self,
        name: &'static str,
        report: &mut Report<'_>,
    ) -> Option<String> {
        let node = self.get(name)?;
        match &node.value {
            Yaml::Number { text, .. } => Some(text.clone()),
            Yaml::Bool(value) => Some(value.to_string()),
            Yaml::Null | Yaml::String(_) | Yaml::Seq(_) | Yaml::Map(_) => {
                as_text(node, &self.path(name), report)
            }
        }
    }

    /// A value that is kept as it is.
    pub(crate) fn json(&mut self, name: &'static str) -> Option<Value> {
        self.get(name).map(Node::to_json)
    }

    /// Warns of the fields that were not asked for.
    pub(crate) fn finish(self, report: &mut Report<'_>) {
        for entry in self
            .entries
            .iter()
            .filter(|entry| !self.known.contains(&entry.key.as_str()))
        {
            let hint = did_you_mean(&entry.key, self.known.iter().copied());
            report.warning(
                (entry.line, entry.column),
                &self.path(&entry.key),
                "is not a known field",
                hint,
            );
        }
    }
}

pub(crate) fn as_text(node: &Node, path: &str, report: &mut Report<'_>) -> Option<String> {
    if let Some(text) = node.as_str() {
        return Some(text.to_owned());
    }
    let hint = matches!(node.value, Yaml::Number { .. } | Yaml::Bool(_))
        .then(|| "put it in quotes".to_owned());
    report.error(
        node.at(),
        path,
        format!("expected text, found {}", node.describe()),
        hint,
    );
    None
}
