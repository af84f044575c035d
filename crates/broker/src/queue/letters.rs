//! Dead letters that stay in their queue until those who should have them do.

use std::collections::BTreeMap;

use super::Entry;
use crate::death::Reason;

/// A message that died in a queue with the strategy `at-least-once`, and that somebody cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) entry: Entry,
    pub(crate) reason: Reason,
    pub(crate) died_at: u64,
    /// Numbers of the queues that have it. Not kept over a restart: they may get it twice.
    pub(crate) taken_by: Vec<u64>,
}

/// The dead letters of a queue, which no consumer gets.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    by_sequence: BTreeMap<u64, Letter>,
    bytes: u64,
    /// Where trying goes on. At the end it begins anew.
    next: u64,
    /// When it does.
    pub(crate) retry_at: u64,
}

impl Letters {
    pub(crate) fn len(&self) -> usize {
        self.by_sequence.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_sequence.is_empty()
    }

    /// Bytes of bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn insert(&mut self, letter: Letter) {
        self.bytes += u64::from(letter.entry.size);
        self.by_sequence.insert(letter.entry.sequence, letter);
    }

    fn remove(&mut self, sequence: u64) -> Option<Letter> {
        let letter = self.by_sequence.remove(&sequence)?;
        self.bytes -= u64::from(letter.entry.size);
        Some(letter)
    }

    /// Takes the oldest.
    pub(crate) fn pop(&mut self) -> Option<Letter> {
        let (sequence, _) = self.by_sequence.first_key_value()?;
        self.remove(*sequence)
    }

    /// Takes the next one of this round. `None`: the round is over.
    pub(crate) fn take_next(&mut self) -> Option<Letter> {
        let (sequence, _) = self.by_sequence.range(self.next..).next()?;
        let sequence = *sequence;
        self.next = sequence + 1;
        self.remove(sequence)
    }

    /// The next round begins at this time, with the oldest.
    pub(crate) fn begin(&mut self, at: u64) {
        self.next = 0;
        self.retry_at = at;
    }

    pub(crate) fn get_mut(&mut self, sequence: u64) -> Option<&mut Letter> {
        self.by_sequence.get_mut(&sequence)
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Letter> {
        self.by_sequence.values()
    }
}
