//! Where a message ends that has no length in front of it.

mod binary;
mod compact;
mod json;

use super::Protocol;
use crate::{Fault, Limits, Malformed, Result, WireType};

/// Finds the end of a message by going over it, as its bytes come: what was gone over is not looked at again, however
/// the input is split, and data is jumped over without being looked at.
///
/// It finds ends, and faults that keep it from finding them. Whether the message makes sense is for its reader to say.
#[derive(Debug)]
pub struct Skipper {
    protocol: Protocol,
    /// What was begun and has not ended, outermost first.
    stack: Vec<Nest>,
    /// Bytes that were gone over. That can be more than have come.
    at: usize,
    /// Whether the header was gone over.
    is_inside: bool,
    json: json::Scan,
}

/// What was begun.
#[derive(Debug, Clone, Copy)]
enum Nest {
    /// A struct: the next is a field, or its stop.
    Struct,
    Elements(Elements),
}

/// Elements of a container, so many to come. In a map keys and values alternate; in a list both types are the same.
#[derive(Debug, Clone, Copy)]
struct Elements {
    next: WireType,
    other: WireType,
    left: u64,
}

/// What going over a value led to.
enum Stepped {
    /// It ended here, or will end there.
    To(usize),
    /// Something with a place of its own on the stack was begun; its inside begins here.
    Into(Nest, usize),
    /// More bytes are needed to tell.
    Short,
}

/// Why going over what was begun was left.
enum Left {
    /// It has ended.
    Ended,
    /// Something within it begins.
    For(Nest),
    /// More bytes are needed.
    Short,
}

