//! The typed way in Rust: `serde_json` and pilota with generated structs, on the order in this directory's `order.bin` and
//! `order.json`. Prints nanoseconds: the best of many short rounds.

mod generated {
    include!(concat!(env!("OUT_DIR"), "/order_gen.rs"));
}

use std::{error::Error, hint::black_box, time::Instant};

use generated::order_gen::order::Order;
use pilota::{
    Bytes, BytesMut,
    thrift::{Message, ThriftException, binary::TBinaryProtocol},
};

const ROUNDS: u32 = 300;
const CALLS: u32 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let binary = Bytes::from(std::fs::read("order.bin")?);
    let json = std::fs::read("order.json")?;
    let order: Order = serde_json::from_slice(&json)?;
    let mut out = BytesMut::with_capacity(64 << 10);
    encode(&order, &mut out)?;
    // Without its feature `float_roundtrip`, which would cost it time, serde_json reads some numbers a bit beside.
    if out.len() != binary.len() || decode(&Bytes::copy_from_slice(&out))? != order {
        return Err("the typed way gives another order".into());
    }
    let mut text = Vec::with_capacity(64 << 10);
    let decoded = best(|| decode(black_box(&binary)).is_ok());
    let json_to_binary = best(|| {
        out.clear();
        let order: Order = serde_json::from_slice(black_box(&json)).expect("it was read before");
        encode(&order, &mut out).is_ok()
    });
    let binary_to_json = best(|| {
        text.clear();
        let order = decode(black_box(&binary)).expect("it was read before");
        serde_json::to_writer(&mut text, &order).is_ok()
    });
    println!(
        "{{\"decode\": {decoded}, \"json_to_binary\": {json_to_binary}, \"binary_to_json\": {binary_to_json}}}"
    );
    Ok(())
}

fn encode(order: &Order, out: &mut BytesMut) -> Result<(), ThriftException> {
    order.encode(&mut TBinaryProtocol::new(out, false))
}

fn decode(binary: &Bytes) -> Result<Order, ThriftException> {
    // Another handle of the same bytes: strings and data are not copied.
    let mut bytes = binary.clone();
    Order::decode(&mut TBinaryProtocol::new(&mut bytes, true))
}

fn best(mut work: impl FnMut() -> bool) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..CALLS {
            assert!(work(), "it worked before");
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / f64::from(CALLS));
    }
    best
}
