//! `trefoil demo`: a whole platform, real computations, and their published values beside what came out.

mod checks;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    client::Client,
    config::{self, Settings},
    examples,
    failure::Exit,
    interrupt,
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

/// What a demo leaves behind unless it is ended: a platform whose programs would go on, and a directory.
#[derive(Debug)]
struct Stage {
    directory: PathBuf,
    /// Taken by whoever ends it.
    platform: Mutex<Option<Platform>>,
    /// The demo is over and the platform was left running on request.
    kept: AtomicBool,
}

impl Stage {
    fn take(&self) -> Option<Platform> {
        self.platform
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The demo's own directory: nothing of anybody else's is in it.
    fn clear(&self, ui: &Ui) {
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            ui.note(&format!(
                "{} stays behind: {error}",
                self.directory.display()
            ));
        }
    }
}

/// Shows what the platform can do. Exits with 0 only if everything came out as published.
pub(crate) fn run(ui: &Ui, options: DemoOptions) -> anyhow::Result<ExitCode> {
    let stage = Arc::new(Stage {
        directory: temporary_directory()?,
        platform: Mutex::default(),
        kept: AtomicBool::new(false),
    });
    let done = on_stage(ui, options, &stage);
    stage.clear(ui);
    done
}

fn temporary_directory() -> anyhow::Result<PathBuf> {
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

fn on_stage(ui: &Ui, options: DemoOptions, stage: &Arc<Stage>) -> anyhow::Result<ExitCode> {
    let services = stage.directory.join("services");
    examples::install(&services)?;
    let settings = settings(&stage.directory, &services)?;
    let runtime = runtime(None)?;
    let ended = runtime.block_on(ended())?;
    let platform = runtime.block_on(Platform::start(&settings, None))?;
    let url = platform
        .url()
        .context("the platform of a demo speaks HTTP")?;
    *stage
        .platform
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = Some(platform);
    interrupt::is_obeyed_elsewhere();
    runtime.spawn(end_early(ui.clone(), Arc::clone(stage), ended));
    ui.note(&format!(
        "the platform is up at {url}, its data in {}",
        stage.directory.display()
    ));
    // The platform lives on the runtime's threads; this one is its client and knows only its address.
    let client = Client::new(&url, Some("demo"))?;
    let shown = show(ui, &client);
    if options.keep && shown.is_ok() {
        invite(ui, &url);
        stage.kept.store(true, Ordering::Relaxed);
        wait_for_the_end();
    }
    let Some(platform) = stage.take() else {
        wait_for_the_end();
    };
    runtime.block_on(platform.stop(Duration::from_secs(5)));
    runtime.shutdown_background();
    shown
}

/// Becomes ready when this process is told to end.
async fn ended() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends everything and this process when it is told to. Programs are in sessions of their own, so that Ctrl-C does not
/// reach them.
async fn end_early(ui: Ui, stage: Arc<Stage>, ended: impl Future<Output = ()>) {
    ended.await;
    let Some(platform) = stage.take() else { return };
    platform.stop(Duration::ZERO).await;
    stage.clear(&ui);
    std::process::exit(match stage.kept.load(Ordering::Relaxed) {
        true => 0,
        false => i32::from(Exit::Interrupted as u8),
    });
}

/// [`end_early`] ends the process.
fn wait_for_the_end() -> ! {
    loop {
        std::thread::park();
    }
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
    // What a demo shows needs no broker, and its ports may be somebody's.
    settings.amqp.enabled = false;
    settings.thrift.enabled = false;
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

/// Lines to try.
fn invite(ui: &Ui, url: &str) {
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
}
