//! Any text as the JSON of a struct: what is taken is a good message, and is shown as JSON that means the same.
#![no_main]

mod everything;

use everything::{LIMITS, everything};
use libfuzzer_sys::fuzz_target;
use trefoil_thrift::{
    Limits, check_struct,
    json::{JsonOptions, UnknownFields, json_to_struct, struct_to_json},
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter},
};

/// What was taken within the limits may be longer in its other form.
const AGAIN: Limits = Limits {
    message_max: 16 << 20,
    container_max: 1 << 20,
    string_max: 16 << 20,
    ..LIMITS
};

fn inwards(text: &[u8], options: &JsonOptions, limits: &Limits) -> Option<Vec<u8>> {
    let (schema, id) = everything();
    let mut binary = Vec::new();
    let taken = json_to_struct(
        schema,
        *id,
        text,
        options,
        limits,
        &mut BinaryWriter::new(&mut binary),
    );
    match taken {
        Ok(()) => Some(binary),
        Err(error) => {
            for found in error.all() {
                let _ = (found.kind.to_string(), found.pointer.len());
                assert!(
                    found.offset <= text.len(),
                    "{} is behind the end",
                    found.offset
                );
            }
            None
        }
    }
}

fn outwards(binary: &[u8], options: &JsonOptions) -> Vec<u8> {
    let (schema, id) = everything();
    let mut text = Vec::new();
    struct_to_json(
        schema,
        *id,
        &mut BinaryReader::new(binary, &AGAIN),
        options,
        &mut text,
    )
    .expect("what was taken can be shown");
    text
}

fuzz_target!(|data: &[u8]| {
    let Some((how, text)) = data.split_first() else {
        return;
    };
    let options = JsonOptions {
        unknown_fields: if how & 1 == 0 {
            UnknownFields::Ignore
        } else {
            UnknownFields::Refuse
        },
        is_empty_union_allowed: how & 2 != 0,
        violations_max: usize::from(how >> 4),
        ..JsonOptions::default()
    };
    let (schema, id) = everything();
    let Some(binary) = inwards(text, &options, &LIMITS) else {
        return;
    };
    check_struct(schema, *id, &mut BinaryReader::new(&binary, &AGAIN))
        .expect("what was taken is good");
    // The same in the other protocol.
    let mut compact = Vec::new();
    json_to_struct(
        schema,
        *id,
        text,
        &options,
        &LIMITS,
        &mut CompactWriter::new(&mut compact),
    )
    .expect("it is the same text");
    check_struct(schema, *id, &mut CompactReader::new(&compact, &AGAIN))
        .expect("what was taken is good");

    let shown = outwards(&binary, &options);
    let again = inwards(&shown, &options, &AGAIN).expect("what was shown can be taken");
    assert_eq!(shown, outwards(&again, &options));
});
