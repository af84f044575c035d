//! A broker under load, in processes of its own with a directory of its own: Trefoil, or a real RabbitMQ.

use std::{
    ffi::OsString,
    fs::File,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::{client::Client, processes};
use crate::{process::Memory, server::pause};

/// How often a broker is asked whether it is there yet: far below what is measured with it.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// Longest start.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long a broker must have used nearly nothing before the next measurement.
const QUIET: Duration = Duration::from_millis(200);
/// CPU seconds in that time that are nearly nothing.
const QUIET_CPU: f64 = 0.02;
/// Longest wait for that: a broker that never rests is measured as it is.
const RESTLESS: Duration = Duration::from_secs(5);

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Kind {
    /// `trefoil up --only amqp`, nothing configured.
    Trefoil,
    /// RabbitMQ, nothing configured.
    Rabbitmq,
    /// RabbitMQ with the second version of classic queues, which are not synced before a confirm.
    RabbitmqCqv2,
    /// What listens at `--url`.
    #[value(skip)]
    Other,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trefoil => "trefoil",
            Self::Rabbitmq => "rabbitmq",
            Self::RabbitmqCqv2 => "rabbitmq-cqv2",
            Self::Other => "other",
        }
    }
}

/// How brokers are started.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) trefoil: PathBuf,
    pub(super) rabbitmq: Option<PathBuf>,
    /// A broker that somebody else has started, and the id of its process.
    pub(super) other: Option<(SocketAddr, u32)>,
    /// Where their directories are made, on the file system whose speed counts.
    pub(super) scratch: PathBuf,
}

/// A running broker; killed when dropped, if it was started here.
#[derive(Debug)]
pub(super) struct Target {
    running: Running,
    address: SocketAddr,
    /// From the start of the process until a channel was open.
    pub(super) ready_after: Duration,
}

#[derive(Debug)]
enum Running {
    Own(Box<Own>),
    /// Somebody else's, by the id of its process.
    Foreign(u32),
}

#[derive(Debug)]
struct Own {
    // Fields are dropped in this order: the broker before what it needs.
    broker: Group,
    _helpers: Vec<Group>,
    command: Start,
    place: tempfile::TempDir,
}

/// A process with all that it has started.
#[derive(Debug)]
struct Group(Child);

/// What starts the broker again in the same place.
#[derive(Debug)]
struct Start {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    /// Known before for RabbitMQ; Trefoil says it.
    address: Option<SocketAddr>,
}

impl Launch {
    /// A broker with an empty store that accepts connections.
    pub(super) fn start(&self, kind: Kind) -> anyhow::Result<Target> {
        let place = tempfile::Builder::new()
            .prefix("broker-")
            .tempdir_in(&self.scratch)
            .context("cannot make a data directory")?;
        let mut helpers = Vec::new();
        let command = match kind {
            Kind::Trefoil => self.trefoil(place.path()),
            Kind::Rabbitmq => self.rabbitmq(place.path(), "", &mut helpers)?,
            Kind::RabbitmqCqv2 => {
                let settings = "classic_queue.default_version = 2\n";
                self.rabbitmq(place.path(), settings, &mut helpers)?
            }
            Kind::Other => {
                let (address, pid) = self.other.context("no --url")?;
                return Ok(Target::foreign(address, pid));
            }
        };
        let (broker, address, ready_after) = command.run(place.path())?;
        let running = Running::Own(Box::new(Own {
            broker,
            _helpers: helpers,
            command,
            place,
        }));
        Ok(Target {
            running,
            address,
            ready_after,
        })
    }

    fn trefoil(&self, place: &Path) -> Start {
        let words = ["--json", "up", "--only", "amqp", "--log-filter", "warn"];
        let addresses = [
            "--amqp-listen",
            "127.0.0.1:0",
            "--management-listen",
            "127.0.0.1:0",
        ];
        let words = words.iter().chain(&addresses).chain(&["--data"]);
        let mut arguments: Vec<OsString> = words.map(Into::into).collect();
        arguments.push(place.join("data").into());
        Start {
            program: self.trefoil.clone(),
            arguments,
            environment: Vec::new(),
            address: None,
        }
    }

