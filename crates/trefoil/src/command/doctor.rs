//! `trefoil doctor`: what could keep the platform from working here, with what to do about it.

mod places;

use std::path::Path;
use std::process::ExitCode;

use rustix::process::Resource;
use serde_json::{Value, json};

use crate::cli::ConfigFlags;
use crate::client::Client;
use crate::command::text_of;
use crate::config::{self, Settings};
use crate::failure::Exit;
use crate::output::{Style, Ui, human_size};
use crate::system;

/// Below this many open files a busy platform runs out: each connection and each log takes one.
const OPEN_FILES_MIN: u64 = 1024;

/// Each attempt is a supervisor and a program, and programs start their own.
const PROCESSES_MIN: u64 = 512;

/// A clock before this release is wrong, and ids and deadlines with it.
const RELEASE_UNIX_SECONDS: i64 = 1_767_225_600;

/// How well a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }
}

/// One line.
#[derive(Debug)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    detail: String,
    hint: Option<String>,
}

fn check(
    name: &'static str,
    verdict: Verdict,
    detail: impl Into<String>,
    hint: impl Into<String>,
) -> Check {
    let hint = hint.into();
    Check {
        name,
        verdict,
        detail: detail.into(),
        hint: (verdict != Verdict::Ok && !hint.is_empty()).then_some(hint),
    }
}

/// Runs all checks.
pub(crate) fn run(ui: &Ui, client: &Client, flags: ConfigFlags) -> anyhow::Result<ExitCode> {
    let mut checks = Vec::new();
    let platform = platform(client);
    let running = platform.verdict != Verdict::Warn;
    match config::load(&flags.into_inputs()) {
        Ok(loaded) => {
            let file = loaded.file.map(|path| path.display().to_string());
            let detail = file.unwrap_or_else(|| "defaults, no file".to_owned());
            checks.push(check("configuration", Verdict::Ok, detail, ""));
            checks.extend(data_directory(&loaded.settings));
            checks.extend(places::all(&loaded.settings, running));
            checks.push(memory(&loaded.settings));
        }
        Err(errors) => {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let hint = "correct it, then `trefoil config check`";
            checks.push(check("configuration", Verdict::Fail, all.join("; "), hint));
        }
    }
    checks.push(pidfd());
    checks.push(limit(
        "open files",
        Resource::Nofile,
        OPEN_FILES_MIN,
        "ulimit -n 65536",
    ));
    checks.push(limit(
        "processes",
        Resource::Nproc,
        PROCESSES_MIN,
        "ulimit -u 4096",
    ));
    checks.push(clock(client));
    checks.push(platform);
    report(ui, &checks)
}

fn report(ui: &Ui, checks: &[Check]) -> anyhow::Result<ExitCode> {
    let failed = checks.iter().any(|check| check.verdict == Verdict::Fail);
    if ui.json {
        let items: Vec<Value> = checks
            .iter()
            .map(|check| {
                json!({
                    "name": check.name,
                    "verdict": check.verdict.word(),
                    "detail": check.detail,
                    "hint": check.hint,
                })
            })
            .collect();
        ui.document(&json!({"ok": !failed, "checks": items}))?;
    } else {
        for check in checks {
            let word = check.verdict.word();
            let padded = format!("{word:<4}");
            let mut line = format!(
                "{}  {:<15} {}",
                ui.styled(&padded, Style::of_state(word)),
                check.name,
                crate::output::one_line(&check.detail)
            );
            if let Some(hint) = &check.hint {
                line.push_str(&format!(" (hint: {hint})"));
            }
            ui.line(&line)?;
        }
    }
    Ok(match failed {
        true => Exit::Failed.into(),
        false => ExitCode::SUCCESS,
    })
}

fn data_directory(settings: &Settings) -> Vec<Check> {
    let data = &settings.data;
    let shown = data.display();
    match std::fs::metadata(data) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => {
            let hint = "choose another place with --data";
            return vec![check(
                "data",
                Verdict::Fail,
                format!("{shown} is no directory"),
                hint,
            )];
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let parent = match data.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let detail = format!("{shown} is not there yet; `trefoil up` makes it");
            return match writable(parent) {
                Ok(()) => vec![
                    check("data", Verdict::Ok, detail, ""),
                    disk(parent, settings),
                ],
                Err(error) => {
                    let detail = format!("{shown} cannot be made: {error}");
                    let hint = "make it, or choose another place with --data";
                    vec![check("data", Verdict::Fail, detail, hint)]
                }
            };
        }
        Err(error) => {
            let detail = format!("{shown}: {error}");
            return vec![check(
                "data",
                Verdict::Fail,
                detail,
                "check its permissions",
            )];
        }
    }
    let writing = match writable(data) {
        Ok(()) => check("data", Verdict::Ok, format!("{shown} is writable"), ""),
        Err(error) => {
            let detail = format!("{shown} is not writable: {error}");
            check(
                "data",
                Verdict::Fail,
                detail,
                "check its owner and permissions",
            )
        }
    };
    vec![writing, disk(data, settings), lock(data)]
}

/// Whether a file can be made in `dir`: permissions alone do not tell (read-only mounts, quotas).
fn writable(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(format!(".trefoil-doctor-{}", std::process::id()));
    std::fs::write(&probe, b"probe")?;
    std::fs::remove_file(&probe)
}

