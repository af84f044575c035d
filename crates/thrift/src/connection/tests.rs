//! Both machines against each other, in memory.

mod damage;
mod pair;
mod refusals;
mod stock;

use std::borrow::Cow;

use super::*;
use crate::{
    ApplicationError, ApplicationErrorKind, Limits, Reader, WireType, Writer,
    framing::{Dialect, Protocol, Transport},
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
};

/// Every dialect.
fn dialects() -> Vec<Dialect> {
    let mut dialects = Vec::new();
    for transport in [Transport::Buffered, Transport::Framed, Transport::Header] {
        for protocol in [
            Protocol::Binary,
            Protocol::BinaryOld,
            Protocol::Compact,
            Protocol::Json,
        ] {
            if transport != Transport::Header
                || matches!(protocol, Protocol::Binary | Protocol::Compact)
            {
                let dialect = Dialect::new(transport, protocol);
                dialects.extend([dialect, dialect.zlib()]);
            }
        }
    }
    dialects
}

/// A struct with a number and a text.
fn body(protocol: Protocol, number: i32) -> Vec<u8> {
    fn write<W: Writer>(mut writer: W, number: i32) {
        let nest = writer.struct_begin();
        writer.field_begin(WireType::I32, 1);
        writer.i32(number);
        writer.field_end();
        writer.field_begin(WireType::String, 2);
        writer.string("text: \"]}");
        writer.field_end();
        writer.struct_end(nest);
    }
    let mut out = Vec::new();
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => write(BinaryWriter::new(&mut out), number),
        Protocol::Compact => write(CompactWriter::new(&mut out), number),
        Protocol::Json => write(JsonWriter::new(&mut out), number),
    }
    out
}

/// The number in a struct, which must be the whole of the bytes.
fn number_of(protocol: Protocol, body: &[u8]) -> i32 {
    fn read<R: Reader>(reader: &mut R) -> i32 {
        let nest = reader.struct_begin().unwrap();
        let mut number = None;
        while let Some(field) = reader.field_begin().unwrap() {
            if field.id == 1 {
                number = Some(reader.i32().unwrap());
            } else {
                reader.skip(field.wire).unwrap();
            }
            reader.field_end().unwrap();
        }
        reader.struct_end(nest).unwrap();
        number.unwrap()
    }
    let limits = Limits::default();
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => {
            let mut reader = BinaryReader::new(body, &limits);
            let number = read(&mut reader);
            assert!(reader.rest().is_empty());
            number
        }
        Protocol::Compact => {
            let mut reader = CompactReader::new(body, &limits);
            let number = read(&mut reader);
            assert!(reader.rest().is_empty());
            number
        }
        Protocol::Json => {
            let mut reader = JsonReader::new(body, &limits);
            let number = read(&mut reader);
            assert!(reader.rest().is_empty());
            number
        }
    }
}

/// What a shell keeps of input that was not taken.
#[derive(Default)]
struct Block(Vec<u8>);

impl Block {
    /// Adds what has come and gives all to `take`, which takes from the front.
    fn with<T>(&mut self, come: &[u8], take: impl FnOnce(&mut &[u8]) -> T) -> T {
        self.0.extend_from_slice(come);
        let mut rest = &self.0[..];
        let result = take(&mut rest);
        let taken = self.0.len() - rest.len();
        self.0.drain(..taken);
        result
    }
}

/// A request as tests remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    id: Option<RequestId>,
    dialect: Dialect,
    name: String,
    number: i32,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Every request that is whole; violations are not expected.
fn requests(server: &mut Server, block: &mut Block, come: &[u8]) -> Vec<Seen> {
    block.with(come, |input| {
        let mut seen = Vec::new();
        while let Some(event) = server.poll_request(input) {
            match event {
                ServerEvent::Request(request) => seen.push(Seen {
                    id: request.id,
                    dialect: request.dialect,
                    name: request.header.name.clone().into_owned(),
                    number: number_of(request.dialect.protocol, &request.body),
                    headers: request
                        .headers
                        .iter()
                        .map(|(key, value)| (key.to_vec(), value.to_vec()))
                        .collect(),
                }),
                ServerEvent::Violation(violation) => panic!("{violation:?}"),
            }
        }
        seen
    })
}

/// Tokens and numbers of every reply that is whole.
fn replies(client: &mut Client, block: &mut Block, come: &[u8]) -> Vec<(u64, i32)> {
    block.with(come, |input| {
        let mut seen = Vec::new();
        while let Some(event) = client.poll_reply(input) {
            match event {
                ClientEvent::Reply(reply) => {
                    assert_eq!(reply.kind, ReplyKind::Reply);
                    let number = number_of(reply.dialect.protocol, &reply.body);
                    seen.push((reply.token, number));
                }
                ClientEvent::Broken(broken) => panic!("{broken:?}"),
            }
        }
        seen
    })
}

fn sent_by_client(client: &mut Client) -> Vec<u8> {
    let mut out = Vec::new();
    client.take_output(&mut out);
    out
}

fn sent_by_server(server: &mut Server) -> Vec<u8> {
    let mut out = Vec::new();
    server.take_output(&mut out);
    out
}

/// What the server answers to bytes, as a client sees it: name, sequence and the error.
fn answer(
    client: &mut Client,
    bytes: &[u8],
) -> Option<Result<(u64, ApplicationError), ApplicationError>> {
    match client.poll_reply(&mut &bytes[..])? {
        ClientEvent::Reply(reply) => {
            assert_eq!(reply.kind, ReplyKind::Exception);
            Some(Ok((
                reply.token,
                reply.read_error(&Limits::default()).unwrap(),
            )))
        }
        ClientEvent::Broken(broken) => Some(Err(broken.error)),
    }
}
