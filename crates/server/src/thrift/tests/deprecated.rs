//! Calls of methods that should no longer be used.

use super::*;

const HEADER: Dialect = Dialect::new(Transport::Header, Protocol::Binary);

/// Calls a method over the header transport; the headers of the reply.
fn said(stream: &mut TcpStream, method: &str) -> Vec<(String, String)> {
    let mut client = Client::new(HEADER, None, Limits::default());
    client.call_raw(1, method, false, &[], TWO).unwrap();
    send(stream, &mut client);
    reply(stream, &mut client, |reply| {
        assert_eq!(reply.kind, ReplyKind::Reply);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers = reply.headers.iter();
        headers
            .map(|(key, value)| (text(key), text(value)))
            .collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_say_it_where_they_can() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, _) = provider(FRAMED, Does::Answers(FORTY_TWO));
    register(&thrift, "a", address).await;
    let mut stream = connect(&thrift);
    let expected = [
        ("deprecation", "@1735689600"),
        ("sunset", "Fri, 01 Jan 2027 00:00:00 GMT"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut found = said(&mut stream, "old");
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(said(&mut stream, "again"), []);

    // Bodies of POST requests.
    let mut client = Client::new(FRAMED, None, Limits::default());
    client.call_raw(1, "old", false, &[], TWO).unwrap();
    let mut message = Vec::new();
    client.take_output(&mut message);
    let answered = thrift.answer(&message, None, &Context::default()).await;
    let why = answered.deprecation.and_then(|said| said.why);
    assert_eq!(why.as_deref(), Some("use add"));

    let labels = metrics::MethodLabels {
        service: "math/calc:1.2.0".to_owned(),
        method: "old".to_owned(),
    };
    let counted = thrift.metrics().deprecated.get_or_create(&labels).get();
    assert_eq!(counted, 2);
    thrift.stop(Duration::from_secs(5)).await;
}
