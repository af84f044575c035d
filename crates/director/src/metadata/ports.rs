//! The ports of `metadata.yml`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    fields::{Fields, Report, as_text},
    inputs::check_default,
    near::did_you_mean,
    port::{MediaPattern, Port, PortKind, Ports},
    schema::ContentSchema,
    yaml::{MapEntry, Node, Yaml},
};

/// Longest port key in bytes: it becomes part of the name of an environment variable and of a file.
const PORT_KEY_BYTES_MAX: usize = 100;
/// Most ports of one section: answers that pair ports grow with the square of it.
const PORTS_MAX: usize = 500;
/// Longest name in `fileToKeyMap`, the limit of common file systems.
const FILE_NAME_BYTES_MAX: usize = 255;
/// Names that the program contract takes for itself.
const RESERVED_FILE_NAMES: [&str; 2] = ["inputs.json", "outputs.json"];

pub(super) fn read_ports(
    fields: &mut Fields<'_>,
    section: &'static str,
    report: &mut Report<'_>,
) -> Ports {
    let Some(node) = fields.get(section) else {
        return Ports::default();
    };
    let Yaml::Map(entries) = &node.value else {
        report.error(
            node.at(),
            section,
            format!("expected a map of ports, found {}", node.describe()),
            None,
        );
        return Ports::default();
    };
    if entries.len() > PORTS_MAX {
        let reason = format!(
            "has {} ports; at most {PORTS_MAX} are allowed",
            entries.len()
        );
        report.error(node.at(), section, reason, None);
        return Ports::default();
    }
    let ports = entries
        .iter()
        .filter_map(|entry| read_port(entry, section, report))
        .collect();
    check_variables(entries, section, report);
    check_file_names(entries, section, report);
    Ports::new(ports)
}

fn read_port(entry: &MapEntry, section: &str, report: &mut Report<'_>) -> Option<Port> {
    let key = &entry.key;
    let path = format!("{section}.{key}");
    let valid = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && key.len() <= PORT_KEY_BYTES_MAX;
    if !valid {
        let reason = format!(
            "a port key is a letter, then letters, digits, `_` or `-`, at most {PORT_KEY_BYTES_MAX} bytes"
        );
        report.error((entry.line, entry.column), &path, reason, None);
    }
    let mut fields = Fields::new(&entry.value, &path, report)?;
    let schema = read_schema(&mut fields, report);
    let kind = read_kind(&mut fields, schema.clone(), report);
    let label = fields
        .loose_text("label", report)
        .unwrap_or_else(|| key.clone());
    let description = fields.loose_text("description", report).unwrap_or_default();
    let unit = fields
        .text("unit", report)
        .or_else(|| unit_of_schema(&schema));
    let display_order = read_order(&mut fields, report);
    let default = fields.get_or_null("defaultValue");
    let file_to_key_map = read_file_names(&mut fields, &entry.value, key, report);
    // How a form shows the port: for other platforms.
    fields.get("widget");
    let path_of_default = fields.path("defaultValue");
    fields.finish(report);
    let kind = kind?;
    let extra_schema = match (&kind, schema) {
        (PortKind::Schema(_), _) | (_, None) => None,
        (PortKind::Data(_), Some((at, _))) => {
            report.warning(
                at,
                &format!("{path}.contentSchema"),
                "has no effect on a file port",
                None,
            );
            None
        }
        (_, Some((_, schema))) => schema,
    };
    let required = section == "outputs" || default.is_none();
    let mut port = Port {
        key: key.clone(),
        label,
        description,
        kind,
        unit: unit.filter(|unit| !unit.trim().is_empty()),
        default: None,
        extra_schema,
        file_to_key_map,
        display_order,
        required,
    };
    port.default = default.and_then(|node| read_default(&port, node, &path_of_default, report));
    Some(port)
}

fn unit_of_schema(schema: &FoundSchema) -> Option<String> {
    let (_, schema) = schema.as_ref()?;
    let unit = schema.as_ref()?.source().get("x_unit")?;
    unit.as_str().map(str::to_owned)
}

fn read_default(port: &Port, node: &Node, path: &str, report: &mut Report<'_>) -> Option<Value> {
    let checked = check_default(port, node.to_json());
    checked
        .map_err(|reasons| {
            for reason in reasons {
                report.error(node.at(), path, reason, None);
            }
        })
        .ok()
}

/// Where a content schema is, and the schema when it compiles.
type FoundSchema = Option<((u32, u32), Option<ContentSchema>)>;

fn read_schema(fields: &mut Fields<'_>, report: &mut Report<'_>) -> FoundSchema {
    let node = fields.get("contentSchema")?;
    let schema = ContentSchema::compile(node.to_json());
    let schema = schema
        .map_err(|reason| report.error(node.at(), &fields.path("contentSchema"), reason, None));
    Some((node.at(), schema.ok()))
}

