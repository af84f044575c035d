//! `trefoil contract`.

mod check;
mod diff;
pub(crate) mod local;
mod show;

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use serde_json::Value;
use trefoil_thrift::{
    describe,
    model::{Contract, load},
};

use crate::cli::ContractCommand;
use crate::client::{Client, ClientError, encode_path};
use crate::command::text_of;
use crate::failure::{Exit, Failure};
use crate::output::Ui;
use local::LocalContract;

/// Makes the client: what is about files needs none.
type MakeClient<'a> = &'a dyn Fn() -> Result<Client, ClientError>;

/// Runs `trefoil contract …`.
pub(crate) fn run(
    ui: &Ui,
    client: MakeClient<'_>,
    command: ContractCommand,
) -> anyhow::Result<ExitCode> {
    match command {
        ContractCommand::Check { files, include } => check::run(ui, &files, &include),
        ContractCommand::Show { contract, include } => {
            let json = if is_file(&contract) {
                describe::to_json(&local::contract(ui, Path::new(&contract), &include)?)
            } else {
                published(client, &contract)?
            };
            match ui.json {
                true => ui.document(&json)?,
                false => show::contract(ui, &json)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        ContractCommand::Diff { old, new, include } => {
            let side = |text: &str| -> anyhow::Result<diff::Side> {
                if is_file(text) {
                    let contract = local::contract(ui, Path::new(text), &include)?;
                    let (_, version) = local::identity(&contract);
                    return Ok(diff::Side::new(text, version, contract));
                }
                let json = published(client, text)?;
                let name = format!("{}:{}", text_of(&json, "key"), text_of(&json, "version"));
                let version = Some(text_of(&json, "version"));
                Ok(diff::Side::new(&name, version, of_files(&name, &json)?))
            };
            diff::run(ui, &side(&old)?, &side(&new)?)
        }
    }
}

/// Whether an argument means a file and no service. Services have no such ending, unless somebody asks for it.
fn is_file(text: &str) -> bool {
    text.ends_with(".thrift") || Path::new(text).is_file()
}

/// A contract of the platform.
fn published(client: MakeClient<'_>, service: &str) -> anyhow::Result<Value> {
    let path = format!("/v1/contracts/{}", encode_path(service));
    let client = client()?;
    let call = client.get(&path).header("accept", "application/json");
    Ok(call.send()?.json()?)
}

/// Reads the files of a contract of the platform again: they were checked there.
fn of_files(name: &str, json: &Value) -> Result<Contract, Failure> {
    let files = json["files"].as_object().into_iter().flatten();
    let files: BTreeMap<String, Vec<u8>> = files
        .filter_map(|(name, text)| Some((name.clone(), text.as_str()?.as_bytes().to_vec())))
        .collect();
    let loaded = load(&text_of(json, "file"), &files, &[String::new()]);
    loaded.contract.ok_or_else(|| Failure {
        exit: Exit::Failed,
        name: "broken-contract",
        message: format!("the contract of {name} cannot be read"),
        hint: "is the platform newer than this program? compare `trefoil --version`".to_owned(),
    })
}

/// Says on standard error what is wrong with a contract, and fails if it cannot be used.
fn usable(ui: &Ui, local: LocalContract) -> Result<Contract, Failure> {
    let path = local.shown_path().to_owned();
    if !local.diagnostics.is_empty() {
        ui.note(local.render(ui.colors_err()).trim_end());
    }
    local.contract.ok_or_else(|| Failure {
        exit: Exit::Failed,
        name: "broken-contract",
        message: format!("{path} has errors"),
        hint: format!("`trefoil contract check {path}` shows them"),
    })
}
