//! The two hidden subcommands of which one attempt consists: [`main`], the supervisor, and [`exec`], which becomes the program.
//!
//! The supervisor is the parent that the program keeps when the platform dies. It claims the attempt, starts the program,
//! passes a stop on, and when the program has ended it kills and reaps everything that the program left behind, as the
//! subreaper of all of them; only then it writes `exit.json`. It logs nothing and reads no configuration, because it is
//! started for every attempt.
//!
//! A third form, `--provide`, has nothing to do with attempts: it becomes a provider of a service, which must not outlive the
//! platform.

mod exec;
mod printed;

use std::{
    ffi::OsString,
    fmt, fs, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    io::Errno,
    process::{
        Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process_group, set_child_subreaper,
        setsid, wait,
    },
};
use tokio::{
    signal::unix::{Signal as SignalStream, SignalKind, signal},
    time::Instant,
};

pub use exec::exec;
use exec::provide;

use printed::{Printed, Step};

use super::{
    ATTEMPT_ID_VARIABLE, AttemptDir, End, ExitReport, StoppedBy,
    attempt_dir::{Claim, SupervisorRecord},
    process::{ProcessId, Stat, kill_descendants},
};

/// The name of the hidden subcommand: `supervise DIR` is for [`main`], `supervise --exec DIR` for [`exec`].
pub const SUBCOMMAND: &str = "supervise";

/// The flag that asks for the second stage.
pub const EXEC_FLAG: &str = "--exec";

/// The flag that asks for a provider: `supervise --provide PARENT-PID PROGRAM ARGUMENTS…`.
pub(crate) const PROVIDE_FLAG: &str = "--provide";

/// What the supervisor writes to its stdout once the attempt is claimed and every signal is heard.
pub(super) const READY: u8 = b'+';

/// The exit code of a second stage that could not become the program, as shells have it.
const EXEC_FAILED: u8 = 127;

/// How often survivors are looked for even if no child was heard to end.
const RESCAN: Duration = Duration::from_secs(1);

/// Longer than any attempt lives; a grace beyond it would overflow the clock.
const LONGEST_GRACE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Runs the subcommand with the arguments after [`SUBCOMMAND`].
pub fn run(arguments: &[OsString]) -> ExitCode {
    match arguments {
        [dir] => main(Path::new(dir)),
        [flag, dir] if flag == EXEC_FLAG => exec(Path::new(dir)),
        [flag, parent, program, arguments @ ..] if flag == PROVIDE_FLAG => {
            provide(parent, program, arguments)
        }
        _ => {
            complain(format_args!(
                "usage: {SUBCOMMAND} [{EXEC_FLAG}] ATTEMPT-DIR"
            ));
            ExitCode::from(2)
        }
    }
}

/// Supervises the attempt in `dir` until nothing of it runs any more. Must be called before any thread is started.
pub fn main(dir: &Path) -> ExitCode {
    let supervised = AttemptDir::at(dir).and_then(|dir| {
        // Ctrl-C at the platform's terminal is not for the program. That it leads a session already is as good.
        let _ = setsid();
        set_child_subreaper(Some(getpid()))?;
        std::env::set_current_dir("/")?;
        // The parent death signal is sent when the *thread* ends that started the program: everything stays on this one.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(supervise(&dir))
    });
    match supervised {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!(
                "supervising {} failed: {error}",
                dir.display()
            ));
            ExitCode::FAILURE
        }
    }
}

async fn supervise(dir: &AttemptDir) -> io::Result<()> {
    // Before the claim: once it stands, a stop must be heard.
    let signals = Signals::new()?;
    let me = ProcessId::of(getpid().as_raw_pid())?;
    if dir.claim(Claim::Supervisor(me.clone()))? != Claim::Supervisor(me.clone()) {
        return Ok(());
    }
    // A platform that died meanwhile does not read it; the next one finds the claim.
    let _ = io::Write::write_all(&mut io::stdout(), &[READY])
        .and_then(|()| io::Write::flush(&mut io::stdout()));

    let started_ms = now_ms();
    let (end, stopped_by) = match launch(dir, me) {
        Ok((program, grace, printed)) => {
            Watch {
                program,
                signals,
                stop: Stop::No,
                grace,
                printed,
            }
            .until_end(dir)
            .await?
        }
        Err(error) => (End::ExecFailed(error.to_string()), None),
    };
    let times = Stat::read(getpid().as_raw_pid())?.ok_or(Errno::SRCH)?;
    dir.write_exit_report(&ExitReport {
        end,
        stopped_by,
        started_ms,
        ended_ms: now_ms(),
        cpu_user_ms: times.children_user_ms,
        cpu_system_ms: times.children_system_ms,
    })
}

