//! The side of a connection that calls.

use std::{borrow::Cow, collections::VecDeque};

use super::ReplyKind;
use crate::{
    ApplicationError, ApplicationErrorKind, Limits, Malformed, MessageHeader, MessageKind,
    Result as Read,
    framing::{
        Detected, Dialect, Expect, Headers, Inbound, Outbound, Outgoing, Packet, Protocol,
        Transport, Unsendable, Wrap, detect, headers_fit, read_error,
    },
};

/// What answers a call.
#[derive(Debug)]
pub struct Reply<'a> {
    /// Which call, by the number that its caller gave it.
    pub token: u64,
    /// Whether the method answered.
    pub kind: ReplyKind,
    /// In what it came.
    pub dialect: Dialect,
    /// The struct of the result, or of the error, in the dialect's protocol.
    pub body: Cow<'a, [u8]>,
    /// Keys with values, if the transport has them.
    pub headers: Headers<'a>,
}

impl Reply<'_> {
    /// The error of an exception.
    ///
    /// # Errors
    ///
    /// If the body is none.
    pub fn read_error(&self, limits: &Limits) -> Read<ApplicationError> {
        read_error(self.dialect.protocol, &self.body, limits)
    }
}

/// Input that is no reply to the call that waits. The connection is of no more use, and all calls that wait on it, by
/// [`Client::waiting`], have failed.
#[derive(Debug)]
pub struct Broken {
    /// What was wrong.
    pub error: ApplicationError,
    /// The call that waited for this input: the oldest.
    pub token: Option<u64>,
}

/// What the input has.
#[derive(Debug)]
pub enum ClientEvent<'a> {
    /// A reply.
    Reply(Reply<'a>),
    /// Something else.
    Broken(Broken),
}

/// Why a call cannot be made on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// As many calls wait as may.
    #[error("as many calls wait for their replies as may on this connection")]
    Full,
    /// The connection is of no more use.
    #[error("the connection was broken, or left in the middle of a call")]
    Unusable,
    /// The call cannot be sent.
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
}

/// The side of a connection that calls.
#[derive(Debug)]
pub struct Client {
    dialect: Dialect,
    /// The service in front of the names of methods, and a colon.
    prefix: String,
    limits: Limits,
    window: usize,
    is_transformed: bool,
    inbound: Inbound,
    outbound: Outbound,
    /// Calls without a reply, the oldest first.
    waiting: VecDeque<Waiting>,
    /// Memory of names for calls to come.
    names: Vec<String>,
    /// The number of the next call: not 0, which says nothing, and never one that was used.
    sequence: i32,
    state: State,
}

/// A call without a reply.
#[derive(Debug)]
struct Waiting {
    /// `None`: nobody waits for it any more.
    token: Option<u64>,
    sequence: i32,
    /// The service with a colon, and the method.
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Usable,
    /// No more calls are made, but replies are awaited.
    Draining,
    /// Nothing more is understood.
    Broken,
}

impl Client {
    /// A connection that was just made to a provider which speaks `dialect`, and has its service under the name
    /// `multiplex` if it has several.
    #[must_use]
    pub fn new(dialect: Dialect, multiplex: Option<&str>, limits: Limits) -> Self {
        Self {
            dialect,
            prefix: multiplex.map_or_else(String::new, |service| format!("{service}:")),
            limits,
            window: 1,
            is_transformed: false,
            inbound: Inbound::new(Expect::Only(dialect)),
            outbound: Outbound::default(),
            waiting: VecDeque::new(),
            names: Vec::new(),
            sequence: 1,
            state: State::Usable,
        }
    }

    /// Lets so many calls wait at once, one at least. One is the default: not every stock server answers in order.
    #[must_use]
    pub fn with_window(mut self, calls: usize) -> Self {
        self.window = calls.max(1);
        self
    }

    /// Compresses each message by the zlib transform of the header transport; other transports have none. Not for C++
    /// providers: their stock library, 0.17 for one, writes behind the end of its buffer when a message is larger inflated
    /// than compressed.
    #[must_use]
    pub const fn with_transform(mut self) -> Self {
        self.is_transformed = true;
        self
    }

