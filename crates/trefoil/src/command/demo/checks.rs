//! What the demo computes, over HTTP like any client, and what is known about it.

use std::io::Read as _;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Check;
use crate::{
    client::{Client, ClientError},
    command::{jobs::wait, text_of},
    examples,
    output::Ui,
};

/// Hodgkin and Huxley's own axon, and a colder one.
const HODGKIN_HUXLEY: &str = "Hodgkin & Huxley 1952: 18.8 m/s";
const CABLE_THEORY: &str = "cable theory: velocity ~ √diameter";

/// Runs everything; each result with its reference.
pub(crate) fn run(ui: &Ui, client: &Client) -> anyhow::Result<Vec<Check>> {
    let mut checks = nerve(ui, client)?;
    checks.push(sweep(ui, client)?);
    checks.extend(heart(ui, client)?);
    checks.push(function(ui, client)?);
    checks.extend(sleeper(ui, client)?);
    Ok(checks)
}

fn submit(client: &Client, body: &Value) -> anyhow::Result<String> {
    let job: Value = client.post("/v1/jobs").json(body).send()?.json()?;
    Ok(text_of(&job, "id"))
}

/// Submits a job, shows its progress, gives its id and outputs.
fn compute(ui: &Ui, client: &Client, title: &str, body: &Value) -> anyhow::Result<(String, Value)> {
    ui.note(title);
    let id = submit(client, body)?;
    wait::until_ended(ui, client, &id, None, None)?;
    let outputs = wait::outputs(client, &id, false, None)?;
    Ok((id, outputs))
}

fn number(value: &Value) -> anyhow::Result<f64> {
    value
        .as_f64()
        .with_context(|| format!("{value} is not a number"))
}

fn near(
    what: &'static str,
    found: f64,
    unit: &str,
    expected: f64,
    within: f64,
    reference: &'static str,
) -> Check {
    Check {
        what,
        found: format!("{found:.3}{unit}"),
        expected: format!("{expected} ± {within}{unit}"),
        reference,
        holds: (found - expected).abs() <= within,
    }
}

fn exactly(what: &'static str, found: &Value, expected: &Value, reference: &'static str) -> Check {
    Check {
        what,
        found: found.to_string(),
        expected: expected.to_string(),
        reference,
        holds: found == expected,
    }
}

fn nerve(ui: &Ui, client: &Client) -> anyhow::Result<Vec<Check>> {
    let body =
        json!({"service": "nerve/hh-axon:1", "inputs": {"diameter": 476, "temperature": 18.5}});
    let (id, warm) = compute(
        ui,
        client,
        "nerve/hh-axon: a squid giant axon of 476 um at 18.5 degC",
        &body,
    )?;
    let body = json!({"service": "nerve/hh-axon:1", "inputs": {"temperature": 6.3}});
    let (_, cold) = compute(ui, client, "nerve/hh-axon: the same at 6.3 degC", &body)?;
    ui.note("rerunning the first job to compare its outputs");
    let rerun: Value = client
        .post(&format!("/v1/jobs/{id}:rerun"))
        .send()?
        .json()?;
    let again = wait::until_ended(ui, client, &text_of(&rerun, "id"), None, None)?;
    Ok(vec![
        near(
            "conduction velocity at 18.5 degC",
            number(&warm["velocity"])?,
            " m/s",
            18.75,
            0.1,
            HODGKIN_HUXLEY,
        ),
        near(
            "conduction velocity at 6.3 degC",
            number(&cold["velocity"])?,
            " m/s",
            12.33,
            0.1,
            "NEURON 9.0.2: 12.33 m/s",
        ),
        exactly(
            "a rerun gives the same outputs",
            &again["rerun"]["identical"],
            &json!(true),
            "determinism",
        ),
    ])
}

/// The slope of log(velocity) over log(diameter), by least squares over a sweep.
fn sweep(ui: &Ui, client: &Client) -> anyhow::Result<Check> {
    ui.note("nerve/hh-axon: a sweep over 12 diameters from 100 to 1000 um");
    let body = json!({
        "service": "nerve/hh-axon:1",
        "sweep": {"values": {"diameter": {"logspace": [100, 1000, 12]}}},
    });
    let id = submit(client, &body)?;
    wait::until_ended(ui, client, &id, None, None)?;
    let result: Value = client
        .get(&format!("/v1/jobs/{id}/result"))
        .query("swept", "true")
        .send()?
        .json()?;
    let tasks = result["items"]
        .as_array()
        .context("a sweep's result has items")?;
    ensure!(
        tasks.len() == 12,
        "the sweep has {} tasks, not 12",
        tasks.len()
    );
    let mut points = Vec::new();
    for task in tasks {
        let diameter = number(&task["inputs"]["diameter"])?;
        points.push((diameter.ln(), number(&task["outputs"]["velocity"])?.ln()));
    }
    Ok(near(
        "log-log slope of velocity over diameter",
        slope(&points),
        "",
        0.5,
        0.005,
        CABLE_THEORY,
    ))
}

fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |part: fn(&(f64, f64)) -> f64| points.iter().map(part).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

fn heart(ui: &Ui, client: &Client) -> anyhow::Result<Vec<Check>> {
    ui.note("ecg/rpeaks: uploading a recording of 1,024 samples");
    let file: Value = client
        .post("/v1/files")
        .query("name", "ecg.csv")
        .text("text/csv", examples::ECG.to_owned())
        .send()?
        .json()?;
    let body = json!({"service": "ecg/rpeaks:1", "inputs": {"signal": {"sha256": file["sha256"]}, "sampling_rate": 360}});
    let (_, outputs) = compute(ui, client, "ecg/rpeaks: finding the heart beats", &body)?;
    let peaks = download(client, &text_of(&outputs["peaks"], "sha256"))?;
    Ok(vec![
        exactly(
            "samples of the R peaks",
            &outputs["peak_indices"],
            &json!([190, 518, 848]),
            "SciPy find_peaks on PyWavelets' ecg",
        ),
        near(
            "heart rate if 360 samples are a second",
            number(&outputs["heart_rate"])?,
            " bpm",
            65.65,
            0.01,
            "RR 328 and 330 samples",
        ),
        exactly(
            "lines of the table of peaks",
            &json!(peaks.lines().count()),
            &json!(4),
            "a header and three peaks",
        ),
    ])
}

fn download(client: &Client, sha256: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    client
        .get(&format!("/v1/files/{sha256}/content"))
        .send()?
        .into_reader()
        .read_to_string(&mut text)?;
    Ok(text)
}

fn function(ui: &Ui, client: &Client) -> anyhow::Result<Check> {
    let inputs = json!({"N": 1001, "xmin": -10, "xmax": 10, "func": "sin(x)"});
    let body = json!({"service": "math/function-parser:1", "inputs": inputs});
    let (_, outputs) = compute(ui, client, "math/function-parser: a table of sin(x)", &body)?;
    let table = download(client, &text_of(&outputs["table"], "sha256"))?;
    let mut worst: f64 = 0.0;
    let mut rows = 0;
    for line in table.lines() {
        let mut cells = line.split('\t').map(str::parse::<f64>);
        if let (Some(Ok(x)), Some(Ok(y))) = (cells.next(), cells.next()) {
            rows += 1;
            worst = worst.max((y - x.sin()).abs());
        }
    }
    Ok(Check {
        what: "a table of sin(x), its largest error",
        found: format!("{rows} rows, {worst:.1e}"),
        expected: "1001 rows, < 1e-12".to_owned(),
        reference: "this machine's own sine",
        holds: rows == 1001 && worst < 1e-12,
    })
}

fn sleeper(ui: &Ui, client: &Client) -> anyhow::Result<Vec<Check>> {
    ui.note("test/sleeper: failing on demand");
    let id = submit(
        client,
        &json!({"service": "test/sleeper:2", "inputs": {"input_2": 0.2, "input_3": true, "lines": 5}}),
    )?;
    let failed = wait::until_ended(ui, client, &id, None, None)?;
    let answer = client.get(&format!("/v1/jobs/{id}/result")).send();
    let status = match answer {
        Err(ClientError::Problem(problem)) => problem.status,
        Err(error) => return Err(error.into()),
        Ok(answer) => answer.status(),
    };
    ui.note("test/sleeper: canceling a long sleep");
    let id = submit(
        client,
        &json!({"service": "test/sleeper:2", "inputs": {"input_2": 600}}),
    )?;
    wait_for_running(client, &id)?;
    client.post(&format!("/v1/jobs/{id}:cancel")).send()?;
    let canceled = wait::until_ended(ui, client, &id, None, None)?;
    Ok(vec![
        exactly(
            "a failure is told as one",
            &json!([failed["state"], failed["error"]["class"], status]),
            &json!(["failed", "application", 422]),
            "docs: jobs",
        ),
        exactly(
            "a canceled job ends as such",
            &canceled["state"],
            &json!("canceled"),
            "docs: jobs",
        ),
    ])
}

fn wait_for_running(client: &Client, id: &str) -> anyhow::Result<()> {
    let path = format!("/v1/jobs/{id}/events");
    let mut events = crate::client::events::Events::new(client, path, None);
    while let Some(event) = events.next()? {
        let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
        if event.name == "state" && data["state"] == "running" {
            return Ok(());
        }
    }
    anyhow::bail!("job {id} ended before it could be canceled")
}
