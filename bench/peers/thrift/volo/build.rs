//! Generates types of the contract that Trefoil's own handler has, and of the order that codecs are measured with.

use std::path::PathBuf;

use volo_build::{Builder, plugin::SerdePlugin};

const MIRROR: &str = "../../../../crates/server/src/builtin/mirror.thrift";
const ORDER: &str = "../order.thrift";

fn main() {
    println!("cargo::rerun-if-changed={MIRROR}");
    println!("cargo::rerun-if-changed={ORDER}");
    let mirror = Builder::thrift().add_service(MIRROR);
    let order = Builder::thrift()
        .add_service(ORDER)
        // Nothing but types is in it.
        .ignore_unused(false)
        .plugin(SerdePlugin)
        .filename(PathBuf::from("order_gen.rs"));
    if let Err(error) = mirror.write().and_then(|()| order.write()) {
        println!("cargo::error={error}");
    }
}
