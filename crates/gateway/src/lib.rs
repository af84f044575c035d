//! The HTTP side of the platform: the REST API of `docs/src/rest-api.md`.
#![forbid(unsafe_code)]

mod error;
mod extract;

/// Strict reading of JSON: every refusal has its place.
pub mod strict_json;
