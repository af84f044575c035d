//! The platform's side of an attempt that runs: start, wait, stop, kill.

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use rustix::{
    fd::OwnedFd,
    process::{Pid, PidfdFlags, Signal, pidfd_open},
};
use tokio::{
    io::{AsyncReadExt as _, Interest, unix::AsyncFd},
    process::{Child, Command},
    task::spawn_blocking,
    time::timeout,
};

use super::{
    AttemptDir, ExitReport, Program,
    attempt_dir::Claim,
    process::{ProcessId, kill_descendants, signal_to, sweep},
    supervise::{READY, SUBCOMMAND},
};

/// How long a supervisor may take to claim its attempt; it takes milliseconds unless the machine stands still.
const CLAIM_DEADLINE: Duration = Duration::from_secs(30);

/// How long a supervisor may take to kill everything before it is killed itself.
const KILL_DEADLINE: Duration = Duration::from_secs(5);

/// How supervisors are started: an executable whose first argument [`SUBCOMMAND`] leads to [`super::supervise::run`].
#[derive(Debug, Clone)]
pub struct Supervisor {
    executable: PathBuf,
}

impl Supervisor {
    /// Supervisors are processes of `executable`, as a rule the platform's own.
    #[must_use]
    pub fn new(executable: PathBuf) -> Self {
        Self { executable }
    }

    /// Starts `program` as the attempt of `dir`, which is created if needed. The supervisor has claimed the attempt when
    /// this returns; whether the program itself could be started is told by its report.
    ///
    /// # Errors
    /// Nothing ran, and nothing will: on [`StartError::Supervisor`] the attempt is fenced.
    ///
    /// # Cancel safety
    /// If dropped, the program may run or not: ask [`super::adopt`].
    pub async fn start(&self, dir: &AttemptDir, program: &Program) -> Result<Running, StartError> {
        let (to, what) = (dir.clone(), program.clone());
        let stderr = blocking(move || {
            to.create()?;
            to.write_program(&what)?;
            std::fs::File::create(to.supervisor_err())
        })
        .await
        .map_err(StartError::Prepare)?;
        let mut child = Command::new(&self.executable)
            .arg(SUBCOMMAND)
            .arg(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|source| StartError::Spawn {
                executable: self.executable.clone(),
                source,
            })?;
        let pidfd = open_child(&child).map_err(StartError::Watch)?;
        let ready = async {
            let Some(mut stdout) = child.stdout.take() else {
                return false;
            };
            matches!(stdout.read_u8().await, Ok(READY))
        };
        let ready = timeout(CLAIM_DEADLINE, ready).await.unwrap_or(false);
        let claim = match ready {
            true => dir.read_claim(),
            // Dead or stuck. Either it has claimed the attempt, then its end tells more, or it never will.
            false => revoke(dir).await.map(Some),
        };
        match claim.map_err(StartError::Prepare)? {
            Some(Claim::Supervisor(supervisor)) => Ok(Running {
                dir: dir.clone(),
                supervisor,
                pidfd,
                child: Some(child),
            }),
            Some(Claim::Revoked) | None => {
                let _ = child.start_kill();
                let from = dir.supervisor_err();
                let stderr = blocking(move || std::fs::read_to_string(from))
                    .await
                    .unwrap_or_default();
                Err(StartError::Supervisor {
                    stderr: stderr.trim_end().to_owned(),
                })
            }
        }
    }
}

