//! What a program left in `OUTPUT_FOLDER`: `outputs.json` and files.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{AttemptDir, PortSpec, relative};

/// The largest `outputs.json`: larger values belong into files. (Its depth is limited to 128 by the parser.)
const LARGEST_JSON: u64 = 16 * 1024 * 1024;

/// What a program produced.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// The values of the ports that are not files. They are not checked against their ports' types.
    pub values: Map<String, Value>,
    /// The files, one for each port that is a file.
    pub files: Vec<OutputFile>,
    /// Keys of `outputs.json` that are no ports.
    pub unknown: Vec<String>,
}

/// A file that a program produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// The port's key.
    pub port: String,
    /// Where it is: a regular file below `OUTPUT_FOLDER`, symbolic links resolved.
    pub path: PathBuf,
    /// The name that the program gave it.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
}

/// The outputs do not fit the ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", port.as_ref().map(|port| format!("output {port}: ")).unwrap_or_default())]
pub struct BadOutputs {
    /// The port, if it is about one.
    pub port: Option<String>,
    /// What is wrong.
    pub reason: String,
}

/// Reads the outputs of a program that has ended: a value or a file for every port. Files may have `max_bytes` together.
///
/// # Errors
/// `outputs.json` is malformed, a port has no output, or a file is not a regular one within `OUTPUT_FOLDER`.
pub fn collect(
    dir: &AttemptDir,
    ports: &[PortSpec],
    max_bytes: u64,
) -> Result<Collected, BadOutputs> {
    let folder = Folder::open(&dir.outputs())?;
    let mut given = folder.outputs_json()?;
    let (mut values, mut files, mut bytes) = (Map::new(), Vec::new(), 0_u64);
    for port in ports {
        let value = given.as_mut().and_then(|given| given.remove(&port.key));
        if port.is_file {
            let file = folder
                .file_of(port, value.as_ref())
                .map_err(|reason| bad(Some(port), reason))?;
            bytes = bytes.saturating_add(file.bytes);
            if bytes > max_bytes {
                let reason = format!(
                    "the output files have more than the {max_bytes} bytes that the service may produce"
                );
                return Err(bad(Some(port), reason));
            }
            files.push(file);
        } else {
            let value = value.ok_or_else(|| {
                let reason = match given {
                    Some(_) => "outputs.json has no value for it",
                    None => "there is no outputs.json in OUTPUT_FOLDER",
                };
                bad(Some(port), reason.to_owned())
            })?;
            values.insert(port.key.clone(), value);
        }
    }
    let unknown = given
        .unwrap_or_default()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    Ok(Collected {
        values,
        files,
        unknown,
    })
}

fn bad(port: Option<&PortSpec>, reason: String) -> BadOutputs {
    BadOutputs {
        port: port.map(|port| port.key.clone()),
        reason,
    }
}

struct Folder {
    /// As the program was told.
    told: PathBuf,
    /// Without symbolic links: what a path within must start with.
    real: PathBuf,
}

impl Folder {
    fn open(told: &Path) -> Result<Self, BadOutputs> {
        let gone = |error: io::Error| bad(None, format!("OUTPUT_FOLDER is gone: {error}"));
        // A program may replace its folder: a link in its place would make another directory the one to stay within.
        if !fs::symlink_metadata(told).map_err(gone)?.is_dir() {
            let reason = "OUTPUT_FOLDER is not a directory any more";
            return Err(bad(None, reason.to_owned()));
        }
        let real = fs::canonicalize(told).map_err(gone)?;
        Ok(Self {
            told: told.to_owned(),
            real,
        })
    }

