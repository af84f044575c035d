//! Random histories against a naive model, with crashes of every kind in between.
use proptest::prelude::*;

use super::*;
use crate::Batch;
use crate::testing::Random;

#[derive(Clone, Debug)]
enum Step {
    Append {
        kind: u8,
        length: usize,
    },
    Commit {
        sync: bool,
    },
    Maintain,
    Tidy,
    /// Releases one of the records that are still needed.
    Release(usize),
    /// Releases the oldest that are needed.
    ReleaseOldest(usize),
    Clean,
    Read(usize),
    /// The process dies.
    Kill,
    /// The machine dies.
    Crash {
        seed: u64,
        byte: bool,
    },
    /// The next write or sync fails; that is the end of the writer.
    FailWrite(u64),
    FailSync(u64),
    /// There is no space but for so many bytes.
    Fill(u64),
    MakeSpace,
    ShortWrites(Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![8 => 0..200_usize, 2 => 200..900_usize, 1 => 900..4000_usize];
    let step = prop_oneof![
        30 => (any::<u8>(), length).prop_map(|(kind, length)| Step::Append { kind, length }),
        16 => any::<bool>().prop_map(|sync| Step::Commit { sync }),
        4 => Just(Step::Maintain),
        12 => Just(Step::Tidy),
        8 => any::<usize>().prop_map(Step::Release),
        6 => (0..8_usize).prop_map(Step::ReleaseOldest),
        4 => Just(Step::Clean),
        8 => any::<usize>().prop_map(Step::Read),
        2 => Just(Step::Kill),
        3 => (any::<u64>(), any::<bool>()).prop_map(|(seed, byte)| Step::Crash { seed, byte }),
        1 => (0..4_u64).prop_map(Step::FailWrite),
        1 => (0..4_u64).prop_map(Step::FailSync),
        2 => (0..3000_u64).prop_map(Step::Fill),
        3 => Just(Step::MakeSpace),
        1 => any::<Option<u64>>().prop_map(Step::ShortWrites),
    ];
    prop::collection::vec(step, 1..150)
}

#[derive(Clone, Debug)]
struct Known {
    at: Position,
    kind: u8,
    payload: Vec<u8>,
    live: bool,
    end: Position,
}

struct World {
    storage: MemoryStorage,
    options: Options,
    log: Log,
    writer: Writer,
    batch: Option<Batch>,
    known: Vec<Known>,
    written: Position,
    durable: Position,
    serial: u64,
}

impl World {
    fn new(options: Options) -> World {
        let storage = MemoryStorage::new();
        let Opened {
            log,
            writer,
            report,
            ..
        } = open(&storage, &options);
        assert_eq!(report, Report::default());
        let start = log.end();
        World {
            storage,
            options,
            log,
            writer,
            batch: None,
            known: Vec::new(),
            written: start,
            durable: start,
            serial: 0,
        }
    }

    fn append(&mut self, kind: u8, payload: Vec<u8>) {
        let at = self.log.append(kind, &[&payload]);
        self.log.retain(at, 1);
        self.known.push(Known {
            at,
            kind,
            payload,
            live: true,
            end: self.log.end(),
        });
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Append { kind, length } => {
                self.serial += 1;
                let mut random = Random::new(self.serial);
                self.append(kind, (0..length).map(|_| random.next_u64() as u8).collect());
            }
            Step::Commit { sync } => self.commit(sync),
            Step::Tidy => self.writer.tidy(),
            Step::Maintain => match self.writer.maintain() {
                Ok(rest) => {
                    if let Some(done) = rest.done {
                        self.log.handle_written(done);
                        self.note();
                    }
                }
                Err(WriteError::Full(_)) => {}
                Err(WriteError::Failed(_)) => {
                    self.reopen(self.storage.crash(1, Tear::Sector), self.durable)
                }
            },
            Step::Release(which) => {
                let live: Vec<usize> = (0..self.known.len())
                    .filter(|i| self.known[*i].live)
                    .collect();
                if !live.is_empty() {
                    self.release(live[which % live.len()]);
                }
            }
            Step::ReleaseOldest(count) => {
                let live: Vec<usize> = (0..self.known.len())
                    .filter(|i| self.known[*i].live)
                    .take(count)
                    .collect();
                live.into_iter().for_each(|index| self.release(index));
            }
            Step::Clean => self.clean(),
            Step::Read(which) => {
                let live: Vec<&Known> = self.known.iter().filter(|known| known.live).collect();
                if !live.is_empty() {
                    let known = live[which % live.len()];
                    assert_eq!(
                        self.log.read(known.at).expect("it lives"),
                        (known.kind, &known.payload[..])
                    );
                }
            }
            Step::Kill => self.reopen(self.storage.copy(), self.written),
            Step::Crash { seed, byte } => {
                self.reopen(
                    self.storage
                        .crash(seed, if byte { Tear::Byte } else { Tear::Sector }),
                    self.durable,
                );
            }
            Step::FailWrite(after) => self.storage.fail_write(after),
            Step::FailSync(after) => self.storage.fail_sync(after),
            Step::Fill(room) => self.storage.set_capacity(Some(self.storage.used() + room)),
            Step::MakeSpace => self.storage.set_capacity(None),
            Step::ShortWrites(seed) => self.storage.set_short_writes(seed),
        }
    }

