//! A log that only keeps memory small.
use super::*;

fn spill(memory_budget: usize) -> Options {
    Options {
        segment_size: 1 << 20,
        ..Options::spill(memory_budget)
    }
}

#[test]
fn what_fits_the_budget_is_never_written() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &spill(1 << 20));
    for round in 0..100_u32 {
        let positions: Vec<Position> = (0..200_u32)
            .map(|i| opened.append(1, &(round * 1000 + i).to_le_bytes().repeat(100)))
            .collect();
        assert!(opened.log.take_batch().is_none());
        opened.check_reads();
        for at in positions {
            opened.log.release(at, 1);
        }
        opened.records.clear();
        opened.commit(true).unwrap();
        assert!(opened.log.memory() <= 2 << 20, "{}", opened.log.memory());
    }
    assert_eq!(storage.writes(), 0);
    assert_eq!(storage.contents().len(), 0);
}

#[test]
fn what_exceeds_the_budget_is_written_unsynced_read_back_and_removed() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &spill(1 << 20));
    for i in 0..5000_u32 {
        opened.append(2, &i.to_le_bytes().repeat(250));
        if i % 50 == 0 {
            opened.commit(true).unwrap();
        }
    }
    opened.commit(false).unwrap();
    assert!(opened.log.memory() <= 2 << 20, "{}", opened.log.memory());
    assert!(storage.writes() > 0);
    assert_eq!(storage.syncs(), 0);
    opened.check_reads();
    assert!(storage.contents().len() >= 3);
    // Oldest last: no order of removal is demanded of a log that is not replayed.
    for (at, ..) in opened.records.drain(..).rev() {
        opened.log.release(at, 1);
    }
    opened.commit(false).unwrap();
    assert!(
        storage.contents().len() <= 1,
        "{:?}",
        storage.contents().keys()
    );
    assert_eq!(opened.log.references(), 0);
}

#[test]
fn opening_begins_empty() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &spill(0));
    opened.append(2, &[1; 1000]);
    opened.commit(false).unwrap();
    storage.put("foreign", b"stays");
    assert_eq!(storage.contents().len(), 2);
    let again = open(&storage, &spill(0));
    assert_eq!(again.records, []);
    assert_eq!(storage.contents().len(), 1);
}

#[test]
fn one_buffer_that_lives_among_many_that_do_not_is_written_alone() {
    let storage = MemoryStorage::new();
    let mut opened = open(
        &storage,
        &Options {
            segment_size: 64 << 20,
            ..spill(1 << 20)
        },
    );
    let mut kept = Vec::new();
    for i in 0..40_000_u32 {
        let at = opened.log.append(3, &[&[7; 1000]]);
        opened.log.retain(at, 1);
        if i % 2000 == 0 {
            kept.push(at);
        } else {
            opened.log.release(at, 1);
        }
        opened.commit(false).unwrap();
    }
    let written: usize = storage
        .contents()
        .values()
        .map(|bytes| bytes.iter().filter(|byte| **byte == 7).count())
        .sum();
    assert!(written < 10 << 20, "{written} of 40 MB were written");
    for at in kept {
        assert_eq!(opened.log.read(at).unwrap(), (3, &[7; 1000][..]));
    }
}
