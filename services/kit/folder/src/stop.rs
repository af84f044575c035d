//! Why a service ends without outputs.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Exit code of a run that failed: bad inputs, no result, unwritable outputs.
pub const FAILED_EXIT: u8 = 1;

/// Exit code of a run that ended because of SIGTERM: 128 + 15, as a shell would report it.
pub const CANCELLED_EXIT: u8 = 143;

/// The reason a run ends early. Its text is the one line the program leaves on stderr.
#[derive(Debug, Error)]
pub enum Stop {
    /// The program was started outside the contract.
    #[error("{0} is not set: it must name a folder, see the service's README")]
    Environment(&'static str),
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An output could not be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `inputs.json` is not a JSON object.
    #[error("inputs.json is not a JSON object: {0}")]
    InputsSyntax(String),
    /// The value of one input cannot be used.
    #[error("input {port}: {reason}")]
    Input {
        /// The port.
        port: String,
        /// What is wrong with its value.
        reason: String,
    },
    /// The inputs are good, but there is no answer.
    #[error("{0}")]
    Failed(String),
    /// SIGTERM came.
    #[error("cancelled by SIGTERM")]
    Cancelled,
    /// The program was asked to end with this exit code.
    #[error("ending with exit code {0} as asked")]
    Exit(u8),
    /// The signal handler could not be installed.
    #[error("cannot listen for SIGTERM: {0}")]
    Signals(io::Error),
}

impl Stop {
    /// An error about the value of one input.
    pub fn input(port: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Input {
            port: port.into(),
            reason: reason.into(),
        }
    }

    /// The exit code of a program that stopped for this reason.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Cancelled => CANCELLED_EXIT,
            Self::Exit(code) => *code,
            Self::Environment(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::InputsSyntax(_)
            | Self::Input { .. }
            | Self::Failed(_)
            | Self::Signals(_) => FAILED_EXIT,
        }
    }
}
