//! `trefoil contract show`, from the JSON of the platform or of a file.

use serde_json::Value;

use crate::command::services::words;
use crate::command::text_of;
use crate::output::{Style, Ui, one_line};

pub(super) fn contract(ui: &Ui, json: &Value) -> anyhow::Result<()> {
    let title = match json.get("key") {
        Some(_) => format!("{}:{}", text_of(json, "key"), text_of(json, "version")),
        None => text_of(json, "file"),
    };
    ui.line(&ui.styled(&one_line(&title), Style::Bold))?;
    for member in ["state", "source", "digest"] {
        let value = text_of(json, member);
        if !value.is_empty() {
            ui.line(&crate::command::services::field(member, &value))?;
        }
    }
    if json["derived"] == true {
        ui.line("made from the ports in metadata.yml")?;
    }
    doc(ui, json, 0)?;
    for service in list(json, "services") {
        ui.line("")?;
        let parent = text_of(service, "extends");
        let parent = match parent.is_empty() {
            true => parent,
            false => format!(" extends {parent}"),
        };
        let name = text_of(service, "name");
        heading(
            ui,
            &format!("service {name}{parent}{}", deprecated(service)),
        )?;
        doc(ui, service, 2)?;
        for method in list(service, "methods") {
            ui.line(&format!("  {}", one_line(&signature(method))))?;
            doc(ui, method, 6)?;
        }
    }
    for item in list(json, "types") {
        ui.line("")?;
        heading(
            ui,
            &format!(
                "{} {}{}",
                text_of(item, "kind"),
                text_of(item, "name"),
                deprecated(item)
            ),
        )?;
        doc(ui, item, 2)?;
        let usual = match text_of(item, "kind").as_str() {
            "union" => OPTIONAL,
            _ => DEFAULT,
        };
        for shown in list(item, "fields") {
            ui.line(&format!("  {}", one_line(&field(shown, usual))))?;
            doc(ui, shown, 6)?;
        }
        for value in list(item, "values") {
            let line = format!("{} = {}", text_of(value, "name"), text_of(value, "number"));
            ui.line(&format!("  {}{}", one_line(&line), deprecated(value)))?;
            doc(ui, value, 6)?;
        }
    }
    for (member, word) in [("typedefs", "typedef"), ("constants", "const")] {
        let mut items = list(json, member).peekable();
        if items.peek().is_some() {
            ui.line("")?;
        }
        for item in items {
            let value = match item.get("value") {
                Some(value) => format!(" = {value}"),
                None => String::new(),
            };
            let (ty, name) = (text_of(item, "type"), text_of(item, "name"));
            let line = format!("{word} {ty} {name}{value}{}", deprecated(item));
            ui.line(&one_line(&line))?;
        }
    }
    for warning in list(json, "warnings") {
        let (file, line) = (text_of(warning, "file"), text_of(warning, "line"));
        let word = ui.styled_err("warning:", Style::Yellow);
        let reason = one_line(&text_of(warning, "reason"));
        ui.note(&format!("{word} {}:{line}: {reason}", one_line(&file)));
    }
    Ok(())
}

/// What members of unions and exceptions that are thrown are, whatever is written.
const OPTIONAL: &str = "optional";
/// What a field is that does not say it.
const DEFAULT: &str = "default";

fn list<'v>(json: &'v Value, member: &str) -> impl Iterator<Item = &'v Value> + use<'v> {
    json[member].as_array().into_iter().flatten()
}

fn heading(ui: &Ui, text: &str) -> anyhow::Result<()> {
    ui.line(&ui.styled(&one_line(text), Style::Bold))
}

/// Documentation, line by line.
fn doc(ui: &Ui, json: &Value, indent: usize) -> anyhow::Result<()> {
    for line in text_of(json, "doc").lines() {
        let line = ui.styled(&one_line(line), Style::Dim);
        ui.line(&format!("{:indent$}{line}", ""))?;
    }
    Ok(())
}

/// A method as it is written.
fn signature(method: &Value) -> String {
    let fields = |member: &str, usual: &str| {
        let fields = list(method, member).map(|one| field(one, usual));
        fields.collect::<Vec<_>>().join(", ")
    };
    let oneway = if method["oneway"] == true {
        "oneway "
    } else {
        ""
    };
    let throws = match fields("throws", OPTIONAL) {
        none if none.is_empty() => none,
        thrown => format!(" throws ({thrown})"),
    };
    format!(
        "{oneway}{} {}({}){throws}{}",
        text_of(method, "returns"),
        text_of(method, "name"),
        fields("arguments", DEFAULT),
        deprecated(method)
    )
}

/// A field as it is written; whether it is required only if that is not `usual`.
fn field(field: &Value, usual: &str) -> String {
    let requiredness = match text_of(field, "requiredness") {
        same if same == usual => String::new(),
        other => format!("{other} "),
    };
    let default = match field.get("default") {
        Some(default) => format!(" = {default}"),
        None => String::new(),
    };
    format!(
        "{}: {requiredness}{} {}{default}{}",
        text_of(field, "id"),
        text_of(field, "type"),
        text_of(field, "name"),
        deprecated(field)
    )
}

/// What should no longer be used says so.
fn deprecated(item: &Value) -> String {
    match item["annotations"].get("deprecated") {
        None => String::new(),
        Some(why) => match words(why).as_str() {
            "false" => String::new(),
            "1" | "true" | "" => " (deprecated)".to_owned(),
            why => format!(" (deprecated: {})", one_line(why)),
        },
    }
}
