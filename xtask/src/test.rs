//! The test command: what has to hold before anything is merged.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    board::{Outcome, Step},
    interop, lint,
    platform::{Platform, binary},
    shell::{cargo, command, has, is_ci, run, tee},
    tidy,
};

const TESTS: Step = Step {
    name: "tests",
    work: tests,
    is_needed: false,
};
/// The program that the steps after it use.
pub(crate) const RELEASE: Step = Step {
    name: "release",
    work: release,
    is_needed: true,
};
const CRASH: Step = Step {
    name: "crash",
    work: crash,
    is_needed: false,
};
const DEMO: Step = Step {
    name: "demo",
    work: demo,
    is_needed: false,
};
/// Requests made from our own OpenAPI document.
pub(crate) const FUZZ: Step = Step {
    name: "http fuzz",
    work: fuzz,
    is_needed: false,
};

/// Coverage-guided, on the crates themselves.
pub(crate) const FUZZ_TARGETS: Step = Step {
    name: "fuzz targets",
    work: fuzz_targets,
    is_needed: false,
};

/// How often the crash test kills the platform: as often as the promise says in CI, a taste of it elsewhere.
const CRASH_ROUNDS_CI: &str = "50";
const CRASH_ROUNDS: &str = "5";
const CRASH_VARIABLE: &str = "TREFOIL_CRASH_ROUNDS";

/// What needs no release build.
pub(crate) fn fast() -> Vec<Step> {
    let mut steps = vec![tidy::STEP];
    steps.extend(lint::STEPS);
    steps.push(TESTS);
    steps
}

/// Everything.
pub(crate) fn all() -> Vec<Step> {
    let mut steps = fast();
    steps.extend([
        CRASH,
        RELEASE,
        DEMO,
        FUZZ,
        interop::STEP,
        interop::thrift::STEP,
        interop::typed_rust::STEP,
    ]);
    steps
}

/// Unit, property, integration and documentation tests of all crates. The crash test has its own step; here it runs once,
/// to be there with `--fast` too.
fn tests() -> Result<Outcome> {
    counted(cargo(&["test", "--workspace", "--no-fail-fast"]).env(CRASH_VARIABLE, "1"))
}

fn crash() -> Result<Outcome> {
    let rounds = if is_ci() {
        CRASH_ROUNDS_CI
    } else {
        CRASH_ROUNDS
    };
    println!("{rounds} rounds; {CRASH_VARIABLE} sets the number");
    let rounds = std::env::var(CRASH_VARIABLE).unwrap_or_else(|_| rounds.to_owned());
    // The whole workspace with one target, not the package: other features would build everything again.
    let arguments = [
        "test",
        "--workspace",
        "--test",
        "crash",
        "--",
        "--nocapture",
    ];
    counted(cargo(&arguments).env(CRASH_VARIABLE, rounds))
}

fn release() -> Result<Outcome> {
    run(&mut cargo(&["build", "--release", "--package", "trefoil"]))?;
    Ok(Outcome::PASSED)
}

/// Computed values beside published ones; each of them counts.
fn demo() -> Result<Outcome> {
    let (lines, success) = tee(command(binary()).args(["demo", "--json"]))?;
    let report: Value =
        serde_json::from_str(&lines.join("\n")).context("the demo's report is not JSON")?;
    let number = |member: &str| {
        report[member]
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
    };
    match (number("passed"), number("failed")) {
        (Some(passed), Some(failed)) if success == (failed == 0) => {
            Ok(Outcome::Counted { passed, failed })
        }
        _ => bail!("the demo's report and its exit code do not fit together"),
    }
}

fn fuzz() -> Result<Outcome> {
    if !has("python3", &["-c", "import venv, ensurepip"]) {
        return Ok(Outcome::Skipped(
            "python3 with its venv module is not installed: apt-get install python3-venv"
                .to_owned(),
        ));
    }
    let platform = Platform::start("http-fuzz")?;
    let fuzzed = run(command("interop/http/fuzz.sh").arg(&platform.url));
    if let Err(error) = fuzzed {
        bail!("{error:#}{}", platform.tail());
    }
    platform.stop()?;
    Ok(Outcome::PASSED)
}

/// What a fuzzer has to see of a program. No sanitizer: there is no unsafe code to be caught, and stable Rust has none.
const SANCOV: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing";
const FUZZED: [&str; 8] = [
    "frames",
    "tables",
    "recovery",
    "sessions",
    "contracts",
    "wires",
    "mappings",
    "calls",
];
const FUZZ_SECONDS: &str = "20";

fn fuzz_targets() -> Result<Outcome> {
    if !has("c++", &["--version"]) {
        let what = "a C++ compiler, which the fuzzer is built with, is not installed";
        return Ok(Outcome::Skipped(what.to_owned()));
    }
    fuzz_targets_for(FUZZ_SECONDS)?;
    Ok(Outcome::PASSED)
}

/// Each target for so many seconds. They begin with `fuzz/seeds`; what they learn is kept in
/// `fuzz/corpus`, and what they break in `fuzz/artifacts`.
pub(crate) fn fuzz_targets_for(seconds: &str) -> Result<()> {
    let fuzz = crate::shell::root().join("fuzz");
    for name in FUZZED {
        let corpus = fuzz.join("corpus").join(name);
        let artifacts = fuzz.join("artifacts").join(name);
        std::fs::create_dir_all(&corpus)?;
        std::fs::create_dir_all(&artifacts)?;
        let manifest = fuzz.join("Cargo.toml");
        // Contracts have been gathered for the tests already.
        let seeds = match name {
            "contracts" => crate::shell::root().join("crates/thrift/tests/corpus"),
            _ => fuzz.join("seeds").join(name),
        };
        run(
            cargo(&["run", "--release", "--bin", name, "--manifest-path"])
                .arg(manifest)
                // A target is named so that the flags are for these programs and not for build scripts.
                .args(["--target", &host()?, "--"])
                .arg(corpus)
                .args(seeds.is_dir().then_some(seeds))
                .arg(format!("-artifact_prefix={}/", artifacts.display()))
                .arg(format!("-max_total_time={seconds}"))
                .args(["-timeout=10", "-print_final_stats=0", "-verbosity=0"])
                .env("RUSTFLAGS", SANCOV),
        )?;
    }
    Ok(())
}

/// What this machine is, as rustc names it.
fn host() -> Result<String> {
    let output = command("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say what this machine is")?
        .to_owned())
}

/// Runs test programs and adds up what they say they did.
fn counted(command: &mut std::process::Command) -> Result<Outcome> {
    let (lines, success) = tee(command)?;
    let (mut passed, mut failed) = (0, 0);
    for (good, bad) in lines.iter().filter_map(|line| counts(line)) {
        passed += good;
        failed += bad;
    }
    // Something that never got as far as to count failed too: it did not build, or it was killed.
    if !success && failed == 0 {
        failed = 1;
    }
    Ok(Outcome::Counted { passed, failed })
}

/// `test result: ok. 12 passed; 1 failed; …`, as libtest and our own harness have it.
fn counts(line: &str) -> Option<(u32, u32)> {
    let rest = line.strip_prefix("test result: ")?;
    let before = |word| rest.split_once(word)?.0.rsplit(' ').next()?.parse().ok();
    Some((before(" passed;")?, before(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn results_of_both_harnesses_are_read() {
        let libtest = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        assert_eq!(counts(libtest), Some((12, 3)));
        assert_eq!(counts("test result: 7 passed; 0 failed []"), Some((7, 0)));
        assert_eq!(counts("test result: nonsense"), None);
        assert_eq!(counts("test attempts::passed; ... ok"), None);
    }
}
