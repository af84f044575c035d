//! One run of a service: its folders, its log and its end.

use std::cell::Cell;
use std::env;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::{Cancel, Inputs, Stop};

/// Output port → value; the value of a file port is its path relative to `OUTPUT_FOLDER`.
pub type Outputs = Map<String, Value>;

/// Outputs from pairs of port and value.
pub fn outputs<const N: usize>(pairs: [(&str, Value); N]) -> Outputs {
    pairs
        .into_iter()
        .map(|(port, value)| (port.to_owned(), value))
        .collect()
}

/// Runs a service's `body` under the folder contract.
///
/// On success `outputs.json` is written and the exit code is 0; otherwise one line on stderr
/// says why, and the exit code is that of [`Stop::exit_code`].
pub fn run(body: impl FnOnce(&Task) -> Result<Outputs, Stop>) -> ExitCode {
    let ended = Task::from_env().and_then(|task| {
        let outputs = body(&task)?;
        task.finish(outputs)
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            // Nobody is left to tell when stderr is gone.
            let _ = writeln!(io::stderr(), "error: {stop}");
            ExitCode::from(stop.exit_code())
        }
    }
}

/// What the body of a service works with.
#[derive(Debug)]
pub struct Task {
    inputs: Inputs,
    output_folder: PathBuf,
    cancel: Cancel,
    /// The last progress shown, in hundredths.
    shown: Cell<u32>,
}

impl Task {
    fn from_env() -> Result<Self, Stop> {
        let folder = |name| match env::var_os(name) {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(Stop::Environment(name)),
        };
        let input_folder = folder("INPUT_FOLDER")?;
        let output_folder = folder("OUTPUT_FOLDER")?;
        // From here on SIGTERM ends the body at its next look, not the process.
        let cancel = Cancel::on_sigterm()?;
        let text = read_text(&input_folder.join("inputs.json"))?;
        Ok(Self {
            inputs: Inputs::parse(&text, &input_folder)?,
            output_folder,
            cancel,
            shown: Cell::new(0),
        })
    }

    /// The input values.
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Whether the run was asked to end.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// One line of the log.
    pub fn log(&self, line: impl Display) {
        // A platform that closed the log still wants the outputs.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    /// Shows progress, `fraction` from 0 to 1: a line for each further hundredth, never all of it
    /// before the outputs are written.
    pub fn progress(&self, fraction: f64) {
        let hundredths = ((fraction * 100.0) as u32).min(99);
        if hundredths > self.shown.get() {
            self.shown.set(hundredths);
            self.log(format_args!(
                "[PROGRESS] {:.2}",
                f64::from(hundredths) / 100.0
            ));
        }
    }

    /// Writes the output file `name` whole or not at all; its value for `outputs.json`.
    ///
    /// # Errors
    ///
    /// [`Stop::Write`], or [`Stop::Cancelled`] when SIGTERM came before the failure.
    pub fn write_file(
        &self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Value, Stop> {
        let path = self.output_folder.join(name);
        let unfinished = self.output_folder.join(format!(".{name}.part"));
        let written = File::create(&unfinished).and_then(|file| {
            let mut file = BufWriter::new(file);
            write(&mut file)?;
            file.into_inner()?.sync_all()?;
            fs::rename(&unfinished, &path)
        });
        match written {
            Ok(()) => Ok(name.into()),
            Err(source) => {
                // The disk may be full; what is half written helps nobody.
                let _ = fs::remove_file(&unfinished);
                // A long write gives up with an error of its own choice.
                self.cancel.check()?;
                Err(Stop::Write { path, source })
            }
        }
    }

    fn finish(&self, outputs: Outputs) -> Result<(), Stop> {
        let text = format!("{:#}\n", Value::Object(outputs));
        self.write_file("outputs.json", |file| file.write_all(text.as_bytes()))?;
        self.log("[PROGRESS] 1.00");
        Ok(())
    }
}

/// Reads a text file.
fn read_text(path: &Path) -> Result<String, Stop> {
    fs::read_to_string(path).map_err(|source| Stop::Read {
        path: path.to_owned(),
        source,
    })
}
