//! `trefoil up`.

use std::{process::ExitCode, time::Duration};

use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::Only,
    config::Settings,
    output::Ui,
    platform::{Platform, runtime},
};

/// How long killing what did not end, and keeping how it ended, may take. On a full disk the latter would take for ever.
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// Runs the platform until it is told to stop: SIGTERM or SIGINT ends it gracefully, a second one at once.
pub(crate) fn run(ui: &Ui, settings: &Settings, only: Option<Only>) -> anyhow::Result<ExitCode> {
    let runtime = runtime(only)?;
    let done = runtime.block_on(serve(ui, settings, only));
    // Nothing that is left may hold up the end: what matters is on disk.
    runtime.shutdown_background();
    done
}

async fn serve(ui: &Ui, settings: &Settings, only: Option<Only>) -> anyhow::Result<ExitCode> {
    // Before anything is started, so that no signal finds the process without a handler.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let platform = Platform::start(settings, only).await?;
    announce(ui, settings, &platform)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ui.note("stopping: running jobs may end; a second signal stops at once");
    // They may end by themselves, then within their grace: twice the drain.
    let longest = settings
        .drain_timeout
        .saturating_mul(2)
        .saturating_add(LAST_PATIENCE);
    tokio::select! {
        () = platform.stop(settings.drain_timeout) => Ok(ExitCode::SUCCESS),
        () = tokio::time::sleep(longest) => {
            ui.note("not everything could be kept; the next start finds out what became of the jobs that ran");
            Ok(ExitCode::FAILURE)
        }
        _ = terminate.recv() => Ok(ExitCode::from(130)),
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
    }
}

/// Says where everything is, as soon as it is there.
fn announce(ui: &Ui, settings: &Settings, platform: &Platform) -> anyhow::Result<()> {
    if ui.json {
        return ui.json_line(&serde_json::json!({
            "http": platform.url(),
            "thrift": platform.thrift_addresses().next(),
            "amqp": platform.amqp_urls().next(),
            "amqps": platform.amqps_urls().next(),
            "management": platform.management_urls().next(),
            "data": settings.data,
            "services": settings.services,
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
        }));
    }
    ui.line(&format!("trefoil {} is up", env!("CARGO_PKG_VERSION")))?;
    if let Some(url) = platform.url() {
        ui.line(&format!("  http        {url}"))?;
    }
    for address in platform.thrift_addresses() {
        ui.line(&format!("  thrift      {address}"))?;
    }
    for url in platform.amqp_urls().chain(platform.amqps_urls()) {
        ui.line(&format!("  amqp        {url}"))?;
    }
    for url in platform.management_urls() {
        ui.line(&format!("  management  {url}"))?;
    }
    ui.line(&format!("  data        {}", settings.data.display()))?;
    for directory in settings.services.iter().filter(|_| platform.has_node()) {
        ui.line(&format!("  services    {}", directory.display()))?;
    }
    Ok(())
}
