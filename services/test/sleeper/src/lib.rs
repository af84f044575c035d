//! The service `test/sleeper`: the platform's own workload, which sleeps, talks, fails and
//! misbehaves as its inputs say.
//!
//! The same inputs give the same outputs and the same log, whatever the clock does in between.
#![forbid(unsafe_code)]

mod dream;

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use folder_contract::{Inputs, Outputs, Stop, Task, outputs};

/// Ports of `metadata.yml`.
const INPUTS: [&str; 9] = [
    "input_1",
    "input_2",
    "input_3",
    "input_4",
    "input_5",
    "exit_code",
    "ignore_term",
    "spawn_child",
    "lines",
];

/// Longest sleep, s: eleven days, longer than any limit a test sets.
const SLEEP_MAX: f64 = 1e6;
/// Most log lines and progress steps: enough to run into every limit on logs.
const LINES_MAX: u64 = 100_000_000;
/// Largest dream, bytes: enough to run into every limit on outputs.
const DREAM_MAX: u64 = 1 << 40;
/// Progress steps when `input_4` is 0.
const DEFAULT_STEPS: u64 = 10;
/// A number is shorter than this; a longer file is none.
const NUMBER_FILE_MAX: u64 = 1024;

/// Runs the service under the folder contract.
#[must_use]
pub fn run() -> ExitCode {
    folder_contract::run(body)
}

fn body(task: &Task) -> Result<Outputs, Stop> {
    let inputs = task.inputs();
    inputs.expect_only(&INPUTS)?;
    let seconds = sleep_seconds(inputs)?;
    let fail = inputs.boolean("input_3", false)?;
    let steps = inputs.integer("input_4", 0, 0..=LINES_MAX)?;
    let dream_bytes = inputs.integer("input_5", 0, 0..=DREAM_MAX)?;
    let exit_code = inputs.integer("exit_code", 0, 0..=255)?;
    let ignore_term = inputs.boolean("ignore_term", false)?;
    let lines = inputs.integer("lines", 10, 0..=LINES_MAX)?;

    if inputs.boolean("spawn_child", false)? {
        leave_process_behind(task)?;
    }
    task.log(format_args!("sleeping for {seconds:?} s"));
    let steps = if steps == 0 { DEFAULT_STEPS } else { steps };
    sleep(task, seconds, steps, lines, ignore_term)?;

    if fail {
        return Err(Stop::Failed(
            "failed after the sleep, as input_3 asks".into(),
        ));
    }
    match u8::try_from(exit_code) {
        Ok(0) | Err(_) => {}
        Ok(code) => return Err(Stop::Exit(code)),
    }
    let dream = task.write_file("dream.bin", |file| {
        dream::write(file, dream_bytes, || task.cancel().asked() && !ignore_term)
    })?;
    let number = task.write_file("single_number.txt", |file| writeln!(file, "{seconds:?}"))?;
    Ok(outputs([
        ("output_1", number),
        ("output_2", seconds.into()),
        ("output_3", dream),
    ]))
}

/// The number in the file of `input_1` if there is one, else `input_2`.
fn sleep_seconds(inputs: &Inputs) -> Result<f64, Stop> {
    let seconds = inputs.number("input_2", 2.0, 0.0..=SLEEP_MAX)?;
    match inputs.optional_file("input_1")? {
        None => Ok(seconds),
        Some(path) => number_in(&path).map_err(|reason| Stop::input("input_1", reason)),
    }
}

fn number_in(path: &Path) -> Result<f64, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(NUMBER_FILE_MAX).read_to_string(&mut text))
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    match text.trim().parse::<f64>() {
        Ok(number) if (0.0..=SLEEP_MAX).contains(&number) => Ok(number),
        Ok(number) => Err(format!(
            "must hold a number from 0 to {SLEEP_MAX}, got {number:?}"
        )),
        Err(_) => {
            let start: String = text.trim().chars().take(40).collect();
            Err(format!("must hold one number, got {start:?}"))
        }
    }
}

/// Sleeps, with `lines` numbered log lines and `steps` of progress spread evenly over the time.
fn sleep(task: &Task, seconds: f64, steps: u64, lines: u64, ignore_term: bool) -> Result<(), Stop> {
    let start = Instant::now();
    let (mut line, mut step) = (0, 0);
    while line < lines || step < steps {
        // Both are spread over the whole time; the one that is due first goes first.
        let next_line = (line + 1) as f64 / lines.max(1) as f64;
        let next_step = (step + 1) as f64 / steps as f64;
        let line_first = line < lines && (step == steps || next_line <= next_step);
        let part = if line_first { next_line } else { next_step };
        let until = start + Duration::from_secs_f64(seconds * part);
        if ignore_term {
            task.cancel().wait_deaf(until);
        } else {
            task.cancel().wait(until)?;
        }
        if line_first {
            line += 1;
            task.log(format_args!("line {line} of {lines}"));
        } else {
            step += 1;
            // The last step is for the platform to take, when the outputs are there.
            if step < steps {
                task.log(format_args!("[PROGRESS] {step}/{steps}"));
            }
        }
    }
    Ok(())
}

/// Starts `sleep 1000` in a session of its own, with this program's log still open in its hands:
/// neither the end of this process, nor a signal to its group, nor the end of the log's pipe
/// tells the platform about it.
fn leave_process_behind(task: &Task) -> Result<(), Stop> {
    let child = Command::new("setsid")
        .args(["sleep", "1000"])
        .stdin(Stdio::null())
        .spawn()
        .map_err(|error| Stop::Failed(format!("cannot start setsid sleep: {error}")))?;
    task.log(format_args!("left process {} behind", child.id()));
    Ok(())
}
