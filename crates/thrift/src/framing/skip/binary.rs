//! Going over the binary protocol.

use super::{Nest, Stepped, Walk, begins, elements, name_end, string_end};
use crate::{Fault, Limits, Malformed, Result, WireType, framing::Protocol};

pub(super) struct Binary;

/// The bytes that every value of a type has, if that is so.
const fn size_fixed(wire: WireType) -> Option<usize> {
    Some(match wire {
        WireType::Bool | WireType::I8 => 1,
        WireType::I16 => 2,
        WireType::I32 => 4,
        WireType::Double | WireType::I64 => 8,
        WireType::Uuid => 16,
        WireType::String | WireType::Struct | WireType::Set | WireType::List | WireType::Map => {
            return None;
        }
    })
}

#[inline]
fn wire(number: u8, at: usize) -> Result<WireType> {
    WireType::of(number).ok_or_else(|| Malformed::new(Fault::NoType(number), at))
}

#[inline]
fn size(bytes: [u8; 4], at: usize) -> Result<u32> {
    let size = i32::from_be_bytes(bytes);
    u32::try_from(size).map_err(|_| Malformed::new(Fault::NegativeSize(size), at))
}

impl Walk for Binary {
    fn header(input: &[u8], protocol: Protocol, limits: &Limits) -> Result<Option<usize>> {
        // Strict: version, size of the name, name, sequence. Old: size of the name, name, kind, sequence.
        let (at, behind) = if protocol == Protocol::BinaryOld {
            (0, 5)
        } else {
            begins("binary", input, |byte| byte == 0x80, |byte| byte == 1)?;
            (4, 4)
        };
        let Some(bytes) = input.get(at..).and_then(<[u8]>::first_chunk) else {
            return Ok(None);
        };
        let end = name_end(size(*bytes, at)?, at + 4, limits)? + behind;
        Ok((end <= input.len()).then_some(end))
    }

    #[inline]
    fn field(input: &[u8], at: usize, limits: &Limits) -> Result<Option<Stepped>> {
        match input[at..] {
            [] => Ok(Some(Stepped::Short)),
            [0, ..] => Ok(None),
            [number, ..] => {
                let wire = wire(number, at)?;
                if at + 3 > input.len() {
                    return Ok(Some(Stepped::Short));
                }
                Self::value(input, at + 3, wire, limits).map(Some)
            }
        }
    }

    #[inline]
    fn value(input: &[u8], at: usize, value: WireType, limits: &Limits) -> Result<Stepped> {
        if let Some(size) = size_fixed(value) {
            return Ok(Stepped::To(at + size));
        }
        let rest = &input[at..];
        match value {
            WireType::Struct => Ok(Stepped::Into(Nest::Struct, at)),
            WireType::Set | WireType::List => {
                let Some(&[number, a, b, c, d]) = rest.first_chunk() else {
                    return Ok(Stepped::Short);
                };
                let element = wire(number, at)?;
                let count = size([a, b, c, d], at + 1)?;
                elements(count, (element, element), at + 5, false, size_fixed, limits)
            }
            WireType::Map => {
                let Some(&[key, value, a, b, c, d]) = rest.first_chunk() else {
                    return Ok(Stepped::Short);
                };
                let count = size([a, b, c, d], at + 2)?;
                if count == 0 {
                    // Some writers put zeros for the types of an empty map.
                    return Ok(Stepped::To(at + 6));
                }
                let types = (wire(key, at)?, wire(value, at + 1)?);
                elements(count, types, at + 6, true, size_fixed, limits)
            }
            _ => {
                let Some(bytes) = rest.first_chunk() else {
                    return Ok(Stepped::Short);
                };
                string_end(size(*bytes, at)?, at + 4, limits).map(Stepped::To)
            }
        }
    }
}
