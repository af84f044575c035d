//! What other tools know about the sources.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    board::{Outcome, Step},
    shell::{cargo, command, has, is_ci, run, target},
};

/// All of them, cheapest first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "format",
        work: format,
        is_needed: false,
    },
    Step {
        name: "deny",
        work: deny,
        is_needed: false,
    },
    Step {
        name: "clippy",
        work: clippy,
        is_needed: false,
    },
    Step {
        name: "rustdoc",
        work: rustdoc,
        is_needed: false,
    },
];

fn format() -> Result<Outcome> {
    run(&mut cargo(&["fmt", "--all", "--check", "--", "-l"]))?;
    Ok(Outcome::PASSED)
}

fn clippy() -> Result<Outcome> {
    run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--keep-going",
        "--",
        "--deny",
        "warnings",
    ]))?;
    Ok(Outcome::PASSED)
}

fn rustdoc() -> Result<Outcome> {
    run(cargo(&["doc", "--workspace", "--no-deps", "--keep-going"])
        .env("RUSTDOCFLAGS", "--deny warnings"))?;
    Ok(Outcome::PASSED)
}

/// Which crates, licences and sources may be in the tree: `deny.toml`. Advisories are left out: their database is on a
/// host that a build machine need not reach, and a new advisory is no fault of the change under test.
fn deny() -> Result<Outcome> {
    let Some(deny) = find_deny()? else {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed: cargo install --locked cargo-deny".to_owned(),
        ));
    };
    run(command(deny).args(["--all-features", "check", "bans", "licenses", "sources"]))?;
    Ok(Outcome::PASSED)
}

/// The one that is installed, or ours below `target`, which CI builds once.
fn find_deny() -> Result<Option<PathBuf>> {
    let ours = target().join("tools/bin/cargo-deny");
    for candidate in [PathBuf::from("cargo-deny"), ours.clone()] {
        if has(&candidate, &["--version"]) {
            return Ok(Some(candidate));
        }
    }
    if !is_ci() {
        return Ok(None);
    }
    let root = target().join("tools");
    run(cargo(&["install", "--locked", "cargo-deny", "--root"]).arg(root))?;
    Ok(Some(ours))
}
