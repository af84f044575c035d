//! A real `trefoil up --only amqp` in a process of its own.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A broker that runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) child: Child,
    /// Where AMQP is spoken.
    pub(crate) address: SocketAddr,
    /// The base of the management API.
    pub(crate) management: String,
    /// From its start until it said that it is up.
    pub(crate) started_in: Duration,
    log: PathBuf,
}

impl Broker {
    /// Starts it on any free ports. What it logs goes to `log`.
    pub(crate) fn start(data: &Path, log: &Path, arguments: &[&str]) -> Self {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_trefoil"))
            .args(["up", "--only", "amqp", "--json"])
            .args(["--amqp-listen", "127.0.0.1:0"])
            .args(["--management-listen", "127.0.0.1:0"])
            .args(arguments)
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let started_in = begun.elapsed();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            let _ = child.wait();
            panic!("{error}: {line:?}: {}", fs::read_to_string(log).unwrap())
        });
        let address = said["amqp"].as_str().unwrap();
        Self {
            child,
            address: address.strip_prefix("amqp://").unwrap().parse().unwrap(),
            management: said["management"].as_str().unwrap().to_owned(),
            started_in,
            log: log.to_owned(),
        }
    }

    /// What it logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// SIGKILL, and it is gone. It must have been alive until now.
    pub(crate) fn kill(mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the broker ended by itself with {status}: {}", self.log());
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and it ends well.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log());
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
