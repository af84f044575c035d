//! Messages that wait, in order: a line of blocks for each priority.
//!
//! A block is an allocation of its own, so a long line grows and shrinks without being copied.

use std::collections::VecDeque;

use trefoil_store::Position;

/// Entries in a block: 16 KiB.
const BLOCK: usize = 512;

/// A message in a queue: 32 bytes, for there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where the message is, in the log that `flags` names.
    pub(crate) at: Position,
    /// Its place among all messages ever published: requeued ones go back to it.
    pub(crate) sequence: u64,
    /// When it expires, in milliseconds; [`NEVER`] if it does not.
    pub(crate) expires_at: u64,
    /// Bytes of the body.
    pub(crate) size: u32,
    /// How often it was delivered and came back.
    pub(crate) returns: u16,
    pub(crate) flags: u8,
    pub(crate) priority: u8,
}

/// No expiry.
pub(crate) const NEVER: u64 = u64::MAX;
/// In the durable log, and has to be acknowledged there.
pub(crate) const PERSISTENT: u8 = 1;
/// In the log of transient messages.
pub(crate) const TRANSIENT_LOG: u8 = 2;
/// Was delivered before, or may have been.
pub(crate) const REDELIVERED: u8 = 4;
/// Was dead-lettered: the history in its headers is ours.
pub(crate) const DIED: u8 = 8;
/// Was dead-lettered with another routing key: those in its headers no longer count.
pub(crate) const KEYS_REPLACED: u8 = 16;
/// Has a lifetime of its own, which outlives a policy about the queue's.
pub(crate) const MORTAL: u8 = 32;
/// Has a header `BCC`, which receivers must not see.
pub(crate) const HAS_BCC: u8 = 64;
/// Flags that stay with a message from queue to queue.
pub(crate) const HISTORY: u8 = DIED | KEYS_REPLACED | HAS_BCC;

impl Entry {
    pub(crate) fn is_persistent(&self) -> bool {
        self.flags & PERSISTENT != 0
    }

    pub(crate) fn is_in_transient_log(&self) -> bool {
        self.flags & TRANSIENT_LOG != 0
    }

    pub(crate) fn is_redelivered(&self) -> bool {
        self.flags & REDELIVERED != 0
    }
}

/// One line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    blocks: VecDeque<VecDeque<Entry>>,
    len: usize,
}

impl Line {
    pub(crate) fn front(&self) -> Option<&Entry> {
        self.blocks.front()?.front()
    }

    fn last_sequence(&self) -> Option<u64> {
        Some(self.blocks.back()?.back()?.sequence)
    }

    fn push_back(&mut self, entry: Entry) {
        self.len += 1;
        match self.blocks.back_mut() {
            Some(block) if block.len() < BLOCK => block.push_back(entry),
            Some(_) => {
                let mut block = VecDeque::with_capacity(BLOCK);
                block.push_back(entry);
                self.blocks.push_back(block);
            }
            // The first block grows as it is needed: most queues are short.
            None => self.blocks.push_back(VecDeque::from([entry])),
        }
    }

    fn push_front(&mut self, entry: Entry) {
        self.len += 1;
        match self.blocks.front_mut() {
            Some(block) if block.len() < BLOCK => block.push_front(entry),
            _ => self.blocks.push_front(VecDeque::from([entry])),
        }
    }

    /// Puts an entry where its sequence belongs.
    pub(crate) fn insert(&mut self, entry: Entry) {
        match (self.last_sequence(), self.front()) {
            (None, _) | (_, None) => self.push_back(entry),
            (Some(last), _) if last < entry.sequence => self.push_back(entry),
            (_, Some(first)) if first.sequence > entry.sequence => self.push_front(entry),
            _ => self.insert_between(entry),
        }
    }

    fn insert_between(&mut self, entry: Entry) {
        let after = self
            .blocks
            .partition_point(|block| block[0].sequence <= entry.sequence);
        let index = after.saturating_sub(1);
        let block = &mut self.blocks[index];
        let place = block.partition_point(|other| other.sequence <= entry.sequence);
        block.insert(place, entry);
        self.len += 1;
        if block.len() >= 2 * BLOCK {
            let rest = block.split_off(BLOCK);
            self.blocks.insert(index + 1, rest);
        }
    }

    fn place(&self, sequence: u64) -> Option<(usize, usize)> {
        let after = self.blocks.partition_point(|block| {
            block
                .front()
                .is_some_and(|first| first.sequence <= sequence)
        });
        let index = after.checked_sub(1)?;
        let place = self.blocks[index]
            .binary_search_by_key(&sequence, |entry| entry.sequence)
            .ok()?;
        Some((index, place))
    }

