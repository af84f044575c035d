//! Storage that is full or fails, segments that go, and a real directory.
use super::*;
use crate::testing::Random;
use crate::{Batch, DiskStorage, Storage};

#[test]
fn a_full_disk_loses_nothing_and_is_told_before_it_hurts() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    storage.set_capacity(Some(3 * 1024));
    let mut low = false;
    let batch = loop {
        opened.append(1, &[7; 100]);
        let batch = opened.log.take_batch().unwrap();
        match opened.writer.commit(&batch, true) {
            Ok(done) => {
                low |= done.is_low_on_space();
                opened.log.handle_written(done);
                opened.writer.tidy();
            }
            Err(WriteError::Full(text)) => {
                assert!(
                    low,
                    "it was told by the last commit that worked; now: {text}"
                );
                break batch;
            }
            Err(error) => panic!("{error}"),
        }
    };
    // What was confirmed is there, whatever happens now.
    let certain = opened
        .records
        .iter()
        .filter(|record| record.0 < opened.log.durable())
        .count();
    assert_eq!(certain, opened.records.len() - 1);
    assert!(open(&storage.crash(5, Tear::Byte), &small()).records.len() >= certain);
    // More gathers meanwhile, and all of it is written when there is space.
    opened.append(2, &[8; 100]);
    assert!(matches!(
        opened.writer.commit(&batch, true),
        Err(WriteError::Full(_))
    ));
    assert!(opened.log.take_batch().is_none(), "one batch at a time");
    storage.set_capacity(None);
    let done = opened.writer.commit(&batch, true).unwrap();
    assert!(!done.is_low_on_space());
    opened.log.handle_written(done);
    opened.commit(true).unwrap();
    assert_eq!(opened.log.durable(), opened.log.end());
    assert_eq!(
        open(&storage.crash(6, Tear::Byte), &small()).records,
        opened.records
    );
}

#[test]
fn space_that_is_to_stay_free_stays_free() {
    let storage = MemoryStorage::new();
    let options = Options {
        free_min: 5000,
        ..small()
    };
    let mut opened = open(&storage, &options);
    storage.set_capacity(Some(10_000));
    let error = loop {
        opened.append(1, &[7; 100]);
        if let Err(error) = opened.commit(true) {
            break error;
        }
    };
    assert!(matches!(error, WriteError::Full(_)));
    assert!(
        error.to_string().contains("5000 are to stay free"),
        "{error}"
    );
    assert!(storage.free_space().unwrap() >= 5000);
}

#[test]
fn after_a_failed_sync_nothing_is_called_durable_any_more() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    opened.append(1, b"first");
    opened.commit(true).unwrap();
    let durable = opened.log.durable();
    opened.append(1, b"second");
    let batch = opened.log.take_batch().unwrap();
    storage.fail_sync(0);
    let error = opened.writer.commit(&batch, true).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot sync 0000000000000000.log"),
        "{error}"
    );
    // The second try would succeed on the storage and prove nothing.
    assert!(matches!(
        opened.writer.commit(&batch, true),
        Err(WriteError::Failed(_))
    ));
    assert!(matches!(
        opened.writer.maintain(),
        Err(WriteError::Failed(_))
    ));
    assert_eq!(opened.log.durable(), durable);
    let again = open(&storage.crash(3, Tear::Sector), &small());
    assert_eq!(again.records, opened.records[..1]);
}

#[test]
fn segments_go_from_the_front_after_what_made_them_useless_is_durable() {
    let storage = MemoryStorage::new();
    let mut opened = open(
        &storage,
        &Options {
            preallocate: false,
            ..small()
        },
    );
    let positions: Vec<Position> = (0..60).map(|i| opened.append(i, &[i; 100])).collect();
    opened.commit(true).unwrap();
    let segments = opened.log.segments();
    assert!(segments > 6);
    // All but the first.
    for at in &positions[1..] {
        opened.log.release(*at, 1);
    }
    opened.commit(true).unwrap();
    assert_eq!(opened.log.segments(), segments);
    opened.log.release(positions[0], 1);
    let batch = opened.log.take_batch().unwrap();
    assert_eq!(opened.log.segments(), 1);
    assert!(opened.log.read(positions[0]).is_err());
    let done = opened.writer.commit(&batch, false).unwrap();
    opened.log.handle_written(done);
    opened.writer.tidy();
    assert_eq!(storage.contents().len(), segments, "not durable yet");
    let rest = opened.writer.maintain().unwrap();
    opened.log.handle_written(rest.done.unwrap());
    assert_eq!(storage.contents().len(), 1);
    let again = open(&storage, &small());
    assert!(
        again.report.is_intact() && again.records.len() < 10,
        "{}",
        again.report
    );
}

