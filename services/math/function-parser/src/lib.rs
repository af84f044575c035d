//! The service `math/function-parser`: tabulates a function that is given as text.
//!
//! [`Expression`] is the parser, [`run`] the program under the folder contract.
#![forbid(unsafe_code)]

mod expression;
mod token;

use std::io;
use std::process::ExitCode;

use folder_contract::{Outputs, Stop, Task, outputs};

pub use expression::{Expression, ParseError};

/// Ports of `metadata.yml`.
const INPUTS: [&str; 4] = ["N", "xmin", "xmax", "func"];

/// Largest table: about 400 MB.
const ROWS_MAX: u64 = 10_000_000;

/// How often the writer looks at the cancel flag.
const ROWS_PER_LOOK: u64 = 1024;

/// Runs the service under the folder contract.
#[must_use]
pub fn run() -> ExitCode {
    folder_contract::run(body)
}

/// Smallest and largest of the finite values, and how many are not finite.
struct Summary {
    min: f64,
    max: f64,
    undefined: u64,
}

fn body(task: &Task) -> Result<Outputs, Stop> {
    let inputs = task.inputs();
    inputs.expect_only(&INPUTS)?;
    let rows = inputs.integer("N", 100, 2..=ROWS_MAX)?;
    let xmin = inputs.number("xmin", -10.0, -1e300..=1e300)?;
    let xmax = inputs.number("xmax", 10.0, -1e300..=1e300)?;
    if xmin >= xmax {
        let reason = format!("must be greater than xmin, got {xmax:?} and xmin {xmin:?}");
        return Err(Stop::input("xmax", reason));
    }
    let text = inputs.text("func", "sin(x)")?;
    let function =
        Expression::parse(text).map_err(|error| Stop::input("func", error.to_string()))?;
    task.log(format_args!(
        "f(x) = {text:?}, {rows} points from {xmin:?} to {xmax:?}"
    ));

    let mut summary = Summary {
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
        undefined: 0,
    };
    let table = task.write_file("table.tsv", |file| {
        writeln!(file, "x\tf(x)")?;
        for row in 0..rows {
            if row % ROWS_PER_LOOK == 0 && task.cancel().asked() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let part = row as f64 / (rows - 1) as f64;
            // This form meets both ends exactly.
            let x = xmin * (1.0 - part) + xmax * part;
            let y = function.at(x);
            summary.add(y);
            // Debug form: shortest text that reads back as the same number, with an exponent
            // where that is short.
            writeln!(file, "{x:?}\t{y:?}")?;
            task.progress((row + 1) as f64 / rows as f64);
        }
        // Nothing to plot is no result; the error keeps the file from appearing.
        if summary.undefined == rows {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    });
    if summary.undefined == rows {
        return Err(Stop::Failed(format!(
            "{text:?} is not a finite number anywhere from {xmin:?} to {xmax:?}"
        )));
    }
    Ok(outputs([
        ("table", table?),
        ("min", summary.min.into()),
        ("max", summary.max.into()),
        ("n_undefined", summary.undefined.into()),
    ]))
}

impl Summary {
    fn add(&mut self, y: f64) {
        if y.is_finite() {
            self.min = self.min.min(y);
            self.max = self.max.max(y);
        } else {
            self.undefined += 1;
        }
    }
}
