//! Giving the records of the files to the owner, past whatever is damaged.
use std::sync::Arc;

use super::{Found, OpenError};
use crate::format::{Own, Position, RecordHeader, SEGMENT_HEADER, segment_name};
use crate::report::{Damage, Loss, Report};
use crate::scan::{Item, Scanner};
use crate::storage::Storage;

/// How a segment ended.
pub(super) enum Ending {
    /// By its seal; the base of the next segment.
    Sealed(u64),
    /// The file was cut, or damaged up to its end.
    Damaged,
    /// Here the log ends.
    Tail,
}

/// What was read of a segment.
pub(super) struct Read {
    /// End of the last record that is good.
    pub(super) end: u64,
    /// How many records of the owner there are.
    pub(super) records: u64,
}

pub(super) struct Replayer<'a> {
    pub(super) storage: &'a Arc<dyn Storage>,
    pub(super) found: &'a [Found],
    /// Everything before this was durable, as far as marks were seen.
    pub(super) durable: u64,
    /// The oldest segment that was needed, as told by the last mark.
    pub(super) first: u64,
    pub(super) report: &'a mut Report,
    pub(super) replay: &'a mut dyn FnMut(Position, u8, &[u8]),
}

impl Replayer<'_> {
    /// Replays everything. Gives the ends of the segments that were read, and how the last of them ended.
    pub(super) fn run(&mut self) -> Result<(Vec<Read>, Ending), OpenError> {
        let mut read = Vec::new();
        let mut ending = Ending::Tail;
        self.first = self.found.first().map_or(0, |oldest| oldest.slot.base);
        let mut first_told = false;
        for (index, segment) in self.found.iter().enumerate() {
            if let Ending::Sealed(next) = ending
                && next < segment.slot.base
            {
                self.missing(next, segment.slot.base);
            }
            self.report.segments += 1;
            let before = self.report.records;
            let (end, how) = self.segment(index, &mut first_told)?;
            self.report.bytes += end - segment.slot.base;
            read.push(Read {
                end,
                records: self.report.records - before,
            });
            ending = how;
            if matches!(ending, Ending::Tail) {
                break;
            }
        }
        if let (Ending::Sealed(next), Some(last)) = (&ending, self.found.last()) {
            // The file was there before the seal was written.
            let span = last.slot.span;
            self.missing(*next, next.saturating_add(span));
        }
        Ok((read, ending))
    }

    fn missing(&mut self, from: u64, until: u64) {
        let at = Position::new(from);
        self.report.damages.push(Damage {
            file: segment_name(from),
            at,
            bytes: until - from,
            loss: Loss::Missing,
        });
    }

    /// Replays one segment. Gives the end of the last record that is good.
    fn segment(&mut self, index: usize, first_told: &mut bool) -> Result<(u64, Ending), OpenError> {
        let found = &self.found[index];
        let mut scanner = found.scanner(self.storage)?;
        let mut end = found.slot.base + SEGMENT_HEADER as u64;
        let ending = loop {
            match scanner.next() {
                Item::Record {
                    at,
                    header,
                    payload,
                } => {
                    end = at + header.record_len() as u64;
                    if !header.own {
                        self.report.records += 1;
                        (self.replay)(Position::new(at), header.kind, payload);
                        continue;
                    }
                    match Own::decode(header.kind, payload) {
                        Some(Own::Mark { durable, first }) => {
                            self.durable = self.durable.max(durable);
                            self.first = if *first_told {
                                self.first.max(first)
                            } else {
                                first
                            };
                            *first_told = true;
                        }
                        Some(Own::Seal { next }) => break Ending::Sealed(next),
                        None => {}
                    }
                }
                Item::Bad { at, header } => {
                    if let Some(ending) = self.gap(index, &mut scanner, at, header)? {
                        break ending;
                    }
                }
                Item::End { at } => {
                    if let Some(ending) = self.gap(index, &mut scanner, at, None)? {
                        break ending;
                    }
                }
            }
        };
        for (at, bytes, error) in scanner.unreadable.drain(..) {
            self.damage(found, at, bytes, Loss::ReadError(error));
        }
        Ok((end, ending))
    }

    fn damage(&mut self, found: &Found, at: u64, bytes: u64, loss: Loss) {
        self.report.damages.push(Damage {
            file: found.name(),
            at: Position::new(at),
            bytes,
            loss,
        });
    }

    /// There is no valid record at `at`. Either the segment ends here, or the scanner is moved to where the next one may be.
    fn gap(
        &mut self,
        index: usize,
        scanner: &mut Scanner,
        at: u64,
        header: Option<RecordHeader>,
    ) -> Result<Option<Ending>, OpenError> {
        let found = &self.found[index];
        // Every file has its full length until it is sealed.
        let cut = found.length < found.slot.span;
        if !cut && self.durable <= at {
            let beyond = self.look_beyond(index, at)?;
            if self.durable <= at {
                if header.is_some() || beyond.records > 0 {
                    self.damage(
                        found,
                        at,
                        beyond.bytes,
                        Loss::Unfinished {
                            records: beyond.records,
                        },
                    );
                }
                return Ok(Some(Ending::Tail));
            }
        }
        if let Some(header) = header {
            let bytes = header.record_len() as u64;
            let loss = if header.own {
                Loss::Bookkeeping
            } else {
                Loss::Record { kind: header.kind }
            };
            self.damage(found, at, bytes, loss);
            scanner.seek(at + bytes);
            return Ok(None);
        }
        if let Some(next) = scanner.search(at + 1) {
            self.damage(found, at, next - at, Loss::Unreadable);
            scanner.seek(next);
            return Ok(None);
        }
        let used = scanner.last_used(at);
        if used > at {
            self.damage(found, at, used - at, Loss::Unreadable);
        }
        if cut {
            self.damage(
                found,
                found.slot.base + found.length,
                found.slot.span - found.length,
                Loss::Cut,
            );
        }
        Ok(Some(Ending::Damaged))
    }

    /// Looks behind a gap for a mark that says that the gap was durable.
    fn look_beyond(&mut self, index: usize, gap: u64) -> Result<Beyond, OpenError> {
        let mut beyond = Beyond::default();
        for (offset, segment) in self.found[index..].iter().enumerate() {
            let mut scanner = segment.scanner(self.storage)?;
            if offset == 0 {
                match scanner.search(gap + 1) {
                    Some(next) => scanner.seek(next),
                    None => continue,
                }
            }
            loop {
                match scanner.next() {
                    Item::Record {
                        header, payload, ..
                    } if header.own => match Own::decode(header.kind, payload) {
                        Some(Own::Mark { durable, .. }) if durable > gap => {
                            self.durable = self.durable.max(durable);
                            return Ok(beyond);
                        }
                        Some(Own::Seal { .. }) => break,
                        Some(Own::Mark { .. }) | None => {}
                    },
                    Item::Record { header, .. } => {
                        beyond.records += 1;
                        beyond.bytes += header.record_len() as u64;
                    }
                    Item::Bad { at, .. } => {
                        if scanner.search(at + 1).is_none() {
                            break;
                        }
                    }
                    Item::End { .. } => break,
                }
            }
        }
        Ok(beyond)
    }
}

/// Records behind a gap.
#[derive(Default)]
struct Beyond {
    records: u64,
    bytes: u64,
}
