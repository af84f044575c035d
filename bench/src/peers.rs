//! Other job engines on the same machine in the same run, and Trefoil doing their work.
//!
//! Each peer has a driver in `peers/`: a script that starts the servers it needs on free loopback ports with a directory of
//! its own, runs the jobs, checks every result, ends what it started, and prints one line of JSON.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::{
    http::Connection,
    jobs::load,
    report::Report,
    server::{Launch, pause},
};

/// Jobs that Trefoil does for the comparison.
pub(crate) const JOBS: usize = 10_000;
/// Lines of a batch.
const LINES: usize = 1_000;
/// Requests for results that are under way at a time.
const AHEAD: usize = 64;
/// Longest time for a peer.
const PATIENCE: Duration = Duration::from_secs(90);

/// A driver: its file, its jobs, and what has to be on the machine for it.
#[derive(Debug)]
struct Driver {
    script: &'static str,
    jobs: usize,
    programs: &'static [&'static str],
}

const DRIVERS: [Driver; 4] = [
    Driver {
        script: "celery_rabbitmq.py",
        jobs: 4_000,
        programs: &["rabbitmq-server"],
    },
    Driver {
        script: "procrastinate_postgres.py",
        jobs: 3_000,
        programs: &["psql"],
    },
    Driver {
        script: "dbos_sqlite.py",
        jobs: 500,
        programs: &[],
    },
    Driver {
        script: "dask_local.py",
        jobs: 5_000,
        programs: &[],
    },
];

/// Trefoil with the same work: jobs that return their index, every result fetched over HTTP and checked.
pub(crate) fn trefoil(launch: &Launch, jobs: usize, report: &mut Report) -> anyhow::Result<()> {
    let place = launch.place()?;
    let server = launch.start(place.path(), &[])?;
    let mut connection = server.connect()?;
    let before = server.cpu()?;
    let begun = Instant::now();
    let mut ids = Vec::with_capacity(jobs);
    for first in (0..jobs).step_by(LINES) {
        let count = LINES.min(jobs - first);
        let lines: Vec<String> = (first..first + count)
            .map(|index| format!(r#"{{"service":"trefoil/echo","inputs":{{"value":{index}}}}}"#))
            .collect();
        let answer =
            load::submit(&mut connection, "", lines.join("\n").as_bytes(), count)?.json(202)?;
        let items = answer["items"]
            .as_array()
            .context("a batch without items")?;
        ids.extend(
            items
                .iter()
                .filter_map(|item| item["id"].as_str().map(str::to_owned)),
        );
    }
    let submitted = begun.elapsed().as_secs_f64();
    ensure!(ids.len() == jobs, "{} ids of {jobs} jobs", ids.len());
    load::until_succeeded(&mut connection, jobs as u64)?;
    let ended = begun.elapsed().as_secs_f64();
    check_results(&mut connection, &ids)?;
    let took = begun.elapsed().as_secs_f64();
    let cpu = server.cpu()?.since(before).own;
    server.stop()?;
    let jobs = jobs as f64;
    report.peer(json!({
        "system": "Trefoil", "jobs": jobs, "jobs_per_s": jobs / took, "ended_per_s": jobs / ended,
        "submit_per_s": jobs / submitted, "cpu_ms_per_job": cpu / jobs * 1e3, "durable": true, "checked": true,
        "note": "SQLite, every commit synced; worker in the same process; results fetched one by one over HTTP",
    }));
    Ok(())
}

fn check_results(connection: &mut Connection, ids: &[String]) -> anyhow::Result<()> {
    let mut asked = 0;
    for index in 0..ids.len() {
        while asked < ids.len().min(index + AHEAD) {
            connection.send("GET", &format!("/v1/jobs/{}/result", ids[asked]), "", b"")?;
            asked += 1;
        }
        let result = connection.receive()?.json(200)?;
        ensure!(result["value"] == index, "job {index} returned {result}");
    }
    Ok(())
}

/// Every peer that this machine can run; one line for each that it cannot.
pub(crate) fn others(target: &Path, scratch: &Path, quick: bool, report: &mut Report) {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let python = match environment(target, "venv-bench", &scripts.join("requirements.txt")) {
        Ok(python) => python,
        Err(error) => return report.note(format!("no peers were measured: {error:#}")),
    };
    for driver in &DRIVERS {
        let jobs = if quick { driver.jobs / 10 } else { driver.jobs };
        eprintln!("        {}", driver.script);
        match drive(&python, &scripts, scratch, driver, jobs) {
            Ok(row) => report.peer(row),
            Err(error) => report.note(format!("skipped {}: {error:#}", driver.script)),
        }
    }
}

/// The Python that has the pinned packages; made once for each list of them.
pub(crate) fn environment(
    target: &Path,
    name: &str,
    requirements: &Path,
) -> anyhow::Result<PathBuf> {
    let wanted = std::fs::read_to_string(requirements).context("cannot read the requirements")?;
    let venv = target.join(name);
    let (python, stamp) = (venv.join("bin/python"), venv.join("installed.txt"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    eprintln!("        installing the peers into {}", venv.display());
    quiet(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    quiet(
        Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
            ])
            .arg(requirements),
    )?;
    std::fs::write(stamp, wanted)?;
    Ok(python)
}

/// Runs a command; its last words if it fails.
pub(crate) fn quiet(command: &mut Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{:?} failed: {}",
        command.get_program(),
        text.lines().last().unwrap_or_default()
    );
    Ok(())
}

fn drive(
    python: &Path,
    scripts: &Path,
    scratch: &Path,
    driver: &Driver,
    jobs: usize,
) -> anyhow::Result<Value> {
    for program in driver.programs {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let there = std::env::split_paths(&paths).any(|path| path.join(program).is_file());
        ensure!(
            there,
            "{program} is not installed (Debian: apt-get install rabbitmq-server postgresql)"
        );
    }
    let place = tempfile::Builder::new()
        .prefix("peer-")
        .tempdir_in(scratch)?;
    let log = std::fs::File::create(place.path().join("log"))?;
    let mut child = Command::new(python)
        .arg(scripts.join(driver.script))
        .arg(place.path())
        .arg(jobs.to_string())
        // The drivers are source files: nothing is to be written beside them.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            // The driver ends its servers when it is told to end.
            rustix::process::kill_process(
                rustix::process::Pid::from_child(&child),
                rustix::process::Signal::TERM,
            )?;
            child.wait()?;
            bail!("not done after {PATIENCE:?}");
        }
        pause(Duration::from_millis(50));
    };
    let mut output = String::new();
    child
        .stdout
        .take()
        .context("no output")?
        .read_to_string(&mut output)?;
    let log = std::fs::read_to_string(place.path().join("log")).unwrap_or_default();
    ensure!(
        status.success(),
        "failed: {}",
        log.trim().lines().last().unwrap_or_default()
    );
    let line = output.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("its last line is not JSON: {line:?}"))
}
