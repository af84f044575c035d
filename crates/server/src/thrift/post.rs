//! Calls as POST requests of HTTP/1.1: the client's side, by bytes.
//!
//! It knows what stock servers of Thrift over HTTP answer with: a length, chunks, or a body that ends with the connection.

use std::collections::VecDeque;

use super::{
    context::{DEADLINE_KEY, IDEMPOTENCY_KEY, SUBMITTER_KEY},
    web::{Target, Unusable},
};
use crate::trace::{BAGGAGE, TRACEPARENT, TRACESTATE};

/// The longest head of a response.
const HEAD_MAX: usize = 16 << 10;
/// The longest line that says how long a chunk is, and the longest trailer.
const LINE_MAX: usize = 4 << 10;

/// What is said of a call beside its message.
const SAID: [&str; 6] = [
    DEADLINE_KEY,
    IDEMPOTENCY_KEY,
    SUBMITTER_KEY,
    TRACEPARENT,
    TRACESTATE,
    BAGGAGE,
];

/// A connection to a server of HTTP.
#[derive(Debug)]
pub(super) struct Post {
    target: Target,
    /// Requests without a whole response: whether there has to be something in it.
    waiting: VecDeque<bool>,
    state: State,
    /// Bytes of the body of this response.
    received: u64,
    /// No request can be made after those that are under way.
    is_last: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    /// So many bytes of the body are to come.
    Body(u64),
    /// The length of a chunk.
    Size,
    /// So many bytes of a chunk are to come.
    Chunk(u64),
    /// The end of a line behind a chunk.
    ChunkEnd,
    Trailer,
    /// All that comes until the connection ends.
    Rest,
}

impl Post {
    pub(super) fn new(target: Target) -> Self {
        Self {
            target,
            waiting: VecDeque::new(),
            state: State::Head,
            received: 0,
            is_last: false,
        }
    }

    /// Whether the connection ends with the responses that are under way.
    pub(super) const fn is_last(&self) -> bool {
        self.is_last
    }

