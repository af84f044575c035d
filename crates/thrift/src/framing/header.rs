//! The header transport (`doc/specs/HeaderFormat.md` of Apache Thrift).
//!
//! ```text
//! 0         4        6       8          12     14
//! +---------+--------+-------+----------+------+-------------------+---------+
//! | length  | 0x0fff | flags | sequence | size | header, 4·size    | payload |
//! +---------+--------+-------+----------+------+-------------------+---------+
//!    u32       u16      u16      i32      u16
//!
//! header: protocol, number of transforms, transforms, { 1, count, { key, value } } …, zeros
//! ```
//! All numbers of the header are varints, and each key and value has its length in front of it.

mod info;

pub use info::Headers;

use super::Protocol;
use crate::{ApplicationErrorKind, Fault, Limits, Malformed};

const MAGIC: [u8; 2] = [0x0f, 0xff];
/// What is between the length and the header.
const PREFIX: usize = 10;
/// Compression, the only transform there is a use for.
const ZLIB: u32 = 1;
/// Nobody compresses more often, and each time costs.
const TRANSFORMS_MAX: u32 = 4;
/// C++ refuses longer headers than its 16 bits can count.
const WRITTEN_MAX: usize = 0xfffc;
const BINARY: u32 = 0;
const COMPACT: u32 = 2;

/// What is around a message with the header transport, and is repeated around its answer. Of other transports it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wrap {
    pub(crate) flags: u16,
    pub(crate) sequence: i32,
    pub(crate) is_zlib: bool,
}

/// A frame of the header transport.
#[derive(Debug)]
pub(super) struct Unwrapped<'a> {
    pub(super) protocol: Protocol,
    pub(super) wrap: Wrap,
    pub(super) headers: Headers<'a>,
    /// How often the payload is compressed.
    pub(super) zlib_count: u32,
    pub(super) payload: &'a [u8],
}

/// A frame that is none of the header transport, or none that is understood.
#[derive(Debug)]
pub(super) struct Unwrappable {
    pub(super) kind: ApplicationErrorKind,
    pub(super) malformed: Box<Malformed>,
    /// How it can be answered.
    pub(super) protocol: Protocol,
    pub(super) wrap: Wrap,
}

/// Whether a frame, its length not counted, has a header.
#[inline]
pub(super) fn is_header(frame: &[u8]) -> bool {
    frame.starts_with(&MAGIC)
}

/// Reads a frame, its length not counted.
pub(super) fn unwrap<'a>(
    frame: &'a [u8],
    limits: &Limits,
) -> Result<Unwrapped<'a>, Box<Unwrappable>> {
    let mut wrap = Wrap::default();
    let mut protocol = Protocol::Binary;
    let result = read(frame, limits, &mut wrap, &mut protocol);
    result.map_err(|(kind, fault, offset)| {
        Box::new(Unwrappable {
            kind,
            malformed: Malformed::new(fault, offset),
            protocol,
            wrap,
        })
    })
}

type Refused = (ApplicationErrorKind, Fault, usize);

fn read<'a>(
    frame: &'a [u8],
    limits: &Limits,
    wrap: &mut Wrap,
    protocol: &mut Protocol,
) -> Result<Unwrapped<'a>, Refused> {
    let wrong = |text| (ApplicationErrorKind::ProtocolError, Fault::Header(text), 0);
    let Some((&[_, _, f0, f1, s0, s1, s2, s3, w0, w1], rest)) = frame.split_first_chunk::<PREFIX>()
    else {
        return Err(wrong("a header frame has fewer than ten bytes"));
    };
    wrap.flags = u16::from_be_bytes([f0, f1]);
    wrap.sequence = i32::from_be_bytes([s0, s1, s2, s3]);
    let size = usize::from(u16::from_be_bytes([w0, w1])) * 4;
    if size > limits.headers_max {
        let fault = Fault::OverLimit {
            what: "a message's headers",
            found: size,
            limit: limits.headers_max,
        };
        return Err((ApplicationErrorKind::ProtocolError, fault, 8));
    }
    let Some((header, payload)) = rest.split_at_checked(size) else {
        return Err(wrong("a header is larger than its frame"));
    };

    let mut rest = header;
    let short = || wrong("a header ends too early");
    let id = info::varint(&mut rest).ok_or_else(short)?;
    *protocol = match id {
        BINARY => Protocol::Binary,
        COMPACT => Protocol::Compact,
        _ => {
            let fault = Fault::Header("there is no protocol with that number but 0 and 2");
            return Err((ApplicationErrorKind::InvalidProtocol, fault, PREFIX));
        }
    };
    let zlib_count = info::varint(&mut rest).ok_or_else(short)?;
    if zlib_count > TRANSFORMS_MAX {
        return Err(wrong("a header has more than four transforms"));
    }
    for _ in 0..zlib_count {
        if info::varint(&mut rest).ok_or_else(short)? != ZLIB {
            let fault = Fault::Header("there is no transform with that number but 1, zlib");
            return Err((
                ApplicationErrorKind::InvalidTransform,
                fault,
                frame.len() - payload.len() - rest.len(),
            ));
        }
    }
    wrap.is_zlib = zlib_count > 0;
    Ok(Unwrapped {
        protocol: *protocol,
        wrap: *wrap,
        headers: Headers::read(rest).map_err(wrong)?,
        zlib_count,
        payload,
    })
}

/// Whether there is room for headers in a message.
pub(crate) fn fit(headers: &[(&[u8], &[u8])]) -> bool {
    // Protocol and transform come before them.
    info::size(headers) <= WRITTEN_MAX - 4
}

/// Begins a frame, with the headers if they [`fit`]. The payload comes next, compressed if `wrap` says so, and then
/// [`super::outbound`] fills in the length, for which there are four zeros.
pub(super) fn wrap(out: &mut Vec<u8>, protocol: Protocol, wrap: Wrap, headers: &[(&[u8], &[u8])]) {
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&wrap.flags.to_be_bytes());
    out.extend_from_slice(&wrap.sequence.to_be_bytes());
    out.extend_from_slice(&[0; 2]);
    let start = out.len();
    out.push(match protocol {
        Protocol::Compact => COMPACT as u8,
        Protocol::Binary | Protocol::BinaryOld | Protocol::Json => BINARY as u8,
    });
    if wrap.is_zlib {
        out.extend_from_slice(&[1, ZLIB as u8]);
    } else {
        out.push(0);
    }
    if fit(headers) {
        info::write(out, headers);
    }
    let size = (out.len() - start).next_multiple_of(4);
    out.resize(start + size, 0);
    let words = u16::try_from(size / 4).expect("what is written was measured");
    out[start - 2..start].copy_from_slice(&words.to_be_bytes());
}

#[cfg(test)]
mod tests;
