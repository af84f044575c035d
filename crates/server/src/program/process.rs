//! Processes as `/proc` shows them: who they are, who descends from whom, and signals that never hit a successor of a pid.

use std::{
    collections::HashSet,
    fs, io,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    io::Errno,
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use serde::{Deserialize, Serialize};

/// `/proc/<pid>/stat` counts time in this unit, `USER_HZ`: a hundredth of a second on every Linux that Rust runs on.
const MS_PER_TICK: u64 = 10;

/// How long a killed process may take to be gone. One in an uninterruptible wait on a dead disk can take for ever.
const SWEEP_DEADLINE: Duration = Duration::from_secs(10);

/// A process, told apart from every other that had or will have its pid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProcessId {
    /// The pid.
    pub(super) pid: i32,
    /// When it started, in ticks since the machine did (`/proc/<pid>/stat`, field 22).
    start_time: u64,
    /// Which start of the machine that was.
    boot_id: String,
}

impl ProcessId {
    /// The process that has `pid` now.
    pub(super) fn of(pid: i32) -> io::Result<Self> {
        let stat = Stat::read(pid)?.ok_or(Errno::SRCH)?;
        Ok(Self {
            pid,
            start_time: stat.start_time,
            boot_id: boot_id()?,
        })
    }

    /// A descriptor of the process, unless it has ended.
    pub(super) fn open(&self) -> io::Result<Option<OwnedFd>> {
        // A descriptor first: the pid cannot get a new owner unnoticed between the check and the use.
        let Some(fd) = open(self.pid)? else {
            return Ok(None);
        };
        let same = match Stat::read(self.pid)? {
            Some(stat) => {
                stat.start_time == self.start_time
                    && stat.state != b'Z'
                    && boot_id()? == self.boot_id
            }
            None => false,
        };
        Ok(same.then_some(fd))
    }
}

/// What is used of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pid: i32,
    state: u8,
    parent: i32,
    session: i32,
    start_time: u64,
    /// Processor time in user mode of descendants that were waited for.
    pub(super) children_user_ms: u64,
    /// Processor time in the kernel of descendants that were waited for.
    pub(super) children_system_ms: u64,
}

impl Stat {
    /// The state of the process that has `pid` now, if there is one.
    pub(super) fn read(pid: i32) -> io::Result<Option<Self>> {
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(text) => Self::parse(pid, &text).map(Some).ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("/proc/{pid}/stat is unreadable"),
                )
            }),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(pid: i32, text: &[u8]) -> Option<Self> {
        // The name in parentheses may contain anything, parentheses and spaces too.
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let fields: Vec<&str> = str::from_utf8(text.get(after_name..)?)
            .ok()?
            .split_ascii_whitespace()
            .collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            pid,
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            children_user_ms: number(16)? * MS_PER_TICK,
            children_system_ms: number(17)? * MS_PER_TICK,
            start_time: number(22)?,
        })
    }

    /// Sends `signal` to exactly this process; that it is gone is no error.
    fn signal(&self, signal: Signal) -> io::Result<Option<OwnedFd>> {
        let Some(fd) = open(self.pid)? else {
            return Ok(None);
        };
        if Self::read(self.pid)?.is_none_or(|now| now.start_time != self.start_time) {
            return Ok(None);
        }
        signal_to(&fd, signal)?;
        Ok(Some(fd))
    }
}

/// Sends `signal` to the process behind a pidfd; that it is gone is no error.
pub(super) fn signal_to(pidfd: &OwnedFd, signal: Signal) -> io::Result<()> {
    match pidfd_send_signal(pidfd, signal) {
        Err(Errno::SRCH) => Ok(()),
        sent => Ok(sent?),
    }
}

