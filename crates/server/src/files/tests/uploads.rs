//! Resumable uploads, also across kills.

use super::*;
use crate::files::{FileError, NewUpload, UploadId, Uploads};

const DAY_MS: u64 = 86_400_000;

fn announced(size: u64) -> NewUpload {
    NewUpload {
        size: Some(size),
        ..NewUpload::default()
    }
}

fn append(uploads: &Uploads, id: UploadId, offset: u64, chunk: &[u8]) -> Result<u64, FileError> {
    let mut writer = uploads.append(id, offset)?;
    writer.write(chunk)?;
    writer.finish()
}

fn open(fixture: &Fixture) -> Uploads {
    Uploads::open(fixture.store().clone()).unwrap()
}

#[test]
fn pieces_become_a_file() {
    let fixture = Fixture::new();
    let uploads = open(&fixture);
    let announced = NewUpload {
        name: Some("a/../b".to_owned()),
        media_type: Some("text/plain".to_owned()),
        size: Some(10),
        sha256: Some(Sha256::of(b"helloworld")),
    };
    let id = uploads.create(announced.clone(), 5).unwrap();
    assert_eq!(uploads.offset(id).unwrap(), 0);
    assert_eq!(append(&uploads, id, 0, b"hello").unwrap(), 5);
    let wrong = append(&uploads, id, 4, b"world").unwrap_err();
    assert!(
        matches!(
            wrong,
            FileError::UploadOffset {
                given: 4,
                actual: 5
            }
        ),
        "{wrong}"
    );
    let early = uploads.complete(id).unwrap_err();
    assert!(
        matches!(
            early,
            FileError::UploadIncomplete {
                offset: 5,
                size: 10
            }
        ),
        "{early}"
    );
    let long = append(&uploads, id, 5, b"world!").unwrap_err();
    assert!(matches!(long, FileError::TooLarge { limit: 10 }), "{long}");
    assert_eq!(append(&uploads, id, 5, b"world").unwrap(), 10);

    let stored = uploads.complete(id).unwrap();
    assert_eq!(
        (stored.sha256, stored.size, stored.is_new),
        (Sha256::of(b"helloworld"), 10, true)
    );
    // The client may have lost the answer.
    let again = uploads.complete(id).unwrap();
    assert_eq!(
        (again.sha256, again.size, again.is_new),
        (stored.sha256, 10, false)
    );
    assert!(matches!(
        append(&uploads, id, 10, b""),
        Err(FileError::UploadCompleted(_))
    ));
    assert_eq!(uploads.offset(id).unwrap(), 10);
    let kept = uploads.get(id).unwrap();
    assert_eq!(
        (kept.announced, kept.created_ms, kept.stored),
        (announced, 5, Some(stored.sha256))
    );
    assert_eq!(
        fixture.files(),
        [relative(&stored.sha256), format!("uploads/{id}/meta.json")]
    );
}

#[test]
fn one_writer_at_a_time() {
    let fixture = Fixture::new();
    let uploads = open(&fixture);
    let id = uploads.create(NewUpload::default(), 0).unwrap();
    let mut writer = uploads.append(id, 0).unwrap();
    writer.write(b"abc").unwrap();
    assert!(matches!(
        uploads.append(id, 3),
        Err(FileError::UploadBusy(_))
    ));
    assert!(matches!(
        uploads.complete(id),
        Err(FileError::UploadBusy(_))
    ));
    assert!(matches!(uploads.remove(id), Err(FileError::UploadBusy(_))));
    assert_eq!(
        uploads.expire(DAY_MS).unwrap(),
        0,
        "one in use does not expire"
    );
    drop(writer);
    assert_eq!(
        uploads.offset(id).unwrap(),
        3,
        "a broken connection keeps what came"
    );
    assert_eq!(append(&uploads, id, 3, b"def").unwrap(), 6);
    assert_eq!(uploads.complete(id).unwrap().sha256, Sha256::of(b"abcdef"));
}

#[test]
fn other_content_than_announced_is_discarded() {
    let fixture = Fixture::new();
    let uploads = open(&fixture);
    let announced = NewUpload {
        sha256: Some(Sha256::of(b"good")),
        ..NewUpload::default()
    };
    let id = uploads.create(announced, 0).unwrap();
    append(&uploads, id, 0, b"evil").unwrap();
    assert!(matches!(
        uploads.complete(id),
        Err(FileError::Mismatch { .. })
    ));
    assert!(matches!(uploads.get(id), Err(FileError::UploadNotFound(_))));
    assert!(fixture.files().is_empty());
}

#[test]
fn uploads_are_kept_for_a_day() {
    let fixture = Fixture::new();
    let uploads = open(&fixture);
    let old = uploads.create(NewUpload::default(), 1000).unwrap();
    let new = uploads.create(NewUpload::default(), 1001).unwrap();
    assert_eq!(uploads.expire(DAY_MS + 999).unwrap(), 0);
    assert_eq!(uploads.expire(DAY_MS + 1000).unwrap(), 1);
    assert!(matches!(
        uploads.offset(old),
        Err(FileError::UploadNotFound(_))
    ));
    assert_eq!(uploads.offset(new).unwrap(), 0);
    uploads.remove(new).unwrap();
    assert!(uploads.is_empty());
    assert!(fixture.files().is_empty());
}

