//! Storing, finding, removing; what a killed process leaves; what is refused.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::files::FileError;

#[test]
fn a_file_is_found_under_the_hash_of_its_content() {
    let fixture = Fixture::new();
    let store = fixture.store();
    let stored = fixture.put(b"hello");
    assert_eq!(
        (stored.sha256, stored.size, stored.is_new),
        (Sha256::of(b"hello"), 5, true)
    );

    let mut content = Vec::new();
    store
        .open_file(&stored.sha256)
        .unwrap()
        .read_to_end(&mut content)
        .unwrap();
    assert_eq!(content, b"hello");
    assert_eq!(store.size(&stored.sha256).unwrap(), 5);
    assert_eq!(store.verify(&stored.sha256).unwrap(), 5);
    assert_eq!(fixture.files(), [relative(&stored.sha256)]);
    let mode = fs::metadata(store.path(&stored.sha256))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o444, "stored files are read-only");
}

#[test]
fn the_same_content_is_one_file() {
    let fixture = Fixture::new();
    assert!(fixture.put(b"same").is_new);
    let again = fixture.put(b"same");
    assert!(!again.is_new);
    assert_eq!(fixture.files(), [relative(&again.sha256)]);
}

#[test]
fn writers_of_the_same_content_at_once_agree_on_one_file() {
    let fixture = Fixture::new();
    let new: usize = thread::scope(|scope| {
        let writers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| usize::from(fixture.put(b"race").is_new)))
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .sum()
    });
    assert_eq!(new, 1, "exactly one of them stored it");
    assert_eq!(fixture.files(), [relative(&Sha256::of(b"race"))]);
}

#[test]
fn announced_hash_is_checked() {
    let fixture = Fixture::new();
    let write = |expected| {
        let mut writer = fixture.store().writer().unwrap();
        writer.write(b"content").unwrap();
        writer.finish(Some(expected))
    };
    assert!(matches!(
        write(Sha256::of(b"other")),
        Err(FileError::Mismatch { .. })
    ));
    assert!(fixture.files().is_empty(), "nothing is left of a mismatch");
    assert!(write(Sha256::of(b"content")).unwrap().is_new);
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let fixture = Fixture::new();
    let mut writer = fixture.store().writer().unwrap();
    writer.write(b"half").unwrap();
    assert_eq!(fixture.files(), ["tmp/0"]);
    drop(writer);
    assert!(fixture.files().is_empty());
}

#[test]
fn size_limit_is_met_as_the_file_grows() {
    let fixture = Fixture::new();
    let mut writer = fixture.store().writer().unwrap();
    writer.write(&[0; 4096]).unwrap();
    assert!(matches!(
        writer.write(b"x"),
        Err(FileError::TooLarge { limit: 4096 })
    ));
    drop(writer);
    assert!(fixture.files().is_empty());

    let mut writer = fixture.store().writer_up_to(3).unwrap();
    assert!(matches!(
        writer.write(b"four"),
        Err(FileError::TooLarge { limit: 3 })
    ));
    let mut writer = fixture.store().writer_up_to(u64::MAX).unwrap();
    assert!(matches!(
        writer.write(&[0; 5000]),
        Err(FileError::TooLarge { limit: 4096 })
    ));
}

#[test]
fn what_a_killed_process_left_is_cleaned_and_the_rest_stays() {
    let mut fixture = Fixture::new();
    let kept = fixture.put(b"kept").sha256;
    fs::write(fixture.root().join("tmp/0"), b"half wri").unwrap();
    fs::write(fixture.root().join("tmp/17"), b"").unwrap();
    fixture.reopen();
    assert_eq!(fixture.files(), [relative(&kept)]);
    assert!(!fixture.put(b"kept").is_new);
}

#[test]
fn removal_waits_for_pins() {
    let fixture = Fixture::new();
    let store = fixture.store();
    let stored = fixture.put(b"pinned");
    let sha256 = stored.sha256;
    assert!(matches!(store.remove(&sha256), Err(FileError::InUse(_))));
    let pin = store.pin(&sha256).unwrap();
    drop(stored);
    assert!(
        matches!(store.remove(&sha256), Err(FileError::InUse(_))),
        "one pin is left"
    );
    drop(pin);
    store.remove(&sha256).unwrap();
    assert!(fixture.files().is_empty());
    for missing in [
        store.remove(&sha256).err(),
        store.pin(&sha256).err(),
        store.open_file(&sha256).err(),
        store.size(&sha256).err(),
        store.verify(&sha256).err(),
    ] {
        assert!(
            matches!(missing, Some(FileError::NotFound(_))),
            "{missing:?}"
        );
    }
}

#[test]
fn damage_is_found_and_mended_by_storing_again() {
    let fixture = Fixture::new();
    let sha256 = fixture.put(b"precious").sha256;
    let path = fixture.store().path(&sha256);
    let damage = |content: &[u8]| {
        fs::remove_file(&path).unwrap();
        fs::write(&path, content).unwrap();
    };
    damage(b"Precious");
    assert!(matches!(
        fixture.store().verify(&sha256),
        Err(FileError::Corrupt { .. })
    ));
    damage(b"prec");
    assert!(!fixture.put(b"precious").is_new);
    assert_eq!(fixture.store().verify(&sha256).unwrap(), 8);
}

#[test]
fn all_addresses_are_listed() {
    let fixture = Fixture::new();
    let mut expected: Vec<Sha256> = (0..50_u8).map(|n| fixture.put(&[n]).sha256).collect();
    expected.sort();
    fs::write(fixture.root().join("00/not-an-address"), b"").unwrap();
    let found: Vec<Sha256> = fixture.store().iter().map(Result::unwrap).collect();
    assert_eq!(found, expected);
}

