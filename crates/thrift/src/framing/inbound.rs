//! Takes messages out of what a peer sends.

use std::borrow::Cow;

use super::{
    Detected, Dialect, FRAME_MAX_HARD, Headers, Protocol, Skipper, Transport, Wrap, detect,
    envelope, header,
    zlib::{MessageInflater, StreamInflater},
};
use crate::{ApplicationErrorKind, Fault, Limits, Malformed, MessageHeader, Result};

/// A message, taken out of its transport.
#[derive(Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) wrap: Wrap,
    pub(crate) headers: Headers<'a>,
    /// The message as it is in its protocol.
    pub(crate) message: Cow<'a, [u8]>,
}

impl<'a> Packet<'a> {
    /// The message's header and the bytes of its struct.
    #[inline]
    pub(crate) fn open(
        message: Cow<'a, [u8]>,
        protocol: Protocol,
        limits: &Limits,
    ) -> Result<(MessageHeader<'a>, Cow<'a, [u8]>)> {
        match message {
            Cow::Borrowed(message) => {
                let (header, body) = envelope::read(protocol, message, limits)?;
                Ok((header, Cow::Borrowed(&message[body])))
            }
            Cow::Owned(mut message) => {
                let (header, body) = envelope::read(protocol, &message, limits)?;
                let header = envelope::own(&header);
                message.truncate(body.end);
                message.drain(..body.start);
                Ok((header, Cow::Owned(message)))
            }
        }
    }

    fn into_owned(self) -> Packet<'static> {
        Packet {
            dialect: self.dialect.zlib(),
            wrap: self.wrap,
            headers: self.headers.into_owned(),
            message: Cow::Owned(self.message.into_owned()),
        }
    }
}

/// What is no message.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) kind: ApplicationErrorKind,
    pub(crate) malformed: Box<Malformed>,
    /// How it can be answered, if that is known.
    pub(crate) dialect: Option<Dialect>,
    pub(crate) wrap: Wrap,
    /// What it would have been, if that much can be read.
    pub(crate) header: Option<MessageHeader<'static>>,
    /// Whether nobody knows where the next message begins.
    pub(crate) is_fatal: bool,
}

impl Rejected {
    #[cold]
    pub(crate) fn new(
        malformed: Box<Malformed>,
        dialect: Option<Dialect>,
        is_fatal: bool,
    ) -> Box<Self> {
        Box::new(Self {
            kind: ApplicationErrorKind::ProtocolError,
            malformed,
            dialect,
            wrap: Wrap::default(),
            header: None,
            is_fatal,
        })
    }

    /// Reads as much of a message as tells whom to answer.
    fn with_header(mut self: Box<Self>, message: &[u8], limits: &Limits) -> Box<Self> {
        // The end of a message is what may be missing.
        if let Some(Dialect { protocol, .. }) = self.dialect
            && protocol != Protocol::Json
            && let Ok((header, _)) = envelope::read(protocol, message, limits)
        {
            self.header = Some(envelope::own(&header));
        }
        self
    }
}

type Taken<'a> = Result<Option<Packet<'a>>, Box<Rejected>>;

/// What the peer may speak.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expect {
    /// Whatever each message is, by its first bytes.
    Anything,
    /// This.
    Only(Dialect),
}

/// The input of a connection.
#[derive(Debug)]
pub(crate) struct Inbound {
    splitter: Splitter,
    /// All input goes through it, if there is one.
    stream: Option<Box<StreamInflater>>,
}

/// Splits bytes into messages.
#[derive(Debug)]
struct Splitter {
    expect: Expect,
    skipper: Skipper,
    /// The dialect of a message that was begun and that has no length.
    begun: Option<Dialect>,
    /// The dialect of the message before.
    last: Option<Dialect>,
    inflater: Option<Box<MessageInflater>>,
}

impl Inbound {
    pub(crate) fn new(expect: Expect) -> Self {
        let stream = match expect {
            Expect::Only(Dialect { is_zlib: true, .. }) => Some(Box::new(StreamInflater::new())),
            Expect::Only(_) | Expect::Anything => None,
        };
        Self {
            splitter: Splitter {
                expect,
                skipper: Skipper::new(Protocol::Binary),
                begun: None,
                last: None,
                inflater: None,
            },
            stream,
        }
    }

