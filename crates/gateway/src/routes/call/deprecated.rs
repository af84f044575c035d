//! What the answer to a call of a deprecated method says of it.

use axum::http::{HeaderMap, HeaderValue, header};
use trefoil_thrift::deprecation::Deprecation;

/// Says that the method should no longer be used, if its contract does.
pub(crate) fn warn(headers: &mut HeaderMap, said: Option<&Deprecation>) {
    for (name, text) in said.into_iter().flat_map(Deprecation::headers) {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// The same with the contract that says so, of `key:version`.
pub(super) fn warn_of(headers: &mut HeaderMap, said: Option<&Deprecation>, service: &str) {
    warn(headers, said);
    let link = format!("</v1/contracts/{service}>; rel=\"deprecation\"; type=\"application/json\"");
    if said.is_some()
        && let Ok(link) = HeaderValue::try_from(link)
    {
        headers.insert(header::LINK, link);
    }
}
