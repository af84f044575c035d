//! Configuration: one table of keys ([`keys::KEYS`]), three layers (file < environment < flags),
//! one validated result ([`Settings`]).
//!
//! Everything that is wrong is reported at once, each with its place. The file is walked by hand
//! instead of through a derived `Deserialize`, because that stops at the first error.

pub(crate) mod file;
pub(crate) mod keys;
mod login;
pub(crate) mod settings;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use keys::{KEYS, Key};
pub(crate) use settings::Settings;
use value::{Raw, Value};

/// The file that is read when there is no `--config`.
pub(crate) const DEFAULT_FILE: &str = "trefoil.toml";

/// Prefix of our environment variables.
const ENV_PREFIX: &str = "TREFOIL_";

/// Variables that are ours but no configuration of the platform: those of the client commands and
/// those that programs of services get.
const OTHER_VARIABLES: &[&str] = &[
    "TREFOIL_URL",
    "TREFOIL_SUBMITTER",
    "TREFOIL_CONFIG",
    "TREFOIL_JOB_ID",
    "TREFOIL_ATTEMPT",
    "TREFOIL_ATTEMPT_ID",
    "TREFOIL_SERVICE",
];

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody set it.
    Default,
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// A variable.
    Environment(String),
    /// A flag, with its dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Default => f.write_str("default"),
            Source::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Source::Environment(name) => write!(f, "environment {name}"),
            Source::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_}: {message}")]
pub(crate) struct ConfigError {
    /// Where.
    pub(crate) source_: Source,
    /// The key, when it is about one.
    pub(crate) key: Option<&'static str>,
    /// What.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: Option<String>,
}

/// The value of one key, and who set it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: &'static Key,
    /// Its value.
    pub(crate) value: Value,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// What was loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The values of all keys, in the order of the table.
    pub(crate) entries: Vec<Entry>,
    /// The same for the program.
    pub(crate) settings: Settings,
    /// The file that was read, if any.
    pub(crate) file: Option<PathBuf>,
    /// What is odd but no error.
    pub(crate) warnings: Vec<String>,
}

/// What the layers are made of; tests put in what they like.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// `--config`.
    pub(crate) file: Option<PathBuf>,
    /// The directory that relative paths of environment and flags mean, and where
    /// [`DEFAULT_FILE`] is looked for.
    pub(crate) directory: PathBuf,
    /// The environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Values by key name. Several for a list.
    pub(crate) flags: BTreeMap<&'static str, Vec<String>>,
}

/// Reads all layers.
///
/// # Errors
///
/// Everything that is wrong with any of them.
pub(crate) fn load(inputs: &Inputs) -> Result<Loaded, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mut layers: BTreeMap<&'static str, (Value, Source)> = BTreeMap::new();

    let file = find_file(inputs);
    if let Some(path) = &file {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let base = path.parent().map(Path::to_path_buf).unwrap_or_default();
                for (key, raw, source) in file::parse(path, &text, &mut errors) {
                    apply(&mut layers, &mut errors, key, &raw, source, &base);
                }
            }
            Err(error) => errors.push(ConfigError {
                source_: Source::File {
                    path: path.clone(),
                    line: 1,
                    column: 1,
                },
                key: None,
                message: format!("cannot read the file: {error}"),
                hint: Some("check the path given with --config".to_owned()),
            }),
        }
    }

    for (name, text) in &inputs.environment {
        let source = Source::Environment(name.clone());
        match KEYS.iter().find(|key| key.env == name) {
            // An empty variable counts as not set, as in most shells' idioms.
            Some(_) if text.is_empty() => {}
            Some(key) => {
                let raw = Raw::Text(text.clone());
                apply(
                    &mut layers,
                    &mut errors,
                    key,
                    &raw,
                    source,
                    &inputs.directory,
                );
            }
            None if name.starts_with(ENV_PREFIX) && !OTHER_VARIABLES.contains(&name.as_str()) => {
                let near = nearest(name, KEYS.iter().map(|key| key.env));
                let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
                warnings.push(format!("environment {name}: no such variable{near}"));
            }
            None => {}
        }
    }

    for (name, texts) in &inputs.flags {
        let Some(key) = KEYS.iter().find(|key| key.name == *name) else {
            continue;
        };
        let raw = match texts.as_slice() {
            [one] if !key.kind.is_list() => Raw::Text(one.clone()),
            many => Raw::List(many.to_vec()),
        };
        let source = Source::Flag(format!("--{}", key.flag));
        apply(
            &mut layers,
            &mut errors,
            key,
            &raw,
            source,
            &inputs.directory,
        );
    }

    let mut entries = Vec::new();
    for key in KEYS {
        let (value, source) = match layers.remove(key.name) {
            Some(found) => found,
            None => match value::parse(
                key.kind,
                &Raw::Text(key.default.to_owned()),
                &inputs.directory,
            ) {
                Ok(value) => (value, Source::Default),
                Err(message) => {
                    errors.push(ConfigError {
                        source_: Source::Default,
                        key: Some(key.name),
                        message: format!("{}: {message}", key.name),
                        hint: Some(format!("set {} explicitly", key.name)),
                    });
                    continue;
                }
            },
        };
        entries.push(Entry { key, value, source });
    }
    settings::check(&entries, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let settings = Settings::from_entries(&entries);
    Ok(Loaded {
        entries,
        settings,
        file,
        warnings,
    })
}

fn find_file(inputs: &Inputs) -> Option<PathBuf> {
    match &inputs.file {
        Some(path) => Some(path.clone()),
        None => {
            let path = inputs.directory.join(DEFAULT_FILE);
            path.is_file().then_some(path)
        }
    }
}

fn apply(
    layers: &mut BTreeMap<&'static str, (Value, Source)>,
    errors: &mut Vec<ConfigError>,
    key: &'static Key,
    raw: &Raw,
    source: Source,
    base: &Path,
) {
    match value::parse(key.kind, raw, base) {
        Ok(value) => {
            layers.insert(key.name, (value, source));
        }
        Err(message) => errors.push(ConfigError {
            source_: source,
            key: Some(key.name),
            message: format!("{}: {message}", key.name),
            hint: Some(format!("expected {}", key.kind.expected())),
        }),
    }
}

/// The candidate most like `name`, if any is like it at all.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().max(name.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
