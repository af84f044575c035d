//! Programs below their supervisors, with real processes. This executable is the supervisor too (`supervise …`), a platform
//! that can be killed (`platform …`) and a program for what a shell cannot do (`allocate …`); hence no test harness.

#![expect(
    clippy::unwrap_used,
    reason = "without a harness nothing marks this as a test"
)]

#[path = "support/caller.rs"]
mod caller;
#[path = "program/cases.rs"]
mod cases;
#[path = "program/providers.rs"]
mod providers;
#[path = "program/support.rs"]
mod support;
#[path = "program/thrift.rs"]
mod thrift;

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use trefoil_server::program::supervise;

fn main() -> ExitCode {
    let open = std::fs::read_dir("/proc/self/fd")
        .expect("/proc")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    // One of them is that of the listing itself, which is closed by now.
    let mut inherited: Vec<String> = open.collect();
    inherited.retain(|fd| std::fs::read_link(format!("/proc/self/fd/{fd}")).is_ok());
    cases::INHERITED.get_or_init(|| inherited);
    cases::IGNORED.get_or_init(|| support::signals_ignored().expect("/proc"));
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some(supervise::SUBCOMMAND) => supervise::run(&arguments[1..]),
        Some("platform") => support::platform(&arguments[1..]),
        Some("provide") => providers::provide(&arguments[1..]),
        Some("provide-platform") => providers::platform(&arguments[1..]),
        Some("allocate") => support::allocate(&arguments[1..]),
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
    let filters: Vec<&&str> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let all = cases::ALL.iter().chain(thrift::ALL).chain(providers::ALL);
    let chosen = all.filter(|(name, _)| {
        filters.is_empty()
            || filters.iter().any(|filter| {
                if exact {
                    **filter == *name
                } else {
                    name.contains(**filter)
                }
            })
    });
    if arguments.contains(&"--list") {
        chosen.for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    let mut passed = 0;
    for (name, case) in chosen {
        let outcome = catch_unwind(AssertUnwindSafe(|| support::run(*case)));
        println!(
            "test {name} ... {}",
            if outcome.is_ok() { "ok" } else { "FAILED" }
        );
        match outcome {
            Ok(()) => passed += 1,
            Err(_) => failed.push(name),
        }
    }
    println!(
        "\ntest result: {passed} passed; {} failed {failed:?}",
        failed.len()
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