    /// Takes a message from the front of `input`; what is not whole stays there. Compressed input is taken whole.
    #[inline]
    pub(crate) fn take<'a>(&mut self, input: &mut &'a [u8], limits: &Limits) -> Taken<'a> {
        if self.stream.is_none() {
            if !self.is_zlib(input) {
                return self.splitter.split(input, limits);
            }
            self.stream = Some(Box::new(StreamInflater::new()));
        }
        self.take_inflated(input, limits)
    }

    /// Whether the connection begins with a zlib stream.
    #[inline]
    fn is_zlib(&self, input: &[u8]) -> bool {
        self.splitter.last.is_none()
            && matches!(self.splitter.expect, Expect::Anything)
            && detect(input) == Detected::Zlib
    }

    fn take_inflated<'a>(&mut self, input: &mut &'a [u8], limits: &Limits) -> Taken<'a> {
        let splitter = &mut self.splitter;
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        loop {
            let mut plain = stream.plain();
            let before = plain.len();
            let taken = splitter.split(&mut plain, limits);
            let used = before - plain.len();
            let taken = taken.map(|taken| taken.map(Packet::into_owned));
            stream.consume(used);
            match taken {
                Ok(None) => {}
                Ok(taken) => return Ok(taken),
                Err(mut rejected) => {
                    rejected.dialect = rejected.dialect.map(Dialect::zlib);
                    return Err(rejected);
                }
            }
            let dialect = splitter.begun.or(splitter.last).map(Dialect::zlib);
            match stream.inflate(input, limits.inflated_max) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(malformed) => return Err(Rejected::new(malformed, dialect, true)),
            }
        }
    }
}

