//! The whole log: what it keeps, what it finds again, and what it says of the rest.
use std::sync::Arc;

use crate::testing::{MemoryStorage, Tear};
use crate::{Log, Options, Position, Report, WriteError, Writer};

mod basics;
mod damage;
mod failures;
mod model;
mod spill;

type Records = Vec<(Position, u8, Vec<u8>)>;

/// Segments of a size at which a few records fill one.
fn small() -> Options {
    Options {
        segment_size: 1024,
        cache_bytes: 0,
        read_windows: 2,
        ..Options::durable()
    }
}

struct Opened {
    log: Log,
    writer: Writer,
    report: Report,
    records: Records,
}

fn open(storage: &MemoryStorage, options: &Options) -> Opened {
    let mut records = Vec::new();
    let (mut log, writer, report) = Log::open(
        Arc::new(storage.clone()),
        options.clone(),
        &mut |at, kind, payload| {
            records.push((at, kind, payload.to_vec()));
        },
    )
    .expect("the storage works");
    for (at, ..) in &records {
        log.retain(*at, 1);
    }
    log.handle_recovered();
    Opened {
        log,
        writer,
        report,
        records,
    }
}

impl Opened {
    fn append(&mut self, kind: u8, payload: &[u8]) -> Position {
        let (a, b) = payload.split_at(payload.len() / 2);
        let at = self.log.append(kind, &[a, b]);
        self.log.retain(at, 1);
        self.records.push((at, kind, payload.to_vec()));
        at
    }

    fn commit(&mut self, sync: bool) -> Result<(), WriteError> {
        if let Some(batch) = self.log.take_batch() {
            let done = self.writer.commit(&batch, sync)?;
            self.writer.tidy();
            self.log.handle_written(done);
        }
        Ok(())
    }

    /// Every record that was appended is read as it was.
    fn check_reads(&mut self) {
        for (at, kind, payload) in &self.records {
            assert_eq!(
                self.log.read(*at).expect("it is there"),
                (*kind, &payload[..]),
                "at {at}"
            );
        }
    }
}
