//! Facts by table, and rewriting byte by byte.

use proptest::prelude::*;
use trefoil_amqp::{Properties, Table, TableRef, Value};

use super::*;

/// A content header with these headers, for a body of 77 bytes.
fn with_table(table: &Table, properties: Properties<'_>) -> Vec<u8> {
    let bytes = table.to_bytes();
    let mut out = vec![];
    Properties {
        headers: Some(TableRef::from_bytes(&bytes)),
        ..properties
    }
    .encode(77, &mut out);
    out
}

fn without_table(properties: Properties<'_>) -> Vec<u8> {
    let mut out = vec![];
    properties.encode(77, &mut out);
    out
}

fn longstrings(texts: &[&str]) -> Value {
    Value::Array(texts.iter().map(|text| Value::from(*text)).collect())
}

#[test]
fn facts_of_a_bare_header() {
    let header = without_table(Properties {
        content_type: Some(b"text/plain"),
        app_id: Some(b"a"),
        ..Default::default()
    });
    assert_eq!(Facts::of(ContentHeader::new(&header)), Ok(Facts::default()));
}

#[test]
fn facts_of_a_full_header() {
    let table = Table::new()
        .with(
            "CC",
            Value::Array(vec!["a".into(), 1i32.into(), "b".into()]),
        )
        .with("x-delay", 5000i32)
        .with("other", Value::Void)
        .with("BCC", longstrings(&["c"]))
        .with("x-deduplication-header", "d");
    let properties = Properties {
        delivery_mode: Some(2),
        priority: Some(9),
        reply_to: Some(b"r"),
        expiration: Some(b"250"),
        user_id: Some(b"guest"),
        ..Default::default()
    };
    let header = with_table(&table, properties);
    let facts = Facts::of(ContentHeader::new(&header)).unwrap();
    assert!(facts.persistent);
    assert_eq!(
        (facts.priority, facts.expiration, facts.delay),
        (Some(9), Some(250), Some(5000))
    );
    assert_eq!(
        (facts.reply_to, facts.user_id),
        (Some(&b"r"[..]), Some(&b"guest"[..]))
    );
    assert_eq!(
        facts.deduplication.and_then(|value| value.as_bytes()),
        Some(&b"d"[..])
    );
    assert_eq!(facts.copies().collect::<Vec<_>>(), [b"a", b"b", b"c"]);
    assert_eq!(facts.hidden_copies().collect::<Vec<_>>(), [b"c"]);
}

#[test]
fn delays_are_whole_numbers_above_zero() {
    let check = |value: Value, expected| {
        let header = with_table(&Table::new().with("x-delay", value), Properties::default());
        assert_eq!(
            Facts::of(ContentHeader::new(&header)).unwrap().delay,
            expected
        );
    };
    check(7i8.into(), Some(7));
    check(i64::MAX.into(), Some(i64::MAX as u64));
    check(0i32.into(), None);
    check((-5000i32).into(), None);
    check("5000".into(), None);
    check(1.5f64.into(), None);
}

#[test]
fn expirations() {
    let check = |text: &str, expected: Result<u64, &str>| {
        let expected = expected.map_err(|reason| format!("invalid expiration '{text}': {reason}"));
        assert_eq!(
            parse_expiration(text.as_bytes()).map_err(|refusal| refusal.text),
            expected
        );
    };
    check("0", Ok(0));
    check("-0", Ok(0));
    check("+5", Ok(5));
    check("0060000", Ok(60000));
    check("315360000000", Ok(315_360_000_000));
    check("315360000001", Err("{value_too_large,315360000001}"));
    check(
        "99999999999999999999999",
        Err("{value_too_large,99999999999999999999999}"),
    );
    check("-1", Err("{value_negative,-1}"));
    check("", Err("no_integer"));
    check("-", Err("no_integer"));
    check("abc", Err("no_integer"));
    check(" 5", Err("no_integer"));
    check("5.5", Err("{leftover_string,\".5\"}"));
    check("10s\"", Err("{leftover_string,\"s\\\"\"}"));
}

#[test]
fn copies_must_be_arrays() {
    let check = |name: &str, value: Value, kind: &str| {
        let header = with_table(&Table::new().with(name, value), Properties::default());
        let refusal = Facts::of(ContentHeader::new(&header)).unwrap_err();
        assert_eq!(
            refusal.text,
            format!("invalid message: {{unacceptable_type_in_header,\"{name}\",{kind}}}")
        );
    };
    check("CC", "a".into(), "longstr");
    check("BCC", 1i32.into(), "signedint");
    check("CC", Value::Void, "void");
}

#[test]
fn the_first_of_two_headers_counts() {
    let table = Table::new()
        .with("CC", longstrings(&["a"]))
        .with("CC", "not an array");
    let header = with_table(&table, Properties::default());
    assert_eq!(
        Facts::of(ContentHeader::new(&header))
            .unwrap()
            .copies()
            .collect::<Vec<_>>(),
        [b"a"]
    );
}

