//! The folder contract, from the program's side.
//!
//! A service reads `inputs.json` from `INPUT_FOLDER`, writes its log and `[PROGRESS]` lines to
//! stdout, puts `outputs.json` and output files in `OUTPUT_FOLDER`, and stops soon after SIGTERM.
//! [`run`] does what is the same for each service and calls its body with a [`Task`]:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! pub fn run() -> ExitCode {
//!     folder_contract::run(|task| {
//!         let side = task.inputs().number("side", 1.0, 0.0..=1e6)?;
//!         Ok(folder_contract::outputs([("area", (side * side).into())]))
//!     })
//! }
//! ```
//!
//! The crate knows nothing of the platform that starts the program, and must not: a service is
//! just a program.
#![forbid(unsafe_code)]

mod cancel;
mod inputs;
mod stop;
mod task;
#[cfg(feature = "testing")]
pub mod testing;

pub use cancel::Cancel;
pub use inputs::Inputs;
pub use stop::{CANCELLED_EXIT, FAILED_EXIT, Stop};
pub use task::{Outputs, Task, outputs, run};
