//! `trefoil supervise`: the process between the platform and one attempt's program.

use std::process::ExitCode;

use crate::cli::SuperviseArgs;

/// Runs the supervisor.
pub(crate) fn run(args: &SuperviseArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "cannot supervise {}: not built yet (exec: {})",
        args.dir.display(),
        args.exec
    )
}
