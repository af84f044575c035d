//! Rules about the sources that no compiler knows: who may use whom, how long a file may be, what no file may contain.

mod edges;
mod links;
mod manifests;
mod sources;
mod uses;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    board::{Outcome, Step},
    shell::root,
};

/// All rules, as one step.
pub(crate) const STEP: Step = Step {
    name: "tidy",
    work: tidy,
    is_needed: false,
};

/// A rule that is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    /// From 1; 0 for the whole file.
    line: usize,
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// A text file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// Relative to the root, with `/`.
    path: String,
    text: String,
}

fn tidy() -> Result<Outcome> {
    let sources = read_sources()?;
    let members = edges::members()?;
    let mut findings = edges::check(&members);
    findings.extend(manifests::check(&sources, &members));
    findings.extend(sources::check(&sources, &members));
    findings.extend(links::check(&sources));
    findings.sort();
    findings.iter().for_each(|finding| println!("{finding}"));
    println!(
        "{} files, {} crates, {} findings",
        sources.len(),
        members.len(),
        findings.len()
    );
    Ok(match findings.len() {
        0 => Outcome::PASSED,
        count => Outcome::Counted {
            passed: 0,
            failed: u32::try_from(count).unwrap_or(u32::MAX),
        },
    })
}

/// Every text file below the root, except what is made there.
fn read_sources() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let mut directories = vec![root().to_owned()];
    while let Some(directory) = directories.pop() {
        if is_made(&directory)? {
            continue;
        }
        let entries = fs::read_dir(&directory)
            .with_context(|| format!("cannot read {}", directory.display()))?;
        for entry in entries {
            let entry = entry?;
            match entry.file_type()? {
                kind if kind.is_dir() => directories.push(entry.path()),
                kind if kind.is_file() => sources.extend(read_source(&entry.path())?),
                _ => {}
            }
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

/// Whether a directory is not part of the sources: build caches and Python environments mark themselves.
fn is_made(directory: &Path) -> Result<bool> {
    let name = directory.file_name().unwrap_or_default();
    let is_known = [".git", "target", "__pycache__", "trefoil-data"]
        .iter()
        .any(|made| name == *made);
    Ok(is_known
        || directory.join("CACHEDIR.TAG").try_exists()?
        || directory.join("pyvenv.cfg").try_exists()?)
}

fn read_source(path: &Path) -> Result<Option<Source>> {
    // Not UTF-8 means not text: no rule is about it.
    let Ok(text) = String::from_utf8(fs::read(path)?) else {
        return Ok(None);
    };
    let relative: PathBuf = path
        .strip_prefix(root())
        .context("a file outside the root")?
        .to_owned();
    Ok(Some(Source {
        path: relative.to_string_lossy().into_owned(),
        text,
    }))
}
