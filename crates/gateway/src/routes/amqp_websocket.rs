//! `/amqp`: AMQP 0-9-1 over WebSocket, for browsers. Binary frames carry the bytes of a connection, cut anywhere.
//!
//! The handshake (RFC 6455 §4.2) is an upgrade of HTTP/1.1. Then the socket is joined with a connection of the broker's.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::StatusCode,
    response::Response,
    routing::get,
};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
use trefoil_server::amqp::Amqp;

use crate::{
    error::{Code, Problem},
    serve::LocalAddress,
    websocket::{check_origin, handshake, switching},
};

/// Largest message a client may send: frames of AMQP are cut anywhere, so this bounds memory and nothing else.
const MESSAGE_MAX: usize = 1 << 20;
/// Output of the broker that goes into one message.
const PIECE: usize = 64 << 10;
/// The name of AMQP among WebSocket's protocols.
const PROTOCOL: &str = "amqp";
/// Somebody whose address is not known: nobody's neighbour.
const UNKNOWN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

#[derive(Debug, Clone)]
struct Bridge {
    amqp: Amqp,
    /// Origins of pages that may connect, besides those from here. `*`: all.
    origins: Vec<String>,
}

/// `/amqp` for a broker.
pub fn router(amqp: Amqp, origins: Vec<String>) -> Router {
    Router::new()
        .route("/amqp", get(connect))
        .with_state(Bridge { amqp, origins })
}

async fn connect(State(bridge): State<Bridge>, mut request: Request) -> Result<Response, Problem> {
    let headers = request.headers();
    check_origin(headers, &bridge.origins, "amqp.websocket_origins")?;
    let (accept, protocol) = handshake(request.version(), headers, Some(PROTOCOL))?;
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(UNKNOWN, |peer| peer.0);
    let local = request
        .extensions()
        .get::<LocalAddress>()
        .map_or(UNKNOWN, |local| local.0);
    let broker = open(&bridge.amqp, peer, local).map_err(|error| {
        let detail = format!("the broker takes no more connections: {error}");
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            Code::Unavailable,
            detail,
        )
    })?;
    let upgrade = hyper::upgrade::on(&mut request);
    // It ends with the broker's connection, which the broker closes when it stops.
    tokio::spawn(async move {
        let joined = match upgrade.await {
            Ok(upgraded) => join(upgraded, broker).await,
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = joined {
            tracing::debug!(%error, %peer, "a WebSocket connection ended badly");
        }
    });
    Ok(switching(accept, protocol))
}

fn open(amqp: &Amqp, peer: SocketAddr, local: SocketAddr) -> io::Result<UnixStream> {
    UnixStream::from_std(amqp.open_local(peer, local)?)
}

/// Carries bytes both ways until one side ends. A side that does not read is waited for, and the other then waits too.
async fn join(upgraded: Upgraded, broker: UnixStream) -> Result<(), String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .read_buffer_size(PIECE);
    let socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let (mut to_client, mut from_client) = socket.split();
    let (mut from_broker, mut to_broker) = broker.into_split();
    let inwards = async {
        while let Some(message) = from_client.next().await {
            match message {
                Ok(Message::Binary(bytes)) => {
                    if to_broker.write_all(&bytes).await.is_err() {
                        return Ok(CloseCode::Normal);
                    }
                }
                // AMQP is no text; some clients send the protocol header so all the same.
                Ok(Message::Text(_)) => return Ok(CloseCode::Unsupported),
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => {
                    return Ok(CloseCode::Normal);
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(CloseCode::Normal)
    };
    let outwards = async {
        let mut piece = vec![0; PIECE];
        loop {
            match from_broker.read(&mut piece).await {
                Ok(0) => return Ok(CloseCode::Normal),
                Ok(bytes) => {
                    let message = Message::binary(piece[..bytes].to_vec());
                    if let Err(error) = to_client.send(message).await {
                        return Err(error.to_string());
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    let code = tokio::select! {
        code = inwards => code?,
        code = outwards => code?,
    };
    let goodbye = CloseFrame {
        code,
        reason: "".into(),
    };
    // A client that left needs none.
    let _ = to_client.send(Message::Close(Some(goodbye))).await;
    let _ = to_client.close().await;
    Ok(())
}
