//! Resumable uploads: bytes that come in several requests and become a stored file at the end.
//!
//! Each upload is a directory `uploads/<id>` with `meta.json` (replaced as a whole, synced) and `data`. How far the
//! upload got is the length of `data` and nothing else, so a killed process loses no more than what the file system
//! had not taken; the client asks for the offset and goes on from there. A directory without `meta.json` was never
//! answered for, or is half removed; it goes when the store is opened.

mod id;
mod meta;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::id::{ParseUploadIdError, UploadId};
pub use self::meta::{NewUpload, Upload};

use self::meta::{read_meta, remove_directory, write_meta};
use super::disk::{entries, hash_file, make_directory, sync_directory};
use super::error::{Result, io_error};
use super::writer::seal;
use super::{FileError, FileStore, SPACE_CHECK_INTERVAL, Sha256, Stored};

/// How long an upload is kept after it was made, complete or not.
const KEPT_MS: u64 = 24 * 60 * 60 * 1000;

/// The resumable uploads of a [`FileStore`]. Clones share them.
#[derive(Clone, Debug)]
pub struct Uploads {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: FileStore,
    root: PathBuf,
    /// All uploads; short accesses only, no I/O under the lock.
    uploads: Mutex<HashMap<UploadId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    upload: Upload,
    /// A [`Claim`] on it lives.
    is_busy: bool,
}

/// The right to change one upload; one at a time.
#[derive(Debug)]
struct Claim {
    uploads: Uploads,
    id: UploadId,
}

/// Appends to an upload. Dropped without [`finish`](Self::finish), it leaves the bytes written so far, unsynced:
/// the offset tells how far it got.
#[derive(Debug)]
pub struct UploadWriter {
    file: File,
    path: PathBuf,
    offset: u64,
    size_max: u64,
    unchecked: u64,
    claim: Claim,
}

