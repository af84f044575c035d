//! Messages: the fast way for those that lie whole in the input, assembly for the others.

use std::borrow::Cow;

use super::Connection;
use super::channels::Slot;
use crate::frame::{self, Frame, PREFIX};
use crate::method::basic::{Ack, Nack, Publish as PublishMethod, Reject};
use crate::properties::{CLASS_BASIC, HEADER_MIN};
use crate::{
    ChannelNumber, CloseReason, ContentHeader, Event, Method, MethodId, Publish, ReplyCode,
};

/// Bodies announced to be longer than this are nonsense rather than too large: RabbitMQ closes the connection too.
const BODY_SIZE_SANE: u64 = 512 << 20;

/// The payload of an acknowledgement: class, method, tag, bits.
const SETTLE_SIZE: usize = 13;

/// A message that has not come whole.
#[derive(Debug)]
pub(super) struct Pending {
    exchange: String,
    routing_key: String,
    mandatory: bool,
    immediate: bool,
    /// Empty until it came.
    header: Vec<u8>,
    body: Vec<u8>,
    /// How much of the body is still to come.
    remaining: u64,
}

/// What a frame did to a message.
pub(super) enum Step<'a> {
    /// More is to come.
    More,
    /// The message is whole; this is the last part of its body.
    Whole(&'a [u8]),
    /// It is longer than messages may be.
    TooLarge(CloseReason),
    /// The frame is wrong.
    Failed(CloseReason),
}

impl Pending {
    pub(super) fn new(publish: &PublishMethod<'_>) -> Self {
        Self {
            exchange: publish.exchange.to_owned(),
            routing_key: publish.routing_key.to_owned(),
            mandatory: publish.mandatory,
            immediate: publish.immediate,
            header: Vec::new(),
            body: Vec::new(),
            remaining: 0,
        }
    }

    pub(super) fn handle_frame<'a>(&mut self, frame: Frame<'a>, message_size_max: u64) -> Step<'a> {
        if self.header.is_empty() {
            self.handle_header(frame, message_size_max)
        } else {
            self.handle_body(frame)
        }
    }

    fn handle_header<'a>(&mut self, frame: Frame<'a>, message_size_max: u64) -> Step<'a> {
        let header = ContentHeader::new(frame.payload);
        let fail = |code, text: Cow<'static, str>| {
            Step::Failed(CloseReason::new(code, text, MethodId::BASIC_PUBLISH))
        };
        if frame.kind != frame::HEADER || header.weight() != 0 {
            let text = "expected content header for class 60, got non content header frame instead";
            return fail(ReplyCode::UnexpectedFrame, text.into());
        }
        let class = header.class().unwrap_or_default();
        if class != CLASS_BASIC {
            let text =
                format!("expected content header for class 60, got one for class {class} instead");
            return fail(ReplyCode::UnexpectedFrame, text.into());
        }
        let size = header.body_size();
        if size > BODY_SIZE_SANE.max(message_size_max) {
            let max = BODY_SIZE_SANE.max(message_size_max);
            let text = format!("content body size {size} exceeds maximum allowed size {max}");
            return fail(ReplyCode::FrameError, text.into());
        }
        if let Err(error) = header.validate() {
            return fail(
                ReplyCode::FrameError,
                format!("cannot decode content header: {error}").into(),
            );
        }
        if size > message_size_max {
            let text = format!(
                "message size {size} is larger than configured max size {message_size_max}"
            );
            return Step::TooLarge(CloseReason::new(
                ReplyCode::PreconditionFailed,
                text,
                MethodId::BASIC_PUBLISH,
            ));
        }
        self.header = frame.payload.to_vec();
        self.remaining = size;
        if size == 0 {
            Step::Whole(&[])
        } else {
            Step::More
        }
    }

    fn handle_body<'a>(&mut self, frame: Frame<'a>) -> Step<'a> {
        let (code, text) = if frame.kind != frame::BODY {
            (
                ReplyCode::UnexpectedFrame,
                "expected content body, got non content body frame instead",
            )
        } else {
            match self.remaining.checked_sub(frame.payload.len() as u64) {
                Some(0) => return Step::Whole(frame.payload),
                Some(remaining) => {
                    self.remaining = remaining;
                    // Grows as octets come; what the header promises is not taken on trust.
                    self.body.extend_from_slice(frame.payload);
                    return Step::More;
                }
                None => (
                    ReplyCode::FrameError,
                    "content body frame exceeds remaining content size",
                ),
            }
        };
        Step::Failed(CloseReason::new(code, text, MethodId::BASIC_PUBLISH))
    }

    #[cfg(test)]
    pub(super) fn body_capacity(&self) -> usize {
        self.body.capacity()
    }

    fn finish(mut self, channel: ChannelNumber, last: &[u8]) -> Publish<'_> {
        let body = if self.body.is_empty() {
            Cow::Borrowed(last)
        } else {
            self.body.extend_from_slice(last);
            Cow::Owned(self.body)
        };
        Publish {
            channel,
            exchange: Cow::Owned(self.exchange),
            routing_key: Cow::Owned(self.routing_key),
            mandatory: self.mandatory,
            immediate: self.immediate,
            header: Cow::Owned(self.header),
            body,
        }
    }
}

