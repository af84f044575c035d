//! The side of a connection that is called.

use std::{borrow::Cow, collections::VecDeque};

use super::{PIPELINE_MAX, ReplyKind};
use crate::{
    ApplicationError, ApplicationErrorKind, Fault, Limits, Malformed, MessageHeader, MessageKind,
    framing::{
        Dialect, Expect, Headers, Inbound, Outbound, Outgoing, Packet, Rejected, Unsendable, Wrap,
        own, write_error,
    },
};

/// With so many bytes of replies that wait for their turn no more requests are taken: one slow call before many with
/// large results must not cost without bound.
const KEPT_MAX: usize = 4 << 20;

/// Names that are longer are not kept for those of later requests.
const NAME_KEPT_MAX: usize = 256;

/// A call that waits for its reply: its number on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u64);

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// By what it is answered. `None`: it is one-way, and is not.
    pub id: Option<RequestId>,
    /// In what it came.
    pub dialect: Dialect,
    /// Name, kind and sequence; a multiplexed name as it came.
    pub header: MessageHeader<'a>,
    /// The struct of arguments, in the dialect's protocol.
    pub body: Cow<'a, [u8]>,
    /// Keys with values, if the transport has them.
    pub headers: Headers<'a>,
    /// The transport's flags.
    pub flags: u16,
}

/// Input that is no request. It is answered already, where that was possible.
#[derive(Debug)]
pub struct Violation {
    /// What was wrong, as the peer was told.
    pub error: ApplicationError,
    /// What it spoke, as far as that is known.
    pub dialect: Option<Dialect>,
    /// The message's header, if that could be read.
    pub header: Option<MessageHeader<'static>>,
    /// Whether there is an answer.
    pub is_answered: bool,
    /// Whether the connection is closed when all answers are sent. All further input is then ignored.
    pub is_fatal: bool,
}

/// What the input has.
#[derive(Debug)]
pub enum ServerEvent<'a> {
    /// A request.
    Request(Request<'a>),
    /// Something else.
    Violation(Violation),
}

/// The side of a connection that is called.
///
/// Requests may be answered in any order; the replies are sent in the order of the requests, as stock clients need them.
/// What a peer speaks is seen by its first bytes, of each message anew.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    pipeline_max: usize,
    inbound: Inbound,
    outbound: Outbound,
    /// Calls without a reply that was sent, the oldest first.
    pipeline: VecDeque<Slot>,
    /// The id of the oldest.
    oldest: u64,
    /// Bytes of replies that wait for their turn.
    kept: usize,
    /// Memory of names for calls to come.
    names: Vec<String>,
    dialect: Option<Dialect>,
    /// Whether compressed calls have compressed replies.
    is_compressing: bool,
    is_closing: bool,
}

/// A call whose reply was not sent.
#[derive(Debug)]
struct Slot {
    name: String,
    sequence: i32,
    dialect: Dialect,
    wrap: Wrap,
    /// The reply, until it is its turn.
    reply: Option<Vec<u8>>,
}

