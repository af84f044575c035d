//! What each command does. Every module has a `run`; the rest of it is private.

pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod contract;
pub(crate) mod ctl;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod files;
pub(crate) mod instances;
pub(crate) mod jobs;
pub(crate) mod services;
pub(crate) mod up;

use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::failure::Failure;

/// What is read of a file of submissions or inputs at most: the platform's default limit for
/// batches, twice over, so that the platform and not we say what is too large.
const TEXT_MAX: u64 = 512 * 1024 * 1024;

/// Whether a path means standard input or output.
pub(crate) fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Reads a text file, or standard input for `-`.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if is_dash(path) {
        std::io::stdin().take(TEXT_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(TEXT_MAX).read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::local_file("cannot read", path, &error)),
    }
}

/// A member as text for a table: strings bare, absent ones empty, others as JSON.
pub(crate) fn text_of(value: &Value, member: &str) -> String {
    match value.get(member) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
