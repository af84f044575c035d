//! Tests of the file store on real directories.

mod space;
mod store;
mod stream;
mod uploads;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{FileStore, Limits, Sha256, Stored};

/// Small enough to be met, and no floor of free space: the machine's disk is none of a test's business.
const LIMITS: Limits = Limits {
    size_max: 4096,
    free_min: 0,
    uploads_max: 4,
};

/// A store in a directory of its own.
struct Fixture {
    directory: TempDir,
    store: Option<FileStore>,
}

impl Fixture {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = Some(FileStore::open(&directory.path().join("files"), LIMITS).unwrap());
        Self { directory, store }
    }

    fn store(&self) -> &FileStore {
        self.store.as_ref().unwrap()
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    /// What a restart after a kill sees: whatever is on disk now.
    fn reopen(&mut self) {
        self.store = None;
        self.store = Some(FileStore::open(&self.root(), LIMITS).unwrap());
    }

    fn put(&self, content: &[u8]) -> Stored {
        let mut writer = self.store().writer().unwrap();
        writer.write(content).unwrap();
        writer.finish(None).unwrap()
    }

    /// Every file in the store that has content, relative to its root.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root(), &self.root(), &mut found);
        found.retain(|path| path != "FORMAT");
        found.sort();
        found
    }
}

fn walk(root: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, found);
        } else {
            found.push(
                path.strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
}

fn relative(sha256: &Sha256) -> String {
    let digits = sha256.to_string();
    format!("{}/{}", &digits[..2], &digits[2..])
}
