//! A request, read.

use std::{borrow::Cow, net::IpAddr};

use axum::{
    body::Bytes,
    extract::ConnectInfo,
    http::{HeaderMap, Method, header, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::answer::Refused;

/// A request to the management API.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The path, in decoded parts. Empty parts are dropped, so `connections/` is `connections`.
    pub(super) segments: Vec<String>,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    pub(super) body: Bytes,
    /// Who is at the other end, if the listener tells.
    pub(super) peer: Option<IpAddr>,
}

impl Request {
    pub(super) fn new(parts: &Parts, body: Bytes) -> Result<Self, Refused> {
        let decode = |text: &str| -> Result<String, Refused> {
            let text = percent_decode_str(text).decode_utf8();
            let text = text.map_err(|_| Refused::bad_request("a path is UTF-8"))?;
            Ok(text.into_owned())
        };
        let segments = parts.uri.path().split('/').filter(|part| !part.is_empty());
        let query = parts.uri.query().unwrap_or_default();
        let query = query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| -> Result<(String, String), Refused> {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let form = |text: &str| decode(&text.replace('+', " "));
            Ok((form(name)?, form(value)?))
        };
        let peer = parts.extensions.get::<ConnectInfo<std::net::SocketAddr>>();
        Ok(Self {
            method: parts.method.clone(),
            segments: segments.map(decode).collect::<Result<_, _>>()?,
            query: query.map(pair).collect::<Result<_, _>>()?,
            headers: parts.headers.clone(),
            body,
            peer: peer.map(|info| info.0.ip()),
        })
    }

    #[cfg(test)]
    pub(super) fn of(method: Method, uri: &str) -> Self {
        let request = axum::http::Request::builder().method(method).uri(uri);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        Self::new(&parts, Bytes::new()).unwrap()
    }

    /// The same as somebody, with a body.
    #[cfg(test)]
    pub(super) fn with(mut self, user: &str, body: &Value) -> Self {
        let credentials = format!("Basic {}", STANDARD.encode(format!("{user}:{user}")));
        let credentials = axum::http::HeaderValue::try_from(credentials).unwrap();
        self.headers.insert(header::AUTHORIZATION, credentials);
        if !body.is_null() {
            self.body = body.to_string().into();
        }
        self
    }

    /// A form as the body.
    #[cfg(test)]
    pub(super) fn set_form(&mut self, boundary: &str, form: String) {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let kind = axum::http::HeaderValue::try_from(kind).unwrap();
        self.headers.insert(header::CONTENT_TYPE, kind);
        self.body = form.into();
    }

    /// A parameter of the query.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a parameter of the query is `true`.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.query(name) == Some("true")
    }

    pub(super) fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        let value = self.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()))
    }

    /// The user and the password of Basic authentication.
    pub(super) fn credentials(&self) -> Option<(String, Vec<u8>)> {
        let value = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let user = String::from_utf8(decoded[..colon].to_vec()).ok()?;
        Some((user, decoded[colon + 1..].to_vec()))
    }

    /// The body as an object; an empty body is an empty object.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Refused> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Refused::bad_request("body is not a JSON object")),
            Err(_) => Err(Refused::bad_request("not_json")),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;

    use super::Request;

    #[track_caller]
    fn check(uri: &str, segments: &[&str]) {
        assert_eq!(Request::of(Method::GET, uri).segments, segments, "{uri}");
    }

    #[test]
    fn slashes_in_names_are_encoded_and_others_are_dropped() {
        check("/api/queues/%2F/a%2Fb", &["api", "queues", "/", "a/b"]);
        check("/api/connections/", &["api", "connections"]);
        check(
            "/api/bindings/%2f/e/x/q/y/a.%2523~ff",
            &["api", "bindings", "/", "e", "x", "q", "y", "a.%23~ff"],
        );
        check("/api/queues/v/a+b%20c", &["api", "queues", "v", "a+b c"]);
    }

    #[test]
    fn parameters_are_decoded() {
        let request = Request::of(Method::GET, "/api/queues?name=a%2Bb+c&use_regex=true&x");
        assert_eq!(request.query("name"), Some("a+b c"));
        assert!(request.flag("use_regex"));
        assert_eq!(request.query("x"), Some(""));
        assert_eq!(request.query("y"), None);
    }
}
