//! The bytes of the logs of a job's attempts, one after the other, as far as they are or as they grow.
//!
//! Both sources are pulled: nothing runs between two pulls, so a slow reader holds one chunk, and one that left holds
//! nothing once its response is dropped.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::watch;
use trefoil_jobs::{AttemptId, Job, JobId, State};
use trefoil_server::{Node, hub::Seen, program::tail::LogFollower, store::StoreError};

/// The longest piece of a log that is read at once.
const CHUNK: u64 = 64 * 1024;

/// Some bytes of the log of an attempt.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) attempt: u32,
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
}

/// A part of the log of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) attempt: u32,
    pub(crate) path: PathBuf,
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// Runs `work` on a blocking thread.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// The attempts of a job by number, oldest first.
pub(crate) async fn attempts(node: &Node, job: &Job) -> Result<Vec<(u32, AttemptId)>, StoreError> {
    let records = node.readers.attempts(job.seq).await?;
    // The job was read first: records may be newer and have its attempt, too.
    let mut attempts: Vec<(u32, AttemptId)> = records
        .iter()
        .filter(|record| record.attempt < job.attempt)
        .map(|record| (record.attempt, record.id))
        .collect();
    attempts.extend(job.attempt_id.map(|id| (job.attempt, id)));
    Ok(attempts)
}

/// Changes of a job. One that has ended has none, and must leave no trace in the hub: anybody may ask for it any number of
/// times.
pub(crate) fn watch_of(node: &Node, job: &Job) -> watch::Receiver<Seen> {
    if job.state.is_terminal() {
        return watch::channel(Seen::default()).1;
    }
    node.hub.watch(job.id)
}

/// Length of the file at `path`; an attempt that never began has no log, which is as good as an empty one. Blocking.
pub(crate) fn size(path: &Path) -> io::Result<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Parts of logs as they are.
#[derive(Debug)]
pub(crate) struct Snapshot {
    parts: std::vec::IntoIter<Part>,
    open: Option<(Arc<File>, Part)>,
}

impl Snapshot {
    pub(crate) fn new(parts: Vec<Part>) -> Self {
        Self {
            parts: parts.into_iter(),
            open: None,
        }
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// A file cannot be read, or became shorter.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Piece>> {
        let (file, part) = match self.open.take() {
            Some((file, part)) if part.start < part.end => (file, part),
            _ => match self.parts.find(|part| part.start < part.end) {
                Some(part) => {
                    let path = part.path.clone();
                    (Arc::new(blocking(move || File::open(path)).await?), part)
                }
                None => return Ok(None),
            },
        };
        let Part {
            attempt,
            start,
            end,
            ..
        } = part;
        let reader = Arc::clone(&file);
        let bytes = blocking(move || read(&reader, start, end)).await?;
        self.open = Some((
            file,
            Part {
                start: start + bytes.len() as u64,
                ..part
            },
        ));
        Ok(Some(Piece {
            attempt,
            offset: start,
            bytes,
        }))
    }
}

/// Bytes from `start` on, at most a chunk and not beyond `end`. Blocking.
fn read(file: &File, start: u64, end: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; (end - start).min(CHUNK) as usize];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes.into())
}

/// Which attempts are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// This one alone.
    AttemptEnds,
    /// And those that come after it.
    JobEnds,
}

/// Logs as they grow.
#[derive(Debug)]
pub(crate) struct Follow {
    node: Arc<Node>,
    id: JobId,
    watch: watch::Receiver<Seen>,
    until: Until,
    /// The attempt that is read or waited for.
    attempt: u32,
    offset: u64,
    open: Option<Open>,
    /// The newest that is known.
    pub(crate) state: State,
}

#[derive(Debug)]
struct Open {
    follower: LogFollower,
    is_final: watch::Sender<bool>,
}

