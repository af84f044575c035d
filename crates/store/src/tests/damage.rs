//! Files that are not as they were left.
use proptest::prelude::*;

use super::*;
use crate::format::segment_name;
use crate::testing::Random;
use crate::{Loss, OpenError};

/// A log of several segments that was left in peace: the process died while nothing was to be written.
fn quiet_log() -> (MemoryStorage, Records) {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    for i in 0..40_u8 {
        opened.append(i, &vec![i ^ 0x5a; usize::from(i) * 7 % 90]);
        if i % 3 == 0 {
            opened.commit(true).unwrap();
        }
    }
    opened.commit(true).unwrap();
    opened.writer.maintain().unwrap();
    let records = opened.records;
    (storage, records)
}

/// Every record but those that `lost` says, in order, and no other.
fn check_survivors(
    found: &Records,
    all: &Records,
    lost: impl Fn(&Position, usize) -> bool,
    what: &str,
) {
    let kept = |record: &&(Position, u8, Vec<u8>)| !lost(&record.0, record.2.len() + 12);
    let expected: Vec<_> = all.iter().filter(kept).collect();
    let positions = |records: &[&(Position, u8, Vec<u8>)]| {
        records.iter().map(|record| record.0).collect::<Vec<_>>()
    };
    let found: Vec<_> = found.iter().collect();
    assert_eq!(positions(&found), positions(&expected), "{what}");
    assert!(found == expected, "{what}: other content");
}

#[test]
fn a_flipped_bit_costs_the_record_that_it_is_in_and_is_reported() {
    let (storage, records) = quiet_log();
    assert_eq!(open(&storage.copy(), &small()).records, records);
    let mut random = Random::new(1);
    for (name, bytes) in storage.contents() {
        let base = u64::from_str_radix(&name[..16], 16).unwrap();
        for offset in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[offset] ^= 1 << random.below(8);
            let image = storage.copy();
            image.put(&name, &damaged);
            let opened = open(&image, &small());
            let position = base + offset as u64;
            let hit = |at: &Position, length: usize| {
                at.get() <= position && position < at.get() + length as u64
            };
            let what = format!("{name} at {offset}: {}", opened.report);
            check_survivors(&opened.records, &records, hit, &what);
            let lost = opened.records.len() < records.len();
            assert!(!lost || !opened.report.is_intact(), "{what}");
            // What was repaired once is in order from then on, but for the damage itself.
            let again = open(&image, &small());
            assert_eq!(again.records, opened.records, "{what}");
        }
    }
}

#[test]
fn a_file_that_was_cut_costs_what_was_cut_off_and_is_reported() {
    let (storage, records) = quiet_log();
    for (name, bytes) in storage.contents() {
        let base = u64::from_str_radix(&name[..16], 16).unwrap();
        for length in 0..bytes.len() {
            let image = storage.copy();
            image.put(&name, &bytes[..length]);
            let mut opened = open(&image, &small());
            let cut = base + length as u64..base + bytes.len() as u64;
            let hit = |at: &Position, length: usize| {
                at.get() < cut.end && cut.start < at.get() + length as u64
            };
            let what = format!("{name} cut at {length}: {}", opened.report);
            check_survivors(&opened.records, &records, hit, &what);
            let used = storage.contents()[&name]
                .iter()
                .rposition(|byte| *byte != 0)
                .unwrap_or(0);
            if length < 32 || length <= used {
                assert!(!opened.report.damages.is_empty(), "{what}");
            }
            if opened.records.len() < records.len() {
                assert!(!opened.report.is_intact(), "{what}");
            }
            opened.append(1, b"it goes on");
            opened.commit(true).unwrap();
            assert_eq!(open(&image, &small()).records, opened.records, "{what}");
        }
    }
}

#[test]
fn a_missing_file_is_reported_wherever_it_was() {
    let (storage, records) = quiet_log();
    for (name, bytes) in storage.contents() {
        let base = u64::from_str_radix(&name[..16], 16).unwrap();
        let image = MemoryStorage::new();
        for (other, bytes) in storage
            .contents()
            .into_iter()
            .filter(|(other, _)| *other != name)
        {
            image.put(&other, &bytes);
        }
        let opened = open(&image, &small());
        let inside = |at: &Position, _| (base..base + bytes.len() as u64).contains(&at.get());
        check_survivors(&opened.records, &records, inside, &name);
        let missing = opened
            .report
            .damages
            .iter()
            .any(|damage| damage.loss == Loss::Missing && damage.file == name);
        let lost = opened.records.len() < records.len();
        assert!(missing || !lost, "{name}: {}", opened.report);
    }
}

#[test]
fn an_unfinished_write_is_dropped_with_what_follows_it() {
    let storage = MemoryStorage::new();
    let mut opened = open(
        &storage,
        &Options {
            segment_size: 1 << 16,
            ..small()
        },
    );
    opened.append(1, b"durable");
    opened.commit(true).unwrap();
    let torn = opened.append(2, b"torn");
    opened.append(3, b"whole, but behind");
    opened.commit(false).unwrap();
    let name = segment_name(0);
    let mut bytes = storage.contents()[&name].clone();
    bytes[torn.get() as usize + 13] ^= 1;
    storage.put(&name, &bytes);
    let again = open(&storage, &small());
    assert_eq!(again.records, opened.records[..1]);
    let [damage] = &again.report.damages[..] else {
        panic!("{}", again.report)
    };
    assert_eq!(
        (damage.at, &damage.loss),
        (torn, &Loss::Unfinished { records: 1 })
    );
    assert!(again.report.is_intact());
    assert_eq!(
        again.report.to_string(),
        "read 1 records, 79 bytes in 1 segments; 0000000000000000.log: an unfinished write at 000000000000004f was dropped, \
         with 1 records after it that were not durable"
    );
}

