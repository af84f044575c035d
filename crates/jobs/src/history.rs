//! The states that a job went through, small enough to live in its row.

use crate::State;

/// One step of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The job's revision after the step; ids of the event stream.
    pub revision: u32,
    /// Wall clock, milliseconds since the epoch.
    pub at_ms: u64,
    /// The state after the step.
    pub state: State,
    /// The attempt that was current, 0 before the first.
    pub attempt: u32,
}

/// All steps of a job, oldest first.
///
/// Stored form: for each entry the state (1 byte) and three unsigned LEB128 numbers: revision, milliseconds and attempt,
/// each as the difference from the entry before (the clock may step back: its difference is zigzag-coded).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    bytes: Vec<u8>,
    last: Option<HistoryEntry>,
}

impl History {
    /// Adds a step.
    pub fn push(&mut self, entry: HistoryEntry) {
        let before = self.last.unwrap_or(HistoryEntry {
            revision: 0,
            at_ms: 0,
            state: State::Created,
            attempt: 0,
        });
        self.bytes.push(entry.state as u8);
        put(
            &mut self.bytes,
            u64::from(entry.revision.wrapping_sub(before.revision)),
        );
        let difference = entry.at_ms.wrapping_sub(before.at_ms).cast_signed();
        put(
            &mut self.bytes,
            ((difference << 1) ^ (difference >> 63)).cast_unsigned(),
        );
        put(
            &mut self.bytes,
            u64::from(entry.attempt.wrapping_sub(before.attempt)),
        );
        self.last = Some(entry);
    }

    /// The stored form.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads the stored form; `None` if it is damaged.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let mut history = Self { bytes, last: None };
        let mut last = None;
        for entry in history.iter() {
            last = Some(entry?);
        }
        history.last = last;
        Some(history)
    }

    /// The newest step.
    #[must_use]
    pub fn last(&self) -> Option<HistoryEntry> {
        self.last
    }

    /// All steps, oldest first.
    pub fn entries(&self) -> impl Iterator<Item = HistoryEntry> + '_ {
        // `from_bytes` and `push` let only well-formed bytes in.
        self.iter().map_while(|entry| entry)
    }

    fn iter(&self) -> impl Iterator<Item = Option<HistoryEntry>> + '_ {
        let mut rest = self.bytes.as_slice();
        let mut before = HistoryEntry {
            revision: 0,
            at_ms: 0,
            state: State::Created,
            attempt: 0,
        };
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let entry = decode(&mut rest, before);
            match entry {
                Some(entry) => before = entry,
                None => rest = &[],
            }
            Some(entry)
        })
    }
}

fn decode(rest: &mut &[u8], before: HistoryEntry) -> Option<HistoryEntry> {
    let (&state, tail) = rest.split_first()?;
    *rest = tail;
    let revision = u32::try_from(take(rest)?).ok()?;
    let zigzag = take(rest)?;
    let difference = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
    let attempt = u32::try_from(take(rest)?).ok()?;
    Some(HistoryEntry {
        state: State::from_number(state)?,
        revision: before.revision.wrapping_add(revision),
        at_ms: before.at_ms.wrapping_add(difference.cast_unsigned()),
        attempt: before.attempt.wrapping_add(attempt),
    })
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stored_form_round_trips(steps in prop::collection::vec((any::<u32>(), any::<u64>(), 0u8..11, any::<u32>()), 0..40)) {
            let mut history = History::default();
            let entries: Vec<_> = steps
                .into_iter()
                .map(|(revision, at_ms, state, attempt)| HistoryEntry {
                    revision, at_ms, attempt, state: State::from_number(state).unwrap(),
                })
                .collect();
            entries.iter().for_each(|entry| history.push(*entry));
            let read = History::from_bytes(history.as_bytes().to_vec()).unwrap();
            prop_assert_eq!(read.entries().collect::<Vec<_>>(), entries);
            prop_assert_eq!(read, history);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = History::from_bytes(bytes);
        }
    }
}
