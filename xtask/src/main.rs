//! Everything a developer does, as `cargo xtask COMMAND`. CI does the same: `.ci/run` is `cargo xtask test`.
//!
//! Must never be needed to build or to run Trefoil; it only calls tools and reads sources.
#![forbid(unsafe_code)]

mod board;
mod interop;
mod lint;
mod platform;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

use board::Board;
use shell::{cargo, root, run};

const HELP: &str = "\
cargo xtask COMMAND

  tidy             rules about the sources that no compiler knows
  lint             formatting, clippy, rustdoc, licences of dependencies
  test [--fast]    everything: tidy, lint, tests, crash test, demo, HTTP fuzz, interop; --fast: tidy, lint and tests only
  fuzz             the HTTP fuzz alone, against a release build
  fuzz-targets [S] coverage-guided fuzzing of frames, tables, sessions, recovery and Thrift, for S seconds each (20)
  soak [SECONDS]   the broker under churn for ten minutes, or as long as said: nothing may be left of it
  interop [ARGS…]  stock AMQP clients' own tests against a release build; --rabbitmq: against a RabbitMQ; --list.
                   Then stock Thrift clients and servers, and examples/typed-rust; `interop thrift [ARGS…]`,
                   `interop typed-rust`: these alone
  bench [ARGS…]    measurements: cargo run --release -p trefoil-bench -- ARGS
  demo [ARGS…]     cargo run --release -- demo ARGS
  docs             builds the book into target/book, if mdbook is installed

With CI=true a step whose tool is missing fails; otherwise it is skipped with a line that says so.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((command, rest)) = arguments.split_first() else {
        println!("{HELP}");
        return Ok(ExitCode::from(2));
    };
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    match (command.as_str(), words.as_slice()) {
        ("help" | "--help" | "-h", _) => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        ("tidy", []) => Ok(Board::run(&[tidy::STEP])),
        ("lint", []) => Ok(Board::run(lint::STEPS)),
        ("test", []) => Ok(Board::run(&test::all())),
        ("test", ["--fast"]) => Ok(Board::run(&test::fast())),
        ("fuzz", []) => Ok(Board::run(&[test::RELEASE, test::FUZZ])),
        ("fuzz-targets", []) => Ok(Board::run(&[test::FUZZ_TARGETS])),
        ("fuzz-targets", [seconds]) => {
            test::fuzz_targets_for(seconds)?;
            Ok(ExitCode::SUCCESS)
        }
        ("soak", []) => soak("600"),
        ("soak", [seconds]) => soak(seconds),
        ("interop", _) => interop::interop(&words),
        ("bench", _) => pass_through(
            &["run", "--release", "--package", "trefoil-bench", "--"],
            rest,
        ),
        ("demo", _) => pass_through(&["run", "--release", "--", "demo"], rest),
        ("docs", []) => docs(),
        _ => bail!(
            "no such command, or not with these arguments: {}\n\n{HELP}",
            arguments.join(" ")
        ),
    }
}

fn soak(seconds: &str) -> Result<ExitCode> {
    let arguments = [
        "test",
        "--release",
        "--package",
        "trefoil",
        "--test",
        "amqp_soak",
    ];
    run(cargo(&arguments)
        .args(["--", "--nocapture"])
        .env("TREFOIL_SOAK_SECONDS", seconds))?;
    Ok(ExitCode::SUCCESS)
}

fn pass_through(fixed: &[&str], rest: &[String]) -> Result<ExitCode> {
    let status = cargo(fixed).args(rest).status()?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn docs() -> Result<ExitCode> {
    if !shell::has("mdbook", &["--version"]) {
        bail!("mdbook is not installed: cargo install --locked mdbook");
    }
    run(shell::command("mdbook")
        .arg("build")
        .arg(root().join("docs")))?;
    println!("the book is in target/book");
    Ok(ExitCode::SUCCESS)
}
