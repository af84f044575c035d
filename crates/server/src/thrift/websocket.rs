//! Calls as messages of WebSocket (RFC 6455): the client's side, by bytes.
//!
//! The payloads of messages, one behind the other, are what a provider says: where a message of Thrift ends is seen by
//! itself, so it does not matter how it is cut into frames.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1::{Digest as _, Sha1};

use super::{
    post::end_of_head,
    web::{Target, Unusable},
};

/// What the key of a handshake is extended with: §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The longest payload of a frame that is no part of a message: §5.5.
const CONTROL_MAX: usize = 125;
/// The first byte of a frame that is the last of its message.
const FINAL: u8 = 0x80;
/// The bits beside, which only extensions use, and none was asked for.
const RESERVED: u8 = 0x70;
/// In the second byte: what follows is masked, as all that a client sends is.
const MASKED: u8 = 0x80;
/// The code of an end without a fault.
const NORMAL: u16 = 1_000;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A connection to a server of WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket {
    state: State,
    /// What is said is text: the JSON protocol.
    is_text: bool,
    /// A message has begun and not ended.
    is_inside: bool,
    /// One side said that it ends.
    is_closed: bool,
}

#[derive(Debug)]
enum State {
    /// The handshake is under way.
    Opening {
        /// What the server must say to the key.
        accept: String,
        /// Frames that wait for it.
        waiting: Vec<u8>,
    },
    /// A frame begins.
    Header,
    /// So many bytes of a frame of a message are to come.
    Payload { left: u64, is_final: bool },
    /// A frame of so many bytes that is no part of a message.
    Control { opcode: u8, size: usize },
}

