//! Whether two values are the same, whatever their text looks like: for elements of sets and keys of maps.
//!
//! Values are compared by hashes of 64 bits with a seed of the process. Two different values have the same one so rarely
//! (once in 10^7 sets of a million elements) that this is put up with; the harm would be a refused request.

use hashbrown::DefaultHashBuilder;
use std::hash::BuildHasher as _;

use crate::{
    MessageHeader, WireType, Writer,
    protocol::{Nest, Open},
};

/// A key or an element that was seen, and where.
#[derive(Debug, Clone, Copy)]
struct Seen {
    hash: u64,
    /// Which one it is, and where in the text.
    place: Place,
}

/// Which element it is, and where in the text. Longer texts than 4 GiB do not come here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) index: u32,
    pub(super) offset: u32,
}

/// The elements of the containers that are being read, those of the innermost last.
#[derive(Debug, Default)]
pub(super) struct Elements {
    seen: Vec<Seen>,
}

impl Elements {
    /// A container begins; what [`end`](Self::end) wants.
    #[inline]
    pub(super) const fn begin(&self) -> usize {
        self.seen.len()
    }

    #[inline]
    pub(super) fn add(&mut self, hash: u64, index: u32, offset: usize) {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        let place = Place { index, offset };
        self.seen.push(Seen { hash, place });
    }

    /// A container ends. The first of its elements that was there before, if there is such.
    #[inline]
    pub(super) fn end(&mut self, begin: usize) -> Option<Place> {
        let elements = &mut self.seen[begin..];
        elements.sort_unstable_by_key(|seen| seen.hash);
        let is_twice = elements.windows(2).any(|two| two[0].hash == two[1].hash);
        let twice = if is_twice { second(elements) } else { None };
        self.seen.truncate(begin);
        twice
    }
}

/// The first in the text of those that have the hash of one before them.
#[cold]
fn second(elements: &mut [Seen]) -> Option<Place> {
    elements.sort_unstable_by_key(|seen| (seen.hash, seen.place));
    elements
        .windows(2)
        .filter(|two| two[0].hash == two[1].hash)
        .map(|two| two[1].place)
        .min()
}

/// Hashes of values.
#[derive(Debug, Clone, Default)]
pub(super) struct Hashes {
    builder: DefaultHashBuilder,
}

impl Hashes {
    #[inline]
    pub(super) fn of_bytes(&self, bytes: &[u8]) -> u64 {
        self.builder.hash_one(bytes)
    }

    #[inline]
    pub(super) fn of_integer(&self, number: i64) -> u64 {
        // Integers are their own hashes, exactly; nothing else is compared with them, as a container has one type.
        number as u64
    }

    /// Zeros of both signs are the same.
    #[inline]
    pub(super) fn of_double(&self, number: f64) -> u64 {
        (if number == 0.0 { 0.0 } else { number }).to_bits()
    }

    fn of_pair(&self, pair: (u64, u64)) -> u64 {
        self.builder.hash_one(pair)
    }
}

/// What a value consists of, on the way to its hash. The order of fields, of elements of sets and of entries of maps is
/// nothing, so their hashes are added.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// The whole value.
    Whole,
    /// The fields of a struct.
    Fields { sum: u64, id: i16 },
    /// The elements of a list.
    Ordered { hash: u64 },
    /// The elements of a set.
    Unordered { sum: u64 },
    /// The entries of a map; a key waits for its value.
    Entries { sum: u64, key: Option<u64> },
}

/// Hashes one value that is written to it.
#[derive(Debug)]
pub(super) struct Hasher<'a> {
    hashes: &'a Hashes,
    around: Vec<Part>,
    part: Part,
    hash: u64,
}

impl<'a> Hasher<'a> {
    pub(super) const fn new(hashes: &'a Hashes) -> Self {
        Self {
            hashes,
            around: Vec::new(),
            part: Part::Whole,
            hash: 0,
        }
    }

