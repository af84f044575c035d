//! One byte range of a file: `Range` and `If-Range` (RFC 9110 §13.1.5, §14).

use std::ops::Range;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// All of it: no range was asked for, or none that is understood. A server may always do that.
    Whole,
    /// These bytes, which are there.
    Part(Range<u64>),
    /// No byte of what was asked for is there.
    Unsatisfiable,
}

/// What `range` asks of a file of `size` bytes.
///
/// Several ranges, other units and malformed ones are answered with the whole file, as the standard has it: a recipient
/// that does not support or understand a range ignores it.
pub(crate) fn asked(range: Option<&str>, size: u64) -> Asked {
    let Some(spec) = range.and_then(|range| {
        let (unit, spec) = range.split_once('=')?;
        unit.trim()
            .eq_ignore_ascii_case("bytes")
            .then_some(spec.trim())
    }) else {
        return Asked::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Asked::Whole;
    };
    let part = match (position(first), position(last)) {
        (Some(Position::At(first)), Some(Position::At(last))) if first <= last => {
            first..last.saturating_add(1).min(size)
        }
        (Some(Position::At(first)), Some(Position::Open)) => first..size,
        // The last bytes, however many there are; of none nothing can be given.
        (Some(Position::Open), Some(Position::At(length))) => size.saturating_sub(length)..size,
        _ => return Asked::Whole,
    };
    if part.start < part.end {
        Asked::Part(part)
    } else {
        Asked::Unsatisfiable
    }
}

/// Whether the condition of `If-Range` allows a part: it names exactly this representation by a strong tag. A date is no
/// strong validator here: the time when a file came is not kept to be compared.
pub(crate) fn is_same(if_range: Option<&str>, etag: &str) -> bool {
    if_range.is_none_or(|condition| condition.trim() == etag)
}

enum Position {
    At(u64),
    Open,
}

fn position(text: &str) -> Option<Position> {
    match text.trim() {
        "" => Some(Position::Open),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            // Beyond any file is as good as exactly there.
            Some(Position::At(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, asked, is_same};

    fn check(range: &str, size: u64, expected: Asked) {
        assert_eq!(asked(Some(range), size), expected, "{range} of {size}");
    }

    #[test]
    fn single_ranges() {
        check("bytes=0-0", 10, Asked::Part(0..1));
        check("bytes=2-5", 10, Asked::Part(2..6));
        check("bytes=2-", 10, Asked::Part(2..10));
        check("bytes=-3", 10, Asked::Part(7..10));
        check("bytes=-30", 10, Asked::Part(0..10));
        check("bytes=5-999", 10, Asked::Part(5..10));
        check("Bytes= 0-99999999999999999999999", 10, Asked::Part(0..10));
    }

    #[test]
    fn nothing_of_it_is_there() {
        check("bytes=10-", 10, Asked::Unsatisfiable);
        check("bytes=10-12", 10, Asked::Unsatisfiable);
        check("bytes=-0", 10, Asked::Unsatisfiable);
        check("bytes=0-", 0, Asked::Unsatisfiable);
        check("bytes=-5", 0, Asked::Unsatisfiable);
        check("bytes=18446744073709551615-", 10, Asked::Unsatisfiable);
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        assert_eq!(asked(None, 10), Asked::Whole);
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            check(range, 10, Asked::Whole);
        }
    }

    #[test]
    fn a_part_only_of_the_same_file() {
        assert!(is_same(None, "\"a\""));
        assert!(is_same(Some("\"a\""), "\"a\""));
        assert!(!is_same(Some("\"b\""), "\"a\""));
        assert!(!is_same(Some("W/\"a\""), "\"a\""));
        assert!(!is_same(Some("Sat, 29 Oct 1994 19:43:31 GMT"), "\"a\""));
    }
}