#[test]
fn foreign_files_are_left_alone_and_told() {
    let (storage, records) = quiet_log();
    for name in [
        "notes.txt",
        "00000000000000GG.log",
        "1.log",
        "ffffffffffffffff.log",
    ] {
        storage.put(name, b"mine");
    }
    let opened = open(&storage, &small());
    assert_eq!(opened.records, records);
    assert_eq!(
        opened.report.foreign,
        [
            "00000000000000GG.log",
            "1.log",
            "ffffffffffffffff.log",
            "notes.txt"
        ]
    );
    assert_eq!(storage.contents()["notes.txt"], b"mine");
}

#[test]
fn a_later_version_is_refused_and_nothing_is_touched() {
    let (storage, _) = quiet_log();
    let name = segment_name(1024);
    let mut bytes = storage.contents()[&name].clone();
    bytes[8] = 2;
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..32]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    storage.put(&name, &bytes);
    let before = storage.contents();
    let error = Log::open(Arc::new(storage.clone()), small(), &mut |_, _, _| {}).unwrap_err();
    assert!(matches!(&error, OpenError::Version { version: 2, .. }));
    assert_eq!(
        error.to_string(),
        "0000000000000400.log has version 2 of the log format; this program knows version 1 only"
    );
    assert_eq!(storage.contents(), before);
}

#[test]
fn what_the_disk_cannot_read_is_told_and_the_rest_survives() {
    let storage = MemoryStorage::new();
    let options = Options {
        segment_size: 1 << 16,
        ..small()
    };
    let mut opened = open(&storage, &options);
    for i in 0..60 {
        opened.append(i, &[i; 500]);
        opened.commit(true).unwrap();
    }
    storage.set_unreadable(&segment_name(0), 9000, 1);
    let again = open(&storage, &options);
    assert!(
        again.records.len() >= 60 - 10 && again.records.len() < 60,
        "{}",
        again.records.len()
    );
    assert!(
        again
            .report
            .damages
            .iter()
            .any(|damage| matches!(damage.loss, Loss::ReadError(_))),
        "{}",
        again.report
    );
    assert!(!again.report.is_intact());
}

#[test]
fn a_damaged_record_is_an_error_for_its_reader_only() {
    let (storage, _) = quiet_log();
    let mut opened = open(&storage, &small());
    let (at, ..) = opened.records[3];
    let name = segment_name(0);
    let mut bytes = storage.contents()[&name].clone();
    bytes[at.get() as usize + 14] ^= 4;
    let file = crate::Storage::open(&storage, &name).unwrap();
    file.write_at(&bytes, 0).unwrap();
    assert!(matches!(
        opened.log.read(at),
        Err(crate::ReadError::Damaged(_))
    ));
    let mut cursor = Position::new(32);
    let mut seen = Vec::new();
    let until = Position::new(0x400);
    let mut damaged = 0;
    while cursor < until {
        match opened.log.read_next(&mut cursor, until) {
            Ok(Some(record)) => seen.push(record.at),
            Ok(None) => break,
            Err(crate::ReadError::Damaged(_)) => damaged += 1,
            Err(error) => panic!("{error}"),
        }
        if opened.log.segments() > 1 && cursor >= opened.records[14].0 {
            break;
        }
    }
    assert_eq!(damaged, 1);
    let expected: Vec<Position> = opened
        .records
        .iter()
        .map(|record| record.0)
        .filter(|p| *p != at && *p < cursor)
        .collect();
    assert_eq!(seen, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_on_any_content(
        files in prop::collection::vec((0..5_u64, prop::collection::vec(any::<u8>(), 0..1500)), 0..4),
        flips in prop::collection::vec((0..3_u64, 0..1024_usize, any::<u8>()), 0..20),
    ) {
        let (storage, records) = quiet_log();
        for (base, bytes) in files {
            storage.put(&segment_name(base * 1024), &bytes);
        }
        for (base, offset, value) in flips {
            let name = segment_name(base * 1024);
            let mut bytes = storage.contents().get(&name).cloned().unwrap_or_default();
            if let Some(byte) = bytes.get_mut(offset) {
                *byte = value;
            }
            storage.put(&name, &bytes);
        }
        let mut opened = open(&storage, &small());
        // Nothing is invented, and the order is kept.
        let mut rest = records.iter();
        for record in &opened.records {
            prop_assert!(rest.any(|known| known == record));
        }
        opened.append(9, b"it goes on");
        opened.commit(true).unwrap();
        let again = open(&storage, &small());
        prop_assert_eq!(again.records, opened.records);
    }
}

/// Found by fuzzing: the seal of such a file did not fit before the next segment, and what was written then was taken for
/// the rest of an unfinished write.
#[test]
fn what_is_written_after_a_file_was_cut_and_its_header_damaged_is_there() {
    let (storage, _) = quiet_log();
    let (name, bytes) = storage.contents().pop_last().unwrap();
    for length in 32..bytes.len() {
        let mut damaged = bytes[..length].to_vec();
        damaged[12] ^= 1;
        let image = storage.copy();
        image.put(&name, &damaged);
        let mut opened = open(&image, &small());
        opened.append(9, b"after");
        opened.commit(true).unwrap();
        let again = open(&image, &small());
        let what = format!("{name} cut at {length}: {}", again.report);
        assert!(again.records == opened.records, "{what}");
    }
}