fn read_kind(
    fields: &mut Fields<'_>,
    schema: FoundSchema,
    report: &mut Report<'_>,
) -> Option<PortKind> {
    const NAMES: [&str; 5] = [
        "number",
        "integer",
        "boolean",
        "string",
        "ref_contentSchema",
    ];
    let node = fields.required("type", report)?;
    let path = fields.path("type");
    let text = as_text(node, &path, report)?;
    match text.as_str() {
        "number" => return Some(PortKind::Number),
        "integer" => return Some(PortKind::Integer),
        "boolean" => return Some(PortKind::Boolean),
        "string" => return Some(PortKind::String),
        "ref_contentSchema" => {
            if schema.is_none() {
                report.error(
                    node.at(),
                    &path,
                    "`ref_contentSchema` needs a `contentSchema`",
                    None,
                );
            }
            return schema.and_then(|(_, schema)| schema).map(PortKind::Schema);
        }
        _ => {}
    }
    let Some(media) = text.strip_prefix("data:") else {
        let hint = did_you_mean(&text, NAMES).unwrap_or_else(|| {
            format!(
                "one of {}, or data:<media type> for a file",
                NAMES.join(", ")
            )
        });
        report.error(
            node.at(),
            &path,
            format!("`{text}` is not a type of port"),
            Some(hint),
        );
        return None;
    };
    let list = media
        .strip_prefix('[')
        .and_then(|media| media.strip_suffix(']'))
        .unwrap_or(media);
    let patterns: Option<Vec<MediaPattern>> = list
        .split(',')
        .map(|item| MediaPattern::parse(item.trim()))
        .collect();
    if patterns.is_none() {
        let hint = "for example data:text/csv, data:*/* or data:[image/png,image/jpeg]".to_owned();
        report.error(
            node.at(),
            &path,
            format!("`{media}` is not a media type"),
            Some(hint),
        );
    }
    patterns.map(PortKind::Data)
}

fn read_order(fields: &mut Fields<'_>, report: &mut Report<'_>) -> Option<f64> {
    let node = fields.get("displayOrder")?;
    if let Yaml::Number { value, .. } = &node.value {
        return value.as_f64();
    }
    let path = fields.path("displayOrder");
    report.error(
        node.at(),
        &path,
        format!("expected a number, found {}", node.describe()),
        None,
    );
    None
}

fn read_file_names(
    fields: &mut Fields<'_>,
    port: &Node,
    key: &str,
    report: &mut Report<'_>,
) -> BTreeMap<String, String> {
    let Some(node) = fields.get("fileToKeyMap") else {
        return BTreeMap::new();
    };
    let path = fields.path("fileToKeyMap");
    let Yaml::Map(entries) = &node.value else {
        report.error(
            node.at(),
            &path,
            format!(
                "expected a map of file name to port key, found {}",
                node.describe()
            ),
            None,
        );
        return BTreeMap::new();
    };
    let is_file = port
        .get("type")
        .and_then(Node::as_str)
        .is_some_and(|text| text.starts_with("data:"));
    if !is_file && !entries.is_empty() {
        report.warning(
            node.at(),
            &path,
            "has no effect: the port is not a file",
            None,
        );
    }
    let mut names = BTreeMap::new();
    for entry in entries {
        let path = format!("{path}.{}", entry.key);
        if let Err(reason) = check_file_name(&entry.key) {
            report.error((entry.line, entry.column), &path, reason, None);
        }
        let Some(target) = as_text(&entry.value, &path, report) else {
            continue;
        };
        if target != key {
            let reason = format!("names the port `{target}`, not `{key}`, and has no effect");
            report.warning(entry.value.at(), &path, reason, None);
        }
        names.insert(entry.key.clone(), target);
    }
    names
}

/// A name that is one plain file below the program's folder, whatever the folder is.
fn check_file_name(name: &str) -> Result<(), String> {
    let plain = !name.is_empty()
        && name != "."
        && name != ".."
        && !name.contains(['/', '\\'])
        && !name.chars().any(char::is_control)
        && name.len() <= FILE_NAME_BYTES_MAX;
    if !plain {
        return Err("is not a plain file name".to_owned());
    }
    if RESERVED_FILE_NAMES.contains(&name) {
        return Err("is the name of the file that holds the values of all ports".to_owned());
    }
    Ok(())
}

/// Two ports cannot have the same file.
fn check_file_names(entries: &[MapEntry], section: &str, report: &mut Report<'_>) {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for port in entries {
        let Some(Node {
            value: Yaml::Map(names),
            ..
        }) = port.value.get("fileToKeyMap")
        else {
            continue;
        };
        for name in names
            .iter()
            .filter(|name| name.value.as_str() == Some(&port.key))
        {
            if let Some(other) = taken.insert(&name.key, &port.key) {
                let path = format!("{section}.{}.fileToKeyMap.{}", port.key, name.key);
                report.error(
                    (name.line, name.column),
                    &path,
                    format!("is the file of port `{other}` too"),
                    None,
                );
            }
        }
    }
}

/// Programs get inputs as `INPUT_<PORT>`; two ports may meet there.
fn check_variables(entries: &[MapEntry], section: &str, report: &mut Report<'_>) {
    if section != "inputs" {
        return;
    }
    let mut taken: BTreeMap<String, &str> =
        BTreeMap::from([("FOLDER".to_owned(), "INPUT_FOLDER itself")]);
    for entry in entries {
        let upper = entry.key.to_ascii_uppercase();
        if let Some(other) = taken.insert(upper.clone(), &entry.key) {
            let reason = format!(
                "its variable INPUT_{upper} is also that of {other}; read inputs.json instead"
            );
            report.warning(
                (entry.line, entry.column),
                &format!("{section}.{}", entry.key),
                reason,
                None,
            );
        }
    }
}
