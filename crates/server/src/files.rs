//! The store of files, addressed by the SHA-256 of their content. Only bytes: names, media types and who refers to a
//! file are kept elsewhere.
//!
//! Everything here blocks. Call it from blocking threads; [`AsyncFileWriter`] streams into it from the asynchronous side.
//!
//! # Layout on disk
//!
//! ```text
//! <root>/FORMAT                    "trefoil-files 1\n"; locked while a process has the store open
//! <root>/<2 digits>/<62 digits>    a stored file, mode 0444, named by the hash of its content
//! <root>/tmp/<n>                   a file being written; removed when the store is opened
//! <root>/uploads/<id>/meta.json    a resumable upload (see `files/uploads.rs`)
//! <root>/uploads/<id>/data         the bytes of it that have come
//! ```
//!
//! A file is written under `tmp`, made read-only, synced, and only then renamed to its name; then the directory is
//! synced. So what has a name is whole, and what was reported stored survives a power failure. A stored file never
//! changes; the same content stored twice is one file.

mod async_writer;
mod disk;
mod error;
mod ingest;
mod sha256;
mod uploads;
mod writer;

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::OFlags;
use rustix::io::Errno;

pub use self::async_writer::{AsyncFileWriter, AsyncUploadWriter, AsyncWriter, BlockingWrite};
pub use self::error::{FileError, Result};
pub use self::sha256::{ParseSha256Error, Sha256};
pub use self::uploads::{NewUpload, ParseUploadIdError, Upload, UploadId, UploadWriter, Uploads};
pub use self::writer::FileWriter;

use self::disk::{
    entries, hash_file, make_directory, open_format, rename_new, sync_directory, sync_parent,
};
use self::error::io_error;

/// Stored files are read-only for everybody: programs of this user read them, nobody writes them.
const STORED_MODE: u32 = 0o444;
/// Free space is looked at again after so many bytes: rarely enough to cost nothing, often enough that writers
/// working at once overshoot the floor by little.
const SPACE_CHECK_INTERVAL: u64 = 16 * 1024 * 1024;
/// Buffer for copying and hashing whole files.
const COPY_BUFFER: usize = 256 * 1024;

/// What the store accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest file in bytes.
    pub size_max: u64,
    /// Free bytes that files leave on the disk, because the job store on the same disk must still be able to write.
    pub free_min: u64,
    /// Most resumable uploads kept at a time: each holds a directory, and whoever can reach us can make one.
    pub uploads_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            size_max: 64 << 30,
            free_min: 64 << 20,
            uploads_max: 1000,
        }
    }
}

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct FileStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    limits: Limits,
    next_temp: AtomicU64,
    /// How many times each file is pinned. Never held across a slow operation but the unlink in `remove`.
    pins: Mutex<HashMap<Sha256, usize>>,
    /// Holds the lock on the store.
    _format: File,
}

/// A file that has been stored.
#[derive(Debug)]
pub struct Stored {
    /// Its address.
    pub sha256: Sha256,
    /// Its length in bytes.
    pub size: u64,
    /// Whether it was not there before.
    pub is_new: bool,
    /// Keeps it from being removed while its owner writes down who refers to it.
    pub pin: Pin,
}

/// As long as it lives, [`FileStore::remove`] refuses to remove the file.
#[derive(Debug)]
pub struct Pin {
    store: FileStore,
    sha256: Sha256,
}

/// Space on the disk of the store, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total: u64,
    /// What an unprivileged user can still write.
    pub available: u64,
}