#[test]
fn one_process_at_a_time_and_one_layout() {
    let mut fixture = Fixture::new();
    let second = FileStore::open(&fixture.root(), LIMITS);
    assert!(
        matches!(second, Err(FileError::Locked { .. })),
        "{second:?}"
    );
    fixture.store = None;
    fs::write(fixture.root().join("FORMAT"), "trefoil-files 9\n").unwrap();
    let newer = FileStore::open(&fixture.root(), LIMITS).unwrap_err();
    assert!(
        newer
            .to_string()
            .contains(r#"says "trefoil-files 9"; this version reads "trefoil-files 1""#),
        "{newer}"
    );
}

#[test]
fn outputs_of_programs_are_copied() {
    let fixture = Fixture::new();
    let out = fixture.directory.path().join("out");
    fs::create_dir_all(out.join("deep/er")).unwrap();
    fs::write(out.join("deep/er/a.txt"), b"result").unwrap();
    let stored = fixture.store().ingest(&out.join("deep/er/a.txt")).unwrap();
    let again = fixture
        .store()
        .ingest_beneath(&out, Path::new("deep/er/a.txt"), 100)
        .unwrap();
    assert_eq!(
        (stored.sha256, stored.is_new, again.is_new),
        (Sha256::of(b"result"), true, false)
    );
    // The program goes on writing into its own file.
    fs::write(out.join("deep/er/a.txt"), b"changed").unwrap();
    assert_eq!(fixture.store().verify(&stored.sha256).unwrap(), 6);
    let long = fixture
        .store()
        .ingest_beneath(&out, Path::new("deep/er/a.txt"), 6);
    assert!(matches!(long, Err(FileError::TooLarge { limit: 6 })));
}

#[test]
fn nothing_but_regular_files_beneath_the_directory_is_taken() {
    let fixture = Fixture::new();
    let out = fixture.directory.path().join("out");
    fs::create_dir_all(out.join("sub")).unwrap();
    fs::write(fixture.directory.path().join("secret"), b"secret").unwrap();
    symlink("../secret", out.join("link")).unwrap();
    symlink("..", out.join("up")).unwrap();
    symlink("sub", out.join("inner")).unwrap();
    fs::write(out.join("sub/file"), b"file").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        out.join("pipe"),
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(out.join("socket")).unwrap();

    let absolute = fixture.directory.path().join("secret");
    let absolute = absolute.to_str().unwrap();
    let bad = [
        "link",
        "up/secret",
        "inner/file",
        "../secret",
        "sub/../../secret",
        "sub",
        "",
        ".",
        "pipe",
        "socket",
        absolute,
    ];
    for bad in bad {
        let error = fixture
            .store()
            .ingest_beneath(&out, Path::new(bad), 100)
            .unwrap_err();
        assert!(
            matches!(error, FileError::NotRegular { .. }),
            "{bad:?}: {error}"
        );
    }
    for bad in ["link", "sub", "pipe", "socket"] {
        let error = fixture.store().ingest(&out.join(bad)).unwrap_err();
        assert!(
            matches!(error, FileError::NotRegular { .. }),
            "{bad:?}: {error}"
        );
    }
    let missing = fixture
        .store()
        .ingest_beneath(&out, Path::new("sub/none"), 100);
    assert!(matches!(missing, Err(FileError::Io { .. })));
    assert!(fixture.files().is_empty());
}

#[test]
fn a_link_in_the_place_of_a_stored_file_is_not_followed() {
    let fixture = Fixture::new();
    let sha256 = Sha256::of(b"x");
    fs::write(fixture.directory.path().join("secret"), b"secret").unwrap();
    symlink(
        fixture.directory.path().join("secret"),
        fixture.store().path(&sha256),
    )
    .unwrap();
    assert!(fixture.store().open_file(&sha256).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However the content is cut into chunks, it is the same file.
    #[test]
    fn chunks_do_not_matter(content in prop::collection::vec(any::<u8>(), 0..3000), cuts in prop::collection::vec(1..700_usize, 1..20)) {
        let fixture = Fixture::new();
        let mut writer = fixture.store().writer().unwrap();
        let mut rest = &content[..];
        for cut in cuts.iter().cycle() {
            let (chunk, tail) = rest.split_at(rest.len().min(*cut));
            writer.write(chunk).unwrap();
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        let stored = writer.finish(Some(Sha256::of(&content))).unwrap();
        prop_assert_eq!(fs::read(fixture.store().path(&stored.sha256)).unwrap(), content);
    }

    /// The way from a hash to a path stays below the store.
    #[test]
    fn a_path_has_two_components_of_digits(bytes in any::<[u8; 32]>()) {
        let store = Fixture::new();
        let path = store.store().path(&Sha256::from_bytes(bytes));
        let inside = path.strip_prefix(store.root()).unwrap().to_str().unwrap().to_owned();
        let (shard, rest) = inside.split_once('/').unwrap();
        prop_assert_eq!((shard.len(), rest.len()), (2, 62));
        prop_assert!(rest.bytes().chain(shard.bytes()).all(|byte| byte.is_ascii_hexdigit()));
    }

    /// A text is an address or it is refused; what is accepted prints as it was.
    #[test]
    fn texts_are_addresses_or_refused(text in "[0-9a-fA-F./]{62,66}|.{0,70}") {
        if let Ok(sha256) = text.parse::<Sha256>() {
            prop_assert_eq!(sha256.to_string(), text);
        } else {
            prop_assert!(text.len() != 64 || text.bytes().any(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
}
