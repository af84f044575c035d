//! The program under the folder contract, as the platform runs it.
#![forbid(unsafe_code)]

use std::time::Duration;

use folder_contract::testing::Run;

fn run(inputs: &str) -> Run {
    Run::new(env!("CARGO_BIN_EXE_hh-axon"), inputs)
}

#[test]
fn defaults_give_outputs_log_and_trace() {
    let ended = run("{}").finish();
    let outputs = ended.succeeded();
    let velocity = outputs["velocity"].as_f64().expect("a number");
    assert!((velocity - 18.75).abs() < 0.1, "{velocity}");
    assert_eq!(outputs["length_used"], 6.0);
    assert!(outputs["steps"].as_u64() > Some(500));
    assert_eq!(ended.files(), ["outputs.json", "trace.csv"]);

    assert!(ended.log.contains("\nt = 1 ms: front at "), "{}", ended.log);
    assert!(ended.log.contains("\n[PROGRESS] 0.50\n"), "{}", ended.log);

    let trace = ended.file("trace");
    let mut rows = trace.lines();
    assert_eq!(rows.next(), Some("time_ms,v_0.4L_mV,v_0.7L_mV"));
    let values: Vec<Vec<f64>> = rows
        .map(|row| {
            row.split(',')
                .map(|cell| cell.parse().expect("a number"))
                .collect()
        })
        .collect();
    assert!((200..2000).contains(&values.len()), "{} rows", values.len());
    // The wave is in the file, too: both electrodes peak, the farther one later.
    let peak_at = |column: usize| {
        values
            .iter()
            .max_by(|a, b| a[column].total_cmp(&b[column]))
            .expect("rows")[0]
    };
    let apart = peak_at(2) - peak_at(1);
    assert!((apart - 1.8 / 1.873).abs() < 0.03, "{apart} ms apart");
}

#[test]
fn null_means_default() {
    let ended = run(r#"{"length":null,"diameter":119}"#).finish();
    assert_eq!(ended.succeeded()["length_used"], 3.0);
}

#[test]
fn bad_inputs_fail_with_one_line_that_names_the_port() {
    for (inputs, line) in [
        (
            r#"{"diameter":-3}"#,
            "input diameter: must be from 0.1 to 5000, got -3",
        ),
        (
            r#"{"diameter":"thick"}"#,
            "input diameter: must be a number, got \"thick\"",
        ),
        (
            r#"{"compartments":601.5}"#,
            "input compartments: must be an integer, got 601.5",
        ),
        (
            r#"{"compartments":2}"#,
            "input compartments: must be from 11 to 100001, got 2",
        ),
        (
            r#"{"length":[6]}"#,
            "input length: must be a number, got an array",
        ),
        (
            r#"{"dt":NaN}"#,
            "inputs.json is not a JSON object: expected value at line 1 column 7",
        ),
        (
            r#"{"diametre":476}"#,
            "input diametre: no such port, there are diameter, temperature, length, compartments, dt, stimulus_amplitude, stimulus_duration, duration",
        ),
        (
            r#"{"stimulus_amplitude":0}"#,
            "no action potential reached 0.4 L within 20 ms: the stimulus is too weak or the axon does not conduct at 18.5 degC",
        ),
    ] {
        run(inputs).finish().failed(1, line);
    }
}

#[test]
fn missing_inputs_json_is_said() {
    let ended = run("{}").without_file("inputs.json").finish();
    let path = ended.input_folder().join("inputs.json");
    ended.failed(
        1,
        &format!(
            "cannot read {}: No such file or directory (os error 2)",
            path.display()
        ),
    );
}

#[test]
fn sigterm_ends_the_run_at_once() {
    // Ten seconds of simulated time at 10 ns a step: far longer than any test may take.
    let mut running =
        run(r#"{"compartments":20001,"dt":0.01,"duration":10000,"stimulus_amplitude":0}"#).start();
    running.until("axon of 476 um");
    running.terminate();
    let ended = running.wait();
    ended.failed(143, "cancelled by SIGTERM");
    // A step takes milliseconds; the rest is slack for a busy machine.
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}
