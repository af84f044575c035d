//! What the owner of a log may choose.

/// Settings of a log.
#[derive(Clone, Debug)]
pub struct Options {
    /// Length of a segment file. A record that is longer gets a segment of its own.
    pub segment_size: u32,
    /// Memory for recent records that are written already, so that consumers who keep up need no disk.
    pub cache_bytes: usize,
    /// How many places of the disk can be read in sequence at once; each costs up to [`Options::WINDOW`] bytes when in use.
    pub read_windows: usize,
    /// Whether the file of the next segment is allocated and filled ahead, which makes syncs cheaper.
    pub preallocate: bool,
    /// A commit is refused with [`WriteError::Full`](crate::WriteError::Full) when the file system would be left with less than this.
    pub free_min: u64,
    /// Whether the log survives, or only keeps memory small.
    pub durability: Durability,
}

/// What a log is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything is written, and synced when the writer is told to.
    Durable,
    /// Nothing is written until more than `memory_budget` bytes wait, nothing is ever synced, and opening starts empty.
    Spill {
        /// Bytes of records that may wait in memory.
        memory_budget: usize,
    },
}

impl Options {
    /// Bytes that a read of the disk fetches at once, when records are read in sequence.
    pub const WINDOW: usize = 256 << 10;
    /// The smallest segment that makes sense: tests use it.
    pub const SEGMENT_MIN: u32 = 512;

    /// A log that survives.
    pub fn durable() -> Options {
        Options {
            segment_size: 64 << 20,
            cache_bytes: 8 << 20,
            read_windows: 16,
            preallocate: true,
            free_min: 0,
            durability: Durability::Durable,
        }
    }

    /// A log that keeps what must wait out of memory, once that is more than `memory_budget` bytes.
    pub fn spill(memory_budget: usize) -> Options {
        Options {
            preallocate: false,
            durability: Durability::Spill { memory_budget },
            ..Options::durable()
        }
    }

    pub(crate) fn is_spill(&self) -> bool {
        matches!(self.durability, Durability::Spill { .. })
    }
}

impl Default for Options {
    fn default() -> Options {
        Options::durable()
    }
}
