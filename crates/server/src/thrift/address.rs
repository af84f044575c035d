//! Where somebody is.

use std::{fmt, net::SocketAddr, path::PathBuf};

/// The address of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// Of a network.
    Ip(SocketAddr),
    /// Of this machine: the path of a unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
