//! Codecs without sockets: one thread, one message, the best of many short rounds, so that a busy machine matters less.
//!
//! Peers decode the same bytes into types that were generated of the same contract, each in a program of its own.

use std::{
    collections::BTreeMap,
    hint::black_box,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use trefoil_thrift::{
    Limits, Reader, Schema, WireType, check_struct,
    json::{JsonOptions, json_to_struct, struct_to_json},
    model,
    protocol::{BinaryReader, BinaryWriter, CompactReader, CompactWriter},
    schema::StructId,
    transcode_struct,
};

use super::{
    Session,
    results::{CPP, TREFOIL, TYPED},
};

const IDL: &str = include_str!("../../peers/thrift/order.thrift");
const IDL_FILE: &str = "peers/thrift/order.thrift";
const ROUNDS: u32 = 300;
const ROUND: Duration = Duration::from_millis(2);

/// A message in each of its forms.
struct Message {
    schema: Schema,
    id: StructId,
    binary: Vec<u8>,
    compact: Vec<u8>,
    json: Vec<u8>,
}

/// Trefoil's codecs, then those of its peers.
pub(super) fn measure(session: &mut Session) -> anyhow::Result<()> {
    let message = message()?;
    session.results.note(format!(
        "codec: binary {} bytes, compact {}, JSON {}; MB/s of the binary form, but of the compact one where it is read",
        message.binary.len(),
        message.compact.len(),
        message.json.len()
    ));
    ours(session, &message)?;
    if !session.has_peers {
        return Ok(());
    }
    let place = session.launch.server.place()?;
    std::fs::write(place.path().join("order.bin"), &message.binary)?;
    std::fs::write(place.path().join("order.json"), &message.json)?;
    let size = message.binary.len() as f64;
    let decode: &'static [&'static str] = &["skip, binary", "check, binary"];
    let cpp = session
        .launch
        .cpp("codec", Path::new(IDL_FILE), &["-lthrift"])
        .and_then(|program| output(Command::new(program).arg("order.bin"), place.path()));
    theirs(session, CPP, size, cpp, &[("decode", decode)])?;
    let typed = session
        .launch
        .volo("codec")
        .and_then(|program| output(&mut Command::new(program), place.path()));
    let names: &[Names] = &[
        ("decode", decode),
        ("json_to_binary", &["JSON → binary"]),
        ("binary_to_json", &["binary → JSON"]),
    ];
    theirs(session, TYPED, size, typed, names)
}

