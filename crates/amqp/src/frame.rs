//! Frames.
//!
//! ```text
//!  0      1         3             7                  7 + size
//!  +------+---------+-------------+------------------+------+
//!  | type | channel | size        | payload          | 0xCE |
//!  +------+---------+-------------+------------------+------+
//!    u8     u16       u32           size octets        u8
//! ```

use std::fmt::{self, Write as _};

pub(crate) const METHOD: u8 = 1;
pub(crate) const HEADER: u8 = 2;
pub(crate) const BODY: u8 = 3;
pub(crate) const HEARTBEAT: u8 = 8;
pub(crate) const END: u8 = 0xCE;
/// What precedes the payload.
pub(crate) const PREFIX: usize = 7;

/// How much a frame is larger than its payload.
pub const FRAME_OVERHEAD: u32 = 8;
/// The least a client may ask for as largest frame. The protocol's own minimum; RabbitMQ wants twice as much since 4.1,
/// but older clients use this.
pub const FRAME_MAX_MIN: u32 = 4096;
/// The largest frame before limits are agreed on: enough for the long credentials of token-based authentication.
pub(crate) const FRAME_MAX_INITIAL: u32 = 8192;

/// A frame in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) channel: u16,
    pub(crate) payload: &'a [u8],
}

/// Octets that are no frame: client and server no longer agree where frames begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unframed<'a> {
    TooLarge {
        kind: u8,
        size: u32,
        limit: u32,
    },
    BadEnd {
        kind: u8,
        payload: &'a [u8],
        end: u8,
    },
}

impl<'a> Frame<'a> {
    /// Takes a whole frame from the front of `input`; `None` when there is none yet. A payload may be `limit` long, and
    /// as much longer as the rest of a frame, because clients tend to forget that a frame is more than its payload.
    pub(crate) fn split(input: &mut &'a [u8], limit: u32) -> Result<Option<Self>, Unframed<'a>> {
        let Some(&[kind, c0, c1, s0, s1, s2, s3]) = input.first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        if size > limit.saturating_add(FRAME_OVERHEAD) {
            return Err(Unframed::TooLarge { kind, size, limit });
        }
        let size = size as usize;
        let Some((frame, rest)) = input.split_at_checked(PREFIX + size + 1) else {
            return Ok(None);
        };
        let payload = &frame[PREFIX..PREFIX + size];
        let end = frame[PREFIX + size];
        if end != END {
            return Err(Unframed::BadEnd { kind, payload, end });
        }
        *input = rest;
        Ok(Some(Self {
            kind,
            channel: u16::from_be_bytes([c0, c1]),
            payload,
        }))
    }
}

/// The texts of RabbitMQ, which clients show to their users.
impl fmt::Display for Unframed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLarge { kind, size, limit } => {
                write!(
                    f,
                    "{}: {{frame_too_large,{size},{limit}}}",
                    Snippet { kind, payload: &[] }
                )
            }
            Self::BadEnd { kind, payload, end } => {
                write!(
                    f,
                    "{}: {{invalid_frame_end_marker,{end}}}",
                    Snippet { kind, payload }
                )
            }
        }
    }
}

/// The beginning of a frame, for error texts.
pub(crate) struct Snippet<'a> {
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

impl fmt::Display for Snippet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        let which = if self.payload.len() <= SHOWN {
            "all"
        } else {
            "first 16"
        };
        let shown = &self.payload[..self.payload.len().min(SHOWN)];
        write!(f, "type {}, {which} octets = ", self.kind)?;
        match std::str::from_utf8(shown) {
            Ok(text) if !text.is_empty() && text.chars().all(is_shown_as_text) => {
                write_text(f, text)
            }
            _ => Octets(shown).fmt(f),
        }
    }
}

fn is_shown_as_text(character: char) -> bool {
    matches!(character, ' '..='~' | '\t' | '\n' | '\r')
}

/// Text between quotes, as Erlang prints it.
fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("<<\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\t' => f.write_str("\\t")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            other => f.write_char(other)?,
        }
    }
    f.write_str("\">>")
}

/// Octets as a list of numbers.
pub(crate) struct Octets<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Octets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A reply text holds no more of them.
        const SHOWN: usize = 100;
        f.write_str("<<")?;
        for (place, octet) in self.0.iter().take(SHOWN).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{octet}")?;
        }
        if self.0.len() > SHOWN {
            f.write_str(",...")?;
        }
        f.write_str(">>")
    }
}

/// Appends the frame of a payload that `fill` writes.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, channel: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    let [c0, c1] = channel.to_be_bytes();
    out.extend_from_slice(&[kind, c0, c1, 0, 0, 0, 0]);
    fill(out);
    let size = (out.len() - start - PREFIX) as u32;
    out[start + 3..start + PREFIX].copy_from_slice(&size.to_be_bytes());
    out.push(END);
}

/// Appends a frame.
#[inline]
pub(crate) fn put_payload(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    let [c0, c1] = channel.to_be_bytes();
    let [s0, s1, s2, s3] = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&[kind, c0, c1, s0, s1, s2, s3]);
    out.extend_from_slice(payload);
    out.push(END);
}
