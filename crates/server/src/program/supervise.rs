//! The two hidden subcommands of which one attempt consists: [`main`], the supervisor, and [`exec`], which becomes the program.
//!
//! The supervisor is the parent that the program keeps when the platform dies. It claims the attempt, starts the program,
//! passes a stop on, and when the program has ended it kills and reaps everything that the program left behind, as the
//! subreaper of all of them; only then it writes `exit.json`. It logs nothing and reads no configuration, because it is
//! started for every attempt.

use std::{
    convert::Infallible,
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    io::Errno,
    process::{
        Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getpid, getppid, getrlimit,
        kill_process_group, set_child_subreaper, set_parent_process_death_signal, setrlimit,
        setsid, wait,
    },
    thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_no_new_privs},
};
use tokio::{
    signal::unix::{Signal as SignalStream, SignalKind, signal},
    time::Instant,
};

use super::{
    ATTEMPT_ID_VARIABLE, AttemptDir, End, ExitReport, Limits, StoppedBy,
    attempt_dir::{Claim, SupervisorRecord},
    process::{ProcessId, Stat, kill_descendants},
};

/// The name of the hidden subcommand: `supervise DIR` is for [`main`], `supervise --exec DIR` for [`exec`].
pub const SUBCOMMAND: &str = "supervise";

/// The flag that asks for the second stage.
pub const EXEC_FLAG: &str = "--exec";

/// What the supervisor writes to its stdout once the attempt is claimed and every signal is heard.
pub(super) const READY: u8 = b'+';

/// The exit code of a second stage that could not become the program, as shells have it.
const EXEC_FAILED: u8 = 127;

/// Open files of a program unless it asks for more: beyond it `select` breaks, so that is what programs expect.
const OPEN_FILES: u64 = 1024;

/// How often survivors are looked for even if no child was heard to end.
const RESCAN: Duration = Duration::from_secs(1);

/// Longer than any attempt lives; a grace beyond it would overflow the clock.
const LONGEST_GRACE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Runs the subcommand with the arguments after [`SUBCOMMAND`].
pub fn run(arguments: &[OsString]) -> ExitCode {
    match arguments {
        [dir] => main(Path::new(dir)),
        [flag, dir] if flag == EXEC_FLAG => exec(Path::new(dir)),
        _ => {
            eprintln!("usage: {SUBCOMMAND} [{EXEC_FLAG}] ATTEMPT-DIR");
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
            eprintln!("supervising {} failed: {error}", dir.display());
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
        Ok((program, grace)) => {
            Watch {
                program,
                signals,
                stop: Stop::No,
                grace,
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

/// Starts the second stage and returns its pid, which is the program's, and the grace.
fn launch(dir: &AttemptDir, me: ProcessId) -> io::Result<(Pid, Duration)> {
    let program = dir.program()?;
    dir.reserve_exit_report()
        .map_err(|error| about("there is no space for a report", &error))?;
    let log = dir
        .open_log()
        .map_err(|error| about("cannot open the log", &error))?;
    // One open file for both streams keeps their order; `/proc/self/exe` stays right while the binary is replaced.
    let child = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .arg(EXEC_FLAG)
        .arg(dir.path())
        .env(ATTEMPT_ID_VARIABLE, dir.id())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(|error| about("cannot start a process", &error))?;
    let pid = child.id().cast_signed();
    dir.write_supervisor_record(&SupervisorRecord {
        supervisor: me,
        program: ProcessId::of(pid)?,
    })
    // Only a hint for a later kill: the session and the environment tell as well.
    .unwrap_or_else(|error| eprintln!("supervisor.json was not written: {error}"));
    let pid = Pid::from_raw(pid).ok_or(Errno::SRCH)?;
    Ok((
        pid,
        Duration::from_millis(program.grace_ms).min(LONGEST_GRACE),
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

/// Becomes the program of the attempt in `dir`; returns only if that fails, with the reason in `exec-error`.
pub fn exec(dir: &Path) -> ExitCode {
    let failed = match AttemptDir::at(dir) {
        Ok(dir) => {
            become_program(&dir).map_or_else(|error| (Some(dir), error), |never| match never {})
        }
        Err(error) => (None, error),
    };
    let message = failed.1.to_string();
    if failed
        .0
        .is_none_or(|dir| fs::write(dir.exec_error(), &message).is_err())
    {
        eprintln!("{message}");
    }
    ExitCode::from(EXEC_FAILED)
}

fn become_program(dir: &AttemptDir) -> io::Result<Infallible> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = getppid().map(Pid::as_raw_pid);
    match dir.read_claim()? {
        Some(Claim::Supervisor(supervisor)) if Some(supervisor.pid) == parent => {}
        // The supervisor was killed before its death could have killed this process.
        _ => {
            return Err(io::Error::other(
                "the supervisor that claimed the attempt is not the parent",
            ));
        }
    }
    // A program that changed its user could not be killed any more.
    set_no_new_privs(true)?;
    let program = dir.program()?;
    let [name, arguments @ ..] = program.argv.as_slice() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is no program to run: argv is empty",
        ));
    };
    std::env::set_current_dir(&program.cwd).map_err(|error| {
        about(
            &format!(
                "cannot enter the working directory {}",
                program.cwd.display()
            ),
            &error,
        )
    })?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .env_clear()
        .envs(&program.env)
        .env(ATTEMPT_ID_VARIABLE, dir.id());
    limit(&program.limits)?;
    let error = command.exec();
    Err(about(&format!("cannot run {name}"), &error))
}

fn limit(limits: &Limits) -> io::Result<()> {
    if let Some(wanted) = &limits.cpus {
        let allowed = sched_getaffinity(None)?;
        let mut set = CpuSet::new();
        wanted
            .iter()
            .filter(|&&cpu| cpu < CpuSet::MAX_CPU && allowed.is_set(cpu))
            .for_each(|&cpu| set.set(cpu));
        // Processors can be taken away meanwhile; then any will do.
        if set.count() > 0 {
            sched_setaffinity(None, &set)?;
        }
    }
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    let files = getrlimit(Resource::Nofile).maximum;
    let soft = files.map_or(OPEN_FILES, |hard| hard.min(OPEN_FILES));
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(soft),
            maximum: files,
        },
    )?;
    // Last, because it holds for what this process still allocates as well.
    if let Some(bytes) = limits.memory_bytes {
        let bytes = getrlimit(Resource::Data)
            .maximum
            .map_or(bytes, |hard| hard.min(bytes));
        setrlimit(
            Resource::Data,
            Rlimit {
                current: Some(bytes),
                maximum: Some(bytes),
            },
        )
        .map_err(|error| about("cannot limit the memory", &error.into()))?;
    }
    Ok(())
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
