//! The endpoint with real sockets: callers and providers are the machines of `trefoil_thrift` on threads of their own.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use trefoil_director::{
    CONTRACT_FILE, InstanceState, Service, ServiceFiles, Source, ThriftProvider,
};
use trefoil_thrift::{
    ApplicationErrorKind,
    connection::{Client, ClientEvent, Reply, ReplyKind, Request, Server, ServerEvent},
    framing::{Protocol, Transport},
};

use super::*;

mod context;
mod deprecated;
mod handover;
mod providers;
mod tls;
mod unix;
mod websocket;

const CONTRACT: &str = r#"
exception Refused { 1: required string why }
service Base { i64 inherited(1: i64 a) }
service Calculator extends Base {
  i64 add(1: i64 a, 2: i64 b) throws (1: Refused refused)
  i64 slow(1: i64 a)
  i64 again(1: i64 a) (trefoil.idempotent = "true")
  i64 old(1: i64 a) (deprecated = "use add", trefoil.deprecated_since = "2025-01-01", trefoil.sunset = "2027-01-01")
  oneway void note(1: string text)
} (trefoil.key = "math/calc", trefoil.version = "1.2.0")
"#;

/// `{1: i64 2, 2: i64 40}` in binary.
const TWO_AND_FORTY: &[u8] =
    b"\x0a\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x0a\x00\x02\x00\x00\x00\x00\x00\x00\x00\x28\x00";
/// `{0: i64 42}` in binary.
const FORTY_TWO: &[u8] = b"\x0a\x00\x00\x00\x00\x00\x00\x00\x00\x00\x2a\x00";
/// `{1: i64 2}` in binary.
const TWO: &[u8] = b"\x0a\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00";

const FRAMED: Dialect = Dialect::new(Transport::Framed, Protocol::Binary);

fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    for service in crate::builtin::services() {
        catalog.insert(service).unwrap();
    }
    let files = ServiceFiles {
        label: "calc".to_owned(),
        metadata: None,
        service_toml: None,
        contract: Some(BTreeMap::from([(
            CONTRACT_FILE.to_owned(),
            CONTRACT.as_bytes().to_vec(),
        )])),
        digest: "00".repeat(32),
        source: Source::Directory { dir: "calc".into() },
    };
    catalog.insert(Service::load(&files).unwrap()).unwrap();
    catalog
}

/// An endpoint, and what was handed over by it.
fn start(config: ThriftConfig) -> (Thrift, mpsc::Receiver<HandedOver>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (handed, hands) = mpsc::channel();
    let hand_over: HandOver = Box::new(move |what| handed.send(what).unwrap());
    let thrift = Thrift::start(config, vec![listener], Clock::start(), 7, hand_over).unwrap();
    thrift.set_catalog(&catalog());
    (thrift, hands)
}