impl FileStore {
    /// Opens the store in `root`, makes it if need be, and removes what a killed process left half written.
    ///
    /// # Errors
    /// [`Locked`](FileError::Locked) while another process has it open, [`Format`](FileError::Format) when another
    /// version wrote it.
    pub fn open(root: &Path, limits: Limits) -> Result<Self> {
        fs::create_dir_all(root).map_err(io_error("create directory", root))?;
        let format = open_format(root)?;
        let mut created = make_directory(&root.join("tmp"))?;
        created |= make_directory(&root.join("uploads"))?;
        for shard in 0..=u8::MAX {
            created |= make_directory(&root.join(format!("{shard:02x}")))?;
        }
        if created {
            sync_directory(root)?;
            // The root itself may be new in its parent.
            sync_directory(&root.join(".."))?;
        }
        for path in entries(&root.join("tmp"))? {
            fs::remove_file(&path).map_err(io_error("remove stale", &path))?;
        }
        let inner = Inner {
            root: root.to_path_buf(),
            limits,
            next_temp: AtomicU64::new(0),
            pins: Mutex::default(),
            _format: format,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The limits the store was opened with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Starts a file of at most the configured size.
    ///
    /// # Errors
    /// [`NoSpace`](FileError::NoSpace), or the temporary file cannot be made.
    pub fn writer(&self) -> Result<FileWriter> {
        FileWriter::create(self.clone(), self.inner.limits.size_max)
    }

    /// Starts a file of at most `size_max` bytes, if that is less than the configured size.
    ///
    /// # Errors
    /// As [`writer`](Self::writer).
    pub fn writer_up_to(&self, size_max: u64) -> Result<FileWriter> {
        FileWriter::create(self.clone(), size_max.min(self.inner.limits.size_max))
    }

    /// Where the file is or would be. The path is for reading: nobody may write or rename there.
    #[must_use]
    pub fn path(&self, sha256: &Sha256) -> PathBuf {
        let digits = sha256.to_string();
        let (shard, rest) = digits.split_at(2);
        self.inner.root.join(shard).join(rest)
    }

    /// Opens a stored file for reading.
    ///
    /// # Errors
    /// [`NotFound`](FileError::NotFound).
    pub fn open_file(&self, sha256: &Sha256) -> Result<File> {
        let path = self.path(sha256);
        OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NOFOLLOW.bits() as i32)
            .open(&path)
            .map_err(|error| not_found_or(sha256, error, "open", &path))
    }

    /// Length of a stored file in bytes.
    ///
    /// # Errors
    /// [`NotFound`](FileError::NotFound).
    pub fn size(&self, sha256: &Sha256) -> Result<u64> {
        let path = self.path(sha256);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) => Err(not_found_or(sha256, error, "look at", &path)),
        }
    }

    /// Pins a stored file while a reference to it is being written down elsewhere.
    ///
    /// # Errors
    /// [`NotFound`](FileError::NotFound).
    pub fn pin(&self, sha256: &Sha256) -> Result<Pin> {
        // The pin comes first: from here on the answer of `size` cannot become wrong.
        let pin = self.take_pin(*sha256);
        self.size(sha256)?;
        Ok(pin)
    }

    /// Removes a stored file. Whether anybody still refers to it is for the caller to know.
    ///
    /// # Errors
    /// [`NotFound`](FileError::NotFound); [`InUse`](FileError::InUse) while the file is pinned.
    pub fn remove(&self, sha256: &Sha256) -> Result<()> {
        let path = self.path(sha256);
        {
            let pins = self.pins();
            if pins.contains_key(sha256) {
                return Err(FileError::InUse(*sha256));
            }
            fs::remove_file(&path).map_err(|error| not_found_or(sha256, error, "remove", &path))?;
        }
        sync_parent(&path)
    }

    /// Reads the whole file and checks that it still is what was stored; returns its size.
    ///
    /// # Errors
    /// [`NotFound`](FileError::NotFound), [`Corrupt`](FileError::Corrupt).
    pub fn verify(&self, sha256: &Sha256) -> Result<u64> {
        let path = self.path(sha256);
        let (actual, size) = hash_file(self.open_file(sha256)?, &path)?;
        if actual == *sha256 {
            Ok(size)
        } else {
            Err(FileError::Corrupt {
                expected: *sha256,
                actual,
            })
        }
    }

    /// The addresses of all stored files, in order; read one of the 256 directories at a time.
    ///
    /// For finding files that nothing refers to: a process may have been killed after a file was stored and before
    /// that was written down.
    pub fn iter(&self) -> impl Iterator<Item = Result<Sha256>> + use<> {
        let root = self.inner.root.clone();
        (0..=u8::MAX).flat_map(move |shard| match addresses(&root, shard) {
            Ok(addresses) => addresses.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    }

    /// Space on the disk of the store.
    ///
    /// # Errors
    /// The operating system does not tell.
    pub fn space(&self) -> Result<Space> {
        let root = &self.inner.root;
        let stat =
            rustix::fs::statvfs(root).map_err(|errno| io_error("look at", root)(errno.into()))?;
        Ok(Space {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn check_space(&self) -> Result<()> {
        let floor = self.inner.limits.free_min;
        let available = self.space()?.available;
        if available < floor {
            return Err(FileError::NoSpace {
                path: self.inner.root.clone(),
                reason: format!("{available} bytes are free, and {floor} are kept free"),
            });
        }
        Ok(())
    }

    /// Unique as long as the store is open; older ones were removed when it was opened.
    fn temp_path(&self) -> PathBuf {
        let number = self.inner.next_temp.fetch_add(1, Ordering::Relaxed);
        self.inner.root.join("tmp").join(number.to_string())
    }

    fn uploads_path(&self) -> PathBuf {
        self.inner.root.join("uploads")
    }

    /// Gives a sealed file its name. If the content is there already, that copy stays and the new one goes.
    fn place(&self, temp: &Path, sha256: Sha256, size: u64) -> Result<Stored> {
        // Pinned before it can be seen, so nobody removes it between here and the return.
        let pin = self.take_pin(sha256);
        let path = self.path(&sha256);
        let is_new = match rename_new(temp, &path) {
            Ok(()) => true,
            Err(Errno::EXIST) => {
                if self.size(&sha256)? == size {
                    fs::remove_file(temp).map_err(io_error("remove", temp))?;
                } else {
                    // Something outside cut or extended the stored copy; ours is whole.
                    tracing::warn!(%sha256, "a damaged stored file was replaced");
                    fs::rename(temp, &path).map_err(io_error("rename to", &path))?;
                }
                false
            }
            Err(errno) => return Err(io_error("rename to", &path)(errno.into())),
        };
        // Also when it was there: whoever put it there may not have synced the directory yet.
        sync_parent(&path)?;
        Ok(Stored {
            sha256,
            size,
            is_new,
            pin,
        })
    }

    fn take_pin(&self, sha256: Sha256) -> Pin {
        *self.pins().entry(sha256).or_insert(0) += 1;
        Pin {
            store: self.clone(),
            sha256,
        }
    }

    fn pins(&self) -> MutexGuard<'_, HashMap<Sha256, usize>> {
        self.inner
            .pins
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.store.pins();
        if let Some(count) = pins.get_mut(&self.sha256) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.sha256);
            }
        }
    }
}

/// Addresses in one of the 256 directories. Names that are no address are not ours and are passed over.
fn addresses(root: &Path, shard: u8) -> Result<Vec<Sha256>> {
    let mut found: Vec<Sha256> = entries(&root.join(format!("{shard:02x}")))?
        .iter()
        .filter_map(|path| {
            format!("{shard:02x}{}", path.file_name().and_then(OsStr::to_str)?)
                .parse()
                .ok()
        })
        .collect();
    found.sort_unstable();
    Ok(found)
}

fn not_found_or(sha256: &Sha256, error: io::Error, action: &'static str, path: &Path) -> FileError {
    if error.kind() == io::ErrorKind::NotFound {
        FileError::NotFound(*sha256)
    } else {
        io_error(action, path)(error)
    }
}

#[cfg(test)]
mod tests;