#[test]
fn nothing_goes_before_the_owner_has_counted_what_it_found() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    for i in 0..60 {
        opened.append(i, &[i; 100]);
    }
    opened.commit(true).unwrap();
    let mut found = 0;
    let (mut log, ..) = Log::open(Arc::new(storage), small(), &mut |_, _, _| found += 1).unwrap();
    assert_eq!(found, 60);
    assert!(log.take_batch().is_none());
    log.append(1, &[b"more"]);
    assert!(log.take_batch().unwrap().removals.is_empty());
}

#[test]
fn cleaning_keeps_the_log_small_and_loses_nothing() {
    let storage = MemoryStorage::new();
    let options = Options {
        segment_size: 4096,
        ..small()
    };
    let mut opened = open(&storage, &options);
    let mut random = Random::new(9);
    let mut live: Vec<(Position, Vec<u8>)> = Vec::new();
    for round in 0..3000_u32 {
        let payload = round.to_le_bytes().repeat(1 + random.below(60) as usize);
        live.push((opened.append(1, &payload), payload));
        // Most are needed for a short time, one in fifty for ever.
        if live.len() > 70 {
            let index = random.below(live.len() as u64) as usize;
            if round % 50 != 0 {
                let (at, _) = live.swap_remove(index);
                opened.log.release(at, 1);
            }
        }
        if let Some(range) = opened.log.poll_cleaning() {
            let mut at = range.start;
            while let Some(record) = opened.log.read_next(&mut at, range.end).unwrap() {
                let (old, payload) = (record.at, record.payload.to_vec());
                if let Some(entry) = live.iter_mut().find(|entry| entry.0 == old) {
                    entry.0 = opened.log.append(1, &[&payload]);
                    opened.log.retain(entry.0, 1);
                    opened.log.release(old, 1);
                }
            }
        }
        if round % 5 == 0 {
            opened.commit(true).unwrap();
        }
    }
    let bytes: usize = live.iter().map(|(_, payload)| payload.len() + 12).sum();
    let bound = 2 * bytes as u64 + 7 * 4096;
    assert!(
        opened.log.size() <= bound,
        "{} for {bytes} that live",
        opened.log.size()
    );
    assert!(
        storage.used() <= bound + 3 * 4096,
        "{} in files",
        storage.used()
    );
    opened.commit(true).unwrap();
    let again = open(&storage.crash(4, Tear::Byte), &options);
    assert!(again.report.is_intact(), "{}", again.report);
    for (at, payload) in &live {
        assert!(
            again
                .records
                .iter()
                .any(|record| record.0 == *at && record.2 == *payload),
            "{at}"
        );
    }
}

#[test]
fn files_are_used_again_and_what_was_in_them_does_not_come_back() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    for i in 0..300_u32 {
        let at = opened.append(1, &i.to_le_bytes().repeat(20));
        opened.log.release(at, 1);
        opened.records.clear();
        opened.commit(true).unwrap();
        opened.writer.maintain().unwrap();
        assert!(
            storage.contents().len() <= 5,
            "{:?}",
            storage.contents().keys()
        );
    }
    let last = opened.append(2, b"last");
    opened.commit(true).unwrap();
    let again = open(&storage, &small());
    assert!(again.report.is_intact(), "{}", again.report);
    assert_eq!(again.records.last().map(|record| record.0), Some(last));
    assert!(again.records.is_sorted_by_key(|record| record.0));
}

#[test]
fn small_commits_fill_one_buffer() {
    let storage = MemoryStorage::new();
    let mut opened = open(
        &storage,
        &Options {
            cache_bytes: 8 << 20,
            ..Options::durable()
        },
    );
    for i in 0..1000_u32 {
        opened.append(1, &i.to_le_bytes().repeat(50));
        opened.commit(true).unwrap();
    }
    assert!(opened.log.memory() <= 512 << 10, "{}", opened.log.memory());
    opened.check_reads();
}

#[test]
fn a_backlog_is_read_from_the_disk_with_few_reads_and_little_memory() {
    let storage = MemoryStorage::new();
    let mut opened = open(
        &storage,
        &Options {
            cache_bytes: 0,
            ..Options::durable()
        },
    );
    for i in 0..20_000_u32 {
        opened.append(1, &i.to_le_bytes().repeat(50));
        if i % 100 == 0 {
            opened.commit(true).unwrap();
        }
    }
    opened.commit(true).unwrap();
    let before = storage.reads();
    opened.check_reads();
    assert!(
        storage.reads() - before <= 30,
        "{} reads for 4 MB",
        storage.reads() - before
    );
    assert!(opened.log.memory() <= 3 << 20, "{}", opened.log.memory());
}

