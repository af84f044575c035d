//! Any bytes as a message, or as a struct with and without a schema, in each protocol. What is understood can be said in every
//! protocol, and is understood there.
#![no_main]

mod everything;

use everything::{LIMITS, everything};
use libfuzzer_sys::fuzz_target;
use trefoil_thrift::{
    Reader, Type, WireType, Writer, check_struct,
    json::{JsonOptions, struct_to_json},
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
    read_value, transcode_struct, write_value,
};

fn look<'a, R: Reader>(bytes: &'a [u8], reader: impl Fn(&'a [u8]) -> R) {
    let (schema, id) = everything();
    let mut message = reader(bytes);
    if message.message_begin().is_ok() && message.skip(WireType::Struct).is_ok() {
        let _ = message.message_end();
    }
    let _ = reader(bytes).skip(WireType::Struct);
    let _ = struct_to_json(
        schema,
        *id,
        &mut reader(bytes),
        &JsonOptions::default(),
        &mut Vec::new(),
    );
    if let Ok(value) = read_value(schema, Type::Struct(*id), &mut reader(bytes)) {
        let mut again = Vec::new();
        let _ = write_value(
            schema,
            Type::Struct(*id),
            &value,
            &mut BinaryWriter::new(&mut again),
        );
    }
    if check_struct(schema, *id, &mut reader(bytes)).is_err() {
        return;
    }
    let mut binary = Vec::new();
    transcoded(reader(bytes), &mut BinaryWriter::new(&mut binary));
    let mut compact = Vec::new();
    transcoded(
        BinaryReader::new(&binary, &LIMITS),
        &mut CompactWriter::new(&mut compact),
    );
    let mut json = Vec::new();
    transcoded(
        CompactReader::new(&compact, &LIMITS),
        &mut JsonWriter::new(&mut json),
    );
    transcoded(
        JsonReader::new(&json, &LIMITS),
        &mut BinaryWriter::new(&mut Vec::new()),
    );
}

/// Says the same in another protocol.
fn transcoded<R: Reader, W: Writer>(mut reader: R, writer: &mut W) {
    let (schema, id) = everything();
    match transcode_struct(schema, *id, &mut reader, writer) {
        Ok(()) => {}
        // What is short in one protocol is long in another.
        Err(error) if error.to_string().contains("limit") => {}
        Err(error) => panic!("what was understood is not understood: {error}"),
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else {
        return;
    };
    match which % 3 {
        0 => look(bytes, |bytes| BinaryReader::new(bytes, &LIMITS)),
        1 => look(bytes, |bytes| CompactReader::new(bytes, &LIMITS)),
        _ => look(bytes, |bytes| JsonReader::new(bytes, &LIMITS)),
    }
});
