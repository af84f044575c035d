//! A durable segmented log with group commit.
#![forbid(unsafe_code)]
