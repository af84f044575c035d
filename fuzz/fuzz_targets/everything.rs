//! What targets with a schema share.

use std::{collections::BTreeMap, sync::OnceLock};

use trefoil_thrift::{Limits, Schema, model::load, schema::StructId};

/// Small enough that what is stated wrongly is often over a limit.
pub const LIMITS: Limits = Limits {
    message_max: 64 << 10,
    frame_max: 64 << 10,
    depth_max: 32,
    container_max: 4 << 10,
    string_max: 16 << 10,
    headers_max: 4 << 10,
    inflated_max: 64 << 10,
    name_max: 256,
};

/// A schema, and its struct that has everything.
pub fn everything() -> &'static (Schema, StructId) {
    static EVERYTHING: OnceLock<(Schema, StructId)> = OnceLock::new();
    EVERYTHING.get_or_init(|| {
        let text = include_bytes!("everything.thrift").to_vec();
        let files = BTreeMap::from([("everything.thrift".to_owned(), text)]);
        let contract = load("everything.thrift", &files, &[])
            .contract
            .expect("the schema of this target is good");
        let id = contract
            .schema
            .structs()
            .find(|(_, known)| &*known.name == "Everything")
            .expect("it has the struct")
            .0;
        (contract.schema, id)
    })
}
