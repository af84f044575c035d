//! Opening a log: what is in the files, whatever happened to them.
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use thiserror::Error;

use crate::Options;
use crate::batch::Slot;
use crate::format::{
    BadHeader, Own, Position, SEGMENT_HEADER, SPARE, SegmentHeader, VERSION, parse_segment_name,
    segment_name,
};
use crate::report::{Damage, Loss, Report};
use crate::scan::{Item, Scanner};
use crate::segments::Segment;
use crate::storage::{Entry, File, Storage, is_full, read_full};
use crate::writer::{Seal, Writer};

mod replay;

use replay::{Ending, Read, Replayer};

/// Why a log cannot be opened. Damage is no reason: it is reported.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The storage failed.
    #[error("cannot {action}: {source}")]
    Storage {
        /// What was tried.
        action: String,
        /// What it said.
        source: io::Error,
    },
    /// The file was written by a later version of this program.
    #[error(
        "{file} has version {version} of the log format; this program knows version {VERSION} only"
    )]
    Version {
        /// The file.
        file: String,
        /// Its version.
        version: u32,
    },
}

fn failed(action: impl Into<String>) -> impl FnOnce(io::Error) -> OpenError {
    let action = action.into();
    move |source| OpenError::Storage { action, source }
}

/// What opening needs to go on.
pub(crate) struct Recovered {
    /// The segments with records, oldest first, without the new one.
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) writer: Writer,
    pub(crate) report: Report,
}

/// A segment file as it was found.
struct Found {
    slot: Slot,
    length: u64,
}

impl Found {
    fn name(&self) -> String {
        segment_name(self.slot.base)
    }

    /// Files are opened when they are read, one after the other: a large log has more of them than a process may have open.
    fn open(&self, storage: &Arc<dyn Storage>) -> Result<Arc<dyn File>, OpenError> {
        let name = self.name();
        storage.open(&name).map_err(failed(format!("open {name}")))
    }

    fn scanner(&self, storage: &Arc<dyn Storage>) -> Result<Scanner, OpenError> {
        let length = self.length.min(self.slot.span);
        Ok(Scanner::new(self.open(storage)?, self.slot.base, length))
    }
}

pub(crate) fn recover(
    storage: &Arc<dyn Storage>,
    options: &Options,
    replay: &mut dyn FnMut(Position, u8, &[u8]),
) -> Result<Recovered, OpenError> {
    let entries = storage
        .list()
        .map_err(failed("list the files of the log"))?;
    if options.is_spill() {
        return wipe(storage, options, &entries);
    }
    let mut report = Report::default();
    let found = find_segments(storage, entries, &mut report)?;
    // Beyond everything that any file may have held: no position is ever used twice.
    let fresh = found
        .iter()
        .map(|segment| segment.slot.end())
        .max()
        .unwrap_or(0);
    let mut replayer = Replayer {
        storage,
        found: &found,
        durable: 0,
        first: 0,
        report: &mut report,
        replay,
    };
    let (read, tail) = replayer.run()?;
    let first = replayer.first;
    report.damages.retain(|damage| damage.at.get() >= first);
    if let Some(oldest) = found.first().filter(|oldest| first < oldest.slot.base) {
        let at = Position::new(first);
        let damage = Damage {
            file: segment_name(first),
            at,
            bytes: oldest.slot.base - first,
            loss: Loss::Missing,
        };
        report.damages.insert(0, damage);
    }
    finish(storage, options, &found, read, tail, first, fresh).map(|(segments, writer)| Recovered {
        segments,
        writer,
        report,
    })
}

/// A spill log begins empty: what it held died with the process that wrote it.
fn wipe(
    storage: &Arc<dyn Storage>,
    options: &Options,
    entries: &[Entry],
) -> Result<Recovered, OpenError> {
    let ours = entries
        .iter()
        .map(|entry| &entry.name)
        .filter(|name| *name == SPARE || parse_segment_name(name).is_some());
    for name in ours {
        storage
            .remove(name)
            .map_err(failed(format!("remove {name}")))?;
    }
    let slot = Slot {
        base: 0,
        span: u64::from(options.segment_size.max(Options::SEGMENT_MIN)),
    };
    let writer = Writer::new(Arc::clone(storage), options.clone(), slot, None);
    Ok(Recovered {
        segments: VecDeque::new(),
        writer,
        report: Report::default(),
    })
}

