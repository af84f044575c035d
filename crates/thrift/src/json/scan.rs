//! Looking at text eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// The high bit of each byte that a string in JSON cannot have as it is: quotes, backslashes, control characters. Bits above
/// the lowest may be wrong, because a borrow runs upwards.
#[inline]
const fn special_bytes(word: u64) -> u64 {
    // Turning over bit 1 puts the quote, 0x22, right behind the control characters, and leaves those where they are.
    let low = word ^ (ONES * 0x02);
    let backslash = word ^ (ONES * b'\\' as u64);
    ((low.wrapping_sub(ONES * 0x21) & !low) | (backslash.wrapping_sub(ONES) & !backslash)) & HIGHS
}

/// A byte that a string in JSON cannot have as it is.
#[inline]
const fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Where the first byte is, from `at` on, that ends a run of plain text: a quote, a backslash or a control character. The
/// length if there is none.
#[inline]
pub(super) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    for chunk in bytes.get(at..).unwrap_or_default().as_chunks::<8>().0 {
        let found = special_bytes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at)
        && !is_special(*byte)
    {
        at += 1;
    }
    at
}

/// `bytes` begin with `label`. Labels are short: two or three words are compared, of which the last overlaps.
#[inline]
pub(super) fn begins_with(bytes: &[u8], label: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..label.len()) else {
        return false;
    };
    if let (Some(last), Some(label_last)) = (bytes.last_chunk::<8>(), label.last_chunk::<8>()) {
        let words = bytes.as_chunks::<8>().0.iter();
        return *last == *label_last && words.eq(label.as_chunks::<8>().0);
    }
    match (bytes.first_chunk::<4>(), label.first_chunk::<4>()) {
        (Some(first), Some(label_first)) => {
            *first == *label_first && bytes.last_chunk::<4>() == label.last_chunk::<4>()
        }
        _ => bytes == label,
    }
}

/// What a text is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looks {
    /// It has nothing that must be escaped.
    pub(super) is_plain: bool,
    /// It has only ASCII, so it is UTF-8.
    pub(super) is_ascii: bool,
}

/// Whether a text has to be escaped, and whether it may be something else than UTF-8.
#[inline]
pub(super) fn looks(bytes: &[u8]) -> Looks {
    let mut special = 0;
    let mut high = 0;
    let mut look = |word: u64| {
        special |= special_bytes(word);
        high |= word & HIGHS;
    };
    if let Some(last) = bytes.last_chunk::<8>() {
        for chunk in bytes.as_chunks::<8>().0 {
            look(u64::from_le_bytes(*chunk));
        }
        // The end, which overlaps what was looked at.
        look(u64::from_le_bytes(*last));
    } else {
        // Filled up with spaces, which are nothing special.
        let word = bytes
            .iter()
            .fold(u64::from_le_bytes([b' '; 8]), |word, byte| {
                word << 8 | u64::from(*byte)
            });
        look(word);
    }
    Looks {
        is_plain: special == 0,
        is_ascii: high == 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_plain_text_is_found_at_any_place_and_for_any_byte() {
        for length in 0..40 {
            for place in 0..length {
                for byte in 0..=255u8 {
                    for filler in [b'a', 0x7f, 0x80, 0xff, b'!', b'#', b'[', b']', b' '] {
                        let mut bytes = vec![filler; length];
                        bytes[place] = byte;
                        let expected = if is_special(byte) { place } else { length };
                        assert_eq!(plain_end(&bytes, 0), expected, "{bytes:?}");
                        let looks = looks(&bytes);
                        assert_eq!(looks.is_plain, !is_special(byte), "{bytes:?}");
                        assert_eq!(looks.is_ascii, bytes.is_ascii(), "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_label_is_compared_whole() {
        for length in 0..30 {
            let label: Vec<u8> = (0..length).collect();
            assert!(begins_with(&label, &label));
            assert!(begins_with(&[&label[..], b"more"].concat(), &label));
            for at in 0..label.len() {
                assert!(!begins_with(&label[..at], &label));
                let mut other = label.clone();
                other[at] ^= 0x40;
                assert!(!begins_with(&other, &label));
            }
        }
    }

    #[test]
    fn nothing_has_an_end_at_once() {
        assert_eq!(plain_end(b"", 0), 0);
        assert_eq!(plain_end(b"ab", 2), 2);
        assert_eq!(plain_end(b"ab", 7), 7);
    }
}
