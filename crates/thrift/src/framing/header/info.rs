//! Keys with values in the header of a message.

use std::borrow::Cow;

/// The info that has keys with values.
const KEY_VALUE: u32 = 1;

/// Keys with values that came with a message. Neither need be text.
#[derive(Debug, Clone, Default)]
pub struct Headers<'a> {
    /// The infos as they are on the wire, found to be right.
    infos: Cow<'a, [u8]>,
}

impl<'a> Headers<'a> {
    pub(super) fn read(infos: &'a [u8]) -> Result<Self, &'static str> {
        let mut pairs = Pairs {
            rest: infos,
            left: 0,
        };
        while pairs.step()?.is_some() {}
        Ok(Self {
            infos: Cow::Borrowed(infos),
        })
    }

    /// All in the order in which they came. The same key may come more than once; the last one counts.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut pairs = Pairs {
            rest: &self.infos,
            left: 0,
        };
        std::iter::from_fn(move || pairs.step().ok().flatten())
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.iter()
            .filter(|(found, _)| *found == key)
            .last()
            .map(|(_, value)| value)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.infos.is_empty() || self.iter().next().is_none()
    }

    /// The same with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> Headers<'static> {
        Headers {
            infos: Cow::Owned(self.infos.into_owned()),
        }
    }
}

/// A key and its value.
type Pair<'a> = (&'a [u8], &'a [u8]);

/// Goes over infos.
struct Pairs<'a> {
    rest: &'a [u8],
    /// Pairs left in the info that was begun.
    left: u32,
}

impl<'a> Pairs<'a> {
    fn step(&mut self) -> Result<Option<Pair<'a>>, &'static str> {
        while self.left == 0 {
            if self.rest.is_empty() {
                return Ok(None);
            }
            // Zeros fill the header up, and behind an unknown info nothing is known.
            if varint(&mut self.rest).ok_or("the number of an info is damaged")? != KEY_VALUE {
                self.rest = &[];
                return Ok(None);
            }
            self.left = varint(&mut self.rest).ok_or("a number of headers is damaged")?;
        }
        self.left -= 1;
        let (Some(key), Some(value)) = (string(&mut self.rest), string(&mut self.rest)) else {
            return Err("a header's key or value ends too early");
        };
        Ok(Some((key, value)))
    }
}

/// A number of at most 32 bits; `None` if there is none.
pub(super) fn varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u64;
    for at in 0..5 {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return u32::try_from(value).ok();
        }
    }
    None
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = varint(rest)?;
    let (string, behind) = rest.split_at_checked(size as usize)?;
    *rest = behind;
    Some(string)
}

/// The most bytes that headers can have when they are written.
pub(super) fn size(headers: &[(&[u8], &[u8])]) -> usize {
    let pairs = headers.iter();
    pairs.fold(10, |size, (key, value)| {
        size.saturating_add(key.len())
            .saturating_add(value.len())
            .saturating_add(10)
    })
}

pub(super) fn write(out: &mut Vec<u8>, headers: &[(&[u8], &[u8])]) {
    if headers.is_empty() {
        return;
    }
    write_varint(out, KEY_VALUE as usize);
    write_varint(out, headers.len());
    for (key, value) in headers {
        for string in [key, value] {
            write_varint(out, string.len());
            out.extend_from_slice(string);
        }
    }
}

fn write_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