impl Connection {
    pub(super) fn handle_content_step<'a>(
        &mut self,
        channel: ChannelNumber,
        step: Step<'a>,
        now: u64,
    ) -> Option<Event<'a>> {
        match step {
            Step::More => None,
            Step::Whole(last) => {
                let slot = self.channels.slot(channel.0)?;
                let Slot::Content(pending) = std::mem::replace(slot, Slot::Open) else {
                    return None;
                };
                Some(Event::Publish(pending.finish(channel, last)))
            }
            Step::TooLarge(reason) => {
                self.close_channel(channel, &reason);
                Some(Event::ChannelViolation { channel, reason })
            }
            Step::Failed(reason) => Some(self.fail(reason, now)),
        }
    }

    /// The frames that matter for speed: whole messages and acknowledgements. `None` leaves the input as it is, for the
    /// general way, which also finds out what is wrong.
    #[inline]
    pub(super) fn poll_common<'a>(&mut self, input: &mut &'a [u8]) -> Option<Event<'a>> {
        let &[frame::METHOD, c0, c1, s0, s1, s2, s3, a, b, c, d] =
            input.first_chunk::<{ PREFIX + 4 }>()?
        else {
            return None;
        };
        let channel = u16::from_be_bytes([c0, c1]);
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        if !self.channels.expects_method(channel) {
            return None;
        }
        match MethodId::from_bytes([a, b, c, d]) {
            MethodId::BASIC_PUBLISH => self
                .poll_whole_publish(input, channel, size)
                .map(Event::Publish),
            id @ (MethodId::BASIC_ACK | MethodId::BASIC_NACK | MethodId::BASIC_REJECT) => {
                let (frame, rest) = input.split_first_chunk::<{ PREFIX + SETTLE_SIZE + 1 }>()?;
                let (tag, &[bits, frame::END]) = frame[PREFIX + 4..].split_first_chunk::<8>()?
                else {
                    return None;
                };
                if size as usize != SETTLE_SIZE {
                    return None;
                }
                *input = rest;
                Some(Event::Method {
                    channel: ChannelNumber(channel),
                    method: settlement(id, u64::from_be_bytes(*tag), bits),
                })
            }
            _ => None,
        }
    }

    /// A whole message: method, header and at most one body frame.
    #[inline]
    fn poll_whole_publish<'a>(
        &self,
        input: &mut &'a [u8],
        channel: u16,
        size: u32,
    ) -> Option<Publish<'a>> {
        let (payload, rest) = whole_payload(input, size, self.payload_max)?;
        // Class, method and ticket; two strings; the bits.
        let fields = payload.get(6..)?;
        let (exchange, fields) = short_string(fields)?;
        let (routing_key, fields) = short_string(fields)?;
        let &[bits] = fields else {
            return None;
        };

        let size = part_size(rest, frame::HEADER, channel)?;
        let (header, rest) = whole_payload(rest, size, self.payload_max)?;
        let content_header = ContentHeader::new(header);
        if header.len() < HEADER_MIN || !content_header.is_basic() || content_header.weight() != 0 {
            return None;
        }
        content_header.validate().ok()?;

        let body_size = content_header.body_size();
        let (body, rest) = if body_size == 0 {
            (&[][..], rest)
        } else {
            let size = part_size(rest, frame::BODY, channel)?;
            if u64::from(size) != body_size || body_size > self.settings.message_size_max {
                return None;
            }
            whole_payload(rest, size, self.payload_max)?
        };
        *input = rest;
        Some(Publish {
            channel: ChannelNumber(channel),
            exchange: Cow::Borrowed(exchange),
            routing_key: Cow::Borrowed(routing_key),
            mandatory: bits & 1 != 0,
            immediate: bits & 2 != 0,
            header: Cow::Borrowed(header),
            body: Cow::Borrowed(body),
        })
    }
}

/// What `basic.ack`, `basic.nack` and `basic.reject` have in common: a delivery tag and an octet of bits.
fn settlement(id: MethodId, delivery_tag: u64, bits: u8) -> Method<'static> {
    let (first, second) = (bits & 1 != 0, bits & 2 != 0);
    match id {
        MethodId::BASIC_ACK => Method::BasicAck(Ack {
            delivery_tag,
            multiple: first,
        }),
        MethodId::BASIC_NACK => Method::BasicNack(Nack {
            delivery_tag,
            multiple: first,
            requeue: second,
        }),
        _ => Method::BasicReject(Reject {
            delivery_tag,
            requeue: first,
        }),
    }
}

/// The payload of the frame at the front, if it is whole and ends well, and what follows.
#[inline]
fn whole_payload(input: &[u8], size: u32, payload_max: u32) -> Option<(&[u8], &[u8])> {
    if size > payload_max {
        return None;
    }
    let (frame, rest) = input.split_at_checked(PREFIX + size as usize + 1)?;
    let (&end, frame) = frame.split_last()?;
    if end != frame::END {
        return None;
    }
    Some((&frame[PREFIX..], rest))
}

/// The size of the frame at the front, if it is of this type and channel.
#[inline]
fn part_size(input: &[u8], kind: u8, channel: u16) -> Option<u32> {
    let &[k, c0, c1, s0, s1, s2, s3] = input.first_chunk::<PREFIX>()?;
    (k == kind && u16::from_be_bytes([c0, c1]) == channel)
        .then_some(u32::from_be_bytes([s0, s1, s2, s3]))
}

#[inline]
fn short_string(input: &[u8]) -> Option<(&str, &[u8])> {
    let (&len, rest) = input.split_first()?;
    let (octets, rest) = rest.split_at_checked(usize::from(len))?;
    Some((std::str::from_utf8(octets).ok()?, rest))
}
