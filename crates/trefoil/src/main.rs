//! `trefoil`: the platform and its command line in one binary.
//!
//! `cli` says what can be asked for, `command` does it, `client` talks to a running platform,
//! `config` is what `trefoil up` runs with. Errors carry an exit code and a hint ([`failure`]).
#![forbid(unsafe_code)]

mod cli;
mod client;
mod command;
mod config;
mod examples;
mod failure;
mod inputs;
mod interrupt;
mod logging;
mod output;
mod platform;
mod progress;
mod report;
mod system;
mod target;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use cli::{Cli, Command};
use client::Client;
use failure::{Exit, Failure};
use output::Ui;
use trefoil_server::program::supervise;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before everything else: a supervisor is started for every attempt, must not have threads
    // yet, and needs none of the rest.
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == supervise::SUBCOMMAND => return supervise::run(rest),
        Some((first, rest)) if first == examples::SUBCOMMAND => return examples::run(rest.first()),
        _ => {}
    }
    if let Some(arguments) = cli::ctl_arguments(std::env::args_os()) {
        let url = std::env::var("TREFOIL_URL").ok();
        return command::ctl::run(url.as_deref(), &arguments);
    }
    let cli = match Cli::try_parse_from(cli::with_inputs(std::env::args_os().collect())) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let globals = &cli.globals;
    let ui = Ui::new(globals.json, globals.quiet, globals.color);
    match dispatch(cli, &ui) {
        Ok(code) => code,
        Err(error) => report::failure(&ui, &error),
    }
}

/// Help and version are answers; everything else is wrong usage, as JSON if that was asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|arg| arg == "--json");
    let is_answer = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if wants_json && !is_answer {
        let text = error.render().to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        let failure = Failure::invalid(text, "see `trefoil help`");
        return report::failure(&Ui::new(true, false, Default::default()), &failure.into());
    }
    // A closed stream means nobody reads this.
    let _ = error.print();
    match is_answer {
        true => ExitCode::SUCCESS,
        false => Exit::Invalid.into(),
    }
}

fn dispatch(cli: Cli, ui: &Ui) -> anyhow::Result<ExitCode> {
    let globals = cli.globals;
    let client = || Client::new(&globals.url, globals.submitter.as_deref());
    match cli.command {
        Command::Up(args) => {
            let settings = command::config::settings(ui, args.config)?;
            logging::start(&settings, globals.color)?;
            command::up::run(ui, &settings, args.only)
        }
        Command::Demo(args) => {
            command::demo::run(ui, command::demo::DemoOptions { keep: args.keep })
        }
        Command::Services(command) => command::services::run(ui, &client()?, command),
        Command::Contract(command) => command::contract::run(ui, &client, command),
        Command::Instances(command) => command::instances::run(ui, &client()?, command),
        Command::Call(args) => command::call::run(ui, &client()?, args),
        Command::Jobs(command) => command::jobs::run(ui, &client()?, command),
        Command::Files(command) => command::files::run(ui, &client()?, command),
        Command::Ctl(args) => Ok(command::ctl::run(Some(&globals.url), &args.arguments)),
        Command::Config(command) => command::config::run(ui, command),
        Command::Doctor(flags) => command::doctor::run(ui, &client()?, flags),
        Command::Completions { shell } => command::completions::run(ui, shell),
    }
}
