//! Numbers as they are written in JSON.

/// Powers of ten that fit 64 bits.
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut at = 1;
    while at < 20 {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// 2^127 by each of them, shifted up to 64 bits; less than 2^64 for all but the first, which is not used.
const RECIPROCALS: [u64; 20] = {
    let mut reciprocals = [0; 20];
    let mut at = 1;
    while at < 20 {
        let divisor = POWERS[at] << POWERS[at].leading_zeros();
        reciprocals[at] = ((1 << 127) / divisor as u128) as u64;
        at += 1;
    }
    reciprocals
};

/// Powers of ten that a double holds exactly.
const EXACT: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Decimal digits that always fit 64 bits.
const DIGITS_MAX: usize = 19;

const ONES: u64 = 0x0101_0101_0101_0101;

/// The number that eight digits are, the first in the lowest byte, each from 0 to 9.
#[inline]
const fn eight(digits: u64) -> u64 {
    let pairs = digits.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// The number that the digits from `at` on are, and where they end; of more than [`DIGITS_MAX`] it is not the right one.
#[inline]
fn digits(bytes: &[u8], mut at: usize) -> (u64, usize) {
    let mut number = 0u64;
    for chunk in bytes.get(at..).unwrap_or_default().as_chunks::<8>().0 {
        // Digits become 0 to 9, and every other byte gets its high bit; those above the first such may be wrong.
        let digits = u64::from_le_bytes(*chunk) ^ (ONES * b'0' as u64);
        let others = (digits.wrapping_add(ONES * (0x80 - 10)) | digits) & (ONES << 7);
        let count = others.trailing_zeros() as usize / 8;
        if count == 0 {
            return (number, at);
        }
        // Zeros come in front of those that are digits, and the others go.
        let value = eight(digits << (64 - 8 * count));
        number = number.wrapping_mul(POWERS[count]).wrapping_add(value);
        at += count;
        if count < 8 {
            return (number, at);
        }
    }
    while let Some(byte) = bytes.get(at)
        && byte.is_ascii_digit()
    {
        number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
        at += 1;
    }
    (number, at)
}

/// The integer at the front of `bytes`, and its length; none if there is none, if it does not fit 64 bits, or if it goes on
/// as another number.
#[inline]
pub(super) fn integer(bytes: &[u8]) -> Option<(i64, usize)> {
    let is_negative = bytes.first() == Some(&b'-');
    let start = usize::from(is_negative);
    let (magnitude, end) = digits(bytes, start);
    let count = end - start;
    if count.wrapping_sub(1) >= DIGITS_MAX || (bytes[start] == b'0' && count > 1) {
        return None;
    }
    if let Some(b'.' | b'e' | b'E') = bytes.get(end) {
        return None;
    }
    let number = if is_negative {
        0i64.checked_sub_unsigned(magnitude)?
    } else {
        i64::try_from(magnitude).ok()?
    };
    Some((number, end))
}

/// The integer that a whole text is.
pub(super) fn integer_of(text: &str) -> Option<i64> {
    integer(text.as_bytes())
        .filter(|(_, length)| *length == text.len())
        .map(|(number, _)| number)
}

/// The double at the front of `bytes`, and its length, if that is easily said: without an exponent, with digits that fit
/// 64 bits, and not close to the middle between two doubles.
#[inline]
pub(super) fn double(bytes: &[u8]) -> Option<(f64, usize)> {
    let is_negative = bytes.first() == Some(&b'-');
    let start = usize::from(is_negative);
    let (mut mantissa, mut end) = digits(bytes, start);
    let mut count = end - start;
    if count == 0 || (bytes[start] == b'0' && count > 1) {
        return None;
    }
    let mut fraction_length = 0;
    if bytes.get(end) == Some(&b'.') {
        let (fraction, fraction_end) = digits(bytes, end + 1);
        fraction_length = fraction_end - end - 1;
        count += fraction_length;
        if fraction_length == 0 || count > DIGITS_MAX {
            return None;
        }
        mantissa = mantissa * POWERS[fraction_length] + fraction;
        end = fraction_end;
    }
    if count > DIGITS_MAX {
        return None;
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        return None;
    }
    let number = if mantissa <= 1 << f64::MANTISSA_DIGITS {
        // Both are doubles without loss, so the division rounds right.
        mantissa as f64 / EXACT[fraction_length]
    } else {
        quotient(mantissa, fraction_length)?
    };
    Some((if is_negative { -number } else { number }, end))
}

/// A number of more than 53 bits by a power of ten up to [`DIGITS_MAX`], as the nearest double, and of two the even one; none
/// where that takes more than one multiplication, once in five hundred times.
///
/// With `n` and `d` shifted up to 64 bits each, `n * floor(2^127 / d)` is less than `n * 2^127 / d` by less than 2^64. So its
/// upper 64 bits, once there is no zero in front, are less than the quotient's by less than 3 of their last bit. Of these 64
/// bits 11 are rounded away, and the difference matters only if they are about half of what they can be.
#[inline]
fn quotient(number: u64, power: usize) -> Option<f64> {
    if power == 0 {
        return Some(number as f64);
    }
    let up = number.leading_zeros();
    let product = u128::from(number << up) * u128::from(RECIPROCALS[power]);
    let shift = product.leading_zeros();
    let bits = (product << shift >> 64) as u64;
    if (0x3fd..=0x400).contains(&(bits & 0x7ff)) {
        return None;
    }
    let exponent = POWERS[power].leading_zeros() as i32 - up as i32 - 63 - shift as i32;
    // Far from the smallest and the largest doubles.
    let power_of_two = f64::from_bits(((1_023 + exponent) as u64) << 52);
    Some(bits as f64 * power_of_two)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_of_every_length() {
        for length in 1..=19 {
            let number: i64 = "1234567890123456789"[..length].parse().expect("a number");
            for tail in ["", " ", ",", "]   ", "/", ":", "x12345678", "\u{80}"] {
                for sign in ["", "-"] {
                    let text = format!("{sign}{number}{tail}");
                    let expected = if sign.is_empty() { number } else { -number };
                    let end = length + sign.len();
                    assert_eq!(integer(text.as_bytes()), Some((expected, end)), "{text}");
                }
            }
        }
    }

    #[test]
    fn integers_at_the_edge() {
        assert_eq!(integer_of("9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer_of("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer_of("0"), Some(0));
        assert_eq!(integer_of("-0"), Some(0));
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "100000000000000000000",
            "",
            "-",
            "+1",
            "01",
            "-01",
            "00",
            "1.0",
            "1e3",
            "1E3",
            " 1",
            "1 ",
            "0x10",
        ] {
            assert_eq!(integer_of(text), None, "{text}");
        }
    }

    #[test]
    fn doubles_that_are_not_easy_are_left() {
        for text in [
            "",
            "-",
            ".5",
            "1.",
            "01",
            "1e3",
            "1.5E3",
            "12345678901234567890",
            "0.12345678901234567890123",
        ] {
            assert_eq!(double(text.as_bytes()), None, "{text}");
        }
        assert_eq!(double(b"1.5,"), Some((1.5, 3)));
        assert_eq!(double(b"-0.0"), Some((-0.0, 4)));
        assert!(double(b"-0.0").is_some_and(|(number, _)| number.is_sign_negative()));
    }

    #[test]
    fn quotients_are_right_where_it_is_close() {
        let mut close = 0;
        for (power, ten) in POWERS.iter().enumerate().skip(1) {
            // Halves between two doubles, as close as integers come to them.
            for at in 0..4_000u128 {
                let half = ((1 << 52) + at * 0x1_2345_6789) * 2 + 1;
                let product = half * u128::from(*ten);
                let size = 128 - product.leading_zeros();
                let near = (product >> size.saturating_sub(63)) as u64;
                for number in near - 2..=near + 2 {
                    let expected: f64 = format!("{number}e-{power}").parse().expect("a number");
                    match quotient(number, power) {
                        Some(found) => assert_eq!(found, expected, "{number}e-{power}"),
                        None => close += 1,
                    }
                }
            }
        }
        assert!(close > 20_000, "it was too close to say {close} times");
    }

    proptest! {
        #[test]
        fn quotients_are_what_the_standard_library_says(
            number in (1u64 << 53) + 1..10_000_000_000_000_000_000,
            power in 0..=DIGITS_MAX,
        ) {
            let expected: f64 = format!("{number}e-{power}").parse().expect("a number");
            if let Some(found) = quotient(number, power) {
                prop_assert_eq!(found.to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn integers_are_what_the_standard_library_says(number: i64) {
            prop_assert_eq!(integer_of(&number.to_string()), Some(number));
        }

        #[test]
        fn doubles_are_what_the_standard_library_says(text in "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,18})?") {
            if let Some((number, length)) = double(text.as_bytes()) {
                prop_assert_eq!(length, text.len());
                let expected: f64 = text.parse().expect("a number");
                prop_assert_eq!(number.to_bits(), expected.to_bits());
            }
        }

        #[test]
        fn doubles_survive(number in -1e6f64..1e6) {
            let text = format!("{number:?}");
            if let Some((again, _)) = double(text.as_bytes()) {
                prop_assert_eq!(again.to_bits(), number.to_bits());
            }
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = integer(&bytes);
            let _ = double(&bytes);
        }
    }
}
