//! A service: what its files say, checked.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use trefoil_thrift::deprecation::Deprecation;

use crate::{
    contract::{CONTRACT_FILE, MethodRef, ServiceContract, SharedContract},
    derived::derive,
    key::ServiceId,
    metadata::{Metadata, ServiceType},
    problem::{Problem, Severity},
    provision::Provision,
    runspec::{ProgressPattern, RunSpec, ServiceToml},
};

/// Where a service comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A watched directory supplies it.
    Directory {
        /// The directory of the service.
        dir: PathBuf,
    },
    /// It was published over the API.
    Published {
        /// Where its files were put.
        dir: PathBuf,
    },
    /// It is part of the program.
    Builtin,
}

impl Source {
    /// The directory of its files, if it has one.
    pub fn dir(&self) -> Option<&std::path::Path> {
        match self {
            Self::Directory { dir } | Self::Published { dir } => Some(dir),
            Self::Builtin => None,
        }
    }

    /// Its name in the REST API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Directory { .. } => "directory",
            Self::Published { .. } => "published",
            Self::Builtin => "builtin",
        }
    }
}

/// The files of a service, as the caller read them.
#[derive(Debug, Clone)]
pub struct ServiceFiles {
    /// What the files are called together, for messages and for [`crate::Catalog::set_broken`]: a directory.
    pub label: String,
    /// Name (for problems) and bytes of `metadata.yml`. A service with a contract may do without: then key and version are
    /// annotations in the contract.
    pub metadata: Option<(String, Vec<u8>)>,
    /// Name and bytes of `service.toml`, if there is one.
    pub service_toml: Option<(String, Vec<u8>)>,
    /// `contract.thrift` and what it includes, by their paths in the directory.
    pub contract: Option<BTreeMap<String, Vec<u8>>>,
    /// Digest of all files of the service, from [`digest_of_files`].
    pub digest: String,
    /// Where they come from.
    pub source: Source,
}

/// One version of a service, ready to be called if it has a [`RunSpec`].
#[derive(Debug, Clone)]
pub struct Service {
    /// Key and version.
    pub id: ServiceId,
    /// What it is.
    pub metadata: Metadata,
    /// How it runs; `None` when it has no `service.toml`.
    pub run: Option<RunSpec>,
    /// Who answers calls of its contract, as far as `service.toml` says it.
    pub provision: Provision,
    /// What can be called: as it was written, or derived from its ports if it is computational.
    pub contract: Option<SharedContract>,
    /// Hex SHA-256 over its files.
    pub digest: String,
    /// What its files are called together.
    pub label: String,
    /// Where it comes from.
    pub source: Source,
    /// What is unusual in its files.
    pub warnings: Vec<Problem>,
    /// When its contract was published or written, in seconds since 1970, if that is known.
    pub written_at: Option<u64>,
}

impl Service {
    /// Reads and checks the files of a service.
    ///
    /// # Errors
    /// Every problem of both files, warnings included, when at least one of them is an error.
    pub fn load(files: &ServiceFiles) -> Result<Self, Vec<Problem>> {
        Self::load_as(files, None)
    }

    /// The same for a service whose id is known from elsewhere, so that a contract without `metadata.yml` need not say it.
    /// What the contract says must agree with it.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_as(files: &ServiceFiles, id: Option<&ServiceId>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut contract = None;
        if let Some(texts) = &files.contract {
            match ServiceContract::load(CONTRACT_FILE, texts) {
                Ok((found, warnings)) => {
                    problems.extend(warnings);
                    if found.services().next().is_none() {
                        problems.push(without_service());
                    }
                    contract = Some(found);
                }
                Err(found) => problems.extend(found),
            }
        }
        let metadata = match (&files.metadata, &contract) {
            (Some((name, bytes)), _) => {
                let (metadata, found) = Metadata::parse(name, bytes);
                problems.extend(found);
                metadata
            }
            (None, Some(contract)) => match contract.metadata(id) {
                Ok(metadata) => Some(metadata),
                Err(found) => {
                    problems.extend(found);
                    None
                }
            },
            // What is wrong with the contract is said.
            (None, None) => None,
        };
        let mut run = None;
        let mut provision = Provision::default();
        if let Some((name, bytes)) = &files.service_toml {
            let (toml, found) = ServiceToml::parse(name, bytes);
            problems.extend(found);
            if let Some(toml) = toml {
                if let (Some(at), None) = (toml.provided_at, &files.contract) {
                    let reason = "says who answers calls, and there is no contract";
                    let hint = format!("put a {CONTRACT_FILE} beside it");
                    let field = match toml.provision.process {
                        Some(_) => "provider",
                        None => "instances",
                    };
                    let problem = Problem::error(name, at, field, reason);
                    problems.push(problem.with_hint(hint));
                }
                run = toml.run;
                provision = toml.provision;
            }
        }
        if let (Some(metadata), None) = (&metadata, &files.contract)
            && metadata.service_type == ServiceType::Computational
        {
            match derive(metadata) {
                Ok(derived) => contract = Some(derived),
                // It can be called by other ways than Thrift.
                Err(found) => problems.extend(found.into_iter().map(|problem| Problem {
                    severity: Severity::Warning,
                    ..problem
                })),
            }
        }
        let broken = problems.iter().any(Problem::is_error);
        match metadata {
            Some(metadata) if !broken => Ok(Self {
                id: ServiceId {
                    key: metadata.key.clone(),
                    version: metadata.version.clone(),
                },
                metadata,
                run,
                provision,
                contract: contract.map(ServiceContract::into_shared),
                digest: files.digest.clone(),
                label: files.label.clone(),
                source: files.source.clone(),
                warnings: problems,
                written_at: None,
            }),
            _ => Err(problems),
        }
    }

    /// What tells progress in its log, if the standard rule is replaced: `service.toml` before `metadata.yml`.
    pub fn progress(&self) -> Option<&ProgressPattern> {
        let run = self.run.as_ref().and_then(|run| run.progress.as_ref());
        run.or(self.metadata.progress.as_ref())
    }

    /// What its contract says about a method that should no longer be used. Since when is known by the contract, or else
    /// that it has been so as long as the contract is there.
    pub fn deprecation(&self, method: MethodRef) -> Option<Deprecation> {
        let contract = self.contract.as_ref()?;
        let found = Deprecation::of_method(contract.schema(), contract.method(method))?;
        Some(Deprecation {
            since: found.since.or(self.written_at),
            ..found
        })
    }

    /// Its contract says of every service in it that it should no longer be used.
    pub fn is_deprecated(&self) -> bool {
        let Some(contract) = &self.contract else {
            return false;
        };
        let mut services = contract.services().peekable();
        services.peek().is_some()
            && services.all(|(id, _)| Deprecation::of_service(contract.schema(), id).is_some())
    }

    /// The shape `Service` of the REST API, without what only the gateway knows (`state`, `workers`, `links`).
    pub fn to_json(&self) -> Value {
        let metadata = &self.metadata;
        let run = match &self.run {
            Some(run) => run.to_json(),
            None => json!({ "kind": "none" }),
        };
        json!({
            "key": self.id.key,
            "version": self.id.version,
            "type": metadata.service_type,
            "name": metadata.name,
            "description": metadata.description,
            "contact": metadata.contact,
            "authors": metadata.authors,
            "digest": self.digest,
            "source": self.source.name(),
            "inputs": metadata.inputs,
            "outputs": metadata.outputs,
            "run": run,
            "deprecated": self.is_deprecated(),
        })
    }
}

