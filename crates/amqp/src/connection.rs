//! The server's side of one connection.
//!
//! ```text
//! Header -> Starting -> Securing -> Tuning -> Opening -> OpenRequested -> Running
//!   |           \____________|__________/         \___________|____________/   |
//!   |                        |                                |               |
//! Closed                  Silent                           Closing      CloseRequested
//!                            |                                |               |
//!                          Closed                          Closed          Silent -> Closed
//! ```
//! Below the line of success is what a failure, or a close, leads to; `Running` too leads to `Closing` when the server
//! closes. `Closing` waits for the peer's `close-ok`. `Silent` reads and discards for a while, because closing a socket that has unread input resets it, and a reset destroys what
//! the peer has not read yet: our last words.

mod channels;
mod closing;
mod content;
mod handshake;
mod timers;

use std::sync::Arc;

pub use timers::Expiry;

use crate::frame::{self, FRAME_MAX_INITIAL, FRAME_OVERHEAD, Frame};
use crate::{ChannelNumber, Event, Method, MethodId, Settings, Table, Tune, encode, method};
use channels::Channels;
use timers::Heartbeats;

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waiting for the protocol header.
    Header,
    /// `start` was sent.
    Starting,
    /// The client began to authenticate. While the broker makes up its mind, no input is taken.
    Securing {
        awaiting_broker: bool,
    },
    /// `tune` was sent.
    Tuning,
    /// Limits are agreed on.
    Opening,
    /// The client asked for a virtual host; no input is taken until the broker answers.
    OpenRequested,
    Running,
    /// The client closes; the broker releases what it had.
    CloseRequested,
    /// `close` was sent.
    Closing {
        deadline: u64,
    },
    /// Nothing more is sent or understood.
    Silent {
        deadline: u64,
    },
    Closed,
}

/// What the client can, by its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It wants `connection.close` rather than silence when authentication fails.
    pub authentication_failure_close: bool,
    /// It understands `connection.blocked`.
    pub connection_blocked: bool,
    /// It understands a `basic.cancel` from the server.
    pub consumer_cancel_notify: bool,
    /// It understands `basic.nack`.
    pub basic_nack: bool,
    /// It understands confirms.
    pub publisher_confirms: bool,
    /// It understands bindings between exchanges.
    pub exchange_exchange_bindings: bool,
}

/// The server's side of one connection: octets in, events out.
///
/// Owns handshake, limits, channel numbers, content assembly, heartbeats and the ways to close. [`Event`] says which
/// method answers which event.
#[derive(Debug)]
pub struct Connection {
    settings: Arc<Settings>,
    phase: Phase,
    output: Vec<u8>,
    /// How many octets of output were taken.
    taken: u64,
    channels: Channels,
    /// How long a payload may be.
    payload_max: u32,
    tune: Tune,
    mechanism: String,
    client_properties: Table,
    capabilities: Capabilities,
    heartbeats: Heartbeats,
    handshake_deadline: u64,
}

impl Connection {
    /// A connection that was just accepted. It waits for the client's protocol header.
    pub fn new(settings: &Arc<Settings>, now: u64) -> Self {
        Self {
            settings: Arc::clone(settings),
            phase: Phase::Header,
            output: Vec::new(),
            taken: 0,
            channels: Channels::default(),
            payload_max: FRAME_MAX_INITIAL - FRAME_OVERHEAD,
            tune: Tune {
                channel_max: settings.channel_max,
                frame_max: settings.frame_max,
                heartbeat_s: settings.heartbeat_s,
            },
            mechanism: String::new(),
            client_properties: Table::new(),
            capabilities: Capabilities::default(),
            heartbeats: Heartbeats::new(now),
            handshake_deadline: now.saturating_add(settings.handshake_timeout_ms),
        }
    }

