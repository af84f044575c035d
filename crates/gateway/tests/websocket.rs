//! AMQP over WebSocket as a browser does it: over a real connection, to a real broker.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use trefoil_amqp::{Method, MethodId, Properties, TableRef, method, testing::Client};
use trefoil_server::amqp::{Amqp, AmqpConfig, Listeners};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// The example of RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

struct Served {
    amqp: Amqp,
    address: SocketAddr,
    serving: JoinHandle<std::io::Result<()>>,
    _directory: TempDir,
}

impl Served {
    async fn start(origins: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = AmqpConfig {
            memory_high: 0,
            disk_free_min: 0,
            ..AmqpConfig::new(directory.path().to_owned())
        };
        let amqp = Amqp::open(config, Listeners::default()).unwrap();
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let router = trefoil_gateway::amqp_websocket(amqp.clone(), origins);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(trefoil_gateway::serve_router(
            listener,
            router,
            std::future::pending(),
        ));
        Self {
            amqp,
            address,
            serving,
            _directory: directory,
        }
    }

    /// The head of the answer to an upgrade with these lines more, and the connection.
    async fn upgrade(&self, more: &[String]) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!(
            "GET /amqp HTTP/1.1\r\nHost: {}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n",
            self.address
        );
        for line in more {
            request.push_str(line);
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (String::from_utf8(head).unwrap().to_lowercase(), stream)
    }

    async fn status(&self, more: &[String]) -> String {
        let (head, _) = self.upgrade(more).await;
        head.split(' ').nth(1).unwrap().to_owned()
    }

    async fn until_connections(&self, count: usize) {
        let all = async {
            while self.amqp.connections() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap();
    }

    async fn stop(self) {
        tokio::task::spawn_blocking(move || self.amqp.stop(Duration::ZERO))
            .await
            .unwrap();
        self.serving.abort();
    }
}

/// The next method that the server sends.
async fn expect(
    socket: &mut WebSocketStream<TcpStream>,
    script: &mut Client,
    id: MethodId,
) -> Vec<u8> {
    loop {
        if let Some(received) = script.next() {
            assert_eq!(received.id(), id, "{:?}", received.method());
            return received.body().unwrap_or_default().to_vec();
        }
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
        match message.unwrap().unwrap() {
            Message::Binary(bytes) => script.receive(&bytes),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_browser_publishes_and_consumes() {
    let served = Served::start(&[]).await;
    let own = format!("Origin: http://{}", served.address);
    let protocol = "Sec-WebSocket-Protocol: mqtt, amqp".to_owned();
    let (head, stream) = served.upgrade(&[own, protocol]).await;
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    let accept = format!("sec-websocket-accept: {}", ACCEPT.to_lowercase());
    assert!(head.contains(&accept), "{head}");
    assert!(head.contains("sec-websocket-protocol: amqp"), "{head}");

    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
    let mut script = Client::new();
    script.handshake("/", "guest", "guest");
    script.open_channel(1);
    let declare = method::queue::Declare {
        ticket: 0,
        queue: "q",
        passive: false,
        durable: false,
        exclusive: true,
        auto_delete: false,
        no_wait: true,
        arguments: TableRef::EMPTY,
    };
    script.send(1, &Method::QueueDeclare(declare));
    let consume = method::basic::Consume {
        ticket: 0,
        queue: "q",
        consumer_tag: "",
        no_local: false,
        no_ack: true,
        exclusive: false,
        no_wait: false,
        arguments: TableRef::EMPTY,
    };
    script.send(1, &Method::BasicConsume(consume));
    script.publish(1, "", "q", &Properties::default(), &[9; 300_000]);
    // Cut anywhere.
    for piece in script.take_output().chunks(50_001) {
        socket.send(Message::binary(piece.to_vec())).await.unwrap();
    }
    for id in [
        MethodId::CONNECTION_START,
        MethodId::CONNECTION_TUNE,
        MethodId::CONNECTION_OPEN_OK,
        MethodId::CHANNEL_OPEN_OK,
        MethodId::BASIC_CONSUME_OK,
    ] {
        expect(&mut socket, &mut script, id).await;
    }
    let body = expect(&mut socket, &mut script, MethodId::BASIC_DELIVER).await;
    assert_eq!(body, [9; 300_000]);
    assert_eq!(served.amqp.connections(), 1);
    socket.close(None).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
    served.until_connections(0).await;
    served.stop().await;
}

#[tokio::test]
async fn text_is_no_amqp_and_a_broker_that_stops_says_goodbye() {
    let served = Served::start(&[]).await;
    for stop in [false, true] {
        let (_, stream) = served.upgrade(&[]).await;
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        served.until_connections(1).await;
        if stop {
            break;
        }
        socket.send(Message::text("AMQP")).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, socket.next()).await.unwrap();
        match answer.unwrap().unwrap() {
            Message::Close(Some(close)) => assert_eq!(u16::from(close.code), 1003),
            other => panic!("{other:?}"),
        }
        drop(socket);
        served.until_connections(0).await;
    }
    served.stop().await;
}

#[tokio::test]
async fn pages_of_others_are_refused() {
    let served = Served::start(&["https://tools.example"]).await;
    let origin = |text: &str| vec![format!("Origin: {text}")];
    assert_eq!(served.status(&origin("https://evil.example")).await, "403");
    assert_eq!(served.status(&origin("null")).await, "403");
    assert_eq!(served.status(&origin("https://tools.example")).await, "101");
    assert_eq!(served.status(&[]).await, "101");
    served.stop().await;
    let served = Served::start(&["*"]).await;
    assert_eq!(served.status(&origin("https://evil.example")).await, "101");
    served.stop().await;
}

#[tokio::test]
async fn handshakes_that_are_none_are_refused() {
    let served = Served::start(&[]).await;
    let other = "Sec-WebSocket-Protocol: mqtt".to_owned();
    assert_eq!(served.status(&[other]).await, "400");
    let check = async |request: String, status: &str| {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        answer.to_lowercase()
    };
    let get = "GET /amqp HTTP/1.1\r\nHost: x\r\n";
    let answer = check(format!("{get}Connection: close\r\n\r\n"), "426").await;
    assert!(answer.contains("upgrade: websocket"), "{answer}");
    let upgrade = format!("{get}Connection: upgrade, close\r\nUpgrade: websocket\r\n");
    let answer = check(format!("{upgrade}Sec-WebSocket-Version: 8\r\n\r\n"), "400").await;
    assert!(answer.contains("sec-websocket-version: 13"), "{answer}");
    check(
        format!("{upgrade}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n\r\n"),
        "400",
    )
    .await;
    served.until_connections(0).await;
    served.stop().await;
}
