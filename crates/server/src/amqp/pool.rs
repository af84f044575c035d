//! Buffers for output, used again. A connection that is silent has none.

use std::sync::{Mutex, PoisonError};

/// Smaller ones are cheaper to allocate than to keep.
pub(super) const SMALL: usize = 4 << 10;
/// Larger ones were for a burst that may not come again.
const LARGE: usize = 1 << 20;
/// What is kept in all, bytes: twice what a few busy connections turn over at a time.
const KEPT_MAX: usize = 8 << 20;

/// Empty buffers with space in them.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// A buffer with space, if there is one.
    pub(super) fn take(&self) -> Vec<u8> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = kept.buffers.pop().unwrap_or_default();
        kept.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer for the next who needs one.
    pub(super) fn give(&self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if !(SMALL..=LARGE).contains(&capacity) {
            return;
        }
        buffer.clear();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + capacity <= KEPT_MAX {
            kept.bytes += capacity;
            kept.buffers.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let pool = Pool::default();
        assert_eq!(pool.take().capacity(), 0);
        pool.give(Vec::with_capacity(SMALL - 1));
        pool.give(Vec::with_capacity(LARGE + 1));
        assert_eq!(pool.take().capacity(), 0);
        for _ in 0..100 {
            pool.give(Vec::with_capacity(LARGE));
        }
        let taken = (0..100).filter(|_| pool.take().capacity() > 0).count();
        assert_eq!(taken, KEPT_MAX / LARGE);
    }
}
