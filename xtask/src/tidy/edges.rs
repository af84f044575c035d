//! Who may depend on whom. `ARCHITECTURE.md` says why; this table says it to the build.

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Finding;
use crate::shell::{cargo, root};

/// The example services that the demo runs as part of the one binary.
const EXAMPLES: [&str; 4] = [
    "services/ecg/rpeaks",
    "services/math/function-parser",
    "services/nerve/hh-axon",
    "services/test/sleeper",
];
const KIT: &str = "services/kit/folder";

/// Crates that take bytes, commands and `now`: nothing that reaches the system.
pub(super) const PURE: [&str; 5] = [
    "crates/amqp",
    "crates/broker",
    "crates/director",
    "crates/jobs",
    "crates/thrift",
];
/// Third-party crates that reach the system.
const SYSTEM: [&str; 6] = [
    "getrandom",
    "rusqlite",
    "rustix",
    "signal-hook",
    "tempfile",
    "tokio",
];

/// A crate of this workspace.
#[derive(Debug)]
pub(super) struct Member {
    /// Its directory, relative to the root.
    pub(super) directory: String,
    /// The file at the head of each library and program, relative to the root.
    pub(super) heads: Vec<String>,
    /// Directories of the members that it depends on, for whatever purpose.
    ours: Vec<String>,
    /// Names of third-party crates.
    theirs: Vec<Theirs>,
}

/// A third-party dependency.
#[derive(Debug)]
pub(super) struct Theirs {
    name: String,
    is_dev: bool,
}

impl Member {
    /// Names of its third-party dependencies.
    pub(super) fn theirs(&self) -> impl Iterator<Item = &str> {
        self.theirs.iter().map(|theirs| theirs.name.as_str())
    }
}

/// Every crate of this workspace, as cargo sees it.
pub(super) fn members() -> Result<Vec<Member>> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?;
    packages
        .iter()
        .map(|package| member(package).context("cargo metadata has another form"))
        .collect()
}

fn member(package: &Value) -> Option<Member> {
    let mut member = Member {
        directory: relative(
            package["manifest_path"]
                .as_str()?
                .strip_suffix("/Cargo.toml")?,
        )?,
        heads: Vec::new(),
        ours: Vec::new(),
        theirs: Vec::new(),
    };
    for target in package["targets"].as_array()? {
        let kinds = target["kind"].as_array()?;
        if kinds.iter().any(|kind| kind == "lib" || kind == "bin") {
            member.heads.push(relative(target["src_path"].as_str()?)?);
        }
    }
    for dependency in package["dependencies"].as_array()? {
        match dependency["path"].as_str() {
            Some(path) => member.ours.push(relative(path)?),
            None => member.theirs.push(Theirs {
                name: dependency["name"].as_str()?.to_owned(),
                is_dev: dependency["kind"] == "dev",
            }),
        }
    }
    Some(member)
}

fn relative(path: &str) -> Option<String> {
    let path = std::path::Path::new(path).strip_prefix(root()).ok()?;
    Some(path.to_string_lossy().into_owned())
}

/// Directories of the members that the one in `directory` may depend on; `None` for a crate that has no rule yet.
fn allowed(directory: &str) -> Option<Vec<&'static str>> {
    Some(match directory {
        "crates/amqp" | "crates/store" | "crates/jobs" | "crates/thrift" | "xtask" | KIT => {
            vec![]
        }
        "crates/broker" => vec!["crates/amqp", "crates/store"],
        "crates/director" => vec!["crates/thrift"],
        "crates/server" => vec![
            "crates/amqp",
            "crates/broker",
            "crates/director",
            "crates/jobs",
            "crates/store",
            "crates/thrift",
        ],
        // Management speaks of field tables and properties; frames are none of its business.
        "crates/gateway" => vec![
            "crates/amqp",
            "crates/broker",
            "crates/director",
            "crates/jobs",
            "crates/server",
            "crates/thrift",
        ],
        // `amqp` is for its tests, which speak it. Contracts are checked in files, without a platform.
        "crates/trefoil" => {
            let ours = [
                "crates/amqp",
                "crates/server",
                "crates/gateway",
                "crates/thrift",
            ];
            [ours.as_slice(), EXAMPLES.as_slice()].concat()
        }
        // Load tools measure every layer apart.
        "bench" => vec![
            "crates/jobs",
            "crates/director",
            "crates/server",
            "crates/gateway",
            "crates/thrift",
        ],
        service if service.starts_with("services/") => vec![KIT],
        _ => return None,
    })
}

/// Edges that are not in the table, and pure crates that are not.
pub(super) fn check(members: &[Member]) -> Vec<Finding> {
    members.iter().flat_map(check_one).collect()
}

fn check_one(member: &Member) -> Vec<Finding> {
    let manifest = format!("{}/Cargo.toml", member.directory);
    let Some(allowed) = allowed(&member.directory) else {
        let what =
            "a new crate: say in xtask/src/tidy/edges.rs and ARCHITECTURE.md what it may depend on";
        return vec![Finding::new(&manifest, 0, what)];
    };
    let ours = member
        .ours
        .iter()
        .filter(|other| **other != member.directory && !allowed.contains(&other.as_str()));
    let mut findings: Vec<Finding> = ours
        .map(|other| Finding::new(&manifest, 0, format!("must not depend on {other}")))
        .collect();
    if PURE.contains(&member.directory.as_str()) {
        let system = member
            .theirs
            .iter()
            .filter(|one| !one.is_dev && SYSTEM.contains(&one.name.as_str()));
        findings.extend(system.map(|one| {
            Finding::new(
                &manifest,
                0,
                format!("is pure: it must not use {}", one.name),
            )
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depends(directory: &str, ours: &[&str], theirs: &[&str]) -> Vec<Finding> {
        check_one(&Member {
            directory: directory.to_owned(),
            heads: Vec::new(),
            ours: ours.iter().map(|one| (*one).to_owned()).collect(),
            theirs: theirs
                .iter()
                .map(|one| Theirs {
                    name: (*one).to_owned(),
                    is_dev: false,
                })
                .collect(),
        })
    }

    #[test]
    fn only_the_edges_of_the_table_pass() {
        assert!(
            depends(
                "crates/server",
                &["crates/jobs", "crates/director"],
                &["tokio"]
            )
            .is_empty()
        );
        assert!(depends("services/new/one", &[KIT], &[]).is_empty());
        let wrong: [(&str, &str); 5] = [
            ("crates/jobs", "crates/director"),
            ("crates/server", "crates/gateway"),
            ("services/nerve/hh-axon", "crates/jobs"),
            ("crates/gateway", "crates/trefoil"),
            (KIT, "services/nerve/hh-axon"),
        ];
        for (from, to) in wrong {
            assert_eq!(depends(from, &[to], &[]).len(), 1, "{from} -> {to}");
        }
        assert_eq!(depends("crates/unheard-of", &[], &[]).len(), 1);
    }

    #[test]
    fn pure_crates_use_nothing_of_the_system() {
        assert_eq!(depends("crates/jobs", &[], &["tokio", "serde"]).len(), 1);
    }
}
