//! A platform of its own for a step: `trefoil up` on a free port with a directory that goes away.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::shell::{command, run, target};

/// A running `trefoil up`. Killed when dropped; [`Platform::stop`] ends it properly.
pub(crate) struct Platform {
    child: Child,
    data: PathBuf,
    log: PathBuf,
    /// Its address.
    pub(crate) url: String,
}

impl Platform {
    /// Starts the release build and waits until it says where it listens.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let scratch = target().join("xtask");
        let data = scratch.join(format!("{name}-{}", std::process::id()));
        let log = scratch.join(format!("{name}.log"));
        fs::create_dir_all(&data)?;
        let mut child = command(binary())
            .args([
                "up",
                "--json",
                "--http-listen",
                "127.0.0.1:0",
                "--thrift-listen",
                "127.0.0.1:0",
                "--amqp-listen",
                "127.0.0.1:0",
                "--management-listen",
                "127.0.0.1:0",
                "--drain-timeout",
                "5s",
                "--data",
            ])
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
        let mut platform = Self {
            child,
            data,
            log,
            url: String::new(),
        };
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        match said["http"].as_str() {
            Some(url) => platform.url = url.to_owned(),
            None => bail!(
                "`trefoil up` did not say where it listens: {line}{}",
                platform.tail()
            ),
        }
        Ok(platform)
    }

    /// The end of its log.
    pub(crate) fn tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(20)..];
        format!(
            "\nlast lines of {}:\n{}",
            self.log.display(),
            last.join("\n")
        )
    }

    /// Asks it to end, as an operator would, and expects that it does so well.
    pub(crate) fn stop(mut self) -> Result<()> {
        let ended = match self.child.try_wait()? {
            Some(status) => bail!(
                "the platform ended before it was asked to, with {status}{}",
                self.tail()
            ),
            None => {
                // The standard library can only kill.
                run(command("kill")
                    .arg("-TERM")
                    .arg(self.child.id().to_string()))?;
                self.child.wait()?
            }
        };
        if !ended.success() {
            bail!(
                "the platform ended with {ended} after SIGTERM{}",
                self.tail()
            );
        }
        Ok(())
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        // Ended already, as a rule; the handle is of this child and of no other process.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// The release build of the platform.
pub(crate) fn binary() -> PathBuf {
    target().join("release/trefoil")
}
