//! `metadata.yml`: what a service is.

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    fields::{Fields, Report, as_text},
    key::{ServiceKey, parse_version},
    near::did_you_mean,
    port::Ports,
    problem::Problem,
    runspec::ProgressPattern,
    yaml::{Node, Yaml, parse_yaml},
};

mod ports;

/// What kind of service it is. Only computational services have jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceType {
    /// Inputs in, outputs out.
    Computational,
    /// Interactive.
    Dynamic,
    /// Part of a user interface.
    Frontend,
    /// Part of a platform.
    Backend,
}

impl ServiceType {
    const NAMES: [(&str, Self); 4] = [
        ("computational", Self::Computational),
        ("dynamic", Self::Dynamic),
        ("frontend", Self::Frontend),
        ("backend", Self::Backend),
    ];

    /// The type with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }
}

/// Somebody who wrote the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Author {
    /// Name.
    pub name: String,
    /// Mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Where they work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affiliation: Option<String>,
}

/// A checked `metadata.yml`.
#[derive(Debug, Clone)]
pub struct Metadata {
    /// Key.
    pub key: ServiceKey,
    /// Version.
    pub version: Version,
    /// Type.
    pub service_type: ServiceType,
    /// Title.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Whom to ask; may be empty.
    pub contact: String,
    /// Who wrote it.
    pub authors: Vec<Author>,
    /// Inputs.
    pub inputs: Ports,
    /// Outputs.
    pub outputs: Ports,
    /// `integration-version`.
    pub integration_version: Option<String>,
    /// `version_display`.
    pub version_display: Option<String>,
    /// `release_date`, as written.
    pub release_date: Option<String>,
    /// `boot-options`, as written.
    pub boot_options: Option<Value>,
    /// `min-visible-inputs`.
    pub min_visible_inputs: Option<u32>,
    /// `progress_regexp`.
    pub progress: Option<ProgressPattern>,
    /// `image_digest`.
    pub image_digest: Option<String>,
    /// `thumbnail`.
    pub thumbnail: Option<String>,
    /// `icon`.
    pub icon: Option<String>,
}

impl Metadata {
    /// Of a service that has a contract and nothing else.
    pub(crate) fn of_contract(
        key: ServiceKey,
        version: Version,
        name: String,
        description: String,
    ) -> Self {
        Self {
            key,
            version,
            service_type: ServiceType::Backend,
            name,
            description,
            contact: String::new(),
            authors: Vec::new(),
            inputs: Ports::default(),
            outputs: Ports::default(),
            integration_version: None,
            version_display: None,
            release_date: None,
            boot_options: None,
            min_visible_inputs: None,
            progress: None,
            image_digest: None,
            thumbnail: None,
            icon: None,
        }
    }

    /// Reads `metadata.yml`. All problems are returned; the metadata only when none of them is an error.
    pub fn parse(file: &str, bytes: &[u8]) -> (Option<Self>, Vec<Problem>) {
        let mut report = Report::new(file);
        let Some(root) = parse_yaml(file, bytes, &mut report.problems) else {
            return (None, report.problems);
        };
        let metadata = read_metadata(&root, &mut report).filter(|_| !report.has_errors());
        (metadata, report.problems)
    }
}

fn read_metadata(root: &Node, report: &mut Report<'_>) -> Option<Metadata> {
    let mut fields = Fields::new(root, "", report)?;
    let key = read_key(&mut fields, report);
    let version = read_version(&mut fields, report);
    let service_type = read_type(&mut fields, report);
    let name = fields.required_text("name", report);
    let description = fields.required_text("description", report);
    let contact = fields.text("contact", report).unwrap_or_default();
    let authors = read_authors(&mut fields, report);
    let inputs = ports::read_ports(&mut fields, "inputs", report);
    let outputs = ports::read_ports(&mut fields, "outputs", report);
    let integration_version = fields.loose_text("integration-version", report);
    let version_display = fields.loose_text("version_display", report);
    let release_date = fields.loose_text("release_date", report);
    let boot_options = fields.json("boot-options");
    let min_visible_inputs = read_count(&mut fields, "min-visible-inputs", report);
    let progress = read_progress(&mut fields, report);
    let image_digest = fields.text("image_digest", report);
    let thumbnail = fields.text("thumbnail", report);
    let icon = fields.text("icon", report);
    fields.finish(report);
    Some(Metadata {
        key: key?,
        version: version?,
        service_type: service_type?,
        name: name?,
        description: description?,
        contact,
        authors,
        inputs,
        outputs,
        integration_version,
        version_display,
        release_date,
        boot_options,
        min_visible_inputs,
        progress,
        image_digest,
        thumbnail,
        icon,
    })
}