    /// Makes a call, or a one-way one, which nothing will answer; `write` appends the struct of arguments in the
    /// dialect's protocol. The reply comes with `token`. `headers` are for the header transport, and ignored by others.
    ///
    /// # Errors
    ///
    /// If the connection has no room for it, is of no more use, or its transport cannot carry it.
    pub fn call(
        &mut self,
        token: u64,
        method: &str,
        is_oneway: bool,
        headers: &[(&[u8], &[u8])],
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), CallError> {
        if self.state != State::Usable {
            return Err(CallError::Unusable);
        }
        if self.waiting.len() >= self.window {
            return Err(CallError::Full);
        }
        if !headers_fit(headers) {
            return Err(Unsendable::Headers.into());
        }
        let mut name = self.names.pop().unwrap_or_default();
        name.push_str(&self.prefix);
        name.push_str(method);
        let sequence = self.sequence;
        let sent = self.outbound.send(
            &Outgoing {
                dialect: self.dialect,
                wrap: Wrap {
                    flags: 0,
                    sequence,
                    is_zlib: self.is_transformed,
                },
                header: MessageHeader {
                    name: Cow::Borrowed(&name),
                    kind: if is_oneway {
                        MessageKind::Oneway
                    } else {
                        MessageKind::Call
                    },
                    sequence,
                },
                headers,
            },
            write,
        );
        if sent.is_err() || is_oneway {
            self.keep_name(name);
        } else {
            self.waiting.push_back(Waiting {
                token: Some(token),
                sequence,
                name,
            });
        }
        sent?;
        match self.sequence.checked_add(1) {
            Some(next) => self.sequence = next,
            None => self.state = State::Draining,
        }
        Ok(())
    }

