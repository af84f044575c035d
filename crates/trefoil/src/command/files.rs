//! `trefoil files`.

pub(crate) mod upload;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cli::FilesCommand;
use crate::client::{Client, ClientError, encode_path, pages};
use crate::command::services::field;
use crate::command::{is_dash, text_of};
use crate::failure::{Exit, Failure};
use crate::output::{Table, Ui, human_size};
use crate::progress::ByteProgress;

const PIECE: usize = 256 * 1024;

/// Runs `trefoil files …`.
pub(crate) fn run(ui: &Ui, client: &Client, command: FilesCommand) -> anyhow::Result<ExitCode> {
    match command {
        FilesCommand::Put {
            paths,
            name,
            media_type,
        } => put(ui, client, &paths, name.as_deref(), &media_type)?,
        FilesCommand::Get {
            sha256,
            output,
            force,
        } => get(ui, client, &sha256, output, force)?,
        FilesCommand::Ls { name, limit } => list(ui, client, name.as_deref(), limit)?,
        FilesCommand::Show { sha256 } => {
            let file: Value = client.get(&path_of(&sha256)).send()?.json()?;
            if ui.json {
                ui.document(&file)?;
            } else {
                for member in ["sha256", "size", "name", "type", "created_at"] {
                    let value = text_of(&file, member);
                    if !value.is_empty() {
                        ui.line(&field(member, &value))?;
                    }
                }
            }
        }
        FilesCommand::Rm { sha256 } => {
            for sha256 in &sha256 {
                client.delete(&path_of(sha256)).send()?;
                if !ui.json {
                    ui.line(&format!("{sha256} removed"))?;
                }
            }
            if ui.json {
                ui.document(&json!({"removed": sha256}))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn path_of(sha256: &str) -> String {
    format!("/v1/files/{}", encode_path(sha256))
}

fn put(
    ui: &Ui,
    client: &Client,
    paths: &[PathBuf],
    name: Option<&str>,
    media_type: &str,
) -> anyhow::Result<()> {
    if name.is_some() && paths.len() > 1 {
        return Err(Failure::invalid(
            "--name is given for several files",
            "upload them one by one, or leave out --name",
        )
        .into());
    }
    let mut uploaded = Vec::new();
    for path in paths {
        let file = upload::upload(ui, client, path, name, media_type)?;
        if !ui.json {
            let (sha256, name) = (text_of(&file, "sha256"), text_of(&file, "name"));
            ui.line(&format!("{sha256}  {name}"))?;
        }
        uploaded.push(file);
    }
    match (ui.json, uploaded.as_slice()) {
        (false, _) => Ok(()),
        (true, [one]) => ui.document(one),
        (true, many) => ui.document(&json!({ "items": many })),
    }
}

fn damaged(what: &str, expected: &str, found: &str) -> Failure {
    Failure {
        exit: Exit::Failed,
        name: "damaged-transfer",
        message: format!("the platform {what} {found} instead of {expected}"),
        hint: "try again; if it stays so, check memory and disks".to_owned(),
    }
}

fn get(
    ui: &Ui,
    client: &Client,
    sha256: &str,
    output: Option<PathBuf>,
    force: bool,
) -> anyhow::Result<()> {
    let sha256 = sha256.to_ascii_lowercase();
    let output = match output {
        Some(output) => output,
        None => {
            let about: Value = client.get(&path_of(&sha256)).send()?.json()?;
            let name = text_of(&about, "name");
            // A stored name is not trusted to stay in this directory.
            let plain = Path::new(&name)
                .file_name()
                .filter(|plain| *plain == name.as_str());
            plain.map_or_else(|| PathBuf::from(&sha256), PathBuf::from)
        }
    };
    let answer = client
        .get(&format!("{}/content", path_of(&sha256)))
        .send()?;
    let progress = ByteProgress::new(ui, &output.display().to_string(), answer.length());
    let mut digest = Sha256::new();
    let mut size = 0;
    let mut reader = answer.into_reader();
    let mut copy = |write: &mut dyn FnMut(&[u8]) -> anyhow::Result<()>| -> anyhow::Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let count = reader
                .read(&mut piece)
                .map_err(|error| ClientError::Unreachable {
                    url: client.base().to_owned(),
                    reason: format!("the download broke: {error}"),
                })?;
            if count == 0 {
                return Ok(());
            }
            digest.update(&piece[..count]);
            write(&piece[..count])?;
            size += count as u64;
            progress.add(count as u64);
        }
    };
    if is_dash(&output) {
        copy(&mut |bytes| ui.bytes(bytes))?;
        let found = hex(&digest.finalize());
        return match found == sha256 {
            true => Ok(()),
            false => Err(damaged("sent", &sha256, &found).into()),
        };
    }
    // Written beside its place and moved there when complete: nobody sees half a file.
    let fault = |error: std::io::Error| Failure::local_file("cannot write", &output, &error);
    if !force && output.try_exists().map_err(fault)? {
        return Err(Failure {
            exit: Exit::Conflict,
            name: "file-exists",
            message: format!("{} is there already", output.display()),
            hint: "overwrite it with --force, or choose another place with --output".to_owned(),
        }
        .into());
    }
    let part = Partial::create(&output).map_err(fault)?;
    let mut file = &part.file;
    copy(&mut |bytes| Ok(file.write_all(bytes).map_err(fault)?))?;
    let found = hex(&digest.finalize());
    if found != sha256 {
        return Err(damaged("sent", &sha256, &found).into());
    }
    part.keep(&output).map_err(fault)?;
    drop(progress);
    match ui.json {
        true => ui.document(&json!({"sha256": sha256, "size": size, "path": output})),
        false => ui.line(&output.display().to_string()),
    }
}

/// A file that goes away unless it is kept.
struct Partial {
    path: Option<PathBuf>,
    file: std::fs::File,
}

impl Partial {
    fn create(output: &Path) -> std::io::Result<Partial> {
        let mut name = output.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{}.part", std::process::id()));
        let path = output.with_file_name(name);
        let file = std::fs::File::create(&path)?;
        Ok(Partial {
            path: Some(path),
            file,
        })
    }

    fn keep(mut self, output: &Path) -> std::io::Result<()> {
        match self.path.take() {
            Some(path) => std::fs::rename(path, output),
            None => Ok(()),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Half a download left behind is ugly, not wrong.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn list(ui: &Ui, client: &Client, name: Option<&str>, limit: Option<u64>) -> anyhow::Result<()> {
    let page = pages::collect(limit, None, || {
        client.get("/v1/files").query_opt("name", name)
    })?;
    if ui.json {
        return ui.document(&page);
    }
    let mut table = Table::new(&["SHA-256", "SIZE", "TYPE", "CREATED", "NAME"]);
    for file in &page.items {
        let size = file["size"].as_u64().unwrap_or_default();
        table.row([
            text_of(file, "sha256").into(),
            // A pipe gets numbers that can be added up.
            match ui.terminal {
                true => human_size(size),
                false => size.to_string(),
            }
            .into(),
            text_of(file, "type").into(),
            text_of(file, "created_at").into(),
            text_of(file, "name").into(),
        ]);
    }
    match table.is_empty() {
        true => ui.note("no files; upload one with `trefoil files put PATH`"),
        false => ui.table(&table)?,
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
