//! One process: start, output, signals, end.

use std::{
    future::Future,
    io,
    net::TcpListener,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::{
    fd::OwnedFd,
    io::Errno,
    process::{Pid, Signal, kill_process_group},
};
use tokio::{
    io::{AsyncReadExt as _, unix::AsyncFd},
    net::unix::pipe::Receiver,
    process::Command,
    sync::mpsc,
    time::timeout,
};
use trefoil_director::{InstanceId, ProviderSpec};

use super::log::{Lines, Log};
use crate::program::{
    DEFAULT_PATH, open_child,
    supervise::{PROVIDE_FLAG, SUBCOMMAND},
};

/// Signals on their way to a process; each is sent once or twice in its life.
const SIGNALS: usize = 8;
/// What is read at a time of what it prints.
const CHUNK: usize = 16 << 10;
/// How long the rest of what it printed is waited for, if somebody who left its group keeps the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A process that runs.
#[derive(Debug)]
pub(super) struct Child {
    /// Where it is to listen.
    pub(super) port: u16,
    signals: mpsc::Sender<Signal>,
}

impl Child {
    /// Sends a signal to it and to all that it started.
    pub(super) fn signal(&self, signal: Signal) {
        // It has ended, or enough are on their way.
        let _ = self.signals.try_send(signal);
    }
}

/// How a process is started.
pub(super) struct Launcher<'a> {
    pub(super) supervisor: &'a Path,
    pub(super) spec: &'a ProviderSpec,
    pub(super) dir: &'a Path,
    pub(super) id: &'a InstanceId,
}

impl Launcher<'_> {
    /// Starts it. The future has to be driven until it ends, and says how it did.
    pub(super) fn start(
        &self,
        log: &Arc<Mutex<Log>>,
    ) -> io::Result<(Child, impl Future<Output = String> + Send + use<>)> {
        let home = {
            let log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.dir().join("home")
        };
        std::fs::create_dir_all(&home)?;
        let port = free_port()?;
        let dir = self.dir.to_string_lossy();
        let fill = |text: &String| ProviderSpec::fill(text, port, &dir);
        let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
        // One pipe for both streams keeps their order.
        let (reader, writer) = io::pipe()?;
        let mut process = Command::new(self.supervisor)
            .args([SUBCOMMAND, PROVIDE_FLAG])
            .arg(std::process::id().to_string())
            .args(self.spec.command.iter().map(fill))
            .env_clear()
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .env("HOME", &home)
            .envs(
                self.spec
                    .env
                    .iter()
                    .map(|(name, value)| (name, fill(value))),
            )
            .env("TREFOIL_SERVICE", self.id.service.to_string())
            .env("TREFOIL_INSTANCE", self.id.name.as_str())
            .env("TREFOIL_PORT", port.to_string())
            .current_dir(self.dir)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        let group = process.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let watched = group
            .ok_or_else(|| io::Error::other("the process has no id"))
            .and_then(|group| {
                let pipe = Receiver::from_owned_fd(OwnedFd::from(reader))?;
                Ok((group, open_child(&process)?, pipe))
            });
        let (group, pidfd, pipe) = match watched {
            Ok(watched) => watched,
            Err(error) => {
                // Nobody would see its end.
                let _ = process.start_kill();
                return Err(error);
            }
        };
        let (signals, orders) = mpsc::channel(SIGNALS);
        let attended = Attended {
            process,
            group,
            pidfd,
            pipe,
            orders,
            lines: Lines::new(self.id.name.to_string(), Arc::clone(log)),
        };
        Ok((Child { port, signals }, attended.until_end()))
    }
}

struct Attended {
    process: tokio::process::Child,
    group: Pid,
    pidfd: AsyncFd<OwnedFd>,
    pipe: Receiver,
    orders: mpsc::Receiver<Signal>,
    lines: Lines,
}

impl Attended {
    async fn until_end(mut self) -> String {
        let mut block = vec![0; CHUNK];
        let mut is_open = true;
        loop {
            tokio::select! {
                // It stays readable once the process has ended. Until it is reaped below, its number is nobody else's.
                _ = self.pidfd.readable() => break,
                Some(signal) = self.orders.recv() => self.signal(signal),
                read = self.pipe.read(&mut block), if is_open => match read {
                    Ok(bytes @ 1..) => self.lines.feed(&block[..bytes]),
                    Ok(0) | Err(_) => is_open = false,
                },
            }
        }
        // Whatever it left behind.
        self.signal(Signal::KILL);
        let rest = async {
            while let Ok(bytes @ 1..) = self.pipe.read(&mut block).await {
                self.lines.feed(&block[..bytes]);
            }
        };
        let _ = timeout(LAST_WORDS, rest).await;
        self.lines.finish();
        match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("how is unknown: {error}"),
        }
    }

    fn signal(&self, signal: Signal) {
        match kill_process_group(self.group, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => tracing::warn!(%error, ?signal, "a provider got no signal"),
        }
    }
}

/// A port that nobody listens on now. Somebody else may take it before the process does: then that one ends, and the next
/// gets another.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