    pub(crate) fn pop_front(&mut self) -> Option<Entry> {
        let block = self.blocks.front_mut()?;
        let entry = block.pop_front()?;
        self.len -= 1;
        // The last block stays while it is small, so that a queue that is filled and emptied in turns does not allocate.
        let is_done = block.is_empty();
        let is_large = block.capacity() > BLOCK;
        if is_done && (is_large || self.blocks.len() > 1) {
            self.blocks.pop_front();
        }
        Some(entry)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.blocks.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.blocks.iter_mut().flatten()
    }
}

/// What waits in one queue.
#[derive(Debug)]
pub(crate) struct Ready {
    /// Index is the priority; one line for a queue without priorities.
    lines: Vec<Line>,
    len: usize,
    bytes: u64,
}

impl Ready {
    /// `priority_max` of 0 means no priorities.
    pub(crate) fn new(priority_max: u8) -> Self {
        Self {
            lines: (0..=usize::from(priority_max))
                .map(|_| Line::default())
                .collect(),
            len: 0,
            bytes: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        self.len += 1;
        self.bytes += u64::from(entry.size);
        let level = usize::from(entry.priority).min(self.lines.len() - 1);
        self.lines[level].insert(entry);
    }

    /// The next one to be delivered.
    pub(crate) fn front(&self) -> Option<&Entry> {
        self.lines.iter().rev().find_map(Line::front)
    }

    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let entry = self.lines.iter_mut().rev().find_map(Line::pop_front)?;
        self.forget(&entry);
        Some(entry)
    }

    /// Takes one that is at the head of a line and has expired.
    pub(crate) fn pop_expired(&mut self, now: u64) -> Option<Entry> {
        let line = self
            .lines
            .iter_mut()
            .rev()
            .find(|line| line.front().is_some_and(|entry| entry.expires_at <= now))?;
        let entry = line.pop_front()?;
        self.forget(&entry);
        Some(entry)
    }

    /// When the next head of a line expires.
    pub(crate) fn next_expiry(&self) -> u64 {
        self.lines
            .iter()
            .filter_map(Line::front)
            .map(|entry| entry.expires_at)
            .min()
            .unwrap_or(NEVER)
    }

    /// The entry with this sequence.
    pub(crate) fn find(&self, sequence: u64) -> Option<&Entry> {
        self.lines.iter().find_map(|line| {
            let (block, place) = line.place(sequence)?;
            line.blocks[block].get(place)
        })
    }

    /// The entry with this sequence, to be moved.
    pub(crate) fn find_mut(&mut self, sequence: u64) -> Option<&mut Entry> {
        self.lines.iter_mut().find_map(|line| {
            let (block, place) = line.place(sequence)?;
            line.blocks[block].get_mut(place)
        })
    }

    fn forget(&mut self, entry: &Entry) {
        self.len -= 1;
        self.bytes -= u64::from(entry.size);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.lines.iter().rev().flat_map(Line::iter)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.lines.iter_mut().rev().flat_map(Line::iter_mut)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(sequence: u64, priority: u8) -> Entry {
        Entry {
            at: Position::default(),
            sequence,
            expires_at: NEVER,
            size: 10,
            returns: 0,
            flags: 0,
            priority,
        }
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 32);
    }

    #[test]
    fn higher_priorities_go_first() {
        let mut ready = Ready::new(9);
        for (sequence, priority) in [(1, 0), (2, 9), (3, 5), (4, 9), (5, 200)] {
            ready.insert(entry(sequence, priority));
        }
        assert_eq!(ready.bytes(), 50);
        let order: Vec<u64> = std::iter::from_fn(|| ready.pop())
            .map(|entry| entry.sequence)
            .collect();
        assert_eq!(order, [2, 4, 5, 3, 1]);
        assert_eq!((ready.len(), ready.bytes()), (0, 0));
    }

    proptest! {
        /// Against a sorted vector: pushes at the end, requeues anywhere, pops at the front.
        #[test]
        fn behaves_like_a_sorted_vector(steps in proptest::collection::vec((0u8..4, any::<u16>()), 1..3000)) {
            let mut ready = Ready::new(0);
            let mut model: Vec<u64> = Vec::new();
            let mut taken: Vec<u64> = Vec::new();
            let mut next = 0;
            for (what, which) in steps {
                match what {
                    0 | 1 => {
                        next += 1;
                        ready.insert(entry(next, 0));
                        model.push(next);
                    }
                    2 => {
                        let popped = ready.pop().map(|entry| entry.sequence);
                        let expected = (!model.is_empty()).then(|| model.remove(0));
                        prop_assert_eq!(popped, expected);
                        taken.extend(popped);
                    }
                    _ if taken.is_empty() => {}
                    _ => {
                        let back = taken.swap_remove(usize::from(which) % taken.len());
                        ready.insert(entry(back, 0));
                        let place = model.partition_point(|other| *other < back);
                        model.insert(place, back);
                    }
                }
                prop_assert_eq!(ready.len(), model.len());
            }
            let rest: Vec<u64> = ready.iter().map(|entry| entry.sequence).collect();
            prop_assert_eq!(rest, model);
        }
    }
}
