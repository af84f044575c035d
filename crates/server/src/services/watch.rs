//! Notices that something below a directory changed.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use super::scan::directories;

/// Editors and copies change many files in a moment; one look after that is enough.
const SETTLE: Duration = Duration::from_millis(100);

/// Watches every directory below some roots.
#[derive(Debug)]
pub(crate) struct DirectoryWatch {
    roots: Vec<PathBuf>,
    inotify: AsyncFd<OwnedFd>,
}

impl DirectoryWatch {
    /// Starts watching. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the kernel gives no more watches.
    pub(crate) fn new(roots: &[PathBuf]) -> io::Result<Self> {
        let inotify =
            crate::program::watched(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)?;
        let watch = Self {
            roots: roots.to_vec(),
            inotify,
        };
        watch.cover();
        Ok(watch)
    }

    /// Adds what is not watched yet; a directory that is watched already keeps its watch.
    fn cover(&self) {
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        for root in &self.roots {
            for directory in directories(root) {
                self.add(&directory, flags);
            }
        }
    }

    fn add(&self, directory: &Path, flags: WatchFlags) {
        if let Err(error) = inotify::add_watch(self.inotify.get_ref(), directory, flags) {
            tracing::warn!(directory = %directory.display(), %error, "a service directory cannot be watched");
        }
    }

    /// Returns when something changed and the dust has settled.
    ///
    /// # Errors
    /// When the kernel's event queue cannot be read.
    ///
    /// # Cancel safety
    /// A change that was noticed is forgotten if this is dropped while it settles.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        let mut ready = self.inotify.readable().await?;
        ready.clear_ready();
        drop(ready);
        tokio::time::sleep(SETTLE).await;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        while events.next().is_ok() {}
        self.cover();
        Ok(())
    }
}
