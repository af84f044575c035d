//! Trefoil.
#![forbid(unsafe_code)]

/// The content-addressed store of files, and resumable uploads.
pub mod files;

/// Local programs as attempts: supervision, adoption, the folder contract, logs.
pub mod program;
