use super::*;

#[test]
fn what_was_appended_is_read_before_and_after_it_is_written() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    for length in [0, 1, 10, 100, 700, 5000, 3, 300_000, 20] {
        opened.append(length as u8, &vec![length as u8; length]);
        opened.check_reads();
    }
    opened.commit(true).unwrap();
    opened.check_reads();
    assert_eq!(opened.log.durable(), opened.log.end());
    for length in [1, 10, 900] {
        opened.append(7, &vec![length as u8; length]);
        opened.commit(true).unwrap();
    }
    opened.check_reads();
    let again = open(&storage, &small());
    assert_eq!(again.records, opened.records);
    assert_eq!(again.report.damages, []);
}

#[test]
fn what_is_durable_survives_a_power_failure() {
    let storage = MemoryStorage::new();
    let mut opened = open(&storage, &small());
    for i in 0..100_u8 {
        opened.append(i, &[i; 50]);
        opened.commit(true).unwrap();
    }
    let image = storage.crash(1, Tear::Sector);
    let mut again = open(&image, &small());
    assert_eq!(again.records, opened.records);
    assert_eq!(again.report.damages, []);
    again.check_reads();
}
