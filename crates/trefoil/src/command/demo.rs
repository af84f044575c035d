//! `trefoil demo`.

use std::process::ExitCode;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoOptions {
    /// Leave the platform running.
    pub(crate) keep: bool,
    /// Report as JSON.
    pub(crate) json: bool,
}

/// Shows what the platform can do.
pub(crate) fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    tracing::debug!(options.keep, options.json, "demo");
    anyhow::bail!("not built yet")
}
