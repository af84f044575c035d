//! Reading and writing of AMQP's elementary types.

use crate::{Malformed, TableRef};

/// The longest short string.
pub(crate) const SHORT_STRING_MAX: usize = 255;

/// Reads fields one after another and remembers where it is, for errors.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Self { octets, at: 0 }
    }

    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.octets.len()
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let rest = &self.octets[self.at..];
        if rest.len() < len {
            return Err(Malformed::Truncated { offset: self.at });
        }
        self.at += len;
        Ok(&rest[..len])
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let rest = &self.octets[self.at..];
        let chunk = rest
            .first_chunk::<N>()
            .ok_or(Malformed::Truncated { offset: self.at })?;
        self.at += N;
        Ok(*chunk)
    }

    #[inline]
    pub(crate) fn octet(&mut self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[octet]| octet)
    }

    #[inline]
    pub(crate) fn short(&mut self) -> Result<&'a [u8], Malformed> {
        let len = self.octet()?;
        self.take(usize::from(len))
            .map_err(|_| Malformed::Truncated {
                offset: self.at - 1,
            })
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<&'a [u8], Malformed> {
        let len = u32::from_be_bytes(self.array()?);
        self.take(len as usize).map_err(|_| Malformed::Truncated {
            offset: self.at - 4,
        })
    }

    /// All fields were read: nothing may follow.
    pub(crate) fn finish(&self) -> Result<(), Malformed> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Malformed::TrailingOctets { offset: self.at })
        }
    }
}

/// A type that a field of a method can have.
pub(crate) trait Field<'a>: Sized {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed>;
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! integer_fields {
    ($($integer:ty),*) => {$(
        impl Field<'_> for $integer {
            #[inline]
            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                reader.array().map(Self::from_be_bytes)
            }

            #[inline]
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}

integer_fields!(u8, u16, u32, u64);

/// A short string. Those of methods are UTF-8.
impl<'a> Field<'a> for &'a str {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let octets = reader.short()?;
        std::str::from_utf8(octets).map_err(|_| Malformed::NotUtf8 {
            offset: reader.offset() - octets.len(),
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_short(out, short_prefix(self).as_bytes());
    }
}

/// A long string.
impl<'a> Field<'a> for &'a [u8] {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.long()
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_long(out, self);
    }
}

/// A field table, looked through to its ends.
impl<'a> Field<'a> for TableRef<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let octets = reader.long()?;
        let start = reader.offset() - octets.len();
        let table = TableRef::from_bytes(octets);
        table.validate().map_err(|error| error.shifted(start))?;
        Ok(table)
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_long(out, self.as_bytes());
    }
}

/// As much of a text as a short string can hold, cut between characters.
pub(crate) fn short_prefix(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHORT_STRING_MAX)]
}

/// Writes a short string. What is longer than one can be is cut.
#[inline]
pub(crate) fn put_short(out: &mut Vec<u8>, octets: &[u8]) {
    let octets = &octets[..octets.len().min(SHORT_STRING_MAX)];
    out.push(octets.len() as u8);
    out.extend_from_slice(octets);
}

/// Writes a long string. No frame can hold one whose length does not fit.
#[inline]
pub(crate) fn put_long(out: &mut Vec<u8>, octets: &[u8]) {
    let octets = &octets[..octets.len().min(u32::MAX as usize)];
    out.extend_from_slice(&(octets.len() as u32).to_be_bytes());
    out.extend_from_slice(octets);
}

/// Up to eight bits in one octet, the first in the lowest place.
pub(crate) fn pack_bits(bits: &[bool]) -> u8 {
    bits.iter()
        .enumerate()
        .fold(0, |octet, (place, &bit)| octet | (u8::from(bit) << place))
}
