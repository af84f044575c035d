//! Logs, events and results of jobs over HTTP, with real programs. This executable is their supervisor, too
//! (`supervise …`); hence no test harness.

#![expect(
    clippy::unwrap_used,
    reason = "without a harness nothing marks this as a test"
)]

#[path = "support/api.rs"]
mod api;
#[path = "streams/cases.rs"]
mod cases;
#[path = "streams/rig.rs"]
mod rig;

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use trefoil_server::program::supervise;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == supervise::SUBCOMMAND => supervise::run(rest),
        _ => tests(&arguments),
    }
}

/// Runs the cases whose names contain an argument, as the harness does; understands `--list` and `--exact`.
fn tests(arguments: &[OsString]) -> ExitCode {
    let arguments: Vec<&str> = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .collect();
    let exact = arguments.contains(&"--exact");
    let filters: Vec<&str> = arguments
        .iter()
        .copied()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let fits = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|filter| {
                if exact {
                    name == *filter
                } else {
                    name.contains(filter)
                }
            })
    };
    let mut failed = Vec::new();
    for (name, case) in cases::ALL.iter().filter(|(name, _)| fits(name)) {
        if arguments.contains(&"--list") {
            println!("{name}: test");
            continue;
        }
        let passed = catch_unwind(AssertUnwindSafe(|| rig::run(*case))).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        println!("failed: {}", failed.join(", "));
        ExitCode::FAILURE
    }
}
