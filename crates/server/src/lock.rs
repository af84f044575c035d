//! One process a data directory.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long a lock is waited for that nobody alive should hold. A process that is killed while it starts another one
/// leaves, for the moment until that one is executed, a child with all its locks.
const MOMENT: Duration = Duration::from_secs(2);

/// Locks a file; waits a moment for a lock that is about to vanish. `Ok(false)` = somebody has it.
pub(crate) fn lock_within_a_moment(file: &File) -> io::Result<bool> {
    let deadline = Instant::now() + MOMENT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(false),
            // No event tells that a lock was given up, other than getting it, which cannot be given a limit.
            Err(TryLockError::WouldBlock) => thread::park_timeout(Duration::from_millis(5)),
        }
    }
}

/// Whether a process exists and is no zombie.
fn is_alive(pid: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(')')
                .map(|(_, rest)| rest.trim_start().chars().next())
        });
    !matches!(state.flatten(), None | Some('Z' | 'X'))
}

/// Holds the data directory until dropped, or until the process dies in whatever way.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Why the directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the data directory {} is in use by process {pid}", directory.display())]
    Held {
        /// Which directory.
        directory: PathBuf,
        /// Who has it, or `?` if it has not said yet.
        pid: String,
    },
    /// It cannot be used at all.
    #[error("cannot use the data directory {}: {source}", directory.display())]
    Io {
        /// Which directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DataLock {
    /// Takes the directory, creating it if need be.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            directory: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let path = directory.join("lock");
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed)?;
        let mut pid = String::new();
        file.read_to_string(&mut pid).map_err(failed)?;
        let pid = pid.trim();
        let free = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) if is_alive(pid) => false,
            Err(TryLockError::WouldBlock) => lock_within_a_moment(&file).map_err(failed)?,
        };
        if !free {
            let pid = if pid.is_empty() { "?" } else { pid }.to_owned();
            return Err(LockError::Held {
                directory: directory.to_owned(),
                pid,
            });
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let first = DataLock::take(&data).unwrap();
        let refused = DataLock::take(&data).unwrap_err().to_string();
        assert!(
            refused.ends_with(&format!("in use by process {}", std::process::id())),
            "{refused}"
        );
        drop(first);
        DataLock::take(&data).unwrap();
    }

    #[test]
    fn a_lock_that_a_dead_process_left_behind_for_a_moment_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let held = DataLock::take(directory.path()).unwrap();
        // A process that has ended: its number is in the file, its lock still with a child that is not executed yet.
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        fs::write(directory.path().join("lock"), dead.id().to_string()).unwrap();
        let (waiting, wait) = std::sync::mpsc::channel();
        let path = directory.path().to_owned();
        let taker = thread::spawn(move || {
            waiting.send(()).unwrap();
            DataLock::take(&path).map(drop)
        });
        wait.recv().unwrap();
        drop(held);
        taker.join().unwrap().unwrap();
    }

    #[test]
    fn an_impossible_place_is_an_error_that_names_it() {
        let refused = DataLock::take(Path::new("/proc/nowhere/data"))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("/proc/nowhere/data"), "{refused}");
    }
}
