//! Steps one after the other, and the table of how they went.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::shell::is_ci;

/// One thing to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// What it does. An error fails the step, not the run.
    pub(crate) work: fn() -> Result<Outcome>,
    /// Whether the steps after it are pointless without it.
    pub(crate) is_needed: bool,
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It checked so many things.
    Counted { passed: u32, failed: u32 },
    /// Its tool is not here; which, and how to get it.
    Skipped(String),
}

impl Outcome {
    /// A step that is one check.
    pub(crate) const PASSED: Self = Self::Counted {
        passed: 1,
        failed: 0,
    };
}

struct Row {
    name: &'static str,
    outcome: Outcome,
    note: String,
    took: Duration,
}

/// The steps that were done.
pub(crate) struct Board;

impl Board {
    /// Does all steps, whatever fails, and prints the table. Succeeds if nothing failed.
    pub(crate) fn run(steps: &[Step]) -> ExitCode {
        let mut rows: Vec<Row> = Vec::new();
        for step in steps {
            println!("\n=== {} ===", step.name);
            let begun = Instant::now();
            let (outcome, note) = judge((step.work)(), is_ci());
            let row = Row {
                name: step.name,
                outcome,
                note,
                took: begun.elapsed(),
            };
            println!("--- {}: {}, {}", row.name, words(&row), seconds(row.took));
            let stop = step.is_needed && is_failure(&row);
            rows.push(row);
            if stop {
                break;
            }
        }
        let (passed, failed) = table(&rows, steps.len());
        println!("{passed} passed, {failed} failed");
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// An error is one failed check. In CI, so is a step that was left out.
fn judge(result: Result<Outcome>, is_ci: bool) -> (Outcome, String) {
    const FAILED: Outcome = Outcome::Counted {
        passed: 0,
        failed: 1,
    };
    match result {
        Ok(Outcome::Skipped(why)) if is_ci => (FAILED, format!("may not be skipped in CI: {why}")),
        Ok(Outcome::Skipped(why)) => (Outcome::Skipped(why.clone()), why),
        Ok(Outcome::Counted {
            passed: 0,
            failed: 0,
        }) => (FAILED, "it checked nothing".to_owned()),
        Ok(counted) => (counted, String::new()),
        Err(error) => (FAILED, format!("{error:#}")),
    }
}

fn is_failure(row: &Row) -> bool {
    matches!(row.outcome, Outcome::Counted { failed, .. } if failed > 0)
}

fn words(row: &Row) -> String {
    match &row.outcome {
        Outcome::Counted { passed, failed } if row.note.is_empty() => {
            format!("{passed} passed, {failed} failed")
        }
        Outcome::Counted { passed, failed } => {
            format!("{passed} passed, {failed} failed: {}", row.note)
        }
        Outcome::Skipped(why) => format!("skipped: {why}"),
    }
}

fn table(rows: &[Row], planned: usize) -> (u32, u32) {
    println!(
        "\n{:<12} {:>9} {:>7} {:>7}",
        "step", "time", "passed", "failed"
    );
    let (mut all_passed, mut all_failed) = (0, 0);
    for row in rows {
        let took = seconds(row.took);
        match &row.outcome {
            Outcome::Counted { passed, failed } => {
                all_passed += passed;
                all_failed += failed;
                // The rest of a long note was shown where the step ended.
                let note = row.note.lines().next().unwrap_or_default();
                println!("{:<12} {took:>9} {passed:>7} {failed:>7}  {note}", row.name);
            }
            Outcome::Skipped(why) => println!(
                "{:<12} {took:>9} {:>7} {:>7}  skipped: {why}",
                row.name, "-", "-"
            ),
        }
    }
    if rows.len() < planned {
        println!("{} steps were not done", planned - rows.len());
    }
    let total = rows.iter().map(|row| row.took).sum();
    println!("{:<12} {:>9}", "all", seconds(total));
    (all_passed, all_failed)
}

fn seconds(took: Duration) -> String {
    match took.as_secs() {
        0..=59 => format!("{:.1} s", took.as_secs_f64()),
        whole => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_is_a_failure_in_ci_only() {
        let skipped = || Ok(Outcome::Skipped("no tool".to_owned()));
        assert_eq!(
            judge(skipped(), false).0,
            Outcome::Skipped("no tool".to_owned())
        );
        assert_eq!(
            judge(skipped(), true).0,
            Outcome::Counted {
                passed: 0,
                failed: 1
            }
        );
    }

    #[test]
    fn a_step_that_checked_nothing_did_not_pass() {
        let nothing = Outcome::Counted {
            passed: 0,
            failed: 0,
        };
        assert_eq!(
            judge(Ok(nothing), false).0,
            Outcome::Counted {
                passed: 0,
                failed: 1
            }
        );
        assert_eq!(judge(Ok(Outcome::PASSED), true).0, Outcome::PASSED);
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