fn connect(thrift: &Thrift) -> TcpStream {
    let stream = TcpStream::connect(thrift.listening()[0]).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// What a call comes to: kind and body of the reply.
fn call(
    stream: &mut (impl io::Read + io::Write),
    dialect: Dialect,
    multiplex: Option<&str>,
    method: &str,
    arguments: &[u8],
) -> (ReplyKind, Vec<u8>) {
    let mut client = Client::new(dialect, multiplex, Limits::default());
    client.call_raw(1, method, false, &[], arguments).unwrap();
    send(stream, &mut client);
    reply(stream, &mut client, |reply| {
        (reply.kind, reply.body.into_owned())
    })
}

/// Writes what a client has to say.
fn send(stream: &mut impl io::Write, client: &mut Client) {
    let mut output = Vec::new();
    client.take_output(&mut output);
    stream.write_all(&output).unwrap();
}

/// What is wanted of the next reply.
fn reply<T>(
    stream: &mut impl io::Read,
    client: &mut Client,
    take: impl FnOnce(Reply<'_>) -> T,
) -> T {
    let (mut input, mut block) = (Vec::new(), [0; 4_096]);
    loop {
        let bytes = stream.read(&mut block).unwrap();
        assert_ne!(bytes, 0, "the endpoint closed the connection");
        input.extend_from_slice(&block[..bytes]);
        let mut rest = &input[..];
        match client.poll_reply(&mut rest) {
            Some(ClientEvent::Reply(reply)) => return take(reply),
            Some(ClientEvent::Broken(broken)) => panic!("{}", broken.error),
            None => {
                let taken = input.len() - rest.len();
                input.drain(..taken);
            }
        }
    }
}

/// No fields.
fn nothing(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Json => b"{}",
        Protocol::Binary | Protocol::BinaryOld | Protocol::Compact => &[0],
    }
}

fn error_of(protocol: Protocol, body: &[u8]) -> ApplicationError {
    forms::read_error(protocol, body, &Limits::default()).unwrap()
}

/// What a provider does with a call.
#[derive(Clone, Copy)]
enum Does {
    /// Answers with this struct, in binary.
    Answers(&'static [u8]),
    /// Closes the connection.
    Leaves,
    /// Nothing.
    Sleeps,
    /// Says that it does not know the method, as to checks.
    Refuses,
}

/// A provider that speaks one dialect; its address, and the names of what was called but the checks.
fn provider(dialect: Dialect, does: Does) -> (SocketAddr, mpsc::Receiver<String>) {
    provider_with(move |stream, tell| serve(stream, dialect, does, tell))
}

/// A provider whose connections are served by `serve`; its address, and what that tells.
fn provider_with<T: Send + 'static>(
    serve: impl Fn(TcpStream, &mpsc::Sender<T>) + Clone + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (serve, tell) = (serve.clone(), tell.clone());
            thread::spawn(move || serve(stream.unwrap(), &tell));
        }
    });
    (address, told)
}

fn serve(
    stream: impl io::Read + io::Write,
    dialect: Dialect,
    does: Does,
    tell: &mpsc::Sender<String>,
) {
    serve_with(stream, |request| {
        if request.dialect != dialect {
            return Does::Leaves;
        }
        if request.header.name == "getName" {
            return Does::Refuses;
        }
        // Nobody may listen any more.
        let _ = tell.send(request.header.name.to_string());
        does
    });
}

/// Does with each request what `does` says.
fn serve_with(mut stream: impl io::Read + io::Write, does: impl Fn(&Request<'_>) -> Does) {
    let mut server = Server::new(Limits::default());
    let mut input = Vec::new();
    let mut block = [0; 4_096];
    loop {
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return,
            Ok(bytes) => input.extend_from_slice(&block[..bytes]),
        }
        let mut rest = &input[..];
        while let Some(event) = server.poll_request(&mut rest) {
            let ServerEvent::Request(request) = event else {
                return;
            };
            match (does(&request), request.id) {
                (Does::Answers(body), Some(id)) => {
                    server.reply_raw(id, ReplyKind::Reply, &[], body);
                }
                (Does::Refuses, Some(id)) => {
                    let unknown = ApplicationError::new(ApplicationErrorKind::UnknownMethod, "?");
                    server.reply_error(id, &unknown);
                }
                (Does::Leaves, _) => return,
                (Does::Sleeps | Does::Answers(_) | Does::Refuses, _) => {}
            }
        }
        let taken = input.len() - rest.len();
        input.drain(..taken);
        let mut output = Vec::new();
        server.take_output(&mut output);
        if stream.write_all(&output).is_err() {
            return;
        }
    }
}

