//! Trace context (W3C Trace Context, level 1): which calls belong together, whoever makes them and over whichever wire.
//!
//! Nothing is recorded here. What comes is handed on, each hop with an id of its own, and what comes without gets an id, so
//! that logs and errors can name it.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
};

/// The key of [`Trace`] on every wire.
pub const TRACEPARENT: &str = "traceparent";
/// The key of what tracing systems add for themselves; see [`is_tracestate`].
pub const TRACESTATE: &str = "tracestate";
/// The key of what callers say to all that take part; see [`is_baggage`].
pub const BAGGAGE: &str = "baggage";

/// The length of `traceparent` in version 00.
pub const TRACEPARENT_SIZE: usize = 55;
/// The most that is handed on of `tracestate`, of which 512 bytes are asked for.
const TRACESTATE_MAX: usize = 4 << 10;
/// The most members of `tracestate`.
const TRACESTATE_MEMBERS_MAX: usize = 32;
/// The most that is handed on of `baggage`, as much as is asked for.
const BAGGAGE_MAX: usize = 8 << 10;
const SAMPLED: u8 = 1;

/// Where a call is in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    /// The hop.
    span: [u8; 8],
    is_sampled: bool,
}

impl Trace {
    /// A new trace. Nobody has asked for it to be recorded.
    #[must_use]
    pub fn begin() -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&random());
        id[8..].copy_from_slice(&random());
        Self {
            id,
            span: random(),
            is_sampled: false,
        }
    }

    /// The trace that a `traceparent` says; nothing if it is not valid. Of versions to come what version 00 has is read.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (fields, rest) = text.split_first_chunk::<TRACEPARENT_SIZE>()?;
        let [version] = hex(&fields[..2])?;
        let is_known = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let has_dashes = [2, 35, 52].iter().all(|at| fields[*at] == b'-');
        let (id, span) = (hex(&fields[3..35])?, hex(&fields[36..52])?);
        let [flags] = hex(&fields[53..])?;
        let is_valid = is_known && has_dashes && id != [0; 16] && span != [0; 8];
        is_valid.then_some(Self {
            id,
            span,
            is_sampled: flags & SAMPLED != 0,
        })
    }

    /// The next hop of the same trace.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            span: random(),
            ..self
        }
    }

    /// As `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> [u8; TRACEPARENT_SIZE] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&self.id, &mut text[3..35]);
        write_hex(&self.span, &mut text[36..52]);
        text[54] += u8::from(self.is_sampled);
        text
    }
}

/// The id of the trace, as logs and errors have it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Whether a `tracestate` can be handed on: a list of `key=value`.
#[must_use]
pub fn is_tracestate(text: &[u8]) -> bool {
    let is_member = |member: &[u8]| {
        let member = member.trim_ascii();
        let Some(at) = member.iter().position(|byte| *byte == b'=') else {
            return member.is_empty();
        };
        let (key, value) = (&member[..at], &member[at + 1..]);
        let in_key = |byte: &u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/@".contains(byte)
        };
        let in_value = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'=';
        !key.is_empty() && key.iter().all(in_key) && value.iter().all(in_value)
    };
    text.len() <= TRACESTATE_MAX
        && text.split(|byte| *byte == b',').count() <= TRACESTATE_MEMBERS_MAX
        && text.split(|byte| *byte == b',').all(is_member)
}

/// Whether a `baggage` can be handed on. What it says is its readers' business.
#[must_use]
pub fn is_baggage(text: &[u8]) -> bool {
    text.len() <= BAGGAGE_MAX && text.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
}

/// Bytes that are not all zero, and that nobody else has: the keys of the standard library's hashes are drawn at random once
/// a thread, and are others each time.
fn random() -> [u8; 8] {
    loop {
        let bytes = RandomState::new().hash_one(()).to_be_bytes();
        if bytes != [0; 8] {
            return bytes;
        }
    }
}

/// Lower-case digits only, as the standard has it.
fn hex<const SIZE: usize>(text: &[u8]) -> Option<[u8; SIZE]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; SIZE];
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, digits) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn parse(text: &str) -> Option<Trace> {
        Trace::parse(text.as_bytes())
    }

    #[test]
    fn a_trace_is_read_and_written() {
        for (flags, written) in [("00", "00"), ("01", "01"), ("03", "01"), ("fe", "00")] {
            let trace = parse(&format!("00-{ID}-{SPAN}-{flags}")).unwrap();
            assert_eq!(trace.to_string(), ID);
            let text = String::from_utf8(trace.traceparent().to_vec()).unwrap();
            assert_eq!(text, format!("00-{ID}-{SPAN}-{written}"));
        }
        // What is to come may have more.
        let trace = parse(&format!("01-{ID}-{SPAN}-01-more")).unwrap();
        assert_eq!(parse(&format!("cc-{ID}-{SPAN}-01")).unwrap(), trace);
    }

    #[test]
    fn what_is_not_valid_is_no_trace() {
        let upper = ID.to_uppercase();
        for text in [
            String::new(),
            format!("00-{ID}-{SPAN}"),
            format!("00-{ID}-{SPAN}-0"),
            format!("00-{ID}-{SPAN}-01-"),
            format!("00-{ID}-{SPAN}-01-more"),
            format!("01-{ID}-{SPAN}-01.more"),
            format!("ff-{ID}-{SPAN}-01"),
            format!("0x-{ID}-{SPAN}-01"),
            format!("00-{upper}-{SPAN}-01"),
            format!("00-{ID}-{SPAN}-0X"),
            format!("00_{ID}-{SPAN}-01"),
            format!("00-{ID}_{SPAN}-01"),
            format!("00-{}-{SPAN}-01", "0".repeat(32)),
            format!("00-{ID}-{}-01", "0".repeat(16)),
        ] {
            assert_eq!(parse(&text), None, "{text}");
        }
    }

    #[test]
    fn hops_differ_and_belong_together() {
        let first = Trace::begin();
        assert!(!first.is_sampled);
        assert_eq!(Trace::parse(&first.traceparent()), Some(first));
        let next = first.next();
        assert_ne!(next, first);
        assert_eq!(next.to_string(), first.to_string());
        assert_ne!(Trace::begin().to_string(), first.to_string());
    }

    #[test]
    fn what_is_handed_on_has_no_line_ends() {
        for good in [
            "",
            "a=1",
            "congo=t61,rojo=00f0 , 1@x/y=b_c-*",
            "a=1,,b=",
            "a= 1",
        ] {
            assert!(is_tracestate(good.as_bytes()), "{good}");
        }
        let many = vec!["a=1"; 33].join(",");
        for bad in ["a", "A=1", "=1", "a=1\r\nb: 2", "a=b=c", "a=ä", &many] {
            assert!(!is_tracestate(bad.as_bytes()), "{bad}");
        }
        assert!(is_baggage(b"userId=alice;ttl=1, key=%20"));
        assert!(!is_baggage(b"a=1\r\nHost: elsewhere"));
        assert!(!is_baggage(&[b'a'; BAGGAGE_MAX + 1]));
    }
}
