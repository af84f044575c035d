//! The published page says what the code does.

use std::collections::BTreeMap;

use super::*;
use crate::{model, schema::StructId};

const PAGE: &str = include_str!("../../../../../docs/src/thrift-json.md");

/// What stands between fences of a language.
fn block(language: &str) -> &'static str {
    let (_, rest) = PAGE
        .split_once(&format!("```{language}\n"))
        .expect("it is there");
    rest.split_once("```").expect("it ends").0
}

fn read(json: &str) -> Result<String, JsonError> {
    let files = BTreeMap::from([(
        "page.thrift".to_owned(),
        block("thrift").as_bytes().to_vec(),
    )]);
    let loaded = model::load("page.thrift", &files, &[]);
    let schema = loaded.contract.expect("the contract is right").schema;
    let (id, _): (StructId, _) = schema
        .structs()
        .find(|(_, structure)| structure.name == "Order")
        .expect("it is there");
    let (options, limits): (JsonOptions, Limits) = Default::default();
    let mut binary = Vec::new();
    let mut writer = BinaryWriter::new(&mut binary);
    json_to_struct(&schema, id, json.as_bytes(), &options, &limits, &mut writer)?;
    let mut reader = BinaryReader::new(&binary, &limits);
    let mut out = Vec::new();
    struct_to_json(&schema, id, &mut reader, &options, &mut out)
        .expect("it was made by the schema");
    Ok(String::from_utf8(out).expect("JSON is UTF-8"))
}

#[test]
fn the_example_is_written_as_it_is_read() {
    let json = block("json").trim();
    let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).expect("it is JSON");
    assert_eq!(value(&read(json).expect("it is right")), value(json));
}

#[test]
fn errors_are_those_of_the_table() {
    let (_, rows) = PAGE
        .split_once("| Text | Violation |\n|---|---|\n")
        .expect("the table is there");
    let rows: Vec<&str> = rows
        .lines()
        .take_while(|row| row.starts_with('|'))
        .collect();
    assert_eq!(rows.len(), 5);
    for row in rows {
        let (json, violation) = row
            .trim_matches(['|', ' '])
            .split_once("` | ")
            .expect("two columns");
        let error = read(json.trim_start_matches('`')).expect_err(row);
        let found = error.all().any(|error| {
            let pointer = &error.pointer;
            let place = if pointer.is_empty() {
                String::new()
            } else {
                format!("`{pointer}`: ")
            };
            format!("{place}{}", error.kind) == violation
        });
        assert!(found, "{row}: {error}");
    }
}
