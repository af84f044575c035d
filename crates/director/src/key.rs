//! Names of services: keys, ids (`key:version`) and requests (`key:1.2`).

use std::{fmt, str::FromStr, sync::Arc};

use semver::{Version, VersionReq};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Longest key in bytes: with a version it still fits the 255 bytes of an AMQP short string and of a file name.
const KEY_BYTES_MAX: usize = 200;
/// Longest version in bytes, for the same reason.
const VERSION_BYTES_MAX: usize = 50;

/// Why a text is not a key, an id or a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key has no characters.
    #[error("the service key is empty")]
    Empty,
    /// Longer than any key may be.
    #[error("the service key has {0} bytes; at most {KEY_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// An empty segment: a slash at an end, or two in a row.
    #[error("the service key `{0}` has an empty segment")]
    EmptySegment(String),
    /// `..` could leave a directory.
    #[error("the service key `{0}` contains `..`")]
    DotDot(String),
    /// A character that keys do not have.
    #[error("segment `{segment}` of the service key: {reason}")]
    Segment {
        /// The segment.
        segment: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An id without version.
    #[error("`{0}` has no version: expected key:version")]
    NoVersion(String),
    /// Not a semantic version.
    #[error("`{text}` is not a semantic version: {reason}")]
    Version {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// The key of a service, for example `simcore/services/comp/itis/sleeper`.
///
/// Segments `[a-z0-9][a-z0-9_.-]*` joined by `/`; the last ends in `[a-z0-9]`. Safe to use as a relative path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey(Arc<str>);

impl ServiceKey {
    /// Checks `text` and makes it a key.
    ///
    /// # Errors
    /// [`KeyError`] when it does not follow the rule of keys.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > KEY_BYTES_MAX {
            return Err(KeyError::TooLong(text.len()));
        }
        if text.contains("..") {
            return Err(KeyError::DotDot(text.to_owned()));
        }
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(KeyError::EmptySegment(text.to_owned()));
            }
            check_segment(segment)?;
        }
        if !text.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) {
            let segment = text.rsplit('/').next().unwrap_or(text).to_owned();
            return Err(KeyError::Segment {
                segment,
                reason: "the last segment ends in a lower-case letter or a digit",
            });
        }
        Ok(Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn check_segment(segment: &str) -> Result<(), KeyError> {
    let fail = |reason| {
        Err(KeyError::Segment {
            segment: segment.to_owned(),
            reason,
        })
    };
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if segment.contains(|c: char| c.is_ascii_uppercase()) {
        return fail("upper-case letters are not allowed");
    }
    if !segment.starts_with(lower) {
        return fail("it starts with a lower-case letter or a digit");
    }
    if !segment
        .chars()
        .all(|c| lower(c) || matches!(c, '_' | '.' | '-'))
    {
        return fail("only a-z, 0-9, `_`, `.` and `-` are allowed");
    }
    Ok(())
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ServiceKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::new(text)
    }
}

/// One version of one service: `nerve/hh-axon:1.2.0`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// Which service.
    pub key: ServiceKey,
    /// Which version of it.
    pub version: Version,
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.key, self.version)
    }
}

impl FromStr for ServiceId {
    type Err = KeyError;

    /// Splits at the last colon.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let Some((key, version)) = text.rsplit_once(':') else {
            return Err(KeyError::NoVersion(text.to_owned()));
        };
        Ok(Self {
            key: ServiceKey::new(key)?,
            version: parse_version(version)?,
        })
    }
}

/// A full semantic version, of bounded length.
pub(crate) fn parse_version(text: &str) -> Result<Version, KeyError> {
    let fail = |reason: String| KeyError::Version {
        text: text.to_owned(),
        reason,
    };
    if text.len() > VERSION_BYTES_MAX {
        let text = format!("{}…", text.chars().take(20).collect::<String>());
        return Err(KeyError::Version {
            text,
            reason: format!("it is longer than {VERSION_BYTES_MAX} bytes"),
        });
    }
    Version::parse(text).map_err(|error| fail(error.to_string()))
}

/// Which versions a request accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionWanted {
    /// The newest stable version: no version was given, or `latest`.
    Newest,
    /// This version and no other: three parts were given.
    Exact(Version),
    /// The newest version in a range.
    Range(VersionReq),
}

impl VersionWanted {
    /// Whether `version` is one of the wanted ones. Pre-releases are wanted only when asked for.
    pub fn accepts(&self, version: &Version) -> bool {
        match self {
            Self::Newest => version.pre.is_empty(),
            Self::Exact(wanted) => {
                let same = wanted.cmp_precedence(version).is_eq();
                // Build metadata does not order versions: who does not name it takes any.
                same && (wanted.build.is_empty() || wanted.build == version.build)
            }
            Self::Range(range) => range.matches(version),
        }
    }
}

/// A service as a caller asks for it: a key, and maybe which versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRequest {
    /// Which service.
    pub key: ServiceKey,
    /// Which versions of it.
    pub wanted: VersionWanted,
    text: String,
}

impl ServiceRequest {
    /// A request for the newest stable version.
    pub fn newest(key: ServiceKey) -> Self {
        Self {
            text: key.to_string(),
            key,
            wanted: VersionWanted::Newest,
        }
    }
}

impl From<ServiceId> for ServiceRequest {
    fn from(id: ServiceId) -> Self {
        Self {
            text: id.to_string(),
            key: id.key,
            wanted: VersionWanted::Exact(id.version),
        }
    }
}

/// The request as it was written.
impl fmt::Display for ServiceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for ServiceRequest {
    type Err = KeyError;

    /// Splits at the last colon. Three parts are exact, two are `~`, one is `^`, none (or `latest`) is the newest
    /// stable version; anything else is a requirement such as `>=1.2,<2`.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (key, version) = match text.rsplit_once(':') {
            Some((key, version)) => (key, Some(version)),
            None => (text, None),
        };
        let key = ServiceKey::new(key)?;
        let wanted = match version {
            None | Some("latest") => VersionWanted::Newest,
            Some(version) => parse_wanted(version)?,
        };
        Ok(Self {
            key,
            wanted,
            text: text.to_owned(),
        })
    }
}

fn parse_wanted(text: &str) -> Result<VersionWanted, KeyError> {
    let numeric_parts = |text: &str| {
        let parts: Vec<&str> = text.split('.').collect();
        parts
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
            .then_some(parts.len())
    };
    let requirement = match numeric_parts(text) {
        Some(1) => format!("^{text}"),
        Some(2) => format!("~{text}"),
        _ if text.starts_with(|c: char| c.is_ascii_digit())
            && !text.contains([',', '*', 'x', 'X']) =>
        {
            return parse_version(text).map(VersionWanted::Exact);
        }
        // The crate reads a bare `1.2.0-x` as `^`: those were taken above as exact.
        _ => text.to_owned(),
    };
    VersionReq::parse(&requirement)
        .map(VersionWanted::Range)
        .map_err(|error| KeyError::Version {
            text: text.chars().take(VERSION_BYTES_MAX).collect(),
            reason: error.to_string(),
        })
}

macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

serde_as_text!(ServiceKey, ServiceId, ServiceRequest);

#[cfg(test)]
mod tests;
