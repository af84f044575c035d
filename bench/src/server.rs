//! A platform under load: `trefoil up` as its own process, with its own data directory.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::{
    http::Connection,
    process::{Cpu, Memory},
};

/// How often the server is asked whether it is there yet: far below what is measured with it.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// Longest start and longest end.
const PATIENCE: Duration = Duration::from_secs(60);

/// How platforms are started.
#[derive(Debug)]
pub(crate) struct Launch {
    /// The binary.
    pub(crate) binary: PathBuf,
    /// Where data directories are made, on the file system whose speed counts.
    pub(crate) scratch: PathBuf,
}

/// A running platform; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
    address: SocketAddr,
    thrift: SocketAddr,
    /// From the start of the process until `/readyz` said 200.
    pub(crate) ready_after: Duration,
}

impl Launch {
    /// A new, empty place for a platform.
    pub(crate) fn place(&self) -> anyhow::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix("server-")
            .tempdir_in(&self.scratch)
            .context("cannot make a data directory")
    }

    /// Starts a platform in a place, with what an earlier one left there; waits until it is ready.
    pub(crate) fn start(&self, place: &Path, flags: &[&str]) -> anyhow::Result<Server> {
        let log = File::options()
            .append(true)
            .create(true)
            .open(place.join("log"))?;
        let data = place.join("data");
        let begun = Instant::now();
        let mut child = Command::new(&self.binary)
            .args([
                "--json",
                "up",
                "--http-listen",
                "127.0.0.1:0",
                "--thrift-listen",
                "127.0.0.1:0",
                "--amqp-listen",
                "127.0.0.1:0",
                "--management-listen",
                "127.0.0.1:0",
                "--log-filter",
                "warn",
                "--data",
            ])
            .arg(&data)
            .args(flags)
            .current_dir(place)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let output = child.stdout.take().context("no output of the server")?;
        match first_line(output).and_then(|addresses| wait_ready(addresses, begun)) {
            Ok(((address, thrift), ready_after)) => Ok(Server {
                child,
                data,
                address,
                thrift,
                ready_after,
            }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = std::fs::read_to_string(place.join("log")).unwrap_or_default();
                Err(error.context(format!("the server did not start; its log:\n{log}")))
            }
        }
    }
}

/// Where HTTP and Thrift are.
type Addresses = (SocketAddr, SocketAddr);

fn first_line(output: impl std::io::Read) -> anyhow::Result<Addresses> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let line: Value = serde_json::from_str(&line).context("the first line is not JSON")?;
    let address = |name: &str| {
        let url = line[name]
            .as_str()
            .with_context(|| format!("the first line has no {name}"))?;
        url.trim_start_matches("http://")
            .parse()
            .with_context(|| format!("not an address: {url}"))
    };
    Ok((address("http")?, address("thrift")?))
}

fn wait_ready(addresses: Addresses, begun: Instant) -> anyhow::Result<(Addresses, Duration)> {
    loop {
        if let Ok(answer) =
            Connection::open(addresses.0).and_then(|mut connection| connection.get("/readyz"))
            && answer.status == 200
        {
            return Ok((addresses, begun.elapsed()));
        }
        ensure!(begun.elapsed() < PATIENCE, "not ready after {PATIENCE:?}");
        pause(ASK_EVERY);
    }
}

impl Server {
    /// A new connection.
    pub(crate) fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address)
    }

    /// Where Thrift is.
    pub(crate) fn thrift(&self) -> SocketAddr {
        self.thrift
    }

    /// CPU seconds so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        Cpu::of(self.child.id())
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.child.id())
    }

    /// Bytes of the database with its log.
    pub(crate) fn store_bytes(&self) -> u64 {
        let size = |name| std::fs::metadata(self.data.join(name)).map_or(0, |file| file.len());
        size("jobs.db") + size("jobs.db-wal")
    }

    /// Ends it as an operator would; the time that took.
    pub(crate) fn stop(mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        loop {
            if let Some(status) = self.child.try_wait()? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > PATIENCE {
                bail!("the server did not end within {PATIENCE:?} of SIGTERM");
            }
            pause(ASK_EVERY);
        }
    }

    /// Ends it as a power cut would, as far as a process can tell.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "a process is watched from outside, where no event tells"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
