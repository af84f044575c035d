//! The program under the folder contract, as the platform runs it.
#![forbid(unsafe_code)]

use std::time::Duration;

use folder_contract::testing::Run;

const RECORDING: &str = include_str!("../data/ecg.csv");

fn run(inputs: &str) -> Run {
    Run::new(env!("CARGO_BIN_EXE_ecg-rpeaks"), inputs)
}

#[test]
fn the_recording_gives_its_beats() {
    let ended = run(r#"{"signal":"signal.csv"}"#)
        .with_file("signal.csv", RECORDING)
        .finish();
    let outputs = ended.succeeded();
    assert_eq!(outputs["peak_indices"], serde_json::json!([190, 518, 848]));
    assert_eq!(outputs["n_peaks"], 3);
    let heart_rate = outputs["heart_rate"].as_f64().expect("a number");
    assert!((heart_rate - 65.65).abs() < 0.005, "{heart_rate}");
    let mean_rr = outputs["mean_rr"].as_f64().expect("a number");
    assert!((mean_rr - 329.0 / 360.0).abs() < 1e-12, "{mean_rr}");
    assert_eq!(
        ended.file("peaks"),
        "index,time_s,amplitude\n190,0.527778,250\n518,1.438889,236\n848,2.355556,188\n"
    );
    assert_eq!(ended.files(), ["outputs.json", "peaks.csv"]);
}

#[test]
fn a_column_with_a_header_and_another_rate() {
    let table: String = RECORDING
        .lines()
        .enumerate()
        .map(|(i, value)| format!("{i},{value}\n"))
        .collect();
    let ended = run(r#"{"signal":"t.csv","column":2,"sampling_rate":180,"min_height":null}"#)
        .with_file("t.csv", &format!("sample,mV\n{table}"))
        .finish();
    let outputs = ended.succeeded();
    assert_eq!(outputs["peak_indices"], serde_json::json!([190, 518, 848]));
    let heart_rate = outputs["heart_rate"].as_f64().expect("a number");
    assert!((heart_rate - 65.65 / 2.0).abs() < 0.005, "{heart_rate}");
}

#[test]
fn bad_inputs_fail_with_one_line_that_names_the_port() {
    for (inputs, line) in [
        ("{}", "input signal: a file is needed"),
        (
            r#"{"signal":7}"#,
            "input signal: must be the path of a file, got 7",
        ),
        (
            r#"{"signal":"/nowhere/ecg.csv"}"#,
            "input signal: cannot read /nowhere/ecg.csv: No such file or directory (os error 2)",
        ),
        (
            r#"{"signal":"s.csv","sampling_rate":-360}"#,
            "input sampling_rate: must be from 1 to 1000000, got -360",
        ),
        (
            r#"{"signal":"s.csv","column":2}"#,
            "input signal: line 1: there is no column 2",
        ),
        (
            r#"{"signal":"s.csv","min_height":"high"}"#,
            "input min_height: must be a number, got \"high\"",
        ),
        (
            r#"{"signal":"s.csv"}"#,
            "input signal: line 3: \"nan\" is not a finite number",
        ),
        (
            r#"{"signal":"flat.csv"}"#,
            "found 0 R peaks, a heart rate needs two: is the lead inverted, or min_height too high?",
        ),
    ] {
        run(inputs)
            .with_file("s.csv", "1\n2\nnan\n")
            .with_file("flat.csv", &"5\n".repeat(1000))
            .finish()
            .failed(1, line);
    }
}

#[test]
fn the_default_height_finds_what_the_given_one_finds() {
    let given = run(r#"{"signal":"s.csv","min_height":120,"min_distance":0.2778}"#)
        .with_file("s.csv", RECORDING)
        .finish();
    assert_eq!(
        given.succeeded()["peak_indices"],
        serde_json::json!([190, 518, 848])
    );
}

#[test]
fn sigterm_ends_the_run_at_once() {
    // Five million samples take a while; the log line says that the reading has begun.
    let long = RECORDING.repeat(5000);
    let mut running = run(r#"{"signal":"s.csv"}"#)
        .with_file("s.csv", &long)
        .start();
    running.until("reading column 1");
    running.terminate();
    let ended = running.wait();
    ended.failed(143, "cancelled by SIGTERM");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}
