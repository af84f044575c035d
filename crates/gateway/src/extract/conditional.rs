//! Conditional requests (RFC 9110 §13).

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::error::Problem;

/// `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Not sent.
    Absent,
    /// `*`.
    Any,
    /// Strong tags, without their quotes; weak ones never match and are left out.
    Tags(Vec<String>),
}

impl IfMatch {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match tags(headers, header::IF_MATCH.as_str())? {
            None => Ok(Self::Absent),
            Some(Tags::Any) => Ok(Self::Any),
            Some(Tags::Some(tags)) => Ok(Self::Tags(
                tags.into_iter()
                    .filter(|(weak, _)| !weak)
                    .map(|(_, tag)| tag)
                    .collect(),
            )),
        }
    }
}

enum Tags {
    Any,
    /// Whether it is weak, and its text.
    Some(Vec<(bool, String)>),
}

fn tags(headers: &HeaderMap, name: &str) -> Result<Option<Tags>, Problem> {
    let mut found = Vec::new();
    let mut present = false;
    for value in headers.get_all(name) {
        present = true;
        let malformed = || {
            let name = if name == "if-match" {
                "If-Match"
            } else {
                "If-None-Match"
            };
            Problem::bad_header(
                name,
                format!("`{name}` must be * or entity tags in double quotes"),
                "format",
            )
        };
        let mut rest = value.to_str().map_err(|_| malformed())?.trim();
        if rest == "*" {
            return Ok(Some(Tags::Any));
        }
        while !rest.is_empty() {
            let (weak, tag) = match rest.strip_prefix("W/") {
                Some(tag) => (true, tag),
                None => (false, rest),
            };
            let tag = tag.strip_prefix('"').ok_or_else(malformed)?;
            let (tag, after) = tag.split_once('"').ok_or_else(malformed)?;
            found.push((weak, tag.to_owned()));
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if after.is_empty() => after,
                None => return Err(malformed()),
            };
        }
    }
    Ok(present.then_some(Tags::Some(found)))
}

/// Whether the sender has the entity of this tag (without quotes) already. A malformed header does no harm here.
pub(crate) fn is_not_modified(headers: &HeaderMap, tag: &str) -> bool {
    match tags(headers, header::IF_NONE_MATCH.as_str()) {
        Ok(Some(Tags::Any)) => true,
        Ok(Some(Tags::Some(tags))) => tags.iter().any(|(_, found)| found == tag),
        Ok(None) | Err(_) => false,
    }
}

/// A 304.
pub(crate) fn not_modified(tag: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    set_etag(response.headers_mut(), tag);
    response
}

/// Sets the `ETag` of an answer.
pub(crate) fn set_etag(headers: &mut HeaderMap, tag: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("\"{tag}\"")) {
        headers.insert(header::ETAG, value);
    }
}
