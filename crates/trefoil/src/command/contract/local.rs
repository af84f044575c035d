//! Contracts in files of this machine.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use trefoil_thrift::{
    idl::{Diagnostic, Severity, Sources, render},
    model::{Contract, Files, load},
};

use crate::cli::IncludePaths;
use crate::failure::Failure;
use crate::output::Ui;

/// More of a file is not read; contracts are smaller, and the loader says so.
const FILE_MAX: u64 = 16 << 20;

/// The file system. A label is a path from the root, so that includes may lead anywhere.
struct Disk;

impl Files for Disk {
    fn read(&self, label: &str) -> Result<Option<Vec<u8>>, String> {
        let path = Path::new("/").join(label);
        if path.is_dir() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        match fs::File::open(&path).and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A contract as it was read, its files named as people name them here.
pub(crate) struct LocalContract {
    pub(crate) sources: Sources,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// None if there are errors.
    pub(crate) contract: Option<Contract>,
    /// Labels as the loader had them, by what they are shown as.
    paths: BTreeMap<String, String>,
    shown_path: String,
}

impl LocalContract {
    /// What the contract's own file is called.
    pub(crate) fn shown_path(&self) -> &str {
        &self.shown_path
    }

    /// What was found, for people.
    pub(crate) fn render(&self, color: bool) -> String {
        render(&self.sources, &self.diagnostics, color)
    }

    /// How many errors and how many warnings there are.
    pub(crate) fn count(&self) -> (usize, usize) {
        let errors = self
            .diagnostics
            .iter()
            .filter(|found| found.severity == Severity::Error)
            .count();
        (errors, self.diagnostics.len() - errors)
    }
}

/// Reads the contract in `path`.
pub(crate) fn read(path: &Path, include: &IncludePaths) -> Result<LocalContract, Failure> {
    let root = label(path)?;
    let include: Vec<String> = include
        .include
        .iter()
        .map(|path| label(path))
        .collect::<Result<_, _>>()?;
    // Whether it can be read at all is said as of any file.
    fs::File::open(path).map_err(|error| Failure::local_file("cannot read", path, &error))?;
    let here = std::env::current_dir().and_then(fs::canonicalize);
    let here = here.unwrap_or_default();
    let shown = |label: &str| -> String {
        let path = Path::new("/").join(label);
        let near = path.strip_prefix(&here).unwrap_or(&path);
        near.display().to_string()
    };
    let loaded = load(&root, &Disk, &include);
    let mut sources = Sources::default();
    let mut paths = BTreeMap::new();
    for (_, file) in loaded.sources.files() {
        let shown = shown(&file.label);
        paths.insert(shown.clone(), file.label.clone());
        sources.add(shown, std::sync::Arc::clone(&file.text));
    }
    let rename = |text: &mut String| {
        for (shown, label) in &paths {
            *text = text.replace(label.as_str(), shown);
        }
    };
    let mut diagnostics = loaded.diagnostics;
    for found in &mut diagnostics {
        rename(&mut found.message);
        found.help.iter_mut().for_each(rename);
    }
    let contract = loaded.contract.map(|contract| Contract {
        label: shown(&contract.label),
        sources: sources.clone(),
        ..contract
    });
    Ok(LocalContract {
        sources,
        diagnostics,
        contract,
        shown_path: shown(&root),
        paths,
    })
}

/// A path from the root, without the first slash.
fn label(path: &Path) -> Result<String, Failure> {
    let fault = |error: io::Error| Failure::local_file("cannot read", path, &error);
    let whole = fs::canonicalize(path).map_err(fault)?;
    let text = whole.to_str().ok_or_else(|| {
        Failure::invalid(
            format!("the name {} is not UTF-8", path.display()),
            "rename the file",
        )
    })?;
    Ok(text.trim_start_matches('/').to_owned())
}

/// Reads a contract that must be right.
pub(crate) fn contract(ui: &Ui, path: &Path, include: &IncludePaths) -> Result<Contract, Failure> {
    super::usable(ui, read(path, include)?)
}

/// Key and version, as annotations of the contract's services say them.
pub(crate) fn identity(contract: &Contract) -> (Option<String>, Option<String>) {
    let find = |key: &str| {
        let mut own = contract
            .schema
            .services()
            .filter(|(_, service)| service.is_own);
        own.find_map(|(_, service)| service.annotations.get(key)?.first().cloned())
    };
    (find("trefoil.key"), find("trefoil.version"))
}

/// The files of a contract as a platform takes them: its own is `contract.thrift`, others are where their includes find
/// them there, which is beside the including file or in the contract's own directory.
pub(crate) fn files(
    ui: &Ui,
    path: &Path,
    include: &IncludePaths,
) -> Result<(Contract, BTreeMap<String, String>), Failure> {
    let local = read(path, include)?;
    let directories: Vec<PathBuf> = path
        .parent()
        .into_iter()
        .chain(include.include.iter().map(PathBuf::as_path))
        .map(|dir| match dir.as_os_str().is_empty() {
            true => Path::new(".").to_owned(),
            false => dir.to_owned(),
        })
        .filter_map(|dir| fs::canonicalize(dir).ok())
        .collect();
    let labels = local.paths.clone();
    let contract = super::usable(ui, local)?;
    let own = contract.root().source;
    let mut files = BTreeMap::new();
    for (source, file) in contract.sources.files() {
        let name = if source == own {
            "contract.thrift".to_owned()
        } else {
            let label = labels.get(&file.label).map_or("", String::as_str);
            let whole = Path::new("/").join(label);
            let below = directories
                .iter()
                .find_map(|dir| whole.strip_prefix(dir).ok());
            let below = below.and_then(Path::to_str).ok_or_else(|| {
                Failure::invalid(
                    format!("{} is not below the contract's directory", file.label),
                    "move it there, or name the directory that it is in with -I",
                )
            })?;
            below.to_owned()
        };
        if files.insert(name.clone(), file.text.to_string()).is_some() {
            return Err(Failure::invalid(
                format!("more than one file would be {name}"),
                "rename one of them",
            ));
        }
    }
    Ok((contract, files))
}
