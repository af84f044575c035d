//! Walking through the records of a file, whatever is in it.
use std::io;
use std::sync::Arc;

use crate::format::{LENGTH, RECORD_HEADER, RecordHeader, SEGMENT_HEADER};
use crate::storage::{File, read_full};

/// What a read of the file fetches.
const BLOCK: usize = 1 << 20;
/// What is given up when the disk cannot read it.
const SECTOR: usize = 4096;

/// What is at the place where a record is expected.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    Record {
        at: u64,
        header: RecordHeader,
        payload: &'a [u8],
    },
    /// No record. With a header: its length can be trusted, and the file is long enough for it.
    Bad {
        at: u64,
        header: Option<RecordHeader>,
    },
    /// The file ends here.
    End { at: u64 },
}

/// Reads a segment from front to back.
#[derive(Debug)]
pub(crate) struct Scanner {
    file: Arc<dyn File>,
    base: u64,
    /// Position at which the file ends.
    limit: u64,
    at: u64,
    buffer: Vec<u8>,
    /// Position of the first byte in the buffer.
    buffer_start: u64,
    /// Parts that the disk could not read: position, length, what it said.
    pub(crate) unreadable: Vec<(u64, u64, String)>,
}

impl Scanner {
    /// Begins behind the header of the segment at `base`, whose file is `length` bytes long.
    pub(crate) fn new(file: Arc<dyn File>, base: u64, length: u64) -> Scanner {
        let at = base + SEGMENT_HEADER as u64;
        Scanner {
            file,
            base,
            limit: base.saturating_add(length),
            at,
            buffer: Vec::new(),
            buffer_start: at,
            unreadable: Vec::new(),
        }
    }

    pub(crate) fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// Makes sure that `wanted` bytes at the current place are in the buffer, or all that there are, and gives them with what is behind.
    fn fill(&mut self, wanted: usize) -> &[u8] {
        let wanted = wanted.min(self.limit.saturating_sub(self.at) as usize);
        let offset = self
            .at
            .checked_sub(self.buffer_start)
            .map(|offset| offset as usize)
            .filter(|offset| *offset <= self.buffer.len());
        let have = offset.map_or(0, |offset| self.buffer.len() - offset);
        if have >= wanted && offset.is_some() {
            let offset = offset.unwrap_or(0);
            return &self.buffer[offset..];
        }
        match offset {
            Some(offset) => {
                self.buffer.copy_within(offset.., 0);
                self.buffer.truncate(have);
            }
            None => self.buffer.clear(),
        }
        self.buffer_start = self.at;
        let have = self.buffer.len();
        let from = self.at + have as u64;
        let more = (wanted - have)
            .max(BLOCK)
            .min(self.limit.saturating_sub(from) as usize);
        self.buffer.resize(have + more, 0);
        let offset = from - self.base;
        match read_full(self.file.as_ref(), &mut self.buffer[have..], offset) {
            Ok(read) => self.buffer.truncate(have + read),
            Err(_) => self.read_by_sectors(have, offset),
        }
        &self.buffer
    }

    /// Reads what can be read; the rest becomes zeros.
    fn read_by_sectors(&mut self, have: usize, offset: u64) {
        let mut failed: Option<(u64, u64, String)> = None;
        let mut at = offset;
        for sector in self.buffer[have..].chunks_mut(SECTOR) {
            match read_full(self.file.as_ref(), sector, at) {
                Ok(read) => {
                    sector[read..].fill(0);
                    self.unreadable.extend(failed.take());
                }
                Err(error) => {
                    sector.fill(0);
                    let (_, length, _) =
                        failed.get_or_insert((self.base + at, 0, describe(&error)));
                    *length += sector.len() as u64;
                }
            }
            at += sector.len() as u64;
        }
        self.unreadable.extend(failed);
    }

    /// What is at the current place; the place moves on behind a record, and stays at anything else.
    pub(crate) fn next(&mut self) -> Item<'_> {
        let at = self.at;
        let room = self.limit.saturating_sub(at);
        let bytes = self.fill(RECORD_HEADER);
        if bytes.is_empty() {
            return Item::End { at };
        }
        let Some(header) =
            RecordHeader::decode(bytes, at).filter(|header| header.record_len() as u64 <= room)
        else {
            return Item::Bad { at, header: None };
        };
        let length = header.record_len();
        self.fill(length);
        let offset = (at - self.buffer_start) as usize;
        let Some(payload) = self.buffer.get(offset + RECORD_HEADER..offset + length) else {
            return Item::Bad { at, header: None };
        };
        if !header.matches(payload) {
            return Item::Bad {
                at,
                header: Some(header),
            };
        }
        self.at = at + length as u64;
        Item::Record {
            at,
            header,
            payload,
        }
    }

    /// The end of the bytes behind `from` that are not 0.
    pub(crate) fn last_used(&mut self, from: u64) -> u64 {
        self.at = from;
        let mut used = from;
        loop {
            let at = self.at;
            let bytes = self.fill(1);
            if bytes.is_empty() {
                return used;
            }
            let length = bytes.len() as u64;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                used = at + last as u64 + 1;
            }
            self.at = at + length;
        }
    }

    /// The position of the next valid record at or after `from`.
    pub(crate) fn search(&mut self, from: u64) -> Option<u64> {
        self.at = from;
        loop {
            let (start, limit) = (self.at, self.limit);
            let bytes = self.fill(BLOCK);
            if bytes.len() < RECORD_HEADER {
                return None;
            }
            match search_in(bytes, start, limit) {
                Ok(found) => {
                    self.at = found;
                    if let Item::Record { at, .. } = self.next() {
                        self.at = at;
                        return Some(at);
                    }
                    self.at = found + 1;
                }
                Err(searched) => self.at += searched as u64,
            }
        }
    }
}

/// The position of the first header in `bytes`, or how many bytes begin no header.
fn search_in(bytes: &[u8], start: u64, limit: u64) -> Result<u64, usize> {
    const ZEROS: [u8; 512] = [0; 512];
    let end = bytes.len() - RECORD_HEADER + 1;
    let mut offset = 0;
    while let Some(word) = bytes[..end + 3].get(offset..).and_then(<[u8]>::first_chunk) {
        let word = u32::from_le_bytes(*word);
        let at = start + offset as u64;
        // Most of what is no header has a length that does not fit: that costs less to see than the check.
        let fits = u64::from(word & LENGTH) <= limit - at;
        if word == 0
            && bytes
                .get(offset..offset + ZEROS.len())
                .is_some_and(|block| *block == ZEROS)
        {
            // What was allocated and never used is passed over quickly. No header begins with so many zeros.
            offset += ZEROS.len() - RECORD_HEADER;
        } else if fits
            && RecordHeader::decode(&bytes[offset..], at)
                .is_some_and(|header| header.record_len() as u64 <= limit - at)
        {
            return Ok(at);
        }
        offset += 1;
    }
    Err(end)
}

fn describe(error: &io::Error) -> String {
    error.to_string()
}