    pub(super) fn finish(self) -> u64 {
        self.hash
    }

    fn begin(&mut self, part: Part) {
        self.around.push(self.part);
        self.part = part;
    }

    fn end(&mut self) {
        let hash = match self.part {
            Part::Whole => 0,
            // Sums of nothing are 0 for all, but of one type only one thing is compared.
            Part::Fields { sum, .. } | Part::Unordered { sum } | Part::Entries { sum, .. } => {
                self.hashes.of_pair((sum, 1))
            }
            Part::Ordered { hash } => hash,
        };
        self.part = self.around.pop().unwrap_or(Part::Whole);
        self.add(hash);
    }

    fn add(&mut self, hash: u64) {
        let hashes = self.hashes;
        match &mut self.part {
            Part::Whole => self.hash = hash,
            Part::Fields { sum, id } => {
                *sum = sum.wrapping_add(hashes.of_pair((*id as u64, hash)));
            }
            Part::Ordered { hash: before } => *before = hashes.of_pair((*before, hash)),
            Part::Unordered { sum } => *sum = sum.wrapping_add(hashes.of_pair((hash, 2))),
            Part::Entries { sum, key } => match key.take() {
                None => *key = Some(hash),
                Some(key) => *sum = sum.wrapping_add(hashes.of_pair((key, hash))),
            },
        }
    }
}

impl Writer for Hasher<'_> {
    fn message_begin(&mut self, _: &MessageHeader<'_>) {}
    fn message_end(&mut self) {}
    fn struct_begin(&mut self) -> Nest {
        self.begin(Part::Fields { sum: 0, id: 0 });
        Nest(0)
    }
    fn struct_end(&mut self, _: Nest) {
        self.end();
    }
    fn field_begin(&mut self, _: WireType, field: i16) {
        if let Part::Fields { id, .. } = &mut self.part {
            *id = field;
        }
    }
    fn field_end(&mut self) {}
    fn bool(&mut self, value: bool) {
        self.add(u64::from(value));
    }
    fn i8(&mut self, value: i8) {
        self.i64(value.into());
    }
    fn i16(&mut self, value: i16) {
        self.i64(value.into());
    }
    fn i32(&mut self, value: i32) {
        self.i64(value.into());
    }
    fn i64(&mut self, value: i64) {
        self.add(self.hashes.of_integer(value));
    }
    fn double(&mut self, value: f64) {
        self.add(self.hashes.of_double(value));
    }
    fn uuid(&mut self, value: &[u8; 16]) {
        self.binary(value);
    }
    fn string(&mut self, value: &str) {
        self.binary(value.as_bytes());
    }
    fn binary(&mut self, value: &[u8]) {
        self.add(self.hashes.of_bytes(value));
    }
    fn list_begin(&mut self, _: WireType, _: u32) {
        self.begin(Part::Ordered { hash: 0 });
    }
    fn list_end(&mut self) {
        self.end();
    }
    fn set_begin(&mut self, _: WireType, _: u32) {
        self.begin(Part::Unordered { sum: 0 });
    }
    fn set_end(&mut self) {
        self.end();
    }
    fn map_begin(&mut self, _: WireType, _: WireType, _: u32) {
        self.begin(Part::Entries { sum: 0, key: None });
    }
    fn map_end(&mut self) {
        self.end();
    }
    fn list_open(&mut self, element: WireType) -> Open {
        self.list_begin(element, 0);
        Open { at: 0 }
    }
    fn list_close(&mut self, _: Open, _: u32) {
        self.end();
    }
    fn set_open(&mut self, element: WireType) -> Open {
        self.set_begin(element, 0);
        Open { at: 0 }
    }
    fn set_close(&mut self, _: Open, _: u32) {
        self.end();
    }
    fn map_open(&mut self, key: WireType, value: WireType) -> Open {
        self.map_begin(key, value, 0);
        Open { at: 0 }
    }
    fn map_close(&mut self, _: Open, _: u32) {
        self.end();
    }
}