    /// Makes a call with the bytes of a struct that is there already.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn call_raw(
        &mut self,
        token: u64,
        method: &str,
        is_oneway: bool,
        headers: &[(&[u8], &[u8])],
        body: &[u8],
    ) -> Result<(), CallError> {
        self.call(token, method, is_oneway, headers, |out| {
            out.extend_from_slice(body);
        })
    }

    /// Takes what is next from the front of `input`. What is not whole stays, and is to be given again with more behind
    /// it. `None`: nothing whole is left. A compressed connection takes its input at once and must be asked again, even
    /// with no input, until it has nothing more.
    pub fn poll_reply<'a>(&mut self, input: &mut &'a [u8]) -> Option<ClientEvent<'a>> {
        loop {
            if self.state == State::Broken {
                *input = &[];
                return None;
            }
            let before = *input;
            let packet = match self.inbound.take(input, &self.limits) {
                Ok(None) => return None,
                Ok(Some(packet)) => packet,
                Err(rejected) => {
                    return Some(self.lose(rejected.kind, &rejected.malformed, before));
                }
            };
            if let Some(event) = self.handle_packet(packet, before) {
                return Some(event);
            }
        }
    }

    /// `input` is where the message was taken from.
    fn handle_packet<'a>(
        &mut self,
        packet: Packet<'a>,
        input: &'a [u8],
    ) -> Option<ClientEvent<'a>> {
        let Packet {
            dialect,
            headers,
            message,
            ..
        } = packet;
        let opened = Packet::open(message, dialect.protocol, &self.limits);
        let (header, body) = match opened {
            Ok(opened) => opened,
            Err(malformed) => {
                let kind = ApplicationErrorKind::ProtocolError;
                return Some(self.lose(kind, &malformed, input));
            }
        };
        let kind = match self.match_reply(&header) {
            Ok(kind) => kind,
            Err(error) => return Some(self.lose_with(error)),
        };
        let Waiting { token, name, .. } = self.waiting.pop_front()?;
        self.keep_name(name);
        if kind == ReplyKind::Exception {
            // What a server that failed does with its connection nobody knows (THRIFT-5845).
            self.retire();
        }
        Some(ClientEvent::Reply(Reply {
            token: token?,
            kind,
            dialect,
            body,
            headers,
        }))
    }

    /// Whether a message answers the oldest call.
    fn match_reply(&self, header: &MessageHeader<'_>) -> Result<ReplyKind, ApplicationError> {
        let wrong = |kind, text| Err(ApplicationError::new(kind, text));
        let Some(oldest) = self.waiting.front() else {
            let text = format!("a reply to `{}` came, but nobody called", header.name);
            return wrong(ApplicationErrorKind::BadSequenceId, text);
        };
        let kind = match header.kind {
            MessageKind::Reply => ReplyKind::Reply,
            MessageKind::Exception => ReplyKind::Exception,
            MessageKind::Call | MessageKind::Oneway => {
                let text = format!("a message of type {:?} came for a reply", header.kind);
                return wrong(ApplicationErrorKind::InvalidMessageType, text);
            }
        };
        // Servers that cannot read a call cannot repeat its name, and its number only from the header transport.
        if kind == ReplyKind::Exception
            && header.name.is_empty()
            && (header.sequence == 0 || header.sequence == oldest.sequence)
        {
            return Ok(kind);
        }
        if header.sequence != oldest.sequence {
            let text = format!(
                "a reply to call {} came for one to call {}",
                header.sequence, oldest.sequence
            );
            return wrong(ApplicationErrorKind::BadSequenceId, text);
        }
        // Servers leave the service out, but not all do.
        if *header.name != oldest.name[self.prefix.len()..] && *header.name != oldest.name {
            let text = format!(
                "a reply to `{}` came for one to `{}`",
                header.name, oldest.name
            );
            return wrong(ApplicationErrorKind::WrongMethodName, text);
        }
        Ok(kind)
    }

    /// If what cannot be read is something else that is well known, says so: the likeliest reason is a provider that was
    /// declared to speak what it does not.
    #[cold]
    fn other_speech(&self, input: &[u8]) -> Option<String> {
        if self.dialect.is_zlib {
            return None;
        }
        let other = match detect(input) {
            Detected::Tls => "TLS".to_owned(),
            Detected::Http => "HTTP".to_owned(),
            Detected::Amqp => "AMQP".to_owned(),
            Detected::Zlib => "zlib".to_owned(),
            Detected::Thrift(other) if !self.understands(other) => other.to_string(),
            Detected::Thrift(_) | Detected::WaitForMore | Detected::Unknown(_) => return None,
        };
        Some(format!("the peer speaks {other}, and not {}", self.dialect))
    }

    /// Whether replies in a dialect can be read: strict and old binary messages are told apart, and who waits for headers
    /// takes frames and messages without them, old ones aside.
    fn understands(&self, other: Dialect) -> bool {
        use Transport::{Buffered, Framed, Header};
        let strict = |dialect: Dialect| match dialect.protocol {
            Protocol::BinaryOld => Protocol::Binary,
            protocol => protocol,
        };
        let is_header_without = match (self.dialect.transport, other.transport) {
            (Header, Framed) => true,
            (Header, Buffered) => matches!(other.protocol, Protocol::Binary | Protocol::Compact),
            _ => false,
        };
        (self.dialect.transport == other.transport || is_header_without)
            && strict(self.dialect) == strict(other)
    }

    #[cold]
    fn lose(
        &mut self,
        kind: ApplicationErrorKind,
        malformed: &Malformed,
        input: &[u8],
    ) -> ClientEvent<'static> {
        let text = self.other_speech(input);
        let text = text.unwrap_or_else(|| malformed.to_string());
        self.lose_with(ApplicationError::new(kind, text))
    }

    #[cold]
    fn lose_with(&mut self, error: ApplicationError) -> ClientEvent<'static> {
        self.state = State::Broken;
        ClientEvent::Broken(Broken {
            error,
            token: self.waiting.front().and_then(|oldest| oldest.token),
        })
    }

    fn keep_name(&mut self, mut name: String) {
        name.clear();
        self.names.push(name);
    }

    /// Nobody waits for a call any more: its time is over, or its caller has gone. Its reply, if it comes, is dropped, and
    /// no more calls are made.
    pub fn abandon(&mut self, token: u64) {
        for waiting in &mut self.waiting {
            if waiting.token == Some(token) {
                waiting.token = None;
                self.state = self.state.max_draining();
            }
        }
    }

    /// No more calls are made, because a reply was not what it should be. Replies are still awaited.
    pub fn retire(&mut self) {
        self.state = self.state.max_draining();
    }

    /// Whether another call can be made now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.state == State::Usable && self.waiting.len() < self.window
    }

    /// Whether calls can be made on this connection, now or when others are answered: not after anything but a reply, which
    /// may have a declared exception.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.state == State::Usable
    }

    /// The calls that wait for their replies, the oldest first, without those that were abandoned.
    pub fn waiting(&self) -> impl Iterator<Item = u64> {
        self.waiting.iter().filter_map(|waiting| waiting.token)
    }

    /// What is spoken.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What the arguments of calls are written in.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.dialect.protocol
    }

    /// Whether there is something to be sent.
    #[must_use]
    pub const fn has_output(&self) -> bool {
        !self.outbound.output.is_empty()
    }

    /// Moves what is to be sent behind what `into` has.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.outbound.take(into);
    }
}

impl State {
    fn max_draining(self) -> Self {
        match self {
            Self::Usable | Self::Draining => Self::Draining,
            Self::Broken => Self::Broken,
        }
    }
}
