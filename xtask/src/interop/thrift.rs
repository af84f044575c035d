//! Stock Thrift clients and servers in six languages, with a platform between them: `interop/thrift/run.py`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{
    board::{Board, Outcome, Step},
    platform::binary,
    shell::{command, has, run, tee},
    test,
};

/// All cells, with the release build.
pub(crate) const STEP: Step = Step {
    name: "thrift interop",
    work: all,
    is_needed: false,
};
const RUNNER: &str = "interop/thrift/run.py";
/// What goes with a call: headers, jobs, files.
const TRAVELS: &str = "interop/thrift/travels.py";

/// `cargo xtask interop thrift [travels | ARGS…]`: the release build, or what needs none.
pub(super) fn interop(words: &[&str]) -> Result<ExitCode> {
    if words.is_empty() {
        return Ok(Board::run(&[test::RELEASE, STEP]));
    }
    if words.contains(&"--direct") || words.contains(&"--list") {
        run(command("python3").arg(RUNNER).args(words))?;
        return Ok(ExitCode::SUCCESS);
    }
    if Board::run(&[test::RELEASE]) != ExitCode::SUCCESS {
        return Ok(ExitCode::FAILURE);
    }
    let (_, success) = match words {
        ["travels"] => with_release(TRAVELS, &[])?,
        _ => with_release(RUNNER, words)?,
    };
    Ok(if success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn all() -> Result<Outcome> {
    if !has("python3", &["-c", "import venv, ensurepip"]) {
        let why = "python3 with its venv module is not installed: apt-get install python3-venv";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    let (cells, travels) = (counted(RUNNER)?, counted(TRAVELS)?);
    Ok(Outcome::Counted {
        passed: cells.0 + travels.0,
        failed: cells.1 + travels.1,
    })
}

/// What passed and what failed.
fn counted(runner: &str) -> Result<(u32, u32)> {
    let (lines, success) = with_release(runner, &[])?;
    let last = lines.last().map_or("", String::as_str);
    let summary: Value = serde_json::from_str(last)
        .with_context(|| format!("{runner} ended without its counts: {last}"))?;
    let count = |member: &str| {
        let count = summary[member].as_u64().unwrap_or_default();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let failed = count("failed");
    // A language that may not be skipped is a failure too.
    let failed = if success { failed } else { failed.max(1) };
    Ok((count("passed"), failed))
}

fn with_release(runner: &str, words: &[&str]) -> Result<(Vec<String>, bool)> {
    tee(command("python3")
        .arg(runner)
        .arg("--trefoil")
        .arg(binary())
        .args(words))
}
