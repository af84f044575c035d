//! How fast messages are checked and transcoded: `cargo run --release -p trefoil-thrift --example codec_speed`.
//!
//! One thread, one message of 4 to 5 KB in the binary protocol: an order with nested structs, lists, maps and sets. Each
//! line is the best of several rounds, so that a busy machine matters less; all speeds count bytes of the input.
//! An argument chooses the lines that contain it: `codec_speed check`.

use std::{hint::black_box, time::Instant};

use trefoil_thrift::{
    Limits, Reader, Schema, Type, Value, WireType, check_struct,
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter, JsonReader, JsonWriter},
    rules::Rules,
    schema::{Annotations, Builder, NewField, Requiredness, StructId, StructKind},
    transcode_struct, write_value,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let (schema, order) = contract(&[])?;
    // One rule for each field of a line.
    let (ruled, ruled_order) = contract(&[
        ("sku", "vt.prefix", "SKU-"),
        ("quantity", "vt.ge", "0"),
        ("price", "vt.ge", "0"),
        ("title", "vt.max_size", "100"),
        ("tags", "vt.elem.max_size", "20"),
        ("is_gift", "vt.not_nil", "true"),
        (
            "warehouse",
            "vt.in",
            "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]",
        ),
        ("weight", "vt.lt", "1000000000"),
    ])?;
    let ty = Type::Struct(order);
    let value = value();
    let limits = Limits::default();
    let mut binary = Vec::new();
    write_value(&schema, ty, &value, &mut BinaryWriter::new(&mut binary))?;
    let mut compact = Vec::new();
    write_value(&schema, ty, &value, &mut CompactWriter::new(&mut compact))?;
    let mut json = Vec::new();
    write_value(&schema, ty, &value, &mut JsonWriter::new(&mut json))?;
    println!(
        "binary {} bytes, compact {}, JSON {}",
        binary.len(),
        compact.len(),
        json.len()
    );

    let measure = |name: &str, size: usize, work: &mut dyn FnMut() -> bool| {
        if name.contains(&wanted) {
            measure(name, size, work);
        }
    };
    macro_rules! reads {
        ($name:literal, $bytes:expr, $reader:ident) => {
            measure(concat!("skip ", $name), $bytes.len(), &mut || {
                let mut reader = $reader::new(black_box($bytes), &limits);
                reader.skip(WireType::Struct).is_ok()
            });
            measure(concat!("check ", $name), $bytes.len(), &mut || {
                let mut reader = $reader::new(black_box($bytes), &limits);
                check_struct(&schema, order, &mut reader).is_ok()
            });
        };
    }
    reads!("binary", &binary, BinaryReader);
    reads!("compact", &compact, CompactReader);
    reads!("JSON", &json, JsonReader);

    measure("check with rules", binary.len(), &mut || {
        let mut reader = BinaryReader::new(black_box(&binary), &limits);
        check_struct(&ruled, ruled_order, &mut reader).is_ok()
    });

    let mut out = Vec::with_capacity(64 << 10);
    macro_rules! transcodes {
        ($name:literal, $bytes:expr, $reader:ident, $writer:ident) => {
            measure($name, $bytes.len(), &mut || {
                out.clear();
                let mut reader = $reader::new(black_box($bytes), &limits);
                let mut writer = $writer::new(&mut out);
                transcode_struct(&schema, order, &mut reader, &mut writer).is_ok()
            });
        };
    }
    transcodes!("binary to compact", &binary, BinaryReader, CompactWriter);
    transcodes!("compact to binary", &compact, CompactReader, BinaryWriter);
    transcodes!("binary to binary", &binary, BinaryReader, BinaryWriter);
    transcodes!("binary to JSON", &binary, BinaryReader, JsonWriter);
    transcodes!("JSON to binary", &json, JsonReader, BinaryWriter);
    Ok(())
}

fn measure(name: &str, size: usize, work: &mut dyn FnMut() -> bool) {
    // Rounds are shorter than a slice of time, so that some are not interrupted.
    const ROUNDS: usize = 400;
    const CALLS: u32 = 100;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            assert!(work(), "{name} fails");
        }
        let nanoseconds = start.elapsed().as_nanos() as f64 / f64::from(CALLS);
        best = best.min(nanoseconds);
    }
    println!(
        "{name:20} {best:8.0} ns {:8.0} MB/s",
        size as f64 * 1_000.0 / best
    );
}

