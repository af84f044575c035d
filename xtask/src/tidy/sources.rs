//! What every Rust source has and has not.

use super::{
    Finding, Source,
    edges::{Member, PURE},
    uses::{code, imports},
};
use crate::shell::root;

/// Lines beyond which a file needs a reason in [`LONG_FILES`].
const LONG: usize = 500;
const LIST: &str = "xtask/src/long_files.txt";
/// Path and reason of each longer file, one a line.
const LONG_FILES: &str = include_str!("../long_files.txt");

/// What pure crates must not reach: no I/O, no clock, no threads.
const IMPURE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio",
];

pub(super) fn check(sources: &[Source], members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let listed: Vec<(&str, &str)> = LONG_FILES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_once(' ').unwrap_or((line, "")))
        .collect();
    for source in sources {
        findings.extend(machine_paths(source));
        if source.path.ends_with(".rs") {
            findings.extend(length(source, &listed));
            findings.extend(forbidden(source));
            findings.extend(module_doc(source));
            findings.extend(impure(source));
        }
    }
    for (path, reason) in listed {
        if reason.is_empty() {
            findings.push(Finding::new(
                LIST,
                0,
                format!("{path} is listed without a reason"),
            ));
        }
        let long = sources
            .iter()
            .any(|source| source.path == path && own_lines(&source.text) > LONG);
        if !long {
            findings.push(Finding::new(
                LIST,
                0,
                format!("{path} is not long any more: remove it from the list"),
            ));
        }
    }
    findings.extend(unsafe_heads(sources, members));
    findings
}

/// Tests may be as long as they must.
fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Lines without the tests at the foot.
fn own_lines(text: &str) -> usize {
    text.split_once("#[cfg(test)]\nmod tests {")
        .map_or(text, |(before, _)| before)
        .lines()
        .count()
}

fn length(source: &Source, listed: &[(&str, &str)]) -> Option<Finding> {
    let lines = own_lines(&source.text);
    let excused = is_test(&source.path) || listed.iter().any(|(path, _)| *path == source.path);
    (lines > LONG && !excused).then(|| {
        let what =
            format!("has {lines} lines, more than {LONG}: split it, or give the reason in {LIST}");
        Finding::new(&source.path, 0, what)
    })
}

fn forbidden(source: &Source) -> Vec<Finding> {
    // In two pieces, so that this file does not contain what it looks for.
    let patterns = [
        (concat!("todo", "!("), "unfinished code is not committed"),
        (
            concat!("unimplemented", "!("),
            "unfinished code is not committed",
        ),
        (
            concat!("#[ign", "ore"),
            "a test that does not run is no test",
        ),
        (
            concat!("#[al", "low("),
            "use #[expect(lint, reason = \"…\")], which says so when it is not needed any more",
        ),
    ];
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(source.text.lines()) {
        for (pattern, why) in patterns {
            if line.contains(pattern) {
                findings.push(Finding::new(
                    &source.path,
                    number,
                    format!("{pattern}…: {why}"),
                ));
            }
        }
    }
    findings
}

fn module_doc(source: &Source) -> Option<Finding> {
    let is_module = source.path.contains("/src/") && !is_test(&source.path);
    (is_module && !source.text.starts_with("//!")).then(|| {
        Finding::new(
            &source.path,
            1,
            "a module begins with //! and what it is for",
        )
    })
}

fn impure(source: &Source) -> Vec<Finding> {
    let is_pure = PURE
        .iter()
        .any(|member| source.path.starts_with(&format!("{member}/src/")));
    if !is_pure || is_test(&source.path) {
        return Vec::new();
    }
    let code = code(&source.text);
    let imports = imports(&code);
    let reaches = |what: &str| {
        let within = format!("{what}::");
        imports
            .iter()
            .any(|path| path == what || path.starts_with(&within))
            || code.contains(&within)
    };
    IMPURE
        .iter()
        .filter(|what| reaches(what))
        .map(|what| {
            Finding::new(
                &source.path,
                0,
                format!("is in a pure crate: it must not use {what}"),
            )
        })
        .collect()
}

fn unsafe_heads(sources: &[Source], members: &[Member]) -> Vec<Finding> {
    let heads = members.iter().flat_map(|member| &member.heads);
    let missing = heads.filter(|head| {
        let source = sources.iter().find(|source| source.path == **head);
        source.is_none_or(|source| {
            !source
                .text
                .lines()
                .any(|line| line == "#![forbid(unsafe_code)]")
        })
    });
    missing
        .map(|head| {
            Finding::new(
                head,
                1,
                "#![forbid(unsafe_code)] is missing at the head of the crate",
            )
        })
        .collect()
}

/// Paths that only one machine has: homes, and wherever this checkout is.
fn machine_paths(source: &Source) -> Vec<Finding> {
    let here = root().to_string_lossy();
    let homes = [
        concat!("/ho", "me/"),
        concat!("/ro", "ot/"),
        concat!("/Us", "ers/"),
    ];
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(source.text.lines()) {
        for pattern in homes.iter().copied().chain([here.as_ref()]) {
            let absolute = line.match_indices(pattern).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|before| before.is_alphanumeric() || "._-}/~*".contains(before))
            });
            if absolute {
                findings.push(Finding::new(
                    &source.path,
                    number,
                    format!("names a path of one machine: {pattern}"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn a_pure_crate_that_reaches_out_is_found() {
        let impure_texts = [
            "use std::{fmt, fs};",
            "use std::time::{Duration, Instant};",
            "fn f() { std::thread::yield_now() }",
            "use tokio::sync::mpsc;",
        ];
        for text in impure_texts {
            assert_eq!(
                impure(&source("crates/jobs/src/x.rs", text)).len(),
                1,
                "{text}"
            );
            assert!(impure(&source("crates/server/src/x.rs", text)).is_empty());
        }
        assert!(
            impure(&source(
                "crates/jobs/src/x.rs",
                "//! not tokio::x\nuse std::time::Duration;"
            ))
            .is_empty()
        );
    }

    #[test]
    fn long_files_need_a_reason_and_tests_do_not_count() {
        let long = "//! x\n".repeat(LONG + 1);
        assert!(length(&source("a/src/x.rs", &long), &[]).is_some());
        assert!(length(&source("a/src/x.rs", &long), &[("a/src/x.rs", "because")]).is_none());
        assert!(length(&source("a/src/x/tests.rs", &long), &[]).is_none());
        let tested = format!("//! x\n#[cfg(test)]\nmod tests {{\n{long}");
        assert!(length(&source("a/src/x.rs", &tested), &[]).is_none());
    }

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        let text = format!(
            "//! x\n{}]\nfn f() {{ {}) }}\n",
            concat!("#[ign", "ore"),
            concat!("todo", "!(")
        );
        let lines: Vec<usize> = forbidden(&source("a/src/x.rs", &text))
            .iter()
            .map(|one| one.line)
            .collect();
        assert_eq!(lines, [2, 3]);
    }

    #[test]
    fn paths_of_one_machine_are_found_and_others_are_not() {
        let home = concat!("/ho", "me/me");
        assert_eq!(
            machine_paths(&source("x.md", &format!("see `{home}/x`"))).len(),
            1
        );
        assert!(
            machine_paths(&source("x.md", &format!("see `x{home}`, /var/lib/trefoil"))).is_empty()
        );
    }
}
