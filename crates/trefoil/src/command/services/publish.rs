//! `trefoil services publish`.

pub(super) mod contract;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::command::text_of;
use crate::failure::Failure;
use crate::output::Ui;

/// The API takes 16 MiB of JSON; larger services belong into a directory that is watched.
const TOTAL_MAX: u64 = 16 * 1024 * 1024;

/// How deep directories are followed: services are shallow, and a loop of links must end.
const DEPTH_MAX: usize = 16;

/// What may happen to what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// It is replaced.
    pub(crate) replace: bool,
    /// Callers break.
    pub(crate) force: bool,
}

impl How {
    /// The query that says so.
    const fn query(self) -> &'static str {
        if self.force { "?force=true" } else { "" }
    }
}

/// The contract that `path` means, if it is a contract and no service with metadata.
pub(crate) fn contract_in(path: &Path) -> Option<PathBuf> {
    if path.extension().is_some_and(|ending| ending == "thrift") {
        return Some(path.to_owned());
    }
    let file = path.join("contract.thrift");
    (metadata_in(path).is_none() && file.is_file()).then_some(file)
}

fn metadata_in(dir: &Path) -> Option<PathBuf> {
    let names = ["metadata.yml", ".osparc/metadata.yml"];
    let mut paths = names.iter().map(|name| dir.join(name));
    paths.find(|path| path.is_file())
}

/// Publishes the service in `dir`.
pub(crate) fn run(
    ui: &Ui,
    client: &Client,
    dir: &Path,
    how: How,
    only: &[PathBuf],
) -> anyhow::Result<()> {
    let metadata_path = metadata_in(dir).ok_or_else(|| {
        Failure::invalid(
            format!("{} has no metadata.yml", dir.display()),
            "a service is a directory with metadata.yml and service.toml, or with contract.thrift",
        )
    })?;
    let metadata = read(&metadata_path)?;
    let (key, version) = key_and_version(&metadata).ok_or_else(|| {
        Failure::invalid(
            format!("{} has no `key` and `version`", metadata_path.display()),
            "both are needed to publish: key: my/service, version: 1.0.0",
        )
    })?;
    let mut body = json!({ "metadata": metadata });
    let program = dir.join("service.toml");
    if program.is_file() {
        body["service"] = json!(read(&program)?);
    }
    let files = match only {
        [] => collect(dir)?,
        only => only
            .iter()
            .map(|path| read_file(dir, path))
            .collect::<Result<Map<String, Value>, Failure>>()?,
    };
    if !files.is_empty() {
        body["files"] = Value::Object(files);
    }
    let path = format!(
        "/v1/services/{}:{}",
        crate::client::encode_path(&key),
        crate::client::encode_path(&version)
    );
    put(ui, client, &path, &body, how, &format!("{key}:{version}"))
}

/// Sends a publication, and says what it did.
fn put(
    ui: &Ui,
    client: &Client,
    path: &str,
    body: &Value,
    how: How,
    id: &str,
) -> anyhow::Result<()> {
    // The answer does not tell a replaced version from one that was the same already.
    let digest_before = match how.replace {
        true => client
            .get(path)
            .header("accept", "application/json")
            .send()
            .and_then(|answer| answer.json::<Value>())
            .map(|service| text_of(&service, "digest"))
            .ok(),
        false => None,
    };
    let answer = client
        .put(&format!("{path}{}", how.query()))
        .json(body)
        .header_opt("if-match", how.replace.then_some("*"))
        .send()?;
    let new = answer.status() == 201;
    let service: Value = answer.json()?;
    if ui.json {
        return ui.document(&service);
    }
    let digest = text_of(&service, "digest");
    let word = match (new, digest_before) {
        (true, _) => "published",
        (false, Some(before)) if before != digest => "replaced",
        (false, _) => "up to date",
    };
    ui.line(&format!("{id} {word} {digest}"))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Failure::invalid(
            format!("{} is not UTF-8 text", path.display()),
            "only text can be published; put the directory below one of `services` of the \
             configuration instead, or choose files with --file",
        ),
        _ => Failure::local_file("cannot read", path, &error),
    })
}

