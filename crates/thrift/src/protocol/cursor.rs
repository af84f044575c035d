//! What is left of a message, and the limits that all readers of bytes share.

use std::borrow::Cow;

use crate::{Fault, Limits, Malformed, Result};

/// A place in a message. What is left is kept as a slice, so that one comparison is all that a read costs.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    total: usize,
    depth_left: u32,
    pub(super) limits: &'a Limits,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(input: &'a [u8], limits: &'a Limits) -> Self {
        Self {
            rest: input,
            total: input.len(),
            depth_left: limits.depth(),
            limits,
        }
    }

    #[inline]
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) const fn offset(&self) -> usize {
        self.total - self.rest.len()
    }

    /// A fault of what was just read: `back` bytes before here.
    #[cold]
    pub(super) fn fault(&self, fault: Fault, back: usize) -> Box<Malformed> {
        Malformed::new(fault, self.offset() - back)
    }

    #[cold]
    fn truncated(&self, wanted: usize) -> Box<Malformed> {
        let missing = wanted - self.rest.len();
        self.fault(Fault::Truncated { missing }, 0)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8> {
        match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                Ok(*byte)
            }
            None => Err(self.truncated(1)),
        }
    }

    #[inline]
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(self.truncated(N)),
        }
    }

    #[inline]
    pub(super) fn slice(&mut self, size: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(size) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(self.truncated(size)),
        }
    }

    /// Jumps over so many values of so many bytes each. The product is of 64 bits (THRIFT-6091).
    #[inline]
    pub(super) fn jump(&mut self, size: usize, count: u32) -> Result<()> {
        let wanted = size as u64 * u64::from(count);
        match usize::try_from(wanted) {
            Ok(wanted) => self.slice(wanted).map(drop),
            Err(_) => Err(self.too_many(count, 0)),
        }
    }

    #[cold]
    fn too_many(&self, count: u32, back: usize) -> Box<Malformed> {
        let left = self.rest.len();
        self.fault(Fault::TooManyElements { count, left }, back)
    }

    /// A number of elements that was just read from `back` bytes: they must fit what is left, of so many bytes each at
    /// least, and the limit.
    #[inline]
    pub(super) fn count(&self, count: u32, size_min: usize, back: usize) -> Result<u32> {
        if u64::from(count) * size_min as u64 > self.rest.len() as u64 {
            return Err(self.too_many(count, back));
        }
        if count > self.limits.container_max {
            return Err(self.over(
                "a container",
                count as usize,
                self.limits.container_max as usize,
                back,
            ));
        }
        Ok(count)
    }

    /// The bytes of a string whose size was just read from `back` bytes.
    #[inline]
    pub(super) fn string(&mut self, size: u32, back: usize) -> Result<&'a [u8]> {
        let size = size as usize;
        if size > self.limits.string_max {
            return Err(self.over("a string", size, self.limits.string_max, back));
        }
        self.slice(size)
    }

    #[cold]
    pub(super) fn over(
        &self,
        what: &'static str,
        found: usize,
        limit: usize,
        back: usize,
    ) -> Box<Malformed> {
        self.fault(Fault::OverLimit { what, found, limit }, back)
    }

    /// A struct or container begins.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<()> {
        match self.depth_left.checked_sub(1) {
            Some(left) => {
                self.depth_left = left;
                Ok(())
            }
            None => Err(self.fault(Fault::TooDeep(self.limits.depth()), 0)),
        }
    }

    /// It ends.
    #[inline]
    pub(super) const fn leave(&mut self) {
        self.depth_left += 1;
    }

    /// Checks what was just read as a method's name.
    pub(super) fn name<'n>(&self, name: &'n [u8]) -> Result<Cow<'n, str>> {
        if name.len() > self.limits.name_max {
            return Err(self.over("a method's name", name.len(), self.limits.name_max, 0));
        }
        std::str::from_utf8(name)
            .map(Cow::Borrowed)
            .map_err(|_| self.fault(Fault::NotUtf8, 0))
    }

    /// Goes over bytes that were looked at.
    #[inline]
    pub(super) fn advance(&mut self, size: usize) {
        self.rest = self.rest.get(size..).unwrap_or_default();
    }
}