/// Types alone can be included by contracts, and be of a service only with one that uses them.
fn without_service() -> Problem {
    let reason = "the contract has no `service`, so nothing could be called";
    Problem::error(CONTRACT_FILE, (1, 1), "", reason)
        .with_hint("publish these types beside a contract that includes them".to_owned())
}

/// The digest of a service: hex SHA-256 over name and SHA-256 of its files in the order of their names.
///
/// Each file adds the length of its name (8 bytes, big endian), the name and the 32 bytes, so that no two sets of
/// files give the same input.
pub fn digest_of_files<'a>(files: impl IntoIterator<Item = (&'a str, [u8; 32])>) -> String {
    let mut files: Vec<(&str, [u8; 32])> = files.into_iter().collect();
    files.sort();
    let mut hash = Sha256::new();
    for (name, sha256) in files {
        hash.update((name.len() as u64).to_be_bytes());
        hash.update(name.as_bytes());
        hash.update(sha256);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// So that a source can be part of an answer.
impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SLEEPER, SLEEPER_TOML, lines, load};

    #[test]
    fn the_json_of_the_rest_api() {
        let service = load(SLEEPER, Some(SLEEPER_TOML)).unwrap();
        let json = service.to_json();
        let mut keys: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        let expected = [
            "authors",
            "contact",
            "deprecated",
            "description",
            "digest",
            "inputs",
            "key",
            "name",
            "outputs",
            "run",
            "source",
            "type",
            "version",
        ];
        assert_eq!(keys, expected);
        assert_eq!(json["key"], "simcore/services/comp/itis/sleeper");
        assert_eq!(json["version"], "2.2.1");
        assert_eq!(json["type"], "computational");
        assert_eq!(json["source"], "directory");
        assert_eq!(json["inputs"]["input_2"]["default"], 2);
        assert_eq!(json["run"]["kind"], "program");
        assert_eq!(
            load(SLEEPER, None).unwrap().to_json()["run"],
            json!({ "kind": "none" })
        );
    }

    #[test]
    fn problems_of_both_files() {
        let metadata = format!("{SLEEPER}\nnews: 1\n").replace("2.2.1", "2.2");
        let problems = load(&metadata, Some("[run]\n")).unwrap_err();
        let files: Vec<&str> = problems
            .iter()
            .map(|problem| problem.file.as_str())
            .collect();
        assert_eq!(
            files,
            ["metadata.yml", "metadata.yml", "service.toml"],
            "{}",
            lines(&problems)
        );
        let service = load(&format!("{SLEEPER}\nnews: 1\n"), None).unwrap();
        assert_eq!(service.warnings.len(), 1);
    }

    #[test]
    fn progress_of_service_toml_comes_first() {
        let metadata = format!("{SLEEPER}\nprogress_regexp: 'm (\\d+)'\n");
        let pattern = |toml: &str| {
            load(&metadata, Some(toml))
                .unwrap()
                .progress()
                .map(|p| p.as_str().to_owned())
        };
        assert_eq!(pattern(SLEEPER_TOML).as_deref(), Some("m (\\d+)"));
        assert_eq!(
            pattern("run.builtin = \"x\"\nprogress.regexp = 't (\\d+)'").as_deref(),
            Some("t (\\d+)")
        );
    }

    #[test]
    fn the_digest_depends_on_names_and_contents_but_not_on_their_order() {
        let (a, b) = ([1; 32], [2; 32]);
        let digest = digest_of_files([("x", a), ("y", b)]);
        assert_eq!(digest.len(), 64);
        assert_eq!(digest, digest_of_files([("y", b), ("x", a)]));
        for other in [
            vec![("x", b), ("y", a)],
            vec![("x", a)],
            vec![("xy", a), ("", b)],
            vec![],
        ] {
            assert_ne!(digest, digest_of_files(other));
        }
        assert_eq!(
            digest_of_files([]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
