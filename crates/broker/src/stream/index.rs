//! Where the messages of a stream are, by offset.
//!
//! Offsets follow each other but where the log lost something, so a block knows the offset of its first item and no other. A
//! block is an allocation of its own: a stream grows and is cut without anything being copied.

use std::collections::VecDeque;

use trefoil_store::Position;

/// Items in a block: 12 KiB.
const BLOCK: usize = 512;

/// A message of a stream: 24 bytes, for there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it is in the durable log.
    pub(crate) at: Position,
    /// When it came, in milliseconds.
    pub(crate) time: u64,
    /// Bytes of header and body.
    pub(crate) size: u32,
    /// The fingerprint of its filter value; 0 if it has none.
    pub(crate) fingerprint: u32,
}

/// Items whose offsets follow each other.
#[derive(Debug)]
struct Block {
    first: u64,
    items: VecDeque<Item>,
}

impl Block {
    /// The offset behind the last item.
    fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }
}

/// Items by offset.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// None is empty.
    blocks: VecDeque<Block>,
    len: usize,
    bytes: u64,
}

impl Index {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of headers and bodies.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Puts an item behind all others, whose offsets are lower.
    pub(crate) fn push(&mut self, offset: u64, item: Item) {
        self.len += 1;
        self.bytes += u64::from(item.size);
        match self.blocks.back_mut() {
            Some(block) if block.end() == offset && block.items.len() < BLOCK => {
                block.items.push_back(item);
            }
            last => {
                // The first block grows as it is needed: a stream may stay short.
                let capacity = if last.is_some() { BLOCK } else { 4 };
                let mut items = VecDeque::with_capacity(capacity);
                items.push_back(item);
                self.blocks.push_back(Block {
                    first: offset,
                    items,
                });
            }
        }
    }

    pub(crate) fn first(&self) -> Option<(u64, Item)> {
        let block = self.blocks.front()?;
        Some((block.first, *block.items.front()?))
    }

    pub(crate) fn last(&self) -> Option<(u64, Item)> {
        let block = self.blocks.back()?;
        Some((block.end() - 1, *block.items.back()?))
    }

    pub(crate) fn pop_first(&mut self) -> Option<(u64, Item)> {
        let block = self.blocks.front_mut()?;
        let item = block.items.pop_front()?;
        let offset = block.first;
        block.first += 1;
        if block.items.is_empty() {
            self.blocks.pop_front();
        }
        self.len -= 1;
        self.bytes -= u64::from(item.size);
        Some((offset, item))
    }

    /// Items at this offset and later, in order.
    pub(crate) fn from(&self, offset: u64) -> impl Iterator<Item = (u64, Item)> {
        let block = self.blocks.partition_point(|block| block.end() <= offset);
        self.blocks.range(block..).flat_map(move |block| {
            // Within a block places are few enough for a usize, and those of later blocks begin at 0.
            let skip = offset.saturating_sub(block.first) as usize;
            let offsets = block.first + skip as u64..;
            offsets.zip(block.items.range(skip..).copied())
        })
    }

    /// The item with this offset, to have its message moved.
    pub(crate) fn find_mut(&mut self, offset: u64) -> Option<&mut Item> {
        let block = self.blocks.partition_point(|block| block.end() <= offset);
        let block = self.blocks.get_mut(block)?;
        let place = offset.checked_sub(block.first)?;
        block.items.get_mut(usize::try_from(place).ok()?)
    }

    /// The offset of the first item that came then or later.
    pub(crate) fn since(&self, time: u64) -> Option<u64> {
        let is_before = |item: &Item| item.time < time;
        let block = self
            .blocks
            .partition_point(|block| block.items.back().is_some_and(is_before));
        let block = self.blocks.get(block)?;
        Some(block.first + block.items.partition_point(is_before) as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn item(time: u64) -> Item {
        Item {
            at: Position::default(),
            time,
            size: 3,
            fingerprint: 0,
        }
    }

    #[test]
    fn an_item_is_small() {
        assert_eq!(size_of::<Item>(), 24);
    }

    proptest! {
        /// Against a map: appends with holes, cuts at the front, and what is found anywhere.
        #[test]
        fn behaves_like_a_map(steps in proptest::collection::vec((0u8..8, 0u64..700), 1..2000)) {
            let mut index = Index::default();
            let mut model: BTreeMap<u64, u64> = BTreeMap::new();
            let mut next = 0;
            for (what, number) in steps {
                match what {
                    // A hole.
                    0 => next += number / 100,
                    1 => {
                        let popped = index.pop_first().map(|(offset, item)| (offset, item.time));
                        prop_assert_eq!(popped, model.pop_first());
                    }
                    2 => {
                        let from: Vec<u64> = index.from(number).take(3).map(|(offset, _)| offset).collect();
                        let expected: Vec<u64> = model.range(number..).take(3).map(|(offset, _)| *offset).collect();
                        prop_assert_eq!(from, expected);
                        let found = index.find_mut(number).map(|item| item.time);
                        prop_assert_eq!(found, model.get(&number).copied());
                        let since = model.iter().find(|(_, time)| **time >= number).map(|(offset, _)| *offset);
                        prop_assert_eq!(index.since(number), since);
                    }
                    _ => {
                        index.push(next, item(next / 2));
                        model.insert(next, next / 2);
                        next += 1;
                    }
                }
                prop_assert_eq!(index.len(), model.len());
                prop_assert_eq!(index.bytes(), 3 * model.len() as u64);
                prop_assert_eq!(index.first().map(|(offset, _)| offset), model.keys().next().copied());
                prop_assert_eq!(index.last().map(|(offset, _)| offset), model.keys().next_back().copied());
            }
        }
    }
}
