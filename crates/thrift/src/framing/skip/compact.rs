//! Going over the compact protocol.

use super::{Nest, Stepped, Walk, begins, elements, name_end, string_end};
use crate::{Fault, Limits, Malformed, Result, WireType, framing::Protocol};

pub(super) struct Compact;

/// The bytes that every element of a type has, if that is so.
const fn size_fixed(wire: WireType) -> Option<usize> {
    match wire {
        WireType::Bool | WireType::I8 => Some(1),
        WireType::Double => Some(8),
        WireType::Uuid => Some(16),
        _ => None,
    }
}

#[inline]
fn wire(number: u8, at: usize) -> Result<WireType> {
    Ok(match number {
        1 | 2 => WireType::Bool,
        3 => WireType::I8,
        4 => WireType::I16,
        5 => WireType::I32,
        6 => WireType::I64,
        7 => WireType::Double,
        8 => WireType::String,
        9 => WireType::List,
        10 => WireType::Set,
        11 => WireType::Map,
        12 => WireType::Struct,
        13 => WireType::Uuid,
        _ => return Err(Malformed::new(Fault::NoType(number), at)),
    })
}

/// Where a number of at most `size_max` bytes ends, if it is all there.
#[inline]
fn varint_end(input: &[u8], at: usize, size_max: usize) -> Result<Option<usize>> {
    let rest = input.get(at..).unwrap_or_default();
    if let [0..=0x7f, ..] = rest {
        return Ok(Some(at + 1));
    }
    match rest.iter().take(size_max).position(|byte| *byte < 0x80) {
        Some(last) => Ok(Some(at + last + 1)),
        None if rest.len() < size_max => Ok(None),
        None => Err(Malformed::new(Fault::LongVarint(size_max), at)),
    }
}

/// A size, and where it ends.
#[inline]
fn size(input: &[u8], at: usize) -> Result<Option<(u32, usize)>> {
    if let Some(&byte @ 0..=0x7f) = input.get(at) {
        return Ok(Some((u32::from(byte), at + 1)));
    }
    let Some(end) = varint_end(input, at, 5)? else {
        return Ok(None);
    };
    let size = input[at..end]
        .iter()
        .rev()
        .fold(0_u64, |size, byte| size << 7 | u64::from(byte & 0x7f));
    match i32::try_from(size) {
        Ok(size) => Ok(Some((size.cast_unsigned(), end))),
        Err(_) => Err(Malformed::new(Fault::NegativeSize(size as i32), at)),
    }
}

impl Walk for Compact {
    fn header(input: &[u8], _: Protocol, limits: &Limits) -> Result<Option<usize>> {
        begins("compact", input, |id| id == 0x82, |byte| byte & 0x1f == 1)?;
        let Some(at) = varint_end(input, 2, 5)? else {
            return Ok(None);
        };
        let Some((size, at)) = size(input, at)? else {
            return Ok(None);
        };
        let end = name_end(size, at, limits)?;
        Ok((end <= input.len()).then_some(end))
    }

    #[inline]
    fn field(input: &[u8], at: usize, limits: &Limits) -> Result<Option<Stepped>> {
        let number = match input[at..] {
            [] => return Ok(Some(Stepped::Short)),
            [byte, ..] if byte & 0xf == 0 => return Ok(None),
            [byte, ..] => byte,
        };
        let value = wire(number & 0xf, at)?;
        let mut at = at + 1;
        if number >> 4 == 0 {
            // The id comes behind, as it does not follow closely on the one before.
            match varint_end(input, at, 5)? {
                Some(end) => at = end,
                None => return Ok(Some(Stepped::Short)),
            }
        }
        if value == WireType::Bool {
            return Ok(Some(Stepped::To(at)));
        }
        Self::value(input, at, value, limits).map(Some)
    }

    #[inline]
    fn value(input: &[u8], at: usize, value: WireType, limits: &Limits) -> Result<Stepped> {
        match value {
            WireType::Bool | WireType::I8 => Ok(Stepped::To(at + 1)),
            WireType::Double => Ok(Stepped::To(at + 8)),
            WireType::Uuid => Ok(Stepped::To(at + 16)),
            WireType::I16 | WireType::I32 | WireType::I64 => {
                let size_max = if value == WireType::I64 { 10 } else { 5 };
                let end = varint_end(input, at, size_max)?;
                Ok(end.map_or(Stepped::Short, Stepped::To))
            }
            WireType::String => match size(input, at)? {
                Some((size, at)) => string_end(size, at, limits).map(Stepped::To),
                None => Ok(Stepped::Short),
            },
            WireType::Struct => Ok(Stepped::Into(Nest::Struct, at)),
            WireType::Set | WireType::List => {
                let Some(&first) = input.get(at) else {
                    return Ok(Stepped::Short);
                };
                let element = wire(first & 0xf, at)?;
                let (count, at) = if first >> 4 == 15 {
                    match size(input, at + 1)? {
                        Some(size) => size,
                        None => return Ok(Stepped::Short),
                    }
                } else {
                    (u32::from(first >> 4), at + 1)
                };
                elements(count, (element, element), at, false, size_fixed, limits)
            }
            WireType::Map => {
                let Some((count, at)) = size(input, at)? else {
                    return Ok(Stepped::Short);
                };
                if count == 0 {
                    return Ok(Stepped::To(at));
                }
                let Some(&types) = input.get(at) else {
                    return Ok(Stepped::Short);
                };
                let types = (wire(types >> 4, at)?, wire(types & 0xf, at)?);
                elements(count, types, at + 1, true, size_fixed, limits)
            }
        }
    }
}