#[test]
fn limits_of_size_and_number() {
    let fixture = Fixture::new();
    let uploads = open(&fixture);
    assert!(matches!(
        uploads.create(announced(4097), 0),
        Err(FileError::TooLarge { limit: 4096 })
    ));
    let ids: Vec<_> = (0..4)
        .map(|now| uploads.create(announced(4096), now).unwrap())
        .collect();
    assert!(matches!(
        uploads.create(announced(1), 9),
        Err(FileError::TooManyUploads { limit: 4 })
    ));
    append(&uploads, ids[2], 0, &[0; 4096]).unwrap();
    uploads.complete(ids[2]).unwrap();
    uploads.create(announced(1), 9).unwrap();
    assert!(
        matches!(uploads.get(ids[2]), Err(FileError::UploadNotFound(_))),
        "a complete one makes room"
    );
    assert_eq!(uploads.len(), 4);
}

#[test]
fn a_kill_loses_no_acknowledged_byte() {
    let mut fixture = Fixture::new();
    let id = {
        let uploads = open(&fixture);
        let id = uploads.create(announced(8), 7).unwrap();
        append(&uploads, id, 0, b"abcd").unwrap();
        // Killed in the middle of the next append.
        let mut writer = uploads.append(id, 4).unwrap();
        writer.write(b"ef").unwrap();
        id
    };
    fixture.reopen();
    let uploads = open(&fixture);
    assert_eq!(uploads.get(id).unwrap().announced, announced(8));
    assert_eq!(uploads.offset(id).unwrap(), 6);
    append(&uploads, id, 6, b"gh").unwrap();
    assert_eq!(
        uploads.complete(id).unwrap().sha256,
        Sha256::of(b"abcdefgh")
    );
}

/// A power failure may cut what was not synced; then the offset is smaller, and that is all.
#[test]
fn a_torn_tail_is_a_smaller_offset() {
    let mut fixture = Fixture::new();
    let id = {
        let uploads = open(&fixture);
        let id = uploads.create(NewUpload::default(), 7).unwrap();
        append(&uploads, id, 0, b"abcd").unwrap();
        id
    };
    let data = fixture.root().join(format!("uploads/{id}/data"));
    fs::OpenOptions::new()
        .write(true)
        .open(&data)
        .unwrap()
        .set_len(3)
        .unwrap();
    fixture.reopen();
    let uploads = open(&fixture);
    assert!(matches!(
        append(&uploads, id, 4, b"x"),
        Err(FileError::UploadOffset { actual: 3, .. })
    ));
    append(&uploads, id, 3, b"DE").unwrap();
    assert_eq!(uploads.complete(id).unwrap().sha256, Sha256::of(b"abcDE"));
}

/// Killed between writing down the hash and renaming, and between renaming and the answer.
#[test]
fn completion_is_finished_after_a_kill() {
    let mut fixture = Fixture::new();
    let (id, sha256) = {
        let uploads = open(&fixture);
        let id = uploads.create(NewUpload::default(), 7).unwrap();
        append(&uploads, id, 0, b"content").unwrap();
        (id, uploads.complete(id).unwrap().sha256)
    };
    let data = fixture.root().join(format!("uploads/{id}/data"));
    fs::rename(fixture.store().path(&sha256), &data).unwrap();
    fixture.reopen();
    let uploads = open(&fixture);
    let stored = uploads.complete(id).unwrap();
    assert_eq!(
        (stored.sha256, stored.size, stored.is_new),
        (sha256, 7, true)
    );
    drop((stored, uploads));

    fixture.reopen();
    let uploads = open(&fixture);
    assert!(!uploads.complete(id).unwrap().is_new);
    fixture.store().remove(&sha256).unwrap();
    assert!(matches!(uploads.complete(id), Err(FileError::NotFound(_))));
    assert!(matches!(uploads.offset(id), Err(FileError::NotFound(_))));
}

#[test]
fn remains_of_half_made_and_half_removed_uploads_go() {
    let mut fixture = Fixture::new();
    let id = open(&fixture).create(NewUpload::default(), 0).unwrap();
    let uploads = fixture.root().join("uploads");
    for (name, file, content) in [
        ("0".repeat(32), "data", &b"no meta"[..]),
        ("1".repeat(32), "meta.json.new", b"{}"),
        ("2".repeat(32), "meta.json", b"{\"torn"),
    ] {
        fs::create_dir(uploads.join(&name)).unwrap();
        fs::write(uploads.join(name).join(file), content).unwrap();
    }
    fs::write(uploads.join("README"), b"not ours").unwrap();
    fixture.reopen();
    let found = open(&fixture);
    assert_eq!(found.len(), 1);
    assert_eq!(
        fixture.files(),
        [
            format!("uploads/{id}/data"),
            format!("uploads/{id}/meta.json"),
            "uploads/README".to_owned(),
        ]
    );
}

#[test]
fn ids_are_written_in_one_way_only() {
    let fixture = Fixture::new();
    let id = open(&fixture)
        .create(NewUpload::default(), 1_700_000_000_000)
        .unwrap();
    let text = id.to_string();
    assert_eq!(text.parse(), Ok(id));
    assert_eq!(
        &text[..13],
        "018bcfe568007",
        "the time and the version of a UUIDv7"
    );
    let hyphens = format!("{}-{}", &text[..8], &text[8..]);
    for bad in [
        "",
        "..",
        &text[1..],
        &hyphens,
        &text.to_uppercase(),
        &format!("../{}", &text[3..]),
    ] {
        assert!(bad.parse::<UploadId>().is_err(), "{bad:?}");
    }
}
