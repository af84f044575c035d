//! What travels with a call: to instances whose wire can carry it, from callers whose wire can.

use std::io::{BufRead as _, BufReader};

use trefoil_director::{ThriftProtocol, ThriftTransport};

use super::*;
use crate::trace::Trace;

const HEADER: Dialect = Dialect::new(Transport::Header, Protocol::Compact);
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Keys and values as texts.
type Pairs = Vec<(String, String)>;

fn texts<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Pairs {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let pairs = pairs.into_iter();
    pairs.map(|(key, value)| (text(key), text(value))).collect()
}

fn value<'a>(pairs: &'a Pairs, key: &str) -> Option<&'a str> {
    let mut found = pairs.iter().filter(|(name, _)| name == key);
    let value = found.next().map(|(_, value)| &**value);
    assert_eq!(found.next(), None, "{key} is said once");
    value
}

fn trace(pairs: &Pairs) -> Trace {
    Trace::parse(value(pairs, "traceparent").unwrap().as_bytes()).unwrap()
}

/// A provider with the header transport, and what came with calls of it.
fn header_provider() -> (SocketAddr, mpsc::Receiver<Pairs>) {
    provider_with(|stream, tell| {
        serve_with(stream, |request| {
            if request.header.name == "getName" {
                return Does::Refuses;
            }
            let _ = tell.send(texts(request.headers.iter()));
            Does::Answers(COMPACT_42)
        });
    })
}

/// 42 as the result, in compact.
const COMPACT_42: &[u8] = &[0x06, 0x00, 0x54, 0x00];
/// 2 and 40 as the arguments.
const COMPACT_ADD: &[u8] = &[0x16, 0x04, 0x16, 0x50, 0x00];

/// Calls `add` over the header transport.
fn add(stream: &mut TcpStream, headers: &[(&str, &str)]) -> (ReplyKind, Vec<u8>) {
    let headers: Vec<(&[u8], &[u8])> = headers
        .iter()
        .map(|(key, value)| (key.as_bytes(), value.as_bytes()))
        .collect();
    let mut client = Client::new(HEADER, None, Limits::default());
    client
        .call_raw(1, "add", false, &headers, COMPACT_ADD)
        .unwrap();
    send(stream, &mut client);
    reply(stream, &mut client, |reply| {
        (reply.kind, reply.body.into_owned())
    })
}

async fn healthy(thrift: &Thrift, address: String, transport: ThriftTransport) {
    let protocol = (transport == ThriftTransport::Header).then_some(ThriftProtocol::Compact);
    let speaks = ThriftProvider {
        protocol,
        transport: Some(transport),
        ..ThriftProvider::default()
    };
    register_as(thrift, "a", address, speaks);
    until(thrift, "a", |view| view.state == InstanceState::Healthy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_on_with_an_id_for_each_hop() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, told) = header_provider();
    healthy(&thrift, address.to_string(), ThriftTransport::Header).await;
    let mut stream = connect(&thrift);
    let said = [
        ("traceparent", PARENT),
        ("tracestate", "congo=t61"),
        ("baggage", "user=alice"),
        ("idempotency-key", "k-1"),
        ("deadline-ms", "5000"),
        ("own", "kept"),
    ];
    let answer = (ReplyKind::Reply, COMPACT_42.to_vec());
    assert_eq!(add(&mut stream, &said), answer);
    let came = told.recv().unwrap();
    for key in ["tracestate", "baggage", "idempotency-key", "own"] {
        let expected = said.iter().find(|(name, _)| *name == key).unwrap().1;
        assert_eq!(value(&came, key), Some(expected));
    }
    let left: u64 = value(&came, "deadline-ms").unwrap().parse().unwrap();
    assert!((1..=5_000).contains(&left), "{left}");
    let parent = Trace::parse(PARENT.as_bytes()).unwrap();
    assert_eq!(trace(&came).to_string(), parent.to_string());
    assert_ne!(trace(&came), parent, "the hop has an id of its own");
    assert!(value(&came, "traceparent").unwrap().ends_with("-01"));

    // Without one, and with one that is not valid, a trace begins; what belonged to that is dropped.
    let mut seen = vec![parent.to_string()];
    for said in [
        &[][..],
        &[("traceparent", "00-nonsense"), ("tracestate", "a=1")],
    ] {
        assert_eq!(add(&mut stream, said), answer);
        let came = told.recv().unwrap();
        let id = trace(&came).to_string();
        assert!(!seen.contains(&id), "{id}");
        seen.push(id);
        assert_eq!(value(&came, "tracestate"), None);
        assert!(value(&came, "traceparent").unwrap().ends_with("-00"));
    }
    // Callers that cannot say anything.
    let framed = call(&mut connect(&thrift), FRAMED, None, "add", TWO_AND_FORTY);
    assert_eq!(framed, (ReplyKind::Reply, FORTY_TWO.to_vec()));
    assert!(!seen.contains(&trace(&told.recv().unwrap()).to_string()));
    thrift.stop(Duration::from_secs(5)).await;
}

