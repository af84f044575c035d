//! Trefoil.
#![forbid(unsafe_code)]

/// The content-addressed store of files, and resumable uploads.
pub mod files;

pub mod program;