/// Kills every process below `root`, which stays. One that was started meanwhile may be missed: call again.
pub(super) fn kill_descendants(root: i32) -> io::Result<()> {
    let processes = all()?;
    let mut family = HashSet::from([root]);
    // A process may be listed before its parent: go on until nobody is new.
    loop {
        let before = family.len();
        family.extend(
            processes
                .iter()
                .filter(|stat| family.contains(&stat.parent))
                .map(|stat| stat.pid)
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    for stat in processes
        .iter()
        .filter(|stat| stat.pid != root && stat.state != b'Z' && family.contains(&stat.pid))
    {
        stat.signal(Signal::KILL)?;
    }
    Ok(())
}

/// Kills whatever is left of an attempt whose supervisor is dead and waits until it is gone: everything in the supervisor's
/// session, and everything with the attempt's id in its environment. Blocking.
pub(super) fn sweep(attempt_id: &str, supervisor: Option<&ProcessId>) -> io::Result<()> {
    let variable = format!("{}={attempt_id}", super::ATTEMPT_ID_VARIABLE);
    let me = std::process::id();
    let deadline = Instant::now() + SWEEP_DEADLINE;
    let same_boot = boot_id()?;
    let supervisor = supervisor.filter(|supervisor| supervisor.boot_id == same_boot);
    loop {
        let mut dying = Vec::new();
        let processes = all()?;
        // As long as a session has members its number is not given to anyone else. If the number is a living process
        // that is not the supervisor, all of the session had ended before.
        let session = supervisor
            .filter(|id| {
                processes
                    .iter()
                    .all(|stat| stat.pid != id.pid || stat.start_time == id.start_time)
            })
            .map(|id| id.pid);
        for stat in processes
            .iter()
            .filter(|stat| stat.state != b'Z' && stat.pid.unsigned_abs() != me)
        {
            if session == Some(stat.session) || has_variable(stat.pid, variable.as_bytes())? {
                dying.extend(stat.signal(Signal::KILL)?);
            }
        }
        if dying.is_empty() {
            return Ok(());
        }
        for process in &dying {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
                Ok(0) => {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "a killed process does not go away",
                    ));
                }
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn all() -> io::Result<Vec<Stat>> {
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            processes.extend(Stat::read(pid)?);
        }
    }
    Ok(processes)
}

fn has_variable(pid: i32, variable: &[u8]) -> io::Result<bool> {
    match fs::read(format!("/proc/{pid}/environ")) {
        Ok(environ) => Ok(environ.split(|&byte| byte == 0).any(|one| one == variable)),
        // Another user's process is none of ours.
        Err(error) if is_gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn open(pid: i32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = Pid::from_raw(pid) else {
        return Ok(None);
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::SRCH) => Ok(None),
        fd => Ok(Some(fd?)),
    }
}

fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim_end()
        .to_owned())
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_even_if_the_name_looks_like_stat() {
        let text = b"42 (a) S 9 (b)) R 7 42 40 0 -1 4 1 2 3 4 5 6 70 80 20 0 1 0 123456 99 1 2 3\n";
        let stat = Stat::parse(42, text).unwrap();
        assert_eq!(
            (stat.pid, stat.state, stat.parent, stat.session),
            (42, b'R', 7, 40)
        );
        assert_eq!(
            (
                stat.children_user_ms,
                stat.children_system_ms,
                stat.start_time
            ),
            (700, 800, 123_456)
        );
    }

    #[test]
    fn truncated_stat_is_refused() {
        let text = b"42 (a) R 7 42 40 0 -1 4 1 2 3 4 5 6 70 80 20 0 1 0 123456";
        for length in 0..text.len() - 6 {
            assert_eq!(Stat::parse(42, &text[..length]), None, "{length}");
        }
    }

    #[test]
    fn a_process_is_itself_and_not_its_predecessor() {
        let me = ProcessId::of(std::process::id().try_into().unwrap()).unwrap();
        assert!(me.open().unwrap().is_some());
        assert!(
            ProcessId {
                start_time: me.start_time - 1,
                ..me.clone()
            }
            .open()
            .unwrap()
            .is_none()
        );
        assert!(
            ProcessId {
                boot_id: "another".to_owned(),
                ..me
            }
            .open()
            .unwrap()
            .is_none()
        );
    }
}
