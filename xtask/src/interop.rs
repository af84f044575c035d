//! Stock AMQP clients' own tests, and our differential scenarios, against a broker of their own: `interop/amqp/run.py`.
//! Stock Thrift clients and servers: see [`thrift`]; those with generated types in Rust: [`typed_rust`].

pub(crate) mod thrift;
pub(crate) mod typed_rust;

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{
    board::{Board, Outcome, Step},
    platform::binary,
    shell::{command, has, run, target, tee},
    test,
};

/// All suites against the release build.
pub(crate) const STEP: Step = Step {
    name: "amqp interop",
    work: all,
    is_needed: false,
};
const RUNNER: &str = "interop/amqp/run.py";

/// `cargo xtask interop [--rabbitmq [--record]] [SUITE…]`: all suites or some, against Trefoil or against a RabbitMQ.
/// `cargo xtask interop thrift [ARGS…]`: what has to do with Thrift. `cargo xtask interop typed-rust`: the example.
pub(crate) fn interop(words: &[&str]) -> Result<ExitCode> {
    if words.is_empty() {
        return Ok(Board::run(&[
            test::RELEASE,
            STEP,
            thrift::STEP,
            typed_rust::STEP,
        ]));
    }
    if let ["thrift", words @ ..] = words {
        return thrift::interop(words);
    }
    if words == ["typed-rust"] {
        return Ok(Board::run(&[test::RELEASE, typed_rust::STEP]));
    }
    if words.contains(&"--rabbitmq") || words.contains(&"--list") {
        run(command("python3").arg(RUNNER).args(words))?;
        return Ok(ExitCode::SUCCESS);
    }
    if Board::run(&[test::RELEASE]) != ExitCode::SUCCESS {
        return Ok(ExitCode::FAILURE);
    }
    Ok(match suites(words)? {
        Outcome::Counted { failed: 0, .. } => ExitCode::SUCCESS,
        Outcome::Counted { .. } => ExitCode::FAILURE,
        Outcome::Skipped(why) => bail!(why),
    })
}

fn all() -> Result<Outcome> {
    suites(&[])
}

fn suites(words: &[&str]) -> Result<Outcome> {
    if !has("python3", &["-c", "import venv, ensurepip"]) {
        return Ok(Outcome::Skipped(
            "python3 with its venv module is not installed: apt-get install python3-venv"
                .to_owned(),
        ));
    }
    let broker = Broker::start()?;
    let ran = tee(command("python3")
        .arg(RUNNER)
        .args(broker.arguments()?)
        .args(words));
    let (lines, success) = ran?;
    let rows: Vec<Value> = lines
        .iter()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let sum = |member: &str| {
        let counts = rows.iter().filter_map(|row| row[member].as_u64());
        u32::try_from(counts.sum::<u64>()).unwrap_or(u32::MAX)
    };
    let (passed, failed) = (sum("passed"), sum("failed"));
    if let Err(error) = broker.stop() {
        bail!("{passed} passed, {failed} failed; then {error:#}");
    }
    Ok(Outcome::Counted {
        passed,
        // A list of exclusions that is not true any more is a failure too, and so is a suite that may not be skipped.
        failed: if success { failed } else { failed.max(1) },
    })
}

/// A running `trefoil up --only amqp`. Killed when dropped; [`Broker::stop`] ends it properly.
struct Broker {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    said: Value,
}

impl Broker {
    /// Starts the release build, with TLS as the clients' tests expect it, and waits until it says where it listens.
    fn start() -> Result<Self> {
        let (lines, known) = tee(command("python3").args([RUNNER, "--certificates"]))?;
        let certificates: Value =
            serde_json::from_str(lines.last().map_or("", String::as_str)).unwrap_or_default();
        let (Some(ca), Some(certificate), Some(key), true) = (
            certificates["ca"].as_str(),
            certificates["server"].as_str(),
            certificates["server_key"].as_str(),
            known,
        ) else {
            bail!("{RUNNER} does not say where the certificates are");
        };
        let scratch = target().join("xtask");
        let data = scratch.join(format!("interop-{}", std::process::id()));
        let log = scratch.join("interop.log");
        fs::create_dir_all(&data)?;
        let mut child = command(binary())
            .args(["up", "--json", "--only", "amqp"])
            .args(["--amqp-listen", "127.0.0.1:0"])
            .args(["--amqp-tls-listen", "127.0.0.1:0"])
            .args(["--amqp-tls-certificate", certificate])
            .args(["--amqp-tls-key", key])
            .args(["--amqp-tls-client-ca", ca])
            .args(["--management-listen", "127.0.0.1:0"])
            // As large as in the broker that aiormq and aio-pika bring along for their tests.
            .args(["--amqp-message-max", "134217728"])
            .arg("--data")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot run {}", binary().display()))?;
        let output = child
            .stdout
            .take()
            .context("standard output was not piped")?;
        let mut broker = Self {
            child,
            data,
            log,
            said: Value::Null,
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        broker.said = serde_json::from_str(&line).unwrap_or_default();
        if broker.said["amqp"].is_null() {
            bail!(
                "`trefoil up --only amqp` did not say where it listens: {line}; its log is {}",
                broker.log.display()
            );
        }
        Ok(broker)
    }

    /// Its addresses, for the runner.
    fn arguments(&self) -> Result<Vec<String>> {
        let address = |member: &str| -> Result<String> {
            let url = self.said[member]
                .as_str()
                .with_context(|| format!("the broker has no {member} address"))?;
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            Ok(rest.trim_end_matches('/').to_owned())
        };
        let tls = address("amqps")?;
        let tls_port = tls.rsplit(':').next().unwrap_or_default();
        let management = address("management")?;
        // Quoted for a shell by having nothing in it that would need it: paths of the repository may not have spaces here.
        let ctl = format!("{} ctl --url http://{management}", binary().display());
        Ok(vec![
            format!("--amqp={}", address("amqp")?),
            format!("--http={management}"),
            format!("--tls-port={tls_port}"),
            format!("--ctl={ctl}"),
        ])
    }

    /// Asks it to end, as an operator would, and expects that it does so well.
    fn stop(mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "the broker ended before it was asked to, with {status}; its log is {}",
                self.log.display()
            );
        }
        // The standard library can only kill.
        run(command("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string()))?;
        let ended = self.child.wait()?;
        if !ended.success() {
            bail!(
                "the broker ended with {ended} after SIGTERM; its log is {}",
                self.log.display()
            );
        }
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Ended already, as a rule; the handle is of this child and of no other process.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}
