use proptest::prelude::*;

use super::*;

/// One field of each type, an array in an array, a name twice: as RabbitMQ 3.10.8 encodes it
/// (`rabbit_binary_generator:generate_table/1`).
const RABBITMQ: &str = "01747401016262ff014242ff017373fffe017575ffff014949fffffffd016969ffffffff016c6cfffffffffffffffc0166663fc00000016464c002000000000000014444020000013a0153530000000474657874014141000000114900000001530000000178410000000156015454000000006553f10001464600000004016e74000156560178780000000200ff01626205";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn one_of_each() -> Table {
    Table::new()
        .with("t", true)
        .with("b", -1_i8)
        .with("B", 255_u8)
        .with("s", -2_i16)
        .with("u", 65_535_u16)
        .with("I", -3)
        .with("i", u32::MAX)
        .with("l", -4_i64)
        .with("f", 1.5_f32)
        .with("d", -2.25)
        .with(
            "D",
            Value::Decimal {
                scale: 2,
                value: 314,
            },
        )
        .with("S", "text")
        .with(
            "A",
            vec![
                Value::from(1),
                Value::from("x"),
                Value::from(vec![Value::Void]),
            ],
        )
        .with("T", Value::Timestamp(1_700_000_000))
        .with("F", Table::new().with("n", false))
        .with("V", Value::Void)
        .with("x", Value::Bytes(vec![0, 255]))
        .with("b", 5_i8)
}

#[test]
fn every_type_is_as_rabbitmq_has_it() {
    let expected = octets(RABBITMQ);
    assert_eq!(one_of_each().to_bytes(), expected);
    let table = TableRef::from_bytes(&expected);
    assert_eq!(table.validate(), Ok(()));
    assert_eq!(table.to_table(), Ok(one_of_each()));
    // The other tag for 64 bits is kept.
    let long = b"\x01nL\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE";
    let table = TableRef::from_bytes(long);
    assert_eq!(table.get("n"), Some(ValueRef::I64Upper(-2)));
    assert_eq!(table.to_table().unwrap().to_bytes(), long);
}

#[test]
fn first_of_equal_names_counts_and_all_are_kept() {
    let octets = octets(RABBITMQ);
    let table = TableRef::from_bytes(&octets);
    assert_eq!(table.get("b"), Some(ValueRef::I8(-1)));
    assert_eq!(
        table.get(b"S").and_then(|value| value.as_str()),
        Some("text")
    );
    assert_eq!(table.get("missing"), None);
    assert_eq!(
        table
            .iter()
            .filter(|field| matches!(field, Ok((b"b", _))))
            .count(),
        2
    );

    let mut owned = one_of_each();
    assert_eq!(owned.remove("b"), Some(Value::I8(-1)));
    assert_eq!(owned.get("b"), None);
    assert_eq!(owned.len(), 16);
    assert_eq!(owned.remove("b"), None);
}

#[test]
fn errors_say_where() {
    let check = |octets: &[u8], error: Malformed| {
        let table = TableRef::from_bytes(octets);
        assert_eq!(table.validate(), Err(error), "{}", octets.escape_ascii());
        assert_eq!(table.to_table(), Err(error));
    };
    check(b"\x01", Malformed::Truncated { offset: 0 });
    check(b"\x01a", Malformed::Truncated { offset: 2 });
    check(
        b"\x01az",
        Malformed::UnknownTag {
            tag: b'z',
            offset: 2,
        },
    );
    check(b"\x01aI\0\0\0", Malformed::Truncated { offset: 3 });
    check(b"\x01aS\0\0\0\x02x", Malformed::Truncated { offset: 3 });
    check(
        b"\x01at\x01\x01bF\0\0\0\x03\x01c?",
        Malformed::UnknownTag {
            tag: b'?',
            offset: 13,
        },
    );
    check(
        b"\x01aA\0\0\0\x02V?",
        Malformed::UnknownTag {
            tag: b'?',
            offset: 8,
        },
    );
    // The value of a nested table may not reach beyond it, even when octets follow.
    check(
        b"\x01aF\0\0\0\x03\x01bt\x01",
        Malformed::Truncated { offset: 10 },
    );
}

