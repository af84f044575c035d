//! The folder contract: what a program finds in `INPUT_FOLDER` and its environment, and what is read from `OUTPUT_FOLDER`
//! once it has ended. (The user's side of it is `docs/src/services.md`.)
//!
//! Everything here blocks, on as much data as the files have.

mod outputs;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

pub use outputs::{BadOutputs, Collected, OutputFile, collect};

use super::{ATTEMPT_ID_VARIABLE, AttemptDir};

/// The kernel takes no longer variable than 128 KiB with its name, and refuses the program otherwise.
const LONGEST_VARIABLE: usize = 120 * 1024;

/// All variables of inputs together. The kernel takes a quarter of the stack limit, 2 MiB as a rule, for arguments and
/// environment.
const INPUT_VARIABLES: usize = 1024 * 1024;

/// The longest file name of common file systems.
const LONGEST_NAME: usize = 255;

/// What is used when the platform itself has no `PATH`.
pub(crate) const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the contract needs to know of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// The port's key.
    pub key: String,
    /// Whether its values are files (`data:…`).
    pub is_file: bool,
    /// The file names that `fileToKeyMap` gives to this port.
    pub file_names: Vec<String>,
}

/// A file for an input port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// The port's key.
    pub port: String,
    /// Where the platform keeps the content.
    pub source: PathBuf,
    /// The name that the file had where it came from.
    pub file_name: Option<String>,
}

/// The attempt's directories cannot be filled.
#[derive(Debug, thiserror::Error)]
#[error("cannot prepare {}: {source}", path.display())]
pub struct PrepareError {
    /// What could not be written, or copied.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Creates the attempt's directories, copies `files` into `INPUT_FOLDER` and writes `inputs.json`. Returns the content of
/// that: `inputs` with the path of its file for each port that has one.
///
/// Files are copied (shared by the file system where it can): with a link, a program could change what the platform keeps.
///
/// # Errors
/// A directory or file cannot be written, or a source cannot be read.
pub fn prepare(
    dir: &AttemptDir,
    ports: &[PortSpec],
    inputs: &Map<String, Value>,
    files: &[InputFile],
) -> Result<Map<String, Value>, PrepareError> {
    let folder = dir.inputs();
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| PrepareError { path, source }
    };
    dir.create().map_err(failed(dir.path()))?;
    // An earlier try may have left files whose names would count as taken.
    fs::remove_dir_all(&folder)
        .and_then(|()| fs::create_dir(&folder))
        .map_err(failed(&folder))?;
    // Created first, so that no input file can take its name.
    let json = folder.join("inputs.json");
    let mut inputs_json = File::create_new(&json).map_err(failed(&json))?;
    let mut contents = inputs.clone();
    let mapped = |file: &InputFile| {
        let port = ports.iter().find(|port| port.key == file.port);
        port.map_or(&[][..], |port| port.file_names.as_slice())
    };
    // A program counts on its mapped names, so no other input may take them by the name that it happens to have.
    let (first, last): (Vec<&InputFile>, Vec<_>) =
        files.iter().partition(|file| !mapped(file).is_empty());
    for file in first.into_iter().chain(last) {
        let mapped = mapped(file).iter();
        let (path, mut copy) = create_input(&folder, mapped, file).map_err(failed(&folder))?;
        let mut source = File::open(&file.source).map_err(failed(&file.source))?;
        io::copy(&mut source, &mut copy).map_err(failed(&path))?;
        let value = path
            .to_str()
            .ok_or_else(|| io::Error::other("the path is not UTF-8"))
            .map_err(failed(&path))?;
        contents.insert(file.port.clone(), Value::from(value));
    }
    serde_json::to_writer(&mut inputs_json, &contents)
        .map_err(|error| failed(&json)(error.into()))?;
    Ok(contents)
}

/// Creates the file for an input under the first of its names that is a plain one and not taken.
fn create_input<'a>(
    folder: &Path,
    mapped: impl Iterator<Item = &'a String>,
    file: &InputFile,
) -> io::Result<(PathBuf, File)> {
    // A mapped name comes from the service and may have directories; the file's own name comes from anyone.
    let mapped = mapped.filter_map(|name| relative(name));
    let own = file
        .file_name
        .as_deref()
        .filter(|name| !name.contains('/'))
        .and_then(relative);
    let numbered = (1..).map(|number| PathBuf::from(format!("{}.{number}", file.port)));
    for name in mapped
        .chain(own)
        .chain([PathBuf::from(&file.port)])
        .chain(numbered)
    {
        let path = folder.join(&name);
        let above = path.parent().unwrap_or(folder);
        match fs::create_dir_all(above)
            .and_then(|()| OpenOptions::new().write(true).create_new(true).open(&path))
        {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory
                ) => {}
            created => return Ok((path, created?)),
        }
    }
    Err(io::Error::other("no name is left")) // The numbers end after four billion.
}

/// `name` as a path below a folder, if it is one: no way up, no absolute path, nothing empty, no NUL.
fn relative(name: &str) -> Option<PathBuf> {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..") && part.len() <= LONGEST_NAME && !part.contains('\0')
    };
    name.split('/').all(plain).then(|| PathBuf::from(name))
}

/// What the environment tells besides the inputs.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The job.
    pub job_id: &'a str,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The service as `key:version`.
    pub service: &'a str,
    /// `env` of `service.toml`.
    pub env: &'a BTreeMap<String, String>,
    /// Billionths of a processor that are reserved.
    pub nano_cpus: u64,
    /// Bytes of memory that are reserved.
    pub memory_bytes: u64,
}

/// The whole environment of a program, given the inputs that [`prepare`] returned.
///
/// An input whose value does not fit into a variable (NUL, or larger than the kernel allows) is in `inputs.json` only.
#[must_use]
pub fn environment(
    dir: &AttemptDir,
    inputs: &Map<String, Value>,
    context: &Context<'_>,
) -> BTreeMap<String, String> {
    let path = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut env = BTreeMap::from([
        (
            "PATH".to_owned(),
            std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned()),
        ),
        ("HOME".to_owned(), path(dir.work())),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("TMPDIR".to_owned(), path(dir.tmp())),
    ]);
    env.extend(context.env.clone());
    let mut left = INPUT_VARIABLES;
    for (port, value) in inputs {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let size = port.len() + value.len();
        if size <= LONGEST_VARIABLE.min(left) && !value.contains('\0') {
            left -= size;
            env.insert(format!("INPUT_{}", port.to_ascii_uppercase()), value);
        }
    }
    // Last: neither a service nor a port named `folder` may replace them.
    env.extend([
        ("INPUT_FOLDER".to_owned(), path(dir.inputs())),
        ("OUTPUT_FOLDER".to_owned(), path(dir.outputs())),
        ("LOG_FOLDER".to_owned(), path(dir.logs())),
        ("TREFOIL_JOB_ID".to_owned(), context.job_id.to_owned()),
        ("TREFOIL_ATTEMPT".to_owned(), context.attempt.to_string()),
        (ATTEMPT_ID_VARIABLE.to_owned(), dir.id().to_owned()),
        ("TREFOIL_SERVICE".to_owned(), context.service.to_owned()),
        ("SC_COMP_SERVICES_SCHEDULED_AS".to_owned(), "CPU".to_owned()),
        (
            "SIMCORE_NANO_CPUS_LIMIT".to_owned(),
            context.nano_cpus.to_string(),
        ),
        (
            "SIMCORE_MEMORY_BYTES_LIMIT".to_owned(),
            context.memory_bytes.to_string(),
        ),
    ]);
    env
}

#[cfg(test)]
mod tests;
