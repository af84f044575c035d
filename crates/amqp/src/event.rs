//! What a connection tells the broker.

use std::borrow::Cow;

use crate::{ChannelNumber, CloseReason, Method};

/// Something the client did. Borrows from the input where it can.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// The client proves who it is: the response of `connection.start-ok`, or of `connection.secure-ok` to a challenge.
    /// Answered by `Connection::{challenge, authenticated, refuse_authentication, refuse_malformed_response}`.
    Authenticate {
        /// One of the mechanisms offered.
        mechanism: Cow<'a, str>,
        /// The response, in the mechanism's own format.
        response: &'a [u8],
    },
    /// The client has a new secret. Answered by `Connection::secret_updated` or `Connection::close`.
    UpdateSecret {
        /// The new secret.
        secret: &'a [u8],
        /// Why, in the client's words.
        reason: &'a str,
    },
    /// The client asks for a virtual host. Answered by `Connection::open_ok` or `Connection::close`.
    Open {
        /// Its name.
        virtual_host: &'a str,
    },
    /// A channel was opened; the client was told already.
    ChannelOpened(ChannelNumber),
    /// The client closes a channel. Answered by `Connection::channel_close_ok` when its resources are released.
    ChannelCloseRequested(ChannelNumber),
    /// The client agreed that a channel is closed: its number is free again. The resources went with
    /// `Connection::close_channel` or [`Event::ChannelViolation`].
    ChannelClosed(ChannelNumber),
    /// Any method of exchange, queue, basic, confirm and tx but `basic.publish`.
    Method {
        /// An open channel.
        channel: ChannelNumber,
        /// What is asked.
        method: Method<'a>,
    },
    /// A message with all its content.
    Publish(Publish<'a>),
    /// The client closes the connection. Answered by `Connection::close_ok` when everything is released.
    CloseRequested {
        /// The client's code.
        code: u16,
        /// The client's text.
        text: &'a str,
    },
    /// The client broke the protocol. It was told, if it can be; everything is to be released, nothing to be answered.
    Violation(CloseReason),
    /// The client's request failed in the protocol layer, and its channel is closed. The channel's resources are to be
    /// released, nothing is to be answered.
    ChannelViolation {
        /// The channel.
        channel: ChannelNumber,
        /// What the client was told.
        reason: CloseReason,
    },
}

/// A published message. Borrowed when all its frames lay whole in the input, so that nothing was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Where it was published.
    pub channel: ChannelNumber,
    /// The exchange's name; empty: the default exchange.
    pub exchange: Cow<'a, str>,
    /// The routing key.
    pub routing_key: Cow<'a, str>,
    /// Whether it is to come back when no queue takes it.
    pub mandatory: bool,
    /// Whether it is to come back when no consumer takes it at once.
    pub immediate: bool,
    /// The whole payload of the content header frame, looked through: `ContentHeader` and `Properties` can read it.
    pub header: Cow<'a, [u8]>,
    /// The body.
    pub body: Cow<'a, [u8]>,
}