#[test]
fn a_directory_works_as_the_memory_does() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        segment_size: 1 << 16,
        cache_bytes: 0,
        ..Options::durable()
    };
    let mut records = Vec::new();
    for session in 0..3_u32 {
        let storage: Arc<dyn Storage> = Arc::new(DiskStorage::open(directory.path()).unwrap());
        let second = DiskStorage::open(directory.path()).unwrap_err();
        assert_eq!(second.kind(), std::io::ErrorKind::WouldBlock);
        assert!(storage.free_space().unwrap() > 0);
        let mut found = Vec::new();
        let (mut log, mut writer, report) =
            Log::open(storage, options.clone(), &mut |at, kind, payload| {
                found.push((at, kind, payload.to_vec()));
            })
            .unwrap();
        assert_eq!(report.damages, []);
        assert_eq!(found, records);
        for i in 0..500_u32 {
            let payload = (session * 1000 + i).to_le_bytes().repeat(i as usize % 200);
            records.push((log.append(5, &[&payload]), 5, payload));
            if i % 50 == 0 {
                let batch: Batch = log.take_batch().unwrap();
                log.handle_written(writer.commit(&batch, true).unwrap());
                while writer.maintain().unwrap().again {}
            }
        }
        let batch = log.take_batch().unwrap();
        log.handle_written(writer.commit(&batch, true).unwrap());
        for (at, kind, payload) in &records {
            assert_eq!(log.read(*at).unwrap(), (*kind, &payload[..]));
        }
    }
}

#[test]
fn a_log_opens_on_a_full_disk_and_goes_on_when_there_is_space() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    for i in 0..30 {
        opened.append(i, &[i; 100]);
        opened.commit(true).unwrap();
    }
    // The beginning of a write that is never finished.
    opened.append(9, &[9; 500]);
    let batch = opened.log.take_batch().unwrap();
    storage.fail_write(0);
    opened.writer.commit(&batch, true).unwrap_err();
    opened.records.pop();
    storage.set_capacity(Some(storage.used() - 1024));
    let mut again = open(&storage, &small());
    assert_eq!(again.records, opened.records);
    again.check_reads();
    again.append(2, b"more");
    let batch = again.log.take_batch().unwrap();
    assert!(matches!(
        again.writer.commit(&batch, true),
        Err(WriteError::Full(_))
    ));
    assert_eq!(open(&storage.copy(), &small()).records, opened.records);
    storage.set_capacity(None);
    again
        .log
        .handle_written(again.writer.commit(&batch, true).unwrap());
    let last = open(&storage, &small());
    assert_eq!(
        (last.records, last.report.damages),
        (again.records, Vec::new())
    );
}

#[test]
fn a_recovery_that_dies_halfway_is_done_again_by_the_next() {
    for seed in 0..40 {
        let storage = MemoryStorage::new();
        let mut opened = open(&storage, &small());
        for i in 0..30 {
            opened.append(i, &[i; 100]);
            opened.commit(true).unwrap();
        }
        let certain = opened.records.len();
        // A large batch that is torn: it reaches over several segments.
        for i in 0..30 {
            opened.append(i, &[i; 100]);
        }
        let batch = opened.log.take_batch().unwrap();
        storage.fail_sync(seed % 7);
        let _ = opened.writer.commit(&batch, true);
        let mut image = storage.crash(seed, Tear::Sector);
        for step in 0..6 {
            match seed % 2 {
                0 => image.fail_sync(step),
                _ => image.fail_write(step),
            }
            let _ = Log::open(Arc::new(image.clone()), small(), &mut |_, _, _| {});
            image = image.crash(seed * 100 + step, Tear::Byte);
        }
        let again = open(&image, &small());
        assert!(again.report.is_intact(), "seed {seed}: {}", again.report);
        assert!(
            again.records.len() >= certain,
            "seed {seed}: {}",
            again.report
        );
        assert_eq!(
            again.records,
            opened.records[..again.records.len()],
            "seed {seed}"
        );
        let last = open(&image, &small());
        assert_eq!(
            (last.records, last.report.damages),
            (again.records, Vec::new()),
            "seed {seed}"
        );
    }
}
