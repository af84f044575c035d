//! A log whose files were overwritten with anything, anywhere: it opens, tells, and opens again with the same records.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use trefoil_store::{Log, Options, testing::MemoryStorage};

fn options() -> Options {
    Options {
        segment_size: 1 << 10,
        preallocate: false,
        ..Options::durable()
    }
}

fn open(storage: &MemoryStorage) -> Vec<(u64, u8, Vec<u8>)> {
    let mut records = Vec::new();
    let opened = Log::open(
        Arc::new(storage.clone()),
        options(),
        &mut |at, kind, record| {
            records.push((at.get(), kind, record.to_vec()));
        },
    );
    match opened {
        Ok((mut log, mut writer, report)) => {
            let _ = report.to_string();
            // The owner needs all of it.
            for (at, ..) in &records {
                log.retain(trefoil_store::Position::new(*at), 1);
            }
            log.handle_recovered();
            log.append(9, &[b"after"]);
            if let Some(batch) = log.take_batch() {
                let done = writer.commit(&batch, true).expect("this storage works");
                log.handle_written(done);
            }
            records.push((0, 9, b"after".to_vec()));
        }
        // Only a version that is not known may keep it from opening.
        Err(error) => assert!(error.to_string().contains("version"), "{error}"),
    }
    records
}

fuzz_target!(|data: &[u8]| {
    let storage = MemoryStorage::new();
    {
        let opened = Log::open(Arc::new(storage.clone()), options(), &mut |_, _, _| {});
        let (mut log, mut writer, _) = opened.expect("it is empty");
        log.handle_recovered();
        for number in 0..40u8 {
            let at = log.append(number % 5, &[&vec![number; usize::from(number) * 3]]);
            log.retain(at, 1);
            if let Some(batch) = log.take_batch() {
                let done = writer
                    .commit(&batch, number % 3 == 0)
                    .expect("this storage works");
                log.handle_written(done);
            }
        }
    }
    // Name of a file, place in it, bytes.
    let files = storage.contents();
    let names: Vec<&String> = files.keys().collect();
    let mut rest = data;
    while let Some(([file, high, low, length], behind)) = rest.split_first_chunk::<4>() {
        let (patch, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        let name = names[usize::from(*file) % names.len()];
        let mut bytes = storage.contents()[name].clone();
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (bytes.len() + 1);
        if patch.is_empty() {
            bytes.truncate(at);
        } else {
            let end = (at + patch.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&patch[..end - at]);
        }
        storage.put(name, &bytes);
    }
    let first = open(&storage);
    let second = open(&storage);
    let without = |records: &[(u64, u8, Vec<u8>)]| -> Vec<(u8, usize)> {
        records
            .iter()
            .map(|(_, kind, record)| (*kind, record.len()))
            .collect()
    };
    if !first.is_empty() {
        let mut expected = without(&first);
        expected.push((9, b"after".len()));
        assert_eq!(
            without(&second),
            expected,
            "opening a damaged log again gives something else"
        );
    }
});