fn disk(dir: &Path, settings: &Settings) -> Check {
    match system::disk_free(dir) {
        Ok(free) => {
            let detail = format!("{} free", human_size(free));
            let verdict = match free {
                free if free < settings.disk_free_min => Verdict::Fail,
                free if free < settings.disk_free_min.saturating_mul(4) => Verdict::Warn,
                _ => Verdict::Ok,
            };
            let least = human_size(settings.disk_free_min);
            let hint = format!("below {least} submissions are refused: free some, or move --data");
            check("disk", verdict, detail, hint)
        }
        Err(error) => check("disk", Verdict::Warn, format!("cannot tell: {error}"), ""),
    }
}

/// Who holds the data directory. Locking it here for a moment could make a platform that starts
/// in that moment fail, so the kernel's list of locks is read instead.
fn lock(data: &Path) -> Check {
    match system::lock_holders(data) {
        Ok(holders) if holders.is_empty() => check("lock", Verdict::Ok, "not in use", ""),
        Ok(holders) => {
            let pids: Vec<String> = holders.iter().map(ToString::to_string).collect();
            let detail = format!("in use by process {}", pids.join(", "));
            check("lock", Verdict::Ok, detail, "")
        }
        Err(error) => check("lock", Verdict::Warn, format!("cannot tell: {error}"), ""),
    }
}

fn memory(settings: &Settings) -> Check {
    let (Some(total), Some(available)) = (system::memory_total(), system::memory_available())
    else {
        return check("memory", Verdict::Warn, "cannot tell", "");
    };
    let wanted = settings.workers_memory;
    let detail = format!(
        "{} for jobs of {} ({} available)",
        human_size(wanted),
        human_size(total),
        human_size(available)
    );
    let verdict = match wanted {
        wanted if wanted > total => Verdict::Fail,
        wanted if wanted > available => Verdict::Warn,
        _ => Verdict::Ok,
    };
    check(
        "memory",
        verdict,
        detail,
        "lower workers.memory, or free some",
    )
}

fn pidfd() -> Check {
    let me = rustix::process::getpid();
    match rustix::process::pidfd_open(me, rustix::process::PidfdFlags::empty()) {
        Ok(_) => check("kernel", Verdict::Ok, "pidfd works", ""),
        Err(error) => {
            let hint = "programs are watched by pidfd: Linux 5.3 or newer is needed, and no \
                        sandbox that forbids it";
            check("kernel", Verdict::Fail, format!("no pidfd: {error}"), hint)
        }
    }
}

fn limit(name: &'static str, resource: Resource, least: u64, raise: &str) -> Check {
    let limit = rustix::process::getrlimit(resource);
    match limit.current {
        None => check(name, Verdict::Ok, "unlimited", ""),
        Some(current) => {
            let verdict = if current < least {
                Verdict::Warn
            } else {
                Verdict::Ok
            };
            let hint = format!("at least {least} for a busy platform: `{raise}`");
            check(name, verdict, current.to_string(), hint)
        }
    }
}

/// The clock of this machine, and against the platform's if it answers.
fn clock(client: &Client) -> Check {
    let now = jiff::Timestamp::now();
    if now.as_second() < RELEASE_UNIX_SECONDS {
        let hint = "set the clock: ids and deadlines depend on it";
        return check(
            "clock",
            Verdict::Fail,
            format!("{now} is in the past"),
            hint,
        );
    }
    let answer = client.get("/livez").send_any();
    let theirs = answer.ok().and_then(|answer| {
        let date = answer.header("date")?.to_owned();
        let time = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(&date);
        time.ok()
    });
    match theirs {
        Some(theirs) if (now.as_second() - theirs.as_second()).abs() > 5 => {
            let apart = now.as_second() - theirs.as_second();
            let detail = format!("{apart} s ahead of the platform's");
            check("clock", Verdict::Warn, detail, "synchronise both clocks")
        }
        Some(_) => check(
            "clock",
            Verdict::Ok,
            format!("{now:.0}, as the platform's"),
            "",
        ),
        None => check("clock", Verdict::Ok, format!("{now:.0}"), ""),
    }
}

/// Whether the platform answers, and is ready. Not running is a warning: one may be about to
/// start it.
fn platform(client: &Client) -> Check {
    let version: Value = match client
        .get("/version")
        .send()
        .and_then(|answer| answer.json())
    {
        Ok(version) => version,
        Err(error) => {
            let verdict = match error {
                crate::client::ClientError::Unreachable { .. } => Verdict::Warn,
                _ => Verdict::Fail,
            };
            return check("platform", verdict, error.to_string(), error.hint());
        }
    };
    let about = format!(
        "{} {} at {}",
        text_of(&version, "name"),
        text_of(&version, "version"),
        client.base()
    );
    let ready = client.get("/readyz").send_any();
    match ready {
        Ok(answer) if answer.status() == 200 => {
            check("platform", Verdict::Ok, format!("{about} is ready"), "")
        }
        Ok(answer) => {
            let answer: Value = answer.json().unwrap_or_default();
            let failing: Vec<String> = answer["checks"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|check| check["ok"] != true)
                .map(|check| format!("{} ({})", text_of(check, "name"), text_of(check, "detail")))
                .collect();
            let detail = format!("{about} is not ready: {}", failing.join(", "));
            check(
                "platform",
                Verdict::Fail,
                detail,
                "see the log of `trefoil up`",
            )
        }
        Err(error) => check("platform", Verdict::Fail, error.to_string(), error.hint()),
    }
}
