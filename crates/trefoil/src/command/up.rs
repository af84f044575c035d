//! `trefoil up`.

use std::process::ExitCode;

use crate::config::Settings;

/// Runs the platform until it is told to stop.
pub(crate) fn run(settings: Settings) -> anyhow::Result<ExitCode> {
    tracing::debug!(?settings, "starting");
    anyhow::bail!("not built yet")
}
