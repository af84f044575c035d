//! What can go wrong with stored bytes, and whose fault it is.

use std::io;
use std::path::{Path, PathBuf};

use super::{Sha256, UploadId};

/// Why the file store refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The sender's content is longer than it may be.
    #[error("the content is longer than {limit} bytes")]
    TooLarge {
        /// The limit that was met.
        limit: u64,
    },
    /// The content is not what the sender said it would be.
    #[error("the content has SHA-256 {actual}, but {expected} was announced")]
    Mismatch {
        /// The hash the sender announced.
        expected: Sha256,
        /// The hash of what came.
        actual: Sha256,
    },
    /// No such file is stored.
    #[error("no file {0} is stored")]
    NotFound(Sha256),
    /// The file is being stored or referred to at this moment.
    #[error("file {0} is in use")]
    InUse(Sha256),
    /// A program left something that is not a plain file below its own directory.
    #[error("{} is not a regular file: {reason}", path.display())]
    NotRegular {
        /// What was to be taken in.
        path: PathBuf,
        /// What it is instead.
        reason: &'static str,
    },
    /// No such upload: never made, or expired.
    #[error("no upload {0}")]
    UploadNotFound(UploadId),
    /// Somebody else is appending to the upload, or completing it, at this moment.
    #[error("upload {0} is being written by another request")]
    UploadBusy(UploadId),
    /// The upload has been completed; nothing can be appended.
    #[error("upload {0} is complete")]
    UploadCompleted(UploadId),
    /// The append does not start where the upload ends.
    #[error("the upload is at offset {actual}, not {given}")]
    UploadOffset {
        /// Where the sender wanted to go on.
        given: u64,
        /// Where it must go on.
        actual: u64,
    },
    /// The upload cannot be completed: bytes are missing.
    #[error("the upload has {offset} of {size} bytes")]
    UploadIncomplete {
        /// Bytes that are there.
        offset: u64,
        /// Bytes that were announced.
        size: u64,
    },
    /// As many uploads are open as may be.
    #[error("{limit} uploads are open already")]
    TooManyUploads {
        /// The limit that was met.
        limit: usize,
    },
    /// The disk or a quota is full, or would be fuller than it may get.
    #[error("no space left for files in {}: {reason}", path.display())]
    NoSpace {
        /// Where there is no space.
        path: PathBuf,
        /// What the operating system said, or which floor was met.
        reason: String,
    },
    /// The bytes on disk are no longer what was stored.
    #[error("file {expected} is damaged: its content has SHA-256 {actual}")]
    Corrupt {
        /// The address of the file.
        expected: Sha256,
        /// The hash of what is there.
        actual: Sha256,
    },
    /// The directory was written by a version of Trefoil with another layout.
    #[error("{} says {found:?}; this version reads {expected:?}", path.display())]
    Format {
        /// The file that names the layout.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it has to say.
        expected: &'static str,
    },
    /// Another process has the store open.
    #[error("{} is in use by another process", path.display())]
    Locked {
        /// The directory of the store.
        path: PathBuf,
    },
    /// An operation of the operating system failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The writer failed before, so it takes nothing more; or its thread is gone because the runtime ends.
    #[error("the writer is closed")]
    Closed,
}

/// Result of the file store.
pub type Result<T> = std::result::Result<T, FileError>;

/// Makes the error of a failed system call; a full disk or quota is an error of its own.
pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_path_buf();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FileError::NoSpace {
            path,
            reason: source.to_string(),
        },
        _ => FileError::Io {
            action,
            path,
            source,
        },
    }
}
