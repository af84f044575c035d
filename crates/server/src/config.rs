//! What a node is told. Every value has been validated by whoever made it.

use std::{path::PathBuf, time::Duration};

/// The settings of a [`crate::Node`].
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Everything that is kept is below this directory.
    pub data: PathBuf,
    /// Directories whose services are offered, and watched for changes.
    pub services: Vec<PathBuf>,
    /// The executable that supervises programs when its first argument is `supervise`; this one's own, as a rule.
    pub supervisor: PathBuf,
    /// Whether programs are run at all.
    pub workers_enabled: bool,
    /// CPUs that attempts may reserve together.
    pub worker_slots: u32,
    /// Bytes of memory that attempts may reserve together.
    pub worker_memory: u64,
    /// How long a synchronous call is held, and the most that `Prefer: wait` is granted.
    pub call_max_wait: Duration,
    /// Longest JSON body, bytes.
    pub json_max: u64,
    /// Longest NDJSON body, bytes.
    pub ndjson_max: u64,
    /// Largest file, bytes.
    pub files_size_max: u64,
    /// Most tasks of one sweep.
    pub sweep_tasks_max: u32,
    /// Most jobs of one batch.
    pub batch_max: u32,
    /// Below this much free space new jobs and files are refused, bytes.
    pub disk_free_min: u64,
    /// Jobs that ended longer ago than this are removed; `None` = never.
    pub retention: Option<Duration>,
}

impl NodeConfig {
    /// Defaults for everything but the data directory; see `docs/src/configuration.md`.
    #[must_use]
    pub fn new(data: PathBuf, supervisor: PathBuf) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        Self {
            data,
            services: Vec::new(),
            supervisor,
            workers_enabled: true,
            worker_slots: cores,
            worker_memory: total_memory() / 10 * 8,
            call_max_wait: Duration::from_secs(60),
            json_max: 16 << 20,
            ndjson_max: 256 << 20,
            files_size_max: 16 << 30,
            sweep_tasks_max: 1_000_000,
            batch_max: 1_000_000,
            disk_free_min: 256 << 20,
            retention: None,
        }
    }
}

/// Bytes of main memory of this machine.
#[must_use]
pub fn total_memory() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram.saturating_mul(u64::from(info.mem_unit))
}
