//! `trefoil completions`.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::output::Ui;

/// Prints the completion script.
pub(crate) fn run(ui: &Ui, shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "trefoil", &mut script);
    ui.bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
