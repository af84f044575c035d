//! Bodies: their media type, their size, their syntax, in this order.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody as _},
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::{
    error::{Code, Problem},
    strict_json,
};

/// The longest pause of a sender. A body that stands still holds a connection and what was read of it.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Longer documents are parsed on a thread of their own: this one has other requests to serve.
const PARSE_HERE_MAX: usize = 256 << 10;
/// So much is reserved when the sender says how long its body is; the rest must come first.
const RESERVE_MAX: u64 = 1 << 20;

/// The sender takes JSON as an answer; 406 otherwise.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcceptJson;

impl<S: Sync> FromRequestParts<S> for AcceptJson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        accepts(&parts.headers, &["application/json"]).map(|_| Self)
    }
}

/// Which of the types that are offered, best first, the sender wants most (RFC 9110 §12.5.1).
pub(crate) fn accepts<'o>(headers: &HeaderMap, offered: &[&'o str]) -> Result<&'o str, Problem> {
    let mut ranges: Vec<(String, f32)> = Vec::new();
    let mut present = false;
    for value in headers.get_all(header::ACCEPT) {
        present = true;
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight =
                parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(1.0, |text| text.parse().unwrap_or(0.0));
            if !kind.is_empty() {
                ranges.push((kind, weight));
            }
        }
    }
    if !present || ranges.is_empty() {
        return offered
            .first()
            .copied()
            .ok_or_else(|| not_acceptable(offered));
    }
    // The most specific range that a type fits says how much it is wanted.
    let weight = |kind: &str| {
        let family = kind.split('/').next().unwrap_or_default();
        let weight_of = |wanted: &str| {
            ranges
                .iter()
                .find(|(range, _)| range == wanted)
                .map(|(_, weight)| *weight)
        };
        weight_of(kind)
            .or_else(|| weight_of(&format!("{family}/*")))
            .or_else(|| weight_of("*/*"))
            .unwrap_or(0.0)
    };
    let mut best: Option<(&str, f32)> = None;
    for kind in offered {
        let weight = weight(kind);
        if weight > best.map_or(0.0, |(_, best)| best) {
            best = Some((kind, weight));
        }
    }
    best.map(|(kind, _)| kind)
        .ok_or_else(|| not_acceptable(offered))
}

fn not_acceptable(offered: &[&str]) -> Problem {
    Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "not-acceptable",
        Code::InvalidArgument,
        format!(
            "this resource answers {}, which `Accept` does not allow",
            offered.join(" or ")
        ),
    )
    .with(
        "available",
        offered
            .iter()
            .map(|kind| Value::from(*kind))
            .collect::<Vec<_>>(),
    )
}

/// A body whose head has been looked at: its type is one of those that are taken, and it does not say that it is too long.
#[derive(Debug)]
pub(crate) struct BodyHead {
    /// Its media type: one of those that were offered.
    pub(crate) kind: &'static str,
    limit: u64,
}

