//! `trefoil config`, and the settings that `trefoil up` runs with.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::{ConfigCommand, ConfigFlags};
use crate::config::{self, Entry, Loaded, Settings, Source, value};
use crate::output::{Cell, Style, Table, Ui};
use crate::report::ConfigErrors;

/// Loads what `flags` ask for; warnings go to standard error.
pub(crate) fn settings(ui: &Ui, flags: ConfigFlags) -> anyhow::Result<Settings> {
    let loaded = load(flags)?;
    warn(ui, &loaded);
    Ok(loaded.settings)
}

/// Runs `trefoil config …`.
pub(crate) fn run(ui: &Ui, command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Check(flags) => check(ui, &load(flags)?),
        ConfigCommand::Show(flags) => show(ui, &load(flags)?),
    }
}

fn load(flags: ConfigFlags) -> anyhow::Result<Loaded> {
    config::load(&flags.into_inputs()).map_err(|errors| ConfigErrors(errors).into())
}

fn warn(ui: &Ui, loaded: &Loaded) {
    for warning in &loaded.warnings {
        ui.note(&format!(
            "{} {warning}",
            ui.styled_err("warning:", Style::Yellow)
        ));
    }
}

fn file_name(loaded: &Loaded) -> Option<String> {
    loaded.file.as_ref().map(|path| path.display().to_string())
}

fn check(ui: &Ui, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    if ui.json {
        ui.document(&json!({
            "valid": true,
            "file": file_name(loaded),
            "warnings": loaded.warnings,
        }))?;
    } else {
        warn(ui, loaded);
        match file_name(loaded) {
            Some(file) => ui.line(&format!("{file} is valid"))?,
            None => ui.line("valid; there is no configuration file")?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show(ui: &Ui, loaded: &Loaded) -> anyhow::Result<ExitCode> {
    if ui.json {
        let keys: Vec<Value> = loaded.entries.iter().map(entry_json).collect();
        ui.document(&json!({"file": file_name(loaded), "keys": keys}))?;
        return Ok(ExitCode::SUCCESS);
    }
    warn(ui, loaded);
    let mut table = Table::new(&["KEY", "VALUE", "FROM"]);
    for entry in &loaded.entries {
        let style = match entry.source {
            Source::Default => Style::Dim,
            Source::File { .. } | Source::Environment(_) | Source::Flag(_) => Style::Plain,
        };
        table.row([
            entry.key.name.into(),
            Cell::styled(entry.value.to_string(), style),
            Cell::styled(entry.source.to_string(), style),
        ]);
    }
    ui.table(&table)?;
    Ok(ExitCode::SUCCESS)
}

fn entry_json(entry: &Entry) -> Value {
    let value = match &entry.value {
        value::Value::Bool(on) => json!(on),
        value::Value::Count(count) => json!(count),
        value::Value::Paths(paths) => {
            json!(
                paths
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect::<Vec<_>>()
            )
        }
        value::Value::OptionalDuration(None) => Value::Null,
        other => json!(other.to_string()),
    };
    json!({
        "key": entry.key.name,
        "value": value,
        "from": entry.source.to_string(),
        "environment": entry.key.env,
        "flag": format!("--{}", entry.key.flag),
        "default": entry.key.default,
        "help": entry.key.help,
    })
}