impl Splitter {
    #[inline]
    fn split<'a>(&mut self, input: &mut &'a [u8], limits: &Limits) -> Taken<'a> {
        let dialect = match self.begun {
            Some(dialect) => dialect,
            None => match self.next(input)? {
                Some(dialect) => dialect,
                None => return Ok(None),
            },
        };
        let taken = match dialect.transport {
            Transport::Buffered => self.split_buffered(input, dialect, limits),
            Transport::Framed | Transport::Header => self.split_frame(input, dialect, limits),
        };
        if let Ok(Some(packet)) = &taken {
            self.last = Some(packet.dialect);
        }
        taken
    }

    /// What the next message is in; `None` if more bytes are needed to tell.
    #[inline]
    fn next(&self, input: &[u8]) -> Result<Option<Dialect>, Box<Rejected>> {
        match self.expect {
            Expect::Only(dialect) => {
                let dialect = Dialect {
                    is_zlib: false,
                    ..dialect
                };
                Ok(match (dialect.transport, dialect.protocol) {
                    // Who understands old messages may answer with strict ones.
                    (Transport::Buffered, Protocol::Binary | Protocol::BinaryOld) => {
                        input.first().map(|first| Dialect {
                            protocol: binary(*first),
                            ..dialect
                        })
                    }
                    (Transport::Header, protocol) => input.first().map(|first| {
                        // Node.js servers answer what has a header without one, and all stock clients take it. The
                        // length of no frame begins like that.
                        let is_bare = matches!(
                            (protocol, first),
                            (Protocol::Binary, 0x80) | (Protocol::Compact, 0x82)
                        );
                        let bare = Dialect::new(Transport::Buffered, protocol);
                        if is_bare { bare } else { dialect }
                    }),
                    _ => Some(dialect),
                })
            }
            Expect::Anything => match detect(input) {
                Detected::Thrift(dialect) => Ok(Some(dialect)),
                Detected::WaitForMore => Ok(None),
                Detected::Tls
                | Detected::Http
                | Detected::Amqp
                | Detected::Zlib
                | Detected::Unknown(_) => Err(self.unknown(input)),
            },
        }
    }

    #[cold]
    fn unknown(&self, input: &[u8]) -> Box<Rejected> {
        let mut found = [0; 4];
        for (to, from) in found.iter_mut().zip(input) {
            *to = *from;
        }
        let fault = Fault::NoMessage {
            protocol: self
                .last
                .map_or("thrift", |dialect| match dialect.protocol {
                    Protocol::Binary | Protocol::BinaryOld => "binary",
                    Protocol::Compact => "compact",
                    Protocol::Json => "json",
                }),
            found: u32::from_be_bytes(found),
        };
        Rejected::new(Malformed::new(fault, 0), self.last, true)
    }

    fn split_buffered<'a>(
        &mut self,
        input: &mut &'a [u8],
        dialect: Dialect,
        limits: &Limits,
    ) -> Taken<'a> {
        if self.begun.is_none() {
            self.skipper.restart(dialect.protocol);
            self.begun = Some(dialect);
        }
        let size = match self.skipper.advance(input, limits) {
            Ok(Some(size)) => size,
            Ok(None) => return Ok(None),
            Err(malformed) => {
                let rejected = Rejected::new(malformed, Some(dialect), true);
                return Err(rejected.with_header(input, limits));
            }
        };
        self.begun = None;
        let (message, rest) = input.split_at(size);
        *input = rest;
        Ok(Some(Packet {
            dialect,
            wrap: Wrap::default(),
            headers: Headers::default(),
            message: Cow::Borrowed(message),
        }))
    }

    #[inline]
    fn split_frame<'a>(
        &mut self,
        input: &mut &'a [u8],
        dialect: Dialect,
        limits: &Limits,
    ) -> Taken<'a> {
        let Some((size, inner)) = input.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let size = u32::from_be_bytes(*size) as usize;
        let limit = limits.frame_max.min(limits.message_max).min(FRAME_MAX_HARD);
        if size > limit {
            return Err(too_large(size, limit, dialect, inner, limits));
        }
        let Some((frame, rest)) = inner.split_at_checked(size) else {
            return Ok(None);
        };
        *input = rest;
        if dialect.transport == Transport::Header && header::is_header(frame) {
            return self.unwrap(frame, dialect, limits);
        }
        let protocol = match dialect.protocol {
            Protocol::Binary | Protocol::BinaryOld => {
                binary(frame.first().copied().unwrap_or(0x80))
            }
            protocol => protocol,
        };
        Ok(Some(Packet {
            dialect: Dialect::new(Transport::Framed, protocol),
            wrap: Wrap::default(),
            headers: Headers::default(),
            message: Cow::Borrowed(frame),
        }))
    }

    fn unwrap<'a>(&mut self, frame: &'a [u8], dialect: Dialect, limits: &Limits) -> Taken<'a> {
        let unwrapped = header::unwrap(frame, limits).map_err(|refused| {
            Box::new(Rejected {
                kind: refused.kind,
                dialect: Some(Dialect {
                    protocol: refused.protocol,
                    ..dialect
                }),
                wrap: refused.wrap,
                ..*Rejected::new(refused.malformed, None, false)
            })
        })?;
        let dialect = Dialect {
            protocol: unwrapped.protocol,
            ..dialect
        };
        let mut message = Cow::Borrowed(unwrapped.payload);
        for _ in 0..unwrapped.zlib_count {
            let inflater = self
                .inflater
                .get_or_insert_with(|| Box::new(MessageInflater::new()));
            let max = limits.inflated_max.min(limits.message_max);
            let inflated = inflater.inflate(&message, max).map_err(|malformed| {
                Box::new(Rejected {
                    wrap: unwrapped.wrap,
                    ..*Rejected::new(malformed, Some(dialect), false)
                })
            })?;
            message = Cow::Owned(inflated);
        }
        Ok(Some(Packet {
            dialect,
            wrap: unwrapped.wrap,
            headers: unwrapped.headers,
            message,
        }))
    }
}

/// Which binary protocol a message is in, by its first byte.
#[inline]
const fn binary(first: u8) -> Protocol {
    if first < 0x80 {
        Protocol::BinaryOld
    } else {
        Protocol::Binary
    }
}

/// A frame that nobody waits for. What has come of it may tell whom to answer.
#[cold]
fn too_large(
    size: usize,
    limit: usize,
    dialect: Dialect,
    inner: &[u8],
    limits: &Limits,
) -> Box<Rejected> {
    let fault = Fault::OverLimit {
        what: "a frame",
        found: size,
        limit,
    };
    let mut rejected = Rejected::new(Malformed::new(fault, 0), Some(dialect), true);
    if dialect.transport == Transport::Framed {
        return rejected.with_header(inner, limits);
    }
    if let Ok(unwrapped) = header::unwrap(inner, limits) {
        rejected.wrap = unwrapped.wrap;
        if unwrapped.zlib_count == 0 {
            return rejected.with_header(unwrapped.payload, limits);
        }
    }
    rejected
}
