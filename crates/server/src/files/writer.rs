//! Writes one file: bytes go to a temporary file and through the hash, and appear in the store at the end or not at all.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use sha2::Digest as _;

use super::error::{Result, io_error};
use super::{FileError, FileStore, SPACE_CHECK_INTERVAL, STORED_MODE, Sha256, Stored};

/// A file that is being written. Dropped without [`finish`](Self::finish), it leaves nothing.
#[derive(Debug)]
pub struct FileWriter {
    store: FileStore,
    file: File,
    temp: TempFile,
    hasher: sha2::Sha256,
    size: u64,
    size_max: u64,
    /// Bytes that may still be written before free space is looked at again.
    unchecked: u64,
}

/// Removes its file when dropped. Once the file was renamed into the store there is nothing left to remove.
#[derive(Debug)]
struct TempFile(PathBuf);

impl Drop for TempFile {
    fn drop(&mut self) {
        // What cannot be removed now is removed when the store is opened next.
        let _ = fs::remove_file(&self.0);
    }
}

impl FileWriter {
    pub(super) fn create(store: FileStore, size_max: u64) -> Result<Self> {
        store.check_space()?;
        let path = store.temp_path();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("create", &path))?;
        Ok(Self {
            store,
            file,
            temp: TempFile(path),
            hasher: sha2::Sha256::new(),
            size: 0,
            size_max,
            unchecked: SPACE_CHECK_INTERVAL,
        })
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    /// [`TooLarge`](FileError::TooLarge) as soon as the content outgrows its limit, and
    /// [`NoSpace`](FileError::NoSpace). After an error the writer is good for dropping only.
    pub fn write(&mut self, chunk: &[u8]) -> Result<()> {
        let size = self.size.saturating_add(chunk.len() as u64);
        if size > self.size_max {
            return Err(FileError::TooLarge {
                limit: self.size_max,
            });
        }
        match self.unchecked.checked_sub(chunk.len() as u64) {
            Some(unchecked) => self.unchecked = unchecked,
            None => {
                self.store.check_space()?;
                self.unchecked = SPACE_CHECK_INTERVAL;
            }
        }
        self.file
            .write_all(chunk)
            .map_err(io_error("write", &self.temp.0))?;
        self.hasher.update(chunk);
        self.size = size;
        Ok(())
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Makes the file durable and visible under its hash.
    ///
    /// # Errors
    /// [`Mismatch`](FileError::Mismatch) when the content is not what was `expected`; nothing is stored then.
    pub fn finish(self, expected: Option<Sha256>) -> Result<Stored> {
        let sha256 = Sha256::finish(self.hasher);
        if let Some(expected) = expected.filter(|expected| *expected != sha256) {
            return Err(FileError::Mismatch {
                expected,
                actual: sha256,
            });
        }
        seal(&self.file, &self.temp.0)?;
        self.store.place(&self.temp.0, sha256, self.size)
    }

    /// Puts another file in the place of the temporary one, to see how its errors come out.
    #[cfg(test)]
    pub(super) fn replace_file(&mut self, file: File) {
        self.file = file;
    }
}

/// Makes a finished file read-only and durable. This must come before it gets its name in the store.
pub(super) fn seal(file: &File, path: &Path) -> Result<()> {
    file.set_permissions(Permissions::from_mode(STORED_MODE))
        .map_err(io_error("make read-only", path))?;
    file.sync_all().map_err(io_error("sync", path))
}
