//! The stand-alone binary of the service; the platform can also link the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    test_sleeper::run()
}
