//! The handshake of WebSocket (RFC 6455 §4.2): an upgrade of HTTP/1.1.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, Version, header},
    response::{IntoResponse as _, Response},
};
use sha1::{Digest as _, Sha1};

use crate::{
    error::{Code, Problem},
    routes::base64,
};

/// What the key of a handshake is extended with: RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Browsers let any page connect anywhere, and say where it came from. A page of somebody else's must not get at what
/// runs on this machine just because its reader may. `key` is that of the configuration in which origins are allowed.
pub(crate) fn check_origin(
    headers: &HeaderMap,
    allowed: &[String],
    key: &str,
) -> Result<(), Problem> {
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
    let detail = format!("pages of {origin} may not connect here");
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "origin-not-allowed",
        Code::FailedPrecondition,
        detail,
    )
    .hint(format!("allow the origin with {key}")))
}

/// The answer to the key, and the protocol if the client asked for it. Without one, none is spoken of.
pub(crate) fn handshake(
    version: Version,
    headers: &HeaderMap,
    protocol: Option<&'static str>,
) -> Result<(HeaderValue, Option<&'static str>), Problem> {
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
        let detail = "this resource speaks WebSocket: upgrade an HTTP/1.1 connection";
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
    let spoken = protocol.filter(|protocol| has(header::SEC_WEBSOCKET_PROTOCOL, protocol));
    if let (Some(protocol), true, None) = (protocol, offers, spoken) {
        return Err(Problem::bad_header(
            "Sec-WebSocket-Protocol",
            format!("the only protocol here is {protocol}"),
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
    Ok((accept, spoken))
}

/// The answer that ends HTTP on a connection.
pub(crate) fn switching(accept: HeaderValue, protocol: Option<&'static str>) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(protocol) = protocol {
        let protocol = HeaderValue::from_static(protocol);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
    }
    response
}
