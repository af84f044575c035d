//! The transports: where a message begins and ends, and what is around it.
//!
//! | transport | around a message | its end |
//! |---|---|---|
//! | [`Buffered`](Transport::Buffered) | nothing | found by going over it: [`Skipper`] |
//! | [`Framed`](Transport::Framed) | four bytes of length | known before |
//! | [`Header`](Transport::Header) | a length and a header, with compression and keys with values | known before |
//!
//! The bytes of a whole connection may be compressed besides, as one zlib stream. What a peer speaks is seen by its
//! first bytes: [`detect`].

mod detect;
mod envelope;
mod header;
mod inbound;
mod outbound;
mod skip;
mod zlib;

use std::{fmt, str::FromStr};

pub use detect::{Detected, detect};
pub use header::Headers;
pub use outbound::Unsendable;
pub use skip::Skipper;

pub(crate) use envelope::{own, read_error, write_error};
pub(crate) use header::{Wrap, fit as headers_fit};
pub(crate) use inbound::{Expect, Inbound, Packet, Rejected};
pub(crate) use outbound::{Outbound, Outgoing};

/// More than this no frame may have, whatever the limit: larger numbers are first bytes of something else.
pub(crate) const FRAME_MAX_HARD: usize = 0x3fff_ffff;

/// What is around a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Nothing (`TBufferedTransport`, raw sockets, bodies of HTTP).
    Buffered,
    /// Its length (`TFramedTransport`).
    Framed,
    /// Its length and a header (`THeaderTransport`).
    Header,
}

/// How values become bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// Binary with strict messages, which begin with a version.
    Binary,
    /// Binary with messages as they were before versions: they begin with the length of the name.
    BinaryOld,
    /// Compact.
    Compact,
    /// JSON (`TJSONProtocol`).
    Json,
}

/// What a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dialect {
    /// What is around its messages.
    pub transport: Transport,
    /// How its values become bytes.
    pub protocol: Protocol,
    /// Whether all that it sends is one zlib stream.
    pub is_zlib: bool,
}

impl Dialect {
    /// What providers speak, the likeliest first: to be tried one after the other, a connection each, when it is not
    /// known what a provider speaks. Where it speaks something else it closes the connection, stays silent because it
    /// waits for more, or answers what is [`Broken`](crate::connection::Broken).
    pub const PROBES: [Self; 7] = [
        Self::new(Transport::Framed, Protocol::Binary),
        Self::new(Transport::Buffered, Protocol::Binary),
        Self::new(Transport::Framed, Protocol::Compact),
        Self::new(Transport::Buffered, Protocol::Compact),
        Self::new(Transport::Header, Protocol::Binary),
        Self::new(Transport::Buffered, Protocol::Json),
        Self::new(Transport::Framed, Protocol::Json),
    ];

    /// A dialect without compression of the connection.
    #[must_use]
    pub const fn new(transport: Transport, protocol: Protocol) -> Self {
        Self {
            transport,
            protocol,
            is_zlib: false,
        }
    }

    /// The same with all bytes in one zlib stream.
    #[must_use]
    pub const fn zlib(self) -> Self {
        Self {
            is_zlib: true,
            ..self
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buffered => "buffered",
            Self::Framed => "framed",
            Self::Header => "header",
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Binary => "binary",
            Self::BinaryOld => "binary-old",
            Self::Compact => "compact",
            Self::Json => "json",
        })
    }
}

/// As `framed/binary`, or `framed/binary/zlib`.
impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.transport, self.protocol)?;
        if self.is_zlib {
            f.write_str("/zlib")?;
        }
        Ok(())
    }
}

/// A text that names no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no dialect: write `framed/binary`, with buffered, framed or header, and binary, binary-old, compact or \
     json (with header only binary or compact), and `/zlib` behind it for a compressed connection"
)]
pub struct UnknownDialect(String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        let parse = || {
            let mut parts = text.split('/');
            let transport = match parts.next()? {
                "buffered" => Transport::Buffered,
                "framed" => Transport::Framed,
                "header" => Transport::Header,
                _ => return None,
            };
            let protocol = match parts.next()? {
                "binary" => Protocol::Binary,
                "binary-old" if transport != Transport::Header => Protocol::BinaryOld,
                "compact" => Protocol::Compact,
                "json" if transport != Transport::Header => Protocol::Json,
                _ => return None,
            };
            let is_zlib = match parts.next() {
                None => false,
                Some("zlib") => true,
                Some(_) => return None,
            };
            parts.next().is_none().then_some(Self {
                transport,
                protocol,
                is_zlib,
            })
        };
        parse().ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