impl Follow {
    /// Follows from `offset` of the log of `attempt` on, which may be one that has not begun. `watch` is older than `job`.
    pub(crate) fn new(
        node: Arc<Node>,
        job: &Job,
        watch: watch::Receiver<Seen>,
        (attempt, offset): (u32, u64),
        until: Until,
    ) -> Self {
        Self {
            node,
            id: job.id,
            watch,
            until,
            attempt,
            offset,
            open: None,
            state: job.state,
        }
    }

    /// The next bytes; waits for them. `None` once the attempt, or the job, has ended and everything was given.
    ///
    /// # Errors
    /// A log or the store cannot be read.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            let Some(open) = &mut self.open else {
                if self.open().await? {
                    continue;
                }
                return Ok(None);
            };
            let offset = open.follower.offset();
            let is_final = *open.is_final.borrow();
            tokio::select! {
                // What is there goes out before anything else.
                biased;
                chunk = open.follower.next_chunk() => match chunk? {
                    Some(bytes) => return Ok(Some(Piece { attempt: self.attempt, offset, bytes })),
                    None => {
                        self.open = None;
                        self.offset = 0;
                        self.attempt += 1;
                        if self.until == Until::AttemptEnds {
                            self.job().await?;
                            return Ok(None);
                        }
                    }
                },
                // The end of the attempt is durable before anybody hears of it here.
                changed = self.watch.changed(), if !is_final => {
                    let newest = self.watch.borrow_and_update().changed.clone();
                    let attempt = self.attempt;
                    let has_ended = match (changed, newest) {
                        (Ok(()), Some(newest)) => newest.attempt > attempt || !newest.state.is_active(),
                        (Ok(()), None) => false,
                        (Err(_), _) => {
                            self.watch = self.node.hub.watch(self.id);
                            self.job().await?.is_none_or(|job| has_ended(&job, attempt))
                        }
                    };
                    if has_ended && let Some(open) = &self.open {
                        open.is_final.send_replace(true);
                    }
                }
            }
        }
    }

    /// Opens the log of the attempt that is due, waiting for it. `false` if there is and will be none.
    async fn open(&mut self) -> io::Result<bool> {
        loop {
            // Before the job is read: what changes after this wakes the wait below.
            self.watch.mark_unchanged();
            let Some(job) = self.job().await? else {
                return Ok(false);
            };
            if job.attempt < self.attempt {
                if job.state.is_terminal() {
                    return Ok(false);
                }
            } else {
                let is_final = has_ended(&job, self.attempt);
                if self.open_log(&job, is_final).await? {
                    return Ok(true);
                }
                if is_final {
                    // It ended before it had a log.
                    self.attempt += 1;
                    self.offset = 0;
                    if self.until == Until::AttemptEnds {
                        return Ok(false);
                    }
                    continue;
                }
            }
            if self.watch.changed().await.is_err() {
                self.watch = self.node.hub.watch(self.id);
            }
        }
    }

    async fn open_log(&mut self, job: &Job, is_final: bool) -> io::Result<bool> {
        let attempts = attempts(&self.node, job).await.map_err(io::Error::other)?;
        let Some((_, id)) = attempts
            .into_iter()
            .find(|(attempt, _)| *attempt == self.attempt)
        else {
            return Ok(false);
        };
        let (sender, receiver) = watch::channel(is_final);
        let path = self.node.attempt_log(id);
        match self.node.logs.follow(&path, self.offset, receiver).await {
            Ok(follower) => {
                self.open = Some(Open {
                    follower,
                    is_final: sender,
                });
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The job as it is; `None` if it was deleted.
    async fn job(&mut self) -> io::Result<Option<Job>> {
        let job = self
            .node
            .readers
            .job(self.id)
            .await
            .map_err(io::Error::other)?;
        if let Some(job) = &job {
            self.state = job.state;
        }
        Ok(job)
    }
}

/// Whether nothing more can come into the log of `attempt`.
fn has_ended(job: &Job, attempt: u32) -> bool {
    job.attempt > attempt || job.attempt == attempt && !job.state.is_active()
}
