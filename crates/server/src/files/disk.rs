//! The system calls behind the store, with errors that say what was tried on which path.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use sha2::Digest as _;

use super::error::{FileError, Result, io_error};
use super::{COPY_BUFFER, Sha256};

const FORMAT: &str = "trefoil-files 1\n";

/// Locks the file that names the layout, and reads or writes it.
pub(super) fn open_format(root: &Path) -> Result<File> {
    let path = root.join("FORMAT");
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error("open", &path))?;
    if !crate::lock::lock_within_a_moment(&file).map_err(io_error("lock", &path))? {
        return Err(FileError::Locked {
            path: root.to_path_buf(),
        });
    }
    let mut found = Vec::new();
    // No layout ever has a longer name; a large file here is not ours and is not read into memory.
    let head = (&mut file).take(64).read_to_end(&mut found);
    head.map_err(io_error("read", &path))?;
    if found.is_empty() {
        file.write_all(FORMAT.as_bytes())
            .map_err(io_error("write", &path))?;
        file.sync_all().map_err(io_error("sync", &path))?;
        sync_directory(root)?;
    } else if found != FORMAT.as_bytes() {
        return Err(FileError::Format {
            path,
            found: String::from_utf8_lossy(&found).trim_end().to_owned(),
            expected: FORMAT.trim_ascii_end(),
        });
    }
    Ok(file)
}

/// Renames without replacing. Where the file system cannot do that, a plain rename is as good: an equal name means
/// equal content.
pub(super) fn rename_new(from: &Path, to: &Path) -> rustix::io::Result<()> {
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => rustix::fs::rename(from, to),
        result => result,
    }
}

/// Hash and length of a whole file.
pub(super) fn hash_file(mut file: File, path: &Path) -> Result<(Sha256, u64)> {
    let mut hasher = sha2::Sha256::new();
    let mut size = 0;
    let mut buffer = vec![0; COPY_BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((Sha256::finish(hasher), size)),
            Ok(length) => {
                hasher.update(&buffer[..length]);
                size += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error("read", path)(error)),
        }
    }
}

/// The paths in a directory.
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(io_error("list", directory))
}

/// Makes a directory; whether it was not there before.
pub(super) fn make_directory(path: &Path) -> Result<bool> {
    match fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(io_error("create directory", path)(error)),
    }
}

/// Makes names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(io_error("sync directory", path))
}

pub(super) fn sync_parent(path: &Path) -> Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}
