//! Structs in whatever protocol they are written.

use trefoil_thrift::{
    ApplicationError, Fault, Limits, Malformed, Reader as _, Result, Schema, check_struct,
    framing::Protocol,
    json::{self, JsonError, JsonOptions, Outcome},
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
    schema::StructId,
    transcode_struct,
};

/// Calls a function that is generic over the reader.
macro_rules! with_reader {
    ($protocol:expr, $bytes:expr, $limits:expr, |$reader:ident| $do:expr) => {
        match $protocol {
            Protocol::Binary | Protocol::BinaryOld => {
                let mut $reader = BinaryReader::new($bytes, $limits);
                $do
            }
            Protocol::Compact => {
                let mut $reader = CompactReader::new($bytes, $limits);
                $do
            }
            Protocol::Json => {
                let mut $reader = JsonReader::new($bytes, $limits);
                $do
            }
        }
    };
}

/// Checks that bytes are the struct, and nothing behind it.
pub(super) fn check(
    schema: &Schema,
    id: StructId,
    protocol: Protocol,
    bytes: &[u8],
    limits: &Limits,
) -> Result<()> {
    with_reader!(protocol, bytes, limits, |reader| {
        check_struct(schema, id, &mut reader)?;
        ended(reader.offset(), bytes)
    })
}

/// Writes the struct in another protocol behind what `out` has, or as it is if it is the same; checked in any case.
pub(super) fn transcode(
    schema: &Schema,
    id: StructId,
    (from, bytes): (Protocol, &[u8]),
    to: Protocol,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> Result<()> {
    if same(from, to) {
        check(schema, id, from, bytes, limits)?;
        out.extend_from_slice(bytes);
        return Ok(());
    }
    with_reader!(from, bytes, limits, |reader| {
        match to {
            Protocol::Binary | Protocol::BinaryOld => {
                transcode_struct(schema, id, &mut reader, &mut BinaryWriter::new(out))?;
            }
            Protocol::Compact => {
                transcode_struct(schema, id, &mut reader, &mut CompactWriter::new(out))?;
            }
            Protocol::Json => {
                transcode_struct(schema, id, &mut reader, &mut JsonWriter::new(out))?;
            }
        }
        ended(reader.offset(), bytes)
    })
}

/// Writes the result of a method as JSON.
pub(super) fn result_to_json(
    schema: &Schema,
    id: StructId,
    protocol: Protocol,
    bytes: &[u8],
    limits: &Limits,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<Outcome> {
    with_reader!(protocol, bytes, limits, |reader| {
        json::result_to_json(schema, id, &mut reader, options, out)
    })
}

/// The struct as JSON, checked.
pub(super) fn to_json(
    schema: &Schema,
    id: StructId,
    (protocol, bytes): (Protocol, &[u8]),
    limits: &Limits,
) -> Result<Vec<u8>> {
    check(schema, id, protocol, bytes, limits)?;
    let mut out = Vec::with_capacity(bytes.len() * 2);
    with_reader!(protocol, bytes, limits, |reader| {
        json::struct_to_json(schema, id, &mut reader, &JsonOptions::default(), &mut out)?;
    });
    Ok(out)
}

/// Writes the struct that JSON is of behind what `out` has.
pub(super) fn of_json(
    schema: &Schema,
    id: StructId,
    text: &[u8],
    to: Protocol,
    limits: &Limits,
    out: &mut Vec<u8>,
) -> std::result::Result<(), JsonError> {
    let options = JsonOptions::default();
    match to {
        Protocol::Binary | Protocol::BinaryOld => {
            let mut writer = BinaryWriter::new(out);
            json::json_to_struct(schema, id, text, &options, limits, &mut writer)
        }
        Protocol::Compact => {
            let mut writer = CompactWriter::new(out);
            json::json_to_struct(schema, id, text, &options, limits, &mut writer)
        }
        Protocol::Json => {
            let mut writer = JsonWriter::new(out);
            json::json_to_struct(schema, id, text, &options, limits, &mut writer)
        }
    }
}

/// The error of an exception.
pub(super) fn read_error(
    protocol: Protocol,
    bytes: &[u8],
    limits: &Limits,
) -> Result<ApplicationError> {
    with_reader!(protocol, bytes, limits, |reader| ApplicationError::read(
        &mut reader
    ))
}

/// Writes an error as the struct of an exception.
pub(super) fn write_error(protocol: Protocol, error: &ApplicationError, out: &mut Vec<u8>) {
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => error.write(&mut BinaryWriter::new(out)),
        Protocol::Compact => error.write(&mut CompactWriter::new(out)),
        Protocol::Json => error.write(&mut JsonWriter::new(out)),
    }
}

/// Makes the struct of a method's one argument, which was checked, the struct of its result: the same field with id 0.
pub(super) fn first_field_as_success(protocol: Protocol, bytes: &[u8], out: &mut Vec<u8>) {
    match (protocol, bytes) {
        // No argument.
        (_, [] | [0, ..] | [b'{', b'}', ..]) => out.extend_from_slice(bytes),
        (Protocol::Binary | Protocol::BinaryOld, [wire, _, _, rest @ ..]) => {
            out.extend_from_slice(&[*wire, 0, 0]);
            out.extend_from_slice(rest);
        }
        (Protocol::Compact, [header, rest @ ..]) => {
            // In the short form the id is in the header, in the long form it follows.
            let is_long = header >> 4 == 0;
            let id = if is_long {
                rest.iter().take_while(|byte| **byte & 0x80 != 0).count() + 1
            } else {
                0
            };
            out.extend_from_slice(&[header & 0xf, 0]);
            out.extend_from_slice(rest.get(id..).unwrap_or_default());
        }
        (Protocol::Json, _) => {
            let mut parts = bytes.splitn(3, |byte| *byte == b'"');
            let (begin, _, rest) = (parts.next(), parts.next(), parts.next());
            out.extend_from_slice(begin.unwrap_or_default());
            out.extend_from_slice(b"\"0\"");
            out.extend_from_slice(rest.unwrap_or_default());
        }
        (Protocol::Binary | Protocol::BinaryOld, _) => out.extend_from_slice(bytes),
    }
}

/// Structs are written the same in both.
pub(super) const fn same(one: Protocol, other: Protocol) -> bool {
    matches!(
        (one, other),
        (
            Protocol::Binary | Protocol::BinaryOld,
            Protocol::Binary | Protocol::BinaryOld
        ) | (Protocol::Compact, Protocol::Compact)
            | (Protocol::Json, Protocol::Json)
    )
}

fn ended(offset: usize, bytes: &[u8]) -> Result<()> {
    if offset == bytes.len() {
        Ok(())
    } else {
        Err(Malformed::new(
            Fault::LeftOver(bytes.len() - offset),
            offset,
        ))
    }
}
