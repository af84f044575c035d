//! The format of the files, version 1. All numbers are little endian.
//!
//! # Positions
//!
//! A log is one endless row of bytes. A [`Position`] is the offset in it of a record's header; a position that was shown to the
//! owner is never used again, not even after a crash. The row is cut into segments: a segment owns the positions from its base up to base + span and is the file
//! named by its base (`{base:016x}.log`, in lower case); the byte at position `p` is at the offset `p - base` of that file.
//! Every segment but the last ends with a seal, which says where the next begins: at base + span, or further on after a recovery.
//!
//! # Segment header, 32 bytes
//!
//! | Offset | Bytes | |
//! |---|---|---|
//! | 0 | 8 | magic: `TRFLOG\r\n` |
//! | 8 | 4 | version of the format: 1 |
//! | 12 | 4 | CRC-32C of the other 28 bytes |
//! | 16 | 8 | base: the position of the first byte of this file |
//! | 24 | 8 | span: how many positions the segment owns |
//!
//! A file is made under a provisional name (`spare.tmp`), gets its full length and its header, is synced, and only then gets its own
//! name; and that before the seal which points to it is written. So a file without a seal that is shorter than its span was cut afterwards,
//! and a file that a seal points to was there. Once a segment is sealed the file may be cut behind the seal.
//!
//! # Record, 12 bytes of header and a payload
//!
//! | Offset | Bytes | |
//! |---|---|---|
//! | 0 | 4 | bits 0 to 30: length of the payload; bit 31: the record is the log's own |
//! | 4 | 4 | bits 0 to 7: kind; bits 8 to 31: check of the header |
//! | 8 | 4 | CRC-32C of the payload, started with the seed |
//! | 12 | | payload |
//!
//! Check and seed are the top 24 and the low 32 bits of [`mix`] of the position, the length word and the kind. So a record
//! is valid only where it was written: bytes of an older use of the file, or a block that went to a wrong place, are never taken for a
//! record. The check tells whether the length can be trusted when the payload is damaged, and makes searching for
//! the next record after a damaged header cheap. Records follow each other without padding.
//!
//! The log's own records:
//!
//! | Kind | Payload | |
//! |---|---|---|
//! | 1, mark | 16 bytes | two positions: everything before the first was durable when this was written; the second is the base of the oldest segment that was needed |
//! | 2, seal | 8 bytes | the segment ends here; the position is the base of the next |
//!
//! # Reading it after a crash
//!
//! Records are taken in order. At bytes that are no valid record at a position `p`, later marks decide. If one says that `p` was
//! durable, these bytes were damaged afterwards: they are reported as lost and reading goes on at the next valid record. If none does, this is
//! where an unfinished write begins, and the log ends: whatever follows was never durable, and what was not durable must not come
//! back with holes in it. A mark may also stand behind the last record, where the next record will overwrite it.
//!
//! Recovery never continues a file: it makes the next segment, then seals the last one where its records end. So bytes of an
//! unfinished write can never be taken for something that was written later at the same place.
//!
//! Segments are removed from the front only, after a mark that names the new first segment is durable. Older segments that are
//! still there were about to be removed; newer ones that are not are missing.
use std::fmt;

/// Where a record is: the offset of its header in the endless row of bytes that is the log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// The position with this offset, as told by [`Position::get`].
    pub const fn new(offset: u64) -> Position {
        Position(offset)
    }

    /// The offset.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{:x}", self.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Version of the format that is written.
pub const VERSION: u32 = 1;
/// Length of the header of a segment.
pub const SEGMENT_HEADER: usize = 32;
/// Length of the header of a record.
pub const RECORD_HEADER: usize = 12;
/// Longest payload. Lengths have 31 bits; half of that leaves room for sums in 32.
pub const PAYLOAD_MAX: usize = 1 << 30;

const MARK: u8 = 1;
const SEAL: u8 = 2;
/// Bytes of a mark.
pub(crate) const MARK_LEN: usize = RECORD_HEADER + 16;
/// Bytes of a seal: kept free at the end of every segment.
pub(crate) const SEAL_LEN: usize = RECORD_HEADER + 8;
/// Name of a file that is none of the log yet, or none any more.
pub(crate) const SPARE: &str = "spare.tmp";

const MAGIC: [u8; 8] = *b"TRFLOG\r\n";
const OWN: u32 = 1 << 31;
/// The bits of the length word that are the length.
pub(crate) const LENGTH: u32 = OWN - 1;
/// Beyond what a log can reach: a file that claims such a base is none of ours.
const BASE_MAX: u64 = 1 << 60;
/// Longer than any segment can be.
const SPAN_MAX: u64 = 1 << 40;

/// Sixty-four bits that depend on every bit of a record's position, length word and kind.
#[inline]
pub fn mix(position: u64, length_word: u32, kind: u8) -> u64 {
    let meta = u64::from(length_word) << 8 | u64::from(kind);
    let mut x =
        position.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ meta.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 29)
}

/// The header of a record whose check was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    /// A mark or a seal.
    pub(crate) own: bool,
    crc: u32,
    seed: u32,
}

