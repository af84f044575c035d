//! What requests carry besides their path: queries, headers, bodies. Every refusal says what is wrong and where.

mod body;
mod conditional;
mod context;
mod headers;
mod members;
mod path;
mod query;
#[cfg(test)]
mod tests;

pub(crate) use body::{AcceptJson, BodyHead, accepts, json_body, optional_json_body};
pub(crate) use conditional::{IfMatch, is_not_modified, not_modified, set_etag};
pub(crate) use context::{call_context, connection_context, trace_of};
pub(crate) use headers::{
    Prefer, deadline_ms, idempotency_key, one_header, submitter, whole_header,
};
pub(crate) use members::{Members, escape, noun};
pub(crate) use path::{JobPath, PathText, not_found};
pub(crate) use query::{Page, Query};
