//! Takes in files that programs left: copies them, and follows nothing that leads elsewhere.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use super::error::{Result, io_error};
use super::{COPY_BUFFER, FileError, FileStore, Stored};

impl FileStore {
    /// Copies the regular file at `path` into the store.
    ///
    /// A copy, never a link or a move: a program may still hold the file open for writing, and what is stored must
    /// not change. The last component of `path` may not be a symbolic link; the directories before it are the caller's
    /// own. For a path that a program chose use [`ingest_beneath`](Self::ingest_beneath).
    ///
    /// # Errors
    /// [`NotRegular`](FileError::NotRegular) for links, directories, pipes and devices; else as
    /// [`FileWriter::write`](super::FileWriter::write).
    pub fn ingest(&self, path: &Path) -> Result<Stored> {
        let fd = open_step(CWD, path, OFlags::RDONLY | OFlags::NONBLOCK, path)?;
        self.ingest_file(fd, path, self.limits().size_max)
    }

    /// Copies the regular file `root`/`relative` into the store, if it really lies beneath `root` and has at most
    /// `size_max` bytes. No component of `relative` may be a symbolic link, absolute or `..`.
    ///
    /// # Errors
    /// As [`ingest`](Self::ingest).
    pub fn ingest_beneath(&self, root: &Path, relative: &Path, size_max: u64) -> Result<Stored> {
        let full = root.join(relative);
        let directory = OFlags::PATH | OFlags::DIRECTORY;
        let mut at = openat(CWD, root, directory | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| io_error("open", root)(errno.into()))?;
        let mut components = relative.components().peekable();
        while let Some(component) = components.next() {
            let Component::Normal(name) = component else {
                return Err(not_regular(&full, "it does not lie beneath the directory"));
            };
            let last = components.peek().is_none();
            let flags = if last {
                OFlags::RDONLY | OFlags::NONBLOCK
            } else {
                directory
            };
            at = open_step(&at, Path::new(name), flags, &full)?;
        }
        // An empty path leaves the root itself, which is no regular file.
        self.ingest_file(at, &full, size_max.min(self.limits().size_max))
    }

    fn ingest_file(&self, fd: OwnedFd, path: &Path, size_max: u64) -> Result<Stored> {
        let stat = fstat(&fd).map_err(|errno| io_error("look at", path)(errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(not_regular(
                path,
                "it is a directory, a pipe, a socket or a device",
            ));
        }
        let mut source = File::from(fd);
        let mut writer = self.writer_up_to(size_max)?;
        let mut buffer = vec![0; COPY_BUFFER];
        loop {
            match source.read(&mut buffer) {
                Ok(0) => return writer.finish(None),
                Ok(length) => writer.write(&buffer[..length])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("read", path)(error)),
            }
        }
    }
}

/// Opens one component. `NONBLOCK` in `flags` keeps a pipe without a writer from holding us for ever.
fn open_step(
    at: impl rustix::fd::AsFd,
    name: &Path,
    flags: OFlags,
    full: &Path,
) -> Result<OwnedFd> {
    openat(
        at,
        name,
        flags | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|errno| match errno {
        Errno::LOOP => not_regular(full, "it is a symbolic link"),
        // A link where a directory has to be is told as this, too.
        Errno::NOTDIR => not_regular(full, "a part of its path is not a directory"),
        Errno::NXIO => not_regular(full, "it is a socket or a device"),
        errno => io_error("open", full)(errno.into()),
    })
}

fn not_regular(path: &Path, reason: &'static str) -> FileError {
    FileError::NotRegular {
        path: path.to_path_buf(),
        reason,
    }
}