fn id(name: &str) -> InstanceId {
    InstanceId {
        service: "math/calc:1.2.0".parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

/// Registers a provider, and waits until it is known to be well.
async fn register(thrift: &Thrift, name: &str, address: SocketAddr) {
    register_as(thrift, name, address.to_string(), ThriftProvider::default());
    until(thrift, name, |view| view.state == InstanceState::Healthy).await;
}

fn register_as(thrift: &Thrift, name: &str, address: String, speaks: ThriftProvider) {
    let new = NewInstance {
        id: id(name),
        address,
        thrift: speaks,
        slots: None,
        weight: 1.0,
        lease_ms: None,
    };
    thrift.register(new).unwrap();
}

async fn until(thrift: &Thrift, name: &str, is_so: impl Fn(&InstanceView) -> bool) {
    let mut every = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..6_000 {
        every.tick().await;
        if is_so(&thrift.instance(&id(name)).unwrap()) {
            return;
        }
    }
    panic!("{:?}", thrift.instance(&id(name)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dialect_is_recognised() {
    let (thrift, _) = start(ThriftConfig::default());
    let arguments = |protocol| match protocol {
        Protocol::Binary | Protocol::BinaryOld => (
            b"\x0c\x00\x01\x0a\x00\x03\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00".to_vec(),
            b"\x0c\x00\x00\x0a\x00\x03\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00".to_vec(),
        ),
        Protocol::Compact => (
            b"\x1c\x36\x0a\x00\x00".to_vec(),
            b"\x0c\x00\x36\x0a\x00\x00".to_vec(),
        ),
        Protocol::Json => (
            br#"{"1":{"rec":{"3":{"i64":5}}}}"#.to_vec(),
            br#"{"0":{"rec":{"3":{"i64":5}}}}"#.to_vec(),
        ),
    };
    let mut count = 0;
    for transport in [Transport::Buffered, Transport::Framed, Transport::Header] {
        for protocol in [
            Protocol::Binary,
            Protocol::BinaryOld,
            Protocol::Compact,
            Protocol::Json,
        ] {
            if transport == Transport::Header
                && !matches!(protocol, Protocol::Binary | Protocol::Compact)
            {
                continue;
            }
            for dialect in [
                Dialect::new(transport, protocol),
                Dialect::new(transport, protocol).zlib(),
            ] {
                let (arguments, expected) = arguments(protocol);
                let mut stream = connect(&thrift);
                // A compressed connection is one stream, which each call of this helper begins anew.
                for _ in 0..if dialect.is_zlib { 1 } else { 2 } {
                    let (kind, body) = call(&mut stream, dialect, None, "echo", &arguments);
                    assert_eq!(
                        (kind, body),
                        (ReplyKind::Reply, expected.clone()),
                        "{dialect}"
                    );
                }
                count += 1;
            }
        }
    }
    assert_eq!(count, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_to_an_instance_and_back_in_every_pair_of_protocols() {
    let (thrift, _) = start(ThriftConfig::default());
    for (name, dialect, answer) in [
        ("binary", FRAMED, FORTY_TWO),
        (
            "compact",
            Dialect::new(Transport::Buffered, Protocol::Compact),
            b"\x06\x00\x54\x00" as &[u8],
        ),
        (
            "json",
            Dialect::new(Transport::Buffered, Protocol::Json),
            br#"{"0":{"i64":42}}"#,
        ),
    ] {
        let (address, told) = provider(dialect, Does::Answers(answer));
        register(&thrift, name, address).await;
        let mut stream = connect(&thrift);
        for multiplex in [None, Some("Calculator"), Some("math/calc:1")] {
            let reply = call(&mut stream, FRAMED, multiplex, "add", TWO_AND_FORTY);
            assert_eq!(reply, (ReplyKind::Reply, FORTY_TWO.to_vec()), "{name}");
            assert_eq!(told.recv().unwrap(), "add");
        }
        thrift.deregister(&id(name), "test").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_called_is_said_and_the_connection_stays() {
    let (thrift, _) = start(ThriftConfig::default());
    let mut stream = connect(&thrift);
    for (multiplex, method, arguments, expected, text) in [
        (
            None,
            "nothing",
            &b"\0"[..],
            ApplicationErrorKind::UnknownMethod,
            "'nothing'",
        ),
        (
            Some("Other"),
            "add",
            b"\0",
            ApplicationErrorKind::UnknownMethod,
            "Other",
        ),
        (
            Some("math/calc:2"),
            "add",
            b"\0",
            ApplicationErrorKind::UnknownMethod,
            "math/calc:2",
        ),
        (
            None,
            "add",
            b"\x0f\0\x01\x0c\x7f\xff\xff\xff\0",
            ApplicationErrorKind::ProtocolError,
            "elements",
        ),
        (
            None,
            "add",
            TWO_AND_FORTY,
            ApplicationErrorKind::InternalError,
            "no instance",
        ),
    ] {
        let (kind, body) = call(&mut stream, FRAMED, multiplex, method, arguments);
        assert_eq!(kind, ReplyKind::Exception, "{method}");
        let error = error_of(Protocol::Binary, &body);
        assert_eq!(error.kind, expected, "{error}");
        assert!(error.text.contains(text), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_leaves_is_replaced_only_if_that_is_safe() {
    let (thrift, _) = start(ThriftConfig::default());
    let (leaver, left) = provider(FRAMED, Does::Leaves);
    register(&thrift, "leaver", leaver).await;
    let mut stream = connect(&thrift);
    let (kind, body) = call(&mut stream, FRAMED, None, "slow", TWO);
    assert_eq!(kind, ReplyKind::Exception);
    let error = error_of(Protocol::Binary, &body);
    assert!(error.text.contains("closed the connection"), "{error}");
    assert_eq!(left.recv().unwrap(), "slow");
    // The same for a method that may be done twice: another instance does it.
    let (answerer, _) = provider(FRAMED, Does::Answers(FORTY_TWO));
    register(&thrift, "answerer", answerer).await;
    for _ in 0..20 {
        let reply = call(&mut stream, FRAMED, None, "again", TWO);
        assert_eq!(reply, (ReplyKind::Reply, FORTY_TWO.to_vec()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_does_not_come_in_time_is_given_up() {
    let config = ThriftConfig {
        call_timeout_ms: 100,
        ..ThriftConfig::default()
    };
    let (thrift, _) = start(config);
    let (sleeper, asleep) = provider(FRAMED, Does::Sleeps);
    register(&thrift, "sleeper", sleeper).await;
    let mut stream = connect(&thrift);
    let (kind, body) = call(&mut stream, FRAMED, None, "slow", TWO);
    assert_eq!(kind, ReplyKind::Exception);
    let error = error_of(Protocol::Binary, &body);
    assert!(error.text.contains("no reply came within"), "{error}");
    assert_eq!(asleep.recv().unwrap(), "slow");
    let called = thrift.instance(&id("sleeper")).unwrap();
    assert_eq!((called.pending, called.failures), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_breaks_the_contract_is_not_handed_on() {
    let (thrift, _) = start(ThriftConfig::default());
    // A string that is longer than the message.
    let (liar, _) = provider(
        FRAMED,
        Does::Answers(b"\x0c\x00\x01\x0b\x00\x01\x7f\xff\xff\xff\x00\x00"),
    );
    register(&thrift, "liar", liar).await;
    let mut stream = connect(&thrift);
    let (kind, body) = call(&mut stream, FRAMED, None, "add", TWO_AND_FORTY);
    assert_eq!(kind, ReplyKind::Exception);
    let error = error_of(Protocol::Binary, &body);
    assert!(error.text.contains("no reply"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_way_calls_are_sent() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, told) = provider(FRAMED, Does::Sleeps);
    register(&thrift, "quiet", address).await;
    let mut stream = connect(&thrift);
    let mut client = Client::new(FRAMED, None, Limits::default());
    client
        .call_raw(1, "note", true, &[], b"\x0b\0\x01\0\0\0\x02hi\0")
        .unwrap();
    send(&mut stream, &mut client);
    assert_eq!(told.recv().unwrap(), "note");
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "there is no answer");
}

/// Go's library sends one-way methods as calls, and reads the next answer as that of its next call.
#[tokio::test(flavor = "multi_thread")]
async fn a_one_way_method_that_is_called_is_not_answered() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, told) = provider(FRAMED, Does::Answers(FORTY_TWO));
    register(&thrift, "a", address).await;
    let mut stream = connect(&thrift);
    let mut client = Client::new(FRAMED, None, Limits::default()).with_window(2);
    client
        .call_raw(1, "note", false, &[], b"\x0b\0\x01\0\0\0\x02hi\0")
        .unwrap();
    send(&mut stream, &mut client);
    assert_eq!(told.recv().unwrap(), "note");
    for multiplex in [None, Some("math/calc"), Some("Calculator"), Some("Base")] {
        let reply = call(&mut stream, FRAMED, multiplex, "inherited", TWO);
        assert_eq!(
            reply,
            (ReplyKind::Reply, FORTY_TWO.to_vec()),
            "{multiplex:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_in_order_whoever_is_first() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, _) = provider(FRAMED, Does::Answers(FORTY_TWO));
    register(&thrift, "a", address).await;
    let mut stream = connect(&thrift);
    let mut client = Client::new(FRAMED, None, Limits::default()).with_window(40);
    for token in 0..40 {
        // Those of the mirror are answered before the others.
        let (method, arguments) = match token % 2 {
            0 => ("add", TWO_AND_FORTY),
            _ => ("echo", &b"\x0c\0\x01\0\0"[..]),
        };
        client
            .call_raw(token, method, false, &[], arguments)
            .unwrap();
    }
    send(&mut stream, &mut client);
    let mut input = Vec::new();
    let mut block = [0; 4_096];
    let mut next = 0;
    while next < 40 {
        let bytes = stream.read(&mut block).unwrap();
        input.extend_from_slice(&block[..bytes]);
        let mut rest = &input[..];
        while let Some(event) = client.poll_reply(&mut rest) {
            let ClientEvent::Reply(reply) = event else {
                panic!("{event:?}");
            };
            assert_eq!((reply.token, reply.kind), (next, ReplyKind::Reply));
            next += 1;
        }
        let taken = input.len() - rest.len();
        input.drain(..taken);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_are_handed_over_and_nonsense_is_closed() {
    let (thrift, handed) = start(ThriftConfig::default());
    for (first, expected) in [
        (&b"GET / HTTP/1.1\r\n"[..], Handed::Http),
        (b"POST /x HTTP/1.1\r\n", Handed::Http),
        (b"AMQP\x00\x00\x09\x01", Handed::Amqp),
    ] {
        let mut stream = connect(&thrift);
        stream.write_all(first).unwrap();
        let handed = handed.recv_timeout(Duration::from_secs(30)).unwrap();
        assert_eq!(handed.speaks, expected);
        assert!(matches!(handed.stream, HandedStream::Tcp(_)));
    }
    let mut stream = connect(&thrift);
    stream.write_all(b"\xff\xff\xff\xff").unwrap();
    assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_says_how_it_is_and_what_it_is() {
    let (thrift, _) = start(ThriftConfig::default());
    let mut stream = connect(&thrift);
    let compact = Dialect::new(Transport::Framed, Protocol::Compact);
    for (multiplex, method, part) in [
        (Some("Meta"), "health", &b""[..]),
        (Some("math/calc:1"), "health", b"has no instances"),
        (Some("math/calc"), "thriftIDL", b"service Calculator"),
        (None, "thriftIDL", b"service Meta"),
    ] {
        let (kind, body) = call(&mut stream, compact, multiplex, method, b"\0");
        assert_eq!(kind, ReplyKind::Reply, "{method}");
        let has = part.is_empty() || body.windows(part.len()).any(|bytes| bytes == part);
        assert!(
            has,
            "{multiplex:?} {method}: {}",
            String::from_utf8_lossy(&body)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_in_this_process_get_replies_and_reasons() {
    let (thrift, _) = start(ThriftConfig::default());
    let request = "math/calc:1".parse().unwrap();
    let target = thrift.target(&request, "add").unwrap();
    let add = || Call {
        target: Arc::clone(&target),
        name: None,
        protocol: Protocol::Binary,
        arguments: TWO_AND_FORTY.to_vec(),
        context: Context::default(),
    };
    let failure = thrift.call(add()).await.unwrap_err();
    assert!(
        matches!(failure, CallFailure::NoProvider { .. }),
        "{failure}"
    );
    let (address, _) = provider(FRAMED, Does::Answers(FORTY_TWO));
    register(&thrift, "a", address).await;
    let reply = thrift.call(add()).await.unwrap().unwrap();
    assert_eq!(reply.body, FORTY_TWO);
    thrift.stop(Duration::from_secs(5)).await;
    let failure = thrift.call(add()).await;
    assert!(failure.is_err() || failure.is_ok_and(|reply| reply.is_none()));
}

/// Until all callers are gone.
async fn until_nobody_is_there(thrift: &Thrift) {
    let mut every = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..6_000 {
        every.tick().await;
        if thrift.shared.connections.load(Ordering::Acquire) == 0 {
            return;
        }
    }
    panic!("{:?}", thrift.shared.connections);
}

/// What was sent last and the end come at once, and the system tells of both only once.
#[tokio::test(flavor = "multi_thread")]
async fn callers_that_leave_with_their_last_word_are_forgotten() {
    let (thrift, _) = start(ThriftConfig::default());
    let (address, _told) = provider(FRAMED, Does::Sleeps);
    register(&thrift, "a", address).await;
    for _ in 0..200 {
        let mut stream = connect(&thrift);
        let mut client = Client::new(FRAMED, None, Limits::default());
        client
            .call_raw(1, "note", true, &[], b"\x0b\0\x01\0\0\0\x02hi\0")
            .unwrap();
        send(&mut stream, &mut client);
    }
    until_nobody_is_there(&thrift).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_leave_with_their_answer_are_not_called_on_that_connection() {
    let (thrift, _) = start(ThriftConfig::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (closed, closings) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let closed = closed.clone();
            thread::spawn(move || {
                let mut server = Server::new(Limits::default());
                let mut input = Vec::new();
                let mut block = [0; 4_096];
                loop {
                    let bytes = stream.read(&mut block).unwrap_or(0);
                    if bytes == 0 {
                        return;
                    }
                    input.extend_from_slice(&block[..bytes]);
                    let mut rest = &input[..];
                    let Some(ServerEvent::Request(request)) = server.poll_request(&mut rest) else {
                        continue;
                    };
                    let is_check = request.header.name == "getName";
                    server.reply_raw(request.id.unwrap(), ReplyKind::Reply, &[], FORTY_TWO);
                    let mut output = Vec::new();
                    server.take_output(&mut output);
                    stream.write_all(&output).unwrap();
                    stream.shutdown(Shutdown::Write).unwrap();
                    let end = stream.read(&mut block);
                    if !is_check {
                        closed.send(matches!(end, Ok(0))).unwrap();
                    }
                    return;
                }
            });
        }
    });
    register(&thrift, "a", address).await;
    let mut stream = connect(&thrift);
    for _ in 0..100 {
        let reply = call(&mut stream, FRAMED, None, "slow", TWO);
        assert_eq!(reply, (ReplyKind::Reply, FORTY_TWO.to_vec()));
        assert!(closings.recv_timeout(Duration::from_secs(30)).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_come_in_pieces() {
    let (thrift, _) = start(ThriftConfig::default());
    let size = 10_u32 << 20;
    // A payload of so many bytes of data.
    let mut payload = b"\x0b\0\x02".to_vec();
    payload.extend_from_slice(&size.to_be_bytes());
    payload.resize(payload.len() + size as usize, 7);
    payload.extend_from_slice(b"\0\0");
    let arguments = [b"\x0c\0\x01", &payload[..]].concat();
    let expected = [b"\x0c\0\0", &payload[..]].concat();
    for transport in [Transport::Framed, Transport::Buffered] {
        let dialect = Dialect::new(transport, Protocol::Binary);
        let (kind, body) = call(&mut connect(&thrift), dialect, None, "echo", &arguments);
        assert_eq!(kind, ReplyKind::Reply);
        assert!(body == expected, "{transport}");
    }
}