    fn rabbitmq(
        &self,
        place: &Path,
        settings: &str,
        helpers: &mut Vec<Group>,
    ) -> anyhow::Result<Start> {
        let program = self.rabbitmq.clone().context("no rabbitmq-server")?;
        std::fs::write(place.join("rabbitmq.conf"), settings)?;
        std::fs::write(place.join("plugins"), "[].")?;
        let (epmd, port, distribution) = (free_port()?, free_port()?, free_port()?);
        // Its own port mapper: the usual one is a daemon that would stay behind on a fixed port.
        let mut mapper = Command::new("epmd");
        mapper.args(["-port", &epmd.to_string(), "-address", "127.0.0.1"]);
        helpers.push(Group::spawn(&mut mapper, place, Stdio::null())?);
        let inside = |name: &str| place.join(name).into_os_string();
        let environment = vec![
            ("HOME", place.into()),
            ("ERL_EPMD_PORT", epmd.to_string().into()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".into()),
            ("RABBITMQ_NODENAME", format!("bench{port}@localhost").into()),
            ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".into()),
            ("RABBITMQ_NODE_PORT", port.to_string().into()),
            ("RABBITMQ_DIST_PORT", distribution.to_string().into()),
            ("RABBITMQ_MNESIA_BASE", inside("mnesia")),
            ("RABBITMQ_LOG_BASE", inside("logs")),
            ("RABBITMQ_PID_FILE", inside("pid")),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", inside("plugins")),
            ("RABBITMQ_CONFIG_FILE", inside("rabbitmq.conf")),
            ("RABBITMQ_ADVANCED_CONFIG_FILE", inside("no-such.config")),
            ("RABBITMQ_CONF_ENV_FILE", inside("no-such-file")),
        ];
        Ok(Start {
            program,
            arguments: Vec::new(),
            environment,
            address: Some(SocketAddr::from(([127, 0, 0, 1], port))),
        })
    }
}

/// The server's own script: what Debian has in the search path changes the user, which the directory is not for.
pub(super) fn find_rabbitmq() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let beside = |path: &PathBuf| path.join("../lib/rabbitmq/bin/rabbitmq-server");
    let directories: Vec<PathBuf> = std::env::split_paths(&paths).collect();
    let scripts = directories.iter().map(beside);
    scripts
        .chain(directories.iter().map(|path| path.join("rabbitmq-server")))
        .find(|path| path.is_file())
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Group {
    fn spawn(command: &mut Command, place: &Path, output: Stdio) -> anyhow::Result<Self> {
        let log = File::options()
            .append(true)
            .create(true)
            .open(place.join("log"))?;
        let child = command
            .current_dir(place)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        Ok(Self(child))
    }

    /// Kills and awaits everything; fails only for what has ended.
    fn kill(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Start {
    fn run(&self, place: &Path) -> anyhow::Result<(Group, SocketAddr, Duration)> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let begun = Instant::now();
        let output = if self.address.is_some() {
            Stdio::null()
        } else {
            Stdio::piped()
        };
        let mut group = Group::spawn(&mut command, place, output)?;
        let address = match (self.address, group.0.stdout.take()) {
            (Some(address), _) => Ok(address),
            (None, Some(output)) => first_line(output),
            (None, None) => Err(anyhow::anyhow!("no output")),
        };
        match address.and_then(|address| wait_ready(&mut group, address, begun)) {
            Ok(address) => Ok((group, address, begun.elapsed())),
            Err(error) => {
                let log = std::fs::read_to_string(place.join("log")).unwrap_or_default();
                Err(error.context(format!("the broker did not start; its log:\n{log}")))
            }
        }
    }
}

fn first_line(output: impl std::io::Read) -> anyhow::Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let json: Value = serde_json::from_str(&line)
        .with_context(|| format!("the first line is not JSON: {line:?}"))?;
    let url = json["amqp"]
        .as_str()
        .context("the first line has no key amqp")?;
    let url = url.trim_start_matches("amqp://").trim_end_matches('/');
    url.parse()
        .with_context(|| format!("not an address: {url}"))
}

fn wait_ready(
    group: &mut Group,
    address: SocketAddr,
    begun: Instant,
) -> anyhow::Result<SocketAddr> {
    loop {
        if let Ok(client) = Client::open(address) {
            client.close()?;
            return Ok(address);
        }
        if let Some(status) = group.0.try_wait()? {
            bail!("it ended with {status}");
        }
        ensure!(begun.elapsed() < PATIENCE, "not ready after {PATIENCE:?}");
        pause(ASK_EVERY);
    }
}

impl Target {
    /// A broker that somebody else has started.
    pub(super) fn foreign(address: SocketAddr, pid: u32) -> Self {
        Self {
            running: Running::Foreign(pid),
            address,
            ready_after: Duration::ZERO,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn pid(&self) -> u32 {
        match &self.running {
            Running::Own(own) => own.broker.0.id(),
            Running::Foreign(pid) => *pid,
        }
    }

    fn own(&mut self) -> anyhow::Result<&mut Own> {
        match &mut self.running {
            Running::Own(own) => Ok(own),
            Running::Foreign(pid) => bail!("process {pid} was not started here"),
        }
    }

    /// CPU seconds of all its processes so far.
    pub(super) fn cpu(&self) -> anyhow::Result<f64> {
        processes::cpu(self.pid())
    }

    /// Memory of all its processes.
    pub(super) fn memory(&self) -> anyhow::Result<Memory> {
        processes::memory(self.pid())
    }

    /// Proportional memory of all its processes now, in megabytes.
    pub(super) fn proportional(&self) -> anyhow::Result<f64> {
        processes::proportional(self.pid())
    }

    /// Waits until the work of what was measured before is done.
    pub(super) fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let before = self.cpu()?;
            pause(QUIET);
            if self.cpu()? - before <= QUIET_CPU || begun.elapsed() > RESTLESS {
                return Ok(());
            }
        }
    }

    /// Ends it as a power cut would, as far as a process can tell.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.own()?.broker.kill();
        Ok(())
    }

    /// Starts it again with what it has stored.
    pub(super) fn restart(&mut self) -> anyhow::Result<()> {
        let own = self.own()?;
        let (broker, address, ready_after) = own.command.run(own.place.path())?;
        own.broker = broker;
        (self.address, self.ready_after) = (address, ready_after);
        Ok(())
    }

    /// Ends it as an operator would; it may be started again.
    pub(super) fn stop(&mut self) -> anyhow::Result<Duration> {
        let child = &mut self.own()?.broker.0;
        let begun = Instant::now();
        rustix::process::kill_process(Pid::from_child(child), Signal::TERM)?;
        while child.try_wait()?.is_none() {
            ensure!(begun.elapsed() < PATIENCE, "not ended after {PATIENCE:?}");
            pause(ASK_EVERY);
        }
        Ok(begun.elapsed())
    }
}