impl WebSocket {
    /// Asks for an upgrade. `is_text`: all that is said is.
    pub(super) fn begin(target: &Target, is_text: bool, output: &mut Vec<u8>) -> Self {
        let Target {
            authority, path, ..
        } = target;
        let mut key = [0; 16];
        fill(&mut key);
        let key = BASE64_STANDARD.encode(key);
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        );
        output.extend_from_slice(head.as_bytes());
        Self {
            state: State::Opening {
                accept: accept(&key),
                waiting: Vec::new(),
            },
            is_text,
            is_inside: false,
            is_closed: false,
        }
    }

    /// Whether nothing was said yet, because the server has not agreed to anything.
    pub(super) const fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening { .. })
    }

    /// Whether one side said that it ends.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes a message, or keeps it until it may be said.
    pub(super) fn send(&mut self, message: &[u8], output: &mut Vec<u8>) {
        let opcode = if self.is_text { TEXT } else { BINARY };
        match &mut self.state {
            State::Opening { waiting, .. } => frame(opcode, message, waiting),
            _ => frame(opcode, message, output),
        }
    }

    /// Says that it ends.
    pub(super) fn close(&mut self, output: &mut Vec<u8>) {
        if !self.is_opening() && !std::mem::replace(&mut self.is_closed, true) {
            frame(CLOSE, &NORMAL.to_be_bytes(), output);
        }
    }

    /// Takes what came, and adds what is in messages to `into`, and what has to be said because of it to `output`. What is
    /// left in `input` is to be given again with more.
    pub(super) fn handle(
        &mut self,
        input: &mut &[u8],
        into: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<(), Unusable> {
        loop {
            if self.is_closed {
                *input = &[];
                return Ok(());
            }
            match &mut self.state {
                State::Opening { accept, waiting } => {
                    let Some(size) = end_of_head(input)? else {
                        return Ok(());
                    };
                    let (head, rest) = input.split_at(size);
                    *input = rest;
                    check_upgrade(head, accept)?;
                    output.append(waiting);
                    self.state = State::Header;
                }
                State::Header => {
                    let Some(state) = self.begin_frame(input)? else {
                        return Ok(());
                    };
                    self.state = state;
                }
                State::Payload { left, is_final } => {
                    let size = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(input.len());
                    let (bytes, rest) = input.split_at(size);
                    into.extend_from_slice(bytes);
                    *input = rest;
                    *left -= size as u64;
                    if *left > 0 {
                        return Ok(());
                    }
                    self.is_inside = !*is_final;
                    self.state = State::Header;
                }
                State::Control { opcode, size } => {
                    let (opcode, size) = (*opcode, *size);
                    let Some((payload, rest)) = input.split_at_checked(size) else {
                        return Ok(());
                    };
                    *input = rest;
                    self.state = State::Header;
                    match opcode {
                        PING => frame(PONG, payload, output),
                        CLOSE => {
                            let code = &payload[..payload.len().min(2)];
                            frame(CLOSE, code, output);
                            self.is_closed = true;
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// Takes the header of a frame, if it is there.
    fn begin_frame(&self, input: &mut &[u8]) -> Result<Option<State>, Unusable> {
        let wrong = |what| Err(Unusable::Frame(what));
        let [first, second, rest @ ..] = *input else {
            return Ok(None);
        };
        let (opcode, is_final) = (first & 0x0f, first & FINAL != 0);
        if first & RESERVED != 0 {
            return wrong("it uses an extension");
        }
        if second & MASKED != 0 {
            return wrong("it is masked");
        }
        let (size, rest) = match second & !MASKED {
            126 => match rest.split_first_chunk() {
                Some((size, rest)) => (u64::from(u16::from_be_bytes(*size)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((size, rest)) => (u64::from_be_bytes(*size), rest),
                None => return Ok(None),
            },
            size => (u64::from(size), rest),
        };
        *input = rest;
        Ok(Some(match opcode {
            CONTINUATION if !self.is_inside => return wrong("it goes on with nothing"),
            TEXT | BINARY if self.is_inside => return wrong("it is in the middle of a message"),
            CONTINUATION | TEXT | BINARY => State::Payload {
                left: size,
                is_final,
            },
            CLOSE | PING | PONG if size > CONTROL_MAX as u64 || !is_final => {
                return wrong("it is too long for its kind");
            }
            CLOSE | PING | PONG => State::Control {
                opcode,
                size: size as usize,
            },
            _ => return wrong("its kind is not known"),
        }))
    }
}

/// Random bytes. Without any the bytes stay zero: a mask keeps proxies from being fooled by scripts, of which there are none
/// here, and a key is no secret.
fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        tracing::warn!(%error, "the system has no random bytes");
    }
}

/// What a server must say to a key.
fn accept(key: &str) -> String {
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(GUID)
        .finalize();
    BASE64_STANDARD.encode(digest)
}

/// Writes a frame that is a message by itself, masked: §5.3.
fn frame(opcode: u8, payload: &[u8], output: &mut Vec<u8>) {
    let mut mask = [0; 4];
    fill(&mut mask);
    output.push(FINAL | opcode);
    match payload.len() {
        size @ ..126 => output.push(MASKED | size as u8),
        size @ ..0x1_0000 => {
            output.push(MASKED | 126);
            output.extend_from_slice(&(size as u16).to_be_bytes());
        }
        size => {
            output.push(MASKED | 127);
            output.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    output.extend_from_slice(&mask);
    let start = output.len();
    output.extend_from_slice(payload);
    for piece in output[start..].chunks_mut(4) {
        for (byte, mask) in piece.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

/// Whether the server changes to WebSocket, and has read the key.
fn check_upgrade(head: &[u8], accept: &str) -> Result<(), Unusable> {
    let wrong = |what| Err(Unusable::Malformed(what));
    let Ok(text) = str::from_utf8(head) else {
        return wrong("its head is no text");
    };
    let mut lines = text.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    if !first
        .next()
        .is_some_and(|version| version.starts_with("HTTP/1."))
    {
        return wrong("it does not begin with a version");
    }
    match first.next().and_then(|status| status.parse::<u16>().ok()) {
        Some(101) => {}
        Some(status) => return Err(Unusable::Status(status)),
        None => return wrong("it has no status"),
    }
    let (mut upgrades, mut accepts) = (false, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("upgrade") {
            upgrades = value.eq_ignore_ascii_case("websocket");
        } else if name.eq_ignore_ascii_case("sec-websocket-accept") {
            accepts = value == accept;
        }
    }
    match (upgrades, accepts) {
        (true, true) => Ok(()),
        (false, _) => wrong("it does not change to WebSocket"),
        (true, false) => wrong("it has not read the key of the handshake"),
    }
}

#[cfg(test)]
mod tests;
