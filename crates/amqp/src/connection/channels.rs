//! Channel numbers, and what a channel's next frame may be.

use super::content::Pending;
use super::{Connection, is_known, method_id};
use crate::frame::{self, Frame};
use crate::method::access::RequestOk;
use crate::method::channel::{Close, CloseOk, FlowOk, OpenOk};
use crate::{ChannelNumber, CloseReason, Event, Method, MethodId, ReplyCode, encode};

/// What is known of a channel number.
#[derive(Debug, Default)]
pub(super) enum Slot {
    /// No channel.
    #[default]
    Vacant,
    /// Open, and expecting a method.
    Open,
    /// Open, and in the middle of a message.
    Content(Box<Pending>),
    /// The client closes; the broker releases what the channel had.
    CloseRequested,
    /// `channel.close` was sent: until `close-ok`, whatever comes is discarded.
    Closing,
}

/// All channels of a connection by number. Only as long as the highest number in use.
#[derive(Debug, Default)]
pub(super) struct Channels {
    slots: Vec<Slot>,
    count: usize,
    /// The most channels. 0: as many as there are numbers.
    limit: u16,
}

impl Channels {
    pub(super) fn set_limit(&mut self, limit: u16) {
        self.limit = limit;
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn clear(&mut self) {
        self.slots = Vec::new();
        self.count = 0;
    }

    /// Whether the channel is open and expects a method.
    #[inline]
    pub(super) fn expects_method(&self, number: u16) -> bool {
        matches!(self.slots.get(usize::from(number)), Some(Slot::Open))
    }

    pub(super) fn slot(&mut self, number: u16) -> Option<&mut Slot> {
        self.slots
            .get_mut(usize::from(number))
            .filter(|slot| !matches!(slot, Slot::Vacant))
    }

    /// Sets a channel that is there to something that is there.
    pub(super) fn set(&mut self, number: u16, slot: Slot) {
        if let Some(place) = self.slot(number) {
            *place = slot;
        }
    }

    fn open(&mut self, number: u16) -> Result<(), String> {
        let limit = if self.limit == 0 {
            u16::MAX
        } else {
            self.limit
        };
        let max = usize::from(limit);
        // The number of a channel may be higher: it is how many are open that counts.
        if self.count >= max {
            let count = self.count;
            return Err(format!(
                "number of channels opened ({count}) has reached the negotiated channel_max ({max})"
            ));
        }
        let place = usize::from(number);
        if self.slots.len() <= place {
            self.slots.resize_with(place + 1, Slot::default);
        }
        self.slots[place] = Slot::Open;
        self.count += 1;
        Ok(())
    }

    fn vacate(&mut self, number: u16) {
        if let Some(place) = self.slot(number) {
            *place = Slot::Vacant;
            self.count -= 1;
        }
    }
}

impl Connection {
    /// A frame of a channel other than 0.
    pub(super) fn handle_channel_frame<'a>(
        &mut self,
        frame: Frame<'a>,
        now: u64,
    ) -> Option<Event<'a>> {
        if !is_known(&frame) {
            return Some(self.fail_with_frame(
                ReplyCode::FrameError,
                &frame,
                ": unknown_frame",
                now,
            ));
        }
        if frame.kind == frame::HEARTBEAT {
            return Some(self.fail_with_frame(ReplyCode::UnexpectedFrame, &frame, "", now));
        }
        let number = frame.channel;
        match self.channels.slot(number) {
            Some(Slot::Content(pending)) => {
                let step = pending.handle_frame(frame, self.settings.message_size_max);
                self.handle_content_step(ChannelNumber(number), step, now)
            }
            Some(Slot::Closing) => self.handle_frame_on_closing_channel(frame),
            // The client has nothing to say before our close-ok.
            Some(Slot::CloseRequested) => None,
            slot @ (None | Some(Slot::Open | Slot::Vacant)) => {
                let is_open = slot.is_some();
                if frame.kind != frame::METHOD {
                    let text = "expected method frame, got non method frame instead";
                    let reason = CloseReason::new(ReplyCode::UnexpectedFrame, text, MethodId::NONE);
                    return Some(self.fail(reason, now));
                }
                match Method::decode(frame.payload) {
                    Err(error) => Some(self.fail_to_decode(frame.payload, error, now)),
                    Ok(method) if is_open => self.handle_method(ChannelNumber(number), method, now),
                    Ok(Method::ChannelOpen(_)) => {
                        Some(self.handle_channel_open(ChannelNumber(number), now))
                    }
                    Ok(method) => {
                        let reason = CloseReason::new(
                            ReplyCode::ChannelError,
                            "expected 'channel.open'",
                            method.id(),
                        );
                        Some(self.fail(reason, now))
                    }
                }
            }
        }
    }

    fn handle_channel_open(&mut self, channel: ChannelNumber, now: u64) -> Event<'static> {
        match self.channels.open(channel.0) {
            Ok(()) => {
                self.send(channel, &Method::ChannelOpenOk(OpenOk { channel_id: b"" }));
                Event::ChannelOpened(channel)
            }
            Err(text) => self.fail(
                CloseReason::new(ReplyCode::NotAllowed, text, MethodId::NONE),
                now,
            ),
        }
    }

    /// A method on an open channel.
    fn handle_method<'a>(
        &mut self,
        channel: ChannelNumber,
        method: Method<'a>,
        now: u64,
    ) -> Option<Event<'a>> {
        match method {
            Method::BasicPublish(publish) => {
                self.channels
                    .set(channel.0, Slot::Content(Box::new(Pending::new(&publish))));
                None
            }
            Method::ChannelOpen(_) => {
                let text = "second 'channel.open' seen";
                let reason =
                    CloseReason::new(ReplyCode::ChannelError, text, MethodId::CHANNEL_OPEN);
                Some(self.fail(reason, now))
            }
            Method::ChannelClose(_) => {
                self.channels.set(channel.0, Slot::CloseRequested);
                Some(Event::ChannelCloseRequested(channel))
            }
            Method::ChannelFlow(flow) if flow.active => {
                self.send(channel, &Method::ChannelFlowOk(FlowOk { active: true }));
                None
            }
            Method::ChannelFlow(_) => {
                let reason = CloseReason::new(
                    ReplyCode::NotImplemented,
                    "active=false",
                    MethodId::CHANNEL_FLOW,
                );
                Some(self.fail(reason, now))
            }
            Method::AccessRequest(_) => {
                // Every ticket is good for everything: permissions are the broker's.
                self.send(channel, &Method::AccessRequestOk(RequestOk { ticket: 1 }));
                None
            }
            method if method.is_request() => Some(Event::Method { channel, method }),
            method => {
                let reason = CloseReason::new(
                    ReplyCode::CommandInvalid,
                    "unimplemented method",
                    method.id(),
                );
                Some(self.fail(reason, now))
            }
        }
    }

    fn handle_frame_on_closing_channel(&mut self, frame: Frame<'_>) -> Option<Event<'static>> {
        let channel = ChannelNumber(frame.channel);
        match method_id(frame.payload).filter(|_| frame.kind == frame::METHOD) {
            // Both sides close at once. Our own close is still to be answered.
            Some(MethodId::CHANNEL_CLOSE) => {
                self.send(channel, &Method::ChannelCloseOk(CloseOk {}));
                None
            }
            Some(MethodId::CHANNEL_CLOSE_OK) => {
                self.channels.vacate(channel.0);
                Some(Event::ChannelClosed(channel))
            }
            _ => None,
        }
    }

    /// Closes a channel for a reason of the broker's, which has released or now releases its resources: sends
    /// `channel.close` and discards what comes on the channel until `close-ok`.
    pub fn close_channel(&mut self, channel: ChannelNumber, reason: &CloseReason) {
        if let Some(slot @ (Slot::Open | Slot::Content(_))) = self.channels.slot(channel.0) {
            *slot = Slot::Closing;
            let close = Method::ChannelClose(Close {
                reply_code: reason.code.value(),
                reply_text: &reason.reply_text(),
                class_id: reason.method.class,
                method_id: reason.method.method,
            });
            encode::method(&mut self.output, channel, &close);
        }
    }

    /// Answers [`Event::ChannelCloseRequested`], after the channel's resources are released.
    pub fn channel_close_ok(&mut self, channel: ChannelNumber) {
        if let Some(Slot::CloseRequested) = self.channels.slot(channel.0) {
            self.send(channel, &Method::ChannelCloseOk(CloseOk {}));
            self.channels.vacate(channel.0);
        }
    }

    /// Whether the channel is open and neither side has closed it.
    pub fn is_channel_open(&self, channel: ChannelNumber) -> bool {
        self.channels.is_open(channel.0)
    }
}

impl Channels {
    fn is_open(&self, number: u16) -> bool {
        matches!(
            self.slots.get(usize::from(number)),
            Some(Slot::Open | Slot::Content(_))
        )
    }
}
