//! Any text as a contract with an include: what is wrong with it can be shown, and what is right can be described and
//! compared with itself.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use trefoil_thrift::{describe, diff::diff, idl::render, model::load};

/// Between the file and the one that it may include, `a.thrift`.
const BETWEEN: &[u8] = b"\n====\n";

fuzz_target!(|data: &[u8]| {
    let at = data.windows(BETWEEN.len()).position(|part| part == BETWEEN);
    let (first, second) = match at {
        Some(at) => (&data[..at], &data[at + BETWEEN.len()..]),
        None => (data, &b"struct S { 1: i32 x }"[..]),
    };
    let files = BTreeMap::from([
        ("main.thrift".to_owned(), first.to_vec()),
        ("a.thrift".to_owned(), second.to_vec()),
    ]);
    let loaded = load("main.thrift", &files, &[]);
    let _ = render(&loaded.sources, &loaded.diagnostics, false);
    for diagnostic in &loaded.diagnostics {
        let _ = diagnostic.one_line(&loaded.sources);
    }
    match loaded.contract {
        Some(contract) => {
            let _ = describe::to_json(&contract);
            assert!(diff(&contract, &contract).is_empty());
        }
        None => assert!(
            !loaded.diagnostics.is_empty(),
            "it is refused without a word"
        ),
    }
});
