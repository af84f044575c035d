//! Notices that something below a directory changed.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use super::scan::directories;

/// Editors and copies change many files in a moment; one look after that is enough.
const SETTLE: Duration = Duration::from_millis(100);

/// Watches every directory below some roots, and the roots' own names: a deployment may replace a root as a whole.
#[derive(Debug)]
pub(crate) struct DirectoryWatch {
    roots: Vec<PathBuf>,
    inotify: AsyncFd<OwnedFd>,
    /// Watches of directories below roots.
    covered: HashSet<i32>,
    /// Watches of directories that roots are in, with the roots' names.
    above: HashMap<i32, Vec<OsString>>,
    /// Nobody has looked since the watches are there.
    new: bool,
}

impl DirectoryWatch {
    /// Starts watching. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When the kernel gives no more watches.
    pub(crate) fn new(roots: &[PathBuf]) -> io::Result<Self> {
        let inotify =
            crate::program::watched(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?)?;
        let mut watch = Self {
            roots: roots.to_vec(),
            inotify,
            covered: HashSet::new(),
            above: HashMap::new(),
            new: true,
        };
        watch.cover_above();
        watch.cover();
        Ok(watch)
    }

    fn cover_above(&mut self) {
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR
            | WatchFlags::MASK_ADD;
        for root in self.roots.clone() {
            let root = std::path::absolute(&root).unwrap_or(root);
            if let (Some(above), Some(name)) = (root.parent(), root.file_name())
                && let Some(id) = self.add(above, flags)
            {
                self.above.entry(id).or_default().push(name.to_owned());
            }
        }
    }

    /// Adds what is not watched yet; a directory that is watched already keeps its watch.
    fn cover(&mut self) {
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE_SELF
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR
            | WatchFlags::MASK_ADD;
        // A directory that is made between listing and watching is missed: look again until there is none.
        loop {
            let roots = self.roots.iter().filter(|root| root.is_dir());
            let all: Vec<PathBuf> = roots.flat_map(|root| directories(root)).collect();
            let before = std::mem::take(&mut self.covered);
            self.covered = all
                .iter()
                .filter_map(|directory| self.add(directory, flags))
                .collect();
            if self.covered == before {
                break;
            }
        }
    }

    fn add(&self, directory: &Path, flags: WatchFlags) -> Option<i32> {
        inotify::add_watch(self.inotify.get_ref(), directory, flags)
            .inspect_err(|error| {
                tracing::warn!(directory = %directory.display(), %error, "a service directory cannot be watched");
            })
            .ok()
    }

    /// Returns when something changed and the dust has settled; the first time at once, because what changed before the
    /// watches were there was not noticed.
    ///
    /// # Errors
    /// When the kernel's event queue cannot be read.
    ///
    /// # Cancel safety
    /// A change that was noticed is forgotten if this is dropped while it settles.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.new) {
            return Ok(());
        }
        loop {
            self.inotify.readable().await?.clear_ready();
            if self.take_events() {
                break;
            }
        }
        tokio::time::sleep(SETTLE).await;
        self.take_events();
        self.cover();
        Ok(())
    }

    /// Empties the kernel's queue; whether anything in it is about services.
    fn take_events(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut matters = false;
        while let Ok(event) = events.next() {
            matters |= match self.above.get(&event.wd()) {
                Some(roots) if !self.covered.contains(&event.wd()) => roots.iter().any(|root| {
                    event
                        .file_name()
                        .is_some_and(|name| name.to_bytes() == root.as_bytes())
                }),
                _ => true,
            };
        }
        matters
    }
}
