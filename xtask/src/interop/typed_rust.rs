//! The example with generated types: a service and a client in Rust, with a platform between them.

use crate::{
    board::{Outcome, Step},
    platform::binary,
    shell::{cargo, command, has, run, target},
};

/// The example's own script, with the release build.
pub(crate) const STEP: Step = Step {
    name: "typed rust",
    work,
    is_needed: false,
};
const MANIFEST: &str = "examples/typed-rust/Cargo.toml";
const SCRIPT: &str = "examples/typed-rust/run.sh";

fn work() -> anyhow::Result<Outcome> {
    for tool in ["bash", "curl", "python3"] {
        if !has(tool, &["--version"]) {
            return Ok(Outcome::Skipped(format!("{tool} is not installed")));
        }
    }
    // It has crates of its own, which are not those of the workspace.
    let fetch = cargo(&["fetch", "--quiet", "--locked", "--manifest-path", MANIFEST]).status()?;
    if !fetch.success() {
        let why = format!("the crates of {MANIFEST} are not here and cannot be fetched");
        return Ok(Outcome::Skipped(why));
    }
    // Below ours, so that what was built is kept from one run to the next.
    let target = target().join("typed-rust");
    run(command("bash")
        .arg(SCRIPT)
        .arg(binary())
        .env("CARGO_TARGET_DIR", target))?;
    Ok(Outcome::PASSED)
}