/// The contract of an order; with rules for fields of its lines: name, annotation, value.
fn contract(
    rules: &[(&str, &str, &str)],
) -> Result<(Schema, StructId), Box<dyn std::error::Error>> {
    let mut builder = Builder::new();
    let mut declare =
        |name: &str| builder.declare_struct(name, StructKind::Struct, None, Annotations::new());
    let [address, customer, line, order] =
        ["Address", "Customer", "Line", "Order"].map(&mut declare);
    let required =
        |id, name: &str, ty| NewField::new(id, name, ty).requiredness(Requiredness::Required);
    let strings = builder.list(Type::String);
    builder.define_struct(
        address,
        vec![
            required(1, "street", Type::String),
            required(2, "city", Type::String),
            NewField::new(3, "postcode", Type::String),
            NewField::new(4, "country", Type::I32),
        ],
    )?;
    builder.define_struct(
        customer,
        vec![
            required(1, "id", Type::I64),
            required(2, "name", Type::String),
            NewField::new(3, "email", Type::String),
            NewField::new(4, "is_business", Type::Bool),
            NewField::new(5, "home", Type::Struct(address)),
            NewField::new(6, "work", Type::Struct(address)),
        ],
    )?;
    let mut fields = vec![
        required(1, "sku", Type::String),
        required(2, "quantity", Type::I32),
        required(3, "price", Type::Double),
        NewField::new(4, "title", Type::String),
        NewField::new(5, "tags", strings),
        NewField::new(6, "is_gift", Type::Bool),
        NewField::new(7, "warehouse", Type::I16),
        NewField::new(8, "weight", Type::I64),
    ];
    for field in &mut fields {
        for (_, key, value) in rules.iter().filter(|(name, _, _)| *name == field.name) {
            field
                .annotations
                .insert((*key).into(), vec![(*value).into()]);
        }
        field.rules = Rules::parse(&field.annotations, field.ty, builder.schema()).rules;
    }
    builder.define_struct(line, fields)?;
    let lines = builder.list(Type::Struct(line));
    let readings = builder.list(Type::Double);
    let numbers = builder.set(Type::I32);
    let attributes = builder.map(Type::String, Type::String);
    let stock = builder.map(Type::I32, Type::I64);
    builder.define_struct(
        order,
        vec![
            required(1, "id", Type::I64),
            required(2, "customer", Type::Struct(customer)),
            required(3, "lines", lines),
            NewField::new(4, "attributes", attributes),
            NewField::new(5, "readings", readings),
            NewField::new(6, "numbers", numbers),
            NewField::new(7, "stock", stock),
            NewField::new(8, "note", Type::String),
            NewField::new(9, "signature", Type::Binary),
        ],
    )?;
    Ok((builder.build(), order))
}

fn value() -> Value {
    let text = |text: &str| Value::String(text.to_owned());
    let address = |number: i32| {
        Value::Struct(vec![
            (1, text("Rue de la Paix 17, third floor")),
            (2, text("Genève")),
            (3, text("1202")),
            (4, Value::I32(41 + number)),
        ])
    };
    let customer = Value::Struct(vec![
        (1, Value::I64(90_071_992_547)),
        (2, text("Ada Lovelace")),
        (3, text("ada@analytical.example")),
        (4, Value::Bool(true)),
        (5, address(0)),
        (6, address(1_000)),
    ]);
    let line = |at: i32| {
        Value::Struct(vec![
            (1, text(&format!("SKU-{at:08}"))),
            (2, Value::I32(at * 7)),
            (3, Value::Double(f64::from(at) * 9.99)),
            (4, text("A brass cog wheel of forty teeth")),
            (5, Value::List(vec![text("brass"), text("wheel")])),
            (6, Value::Bool(at % 2 == 0)),
            (7, Value::I16(at as i16)),
            (8, Value::I64(i64::from(at) * 100_000)),
        ])
    };
    let attribute = |at: i32| (text(&format!("attribute-{at}")), text("some value of it"));
    Value::Struct(vec![
        (1, Value::I64(1_234_567_890_123)),
        (2, customer),
        (3, Value::List((0..20).map(line).collect())),
        (4, Value::Map((0..10).map(attribute).collect())),
        (
            5,
            Value::List(
                (0..40)
                    .map(|at| Value::Double(f64::from(at) / 3.0))
                    .collect(),
            ),
        ),
        (
            6,
            Value::Set((0..50).map(|at| Value::I32(at * at * at)).collect()),
        ),
        (
            7,
            Value::Map(
                (0..20)
                    .map(|at| (Value::I32(at), Value::I64(i64::from(at) << 20)))
                    .collect(),
            ),
        ),
        (8, text(&"Deliver behind the house, please. ".repeat(8))),
        (9, Value::Binary((0..=255).collect())),
    ])
}