/// Starts the second stage and returns its pid, which is the program's, the grace, and what it prints.
fn launch(dir: &AttemptDir, me: ProcessId) -> io::Result<(Pid, Duration, Printed)> {
    let program = dir.program()?;
    dir.reserve_exit_report()
        .map_err(|error| about("there is no space for a report", &error))?;
    let log = dir
        .open_log()
        .map_err(|error| about("cannot open the log", &error))?;
    // One pipe for both streams keeps their order; `/proc/self/exe` stays right while the binary is replaced.
    let (printed, writer) = Printed::new(log, program.limits.log_bytes)
        .map_err(|error| about("cannot open a pipe", &error))?;
    let child = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .arg(EXEC_FLAG)
        .arg(dir.path())
        .env(ATTEMPT_ID_VARIABLE, dir.id())
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0)
        .spawn()
        .map_err(|error| about("cannot start a process", &error))?;
    let pid = child.id().cast_signed();
    dir.write_supervisor_record(&SupervisorRecord {
        supervisor: me,
        program: ProcessId::of(pid)?,
    })
    // Only a hint for a later kill: the session and the environment tell as well.
    .unwrap_or_else(|error| {
        complain(format_args!("supervisor.json was not written: {error}"));
    });
    let pid = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    Ok((
        pid,
        Duration::from_millis(program.grace_ms).min(LONGEST_GRACE),
        printed,
    ))
}

struct Signals {
    child: SignalStream,
    terminate: SignalStream,
    kill: SignalStream,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            kill: signal(SignalKind::user_defined1())?,
        })
    }
}

/// How far a stop has come.
#[derive(Clone, Copy)]
enum Stop {
    No,
    Asked { kill_at: Instant },
    Killed,
}

/// A program that runs.
struct Watch {
    program: Pid,
    signals: Signals,
    stop: Stop,
    grace: Duration,
    printed: Printed,
}

impl Watch {
    /// Waits until the program and all that it started are gone.
    async fn until_end(mut self, dir: &AttemptDir) -> io::Result<(End, Option<StoppedBy>)> {
        let status = loop {
            match reap(self.program)? {
                Reaped::Program(status) => break status,
                Reaped::Nobody => self.next_event().await?,
                Reaped::All => {
                    return Err(io::Error::other(
                        "the program is no child of its supervisor",
                    ));
                }
            }
        };
        let stopped_by = match self.stop {
            Stop::No => None,
            Stop::Asked { .. } => Some(StoppedBy::Term),
            Stop::Killed => Some(StoppedBy::Kill),
        };
        self.kill_survivors().await?;
        if let Err(error) = self.printed.finish().await {
            let why = format!("the end of its log could not be written: {error}");
            return Ok((End::Lost(why), stopped_by));
        }
        let end = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) if code == i32::from(EXEC_FAILED) => {
                fs::read_to_string(dir.exec_error()).map_or(End::Exited(code), End::ExecFailed)
            }
            (Some(code), _) => End::Exited(code),
            (None, signal) => End::Signaled(signal.unwrap_or_default()),
        };
        Ok((end, stopped_by))
    }

    /// Waits for a child's end or for a request, and obeys it.
    async fn next_event(&mut self) -> io::Result<()> {
        let grace_over = async {
            match self.stop {
                Stop::Asked { kill_at } => tokio::time::sleep_until(kill_at).await,
                Stop::No | Stop::Killed => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.signals.child.recv() => Ok(()),
            _ = self.signals.kill.recv() => self.kill(),
            () = grace_over => self.kill(),
            step = self.printed.step() => match step? {
                Step::Moved => Ok(()),
                Step::TooLong => self.kill(),
            },
            _ = self.signals.terminate.recv() => match self.stop {
                Stop::No => {
                    self.stop = Stop::Asked { kill_at: Instant::now() + self.grace };
                    signal_group(self.program, Signal::TERM)
                }
                Stop::Asked { .. } | Stop::Killed => self.kill(),
            },
        }
    }

    fn kill(&mut self) -> io::Result<()> {
        self.stop = Stop::Killed;
        signal_group(self.program, Signal::KILL)?;
        kill_descendants(getpid().as_raw_pid())
    }

    /// Kills and reaps until this process has no children. As it is the subreaper, nobody descends from it then: whoever
    /// loses its parent becomes its child, also after a double fork or in a session of its own.
    async fn kill_survivors(&mut self) -> io::Result<()> {
        loop {
            match reap(self.program)? {
                Reaped::All => return Ok(()),
                Reaped::Program(_) => {}
                Reaped::Nobody => {
                    kill_descendants(getpid().as_raw_pid())?;
                    // Every killed child is heard of; the timer is for one that was orphaned between scan and kill.
                    let _ = tokio::time::timeout(RESCAN, self.signals.child.recv()).await;
                }
            }
        }
    }
}

enum Reaped {
    /// The program has ended.
    Program(WaitStatus),
    /// There are children, and none of them has ended.
    Nobody,
    /// There are no children.
    All,
}

/// Reaps children until there is something to tell.
fn reap(program: Pid) -> io::Result<Reaped> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == program => return Ok(Reaped::Program(status)),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Ok(Reaped::Nobody),
            Err(Errno::CHILD) => return Ok(Reaped::All),
            Err(error) => return Err(error.into()),
        }
    }
}

fn signal_group(group: Pid, signal: Signal) -> io::Result<()> {
    match kill_process_group(group, signal) {
        Err(Errno::SRCH) => Ok(()),
        sent => Ok(sent?),
    }
}

/// Like `eprintln`, which would panic: stderr is a file, and what there is to tell is as a rule that the disk is full.
fn complain(what: fmt::Arguments<'_>) {
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("{what}\n"));
}

fn about(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
