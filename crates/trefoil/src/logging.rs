//! Where log events go: text for people or JSON lines for machines, always on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::Settings;
use crate::config::value::LogFormat;
use crate::output::ColorChoice;

/// Starts logging as `settings` say. Colour only on a terminal.
///
/// # Errors
///
/// When the filter is wrong or logging was started before.
pub(crate) fn start(settings: &Settings, color: ColorChoice) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log_filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // It would complain with `eprintln`, which panics where standard error cannot be written: a full disk below a log
        // file must not end the platform.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init(),
        LogFormat::Text => {
            let stderr = std::io::stderr();
            builder
                .with_ansi(color.applies_to(&stderr))
                // A person at a terminal sees where things happen by the message.
                .with_target(!stderr.is_terminal())
                .try_init()
        }
    };
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