/// Why an attempt was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The attempt's directory could not be written.
    #[error("cannot prepare the attempt directory: {0}")]
    Prepare(#[source] io::Error),
    /// The supervisor's process could not be started.
    #[error("cannot start the supervisor {}: {source}", executable.display())]
    Spawn {
        /// What was to be run.
        executable: PathBuf,
        /// Why it was not.
        source: io::Error,
    },
    /// The supervisor's process cannot be watched.
    #[error("cannot watch the supervisor: {0}")]
    Watch(#[source] io::Error),
    /// The supervisor ended, or did nothing, before it claimed the attempt; or the attempt had been given up already.
    #[error("the supervisor did not take the attempt: {stderr}")]
    Supervisor {
        /// What it said.
        stderr: String,
    },
}

/// A supervised attempt that has not been seen to end. Dropping it changes nothing for the attempt.
#[derive(Debug)]
pub struct Running {
    dir: AttemptDir,
    supervisor: ProcessId,
    pidfd: AsyncFd<OwnedFd>,
    /// The supervisor, if this process started it and so has to reap it. (Tokio reaps it if this is dropped.)
    child: Option<Child>,
}

impl Running {
    /// Somebody else's supervisor.
    pub(super) fn adopted(
        dir: AttemptDir,
        supervisor: ProcessId,
        pidfd: OwnedFd,
    ) -> io::Result<Self> {
        Ok(Self {
            dir,
            supervisor,
            pidfd: watched(pidfd)?,
            child: None,
        })
    }

    /// The attempt's directory.
    #[must_use]
    pub fn dir(&self) -> &AttemptDir {
        &self.dir
    }

    /// Waits until the attempt is over: nothing of it runs any more, log and outputs are final.
    ///
    /// If the supervisor went away without a report, what it left behind is killed and the end is [`super::End::Lost`].
    ///
    /// # Cancel safety
    /// Cancel safe, and may be called again after it returned.
    pub async fn wait(&mut self) -> ExitReport {
        // A pidfd stays readable once its process has ended, so the readiness is never cleared.
        if let Err(error) = self.pidfd.readable().await.map(drop) {
            return ExitReport::lost(format!("the supervisor cannot be watched: {error}"));
        }
        if let Some(child) = &mut self.child {
            // It has ended: this only reaps it.
            let _ = child.wait().await;
        }
        let (dir, supervisor) = (self.dir.clone(), self.supervisor.clone());
        let report = blocking(move || match dir.exit_report() {
            Ok(Some(report)) => Ok(report),
            missing => {
                sweep(dir.id(), Some(&supervisor))?;
                let reason = match missing {
                    Err(error) => format!("the report of the supervisor is unreadable: {error}"),
                    Ok(_) => "the supervisor ended without a report".to_owned(),
                };
                Ok(ExitReport::lost(reason))
            }
        });
        report.await.unwrap_or_else(|error| {
            ExitReport::lost(format!("the supervisor ended without a report, and what it left could not be killed: {error}"))
        })
    }

    /// Asks the program to end: SIGTERM to its process group, and after the grace SIGKILL to everything. A second call
    /// does not wait for the grace. Returns at once; [`Self::wait`] tells the end.
    ///
    /// # Errors
    /// The signal cannot be sent. That the attempt has ended is no error.
    pub fn stop(&self) -> io::Result<()> {
        signal_to(self.pidfd.get_ref(), Signal::TERM)
    }

    /// Kills everything of the attempt and waits until the supervisor has ended; if that is stuck, kills it as well.
    ///
    /// # Errors
    /// Something cannot be killed.
    ///
    /// # Cancel safety
    /// If dropped, the kill goes on unless the supervisor is stuck.
    pub async fn kill(&self) -> io::Result<()> {
        signal_to(self.pidfd.get_ref(), Signal::USR1)?;
        if timeout(KILL_DEADLINE, self.pidfd.readable()).await.is_ok() {
            return Ok(());
        }
        let (dir, supervisor) = (self.dir.clone(), self.supervisor.clone());
        blocking(move || {
            // While its parent lives, whoever left session and environment is still found as a descendant.
            if let Some(pidfd) = supervisor.open()? {
                kill_descendants(supervisor.pid)?;
                signal_to(&pidfd, Signal::KILL)?;
            }
            sweep(dir.id(), Some(&supervisor))
        })
        .await
    }
}

/// Gives `dir` up unless it is claimed, and returns the claim that stands.
pub(super) async fn revoke(dir: &AttemptDir) -> io::Result<Claim> {
    let dir = dir.clone();
    blocking(move || dir.claim(Claim::Revoked)).await
}

/// Runs file system work on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

/// A descriptor of a child that was not reaped yet, readable once it has ended.
pub(crate) fn open_child(child: &Child) -> io::Result<AsyncFd<OwnedFd>> {
    // It is not reaped yet, so its pid is its own.
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let pid = pid.ok_or_else(|| io::Error::other("the supervisor has no process id"))?;
    watched(pidfd_open(pid, PidfdFlags::empty())?)
}

/// `fd`, to be waited on until it is readable.
pub(crate) fn watched(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types whose descriptor may change; an OwnedFd's does not"
    )]
    AsyncFd::with_interest(fd, Interest::READABLE)
}
