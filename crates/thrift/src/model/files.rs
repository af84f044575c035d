//! Finding and reading the files of a contract.

use std::collections::HashMap;

use super::{Files, Place, report::Report};
use crate::idl::{self, SourceId, Sources, Span, ast};

/// Files of one contract: far more than anyone has, so that a mistake in an include path ends.
const FILES_MAX: usize = 1_024;
/// Files that include each other in a row.
const DEPTH_MAX: usize = 64;
/// Bytes of one file.
const FILE_MAX: usize = 8 << 20;
/// Bytes of all files.
const TOTAL_MAX: usize = 16 << 20;

/// A file that was read.
pub(super) struct Unit {
    pub source: SourceId,
    /// Its name without directory and ending.
    pub name: String,
    /// In front of its definitions' names.
    pub prefix: String,
    pub document: ast::Document,
    pub includes: Vec<Include>,
    pub missing: Vec<Missing>,
}

/// An include that was found.
pub(super) struct Include {
    /// The file.
    pub unit: usize,
    pub place: Place,
}

/// An include that was not found. The official compiler goes on as long as nothing needs it.
pub(super) struct Missing {
    /// The name that the file would have.
    pub name: String,
    /// As it is written.
    pub text: String,
    /// It leads out of the contract's directory, where nothing is looked for.
    pub is_outside: bool,
    pub place: Place,
}

/// Reads `root` and what it includes. The units are in the order of their [`SourceId`]s, the root first.
pub(super) fn load(
    root: &str,
    files: &dyn Files,
    include_paths: &[String],
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<Unit> {
    let mut loader = Loader {
        files,
        include_paths,
        sources,
        report,
        units: Vec::new(),
        known: HashMap::new(),
        path: Vec::new(),
        bytes: 0,
    };
    let bytes = match normalize("", root) {
        Some(label) => files.read(&label).map(|bytes| bytes.map(|it| (label, it))),
        None => Err("its path is outside the contract's directory".to_owned()),
    };
    match bytes {
        Ok(Some((label, bytes))) => loader.add(label, bytes),
        Ok(None) => loader.no_root(root, "there is no such file"),
        Err(error) => loader.no_root(root, &error),
    }
    let mut units = loader.units;
    set_prefixes(&mut units, sources);
    units
}

/// The contract's own definitions have nothing in front, others their file's name, made different if need be.
fn set_prefixes(units: &mut [Unit], sources: &Sources) {
    let mut taken = HashMap::new();
    for unit in units.iter_mut().skip(1) {
        let is_new = taken.insert(unit.name.clone(), ()).is_none();
        let label = &sources.file(unit.source).label;
        unit.prefix = if is_new {
            format!("{}.", unit.name)
        } else {
            format!("{}.", label.strip_suffix(".thrift").unwrap_or(label))
        };
    }
}

/// What an include leads to.
enum Found {
    /// A file that was read, or is being read.
    Known(usize),
    /// A file and its bytes, or why they cannot be had.
    New(String, Result<Vec<u8>, String>),
    Nothing,
}

struct Loader<'a> {
    files: &'a dyn Files,
    include_paths: &'a [String],
    sources: &'a mut Sources,
    report: &'a mut Report,
    units: Vec<Unit>,
    /// Units by label.
    known: HashMap<String, usize>,
    /// The units that are being read, the root first, each with the place of the include that leads on.
    path: Vec<(usize, Place)>,
    bytes: usize,
}