    /// Whether all responses came.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Writes a request with a message in it. `headers` are the keys with values that go with a call: those that HTTP has
    /// a use for are said.
    pub(super) fn request(
        &mut self,
        message: &[u8],
        headers: &[(&[u8], &[u8])],
        is_oneway: bool,
        into: &mut Vec<u8>,
    ) {
        let Target {
            authority, path, ..
        } = &self.target;
        let size = message.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/x-thrift\r\nAccept: application/x-thrift\r\nContent-Length: {size}\r\n"
        );
        into.extend_from_slice(head.as_bytes());
        for (key, value) in headers.iter().filter(|header| can_be_said(header)) {
            for part in [key, &b": "[..], value, b"\r\n"] {
                into.extend_from_slice(part);
            }
        }
        into.extend_from_slice(b"\r\n");
        into.extend_from_slice(message);
        self.waiting.push_back(!is_oneway);
    }

    /// Takes what came, and adds what is in responses to `into`. What is left in `input` is to be given again with more.
    pub(super) fn handle(&mut self, input: &mut &[u8], into: &mut Vec<u8>) -> Result<(), Unusable> {
        while !input.is_empty() {
            match self.state {
                State::Head => {
                    let Some(size) = end_of_head(input)? else {
                        return Ok(());
                    };
                    let (head, rest) = input.split_at(size);
                    *input = rest;
                    self.handle_head(head)?;
                    if self.state == State::Body(0) {
                        self.handle_end()?;
                    }
                }
                State::Body(left) => {
                    let left = self.take(left, input, into);
                    self.state = State::Body(left);
                    if left == 0 {
                        self.handle_end()?;
                    }
                }
                State::Chunk(left) => {
                    let left = self.take(left, input, into);
                    self.state = State::Chunk(left);
                    if left == 0 {
                        self.state = State::ChunkEnd;
                    }
                }
                State::Rest => {
                    self.take(u64::MAX, input, into);
                }
                State::Size | State::ChunkEnd | State::Trailer => {
                    let Some(line) = line(input)? else {
                        return Ok(());
                    };
                    self.handle_line(line)?;
                }
            }
        }
        Ok(())
    }

    /// The connection has ended. An error if that cuts a response off.
    pub(super) fn handle_eof(&mut self) -> Result<(), Unusable> {
        match self.state {
            State::Rest => self.handle_end(),
            State::Head if self.waiting.is_empty() => Ok(()),
            _ => Err(Unusable::Malformed("it ends too early")),
        }
    }

    fn take(&mut self, left: u64, input: &mut &[u8], into: &mut Vec<u8>) -> u64 {
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (bytes, rest) = input.split_at(size);
        into.extend_from_slice(bytes);
        *input = rest;
        self.received += size as u64;
        left - size as u64
    }

    fn handle_head(&mut self, head: &[u8]) -> Result<(), Unusable> {
        let text = str::from_utf8(head).map_err(|_| Unusable::Malformed("its head is no text"))?;
        let mut lines = text.split("\r\n").flat_map(|line| line.split('\n'));
        let mut first = lines.next().unwrap_or_default().split(' ');
        let version = first.next().unwrap_or_default();
        if !version.starts_with("HTTP/1.") {
            return Err(Unusable::Malformed("it does not begin with a version"));
        }
        let status = first.next().and_then(|status| status.parse::<u16>().ok());
        let status = status.ok_or(Unusable::Malformed("it has no status"))?;
        if (100..200).contains(&status) && status != 101 {
            // Another head follows.
            return Ok(());
        }
        if self.waiting.is_empty() {
            return Err(Unusable::Malformed("nothing was asked"));
        }
        let mut keeps = version != "HTTP/1.0";
        let (mut length, mut is_chunked) = (None, false);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    let size = value.parse::<u64>().ok();
                    let size = size.ok_or(Unusable::Malformed("its length is no number"))?;
                    if length.replace(size).is_some_and(|other| other != size) {
                        return Err(Unusable::Malformed("it has two lengths"));
                    }
                }
                "transfer-encoding" => {
                    if !value.eq_ignore_ascii_case("chunked") {
                        return Err(Unusable::Malformed("its transfer encoding is not known"));
                    }
                    is_chunked = true;
                }
                "connection" => {
                    let says = |word: &str| {
                        let mut words = value.split(',');
                        words.any(|said| said.trim().eq_ignore_ascii_case(word))
                    };
                    keeps = !says("close") && (keeps || says("keep-alive"));
                }
                _ => {}
            }
        }
        // Nothing and no content are answers to what is one-way.
        if !matches!(status, 200 | 202 | 204) {
            return Err(Unusable::Status(status));
        }
        self.received = 0;
        self.state = match (is_chunked, length) {
            _ if status == 204 => State::Body(0),
            (true, None) => State::Size,
            (true, Some(_)) => return Err(Unusable::Malformed("it has a length and chunks")),
            (false, Some(length)) => State::Body(length),
            (false, None) => State::Rest,
        };
        self.is_last |= !keeps || self.state == State::Rest;
        Ok(())
    }

    fn handle_line(&mut self, line: &[u8]) -> Result<(), Unusable> {
        self.state = match self.state {
            State::Size => {
                let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
                let digits = str::from_utf8(digits).unwrap_or_default().trim();
                let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                let size = u64::from_str_radix(digits, 16).ok().filter(|_| is_hex);
                match size.ok_or(Unusable::Malformed("a chunk has no length"))? {
                    0 => State::Trailer,
                    size => State::Chunk(size),
                }
            }
            State::ChunkEnd if line.is_empty() => State::Size,
            State::Trailer if line.is_empty() => return self.handle_end(),
            State::Trailer => State::Trailer,
            _ => return Err(Unusable::Malformed("a chunk is longer than it says")),
        };
        Ok(())
    }

    /// A response is complete.
    fn handle_end(&mut self) -> Result<(), Unusable> {
        self.state = State::Head;
        match self.waiting.pop_front() {
            Some(true) if self.received == 0 => Err(Unusable::Empty),
            _ => Ok(()),
        }
    }
}

/// Whether a key with its value can be a header of a request. Callers may send any bytes for both, and must not get to say
/// what else is in the request.
fn can_be_said((key, value): &(&[u8], &[u8])) -> bool {
    let is_known = SAID.iter().any(|said| said.as_bytes() == *key);
    is_known && value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// How long a head is, with the empty line behind it.
pub(super) fn end_of_head(input: &[u8]) -> Result<Option<usize>, Unusable> {
    let within = &input[..input.len().min(HEAD_MAX)];
    let mut from = 0;
    while let Some(at) = within[from..].iter().position(|byte| *byte == b'\n') {
        let after = from + at + 1;
        if within[after..].starts_with(b"\n") {
            return Ok(Some(after + 1));
        }
        if within[after..].starts_with(b"\r\n") {
            return Ok(Some(after + 2));
        }
        from = after;
    }
    match within.len() {
        HEAD_MAX => Err(Unusable::Malformed("its head is too long")),
        _ => Ok(None),
    }
}

/// Takes a line, which is given without its end.
fn line<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Unusable> {
    let Some(at) = input.iter().take(LINE_MAX).position(|byte| *byte == b'\n') else {
        return match input.len() {
            0..LINE_MAX => Ok(None),
            _ => Err(Unusable::Malformed("a line is too long")),
        };
    };
    let line = &input[..at];
    *input = &input[at + 1..];
    Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
}

#[cfg(test)]
mod tests;
