//! Finding fields by id and things by name.

use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher as _;

/// No field.
const NONE: u16 = u16::MAX;
/// Ids in a range up to this long are found by one look; 64 for most structs is a cache line or two.
const DENSE_MAX: usize = 1_024;

/// Places of fields by id.
#[derive(Debug, Clone)]
pub(super) enum Ids {
    /// By `id - first`.
    Dense { first: i16, places: Box<[u16]> },
    /// By search.
    Sparse(Box<[i16]>),
}

impl Ids {
    /// Of ids in rising order; not more than 65,535.
    pub(super) fn new(ids: &[i16]) -> Self {
        let (Some(first), Some(last)) = (ids.first(), ids.last()) else {
            return Self::Sparse(Box::default());
        };
        let span = (i32::from(*last) - i32::from(*first)) as usize + 1;
        if span > DENSE_MAX.max(4 * ids.len()) {
            return Self::Sparse(ids.into());
        }
        let mut places = vec![NONE; span].into_boxed_slice();
        for (place, id) in ids.iter().enumerate() {
            places[(i32::from(*id) - i32::from(*first)) as usize] = place as u16;
        }
        Self::Dense {
            first: *first,
            places,
        }
    }

    #[inline]
    pub(super) fn find(&self, id: i16) -> Option<usize> {
        match self {
            Self::Dense { first, places } => {
                let at = (i32::from(id) - i32::from(*first)) as u32 as usize;
                match places.get(at) {
                    Some(place) if *place != NONE => Some(usize::from(*place)),
                    _ => None,
                }
            }
            Self::Sparse(ids) => ids.binary_search(&id).ok(),
        }
    }
}

/// Places of things by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    hasher: DefaultHashBuilder,
    table: HashTable<(Box<str>, u32)>,
}

impl Names {
    /// Of two things with a name, the first is found.
    pub(super) fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for (place, name) in names.into_iter().enumerate() {
            all.add(name, place);
        }
        all
    }

    /// Adds a name; false if it is there.
    pub(super) fn add(&mut self, name: &str, place: usize) -> bool {
        if self.find(name.as_bytes()).is_some() {
            return false;
        }
        let hash = self.hasher.hash_one(name.as_bytes());
        let hasher = &self.hasher;
        self.table
            .insert_unique(hash, (name.into(), place as u32), |(name, _)| {
                hasher.hash_one(name.as_bytes())
            });
        true
    }

    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one(name);
        self.table
            .find(hash, |(known, _)| known.as_bytes() == name)
            .map(|(_, place)| *place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[i16]) {
        let table = Ids::new(ids);
        for id in i16::MIN..=i16::MAX {
            assert_eq!(
                table.find(id),
                ids.iter().position(|known| *known == id),
                "{id}"
            );
        }
    }

    #[test]
    fn ids_are_found_and_others_are_not() {
        check(&[]);
        check(&[1, 2, 3]);
        check(&[-3, 0, 7]);
        check(&[i16::MIN, i16::MAX]);
        check(&[-500, 500]);
        check(&[1, 1_000, 2_000, 30_000]);
    }

    #[test]
    fn the_first_of_two_names_is_found() {
        let names = Names::new(["a", "b", "a"]);
        assert_eq!(names.find(b"a"), Some(0));
        assert_eq!(names.find(b"b"), Some(1));
        assert_eq!(names.find(b"c"), None);
    }
}