impl RecordHeader {
    /// The header at `position`, if these bytes begin with one that was written for that position.
    #[inline]
    pub(crate) fn decode(bytes: &[u8], position: u64) -> Option<RecordHeader> {
        let (header, _) = bytes.split_first_chunk::<RECORD_HEADER>()?;
        let [l0, l1, l2, l3, k0, k1, k2, k3, c0, c1, c2, c3] = *header;
        let word = u32::from_le_bytes([l0, l1, l2, l3]);
        let kind_and_check = u32::from_le_bytes([k0, k1, k2, k3]);
        let x = mix(position, word, k0);
        let length = (word & LENGTH) as usize;
        ((x >> 40) as u32 == kind_and_check >> 8 && length <= PAYLOAD_MAX).then_some(RecordHeader {
            length,
            kind: k0,
            own: word & OWN != 0,
            crc: u32::from_le_bytes([c0, c1, c2, c3]),
            seed: x as u32,
        })
    }

    /// Whether this is the payload that the header was written for.
    #[inline]
    pub(crate) fn matches(&self, payload: &[u8]) -> bool {
        crc32c::crc32c_append(self.seed, payload) == self.crc
    }

    /// Bytes of the whole record.
    #[inline]
    pub(crate) fn record_len(&self) -> usize {
        RECORD_HEADER + self.length
    }
}

/// Appends a record to `out`. `length` is the sum of the lengths of `parts`.
#[inline]
pub(crate) fn encode_record(
    out: &mut Vec<u8>,
    position: u64,
    own: bool,
    kind: u8,
    length: usize,
    parts: &[&[u8]],
) {
    debug_assert!(length <= PAYLOAD_MAX && length == parts.iter().map(|part| part.len()).sum());
    let word = length as u32 | if own { OWN } else { 0 };
    let x = mix(position, word, kind);
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEADER]);
    for part in parts {
        out.extend_from_slice(part);
    }
    // Over the copy, which lies in one piece and in the cache.
    let crc = crc32c::crc32c_append(x as u32, &out[start + RECORD_HEADER..]);
    let check = (x >> 40) as u32;
    let header = &mut out[start..start + RECORD_HEADER];
    header[..4].copy_from_slice(&word.to_le_bytes());
    header[4..8].copy_from_slice(&(check << 8 | u32::from(kind)).to_le_bytes());
    header[8..].copy_from_slice(&crc.to_le_bytes());
}

/// What a record of the log's own says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Everything before `durable` was durable, and `first` was the base of the oldest segment that was needed.
    Mark { durable: u64, first: u64 },
    /// The segment ends here; `next` is the base of the next.
    Seal { next: u64 },
}

impl Own {
    pub(crate) fn encode(self, out: &mut Vec<u8>, position: u64) {
        match self {
            Own::Mark { durable, first } => {
                encode_record(
                    out,
                    position,
                    true,
                    MARK,
                    16,
                    &[&durable.to_le_bytes(), &first.to_le_bytes()],
                );
            }
            Own::Seal { next } => {
                encode_record(out, position, true, SEAL, 8, &[&next.to_le_bytes()])
            }
        }
    }

    /// None: a kind that this program does not know, which it passes over.
    pub(crate) fn decode(kind: u8, payload: &[u8]) -> Option<Own> {
        let word = |at: usize| Some(u64::from_le_bytes(*payload.get(at..)?.first_chunk()?));
        match kind {
            MARK => Some(Own::Mark {
                durable: word(0)?,
                first: word(8)?,
            }),
            SEAL => Some(Own::Seal { next: word(0)? }),
            _ => None,
        }
    }

    pub(crate) fn record_len(self) -> usize {
        match self {
            Own::Mark { .. } => MARK_LEN,
            Own::Seal { .. } => SEAL_LEN,
        }
    }
}

/// What the header of a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) base: u64,
    pub(crate) span: u64,
}

/// Why the first bytes of a file are not the header of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    /// Not this format, or damaged.
    Unreadable,
    /// A version that this program does not know.
    Version(u32),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER] {
        let mut bytes = [0; SEGMENT_HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.base.to_le_bytes());
        bytes[24..].copy_from_slice(&self.span.to_le_bytes());
        let crc = header_crc(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<SegmentHeader, BadHeader> {
        let (bytes, _) = bytes
            .split_first_chunk::<SEGMENT_HEADER>()
            .ok_or(BadHeader::Unreadable)?;
        // The checksum covers the version: a header of a later version must keep these first 16 bytes and their meaning.
        if bytes[..8] != MAGIC || u32_at(bytes, 12) != header_crc(bytes) {
            return Err(BadHeader::Unreadable);
        }
        match u32_at(bytes, 8) {
            VERSION => {
                let header = SegmentHeader {
                    base: u64_at(bytes, 16),
                    span: u64_at(bytes, 24),
                };
                let plausible = (SEGMENT_HEADER as u64..SPAN_MAX).contains(&header.span);
                if plausible {
                    Ok(header)
                } else {
                    Err(BadHeader::Unreadable)
                }
            }
            other => Err(BadHeader::Version(other)),
        }
    }
}

fn header_crc(bytes: &[u8; SEGMENT_HEADER]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..])
}

fn u32_at(bytes: &[u8; SEGMENT_HEADER], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8; SEGMENT_HEADER], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// Name of the file of the segment at `base`.
pub(crate) fn segment_name(base: u64) -> String {
    format!("{base:016x}.log")
}

/// The base of a segment whose file has this name.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    let plain = digits.len() == 16
        && digits
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !plain {
        return None;
    }
    u64::from_str_radix(digits, 16)
        .ok()
        .filter(|base| *base < BASE_MAX)
}
