//! Strings, numbers and binary data as text.

use base64::{
    alphabet,
    engine::{DecodePaddingMode, Engine as _, GeneralPurpose, GeneralPurposeConfig},
};

/// Written with padding, which older Python libraries insist on; read with and without, as C++ and Java write none.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Appends base64 to `out`.
pub(super) fn encode(value: &[u8], out: &mut Vec<u8>) {
    let at = out.len();
    out.resize(at + value.len().div_ceil(3) * 4, 0);
    let size = BASE64.encode_slice(value, &mut out[at..]);
    debug_assert_eq!(size.ok(), Some(out.len() - at), "there is room for it");
}

/// Replaces `out` with what base64 means.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    out.clear();
    BASE64
        .decode_vec(text, out)
        .map_err(|error| format!("binary data is not base64: {error}"))
}

/// Replaces `out` with what the inside of a string means. Control characters may be there as they are: Node.js writes
/// them so.
pub(super) fn unescape(mut inside: &[u8], out: &mut Vec<u8>) -> Result<(), &'static str> {
    out.clear();
    while let Some(at) = inside.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&inside[..at]);
        let (byte, rest) = inside[at + 1..]
            .split_first()
            .ok_or("an escape is not whole")?;
        inside = rest;
        let plain = match byte {
            b'"' | b'\\' | b'/' => *byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let character = character(&mut inside)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return Err("there is no such escape"),
        };
        out.push(plain);
    }
    out.extend_from_slice(inside);
    Ok(())
}

/// The character of an escape, behind `\u`; of a pair of them, if it is one.
fn character(inside: &mut &[u8]) -> Result<char, &'static str> {
    let high = unit(inside)?;
    if let Some(character) = char::from_u32(high) {
        return Ok(character);
    }
    let low = match inside.strip_prefix(b"\\u") {
        Some(rest) if high < 0xdc00 => {
            *inside = rest;
            unit(inside)?
        }
        _ => return Err("half of a surrogate pair"),
    };
    if !(0xdc00..0xe000).contains(&low) {
        return Err("half of a surrogate pair");
    }
    char::from_u32(0x1_0000 + ((high - 0xd800) << 10 | (low - 0xdc00)))
        .ok_or("half of a surrogate pair")
}

/// Four hexadecimal digits.
fn unit(inside: &mut &[u8]) -> Result<u32, &'static str> {
    let (digits, rest) = inside
        .split_first_chunk::<4>()
        .ok_or("an escape is not whole")?;
    *inside = rest;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit)
            .to_digit(16)
            .ok_or("an escape is not hexadecimal")?;
        Ok(unit << 4 | digit)
    })
}

/// Appends a string in quotes. Digits of escapes are small: C++ reads no others.
pub(super) fn quote(value: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| needs_escape(*byte)) {
        let byte = rest[at];
        out.extend_from_slice(&rest[..at]);
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 0xf)]]);
                rest = &rest[at + 1..];
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

const fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Doubles that are no numbers: as all should write them, and as Python does (`nan`, `inf`).
pub(super) fn special(text: &[u8]) -> Option<f64> {
    Some(match text {
        b"NaN" | b"nan" => f64::NAN,
        b"Infinity" | b"inf" => f64::INFINITY,
        b"-Infinity" | b"-inf" => f64::NEG_INFINITY,
        _ => return None,
    })
}

/// A uuid: 32 digits in groups of 8, 4, 4, 4 and 12.
pub(super) fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 {
        return None;
    }
    let mut digits = [0; 32];
    let mut count = 0;
    for (at, byte) in text.iter().enumerate() {
        if matches!(at, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
        } else {
            *digits.get_mut(count)? = char::from(*byte).to_digit(16)? as u8;
            count += 1;
        }
    }
    let mut value = [0; 16];
    for (byte, pair) in value.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Some(value)
}

/// The text of a uuid, with small letters.
pub(super) fn uuid_text(value: &[u8; 16]) -> [u8; 36] {
    let digits = u128::from_be_bytes(*value);
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for (at, byte) in text.iter_mut().enumerate() {
        if !matches!(at, 8 | 13 | 18 | 23) {
            shift -= 4;
            *byte = b"0123456789abcdef"[(digits >> shift & 0xf) as usize];
        }
    }
    text
}
