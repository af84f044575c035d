//! What is written down about an upload, and how.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::super::Sha256;
use super::super::disk::sync_directory;
use super::super::error::{Result, io_error};

/// What a client says about a file before it sends it. All of it is optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUpload {
    /// Name of the file; kept, never used as a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Media type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Length in bytes; appending more is refused, completing with less too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Hash of the content, checked at completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
}

/// An upload as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// What was announced.
    pub announced: NewUpload,
    /// When it was made, in milliseconds of Unix time.
    pub created_ms: u64,
    /// The stored file, once the upload has been completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Sha256>,
}

/// The upload in `directory`; `None` if it has none that can be read.
pub(super) fn read_meta(directory: &Path) -> Result<Option<Upload>> {
    let path = directory.join("meta.json");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    match serde_json::from_slice(&bytes) {
        Ok(upload) => Ok(Some(upload)),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a damaged upload is removed");
            Ok(None)
        }
    }
}

/// Replaces `meta.json` as a whole.
pub(super) fn write_meta(directory: &Path, upload: &Upload) -> Result<()> {
    let path = directory.join("meta.json");
    let new = directory.join("meta.json.new");
    let json =
        serde_json::to_vec(upload).map_err(|error| io_error("write", &path)(error.into()))?;
    let mut file = File::create(&new).map_err(io_error("create", &new))?;
    file.write_all(&json).map_err(io_error("write", &new))?;
    file.sync_all().map_err(io_error("sync", &new))?;
    fs::rename(&new, &path).map_err(io_error("rename to", &path))?;
    sync_directory(directory)
}

/// Removes the directory of an upload, `meta.json` first: what is left half way counts as no upload.
pub(super) fn remove_directory(directory: &Path) -> Result<()> {
    let meta = directory.join("meta.json");
    match fs::remove_file(&meta) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("remove", &meta)(error));
        }
        _ => {}
    }
    fs::remove_dir_all(directory).map_err(io_error("remove", directory))
}
