//! What a request costs on a connection, beside its socket and its method:
//! `cargo run --release -p trefoil-thrift --example connection_speed`.
//!
//! One thread. A block of 64 pipelined requests, whose arguments have about 100 bytes, is taken by a server and answered
//! with the same bytes, at once or from the last to the first; or made by a client, whose replies come back in one block.
//! Each line is the best of several rounds, so that a busy machine matters less. An argument chooses the lines that
//! contain it: `connection_speed framed/binary`.

use std::{hint::black_box, time::Instant};

use trefoil_thrift::{
    Limits, WireType, Writer,
    connection::{Client, ClientEvent, ReplyKind, Server, ServerEvent},
    framing::{Dialect, Protocol},
    protocol::{BinaryWriter, CompactWriter, JsonWriter},
};

const REQUESTS: u64 = 64;
const DIALECTS: [&str; 9] = [
    "framed/binary",
    "buffered/binary",
    "framed/compact",
    "buffered/compact",
    "header/binary",
    "header/compact",
    "framed/json",
    "buffered/json",
    "framed/binary/zlib",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for dialect in DIALECTS {
        if dialect.contains(&wanted) {
            measure_dialect(dialect.parse()?)?;
        }
    }
    Ok(())
}

fn measure_dialect(dialect: Dialect) -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments(dialect.protocol);
    let mut output = Vec::new();
    let block = requests(dialect, &arguments)?;
    let size = block.len() / REQUESTS as usize;

    let mut server = Server::new(Limits::default());
    let at_once = measure(|| {
        if dialect.is_zlib {
            // A compressed stream begins only once.
            server = Server::new(Limits::default());
        }
        let mut input = black_box(&block[..]);
        while let Some(ServerEvent::Request(request)) = server.poll_request(&mut input) {
            if let Some(id) = request.id {
                server.reply_raw(id, ReplyKind::Reply, &[], &request.body);
            }
        }
        output.clear();
        server.take_output(&mut output);
        !output.is_empty()
    });

    let mut ids = Vec::new();
    let reversed = measure(|| {
        if dialect.is_zlib {
            server = Server::new(Limits::default());
        }
        let mut input = black_box(&block[..]);
        while let Some(ServerEvent::Request(request)) = server.poll_request(&mut input) {
            ids.extend(request.id);
        }
        for id in ids.drain(..).rev() {
            server.reply_raw(id, ReplyKind::Reply, &[], &arguments);
        }
        output.clear();
        server.take_output(&mut output);
        !output.is_empty()
    });

    let mut server = Server::new(Limits::default());
    let mut client = Client::new(dialect, None, Limits::default()).with_window(REQUESTS as usize);
    let mut block = Vec::new();
    let both = measure(|| {
        for token in 0..REQUESTS {
            let sent = client.call_raw(token, "transmogrify", false, &[], black_box(&arguments));
            if sent.is_err() {
                return false;
            }
        }
        block.clear();
        client.take_output(&mut block);
        let mut input = &block[..];
        while let Some(ServerEvent::Request(request)) = server.poll_request(&mut input) {
            if let Some(id) = request.id {
                server.reply_raw(id, ReplyKind::Reply, &[], &request.body);
            }
        }
        output.clear();
        server.take_output(&mut output);
        let mut input = &output[..];
        let mut count = 0;
        while let Some(ClientEvent::Reply(_)) = client.poll_reply(&mut input) {
            count += 1;
        }
        count == REQUESTS
    });
    println!(
        "{dialect:20} {size:4} bytes: server {at_once:7.1} ns, in reverse {reversed:7.1} ns, client and server \
         {both:7.1} ns"
    );
    Ok(())
}

fn arguments(protocol: Protocol) -> Vec<u8> {
    fn write<W: Writer>(mut writer: W) {
        let nest = writer.struct_begin();
        writer.field_begin(WireType::String, 1);
        writer.string("the quick brown fox jumps over the lazy dog, twice");
        writer.field_end();
        writer.field_begin(WireType::List, 2);
        writer.list_begin(WireType::I64, 3);
        for number in 0..3 {
            writer.i64(1 << (20 * number));
        }
        writer.list_end();
        writer.field_end();
        for id in 3..6 {
            writer.field_begin(WireType::I32, id);
            writer.i32(i32::from(id) * 1000);
            writer.field_end();
        }
        writer.struct_end(nest);
    }
    let mut out = Vec::new();
    match protocol {
        Protocol::Binary | Protocol::BinaryOld => write(BinaryWriter::new(&mut out)),
        Protocol::Compact => write(CompactWriter::new(&mut out)),
        Protocol::Json => write(JsonWriter::new(&mut out)),
    }
    out
}

fn requests(dialect: Dialect, arguments: &[u8]) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut client = Client::new(dialect, None, Limits::default()).with_window(REQUESTS as usize);
    for token in 0..REQUESTS {
        client.call_raw(token, "transmogrify", false, &[], arguments)?;
    }
    let mut block = Vec::new();
    client.take_output(&mut block);
    Ok(block)
}

/// Nanoseconds per request.
fn measure(mut work: impl FnMut() -> bool) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let start = Instant::now();
        let mut rounds = 0;
        while start.elapsed().as_millis() < 30 {
            for _ in 0..10 {
                assert!(work(), "the machines understand each other");
            }
            rounds += 10;
        }
        let all = start.elapsed().as_secs_f64() * 1e9;
        best = best.min(all / f64::from(rounds) / REQUESTS as f64);
    }
    best
}
