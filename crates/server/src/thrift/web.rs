//! What is around messages for providers on the web: requests of HTTP, or frames of WebSocket.

use trefoil_thrift::framing::Protocol;

use super::{post::Post, websocket::WebSocket};

/// Where calls are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `host:port`.
    pub(super) authority: String,
    /// From the slash on.
    pub(super) path: String,
    pub(super) kind: Kind,
}

/// How calls are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Each in a request.
    Post,
    /// All on a connection that was upgraded.
    WebSocket,
}

/// What came is of no use.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// It is not HTTP, or not as it should be.
    #[error("its response is not HTTP/1: {0}")]
    Malformed(&'static str),
    /// The server does not do it.
    #[error("it answers with HTTP status {0}")]
    Status(u16),
    /// The server says nothing of what came of a call.
    #[error("its response is empty")]
    Empty,
    /// It is not WebSocket, or not as it should be.
    #[error("its frame is not WebSocket: {0}")]
    Frame(&'static str),
}

/// A connection to a provider on the web.
#[derive(Debug)]
pub(super) enum Web {
    Post(Post),
    Socket(WebSocket),
}

impl Web {
    /// A connection that was just made, and what is said on it first.
    pub(super) fn begin(target: Target, protocol: Protocol, output: &mut Vec<u8>) -> Self {
        match target.kind {
            Kind::Post => Self::Post(Post::new(target)),
            Kind::WebSocket => {
                let is_text = protocol == Protocol::Json;
                Self::Socket(WebSocket::begin(&target, is_text, output))
            }
        }
    }

    /// Whether something can be said beside each message.
    pub(super) const fn has_headers(&self) -> bool {
        match self {
            Self::Post(_) => true,
            Self::Socket(_) => false,
        }
    }

    /// Writes a message, with what goes with it where that can be said.
    pub(super) fn send(
        &mut self,
        message: &[u8],
        headers: &[(&[u8], &[u8])],
        is_oneway: bool,
        output: &mut Vec<u8>,
    ) {
        match self {
            Self::Post(post) => post.request(message, headers, is_oneway, output),
            Self::Socket(socket) => socket.send(message, output),
        }
    }

    /// Takes what came, and adds messages to `into`, and what has to be said because of it to `output`. What is left in
    /// `input` is to be given again with more.
    pub(super) fn handle(
        &mut self,
        input: &mut &[u8],
        into: &mut Vec<u8>,
        output: &mut Vec<u8>,
    ) -> Result<(), Unusable> {
        match self {
            Self::Post(post) => post.handle(input, into),
            Self::Socket(socket) => socket.handle(input, into, output),
        }
    }

    /// The connection has ended. An error if that cuts something off.
    pub(super) fn handle_eof(&mut self) -> Result<(), Unusable> {
        match self {
            Self::Post(post) => post.handle_eof(),
            // Calls that wait are lost with the connection, as without WebSocket.
            Self::Socket(_) => Ok(()),
        }
    }

    /// Says that the connection ends, where that can be said.
    pub(super) fn close(&mut self, output: &mut Vec<u8>) {
        match self {
            Self::Post(_) => {}
            Self::Socket(socket) => socket.close(output),
        }
    }

    /// Whether no call was said yet, because the server has not agreed to anything.
    pub(super) const fn is_opening(&self) -> bool {
        match self {
            Self::Post(_) => false,
            Self::Socket(socket) => socket.is_opening(),
        }
    }

    /// Whether no call can be made after those under way.
    pub(super) const fn is_last(&self) -> bool {
        match self {
            Self::Post(post) => post.is_last(),
            Self::Socket(socket) => socket.is_closed(),
        }
    }

    /// Whether nothing comes any more, though the connection has not ended.
    pub(super) const fn has_ended(&self) -> bool {
        match self {
            Self::Post(_) => false,
            Self::Socket(socket) => socket.is_closed(),
        }
    }

    /// Whether another call can be made now. Servers of HTTP may close after any response, so nothing is sent before it came.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Post(post) => post.is_idle(),
            Self::Socket(_) => true,
        }
    }

    /// Whether nothing more comes of the messages that came: what is not whole now never will be.
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Post(post) => post.is_idle(),
            Self::Socket(_) => false,
        }
    }
}
