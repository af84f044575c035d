//! Connections: accepting them, serving them, letting them go.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, http::Request};
use hyper::{
    body::Incoming,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixStream},
    sync::{Notify, Semaphore, mpsc, watch},
    task::JoinSet,
};
use trefoil_server::{
    Node,
    thrift::{HandedOver, HandedStream},
};

/// Connections at a time. Each costs a file descriptor and some buffers; more wait in the backlog of the system.
const CONNECTIONS_MAX: usize = 10_000;
/// A client that does not finish its request line and headers in this time is cut off.
const HEADER_READ_MAX: Duration = Duration::from_secs(30);
/// Bytes of request line and headers together, and the most that is read ahead of a slow handler.
const HEADERS_MAX: usize = 64 << 10;
/// Requests at a time on one HTTP/2 connection.
const STREAMS_MAX: u32 = 256;
/// Pause after a failed accept: mostly too many open files, which only time can change.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the platform API on `listener` until `shutdown` is ready; then accepts nothing more, tells connections to close,
/// and returns when the requests that are under way have been answered.
///
/// # Errors
/// When the address of the listener cannot be read, which is a listener that is no longer one.
///
/// # Cancel safety
/// Dropping the future closes every connection at once: the caller decides how long a drain may take.
pub async fn serve(
    listener: TcpListener,
    node: Arc<Node>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    serve_router(listener, crate::router(node), shutdown).await
}

/// Our end of the connection on which a request came: an extension of it, beside the [`ConnectInfo`] of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalAddress(pub(crate) SocketAddr);

/// The same for any router.
///
/// # Errors
/// As of [`serve`].
///
/// # Cancel safety
/// As of [`serve`].
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening");
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        // The permit comes first: a connection that cannot be served stays with the system.
        let accepted = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            // A permit that is dropped here is free again, and a connection is only taken by a finished accept.
            accepted = accepted => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection =
                    tcp_connection(stream, router.clone(), closing.clone(), HEADER_READ_MAX);
                connections.spawn(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    close.send_replace(true);
    tracing::info!(
        connections = connections.len(),
        "waiting for requests under way"
    );
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Serves connections that were accepted elsewhere, until `shutdown` is ready or there will be none any more.
///
/// # Cancel safety
/// As of [`serve`].
pub async fn serve_streams(
    mut streams: mpsc::Receiver<HandedOver>,
    router: Router,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (close, closing) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => {}
            stream = streams.recv(), if connections.len() < CONNECTIONS_MAX => match stream {
                Some(handed) => {
                    connections.spawn(handed_connection(handed, router.clone(), closing.clone()));
                }
                None => break,
            },
        }
    }
    close.send_replace(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

/// Serves a connection that was accepted elsewhere, and waits for who carries what is said to its other end.
async fn handed_connection(handed: HandedOver, router: Router, closing: watch::Receiver<bool>) {
    let ends = Some((handed.peer, handed.local));
    match handed.stream {
        HandedStream::Tcp(stream) => match TcpStream::from_std(stream) {
            Ok(stream) => tcp_connection(stream, router, closing, HEADER_READ_MAX).await,
            Err(error) => tracing::warn!(%error, "a connection was lost"),
        },
        HandedStream::Unix(stream) => match UnixStream::from_std(stream) {
            Ok(stream) => connection(stream, ends, router, closing, HEADER_READ_MAX).await,
            Err(error) => tracing::warn!(%error, "a connection was lost"),
        },
    }
    if let Some(carrier) = handed.carrier {
        // It says itself what it failed with.
        let _ = carrier.await;
    }
}

/// Serves a connection of a network.
async fn tcp_connection(
    stream: TcpStream,
    router: Router,
    closing: watch::Receiver<bool>,
    patience: Duration,
) {
    // Answers are small and whole: waiting for more of them only adds delay.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "nodelay");
    }
    let ends = stream
        .peer_addr()
        .and_then(|peer| Ok((peer, stream.local_addr()?)));
    connection(stream, ends.ok(), router, closing, patience).await;
}

/// Serves one connection between these ends. One on which no request has come after `patience` is dropped: until then hyper does not know
/// which HTTP it speaks, and has no limit of its own.
async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ends: Option<(SocketAddr, SocketAddr)>,
    router: Router,
    mut closing: watch::Receiver<bool>,
    patience: Duration,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_MAX)
        .max_buf_size(HEADERS_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(HEADER_READ_MAX);
    let first = Arc::new(Notify::new());
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        first.notify_one();
        // Without them, which is when the client is gone already, nobody is taken for a neighbour.
        if let Some((peer, local)) = ends {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.extensions_mut().insert(LocalAddress(local));
        }
        router.call(request)
    });
    let mut connection =
        pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let closed = async {
        // The guard of the value is dropped here, before anything else is awaited.
        let _ = closing.wait_for(|closing| *closing).await;
    };
    let silent = async {
        if tokio::time::timeout(patience, first.notified())
            .await
            .is_ok()
        {
            std::future::pending::<()>().await;
        }
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = closed => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = silent => {
            tracing::debug!("a connection without a request was dropped");
            return;
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended badly");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// What a client gets that sends `text` and then waits.
    async fn check(text: &str, expected: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (_close, closing) = watch::channel(false);
        let router = Router::new().route("/", get(async || "here"));
        client.write_all(text.as_bytes()).await.unwrap();
        tcp_connection(stream, router, closing, Duration::from_millis(50)).await;
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert!(
            got.ends_with(expected) && got.is_empty() == expected.is_empty(),
            "{got}"
        );
    }

    #[tokio::test]
    async fn connections_that_say_nothing_are_dropped() {
        check("", "").await;
        // As much of the preface of HTTP/2 as leaves open what it will be.
        check("PRI * HTTP/2.0\r\n", "").await;
        check("GET / HTTP/1.1\r\nhost: x\r\n", "").await;
        check(
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "here",
        )
        .await;
    }
}
