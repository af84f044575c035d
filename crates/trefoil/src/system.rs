//! Facts about the machine.

use std::path::Path;

/// Memory this process may count on: the machine's, or less inside a container.
pub(crate) fn memory_total() -> Option<u64> {
    let machine = meminfo("MemTotal:")?;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    Some(container.map_or(machine, |limit: u64| limit.min(machine)))
}

/// Memory that is free, or would be if asked for.
pub(crate) fn memory_available() -> Option<u64> {
    meminfo("MemAvailable:")
}

fn meminfo(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Free space for an unprivileged process on the disk of `path`.
pub(crate) fn disk_free(path: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The processes that hold a lock on a file directly in `dir`, from the kernel's list of locks.
pub(crate) fn lock_holders(dir: &Path) -> std::io::Result<Vec<u32>> {
    use std::os::unix::fs::MetadataExt;

    let mut inodes = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let about = entry?.metadata()?;
        if about.is_file() {
            inodes.push(about.ino());
        }
    }
    let locks = std::fs::read_to_string("/proc/locks")?;
    let mut pids: Vec<u32> = locks
        .lines()
        .filter_map(parse_lock)
        .filter(|(_, inode)| inodes.contains(inode))
        .map(|(pid, _)| pid)
        .collect();
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// `1: FLOCK  ADVISORY  WRITE 4242 08:01:131 0 EOF` gives the process and the inode. Open file
/// description locks belong to no process (-1) and waiters (`->`) hold nothing.
fn parse_lock(line: &str) -> Option<(u32, u64)> {
    let mut fields = line.split_whitespace().skip(1);
    fields.next().filter(|kind| *kind != "->")?;
    let pid = fields.nth(2)?.parse().ok()?;
    let inode = fields.next()?.rsplit(':').next()?.parse().ok()?;
    Some((pid, inode))
}

#[cfg(test)]
mod tests {
    use super::{lock_holders, memory_total, parse_lock};

    #[test]
    fn the_kernels_list_of_locks() {
        assert_eq!(
            parse_lock("1: FLOCK  ADVISORY  WRITE 4242 08:01:131 0 EOF"),
            Some((4242, 131))
        );
        assert_eq!(
            parse_lock("1: -> FLOCK  ADVISORY  WRITE 4243 08:01:131 0 EOF"),
            None
        );
        assert_eq!(
            parse_lock("2: OFDLCK ADVISORY  WRITE -1 08:01:131 0 EOF"),
            None
        );
    }

    #[test]
    fn a_lock_of_this_process_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("lock")).unwrap();
        assert!(lock_holders(dir.path()).unwrap().is_empty());
        file.lock().unwrap();
        let holders = lock_holders(dir.path()).unwrap();
        // Some sandboxed kernels keep an empty list.
        assert!(
            holders.is_empty() || holders == [std::process::id()],
            "{holders:?}"
        );
    }

    #[test]
    fn there_is_memory() {
        assert!(memory_total().unwrap() > 1 << 20);
    }
}