    fn release(&mut self, index: usize) {
        self.known[index].live = false;
        self.log.release(self.known[index].at, 1);
    }

    fn commit(&mut self, sync: bool) {
        if self.batch.is_none() {
            self.batch = self.log.take_batch();
        }
        let Some(batch) = self.batch.take() else {
            return;
        };
        match self.writer.commit(&batch, sync) {
            Ok(done) => {
                assert_eq!(done.written(), batch.end());
                assert!(!sync || done.durable() == batch.end());
                self.log.handle_written(done);
                self.note();
            }
            Err(WriteError::Full(_)) => self.batch = Some(batch),
            Err(WriteError::Failed(_)) => {
                assert!(
                    matches!(self.writer.commit(&batch, sync), Err(WriteError::Failed(_))),
                    "it stays failed"
                );
                let end = batch.end().get();
                // The process may die without the machine: then all that was written is there.
                let image = if end % 2 == 0 {
                    self.storage.copy()
                } else {
                    self.storage.crash(end, Tear::Sector)
                };
                self.reopen(image, self.durable);
            }
        }
    }

    fn note(&mut self) {
        self.written = self.log.written();
        self.durable = self.log.durable();
    }

    fn clean(&mut self) {
        let Some(range) = self.log.poll_cleaning() else {
            return;
        };
        let mut at = range.start;
        while let Some(record) = self.log.read_next(&mut at, range.end).expect("it lives") {
            let found = self
                .known
                .iter()
                .position(|known| known.at == record.at)
                .expect("it was appended");
            assert_eq!(self.known[found].payload, record.payload);
            if self.known[found].live {
                let payload = record.payload.to_vec();
                self.append(self.known[found].kind, payload);
                self.release(found);
            }
        }
    }

    /// What is found again is a part of the history without holes, from no later than the first that is needed to no earlier than `certain`.
    fn reopen(&mut self, image: MemoryStorage, certain: Position) {
        let mut records: Records = Vec::new();
        let opened = Log::open(
            Arc::new(image.clone()),
            self.options.clone(),
            &mut |at, kind, payload| {
                records.push((at, kind, payload.to_vec()));
            },
        );
        let (mut log, writer, report) = opened.expect("the storage works");
        assert!(report.is_intact(), "{report}");
        let first = match records.first() {
            Some((at, ..)) => self
                .known
                .iter()
                .position(|known| known.at == *at)
                .expect("nothing is invented"),
            None => 0,
        };
        let found = &self.known[first.min(self.known.len())..];
        assert!(records.len() <= found.len(), "nothing is invented");
        for ((at, kind, payload), known) in records.iter().zip(found) {
            assert_eq!(
                (at, kind, payload),
                (&known.at, &known.kind, &known.payload)
            );
        }
        let kept = first..first + records.len();
        for (index, known) in self.known.iter().enumerate() {
            let lost = known.live && known.end <= certain && !kept.contains(&index);
            assert!(
                !lost,
                "the record at {} is lost; certain to {certain}; {report}",
                known.at
            );
        }
        self.known = self.known[kept].to_vec();
        for known in self.known.iter().filter(|known| known.live) {
            log.retain(known.at, 1);
        }
        log.handle_recovered();
        assert!(
            self.known.last().is_none_or(|last| last.end <= log.end()),
            "no position is used twice"
        );
        (self.log, self.writer, self.storage, self.batch) = (log, writer, image, None);
        self.note();
    }
}

fn play(steps: Vec<Step>, options: Options) {
    let mut world = World::new(options);
    for step in steps {
        world.step(step);
    }
    world.storage.set_capacity(None);
    world.reopen(world.storage.crash(7, Tear::Sector), world.durable);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_history_survives(steps in steps(), cached in any::<bool>(), preallocate in any::<bool>()) {
        play(steps, Options { cache_bytes: if cached { 1 << 20 } else { 0 }, preallocate, ..small() });
    }
}
