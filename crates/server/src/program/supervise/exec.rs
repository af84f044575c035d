//! The second stage: a process of its own that limits itself and then becomes the program.

use std::{
    convert::Infallible,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, ExitCode},
};

use rustix::{
    process::{
        Pid, Resource, Rlimit, Signal, getppid, getrlimit, set_parent_process_death_signal,
        setrlimit,
    },
    thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_no_new_privs},
};

use super::{EXEC_FAILED, about, complain};
use crate::program::{ATTEMPT_ID_VARIABLE, AttemptDir, Limits, attempt_dir::Claim};

/// Open files of a program unless it asks for more: beyond it `select` breaks, so that is what programs expect.
const OPEN_FILES: u64 = 1024;

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
        complain(format_args!("{message}"));
    }
    ExitCode::from(EXEC_FAILED)
}

/// Becomes `program`, which dies with the thread that started this process; `parent` is whose that was.
pub(super) fn provide(parent: &OsStr, program: &OsStr, arguments: &[OsString]) -> ExitCode {
    let prepare = || -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let now = getppid().map_or(0, Pid::as_raw_pid);
        if Some(now.to_string().as_str()) != parent.to_str() {
            return Err(io::Error::other("the platform died meanwhile"));
        }
        set_no_new_privs(true)?;
        setrlimit(
            Resource::Core,
            Rlimit {
                current: Some(0),
                maximum: Some(0),
            },
        )?;
        Ok(())
    };
    let error = match prepare() {
        Ok(()) => Command::new(program).args(arguments).exec(),
        Err(error) => error,
    };
    complain(format_args!("cannot run {}: {error}", program.display()));
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