    fn outputs_json(&self) -> Result<Option<Map<String, Value>>, BadOutputs> {
        let about = |reason: String| bad(None, format!("outputs.json: {reason}"));
        let Some((path, metadata)) = self.find(Path::new("outputs.json")).map_err(about)? else {
            return Ok(None);
        };
        if metadata.len() > LARGEST_JSON {
            return Err(about(format!(
                "it has more than {LARGEST_JSON} bytes; put large values into files"
            )));
        }
        let mut text = Vec::new();
        // The program is gone, so the size is what it was; still it is what is read that counts.
        let read = File::open(path).and_then(|file| file.take(LARGEST_JSON).read_to_end(&mut text));
        read.map_err(|error| about(error.to_string()))?;
        // The parser's message ends with line and column.
        match serde_json::from_slice(&text).map_err(|error| about(error.to_string()))? {
            Value::Object(values) => Ok(Some(values)),
            _ => Err(about(
                "it is not an object of port keys and values".to_owned(),
            )),
        }
    }

    /// The file of `port`, to which outputs.json may give a path as `value`.
    fn file_of(&self, port: &PortSpec, value: Option<&Value>) -> Result<OutputFile, String> {
        for name in &port.file_names {
            // A name that leaves the folder is the service's mistake; the file is not there then.
            let found = relative(name)
                .map(|name| self.find(&name))
                .transpose()
                .map_err(|why| format!("{name}: {why}"))?;
            if let Some(found) = found.flatten() {
                return Ok(file(port, Path::new(name), found));
            }
        }
        match value {
            None | Some(Value::Null) => {}
            Some(Value::String(given)) => {
                let inside = Path::new(given)
                    .strip_prefix(&self.told)
                    .ok()
                    .and_then(Path::to_str)
                    .unwrap_or(given);
                let name = relative(inside)
                    .ok_or_else(|| format!("{given:?} is not a path within OUTPUT_FOLDER"))?;
                let found = self
                    .find(&name)
                    .map_err(|why| format!("{given:?}: {why}"))?;
                return found.map(|found| file(port, &name, found)).ok_or_else(|| {
                    format!("outputs.json says {given:?}, but OUTPUT_FOLDER has no such file")
                });
            }
            Some(other) => {
                return Err(format!(
                    "outputs.json has {other} where the path of a file belongs"
                ));
            }
        }
        self.file_named_as(port)
    }

    /// The file with the port's key as its name, with or without an extension.
    fn file_named_as(&self, port: &PortSpec) -> Result<OutputFile, String> {
        let mut named: Vec<String> = fs::read_dir(&self.real)
            .and_then(|entries| {
                entries
                    .map(|entry| entry.map(|entry| entry.file_name()))
                    .collect::<io::Result<Vec<_>>>()
            })
            .map_err(|error| error.to_string())?
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .filter(|name| {
                name.strip_prefix(&port.key)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
            .collect();
        named.sort_unstable();
        // Without an extension comes first, and is meant if it is there.
        let name = match named.as_slice() {
            [name] => name,
            [name, ..] if *name == port.key => name,
            [] => return Err("OUTPUT_FOLDER has no file for it".to_owned()),
            several => {
                return Err(format!(
                    "OUTPUT_FOLDER has several files for it: {}",
                    several.join(", ")
                ));
            }
        };
        let found = self
            .find(Path::new(name))
            .map_err(|why| format!("{name}: {why}"))?;
        found
            .map(|found| file(port, Path::new(name), found))
            .ok_or_else(|| format!("{name}: the link leads nowhere"))
    }

    /// The regular file at `name`, or `None` if there is nothing.
    fn find(&self, name: &Path) -> Result<Option<(PathBuf, Metadata)>, String> {
        // Everything that could change it is gone, so checking the resolved path is enough.
        let path = match fs::canonicalize(self.real.join(name)) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                return Ok(None);
            }
            path => path.map_err(|error| error.to_string())?,
        };
        if !path.starts_with(&self.real) {
            return Err("it is a link that leaves OUTPUT_FOLDER".to_owned());
        }
        let metadata = fs::symlink_metadata(&path).map_err(|error| error.to_string())?;
        match metadata.is_file() {
            true => Ok(Some((path, metadata))),
            false => Err("it is not a regular file".to_owned()),
        }
    }
}

fn file(port: &PortSpec, name: &Path, (path, metadata): (PathBuf, Metadata)) -> OutputFile {
    let name = name.file_name().map_or_else(
        || port.key.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    OutputFile {
        port: port.key.clone(),
        path,
        name,
        bytes: metadata.len(),
    }
}
