//! Where an instance is.

use std::path::Path;

/// The longest address: a path of a socket has 108 bytes, a host name 253.
const ADDRESS_MAX: usize = 300;
/// What addresses on the web begin with, whether that is within TLS, and whether it is WebSocket.
const SCHEMES: [(&str, bool, bool); 4] = [
    ("http://", false, false),
    ("https://", true, false),
    ("ws://", false, true),
    ("wss://", true, true),
];

/// The address of an instance, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// `host:port`: a name or numbers, an IPv6 address in brackets.
    Network(&'a str),
    /// `unix:/path`: a socket of this machine.
    Unix(&'a Path),
    /// `http://host:port/path`, where each call is a POST, or `ws://…`; `https://…` and `wss://…` within TLS.
    Web {
        /// `host:port`.
        authority: &'a str,
        /// What calls are sent to, from the slash on.
        path: &'a str,
        /// Whether it is `https` or `wss`.
        is_tls: bool,
        /// Whether it is `ws` or `wss`.
        is_websocket: bool,
    },
}

impl<'a> Place<'a> {
    /// Takes an address apart; `None` if it is none.
    #[must_use]
    pub fn parse(address: &'a str) -> Option<Self> {
        // What is neither a letter nor a sign of ASCII is in no address: an end of line, which would begin a header, above all.
        if address.len() > ADDRESS_MAX || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
            let is_path = address.starts_with("unix:") && address.len() <= ADDRESS_MAX;
            if !is_path || address.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return None;
            }
        }
        if let Some(path) = address.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(Path::new(path)));
        }
        for (scheme, is_tls, is_websocket) in SCHEMES {
            let Some(rest) = address.strip_prefix(scheme) else {
                continue;
            };
            let (authority, path) = match rest.find('/') {
                Some(at) => rest.split_at(at),
                None => (rest, "/"),
            };
            let is_good = is_authority(authority) && !path.contains('#');
            return is_good.then_some(Self::Web {
                authority,
                path,
                is_tls,
                is_websocket,
            });
        }
        is_authority(address).then_some(Self::Network(address))
    }

    /// `host:port`, unless it is on this machine.
    #[must_use]
    pub fn authority(&self) -> Option<&'a str> {
        match self {
            Self::Network(authority) | Self::Web { authority, .. } => Some(authority),
            Self::Unix(_) => None,
        }
    }

    /// The name or the numbers of the host, without brackets.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        let (host, _) = self.authority()?.rsplit_once(':')?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        Some(bare.unwrap_or(host))
    }
}

fn is_authority(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_host = match host.strip_prefix('[') {
            Some(host) => host
                .strip_suffix(']')
                .is_some_and(|host| host.parse::<core::net::Ipv6Addr>().is_ok()),
            None => !host.is_empty() && !host.contains([':', '[', ']', '/', '@']),
        };
        is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "localhost:9090",
            "10.0.0.1:1",
            "[::1]:65535",
            "unix:/run/x",
            "http://a:1",
            "https://[::1]:443/x?y=z",
            "ws://a:1",
            "wss://a:1/x",
        ] {
            assert!(Place::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "a",
            "a:",
            ":1",
            "a:0",
            "a:65536",
            "::1:9",
            "[a]:1",
            "[::1:1",
            "unix:x",
            "unix:/a\nb",
            "a b:1",
            "http://a",
            "http://u@a:1/",
            "http://a:1/x#y",
            "http://a:1/ HTTP/1.1\r\nx: y",
            "ftp://a:1/",
            "ws://a",
            "ws://a:1/x y",
        ] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
        assert_eq!(
            Place::parse(&format!("{}:1", "a".repeat(ADDRESS_MAX))),
            None
        );
    }

    #[test]
    fn parts() {
        let place = Place::parse("https://[::1]:443/x?y").unwrap();
        let expected = Place::Web {
            authority: "[::1]:443",
            path: "/x?y",
            is_tls: true,
            is_websocket: false,
        };
        assert_eq!(place, expected);
        let socket = Place::Web {
            authority: "a:1",
            path: "/",
            is_tls: false,
            is_websocket: true,
        };
        assert_eq!(Place::parse("ws://a:1"), Some(socket));
        assert_eq!(place.host(), Some("::1"));
        assert_eq!(Place::parse("a:1").unwrap().host(), Some("a"));
        let unix = Place::parse("unix:/a/b").unwrap();
        assert_eq!((unix, unix.host()), (Place::Unix(Path::new("/a/b")), None));
    }
}