    /// Takes whole frames from the front of `input` until one means something to the broker; leaves an incomplete one.
    /// `None`: nothing complete is left, or the broker owes an answer to `Authenticate` or `Open` and is to poll again
    /// after it.
    pub fn poll_event<'a>(&mut self, input: &mut &'a [u8], now: u64) -> Option<Event<'a>> {
        if !input.is_empty() {
            self.heartbeats.handle_input(now);
        }
        loop {
            match self.phase {
                Phase::Running => {
                    if let Some(event) = self.poll_common(input) {
                        return Some(event);
                    }
                }
                Phase::Header => match self.handle_protocol_header(input) {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(refused) => return Some(refused),
                },
                Phase::Securing {
                    awaiting_broker: true,
                }
                | Phase::OpenRequested => return None,
                Phase::Silent { .. } | Phase::Closed => {
                    *input = &[];
                    return None;
                }
                Phase::Starting
                | Phase::Securing {
                    awaiting_broker: false,
                }
                | Phase::Tuning
                | Phase::Opening
                | Phase::CloseRequested
                | Phase::Closing { .. } => {}
            }
            let event = match Frame::split(input, self.payload_max) {
                Ok(None) => return None,
                Ok(Some(frame)) => self.handle_frame(frame, now),
                Err(unframed) => self.lose(unframed, now),
            };
            if event.is_some() {
                return event;
            }
        }
    }

    fn handle_frame<'a>(&mut self, frame: Frame<'a>, now: u64) -> Option<Event<'a>> {
        match self.phase {
            Phase::Running if frame.channel != 0 => self.handle_channel_frame(frame, now),
            Phase::CloseRequested | Phase::Closing { .. } => {
                if frame.channel == 0 {
                    self.handle_frame_while_closing(frame);
                }
                None
            }
            _ => self.handle_connection_frame(frame, now),
        }
    }

    /// What is to be sent. Encoders of [`encode`] append to it.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Whether there is something to be sent.
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Moves what is to be sent behind what `into` has. Output that is taken this way counts against heartbeats.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        self.taken += self.output.len() as u64;
        if into.is_empty() {
            std::mem::swap(into, &mut self.output);
        } else {
            into.append(&mut self.output);
        }
    }

    /// Queues a method. Nothing is queued on a connection that is not open, or no longer.
    pub fn send(&mut self, channel: ChannelNumber, method: &Method<'_>) {
        if self.phase == Phase::Running {
            encode::method(&mut self.output, channel, method);
        }
    }

    fn send_on_connection(&mut self, method: &Method<'_>) {
        encode::method(&mut self.output, ChannelNumber(0), method);
    }

    /// Tells a client that can be told that its messages are not read for a while.
    pub fn blocked(&mut self, reason: &str) {
        if self.capabilities.connection_blocked {
            self.send(
                ChannelNumber(0),
                &Method::ConnectionBlocked(method::connection::Blocked { reason }),
            );
        }
    }

    /// Tells a client that can be told that its messages are read again.
    pub fn unblocked(&mut self) {
        if self.capabilities.connection_blocked {
            self.send(
                ChannelNumber(0),
                &Method::ConnectionUnblocked(method::connection::Unblocked {}),
            );
        }
    }

    /// Whether the connection is over: the shell sends what is left of the output and closes the socket.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether a virtual host is open and neither side has closed the connection.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Running
    }

    /// What the client said of itself.
    pub fn client_properties(&self) -> &Table {
        &self.client_properties
    }

    /// What the client can.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// The mechanism the client authenticates with. Empty before it chose one.
    pub fn mechanism(&self) -> &str {
        &self.mechanism
    }

    /// The limits: the client's after `tune-ok`, before it those offered.
    pub fn tune(&self) -> Tune {
        self.tune
    }

    /// The state's name, as RabbitMQ calls it.
    pub fn state(&self) -> &'static str {
        match self.phase {
            Phase::Header => "pre_init",
            Phase::Starting => "starting",
            Phase::Securing { .. } => "securing",
            Phase::Tuning => "tuning",
            Phase::Opening | Phase::OpenRequested => "opening",
            Phase::Running => "running",
            Phase::CloseRequested => "closing",
            Phase::Closing { .. } | Phase::Silent { .. } | Phase::Closed => "closed",
        }
    }

    /// How many channels are open or being closed.
    pub fn channel_count(&self) -> usize {
        self.channels.count()
    }
}

/// The method a method frame's payload begins with.
fn method_id(payload: &[u8]) -> Option<MethodId> {
    payload
        .first_chunk()
        .map(|octets| MethodId::from_bytes(*octets))
}

/// Frames that are well-formed as far as content assembly is concerned.
fn is_known(frame: &Frame<'_>) -> bool {
    match frame.kind {
        frame::METHOD => frame.payload.len() >= 4,
        frame::HEADER => frame.payload.len() >= 12,
        frame::BODY => true,
        frame::HEARTBEAT => frame.payload.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