impl Server {
    /// A connection that was just accepted, or a body of HTTP.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            pipeline_max: PIPELINE_MAX,
            inbound: Inbound::new(Expect::Anything),
            outbound: Outbound::default(),
            pipeline: VecDeque::new(),
            oldest: 0,
            kept: 0,
            names: Vec::new(),
            dialect: None,
            is_compressing: false,
            is_closing: false,
        }
    }

    /// Lets so many calls wait for their replies at once, one at least.
    #[must_use]
    pub fn with_pipeline_max(mut self, calls: usize) -> Self {
        self.pipeline_max = calls.max(1);
        self
    }

    /// Compresses replies to calls that came with the zlib transform of the header transport. It is not done unless it is
    /// asked for: each side may choose, stock servers do not, and stock C++ clients, 0.17 for one, write behind the end of
    /// their buffer when a message is larger inflated than compressed.
    #[must_use]
    pub const fn with_transform(mut self) -> Self {
        self.is_compressing = true;
        self
    }

    /// Takes what is next from the front of `input`. What is not whole stays, and is to be given again with more behind
    /// it. `None`: nothing whole is left, or the connection does not [want](Self::wants_input) more. A compressed
    /// connection takes its input at once and must be asked again, even with no input, until it has nothing more.
    #[inline]
    pub fn poll_request<'a>(&mut self, input: &mut &'a [u8]) -> Option<ServerEvent<'a>> {
        if !self.wants_input() {
            if self.is_closing {
                *input = &[];
            }
            return None;
        }
        match self.inbound.take(input, &self.limits) {
            Ok(None) => None,
            Ok(Some(packet)) => Some(self.handle_packet(packet)),
            Err(rejected) => Some(self.refuse(*rejected)),
        }
    }

    #[inline]
    fn handle_packet<'a>(&mut self, packet: Packet<'a>) -> ServerEvent<'a> {
        let Packet {
            dialect,
            wrap,
            headers,
            message,
        } = packet;
        self.dialect = Some(dialect);
        let (header, body) = match Packet::open(message, dialect.protocol, &self.limits) {
            Ok(opened) => opened,
            Err(malformed) => {
                let rejected = Rejected::new(malformed, Some(dialect), false);
                return self.refuse(Rejected { wrap, ..*rejected });
            }
        };
        let id = match header.kind {
            MessageKind::Call => Some(self.enqueue(&header, dialect, wrap)),
            MessageKind::Oneway => None,
            MessageKind::Reply | MessageKind::Exception => {
                return self.refuse_kind(&header, dialect, wrap);
            }
        };
        ServerEvent::Request(Request {
            id,
            dialect,
            header,
            body,
            headers,
            flags: wrap.flags,
        })
    }

    #[inline]
    fn enqueue(&mut self, header: &MessageHeader<'_>, dialect: Dialect, wrap: Wrap) -> RequestId {
        let mut name = self.names.pop().unwrap_or_default();
        name.push_str(method(&header.name));
        self.pipeline.push_back(Slot {
            name,
            sequence: header.sequence,
            dialect,
            wrap: Wrap {
                is_zlib: wrap.is_zlib && self.is_compressing,
                ..wrap
            },
            reply: None,
        });
        RequestId(self.oldest + self.pipeline.len() as u64 - 1)
    }

    #[cold]
    fn refuse_kind(
        &mut self,
        header: &MessageHeader<'_>,
        dialect: Dialect,
        wrap: Wrap,
    ) -> ServerEvent<'static> {
        self.refuse(Rejected {
            kind: ApplicationErrorKind::InvalidMessageType,
            wrap,
            header: Some(own(header)),
            ..*Rejected::new(
                Malformed::new(Fault::UnexpectedKind(header.kind), 0),
                Some(dialect),
                true,
            )
        })
    }

    /// Answers what is no request, when it is its turn.
    #[cold]
    fn refuse(&mut self, rejected: Rejected) -> ServerEvent<'static> {
        let Rejected {
            kind,
            malformed,
            dialect,
            wrap,
            header,
            is_fatal,
        } = rejected;
        let error = ApplicationError::new(kind, malformed.to_string());
        let is_oneway = header
            .as_ref()
            .is_some_and(|header| header.kind == MessageKind::Oneway);
        let mut is_answered = false;
        if let Some(dialect) = dialect
            && !is_oneway
        {
            let anonymous = MessageHeader {
                name: Cow::Borrowed(""),
                kind: MessageKind::Call,
                // Clients with the header transport have the same number there and in the message.
                sequence: wrap.sequence,
            };
            let id = self.enqueue(header.as_ref().unwrap_or(&anonymous), dialect, wrap);
            is_answered = self.reply_error(id, &error);
        }
        self.is_closing |= is_fatal;
        ServerEvent::Violation(Violation {
            error,
            dialect,
            header,
            is_answered,
            is_fatal,
        })
    }

    /// Answers a call; `write` appends the struct in the protocol of the call. If the calls before it are answered, that
    /// goes straight into the output; else the reply is kept until they are. `headers` are for the header transport, and
    /// left out where there is no room for them.
    ///
    /// Returns false, and does nothing, if the call was answered before.
    #[inline]
    pub fn reply(
        &mut self,
        id: RequestId,
        kind: ReplyKind,
        headers: &[(&[u8], &[u8])],
        write: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let Some(at) = id.0.checked_sub(self.oldest) else {
            return false;
        };
        let Some(slot) = self.pipeline.get_mut(at as usize) else {
            return false;
        };
        if slot.reply.is_some() {
            return false;
        }
        let outgoing = slot.outgoing(kind, headers);
        if at > 0 {
            let encoded = match self.outbound.encode(&outgoing, write) {
                Ok(encoded) => encoded,
                Err(unsendable) => encode_unsendable(&mut self.outbound, slot, unsendable),
            };
            self.kept += encoded.len();
            slot.reply = Some(encoded);
            return true;
        }
        if let Err(unsendable) = self.outbound.send(&outgoing, write) {
            let encoded = encode_unsendable(&mut self.outbound, slot, unsendable);
            self.outbound.send_encoded(slot.dialect, &encoded);
        }
        self.dequeue();
        while let Some(Slot {
            reply: Some(encoded),
            dialect,
            ..
        }) = self.pipeline.front()
        {
            self.outbound.send_encoded(*dialect, encoded);
            self.kept -= encoded.len();
            self.dequeue();
        }
        true
    }

    /// Answers a call with the bytes of a struct that is there already.
    #[inline]
    pub fn reply_raw(
        &mut self,
        id: RequestId,
        kind: ReplyKind,
        headers: &[(&[u8], &[u8])],
        body: &[u8],
    ) -> bool {
        self.reply(id, kind, headers, |out| out.extend_from_slice(body))
    }

    /// Says that a call gets no answer: its method is one-way, whatever the type of the message was. Stock servers do so, and
    /// some stock clients count on it (Go's send all as calls).
    pub fn forget(&mut self, id: RequestId) {
        let Some(at) = id.0.checked_sub(self.oldest) else {
            return;
        };
        let Some(slot) = self.pipeline.get_mut(at as usize) else {
            return;
        };
        if slot.reply.is_some() {
            return;
        }
        slot.reply = Some(Vec::new());
        self.send_ready();
    }

    /// Sends the replies whose turn it is.
    #[inline]
    fn send_ready(&mut self) {
        while let Some(Slot {
            reply: Some(encoded),
            dialect,
            ..
        }) = self.pipeline.front()
        {
            if !encoded.is_empty() {
                self.outbound.send_encoded(*dialect, encoded);
            }
            self.dequeue();
        }
    }

    /// Answers a call with an error.
    pub fn reply_error(&mut self, id: RequestId, error: &ApplicationError) -> bool {
        let Some(dialect) = self.dialect_of(id) else {
            return false;
        };
        self.reply(id, ReplyKind::Exception, &[], |out| {
            write_error(out, dialect.protocol, error);
        })
    }

    fn dialect_of(&self, id: RequestId) -> Option<Dialect> {
        let at = id.0.checked_sub(self.oldest)?;
        Some(self.pipeline.get(at as usize)?.dialect)
    }

    /// The oldest call was answered.
    #[inline]
    fn dequeue(&mut self) {
        if let Some(Slot { mut name, .. }) = self.pipeline.pop_front() {
            self.oldest += 1;
            if name.capacity() <= NAME_KEPT_MAX {
                name.clear();
                self.names.push(name);
            }
        }
    }

    /// Whether input is of any use now: not while too many calls wait for their replies, or too much of replies for their
    /// turn. On a closed connection what
    /// comes is to be read and dropped for a while, because a socket that is closed with unread input takes the last
    /// words away from the peer; [`poll_request`](Self::poll_request) drops it.
    #[must_use]
    #[inline]
    pub fn wants_input(&self) -> bool {
        !self.is_closing && self.pipeline.len() < self.pipeline_max && self.kept < KEPT_MAX
    }

    /// Takes no more requests. Those that wait are still answered.
    pub fn close(&mut self) {
        self.is_closing = true;
    }

    /// Whether no requests are taken any more and all are answered: the shell sends what is left of the output and
    /// closes the socket.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closing && self.pipeline.is_empty()
    }

    /// How many calls wait for their replies.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.pipeline.len()
    }

    /// What the peer spoke last.
    #[must_use]
    pub const fn dialect(&self) -> Option<Dialect> {
        self.dialect
    }

    /// Whether there is something to be sent.
    #[must_use]
    pub const fn has_output(&self) -> bool {
        !self.outbound.output.is_empty()
    }

    /// How many bytes are to be sent.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.outbound.output.len()
    }

    /// Moves what is to be sent behind what `into` has.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.outbound.take(into);
    }
}

