//! The service `ecg/rpeaks`: R peaks and heart rate of an electrocardiogram.
//!
//! [`Detector`] finds the peaks, [`run`] is the program under the folder contract. The reference
//! recording with its known beats is in `data/`.
#![forbid(unsafe_code)]

mod detect;
mod signal;

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use folder_contract::{Outputs, Stop, Task, outputs};

pub use detect::Detector;

/// Ports of `metadata.yml`.
const INPUTS: [&str; 5] = [
    "signal",
    "sampling_rate",
    "column",
    "min_height",
    "min_distance",
];

/// Runs the service under the folder contract.
#[must_use]
pub fn run() -> ExitCode {
    folder_contract::run(body)
}

fn body(task: &Task) -> Result<Outputs, Stop> {
    let inputs = task.inputs();
    inputs.expect_only(&INPUTS)?;
    let detector = Detector {
        sampling_rate: inputs.number("sampling_rate", 360.0, 1.0..=1e6)?,
        min_height: inputs.optional_number("min_height", -1e12..=1e12)?,
        // Hearts do not beat again within a quarter of a second, but noise does.
        min_distance: inputs.number("min_distance", 0.25, 0.0..=10.0)?,
    };
    let column = inputs.integer("column", 1, 1..=1000)? as usize;
    let path = inputs.file("signal")?;
    let file = File::open(&path).map_err(|error| {
        Stop::input("signal", format!("cannot read {}: {error}", path.display()))
    })?;
    task.log(format_args!(
        "reading column {column} of {}",
        path.display()
    ));
    let samples = signal::read(BufReader::new(file), column, task.cancel())?;
    task.log(format_args!(
        "{} samples, {:.3} s at {} Hz",
        samples.len(),
        samples.len() as f64 / detector.sampling_rate,
        detector.sampling_rate
    ));
    task.progress(0.5);

    let peaks = detector.peaks(&samples, task.cancel())?;
    task.progress(0.9);
    let (Some(first), Some(last), intervals @ 1..) =
        (peaks.first(), peaks.last(), peaks.len().saturating_sub(1))
    else {
        return Err(Stop::Failed(format!(
            "found {} R peaks, a heart rate needs two: is the lead inverted, or min_height too high?",
            peaks.len()
        )));
    };
    let mean_rr = (last - first) as f64 / intervals as f64 / detector.sampling_rate;
    task.log(format_args!(
        "{} peaks, mean RR {mean_rr:.4} s, {:.2} beats a minute",
        peaks.len(),
        60.0 / mean_rr
    ));

    let table = task.write_file("peaks.csv", |file| {
        writeln!(file, "index,time_s,amplitude")?;
        for &index in &peaks {
            let time = index as f64 / detector.sampling_rate;
            writeln!(file, "{index},{time:.6},{}", samples[index])?;
        }
        Ok(())
    })?;
    Ok(outputs([
        ("peaks", table),
        ("peak_indices", peaks.as_slice().into()),
        ("n_peaks", peaks.len().into()),
        ("mean_rr", mean_rr.into()),
        ("heart_rate", (60.0 / mean_rr).into()),
    ]))
}
