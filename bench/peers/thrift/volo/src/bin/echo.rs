//! An echo in volo-thrift: framed binary, typed by generated code. Arguments: its address, and how many threads.

mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
}

use std::net::SocketAddr;

use generated::volo_gen::mirror::{Mirror, MirrorServer, Payload};
use volo_thrift::{ServerError, codec::DefaultMakeCodec};

struct Echo;

impl Mirror for Echo {
    async fn echo(&self, payload: Payload) -> Result<Payload, ServerError> {
        Ok(payload)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("no address")?.parse()?;
    let threads: usize = arguments.next().ok_or("no number of threads")?.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    runtime.block_on(
        MirrorServer::new(Echo)
            .make_codec(DefaultMakeCodec::framed())
            .run(volo::net::Address::from(address)),
    )
}
