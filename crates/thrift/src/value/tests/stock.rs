//! Stock libraries read what we write, write it again in every protocol, and we read that. It must be the same value.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::*;
use crate::{MessageHeader, MessageKind, schema::StructId, value::arbitrary::Random};

const CONTRACT: &str = include_str!("stock/all.thrift");
const VALUES: usize = 100;
const PROTOCOLS: [&str; 3] = ["binary", "compact", "json"];

/// A library: what generates its code, and how a program of it is run.
struct Library {
    generator: &'static str,
    /// The interpreter and what finds the library, or none if it is not installed.
    command: fn() -> Option<Command>,
    program: (&'static str, &'static str),
    /// Takes out of values what it is known not to keep.
    spare: fn(&mut Value),
}

#[test]
fn python_reads_and_writes_the_same() {
    Library {
        generator: "py",
        command: || {
            let python = installed("venv/bin/python");
            let python = python.unwrap_or_else(|| "python3".into());
            let found = Command::new(&python).args(["-c", "import thrift"]).output();
            found.ok()?.status.success().then(|| Command::new(python))
        },
        program: ("rewrite.py", include_str!("stock/rewrite.py")),
        spare: |_| (),
    }
    .compare();
}

#[test]
fn node_reads_and_writes_the_same() {
    Library {
        generator: "js:node",
        command: || {
            let mut node = Command::new("node");
            node.env("NODE_PATH", installed("node/node_modules")?);
            Some(node)
        },
        program: ("rewrite.js", include_str!("stock/rewrite.js")),
        spare: spare_node,
    }
    .compare();
}

/// What the library of Node.js (0.24) does not read as it was written, by whomever:
///
/// - a `bool` in a container of the compact protocol is false (it asks a number for its `value`);
/// - a key of type `bool` is a text in JavaScript, and so always true when it is written (field 15);
/// - an empty container in a container of the JSON protocol shifts what follows (fields 41 and 100).
fn spare_node(value: &mut Value) {
    match value {
        Value::Struct(fields) => {
            fields.retain(|(id, _)| ![15, 41, 100].contains(id));
            fields.iter_mut().for_each(|(_, value)| spare_node(value));
        }
        Value::List(elements) | Value::Set(elements) => {
            for element in elements {
                spare_node(element);
                if let Value::Bool(value) = element {
                    *value = false;
                }
            }
        }
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| spare_node(value));
        }
        _ => {}
    }
}

/// Where the tests with stock clients keep the libraries that they install.
fn installed(what: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/interop/thrift");
    let path = std::path::absolute(root.join(what)).ok()?;
    path.try_exists().ok()?.then_some(path)
}

impl Library {
    fn compare(&self) {
        let Some(mut command) = (self.command)() else {
            eprintln!(
                "skipped: the library of {} is not installed",
                self.generator
            );
            return;
        };
        let name = format!(
            "trefoil-stock-{}-{}",
            self.generator.replace(':', "-"),
            std::process::id()
        );
        let scratch = std::env::temp_dir().join(name);
        fs::create_dir_all(scratch.join("in")).unwrap();
        fs::create_dir_all(scratch.join("out")).unwrap();
        fs::write(scratch.join("all.thrift"), CONTRACT).unwrap();
        fs::write(scratch.join(self.program.0), self.program.1).unwrap();
        let generated = Command::new("thrift")
            .args(["--gen", self.generator, "all.thrift"])
            .current_dir(&scratch)
            .output();
        if !generated.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: the official compiler `thrift` is not installed");
            return;
        }
        let (schema, root) = schema();
        let mut values = values(&schema, root);
        values.iter_mut().for_each(self.spare);
        for (at, value) in values.iter().enumerate() {
            for protocol in PROTOCOLS {
                let bytes = write(&schema, root, value, protocol);
                fs::write(scratch.join(format!("in/{at}.{protocol}")), bytes).unwrap();
            }
        }
        let output = command
            .args([self.program.0, &VALUES.to_string()])
            .current_dir(&scratch)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{failed}");
        for (at, value) in values.iter().enumerate() {
            for from in PROTOCOLS {
                for to in PROTOCOLS {
                    let bytes = fs::read(scratch.join(format!("out/{at}.{from}.{to}"))).unwrap();
                    let mut found = read(&schema, root, &bytes, to);
                    normal(&mut found);
                    assert_eq!(text(&found), text(value), "value {at}, {from} to {to}");
                }
            }
        }
        fs::remove_dir_all(scratch).unwrap();
    }
}