impl Loader<'_> {
    fn no_root(&mut self, root: &str, why: &str) {
        let source = self.sources.add(root, "");
        let place = Place::new(source, Span::default());
        self.report
            .error(place, format!("{root} cannot be read: {why}"), "");
    }

    /// Takes a file's bytes, and reads what it includes. Its label is not known yet.
    fn add(&mut self, label: String, bytes: Vec<u8>) {
        self.bytes += bytes.len();
        let source = self.decode(&label, bytes);
        let unit = self.units.len();
        self.known.insert(label.clone(), unit);
        let mut findings = Vec::new();
        let document = idl::parse(self.sources, source, &mut findings);
        for finding in findings {
            self.report.add(finding);
        }
        let includes: Vec<ast::Literal> = document
            .headers
            .iter()
            .filter_map(|header| match header {
                ast::Header::Include(literal) => Some(literal.clone()),
                ast::Header::CppInclude(_) | ast::Header::Namespace { .. } => None,
            })
            .collect();
        self.units.push(Unit {
            source,
            name: base_name(&label).to_owned(),
            prefix: String::new(),
            document,
            includes: Vec::new(),
            missing: Vec::new(),
        });
        for include in includes {
            self.include(unit, &label, &include);
        }
    }

    /// The text of a file. What is not UTF-8 is replaced, as it is mostly in old comments.
    fn decode(&mut self, label: &str, mut bytes: Vec<u8>) -> SourceId {
        let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        if bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        if is_utf16 || bytes.len() > FILE_MAX || self.bytes > TOTAL_MAX {
            let source = self.sources.add(label, "");
            let place = Place::new(source, Span::default());
            if is_utf16 {
                self.report
                    .error(place, format!("{label} is UTF-16"), "")
                    .help("save it as UTF-8");
            } else if bytes.len() > FILE_MAX {
                let message = format!("{label} has more than {FILE_MAX} bytes");
                self.report.error(place, message, "");
            } else {
                let message = format!("the contract's files have more than {TOTAL_MAX} bytes");
                self.report.error(place, message, "");
            }
            return source;
        }
        match String::from_utf8(bytes) {
            Ok(text) => self.sources.add(label, text),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let source = self.sources.add(label, text);
                let start = valid as u32;
                let span = Span {
                    start,
                    end: start + '\u{fffd}'.len_utf8() as u32,
                };
                self.report
                    .warning(
                        Place::new(source, span),
                        format!("{label} is not UTF-8"),
                        "the first place that is not",
                    )
                    .help("what is not UTF-8 is read as \u{fffd}; save the file as UTF-8");
                source
            }
        }
    }

    fn include(&mut self, unit: usize, from: &str, literal: &ast::Literal) {
        let place = Place::new(self.units[unit].source, literal.span);
        match self.find(from, &literal.text) {
            Found::Known(known) => {
                if self.check_cycle(unit, known, place) {
                    self.add_include(unit, known, place);
                }
            }
            Found::New(label, Ok(bytes)) => {
                if !self.is_within_limits(place) {
                    return;
                }
                let included = self.units.len();
                self.path.push((unit, place));
                self.add(label, bytes);
                self.path.pop();
                self.add_include(unit, included, place);
            }
            Found::New(label, Err(error)) => {
                let message = format!("{label} cannot be read: {error}");
                self.report.error(place, message, "");
            }
            Found::Nothing => self.units[unit].missing.push(Missing {
                name: base_name(&literal.text).to_owned(),
                text: literal.text.clone(),
                is_outside: is_outside(from, &literal.text),
                place,
            }),
        }
    }

    fn is_within_limits(&mut self, place: Place) -> bool {
        let message = if self.path.len() >= DEPTH_MAX {
            format!("more than {DEPTH_MAX} files include each other in a row")
        } else if self.units.len() >= FILES_MAX {
            format!("the contract has more than {FILES_MAX} files")
        } else {
            return true;
        };
        self.report.error(place, message, "");
        false
    }

    fn add_include(&mut self, unit: usize, included: usize, place: Place) {
        let includes = &mut self.units[unit].includes;
        if let Some(first) = includes.iter().find(|it| it.unit == included) {
            let first = first.place;
            self.report
                .warning(place, "a file is included twice", "again")
                .and(first, "first included here");
            return;
        }
        includes.push(Include {
            unit: included,
            place,
        });
    }

    /// The file that an include means: beside the one that includes it, or in an include path.
    fn find(&self, from: &str, text: &str) -> Found {
        // The official compiler takes absolute paths too, but a contract has nothing outside its directory.
        if text.is_empty() || text.starts_with('/') {
            return Found::Nothing;
        }
        let paths = self.include_paths.iter().map(String::as_str);
        let paths = std::iter::once(directory(from)).chain(paths);
        for label in paths.filter_map(|path| normalize(path, text)) {
            if let Some(unit) = self.known.get(&label) {
                return Found::Known(*unit);
            }
            if let Some(bytes) = self.files.read(&label).transpose() {
                return Found::New(label, bytes);
            }
        }
        Found::Nothing
    }

    /// False if the file that is to be included is being read, which is an error.
    fn check_cycle(&mut self, unit: usize, known: usize, place: Place) -> bool {
        let start = self.path.iter().position(|(reading, _)| *reading == known);
        if start.is_none() && unit != known {
            return true;
        }
        let chain = start.map_or(&[][..], |start| &self.path[start..]);
        let label = |unit: usize| &*self.sources.file(self.units[unit].source).label;
        let mut message = "recursion: ".to_owned();
        for (reading, _) in chain {
            message.push_str(label(*reading));
            message.push_str(" includes ");
        }
        message = format!("{message}{} includes {}", label(unit), label(known));
        let mut finding = self
            .report
            .error(place, message, "this leads back to where it began");
        for (_, place) in chain {
            finding = finding.and(*place, "by way of this include");
        }
        false
    }
}

fn is_outside(from: &str, text: &str) -> bool {
    text.starts_with('/') || normalize(directory(from), text).is_none()
}

fn directory(label: &str) -> &str {
    label
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory)
}

/// A file's name without directory and ending.
fn base_name(path: &str) -> &str {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    name.rsplit_once('.').map_or(name, |(name, _)| name)
}

/// A path in a directory, without `.` and `..`; none if it leads above the root.
fn normalize(directory: &str, path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in directory.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalized_and_stay_below_the_root() {
        let check = |directory, path, expected: Option<&str>| {
            assert_eq!(normalize(directory, path).as_deref(), expected);
        };
        check("", "a.thrift", Some("a.thrift"));
        check("a/b", "../c.thrift", Some("a/c.thrift"));
        check("a", "./b//c.thrift", Some("a/b/c.thrift"));
        check("a", "b/../../c.thrift", Some("c.thrift"));
        check("a", "../../c.thrift", None);
        check("", "..", None);
    }

    #[test]
    fn names_are_those_of_the_official_compiler() {
        assert_eq!(base_name("a/shared.thrift"), "shared");
        assert_eq!(base_name("my.shared.v1.thrift"), "my.shared.v1");
        assert_eq!(base_name("plain"), "plain");
    }
}
