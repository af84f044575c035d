//! The header of a message, and what is behind its struct, in each protocol.

use std::{borrow::Cow, ops::Range};

use super::Protocol;
use crate::{
    ApplicationError, Fault, Limits, Malformed, MessageHeader, MessageKind, Reader, Result, Writer,
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
};

/// Reads the header of a message; returns where in it the struct is.
#[inline]
pub(super) fn read<'a>(
    protocol: Protocol,
    message: &'a [u8],
    limits: &Limits,
) -> Result<(MessageHeader<'a>, Range<usize>)> {
    let size = message.len();
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => {
            if let Some(read) = read_strict(message, limits) {
                return Ok(read);
            }
            let mut reader = BinaryReader::new(message, limits);
            let header = reader.header()?;
            let body = size - reader.rest().len();
            let behind = if message[0] < 0x80 { 5 } else { 4 };
            Ok((borrow(&header, message, body - behind)?, body..size))
        }
        Protocol::Compact => {
            let mut reader = CompactReader::new(message, limits);
            let header = reader.header()?;
            let body = size - reader.rest().len();
            Ok((borrow(&header, message, body)?, body..size))
        }
        Protocol::Json => {
            let mut reader = JsonReader::new(message, limits);
            let header = own(&reader.message_begin()?);
            let rest = reader.rest().trim_ascii_start();
            let Some(inside) = rest.strip_prefix(b",") else {
                return Err(no_json("a message has a comma behind its header", size));
            };
            let Some(inside) = inside.trim_ascii_end().strip_suffix(b"]") else {
                return Err(no_json("a message ends with a bracket", size));
            };
            let start = size - rest.len() + 1;
            Ok((header, start..start + inside.len()))
        }
    }
}

/// The header of a strict binary message, which is what most are; `None` if it is none, or not right.
#[inline]
fn read_strict<'a>(
    message: &'a [u8],
    limits: &Limits,
) -> Option<(MessageHeader<'a>, Range<usize>)> {
    let (&[0x80, 1, _, kind, n0, n1, n2, n3], rest) = message.split_first_chunk()? else {
        return None;
    };
    let name_size = u32::from_be_bytes([n0, n1, n2, n3]) as usize;
    if name_size > limits.name_max.min(limits.string_max) {
        return None;
    }
    let (name, rest) = rest.split_at_checked(name_size)?;
    let (sequence, body) = rest.split_first_chunk()?;
    let header = MessageHeader {
        name: Cow::Borrowed(std::str::from_utf8(name).ok()?),
        kind: MessageKind::of(kind & 0b111)?,
        sequence: i32::from_be_bytes(*sequence),
    };
    Some((header, message.len() - body.len()..message.len()))
}

/// A header whose name is borrowed from the message, where it ends at `name_end`. Readers lend it only for as long as the
/// limits are borrowed.
#[inline]
fn borrow<'a>(
    header: &MessageHeader<'_>,
    message: &'a [u8],
    name_end: usize,
) -> Result<MessageHeader<'a>> {
    let name = &message[name_end - header.name.len()..name_end];
    let name = std::str::from_utf8(name).map_err(|_| Malformed::new(Fault::NotUtf8, name_end))?;
    Ok(MessageHeader {
        name: Cow::Borrowed(name),
        kind: header.kind,
        sequence: header.sequence,
    })
}

/// A header with a name of its own.
pub(crate) fn own(header: &MessageHeader<'_>) -> MessageHeader<'static> {
    MessageHeader {
        name: Cow::Owned(header.name.clone().into_owned()),
        kind: header.kind,
        sequence: header.sequence,
    }
}

#[cold]
fn no_json(text: &str, offset: usize) -> Box<Malformed> {
    Malformed::new(Fault::Json(text.to_owned()), offset)
}

/// Writes the header of a message. Its struct comes next, and then [`close`].
#[inline]
pub(super) fn write(out: &mut Vec<u8>, protocol: Protocol, header: &MessageHeader<'_>) {
    match protocol {
        Protocol::Binary => BinaryWriter::new(out).message_begin(header),
        Protocol::BinaryOld => {
            let mut writer = BinaryWriter::new(out);
            writer.string(&header.name);
            writer.i8(header.kind.number().cast_signed());
            writer.i32(header.sequence);
        }
        Protocol::Compact => CompactWriter::new(out).message_begin(header),
        Protocol::Json => {
            JsonWriter::new(out).message_begin(header);
            out.push(b',');
        }
    }
}

/// Writes what is behind the struct.
#[inline]
pub(super) fn close(out: &mut Vec<u8>, protocol: Protocol) {
    match protocol {
        Protocol::Binary | Protocol::BinaryOld | Protocol::Compact => {}
        Protocol::Json => out.push(b']'),
    }
}

/// Writes the struct of an application error.
pub(crate) fn write_error(out: &mut Vec<u8>, protocol: Protocol, error: &ApplicationError) {
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => error.write(&mut BinaryWriter::new(out)),
        Protocol::Compact => error.write(&mut CompactWriter::new(out)),
        Protocol::Json => error.write(&mut JsonWriter::new(out)),
    }
}

/// Reads the struct of an application error.
///
/// # Errors
///
/// If the bytes are not a struct.
pub(crate) fn read_error(
    protocol: Protocol,
    body: &[u8],
    limits: &Limits,
) -> Result<ApplicationError> {
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => {
            ApplicationError::read(&mut BinaryReader::new(body, limits))
        }
        Protocol::Compact => ApplicationError::read(&mut CompactReader::new(body, limits)),
        Protocol::Json => ApplicationError::read(&mut JsonReader::new(body, limits)),
    }
}
