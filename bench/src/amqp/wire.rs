//! AMQP 0-9-1 frames, as far as a load tool needs them: requests are built from parts, input is skipped by length.

use std::io::{self, Read};

use anyhow::{bail, ensure};

/// What every connection of this tool asks for: as much as brokers allow by default.
pub(super) const FRAME_MAX: u32 = 131_072;
/// The octet at the end of every frame.
pub(super) const FRAME_END: u8 = 0xce;
/// Type, channel and size before a payload.
const FRAME_HEADER: usize = 7;
/// Bytes around a payload.
const FRAME_OVERHEAD: usize = FRAME_HEADER + 1;
/// Two of the largest frames: a rest never leaves too little room for a large read.
const INPUT: usize = 2 * (FRAME_MAX as usize);

pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;

/// Methods as `class << 16 | method`, which is how they begin on the wire.
pub(super) mod id {
    pub(crate) const CONNECTION_START: u32 = 10 << 16 | 10;
    pub(crate) const CONNECTION_START_OK: u32 = 10 << 16 | 11;
    pub(crate) const CONNECTION_TUNE: u32 = 10 << 16 | 30;
    pub(crate) const CONNECTION_TUNE_OK: u32 = 10 << 16 | 31;
    pub(crate) const CONNECTION_OPEN: u32 = 10 << 16 | 40;
    pub(crate) const CONNECTION_OPEN_OK: u32 = 10 << 16 | 41;
    pub(crate) const CONNECTION_CLOSE: u32 = 10 << 16 | 50;
    pub(crate) const CONNECTION_CLOSE_OK: u32 = 10 << 16 | 51;
    pub(crate) const CHANNEL_OPEN: u32 = 20 << 16 | 10;
    pub(crate) const CHANNEL_OPEN_OK: u32 = 20 << 16 | 11;
    pub(crate) const CHANNEL_CLOSE: u32 = 20 << 16 | 40;
    pub(crate) const EXCHANGE_DECLARE: u32 = 40 << 16 | 10;
    pub(crate) const EXCHANGE_DECLARE_OK: u32 = 40 << 16 | 11;
    pub(crate) const EXCHANGE_DELETE: u32 = 40 << 16 | 20;
    pub(crate) const EXCHANGE_DELETE_OK: u32 = 40 << 16 | 21;
    pub(crate) const QUEUE_DECLARE: u32 = 50 << 16 | 10;
    pub(crate) const QUEUE_DECLARE_OK: u32 = 50 << 16 | 11;
    pub(crate) const QUEUE_BIND: u32 = 50 << 16 | 20;
    pub(crate) const QUEUE_DELETE: u32 = 50 << 16 | 40;
    pub(crate) const QUEUE_DELETE_OK: u32 = 50 << 16 | 41;
    pub(crate) const BASIC_QOS: u32 = 60 << 16 | 10;
    pub(crate) const BASIC_QOS_OK: u32 = 60 << 16 | 11;
    pub(crate) const BASIC_CONSUME: u32 = 60 << 16 | 20;
    pub(crate) const BASIC_CONSUME_OK: u32 = 60 << 16 | 21;
    pub(crate) const BASIC_PUBLISH: u32 = 60 << 16 | 40;
    pub(crate) const BASIC_DELIVER: u32 = 60 << 16 | 60;
    pub(crate) const BASIC_ACK: u32 = 60 << 16 | 80;
    pub(crate) const BASIC_NACK: u32 = 60 << 16 | 120;
    pub(crate) const CONFIRM_SELECT: u32 = 85 << 16 | 10;
    pub(crate) const CONFIRM_SELECT_OK: u32 = 85 << 16 | 11;
}

/// A value in an arguments table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    Text(&'static str),
    Bool(bool),
}

/// A method frame that is being written.
#[derive(Debug)]
pub(super) struct Method(Vec<u8>);

impl Method {
    pub(super) fn new(id: u32) -> Self {
        Self(id.to_be_bytes().to_vec())
    }

