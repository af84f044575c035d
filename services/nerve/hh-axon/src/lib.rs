//! The service `nerve/hh-axon`: conduction velocity of a Hodgkin-Huxley cable axon.
//!
//! [`simulate`] is the experiment, [`run`] the program under the folder contract. Numbers are
//! checked against the published 18.8 m/s in `tests/reference.rs`.
#![forbid(unsafe_code)]

mod cable;
mod membrane;
mod wave;

use std::process::ExitCode;

use folder_contract::{Inputs, Outputs, Stop, Task, outputs};

pub use wave::{Moment, Setup, Wave, simulate};

/// Ports of `metadata.yml`.
const INPUTS: [&str; 8] = [
    "diameter",
    "temperature",
    "length",
    "compartments",
    "dt",
    "stimulus_amplitude",
    "stimulus_duration",
    "duration",
];

/// The part of the length where the measurement ends.
const LAST_ELECTRODE: f64 = 0.7;

/// Runs the service under the folder contract.
#[must_use]
pub fn run() -> ExitCode {
    folder_contract::run(body)
}

fn body(task: &Task) -> Result<Outputs, Stop> {
    let setup = read_setup(task.inputs())?;
    task.log(format_args!(
        "axon of {} um, {:.4} cm, {} compartments, {} degC, steps of {} us",
        setup.diameter,
        setup.length_cm(),
        setup.compartments,
        setup.temperature,
        setup.dt
    ));
    let mut milliseconds = 0.0;
    let wave = simulate(&setup, |moment| {
        task.cancel().check()?;
        task.progress(moment.front / LAST_ELECTRODE);
        if moment.time >= milliseconds + 1.0 {
            milliseconds = moment.time.floor();
            task.log(format_args!(
                "t = {milliseconds} ms: front at {:.3} cm",
                moment.front * setup.length_cm()
            ));
        }
        Ok(())
    })?;
    task.log(format_args!(
        "velocity {:.4} m/s after {} steps",
        wave.velocity, wave.steps
    ));
    let trace = task.write_file("trace.csv", |file| {
        writeln!(file, "time_ms,v_0.4L_mV,v_0.7L_mV")?;
        for [time, first, second] in &wave.trace {
            writeln!(file, "{time:.4},{first:.4},{second:.4}")?;
        }
        Ok(())
    })?;
    Ok(outputs([
        ("velocity", wave.velocity.into()),
        ("peak_voltage", wave.peak.into()),
        ("resting_voltage", wave.rest.into()),
        ("length_used", setup.length_cm().into()),
        ("steps", wave.steps.into()),
        ("trace", trace),
    ]))
}

/// The ranges are those of `metadata.yml`; a test holds the two together.
fn read_setup(inputs: &Inputs) -> Result<Setup, Stop> {
    inputs.expect_only(&INPUTS)?;
    let default = Setup::default();
    let number = |port, default, low: f64, high| inputs.number(port, default, low..=high);
    Ok(Setup {
        diameter: number("diameter", default.diameter, 0.1, 5000.0)?,
        temperature: number("temperature", default.temperature, -5.0, 50.0)?,
        length: inputs.optional_number("length", 0.001..=1000.0)?,
        compartments: inputs.integer("compartments", default.compartments as u64, 11..=100_001)?
            as usize,
        dt: number("dt", default.dt, 0.01, 100.0)?,
        stimulus_amplitude: number("stimulus_amplitude", default.stimulus_amplitude, 0.0, 1e6)?,
        stimulus_duration: number("stimulus_duration", default.stimulus_duration, 0.0, 1000.0)?,
        duration: number("duration", default.duration, 0.01, 10_000.0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(port: &str, value: f64) -> Result<Setup, Stop> {
        let inputs = Inputs::parse(&format!(r#"{{"{port}":{value}}}"#), Path::new(""))?;
        read_setup(&inputs)
    }

    /// The value of `field` of an input in metadata.yml, which keeps to one field a line.
    fn metadata(port: &str, field: &str) -> String {
        let text = include_str!("../metadata.yml");
        let start = text.find(&format!("\n  {port}:\n")).unwrap();
        let line = text[start..]
            .lines()
            .find(|l| l.trim().starts_with(field))
            .unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    }

    #[test]
    fn metadata_and_program_agree_on_ranges_and_defaults() {
        for port in INPUTS {
            let (low, high): (f64, f64) = (
                metadata(port, "minimum").parse().unwrap(),
                metadata(port, "maximum").parse().unwrap(),
            );
            for good in [low, high] {
                read(port, good).unwrap();
            }
            for bad in [low - 1.0, high + 1.0] {
                let said = read(port, bad).unwrap_err().to_string();
                assert!(said.starts_with(&format!("input {port}: ")), "{said}");
            }
            let default = metadata(port, "defaultValue");
            if default != "null" {
                let given = read(port, default.parse().unwrap()).unwrap();
                assert_eq!(
                    format!("{given:?}"),
                    format!("{:?}", Setup::default()),
                    "{port}"
                );
            }
        }
    }
}
