//! What opening a log found.
use std::fmt;

use crate::format::Position;

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segment files that were read.
    pub segments: usize,
    /// Records that were given to the owner.
    pub records: u64,
    /// Bytes of files that were read.
    pub bytes: u64,
    /// What was wrong, in the order of the log.
    pub damages: Vec<Damage>,
    /// Files that are none of the log's and were left alone.
    pub foreign: Vec<String>,
}

impl Report {
    /// Whether nothing durable was lost.
    pub fn is_intact(&self) -> bool {
        let harmless = |loss: &Loss| matches!(loss, Loss::Unfinished { .. } | Loss::Bookkeeping);
        self.damages.iter().all(|damage| harmless(&damage.loss))
    }
}

/// One thing that was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment file.
    pub file: String,
    /// Where the damage begins.
    pub at: Position,
    /// How many bytes of the log are concerned.
    pub bytes: u64,
    /// What it is.
    pub loss: Loss,
}

/// What a damage is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A write was under way when the process or the machine stopped. Nothing that was durable is lost.
    Unfinished {
        /// Whole records behind the gap, which were never durable and are left out.
        records: u64,
    },
    /// A record's payload is not what was written. The record is lost, no other.
    Record {
        /// Its kind.
        kind: u8,
    },
    /// Bytes that are no records, up to the next one.
    Unreadable,
    /// A file that must be there is not.
    Missing,
    /// A file ends too early. How many of the bytes that are not there were used is not known.
    Cut,
    /// The header of a file, a mark or a seal is damaged. No record is lost by that.
    Bookkeeping,
    /// The disk reported an error while these bytes were read.
    ReadError(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            file,
            at,
            bytes,
            loss,
        } = self;
        match loss {
            Loss::Unfinished { records: 0 } => {
                write!(f, "{file}: an unfinished write at {at} was dropped")
            }
            Loss::Unfinished { records } => {
                write!(
                    f,
                    "{file}: an unfinished write at {at} was dropped, with {records} records after it that were not durable"
                )
            }
            Loss::Record { kind } => write!(
                f,
                "{file}: the record of kind {kind} at {at} is damaged; {bytes} bytes are lost"
            ),
            Loss::Unreadable => write!(f, "{file}: damaged at {at}; {bytes} bytes are lost"),
            Loss::Missing => write!(f, "{file}: missing; {bytes} bytes from {at} on are lost"),
            Loss::Cut => write!(f, "{file}: cut at {at}; up to {bytes} bytes are lost"),
            Loss::Bookkeeping => {
                write!(
                    f,
                    "{file}: damaged at {at}, where no records are; nothing is lost"
                )
            }
            Loss::ReadError(error) => {
                write!(f, "{file}: {bytes} bytes at {at} cannot be read: {error}")
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "read {} records, {} bytes in {} segments",
            self.records, self.bytes, self.segments
        )?;
        for damage in &self.damages {
            write!(f, "; {damage}")?;
        }
        for name in &self.foreign {
            write!(f, "; {name}: not a file of the log, left alone")?;
        }
        Ok(())
    }
}
