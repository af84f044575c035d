//! Instances that are not just a TCP port: unix sockets, TLS, HTTP.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::net::UnixListener,
};

use rustls::{ServerConnection, StreamOwned};
use trefoil_director::{ThriftTls, ThriftTransport};

use super::{tls::Authority, *};

/// Calls `add` a few times, and `note` in between.
pub(super) fn check_calls(thrift: &Thrift, told: &mpsc::Receiver<String>) {
    let mut stream = connect(thrift);
    for _ in 0..3 {
        let mut client = Client::new(FRAMED, None, Limits::default());
        let note = b"\x0b\x00\x01\x00\x00\x00\x02hi\x00";
        client.call_raw(1, "note", true, &[], note).unwrap();
        let mut output = Vec::new();
        client.take_output(&mut output);
        stream.write_all(&output).unwrap();
        assert_eq!(told.recv().unwrap(), "note");
        let reply = call(&mut stream, FRAMED, None, "add", TWO_AND_FORTY);
        assert_eq!(reply, (ReplyKind::Reply, FORTY_TWO.to_vec()));
        assert_eq!(told.recv().unwrap(), "add");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_on_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("provider.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let tell = tell.clone();
            let stream = stream.unwrap();
            thread::spawn(move || serve(stream, FRAMED, Does::Answers(FORTY_TWO), &tell));
        }
    });
    let (thrift, _) = start(ThriftConfig::default());
    let address = format!("unix:{}", path.display());
    register_as(&thrift, "a", address, ThriftProvider::default());
    until(&thrift, "a", |view| view.state == InstanceState::Healthy).await;
    check_calls(&thrift, &told);
    thrift.stop(Duration::from_secs(5)).await;
}

/// A provider with a certificate that has `common_name` in its subject and is for the host `name`.
fn provider_with_tls(
    authority: &Authority,
    common_name: &str,
    name: &str,
) -> (SocketAddr, mpsc::Receiver<String>) {
    provider_with(authority.server(common_name, name))
}

fn provider_with(config: Arc<rustls::ServerConfig>) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = StreamOwned::new(connection, stream.unwrap());
            let tell = tell.clone();
            thread::spawn(move || serve(stream, FRAMED, Does::Answers(FORTY_TWO), &tell));
        }
    });
    (address, told)
}