/// What a peer calls a time, and with which of ours it is compared.
type Names = (&'static str, &'static [&'static str]);

fn theirs(
    session: &mut Session,
    whom: &'static str,
    size: f64,
    times: anyhow::Result<Value>,
    names: &[Names],
) -> anyhow::Result<()> {
    let times = match times {
        Ok(times) => times,
        Err(error) => {
            session.results.note(format!("skipped {whom}: {error:#}"));
            return Ok(());
        }
    };
    for (key, whats) in names {
        let time = times[*key].as_f64().with_context(|| format!("no {key}"))?;
        for what in *whats {
            let speed = size * 1e3 / time;
            session.results.add("codec", whom, what, "MB/s", speed);
        }
    }
    Ok(())
}

fn output(command: &mut Command, directory: &Path) -> anyhow::Result<Value> {
    let output = command.current_dir(directory).output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn ours(session: &mut Session, message: &Message) -> anyhow::Result<()> {
    let Message {
        schema,
        id,
        binary,
        compact,
        json,
    } = message;
    let (limits, options) = (Limits::default(), JsonOptions::default());
    let mut out = Vec::with_capacity(64 << 10);
    let mut add = |what, size: usize, work: &mut dyn FnMut() -> bool| -> anyhow::Result<()> {
        let speed = size as f64 * 1e3 / best(work).with_context(|| format!("{what} fails"))?;
        session.results.add("codec", TREFOIL, what, "MB/s", speed);
        Ok(())
    };
    add("skip, binary", binary.len(), &mut || {
        let mut reader = BinaryReader::new(black_box(binary), &limits);
        reader.skip(WireType::Struct).is_ok()
    })?;
    add("check, binary", binary.len(), &mut || {
        let mut reader = BinaryReader::new(black_box(binary), &limits);
        check_struct(schema, *id, &mut reader).is_ok()
    })?;
    add("JSON → binary", binary.len(), &mut || {
        out.clear();
        let mut writer = BinaryWriter::new(&mut out);
        json_to_struct(schema, *id, black_box(json), &options, &limits, &mut writer).is_ok()
    })?;
    add("binary → JSON", binary.len(), &mut || {
        out.clear();
        let mut reader = BinaryReader::new(black_box(binary), &limits);
        struct_to_json(schema, *id, &mut reader, &options, &mut out).is_ok()
    })?;
    add("binary → compact", binary.len(), &mut || {
        out.clear();
        let mut reader = BinaryReader::new(black_box(binary), &limits);
        transcode_struct(schema, *id, &mut reader, &mut CompactWriter::new(&mut out)).is_ok()
    })?;
    add("compact → binary", compact.len(), &mut || {
        out.clear();
        let mut reader = CompactReader::new(black_box(compact), &limits);
        transcode_struct(schema, *id, &mut reader, &mut BinaryWriter::new(&mut out)).is_ok()
    })
}

/// Nanoseconds of one call; `None` if one failed.
fn best(work: &mut dyn FnMut() -> bool) -> Option<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        let mut count = 0;
        while begun.elapsed() < ROUND {
            for _ in 0..16 {
                if !work() {
                    return None;
                }
            }
            count += 16;
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / f64::from(count));
    }
    Some(best)
}

fn message() -> anyhow::Result<Message> {
    let files = BTreeMap::from([("order.thrift".to_owned(), IDL.as_bytes().to_vec())]);
    let loaded = model::load("order.thrift", &files, &[]);
    let schema = loaded.contract.context("the contract is wrong")?.schema;
    let id = schema
        .structs()
        .find(|(_, one)| one.name == "Order")
        .context("there is no order")?
        .0;
    let (limits, options) = (Limits::default(), JsonOptions::default());
    let order = serde_json::to_vec(&order())?;
    let mut binary = Vec::new();
    let mut writer = BinaryWriter::new(&mut binary);
    json_to_struct(&schema, id, &order, &options, &limits, &mut writer)?;
    let mut compact = Vec::new();
    let mut reader = BinaryReader::new(&binary, &limits);
    transcode_struct(
        &schema,
        id,
        &mut reader,
        &mut CompactWriter::new(&mut compact),
    )?;
    // Fields in the order of the contract, as typed code writes them too.
    let mut json = Vec::new();
    let mut reader = BinaryReader::new(&binary, &limits);
    struct_to_json(&schema, id, &mut reader, &options, &mut json)?;
    ensure!(
        serde_json::from_slice::<Value>(&json)? == serde_json::from_slice::<Value>(&order)?,
        "the JSON that came back is another one"
    );
    Ok(Message {
        schema,
        id,
        binary,
        compact,
        json,
    })
}

fn order() -> Value {
    let line = |at: i32| {
        let mut line = json!({
            "sku": format!("SKU-{at:06}"),
            "title": format!("A brass cog wheel of {at} teeth, polished"),
            "quantity": at * 7,
            "price": f64::from(at) * 9.99,
            "tags": ["brass", "wheel", "spare part"],
            "attributes": { "colour": "golden", "weight": "350 g", "origin": "Brno" },
        });
        if at % 3 == 0 {
            line["discount"] = json!(f64::from(at) / 7.0);
        }
        line
    };
    let event = |at: i64| {
        json!({
            "at": 1_760_000_000_000_i64 + at * 61_234,
            "status": at % 3,
            "note": format!("step {at} was done by a clerk"),
        })
    };
    let stock: BTreeMap<String, i64> = (0..12)
        .map(|at| ((100 + at).to_string(), at * 1_000_003))
        .collect();
    json!({
        "id": 7_305_112_233_445_566_i64,
        "created": 1_760_000_000_123_i64,
        "customer": {
            "id": 88_112,
            "name": "Božena Novotná",
            "email": "bozena.novotna@example.org",
            "address": {
                "street": "Technická 12", "city": "Brno", "zip": "616 00", "country": "Czechia",
            },
            "is_verified": true,
            "score": 0.8731,
        },
        "lines": (1..=18).map(line).collect::<Vec<Value>>(),
        "events": (0..8).map(event).collect::<Vec<Value>>(),
        "totals": { "net": 1_234.5, "vat": 259.245, "gross": 1_493.745 },
        "counts": (0..32).map(|at| at * at * 37).collect::<Vec<i32>>(),
        "samples": (0..32).map(|at| (f64::from(at) * 0.37).sin()).collect::<Vec<f64>>(),
        "stock": stock,
        "is_gift": false,
        "comment": "Please leave it with the \"neighbour\", door 3\nThank you",
    })
}
