//! `trefoil jobs`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `trefoil jobs`.
#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs, newest first
    Ls(ListArgs),
    /// Show a job
    Show {
        /// Job id
        id: String,
    },
    /// Print the outputs of a job, or why it failed
    Result {
        /// Job id
        id: String,
        /// Wait at most so many seconds for it
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
        /// With the inputs that were swept (of a sweep)
        #[arg(long)]
        swept: bool,
        /// At most so many tasks (of a sweep)
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Print the inputs of a job, defaults included
    Inputs {
        /// Job id
        id: String,
    },
    /// Print the log of a job, byte for byte
    Logs(LogsArgs),
    /// Wait until jobs have ended; 0 if all succeeded
    Wait {
        /// Job ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// Give up after so many seconds; the jobs go on
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
    },
    /// Stop a job
    Cancel {
        /// Job ids
        #[arg(required = true)]
        ids: Vec<String>,
        /// Why, for those who look later
        #[arg(long)]
        reason: Option<String>,
    },
    /// Submit a failed or canceled job again as a new job
    Retry {
        /// Job id
        id: String,
    },
    /// Run a job that succeeded again and compare the outputs
    Rerun {
        /// Job id
        id: String,
        /// Wait, and exit with 1 when the outputs differ
        #[arg(long)]
        wait: bool,
    },
    /// Show what happens to a job until it has ended
    Watch {
        /// Job id
        id: String,
    },
    /// Print the events of a job until it has ended
    Events {
        /// Job id
        id: String,
        /// Only those after this revision
        #[arg(long, value_name = "REVISION")]
        after: Option<u64>,
    },
    /// List the attempts of a job
    Attempts {
        /// Job id
        id: String,
    },
    /// List the tasks of a sweep
    Tasks {
        /// Job id of the sweep
        id: String,
        /// Only these states
        #[arg(long)]
        state: Vec<String>,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Show what a result was made from
    Provenance {
        /// Job id
        id: String,
    },
    /// Remove jobs that have ended, with their logs
    Rm {
        /// Job ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Submit a job from JSON, or a batch from NDJSON
    Submit(SubmitArgs),
}

/// `trefoil jobs ls`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    /// Only these states
    #[arg(long)]
    pub(crate) state: Vec<String>,
    /// Only jobs of this service
    #[arg(long)]
    pub(crate) service: Option<String>,
    /// Only jobs of this submitter
    #[arg(long = "of", value_name = "SUBMITTER")]
    pub(crate) of: Option<String>,
    /// Only tasks of this sweep; `none` hides tasks
    #[arg(long)]
    pub(crate) parent: Option<String>,
    /// Only jobs of this batch
    #[arg(long)]
    pub(crate) batch: Option<String>,
    /// Only jobs with these labels
    #[arg(long, value_name = "KEY:VALUE")]
    pub(crate) label: Vec<String>,
    /// Only jobs created after this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) created_after: Option<String>,
    /// Only jobs created before this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    pub(crate) created_before: Option<String>,
    /// Oldest first
    #[arg(long)]
    pub(crate) oldest: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// All of them
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
    /// Go on behind a page (`next` of --json)
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

/// `trefoil jobs logs`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogsArgs {
    /// Job id
    pub(crate) id: String,
    /// Follow until the job has ended
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Which attempt: a number or `all` (default: the newest)
    #[arg(long, value_name = "N")]
    pub(crate) attempt: Option<String>,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "LINES", conflicts_with_all = ["offset", "follow"])]
    pub(crate) tail: Option<u64>,
    /// From this byte on
    #[arg(long, value_name = "BYTE")]
    pub(crate) offset: Option<u64>,
}

/// `trefoil jobs submit`.
#[derive(Debug, Clone, Args)]
pub(crate) struct SubmitArgs {
    /// JSON (one submission) or NDJSON (one a line); `-` is standard input
    pub(crate) file: PathBuf,
    /// Validate only
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// With the same key and the same body a repeated submission gives the same jobs
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Refuse what nothing here can run, instead of letting it wait
    #[arg(long)]
    pub(crate) strict: bool,
}