impl Slot {
    #[inline]
    fn outgoing<'h>(
        &'h self,
        kind: ReplyKind,
        headers: &'h [(&'h [u8], &'h [u8])],
    ) -> Outgoing<'h> {
        Outgoing {
            dialect: self.dialect,
            wrap: self.wrap,
            header: MessageHeader {
                name: Cow::Borrowed(&self.name),
                kind: kind.into(),
                sequence: self.sequence,
            },
            headers,
        }
    }
}

/// A name without the service in front of it, which replies do not repeat.
#[inline]
fn method(name: &str) -> &str {
    // Names are too short for the searches of the standard library to be worth their preparations.
    match name.bytes().rposition(|byte| byte == b':') {
        Some(colon) => &name[colon + 1..],
        None => name,
    }
}

/// A reply that cannot be sent is replaced by an error that says so.
#[cold]
fn encode_unsendable(outbound: &mut Outbound, slot: &Slot, unsendable: Unsendable) -> Vec<u8> {
    let error = ApplicationError::new(ApplicationErrorKind::InternalError, unsendable.to_string());
    let protocol = slot.dialect.protocol;
    outbound
        .encode(&slot.outgoing(ReplyKind::Exception, &[]), |out| {
            write_error(out, protocol, &error);
        })
        .unwrap_or_default()
}
