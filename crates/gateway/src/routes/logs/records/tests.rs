use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn records(chunks: &[&[u8]], offset: u64) -> Vec<Value> {
    let mut records = Records::new(2, offset);
    let mut out = Vec::new();
    for chunk in chunks {
        out.extend_from_slice(&records.push(chunk));
    }
    out.extend_from_slice(&records.finish());
    parse(&out)
}

fn parse(out: &[u8]) -> Vec<Value> {
    let lines = out.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// The log of `size` bytes that records stand for: between two of them is a line end or nothing.
fn put_together(records: &[Value], offset: u64, size: usize) -> Vec<u8> {
    let mut log = Vec::new();
    for (at, record) in records.iter().enumerate() {
        assert_eq!(record["offset"], offset + log.len() as u64);
        match record["text"].as_str() {
            Some(text) => log.extend_from_slice(text.as_bytes()),
            None => log.extend(base64::decode(record["base64"].as_str().unwrap()).unwrap()),
        }
        let next = records.get(at + 1).map_or(offset + size as u64, |next| {
            next["offset"].as_u64().unwrap()
        });
        if next > offset + log.len() as u64 {
            log.push(b'\n');
        }
    }
    log
}

#[test]
fn one_record_a_line() {
    let expected = vec![
        json!({"attempt": 2, "offset": 10, "level": "INFO", "text": "one"}),
        json!({"attempt": 2, "offset": 14, "level": "INFO", "text": ""}),
        json!({"attempt": 2, "offset": 15, "level": "ERROR", "text": "ERROR: ä\r"}),
        json!({"attempt": 2, "offset": 26, "level": "INFO", "base64": "/w=="}),
        json!({"attempt": 2, "offset": 28, "level": "WARNING", "text": "WARN x"}),
    ];
    let log = b"one\n\nERROR: \xc3\xa4\r\n\xff\nWARN x";
    assert_eq!(records(&[log], 10), expected);
    let bytes: Vec<&[u8]> = log.chunks(1).collect();
    assert_eq!(records(&bytes, 10), expected);
}

#[test]
fn an_empty_log_has_no_records() {
    assert!(records(&[], 0).is_empty());
    assert!(records(&[b""], 0).is_empty());
}

#[test]
fn a_line_without_end_is_given_in_pieces() {
    let long = "ä".repeat(LINE_MAX + 3);
    let mut records = Records::new(1, 0);
    let first = parse(&records.push(long.as_bytes()));
    assert_eq!(first.len(), 2, "what is kept stays below the limit");
    assert!(
        first.iter().all(|record| record["text"].is_string()),
        "no character is cut"
    );
    let rest = parse(&records.push(b"\n"));
    let all: Vec<Value> = first.into_iter().chain(rest).collect();
    assert_eq!(
        put_together(&all, 0, long.len() + 1),
        format!("{long}\n").as_bytes()
    );
}

#[test]
fn a_line_of_exactly_the_limit_is_whole() {
    let line = [&vec![b'x'; LINE_MAX][..], b"\n"].concat();
    let records = records(&[&line], 0);
    assert_eq!(records.len(), 1);
}

proptest! {
    #[test]
    fn no_byte_is_lost_or_changed(log in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..400), size in 1_usize..50) {
        let chunks: Vec<&[u8]> = log.chunks(size).collect();
        prop_assert_eq!(put_together(&records(&chunks, 7), 7, log.len()), log.clone());
    }
}
