//! The same over real connections: what hyper and the serving loop add.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use crate::rig::Api;

struct Served {
    api: Api,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Served {
    async fn start() -> Self {
        let api = Api::start_with(|config| config.json_max = 1_000).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async { drop(stopped.await) };
        let serving = tokio::spawn(trefoil_gateway::serve(
            listener,
            Arc::clone(&api.node),
            shutdown,
        ));
        Self {
            api,
            address,
            stop: Some(stop),
            serving,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that comes until the platform closes.
    async fn talk(&self, text: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes));
    read.await.expect("the platform closes").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// One answer of a connection that stays open; its length is told.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 1_024];
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut piece))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0, "closed after {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}

#[tokio::test]
async fn requests_follow_each_other_on_a_connection() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200 OK"));
    }
    let body = json!({"value": "over the wire"}).to_string();
    let head =
        "POST /v1/call/trefoil/echo/run HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
    stream
        .write_all(format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes())
        .await
        .unwrap();
    assert!(answer(&mut stream).await.ends_with(&body));
}

#[tokio::test]
async fn bad_http_and_large_heads_are_refused() {
    let served = Served::start().await;
    assert!(
        served
            .talk("NONSENSE\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400")
    );
    let large = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(100_000)
    );
    let refused = served.talk(&large).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn large_bodies_are_cut_off() {
    let served = Served::start().await;
    let head = "POST /v1/jobs HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
    let told = served
        .talk(&format!("{head}content-length: 5000000000\r\n\r\n"))
        .await;
    assert!(told.starts_with("HTTP/1.1 413"), "{told}");
    let chunk = format!("258\r\n{}\r\n", " ".repeat(0x258));
    let chunked = served
        .talk(&format!(
            "{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
        ))
        .await;
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
    assert!(chunked.contains("body-too-large"));
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_take_its_job_along() {
    let served = Served::start().await;
    served.api.publish_stuck().await;
    let mut stream = served.connect().await;
    let head = "POST /v1/call/test/stuck/run HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2";
    stream
        .write_all(format!("{head}\r\n\r\n{{}}").as_bytes())
        .await
        .unwrap();
    let job = loop {
        let page = served.api.get("/v1/jobs").await.json();
        if let Some(job) = page["items"].get(0) {
            break job["id"].as_str().unwrap().to_owned();
        }
        tokio::task::yield_now().await;
    };
    drop(stream);
    // Drained at once: the request went with its connection, nothing waits for the job.
    drop(served.stop);
    tokio::time::timeout(Duration::from_secs(30), served.serving)
        .await
        .expect("nothing is left")
        .unwrap()
        .unwrap();
    let job = served
        .api
        .get(&format!("/v1/jobs/{job}"))
        .await
        .expect(200)
        .json();
    assert_eq!(job["state"], "queued");
}

#[tokio::test]
async fn shutting_down_answers_what_was_asked_and_closes_the_rest() {
    let mut served = Served::start().await;
    served.api.publish_stuck().await;
    let mut idle = served.connect().await;
    idle.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    answer(&mut idle).await;
    let job = served.api.submit(json!({"service": "test/stuck"})).await;
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let mut busy = served.connect().await;
    busy.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nprefer: wait=30\r\n\r\n").as_bytes())
        .await
        .unwrap();
    // The busy connection has been accepted once a later one has been answered.
    let mut later = served.connect().await;
    later
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    answer(&mut later).await;

    drop(served.stop.take());
    assert_eq!(rest(&mut idle).await, "");
    assert!(!served.serving.is_finished());
    served
        .api
        .request("POST", &format!("{path}:cancel"), &[], "")
        .await
        .expect(200);
    let last = rest(&mut busy).await;
    assert!(last.contains("\"canceled\""), "{last}");
    tokio::time::timeout(Duration::from_secs(30), served.serving)
        .await
        .expect("it returns")
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}