/// The segment files in order of their bases.
fn find_segments(
    storage: &Arc<dyn Storage>,
    entries: Vec<Entry>,
    report: &mut Report,
) -> Result<Vec<Found>, OpenError> {
    let mut named = Vec::new();
    for entry in entries {
        match parse_segment_name(&entry.name) {
            Some(base) => named.push((base, entry)),
            None if entry.name == SPARE => {}
            None => report.foreign.push(entry.name),
        }
    }
    named.sort_by_key(|(base, _)| *base);
    report.foreign.sort();
    let mut found = Vec::new();
    for (index, (base, entry)) in named.iter().enumerate() {
        let file = storage
            .open(&entry.name)
            .map_err(failed(format!("open {}", entry.name)))?;
        let mut header = [0; SEGMENT_HEADER];
        let read = read_full(file.as_ref(), &mut header, 0).unwrap_or(0);
        let span = match SegmentHeader::decode(&header[..read]) {
            Ok(header) if header.base == *base => header.span,
            Err(BadHeader::Version(version)) => {
                return Err(OpenError::Version {
                    file: entry.name.clone(),
                    version,
                });
            }
            // Records tell by themselves whether they belong here, so the header is not needed to read them.
            Ok(_) | Err(BadHeader::Unreadable) => {
                let at = Position::new(*base);
                report.damages.push(Damage {
                    file: entry.name.clone(),
                    at,
                    bytes: SEGMENT_HEADER as u64,
                    loss: Loss::Bookkeeping,
                });
                entry.length.max(SEGMENT_HEADER as u64)
            }
        };
        let room = named
            .get(index + 1)
            .map_or(u64::MAX, |(next, _)| next - base);
        let slot = Slot {
            base: *base,
            span: span.min(room),
        };
        found.push(Found {
            slot,
            length: entry.length,
        });
    }
    Ok(found)
}

/// Removes what is not the log's any more, makes the new segment, and seals the last one.
fn finish(
    storage: &Arc<dyn Storage>,
    options: &Options,
    found: &[Found],
    read: Vec<Read>,
    tail: Ending,
    first: u64,
    fresh: u64,
) -> Result<(VecDeque<Segment>, Writer), OpenError> {
    // Segments at the end without any record: made ahead, or begun by a write that was not finished.
    let empty = |index: usize| read[index].end == found[index].slot.base + SEGMENT_HEADER as u64;
    let mut kept = read.len();
    while kept > 0 && empty(kept - 1) {
        kept -= 1;
    }
    // From the back, so that a crash in between leaves what this recovery would do again.
    let outdated = found[..kept]
        .iter()
        .filter(|segment| segment.slot.base < first);
    for segment in found[kept..].iter().rev().chain(outdated) {
        let name = segment.name();
        let removed = storage.remove(&name);
        removed.map_err(failed(format!("remove {name}")))?;
    }
    let synced = storage.sync_directory();
    synced.map_err(failed("sync the directory of the log"))?;

    let last = kept
        .checked_sub(1)
        .map(|index| (&found[index], read[index].end));
    let last = last.filter(|(segment, _)| segment.slot.base >= first);
    let sealed_next = match (&tail, last) {
        (Ending::Sealed(next), _) if kept == read.len() => Some(*next),
        // The segment before those that were removed ends with a seal, or is damaged up to its end.
        (_, Some((segment, end))) => sealed(segment.scanner(storage)?, end),
        (_, None) => None,
    };
    // Where a file was cut and its header is damaged too, the seal needs more room than the file seemed to have.
    let base = sealed_next.unwrap_or_else(|| {
        let room = last.map_or(0, |(_, end)| end + crate::format::SEAL_LEN as u64);
        fresh.max(room)
    });
    let span = u64::from(options.segment_size.max(Options::SEGMENT_MIN));
    let seal = match last {
        Some((segment, end)) if sealed_next.is_none() => Some(Seal {
            file: segment.open(storage)?,
            base: segment.slot.base,
            at: end,
            next: base,
        }),
        _ => None,
    };
    let mut writer = Writer::new(
        Arc::clone(storage),
        options.clone(),
        Slot { base, span },
        seal,
    );
    match writer.begin() {
        // What is there can be read all the same, and may be what is to go to make space.
        Err(error) if is_full(&error) => {}
        begun => begun.map_err(failed(format!("make {}", segment_name(base))))?,
    }
    let kept = found
        .iter()
        .zip(read)
        .take(kept)
        .filter(|(segment, _)| segment.slot.base >= first);
    let segments = kept.map(|(segment, read)| Segment::new(segment.slot, read.end, read.records));
    Ok((segments.collect(), writer))
}

/// What the seal says that ends at `end`.
fn sealed(mut scanner: Scanner, end: u64) -> Option<u64> {
    scanner.seek(end.checked_sub(crate::format::SEAL_LEN as u64)?);
    match scanner.next() {
        Item::Record {
            header, payload, ..
        } if header.own => match Own::decode(header.kind, payload)? {
            Own::Seal { next } => Some(next),
            Own::Mark { .. } => None,
        },
        _ => None,
    }
}
