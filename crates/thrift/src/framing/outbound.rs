//! Puts messages into what is sent to a peer.

use super::{Dialect, FRAME_MAX_HARD, Transport, Wrap, envelope, header, zlib::Deflater};
use crate::MessageHeader;

/// Memory that is kept for the next message.
const KEPT_MAX: usize = 64 << 10;

/// What goes around the struct of a message.
#[derive(Debug)]
pub(crate) struct Outgoing<'h> {
    pub(crate) dialect: Dialect,
    pub(crate) wrap: Wrap,
    pub(crate) header: MessageHeader<'h>,
    /// Keys with values; only the header transport has them. If they do not [`fit`](header::fit), they are left out.
    pub(crate) headers: &'h [(&'h [u8], &'h [u8])],
}

/// Why a message cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// No frame can be so large.
    #[error("a message of {0} bytes does not fit into a frame")]
    TooLarge(usize),
    /// The headers do not fit.
    #[error("the headers of a message have more than 64 KiB")]
    Headers,
}

/// Empties a buffer and gives back what only a large message needed.
fn forget(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(KEPT_MAX);
}

/// The output of a connection.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    pub(crate) output: Vec<u8>,
    /// Messages that are yet to be compressed, by the stream or each for itself.
    plain: Vec<u8>,
    encoder: Encoder,
    /// All output goes through it, if the dialect says so.
    stream: Option<Box<Deflater>>,
}

/// Makes messages of structs.
#[derive(Debug, Default)]
struct Encoder {
    payload: Vec<u8>,
    deflater: Option<Box<Deflater>>,
}

impl Outbound {
    /// Sends a message, whose struct `body` appends.
    #[inline]
    pub(crate) fn send(
        &mut self,
        outgoing: &Outgoing<'_>,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Unsendable> {
        if !outgoing.dialect.is_zlib {
            return self.encoder.encode(outgoing, body, &mut self.output);
        }
        if let Err(unsendable) = self.encoder.encode(outgoing, body, &mut self.plain) {
            forget(&mut self.plain);
            return Err(unsendable);
        }
        let plain = std::mem::take(&mut self.plain);
        self.send_encoded(outgoing.dialect, &plain);
        self.plain = plain;
        forget(&mut self.plain);
        Ok(())
    }

    /// Makes a message that is sent later, by [`send_encoded`](Self::send_encoded).
    pub(crate) fn encode(
        &mut self,
        outgoing: &Outgoing<'_>,
        body: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Vec<u8>, Unsendable> {
        let result = self.encoder.encode(outgoing, body, &mut self.plain);
        // Small ones are kept with no more memory than they need.
        let encoded = if self.plain.len() > KEPT_MAX {
            std::mem::take(&mut self.plain)
        } else {
            self.plain.clone()
        };
        forget(&mut self.plain);
        result.map(|()| encoded)
    }

    pub(crate) fn send_encoded(&mut self, dialect: Dialect, encoded: &[u8]) {
        if dialect.is_zlib {
            self.stream
                .get_or_insert_with(|| Box::new(Deflater::new()))
                .stream(encoded, &mut self.output);
        } else {
            self.output.extend_from_slice(encoded);
        }
    }

    /// Moves the output behind what `into` has.
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) {
        if into.is_empty() {
            std::mem::swap(into, &mut self.output);
        } else {
            into.append(&mut self.output);
        }
    }
}

impl Encoder {
    /// Appends a message to `out`, or nothing if it cannot be sent.
    #[inline]
    fn encode(
        &mut self,
        outgoing: &Outgoing<'_>,
        body: impl FnOnce(&mut Vec<u8>),
        out: &mut Vec<u8>,
    ) -> Result<(), Unsendable> {
        let Dialect {
            transport,
            protocol,
            ..
        } = outgoing.dialect;
        let message = |out: &mut Vec<u8>| {
            envelope::write(out, protocol, &outgoing.header);
            body(out);
            envelope::close(out, protocol);
        };
        let start = out.len();
        match transport {
            Transport::Buffered => {
                message(out);
                return Ok(());
            }
            Transport::Framed => {
                out.extend_from_slice(&[0; 4]);
                message(out);
            }
            Transport::Header => {
                header::wrap(out, protocol, outgoing.wrap, outgoing.headers);
                if outgoing.wrap.is_zlib {
                    message(&mut self.payload);
                    self.deflater
                        .get_or_insert_with(|| Box::new(Deflater::new()))
                        .message(&self.payload, out);
                    forget(&mut self.payload);
                } else {
                    message(out);
                }
            }
        }
        let size = out.len() - start - 4;
        if size > FRAME_MAX_HARD {
            out.truncate(start);
            return Err(Unsendable::TooLarge(size));
        }
        out[start..start + 4].copy_from_slice(&(size as u32).to_be_bytes());
        Ok(())
    }
}
