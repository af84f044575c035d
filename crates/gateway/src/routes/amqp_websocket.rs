//! `/amqp`: AMQP 0-9-1 over WebSocket, for browsers. Binary frames carry the bytes of a connection, cut anywhere.
//!
//! The handshake (RFC 6455 §4.2) is an upgrade of HTTP/1.1. Then the socket is joined with a connection of the broker's.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Version, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
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

use super::base64;
use crate::{
    error::{Code, Problem},
    serve::LocalAddress,
};

/// Largest message a client may send: frames of AMQP are cut anywhere, so this bounds memory and nothing else.
const MESSAGE_MAX: usize = 1 << 20;
/// Output of the broker that goes into one message.
const PIECE: usize = 64 << 10;
/// What the key of a handshake is extended with: RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
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
    check_origin(headers, &bridge.origins)?;
    let (accept, protocol) = handshake(request.version(), headers)?;
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
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if protocol {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(PROTOCOL),
        );
    }
    Ok(response)
}

fn open(amqp: &Amqp, peer: SocketAddr, local: SocketAddr) -> io::Result<UnixStream> {
    UnixStream::from_std(amqp.open_local(peer, local)?)
}

/// Browsers let any page connect anywhere, and say where it came from. A page of somebody else's must not get at a broker
/// on this machine just because its reader may.
fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Problem> {
    // Programs other than browsers send none.
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let here = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let there = origin.split_once("://").map(|(_, host)| host);
    let is_allowed = there.is_some_and(|there| here == Some(there))
        || allowed
            .iter()
            .any(|allowed| allowed == "*" || allowed == origin);
    if is_allowed {
        return Ok(());
    }
    let detail = format!("pages of {origin} may not use this broker");
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "origin-not-allowed",
        Code::FailedPrecondition,
        detail,
    )
    .hint("allow the origin with amqp.websocket_origins"))
}

/// The answer to the key, and whether the client asked for our protocol.
fn handshake(version: Version, headers: &HeaderMap) -> Result<(HeaderValue, bool), Problem> {
    let has = |name: header::HeaderName, wanted: &str| {
        headers.get_all(name).iter().any(|value| {
            let words = value.to_str().unwrap_or_default().split(',');
            words
                .into_iter()
                .any(|word| word.trim().eq_ignore_ascii_case(wanted))
        })
    };
    if version != Version::HTTP_11
        || !has(header::CONNECTION, "upgrade")
        || !has(header::UPGRADE, "websocket")
    {
        let detail = "this resource speaks AMQP over WebSocket: upgrade an HTTP/1.1 connection";
        return Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "upgrade-required",
            Code::FailedPrecondition,
            detail,
        )
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
        .header(header::CONNECTION, HeaderValue::from_static("upgrade")));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Problem::bad_header(
            "Sec-WebSocket-Version",
            "the version of WebSocket must be 13",
            "version",
        )
        .header(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        ));
    }
    let offers = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = has(header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
    if offers && !protocol {
        return Err(Problem::bad_header(
            "Sec-WebSocket-Protocol",
            "the only protocol here is amqp",
            "protocol",
        ));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| {
        base64::decode(key.to_str().unwrap_or_default()).is_some_and(|key| key.len() == 16)
    });
    let Some(key) = key else {
        return Err(Problem::bad_header(
            "Sec-WebSocket-Key",
            "the key must be 16 bytes in base 64",
            "key",
        ));
    };
    let digest = Sha1::new()
        .chain_update(key.as_bytes())
        .chain_update(GUID)
        .finalize();
    let accept = HeaderValue::from_str(&base64::encode(&digest))
        .expect("base 64 has only visible characters");
    Ok((accept, protocol))
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