impl Uploads {
    /// Finds the uploads that are under way in `store`.
    ///
    /// # Errors
    /// The directory cannot be read. A damaged upload is removed with a warning instead.
    pub fn open(store: FileStore) -> Result<Self> {
        let root = store.uploads_path();
        let mut uploads = HashMap::new();
        for directory in entries(&root)? {
            let Some(id) = directory
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok())
            else {
                tracing::warn!(path = %directory.display(), "not an upload; left alone");
                continue;
            };
            match read_meta(&directory)? {
                Some(upload) => {
                    uploads.insert(
                        id,
                        Entry {
                            upload,
                            is_busy: false,
                        },
                    );
                }
                None => remove_directory(&directory)?,
            }
        }
        let uploads = Mutex::new(uploads);
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                root,
                uploads,
            }),
        })
    }

    /// Starts an upload; it is durable when this returns.
    ///
    /// # Errors
    /// [`TooLarge`](FileError::TooLarge), [`TooManyUploads`](FileError::TooManyUploads),
    /// [`NoSpace`](FileError::NoSpace).
    pub fn create(&self, announced: NewUpload, now_ms: u64) -> Result<UploadId> {
        let limits = *self.inner.store.limits();
        if announced.size.is_some_and(|size| size > limits.size_max) {
            return Err(FileError::TooLarge {
                limit: limits.size_max,
            });
        }
        self.inner.store.check_space()?;
        let id = UploadId::new(now_ms)?;
        let upload = Upload {
            announced,
            created_ms: now_ms,
            stored: None,
        };
        // The place is taken first, so that requests at once cannot exceed the limit together. It is busy until the
        // directory is there.
        let claim = self.insert(id, upload.clone(), limits.uploads_max)?;
        if let Err(error) = self.write_new(id, &upload) {
            self.lock().remove(&id);
            // A directory without `meta.json` is as good as none.
            let _ = fs::remove_dir_all(self.directory(id));
            return Err(error);
        }
        drop(claim);
        Ok(id)
    }

    /// What was announced, and the stored file if the upload is complete.
    ///
    /// # Errors
    /// [`UploadNotFound`](FileError::UploadNotFound).
    pub fn get(&self, id: UploadId) -> Result<Upload> {
        let uploads = self.lock();
        let entry = uploads.get(&id).ok_or(FileError::UploadNotFound(id))?;
        Ok(entry.upload.clone())
    }

    /// Where the next append has to start: the bytes that are there. They are durable once an append that wrote
    /// them was finished.
    ///
    /// # Errors
    /// [`UploadNotFound`](FileError::UploadNotFound).
    pub fn offset(&self, id: UploadId) -> Result<u64> {
        let upload = self.get(id)?;
        if let Some(sha256) = upload.stored {
            return self.inner.store.size(&sha256);
        }
        let path = self.directory(id).join("data");
        let metadata = fs::symlink_metadata(&path).map_err(io_error("look at", &path))?;
        Ok(metadata.len())
    }

    /// Starts appending at `offset`, which has to be where the upload is.
    ///
    /// # Errors
    /// [`UploadNotFound`](FileError::UploadNotFound), [`UploadBusy`](FileError::UploadBusy),
    /// [`UploadCompleted`](FileError::UploadCompleted), [`UploadOffset`](FileError::UploadOffset) with the true
    /// offset, [`NoSpace`](FileError::NoSpace).
    pub fn append(&self, id: UploadId, offset: u64) -> Result<UploadWriter> {
        let (claim, upload) = self.claim(id)?;
        if upload.stored.is_some() {
            return Err(FileError::UploadCompleted(id));
        }
        let actual = self.offset(id)?;
        if actual != offset {
            return Err(FileError::UploadOffset {
                given: offset,
                actual,
            });
        }
        self.inner.store.check_space()?;
        let path = self.directory(id).join("data");
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        Ok(UploadWriter {
            file,
            path,
            offset,
            size_max: upload
                .announced
                .size
                .unwrap_or(self.inner.store.limits().size_max),
            unchecked: SPACE_CHECK_INTERVAL,
            claim,
        })
    }

    /// Makes the upload a stored file. Doing it again gives the same file, so a client that lost the answer may ask
    /// again.
    ///
    /// # Errors
    /// [`UploadIncomplete`](FileError::UploadIncomplete) when announced bytes are missing;
    /// [`Mismatch`](FileError::Mismatch) when the content is not what was announced (the upload is removed: appending
    /// cannot mend it); [`NotFound`](FileError::NotFound) when the file was removed since.
    pub fn complete(&self, id: UploadId) -> Result<Stored> {
        let (_claim, mut upload) = self.claim(id)?;
        let store = &self.inner.store;
        let data = self.directory(id).join("data");
        if let Some(sha256) = upload.stored {
            // Unless a process was killed between writing this down and the rename, the data has been moved.
            return match fs::symlink_metadata(&data) {
                Ok(metadata) => store.place(&data, sha256, metadata.len()),
                Err(_) => self.stored_before(sha256),
            };
        }
        let file = File::open(&data).map_err(io_error("open", &data))?;
        let size = file.metadata().map_err(io_error("look at", &data))?.len();
        if let Some(announced) = upload.announced.size.filter(|announced| *announced != size) {
            return Err(FileError::UploadIncomplete {
                offset: size,
                size: announced,
            });
        }
        // Sealed before it is read: what is hashed is what is on the disk.
        seal(&file, &data)?;
        let (actual, size) = hash_file(file, &data)?;
        if let Some(expected) = upload
            .announced
            .sha256
            .filter(|expected| *expected != actual)
        {
            self.discard(id)?;
            return Err(FileError::Mismatch { expected, actual });
        }
        upload.stored = Some(actual);
        write_meta(&self.directory(id), &upload)?;
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.upload = upload;
        }
        store.place(&data, actual, size)
    }

    /// Removes an upload and its bytes; a file that came from it stays.
    ///
    /// # Errors
    /// [`UploadNotFound`](FileError::UploadNotFound), [`UploadBusy`](FileError::UploadBusy).
    pub fn remove(&self, id: UploadId) -> Result<()> {
        let (_claim, _) = self.claim(id)?;
        self.discard(id)
    }

    /// Removes the uploads made 24 hours before `now_ms` or earlier, but for those in use; returns how many.
    ///
    /// # Errors
    /// A directory cannot be removed.
    pub fn expire(&self, now_ms: u64) -> Result<usize> {
        let is_old = |entry: &Entry| {
            entry.upload.created_ms.saturating_add(KEPT_MS) <= now_ms && !entry.is_busy
        };
        let old: Vec<UploadId> = {
            let uploads = self.lock();
            uploads
                .iter()
                .filter(|(_, entry)| is_old(entry))
                .map(|(id, _)| *id)
                .collect()
        };
        let mut removed = 0;
        for id in old {
            match self.remove(id) {
                Ok(()) => removed += 1,
                // Somebody was quicker, or began to use it: the next round looks again.
                Err(FileError::UploadNotFound(_) | FileError::UploadBusy(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(removed)
    }

    /// How many uploads are kept, complete ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether no upload is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn insert(&self, id: UploadId, upload: Upload, uploads_max: usize) -> Result<Claim> {
        if self.len() >= uploads_max {
            self.evict_completed()?;
        }
        let mut uploads = self.lock();
        if uploads.len() >= uploads_max {
            return Err(FileError::TooManyUploads { limit: uploads_max });
        }
        uploads.insert(
            id,
            Entry {
                upload,
                is_busy: true,
            },
        );
        Ok(Claim {
            uploads: self.clone(),
            id,
        })
    }

    /// Makes room: a completed upload is kept only for clients that lost the answer, the oldest of them least likely.
    fn evict_completed(&self) -> Result<()> {
        let oldest = {
            let uploads = self.lock();
            let completed = uploads
                .iter()
                .filter(|(_, entry)| entry.upload.stored.is_some() && !entry.is_busy);
            completed
                .min_by_key(|(_, entry)| entry.upload.created_ms)
                .map(|(id, _)| *id)
        };
        match oldest.map(|id| self.remove(id)) {
            None | Some(Ok(()) | Err(FileError::UploadNotFound(_) | FileError::UploadBusy(_))) => {
                Ok(())
            }
            Some(Err(error)) => Err(error),
        }
    }

    fn write_new(&self, id: UploadId, upload: &Upload) -> Result<()> {
        let directory = self.directory(id);
        make_directory(&directory)?;
        let data = directory.join("data");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&data)
            .map_err(io_error("create", &data))?;
        write_meta(&directory, upload)?;
        sync_directory(&self.inner.root)
    }

    fn stored_before(&self, sha256: Sha256) -> Result<Stored> {
        let pin = self.inner.store.pin(&sha256)?;
        Ok(Stored {
            sha256,
            size: self.inner.store.size(&sha256)?,
            is_new: false,
            pin,
        })
    }

    /// The caller holds the claim.
    fn discard(&self, id: UploadId) -> Result<()> {
        remove_directory(&self.directory(id))?;
        self.lock().remove(&id);
        Ok(())
    }

    fn claim(&self, id: UploadId) -> Result<(Claim, Upload)> {
        let mut uploads = self.lock();
        let entry = uploads.get_mut(&id).ok_or(FileError::UploadNotFound(id))?;
        if entry.is_busy {
            return Err(FileError::UploadBusy(id));
        }
        entry.is_busy = true;
        let claim = Claim {
            uploads: self.clone(),
            id,
        };
        Ok((claim, entry.upload.clone()))
    }

    fn directory(&self, id: UploadId) -> PathBuf {
        self.inner.root.join(id.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UploadId, Entry>> {
        self.inner
            .uploads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(entry) = self.uploads.lock().get_mut(&self.id) {
            entry.is_busy = false;
        }
    }
}

impl UploadWriter {
    /// Appends `chunk`.
    ///
    /// # Errors
    /// [`TooLarge`](FileError::TooLarge) when it goes beyond the announced size or the limit (nothing of the chunk is
    /// kept), [`NoSpace`](FileError::NoSpace).
    pub fn write(&mut self, chunk: &[u8]) -> Result<()> {
        let offset = self.offset.saturating_add(chunk.len() as u64);
        if offset > self.size_max {
            return Err(FileError::TooLarge {
                limit: self.size_max,
            });
        }
        match self.unchecked.checked_sub(chunk.len() as u64) {
            Some(unchecked) => self.unchecked = unchecked,
            None => {
                self.claim.uploads.inner.store.check_space()?;
                self.unchecked = SPACE_CHECK_INTERVAL;
            }
        }
        self.file
            .write_all(chunk)
            .map_err(io_error("write", &self.path))?;
        self.offset = offset;
        Ok(())
    }

    /// Makes the appended bytes durable and returns the new offset.
    ///
    /// # Errors
    /// The operating system cannot sync.
    pub fn finish(self) -> Result<u64> {
        self.file
            .sync_data()
            .map_err(io_error("sync", &self.path))?;
        Ok(self.offset)
    }
}
