//! `trefoil contract check`.

use std::{path::PathBuf, process::ExitCode};

use serde_json::{Value, json};
use trefoil_thrift::idl::{Diagnostic, Label, Severity, Sources};

use super::local;
use crate::cli::IncludePaths;
use crate::failure::Exit;
use crate::output::{Style, Ui};

pub(super) fn run(ui: &Ui, files: &[PathBuf], include: &IncludePaths) -> anyhow::Result<ExitCode> {
    let mut all = (0, 0);
    let mut documents = Vec::new();
    for path in files {
        let local = local::read(path, include)?;
        let (errors, warnings) = local.count();
        all = (all.0 + errors, all.1 + warnings);
        let name = local.shown_path();
        if ui.json {
            let findings: Vec<Value> = local
                .diagnostics
                .iter()
                .map(|found| finding_json(&local.sources, found))
                .collect();
            documents.push(json!({
                "file": name,
                "valid": errors == 0,
                "findings": findings,
            }));
            continue;
        }
        let text = local.render(ui.colors());
        if !text.is_empty() {
            ui.bytes(format!("{text}\n").as_bytes())?;
        }
        match errors {
            0 if warnings == 0 => ui.line(&format!("{name} is valid"))?,
            0 => ui.line(&format!(
                "{name} is valid, with {}",
                count(warnings, "warning")
            ))?,
            _ => ui.note(&format!(
                "{} {name} has {}",
                ui.styled_err("error:", Style::Red),
                counts(errors, warnings)
            )),
        }
    }
    let (errors, warnings) = all;
    if ui.json {
        ui.document(&json!({
            "valid": errors == 0,
            "errors": errors,
            "warnings": warnings,
            "files": documents,
        }))?;
    }
    Ok(match errors {
        0 => ExitCode::SUCCESS,
        _ => Exit::Failed.into(),
    })
}

fn count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

fn counts(errors: usize, warnings: usize) -> String {
    match warnings {
        0 => count(errors, "error"),
        _ => format!(
            "{} and {}",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    }
}

fn finding_json(sources: &Sources, found: &Diagnostic) -> Value {
    let mut json = label_json(sources, &found.primary);
    json["severity"] = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
    .into();
    json["message"] = found.message.as_str().into();
    json["help"] = json!(found.help);
    let others: Vec<Value> = found
        .others
        .iter()
        .map(|label| label_json(sources, label))
        .collect();
    json["others"] = others.into();
    json
}

/// A place from its first character to the one behind its last.
fn label_json(sources: &Sources, label: &Label) -> Value {
    let (line, column) = sources.line_column(label.source, label.span.start);
    let (end_line, end_column) = sources.line_column(label.source, label.span.end);
    json!({
        "file": sources.file(label.source).label,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
        "label": label.text,
    })
}
