//! `trefoil services`, `trefoil call` and `trefoil files`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::contract::IncludePaths;
use crate::target::Target;

/// `trefoil services`.
#[derive(Debug, Subcommand)]
pub(crate) enum ServicesCommand {
    /// List services
    Ls {
        /// Only keys that match
        #[arg(long)]
        key: Option<String>,
        /// Only this type: computational, dynamic, frontend or backend
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<String>,
        /// Only this state: active, paused or retired
        #[arg(long)]
        state: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Show a service with its ports
    Show {
        /// KEY or KEY:VERSION
        service: String,
    },
    /// Publish the service in a directory, or a contract
    Publish {
        /// Directory with metadata.yml and service.toml, or a Thrift file with what it includes
        #[arg(value_name = "DIR|FILE")]
        path: PathBuf,
        /// Replace a version that is there already
        #[arg(long)]
        replace: bool,
        /// Only these files besides metadata.yml and service.toml (default: all of the directory)
        #[arg(long = "file", value_name = "PATH")]
        files: Vec<PathBuf>,
        /// Key of a contract (default: its annotation trefoil.key)
        #[arg(long)]
        key: Option<String>,
        /// Version of a contract (default: its annotation trefoil.version)
        #[arg(long)]
        version: Option<String>,
        /// Publish a contract even if it breaks callers
        #[arg(long)]
        force: bool,
        /// Includes.
        #[command(flatten)]
        include: IncludePaths,
    },
    /// Retire a version: it takes no new jobs
    Rm {
        /// KEY:VERSION
        service: String,
    },
    /// Hold the jobs of a version
    Pause {
        /// KEY:VERSION
        service: String,
    },
    /// Let the jobs of a version go on
    Resume {
        /// KEY:VERSION
        service: String,
    },
    /// List the versions of a service
    Versions {
        /// KEY
        key: String,
    },
    /// Show which outputs of one service may feed which inputs of another
    Match {
        /// The service that gives, KEY:VERSION
        from: String,
        /// The service that takes, KEY:VERSION
        to: String,
        /// Only this output of the giving service
        #[arg(long, value_name = "PORT")]
        output: Option<String>,
        /// Only this input of the taking service
        #[arg(long, value_name = "PORT", conflicts_with = "output")]
        input: Option<String>,
    },
}

/// `trefoil call`.
#[derive(Debug, Clone, Args)]
pub(crate) struct CallArgs {
    /// `KEY[:VERSION][/METHOD]`; METHOD is one of the service's contract, or `run`, which may be left out
    #[arg(value_name = "SERVICE")]
    pub(crate) target: Target,
    /// An input or argument: JSON if it parses, else a string; NAME=@FILE reads JSON, NAME=@@TEXT is `@TEXT`
    #[arg(short, long = "input", value_name = "NAME=VALUE")]
    pub(crate) inputs: Vec<String>,
    /// Inputs as a JSON object: itself, a file with it, or `-` for standard input; `--json` means the same before one of these
    #[arg(long = "inputs", value_name = "JSON|FILE")]
    pub(crate) inputs_file: Option<PathBuf>,
    /// Upload a file and pass it by reference
    #[arg(short, long = "file", value_name = "PORT=PATH")]
    pub(crate) files: Vec<String>,
    /// Print the job at once instead of waiting
    #[arg(long = "async", conflicts_with = "wait")]
    pub(crate) detach: bool,
    /// Wait at most so many seconds; the job goes on
    #[arg(long, value_name = "SECONDS")]
    pub(crate) wait: Option<u64>,
    /// With the same key and the same inputs a repeated call gives the same job
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// -1000 to 1000, higher first among your own jobs
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub(crate) priority: Option<i32>,
    /// Hard limit for the whole job, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) deadline: Option<f64>,
}

/// Seconds, with a fraction if need be.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(seconds),
        _ => Err("it must be a number above 0".to_owned()),
    }
}

/// `trefoil files`.
#[derive(Debug, Subcommand)]
pub(crate) enum FilesCommand {
    /// Upload files; `-` is standard input
    Put {
        /// What to upload
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Name to store (one file only; default: the file's own)
        #[arg(long)]
        name: Option<String>,
        /// Media type
        #[arg(
            long = "type",
            value_name = "TYPE",
            default_value = "application/octet-stream"
        )]
        media_type: String,
    },
    /// Download a file
    Get {
        /// SHA-256 of the file
        sha256: String,
        /// Where to (default: its name in the current directory); `-` is standard output
        #[arg(short, long, value_name = "PATH")]
        output: Option<PathBuf>,
        /// Overwrite a file that is there
        #[arg(long)]
        force: bool,
    },
    /// List files
    Ls {
        /// Only this name
        #[arg(long)]
        name: Option<String>,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Show what is known about a file
    Show {
        /// SHA-256 of the file
        sha256: String,
    },
    /// Remove files that no job refers to
    Rm {
        /// SHA-256 of each file
        #[arg(required = true)]
        sha256: Vec<String>,
    },
}
