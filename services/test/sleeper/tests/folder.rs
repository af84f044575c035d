//! The program under the folder contract, as the platform runs it.
#![forbid(unsafe_code)]

use std::fs;
use std::time::Duration;

use folder_contract::testing::Run;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::json;

fn run(inputs: &str) -> Run {
    Run::new(env!("CARGO_BIN_EXE_test-sleeper"), inputs)
}

#[test]
fn it_sleeps_talks_and_tells() {
    let ended = run(r#"{"input_2":0.2,"lines":4,"input_4":2}"#).finish();
    assert!(ended.took >= Duration::from_millis(200), "{:?}", ended.took);
    assert_eq!(
        ended.log,
        "sleeping for 0.2 s\nline 1 of 4\nline 2 of 4\n[PROGRESS] 1/2\nline 3 of 4\nline 4 of 4\n[PROGRESS] 1.00\n"
    );
    assert_eq!(
        ended.succeeded(),
        &json!({"output_1": "single_number.txt", "output_2": 0.2, "output_3": "dream.bin"})
    );
    assert_eq!(ended.file("output_1"), "0.2\n");
    assert_eq!(ended.file("output_3"), "");
    assert_eq!(
        ended.files(),
        ["dream.bin", "outputs.json", "single_number.txt"]
    );
}

#[test]
fn the_file_goes_before_the_interval_and_sleepers_chain() {
    let first = run(r#"{"input_1":null,"input_2":0.125,"lines":0}"#).finish();
    let second = run(r#"{"input_1":"n.txt","input_2":1000}"#)
        .with_file("n.txt", &first.file("output_1"))
        .finish();
    assert_eq!(second.succeeded()["output_2"], 0.125);
}

#[test]
fn the_log_has_each_line_once() {
    let ended = run(r#"{"input_2":0,"lines":5000}"#).finish();
    ended.succeeded();
    let numbered = ended.log.lines().filter(|line| line.starts_with("line "));
    let expected = (1..=5000).map(|i| format!("line {i} of 5000"));
    assert!(numbered.eq(expected));
}

#[test]
fn it_fails_as_asked() {
    run(r#"{"input_2":0,"input_3":true}"#)
        .finish()
        .failed(1, "failed after the sleep, as input_3 asks");
    run(r#"{"input_2":0,"exit_code":75}"#)
        .finish()
        .failed(75, "ending with exit code 75 as asked");
}

#[test]
fn bad_inputs_fail_with_one_line_that_names_the_port() {
    for (inputs, line) in [
        (
            r#"{"input_2":-1}"#,
            "input input_2: must be from 0 to 1000000, got -1",
        ),
        (
            r#"{"input_2":"two"}"#,
            "input input_2: must be a number, got \"two\"",
        ),
        (
            r#"{"input_3":"yes"}"#,
            "input input_3: must be true or false, got \"yes\"",
        ),
        (
            r#"{"exit_code":256}"#,
            "input exit_code: must be from 0 to 255, got 256",
        ),
        (
            r#"{"lines":1.5}"#,
            "input lines: must be an integer, got 1.5",
        ),
        (
            r#"{"input_1":"/nowhere/n.txt"}"#,
            "input input_1: cannot read /nowhere/n.txt: No such file or directory (os error 2)",
        ),
        (
            r#"{"input_1":"word.txt"}"#,
            "input input_1: must hold one number, got \"soon\"",
        ),
        (
            r#"{"input_1":"nan.txt"}"#,
            "input input_1: must hold a number from 0 to 1000000, got NaN",
        ),
    ] {
        run(inputs)
            .with_file("word.txt", "soon\n")
            .with_file("nan.txt", "NaN")
            .finish()
            .failed(1, line);
    }
}

#[test]
fn sigterm_ends_the_sleep_at_once() {
    let mut running = run(r#"{"input_2":1000}"#).start();
    running.until("sleeping");
    running.terminate();
    let ended = running.wait();
    ended.failed(143, "cancelled by SIGTERM");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}

#[test]
fn sigterm_stops_a_long_dream_and_leaves_nothing() {
    // Four gigabytes take a while; the line before them says that the sleep is over.
    let mut running = run(r#"{"input_2":0,"lines":1,"input_4":1,"input_5":4000000000}"#).start();
    running.until("line 1 of 1");
    running.terminate();
    let ended = running.wait();
    ended.failed(143, "cancelled by SIGTERM");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}

#[test]
fn sigterm_can_be_ignored() {
    let mut running = run(r#"{"input_2":0.3,"ignore_term":true}"#).start();
    running.until("sleeping");
    running.terminate();
    let ended = running.wait();
    assert_eq!(ended.succeeded()["output_2"], 0.3);
    assert!(ended.log.contains("line 10 of 10"));
}

/// Ends the process that a sleeper left behind, also when the test fails.
struct Left(Pid);

impl Drop for Left {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_process_is_left_behind_in_its_own_session() {
    let mut running = run(r#"{"input_2":0,"spawn_child":true}"#).start();
    let line = running.until("left process ");
    let number = line.split(' ').nth(2).and_then(|word| word.parse().ok());
    let left = Left(number.and_then(Pid::from_raw).expect("a process id"));
    running.until("[PROGRESS] 1.00");

    test_kill_process(left.0).expect("the process is there");
    // After the name in parentheses: state, parent, group, session. `setsid` may not have run yet.
    let session = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", left.0)).expect("a process");
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        fields.split_whitespace().nth(3).map(str::to_owned)
    };
    while session() != Some(left.0.to_string()) {
        std::thread::yield_now();
    }
    // It holds the log open: only its end lets the log end.
    drop(left);
    running.wait().succeeded();
}
