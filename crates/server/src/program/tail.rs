//! Following a log that grows, for any number of readers, without polling: one inotify instance for the whole process.

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::File,
    io,
    mem::MaybeUninit,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use rustix::{
    fd::OwnedFd,
    fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags},
    io::Errno,
};
use tokio::{io::unix::AsyncFd, sync::watch, task::JoinHandle};

use super::running::{blocking, watched};

/// The longest chunk that a reader is given.
const CHUNK: usize = 64 * 1024;

/// The kernel's events for a file are sixteen bytes each: this reads a thousand at a time.
const EVENT_BUFFER: usize = 16 * 1024;

/// The one watcher of growing files of a process. Cheap to clone; it ends when the last clone and follower are gone.
#[derive(Debug, Clone)]
pub struct LogWatch(Arc<Hub>);

#[derive(Debug)]
struct Hub {
    watched: Arc<Watched>,
    dispatcher: JoinHandle<()>,
}

#[derive(Debug)]
struct Watched {
    inotify: AsyncFd<OwnedFd>,
    /// By watch descriptor. The kernel gives one file one descriptor, so readers of a file share its entry.
    files: Mutex<HashMap<i32, WatchedFile>>,
}

#[derive(Debug)]
struct WatchedFile {
    grown: watch::Sender<()>,
    readers: usize,
}

impl LogWatch {
    /// Starts the watcher. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The kernel gives no inotify instance: a user has 128 of them unless set otherwise.
    pub fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watched = Arc::new(Watched {
            inotify: watched(inotify)?,
            files: Mutex::default(),
        });
        let dispatcher = tokio::spawn(dispatch(watched.clone()));
        Ok(Self(Arc::new(Hub {
            watched,
            dispatcher,
        })))
    }

    /// Reads the file at `path` from `offset` on, and goes on as it grows until `is_final` is true (or its sender is gone).
    ///
    /// # Errors
    /// The file cannot be opened or watched.
    pub async fn follow(
        &self,
        path: &Path,
        offset: u64,
        is_final: watch::Receiver<bool>,
    ) -> io::Result<LogFollower> {
        let (hub, path) = (self.clone(), path.to_owned());
        blocking(move || {
            let file = Arc::new(File::open(&path)?);
            let (watch, grown) = hub.watch(&path)?;
            Ok(LogFollower {
                file,
                offset,
                grown,
                is_final,
                _watch: watch,
            })
        })
        .await
    }

    fn watch(&self, path: &Path) -> io::Result<(Watch, watch::Receiver<()>)> {
        // The lock is held over the system call: the descriptor must not be removed by another reader in between.
        let mut files = self.0.watched.files();
        let wd = inotify::add_watch(self.0.watched.inotify.get_ref(), path, WatchFlags::MODIFY)?;
        let file = files.entry(wd).or_insert_with(|| WatchedFile {
            grown: watch::Sender::new(()),
            readers: 0,
        });
        file.readers += 1;
        let grown = file.grown.subscribe();
        drop(files);
        Ok((
            Watch {
                hub: self.clone(),
                wd,
            },
            grown,
        ))
    }
}

impl Watched {
    fn files(&self) -> MutexGuard<'_, HashMap<i32, WatchedFile>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.dispatcher.abort();
    }
}

/// One reader's interest in a file.
#[derive(Debug)]
struct Watch {
    hub: LogWatch,
    wd: i32,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let watched = &self.hub.0.watched;
        let mut files = watched.files();
        if let Entry::Occupied(mut file) = files.entry(self.wd) {
            file.get_mut().readers -= 1;
            if file.get().readers == 0 {
                file.remove();
                // The kernel has dropped the watch by itself if the file was removed.
                let _ = inotify::remove_watch(watched.inotify.get_ref(), self.wd);
            }
        }
    }
}

/// Wakes the readers of every file that has grown.
async fn dispatch(watched: Arc<Watched>) {
    let mut buffer = vec![MaybeUninit::uninit(); EVENT_BUFFER];
    loop {
        let Ok(mut ready) = watched.inotify.readable().await else {
            return;
        };
        let mut events = inotify::Reader::new(watched.inotify.get_ref(), &mut buffer);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    // Some events are lost: anyone may have grown.
                    watched
                        .files()
                        .values()
                        .for_each(|file| file.grown.send_modify(|()| {}));
                }
                Ok(event) => {
                    if let Some(file) = watched.files().get(&event.wd()) {
                        file.grown.send_modify(|()| {});
                    }
                }
                Err(Errno::INTR) => {}
                // Nothing more for now. No other error is known of a read from inotify, and none would get better.
                Err(_) => break,
            }
        }
        ready.clear_ready();
    }
}

/// A reader of a log that grows.
#[derive(Debug)]
pub struct LogFollower {
    file: Arc<File>,
    offset: u64,
    grown: watch::Receiver<()>,
    is_final: watch::Receiver<bool>,
    _watch: Watch,
}

impl LogFollower {
    /// The offset of the next chunk.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next bytes, at most 64 KiB; waits for them if there are none yet. `None` once the log is final and everything
    /// was read.
    ///
    /// # Errors
    /// The file cannot be read.
    ///
    /// # Cancel safety
    /// Cancel safe: a chunk that was not returned is returned by the next call.
    pub async fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            // Both before the file is read: what happens after this wakes the wait below, or is read already.
            self.grown.mark_unchanged();
            let orphaned = self.is_final.has_changed().is_err();
            let is_final = *self.is_final.borrow_and_update() || orphaned;
            let (file, offset) = (self.file.clone(), self.offset);
            let chunk = blocking(move || {
                // As large as needed: most chunks are a line or two, and readers may keep them for a while.
                let there = file.metadata()?.len().saturating_sub(offset);
                let mut chunk =
                    vec![0; usize::try_from(there).map_or(CHUNK, |there| there.min(CHUNK))];
                let length = file.read_at(&mut chunk, offset)?;
                chunk.truncate(length);
                Ok(Bytes::from(chunk))
            })
            .await?;
            if !chunk.is_empty() {
                self.offset += chunk.len() as u64;
                return Ok(Some(chunk));
            }
            if is_final {
                return Ok(None);
            }
            // Either may fail only if its sender is gone; then the next round ends.
            tokio::select! {
                _ = self.grown.changed() => {}
                _ = self.is_final.changed() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
