use proptest::prelude::*;

use super::*;
use crate::Table;

/// All properties, as RabbitMQ 3.10.8 encodes them (`rabbit_framing_amqp_0_9_1:encode_properties/1`).
const RABBITMQ: &str = "fffc0263740263650000001103782d61490000000701625300000001760203026369027274023130026d69000000000102030402747902756902616902636c";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn all(headers: &[u8]) -> Properties<'_> {
    Properties {
        content_type: Some(b"ct"),
        content_encoding: Some(b"ce"),
        headers: Some(TableRef::from_bytes(headers)),
        delivery_mode: Some(2),
        priority: Some(3),
        correlation_id: Some(b"ci"),
        reply_to: Some(b"rt"),
        expiration: Some(b"10"),
        message_id: Some(b"mi"),
        timestamp: Some(0x0102_0304),
        kind: Some(b"ty"),
        user_id: Some(b"ui"),
        app_id: Some(b"ai"),
        cluster_id: Some(b"cl"),
    }
}

fn encoded(properties: &Properties<'_>, body_size: u64) -> Vec<u8> {
    let mut header = Vec::new();
    properties.encode(body_size, &mut header);
    header
}

#[test]
fn all_properties_are_as_rabbitmq_has_them() {
    let headers = Table::new().with("x-a", 7).with("b", "v").to_bytes();
    let header = encoded(&all(&headers), 0x0506);
    assert_eq!(header[..12], [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 5, 6]);
    assert_eq!(header[12..], octets(RABBITMQ));
    assert_eq!(Properties::parse(&header), Ok(all(&headers)));

    let look = ContentHeader::new(&header);
    assert_eq!(look.validate(), Ok(()));
    assert_eq!(look.body_size(), 0x0506);
    assert_eq!(look.delivery_mode(), 2);
    assert!(look.is_persistent());
    assert_eq!(look.priority(), Some(3));
    assert_eq!(look.expiration(), Some(b"10".as_slice()));
    assert_eq!(look.reply_to(), Some(b"rt".as_slice()));
    assert_eq!(look.user_id(), Some(b"ui".as_slice()));
    assert_eq!(
        look.headers().map(TableRef::as_bytes),
        Some(headers.as_slice())
    );
    assert_eq!(
        &header[look.range(Property::Headers).unwrap()][4..],
        headers
    );
}

#[test]
fn what_is_not_there_is_absent() {
    let header = encoded(&Properties::default(), 0);
    let look = ContentHeader::new(&header);
    assert_eq!(look.validate(), Ok(()));
    assert_eq!(look.delivery_mode(), 1);
    assert!(
        Property::ALL
            .iter()
            .all(|&property| look.range(property).is_none())
    );
    assert_eq!(Properties::parse(&header), Ok(Properties::default()));
    // No header at all.
    let look = ContentHeader::new(&[]);
    assert_eq!(
        (look.delivery_mode(), look.priority(), look.body_size()),
        (1, None, 0)
    );
    assert!(look.validate().is_err());
}

#[test]
fn malformed_headers_are_found() {
    let headers = Table::new().with("x-a", 7).to_bytes();
    let whole = encoded(&all(&headers), 1);
    for len in 0..whole.len() {
        let look = ContentHeader::new(&whole[..len]);
        assert!(
            matches!(look.validate(), Err(Malformed::Truncated { offset }) if offset <= len),
            "{len}"
        );
        let _ = look.user_id();
    }
    let longer = [whole.as_slice(), &[0]].concat();
    assert_eq!(
        ContentHeader::new(&longer).validate(),
        Err(Malformed::TrailingOctets {
            offset: whole.len()
        })
    );
    let mut continued = whole.clone();
    continued[13] |= 1;
    assert_eq!(
        ContentHeader::new(&continued).validate(),
        Err(Malformed::UnknownProperty)
    );
    let mut unused = whole.clone();
    unused[13] |= 2;
    assert_eq!(Properties::parse(&unused), Properties::parse(&whole));
    let bad = encoded(
        &Properties {
            headers: Some(TableRef::from_bytes(b"\x01a?")),
            ..Properties::default()
        },
        1,
    );
    assert_eq!(
        ContentHeader::new(&bad).validate(),
        Err(Malformed::UnknownTag {
            tag: b'?',
            offset: 20
        })
    );
}

proptest! {
    #[test]
    fn properties_survive(
        strings in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..256)), 10),
        (delivery_mode, priority, timestamp) in any::<(Option<u8>, Option<u8>, Option<u64>)>(),
        headers in prop::option::of(any::<i32>()),
        body_size in any::<u64>(),
    ) {
        let headers = headers.map(|number| Table::new().with("n", number).to_bytes());
        let string = |index: usize| strings[index].as_deref();
        let properties = Properties {
            content_type: string(0),
            content_encoding: string(1),
            headers: headers.as_deref().map(TableRef::from_bytes),
            delivery_mode,
            priority,
            correlation_id: string(2),
            reply_to: string(3),
            expiration: string(4),
            message_id: string(5),
            timestamp,
            kind: string(6),
            user_id: string(7),
            app_id: string(8),
            cluster_id: string(9),
        };
        let header = encoded(&properties, body_size);
        prop_assert_eq!(Properties::parse(&header), Ok(properties));
        let look = ContentHeader::new(&header);
        prop_assert_eq!(look.validate(), Ok(()));
        prop_assert_eq!(look.body_size(), body_size);
        prop_assert_eq!(look.delivery_mode(), delivery_mode.unwrap_or(1));
        prop_assert_eq!(look.priority(), priority);
        prop_assert_eq!(look.reply_to(), properties.reply_to);
        prop_assert_eq!(look.expiration(), properties.expiration);
        prop_assert_eq!(look.user_id(), properties.user_id);
        prop_assert_eq!(look.headers(), properties.headers);
        // The ranges of all properties follow one another and fill the header.
        let mut at = HEADER_MIN;
        for range in Property::ALL.iter().filter_map(|&property| look.range(property)) {
            prop_assert_eq!(range.start, at);
            at = range.end;
        }
        prop_assert_eq!(at, header.len());
    }

    #[test]
    fn any_octets_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..100)) {
        let look = ContentHeader::new(&octets);
        let is_valid = look.validate().is_ok();
        prop_assert!(!is_valid || Properties::parse(&octets).is_ok());
        for property in Property::ALL {
            let _ = look.range(property);
        }
        let _ = (look.body_size(), look.delivery_mode(), look.headers());
    }
}
