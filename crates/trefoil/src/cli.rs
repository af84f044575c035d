//! The command line, as data. What commands do is in `command`. (`supervise`, which the platform
//! starts for every attempt, is not among them: `main` takes it before anything is parsed.)

pub(crate) mod config;
pub(crate) mod contract;
pub(crate) mod jobs;
pub(crate) mod resources;

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use clap::{Args, Parser, Subcommand};

pub(crate) use config::ConfigFlags;
pub(crate) use contract::{ContractCommand, IncludePaths, InstancesCommand, RegisterArgs};
pub(crate) use jobs::JobsCommand;
pub(crate) use resources::{CallArgs, FilesCommand, ServicesCommand};

use crate::output::ColorChoice;

/// Below every command's help.
const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    the job or the call failed, a contract has errors or breaks callers
  2    wrong usage or invalid input
  3    no such service, job or file
  4    the state of the thing does not allow it
  5    the platform cannot be reached or is not ready
  6    a time limit ran out
  130  interrupted";

/// Services, calls and durable jobs in one binary.
#[derive(Debug, Parser)]
#[command(name = "trefoil", version, after_help = EXIT_CODES, max_term_width = 100)]
#[command(
    infer_subcommands = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Address of the platform, also in TREFOIL_URL
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "TREFOIL_URL",
        hide_env = true
    )]
    #[arg(default_value = "http://127.0.0.1:8080")]
    pub(crate) url: String,
    /// Write a JSON document to standard output, and errors as problem JSON to standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Who submits: fairness and idempotency keys are per submitter; also in TREFOIL_SUBMITTER
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "TREFOIL_SUBMITTER",
        hide_env = true
    )]
    pub(crate) submitter: Option<String>,
    /// Colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    #[arg(hide_possible_values = true)]
    pub(crate) color: ColorChoice,
    /// No progress and no notes on standard error
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the platform
    Up(UpArgs),
    /// Start a platform with example services in a temporary directory and show what it can do
    Demo(DemoArgs),
    /// List, publish and look at services
    #[command(subcommand)]
    Services(ServicesCommand),
    /// Check, show and compare contracts: Thrift files, or those of services
    #[command(subcommand)]
    Contract(ContractCommand),
    /// List and register the instances of services
    #[command(subcommand)]
    Instances(InstancesCommand),
    /// Call a service, or a method of its contract, and print what comes back
    Call(CallArgs),
    /// Submit, watch and manage jobs
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Upload, download and list files
    #[command(subcommand)]
    Files(FilesCommand),
    /// Administer the AMQP broker with rabbitmqctl's commands: see `trefoil ctl help`
    Ctl(CtlArgs),
    /// Check or show the configuration of `trefoil up`
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check this machine and the platform, and say what to do about problems
    Doctor(ConfigFlags),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// `trefoil up`.
#[derive(Debug, Clone, Args)]
pub(crate) struct UpArgs {
    /// Run only this part of the platform: amqp is the broker with its management API
    #[arg(long, value_name = "PART", value_enum)]
    #[arg(hide_possible_values = true)]
    pub(crate) only: Option<Only>,
    /// The configuration.
    #[command(flatten)]
    pub(crate) config: ConfigFlags,
}

/// A part of the platform that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// The broker.
    Amqp,
}

/// `trefoil demo`.
#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Leave the platform running and its directory in place
    #[arg(long)]
    pub(crate) keep: bool,
}

/// `trefoil ctl`: what follows is read as rabbitmqctl reads it.
#[derive(Debug, Clone, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct CtlArgs {
    /// A command of rabbitmqctl, its options and arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(crate) arguments: Vec<String>,
}

/// `trefoil config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Report everything that is wrong with the configuration
    Check(ConfigFlags),
    /// Show the value of every key and where it comes from
    Show(ConfigFlags),
}

/// What follows `rabbitmqctl` (or one of its siblings), if that is what this program was called as, or `trefoil ctl`: its options are rabbitmqctl's
/// and mean other things than ours (`-q`, `--version`, `--help`), so they never meet our parser.
pub(crate) fn ctl_arguments(arguments: impl Iterator<Item = OsString>) -> Option<Vec<String>> {
    let mut arguments = arguments.map(|argument| argument.to_string_lossy().into_owned());
    let program = arguments.next()?;
    let called_as = Path::new(&program).file_stem().and_then(OsStr::to_str);
    let is_rabbitmqctl = matches!(
        called_as,
        Some("rabbitmqctl" | "rabbitmq-diagnostics" | "rabbitmq-queues")
    );
    if !is_rabbitmqctl && arguments.next()? != "ctl" {
        return None;
    }
    Some(arguments.collect())
}

/// `trefoil call SERVICE --json INPUTS` gives the inputs, although `--json` alone is about the output: for `call`, a
/// `--json` that is followed by an object, `-` or a file means `--inputs`.
pub(crate) fn with_inputs(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let Some(call) = arguments.iter().position(|argument| argument == "call") else {
        return arguments;
    };
    for at in call + 1..arguments.len() {
        let text = arguments[at].to_string_lossy().into_owned();
        if text == "--" {
            break;
        }
        if let Some(inputs) = text.strip_prefix("--json=") {
            arguments[at] = format!("--inputs={inputs}").into();
        } else if text == "--json" && arguments.get(at + 1).is_some_and(|next| is_inputs(next)) {
            arguments[at] = "--inputs".into();
        }
    }
    arguments
}

fn is_inputs(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    text == "-"
        || text.starts_with('{')
        || (!text.starts_with('-') && Path::new(argument).is_file())
}