/// Answers requests, and tells what is in their heads.
fn serve_http(stream: TcpStream, tell: &mpsc::Sender<Pairs>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut line) = (Vec::new(), String::new());
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line).unwrap() == 0 {
                return;
            }
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                head.push((name.to_owned(), value.to_owned()));
            }
        }
        let mut body = vec![0; value(&head, "Content-Length").unwrap().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let mut server = Server::new(Limits::default());
        let Some(ServerEvent::Request(request)) = server.poll_request(&mut &body[..]) else {
            panic!("{body:?}");
        };
        if request.header.name == "add" {
            let _ = tell.send(head);
        }
        server.reply_raw(request.id.unwrap(), ReplyKind::Reply, &[], FORTY_TWO);
        let mut output = Vec::new();
        server.take_output(&mut output);
        let size = output.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        writer.write_all(head.as_bytes()).unwrap();
        writer.write_all(&output).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_speak_http_are_told_in_headers() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, told) = provider_with(serve_http);
    healthy(
        &thrift,
        format!("http://{address}/calc"),
        ThriftTransport::Http,
    )
    .await;
    let mut client = Client::new(FRAMED, None, Limits::default());
    client
        .call_raw(1, "add", false, &[], TWO_AND_FORTY)
        .unwrap();
    let mut message = Vec::new();
    client.take_output(&mut message);
    let context = Context {
        timeout: Some(Duration::from_secs(5)),
        trace: Trace::parse(PARENT.as_bytes()),
        headers: vec![
            (b"baggage"[..].into(), b"user=alice"[..].into()),
            (b"own"[..].into(), b"kept"[..].into()),
        ],
    };
    let answered = thrift.answer(&message, None, &context).await;
    assert_eq!((answered.left_over, answered.job), (0, None));
    let came = told.recv().unwrap();
    assert_eq!(trace(&came).to_string(), context.trace.unwrap().to_string());
    assert_ne!(Some(trace(&came)), context.trace);
    assert_eq!(value(&came, "baggage"), Some("user=alice"));
    assert_eq!(value(&came, "own"), None, "HTTP has headers of its own");
    let left: u64 = value(&came, "deadline-ms").unwrap().parse().unwrap();
    assert!((1..=5_000).contains(&left), "{left}");
    // Over the port too.
    let said = [("traceparent", PARENT), ("baggage", "a\r\nHost: elsewhere")];
    let (kind, _) = add(&mut connect(&thrift), &said);
    assert_eq!(kind, ReplyKind::Reply);
    let came = told.recv().unwrap();
    assert_eq!(trace(&came).to_string(), context.trace.unwrap().to_string());
    assert_eq!(value(&came, "baggage"), None);
    thrift.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_time_is_not_begun() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, told) = header_provider();
    healthy(&thrift, address.to_string(), ThriftTransport::Header).await;
    let (kind, body) = add(&mut connect(&thrift), &[("deadline-ms", "0")]);
    assert_eq!(kind, ReplyKind::Exception);
    let error = error_of(Protocol::Compact, &body);
    assert_eq!(error.kind, ApplicationErrorKind::InternalError);
    assert!(error.text.ends_with("(it was not begun)"), "{error}");
    let target = thrift.target(&"math/calc".parse().unwrap(), "add").unwrap();
    let call = Call {
        target,
        name: None,
        protocol: Protocol::Compact,
        arguments: COMPACT_ADD.to_vec(),
        context: Context {
            timeout: Some(Duration::ZERO),
            ..Context::default()
        },
    };
    let failure = thrift.call(call).await.unwrap_err();
    assert!(
        matches!(failure, CallFailure::DeadlineExceeded { .. }),
        "{failure}"
    );
    // Nothing came of either: what comes first is what is called now.
    add(&mut connect(&thrift), &[("own", "now")]);
    assert_eq!(value(&told.recv().unwrap(), "own"), Some("now"));
    thrift.stop(Duration::from_secs(5)).await;
}