#[test]
fn nesting_has_an_end() {
    let nested = |depth: usize| {
        (0..depth)
            .fold(Table::new(), |table, _| Table::new().with("", table))
            .to_bytes()
    };
    let deep = nested(64);
    assert_eq!(TableRef::from_bytes(&deep).validate(), Ok(()));
    assert!(TableRef::from_bytes(&deep).to_table().is_ok());
    let deeper = nested(65);
    assert!(matches!(
        TableRef::from_bytes(&deeper).validate(),
        Err(Malformed::TooDeep { .. })
    ));
    let mut array = vec![];
    for _ in 0..10_000 {
        let len = array.len() as u32;
        array = [b"A".as_slice(), &len.to_be_bytes(), &array].concat();
    }
    let table = [b"\0".as_slice(), &array].concat();
    assert!(matches!(
        TableRef::from_bytes(&table).to_table(),
        Err(Malformed::TooDeep { .. })
    ));
}

#[test]
fn arguments_are_equivalent_within_a_class() {
    let check = |a: Value, b: Value, is_equivalent: bool| {
        assert_eq!(a.is_equivalent(&b), is_equivalent, "{a:?} {b:?}");
        assert_eq!(b.is_equivalent(&a), is_equivalent, "{b:?} {a:?}");
        if is_equivalent {
            assert_eq!(a.type_class(), b.type_class());
        }
    };
    let tens = [
        Value::I8(10),
        Value::U8(10),
        Value::I16(10),
        Value::U16(10),
        Value::I32(10),
        Value::U32(10),
        Value::I64(10),
        Value::I64Upper(10),
    ];
    for a in &tens {
        for b in &tens {
            check(a.clone(), b.clone(), true);
        }
        check(a.clone(), Value::from(11), false);
        check(a.clone(), Value::from(10.0), false);
        check(a.clone(), Value::from("10"), false);
        check(a.clone(), Value::Timestamp(10), false);
        check(
            a.clone(),
            Value::Decimal {
                scale: 0,
                value: 10,
            },
            false,
        );
        assert_eq!(a.type_class(), TypeClass::Integer);
    }
    check(Value::F32(0.5), Value::F64(0.5), true);
    check(Value::F32(0.5), Value::F64(0.25), false);
    check(Value::from("a"), Value::Bytes(b"a".to_vec()), false);
    check(Value::Void, Value::Void, true);
    assert_eq!(
        Value::Decimal { scale: 0, value: 1 }.type_class(),
        TypeClass::Integer
    );
}

#[test]
fn types_have_the_names_of_rabbitmq() {
    let names: Vec<_> = one_of_each()
        .iter()
        .map(|(_, value)| value.type_name())
        .collect();
    let expected = "bool byte unsignedbyte short unsignedshort signedint unsignedint long float double decimal longstr \
        array timestamp table void binary byte";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<u8>().prop_map(Value::U8),
        any::<i16>().prop_map(Value::I16),
        any::<u16>().prop_map(Value::U16),
        any::<i32>().prop_map(Value::I32),
        any::<u32>().prop_map(Value::U32),
        any::<i64>().prop_map(Value::I64),
        any::<i64>().prop_map(Value::I64Upper),
        (-1e6_f32..1e6).prop_map(Value::F32),
        (-1e9_f64..1e9).prop_map(Value::F64),
        any::<(u8, u32)>().prop_map(|(scale, value)| Value::Decimal { scale, value }),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::LongString),
        any::<u64>().prop_map(Value::Timestamp),
        Just(Value::Void),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((prop::collection::vec(any::<u8>(), 0..10), inner), 0..6)
                .prop_map(|fields| Value::Table(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn tables_survive(fields in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..10), value()), 0..8)) {
        let table: Table = fields.into_iter().collect();
        let octets = table.to_bytes();
        let read = TableRef::from_bytes(&octets);
        prop_assert_eq!(read.validate(), Ok(()));
        let owned = read.to_table().unwrap();
        prop_assert_eq!(&owned, &table);
        prop_assert_eq!(owned.to_bytes(), octets.clone());
        for (name, value) in read.iter().map(Result::unwrap) {
            prop_assert_eq!(value.type_name(), value.to_value().unwrap().type_name());
            prop_assert!(read.get(name).is_some());
        }
        for len in 0..octets.len() {
            // A part of a table is a table of fewer fields, or none.
            if let Ok(part) = TableRef::from_bytes(&octets[..len]).to_table() {
                prop_assert!(part.len() < table.len());
            }
        }
    }

    #[test]
    fn any_octets_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let table = TableRef::from_bytes(&octets);
        let is_valid = table.validate().is_ok();
        prop_assert_eq!(table.to_table().is_ok(), is_valid);
        prop_assert!(!is_valid || table.iter().all(|field| field.is_ok()));
        let _ = (table.get("a"), format!("{table:?}"));
    }
}
