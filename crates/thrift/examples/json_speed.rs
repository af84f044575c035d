//! How fast JSON becomes Thrift and back: `cargo run --release -p trefoil-thrift --example json_speed`.
//!
//! One thread, three messages: an order of 4 to 5 KB with all sorts of values, a nested one of 6 KB whose strings are full of
//! escapes and whose numbers have as many digits as there can be, and a small one. Beside the transcoder runs the typed
//! way for the order: `serde_json` into structs of this file, and those to the binary protocol by hand. Each line is the
//! best of several rounds, so that a busy machine matters less; all speeds count bytes of the binary protocol.
//! An argument chooses the lines that contain it: `json_speed order`.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::{
    collections::BTreeMap,
    hint::black_box,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use trefoil_thrift::{
    Limits, Schema, Type, WireType, Writer,
    json::{JsonOptions, json_to_struct, struct_to_json},
    protocol::{BinaryReader, BinaryWriter},
    schema::{Annotations, Builder, EnumValue, NewField, Requiredness, StructId, StructKind},
};

/// Many short rounds: some of them are not disturbed, however busy the machine is.
const ROUNDS: u32 = 300;
const ROUND: Duration = Duration::from_millis(3);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let schemas = schemas()?;
    let order = order();
    for (name, id, json) in [
        ("order", schemas.order, serde_json::to_string(&order)?),
        ("nested", schemas.nested, nested()),
        ("small", schemas.small, simple()),
    ] {
        transcode(&wanted, name, &schemas.schema, id, &json)?;
    }
    typed(&wanted, &order)
}

fn transcode(
    wanted: &str,
    name: &str,
    schema: &Schema,
    id: StructId,
    json: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let (options, limits) = (JsonOptions::default(), Limits::default());
    let mut out = Vec::with_capacity(64 << 10);
    let mut writer = BinaryWriter::new(&mut out);
    json_to_struct(schema, id, json.as_bytes(), &options, &limits, &mut writer)?;
    let binary = out.clone();
    out.clear();
    struct_to_json(
        schema,
        id,
        &mut BinaryReader::new(&binary, &limits),
        &options,
        &mut out,
    )?;
    // Both ways are right, whatever their speed.
    let there: serde_json::Value = serde_json::from_slice(&out)?;
    assert_eq!(there, serde_json::from_str::<serde_json::Value>(json)?);
    println!("{name}: binary {} bytes, JSON {}", binary.len(), out.len());
    let json = out.clone();
    measure(
        wanted,
        &format!("{name}: JSON → binary"),
        binary.len(),
        || {
            out.clear();
            let mut writer = BinaryWriter::new(&mut out);
            let json = black_box(&*json);
            json_to_struct(schema, id, json, &options, &limits, &mut writer).is_ok()
        },
    );
    measure(
        wanted,
        &format!("{name}: binary → JSON"),
        binary.len(),
        || {
            out.clear();
            let mut reader = BinaryReader::new(black_box(&binary), &limits);
            struct_to_json(schema, id, &mut reader, &options, &mut out).is_ok()
        },
    );
    Ok(())
}

/// The way of generated code: no schema at run time, and a tree of structs in between.
fn typed(wanted: &str, order: &Order) -> Result<(), Box<dyn std::error::Error>> {
    let json = serde_json::to_vec(order)?;
    let mut out = Vec::with_capacity(64 << 10);
    order.write(&mut BinaryWriter::new(&mut out));
    let size = out.len();
    measure(wanted, "order, typed: JSON → structs", size, || {
        serde_json::from_slice::<Order>(black_box(&json)).is_ok()
    });
    measure(
        wanted,
        "order, typed: JSON → structs → binary",
        size,
        || {
            out.clear();
            let order: Result<Order, _> = serde_json::from_slice(black_box(&json));
            order
                .map(|order| order.write(&mut BinaryWriter::new(&mut out)))
                .is_ok()
        },
    );
    measure(wanted, "order, typed: structs → JSON", size, || {
        out.clear();
        serde_json::to_writer(&mut out, black_box(order)).is_ok()
    });
    Ok(())
}

