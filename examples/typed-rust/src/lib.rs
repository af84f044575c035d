//! What is generated of the contract: its types, the trait that a service implements, and a client.

// The generator writes code of an older edition, and says itself which lints it does not keep.
mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
}

pub use generated::volo_gen::contract::*;
