//! A full disk, for real: `/dev/full`, a floor above what is free, and a small file system of its own.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::files::{FileError, NewUpload, Uploads};

#[test]
fn the_error_of_a_full_device_is_no_space() {
    let fixture = Fixture::new();
    let mut writer = fixture.store().writer().unwrap();
    writer.replace_file(OpenOptions::new().write(true).open("/dev/full").unwrap());
    let error = writer.write(b"anything").unwrap_err();
    assert!(matches!(error, FileError::NoSpace { .. }), "{error}");
    drop(writer);
    assert!(fixture.files().is_empty());
}

#[test]
fn the_floor_of_free_space_is_kept() {
    let directory = TempDir::new().unwrap();
    let limits = Limits {
        free_min: u64::MAX,
        ..LIMITS
    };
    let store = FileStore::open(directory.path(), limits).unwrap();
    assert!(matches!(store.writer(), Err(FileError::NoSpace { .. })));
    let uploads = Uploads::open(store.clone()).unwrap();
    assert!(matches!(
        uploads.create(NewUpload::default(), 0),
        Err(FileError::NoSpace { .. })
    ));
    assert!(uploads.is_empty());
    let space = store.space().unwrap();
    assert!(
        space.available > 0 && space.available <= space.total,
        "{space:?}"
    );
}

/// A mounted file system of 2 MiB, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, and one line why, where mounting is not allowed. CI running as root must be able to.
    fn mount(directory: &TempDir) -> Option<Self> {
        let path = directory.path().to_path_buf();
        let tried = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "trefoil-test"])
            .arg(&path)
            .output();
        let why = match tried {
            Ok(output) if output.status.success() => return Some(Self(path)),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        let is_root = rustix::process::geteuid().is_root();
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(
            !(is_root && is_ci),
            "CI as root has to mount a small disk: {why}"
        );
        println!("skipped: no small disk can be mounted here: {why}");
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_visible_and_takes_files_again_when_there_is_room() {
    let directory = TempDir::new().unwrap();
    let Some(disk) = SmallDisk::mount(&directory) else {
        return;
    };
    let limits = Limits {
        size_max: 64 << 20,
        ..LIMITS
    };
    let mut fixture = Fixture {
        directory,
        store: None,
    };
    fixture.store = Some(FileStore::open(&fixture.root(), limits).unwrap());
    let store = fixture.store().clone();
    let first = fixture.put(&[1; 500_000]).sha256;

    let mut writer = store.writer().unwrap();
    let error = (0..64)
        .find_map(|_| writer.write(&[2; 65536]).err())
        .expect("2 MiB cannot hold 4 MiB");
    assert!(matches!(error, FileError::NoSpace { .. }), "{error}");
    drop(writer);
    assert_eq!(fixture.files(), [relative(&first)]);

    // An upload keeps what fitted, says how much that was, and goes on when there is room.
    let uploads = Uploads::open(store.clone()).unwrap();
    let id = uploads.create(NewUpload::default(), 0).unwrap();
    let mut writer = uploads.append(id, 0).unwrap();
    let error = (0..64)
        .find_map(|_| writer.write(&[3; 65536]).err())
        .expect("2 MiB cannot hold 4 MiB");
    assert!(matches!(error, FileError::NoSpace { .. }), "{error}");
    drop(writer);
    let offset = uploads.offset(id).unwrap();
    assert!(offset > 0 && offset < 2 << 20, "{offset}");
    store.remove(&first).unwrap();
    let mut writer = uploads.append(id, offset).unwrap();
    writer.write(&[3; 1000]).unwrap();
    assert_eq!(writer.finish().unwrap(), offset + 1000);
    let content = vec![3; usize::try_from(offset).unwrap() + 1000];
    assert_eq!(uploads.complete(id).unwrap().sha256, Sha256::of(&content));

    drop((store, uploads));
    fixture.store = None;
    drop(disk);
}
