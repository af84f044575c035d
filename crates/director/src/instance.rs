//! What a provider of a service is: where it is, how it speaks, whether it may be called.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::key::ServiceId;

/// The longest name of an instance, in bytes.
const NAME_MAX: usize = 128;

/// The name of an instance, unique within its service version: given by the provider, or made for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName(String);

/// A name that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an instance is named with 1 to {NAME_MAX} of A-Z a-z 0-9 . _ : -, not `{0}`")]
pub struct InstanceNameError(String);

impl InstanceName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for InstanceName {
    type Error = InstanceNameError;

    fn try_from(name: String) -> Result<Self, InstanceNameError> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_good) {
            Ok(Self(name))
        } else {
            Err(InstanceNameError(name))
        }
    }
}

impl std::str::FromStr for InstanceName {
    type Err = InstanceNameError;

    fn from_str(name: &str) -> Result<Self, InstanceNameError> {
        Self::try_from(name.to_owned())
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> Self {
        name.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An instance of a service, everywhere: service version and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId {
    /// The service version that it provides.
    pub service: ServiceId,
    /// Its name.
    pub name: InstanceName,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.name)
    }
}

/// How messages are wrapped for a Thrift provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThriftTransport {
    /// A length before each message: `TFramedTransport`.
    #[default]
    Framed,
    /// Nothing: `TBufferedTransport`, or no transport at all.
    Buffered,
    /// `THeaderTransport`.
    Header,
    /// `THttpServer` and the like: a POST for each call.
    Http,
    /// `TZlibTransport`: nothing, and all that is sent is one compressed stream.
    Zlib,
    /// `TWebSocketServer` and the like: messages of WebSocket.
    WebSocket,
}

/// How values are written for a Thrift provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThriftProtocol {
    /// `TBinaryProtocol`.
    #[default]
    Binary,
    /// `TCompactProtocol`.
    Compact,
    /// `TJSONProtocol`.
    Json,
}

/// How to speak to a Thrift provider.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThriftProvider {
    /// How messages are wrapped; found out if it is not said.
    pub transport: Option<ThriftTransport>,
    /// How values are written; found out if it is not said.
    pub protocol: Option<ThriftProtocol>,
    /// The name under which the provider registered its processor with `TMultiplexedProcessor`, if it did.
    pub multiplex: Option<String>,
    /// It reads a call before it has answered the one before on the same connection. Stock servers answer in order, but
    /// many read only when they have answered.
    pub is_pipelined: bool,
    /// It is spoken to within TLS.
    pub tls: Option<ThriftTls>,
}

/// Whom to believe that it is an instance, and who it is told that calls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThriftTls {
    /// A file with the authorities that are believed, PEM; those of the system if none is said.
    pub ca: Option<String>,
    /// The name that its certificate must be for; the host of its address if none is said.
    pub name: Option<String>,
    /// A file with the certificate that it is shown, and those between it and its authority, PEM. With `key`.
    pub certificate: Option<String>,
    /// A file with the private key of the certificate, PEM.
    pub key: Option<String>,
}

/// An instance as it is registered.
#[derive(Debug, Clone, PartialEq)]
pub struct NewInstance {
    /// Service version and name.
    pub id: InstanceId,
    /// A [`Place`](crate::Place): `host:port`, `unix:` and a path, or `http://host:port/path` and the like.
    pub address: String,
    /// How to speak to it.
    pub thrift: ThriftProvider,
    /// Calls that it works on at a time; none said means that it does not matter.
    pub slots: Option<u32>,
    /// Its share of calls beside those of others, above 0; 1 for most.
    pub weight: f64,
    /// How long it is believed to live without a word. None: as long as its checks pass.
    pub lease_ms: Option<u64>,
}

/// Whether an instance may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Not yet: no check has passed.
    Starting,
    /// Yes.
    Healthy,
    /// If no healthy one is there: its checks come and go.
    Degraded,
    /// Not until checks pass again.
    Unhealthy,
    /// No more: calls under way may end.
    Draining,
    /// It left, or its lease ran out; kept for those who look.
    Gone,
}

impl InstanceState {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}
