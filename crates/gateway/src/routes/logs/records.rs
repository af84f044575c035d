//! A log as NDJSON: one record a line of it, whatever its bytes are.

use bytes::{Bytes, BytesMut};
use serde_json::{Value, json};

use super::level::Level;
use crate::routes::base64;

/// A line longer than this comes in several records, so that a reader holds no more than this of a log without line ends.
/// The offset of the next record tells that no line end was there.
const LINE_MAX: usize = 1 << 20;

/// Cuts the bytes of one attempt's log into records.
#[derive(Debug)]
pub(crate) struct Records {
    attempt: u32,
    /// Of the first byte that is kept.
    offset: u64,
    /// The beginning of a line whose end has not come.
    kept: BytesMut,
}

impl Records {
    /// Records of the log of `attempt` from `offset` on.
    pub(crate) fn new(attempt: u32, offset: u64) -> Self {
        Self {
            attempt,
            offset,
            kept: BytesMut::new(),
        }
    }

    /// The records that `chunk` completes.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(chunk.len() + chunk.len() / 2);
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            self.keep(line, &mut out);
            self.line(&mut out);
            rest = after;
        }
        self.keep(rest, &mut out);
        out.into()
    }

    /// The record of a last line without an end; nothing if there is none.
    pub(crate) fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if !self.kept.is_empty() {
            self.line(&mut out);
        }
        out.into()
    }

    fn keep(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        // A line end never makes a line too long.
        while self.kept.len() + bytes.strip_suffix(b"\n").unwrap_or(bytes).len() > LINE_MAX {
            let room = self.room(bytes);
            self.kept.extend_from_slice(&bytes[..room]);
            self.line(out);
            bytes = &bytes[room..];
        }
        self.kept.extend_from_slice(bytes);
    }

    /// How many of `bytes` fill the record up, without cutting a character if that can be helped.
    fn room(&self, bytes: &[u8]) -> usize {
        let room = LINE_MAX - self.kept.len();
        let is_boundary = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
        (room.saturating_sub(3)..=room)
            .rev()
            .find(is_boundary)
            .unwrap_or(room)
    }

    /// Writes what is kept as one record.
    fn line(&mut self, out: &mut Vec<u8>) {
        let line = self.kept.split();
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let mut record = json!({
            "attempt": self.attempt,
            "offset": self.offset,
            "level": Level::of(text).as_str(),
        });
        match std::str::from_utf8(text) {
            Ok(text) => record["text"] = text.into(),
            Err(_) => record["base64"] = base64::encode(text).into(),
        }
        self.offset += line.len() as u64;
        write(&record, out);
    }
}

/// The record that ends a stream; `end` is the attempt that was read last, and how far.
pub(crate) fn last(state: &str, end: Option<(u32, u64)>) -> Bytes {
    let mut record = json!({"final": true, "state": state});
    if let Some((attempt, size)) = end {
        record["attempt"] = attempt.into();
        record["size"] = size.into();
    }
    let mut out = Vec::new();
    write(&record, &mut out);
    out.into()
}

fn write(record: &Value, out: &mut Vec<u8>) {
    serde_json::to_writer(&mut *out, record).expect("a JSON tree always has a text");
    out.push(b'\n');
}

#[cfg(test)]
mod tests;