fn with_tls(authority: &Authority, name: Option<&str>) -> ThriftProvider {
    ThriftProvider {
        tls: Some(ThriftTls {
            ca: Some(authority.file().display().to_string()),
            name: name.map(ToOwned::to_owned),
            ..ThriftTls::default()
        }),
        ..ThriftProvider::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_tls() {
    let authority = Authority::new();
    for (host, said) in [("127.0.0.1", None), ("calc.test", Some("calc.test"))] {
        let (thrift, _) = start(ThriftConfig::default());
        let (address, told) = provider_with_tls(&authority, "provider", host);
        let speaks = with_tls(&authority, said);
        register_as(&thrift, "a", address.to_string(), speaks);
        until(&thrift, "a", |view| view.state == InstanceState::Healthy).await;
        check_calls(&thrift, &told);
        thrift.stop(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_asks_for_a_certificate_is_shown_one() {
    let (authority, callers) = (Authority::new(), Authority::new());
    let config = authority.server_for("provider", "127.0.0.1", Some(&callers));
    let (address, told) = provider_with(config);
    let (thrift, _) = start(ThriftConfig::default());
    // Without one, or with that of somebody else, nothing is said.
    let (certificate, key) = authority.shown("platform");
    let text = |path: &Path| Some(path.display().to_string());
    let mut strange = with_tls(&authority, None);
    if let Some(tls) = &mut strange.tls {
        (tls.certificate, tls.key) = (text(&certificate), text(&key));
    }
    for (name, speaks) in [
        ("without", with_tls(&authority, None)),
        ("strange", strange),
    ] {
        register_as(&thrift, name, address.to_string(), speaks);
        until(&thrift, name, |view| {
            assert_ne!(view.state, InstanceState::Healthy);
            !view.reason.contains("no check has passed yet")
        })
        .await;
    }
    let (certificate, key) = callers.shown("platform");
    let mut speaks = with_tls(&authority, None);
    if let Some(tls) = &mut speaks.tls {
        (tls.certificate, tls.key) = (text(&certificate), text(&key));
    }
    register_as(&thrift, "known", address.to_string(), speaks.clone());
    until(&thrift, "known", |view| {
        view.state == InstanceState::Healthy
    })
    .await;
    check_calls(&thrift, &told);
    // A key of another certificate is said to be one.
    if let Some(tls) = &mut speaks.tls {
        tls.key = text(&authority.shown("other").1);
    }
    register_as(&thrift, "mixed", address.to_string(), speaks);
    until(&thrift, "mixed", |view| {
        view.reason.contains("its key cannot be used")
    })
    .await;
    thrift.stop(Duration::from_secs(5)).await;
}

/// CVE-2026-43869: a good certificate of somebody else is no proof.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_with_the_certificate_of_somebody_else_is_not_believed() {
    let authority = Authority::new();
    let (thrift, _) = start(ThriftConfig::default());
    // The common name is not what counts.
    let (address, _told) = provider_with_tls(&authority, "127.0.0.1", "elsewhere.test");
    let speaks = with_tls(&authority, None);
    register_as(&thrift, "a", address.to_string(), speaks);
    until(&thrift, "a", |view| {
        assert_ne!(view.state, InstanceState::Healthy);
        view.reason.contains("not valid for name")
    })
    .await;
    // Nor is the right name by an authority that is not believed.
    let strangers = Authority::new();
    let (address, _told) = provider_with_tls(&strangers, "127.0.0.1", "127.0.0.1");
    let speaks = with_tls(&authority, None);
    register_as(&thrift, "b", address.to_string(), speaks);
    until(&thrift, "b", |view| {
        assert_ne!(view.state, InstanceState::Healthy);
        view.reason.contains("invalid peer certificate")
    })
    .await;
    // Nor is it spoken to without TLS because it has none.
    let (address, _told) = provider(FRAMED, Does::Answers(FORTY_TWO));
    let speaks = with_tls(&authority, None);
    register_as(&thrift, "c", address.to_string(), speaks);
    until(&thrift, "c", |view| {
        assert_ne!(view.state, InstanceState::Healthy);
        view.reason.starts_with(&address.to_string()) || view.reason.contains("in time")
    })
    .await;
    let (kind, _) = call(&mut connect(&thrift), FRAMED, None, "add", TWO_AND_FORTY);
    assert_eq!(kind, ReplyKind::Exception);
    thrift.stop(Duration::from_secs(5)).await;
}

/// Serves requests at `/calc`, and as old servers do: without a length, and closing after each.
fn serve_http(stream: TcpStream, is_old: bool, tell: &mpsc::Sender<String>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut size = 0;
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        assert_eq!(line, "POST /calc HTTP/1.1\r\n");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
            if let Some(text) = line.strip_prefix("Content-Length: ") {
                size = text.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; size];
        reader.read_exact(&mut body).unwrap();
        let mut server = Server::new(Limits::default());
        let mut input = &body[..];
        let Some(ServerEvent::Request(request)) = server.poll_request(&mut input) else {
            panic!("{body:?}");
        };
        let name = request.header.name.to_string();
        let mut output = Vec::new();
        if let Some(id) = request.id {
            if name == "getName" {
                let unknown = ApplicationError::new(ApplicationErrorKind::UnknownMethod, "?");
                server.reply_error(id, &unknown);
            } else {
                server.reply_raw(id, ReplyKind::Reply, &[], FORTY_TWO);
            }
            server.take_output(&mut output);
            if name == "slow" {
                // The message is cut off, the response is not.
                output.truncate(output.len() - 4);
            }
        }
        if name != "getName" {
            let _ = tell.send(name);
        }
        let mut answer = if is_old {
            b"HTTP/1.0 200 OK\r\n\r\n".to_vec()
        } else {
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                output.len()
            )
            .into_bytes()
        };
        answer.extend_from_slice(&output);
        if writer.write_all(&answer).is_err() || is_old {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_speaks_http() {
    for is_old in [false, true] {
        let (address, told) =
            super::provider_with(move |stream, tell| serve_http(stream, is_old, tell));
        let (thrift, _) = start(ThriftConfig::default());
        let speaks = ThriftProvider {
            transport: Some(ThriftTransport::Http),
            ..ThriftProvider::default()
        };
        register_as(&thrift, "a", format!("http://{address}/calc"), speaks);
        until(&thrift, "a", |view| view.state == InstanceState::Healthy).await;
        check_calls(&thrift, &told);
        let (kind, body) = call(&mut connect(&thrift), FRAMED, None, "slow", TWO);
        assert_eq!(kind, ReplyKind::Exception);
        let error = error_of(Protocol::Binary, &body);
        assert!(error.text.contains("no reply"), "{error}");
        thrift.stop(Duration::from_secs(5)).await;
    }
}
