//! Watches memory and disk, and raises the alarms that stop publishers.
//!
//! Nothing is looked at while nothing happens: a silent broker costs no processor time. While an alarm is on it is looked
//! at in any case, for it has to end.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{After, Shared, mailbox::Letter};

/// How often there is a look, at most. Publishers who come as fast as they can fill some hundred megabytes in the meantime.
const EVERY_MS: u64 = 500;

/// What a segment of the log takes.
const SEGMENT: u64 = 64 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Monitor {
    /// Bytes of memory above which publishers wait; 0 for never.
    pub(super) memory_high: AtomicU64,
    /// Bytes of disk below which publishers wait.
    pub(super) disk_free_min: AtomicU64,
    /// The disk that counts.
    data: PathBuf,
    due: AtomicU64,
    /// One look at a time, so that the broker hears the last word last.
    looking: Mutex<()>,
    memory: AtomicBool,
    disk: AtomicBool,
    /// A write waits for space.
    pub(super) full: AtomicBool,
    /// There was no space for the next segment of the log. Known only when something is written, which nothing may be while
    /// publishers wait: so it counts only while there really is no space for one.
    pub(super) low: AtomicBool,
    pub(super) used: AtomicU64,
    pub(super) free: AtomicU64,
}

impl Monitor {
    pub(super) fn new(data: PathBuf, memory_high: u64, disk_free_min: u64) -> Self {
        Self {
            memory_high: AtomicU64::new(memory_high),
            disk_free_min: AtomicU64::new(disk_free_min),
            data,
            due: AtomicU64::new(0),
            looking: Mutex::default(),
            memory: AtomicBool::new(false),
            disk: AtomicBool::new(false),
            full: AtomicBool::new(false),
            low: AtomicBool::new(false),
            used: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
        }
    }

    /// When the next look is due; never if nothing happens.
    pub(super) fn due(&self) -> u64 {
        self.due.load(Ordering::Acquire)
    }

    /// Something happened: there will be a look.
    pub(super) fn saw_traffic(&self, now: u64) -> bool {
        if self.due.load(Ordering::Relaxed) != u64::MAX {
            return false;
        }
        self.due
            .compare_exchange(
                u64::MAX,
                now + EVERY_MS,
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Looks as soon as anybody has time.
    pub(super) fn look_now(&self) {
        self.due.store(0, Ordering::Release);
    }
}

/// Looks, and tells the broker what changed.
pub(super) fn look(shared: &Arc<Shared>, now: u64) {
    let monitor = &shared.monitor;
    let _looking = monitor
        .looking
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    // Before the look: what happens from here on is for the next.
    monitor.due.store(u64::MAX, Ordering::Release);
    let used = resident();
    let free = free(&monitor.data);
    monitor.used.store(used, Ordering::Relaxed);
    monitor.free.store(free, Ordering::Relaxed);
    let high = monitor.memory_high.load(Ordering::Relaxed);
    let memory = high > 0 && used > high;
    let full = monitor.full.load(Ordering::Relaxed);
    let low = monitor.low.load(Ordering::Relaxed) && free < SEGMENT;
    let disk = full || low || free < monitor.disk_free_min.load(Ordering::Relaxed);
    let memory_changed = monitor.memory.swap(memory, Ordering::Relaxed) != memory;
    let disk_changed = monitor.disk.swap(disk, Ordering::Relaxed) != disk;
    if memory || disk {
        monitor.due.store(now + EVERY_MS, Ordering::Release);
        shared.mailboxes[0].post(Letter::Look);
    }
    if !memory_changed && !disk_changed {
        return;
    }
    if memory_changed {
        tracing::warn!(used, high, alarm = memory, "memory");
    }
    if disk_changed {
        tracing::warn!(free, alarm = disk, "disk");
    }
    let mut after = After::default();
    shared.turn(&mut after, |core, _, now| {
        if memory_changed {
            core.broker.set_memory_alarm(memory, now);
        }
        if disk_changed {
            core.broker.set_disk_alarm(disk, now);
        }
    });
    shared.carry_out(&mut after, None, false);
}

/// Bytes of this process in memory; 0 if the system does not tell.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0u64).saturating_mul(1024)
}

/// Bytes that this process may still write; as good as endless if the system does not tell.
fn free(data: &std::path::Path) -> u64 {
    rustix::fs::statvfs(data).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells() {
        assert!(resident() > 1 << 20);
        assert!((1..u64::MAX).contains(&free(std::path::Path::new("/"))));
    }

    #[test]
    fn nothing_is_looked_at_unless_something_happens() {
        let monitor = Monitor::new("/".into(), 0, 0);
        monitor.due.store(u64::MAX, Ordering::Release);
        assert!(monitor.saw_traffic(1_000));
        assert_eq!(monitor.due(), 1_500);
        assert!(!monitor.saw_traffic(1_200));
        assert_eq!(monitor.due(), 1_500);
    }
}
