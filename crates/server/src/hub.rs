//! Who watches which job, and how far running jobs are.
//!
//! Watchers get the newest change, not every one: a slow reader costs one slot, and what it missed is in the history of
//! the job. Progress of active jobs lives here only; it is not durable.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use trefoil_jobs::{Changed, JobId};

/// Locks are held for one map access; sixteen keep readers and the engine apart.
const SHARDS: usize = 16;

/// How far an active attempt is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// 0 to 1.
    pub fraction: f32,
    /// What it is doing.
    pub message: Option<Arc<str>>,
    /// Grows with each report.
    pub seq: u64,
}

/// What a watcher sees.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The newest change since the watch began.
    pub changed: Option<Arc<Changed>>,
    /// How far the attempt is.
    pub progress: Option<Progress>,
}

#[derive(Debug, Default)]
struct Entry {
    progress: Option<Progress>,
    watchers: Option<watch::Sender<Seen>>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Hub(Arc<[Mutex<HashMap<JobId, Entry>>; SHARDS]>);

impl Hub {
    fn shard(&self, id: JobId) -> MutexGuard<'_, HashMap<JobId, Entry>> {
        // The last byte of a UUIDv7 is random.
        self.0[usize::from(id.as_bytes()[15]) % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts watching a job. Read the job after this call: a change in between is then seen twice rather than never.
    #[must_use]
    pub fn watch(&self, id: JobId) -> watch::Receiver<Seen> {
        let mut shard = self.shard(id);
        let entry = shard.entry(id).or_default();
        let sender = entry
            .watchers
            .get_or_insert_with(|| watch::Sender::new(Seen::default()));
        sender.subscribe()
    }

    /// Tells the watchers of a job that it changed.
    pub(crate) fn changed(&self, changed: Changed) {
        let id = changed.id;
        let ended = changed.ended.is_some();
        let mut shard = self.shard(id);
        let Some(entry) = shard.get_mut(&id) else {
            return;
        };
        if !changed.state.is_active() {
            entry.progress = None;
        }
        if let Some(watchers) = &entry.watchers {
            watchers.send_modify(|seen| {
                seen.progress.clone_from(&entry.progress);
                seen.changed = Some(Arc::new(changed));
            });
        }
        if ended || Self::is_idle(entry) {
            shard.remove(&id);
        }
    }

    /// Notes how far a job is.
    pub(crate) fn progress(&self, id: JobId, fraction: f32, message: Option<Arc<str>>) {
        let mut shard = self.shard(id);
        let entry = shard.entry(id).or_default();
        let seq = entry.progress.as_ref().map_or(0, |progress| progress.seq) + 1;
        let progress = Progress {
            fraction,
            message,
            seq,
        };
        if let Some(watchers) = &entry.watchers {
            watchers.send_modify(|seen| seen.progress = Some(progress.clone()));
        }
        entry.progress = Some(progress);
    }

    /// How far a job is, if it is active and said so.
    #[must_use]
    pub fn progress_of(&self, id: JobId) -> Option<Progress> {
        self.shard(id)
            .get(&id)
            .and_then(|entry| entry.progress.clone())
    }

    /// Forgets watches that nobody holds any more; called now and then, since a watcher leaves without a word.
    pub(crate) fn sweep(&self) {
        for shard in self.0.iter() {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, entry| !Self::is_idle(entry));
        }
    }

    fn is_idle(entry: &Entry) -> bool {
        entry.progress.is_none()
            && entry
                .watchers
                .as_ref()
                .is_none_or(|watchers| watchers.receiver_count() == 0)
    }
}
