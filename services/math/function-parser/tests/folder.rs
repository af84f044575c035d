//! The program under the folder contract, as the platform runs it.
#![forbid(unsafe_code)]

use std::time::Duration;

use folder_contract::testing::Run;

fn run(inputs: &str) -> Run {
    Run::new(env!("CARGO_BIN_EXE_function-parser"), inputs)
}

#[test]
fn a_small_table_is_exact() {
    let ended = run(r#"{"N":5,"xmin":-1,"xmax":1,"func":"2*x^2 - 1"}"#).finish();
    assert_eq!(
        ended.file("table"),
        "x\tf(x)\n-1.0\t1.0\n-0.5\t-0.5\n0.0\t-1.0\n0.5\t-0.5\n1.0\t1.0\n"
    );
    let outputs = ended.succeeded();
    assert_eq!(
        (&outputs["min"], &outputs["max"]),
        (&(-1.0).into(), &1.0.into())
    );
    assert_eq!(outputs["n_undefined"], 0);
    assert_eq!(ended.files(), ["outputs.json", "table.tsv"]);
}

#[test]
fn reference_values_of_the_readme() {
    for (inputs, min, max) in [
        (r#"{"N":201,"xmin":-1,"xmax":1,"func":"x^2"}"#, 0.0, 1.0),
        (
            r#"{"N":61,"xmin":-3,"xmax":3,"func":"exp(-x^2/2)"}"#,
            (-4.5f64).exp(),
            1.0,
        ),
        (
            r#"{"N":101,"xmin":0,"xmax":6.283185307179586,"func":"cos(x)"}"#,
            -1.0,
            1.0,
        ),
    ] {
        let ended = run(inputs).finish();
        for (port, expected) in [("min", min), ("max", max)] {
            let found = ended.succeeded()[port].as_f64().expect("a number");
            assert!((found - expected).abs() < 1e-12, "{inputs}: {port} {found}");
        }
    }
}

#[test]
fn defaults_tabulate_the_sine_with_progress() {
    let ended = run("{}").finish();
    let table = ended.file("table");
    assert_eq!(table.lines().count(), 101);
    for line in table.lines().skip(1) {
        let (x, y) = line.split_once('\t').expect("two cells");
        let (x, y): (f64, f64) = (x.parse().expect("x"), y.parse().expect("y"));
        assert_eq!(y, x.sin(), "at {x}");
    }
    assert!(ended.log.contains("\n[PROGRESS] 0.42\n"), "{}", ended.log);
}

#[test]
fn points_without_a_value_are_counted_not_hidden() {
    let ended = run(r#"{"N":5,"xmin":-2,"xmax":2,"func":"log(x)"}"#).finish();
    let outputs = ended.succeeded();
    assert_eq!(outputs["n_undefined"], 3);
    assert_eq!(outputs["min"], 0.0);
    assert!(
        ended
            .file("table")
            .starts_with("x\tf(x)\n-2.0\tNaN\n-1.0\tNaN\n0.0\t-inf\n1.0\t0.0\n")
    );
}

#[test]
fn bad_inputs_fail_with_one_line_that_names_the_port() {
    for (inputs, line) in [
        (
            r#"{"func":"2**x"}"#,
            "input func: column 3: expected a number, a name or '(', got '*'",
        ),
        (
            r#"{"func":"sin(y)"}"#,
            "input func: column 5: \"y\" is not known",
        ),
        (r#"{"func":3}"#, "input func: must be a text, got 3"),
        (r#"{"N":1}"#, "input N: must be from 2 to 10000000, got 1"),
        (r#"{"N":2.5}"#, "input N: must be an integer, got 2.5"),
        (
            r#"{"xmin":1,"xmax":1}"#,
            "input xmax: must be greater than xmin, got 1.0 and xmin 1.0",
        ),
        (
            r#"{"xmin":NaN}"#,
            "inputs.json is not a JSON object: expected value at line 1 column 9",
        ),
        (
            r#"{"func":"sqrt(-1 - x^2)"}"#,
            "\"sqrt(-1 - x^2)\" is not a finite number anywhere from -10.0 to 10.0",
        ),
    ] {
        run(inputs).finish().failed(1, line);
    }
}

#[test]
fn sigterm_ends_the_run_at_once() {
    let mut running = run(r#"{"N":10000000,"func":"exp(sin(x))^cos(x)"}"#).start();
    running.until("[PROGRESS] 0.01");
    running.terminate();
    let ended = running.wait();
    ended.failed(143, "cancelled by SIGTERM");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}
