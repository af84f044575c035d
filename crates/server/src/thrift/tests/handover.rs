//! What speaks something else: it arrives whole with who speaks it, within TLS and over unix sockets, and in time.

use std::os::unix::net::UnixStream;

use super::{tls::Authority, *};

/// More than all buffers on the way hold.
const LARGE: usize = 10 << 20;

/// Serves a connection as an old server does: takes all until the end, then says as much, and ends.
async fn serve_handed(handed: HandedOver, expected: Handed) {
    assert_eq!(handed.speaks, expected);
    assert!(handed.peer.ip().is_loopback() && handed.local.ip().is_loopback());
    let served = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        let mut answer = |mut stream: Box<dyn Both>| {
            stream.read_to_end(&mut all).unwrap();
            stream.write_all(&all).unwrap();
        };
        match handed.stream {
            HandedStream::Tcp(stream) => {
                stream.set_nonblocking(false).unwrap();
                answer(Box::new(stream));
            }
            HandedStream::Unix(stream) => {
                stream.set_nonblocking(false).unwrap();
                answer(Box::new(stream));
            }
        }
    });
    served.await.unwrap();
    if let Some(carrier) = handed.carrier {
        carrier.await.unwrap();
    }
}

trait Both: io::Read + io::Write {}
impl<S: io::Read + io::Write> Both for S {}

fn message(first: &[u8], size: usize) -> Vec<u8> {
    let mut message = first.to_vec();
    message.extend((0..size).map(|at| (at % 251) as u8));
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_amqp_arrive_within_tls() {
    let authority = Authority::new();
    let config = ThriftConfig {
        tls: Some(authority.files(true)),
        ..ThriftConfig::default()
    };
    let (thrift, handed) = start(config);
    for (first, expected) in [
        (&b"POST /x HTTP/1.1\r\n"[..], Handed::Http),
        (b"AMQP\x00\x00\x09\x01", Handed::Amqp),
    ] {
        for size in [0, 1, LARGE] {
            let mut stream = authority.connect(&thrift, Some(&authority));
            let message = message(first, size);
            let expect = message.clone();
            let client = thread::spawn(move || {
                stream.write_all(&message).unwrap();
                // It says all it has to say, and goes on listening.
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                let mut answer = Vec::new();
                stream.read_to_end(&mut answer).unwrap();
                answer
            });
            let handed = handed.recv_timeout(Duration::from_secs(30)).unwrap();
            serve_handed(handed, expected).await;
            assert!(client.join().unwrap() == expect, "{expected:?} {size}");
        }
    }
    thrift.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_within_tls_ends_with_who_serves_it_and_with_who_made_it() {
    let authority = Authority::new();
    let config = ThriftConfig {
        tls: Some(authority.files(false)),
        ..ThriftConfig::default()
    };
    let (thrift, handed) = start(config);
    let connect = || {
        let mut stream = authority.connect(&thrift, None);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let handed = handed.recv_timeout(Duration::from_secs(30)).unwrap();
        (stream, handed)
    };
    // Nothing of what was sent is read.
    let (mut stream, served) = connect();
    drop(served.stream);
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
    drop(stream);
    served.carrier.unwrap().await.unwrap();
    let (stream, served) = connect();
    drop(stream);
    let HandedStream::Unix(mut inner) = served.stream else {
        panic!("it is carried");
    };
    inner.set_nonblocking(false).unwrap();
    let mut all = Vec::new();
    inner.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"GET / HTTP/1.1\r\n\r\n");
    drop(inner);
    served.carrier.unwrap().await.unwrap();
    thrift.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_and_amqp_arrive_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("thrift.sock");
    let (hand, handed) = mpsc::channel();
    let hand_over: HandOver = Box::new(move |handed| hand.send(handed).unwrap());
    let config = ThriftConfig {
        // Nobody can listen in on the way.
        tls_required: true,
        ..ThriftConfig::default()
    };
    let socket = UnixSocket::bind(&path).unwrap();
    let thrift = Thrift::start(config, [socket], Clock::start(), 7, hand_over).unwrap();
    for (first, expected) in [
        (&b"GET / HTTP/1.1\r\n"[..], Handed::Http),
        (b"AMQP\x00\x00\x09\x01", Handed::Amqp),
    ] {
        let mut stream = UnixStream::connect(&path).unwrap();
        let message = message(first, LARGE);
        let expect = message.clone();
        let client = thread::spawn(move || {
            stream.write_all(&message).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            answer
        });
        let handed = handed.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(handed.carrier.is_none());
        serve_handed(handed, expected).await;
        assert!(client.join().unwrap() == expect, "{expected:?}");
    }
    thrift.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_begins_comes_to_the_point_in_time_and_who_is_silent_may_stay() {
    let authority = Authority::new();
    let config = ThriftConfig {
        tls: Some(authority.files(false)),
        handshake_timeout_ms: 200,
        ..ThriftConfig::default()
    };
    let (thrift, _handed) = start(config);
    let mut silent = connect(&thrift);
    let mut within_tls = authority.connect(&thrift, None);
    while within_tls.conn.is_handshaking() {
        within_tls.conn.complete_io(&mut within_tls.sock).unwrap();
    }
    for begun in [
        // A handshake of TLS, the first byte of a message, the length of a frame, and half a word.
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\x80",
        b"\0\0\0\x11",
        b"POS",
    ] {
        let mut stream = connect(&thrift);
        stream.write_all(begun).unwrap();
        let answered = stream.read(&mut [0; 8]);
        assert!(matches!(answered, Ok(0) | Err(_)), "{answered:?}");
    }
    let mut begun = authority.connect(&thrift, None);
    begun.write_all(b"\0\0").unwrap();
    let answered = begun.read(&mut [0; 8]);
    assert!(matches!(answered, Ok(0) | Err(_)), "{answered:?}");
    for stream in [&mut silent as &mut dyn Both, &mut within_tls] {
        let mut stream = stream;
        let (kind, _) = call(&mut stream, FRAMED, None, "nothing", &[0]);
        assert_eq!(kind, ReplyKind::Exception);
    }
    thrift.stop(Duration::from_secs(5)).await;
}
