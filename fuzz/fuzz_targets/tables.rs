//! Methods, content headers and field tables: what is understood is said again in the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trefoil_amqp::{ContentHeader, Method, Properties, TableRef};

fuzz_target!(|data: &[u8]| {
    if let Ok(table) = TableRef::from_bytes(data).to_table() {
        let mut again = Vec::new();
        table.encode(&mut again);
        let same = TableRef::from_bytes(&again)
            .to_table()
            .expect("it was just encoded");
        // Not compared as values: a number that is none is not equal to itself.
        let mut third = Vec::new();
        same.encode(&mut third);
        assert_eq!(again, third);
    }
    for entry in TableRef::from_bytes(data).iter() {
        if entry.is_err() {
            break;
        }
    }
    let _ = TableRef::from_bytes(data).get("x-death");
    if let Ok(method) = Method::decode(data) {
        let mut payload = Vec::new();
        method.encode(&mut payload);
        let again = Method::decode(&payload).expect("it was just encoded");
        let mut third = Vec::new();
        again.encode(&mut third);
        assert_eq!(payload, third);
    }
    if ContentHeader::new(data).validate().is_ok() {
        let properties = Properties::parse(data).expect("it is valid");
        assert_eq!(ContentHeader::new(data).priority(), properties.priority);
    }
});
