//! Which segments there are, what still needs them, and when the oldest should go.
use std::collections::VecDeque;
use std::ops::Range;

use crate::batch::Slot;
use crate::format::SEGMENT_HEADER;

/// Rubbish is tolerated up to the size of what lives, and this many segments.
const SLACK_SEGMENTS: u64 = 4;
/// The same when the disk is short of space.
const SLACK_SEGMENTS_TIGHT: u64 = 1;

#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) slot: Slot,
    /// End of the last record.
    pub(crate) end: u64,
    /// Bytes of a record, for references to records whose length is not known.
    average: u64,
    /// References that are held.
    live: u64,
    /// References that were ever held since there were none.
    referenced: u64,
    /// Bytes of the records that got these references.
    bytes: u64,
    offered: bool,
}

impl Segment {
    /// `records`: how many there are in it, as a recovery counted them.
    pub(crate) fn new(slot: Slot, end: u64, records: u64) -> Segment {
        let average = (end - slot.base) / records.max(1);
        Segment {
            slot,
            end,
            average,
            live: 0,
            referenced: 0,
            bytes: 0,
            offered: false,
        }
    }

    fn size(&self) -> u64 {
        self.end - self.slot.base
    }

    /// An estimate: references are not told apart by the length of their records.
    fn live_bytes(&self) -> u64 {
        if self.live == 0 {
            return 0;
        }
        let bytes = u128::from(self.bytes) * u128::from(self.live)
            / u128::from(self.referenced.max(self.live));
        (bytes as u64).min(self.size())
    }

    fn records(&self) -> Range<u64> {
        self.slot.base + SEGMENT_HEADER as u64..self.end
    }
}

#[derive(Debug)]
pub(crate) struct Segments {
    /// Oldest first; the last is the one that is written.
    list: VecDeque<Segment>,
    segment_size: u64,
    live: u64,
    /// References when it was last weighed whether the oldest segment should be cleaned.
    weighed_live: u64,
    weighed_segments: usize,
    /// Segments without references stay until the owner has counted what it found.
    recovering: bool,
    /// The disk is short of space: less rubbish is tolerated.
    tight: bool,
}

impl Segments {
    pub(crate) fn new(list: VecDeque<Segment>, segment_size: u64, recovering: bool) -> Segments {
        Segments {
            list,
            segment_size,
            live: 0,
            weighed_live: 0,
            weighed_segments: 0,
            recovering,
            tight: false,
        }
    }

    pub(crate) fn set_tight(&mut self, tight: bool) {
        self.tight = tight;
        // To be weighed again, by the other measure.
        self.weighed_segments = 0;
    }

    pub(crate) fn handle_recovered(&mut self) {
        self.recovering = false;
    }

    /// Base of the oldest segment.
    pub(crate) fn first(&self) -> u64 {
        self.list.front().map_or(0, |segment| segment.slot.base)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Bytes of all segments.
    pub(crate) fn size(&self) -> u64 {
        self.list.iter().map(Segment::size).sum()
    }

    pub(crate) fn live(&self) -> u64 {
        self.live
    }

    pub(crate) fn begin(&mut self, slot: Slot, start: u64) {
        self.list.push_back(Segment::new(slot, start, 0));
    }

    #[inline]
    pub(crate) fn set_end(&mut self, end: u64) {
        if let Some(current) = self.list.back_mut() {
            current.end = end;
        }
    }

    /// The segment that owns `at`.
    #[inline]
    pub(crate) fn find(&self, at: u64) -> Option<&Segment> {
        self.index(at).map(|index| &self.list[index])
    }

    #[inline]
    fn index(&self, at: u64) -> Option<usize> {
        let last = self.list.len().checked_sub(1)?;
        let index = if at >= self.list[last].slot.base {
            last
        } else {
            self.list
                .partition_point(|segment| segment.slot.end() <= at)
        };
        let segment = &self.list[index];
        (segment.slot.base <= at && at < segment.end).then_some(index)
    }

    /// `length` is that of the record, if it is known.
    #[inline]
    pub(crate) fn retain(&mut self, at: u64, count: u32, length: Option<usize>) {
        if let Some(index) = self.index(at) {
            let segment = &mut self.list[index];
            segment.live += u64::from(count);
            segment.referenced += u64::from(count);
            // After a restart lengths are not known; averages go wrong where large and small records mix, which costs some copying.
            let bytes = length.map_or(segment.average * u64::from(count), |length| length as u64);
            segment.bytes = (segment.bytes + bytes).min(segment.size());
            self.live += u64::from(count);
        }
    }

    #[inline]
    pub(crate) fn release(&mut self, at: u64, count: u32) {
        if let Some(index) = self.index(at) {
            let segment = &mut self.list[index];
            let count = u64::from(count).min(segment.live);
            segment.live -= count;
            if segment.live == 0 {
                segment.referenced = 0;
                segment.bytes = 0;
            }
            self.live -= count;
        }
    }

    /// Whether segments can go.
    #[inline]
    pub(crate) fn has_removable(&self) -> bool {
        !self.recovering
            && self.list.len() > 1
            && self.list.front().is_some_and(|segment| segment.live == 0)
    }

    /// Takes the oldest segments that nobody needs.
    pub(crate) fn take_removable(&mut self) -> Vec<u64> {
        let mut bases = Vec::new();
        while self.has_removable() {
            bases.extend(self.list.pop_front().map(|segment| segment.slot.base));
        }
        bases
    }

    /// Takes every segment that nobody needs, but the last.
    pub(crate) fn take_all_removable(&mut self) -> Vec<u64> {
        let last = self.list.len().saturating_sub(1);
        let mut bases = Vec::new();
        let mut index = 0;
        self.list.retain(|segment| {
            let keep = segment.live > 0 || index == last;
            if !keep {
                bases.push(segment.slot.base);
            }
            index += 1;
            keep
        });
        bases
    }

    /// The records of the oldest segment, when it is time to clean it.
    pub(crate) fn poll_cleaning(&mut self) -> Option<Range<u64>> {
        let grown = self.list.len() != self.weighed_segments;
        let shrunk = self.live < self.weighed_live - self.weighed_live / 8;
        if self.recovering || self.list.len() < 2 || !(grown || shrunk) {
            return None;
        }
        let oldest = self
            .list
            .front()
            .filter(|segment| !segment.offered && segment.live > 0)?;
        let records = oldest.records();
        self.weighed_segments = self.list.len();
        self.weighed_live = self.live;
        let live_bytes: u64 = self.list.iter().map(Segment::live_bytes).sum();
        let slack = if self.tight {
            SLACK_SEGMENTS_TIGHT
        } else {
            SLACK_SEGMENTS
        };
        if self.size() <= 2 * live_bytes + slack * self.segment_size {
            return None;
        }
        self.list.front_mut()?.offered = true;
        Some(records)
    }
}