fn read_key(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<ServiceKey> {
    let node = fields.required("key", report)?;
    let text = as_text(node, "key", report)?;
    match ServiceKey::new(&text) {
        Ok(key) => Some(key),
        Err(error) => {
            report.error(
                node.at(),
                "key",
                error.to_string(),
                Some("for example `nerve/hh-axon`".to_owned()),
            );
            None
        }
    }
}

fn read_version(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<Version> {
    let node = fields.required("version", report)?;
    if let Yaml::Number { text, .. } = &node.value {
        let full = match text.matches('.').count() {
            0 => format!("{text}.0.0"),
            _ => format!("{text}.0"),
        };
        let reason = format!("expected text, found the number {text}");
        report.error(
            node.at(),
            "version",
            reason,
            Some(format!(
                "write it with three parts and in quotes: \"{full}\""
            )),
        );
        return None;
    }
    let text = as_text(node, "version", report)?;
    match parse_version(&text) {
        Ok(version) => Some(version),
        Err(error) => {
            let hint =
                "three numbers without leading zeros, for example 1.2.0 or 1.2.0-rc.1".to_owned();
            report.error(node.at(), "version", error.to_string(), Some(hint));
            None
        }
    }
}

fn read_type(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<ServiceType> {
    let node = fields.required("type", report)?;
    let text = as_text(node, "type", report)?;
    let found = ServiceType::from_name(&text);
    if found.is_none() {
        let names = ServiceType::NAMES.map(|(name, _)| name);
        let hint =
            did_you_mean(&text, names).unwrap_or_else(|| format!("one of {}", names.join(", ")));
        report.error(
            node.at(),
            "type",
            format!("`{text}` is not a type of service"),
            Some(hint),
        );
    }
    found
}

fn read_authors(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Vec<Author> {
    let Some(node) = fields.get("authors") else {
        return Vec::new();
    };
    let Yaml::Seq(items) = &node.value else {
        report.error(
            node.at(),
            "authors",
            format!("expected a list, found {}", node.describe()),
            None,
        );
        return Vec::new();
    };
    let read = |(index, item): (usize, &Node)| {
        let mut fields = Fields::new(item, &format!("authors.{index}"), report)?;
        let name = fields.required_text("name", report);
        let email = fields.text("email", report);
        let affiliation = fields.text("affiliation", report);
        fields.finish(report);
        Some(Author {
            name: name?,
            email,
            affiliation,
        })
    };
    items.iter().enumerate().filter_map(read).collect()
}

fn read_count(fields: &mut Fields<'_>, name: &'static str, report: &mut Report<'_>) -> Option<u32> {
    let node = fields.get(name)?;
    let count = match &node.value {
        Yaml::Number { value, .. } => value.as_u64().and_then(|count| u32::try_from(count).ok()),
        Yaml::Null | Yaml::Bool(_) | Yaml::String(_) | Yaml::Seq(_) | Yaml::Map(_) => None,
    };
    if count.is_none() {
        report.error(
            node.at(),
            name,
            format!("expected a whole number from 0, found {}", node.describe()),
            None,
        );
    }
    count
}

/// A pattern written for another platform may use what ours lacks: progress is a comfort, so that is a warning.
fn read_progress(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<ProgressPattern> {
    let node = fields.get("progress_regexp")?;
    let text = as_text(node, "progress_regexp", report)?;
    match ProgressPattern::compile(&text) {
        Ok(pattern) => Some(pattern),
        Err(reason) => {
            report.warning(
                node.at(),
                "progress_regexp",
                reason,
                Some("the standard progress rule is used".to_owned()),
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
