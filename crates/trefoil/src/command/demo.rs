//! `trefoil demo`: a whole platform, real computations, and their published values beside what came out.

mod checks;

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::{
    client::Client,
    config::{self, Settings},
    examples,
    output::{Cell, Style, Table, Ui},
    platform::{Platform, runtime},
};

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DemoOptions {
    /// Leave the platform running.
    pub(crate) keep: bool,
}

/// One thing that was computed, and what it should be.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Check {
    /// What was computed.
    what: &'static str,
    /// What came out.
    found: String,
    /// What it should be.
    expected: String,
    /// Who says so.
    reference: &'static str,
    /// Whether it holds.
    holds: bool,
}

/// Shows what the platform can do. Exits with 0 only if everything came out as published.
pub(crate) fn run(ui: &Ui, options: DemoOptions) -> anyhow::Result<ExitCode> {
    let directory = temporary_directory()?;
    let done = in_directory(ui, options, &directory);
    // The demo's own directory, made above: nothing of anybody else's is in it.
    if let Err(error) = std::fs::remove_dir_all(&directory) {
        ui.note(&format!("{} stays behind: {error}", directory.display()));
    }
    done
}

fn temporary_directory() -> anyhow::Result<std::path::PathBuf> {
    let base = std::env::temp_dir();
    for number in 0..1_000 {
        let path = base.join(format!("trefoil-demo-{}-{number}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", path.display()));
            }
        }
    }
    anyhow::bail!("no free name for a directory in {}", base.display())
}

fn in_directory(ui: &Ui, options: DemoOptions, directory: &Path) -> anyhow::Result<ExitCode> {
    let services = directory.join("services");
    examples::install(&services)?;
    let settings = settings(directory, &services)?;
    let runtime = runtime()?;
    let platform = runtime.block_on(Platform::start(&settings))?;
    let url = platform.url();
    ui.note(&format!(
        "the platform is up at {url}, its data in {}",
        directory.display()
    ));
    // The platform lives on the runtime's threads; this one is its client and knows only its address.
    let client = Client::new(&url, Some("demo"))?;
    let shown = show(ui, &client);
    if options.keep && shown.is_ok() {
        keep(ui, &runtime, &url)?;
    }
    runtime.block_on(platform.stop(Duration::from_secs(5)));
    runtime.shutdown_background();
    shown
}

fn settings(directory: &Path, services: &Path) -> anyhow::Result<Settings> {
    // Neither a file nor the environment: a demo is the same everywhere.
    let inputs = config::Inputs {
        directory: directory.to_owned(),
        ..config::Inputs::default()
    };
    let loaded = config::load(&inputs).map_err(|errors| {
        anyhow::anyhow!(
            errors
                .iter()
                .map(|error| error.message.clone())
                .collect::<Vec<_>>()
                .join("; ")
        )
    })?;
    let mut settings = loaded.settings;
    settings.http_listen.set_port(0);
    settings.data = directory.join("data");
    settings.services = vec![services.to_owned()];
    Ok(settings)
}

fn show(ui: &Ui, client: &Client) -> anyhow::Result<ExitCode> {
    let checks = checks::run(ui, client)?;
    let failed = checks.iter().filter(|check| !check.holds).count();
    if ui.json {
        ui.document(&serde_json::json!({
            "url": client.base(),
            "checks": checks,
            "passed": checks.len() - failed,
            "failed": failed,
        }))?;
    } else {
        let mut table = Table::new(&["", "COMPUTED", "FOUND", "EXPECTED", "REFERENCE"]);
        for check in &checks {
            let (mark, style) = if check.holds {
                ("ok", Style::Green)
            } else {
                ("FAILED", Style::Red)
            };
            table.row([
                Cell::styled(mark, style),
                check.what.into(),
                check.found.as_str().into(),
                check.expected.as_str().into(),
                check.reference.into(),
            ]);
        }
        ui.table(&table)?;
        ui.line(&format!(
            "{} of {} hold",
            checks.len() - failed,
            checks.len()
        ))?;
    }
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Leaves the platform running until somebody ends it, with lines to try.
fn keep(ui: &Ui, runtime: &tokio::runtime::Runtime, url: &str) -> anyhow::Result<()> {
    for line in [
        String::new(),
        "The platform goes on until Ctrl-C. Try:".to_owned(),
        format!("  curl {url}/v1/services"),
        format!(
            "  curl -d '{{\"diameter\": 600}}' -H 'content-type: application/json' {url}/v1/call/nerve/hh-axon/run"
        ),
        format!(
            "  curl -i -d '{{\"input_2\": 20}}' -H 'content-type: application/json' -H 'prefer: respond-async' \
             {url}/v1/call/test/sleeper/run"
        ),
        format!("  curl '{url}/v1/jobs?limit=3'"),
        format!("  curl -N {url}/v1/jobs/JOB_ID/events"),
        format!("  curl '{url}/v1/jobs/JOB_ID/logs?follow=true'"),
        format!("  trefoil --url {url} jobs ls"),
    ] {
        ui.note(&line);
    }
    let (tell, told) = oneshot::channel::<()>();
    runtime.block_on(async {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done?,
            _ = terminate.recv() => {}
            _ = told => {}
        }
        Ok::<_, std::io::Error>(())
    })?;
    drop(tell);
    Ok(())
}
