//! Names of uploads.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::str::FromStr;

use uuid::Uuid;

use super::super::error::{Result, io_error};

/// Name of an upload: a UUIDv7 as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UploadId(Uuid);

/// A text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of an upload is written as 32 lower-case hexadecimal digits")]
pub struct ParseUploadIdError;

impl UploadId {
    pub(super) fn new(now_ms: u64) -> Result<Self> {
        let mut random = [0; 10];
        getrandom::fill(&mut random).map_err(|error| {
            io_error("make an upload id from", Path::new("random bits"))(error.into())
        })?;
        Ok(Self(
            uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid(),
        ))
    }
}

impl Display for UploadId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self.0.as_simple(), f)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl FromStr for UploadId {
    type Err = ParseUploadIdError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseUploadIdError> {
        let is_simple = text.len() == 32
            && text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        // Other forms would be other names of the same upload.
        is_simple
            .then(|| Uuid::try_parse(text).ok().map(Self))
            .flatten()
            .ok_or(ParseUploadIdError)
    }
}