impl Skipper {
    /// For messages of a protocol.
    #[must_use]
    pub const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            stack: Vec::new(),
            at: 0,
            is_inside: false,
            json: json::Scan::new(),
        }
    }

    /// Forgets what it went over: the next bytes begin a message of that protocol.
    pub fn restart(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.stack.clear();
        self.at = 0;
        self.is_inside = false;
        self.json = json::Scan::new();
    }

    /// Bytes that the message has at least, as far as it was gone over.
    #[must_use]
    pub const fn wanted(&self) -> usize {
        self.at
    }

    /// Goes on in `input`, which begins where the message begins: what was given before, and more. Returns the number
    /// of the message's bytes, or `None` if it does not end in the input.
    ///
    /// # Errors
    ///
    /// If its end cannot be found: bytes that mean nothing, too much, too deep.
    pub fn advance(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>> {
        let end = match self.protocol {
            Protocol::Binary | Protocol::BinaryOld => {
                self.advance_with::<binary::Binary>(input, limits)?
            }
            Protocol::Compact => self.advance_with::<compact::Compact>(input, limits)?,
            Protocol::Json => {
                begins("json", input, |byte| byte == b'[', |_| true)?;
                let end = self.json.advance(input, self.at, limits)?;
                self.at = end.unwrap_or(input.len().min(limits.message_max.saturating_add(1)));
                end
            }
        };
        if self.at > limits.message_max {
            return Err(Malformed::new(
                Fault::OverLimit {
                    what: "a message",
                    found: self.at,
                    limit: limits.message_max,
                },
                self.at.min(input.len()),
            ));
        }
        Ok(end)
    }

    fn advance_with<W: Walk>(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>> {
        if !self.is_inside {
            let Some(at) = W::header(input, self.protocol, limits)? else {
                return Ok(None);
            };
            self.at = at;
            self.is_inside = true;
            self.enter(Nest::Struct, limits)?;
        }
        let reach = input.len().min(limits.message_max);
        while self.at <= reach {
            let Some(top) = self.stack.last_mut() else {
                return Ok(Some(self.at));
            };
            let left_for = match top {
                Nest::Struct => go_over_fields::<W>(input, &mut self.at, reach, limits)?,
                Nest::Elements(elements) => {
                    elements.go_over::<W>(input, &mut self.at, reach, limits)?
                }
            };
            match left_for {
                Left::Ended => drop(self.stack.pop()),
                Left::For(nest) => self.enter(nest, limits)?,
                Left::Short => break,
            }
        }
        Ok(None)
    }

    fn enter(&mut self, nest: Nest, limits: &Limits) -> Result<()> {
        if self.stack.len() >= limits.depth_max as usize {
            return Err(Malformed::new(Fault::TooDeep(limits.depth_max), self.at));
        }
        self.stack.push(nest);
        Ok(())
    }
}

/// Goes over fields, as far as they need no place of their own.
#[inline]
fn go_over_fields<W: Walk>(
    input: &[u8],
    at: &mut usize,
    reach: usize,
    limits: &Limits,
) -> Result<Left> {
    while *at <= reach {
        match W::field(input, *at, limits)? {
            Some(Stepped::To(end)) => *at = end,
            Some(Stepped::Into(nest, inside)) => {
                *at = inside;
                return Ok(Left::For(nest));
            }
            Some(Stepped::Short) => break,
            None => {
                *at += 1;
                return Ok(Left::Ended);
            }
        }
    }
    Ok(Left::Short)
}

impl Elements {
    /// Goes over elements, as far as they need no place of their own.
    #[inline]
    fn go_over<W: Walk>(
        &mut self,
        input: &[u8],
        at: &mut usize,
        reach: usize,
        limits: &Limits,
    ) -> Result<Left> {
        while self.left > 0 {
            if *at > reach {
                return Ok(Left::Short);
            }
            let nest = match W::value(input, *at, self.next, limits)? {
                Stepped::To(end) => {
                    *at = end;
                    None
                }
                Stepped::Into(nest, inside) => {
                    *at = inside;
                    Some(nest)
                }
                Stepped::Short => return Ok(Left::Short),
            };
            std::mem::swap(&mut self.next, &mut self.other);
            self.left -= 1;
            if let Some(nest) = nest {
                return Ok(Left::For(nest));
            }
        }
        Ok(Left::Ended)
    }
}

/// How a protocol is gone over. All take the whole input and a place in it, which may be its end.
trait Walk {
    /// The header of a message: where its struct begins, or `None` if it is not all there.
    fn header(input: &[u8], protocol: Protocol, limits: &Limits) -> Result<Option<usize>>;
    /// A field with its value; `None` for a struct's stop, which is one byte.
    fn field(input: &[u8], at: usize, limits: &Limits) -> Result<Option<Stepped>>;
    /// A value, as an element of a container.
    fn value(input: &[u8], at: usize, wire: WireType, limits: &Limits) -> Result<Stepped>;
}

/// Whether a message begins as it must, as far as it is there.
fn begins(
    protocol: &'static str,
    input: &[u8],
    is_first: impl Fn(u8) -> bool,
    is_second: impl Fn(u8) -> bool,
) -> Result<()> {
    let mut bytes = input.iter().copied();
    if bytes.next().is_none_or(is_first) && bytes.next().is_none_or(is_second) {
        return Ok(());
    }
    let mut found = [0; 4];
    for (to, from) in found.iter_mut().zip(input) {
        *to = *from;
    }
    let found = u32::from_be_bytes(found);
    Err(Malformed::new(Fault::NoMessage { protocol, found }, 0))
}

/// A string's end.
#[inline]
fn string_end(size: u32, at: usize, limits: &Limits) -> Result<usize> {
    let size = size as usize;
    if size > limits.string_max {
        return Err(over("a string", size, limits.string_max, at));
    }
    Ok(at + size)
}

/// A name's end.
fn name_end(size: u32, at: usize, limits: &Limits) -> Result<usize> {
    let size = size as usize;
    if size > limits.name_max {
        return Err(over("a method's name", size, limits.name_max, at));
    }
    Ok(at + size)
}

/// Elements of a container begin here. If all have a size that is known, they are jumped over.
#[inline]
fn elements(
    count: u32,
    types: (WireType, WireType),
    at: usize,
    is_map: bool,
    size_fixed: impl Fn(WireType) -> Option<usize>,
    limits: &Limits,
) -> Result<Stepped> {
    if count > limits.container_max {
        return Err(over(
            "a container",
            count as usize,
            limits.container_max as usize,
            at,
        ));
    }
    // 32 bits times at most 32 bytes: no overflow in 64 (THRIFT-6091).
    let sizes = if is_map {
        size_fixed(types.0).zip(size_fixed(types.1))
    } else {
        size_fixed(types.0).map(|size| (size, 0))
    };
    Ok(match sizes {
        Some((first, second)) => {
            let size = (first + second) as u64 * u64::from(count);
            Stepped::To(at.saturating_add(usize::try_from(size).unwrap_or(usize::MAX)))
        }
        None => Stepped::Into(
            Nest::Elements(Elements {
                next: types.0,
                other: types.1,
                left: u64::from(count) << u32::from(is_map),
            }),
            at,
        ),
    })
}

#[cold]
fn over(what: &'static str, found: usize, limit: usize, at: usize) -> Box<Malformed> {
    Malformed::new(Fault::OverLimit { what, found, limit }, at)
}

#[cfg(test)]
mod tests;