impl BodyHead {
    /// Checks `Content-Type` and `Content-Encoding` (415), `Accept` (406) and `Content-Length` (413). Each type that
    /// is taken comes with its longest body.
    pub(crate) fn check(
        headers: &HeaderMap,
        taken: &[(&'static str, u64)],
    ) -> Result<Self, Problem> {
        let kind = media_type(headers, taken);
        let (kind, limit) = kind.ok_or_else(|| unsupported(headers, taken))?;
        let identity = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
        if !headers
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .all(identity)
        {
            let detail = "the body must not be compressed";
            return Err(unsupported_media(detail).header(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            ));
        }
        accepts(headers, &["application/json"])?;
        let head = Self { kind, limit };
        head.check_length(headers)?;
        Ok(head)
    }

    fn check_length(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let length = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        match length.and_then(|text| text.parse::<u64>().ok()) {
            Some(length) if length > self.limit => Err(self.too_large()),
            _ => Ok(()),
        }
    }

    fn too_large(&self) -> Problem {
        Problem::too_large(format!("the body is longer than {} bytes", self.limit))
            .with("limit", self.limit)
            .hint("upload large values as files (POST /v1/files) and refer to them")
    }

    /// Gives each piece of the body to `take` as it comes, up to the limit.
    pub(crate) async fn read_with(
        &self,
        mut body: Body,
        mut take: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let mut length = 0u64;
        loop {
            let frame = match tokio::time::timeout(PAUSE_MAX, body.frame()).await {
                Ok(None) => return Ok(()),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => {
                    return Err(Problem::new(
                        StatusCode::BAD_REQUEST,
                        "incomplete-body",
                        Code::InvalidArgument,
                        format!("the body could not be read: {error}"),
                    ));
                }
                Err(_) => {
                    return Err(Problem::new(
                        StatusCode::REQUEST_TIMEOUT,
                        "body-timeout",
                        Code::DeadlineExceeded,
                        format!("the body stood still for {} seconds", PAUSE_MAX.as_secs()),
                    )
                    .header(header::CONNECTION, HeaderValue::from_static("close")));
                }
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            length += data.len() as u64;
            if length > self.limit {
                return Err(self.too_large());
            }
            take(&data)?;
        }
    }

    /// The whole body.
    pub(crate) async fn read(&self, body: Body) -> Result<Vec<u8>, Problem> {
        let expected = body.size_hint().lower().min(RESERVE_MAX);
        let mut bytes = Vec::with_capacity(expected as usize);
        self.read_with(body, |data| {
            bytes.extend_from_slice(data);
            Ok(())
        })
        .await?;
        Ok(bytes)
    }

    /// The body as one JSON document.
    pub(crate) async fn json(&self, body: Body) -> Result<Value, Problem> {
        let bytes = self.read(body).await?;
        parse(bytes).await
    }
}

async fn parse(bytes: Vec<u8>) -> Result<Value, Problem> {
    let limits = strict_json::Limits::default();
    if bytes.len() <= PARSE_HERE_MAX {
        return Ok(strict_json::parse(&bytes, &limits)?);
    }
    let parsed = tokio::task::spawn_blocking(move || strict_json::parse(&bytes, &limits)).await;
    Ok(parsed.map_err(|error| Problem::internal(&error))??)
}

/// A JSON body that has to be there.
pub(crate) async fn json_body(
    headers: &HeaderMap,
    body: Body,
    limit: u64,
) -> Result<Value, Problem> {
    BodyHead::check(headers, &[("application/json", limit)])?
        .json(body)
        .await
}

/// A JSON body that may be empty.
pub(crate) async fn optional_json_body(
    headers: &HeaderMap,
    body: Body,
    limit: u64,
) -> Result<Option<Value>, Problem> {
    if body.is_end_stream()
        || !headers.contains_key(header::CONTENT_TYPE) && body.size_hint().exact() == Some(0)
    {
        accepts(headers, &["application/json"])?;
        return Ok(None);
    }
    json_body(headers, body, limit).await.map(Some)
}

/// The one of `taken` that the body is of.
fn media_type(headers: &HeaderMap, taken: &[(&'static str, u64)]) -> Option<(&'static str, u64)> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let mut parts = value.to_str().ok()?.split(';').map(str::trim);
    let kind = parts.next()?;
    // JSON is UTF-8 whatever is said; other parameters say nothing about it.
    let utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    let found = taken
        .iter()
        .find(|(offered, _)| kind.eq_ignore_ascii_case(offered))
        .copied();
    found.filter(|_| parts.all(utf8))
}

fn unsupported(headers: &HeaderMap, taken: &[(&'static str, u64)]) -> Problem {
    let types = taken.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
    let sent = match headers.get(header::CONTENT_TYPE) {
        Some(sent) => format!("not `{}`", String::from_utf8_lossy(sent.as_bytes())),
        None => "and `Content-Type` says nothing".to_owned(),
    };
    let problem = unsupported_media(format!("the body must be {}, {sent}", types.join(" or ")))
        .hint(format!(
            "send the header `Content-Type: {}`",
            types.first().copied().unwrap_or_default()
        ));
    match HeaderValue::try_from(types.join(", ")) {
        Ok(types) => problem.header(header::ACCEPT, types),
        Err(_) => problem,
    }
}

fn unsupported_media(detail: impl Into<String>) -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported-media-type",
        Code::InvalidArgument,
        detail,
    )
}
