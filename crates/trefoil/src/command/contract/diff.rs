//! `trefoil contract diff`.

use std::process::ExitCode;

use semver::Version;
use serde_json::json;
use trefoil_thrift::{
    diff::{self, Severity},
    model::Contract,
};

use crate::failure::Exit;
use crate::output::{Style, Ui};

/// One of the two contracts.
pub(super) struct Side {
    name: String,
    /// Its version, if it says one.
    version: Option<Version>,
    contract: Contract,
}

impl Side {
    pub(super) fn new(name: &str, version: Option<String>, contract: Contract) -> Self {
        Self {
            name: name.to_owned(),
            version: version.and_then(|version| version.parse().ok()),
            contract,
        }
    }
}

pub(super) fn run(ui: &Ui, old: &Side, new: &Side) -> anyhow::Result<ExitCode> {
    let changes = diff::diff(&old.contract, &new.contract);
    let bump = diff::required_bump(&changes);
    let is_breaking = bump == Some(Severity::Major);
    let (was, is) = (&old.contract.sources, &new.contract.sources);
    // The same number never does for a change, and the error says which one would.
    let required = old.version.as_ref().and_then(|version| {
        let error = diff::check_version(version, version, &changes).err()?;
        Some(error.required)
    });
    if ui.json {
        let mut json = diff::to_json(&changes, was, is);
        json["from"] = old.name.as_str().into();
        json["to"] = new.name.as_str().into();
        json["breaking"] = is_breaking.into();
        json["required"] = json!(required.map(|version| version.to_string()));
        ui.document(&json)?;
    } else {
        for line in diff::render(&changes, was, is).lines() {
            let style = match line.split_once(':') {
                Some(("major", _)) => Style::Red,
                Some(("minor", _)) => Style::Yellow,
                _ => Style::Plain,
            };
            ui.line(&ui.styled(line, style))?;
        }
        let after = match (&required, &old.version) {
            (Some(required), Some(version)) => format!(": {required} or higher after {version}"),
            _ => String::new(),
        };
        match bump {
            None => ui.line("no changes")?,
            Some(bump) => ui.line(&format!("required bump: {}{after}", bump.as_str()))?,
        }
    }
    Ok(match is_breaking {
        true => Exit::Failed.into(),
        false => ExitCode::SUCCESS,
    })
}
