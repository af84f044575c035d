//! Trefoil.
#![forbid(unsafe_code)]

/// Strict reading of JSON: every refusal has its place.
pub mod strict_json;