fn schema() -> (Schema, StructId) {
    let files = BTreeMap::from([("all.thrift".to_owned(), CONTRACT.as_bytes().to_vec())]);
    let loaded = crate::model::load("all.thrift", &files, &[]);
    let schema = loaded.contract.unwrap().schema;
    let (root, _) = schema.structs().find(|(_, it)| it.name == "All").unwrap();
    (schema, root)
}

fn values(schema: &Schema, root: StructId) -> Vec<Value> {
    let values = (0..VALUES).map(|at| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&at.to_be_bytes());
        let mut value = Random::new(&seed).structure(schema, root, 5);
        normal(&mut value);
        value
    });
    values.collect()
}

/// Sets and maps in order, and without what not every library keeps: `NaN` as a key, integers of 64 bits that JavaScript
/// has no number for, doubles that are too small for C++, and the character 0, which C++ cannot read from JSON.
fn normal(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.replace('\0', "0"),
        Value::Double(value) if !value.is_normal() => *value = 1.5,
        Value::I64(value) if value.unsigned_abs() >= 1 << 53 => *value >>= 12,
        Value::Struct(fields) => fields.iter_mut().for_each(|(_, value)| normal(value)),
        Value::List(elements) => elements.iter_mut().for_each(normal),
        Value::Set(elements) => {
            elements.iter_mut().for_each(normal);
            elements.sort_by_key(text);
            elements.dedup();
        }
        Value::Map(entries) => {
            for (key, value) in &mut *entries {
                normal(key);
                normal(value);
            }
            entries.sort_by_key(|(key, _)| text(key));
            entries.dedup_by_key(|(key, _)| text(key));
        }
        _ => {}
    }
}

fn header() -> MessageHeader<'static> {
    MessageHeader {
        name: "all".into(),
        kind: MessageKind::Call,
        sequence: 7,
    }
}

fn write(schema: &Schema, root: StructId, value: &Value, protocol: &str) -> Vec<u8> {
    fn message<W: Writer>(schema: &Schema, root: StructId, value: &Value, writer: &mut W) {
        writer.message_begin(&header());
        write_value(schema, Type::Struct(root), value, writer).unwrap();
        writer.message_end();
    }
    let mut out = Vec::new();
    match protocol {
        "binary" => message(schema, root, value, &mut BinaryWriter::new(&mut out)),
        "compact" => message(schema, root, value, &mut CompactWriter::new(&mut out)),
        _ => message(schema, root, value, &mut JsonWriter::new(&mut out)),
    }
    out
}

fn read(schema: &Schema, root: StructId, bytes: &[u8], protocol: &str) -> Value {
    fn message<R: Reader>(schema: &Schema, root: StructId, size: usize, reader: &mut R) -> Value {
        assert_eq!(reader.message_begin().unwrap(), header());
        let value = read_value(schema, Type::Struct(root), reader).unwrap();
        reader.message_end().unwrap();
        assert_eq!(reader.offset(), size, "nothing is left");
        value
    }
    let limits = Limits::default();
    let size = bytes.len();
    match protocol {
        "binary" => message(schema, root, size, &mut BinaryReader::new(bytes, &limits)),
        "compact" => message(schema, root, size, &mut CompactReader::new(bytes, &limits)),
        _ => message(schema, root, size, &mut JsonReader::new(bytes, &limits)),
    }
}
