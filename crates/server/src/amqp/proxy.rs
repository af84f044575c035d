//! The PROXY protocol, versions 1 and 2: the first bytes of a connection, in which a proxy says for whom it speaks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Version 1 is a line of at most this, its end included.
const LINE_MAX: usize = 107;
/// How version 2 begins.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What may follow the addresses in version 2: extensions, which are skipped. More than any proxy sends.
const EXTENSIONS_MAX: usize = 4 << 10;

/// What a proxy said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of it.
    pub(super) length: usize,
    /// The ends of the client's connection, from the client's; `None` if the proxy speaks for itself.
    pub(super) ends: Option<(SocketAddr, SocketAddr)>,
}

/// Why bytes are no such header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY protocol header, which this listener expects first: {0}")]
pub(super) struct NoHeader(&'static str);

/// Reads the header at the beginning of `bytes`; `None` if it is not complete.
pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, NoHeader> {
    let common = bytes.len().min(SIGNATURE.len());
    if bytes[..common] == SIGNATURE[..common] {
        return if common < SIGNATURE.len() {
            Ok(None)
        } else {
            version_2(bytes)
        };
    }
    let common = bytes.len().min(6);
    if bytes[..common] == b"PROXY "[..common] {
        return version_1(bytes);
    }
    Err(NoHeader("it begins otherwise"))
}

fn version_1(bytes: &[u8]) -> Result<Option<Header>, NoHeader> {
    let within = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return match within.len() {
            LINE_MAX => Err(NoHeader("the line does not end")),
            _ => Ok(None),
        };
    };
    let line = std::str::from_utf8(&within[..end]).map_err(|_| NoHeader("the line is no text"))?;
    let mut words = line.split(' ').skip(1);
    let ends = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4" | "TCP6") => {
            let mut ip = || words.next()?.parse::<IpAddr>().ok();
            let (from, to) = (ip(), ip());
            let mut port = || words.next()?.parse::<u16>().ok();
            match (from, to, port(), port()) {
                (Some(from), Some(to), Some(from_port), Some(to_port)) => Some((
                    SocketAddr::new(from, from_port),
                    SocketAddr::new(to, to_port),
                )),
                _ => return Err(NoHeader("its addresses cannot be read")),
            }
        }
        _ => return Err(NoHeader("it has no known protocol")),
    };
    Ok(Some(Header {
        length: end + 2,
        ends,
    }))
}

fn version_2(bytes: &[u8]) -> Result<Option<Header>, NoHeader> {
    let Some(&[command, family, high, low]) = bytes.get(12..16) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > EXTENSIONS_MAX {
        return Err(NoHeader("it is too long"));
    }
    let Some(about) = bytes.get(16..16 + length) else {
        return Ok(None);
    };
    let ends = match command {
        0x20 => None,
        0x21 => match family {
            0x11 => Some(addresses::<4>(about, |ip| Ipv4Addr::from(ip).into())?),
            0x21 => Some(addresses::<16>(about, |ip| Ipv6Addr::from(ip).into())?),
            // A kind of address that is none of TCP's: as good as none.
            _ => None,
        },
        _ => return Err(NoHeader("its version or command is unknown")),
    };
    Ok(Some(Header {
        length: 16 + length,
        ends,
    }))
}

/// Source, destination, and their ports.
fn addresses<const N: usize>(
    about: &[u8],
    ip: impl Fn([u8; N]) -> IpAddr,
) -> Result<(SocketAddr, SocketAddr), NoHeader> {
    let short = NoHeader("its addresses are too short");
    let (from, about) = about.split_first_chunk::<N>().ok_or(short)?;
    let (to, about) = about.split_first_chunk::<N>().ok_or(short)?;
    let (from_port, about) = about.split_first_chunk::<2>().ok_or(short)?;
    let (to_port, _) = about.split_first_chunk::<2>().ok_or(short)?;
    Ok((
        SocketAddr::new(ip(*from), u16::from_be_bytes(*from_port)),
        SocketAddr::new(ip(*to), u16::from_be_bytes(*to_port)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every beginning is incomplete, the whole gives `ends`, and what follows is left.
    fn check(header: &[u8], ends: Option<(&str, &str)>) {
        for end in 0..header.len() {
            assert_eq!(parse(&header[..end]), Ok(None), "{end}");
        }
        let ends = ends.map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
        let length = header.len();
        let more = [header, b"AMQP\0\0\x09\x01"].concat();
        assert_eq!(parse(&more), Ok(Some(Header { length, ends })));
    }

    #[test]
    fn version_1() {
        check(
            b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 5672\r\n",
            Some(("192.0.2.1:56324", "192.0.2.2:5672")),
        );
        check(
            b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n",
            Some(("[2001:db8::1]:1", "[2001:db8::2]:2")),
        );
        check(b"PROXY UNKNOWN\r\n", None);
        check(b"PROXY UNKNOWN whatever it says\r\n", None);
    }

    #[test]
    fn version_2() {
        let header = |command: u8, family: u8, about: &[u8]| {
            let length = u16::try_from(about.len()).unwrap().to_be_bytes();
            [SIGNATURE.as_slice(), &[command, family], &length, about].concat()
        };
        let four = [192, 0, 2, 1, 192, 0, 2, 2, 0xdc, 4, 0x16, 0x28];
        let ends = Some(("192.0.2.1:56324", "192.0.2.2:5672"));
        check(&header(0x21, 0x11, &four), ends);
        let extended = [four.as_slice(), &[4, 0, 1, 0]].concat();
        check(&header(0x21, 0x11, &extended), ends);
        let mut six = [0; 36];
        (six[15], six[31], six[33], six[35]) = (1, 2, 3, 4);
        check(&header(0x21, 0x21, &six), Some(("[::1]:3", "[::2]:4")));
        check(&header(0x20, 0, &[]), None);
        assert!(parse(&header(0x21, 0x11, &four[..11])).is_err());
        assert!(parse(&header(0x31, 0x11, &four)).is_err());
    }

    #[test]
    fn anything_else() {
        for bytes in [
            b"AMQP\0\0\x09\x01".as_slice(),
            b"PROXY TCP4 a b c d\r\n",
            b"PROXY SCTP 1 2 3 4\r\n",
            b"\r\n\r\nGET",
            &[b'P'; 2],
            &[b"PROXY ".as_slice(), &[b'x'; 200]].concat(),
        ] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
    }
}
