use super::*;

#[test]
fn dialects_are_read_as_they_are_written() {
    let mut count = 0;
    for transport in [Transport::Buffered, Transport::Framed, Transport::Header] {
        for protocol in [
            Protocol::Binary,
            Protocol::BinaryOld,
            Protocol::Compact,
            Protocol::Json,
        ] {
            for dialect in [
                Dialect::new(transport, protocol),
                Dialect::new(transport, protocol).zlib(),
            ] {
                let text = dialect.to_string();
                let is_possible = transport != Transport::Header
                    || matches!(protocol, Protocol::Binary | Protocol::Compact);
                let expected = is_possible
                    .then_some(dialect)
                    .ok_or_else(|| UnknownDialect(text.clone()));
                assert_eq!(text.parse(), expected, "{text}");
                count += usize::from(is_possible);
            }
        }
    }
    assert_eq!(count, 20);
    for text in [
        "",
        "framed",
        "binary/framed",
        "framed/binary/gzip",
        "framed/binary/zlib/",
    ] {
        assert_eq!(
            text.parse::<Dialect>(),
            Err(UnknownDialect(text.to_owned()))
        );
    }
}