fn read_file(dir: &Path, relative: &Path) -> Result<(String, Value), Failure> {
    let name = relative.to_str().ok_or_else(|| {
        Failure::invalid(
            format!("the name {} is not UTF-8", relative.display()),
            "rename the file",
        )
    })?;
    let text = read(&dir.join(relative))?;
    Ok((name.to_owned(), Value::String(text)))
}

/// Every file of the directory but the two with a meaning and hidden ones.
fn collect(dir: &Path) -> Result<Map<String, Value>, Failure> {
    let mut files = Map::new();
    let mut total = 0;
    let mut left = vec![(PathBuf::new(), 0)];
    while let Some((below, depth)) = left.pop() {
        let here = dir.join(&below);
        let fault = |error: std::io::Error| Failure::local_file("cannot read", &here, &error);
        for entry in std::fs::read_dir(&here).map_err(fault)? {
            let entry = entry.map_err(fault)?;
            let name = entry.file_name();
            let relative = below.join(&name);
            let hidden = name.as_encoded_bytes().starts_with(b".");
            let named =
                below.as_os_str().is_empty() && (name == "metadata.yml" || name == "service.toml");
            if hidden || named {
                continue;
            }
            let kind = std::fs::metadata(entry.path()).map_err(fault)?;
            if kind.is_dir() && depth < DEPTH_MAX {
                left.push((relative, depth + 1));
            } else if kind.is_file() {
                total += kind.len();
                if total > TOTAL_MAX {
                    return Err(Failure::invalid(
                        format!("the files of {} are more than 16 MiB", dir.display()),
                        "choose files with --file, or put the directory below one of `services` \
                         of the configuration",
                    ));
                }
                let (name, text) = read_file(dir, &relative)?;
                files.insert(name, text);
            }
        }
    }
    Ok(files)
}

/// `key` and `version` of the top level. The platform parses the YAML and checks that they agree
/// with the path, so this needs to understand only how people write the two lines.
fn key_and_version(metadata: &str) -> Option<(String, String)> {
    let find = |name: &str| {
        metadata.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?.trim();
            let value = match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split(quote).next()?,
                _ => value.split(" #").next()?.trim(),
            };
            (!value.is_empty()).then(|| value.to_owned())
        })
    };
    Some((find("key")?, find("version")?))
}

#[cfg(test)]
mod tests {
    use super::{collect, key_and_version};

    #[test]
    fn the_two_lines_as_people_write_them() {
        let expected = Some(("a/b".to_owned(), "1.0.0".to_owned()));
        assert_eq!(key_and_version("key: a/b\nversion: 1.0.0\n"), expected);
        assert_eq!(
            key_and_version("version: \"1.0.0\" # x\nname: x\nkey: 'a/b'\n"),
            expected
        );
        assert_eq!(
            key_and_version("key:   a/b # the key\nversion: 1.0.0\n"),
            expected
        );
        assert_eq!(key_and_version("  key: a/b\nversion: 1.0.0\n"), None);
        assert_eq!(key_and_version("key: a/b\n"), None);
    }

    #[test]
    fn files_of_the_directory_without_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("metadata.yml", "m"),
            ("service.toml", "s"),
            ("run.sh", "#!/bin/sh\n"),
            (".secret", "x"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        std::fs::create_dir(dir.path().join("lib")).unwrap();
        std::fs::write(dir.path().join("lib/a.py"), "a").unwrap();
        let files = collect(dir.path()).unwrap();
        let names: Vec<&String> = files.keys().collect();
        assert_eq!(names, ["lib/a.py", "run.sh"]);
        std::fs::write(dir.path().join("blob"), [0xff, 0xfe]).unwrap();
        assert!(collect(dir.path()).unwrap_err().message.contains("UTF-8"));
    }
}
