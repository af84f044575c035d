//! Instances that speak zlib or WebSocket.

use std::io::{BufRead as _, BufReader};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha1::{Digest as _, Sha1};
use trefoil_director::{ThriftProtocol, ThriftTransport};

use super::{providers::check_calls, *};

/// The server's side of a WebSocket: what is in frames, as if there were none.
struct Frames {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    /// What was in a frame and not read.
    rest: Vec<u8>,
}

impl Frames {
    /// Answers a handshake.
    fn accept(stream: TcpStream) -> Self {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        let (mut line, mut key) = (String::new(), String::new());
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "GET /calc HTTP/1.1\r\n");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if let Some(text) = line.strip_prefix("Sec-WebSocket-Key: ") {
                key = text.trim().to_owned();
            }
        }
        let digest = Sha1::new()
            .chain_update(key)
            .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
            .finalize();
        let accept = BASE64_STANDARD.encode(digest);
        let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
        let head = format!("{head}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
        // A ping comes with it.
        writer.write_all(head.as_bytes()).unwrap();
        writer.write_all(b"\x89\x02hi").unwrap();
        Self {
            reader,
            writer,
            rest: Vec::new(),
        }
    }
}

impl io::Read for Frames {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let mut head = [0; 2];
            if self.reader.read(&mut head[..1])? == 0 {
                return Ok(0);
            }
            self.reader.read_exact(&mut head[1..])?;
            assert!(head[1] & 0x80 != 0, "a client masks what it says");
            let mut size = [0; 2];
            let size = match head[1] & 0x7f {
                126 => {
                    self.reader.read_exact(&mut size)?;
                    usize::from(u16::from_be_bytes(size))
                }
                size => usize::from(size),
            };
            let mut mask = [0; 4];
            self.reader.read_exact(&mut mask)?;
            let mut payload = vec![0; size];
            self.reader.read_exact(&mut payload)?;
            let mask = mask.iter().cycle();
            payload
                .iter_mut()
                .zip(mask)
                .for_each(|(byte, mask)| *byte ^= mask);
            match head[0] {
                0x82 => self.rest = payload,
                0x8a => assert_eq!(payload, b"hi"),
                0x88 => return Ok(0),
                other => panic!("a frame begins with {other:02x}"),
            }
        }
        let size = into.len().min(self.rest.len());
        into[..size].copy_from_slice(&self.rest[..size]);
        self.rest.drain(..size);
        Ok(size)
    }
}

impl io::Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A message in two frames, if there are two bytes.
        let (one, two) = bytes.split_at(bytes.len() / 2);
        for (first, piece) in [(0x02, one), (0x80, two)] {
            self.writer.write_all(&[first, piece.len() as u8])?;
            self.writer.write_all(piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_speaks_websocket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let tell = tell.clone();
            let dialect = Dialect::new(Transport::Buffered, Protocol::Binary);
            thread::spawn(move || {
                let frames = Frames::accept(stream.unwrap());
                serve(frames, dialect, Does::Answers(FORTY_TWO), &tell);
            });
        }
    });
    let (thrift, _) = start(ThriftConfig::default());
    let speaks = ThriftProvider::default();
    register_as(&thrift, "a", format!("ws://{address}/calc"), speaks);
    until(&thrift, "a", |view| view.state == InstanceState::Healthy).await;
    check_calls(&thrift, &told);
    thrift.stop(Duration::from_secs(5)).await;
}

/// An instance that answers the check, and then nobody's handshake: its calls were not begun, and may go elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn calls_leave_an_instance_whose_handshake_stalls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, _told) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let dialect = Dialect::new(Transport::Buffered, Protocol::Binary);
        serve(Frames::accept(stream), dialect, Does::Sleeps, &tell);
        let silent: Vec<_> = listener.incoming().collect();
        drop(silent);
    });
    let config = ThriftConfig {
        connect_timeout_ms: 50,
        ..ThriftConfig::default()
    };
    let (thrift, _) = start(config);
    let speaks = ThriftProvider {
        protocol: Some(ThriftProtocol::Binary),
        ..ThriftProvider::default()
    };
    register_as(&thrift, "a", format!("ws://{address}/calc"), speaks);
    until(&thrift, "a", |view| view.state == InstanceState::Healthy).await;
    let (kind, body) = call(&mut connect(&thrift), FRAMED, None, "add", TWO_AND_FORTY);
    assert_eq!(kind, ReplyKind::Exception);
    let error = error_of(Protocol::Binary, &body);
    assert!(error.text.contains("in time"), "{error}");
    thrift.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_speaks_zlib() {
    for protocol in [Protocol::Binary, Protocol::Compact, Protocol::Json] {
        let dialect = Dialect::new(Transport::Buffered, protocol).zlib();
        let body: &[u8] = match protocol {
            Protocol::Json => br#"{"0":{"i64":42}}"#,
            Protocol::Compact => b"\x06\x00\x54\x00",
            Protocol::Binary | Protocol::BinaryOld => FORTY_TWO,
        };
        let (address, told) = provider(dialect, Does::Answers(body));
        let (thrift, _) = start(ThriftConfig::default());
        let speaks = ThriftProvider {
            transport: Some(ThriftTransport::Zlib),
            ..ThriftProvider::default()
        };
        register_as(&thrift, "a", address.to_string(), speaks);
        until(&thrift, "a", |view| view.state == InstanceState::Healthy).await;
        check_calls(&thrift, &told);
        thrift.stop(Duration::from_secs(5)).await;
    }
}