fn measure(wanted: &str, name: &str, size: usize, mut work: impl FnMut() -> bool) {
    if !name.contains(wanted) {
        return;
    }
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < ROUND {
            for _ in 0..16 {
                assert!(work(), "the work is done");
            }
            count += 16;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(count));
    }
    let speed = size as f64 * 1_000.0 / best;
    println!("{name:<40} {best:>8.0} ns {speed:>8.0} MB/s");
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Status {
    Open,
    Paid,
    Sent,
}

#[derive(Debug, Serialize, Deserialize)]
struct Address {
    street: String,
    city: String,
    zip: String,
    country: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Customer {
    id: i64,
    name: String,
    email: String,
    address: Address,
    is_verified: bool,
    score: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    sku: String,
    title: String,
    quantity: i32,
    price: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<f64>,
    tags: Vec<String>,
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Event {
    at: i64,
    status: Status,
    note: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    id: i64,
    created: i64,
    status: Status,
    customer: Customer,
    lines: Vec<Line>,
    events: Vec<Event>,
    totals: BTreeMap<String, f64>,
    counts: Vec<i32>,
    samples: Vec<f64>,
    stock: BTreeMap<i32, i64>,
    is_gift: bool,
    comment: String,
}

fn order() -> Order {
    let text = str::to_owned;
    let lines = (0..16).map(|at| Line {
        sku: format!("SKU-{:06}", at * 7_919),
        title: format!("Electrode cap, {} channels, size M", 8 << (at % 5)),
        quantity: 1 + at % 7,
        price: 19.99 + f64::from(at) * 3.25,
        discount: (at % 3 == 0).then_some(0.15),
        tags: vec![text("medical"), text("eeg"), format!("batch-{at}")],
        attributes: [("colour", "grey"), ("weight", "350 g"), ("origin", "Brno")]
            .map(|(key, value)| (text(key), text(value)))
            .into(),
    });
    let events = (0..8).map(|at| Event {
        at: 1_760_000_000_000 + i64::from(at) * 61_234,
        status: [Status::Open, Status::Paid, Status::Sent][at as usize % 3],
        note: format!("step {at} was done by a clerk"),
    });
    Order {
        id: 7_305_112_233_445_566,
        created: 1_760_000_000_123,
        status: Status::Paid,
        customer: Customer {
            id: 88_112,
            name: text("Božena Novotná"),
            email: text("bozena.novotna@example.org"),
            address: Address {
                street: text("Technická 12"),
                city: text("Brno"),
                zip: text("616 00"),
                country: text("Czechia"),
            },
            is_verified: true,
            score: 0.8731,
        },
        lines: lines.collect(),
        events: events.collect(),
        totals: [("net", 1_234.5), ("vat", 259.245), ("gross", 1_493.745)]
            .map(|(key, value)| (text(key), value))
            .into(),
        counts: (0..32).map(|at| at * at * 37).collect(),
        samples: (0..32).map(|at| (f64::from(at) * 0.37).sin()).collect(),
        stock: (0..12)
            .map(|at| (100 + at, i64::from(at) * 1_000_003))
            .collect(),
        is_gift: false,
        comment: text("Please leave it with the \"neighbour\", door 3\nThank you"),
    }
}

/// What generated code does: every field in its place.
fn field(
    writer: &mut BinaryWriter<'_>,
    wire: WireType,
    id: i16,
    value: impl FnOnce(&mut BinaryWriter<'_>),
) {
    writer.field_begin(wire, id);
    value(writer);
    writer.field_end();
}

impl Order {
    fn write(&self, w: &mut BinaryWriter<'_>) {
        let nest = w.struct_begin();
        field(w, WireType::I64, 1, |w| w.i64(self.id));
        field(w, WireType::I64, 2, |w| w.i64(self.created));
        field(w, WireType::I32, 3, |w| w.i32(self.status as i32));
        field(w, WireType::Struct, 4, |w| self.customer.write(w));
        field(w, WireType::List, 5, |w| {
            w.list_begin(WireType::Struct, self.lines.len() as u32);
            self.lines.iter().for_each(|line| line.write(w));
        });
        field(w, WireType::List, 6, |w| {
            w.list_begin(WireType::Struct, self.events.len() as u32);
            self.events.iter().for_each(|event| event.write(w));
        });
        field(w, WireType::Map, 7, |w| {
            w.map_begin(WireType::String, WireType::Double, self.totals.len() as u32);
            for (key, value) in &self.totals {
                w.string(key);
                w.double(*value);
            }
        });
        field(w, WireType::List, 8, |w| {
            w.list_begin(WireType::I32, self.counts.len() as u32);
            self.counts.iter().for_each(|count| w.i32(*count));
        });
        field(w, WireType::List, 9, |w| {
            w.list_begin(WireType::Double, self.samples.len() as u32);
            self.samples.iter().for_each(|sample| w.double(*sample));
        });
        field(w, WireType::Map, 10, |w| {
            w.map_begin(WireType::I32, WireType::I64, self.stock.len() as u32);
            for (key, value) in &self.stock {
                w.i32(*key);
                w.i64(*value);
            }
        });
        field(w, WireType::Bool, 11, |w| w.bool(self.is_gift));
        field(w, WireType::String, 12, |w| w.string(&self.comment));
        w.struct_end(nest);
    }
}

impl Customer {
    fn write(&self, w: &mut BinaryWriter<'_>) {
        let nest = w.struct_begin();
        field(w, WireType::I64, 1, |w| w.i64(self.id));
        field(w, WireType::String, 2, |w| w.string(&self.name));
        field(w, WireType::String, 3, |w| w.string(&self.email));
        field(w, WireType::Struct, 4, |w| {
            let Address {
                street,
                city,
                zip,
                country,
            } = &self.address;
            let nest = w.struct_begin();
            for (id, text) in (1..).zip([street, city, zip, country]) {
                field(w, WireType::String, id, |w| w.string(text));
            }
            w.struct_end(nest);
        });
        field(w, WireType::Bool, 5, |w| w.bool(self.is_verified));
        field(w, WireType::Double, 6, |w| w.double(self.score));
        w.struct_end(nest);
    }
}

impl Line {
    fn write(&self, w: &mut BinaryWriter<'_>) {
        let nest = w.struct_begin();
        field(w, WireType::String, 1, |w| w.string(&self.sku));
        field(w, WireType::String, 2, |w| w.string(&self.title));
        field(w, WireType::I32, 3, |w| w.i32(self.quantity));
        field(w, WireType::Double, 4, |w| w.double(self.price));
        if let Some(discount) = self.discount {
            field(w, WireType::Double, 5, |w| w.double(discount));
        }
        field(w, WireType::List, 6, |w| {
            w.list_begin(WireType::String, self.tags.len() as u32);
            self.tags.iter().for_each(|tag| w.string(tag));
        });
        field(w, WireType::Map, 7, |w| {
            w.map_begin(
                WireType::String,
                WireType::String,
                self.attributes.len() as u32,
            );
            for (key, value) in &self.attributes {
                w.string(key);
                w.string(value);
            }
        });
        w.struct_end(nest);
    }
}

impl Event {
    fn write(&self, w: &mut BinaryWriter<'_>) {
        let nest = w.struct_begin();
        field(w, WireType::I64, 1, |w| w.i64(self.at));
        field(w, WireType::I32, 2, |w| w.i32(self.status as i32));
        field(w, WireType::String, 3, |w| w.string(&self.note));
        w.struct_end(nest);
    }
}

/// A string with as many escapes as letters.
const ESCAPED: &str = r#""你好,\b\n\r\t世界你好,\b\n\r\t世界""#;

fn simple() -> String {
    format!(
        r#"{{"byte":127,"long":9223372036854775807,"double":1.7976931348623157e308,"int":2147483647,"string":{ESCAPED},"binary":"AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8="}}"#
    )
}

fn nested() -> String {
    let simple = simple();
    let binary = "\"AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8=\"";
    let list = |item: &str| format!("[{}]", vec![item; 16].join(","));
    let map = |item: &str| {
        let entries: Vec<String> = (0..16).map(|at| format!("\"{at}\":{item}")).collect();
        format!("{{{}}}", entries.join(","))
    };
    format!(
        r#"{{"string":{ESCAPED},"simples":{},"double":1.7976931348623157e308,"int":2147483647,"ints":{},"long":9223372036854775807,"by_string":{},"simple":{simple},"by_int":{},"strings":{},"binary":{binary},"by_long":{},"longs":{},"byte":127,"simples_by_string":{}}}"#,
        list(&simple),
        list("-2147483648"),
        map(ESCAPED),
        map("-9223372036854775808"),
        list(ESCAPED),
        map(ESCAPED),
        list("-9223372036854775808"),
        map(&simple),
    )
}

struct Schemas {
    schema: Schema,
    order: StructId,
    nested: StructId,
    small: StructId,
}

fn schemas() -> Result<Schemas, Box<dyn std::error::Error>> {
    let mut builder = Builder::new();
    let values = (0..).zip(["OPEN", "PAID", "SENT"]);
    let values = values.map(|(number, name)| EnumValue {
        name: name.to_owned(),
        number,
        doc: None,
        annotations: Annotations::new(),
    });
    let status = builder.enumeration("Status", values.collect(), None, Annotations::new());
    let status = Type::Enum(status);
    let structure = |builder: &mut Builder, name: &str, fields: &[(&str, Type)]| {
        let id = builder.declare_struct(name, StructKind::Struct, None, Annotations::new());
        let fields = (1..).zip(fields).map(|(id, (name, ty))| {
            let field = NewField::new(id, *name, *ty);
            if *name == "discount" {
                field.requiredness(Requiredness::Optional)
            } else {
                field.requiredness(Requiredness::Required)
            }
        });
        let fields = fields.collect();
        builder.define_struct(id, fields).map(|()| id)
    };
    let strings = builder.list(Type::String);
    let texts = builder.map(Type::String, Type::String);
    let address = structure(
        &mut builder,
        "Address",
        &["street", "city", "zip", "country"].map(|name| (name, Type::String)),
    )?;
    let customer = structure(
        &mut builder,
        "Customer",
        &[
            ("id", Type::I64),
            ("name", Type::String),
            ("email", Type::String),
            ("address", Type::Struct(address)),
            ("is_verified", Type::Bool),
            ("score", Type::Double),
        ],
    )?;
    let line = structure(
        &mut builder,
        "Line",
        &[
            ("sku", Type::String),
            ("title", Type::String),
            ("quantity", Type::I32),
            ("price", Type::Double),
            ("discount", Type::Double),
            ("tags", strings),
            ("attributes", texts),
        ],
    )?;
    let event = structure(
        &mut builder,
        "Event",
        &[
            ("at", Type::I64),
            ("status", status),
            ("note", Type::String),
        ],
    )?;
    let lines = builder.list(Type::Struct(line));
    let events = builder.list(Type::Struct(event));
    let totals = builder.map(Type::String, Type::Double);
    let ints = builder.list(Type::I32);
    let doubles = builder.list(Type::Double);
    let stock = builder.map(Type::I32, Type::I64);
    let order = structure(
        &mut builder,
        "Order",
        &[
            ("id", Type::I64),
            ("created", Type::I64),
            ("status", status),
            ("customer", Type::Struct(customer)),
            ("lines", lines),
            ("events", events),
            ("totals", totals),
            ("counts", ints),
            ("samples", doubles),
            ("stock", stock),
            ("is_gift", Type::Bool),
            ("comment", Type::String),
        ],
    )?;
    let small = structure(
        &mut builder,
        "Simple",
        &[
            ("byte", Type::I8),
            ("long", Type::I64),
            ("double", Type::Double),
            ("int", Type::I32),
            ("string", Type::String),
            ("binary", Type::Binary),
        ],
    )?;
    let simple = Type::Struct(small);
    let simples = builder.list(simple);
    let by_long = builder.map(Type::I64, Type::String);
    let longs = builder.list(Type::I64);
    let simples_by_string = builder.map(Type::String, simple);
    let nested = structure(
        &mut builder,
        "Nested",
        &[
            ("string", Type::String),
            ("simples", simples),
            ("double", Type::Double),
            ("int", Type::I32),
            ("ints", ints),
            ("long", Type::I64),
            ("by_string", texts),
            ("simple", simple),
            ("by_int", stock),
            ("strings", strings),
            ("binary", Type::Binary),
            ("by_long", by_long),
            ("longs", longs),
            ("byte", Type::I8),
            ("simples_by_string", simples_by_string),
        ],
    )?;
    Ok(Schemas {
        schema: builder.build(),
        order,
        nested,
        small,
    })
}