    pub(super) fn octet(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn short(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn long(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub(super) fn text(mut self, value: &str) -> Self {
        push_text(&mut self.0, value);
        self
    }

    pub(super) fn long_text(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(&length(value).to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn table(self, entries: &[(&str, Value)]) -> Self {
        let mut table = Vec::new();
        for (name, value) in entries {
            push_text(&mut table, name);
            match value {
                Value::Text(text) => {
                    table.push(b'S');
                    table.extend_from_slice(&length(text.as_bytes()).to_be_bytes());
                    table.extend_from_slice(text.as_bytes());
                }
                Value::Bool(value) => table.extend_from_slice(&[b't', u8::from(*value)]),
            }
        }
        self.long_text(&table)
    }

    /// Adds the frame to what is to be sent.
    pub(super) fn frame(&self, channel: u16, out: &mut Vec<u8>) {
        push_frame(out, METHOD, channel, &self.0);
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    debug_assert!(text.len() < 256, "a short string is too long");
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("this tool makes no texts of gigabytes")
}

pub(super) fn push_frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&length(payload).to_be_bytes());
    out.extend_from_slice(payload);
    out.push(FRAME_END);
}

/// One message: what is published, but the body's bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Message<'a> {
    pub(super) exchange: &'a str,
    pub(super) key: &'a str,
    pub(super) persistent: bool,
    pub(super) reply_to: Option<&'a str>,
    pub(super) body: usize,
}

impl Message<'_> {
    /// Adds the three frames, with zeros as body, and says where in `out` the body begins.
    pub(super) fn frames(&self, channel: u16, out: &mut Vec<u8>) -> usize {
        Method::new(id::BASIC_PUBLISH)
            .short(0)
            .text(self.exchange)
            .text(self.key)
            .octet(0)
            .frame(channel, out);
        let flags = 1 << 12 | u16::from(self.reply_to.is_some()) << 9;
        let mut header = Vec::new();
        header.extend_from_slice(&60_u16.to_be_bytes());
        header.extend_from_slice(&0_u16.to_be_bytes());
        header.extend_from_slice(&(self.body as u64).to_be_bytes());
        header.extend_from_slice(&u16::to_be_bytes(flags));
        header.push(if self.persistent { 2 } else { 1 });
        if let Some(queue) = self.reply_to {
            push_text(&mut header, queue);
        }
        push_frame(out, HEADER, channel, &header);
        let start = out.len() + FRAME_HEADER;
        push_frame(out, BODY, channel, &vec![0; self.body]);
        start
    }
}

/// A whole frame of the input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The method's id and its arguments; `None` for another kind of frame.
    pub(super) fn method(&self) -> Option<(u32, &'a [u8])> {
        match self.payload.split_first_chunk() {
            Some((id, rest)) if self.kind == METHOD => Some((u32::from_be_bytes(*id), rest)),
            _ => None,
        }
    }
}

/// Bytes from a socket, read in large pieces and taken frame by frame.
#[derive(Debug)]
pub(super) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new() -> Self {
        // Setting up ten thousand idle connections must not cost ten thousand large buffers.
        Self {
            bytes: Vec::new(),
            start: 0,
            end: 0,
        }
    }

    /// Reads once.
    pub(super) fn fill(&mut self, source: &mut impl Read) -> io::Result<usize> {
        if self.bytes.is_empty() {
            self.bytes = vec![0; INPUT];
        }
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let count = source.read(&mut self.bytes[self.end..])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.end += count;
        Ok(count)
    }

    /// Gives the buffer back when nothing is in it.
    pub(super) fn shrink(&mut self) {
        if self.start == self.end {
            *self = Self::new();
        }
    }

    /// The next frame that is there as a whole.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Frame<'_>>> {
        let Some((header, rest)) =
            self.bytes[self.start..self.end].split_first_chunk::<FRAME_HEADER>()
        else {
            return Ok(None);
        };
        let [kind, _, _, size @ ..] = *header;
        let size = u32::from_be_bytes(size) as usize;
        ensure!(
            size + FRAME_OVERHEAD <= FRAME_MAX as usize,
            "a frame of {size} bytes"
        );
        match rest.get(size) {
            None => Ok(None),
            Some(&FRAME_END) => {
                self.start += size + FRAME_OVERHEAD;
                Ok(Some(Frame {
                    kind,
                    payload: &rest[..size],
                }))
            }
            Some(_) => bail!("a frame of type {kind} and {size} bytes has no end octet"),
        }
    }
}

/// Reads arguments from the front of `rest`.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> anyhow::Result<[u8; N]> {
    let Some((taken, left)) = rest.split_first_chunk() else {
        bail!("a method is too short");
    };
    *rest = left;
    Ok(*taken)
}

/// A short string from the front of `rest`.
pub(super) fn take_text<'a>(rest: &mut &'a [u8]) -> anyhow::Result<&'a [u8]> {
    let [length] = take(rest)?;
    ensure!(rest.len() >= usize::from(length), "a text is too short");
    let (text, left) = rest.split_at(usize::from(length));
    *rest = left;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{BODY, Input, Message, id, take_text};

    fn message() -> (Vec<u8>, usize) {
        let message = Message {
            exchange: "",
            key: "queue",
            persistent: true,
            reply_to: None,
            body: 3,
        };
        let mut out = Vec::new();
        let body = message.frames(1, &mut out);
        (out, body)
    }

    #[test]
    fn a_message_is_three_frames() {
        let (out, body) = message();
        assert_eq!(out[body..], [0, 0, 0, super::FRAME_END]);
        let mut input = Input::new();
        input.fill(&mut &out[..]).unwrap();
        let (method, mut rest) = input.next().unwrap().unwrap().method().unwrap();
        assert_eq!(method, id::BASIC_PUBLISH);
        rest = &rest[2..];
        assert_eq!(take_text(&mut rest).unwrap(), b"");
        assert_eq!(take_text(&mut rest).unwrap(), b"queue");
        let header = input.next().unwrap().unwrap();
        assert_eq!(
            header.payload,
            [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0x10, 0, 2]
        );
        assert_eq!(input.next().unwrap().unwrap().kind, BODY);
        assert!(input.next().unwrap().is_none());
    }

    #[test]
    fn frames_may_come_in_pieces() {
        let (out, _) = message();
        let mut input = Input::new();
        let mut frames = 0;
        for byte in &out {
            input.fill(&mut &[*byte][..]).unwrap();
            frames += usize::from(input.next().unwrap().is_some());
        }
        assert_eq!(frames, 3);
    }

    #[test]
    fn a_frame_without_its_end_is_an_error() {
        let (mut out, _) = message();
        *out.last_mut().unwrap() = 0;
        let mut input = Input::new();
        input.fill(&mut &out[..]).unwrap();
        assert!(input.next().is_ok() && input.next().is_ok());
        assert!(input.next().is_err());
    }
}