#[test]
fn bcc_goes_and_all_else_stays() {
    let with = |with_bcc: bool| {
        let mut table = Table::new()
            .with("z", 1i64)
            .with("z", Value::I64Upper(2))
            .with("cc", "x");
        if with_bcc {
            table.insert("BCC", longstrings(&["secret"]));
        }
        table
            .insert("CC", longstrings(&["open"]))
            .insert("a", Value::Bytes(vec![0, 255]));
        with_table(
            &table,
            Properties {
                message_id: Some(b"m"),
                content_type: Some(b"t"),
                ..Default::default()
            },
        )
    };
    assert_eq!(
        rewrite::without_bcc(ContentHeader::new(&with(true))),
        with(false)
    );
    assert_eq!(
        rewrite::without_bcc(ContentHeader::new(&with(false))),
        with(false)
    );
    // A table that had nothing else is there still.
    let only = with_table(
        &Table::new().with("BCC", longstrings(&["s"])),
        Properties::default(),
    );
    assert_eq!(
        rewrite::without_bcc(ContentHeader::new(&only)),
        with_table(&Table::new(), Properties::default())
    );
    // RabbitMQ leaves a second one.
    let twice = Table::new()
        .with("BCC", longstrings(&["s"]))
        .with("BCC", 1i32);
    let once = with_table(&Table::new().with("BCC", 1i32), Properties::default());
    assert_eq!(
        rewrite::without_bcc(ContentHeader::new(&with_table(
            &twice,
            Properties::default()
        ))),
        once
    );
}

#[test]
fn properties_are_replaced() {
    let header = |reply_to, expiration| {
        without_table(Properties {
            reply_to,
            expiration,
            user_id: Some(b"u"),
            priority: Some(1),
            ..Default::default()
        })
    };
    let full = header(Some(b"old"), Some(b"100"));
    let full = ContentHeader::new(&full);
    assert_eq!(
        rewrite::with_reply_to(full, "new one"),
        header(Some(b"new one"), Some(b"100"))
    );
    assert_eq!(
        rewrite::without_expiration(full),
        header(Some(b"old"), None)
    );
    let none = header(None, None);
    assert_eq!(
        rewrite::with_reply_to(ContentHeader::new(&none), "r"),
        header(Some(b"r"), None)
    );
    assert_eq!(rewrite::without_expiration(ContentHeader::new(&none)), none);
}

#[test]
fn headers_are_added_and_replaced() {
    let check = |before: Option<Table>, after: Vec<u8>| {
        let header = match before {
            Some(table) => with_table(
                &table,
                Properties {
                    priority: Some(3),
                    ..Default::default()
                },
            ),
            None => without_table(Properties {
                priority: Some(3),
                ..Default::default()
            }),
        };
        assert_eq!(
            rewrite::with_delivery_count(ContentHeader::new(&header), 2),
            after
        );
    };
    let after = |table: Table| {
        with_table(
            &table,
            Properties {
                priority: Some(3),
                ..Default::default()
            },
        )
    };
    check(None, after(Table::new().with("x-delivery-count", 2i64)));
    check(
        Some(
            Table::new()
                .with("x-delivery-count", 1i64)
                .with("a", 1i32)
                .with("x-delivery-count", "twice"),
        ),
        after(Table::new().with("a", 1i32).with("x-delivery-count", 2i64)),
    );
}

#[test]
fn delays_are_negated_once_they_are_over() {
    let header = with_table(
        &Table::new().with("x-delay", 500i32).with("a", true),
        Properties::default(),
    );
    let past = rewrite::with_delay_past(ContentHeader::new(&header));
    assert_eq!(
        past,
        with_table(
            &Table::new().with("a", true).with("x-delay", -500i64),
            Properties::default()
        )
    );
    assert_eq!(Facts::of(ContentHeader::new(&past)).unwrap().delay, None);
    assert_eq!(rewrite::with_delay_past(ContentHeader::new(&past)), past);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Void),
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        any::<i64>().prop_map(Value::I64Upper),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        (any::<u8>(), any::<u32>()).prop_map(|(scale, value)| Value::Decimal { scale, value }),
        any::<u64>().prop_map(Value::Timestamp),
        any::<Vec<u8>>().prop_map(Value::LongString),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..4).prop_map(|fields| Value::Table(
                fields
                    .into_iter()
                    .map(|(name, value)| (name.into(), value))
                    .collect()
            )),
        ]
    })
}

fn table() -> impl Strategy<Value = Vec<(String, Value)>> {
    prop::collection::vec(("a|b|c|BCC|x-death", value()), 0..8)
}

proptest! {
    #[test]
    fn no_byte_of_other_headers_changes(fields in table(), message_id in any::<Option<[u8; 5]>>(), mode in any::<Option<u8>>()) {
        let properties = Properties {
            message_id: message_id.as_ref().map(|id| &id[..]),
            delivery_mode: mode,
            ..Properties::default()
        };
        let build = |fields: &[(String, Value)]| -> Table {
            fields.iter().map(|(name, value)| (name.clone().into(), value.clone())).collect()
        };
        let header = with_table(&build(&fields), properties);
        let header = ContentHeader::new(&header);

        let mut left = fields.clone();
        left.retain(|(name, _)| name != "a");
        left.push(("a".to_owned(), Value::I32(1)));
        let found = rewrite::with_headers(header, &Table::new().with("a", 1i32));
        prop_assert_eq!(found, with_table(&build(&left), properties));

        let mut left = fields;
        if let Some(at) = left.iter().position(|(name, _)| name == "BCC") {
            left.remove(at);
        }
        prop_assert_eq!(rewrite::without_bcc(header), with_table(&build(&left), properties));
        prop_assert_eq!(rewrite::without_expiration(header), header.as_bytes());
    }
}
